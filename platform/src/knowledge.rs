//! The knowledge base: takes documents, reads and cuts them in the background, and answers questions with passages of them.
//!
//! [`Service`] is the handle. A document is safe once [`Service::add`] has answered: what becomes of it survives crashes, and
//! its status says so. [`Service::search`] ranks by words and, when there is a server for embeddings, by meaning; when
//! that server or the vector store is down, words alone answer.

mod cache;
mod ingest;
mod passage;
mod put;
mod search;
mod seed;
mod vectors;
mod worker;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ai::knowledge::chunk::ChunkConfig;
use ai::knowledge::embeddings::{Embeddings, EmbeddingsConfig};
use ai::knowledge::extract::{PdfProgram, Reader};
use ai::knowledge::fetch::Fetcher;
use ai::knowledge::pinecone::{Pinecone, PineconeConfig};
use ai::link::http::HttpClient;
use ai::net::guard::{Guard, Reach};
use arc_swap::ArcSwap;
use sha2::{Digest as _, Sha256};
use store::{
    Act, DOCUMENT_LIST_MAX, DocumentId, DocumentOrigin, DocumentStatus, KnowledgeDocument, KnowledgeStore, Store, StoreError,
    StoredChunk, VectorPlace, WallTime,
};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

pub use ai::knowledge::extract::Format;
pub use passage::{Found, Passage, render, sources};
pub use search::Question;
pub use seed::{Seed, SeedPlace};

use cache::VectorCache;
use vectors::Vectors;

/// Longest name of a document, in bytes: it is read aloud and shown in lists.
pub const NAME_BYTES_MAX: usize = 200;
/// Longest name of a knowledge base.
pub const BASE_BYTES_MAX: usize = 64;
/// Most knowledge bases that one search looks at.
pub const BASES_MAX: usize = 16;
/// Longest question, in bytes: more than a caller says in a turn.
pub const QUESTION_BYTES_MAX: usize = 2000;
/// Most passages of one answer: a model that must answer a caller reads no more.
pub const PASSAGES_MAX: usize = 20;
/// Passages of an answer when nobody says.
pub const PASSAGES: usize = 5;
/// Documents of an organization that may wait to be read when another one is put over the API: documents are read one by one, and nobody's
/// hundreds are to stand before another's one for long.
pub const QUEUED_MAX: u64 = 100;
/// The knowledge base of documents that name none.
pub const DEFAULT_BASE: &str = "default";

/// How the knowledge base works.
#[derive(Clone, Debug)]
pub struct KnowledgeConfig {
    /// The node's name; no two processes that share a database have the same.
    pub node: String,
    /// Where vectors lie.
    pub vectors: VectorStore,
    /// Where vectors come from; `None`: words alone.
    pub embeddings: Option<EmbeddingsConfig>,
    /// What reads PDF; `None`: this process, which a bad PDF can then bring down.
    pub pdf: Option<PdfProgram>,
    /// Asks for embeddings, and Pinecone.
    pub http: HttpClient,
    /// Fetches documents.
    pub guard: Guard,
    /// Where URLs of documents may lead.
    pub reach: Reach,
    /// Largest document, in bytes.
    pub document_bytes_max: usize,
    /// Most documents of an organization.
    pub documents_max: u64,
    /// Most bytes of all documents of an organization, for those that are put over the API.
    pub organization_bytes_max: u64,
    /// How documents are cut.
    pub chunk: ChunkConfig,
    /// Most memory for vectors that this process ranks; what does not fit is read for each search.
    pub cache_bytes_max: usize,
    /// What each assistant looks at, by its name; one that is not there looks at everything. [`Service::set_profiles`] changes it later.
    pub profiles: BTreeMap<String, Profile>,
}

impl Default for KnowledgeConfig {
    fn default() -> Self {
        Self {
            node: "offhook".to_owned(),
            vectors: VectorStore::Database,
            embeddings: None,
            pdf: None,
            http: HttpClient::default(),
            guard: Guard::default(),
            reach: Reach::Public,
            document_bytes_max: 20 << 20,
            documents_max: 10_000,
            organization_bytes_max: 2 << 30,
            chunk: ChunkConfig::default(),
            cache_bytes_max: 256 << 20,
            profiles: BTreeMap::new(),
        }
    }
}

/// Where vectors lie.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum VectorStore {
    /// Beside the documents: in SQLite, in PostgreSQL by pgvector, or without it as bytes.
    Database,
    /// In an index of Pinecone's, the organization its namespace. Its metric should be `cosine`.
    Pinecone(PineconeConfig),
}

/// What an assistant looks at.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// Its knowledge bases; empty: all.
    pub bases: Vec<String>,
    /// Passages of an answer, 1 to [`PASSAGES_MAX`].
    pub limit: usize,
    /// The least score of a passage, 0 to 1.
    pub min_score: f32,
}

