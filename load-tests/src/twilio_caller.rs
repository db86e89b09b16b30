//! Virtual callers over Twilio: the webhook, the media stream and the status callback, as Twilio's side does them.
//!
//! ```text
//! POST /twilio/voice -> TwiML -> WebSocket: connected, start, media every 20 ms, mark, dtmf, stop -> POST /twilio/status
//! ```
//! What the server sends is played as Twilio plays it: buffered, in real time, with marks echoed when their audio was
//! heard and a clear that empties the buffer. See [`crate::player::Player`].

mod call;
mod http;
mod messages;
mod twiml;

use std::net::SocketAddr;
use std::sync::Arc;

use media::codec::Codec;

use crate::caller::Caller;
use crate::crowd::Crowd;
use crate::monitor::Watching;
use crate::plan::Plan;
use crate::prepared::Prepared;
use crate::report::Report;
use crate::speech;

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
    /// What is watched beside them.
    pub watching: Watching,
}

impl TwilioLoad {
    /// Places the calls and waits for the last to end. Ctrl-C drops those that are up.
    ///
    /// # Errors
    /// When the plan is out of bounds or a watched process cannot be read. Calls that fail are no error: they are
    /// counted in the report.
    pub async fn run(self) -> anyhow::Result<Report> {
        self.plan.check()?;
        self.caller.check()?;
        let report =
            Report { kind: "twilio".to_owned(), target: self.target.to_string(), seed: self.plan.seed, ..Report::default() };
        let (plan, watching) = (self.plan.clone(), self.watching.clone());
        let prepared = Prepared::new(&self.caller.voice, |samples| speech::encode(Codec::Pcmu, samples));
        let shared = Arc::new(call::Shared { load: self, prepared });
        Crowd::run(&plan, &watching, report, |crowd, launch| call::run(Arc::clone(&shared), crowd, launch)).await
    }
}
