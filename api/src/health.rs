//! Health and metrics.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;

use crate::problem::Problem;
use crate::{CallGate, Readiness};

/// Time to find out about readiness; probes commonly wait 1 to 5 s, and the database has 2.
const READINESS_TIME_MAX: Duration = Duration::from_secs(3);

pub(crate) fn routes(gate: Arc<dyn CallGate>) -> Router {
    Router::new().route("/healthz", get(async || "ok\n")).route("/readyz", get(move || ready(Arc::clone(&gate))))
}

/// Rendered beside the runtime's threads: it takes a millisecond or more, and the media clock's frames would wait for it.
pub(crate) fn metrics(render: impl Fn() -> String + Clone + Send + Sync + 'static) -> Router {
    const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
    let answer = move || async {
        match tokio::task::spawn_blocking(render).await {
            Ok(text) => ([(header::CONTENT_TYPE, PROMETHEUS_TEXT)], text).into_response(),
            Err(error) => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
        }
    };
    Router::new().route("/metrics", get(answer))
}

async fn ready(gate: Arc<dyn CallGate>) -> Response {
    let asked = tokio::time::timeout(READINESS_TIME_MAX, gate.readiness()).await;
    let readiness = asked.unwrap_or_else(|_| Readiness { reasons: vec![format!("no answer within {READINESS_TIME_MAX:?}")] });
    let ready = readiness.reasons.is_empty();
    let status = match ready {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    let body = json!({"ready": ready, "reasons": readiness.reasons});
    (status, Json(body)).into_response()
}
