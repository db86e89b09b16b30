//! Works off the queue of documents, one after the other: reading takes a core, and calls need the rest.

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt as _;
use store::{Claim, DocumentStatus, StoreError, WallTime};

use super::ingest::{LEASE, Trouble, clear, ingest, remove};
use super::{Shared, count};

/// How often the queue is looked at without being told: another process may have put something.
const IDLE: Duration = Duration::from_secs(2);
/// How often those look who wait for it to be empty.
pub(super) const LOOK: Duration = Duration::from_millis(50);
/// First wait before a document is tried again; it doubles with each try.
const RETRY: Duration = Duration::from_secs(5);
/// Longest wait of it.
const RETRY_MAX: Duration = Duration::from_secs(3600);

/// Opens again what the last run had in hand, and what has vectors of another model.
pub(super) async fn prepare(shared: &Shared) -> Result<(), StoreError> {
    let resumed = shared.store.release_claims(&shared.config.node).await?;
    let requeued = shared.store.requeue_other_spaces(&shared.space, WallTime::now()).await?;
    if resumed + requeued > 0 {
        tracing::info!(resumed, requeued, "documents of the knowledge base are read again");
    }
    Ok(())
}

/// Removes chunks that nobody searches: what the last run left between two steps.
async fn tidy(shared: &Shared) -> Result<(), StoreError> {
    for (document, organization) in shared.store.with_stale_chunks().await? {
        // Vectors elsewhere may be out of reach; the next start tries again.
        if let Err(Trouble::Store(error)) = clear(shared, &organization, document).await {
            return Err(error);
        }
    }
    refresh(shared).await
}

pub(super) async fn run(shared: Arc<Shared>) {
    if let Err(error) = tidy(&shared).await {
        tracing::warn!(%error, "what was left in the knowledge base is still there");
    }
    loop {
        match step(&shared).await {
            Ok(true) => {}
            Ok(false) => {
                let _ = tokio::time::timeout(IDLE, shared.work.notified()).await;
            }
            Err(error) => {
                tracing::warn!(%error, "the knowledge base waits for its database");
                tokio::time::sleep(RETRY).await;
                // What was in hand is open again at once, not when its lease ends.
                let _ = shared.store.release_claims(&shared.config.node).await;
            }
        }
    }
}

/// Works at the next document; false when there is none.
async fn step(shared: &Shared) -> Result<bool, StoreError> {
    let Some(claim) = shared.store.claim(&shared.config.node, WallTime::now(), LEASE).await? else { return Ok(false) };
    let done = match claim.document.status {
        DocumentStatus::Deleting => remove(shared, &claim).await,
        _ => ingest(shared, &claim).await,
    };
    let outcome = conclude(shared, &claim, done).await?;
    metrics::counter!("offhook_knowledge_ingested_total", "outcome" => outcome).increment(1);
    refresh(shared).await?;
    Ok(true)
}

async fn conclude(shared: &Shared, claim: &Claim, done: Result<(), Trouble>) -> Result<&'static str, StoreError> {
    let document = claim.document.id;
    match done {
        Ok(()) if claim.document.status == DocumentStatus::Deleting => Ok("deleted"),
        Ok(()) => Ok("ready"),
        Err(Trouble::Superseded) => Ok("superseded"),
        Err(Trouble::Document(reason)) => {
            tracing::warn!(%document, reason, "a document of the knowledge base cannot be read");
            shared.store.set_failed(claim, &reason, WallTime::now()).await?;
            Ok("failed")
        }
        Err(Trouble::Later(reason)) => {
            let wait = RETRY.saturating_mul(1 << claim.attempt.saturating_sub(1).min(12)).min(RETRY_MAX);
            let wait = wait.mul_f64(rand::rng().random_range(0.8..1.2));
            tracing::warn!(%document, reason, ?wait, "a document of the knowledge base is tried again");
            let due = WallTime::now().micros().saturating_add(wait.as_micros() as i64);
            shared.store.retry(claim, &reason, WallTime::from_micros(due)).await?;
            Ok("retried")
        }
        // A write that can never succeed would be tried for ever.
        Err(Trouble::Store(error)) if !error.is_transient() => {
            shared.store.set_failed(claim, &error.to_string(), WallTime::now()).await?;
            Ok("failed")
        }
        Err(Trouble::Store(error)) => Err(error),
    }
}

/// Shows what there is, and loads the vectors before someone asks.
async fn refresh(shared: &Shared) -> Result<(), StoreError> {
    let counts = shared.store.count_documents().await?;
    for status in DocumentStatus::ALL {
        metrics::gauge!("offhook_knowledge_documents", "status" => status.as_str()).set(count(&counts, *status) as f64);
    }
    shared.vectors.refresh(&shared.store, &shared.space).await
}
