//! Digest authentication (RFC 3261 §22 with RFC 2617, RFC 7616 and RFC 8760): answering challenges, and making them.
//!
//! ```text
//! response = H( H(username:realm:password) : nonce : nc : cnonce : qop : H(method:uri) )       qop=auth
//! response = H( H(username:realm:password) : nonce : H(method:uri) )                           RFC 2069, answered only
//! ```
//! [`DigestClient`] is who is challenged, [`DigestServer`] who challenges. Of the algorithms MD5 and SHA-256 are spoken, of the
//! qualities `auth`: a body is protected by TLS or not at all.

mod client;
mod fields;
mod server;
#[cfg(test)]
mod tests;

use std::fmt;
use std::fmt::Write as _;

use md5::Md5;
use sha2::{Digest as _, Sha256};

pub use client::{Challenge, DigestClient, FAILURES_MAX, REALMS_MAX, Unanswerable};
pub use server::{DigestServer, NONCES_MAX, Refusal};

/// A name and its password; `Debug` shows neither.
#[derive(Clone, Eq, PartialEq)]
pub struct Credentials {
    username: String,
    password: String,
}

impl Credentials {
    /// A pair of them. Quotes and backslashes in the name are refused by the configuration: peers disagree on how they are hashed.
    pub fn new(username: impl Into<String>, password: impl Into<String>) -> Self {
        Self { username: username.into(), password: password.into() }
    }

    /// The name.
    pub fn username(&self) -> &str {
        &self.username
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(set)")
    }
}

/// What is hashed with.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Algorithm {
    /// Broken for signatures, good enough against guessing over UDP, and all that many carriers know.
    Md5,
    /// Preferred (RFC 8760).
    Sha256,
}

impl Algorithm {
    /// As it stands in a header.
    pub fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
        }
    }

    /// `None` for what we do not speak, `-sess` among it.
    fn read(text: &str) -> Option<Self> {
        [Self::Md5, Self::Sha256].into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(text))
    }

    /// The hash of the parts with colons between them, in hexadecimal.
    fn hash(self, parts: &[&str]) -> String {
        let text = parts.join(":");
        match self {
            Self::Md5 => hexadecimal(&Md5::digest(text)),
            Self::Sha256 => hexadecimal(&Sha256::digest(text)),
        }
    }
}

/// What one response is made from, beside the credentials.
struct Proof<'a> {
    algorithm: Algorithm,
    realm: &'a str,
    nonce: &'a str,
    /// `nc` as it is written, and the cnonce; `None` is the form of RFC 2069.
    counted: Option<(&'a str, &'a str)>,
    method: &'a str,
    uri: &'a str,
}

impl Proof<'_> {
    fn response(&self, credentials: &Credentials) -> String {
        let Self { algorithm, realm, nonce, counted, method, uri } = self;
        let ha1 = algorithm.hash(&[&credentials.username, realm, &credentials.password]);
        let ha2 = algorithm.hash(&[method, uri]);
        match counted {
            Some((count, cnonce)) => algorithm.hash(&[&ha1, nonce, count, cnonce, "auth", &ha2]),
            None => algorithm.hash(&[&ha1, nonce, &ha2]),
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _written_to_memory = write!(text, "{byte:02x}");
        text
    })
}
