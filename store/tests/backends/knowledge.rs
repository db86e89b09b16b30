//! The knowledge base: what is put is claimed, found and removed, whoever dies in between.

use std::time::Duration;

use store::*;

use crate::sample::*;

const LEASE: Duration = Duration::from_secs(60);
const EVERYWHERE: Scope<'static> = Scope { organization: "default", bases: &[] };

fn new(base: &str, name: &str, content: &str) -> NewDocument {
    NewDocument {
        organization: DEFAULT_ORGANIZATION.to_owned(),
        base: base.to_owned(),
        name: name.to_owned(),
        origin: DocumentOrigin::Upload,
        url: None,
        format: Some("text".to_owned()),
        content: Some(content.as_bytes().to_vec()),
        digest: content.len().to_string(),
    }
}

fn chunks(texts: &[&str]) -> Vec<NewChunk> {
    let chunk = |(position, text): (usize, &&str)| NewChunk { position, heading: "Guide".to_owned(), text: (*text).to_owned() };
    texts.iter().enumerate().map(chunk).collect()
}

async fn open(url: &str) -> KnowledgeStore {
    KnowledgeStore::open(&Store::open(url).await.unwrap()).await.unwrap()
}

async fn claim(knowledge: &KnowledgeStore) -> Claim {
    knowledge.claim("a", at(0), LEASE).await.unwrap().unwrap()
}

/// Puts a document of these chunks and makes it found; its vectors, if any, too.
async fn ready(knowledge: &KnowledgeStore, base: &str, name: &str, texts: &[&str], vectors: &[[f32; 2]]) -> DocumentId {
    let id = knowledge.put(&new(base, name, &texts.join("\n")), at(0), None).await.unwrap();
    let claim = claim(knowledge).await;
    assert_eq!(claim.document.id, id);
    assert!(knowledge.add_chunks(&claim, &chunks(texts)).await.unwrap());
    assert!(knowledge.set_found(&claim, texts.len()).await.unwrap());
    let place = knowledge.place();
    let vectors: Vec<(usize, NewVector)> = vectors.iter().map(|vector| new_vector(place, vector)).enumerate().collect();
    assert!(knowledge.add_vectors(&claim, &vectors).await.unwrap());
    let space = if vectors.is_empty() { "" } else { "model" };
    assert!(knowledge.set_ready(&claim, space, at(1)).await.unwrap());
    id
}

fn new_vector(place: VectorPlace, vector: &[f32; 2]) -> NewVector {
    match place {
        VectorPlace::Bytes => NewVector::Bytes(vector.iter().map(|value| *value as i8 as u8).collect()),
        VectorPlace::Pgvector => NewVector::Numbers(vector.to_vec()),
    }
}

/// What is found by words, as `document:position`, best first.
async fn found(knowledge: &KnowledgeStore, scope: Scope<'_>, terms: &str) -> String {
    let terms: Vec<String> = terms.split_whitespace().map(str::to_owned).collect();
    let keys = knowledge.match_text(scope, &terms, 10).await.unwrap();
    named(knowledge, scope, &keys).await
}

async fn named(knowledge: &KnowledgeStore, scope: Scope<'_>, keys: &[i64]) -> String {
    let chunks = knowledge.chunks(scope, keys).await.unwrap();
    let names = keys.iter().filter_map(|key| {
        let chunk = chunks.iter().find(|chunk| chunk.key == *key)?;
        Some(format!("{}:{}", chunk.document, chunk.chunk.position))
    });
    names.collect::<Vec<_>>().join(" ")
}

