//! `X-Twilio-Signature`: base64 of HMAC-SHA1 over the URL and the sorted form parameters.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::address::Door;

/// The account's primary Auth Token. `Debug` does not show it.
#[derive(Clone)]
pub struct AuthToken(Arc<str>);

impl AuthToken {
    /// Wraps the token.
    #[must_use]
    pub fn new(token: &str) -> Self {
        Self(token.into())
    }
}

impl fmt::Debug for AuthToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthToken(set)")
    }
}

/// Whether Twilio's requests must be signed.
#[derive(Clone, Debug, Default)]
pub enum SignatureCheck {
    /// Anybody may pretend to be Twilio: for simulators.
    #[default]
    Off,
    /// A request without this token's signature gets 403.
    Required(AuthToken),
}

/// What a signature is over.
pub(crate) struct Signed<'a> {
    pub(crate) door: Door,
    /// The whole URL with the query as it was asked for.
    pub(crate) url: &'a str,
    pub(crate) content: Content<'a>,
}

/// What else is signed beside the URL.
pub(crate) enum Content<'a> {
    /// Form parameters, decoded.
    Form(&'a [(String, String)]),
    /// Nothing: the request has no body.
    Nothing,
    /// Any other body: `bodySHA256` in the query is its SHA-256.
    Raw(&'a [u8]),
}

/// Why a signature does not hold.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum SignatureError {
    #[error("X-Twilio-Signature is missing")]
    Missing,
    #[error("X-Twilio-Signature does not fit the URL and the parameters")]
    Wrong,
    #[error("bodySHA256 is missing from the query or does not fit the body")]
    WrongBody,
}

impl SignatureCheck {
    /// Checks `given`, the header's value.
    pub(crate) fn check(&self, given: Option<&str>, signed: &Signed) -> Result<(), SignatureError> {
        let Self::Required(token) = self else {
            return Ok(());
        };
        let given = given.ok_or(SignatureError::Missing)?;
        let mut fits = false;
        for url in signed.urls() {
            fits |= bool::from(sign(token, &url, &signed.content).as_bytes().ct_eq(given.as_bytes()));
        }
        if !fits {
            return Err(SignatureError::Wrong);
        }
        match signed.content {
            Content::Raw(body) if !body_fits(signed.url, body) => Err(SignatureError::WrongBody),
            _ => Ok(()),
        }
    }
}

impl Signed<'_> {
    /// The URL as Twilio may have signed it: with and without its port, and a stream's with a slash at the end.
    fn urls(&self) -> Vec<String> {
        let mut urls = port_variants(self.url);
        if self.door == Door::Stream {
            urls.extend(urls.clone().into_iter().map(|url| url + "/"));
        }
        urls
    }
}

/// `url` with its port (the scheme's own when it has none) and without.
fn port_variants(url: &str) -> Vec<String> {
    let Some((scheme, rest)) = url.split_once("://") else {
        return vec![url.to_owned()];
    };
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    // The colons of an IPv6 address are before its bracket.
    let colon = authority.rfind(':').filter(|at| !authority[*at..].contains(']'));
    let (host, port) = match colon {
        Some(at) => (&authority[..at], &authority[at + 1..]),
        None => (authority, if matches!(scheme, "https" | "wss") { "443" } else { "80" }),
    };
    vec![format!("{scheme}://{host}{path}"), format!("{scheme}://{host}:{port}{path}")]
}

fn sign(token: &AuthToken, url: &str, content: &Content) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(token.0.as_bytes()).expect("HMAC takes keys of every length");
    mac.update(url.as_bytes());
    if let Content::Form(parameters) = content {
        let distinct: BTreeSet<_> = parameters.iter().collect();
        for (name, value) in distinct {
            mac.update(name.as_bytes());
            mac.update(value.as_bytes());
        }
    }
    STANDARD.encode(mac.finalize().into_bytes())
}

fn body_fits(url: &str, body: &[u8]) -> bool {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let given = query.split('&').find_map(|pair| pair.strip_prefix("bodySHA256="));
    let digest = Sha256::digest(body);
    let expected: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    given.is_some_and(|given| given.as_bytes().ct_eq(expected.as_bytes()).into())
}

#[cfg(test)]
mod tests;
