//! How long a question to the knowledge base takes: 10,000 chunks on the embedded store, by words alone and with vectors.
//!
//! ```text
//! cargo run --release -p benches --bin knowledge [CHUNKS [QUESTIONS]]
//! ```
//!
//! The documents are made of words as frequent as in a language (Zipf's law), the vectors of 1,536 dimensions come from a server in this
//! process that answers at once, so that what is measured with vectors includes a request over loopback and its JSON. Budget: p95 20 ms.

use std::time::{Duration, Instant};

use ai::knowledge::embeddings::EmbeddingsConfig;
use anyhow::{Context as _, Result, bail};
use axum::routing::post;
use axum::{Json, Router};
use platform::knowledge::{KnowledgeConfig, Question, Service, Source, Upload};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use store::{DEFAULT_ORGANIZATION, Store};

const DIMENSIONS: usize = 1536;
const WORDS: usize = 20_000;
const WORDS_A_CHUNK: usize = 170;
const CHUNKS_A_DOCUMENT: usize = 100;
const BUDGET: Duration = Duration::from_millis(20);
/// Making 10,000 vectors and their JSON takes most of it.
const INGEST_TIME_MAX: Duration = Duration::from_secs(1800);

#[tokio::main]
async fn main() -> Result<()> {
    let _chosen_before = rustls::crypto::ring::default_provider().install_default();
    let mut arguments = std::env::args().skip(1);
    let chunks: usize = arguments.next().as_deref().unwrap_or("10000").parse().context("CHUNKS")?;
    let questions: usize = arguments.next().as_deref().unwrap_or("500").parse().context("QUESTIONS")?;
    let base_url = serve_embeddings().await?;
    let folder = std::env::temp_dir().join(format!("offhook-bench-{}", std::process::id()));
    let done = measure(&folder, &base_url, chunks, questions).await;
    std::fs::remove_dir_all(&folder)?;
    done
}

async fn measure(folder: &std::path::Path, base_url: &str, chunks: usize, questions: usize) -> Result<()> {
    let store = Store::open(&format!("sqlite://{}/bench.db", folder.display())).await?;
    let embeddings = EmbeddingsConfig {
        base_url: base_url.to_owned(),
        api_key: "".into(),
        model: "bench".to_owned(),
        dimensions: Some(DIMENSIONS),
        question_timeout: Duration::from_secs(10),
    };
    let with = Service::open(&store, KnowledgeConfig { embeddings: Some(embeddings), ..KnowledgeConfig::default() }).await?;
    let started = Instant::now();
    let worker = with.work().await?;
    let mut random = StdRng::seed_from_u64(1);
    for number in 0..chunks.div_ceil(CHUNKS_A_DOCUMENT) {
        let upload = Upload {
            organization: DEFAULT_ORGANIZATION.to_owned(),
            base: "bench".to_owned(),
            name: format!("{number}.md"),
            source: Source::Content { format: None, bytes: document(&mut random).into_bytes() },
        };
        with.add(upload).await?;
    }
    if !with.settled(INGEST_TIME_MAX).await? {
        bail!("the documents were not read within {INGEST_TIME_MAX:?}");
    }
    worker.abort();
    println!("{chunks} chunks of {WORDS_A_CHUNK} words read, cut, embedded and written in {:.1?}", started.elapsed());
    let without = Service::open(&store, KnowledgeConfig::default()).await?;
    println!("| {questions} questions of 8 words | p50 | p95 | max | budget of p95 |");
    println!("| --- | --- | --- | --- | --- |");
    for (name, service) in [("words alone", &without), ("words and vectors, the question's own included", &with)] {
        let mut times = Vec::with_capacity(questions);
        for _ in 0..questions + 1 {
            let text = sentence(&mut random, 8);
            let question = Question { organization: DEFAULT_ORGANIZATION, bases: &[], text: &text, limit: 5, min_score: 0.0 };
            let asked = Instant::now();
            let found = service.search(&question).await?;
            times.push(asked.elapsed());
            anyhow::ensure!(found.passages.len() == 5, "{text}: {} passages", found.passages.len());
        }
        // The first one loads the vectors.
        let first = times.remove(0);
        times.sort_unstable();
        let at = |share: f64| times[((times.len() as f64 * share) as usize).min(times.len() - 1)];
        let verdict = if at(0.95) <= BUDGET { "held" } else { "**missed**" };
        println!(
            "| {name}; the first {first:.1?} | {:.1?} | {:.1?} | {:.1?} | {BUDGET:.0?}: {verdict} |",
            at(0.5),
            at(0.95),
            at(1.0)
        );
    }
    store.close().await;
    Ok(())
}

/// Sections of one chunk each.
fn document(random: &mut StdRng) -> String {
    let section = |number| format!("# Section {number} {}\n\n{}\n\n", sentence(random, 3), sentence(random, WORDS_A_CHUNK));
    (0..CHUNKS_A_DOCUMENT).map(section).collect()
}

/// Words by Zipf's law: the word of rank n is as frequent as 1/n.
fn sentence(random: &mut StdRng, words: usize) -> String {
    let word = |_| {
        let rank = (WORDS as f64).powf(random.random_range(0.0..1.0)) as u64;
        // Letters that make each rank a word of its own.
        let letters = [
            b'a' + (rank % 26) as u8,
            b'a' + (rank / 26 % 26) as u8,
            b'a' + (rank / 676 % 26) as u8,
            b'a' + (rank / 17_576) as u8,
        ];
        format!("q{}", String::from_utf8_lossy(&letters))
    };
    (0..words).map(word).collect::<Vec<_>>().join(" ")
}

async fn serve_embeddings() -> Result<String> {
    let router = Router::new().route("/v1/embeddings", post(embeddings));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(format!("http://{address}/v1"))
}

/// Vectors that depend on the text's bytes and on nothing else.
async fn embeddings(Json(asked): Json<Value>) -> Json<Value> {
    let texts = asked["input"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let rows = texts.enumerate().map(|(index, text)| {
        let seed = text.bytes().fold(7_u64, |seed, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
        let mut random = StdRng::seed_from_u64(seed);
        let vector: Vec<f32> = (0..DIMENSIONS).map(|_| random.random_range(-1.0..1.0)).collect();
        json!({"index": index, "embedding": vector})
    });
    Json(json!({"data": rows.collect::<Vec<_>>()}))
}
