//! Errors as `application/problem+json` (RFC 9457).

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use store::StoreError;

/// An error for the client. [`crate::request::framed`] writes its body, when the request's id is known.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    detail: String,
    /// Fields, and what is wrong with each.
    errors: Vec<(String, String)>,
    /// When to come again, in seconds.
    again: Option<u64>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), errors: Vec::new(), again: None }
    }

    /// Names a field and what is wrong with it.
    pub(crate) fn add(&mut self, field: &str, reason: impl Into<String>) {
        self.errors.push((field.to_owned(), reason.into()));
    }

    /// One field and what is wrong with it.
    pub(crate) fn field(field: &str, reason: impl Into<String>) -> Self {
        let mut problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "the request cannot be taken as it is");
        problem.add(field, reason);
        problem
    }

    /// Says when to come again.
    pub(crate) fn again_after(mut self, seconds: u64) -> Self {
        self.again = Some(seconds);
        self
    }

    /// Its status.
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// Whether a field was named.
    pub(crate) fn has_fields(&self) -> bool {
        !self.errors.is_empty()
    }

    /// All that it says, in a line.
    #[cfg(test)]
    pub(crate) fn told(&self) -> String {
        let errors: Vec<_> = self.errors.iter().map(|(field, reason)| format!("{field}: {reason}")).collect();
        if errors.is_empty() { self.detail.clone() } else { errors.join("; ") }
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

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Taken { .. } => Self::new(StatusCode::CONFLICT, "another one has a value that only one may have"),
            _ if error.is_transient() => {
                tracing::warn!(%error, "the records cannot be asked");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "the records cannot be asked now").again_after(1)
            }
            _ => {
                tracing::error!(%error, "the records refuse what was asked");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the records refuse this")
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        if let Some(seconds) = self.again {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(self);
        response
    }
}
