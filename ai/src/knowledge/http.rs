//! Requests to the services of a knowledge base: bounded answers, and another try with patience where it can help.

use std::error::Error as _;
use std::time::Duration;

use futures_util::StreamExt as _;
use rand::RngExt as _;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{RequestBuilder, Response, StatusCode};
use serde_json::Value;

/// Most bytes of an answer that says what went wrong.
const REASON_BYTES_MAX: usize = 4096;
/// Most characters of it that are shown.
const REASON_CHARS_MAX: usize = 200;
/// First wait before another try; it doubles each time.
const BACKOFF: Duration = Duration::from_millis(500);
/// Longest wait, also of one that the server asks for: a longer one is the caller's to plan.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// Why a request came to nothing. No variant shows a key.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// The server will not do it: a wrong key, a wrong model. The same request fails again.
    #[error("{service} refused with {status}: {reason}")]
    Refused {
        /// Who was asked.
        service: &'static str,
        /// The status.
        status: u16,
        /// What the server says.
        reason: String,
    },
    /// The server has no time now (429, 5xx).
    #[error("{service} answered {status}: {reason}")]
    Overloaded {
        /// Who was asked.
        service: &'static str,
        /// The status.
        status: u16,
        /// What the server says.
        reason: String,
        /// How long it asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// It could not be reached, or not in time.
    #[error("{service} cannot be reached: {reason}")]
    Network {
        /// Who was asked.
        service: &'static str,
        /// Why.
        reason: String,
    },
    /// It answers what it should not.
    #[error("{service} answered outside its protocol: {reason}")]
    Protocol {
        /// Who was asked.
        service: &'static str,
        /// What is wrong.
        reason: String,
    },
}

impl HttpError {
    /// Whether the same request may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Overloaded { .. } | Self::Network { .. })
    }
}

/// How a request is made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Patience {
    /// Time one try may take.
    pub timeout: Duration,
    /// Tries, at least 1.
    pub tries: u32,
    /// Most bytes of an answer.
    pub answer_max: usize,
}

/// Sends what `request` makes until it is answered, refused or tried often enough; the answer as JSON.
///
/// # Errors
/// [`HttpError`], of the last try.
pub(super) async fn json(
    service: &'static str,
    patience: Patience,
    request: impl Fn() -> RequestBuilder,
) -> Result<Value, HttpError> {
    let mut backoff = BACKOFF;
    for left in (0..patience.tries.max(1)).rev() {
        let failed = match once(service, patience, request()).await {
            Ok(value) => return Ok(value),
            Err(error) if left == 0 || !error.is_transient() => return Err(error),
            Err(error) => error,
        };
        let asked = match failed {
            HttpError::Overloaded { retry_after, .. } => retry_after.unwrap_or_default(),
            _ => Duration::ZERO,
        };
        if asked > WAIT_MAX {
            return Err(failed);
        }
        // Up to a half more, so that those who failed together do not come back together.
        let spread = backoff.mul_f64(rand::rng().random_range(1.0..1.5));
        tokio::time::sleep(asked.max(spread)).await;
        backoff = (backoff * 2).min(WAIT_MAX);
    }
    Err(HttpError::Network { service, reason: "no try was made".to_owned() })
}

async fn once(service: &'static str, patience: Patience, request: RequestBuilder) -> Result<Value, HttpError> {
    let network = |error: reqwest::Error| HttpError::Network { service, reason: describe(&error) };
    let response = request.timeout(patience.timeout).send().await.map_err(network)?;
    let status = response.status();
    if !status.is_success() {
        return Err(failure(service, response).await);
    }
    let protocol = |reason: String| HttpError::Protocol { service, reason };
    let body = match body(response, patience.answer_max).await {
        Ok(body) => body,
        Err(BodyError::TooLong) => return Err(protocol(format!("more than {} bytes", patience.answer_max))),
        Err(BodyError::Broken(error)) => return Err(network(error)),
    };
    serde_json::from_slice(&body).map_err(|error| protocol(error.to_string()))
}

async fn failure(service: &'static str, response: Response) -> HttpError {
    let status = response.status();
    let retry_after = retry_after(response.headers());
    let text = match body(response, REASON_BYTES_MAX).await {
        Ok(body) => reason(&body),
        Err(_) => "no reason given".to_owned(),
    };
    let status_number = status.as_u16();
    match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => {
            HttpError::Overloaded { service, status: status_number, reason: text, retry_after }
        }
        _ if status.is_server_error() => HttpError::Overloaded { service, status: status_number, reason: text, retry_after },
        _ => HttpError::Refused { service, status: status_number, reason: text },
    }
}

/// `Retry-After` in seconds (RFC 9110 §10.2.3), fractions allowed; the form with a date is not read.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: f64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// What an error's body says: `message` or `error.message` of JSON, else its beginning.
fn reason(body: &[u8]) -> String {
    let json: Option<Value> = serde_json::from_slice(body).ok();
    let message = json.as_ref().and_then(|json| json["error"]["message"].as_str().or(json["message"].as_str()));
    let text = message.map_or_else(|| String::from_utf8_lossy(body).into_owned(), str::to_owned);
    let shown: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(REASON_CHARS_MAX).collect();
    if shown.trim().is_empty() { "no reason given".to_owned() } else { shown.trim().to_owned() }
}

/// Why a body did not come.
#[derive(Debug)]
pub(super) enum BodyError {
    /// More bytes than are taken.
    TooLong,
    /// The connection.
    Broken(reqwest::Error),
}

/// The body, no longer than `max`.
pub(super) async fn body(response: Response, max: usize) -> Result<Vec<u8>, BodyError> {
    if response.content_length().is_some_and(|length| length > max as u64) {
        return Err(BodyError::TooLong);
    }
    let mut body = Vec::new();
    let mut pieces = response.bytes_stream();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(BodyError::Broken)?;
        if body.len() + piece.len() > max {
            return Err(BodyError::TooLong);
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

/// An error and what caused it, without the URL, which may hold a secret.
pub(super) fn describe(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut causes = Vec::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        causes.push(error.to_string());
        cause = error.source();
    }
    causes.pop().unwrap_or_else(|| "the request failed".to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_short_line() {
        let check = |body: &str, expected: &str| assert_eq!(reason(body.as_bytes()), expected);
        check(r#"{"error":{"message":"slow down","code":1}}"#, "slow down");
        check(r#"{"code":3,"message":"no such\nindex","details":[]}"#, "no such index");
        check("<html>\nbad", "<html> bad");
        check("", "no reason given");
        assert_eq!(reason("x".repeat(9999).as_bytes()).len(), REASON_CHARS_MAX);
    }

    #[test]
    fn retry_after_is_read_in_seconds() {
        let check = |value: &str, expected: Option<f64>| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, value.parse().unwrap())]);
            assert_eq!(retry_after(&headers).map(|wait| wait.as_secs_f64()), expected);
        };
        check("7", Some(7.0));
        check("0.5", Some(0.5));
        check("-1", None);
        check("Wed, 21 Oct 2026 07:28:00 GMT", None);
    }
}
