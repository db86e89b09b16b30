//! Connections that engines ask for: what to open, what goes over them, and what comes back.
//!
//! An engine numbers its links; whoever runs it opens them, one task each, and hands over what arrives.

pub mod http;
mod refusal;
pub mod socket;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::engine::{EngineError, Words};
use crate::net::guard::Reach;
use crate::secret::Secret;

/// A connection, numbered by its engine, which never uses a number twice.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct LinkId(pub u64);

/// Where a connection goes, and as whom.
#[derive(Clone, Debug)]
pub struct Target {
    /// The provider's name in the configuration; a label of metrics.
    pub provider: Arc<str>,
    /// What it is for, as `realtime`; a label of metrics.
    pub stage: &'static str,
    /// Absolute: `ws(s)://` of a WebSocket, `http(s)://` of a request.
    pub url: String,
    /// In lower case, each once. Values are kept out of logs, keys or not.
    pub headers: Vec<(&'static str, Secret)>,
    /// For name, TCP, TLS and the answer's head together.
    pub connect_timeout: Duration,
    /// What is spoken.
    pub protocol: Protocol,
}

/// What is spoken over a connection.
#[derive(Clone, Debug)]
pub enum Protocol {
    /// One request by POST and its answer, which streams.
    Http {
        /// What is sent.
        body: Body,
        /// How the answer is cut.
        answer: Answer,
    },
    /// Frames both ways.
    WebSocket {
        /// Time between pings, and the longest a write may take. A dead connection is found within two.
        ping_every: Duration,
        /// Where it may lead; `None`: the operator names it, and it goes anywhere.
        reach: Option<Reach>,
    },
}

/// The body of a request.
#[derive(Clone, Debug)]
pub enum Body {
    /// `application/json`.
    Json(Words),
    /// `multipart/form-data`: fields, then one file.
    Form {
        /// Names and values.
        fields: Vec<(&'static str, String)>,
        /// Its file name, content type and octets, as field `file`.
        file: (&'static str, &'static str, Bytes),
    },
}

/// How the body of an answer is handed over.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Answer {
    /// Octets as they come: [`LinkInput::Binary`].
    Bytes,
    /// Server-sent events: the data of each as [`LinkInput::Text`].
    Events,
    /// JSON, a line each: [`LinkInput::Text`].
    Lines,
    /// One [`LinkInput::Text`] of all.
    Whole,
}

/// What goes over a WebSocket, either way.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Frame {
    /// A binary frame.
    Binary(Bytes),
    /// A text frame.
    Text(Words),
}

/// From a connection that was opened.
#[derive(Debug)]
pub enum LinkInput {
    /// A binary frame, or octets of an answer.
    Binary(Bytes),
    /// It failed, or was lost. The last input of a link.
    Closed {
        /// Why.
        error: EngineError,
    },
    /// The answer of a request is complete. The last input of a link.
    Ended,
    /// The socket is open, or the answer's head says success. The first input of a link that did not fail.
    Opened,
    /// A text frame, or a piece of an answer.
    Text(Words),
}

/// `base` as the URL of a WebSocket: `https://host/v1` gives `wss://host/v1`.
///
/// # Errors
/// [`EngineError::Url`] when it is not an absolute http(s) or ws(s) URL without query.
pub(crate) fn socket_url(base: &str) -> Result<String, EngineError> {
    rooted(base, "ws")
}

/// `base` as the URL of requests: `wss://host/v1/` gives `https://host/v1`.
///
/// # Errors
/// As [`socket_url`].
pub(crate) fn request_url(base: &str) -> Result<String, EngineError> {
    rooted(base, "http")
}

fn rooted(base: &str, plain: &str) -> Result<String, EngineError> {
    let wrong = |reason| EngineError::Url { url: crate::json::line(base), reason };
    let (scheme, rest) = base.split_once("://").ok_or_else(|| wrong("has no scheme"))?;
    let secure = match scheme.to_ascii_lowercase().as_str() {
        "http" | "ws" => "",
        "https" | "wss" => "s",
        _ => return Err(wrong("is not http or https")),
    };
    let rest = rest.trim_end_matches('/');
    if rest.is_empty() || rest.starts_with([':', '/']) {
        return Err(wrong("has no host"));
    }
    if rest.contains(['?', '#', '@']) {
        return Err(wrong("must not have a query, a fragment or a user"));
    }
    Ok(format!("{plain}{secure}://{rest}"))
}

/// Everything but unreserved characters as `%XX` (RFC 3986 §2.1).
pub(crate) fn percent_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(byte.into()),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