pub async fn a_document_is_found_by_its_words(url: String) {
    let knowledge = open(&url).await;
    ready(&knowledge, "faq", "hours", &["We open at nine and close at five.", "On Sundays the shop is closed."], &[]).await;
    ready(&knowledge, "manual", "sip", &["SIP listens on UDP port 5060.", "A trunk transfers calls.", "Nothing of it."], &[])
        .await;
    assert_eq!(found(&knowledge, EVERYWHERE, "port 5060").await, "sip:0");
    // By the stem of the word, in any letters.
    assert_eq!(found(&knowledge, EVERYWHERE, "transferring").await, "sip:1");
    assert_eq!(found(&knowledge, EVERYWHERE, "closing sunday").await, "hours:1 hours:0");
    assert_eq!(found(&knowledge, EVERYWHERE, "fax").await, "");
    assert_eq!(found(&knowledge, EVERYWHERE, "").await, "");
    // What means something to the index is no word.
    for odd in ["\"", "a\"b", "NEAR(", "*", "x:y", "'); DROP TABLE calls; --"] {
        assert_eq!(found(&knowledge, EVERYWHERE, odd).await, "", "{odd}");
    }
    assert_eq!(found(&knowledge, EVERYWHERE, "NOT OR").await, "");

    let faq = ["faq".to_owned()];
    assert_eq!(found(&knowledge, Scope { bases: &faq, ..EVERYWHERE }, "port sunday").await, "hours:1");
    let none = ["none".to_owned()];
    assert_eq!(found(&knowledge, Scope { bases: &none, ..EVERYWHERE }, "port sunday").await, "");
    assert_eq!(found(&knowledge, Scope { organization: "other", bases: &[] }, "port sunday").await, "");
}

pub async fn documents_are_listed_replaced_and_deleted(url: String) {
    let knowledge = open(&url).await;
    let id = ready(&knowledge, "faq", "hours", &["We open at nine.", "Parking is free."], &[]).await;
    let other = ready(&knowledge, "faq", "menu", &["Soup and bread."], &[]).await;
    let listed = knowledge.documents("default", 10, None).await.unwrap();
    assert_eq!(listed.iter().map(|document| document.id).collect::<Vec<_>>(), [other, id]);
    assert_eq!(knowledge.documents("default", 10, Some(other)).await.unwrap(), listed[1..]);
    assert_eq!(knowledge.documents("other", 10, None).await.unwrap(), []);
    let document = knowledge.find("default", "faq", "hours").await.unwrap().unwrap();
    assert_eq!((document.status, document.chunks, document.bytes), (DocumentStatus::Ready, 2, 33));
    assert_eq!(knowledge.source(id).await.unwrap().unwrap(), b"We open at nine.\nParking is free.");

    // The old content is found until the new one is; the id stays.
    assert_eq!(knowledge.put(&new("faq", "hours", "We open at ten."), at(2), None).await.unwrap(), id);
    assert_eq!(found(&knowledge, EVERYWHERE, "parking").await, "hours:1");
    let claim = claim(&knowledge).await;
    knowledge.add_chunks(&claim, &chunks(&["We open at ten."])).await.unwrap();
    assert_eq!(found(&knowledge, EVERYWHERE, "open").await, "hours:0");
    knowledge.set_found(&claim, 1).await.unwrap();
    assert_eq!(found(&knowledge, EVERYWHERE, "parking").await, "");
    assert_eq!(found(&knowledge, EVERYWHERE, "ten").await, "hours:0");
    knowledge.set_ready(&claim, "", at(3)).await.unwrap();
    let stale = knowledge.stale_chunks(id, 10).await.unwrap();
    assert_eq!(stale.len(), 2);
    assert_eq!(knowledge.with_stale_chunks().await.unwrap(), [(id, "default".to_owned())]);
    knowledge.remove_chunks(&stale).await.unwrap();
    assert_eq!(knowledge.with_stale_chunks().await.unwrap(), []);

    assert!(!knowledge.delete("other", id, at(4), None).await.unwrap());
    assert!(knowledge.delete("default", id, at(4), None).await.unwrap());
    assert!(!knowledge.delete("default", id, at(4), None).await.unwrap());
    assert_eq!(found(&knowledge, EVERYWHERE, "ten").await, "");
    assert_eq!(knowledge.document("default", id).await.unwrap(), None);
    let claim = knowledge.claim("a", at(5), LEASE).await.unwrap().unwrap();
    assert_eq!((claim.document.id, claim.document.status), (id, DocumentStatus::Deleting));
    let left = knowledge.stale_chunks(id, 10).await.unwrap();
    assert_eq!(left.len(), 1);
    assert!(knowledge.remove(&claim).await.unwrap());
    assert_eq!(knowledge.source(id).await.unwrap(), None);
    assert!(knowledge.is_idle().await.unwrap());
    assert_eq!(found(&knowledge, EVERYWHERE, "soup").await, "menu:0");
    assert_eq!(knowledge.count_documents().await.unwrap(), [(DocumentStatus::Ready, 1)]);
}

