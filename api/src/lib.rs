//! HTTP front doors: health, metrics, Twilio's webhooks and its Media Streams, REST, and the dashboard.
//!
//! [`router`] is the public side, [`operator_router`] the operator's; both ask the node through [`CallGate`], the only
//! thing that this crate knows of calls. It checks who asks, bounds what they send and answers in their language
//! (TwiML, `application/problem+json`, WebSocket close frames).
//!
//! It refuses to decide anything about a call, and to understand audio: a stream's messages go on as text.

mod browsers;
mod dashboard;
mod gate;
mod health;
mod node_gate;
mod problem;
mod proxies;
mod request;
mod server;
mod session_io;
mod twilio;
mod v1;

use std::sync::Arc;

use axum::Router;
use platform::billing::Billing;
use platform::events::Events;
use platform::knowledge::Service;
use platform::people::People;
use platform::privacy::Privacy;
use platform::webhooks::Webhooks;

pub use gate::{
    CallAction, CallGate, CallWish, IncomingTwilio, JoinPart, MediaFigures, OnMachine, Parameters, PlaceRefusal, Readiness,
    ReceivedFigures, RecordsAway, StreamIo, StreamRefusal, StreamStart, TwilioAnswer, TwilioCallStatus, TwilioRefusal,
    TwilioStatus,
};
pub use node_gate::{ActorState, FileRow, LeftOutRow, NodeGate, NodeState, RowHead, RowRefusal, RowWish, ToolRan, TrunkState};
pub use proxies::{ForwardedHeader, Proxies};
pub use server::{CONNECTIONS_MAX, serve};
pub use session_io::{
    AudioOut, NoAssistant, SESSION_RATES, SessionAudio, SessionIn, SessionIo, SessionOut, SessionRefusal, SessionStart,
    WebRtcRefusal,
};
pub use twilio::{
    AuthToken, INCOMING_MESSAGES_MAX, OUTGOING_MESSAGES_MAX, PublicUrl, PublicUrlError, SignatureCheck, TwilioConfig,
};

pub use v1::{Access, ApiKey, REPEATS_MAX, ROUTES, RequestLimits};

/// What the public side needs to know.
#[derive(Clone, Debug, Default)]
pub struct ApiConfig {
    /// Section `[twilio]`.
    pub twilio: TwilioConfig,
    /// The node's own key; `None`: it has none.
    pub key: Option<ApiKey>,
    /// Who may sign in; `None`: nobody.
    pub people: Option<People>,
    /// What the node says of itself and its rows; `None`: there are none here.
    pub node: Option<Arc<dyn NodeGate>>,
    /// What happens; `None`: nobody can listen.
    pub events: Option<Events>,
    /// Who is told of it; `None`: nobody.
    pub webhooks: Option<Webhooks>,
    /// What assistants look things up in; `None`: nothing.
    pub knowledge: Option<Service>,
    /// Largest document that is put there, in bytes.
    pub document_bytes_max: usize,
    /// What usage costs; `None`: those routes answer 503.
    pub billing: Option<Billing>,
    /// What is known of persons, given out and erased; `None`: not here.
    pub privacy: Option<Privacy>,
    /// How often who may ask.
    pub requests: RequestLimits,
    /// The proxies in front of us.
    pub proxies: Proxies,
    /// The pages of other origins that may use `/api`.
    pub cors_origins: Vec<String>,
    /// Sessions that an organization may have open at once.
    pub sessions_per_organization: u32,
}

/// The public side: the dashboard at `/`, `/healthz`, `/readyz`, `/twilio/...`, `/docs`, `/api/openapi.json` and `/api/v1/...`. Bodies above 64 KiB get 413, requests that are not
/// through after 10 s get 408, and every error is `application/problem+json` (RFC 9457) with a `request_id`.
pub fn router(config: ApiConfig, gate: Arc<dyn CallGate>) -> Router {
    let routes = dashboard::routes()
        .merge(health::routes(Arc::clone(&gate)))
        .merge(twilio::routes(config.twilio.clone(), Arc::clone(&gate)));
    let routes = routes.merge(v1::routes(&config, gate)).fallback(dashboard::elsewhere);
    // Outermost: a browser asks by OPTIONS, which no route takes.
    proxies::behind(&config.proxies, browsers::open_to(&config.cors_origins, request::framed(routes)))
}

/// The operator's side: `/metrics` (what `render` answers, Prometheus text), `/healthz` and `/readyz`.
pub fn operator_router(gate: Arc<dyn CallGate>, render: impl Fn() -> String + Clone + Send + Sync + 'static) -> Router {
    request::framed(health::routes(gate).merge(health::metrics(render)).fallback(request::nothing))
}
