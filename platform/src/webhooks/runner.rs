//! Works at the queue of deliveries: claims what is due, several at a time, until it is stopped.

use std::sync::Arc;
use std::time::{Duration, Instant};

use store::{DeliveryEnd, DeliveryJob, DeliverySlots, StoreError, WallTime};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

use super::{ANSWER_TIME_MAX, Webhooks, send};

/// Deliveries under way at once.
pub const CONCURRENT_MAX: usize = 32;

/// Of these, of one organization on all nodes: one whose receivers all hang leaves room for three others.
pub const OF_ORGANIZATION_MAX: u32 = 8;

/// Of these, to one webhook on all nodes: one that hangs leaves room for others of its organization, and no receiver is flooded.
pub const TOGETHER_MAX: u32 = 4;

/// How often the queue is looked at when nobody told of anything new: for what is tried again.
const POLL: Duration = Duration::from_secs(2);

/// The same after the database gave no answer.
const POLL_AFTER_ERROR: Duration = Duration::from_secs(15);

/// How long a claim lasts: an answer and its end, and a minute for the database. Only another node has to wait for it.
const LEASE: Duration = Duration::from_secs(2 * ANSWER_TIME_MAX.as_secs() + 60);

/// How often the queue's age is looked at, and its length.
const MEASURE: Duration = Duration::from_secs(15);

/// How long what is under way may take once it is to stop; then it is dropped, and sent again after the next start.
const STOP_MAX: Duration = Duration::from_secs(3);

/// The work at the queue; it goes on until it is stopped.
pub struct Runner {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Runner {
    /// Starts the work. What a process of the name `node` had begun before is begun again.
    pub(super) fn start(webhooks: Arc<Webhooks>, node: String) -> Self {
        let (stop, stopped) = oneshot::channel();
        Self { stop, task: tokio::spawn(work(webhooks, node, stopped)) }
    }

    /// Takes nothing new, and waits for what is under way for a moment.
    pub async fn stop(self) {
        let _ended_already = self.stop.send(());
        let _panicked = self.task.await;
    }
}

async fn work(webhooks: Arc<Webhooks>, node: String, mut stopped: oneshot::Receiver<()>) {
    let mut tries = JoinSet::new();
    let mut news = webhooks.store.news();
    let mut measured: Option<Instant> = None;
    // A start that cannot reach the database leaves its claims to their lease.
    note(webhooks.store.release_deliveries(&node, WallTime::now()).await);
    loop {
        if measured.is_none_or(|last| last.elapsed() >= MEASURE) {
            measured = Some(Instant::now());
            note(webhooks.measure(WallTime::now()).await);
        }
        news.mark_unchanged();
        let free = CONCURRENT_MAX - tries.len();
        let wait = match webhooks.begin(&node, free, &mut tries).await {
            Ok(0) => POLL,
            Ok(_) => Duration::ZERO,
            Err(error) => {
                tracing::warn!(%error, "webhooks wait for the database");
                POLL_AFTER_ERROR
            }
        };
        let room = tries.len() < CONCURRENT_MAX;
        tokio::select! {
            _ = &mut stopped => break,
            Some(ended) = tries.join_next() => note_panic(ended),
            _ = news.changed(), if room && wait <= POLL => {}
            () = tokio::time::sleep(wait), if room => {}
        }
    }
    let rest = async {
        while let Some(ended) = tries.join_next().await {
            note_panic(ended);
        }
    };
    if tokio::time::timeout(STOP_MAX, rest).await.is_err() {
        tracing::info!("webhooks under way are left for the next start");
    }
}

impl Webhooks {
    /// Claims up to `free` deliveries and begins them. Answers how many.
    async fn begin(self: &Arc<Self>, node: &str, free: usize, tries: &mut JoinSet<()>) -> Result<usize, StoreError> {
        if free == 0 {
            return Ok(0);
        }
        let free = u32::try_from(free).unwrap_or(u32::MAX);
        let slots = DeliverySlots { free, of_webhook: TOGETHER_MAX, of_organization: OF_ORGANIZATION_MAX };
        let jobs = self.store.claim_deliveries(node, WallTime::now(), LEASE, slots).await?;
        let begun = jobs.len();
        for job in jobs {
            let webhooks = Arc::clone(self);
            tries.spawn(async move { webhooks.deliver(&job).await });
        }
        Ok(begun)
    }

    /// Tries a delivery, and writes what came of it.
    async fn deliver(&self, job: &DeliveryJob) {
        let tried = self.send(job, WallTime::now()).await;
        let now = WallTime::now();
        let end = send::end(job, &tried, now, rand::random());
        let outcome = match end {
            DeliveryEnd::Delivered => "delivered",
            DeliveryEnd::Retry { .. } => "retried",
            DeliveryEnd::Dead => "dead",
            DeliveryEnd::Gone => "gone",
        };
        let (delivery, webhook, attempt) = (job.claim.id, job.webhook.id, job.claim.attempt);
        let error = tried.what.error.as_deref().unwrap_or_default();
        match end {
            DeliveryEnd::Delivered => tracing::debug!(%delivery, %webhook, attempt, "webhook delivered"),
            DeliveryEnd::Retry { .. } => tracing::info!(%delivery, %webhook, attempt, error, "webhook is tried again later"),
            DeliveryEnd::Dead => tracing::warn!(%delivery, %webhook, attempt, error, "webhook given up"),
            DeliveryEnd::Gone => tracing::warn!(%webhook, "webhook switched off: its endpoint answered 410"),
        }
        // Not written, it is sent again when the lease is over.
        note(self.store.end_delivery(job, end, &tried.what, now).await);
        metrics::counter!("offhook_webhook_deliveries_total", "outcome" => outcome).increment(1);
    }

    async fn measure(&self, now: WallTime) -> Result<(), StoreError> {
        let trimmed = self.store.trim_deliveries(now).await?;
        if trimmed > 0 {
            tracing::warn!(trimmed, "webhooks given up: too many wait for one endpoint");
            metrics::counter!("offhook_webhook_deliveries_total", "outcome" => "dead").increment(trimmed);
        }
        let age = self.store.oldest_delivery().await?.map_or(Duration::ZERO, |since| now.since(since));
        metrics::gauge!("offhook_webhook_queue_age_seconds").set(age.as_secs_f64());
        Ok(())
    }
}

fn note<T>(done: Result<T, StoreError>) {
    if let Err(error) = done {
        tracing::warn!(%error, "a step of the webhooks was not written");
    }
}

fn note_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a webhook panicked; it is sent again when its lease is over");
    }
}
