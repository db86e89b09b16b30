//! Vectors of texts by a server that speaks OpenAI's `POST /v1/embeddings`.

use std::time::Duration;

use reqwest::Client;
use serde_json::{Value, json};

use super::http::{self, HttpError, Patience};
use super::vector::{DIMENSIONS_MAX, normalise};
use crate::link::http::HttpClient;
use crate::secret::Secret;

const SERVICE: &str = "the embeddings server";
/// Most texts a request: small enough that a request that fails costs little, far below the protocol's 2,048.
const BATCH_MAX: usize = 64;
/// Most characters a request: about 64 chunks, and far below the protocol's 300,000 tokens.
const BATCH_CHARS_MAX: usize = 100_000;
/// Longest text that is sent, in characters: any of them is below the protocol's 8,192 tokens.
const TEXT_CHARS_MAX: usize = 8000;
/// Most bytes of an answer: 64 vectors of 16,000 dimensions in digits.
const ANSWER_BYTES_MAX: usize = 32 << 20;
/// For documents, nobody waits: a rate limit is sat out.
const DOCUMENT: Patience = Patience { timeout: Duration::from_secs(30), tries: 4, answer_max: ANSWER_BYTES_MAX };

/// Where vectors come from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EmbeddingsConfig {
    /// http(s) URL without a slash at the end; `/embeddings` is added.
    pub base_url: String,
    /// The key, empty for a server that wants none.
    pub api_key: Secret,
    /// The server's model.
    pub model: String,
    /// Dimensions to ask for; `None`: as many as the model has.
    pub dimensions: Option<usize>,
    /// Time a caller's question may take to become a vector; then full text alone answers.
    pub question_timeout: Duration,
}

/// A server for vectors.
#[derive(Clone, Debug)]
pub struct Embeddings {
    client: Client,
    config: EmbeddingsConfig,
}

impl Embeddings {
    /// One that connects when it is first asked.
    #[must_use]
    pub fn new(http: &HttpClient, config: EmbeddingsConfig) -> Self {
        Self { client: http.plain().clone(), config }
    }

    /// What vectors of this server can be compared with: the model and its dimensions.
    #[must_use]
    pub fn space(&self) -> String {
        match self.config.dimensions {
            Some(dimensions) => format!("{}/{dimensions}", self.config.model),
            None => self.config.model.clone(),
        }
    }

    /// A vector of length 1 for each of `texts`, in order, with patience.
    ///
    /// # Errors
    /// [`HttpError`]; nothing of a batch that failed is kept.
    pub async fn of_documents(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, HttpError> {
        let mut vectors: Vec<Vec<f32>> = Vec::with_capacity(texts.len());
        for batch in batches(texts) {
            let more = self.ask(batch, DOCUMENT).await?;
            let expected = vectors.first().unwrap_or(&more[0]).len();
            if let Some(other) = more.iter().find(|vector| vector.len() != expected) {
                return Err(protocol(format!("vectors of {expected} and of {} dimensions", other.len())));
            }
            vectors.extend(more);
        }
        Ok(vectors)
    }

    /// The vector of a caller's question: one try, and not for long.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn of_question(&self, question: &str) -> Result<Vec<f32>, HttpError> {
        let patience = Patience { timeout: self.config.question_timeout, tries: 1, answer_max: ANSWER_BYTES_MAX };
        let vectors = self.ask(&[question.to_owned()], patience).await?;
        vectors.into_iter().next().ok_or_else(|| protocol("no vector".to_owned()))
    }

    async fn ask(&self, texts: &[String], patience: Patience) -> Result<Vec<Vec<f32>>, HttpError> {
        let input: Vec<&str> = texts.iter().map(|text| cut(text)).collect();
        let mut body = json!({"model": self.config.model, "input": input, "encoding_format": "float"});
        if let Some(dimensions) = self.config.dimensions {
            body["dimensions"] = dimensions.into();
        }
        let url = format!("{}/embeddings", self.config.base_url);
        let answer = http::json(SERVICE, patience, || {
            let request = self.client.post(&url).json(&body);
            match self.config.api_key.expose() {
                "" => request,
                key => request.bearer_auth(key),
            }
        });
        read(answer.await?, texts.len(), self.config.dimensions)
    }
}

fn cut(text: &str) -> &str {
    text.char_indices().nth(TEXT_CHARS_MAX).map_or(text, |(at, _)| &text[..at])
}

