//! Chunks and vectors: written under a claim, removed when they are stale.

use sqlx::Any;
use sqlx::any::AnyArguments;
use sqlx::query::Query;

use crate::open::{QUERY_TIME_MAX, timed};
use crate::people::within::Sees;
use crate::rows::Columns;
use crate::text::storable;
use crate::{DocumentId, StoreError};

use super::{ChunkName, Claim, INDEX_DIMENSIONS_MAX, KnowledgeStore, NewChunk, NewVector};

/// Chunks that are removed at a time: a long transaction would keep others from writing.
const REMOVED_AT_ONCE: i64 = 256;

impl KnowledgeStore {
    /// Writes chunks under the claim; they are not found before [`KnowledgeStore::set_found`]. The batch is the caller's to
    /// bound. False: the claim is over, and nothing was written.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn add_chunks(&self, claim: &Claim, chunks: &[NewChunk]) -> Result<bool, StoreError> {
        // The same position again is a retry after a commit whose answer was lost.
        let queries = chunks.iter().map(|chunk| {
            sqlx::query(
                "INSERT INTO knowledge_chunks (document_id, generation, position, heading, text) VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT (document_id, generation, position) DO NOTHING",
            )
            .bind(claim.document.id.to_string())
            .bind(claim.number)
            .bind(chunk.position as i64)
            .bind(storable(&chunk.heading).into_owned())
            .bind(storable(&chunk.text).into_owned())
        });
        let queries = std::iter::once(held(claim)).chain(queries).collect();
        Ok(self.change("knowledge_add_chunks", queries, false).await? > 0)
    }

    /// Writes vectors of the claim's chunks, each with the chunk's position; they are not searched before
    /// [`KnowledgeStore::set_ready`]. The batch is the caller's to bound. False: the claim is over, and nothing was written.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn add_vectors(&self, claim: &Claim, vectors: &[(usize, NewVector)]) -> Result<bool, StoreError> {
        let queries = vectors.iter().map(|(position, vector)| {
            let sql = match vector {
                NewVector::Bytes(_) => {
                    "INSERT INTO knowledge_vectors (chunk_id, vector) SELECT id, $4 FROM knowledge_chunks
                     WHERE document_id = $1 AND generation = $2 AND position = $3 ON CONFLICT DO NOTHING"
                }
                NewVector::Numbers(_) => {
                    "INSERT INTO knowledge_pgvectors (chunk_id, embedding, dimensions)
                     SELECT id, CAST($4 AS VECTOR), vector_dims(CAST($4 AS VECTOR)) FROM knowledge_chunks
                     WHERE document_id = $1 AND generation = $2 AND position = $3 ON CONFLICT DO NOTHING"
                }
            };
            let query = sqlx::query(sql).bind(claim.document.id.to_string()).bind(claim.number).bind(*position as i64);
            match vector {
                NewVector::Bytes(bytes) => query.bind(bytes.clone()),
                NewVector::Numbers(numbers) => query.bind(literal(numbers)),
            }
        });
        let queries = std::iter::once(held(claim)).chain(queries).collect();
        Ok(self.change("knowledge_add_vectors", queries, false).await? > 0)
    }

    /// Makes the index that searches vectors of so many dimensions, when it is pgvector's to do so. It may take a while on a
    /// full table.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn index_vectors(&self, dimensions: usize) -> Result<(), StoreError> {
        const QUERY: &str = "knowledge_index";
        if self.place != super::VectorPlace::Pgvector || dimensions > INDEX_DIMENSIONS_MAX {
            return Ok(());
        }
        let sql = format!(
            "CREATE INDEX IF NOT EXISTS knowledge_pgvectors_{dimensions} ON knowledge_pgvectors
             USING hnsw ((embedding::vector({dimensions})) vector_cosine_ops) WHERE dimensions = {dimensions}"
        );
        let made = timed(QUERY, QUERY_TIME_MAX, async {
            let made = sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&self.store.pool).await;
            made.map_err(|source| StoreError::Unavailable { query: QUERY, source })
        });
        made.await.map(drop)
    }

    /// Chunks of a document that are not searched, at most so many.
    ///
    /// # Errors
    /// As [`Store::call`](crate::Store::call).
    pub async fn stale_chunks(&self, document: DocumentId, limit: u32) -> Result<Vec<ChunkName>, StoreError> {
        let query = sqlx::query(
            "SELECT c.document_id, c.generation, c.position FROM knowledge_chunks c
             JOIN knowledge_documents d ON d.id = c.document_id
             WHERE c.document_id = $1 AND (c.generation <> d.generation OR d.status = 'deleting') LIMIT $2",
        )
        .bind(document.to_string())
        .bind(i64::from(limit));
        self.store.read_in("knowledge_stale_chunks", Sees::All, query, name).await
    }

    /// Removes chunks by name; those that are not there are none.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn remove_chunks(&self, chunks: &[ChunkName]) -> Result<(), StoreError> {
        for batch in chunks.chunks(REMOVED_AT_ONCE as usize) {
            let queries = batch.iter().map(|chunk| {
                sqlx::query("DELETE FROM knowledge_chunks WHERE document_id = $1 AND generation = $2 AND position = $3")
                    .bind(chunk.document.to_string())
                    .bind(chunk.generation)
                    .bind(chunk.position)
            });
            self.change("knowledge_remove_chunks", queries.collect(), false).await?;
        }
        Ok(())
    }
}

pub(super) fn name(row: &Columns<'_>) -> Result<ChunkName, StoreError> {
    Ok(ChunkName { document: row.parsed("document_id")?, generation: row.value("generation")?, position: row.value("position")? })
}

/// Changes a row only while the claim lasts, and keeps others from ending it in mid-transaction.
fn held(claim: &Claim) -> Query<'_, Any, AnyArguments> {
    sqlx::query("UPDATE knowledge_documents SET claim = claim WHERE id = $1 AND claim = $2")
        .bind(claim.document.id.to_string())
        .bind(claim.number)
}

/// pgvector's text form.
pub(super) fn literal(numbers: &[f32]) -> String {
    let numbers: Vec<String> = numbers.iter().map(f32::to_string).collect();
    format!("[{}]", numbers.join(","))
}