pub async fn a_claim_ends_with_its_lease_its_node_or_a_change(url: String) {
    let knowledge = open(&url).await;
    let id = knowledge.put(&new("faq", "hours", "nine"), at(0), None).await.unwrap();
    let first = claim(&knowledge).await;
    assert_eq!(first.attempt, 1);
    assert_eq!(knowledge.claim("b", at(1), LEASE).await.unwrap(), None);
    assert!(!knowledge.is_idle().await.unwrap());

    assert!(knowledge.renew(&first, at(60_000_000)).await.unwrap());
    assert_eq!(knowledge.claim("b", at(59_999_999), LEASE).await.unwrap(), None);
    // The lease ran out; whoever held it is too late.
    let second = knowledge.claim("b", at(60_000_001), LEASE).await.unwrap().unwrap();
    assert_eq!((second.document.id, second.attempt), (id, 2));
    assert!(!knowledge.add_chunks(&first, &chunks(&["one"])).await.unwrap());
    assert!(!knowledge.renew(&first, at(9)).await.unwrap());
    assert!(!knowledge.set_found(&first, 1).await.unwrap());
    assert!(!knowledge.set_ready(&first, "", at(1)).await.unwrap());
    assert!(!knowledge.set_failed(&first, "late", at(1)).await.unwrap());

    // The node stopped and starts again.
    assert_eq!(knowledge.release_claims("a").await.unwrap(), 0);
    assert_eq!(knowledge.release_claims("b").await.unwrap(), 1);
    assert!(!knowledge.add_chunks(&second, &chunks(&["one"])).await.unwrap());
    let third = claim(&knowledge).await;

    // A new content.
    knowledge.put(&new("faq", "hours", "ten"), at(2), None).await.unwrap();
    assert!(!knowledge.keep_source(&third, b"old", "text").await.unwrap());
    assert_eq!(knowledge.source(id).await.unwrap().unwrap(), b"ten");
    let fourth = claim(&knowledge).await;
    assert_eq!(fourth.attempt, 1);
    assert!(knowledge.retry(&fourth, "the server is busy", at(5_000_000)).await.unwrap());
    assert_eq!(knowledge.claim("a", at(4_999_999), LEASE).await.unwrap(), None);
    let fifth = knowledge.claim("a", at(5_000_000), LEASE).await.unwrap().unwrap();
    assert_eq!(fifth.document.reason.as_deref(), Some("the server is busy"));
    assert!(knowledge.set_failed(&fifth, "not readable", at(6)).await.unwrap());
    let document = knowledge.document("default", id).await.unwrap().unwrap();
    assert_eq!((document.status, document.reason.as_deref()), (DocumentStatus::Failed, Some("not readable")));
    assert!(knowledge.is_idle().await.unwrap());
}

pub async fn vectors_are_searched_once_they_are_ready(url: String) {
    let knowledge = open(&url).await;
    let id = ready(&knowledge, "faq", "a", &["one", "two"], &[[1.0, 0.0], [0.0, 1.0]]).await;
    ready(&knowledge, "other", "b", &["three"], &[[1.0, 1.0]]).await;
    ready(&knowledge, "faq", "plain", &["four"], &[]).await;
    match knowledge.place() {
        VectorPlace::Bytes => {
            let live = knowledge.live("model").await.unwrap();
            assert_eq!(live.iter().map(|document| document.base.as_str()).collect::<Vec<_>>(), ["faq", "other"]);
            let vectors = knowledge.vectors(id, live[0].generation).await.unwrap();
            assert_eq!(vectors.iter().map(|(_, vector)| vector.as_slice()).collect::<Vec<_>>(), [[1, 0], [0, 1]]);
            assert_eq!(knowledge.live("other model").await.unwrap(), []);
        }
        VectorPlace::Pgvector => pgvector_ranks(&knowledge).await,
    }
    let before = knowledge.revision().await.unwrap();
    assert_eq!(knowledge.requeue_other_spaces("", at(2)).await.unwrap(), 0);
    assert_eq!(knowledge.requeue_other_spaces("model", at(2)).await.unwrap(), 1);
    assert_eq!(claim(&knowledge).await.document.name, "plain");
    assert_eq!(knowledge.revision().await.unwrap(), before);
    knowledge.delete("default", id, at(2), None).await.unwrap();
    assert!(knowledge.revision().await.unwrap() > before);
}

