//! Virtual callers over Twilio: the webhook, the media stream and the status callback, as Twilio's side does them.
//!
//! ```text
//! POST /twilio/voice -> TwiML -> WebSocket: connected, start, media every 20 ms, mark, dtmf, stop -> POST /twilio/status
//! ```
//! What the server sends is played as Twilio plays it: buffered, in real time, with marks echoed when their audio was
//! heard and a clear that empties the buffer. See [`player::Player`].

mod call;
mod http;
mod messages;
mod pace;
pub mod player;
mod twiml;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::caller::Caller;
use crate::plan::Plan;
use crate::process::Watch;
use crate::report::Report;

/// The server's process is looked at this often.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(500);

/// A run of Twilio calls.
#[derive(Clone, Debug)]
pub struct TwilioLoad {
    /// The server's HTTP address; webhooks and media streams go there whatever host the TwiML names.
    pub target: SocketAddr,
    /// The URL that the server believes to have, as `https://example.com`: webhooks are signed over it.
    pub public_url: String,
    /// Number that is called.
    pub to: String,
    /// Number that calls.
    pub from: String,
    /// Signs the requests; without it they go unsigned.
    pub auth_token: Option<String>,
    /// Bounds of the run.
    pub plan: Plan,
    /// What the callers do.
    pub caller: Caller,
}

/// What all calls of a run share.
struct Shared {
    load: TwilioLoad,
    start: Instant,
    pace: pace::Pace,
    up: AtomicU64,
    report: Mutex<Report>,
}

impl TwilioLoad {
    /// Places the calls and waits for the last to end. Ctrl-C drops those that are up.
    ///
    /// # Errors
    /// When the plan is out of bounds or the server's process cannot be read. Calls that fail are no error: they are
    /// counted in the report.
    pub async fn run(self) -> anyhow::Result<Report> {
        self.plan.check()?;
        self.caller.check()?;
        let plan = self.plan;
        let mut watch = plan.server_pid.map(Watch::start).transpose()?;
        let shared = Arc::new(Shared::new(self));
        let mut calls = JoinSet::new();
        let mut launched = 0;
        let mut last = plan.calls;
        let mut sampling = tokio::time::interval(SAMPLE_INTERVAL);
        let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
        while launched < last || !calls.is_empty() {
            let launch = tokio::time::sleep_until((shared.start + plan.launch(launched)).into());
            tokio::select! {
                () = launch, if launched < last && (calls.len() as u64) < plan.concurrency => {
                    calls.spawn(call::run(Arc::clone(&shared), launched));
                    launched += 1;
                }
                Some(_) = calls.join_next() => {}
                _ = sampling.tick() => if let Some(watch) = &mut watch {
                    watch.sample(shared.up.load(Ordering::Relaxed));
                },
                _ = &mut interrupted, if last > launched || !calls.is_empty() => {
                    last = launched;
                    calls.shutdown().await;
                }
            }
        }
        let mut report = std::mem::take(&mut *shared.report());
        report.asked = launched;
        report.seconds = shared.start.elapsed().as_secs_f64();
        report.server = watch.as_ref().and_then(Watch::finish);
        Ok(report)
    }
}

impl Shared {
    fn new(load: TwilioLoad) -> Self {
        let report =
            Report { kind: "twilio".to_owned(), target: load.target.to_string(), seed: load.plan.seed, ..Report::default() };
        Self { load, start: Instant::now(), pace: pace::Pace::start(), up: AtomicU64::new(0), report: Mutex::new(report) }
    }

    fn report(&self) -> MutexGuard<'_, Report> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
