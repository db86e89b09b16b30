//! `ETag` and `If-Match`: of two who change the same row at the same time, the second is told.

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use store::Changed;

use crate::problem::Problem;

/// The version that a request wants to change; `None`: whatever it is.
pub(super) struct IfMatch(pub(super) Option<u64>);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        wanted(&parts.headers).map(Self)
    }
}

fn wanted(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(given) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let given = given.to_str().unwrap_or_default().trim();
    if given == "*" {
        return Ok(None);
    }
    // One that is not of our making fits no version.
    Ok(Some(given.trim_matches('"').parse().unwrap_or(0)))
}

/// A row, with its version as the `ETag`.
pub(super) fn versioned(status: StatusCode, version: u64, body: impl Serialize) -> Response {
    let mut response = (status, Json(body)).into_response();
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{version}\"")) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// The same of a row that was made, with where it is.
pub(super) fn made(version: u64, location: String, body: impl Serialize) -> Response {
    let mut response = versioned(StatusCode::CREATED, version, body);
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// The same of a row without versions.
pub(super) fn placed(location: String, body: impl Serialize) -> Response {
    let mut response = (StatusCode::CREATED, Json(body)).into_response();
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// What a change came to, or the problem.
pub(super) fn changed<T>(changed: Changed<T>) -> Result<T, Problem> {
    match changed {
        Changed::Done(row) => Ok(row),
        Changed::Missing => Err(missing()),
        Changed::Stale => {
            let detail = "it was changed meanwhile: read it again, and send its ETag as If-Match";
            Err(Problem::new(StatusCode::PRECONDITION_FAILED, detail))
        }
        Changed::LastOwner => {
            let detail = "this would leave the organization without an owner who can sign in: make another one first";
            Err(Problem::new(StatusCode::CONFLICT, detail))
        }
    }
}

/// There is none, or it is another organization's: which of them is not said.
pub(super) fn missing() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "there is none with this id")
}

/// The id in a path; what is none names nothing.
pub(super) fn id<T: std::str::FromStr>(text: &str) -> Result<T, Problem> {
    text.parse().map_err(|_| missing())
}