async fn pgvector_ranks(knowledge: &KnowledgeStore) {
    let other = ["other".to_owned()];
    let near = async |scope, limit| {
        let near = knowledge.nearest(scope, "model", &[1.0, 0.1], limit).await.unwrap();
        assert!(near.windows(2).all(|pair| pair[0].1 >= pair[1].1));
        let keys: Vec<i64> = near.iter().map(|(key, _)| *key).collect();
        named(knowledge, EVERYWHERE, &keys).await
    };
    // Without the index, then with it.
    for _ in 0..2 {
        assert_eq!(near(EVERYWHERE, 10).await, "a:0 b:0 a:1");
        assert_eq!(near(EVERYWHERE, 1).await, "a:0");
        assert_eq!(near(Scope { bases: &other, ..EVERYWHERE }, 10).await, "b:0");
        assert_eq!(knowledge.nearest(EVERYWHERE, "other model", &[1.0, 0.0], 10).await.unwrap(), []);
        assert_eq!(knowledge.nearest(EVERYWHERE, "model", &[1.0, 0.0, 0.0], 10).await.unwrap(), []);
        knowledge.index_vectors(2).await.unwrap();
    }
    // More than the index reaches lie nearer than the only one that is wanted.
    let many = vec!["x"; 250];
    ready(knowledge, "many", "crowd", &many, &vec![[1.0, 0.1]; 250]).await;
    assert_eq!(near(Scope { bases: &other, ..EVERYWHERE }, 10).await, "b:0");
}

pub async fn what_a_crash_left_is_cleared(url: String) {
    let knowledge = open(&url).await;
    let id = knowledge.put(&new("faq", "hours", "nine"), at(0), None).await.unwrap();
    let crashed = claim(&knowledge).await;
    knowledge.add_chunks(&crashed, &chunks(&["half", "of it"])).await.unwrap();
    assert_eq!(found(&knowledge, EVERYWHERE, "half").await, "");
    knowledge.release_claims("a").await.unwrap();
    let next = claim(&knowledge).await;
    let stale = knowledge.stale_chunks(id, 10).await.unwrap();
    assert_eq!(stale.iter().map(|chunk| chunk.generation).collect::<Vec<_>>(), [crashed.number; 2]);
    knowledge.remove_chunks(&stale).await.unwrap();
    knowledge.add_chunks(&next, &chunks(&["whole"])).await.unwrap();
    // The answer to the commit was lost.
    knowledge.add_chunks(&next, &chunks(&["whole"])).await.unwrap();
    knowledge.set_found(&next, 1).await.unwrap();
    assert_eq!(found(&knowledge, EVERYWHERE, "whole half").await, "hours:0");
    let scope = EVERYWHERE;
    let name = ChunkName { document: id, generation: next.number, position: 0 };
    let other = ChunkName { position: 1, ..name };
    let keys = knowledge.keys(scope, &[name, other]).await.unwrap();
    assert_eq!(keys.iter().map(|(name, _)| *name).collect::<Vec<_>>(), [name]);
}

pub async fn two_nodes_claim_each_document_once(url: String) {
    let knowledge = [open(&url).await, open(&url).await];
    for number in 0..20 {
        knowledge[0].put(&new("faq", &number.to_string(), "x"), at(0), None).await.unwrap();
    }
    let nodes = ["a", "b"].into_iter().zip(knowledge).map(|(node, knowledge)| {
        tokio::spawn(async move {
            let mut claimed = Vec::new();
            // A row that the other was faster at is no end of the queue.
            for _ in 0..40 {
                claimed.extend(knowledge.claim(node, at(0), LEASE).await.unwrap().map(|claim| claim.document.id));
            }
            claimed
        })
    });
    let mut claimed = Vec::new();
    for node in nodes.collect::<Vec<_>>() {
        claimed.extend(node.await.unwrap());
    }
    claimed.sort();
    let all = claimed.len();
    claimed.dedup();
    assert_eq!((claimed.len(), all), (20, 20));
}

