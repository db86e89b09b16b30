//! The frame around every request: its id, its deadline, its measurement, and its error's body.

use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use uuid::Uuid;

use crate::browsers;
use crate::problem::Problem;
use crate::v1::is_upload;

/// Largest request body. Twilio's webhooks have about 2 KiB.
pub(crate) const BODY_BYTES_MAX: usize = 64 * 1024;
/// Time for a request's body and answer. Twilio gives up after 15 s.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(10);

/// The same of a document that is put: 20 MB over a line of 3 Mbit/s.
const UPLOAD_TIME_MAX: Duration = Duration::from_secs(60);

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The answer of a path where nothing is.
pub(crate) async fn nothing() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "nothing is here")
}

/// Puts the frame around `routes`, which have their fallback already.
pub(crate) fn framed(routes: Router) -> Router {
    routes
        .method_not_allowed_fallback(async || {
            let detail = "this method is not for this path";
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail)
        })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(from_fn(frame))
}

async fn frame(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = Uuid::now_v7().to_string();
    let method = method_label(request.method());
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or("unmatched".to_owned(), |path| path.as_str().to_owned());

    let path = request.uri().path().to_owned();

    let limit = if is_upload(&request) { UPLOAD_TIME_MAX } else { REQUEST_TIME_MAX };
    let answer = tokio::time::timeout(limit, next.run(request)).await;
    let mut response = answer.unwrap_or_else(|_| {
        let detail = format!("the request took longer than {limit:?}");
        Problem::new(StatusCode::REQUEST_TIMEOUT, detail).into_response()
    });
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        tracing::debug!(request_id = %id, %route, ?problem, "request refused");
        let (parts, body) = problem.body(&id).into_parts();
        response.headers_mut().extend(parts.headers);
        *response.body_mut() = body;
    }
    // What the framework itself refuses, such as a path that is no UTF-8.
    let is_told = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/"));
    if path.starts_with("/api/") && response.status().is_client_error() && !is_told {
        let status = response.status();
        let problem = Problem::new(status, status.canonical_reason().unwrap_or("the request cannot be understood"));
        response = problem.body(&id);
    }
    browsers::guard(&path, &mut response);
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    let status = response.status().as_str().to_owned();
    let labels = [("route", route), ("method", method.to_owned()), ("status", status)];
    let seconds = started.elapsed().as_secs_f64();
    metrics::histogram!("offhook_http_request_seconds", &labels).record(seconds);
    response
}

/// A closed set: anybody can invent methods, and each would be a new time series.
fn method_label(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}
