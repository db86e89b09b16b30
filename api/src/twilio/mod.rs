//! Twilio's three front doors.

mod address;
mod answers;
mod signature;
mod stream;
mod twiml;
mod webhook;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use tokio::sync::Semaphore;

pub(crate) use address::Door;
pub use address::{PublicUrl, PublicUrlError};
pub use signature::{AuthToken, SignatureCheck};
pub use stream::{INCOMING_MESSAGES_MAX, OUTGOING_MESSAGES_MAX};

use crate::CallGate;
use answers::Answers;

/// Where the media stream is; Twilio is told this path in TwiML.
const STREAM_PATH: &str = "/twilio/stream";

/// Section `[twilio]`.
#[derive(Clone, Debug, Default)]
pub struct TwilioConfig {
    /// Address under which Twilio reaches this server: signatures are over it, and the stream's URL is made of it.
    /// `None`: taken from `X-Forwarded-Proto`, `X-Forwarded-Host` and `Host` of each request. Whoever can reach us
    /// past the proxy may write these, so a public server sets its URL.
    pub public_url: Option<PublicUrl>,
    /// Whether requests must be signed.
    pub signature: SignatureCheck,
}

/// What the three doors share.
struct Twilio {
    config: TwilioConfig,
    gate: Arc<dyn CallGate>,
    answers: Answers,
    /// One permit per socket that has not shown its token yet.
    strangers: Arc<Semaphore>,
}

pub(crate) fn routes(config: TwilioConfig, gate: Arc<dyn CallGate>) -> Router {
    let twilio = Twilio { config, gate, answers: Answers::default(), strangers: Arc::new(Semaphore::new(stream::STRANGERS_MAX)) };
    Router::new()
        .route("/twilio/voice", post(webhook::voice))
        .route("/twilio/status", post(webhook::status))
        .route(STREAM_PATH, get(stream::upgrade))
        .with_state(Arc::new(twilio))
}

/// Counts a call that was refused before the node was asked.
fn count_rejected(reason: &'static str) {
    metrics::counter!("offhook_calls_rejected_total", "reason" => reason).increment(1);
}
