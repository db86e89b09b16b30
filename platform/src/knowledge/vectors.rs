//! The stores of vectors behind one face.

use ai::knowledge::http::HttpError;
use ai::knowledge::pinecone::{Pinecone, PineconeVector};
use ai::knowledge::vector::pack;
use serde_json::{Value, json};
use store::{ChunkName, Claim, KnowledgeStore, NewVector, Scope, StoreError};

use super::cache::VectorCache;

/// Where vectors lie and who ranks them.
#[derive(Debug)]
pub(super) enum Vectors {
    /// In the database as bytes; this process ranks them.
    Bytes(VectorCache),
    /// In the database, which ranks them.
    Pgvector,
    /// In an index elsewhere.
    Pinecone(Pinecone),
}

/// Why vectors could not be read or written.
#[derive(Debug, thiserror::Error)]
pub(super) enum VectorError {
    #[error(transparent)]
    Elsewhere(#[from] HttpError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Vectors {
    /// Writes the vectors of the claim's chunks at these positions. False: the claim is over.
    pub(super) async fn add(
        &self,
        store: &KnowledgeStore,
        claim: &Claim,
        vectors: Vec<(usize, Vec<f32>)>,
    ) -> Result<bool, VectorError> {
        let Some(dimensions) = vectors.first().map(|(_, vector)| vector.len()) else { return Ok(true) };
        match self {
            Self::Bytes(_) => {
                let packed = vectors.iter().map(|(position, vector)| (*position, NewVector::Bytes(pack(vector))));
                Ok(store.add_vectors(claim, &packed.collect::<Vec<_>>()).await?)
            }
            Self::Pgvector => {
                store.index_vectors(dimensions).await?;
                let numbers = vectors.into_iter().map(|(position, vector)| (position, NewVector::Numbers(vector)));
                Ok(store.add_vectors(claim, &numbers.collect::<Vec<_>>()).await?)
            }
            Self::Pinecone(index) => {
                let document = &claim.document;
                let rows = vectors.into_iter().map(|(position, values)| PineconeVector {
                    id: ChunkName { document: document.id, generation: claim.number, position: position as i64 }.to_string(),
                    values,
                    metadata: json!({"base": document.base, "document": document.id.to_string()}),
                });
                index.upsert(&document.organization, rows.collect()).await?;
                Ok(true)
            }
        }
    }

    /// Deletes the vectors of chunks that are about to be removed. Those in the database go with their chunks.
    pub(super) async fn delete(&self, organization: &str, chunks: &[ChunkName]) -> Result<(), HttpError> {
        match self {
            Self::Pinecone(index) if !chunks.is_empty() => {
                let ids: Vec<String> = chunks.iter().map(ChunkName::to_string).collect();
                index.delete(organization, &ids).await
            }
            _ => Ok(()),
        }
    }

    /// The keys of the chunks nearest to `vector` with how like it they are, the best first.
    pub(super) async fn nearest(
        &self,
        store: &KnowledgeStore,
        space: &str,
        scope: Scope<'_>,
        vector: &[f32],
        limit: usize,
    ) -> Result<Vec<(i64, f32)>, VectorError> {
        match self {
            Self::Bytes(cache) => Ok(cache.nearest(store, space, scope, vector, limit).await?),
            Self::Pgvector => Ok(store.nearest(scope, space, vector, limit as u32).await?),
            Self::Pinecone(index) => {
                let filter = match scope.bases {
                    [] => Value::Null,
                    bases => json!({"base": {"$in": bases}}),
                };
                // Deleted vectors are found for some seconds more, and stand in the way of others.
                let found = index.query(scope.organization, vector, limit * 2, filter).await?;
                let names: Vec<ChunkName> = found.iter().filter_map(|found| found.id.parse().ok()).collect();
                let keys = store.keys(scope, &names).await?;
                let near = found.iter().filter_map(|found| {
                    let (_, key) = keys.iter().find(|(name, _)| name.to_string() == found.id)?;
                    Some((*key, found.score))
                });
                Ok(near.take(limit).collect())
            }
        }
    }

    /// Gets ready for a search, so that the next question need not wait for it.
    pub(super) async fn refresh(&self, store: &KnowledgeStore, space: &str) -> Result<(), StoreError> {
        match self {
            Self::Bytes(cache) if !space.is_empty() => cache.refresh(store, space).await,
            _ => Ok(()),
        }
    }
}
