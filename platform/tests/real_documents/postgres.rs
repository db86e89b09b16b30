//! The same questions on PostgreSQL: with pgvector, and on Debian's, which has none.

use platform::knowledge::{KnowledgeConfig, Service};

use crate::cluster::Cluster;
use crate::stubs::EmbeddingsStub;
use crate::{Base, Folder, embeddings, recall};

/// By vectors and words, then by words alone, on the same documents.
async fn check(cluster: Result<Cluster, String>, place: &str) {
    let cluster = match cluster {
        Ok(cluster) => cluster,
        Err(reason) => {
            assert!(std::env::var("CI").is_err(), "no PostgreSQL to test on: {reason}");
            eprintln!("skipped: no PostgreSQL to test on: {reason}");
            return;
        }
    };
    let url = EmbeddingsStub::default().start().await;
    let config = KnowledgeConfig { embeddings: Some(embeddings(&url, "small")), ..KnowledgeConfig::default() };
    let base = Base::on(&cluster.url("postgres"), Folder::new(), config).await;
    recall::check(&base).await;
    assert!(base.all().await.iter().all(|document| document.space == format!("small/256@{place}")));
    let words_alone = Service::open(&base.store, KnowledgeConfig::default()).await.unwrap();
    recall::check_found(&words_alone).await;
    base.store.close().await;
}

#[tokio::test]
async fn pgvector_finds_most_answers() {
    check(Cluster::start_with_pgvector(), "pgvector").await;
}

#[tokio::test]
async fn postgres_without_pgvector_finds_most_answers() {
    check(Cluster::start(), "bytes").await;
}
