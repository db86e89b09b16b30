//! Works at the queue of analyses: claims what is due, a few at a time, until it is stopped.

use std::sync::Arc;
use std::time::{Duration, Instant};

use store::{AnalysisClaim, AnalysisEnd, AnalysisJob, StoreError, WallTime};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

use super::model::ANSWER_TIME_MAX;
use super::{Analyst, TRIES_MAX};

/// Calls looked at together: a model takes seconds for each, so this is over a thousand calls an hour, and no provider's rate.
pub const CONCURRENT_MAX: usize = 4;

/// How often the queue is looked at when it was empty.
const POLL: Duration = Duration::from_secs(2);

/// The same after the database gave no answer.
const POLL_AFTER_ERROR: Duration = Duration::from_secs(15);

/// How long a claim lasts: two answers, and a minute for the database. Only another node has to wait for it.
const LEASE: Duration = Duration::from_secs(2 * ANSWER_TIME_MAX.as_secs() + 60);

/// How often memories that have expired are deleted.
const EXPIRE_EVERY: Duration = Duration::from_secs(3600);

/// How long what is under way may take once it is to stop; then it is dropped, and done again after the next start.
const STOP_MAX: Duration = Duration::from_secs(3);

/// The work at the queue; it goes on until it is stopped.
pub struct Runner {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Runner {
    /// Starts the work, on the runtime it is called in. What a process of the name `node` had begun before is begun again.
    pub fn start(analyst: Arc<Analyst>, node: String) -> Self {
        let (stop, stopped) = oneshot::channel();
        Self { stop, task: tokio::spawn(work(analyst, node, stopped)) }
    }

    /// Takes nothing new, and waits for what is under way for a moment.
    pub async fn stop(self) {
        let _ended_already = self.stop.send(());
        let _panicked = self.task.await;
    }
}

async fn work(analyst: Arc<Analyst>, node: String, mut stopped: oneshot::Receiver<()>) {
    let mut looks = JoinSet::new();
    let mut expired: Option<Instant> = None;
    // A start that cannot reach the database leaves its claims to their lease.
    note(analyst.store.release_analyses(&node, WallTime::now()).await);
    loop {
        if expired.is_none_or(|last| last.elapsed() >= EXPIRE_EVERY) {
            expired = Some(Instant::now());
            note(analyst.store.expire_memories(WallTime::now()).await);
        }
        let free = CONCURRENT_MAX - looks.len();
        let wait = match analyst.begin(&node, free, &mut looks).await {
            Ok(begun) if begun == free => Duration::ZERO,
            Ok(_) => POLL,
            Err(error) => {
                tracing::warn!(%error, "analyses wait for the database");
                POLL_AFTER_ERROR
            }
        };
        tokio::select! {
            _ = &mut stopped => break,
            Some(ended) = looks.join_next() => note_panic(ended),
            () = tokio::time::sleep(wait), if looks.len() < CONCURRENT_MAX => {}
        }
    }
    let rest = async {
        while let Some(ended) = looks.join_next().await {
            note_panic(ended);
        }
    };
    if tokio::time::timeout(STOP_MAX, rest).await.is_err() {
        tracing::info!("analyses under way are left for the next start");
    }
}

impl Analyst {
    /// Claims up to `free` jobs, ends those that need no look, and starts to look at the others. Answers how many it claimed.
    async fn begin(self: &Arc<Self>, node: &str, free: usize, looks: &mut JoinSet<()>) -> Result<usize, StoreError> {
        if free == 0 {
            return Ok(0);
        }
        let jobs = self.claim(node, free, WallTime::now()).await?;
        let claimed = jobs.0;
        for job in jobs.1 {
            let analyst = Arc::clone(self);
            looks.spawn(async move { analyst.work(&job).await });
        }
        Ok(claimed)
    }

    /// Claims up to `most` jobs and ends those that need no look. Answers how many were claimed, and those that need one.
    pub(super) async fn claim(&self, node: &str, most: usize, now: WallTime) -> Result<(usize, Vec<AnalysisJob>), StoreError> {
        let jobs = self.store.claim_analyses(node, now, LEASE, u32::try_from(most).unwrap_or(u32::MAX)).await?;
        let (claimed, mut ends, mut looks) = (jobs.len(), Vec::new(), Vec::new());
        for job in jobs {
            match self.end_unseen(&job) {
                Some(end) => ends.push((job.claim, end)),
                None => looks.push(job),
            }
        }
        if !ends.is_empty() {
            self.end(&ends, now).await?;
        }
        Ok((claimed, looks))
    }

    async fn work(&self, job: &AnalysisJob) {
        let end = self.look(job, WallTime::now()).await;
        // Not written, it is done again when the lease is over.
        note(self.end(&[(job.claim, end)], WallTime::now()).await);
    }

    /// Writes ends, and tells of them.
    pub(super) async fn end(&self, ends: &[(AnalysisClaim, AnalysisEnd)], now: WallTime) -> Result<(), StoreError> {
        self.store.end_analyses(ends, now).await?;
        for (claim, end) in ends {
            let (call, attempt) = (claim.call, claim.attempt);
            let outcome = match end {
                AnalysisEnd::Done { .. } => {
                    tracing::info!(%call, attempt, "call analysed");
                    "done"
                }
                AnalysisEnd::Failed { reason } => {
                    tracing::warn!(%call, attempt, reason, "analysis failed");
                    "failed"
                }
                AnalysisEnd::Retry { reason, .. } => {
                    tracing::warn!(%call, attempt, most = TRIES_MAX, reason, "analysis is tried again later");
                    "retried"
                }
                AnalysisEnd::Skipped { reason } => {
                    tracing::debug!(%call, reason, "analysis skipped");
                    "skipped"
                }
            };
            metrics::counter!("offhook_analyses_total", "outcome" => outcome).increment(1);
        }
        Ok(())
    }
}

fn note<T>(done: Result<T, StoreError>) {
    if let Err(error) = done {
        tracing::warn!(%error, "a step of the analyses was not written");
    }
}

fn note_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "an analysis panicked; it is tried again when its lease is over");
    }
}
