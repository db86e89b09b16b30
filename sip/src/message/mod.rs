//! SIP messages: reading what peers send, leniently and totally, and writing what we send.
//!
//! This is the only module that knows `rsip`. The work is shared so:
//!
//! | Ours | rsip's |
//! |---|---|
//! | start lines, header lines, folding, compact names, splitting at commas | |
//! | Content-Length, size bounds, TCP framing | |
//! | URIs, name-addr, Via, CSeq, parameters, media types | |
//! | required headers, CSeq against method, what is refused with which status | |
//! | names of unknown methods, case of methods | the table of registered methods ([`Method`]) |
//! | | the table of registered status codes and their names ([`StatusCode`]) |
//! | writing | the second opinion: in the tests its stricter grammar reads what we write |
//!
//! Why: rsip 0.4 parses 7 of 18 valid torture-like messages, because one nom grammar must match the whole message: a
//! compact name, a fold, a `tel:` or IPv6 URI, an escape or an unknown transport fails all of it. Its typed headers use
//! the same URI and parameter grammar, so behind a front that splits the text they would still refuse such values, and
//! a fallback beside them would be a second grammar with a second behaviour. What remains sound is its tables of the
//! closed vocabularies. They are wrapped ([`Method`], [`StatusCode`]), so no rsip type is in a public signature.
//!
//! [`parse`] never panics: any bytes give a [`Message`] with [`Warning`]s, or a [`ParseError`] that says what was wrong
//! and, when RFC 3261 wants an answer, which. [`check`] then looks at a request as a user agent server does before it
//! knows any state (RFC 3261 §8.2.1 to §8.2.3).

mod check;
mod cseq;
mod error;
mod frame;
mod header;
mod lines;
mod method;
mod parse;
mod respond;
mod status;
mod typed;
mod via;
mod write;

use std::fmt;

use bytes::Bytes;

use crate::uri::Uri;

pub use check::{ALLOWED_METHODS, Refusal, SUPPORTED_EXTENSIONS, check, ignore_optional_body};
pub use cseq::{CSeq, NotACSeq};
pub use error::{ParseError, ParseFault, Warning};
pub use frame::{Framing, frame};
pub use header::{Headers, name};
pub use method::{Method, NotAMethod};
pub use parse::{Parsed, parse};
pub use status::StatusCode;
pub use typed::{Contacts, HeaderError, MediaType};
pub use via::{BRANCH_COOKIE, Via};

/// Longest message taken, in bytes: no UDP datagram is longer, and a TCP peer may not make us hold more.
pub const MAX_MESSAGE_BYTES: usize = 64 * 1024;

/// Longest header line taken, folds included, and longest start line, in bytes: an Identity header with its signature
/// is the longest in use, at about 2 KiB.
pub const MAX_LINE_BYTES: usize = 8 * 1024;

/// Most header values taken in one message: the 70 Vias of a request at its last hop, and as many others again.
pub const MAX_HEADERS: usize = 128;

/// A message as it came or goes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Message {
    /// A request.
    Request(Request),
    /// A response.
    Response(Response),
}

/// A request. Its headers have typed accessors: `request.headers.from()`.
#[derive(Clone, Eq, PartialEq)]
pub struct Request {
    /// What is asked for.
    pub method: Method,
    /// The Request-URI: whom it is asked of.
    pub uri: Uri,
    /// The headers, without Content-Length.
    pub headers: Headers,
    /// The body, untouched.
    pub body: Bytes,
}

/// A response. Its headers have typed accessors: `response.headers.to()`.
#[derive(Clone, Eq, PartialEq)]
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// The reason phrase; any text, possibly empty.
    pub reason: String,
    /// The headers, without Content-Length.
    pub headers: Headers,
    /// The body, untouched.
    pub body: Bytes,
}

impl Request {
    /// A request without headers and body.
    pub fn new(method: Method, uri: Uri) -> Self {
        Self { method, uri, headers: Headers::default(), body: Bytes::new() }
    }
}

impl From<Request> for Message {
    fn from(request: Request) -> Self {
        Self::Request(request)
    }
}

impl From<Response> for Message {
    fn from(response: Response) -> Self {
        Self::Response(response)
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} {:?} + {} bytes", self.method, self.uri, self.headers, self.body.len())
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {:?} + {} bytes", self.status, self.reason, self.headers, self.body.len())
    }
}

/// RFC 3261 §25.1 `token`.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&b))
}

/// A number of digits only, as `u32::from_str` would also take a sign.
fn digits(text: &str) -> Option<u32> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests;