pub async fn citations_stay_with_the_turn(url: String) {
    let store = Store::open(&url).await.unwrap();
    let (id, mut writes) = batch("a", 1);
    let citation = |turn, place, text: &str| Citation {
        call: id,
        turn,
        place,
        chunk: "0.1.2".to_owned(),
        document: "hours".to_owned(),
        heading: "Guide".to_owned(),
        score: 0.5,
        text: text.to_owned(),
    };
    writes.extend([citation(1, 1, "b"), citation(1, 0, "a"), citation(0, 0, "c")].map(StoreWrite::ChunkCited));
    store.write_batch(&writes).await.unwrap();
    store.write_batch(&[StoreWrite::ChunkCited(citation(1, 1, "new"))]).await.unwrap();
    assert_eq!(store.citations(id).await.unwrap(), [citation(0, 0, "c"), citation(1, 0, "a"), citation(1, 1, "new")]);
    let nobody = StoreWrite::ChunkCited(Citation { call: CallId::generate(), ..citation(0, 0, "c") });
    let error = store.write_batch(&[nobody]).await.unwrap_err();
    assert!(error.to_string().starts_with("write 0 (chunk_cited) refused: "), "{error}");
}

pub async fn documents_are_an_organization_s_and_go_with_it(url: String) {
    let store = Store::open(&url).await.unwrap();
    let knowledge = KnowledgeStore::open(&store).await.unwrap();
    let there = crate::people::organization(&store, "there").await;
    let act = crate::people::act(1);
    let theirs = NewDocument { organization: there.to_string(), ..new("faq", "hours", "closed") };
    let id = knowledge.put(&theirs, at(0), Some(&act)).await.unwrap();
    let open = claim(&knowledge).await;
    assert!(knowledge.add_chunks(&open, &chunks(&["closed on Sunday", "and on Monday", "at night"])).await.unwrap());
    assert!(knowledge.set_found(&open, 3).await.unwrap());
    assert!(knowledge.set_ready(&open, "", at(1)).await.unwrap());
    knowledge.put(&NewDocument { name: "more".to_owned(), ..theirs.clone() }, at(0), None).await.unwrap();

    let held = knowledge.held_by(there.as_str()).await.unwrap();
    assert_eq!(held, DocumentsHeld { documents: 2, queued: 1, bytes: 12 });
    assert_eq!(knowledge.held_by("default").await.unwrap(), DocumentsHeld::default());
    assert_eq!(knowledge.document("default", id).await.unwrap(), None);
    assert_eq!(knowledge.find("default", "faq", "hours").await.unwrap(), None);
    assert_eq!(knowledge.chunks_of("default", id, 10, None).await.unwrap(), []);
    assert!(!knowledge.delete("default", id, at(2), Some(&act)).await.unwrap());
    let shown = knowledge.chunks_of(there.as_str(), id, 2, Some(0)).await.unwrap();
    let shown: Vec<_> = shown.iter().map(|chunk| (chunk.position, chunk.text.as_str())).collect();
    assert_eq!(shown, [(1, "and on Monday"), (2, "at night")]);
    assert_eq!(found(&knowledge, EVERYWHERE, "sunday").await, "");
    let scope = Scope { organization: there.as_str(), bases: &[] };
    assert_eq!(found(&knowledge, scope, "sunday").await, "hours:0");
    let log = store.audit_log(&there, &crate::people::all()).await.unwrap();
    assert_eq!((log[0].action.as_str(), &log[0].resource), ("document.put", &format!("document:{id}")));

    assert_eq!(store.delete_organization(&there, None, &act).await.unwrap(), Changed::Done(()));
    assert_eq!(found(&knowledge, scope, "sunday").await, "");
    let left = [claim(&knowledge).await, claim(&knowledge).await];
    assert!(left.iter().all(|claim| claim.document.status == DocumentStatus::Deleting), "{left:?}");
    for claim in &left {
        assert!(knowledge.remove(claim).await.unwrap());
    }
    assert_eq!(knowledge.count_documents().await.unwrap(), []);
}
