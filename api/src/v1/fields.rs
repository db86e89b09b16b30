//! The fields of a JSON body, read one by one: every mistake is told at once, each under its field.

use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;
use serde_json::{Map, Value};

use crate::problem::Problem;

/// An object whose fields are taken out.
pub(super) struct Fields {
    object: Map<String, Value>,
    known: Vec<&'static str>,
    wrong: Problem,
}

impl Fields {
    /// Reads a body.
    ///
    /// # Errors
    /// 415 when it does not say that it is JSON, 400 when it is none or no object, 413 when it is too long.
    pub(super) fn read(headers: &HeaderMap, body: Result<Bytes, BytesRejection>) -> Result<Self, Problem> {
        let body = body.map_err(|error| Problem::new(error.status(), error.body_text()))?;
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body must be application/json"));
        }
        match serde_json::from_slice(&body) {
            Ok(Value::Object(object)) => {
                let wrong = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "the request cannot be taken as it is");
                Ok(Self { object, known: Vec::new(), wrong })
            }
            Ok(_) => Err(Problem::new(StatusCode::BAD_REQUEST, "the body must be a JSON object")),
            Err(error) => Err(Problem::new(StatusCode::BAD_REQUEST, format!("the body is not JSON: {error}"))),
        }
    }

    /// A text of 1 to `max` bytes; absent or null: none.
    pub(super) fn text(&mut self, name: &'static str, max: usize) -> Option<String> {
        self.known.push(name);
        match self.object.remove(name)? {
            Value::Null => None,
            Value::String(text) if text.is_empty() => self.refuse(name, "must not be empty"),
            Value::String(text) if text.len() > max => self.refuse(name, format!("{} bytes are above {max}", text.len())),
            Value::String(text) => Some(text),
            _ => self.refuse(name, "is not a text"),
        }
    }

    /// As [`Self::text`], and it must be there; empty after a mistake.
    pub(super) fn required(&mut self, name: &'static str, max: usize) -> String {
        let missing = self.object.get(name).is_none_or(Value::is_null);
        if missing {
            self.refuse(name, "is missing");
        }
        self.text(name, max).unwrap_or_default()
    }

    /// Notes what is wrong with a field.
    pub(super) fn refuse(&mut self, name: &str, reason: impl Into<String>) -> Option<String> {
        self.wrong.add(name, reason);
        None
    }

    /// Refuses fields that nobody asked for.
    ///
    /// # Errors
    /// 422 with all mistakes.
    pub(super) fn finish(mut self) -> Result<(), Problem> {
        let known = self.known.join(", ");
        for name in self.object.keys() {
            self.wrong.add(name, format!("is not known; there are {known}"));
        }
        if self.wrong.has_fields() { Err(self.wrong) } else { Ok(()) }
    }
}
