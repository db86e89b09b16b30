//! Vectors in Pinecone, by a server written from its specification.

use std::time::Duration;

use ai::knowledge::pinecone::PineconeConfig;
use platform::knowledge::{KnowledgeConfig, Question, Upload, VectorStore};
use store::DEFAULT_ORGANIZATION;

use crate::stubs::{EmbeddingsStub, PineconeStub};
use crate::{Base, embeddings, is_ready, question, shown, upload};

fn config(embeddings_url: &str, base_url: &str) -> KnowledgeConfig {
    let search_timeout = Duration::from_secs(10);
    KnowledgeConfig {
        embeddings: Some(embeddings(embeddings_url, "small")),
        vectors: VectorStore::Pinecone(PineconeConfig {
            base_url: base_url.to_owned(),
            api_key: "pc-test".into(),
            search_timeout,
        }),
        ..KnowledgeConfig::default()
    }
}

#[tokio::test]
async fn vectors_lie_in_pinecone_and_go_with_their_document() {
    let (texts, index) = (EmbeddingsStub::default(), PineconeStub::default());
    let config = config(&texts.start().await, &index.start().await);
    let base = Base::start(config.clone()).await;
    let document = base.add("hours.md", "# Shop\n\nWe open at nine.\n\n# Parking\n\nParking is free.").await;
    let menu = base
        .service
        .add(Upload { base: "menu".to_owned(), ..upload("menu.md", b"Soup is served at the opening.") })
        .await
        .unwrap();
    base.settled(&menu).await;
    let ids = [format!("{}.1.0", document.id), format!("{}.1.1", document.id), format!("{}.1.0", menu.id)];
    assert_eq!(index.ids(DEFAULT_ORGANIZATION), ids);
    let found = base.ask("opening").await;
    assert!(found.by_vectors);
    let bases = ["menu".to_owned()];
    let narrow = Question { bases: &bases, ..question("opening nine parking") };
    let names: Vec<String> =
        base.service.search(&narrow).await.unwrap().passages.into_iter().map(|passage| passage.name).collect();
    assert_eq!(names, ["menu.md"]);

    // A new version replaces the vectors of the old one; putting it ended the claim before it, so that it is the third.
    base.add("hours.md", "# Shop\n\nWe open at ten.").await;
    base.settled(&document).await;
    assert_eq!(index.ids(DEFAULT_ORGANIZATION), [format!("{}.3.0", document.id), ids[2].clone()]);
    base.service.delete(DEFAULT_ORGANIZATION, document.id).await.unwrap();
    base.settled(&menu).await;
    assert_eq!(index.ids(DEFAULT_ORGANIZATION), [ids[2].clone()]);
}

#[tokio::test]
async fn a_pinecone_that_is_down_costs_no_document_and_no_answer() {
    let (texts, index) = (EmbeddingsStub::default(), PineconeStub::default());
    let config = config(&texts.start().await, &index.start().await);
    let base = Base::start(config.clone()).await;
    let document = base.add("hours.md", "We open at nine.").await;
    base.settled(&document).await;
    *index.down.lock().unwrap() = true;
    let found = base.ask("open").await;
    assert_eq!((found.passages.len(), found.by_vectors), (1, false));
    // It cannot be removed there yet, and is not found all the same.
    base.service.delete(DEFAULT_ORGANIZATION, document.id).await.unwrap();
    assert_eq!(base.names("open").await, "");
    assert!(!base.service.settled(Duration::from_millis(500)).await.unwrap());
    *index.down.lock().unwrap() = false;
    let base = base.restart(config).await;
    assert!(base.service.settled(Duration::from_secs(60)).await.unwrap());
    assert_eq!(index.ids(DEFAULT_ORGANIZATION), Vec::<String>::new());
}

#[tokio::test]
async fn a_wrong_key_is_named_on_the_document() {
    let (texts, index) = (EmbeddingsStub::default(), PineconeStub::default());
    let mut config = config(&texts.start().await, &index.start().await);
    if let VectorStore::Pinecone(pinecone) = &mut config.vectors {
        pinecone.api_key = "wrong".into();
    }
    let base = Base::start(config).await;
    let document = base.add("hours.md", "We open at nine.").await;
    let document = base.until(&document, |document| document.reason.is_some()).await;
    assert_eq!(shown(&document), "pending Pinecone refused with 401: unauthorized");
    assert!(!is_ready(&document));
    assert_eq!(base.names("nine").await, "hours.md");
}
