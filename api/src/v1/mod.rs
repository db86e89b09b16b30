//! `/api/v1`: REST for programs and people who run calls. Every request shows a key, bodies are JSON, errors name the fields.

mod auth;
mod call;
mod calls;
mod fields;
mod ladder;
mod repeats;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};

pub use auth::ApiKey;
pub use repeats::REPEATS_MAX;

use crate::CallGate;
use repeats::Repeats;

/// What the routes share.
struct V1 {
    gate: Arc<dyn CallGate>,
    repeats: Repeats,
}

/// Without a key all of them answer 401, and say how to set one.
pub(crate) fn routes(key: Option<ApiKey>, gate: Arc<dyn CallGate>) -> Router {
    Router::new()
        .route("/api/v1/calls", post(calls::place))
        .route("/api/v1/calls/{id}", get(calls::show))
        .route("/api/v1/calls/{id}/actions", post(calls::act))
        .route("/api/v1/calls/{id}/sip", get(ladder::show))
        .route("/api/v1/calls/{id}/pcap", get(ladder::capture))
        .route_layer(from_fn_with_state(key, auth::check))
        .with_state(Arc::new(V1 { gate, repeats: Repeats::default() }))
}
