//! The work at calls, months and reports, until it is stopped.

use std::time::{Duration, Instant};

use store::{ReportEnd, ReportJob, StoreError, WallTime};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{Billing, BillingPort, PortError};

/// How often calls and limits are looked at: so old is what admission knows at most.
const LOOK: Duration = Duration::from_secs(1);
/// Between two looks when something has happened meanwhile: a burst of ends is one.
const LOOK_SOON: Duration = Duration::from_millis(100);
/// How often it is looked for months that are over.
const BILLS: Duration = Duration::from_secs(60);
/// The same after the database gave no answer.
const AFTER_ERROR: Duration = Duration::from_secs(15);
/// Reports that one look claims. They go one after the other, so that a service which limits rates is not flooded.
const REPORTS: u32 = 16;
/// How long a claim lasts: all of one look, each as late as may be, and a minute. Only another node has to wait for it.
const LEASE: Duration = Duration::from_secs(REPORTS as u64 * super::stripe::ANSWER_TIME_MAX.as_secs() + 60);
/// Wait after the first try; it doubles up to [`WAIT_MAX`], a fifth of it more or less.
const WAIT_MIN: Duration = Duration::from_secs(5);
const WAIT_MAX: Duration = Duration::from_secs(3_600);
/// How long a report is tried: Stripe takes none that is older than 35 days.
const TRIED_FOR: Duration = Duration::from_secs(34 * 24 * 3600);
/// How long what is under way may take once it is to stop; then it is dropped, and done again after the next start.
const STOP_MAX: Duration = Duration::from_secs(3);

/// The work; it goes on until it is stopped.
pub struct Runner {
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Runner {
    pub(super) fn start(billing: Billing, node: String) -> Self {
        let (stop, stopped) = watch::channel(false);
        let mut tasks = vec![tokio::spawn(work(billing.clone(), stopped.clone()))];
        tasks.extend(billing.port.is_some().then(|| tokio::spawn(report(billing, node, stopped))));
        Self { stop, tasks }
    }

    /// Takes nothing new, and waits for what is under way for a moment.
    pub async fn stop(self) {
        let _ended_already = self.stop.send(true);
        for mut task in self.tasks {
            if tokio::time::timeout(STOP_MAX, &mut task).await.is_err() {
                task.abort();
            }
        }
    }
}

/// Charges calls, looks at limits, bills months.
async fn work(billing: Billing, mut stopped: watch::Receiver<bool>) {
    let (mut news, mut billed) = (billing.store.news(), None::<Instant>);
    loop {
        news.mark_unchanged();
        let done = look(&billing, &mut billed).await;
        let wait = match done {
            Ok(0) => LOOK,
            // There may be more.
            Ok(_) => LOOK_SOON,
            Err(error) => {
                tracing::warn!(%error, "charges wait for the database");
                AFTER_ERROR
            }
        };
        tokio::select! {
            _ = stopped.changed() => return,
            () = tokio::time::sleep(wait) => {}
            _ = soon(&mut news), if wait == LOOK => {}
        }
    }
}

async fn soon(news: &mut watch::Receiver<u64>) {
    let _store_is_gone = news.changed().await;
    tokio::time::sleep(LOOK_SOON).await;
}

async fn look(billing: &Billing, billed: &mut Option<Instant>) -> Result<usize, StoreError> {
    let now = WallTime::now();
    // First, so that nothing that is wrong with a charge lets calls in.
    billing.look_at_limits(now).await?;
    let charged = billing.charge(now).await?;
    if charged == 0 && billed.is_none_or(|last| last.elapsed() >= BILLS) {
        billing.bill(now).await?;
        *billed = Some(Instant::now());
    }
    Ok(charged)
}

/// Tells the payment service.
async fn report(billing: Billing, node: String, mut stopped: watch::Receiver<bool>) {
    let Some(port) = billing.port.clone() else { return };
    // A start that cannot reach the database leaves its claims to their lease.
    note(billing.store.release_reports(&node, WallTime::now()).await);
    loop {
        let jobs = billing.store.claim_reports(&node, WallTime::now(), LEASE, REPORTS).await;
        let wait = match &jobs {
            Ok(jobs) if jobs.is_empty() => LOOK,
            Ok(_) => Duration::ZERO,
            Err(error) => {
                tracing::warn!(%error, "reports to the payment service wait for the database");
                AFTER_ERROR
            }
        };
        for job in jobs.unwrap_or_default() {
            if *stopped.borrow() {
                return;
            }
            billing.send(port.as_ref(), &job).await;
        }
        if let Ok((_, oldest)) = billing.store.waiting_reports().await {
            let age = oldest.map_or(Duration::ZERO, |since| WallTime::now().since(since));
            metrics::gauge!("offhook_billing_queue_age_seconds", "queue" => "reports").set(age.as_secs_f64());
        }
        tokio::select! {
            _ = stopped.changed() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

impl Billing {
    /// Tries a report, and writes what came of it.
    async fn send(&self, port: &dyn BillingPort, job: &ReportJob) {
        let answer = port.report(job).await;
        let now = WallTime::now();
        let end = end(job, answer, now, rand::random());
        let (report, attempt) = (&job.id, job.attempt);
        let outcome = match &end {
            ReportEnd::Taken => "taken",
            ReportEnd::Retry { reason, .. } => {
                tracing::info!(report, attempt, reason, "a report to the payment service is tried again later");
                "retried"
            }
            ReportEnd::Dead { reason } => {
                tracing::error!(report, attempt, reason, "a report to the payment service is given up");
                "dead"
            }
        };
        // Not written, it is sent again when the lease is over, with the same id.
        note(self.store.end_report(job, &end, now).await);
        metrics::counter!("offhook_billing_reports_total", "outcome" => outcome).increment(1);
    }
}

/// How a report goes on after a try; `chance` is 0 to 1.
pub(super) fn end(job: &ReportJob, answer: Result<(), PortError>, now: WallTime, chance: f32) -> ReportEnd {
    let (reason, again) = match answer {
        Ok(()) => return ReportEnd::Taken,
        Err(PortError::Refused(reason)) => return ReportEnd::Dead { reason },
        Err(PortError::Away { reason, again }) => (reason, again),
    };
    let doubled = WAIT_MIN.saturating_mul(2_u32.saturating_pow(job.attempt.saturating_sub(1))).min(WAIT_MAX);
    let wait = doubled.mul_f32(0.8 + 0.4 * chance).max(again.unwrap_or_default().min(WAIT_MAX));
    let due = WallTime::from_micros(now.micros().saturating_add(wait.as_micros() as i64));
    if due.since(job.at) > TRIED_FOR { ReportEnd::Dead { reason } } else { ReportEnd::Retry { reason, due } }
}

fn note<T>(done: Result<T, StoreError>) {
    if let Err(error) = done {
        tracing::warn!(%error, "a step of the billing was not written");
    }
}
