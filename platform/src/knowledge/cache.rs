//! Vectors of the database in memory, all of them compared with each question: exact, and for a few ten thousand chunks faster than an
//! index that has to be kept.
//!
//! They are loaded at the first search and kept in step by the database's count of changes, whoever made them: another process
//! too. What does not fit into the memory that is allowed is read again for each search.

use std::collections::HashMap;
use std::sync::Arc;

use ai::knowledge::vector::{Packed, dimensions, pack};
use store::{DocumentId, KnowledgeStore, LiveDocument, Scope, StoreError};
use tokio::sync::Mutex;

/// See the module.
#[derive(Debug)]
pub(super) struct VectorCache {
    bytes_max: usize,
    /// Held while it is loaded, so that two searches do not load the same.
    held: Mutex<Held>,
}

#[derive(Clone, Debug, Default)]
struct Held {
    revision: Option<i64>,
    documents: Arc<Vec<Arc<Document>>>,
}

/// A document's vectors.
#[derive(Debug)]
struct Document {
    live: LiveDocument,
    /// `None`: they did not fit.
    vectors: Option<DocumentVectors>,
}

#[derive(Debug, Default)]
struct DocumentVectors {
    keys: Vec<i64>,
    packed: Packed,
}

impl VectorCache {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, held: Mutex::default() }
    }

    /// The chunks nearest to `vector` within the scope with how like it they are, the best first.
    pub(super) async fn nearest(
        &self,
        store: &KnowledgeStore,
        space: &str,
        scope: Scope<'_>,
        vector: &[f32],
        limit: usize,
    ) -> Result<Vec<(i64, f32)>, StoreError> {
        let documents = self.refreshed(store, space).await?;
        let (organization, bases) = (scope.organization.to_owned(), scope.bases.to_vec());
        let wanted =
            move |live: &LiveDocument| live.organization == organization && (bases.is_empty() || bases.contains(&live.base));
        let question = Arc::new(pack(vector));
        let mut near = {
            let (documents, question, wanted) = (Arc::clone(&documents), Arc::clone(&question), wanted.clone());
            // Milliseconds of pure computing, which no other task should wait for.
            let ranked = tokio::task::spawn_blocking(move || {
                let held =
                    documents.iter().filter(|document| wanted(&document.live)).filter_map(|document| document.vectors.as_ref());
                let mut near = Vec::new();
                for vectors in held {
                    near.extend(vectors.keys.iter().copied().zip(vectors.packed.similarities(&question)));
                }
                best(near, limit)
            });
            ranked.await.unwrap_or_default()
        };
        for document in documents.iter().filter(|document| document.vectors.is_none() && wanted(&document.live)) {
            let vectors = load(store, &document.live).await?;
            near.extend(vectors.keys.iter().copied().zip(vectors.packed.similarities(&question)));
            near = best(near, limit);
        }
        Ok(near)
    }

    /// Loads what changed since the last time.
    pub(super) async fn refresh(&self, store: &KnowledgeStore, space: &str) -> Result<(), StoreError> {
        self.refreshed(store, space).await.map(drop)
    }

    async fn refreshed(&self, store: &KnowledgeStore, space: &str) -> Result<Arc<Vec<Arc<Document>>>, StoreError> {
        let mut held = self.held.lock().await;
        // Before the documents: a change in between is then seen the next time.
        let revision = store.revision().await?;
        if held.revision == Some(revision) {
            return Ok(Arc::clone(&held.documents));
        }
        let known: HashMap<(DocumentId, i64), &Arc<Document>> =
            held.documents.iter().map(|document| ((document.live.id, document.live.generation), document)).collect();
        let live = store.live(space).await?;
        let kept = |live: &LiveDocument| known.get(&(live.id, live.generation)).copied();
        let bytes_of = |document: &Document| document.vectors.as_ref().map_or(0, DocumentVectors::bytes);
        let mut bytes: usize = live.iter().filter_map(kept).map(|document| bytes_of(document)).sum();
        let mut documents = Vec::with_capacity(live.len());
        for live in live {
            let old = kept(&live).filter(|document| document.vectors.is_some()).cloned();
            let document = match old {
                Some(document) => document,
                None if bytes >= self.bytes_max => Arc::new(Document { live, vectors: None }),
                None => {
                    let vectors = load(store, &live).await?;
                    let fits = bytes + vectors.bytes() <= self.bytes_max;
                    bytes += if fits { vectors.bytes() } else { 0 };
                    Arc::new(Document { live, vectors: Some(vectors).filter(|_| fits) })
                }
            };
            documents.push(document);
        }
        metrics::gauge!("offhook_knowledge_vector_bytes").set(bytes as f64);
        *held = Held { revision: Some(revision), documents: Arc::new(documents) };
        Ok(Arc::clone(&held.documents))
    }
}

impl DocumentVectors {
    fn bytes(&self) -> usize {
        self.packed.bytes() + self.keys.len() * size_of::<i64>()
    }
}

async fn load(store: &KnowledgeStore, live: &LiveDocument) -> Result<DocumentVectors, StoreError> {
    let rows = store.vectors(live.id, live.generation).await?;
    let mut vectors = DocumentVectors::default();
    if let Some(dimensions) = rows.first().and_then(|(_, vector)| dimensions(vector)) {
        vectors.packed = Packed::new(dimensions);
    }
    for (key, vector) in rows {
        // A server that changed its dimensions between two chunks was refused when they were written.
        if vectors.packed.push(&vector) {
            vectors.keys.push(key);
        }
    }
    Ok(vectors)
}

/// The best `limit`, in order.
fn best(mut near: Vec<(i64, f32)>, limit: usize) -> Vec<(i64, f32)> {
    let order = |(key_a, a): &(i64, f32), (key_b, b): &(i64, f32)| b.total_cmp(a).then(key_a.cmp(key_b));
    if near.len() > limit && limit > 0 {
        near.select_nth_unstable_by(limit - 1, order);
    }
    near.truncate(limit);
    near.sort_unstable_by(order);
    near
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_are_kept_in_order() {
        let near = vec![(1, 0.1), (2, 0.9), (3, 0.5), (4, 0.9), (5, -0.2)];
        let keys = |limit| best(near.clone(), limit).into_iter().map(|(key, _)| key).collect::<Vec<_>>();
        assert_eq!(keys(3), [2, 4, 3]);
        assert_eq!(keys(10), [2, 4, 3, 1, 5]);
        assert_eq!(keys(0), [0_i64; 0]);
    }
}
