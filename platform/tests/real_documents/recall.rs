//! Whether the right passage is among the first five: a small set of questions over this project's own documents.

use std::path::Path;

use platform::knowledge::{KnowledgeConfig, Seed, SeedPlace, Service};

use crate::stubs::EmbeddingsStub;
use crate::{Base, PATIENCE, embeddings, question};

/// The share of questions that must be answered; what was measured is in docs/knowledge.md.
const RECALL_MIN: f64 = 0.8;
const DOCUMENTS: [&str; 7] = [
    "README.md",
    "ARCHITECTURE.md",
    "docs/configuration.md",
    "docs/operations.md",
    "docs/performance.md",
    "docs/rfc.md",
    "docs/runbook.md",
];

struct Case {
    question: String,
    file: String,
    words: String,
}

fn cases() -> Vec<Case> {
    let lines = include_str!("questions.txt").lines().filter(|line| !line.starts_with('#'));
    let case = |line: &str| {
        let parts: Vec<&str> = line.split(" | ").collect();
        let [question, file, words] = parts[..] else { panic!("{line}") };
        Case { question: question.to_owned(), file: file.to_owned(), words: words.to_owned() }
    };
    lines.map(case).collect()
}

/// This project's documents as the configuration file would name them.
fn seeds() -> Vec<Seed> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let seed = |name: &&str| Seed { base: "docs".to_owned(), name: (*name).to_owned(), place: SeedPlace::Path(root.join(name)) };
    DOCUMENTS.iter().map(seed).collect()
}

/// The share of questions whose passage is among the first five, and the questions that are not.
async fn recall(service: &Service) -> (f64, Vec<String>) {
    let cases = cases();
    assert!(cases.len() >= 40);
    let mut missed = Vec::new();
    for case in &cases {
        let found = service.search(&question(&case.question)).await.unwrap();
        let plain = |text: &str| text.replace('`', "");
        let answers = found.passages.iter().any(|passage| {
            passage.name == case.file && plain(&format!("{} {}", passage.heading, passage.text)).contains(&plain(&case.words))
        });
        if !answers {
            missed.push(case.question.clone());
        }
    }
    (1.0 - missed.len() as f64 / cases.len() as f64, missed)
}

/// Takes the documents in, and fails when too few questions find their passage.
pub async fn check(base: &Base) {
    base.service.seed(&seeds()).await.unwrap();
    assert!(base.service.settled(PATIENCE).await.unwrap());
    check_found(&base.service).await;
}

/// Fails when too few questions find their passage.
pub async fn check_found(service: &Service) {
    let (recall, missed) = recall(service).await;
    println!("recall@5 {recall:.3}, missed {missed:#?}");
    assert!(recall >= RECALL_MIN, "recall@5 {recall:.3}, missed {missed:#?}");
}

#[tokio::test]
async fn words_alone_find_most_answers() {
    check(&Base::start(KnowledgeConfig::default()).await).await;
}

#[tokio::test]
async fn words_and_vectors_find_most_answers() {
    let url = EmbeddingsStub::default().start().await;
    let base = Base::start(KnowledgeConfig { embeddings: Some(embeddings(&url, "small")), ..KnowledgeConfig::default() }).await;
    check(&base).await;
    assert!(base.service.search(&question("How do I call it?")).await.unwrap().by_vectors);
}
