//! Documents from their arrival to their end, through crashes, changes and other models.

use std::time::Duration;

use platform::knowledge::{KnowledgeConfig, KnowledgeError, Profile, Question, Seed, SeedPlace, Upload};
use store::{DEFAULT_ORGANIZATION, DocumentOrigin, DocumentStatus};

use crate::stubs::{EmbeddingsStub, Mood};
use crate::{Base, Folder, embeddings, is_ready, question, shown, upload};

const HOURS: &str = "# Shop\n\n## Opening hours\n\nWe open at nine and close at five.\n\n## Parking\n\nParking is free.";

#[tokio::test]
async fn a_document_is_found_with_its_heading_and_citation() {
    let base = Base::start(KnowledgeConfig::default()).await;
    let document = base.add("hours.md", HOURS).await;
    assert_eq!((document.status, document.format.as_deref()), (DocumentStatus::Pending, Some("markdown")));
    let document = base.settled(&document).await;
    assert_eq!((shown(&document).as_str(), document.chunks), ("ready", 2));
    let found = base.ask("When do you close?").await;
    assert!(!found.by_vectors);
    let passage = &found.passages[0];
    assert_eq!((passage.name.as_str(), passage.heading.as_str()), ("hours.md", "Shop > Opening hours"));
    assert_eq!(passage.text, "We open at nine and close at five.");
    assert_eq!(passage.score, 1.0);
    assert_eq!(passage.chunk, format!("{}.1.0", document.id));

    let strict = Question { min_score: 0.6, ..question("close the parking of the zoo") };
    assert_eq!(base.service.search(&strict).await.unwrap().passages.len(), 0);
    let one = Question { limit: 1, ..question("close parking") };
    assert_eq!(base.service.search(&one).await.unwrap().passages.len(), 1);
}

#[tokio::test]
async fn a_deleted_document_is_gone_at_once_and_then_whole() {
    let base = Base::start(KnowledgeConfig::default()).await;
    let document = base.add("hours.md", HOURS).await;
    base.settled(&document).await;
    assert!(base.service.delete(DEFAULT_ORGANIZATION, document.id).await.unwrap());
    assert_eq!(base.names("parking").await, "");
    assert!(base.service.settled(Duration::from_secs(60)).await.unwrap());
    assert_eq!(base.all().await, []);
    assert!(!base.service.delete(DEFAULT_ORGANIZATION, document.id).await.unwrap());
    // Its name is free.
    let again = base.add("hours.md", HOURS).await;
    assert_ne!(again.id, document.id);
    assert!(is_ready(&base.settled(&again).await));
}

#[tokio::test]
async fn work_that_was_cut_off_anywhere_is_done_after_the_start() {
    let stub = EmbeddingsStub::default();
    let url = stub.start().await;
    let config = || KnowledgeConfig { embeddings: Some(embeddings(&url, "small")), ..KnowledgeConfig::default() };
    let text: String = (0..300).map(|n| format!("# Part {n}\n\nThis is about subject{n} and nothing else.\n\n")).collect();
    let mut base = Base::start(config()).await;
    let document = base.add("long.md", &text).await;
    // Each time it gets a little further; the last time it is left to end.
    for step in 0..12 {
        tokio::time::sleep(Duration::from_millis(step * 15)).await;
        base = base.restart(config()).await;
    }
    let document = base.settled(&document).await;
    assert_eq!((shown(&document).as_str(), document.chunks), ("ready", 300));
    let found = base.ask("subject277").await;
    assert!(found.by_vectors);
    assert_eq!(found.passages[0].heading, "Part 277");
    // Nothing of the earlier tries is left to be found twice.
    let positions: Vec<&str> = found.passages.iter().map(|passage| passage.heading.as_str()).collect();
    assert!(positions.iter().all(|heading| positions.iter().filter(|other| other == &heading).count() == 1));
}

