//! A question in, passages out: by words and by meaning, joined by rank.

use std::collections::HashMap;
use std::time::Instant;

use ai::knowledge::rank::{coverage, fuse, terms};
use store::Scope;

use super::{BASES_MAX, Found, KnowledgeError, PASSAGES_MAX, Passage, QUESTION_BYTES_MAX, Shared, refused};

/// Candidates of each order: more than an answer takes, so that a chunk which stands low in both can still rise.
const CANDIDATES: usize = 50;

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Whose documents.
    pub organization: &'a str,
    /// Of which knowledge bases; empty: all.
    pub bases: &'a [String],
    /// The question, at most 2,000 bytes.
    pub text: &'a str,
    /// Most passages, 1 to 20.
    pub limit: usize,
    /// The least score of a passage, 0 to 1.
    pub min_score: f32,
}

pub(super) async fn search(shared: &Shared, question: &Question<'_>) -> Result<Found, KnowledgeError> {
    let started = Instant::now();
    check(question)?;
    let scope = Scope { organization: question.organization, bases: question.bases };
    let words = terms(question.text);
    let by_text = shared.store.match_text(scope, &words, CANDIDATES as u32);
    let (by_text, by_vectors) = tokio::join!(by_text, by_vectors(shared, scope, question.text));
    let hybrid = by_vectors.is_some();
    let near = by_vectors.unwrap_or_default();
    let similar: HashMap<i64, f32> = near.iter().copied().collect();
    let orders = [by_text?, near.into_iter().map(|(key, _)| key).collect()];
    let order: Vec<i64> = fuse(&orders);

    let mut chunks: HashMap<i64, _> =
        shared.store.chunks(scope, &order).await?.into_iter().map(|chunk| (chunk.key, chunk)).collect();
    let passages = order.iter().filter_map(|key| chunks.remove(key)).map(|chunk| {
        let share = coverage(&words, &format!("{} {}", chunk.heading, chunk.text));
        let score = share.max(similar.get(&chunk.key).copied().unwrap_or(0.0)).clamp(0.0, 1.0);
        Passage {
            chunk: chunk.chunk.to_string(),
            document: chunk.chunk.document,
            name: chunk.document,
            base: chunk.base,
            heading: chunk.heading,
            text: chunk.text,
            score,
        }
    });
    let passages = passages.filter(|passage| passage.score >= question.min_score).take(question.limit).collect();
    let by = if hybrid { "hybrid" } else { "text" };
    metrics::histogram!("offhook_knowledge_search_seconds", "by" => by).record(started.elapsed().as_secs_f64());
    Ok(Found { passages, by_vectors: hybrid })
}

fn check(question: &Question<'_>) -> Result<(), KnowledgeError> {
    if question.text.trim().is_empty() {
        return Err(refused("query", "must not be empty"));
    }
    if question.text.len() > QUESTION_BYTES_MAX {
        return Err(refused("query", format!("{} bytes are above {QUESTION_BYTES_MAX}", question.text.len())));
    }
    if !(1..=PASSAGES_MAX).contains(&question.limit) {
        return Err(refused("limit", format!("{} is outside 1-{PASSAGES_MAX}", question.limit)));
    }
    if question.bases.len() > BASES_MAX {
        return Err(refused("bases", format!("{} are more than {BASES_MAX}", question.bases.len())));
    }
    if !(0.0..=1.0).contains(&question.min_score) {
        return Err(refused("min_score", format!("{} is outside 0-1", question.min_score)));
    }
    Ok(())
}

/// What stands nearest by meaning; `None` when vectors take no part.
async fn by_vectors(shared: &Shared, scope: Scope<'_>, text: &str) -> Option<Vec<(i64, f32)>> {
    let embeddings = shared.embeddings.as_ref()?;
    let vector = match embeddings.of_question(text).await {
        Ok(vector) => vector,
        Err(error) => {
            without("embeddings", &error);
            return None;
        }
    };
    match shared.vectors.nearest(&shared.store, &shared.space, scope, &vector, CANDIDATES).await {
        Ok(near) => Some(near),
        Err(error) => {
            without("vectors", &error);
            None
        }
    }
}

fn without(part: &'static str, error: &dyn std::error::Error) {
    tracing::warn!(part, %error, "a question is answered by words alone");
    metrics::counter!("offhook_knowledge_degraded_total", "part" => part).increment(1);
}
