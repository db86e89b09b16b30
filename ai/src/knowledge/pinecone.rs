//! Vectors in a Pinecone index: its data plane over REST (API version 2025-10).

use std::time::Duration;

use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

use super::http::{self, HttpError, Patience};
use crate::link::http::HttpClient;
use crate::secret::Secret;

const SERVICE: &str = "Pinecone";
/// The version whose bodies these are.
const API_VERSION: &str = "2025-10";
/// Most bytes of vectors a request: its limit is 2 MB.
const UPSERT_BYTES_MAX: usize = 1_500_000;
/// Most vectors or ids a request, as it has them.
const BATCH_MAX: usize = 1000;
/// Most vectors an answer: its limit.
pub const TOP_K_MAX: usize = 10_000;
/// Longest id, as it has it.
pub const ID_CHARS_MAX: usize = 512;
/// Most bytes of an answer: 1,000 matches without their vectors take 100 kB.
const ANSWER_BYTES_MAX: usize = 8 << 20;
/// Nobody waits for a write.
const WRITE: Patience = Patience { timeout: Duration::from_secs(30), tries: 4, answer_max: ANSWER_BYTES_MAX };

/// Where the index is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PineconeConfig {
    /// URL of the index's host, without a slash at the end.
    pub base_url: String,
    /// The key.
    pub api_key: Secret,
    /// Time a search may take; then full text alone answers.
    pub search_timeout: Duration,
}

/// A vector to keep.
#[derive(Clone, Debug, PartialEq)]
pub struct PineconeVector {
    /// Its id, at most 512 characters.
    pub id: String,
    /// Of the index's dimensions.
    pub values: Vec<f32>,
    /// What searches are narrowed by: an object of texts and numbers.
    pub metadata: Value,
}

/// A vector that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct PineconeMatch {
    /// Its id.
    pub id: String,
    /// How like the question it is: for an index of metric `cosine`, -1 to 1.
    pub score: f32,
}

/// An index.
#[derive(Clone, Debug)]
pub struct Pinecone {
    client: Client,
    config: PineconeConfig,
}

impl Pinecone {
    /// One that connects when it is first asked.
    #[must_use]
    pub fn new(http: &HttpClient, config: PineconeConfig) -> Self {
        Self { client: http.plain().clone(), config }
    }

    /// Keeps `vectors`; an id that is there is replaced. They are found a few seconds later.
    ///
    /// # Errors
    /// [`HttpError`]; those sent before the failure are kept. The same again does no harm.
    pub async fn upsert(&self, namespace: &str, vectors: Vec<PineconeVector>) -> Result<(), HttpError> {
        let rows =
            vectors.into_iter().map(|vector| json!({"id": vector.id, "values": vector.values, "metadata": vector.metadata}));
        let (mut batch, mut bytes) = (Vec::new(), 0);
        for row in rows {
            let length = row.to_string().len();
            if !batch.is_empty() && (bytes + length > UPSERT_BYTES_MAX || batch.len() == BATCH_MAX) {
                self.upsert_once(namespace, std::mem::take(&mut batch)).await?;
                bytes = 0;
            }
            bytes += length;
            batch.push(row);
        }
        if batch.is_empty() { Ok(()) } else { self.upsert_once(namespace, batch).await }
    }

    async fn upsert_once(&self, namespace: &str, vectors: Vec<Value>) -> Result<(), HttpError> {
        let count = vectors.len();
        let answer = self.post("vectors/upsert", WRITE, &json!({"namespace": namespace, "vectors": vectors})).await?;
        match answer["upsertedCount"].as_u64() {
            Some(kept) if kept == count as u64 => Ok(()),
            _ => Err(protocol(format!("not all of {count} vectors were kept"))),
        }
    }

    /// The vectors most like `vector`, best first, at most `limit`, for which `filter` holds (`Value::Null`: all).
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn query(
        &self,
        namespace: &str,
        vector: &[f32],
        limit: usize,
        filter: Value,
    ) -> Result<Vec<PineconeMatch>, HttpError> {
        let mut body = json!({"namespace": namespace, "vector": vector, "topK": limit.clamp(1, TOP_K_MAX),
            "includeValues": false, "includeMetadata": false});
        if !filter.is_null() {
            body["filter"] = filter;
        }
        let patience = Patience { timeout: self.config.search_timeout, tries: 1, answer_max: ANSWER_BYTES_MAX };
        let answer = self.post("query", patience, &body).await?;
        let matches = answer["matches"].as_array().ok_or_else(|| protocol("no matches".to_owned()))?;
        let found = matches.iter().map(|found| {
            let id = found["id"].as_str().filter(|id| id.len() <= ID_CHARS_MAX);
            let score = found["score"].as_f64().filter(|score| score.is_finite());
            id.zip(score).map(|(id, score)| PineconeMatch { id: id.to_owned(), score: score as f32 })
        });
        found.collect::<Option<_>>().ok_or_else(|| protocol("a match without id or score".to_owned()))
    }

    /// Deletes the vectors of these ids; ids that are not there are none.
    ///
    /// # Errors
    /// [`HttpError`]. The same again does no harm.
    pub async fn delete(&self, namespace: &str, ids: &[String]) -> Result<(), HttpError> {
        for batch in ids.chunks(BATCH_MAX) {
            match self.post("vectors/delete", WRITE, &json!({"namespace": namespace, "ids": batch})).await {
                // Nothing was ever written there.
                Ok(_) | Err(HttpError::Refused { status: 404, .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn post(&self, path: &str, patience: Patience, body: &Value) -> Result<Value, HttpError> {
        let url = format!("{}/{path}", self.config.base_url);
        let request = || -> RequestBuilder {
            let request = self.client.post(&url).json(body).header("X-Pinecone-Api-Version", API_VERSION);
            request.header("Api-Key", self.config.api_key.expose())
        };
        http::json(SERVICE, patience, request).await
    }
}

fn protocol(reason: String) -> HttpError {
    HttpError::Protocol { service: SERVICE, reason }
}
