//! Virtual callers over the session WebSocket: a session is created, its socket opened, audio goes both ways.
//!
//! ```text
//! POST /api/v1/sessions -> id, token -> GET /api/v1/sessions/{id}/ws?token=...: audio every 20 ms -> end-session
//! ```
//! What the agent sends is played in real time; `interrupted` empties the playback buffer, as a page in a browser does.

mod call;
mod messages;

use std::net::SocketAddr;
use std::sync::Arc;

use crate::caller::Caller;
use crate::crowd::Crowd;
use crate::monitor::Watching;
use crate::plan::Plan;
use crate::prepared::Prepared;
use crate::report::Report;

/// A run of session calls.
#[derive(Clone, Debug)]
pub struct WsLoad {
    /// The server's HTTP address.
    pub target: SocketAddr,
    /// Assistant that is talked to; the server's own choice without it.
    pub assistant_id: Option<String>,
    /// API key, sent as `X-API-Key`.
    pub api_key: Option<String>,
    /// Bounds of the run.
    pub plan: Plan,
    /// What the callers do.
    pub caller: Caller,
    /// What is watched beside them.
    pub watching: Watching,
}

impl WsLoad {
    /// Places the calls and waits for the last to end. Ctrl-C drops those that are up.
    ///
    /// # Errors
    /// When the plan is out of bounds or a watched process cannot be read. Calls that fail are no error: they are
    /// counted in the report.
    pub async fn run(self) -> anyhow::Result<Report> {
        self.plan.check()?;
        self.caller.check()?;
        anyhow::ensure!(self.caller.keys.is_empty(), "a session has no DTMF keys");
        let report = Report { kind: "ws".to_owned(), target: self.target.to_string(), seed: self.plan.seed, ..Report::default() };
        let (plan, watching) = (self.plan.clone(), self.watching.clone());
        let prepared = Prepared::new(&self.caller.voice, messages::wideband);
        let shared = Arc::new(call::Shared { load: self, prepared });
        Crowd::run(&plan, &watching, report, |crowd, launch| call::run(Arc::clone(&shared), crowd, launch)).await
    }
}