#[tokio::test]
async fn another_model_has_every_document_read_again() {
    let stub = EmbeddingsStub::default();
    let url = stub.start().await;
    let config = |model: &str| KnowledgeConfig { embeddings: Some(embeddings(&url, model)), ..KnowledgeConfig::default() };
    let base = Base::start(KnowledgeConfig::default()).await;
    let document = base.add("hours.md", HOURS).await;
    assert_eq!(base.settled(&document).await.space, "");

    let base = base.restart(config("small")).await;
    assert_eq!(base.settled(&document).await.space, "small/256@bytes");
    assert!(base.ask("parking").await.by_vectors);
    let asked = stub.asked();
    let base = base.restart(config("small")).await;
    base.settled(&document).await;
    assert_eq!(stub.asked(), asked, "what is up to date was embedded again");

    let base = base.restart(config("large")).await;
    assert_eq!(base.settled(&document).await.space, "large/256@bytes");
    assert_eq!(stub.asked.lock().unwrap().last().unwrap(), &("large".to_owned(), 2));
    // Without embeddings the words are enough; nothing is read again.
    let base = base.restart(KnowledgeConfig::default()).await;
    assert_eq!(base.settled(&document).await.space, "large/256@bytes");
    assert_eq!(base.names("parking").await, "hours.md");
}

#[tokio::test]
async fn trouble_with_embeddings_costs_no_document_and_no_answer() {
    let stub = EmbeddingsStub::default();
    let url = stub.start().await;
    let config = || KnowledgeConfig { embeddings: Some(embeddings(&url, "small")), ..KnowledgeConfig::default() };
    let base = Base::start(config()).await;
    let moods = [
        (Mood::Garbage, "the embeddings server answered outside its protocol: expected value at line 1 column 1"),
        (
            Mood::WrongDimensions,
            "the embeddings server answered outside its protocol: a vector of 255 dimensions where 256 were asked for",
        ),
        (Mood::RateLimited, "the embeddings server answered 429: slow down"),
        (Mood::BadKey, "the embeddings server refused with 401: bad key"),
    ];
    for (index, (mood, reason)) in moods.into_iter().enumerate() {
        stub.set(mood);
        let document = base.add(&format!("{index}.md"), HOURS).await;
        let document = base.until(&document, |document| document.reason.is_some()).await;
        assert_eq!(shown(&document), format!("pending {reason}"));
        // Its words are found meanwhile, although the question has no vector either.
        let found = base.ask("parking").await;
        assert_eq!((found.passages.len(), found.by_vectors), (index + 1, false));
    }
    stub.set(Mood::Well);
    // The next try is seconds away; who does not want to wait gives the document again.
    for document in base.all().await {
        let again = base.service.add(upload(&document.name, HOURS.as_bytes())).await.unwrap();
        base.until(&again, is_ready).await;
    }
    assert!(base.ask("parking").await.by_vectors);
}

#[tokio::test]
async fn a_short_rate_limit_is_sat_out() {
    let stub = EmbeddingsStub::default();
    stub.set(Mood::RateLimitedOnce);
    let url = stub.start().await;
    let base = Base::start(KnowledgeConfig { embeddings: Some(embeddings(&url, "small")), ..KnowledgeConfig::default() }).await;
    let document = base.add("hours.md", HOURS).await;
    assert_eq!(shown(&base.settled(&document).await), "ready");
    assert_eq!(stub.asked(), 2);
}

#[tokio::test]
async fn vectors_that_do_not_fit_into_memory_are_found_too() {
    let stub = EmbeddingsStub::default();
    let url = stub.start().await;
    let config = |cache_bytes_max| KnowledgeConfig {
        embeddings: Some(embeddings(&url, "small")),
        cache_bytes_max,
        ..KnowledgeConfig::default()
    };
    let mut base = Base::start(config(usize::MAX)).await;
    for name in ["hours", "menu", "staff"] {
        let document = base.add(&format!("{name}.md"), &format!("# {name}\n\nAll about the {name} of the shop.")).await;
        base.settled(&document).await;
    }
    let whole = base.ask("tell me about menus").await;
    assert!(whole.by_vectors && whole.passages.len() == 3);
    for cache in [0, 300] {
        base = base.restart(config(cache)).await;
        assert_eq!(base.ask("tell me about menus").await, whole, "{cache}");
    }
}