/// `texts` in runs that one request takes.
fn batches(texts: &[String]) -> Vec<&[String]> {
    let mut batches = Vec::new();
    let (mut start, mut characters) = (0, 0);
    for (at, text) in texts.iter().enumerate() {
        let length = cut(text).chars().count();
        if at > start && (at - start == BATCH_MAX || characters + length > BATCH_CHARS_MAX) {
            batches.push(&texts[start..at]);
            (start, characters) = (at, 0);
        }
        characters += length;
    }
    if start < texts.len() {
        batches.push(&texts[start..]);
    }
    batches
}

fn protocol(reason: String) -> HttpError {
    HttpError::Protocol { service: SERVICE, reason }
}

/// The vectors of an answer, each at its index.
fn read(answer: Value, count: usize, dimensions: Option<usize>) -> Result<Vec<Vec<f32>>, HttpError> {
    let rows = answer["data"].as_array().ok_or_else(|| protocol("no data".to_owned()))?;
    if rows.len() != count {
        return Err(protocol(format!("{} vectors for {count} texts", rows.len())));
    }
    let mut vectors = vec![Vec::new(); count];
    for row in rows {
        let index = row["index"].as_u64().and_then(|index| usize::try_from(index).ok());
        let place = index.and_then(|index| vectors.get_mut(index)).ok_or_else(|| protocol("a wrong index".to_owned()))?;
        let values = row["embedding"].as_array().ok_or_else(|| protocol("no embedding".to_owned()))?;
        let vector: Option<Vec<f32>> = values.iter().map(|value| value.as_f64().map(|value| value as f32)).collect();
        let mut vector = vector.ok_or_else(|| protocol("an embedding that is not of numbers".to_owned()))?;
        let wanted = dimensions.unwrap_or(vector.len());
        if vector.len() != wanted || vector.is_empty() || vector.len() > DIMENSIONS_MAX {
            return Err(protocol(format!("a vector of {} dimensions where {wanted} were asked for", vector.len())));
        }
        if !normalise(&mut vector) {
            return Err(protocol("a vector without a direction".to_owned()));
        }
        *place = vector;
    }
    match vectors.iter().any(Vec::is_empty) {
        true => Err(protocol("an index twice".to_owned())),
        false => Ok(vectors),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(answer: Value, dimensions: Option<usize>, expected: &str) {
        let read = read(answer, 2, dimensions);
        assert_eq!(read.map_or_else(|error| error.to_string(), |vectors| format!("{vectors:?}")), expected);
    }

    #[test]
    fn answers_are_read_by_index_and_made_of_length_1() {
        let row = |index: usize, vector: Value| json!({"object": "embedding", "index": index, "embedding": vector});
        check(json!({"data": [row(1, json!([0, 2.0])), row(0, json!([3, 4]))]}), Some(2), "[[0.6, 0.8], [0.0, 1.0]]");
    }

    #[test]
    fn an_answer_outside_the_protocol_says_what_is_wrong() {
        let row = |index: usize, vector: Value| json!({"index": index, "embedding": vector});
        let check = |answer: Value, expected: &str| {
            check(answer, Some(2), &format!("the embeddings server answered outside its protocol: {expected}"));
        };
        let one = || row(0, json!([1, 1]));
        check(json!({"hello": 1}), "no data");
        check(json!({"data": [one()]}), "1 vectors for 2 texts");
        check(json!({"data": [one(), row(2, json!([1, 1]))]}), "a wrong index");
        check(json!({"data": [one(), one()]}), "an index twice");
        check(json!({"data": [one(), {"index": 1}]}), "no embedding");
        check(json!({"data": [one(), row(1, json!(["a", 1]))]}), "an embedding that is not of numbers");
        check(json!({"data": [one(), row(1, json!([1, 1, 1]))]}), "a vector of 3 dimensions where 2 were asked for");
        check(json!({"data": [one(), row(1, json!([0, 0]))]}), "a vector without a direction");
    }

    #[test]
    fn texts_go_in_bounded_batches() {
        let sizes = |texts: Vec<String>| batches(&texts).iter().map(|batch| batch.len()).collect::<Vec<_>>();
        assert_eq!(sizes(vec!["x".to_owned(); 130]), [64, 64, 2]);
        assert_eq!(sizes(vec!["x".repeat(9000); 30]), [12, 12, 6]);
        assert!(sizes(Vec::new()).is_empty());
    }
}
