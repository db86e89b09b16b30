//! Works at the queue of exports and erasures, one after the other.

use std::time::Duration;

use store::{PrivacyJob, PrivacyKind, PrivacyState, StoreError, WallTime};
use tokio::time::Instant;

use super::{Outcome, Privacy, Trouble, remove};

/// How often the queue is looked at when nobody wished for anything new.
const POLL: Duration = Duration::from_secs(2);

/// The same after the database gave no answer, and for a try that came to nothing, times the number of tries.
const AGAIN: Duration = Duration::from_secs(15);

/// What waits is looked at again.
const WAIT: Duration = Duration::from_secs(2);

/// How long a claim lasts: only another node, when this one is gone for good, has to wait for it.
const LEASE: Duration = Duration::from_secs(3_600);

/// Then it is given up: an hour and a half of trying.
const TRIES_MAX: u64 = 25;

/// How often old exports are looked for.
const FORGET: Duration = Duration::from_secs(60);

impl Privacy {
    pub(super) async fn work(self) {
        // A start that cannot reach the database leaves its claims to their lease.
        note(self.store.release_privacy_jobs(&self.config.node, WallTime::now()).await);
        self.compact().await;
        let mut forgotten: Option<Instant> = None;
        loop {
            if forgotten.is_none_or(|last| last.elapsed() >= FORGET) {
                forgotten = Some(Instant::now());
                self.forget_old().await;
            }
            let wait = match self.store.claim_privacy_job(&self.config.node, WallTime::now(), LEASE).await {
                Ok(Some(job)) => {
                    self.carry_out(job).await;
                    continue;
                }
                Ok(None) => POLL,
                Err(error) => {
                    tracing::warn!(%error, "exports and erasures wait for the database");
                    AGAIN
                }
            };
            let _woken_or_not = tokio::time::timeout(wait, self.wake.notified()).await;
        }
    }

    async fn carry_out(&self, job: PrivacyJob) {
        let (id, kind) = (job.id, job.kind.as_str());
        let tried = match job.kind {
            PrivacyKind::Export => self.export(&job).await,
            PrivacyKind::Erase => self.erase(&job).await,
        };
        match tried {
            Ok(Outcome::Done(ended)) => {
                tracing::info!(%id, kind, rows = ?ended.counts.tables, files = ended.counts.files, "privacy job done");
                self.end(&ended, "done").await;
            }
            Ok(Outcome::Waits(reason, node)) => {
                tracing::debug!(%id, kind, reason, "privacy job waits");
                note(self.store.postpone_privacy_job(&job, after(WAIT), &reason, Some(&node)).await);
            }
            Ok(Outcome::Lost) => tracing::warn!(%id, kind, "another node has the privacy job now"),
            Err(trouble) if matches!(trouble, Trouble::Hopeless(_)) || job.attempts >= TRIES_MAX => {
                tracing::error!(%id, kind, %trouble, "privacy job given up");
                let (reason, finished_at) = (Some(trouble.to_string()), Some(WallTime::now()));
                self.end(&PrivacyJob { state: PrivacyState::Failed, reason, finished_at, ..job }, "failed").await;
            }
            Err(trouble) => {
                tracing::warn!(%id, kind, %trouble, "privacy job is tried again later");
                let due = after(AGAIN * u32::try_from(job.attempts).unwrap_or(1));
                note(self.store.postpone_privacy_job(&job, due, &trouble.to_string(), None).await);
            }
        }
    }

    async fn end(&self, ended: &PrivacyJob, outcome: &'static str) {
        // Not written, it is done again when the lease is over.
        note(self.store.end_privacy_job(ended, &self.config.node).await);
        metrics::counter!("offhook_privacy_jobs_total", "kind" => ended.kind.as_str(), "outcome" => outcome).increment(1);
        self.compact().await;
    }

    /// Takes what was erased out of the files of the database too: last of all, since the row of the job named the person until then.
    async fn compact(&self) {
        match self.store.compact_erased(&self.config.node).await {
            Ok(true) => {}
            Ok(false) => tracing::warn!(
                "the database is too big to be written anew while calls run: free pages may hold bytes of what was erased until VACUUM is run"
            ),
            Err(error) => tracing::warn!(%error, "the database is written anew at the next erasure or start"),
        }
    }

    /// Deletes exports that are too old.
    async fn forget_old(&self) {
        match self.store.exports_to_forget(&self.config.node, WallTime::now(), None).await {
            Ok(old) => {
                for export in old {
                    note(self.forget(&export).await);
                }
            }
            Err(error) => tracing::warn!(%error, "exports that are too old stay for now"),
        }
    }

    /// Deletes the file of an export that lies here.
    pub(super) async fn forget(&self, export: &PrivacyJob) -> Result<(), Trouble> {
        let path = export.file.as_ref().and_then(|file| self.file(file));
        if let Some(path) = path {
            remove(&path).await.map_err(|error| Trouble::Disk(path, error))?;
        }
        self.store.forget_export(export).await.map_err(Trouble::from)
    }
}

fn after(wait: Duration) -> WallTime {
    WallTime::from_micros(WallTime::now().micros().saturating_add(wait.as_micros() as i64))
}

fn note<T, E: From<StoreError> + std::fmt::Display>(done: Result<T, E>) {
    if let Err(error) = done {
        tracing::warn!(%error, "a step of a privacy job was not written");
    }
}
