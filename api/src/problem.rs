//! Errors as `application/problem+json` (RFC 9457).

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// An error for the client. [`crate::request::framed`] writes its body, when the request's id is known.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    detail: String,
    /// Fields, and what is wrong with each.
    errors: Vec<(String, String)>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), errors: Vec::new() }
    }

    /// Names a field and what is wrong with it.
    pub(crate) fn add(&mut self, field: &str, reason: impl Into<String>) {
        self.errors.push((field.to_owned(), reason.into()));
    }

    /// Whether a field was named.
    pub(crate) fn has_fields(&self) -> bool {
        !self.errors.is_empty()
    }

    /// The body, for the request `id`. The type is `about:blank`: the status says all.
    pub(crate) fn body(&self, id: &str) -> Response {
        let errors: Vec<_> = self.errors.iter().map(|(field, reason)| json!({ "field": field, "reason": reason })).collect();
        let body = Json(json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "detail": self.detail,
            "errors": errors,
            "request_id": id,
        }));
        let kind = HeaderValue::from_static("application/problem+json");
        (self.status, [(header::CONTENT_TYPE, kind)], body).into_response()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}
