//! Why a message was refused, with what to answer, and what was odd about one that was not.

use super::{HeaderError, Method, Request, StatusCode, name};
use crate::uri::UriError;

/// A message that was refused. The fault is the peer's.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{reason}")]
pub struct ParseError {
    /// What was wrong, naming the field.
    pub reason: ParseFault,
    /// What to answer. `None`: drop it, because it is a response, an ACK, or has nothing to send an answer by.
    pub status: Option<StatusCode>,
    /// As much of the request as the answer needs: method and headers. Its URI may be a stand-in.
    pub request: Option<Box<Request>>,
}

/// What is wrong with a message.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseFault {
    /// No bytes but line breaks.
    #[error("message is empty")]
    Empty,
    /// More than [`MAX_MESSAGE_BYTES`](super::MAX_MESSAGE_BYTES).
    #[error("message of {0} bytes is too large")]
    TooLarge(usize),
    /// More than [`MAX_HEADERS`](super::MAX_HEADERS).
    #[error("message has too many headers")]
    TooManyHeaders,
    /// More than [`MAX_LINE_BYTES`](super::MAX_LINE_BYTES).
    #[error("line of {0} bytes is too long")]
    LineTooLong(usize),
    /// The first line is neither `method uri version` nor `version code reason`.
    #[error("start line is malformed")]
    StartLine,
    /// A SIP version other than 2.0.
    #[error("version is not SIP/2.0")]
    Version,
    /// The status is not three digits from 100 to 699.
    #[error("status code is not one from 100 to 699")]
    StatusCode,
    /// The Request-URI cannot be read.
    #[error("request uri: {0}")]
    RequestUri(UriError),
    /// A header that must be there is missing, repeated or malformed.
    #[error("{0}")]
    Header(#[from] HeaderError),
    /// Content-Length says more than there is.
    #[error("content-length {said} is more than the {found} bytes there are")]
    BodyTooShort {
        /// What Content-Length says.
        said: usize,
        /// How many bytes follow the headers.
        found: usize,
    },
    /// The CSeq names another method than the start line.
    #[error("cseq method is not the request's")]
    CSeqMethod,
}

impl ParseFault {
    /// The status for a request with this fault.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Version => StatusCode::VERSION_NOT_SUPPORTED,
            Self::TooLarge(_) | Self::TooManyHeaders | Self::LineTooLong(_) => StatusCode::MESSAGE_TOO_LARGE,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

impl ParseError {
    /// A message that gets no answer.
    pub(super) fn dropped(reason: ParseFault) -> Self {
        Self { reason, status: None, request: None }
    }

    /// A request that is answered when it has a Via to answer by. An ACK never is.
    pub(super) fn refused(reason: ParseFault, request: Request) -> Self {
        let answerable = request.method != Method::ACK && request.headers.get(name::VIA).is_some();
        let status = answerable.then(|| reason.status());
        Self { reason, status, request: Some(Box::new(request)) }
    }
}

/// Something odd about a message that was taken all the same.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Warning {
    /// The start line or a header was not UTF-8; the bad bytes became U+FFFD.
    NotUtf8,
    /// A line ended with LF alone.
    BareLineFeed,
    /// No empty line after the headers.
    NoBlankLine,
    /// A header line without a colon or without a token before it was left out.
    LineSkipped,
    /// So many bytes after the body were cut off, as RFC 3261 §18.3 says for datagrams.
    BytesAfterBody(usize),
    /// A request without Max-Forwards, as RFC 2543 allowed.
    NoMaxForwards,
}
