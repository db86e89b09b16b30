//! Many calls as tasks of one runtime: placed by schedule, counted, watched. What carries a call is its caller's business.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::monitor::{Counts, Monitor, Watching};
use crate::pace::Pace;
use crate::plan::Plan;
use crate::report::Report;
use crate::schedule::{Launch, Schedule};
use crate::tally::Tally;

/// What all calls of a run share.
pub(crate) struct Crowd {
    pub start: Instant,
    pub pace: Pace,
    up: AtomicU64,
    report: Mutex<Report>,
    tally: Mutex<Tally>,
}

/// How a call ended that was not as it should be.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The server had no room and said so.
    TurnedAway {
        /// After this time.
        after: Duration,
        /// Whether it said when to try again.
        retry_after: bool,
    },
    /// Something went wrong.
    Failed(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Ended {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl Crowd {
    /// Places the calls of a plan and waits for the last to end. Ctrl-C drops those that are up.
    ///
    /// # Errors
    /// When a watched process cannot be read.
    pub(crate) async fn run<F>(
        plan: &Plan,
        watching: &Watching,
        report: Report,
        place: impl Fn(Arc<Self>, Launch) -> F,
    ) -> anyhow::Result<Report>
    where
        F: Future<Output = Result<(), Ended>> + Send + 'static,
    {
        let start = Instant::now();
        let mut monitor = Monitor::start(start, plan, watching)?;
        let mut schedule = Schedule::new(plan);
        let crowd = Arc::new(Self {
            start,
            pace: Pace::start(),
            up: AtomicU64::new(0),
            report: Mutex::new(report),
            tally: Mutex::default(),
        });
        let mut calls = JoinSet::new();
        let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
        while !schedule.is_over(start.elapsed()) || !calls.is_empty() {
            let due = schedule.due(calls.len() as u64).map(|due| start + due);
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(monitor.due().into()) => {
                    monitor.handle_window(&crowd.tally().take_window());
                    if !monitor.handle_time(Instant::now(), crowd.counts()) {
                        schedule.stop();
                        calls.shutdown().await;
                    }
                }
                () = tokio::time::sleep_until(due.unwrap_or(start).into()), if due.is_some() => {
                    if let Some(launch) = schedule.poll_launch(start.elapsed(), calls.len() as u64) {
                        crowd.tally().measures.generator.launch_lateness_ms.record(launch.lateness);
                        calls.spawn(place(Arc::clone(&crowd), launch));
                    }
                }
                Some(ended) = calls.join_next() => {
                    schedule.handle_end(start.elapsed());
                    match ended {
                        Ok(Err(ended)) => crowd.count(ended),
                        Err(error) if error.is_panic() => crowd.count(error.into()),
                        Ok(Ok(())) | Err(_) => {}
                    }
                }
                _ = &mut interrupted, if !schedule.is_over(start.elapsed()) || !calls.is_empty() => {
                    schedule.stop();
                    calls.shutdown().await;
                }
            }
        }
        crowd.up.store(0, Ordering::Relaxed);
        let mut report = std::mem::take(&mut *crowd.report());
        report.asked = schedule.launched();
        let counts = crowd.counts_of(&report);
        let mut tally = std::mem::take(&mut *crowd.tally());
        monitor.handle_window(&tally.take_window());
        report.measures = tally.measures;
        monitor.finish(Instant::now(), counts, &mut report);
        Ok(report)
    }

    /// A call was answered; it counts as up until what is given back is dropped.
    pub(crate) fn answered(self: &Arc<Self>, setup: Duration) -> Up {
        let up = self.up.fetch_add(1, Ordering::Relaxed) + 1;
        self.tally().window.setup.record(setup);
        let mut report = self.report();
        report.answered += 1;
        report.concurrent = report.concurrent.max(up);
        report.setup_ms.record(setup);
        Up { crowd: Arc::clone(self), since: Instant::now() }
    }

    /// Where callers write down what they heard.
    pub(crate) fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn report(&self) -> MutexGuard<'_, Report> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, ended: Ended) {
        let mut report = self.report();
        match ended {
            Ended::TurnedAway { after, retry_after } => {
                report.rejected.calls += 1;
                report.rejected.without_retry_after += u64::from(!retry_after);
                report.rejected.answer_ms.record(after);
            }
            Ended::Failed(error) => report.fail(format!("{error:#}")),
        }
    }

    fn counts(&self) -> Counts {
        self.counts_of(&self.report())
    }

    fn counts_of(&self, report: &Report) -> Counts {
        let Report { answered, failed, rejected, .. } = report;
        let up = self.up.load(Ordering::Relaxed);
        Counts { up, answered: *answered, failed: *failed, rejected: rejected.calls }
    }
}

/// A call that is up.
pub(crate) struct Up {
    crowd: Arc<Crowd>,
    since: Instant,
}

impl Drop for Up {
    fn drop(&mut self) {
        self.crowd.up.fetch_sub(1, Ordering::Relaxed);
        self.crowd.report().call_seconds += self.since.elapsed().as_secs_f64();
    }
}
