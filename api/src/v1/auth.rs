//! Who may use the API: whoever shows the key.

use std::fmt;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::problem::Problem;

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// The key of the API. Only its hash is kept: two of one length are compared, in constant time, whatever was given.
#[derive(Clone)]
pub struct ApiKey([u8; 32]);

impl ApiKey {
    /// From the key itself.
    pub fn new(key: &str) -> Self {
        Self(Sha256::digest(key).into())
    }

    fn fits(&self, given: &[u8]) -> bool {
        Sha256::digest(given).ct_eq(&self.0).into()
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(_)")
    }
}

/// Lets a request through that shows the key.
pub(super) async fn check(State(key): State<Option<ApiKey>>, request: Request, next: Next) -> Response {
    let Some(key) = key else {
        return refused(
            "no API key is set: name an environment variable with one of 16 characters at least in security.api_key_env, and start again",
        );
    };
    match given(request.headers()) {
        Some(given) if key.fits(given) => next.run(request).await,
        Some(_) => refused("the API key is wrong"),
        None => refused("show the API key: `Authorization: Bearer KEY` or `X-API-Key: KEY`"),
    }
}

/// The key that a request shows.
fn given(headers: &HeaderMap) -> Option<&[u8]> {
    let bearer = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes).and_then(|value| {
        let (scheme, key) = value.split_at_checked(7)?;
        scheme.eq_ignore_ascii_case(b"Bearer ").then(|| key.trim_ascii())
    });
    bearer.or_else(|| headers.get(API_KEY).map(HeaderValue::as_bytes))
}

fn refused(detail: &str) -> Response {
    let mut response = Problem::new(StatusCode::UNAUTHORIZED, detail).into_response();
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}
