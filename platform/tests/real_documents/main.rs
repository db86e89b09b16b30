//! The knowledge base as its users meet it, with servers of our own around it: for embeddings, for vectors, for documents.

#![allow(clippy::unwrap_used)]

mod bad_input;
#[path = "../../../store/tests/backends/cluster.rs"]
mod cluster;
mod lifecycle;
mod pinecone;
mod postgres;
mod recall;
mod stubs;

use std::path::PathBuf;
use std::time::Duration;

use ai::knowledge::embeddings::EmbeddingsConfig;
use platform::knowledge::{Found, KnowledgeConfig, Question, Service, Source, Upload};
use store::{DEFAULT_ORGANIZATION, DocumentStatus, KnowledgeDocument, Store};
use tokio::task::JoinHandle;
use uuid::Uuid;

/// Longer than any test's work takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A knowledge base in a database of its own, at work.
struct Base {
    service: Service,
    store: Store,
    folder: Folder,
    worker: Worker,
}

/// The work, cut off when dropped.
struct Worker(JoinHandle<()>);

impl Drop for Worker {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Base {
    async fn start(config: KnowledgeConfig) -> Self {
        Self::in_folder(Folder::new(), config).await
    }

    async fn in_folder(folder: Folder, config: KnowledgeConfig) -> Self {
        let url = format!("sqlite://{}/offhook.db", folder.0.display());
        Self::on(&url, folder, config).await
    }

    async fn on(url: &str, folder: Folder, config: KnowledgeConfig) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let store = Store::open(url).await.unwrap();
        let service = Service::open(&store, config).await.unwrap();
        let worker = Worker(service.work().await.unwrap());
        Self { service, store, folder, worker }
    }

    /// Cuts the work off where it is, and starts again as another process would.
    async fn restart(mut self, config: KnowledgeConfig) -> Self {
        self.worker.0.abort();
        let _ = (&mut self.worker.0).await;
        drop(self.service);
        self.store.close().await;
        Self::in_folder(self.folder, config).await
    }

    async fn add(&self, name: &str, text: &str) -> KnowledgeDocument {
        self.service.add(upload(name, text.as_bytes())).await.unwrap()
    }

    /// The document once nothing is left to do.
    async fn settled(&self, document: &KnowledgeDocument) -> KnowledgeDocument {
        assert!(self.service.settled(PATIENCE).await.unwrap(), "it does not settle: {:?}", self.all().await);
        self.now(document).await
    }

    async fn now(&self, document: &KnowledgeDocument) -> KnowledgeDocument {
        self.service.document(DEFAULT_ORGANIZATION, document.id).await.unwrap().unwrap()
    }

    async fn all(&self) -> Vec<KnowledgeDocument> {
        self.service.documents(DEFAULT_ORGANIZATION, 200, None).await.unwrap()
    }

    async fn ask(&self, text: &str) -> Found {
        self.service.search(&question(text)).await.unwrap()
    }

    /// The names of the documents whose passages answer, best first.
    async fn names(&self, text: &str) -> String {
        self.ask(text).await.passages.iter().map(|passage| passage.name.as_str()).collect::<Vec<_>>().join(" ")
    }

    /// Waits until `done` holds of a document.
    async fn until(&self, document: &KnowledgeDocument, done: impl Fn(&KnowledgeDocument) -> bool) -> KnowledgeDocument {
        let waiting = async {
            loop {
                let now = self.now(document).await;
                if done(&now) {
                    return now;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("the document does not become what it should")
    }
}

fn upload(name: &str, content: &[u8]) -> Upload {
    Upload {
        organization: DEFAULT_ORGANIZATION.to_owned(),
        base: "default".to_owned(),
        name: name.to_owned(),
        source: Source::Content { format: None, bytes: content.to_vec() },
    }
}

fn question(text: &str) -> Question<'_> {
    Question { organization: DEFAULT_ORGANIZATION, bases: &[], text, limit: 5, min_score: 0.0 }
}

fn embeddings(base_url: &str, model: &str) -> EmbeddingsConfig {
    EmbeddingsConfig {
        base_url: base_url.to_owned(),
        api_key: "sk-test".into(),
        model: model.to_owned(),
        dimensions: Some(stubs::DIMENSIONS),
        question_timeout: Duration::from_secs(10),
    }
}

fn shown(document: &KnowledgeDocument) -> String {
    format!("{} {}", document.status, document.reason.as_deref().unwrap_or_default()).trim().to_owned()
}

fn is_ready(document: &KnowledgeDocument) -> bool {
    document.status == DocumentStatus::Ready
}

/// A folder that is removed at the end, also of a failed test.
struct Folder(pub PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("offhook-knowledge-{}", Uuid::now_v7()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
