//! Documents of the knowledge base, their chunks and vectors: the queue of what is to be read, and what is searched.
//!
//! A document that is put is `pending` until someone claims it, writes its chunks under the number of the claim, and makes
//! that number its generation: from then on they are found by their words, all at once, and the earlier ones are stale. Vectors
//! follow, and it is `ready`. So a process may die at any point: what it wrote by half is never found, and its claim is open
//! again at the next start.

mod chunks;
mod documents;
mod queue;
mod search;

use std::fmt;
use std::str::FromStr;

use sqlx::Executor as _;

use crate::open::{QUERY_TIME_MAX, timed};
use crate::people::within::Sees;
use crate::{DocumentId, DocumentOrigin, DocumentStatus, Store, StoreError, WallTime};

/// The organization of everything until there are others.
pub const DEFAULT_ORGANIZATION: &str = "default";

/// Most documents that one list answers.
pub const DOCUMENT_LIST_MAX: u32 = 200;

/// Most dimensions that pgvector's index takes as `vector`; longer vectors are searched one by one.
const INDEX_DIMENSIONS_MAX: usize = 2000;

/// The knowledge base in the database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct KnowledgeStore {
    store: Store,
    place: VectorPlace,
}

/// Where vectors lie and who ranks them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum VectorPlace {
    /// As bytes; whoever asks reads and ranks them.
    Bytes,
    /// In pgvector's type; the database ranks them.
    Pgvector,
}

/// A document to put into the knowledge base. One of the same organization, base and name is replaced.
#[derive(Clone, Debug, PartialEq)]
pub struct NewDocument {
    /// Whose it is.
    pub organization: String,
    /// The knowledge base it belongs to.
    pub base: String,
    /// What it is called in lists and citations.
    pub name: String,
    /// Where it comes from.
    pub origin: DocumentOrigin,
    /// Where it is fetched; `None` when `content` is there.
    pub url: Option<String>,
    /// What it is written in, as the caller names it; `None`: it is found out when it is fetched.
    pub format: Option<String>,
    /// Its bytes; `None` with a URL.
    pub content: Option<Vec<u8>>,
    /// Tells one content from another; the caller's to choose.
    pub digest: String,
}

/// A document as the database has it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KnowledgeDocument {
    /// Its id; it stays when the document is replaced.
    pub id: DocumentId,
    /// Whose it is.
    pub organization: String,
    /// The knowledge base it belongs to.
    pub base: String,
    /// What it is called.
    pub name: String,
    /// Where it comes from.
    pub origin: DocumentOrigin,
    /// Where it is fetched.
    pub url: Option<String>,
    /// What it is written in, once that is known.
    pub format: Option<String>,
    /// Size of its content.
    pub bytes: u64,
    /// As in [`NewDocument`].
    pub digest: String,
    /// Where it is in its life.
    pub status: DocumentStatus,
    /// Why it failed, or why it is tried again.
    pub reason: Option<String>,
    /// How many chunks of it are searched.
    pub chunks: u64,
    /// What its vectors can be compared with; empty when it has none.
    pub space: String,
    /// When it was put first.
    pub created_at: WallTime,
    /// When its content or status changed last.
    pub updated_at: WallTime,
}

/// A document that this process works at.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Claim {
    /// It.
    pub document: KnowledgeDocument,
    /// The number of the claim: chunks are written under it, and it ends when another claim or a change comes.
    pub number: i64,
    /// Which try this is, from 1.
    pub attempt: u32,
}

/// A chunk to write.
#[derive(Clone, Debug, PartialEq)]
pub struct NewChunk {
    /// Its place in the document, from 0.
    pub position: usize,
    /// The headings above it.
    pub heading: String,
    /// Its text.
    pub text: String,
}

/// A vector to write.
#[derive(Clone, Debug, PartialEq)]
pub enum NewVector {
    /// For [`VectorPlace::Bytes`].
    Bytes(Vec<u8>),
    /// For [`VectorPlace::Pgvector`].
    Numbers(Vec<f32>),
}

/// Names a chunk outside the database: document, generation and position.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct ChunkName {
    /// Its document.
    pub document: DocumentId,
    /// The claim it was written under.
    pub generation: i64,
    /// Its place in the document, from 0.
    pub position: i64,
}

