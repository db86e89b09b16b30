//! HTTP front doors: health, metrics, Twilio's webhooks and its Media Streams, and REST.
//!
//! [`router`] is the public side, [`operator_router`] the operator's; both ask the node through [`CallGate`], the only
//! thing that this crate knows of calls. It checks who asks, bounds what they send and answers in their language
//! (TwiML, `application/problem+json`, WebSocket close frames).
//!
//! It refuses to decide anything about a call, and to understand audio: a stream's messages go on as text.

mod gate;
mod health;
mod problem;
mod request;
mod server;
mod twilio;
mod v1;

use std::sync::Arc;

use axum::Router;

pub use gate::{
    CallAction, CallGate, CallWish, IncomingTwilio, JoinPart, Parameters, PlaceRefusal, Readiness, RecordsAway, StreamIo,
    StreamRefusal, StreamStart, TwilioAnswer, TwilioCallStatus, TwilioRefusal, TwilioStatus,
};
pub use server::{CONNECTIONS_MAX, serve};
pub use twilio::{
    AuthToken, INCOMING_MESSAGES_MAX, OUTGOING_MESSAGES_MAX, PublicUrl, PublicUrlError, SignatureCheck, TwilioConfig,
};

pub use v1::{ApiKey, REPEATS_MAX};

/// What the public side needs to know.
#[derive(Clone, Debug, Default)]
pub struct ApiConfig {
    /// Section `[twilio]`.
    pub twilio: TwilioConfig,
    /// What `/api/v1` wants to be shown; `None`: it is closed.
    pub key: Option<ApiKey>,
}

/// The public side: `/`, `/healthz`, `/readyz`, `/twilio/...` and `/api/v1/...`. Bodies above 64 KiB get 413, requests that are not
/// through after 10 s get 408, and every error is `application/problem+json` (RFC 9457) with a `request_id`.
pub fn router(config: ApiConfig, gate: Arc<dyn CallGate>) -> Router {
    let routes = health::page().merge(health::routes(Arc::clone(&gate))).merge(twilio::routes(config.twilio, Arc::clone(&gate)));
    let routes = routes.merge(v1::routes(config.key, gate));
    request::framed(routes)
}

/// The operator's side: `/metrics` (what `render` answers, Prometheus text), `/healthz` and `/readyz`.
pub fn operator_router(gate: Arc<dyn CallGate>, render: impl Fn() -> String + Clone + Send + Sync + 'static) -> Router {
    request::framed(health::routes(gate).merge(health::metrics(render)))
}