#[tokio::test]
async fn the_file_keeps_its_documents_in_step() {
    let files = Folder::new();
    let write = |name: &str, text: &str| std::fs::write(files.0.join(name), text).unwrap();
    std::fs::create_dir(files.0.join("more")).unwrap();
    write("hours.md", HOURS);
    write("more/menu.txt", "Soup and bread.");
    write("more/logo.png", "no document");
    let folder = Seed { base: "faq".to_owned(), name: String::new(), place: SeedPlace::Path(files.0.clone()) };
    let base = Base::start(KnowledgeConfig::default()).await;
    let uploaded = base.add("own.md", "# Own\n\nNot of the file.").await;
    base.service.seed(std::slice::from_ref(&folder)).await.unwrap();
    base.settled(&uploaded).await;
    let names = async || {
        let mut names: Vec<String> = base.all().await.into_iter().map(|document| document.name).collect();
        names.sort();
        names.join(" ")
    };
    assert_eq!(names().await, "hours.md more/menu.txt own.md");
    let before = base.all().await;
    base.service.seed(std::slice::from_ref(&folder)).await.unwrap();
    assert_eq!(base.all().await, before, "what did not change was read again");

    write("hours.md", "# Shop\n\nWe never close.");
    std::fs::remove_file(files.0.join("more/menu.txt")).unwrap();
    base.service.seed(std::slice::from_ref(&folder)).await.unwrap();
    base.settled(&uploaded).await;
    assert_eq!(names().await, "hours.md own.md");
    assert_eq!(base.ask("close").await.passages[0].text, "We never close.");
    assert_eq!(base.names("soup").await, "");
    base.service.seed(&[]).await.unwrap();
    assert_eq!(names().await, "own.md");
    assert_eq!(base.all().await[0].origin, DocumentOrigin::Upload);

    let missing = Seed { place: SeedPlace::Path(files.0.join("nothing.md")), ..folder };
    let error = base.service.seed(&[missing]).await.unwrap_err().to_string();
    assert!(error.ends_with("nothing.md: No such file or directory (os error 2)"), "{error}");
}

#[tokio::test]
async fn an_assistant_looks_at_its_own_bases() {
    let profile = Profile { bases: vec!["faq".to_owned()], limit: 1, min_score: 0.5 };
    let profiles = [("sales".to_owned(), profile)].into_iter().collect();
    let base = Base::start(KnowledgeConfig { profiles, ..KnowledgeConfig::default() }).await;
    base.add("hours.md", HOURS).await;
    let upload = Upload { base: "faq".to_owned(), ..upload("faq.md", b"# A\n\nParking costs.\n\n# B\n\nParking is there.") };
    let document = base.service.add(upload).await.unwrap();
    base.settled(&document).await;
    let found = async |assistant: &str, text: &str, limit| {
        let found = base.service.search_as(DEFAULT_ORGANIZATION, assistant, text, limit).await.unwrap();
        found.passages.iter().map(|passage| passage.heading.clone()).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(found("sales", "parking", None).await, "A");
    assert_eq!(found("sales", "parking", Some(5)).await, "A, B");
    assert_eq!(found("sales", "parking of the zoo at night", None).await, "");
    assert_eq!(found("another", "parking", None).await, "Shop > Parking, A, B");
}

#[tokio::test]
async fn what_is_asked_has_limits() {
    let base = Base::start(KnowledgeConfig { documents_max: 1, document_bytes_max: 100, ..KnowledgeConfig::default() }).await;
    let refused = async |question: Question<'_>| base.service.search(&question).await.unwrap_err().to_string();
    let long = "x".repeat(2001);
    assert_eq!(refused(question(" ")).await, "query: must not be empty");
    assert_eq!(refused(question(&long)).await, "query: 2001 bytes are above 2000");
    assert_eq!(refused(Question { limit: 21, ..question("x") }).await, "limit: 21 is outside 1-20");
    assert_eq!(refused(Question { min_score: 2.0, ..question("x") }).await, "min_score: 2 is outside 0-1");
    let bases = vec!["a".to_owned(); 17];
    assert_eq!(refused(Question { bases: &bases, ..question("x") }).await, "bases: 17 are more than 16");

    let add = async |name: &str, text: &str| base.service.add(upload(name, text.as_bytes())).await;
    assert!(matches!(add("a", &"x".repeat(101)).await, Err(KnowledgeError::Refused { field: "content", .. })));
    assert_eq!(add("a", "").await.unwrap_err().to_string(), "content: the document is empty");
    add("a", "one").await.unwrap();
    add("a", "the same again").await.unwrap();
    assert_eq!(add("b", "two").await.unwrap_err().to_string(), "document: there are 1 documents, which is the limit");
    assert_eq!(base.service.profile("nobody"), Profile::default());
}