impl Default for Profile {
    fn default() -> Self {
        Self { bases: Vec::new(), limit: PASSAGES, min_score: 0.0 }
    }
}

/// A document to take.
#[derive(Clone, Debug, PartialEq)]
pub struct Upload {
    /// Whose it is.
    pub organization: String,
    /// The knowledge base it belongs to.
    pub base: String,
    /// What it is called; a document of the same name in the same base is replaced.
    pub name: String,
    /// What it says.
    pub source: Source,
}

/// Where a document is.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// Here.
    Content {
        /// What it is written in; `None`: as the name's ending says, else text.
        format: Option<Format>,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// At an http(s) URL, fetched in the background.
    Url(String),
}

/// Why the knowledge base refuses, or cannot.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KnowledgeError {
    /// The asker's: something is too long, empty or not allowed.
    #[error("{field}: {reason}")]
    Refused {
        /// Which part of what was asked.
        field: &'static str,
        /// Why.
        reason: String,
    },
    /// The asker's: there is too much already.
    #[error("{0}")]
    Full(String),
    /// The operator's: a document of the configuration file.
    #[error("knowledge {name}: {reason}")]
    Seed {
        /// The document's name.
        name: String,
        /// Why.
        reason: String,
    },
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The knowledge base. Cheap to clone; the handle of [`Service::work`] ends its work.
#[derive(Clone, Debug)]
pub struct Service {
    shared: Arc<Shared>,
}

/// What questions and the worker have in common.
#[derive(Debug)]
struct Shared {
    config: KnowledgeConfig,
    /// What each assistant looks at, taken out of the configuration.
    profiles: ArcSwap<BTreeMap<String, Profile>>,
    store: KnowledgeStore,
    vectors: Vectors,
    embeddings: Option<Embeddings>,
    fetcher: Fetcher,
    reader: Reader,
    /// Names the vectors that can be compared with those of now; empty without embeddings.
    space: String,
    /// There is something to do.
    work: Notify,
}

impl Service {
    /// Opens the knowledge base in `store`. Nothing is read before [`Service::work`] is called.
    ///
    /// # Errors
    /// [`KnowledgeError::Store`].
    pub async fn open(store: &Store, mut config: KnowledgeConfig) -> Result<Self, KnowledgeError> {
        let store = KnowledgeStore::open(store).await?;
        let fetcher = Fetcher::new(config.guard.clone(), config.reach, config.document_bytes_max);
        let embeddings = config.embeddings.clone().map(|embeddings| Embeddings::new(&config.http, embeddings));
        let (vectors, place) = match (&config.vectors, store.place()) {
            (VectorStore::Pinecone(pinecone), _) => {
                let place = format!("pinecone:{}", pinecone.base_url);
                (Vectors::Pinecone(Pinecone::new(&config.http, pinecone.clone())), place)
            }
            (VectorStore::Database, VectorPlace::Pgvector) => (Vectors::Pgvector, "pgvector".to_owned()),
            (VectorStore::Database, VectorPlace::Bytes) => {
                (Vectors::Bytes(VectorCache::new(config.cache_bytes_max)), "bytes".to_owned())
            }
        };
        let space = embeddings.as_ref().map_or(String::new(), |embeddings| format!("{}@{place}", embeddings.space()));
        let reader = Reader::new(config.pdf.clone());
        let work = Notify::new();
        let profiles = ArcSwap::from_pointee(std::mem::take(&mut config.profiles));
        Ok(Self { shared: Arc::new(Shared { config, profiles, store, vectors, embeddings, fetcher, reader, space, work }) })
    }

    /// Begins to read what waits, and goes on until the handle is aborted, which may be at any point: the next start resumes.
    /// At most one worker a node.
    ///
    /// # Errors
    /// [`KnowledgeError::Store`].
    pub async fn work(&self) -> Result<JoinHandle<()>, KnowledgeError> {
        worker::prepare(&self.shared).await?;
        Ok(tokio::spawn(worker::run(Arc::clone(&self.shared))))
    }

    /// Takes a document. It is found as soon as it is read: see its status.
    ///
    /// # Errors
    /// [`KnowledgeError::Refused`], [`KnowledgeError::Store`].
    pub async fn add(&self, upload: Upload) -> Result<KnowledgeDocument, KnowledgeError> {
        self.put(upload, DocumentOrigin::Upload, None).await
    }

    /// Takes a document over the API: noted in the audit log, and only if not too much of its organization is there or waits.
    ///
    /// # Errors
    /// [`KnowledgeError::Refused`], [`KnowledgeError::Full`], [`KnowledgeError::Store`].
    pub async fn upload(&self, upload: Upload, act: &Act<'_>) -> Result<KnowledgeDocument, KnowledgeError> {
        self.put(upload, DocumentOrigin::Upload, Some(act)).await
    }

