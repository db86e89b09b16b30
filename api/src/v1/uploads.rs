//! Documents on their way in: longer than other bodies, so few at once, and with more time.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tokio::sync::Semaphore;

use super::V1;
use super::knowledge::{DOCUMENT, DOCUMENTS};
use crate::problem::Problem;
use crate::request::BODY_BYTES_MAX;

/// Documents taken at once: each is in memory up to three times, as body, as text of it and as bytes.
const TOGETHER_MAX: usize = 4;
/// How long another one waits for its place.
const PLACE_TIME_MAX: Duration = Duration::from_secs(20);
/// Who had none may try again after so many seconds.
const AGAIN_S: u64 = 10;
/// What stands around a document in its body: names, and what JSON escapes.
const AROUND: usize = 1 << 20;

/// The places, and how long a body may be.
pub(super) struct Uploads {
    places: Semaphore,
    bytes_max: usize,
}

impl Uploads {
    pub(super) fn new(document_bytes_max: usize) -> Self {
        // In base64 three bytes are four.
        Self { places: Semaphore::new(TOGETHER_MAX), bytes_max: document_bytes_max / 3 * 4 + AROUND }
    }

    /// The longest body, in bytes.
    pub(super) fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// The longest body of this request.
    pub(super) fn bytes_max_of(&self, request: &Request) -> usize {
        if is_upload(request) { self.bytes_max } else { BODY_BYTES_MAX }
    }
}

/// Whether a request brings a document.
pub(crate) fn is_upload(request: &Request) -> bool {
    let path = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    match *request.method() {
        Method::POST => path == DOCUMENTS,
        Method::PATCH => path == DOCUMENT,
        _ => false,
    }
}

/// Has a document wait for a place before any of it is read.
pub(super) async fn take_place(State(api): State<Arc<V1>>, request: Request, next: Next) -> Response {
    if !is_upload(&request) {
        return next.run(request).await;
    }
    match tokio::time::timeout(PLACE_TIME_MAX, api.uploads.places.acquire()).await {
        Ok(Ok(_place)) => next.run(request).await,
        _ => {
            let detail = format!("{TOGETHER_MAX} documents are being taken, and there was no place within {PLACE_TIME_MAX:?}");
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).again_after(AGAIN_S).into_response()
        }
    }
}