/// A chunk that is searched.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KnowledgeChunk {
    /// Its key in this database.
    pub key: i64,
    /// Its name.
    pub chunk: ChunkName,
    /// The name of its document.
    pub document: String,
    /// The knowledge base of its document.
    pub base: String,
    /// The headings above it.
    pub heading: String,
    /// Its text.
    pub text: String,
}

/// A chunk as its document has it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoredChunk {
    /// Its place in the document, from 0.
    pub position: u64,
    /// The headings above it.
    pub heading: String,
    /// Its text.
    pub text: String,
}

/// What an organization has.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct DocumentsHeld {
    /// Its documents.
    pub documents: u64,
    /// Those of them that wait to be read.
    pub queued: u64,
    /// The bytes of all.
    pub bytes: u64,
}

/// What a search looks at.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// Whose documents.
    pub organization: &'a str,
    /// Of which knowledge bases; empty: all.
    pub bases: &'a [String],
}

impl<'a> Scope<'a> {
    fn sees(&self) -> Sees<'a> {
        Sees::Named(self.organization)
    }
}

/// A document whose chunks have vectors that are searched.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LiveDocument {
    /// It.
    pub id: DocumentId,
    /// Whose it is.
    pub organization: String,
    /// The knowledge base it belongs to.
    pub base: String,
    /// Which of its chunks.
    pub generation: i64,
}

impl KnowledgeStore {
    /// The knowledge base of `store`. PostgreSQL is asked for pgvector, which is set up when the server has it and lets us.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn open(store: &Store) -> Result<Self, StoreError> {
        const QUERY: &str = "knowledge_open";
        let pgvector = !store.sqlite && timed(QUERY, QUERY_TIME_MAX, pgvector(store, QUERY)).await?;
        let place = if pgvector { VectorPlace::Pgvector } else { VectorPlace::Bytes };
        Ok(Self { store: store.clone(), place })
    }

    /// Where vectors lie.
    #[must_use]
    pub fn place(&self) -> VectorPlace {
        self.place
    }
}

/// Whether the database has pgvector, and the table for it.
async fn pgvector(store: &Store, query: &'static str) -> Result<bool, StoreError> {
    let unavailable = |source| StoreError::Unavailable { query, source };
    let there = "SELECT 1 FROM pg_available_extensions WHERE name = 'vector'";
    if store.pool.fetch_optional(there).await.map_err(unavailable)?.is_none() {
        return Ok(false);
    }
    // A user without the right to make it may find it made by one who has.
    let made = "SELECT 1 FROM pg_extension WHERE extname = 'vector'";
    if store.pool.execute("CREATE EXTENSION IF NOT EXISTS vector").await.is_err()
        && store.pool.fetch_optional(made).await.map_err(unavailable)?.is_none()
    {
        return Ok(false);
    }
    let table = "CREATE TABLE IF NOT EXISTS knowledge_pgvectors (
        chunk_id BIGINT NOT NULL PRIMARY KEY REFERENCES knowledge_chunks (id) ON DELETE CASCADE,
        dimensions BIGINT NOT NULL, embedding VECTOR NOT NULL)";
    store.pool.execute(table).await.map_err(unavailable)?;
    Ok(true)
}

impl fmt::Display for ChunkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.document, self.generation, self.position)
    }
}

/// A text that names no chunk.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not the name of a chunk")]
pub struct NoChunk;

impl FromStr for ChunkName {
    type Err = NoChunk;

    fn from_str(text: &str) -> Result<Self, NoChunk> {
        let mut parts = text.split('.');
        let (document, generation, position) = (parts.next(), parts.next(), parts.next());
        let number = |part: Option<&str>| part.and_then(|part| part.parse().ok()).ok_or(NoChunk);
        match (document.and_then(|part| part.parse().ok()), parts.next()) {
            (Some(document), None) => Ok(Self { document, generation: number(generation)?, position: number(position)? }),
            _ => Err(NoChunk),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_chunk_goes_both_ways() {
        let chunk = ChunkName { document: DocumentId::generate(), generation: 3, position: 17 };
        assert_eq!(chunk.to_string().parse(), Ok(chunk));
        for wrong in ["", "x.1.2", "a", &format!("{}.1", chunk.document), &format!("{chunk}.4")] {
            assert_eq!(wrong.parse::<ChunkName>(), Err(NoChunk), "{wrong}");
        }
    }
}