    /// The chunks of a document that are found, in their order: at most `limit`, behind the one at `after`.
    ///
    /// # Errors
    /// [`KnowledgeError::Store`].
    pub async fn chunks(
        &self,
        organization: &str,
        id: DocumentId,
        limit: u32,
        after: Option<u32>,
    ) -> Result<Vec<StoredChunk>, KnowledgeError> {
        Ok(self.shared.store.chunks_of(organization, id, limit, after).await?)
    }

    /// The document with this id.
    ///
    /// # Errors
    /// [`KnowledgeError::Store`].
    pub async fn document(&self, organization: &str, id: DocumentId) -> Result<Option<KnowledgeDocument>, KnowledgeError> {
        Ok(self.shared.store.document(organization, id).await?)
    }

    /// The latest documents, newest first: at most `limit`, put before `before`; [`DOCUMENT_LIST_MAX`] at most.
    ///
    /// # Errors
    /// [`KnowledgeError::Store`].
    pub async fn documents(
        &self,
        organization: &str,
        limit: u32,
        before: Option<DocumentId>,
    ) -> Result<Vec<KnowledgeDocument>, KnowledgeError> {
        Ok(self.shared.store.documents(organization, limit, before).await?)
    }

    /// Takes a document out of every search at once; what is left of it is removed in the background. False: there is none.
    ///
    /// # Errors
    /// [`KnowledgeError::Store`].
    pub async fn delete(&self, organization: &str, id: DocumentId) -> Result<bool, KnowledgeError> {
        self.take_out(organization, id, None).await
    }

    /// The same over the API: noted in the audit log.
    ///
    /// # Errors
    /// [`KnowledgeError::Store`].
    pub async fn delete_as(&self, organization: &str, id: DocumentId, act: &Act<'_>) -> Result<bool, KnowledgeError> {
        self.take_out(organization, id, Some(act)).await
    }

    async fn take_out(&self, organization: &str, id: DocumentId, act: Option<&Act<'_>>) -> Result<bool, KnowledgeError> {
        let deleted = self.shared.store.delete(organization, id, WallTime::now(), act).await?;
        self.shared.work.notify_one();
        Ok(deleted)
    }

    /// What a question should look at when `assistant` asks it.
    #[must_use]
    pub fn profile(&self, assistant: &str) -> Profile {
        self.shared.profiles.load().get(assistant).cloned().unwrap_or_default()
    }

    /// What each assistant looks at from now on, by its name.
    pub fn set_profiles(&self, profiles: BTreeMap<String, Profile>) {
        self.shared.profiles.store(Arc::new(profiles));
    }

    /// Passages that answer `question`, best first.
    ///
    /// # Errors
    /// [`KnowledgeError::Refused`], [`KnowledgeError::Store`]. Trouble with embeddings or vectors is none: words answer then.
    pub async fn search(&self, question: &Question<'_>) -> Result<Found, KnowledgeError> {
        search::search(&self.shared, question).await
    }

    /// Passages of an organization's documents that answer what its `assistant` asks, by its profile; `limit` when it wants another number
    /// of them. What the tool `search_knowledge` of a call asks.
    ///
    /// # Errors
    /// As [`Service::search`].
    pub async fn search_as(
        &self,
        organization: &str,
        assistant: &str,
        text: &str,
        limit: Option<usize>,
    ) -> Result<Found, KnowledgeError> {
        let profile = self.profile(assistant);
        let (limit, min_score) = (limit.unwrap_or(profile.limit), profile.min_score);
        self.search(&Question { organization, bases: &profile.bases, text, limit, min_score }).await
    }

    /// Brings the documents of the configuration file up to date: new and changed ones are put, those that are no longer named
    /// are deleted.
    ///
    /// # Errors
    /// [`KnowledgeError::Seed`] of the first that cannot be read; then nothing was changed.
    pub async fn seed(&self, seeds: &[Seed]) -> Result<(), KnowledgeError> {
        seed::seed(self, seeds).await
    }

    /// Waits until nothing is left to do, at most `limit`; false when there still is. For the command line and tests.
    ///
    /// # Errors
    /// [`KnowledgeError::Store`].
    pub async fn settled(&self, limit: Duration) -> Result<bool, KnowledgeError> {
        let waiting = async {
            while !self.shared.store.is_idle().await? {
                tokio::time::sleep(worker::LOOK).await;
            }
            Ok(true)
        };
        tokio::time::timeout(limit, waiting).await.unwrap_or(Ok(false))
    }
}

fn refused(field: &'static str, reason: impl Into<String>) -> KnowledgeError {
    KnowledgeError::Refused { field, reason: reason.into() }
}

/// Tells one content from another.
fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Every status, with how many documents are in it.
fn count(counts: &[(DocumentStatus, u64)], status: DocumentStatus) -> u64 {
    counts.iter().find(|(other, _)| *other == status).map_or(0, |(_, count)| *count)
}

/// As many documents as a list answers at once.
const LIST: u32 = DOCUMENT_LIST_MAX;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_sha_256() {
        assert_eq!(digest(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
