//! Servers of our own: embeddings that are alike when the words are, a Pinecone index, and documents behind odd answers.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};

pub const DIMENSIONS: usize = 256;

/// "Часы работы" in windows-1251.
const CYRILLIC: &[u8] = b"\xd7\xe0\xf1\xfb \xf0\xe0\xe1\xee\xf2\xfb";

/// What an embeddings server does next.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Mood {
    #[default]
    Well,
    Garbage,
    WrongDimensions,
    RateLimited,
    BadKey,
    /// Answers 429 once, then well.
    RateLimitedOnce,
}

#[derive(Clone, Default)]
pub struct EmbeddingsStub {
    pub mood: Arc<Mutex<Mood>>,
    /// The model and number of texts of each request.
    pub asked: Arc<Mutex<Vec<(String, usize)>>>,
}

impl EmbeddingsStub {
    /// Starts it; its base URL.
    pub async fn start(&self) -> String {
        let router = Router::new().route("/v1/embeddings", post(embeddings)).with_state(self.clone());
        format!("http://{}/v1", serve(router).await)
    }

    pub fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    pub fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

async fn embeddings(State(stub): State<EmbeddingsStub>, headers: HeaderMap, body: String) -> Response {
    let asked: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(asked["encoding_format"], "float");
    let texts: Vec<&str> = asked["input"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
    assert!(texts.iter().all(|text| !text.is_empty()) && texts.len() <= 2048);
    stub.asked.lock().unwrap().push((asked["model"].as_str().unwrap().to_owned(), texts.len()));
    let mood = *stub.mood.lock().unwrap();
    let dimensions = asked["dimensions"].as_u64().unwrap() as usize;
    let answer = |dimensions: usize| {
        let rows = texts.iter().enumerate().rev();
        let rows =
            rows.map(|(index, text)| json!({"object": "embedding", "index": index, "embedding": meaning(text, dimensions)}));
        let data: Vec<Value> = rows.collect();
        json!({"object": "list", "model": asked["model"], "data": data, "usage": {"prompt_tokens": 1, "total_tokens": 1}})
            .to_string()
    };
    if headers[header::AUTHORIZATION] != "Bearer sk-test" {
        return (StatusCode::UNAUTHORIZED, r#"{"error":{"message":"who are you"}}"#).into_response();
    }
    match mood {
        Mood::Well => answer(dimensions).into_response(),
        Mood::Garbage => "<html>I am a proxy</html>".into_response(),
        Mood::WrongDimensions => answer(dimensions - 1).into_response(),
        Mood::RateLimited => {
            (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "3600")], r#"{"error":{"message":"slow down"}}"#).into_response()
        }
        Mood::RateLimitedOnce => {
            stub.set(Mood::Well);
            (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "0.1")], r#"{"error":{"message":"slow down"}}"#).into_response()
        }
        Mood::BadKey => (StatusCode::UNAUTHORIZED, r#"{"error":{"message":"bad key"}}"#).into_response(),
    }
}

/// A vector that is like another when the texts share parts of words: enough for a test, and the same each time.
pub fn meaning(text: &str, dimensions: usize) -> Vec<f32> {
    let mut vector = vec![0.0_f32; dimensions];
    let lower = text.to_lowercase();
    for word in lower.split(|c: char| !c.is_alphanumeric()).filter(|word| word.len() > 2) {
        let letters: Vec<char> = word.chars().collect();
        for part in letters.windows(letters.len().min(4)) {
            let hash = part.iter().fold(0xcbf2_9ce4_u32, |hash, c| (hash ^ *c as u32).wrapping_mul(0x0100_0193));
            vector[hash as usize % dimensions] += if hash & 0x8000 == 0 { 1.0 } else { -1.0 };
        }
    }
    vector[0] += 0.01;
    vector
}

/// An index as protocols/pinecone has it: namespaces of vectors by id, each with its metadata.
#[derive(Clone, Default)]
pub struct PineconeStub {
    pub vectors: Arc<Mutex<Namespaces>>,
    pub down: Arc<Mutex<bool>>,
}

type Namespaces = BTreeMap<String, BTreeMap<String, (Vec<f32>, Value)>>;

impl PineconeStub {
    /// Starts it; the URL of its host.
    pub async fn start(&self) -> String {
        let router = Router::new()
            .route("/vectors/upsert", post(upsert))
            .route("/vectors/delete", post(delete))
            .route("/query", post(query))
            .with_state(self.clone());
        format!("http://{}", serve(router).await)
    }

    pub fn ids(&self, namespace: &str) -> Vec<String> {
        self.vectors.lock().unwrap().get(namespace).map_or(Vec::new(), |vectors| vectors.keys().cloned().collect())
    }

    fn refuse(&self, headers: &HeaderMap) -> Option<Response> {
        if *self.down.lock().unwrap() {
            return Some(StatusCode::SERVICE_UNAVAILABLE.into_response());
        }
        let known = headers["api-key"] == "pc-test" && headers["x-pinecone-api-version"] == "2025-10";
        let error = json!({"code": 16, "message": "unauthorized", "details": []}).to_string();
        (!known).then(|| (StatusCode::UNAUTHORIZED, error).into_response())
    }
}

async fn upsert(State(stub): State<PineconeStub>, headers: HeaderMap, body: String) -> Response {
    if let Some(refusal) = stub.refuse(&headers) {
        return refusal;
    }
    assert!(body.len() <= 2_000_000, "{} bytes in one request", body.len());
    let asked: Value = serde_json::from_str(&body).unwrap();
    let rows = asked["vectors"].as_array().unwrap();
    assert!(rows.len() <= 1000);
    let mut namespaces = stub.vectors.lock().unwrap();
    let vectors = namespaces.entry(asked["namespace"].as_str().unwrap().to_owned()).or_default();
    for row in rows {
        let id = row["id"].as_str().unwrap();
        assert!(id.len() <= 512 && id.is_ascii());
        assert!(row["metadata"].as_object().unwrap().values().all(|value| !value.is_null() && !value.is_object()));
        vectors.insert(id.to_owned(), (numbers(&row["values"]), row["metadata"].clone()));
    }
    json!({"upsertedCount": rows.len()}).to_string().into_response()
}

async fn delete(State(stub): State<PineconeStub>, headers: HeaderMap, body: String) -> Response {
    if let Some(refusal) = stub.refuse(&headers) {
        return refusal;
    }
    let asked: Value = serde_json::from_str(&body).unwrap();
    let mut namespaces = stub.vectors.lock().unwrap();
    let Some(vectors) = namespaces.get_mut(asked["namespace"].as_str().unwrap()) else {
        return (StatusCode::NOT_FOUND, r#"{"code":5,"message":"Namespace not found","details":[]}"#).into_response();
    };
    let ids = asked["ids"].as_array().unwrap();
    assert!(ids.len() <= 1000);
    for id in ids {
        vectors.remove(id.as_str().unwrap());
    }
    "{}".into_response()
}

async fn query(State(stub): State<PineconeStub>, headers: HeaderMap, body: String) -> Response {
    if let Some(refusal) = stub.refuse(&headers) {
        return refusal;
    }
    let asked: Value = serde_json::from_str(&body).unwrap();
    let namespace = asked["namespace"].as_str().unwrap();
    let vector = numbers(&asked["vector"]);
    let bases = asked["filter"]["base"]["$in"].as_array();
    let namespaces = stub.vectors.lock().unwrap();
    let rows = namespaces.get(namespace).into_iter().flatten();
    let wanted = rows.filter(|(_, (_, metadata))| bases.is_none_or(|bases| bases.contains(&metadata["base"])));
    let mut matches: Vec<(f32, &String)> = wanted.map(|(id, (values, _))| (cosine(&vector, values), id)).collect();
    matches.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    matches.truncate(asked["topK"].as_u64().unwrap() as usize);
    let matches: Vec<Value> = matches.iter().map(|(score, id)| json!({"id": id, "score": score})).collect();
    json!({"matches": matches, "namespace": namespace, "usage": {"readUnits": 1}}).to_string().into_response()
}

fn numbers(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|value| value.as_f64().unwrap() as f32).collect()
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// A web server with documents, and with what a bad one does; its base URL.
pub async fn web() -> String {
    let page = "<html><head><title>x</title></head><body><h1>Opening hours</h1><p>We open at nine.</p><script>evil()</script>";
    let router = Router::new()
        .route("/page", get(async move || ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], page)))
        .route("/guide.md", get(async || ([(header::CONTENT_TYPE, "text/plain")], "# Guide\n\nPress star.")))
        .route("/cyrillic", get(async || ([(header::CONTENT_TYPE, "text/plain; charset=windows-1251")], CYRILLIC)))
        .route("/picture", get(async || ([(header::CONTENT_TYPE, "image/png")], "\u{1}")))
        .route("/empty", get(async || ([(header::CONTENT_TYPE, "text/plain")], "")))
        .route("/gone", get(async || StatusCode::GONE))
        .route("/down", get(async || StatusCode::BAD_GATEWAY))
        .route("/big", get(async || ([(header::CONTENT_TYPE, "text/plain")], "x ".repeat(25 << 20))))
        // Without a length, so that only reading shows it.
        .route("/endless", get(endless))
        .route("/moved", get(async || (StatusCode::FOUND, [(header::LOCATION, "/page")])))
        .route("/inside", get(async || (StatusCode::FOUND, [(header::LOCATION, "http://169.254.169.254/latest/meta-data")])))
        .route("/file", get(async || (StatusCode::FOUND, [(header::LOCATION, "file:///etc/passwd")])))
        .route("/circle", get(async |request: Request| (StatusCode::FOUND, [(header::LOCATION, request.uri().to_string())])));
    format!("http://{}", serve(router).await)
}

async fn endless() -> Response {
    let pieces = futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>("x".repeat(1 << 16)));
    (([(header::CONTENT_TYPE, "text/plain")]), axum::body::Body::from_stream(pieces)).into_response()
}

async fn serve(router: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}
