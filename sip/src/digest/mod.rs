//! Digest authentication (RFC 3261 §22 with RFC 2617, RFC 7616 and RFC 8760): answering challenges, and making them.
//!
//! ```text
//! A1 = username:realm:password                         -sess: H(username:realm:password):nonce:cnonce
//! A2 = method:uri                                      auth-int: method:uri:H(body)
//! response = H( H(A1) : nonce : nc : cnonce : qop : H(A2) )
//! response = H( H(A1) : nonce : H(A2) )                RFC 2069
//! ```
//! [`DigestClient`] is who is challenged and answers all of these with MD5, SHA-256 and SHA-512-256; [`DigestServer`] challenges with
//! `auth`, since proxies and NATs rewrite bodies: those are protected by TLS or not at all.

mod client;
mod fields;
mod server;
#[cfg(test)]
mod tests;

use std::fmt;
use std::fmt::Write as _;

use md5::Md5;
use sha2::{Digest as _, Sha256, Sha512_256};

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
    /// What is used where both sides know it (RFC 8760).
    Sha256,
    /// The strongest, and rare.
    Sha512_256,
}

/// What is added to the name of an algorithm where the hash of the password is bound to the nonce (RFC 7616 §3.4.2).
const SESSION: &str = "-sess";

impl Algorithm {
    /// As it stands in a header.
    pub fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
            Self::Sha512_256 => "SHA-512-256",
        }
    }

    /// The one of this name, and whether it is its `-sess`; `None` for what we do not speak.
    fn read(text: &str) -> Option<(Self, bool)> {
        let end = text.len().saturating_sub(SESSION.len());
        let session = text.get(end..).is_some_and(|end| end.eq_ignore_ascii_case(SESSION));
        let bare = if session { &text[..end] } else { text };
        let all = [Self::Md5, Self::Sha256, Self::Sha512_256];
        all.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(bare)).map(|algorithm| (algorithm, session))
    }

    /// The hash of the parts with colons between them, in hexadecimal.
    fn hash(self, parts: &[&str]) -> String {
        self.hash_octets(parts.join(":").as_bytes())
    }

    fn hash_octets(self, octets: &[u8]) -> String {
        match self {
            Self::Md5 => hexadecimal(&Md5::digest(octets)),
            Self::Sha256 => hexadecimal(&Sha256::digest(octets)),
            Self::Sha512_256 => hexadecimal(&Sha512_256::digest(octets)),
        }
    }
}

/// What one response is made from, beside the credentials.
struct Proof<'a> {
    algorithm: Algorithm,
    /// The algorithm's `-sess`, which is counted.
    session: bool,
    realm: &'a str,
    nonce: &'a str,
    /// `nc` as it is written, and the cnonce; `None` is the form of RFC 2069.
    counted: Option<(&'a str, &'a str)>,
    method: &'a str,
    uri: &'a str,
    /// With `auth-int`.
    body: Option<&'a [u8]>,
}

impl Proof<'_> {
    fn response(&self, credentials: &Credentials) -> String {
        let Self { algorithm, session, realm, nonce, counted, method, uri, body } = self;
        let mut ha1 = algorithm.hash(&[&credentials.username, realm, &credentials.password]);
        if let (true, Some((_, cnonce))) = (session, counted) {
            ha1 = algorithm.hash(&[&ha1, nonce, cnonce]);
        }
        let ha2 = match body {
            Some(body) => algorithm.hash(&[method, uri, &algorithm.hash_octets(body)]),
            None => algorithm.hash(&[method, uri]),
        };
        match counted {
            Some((count, cnonce)) => algorithm.hash(&[&ha1, nonce, count, cnonce, quality(body.is_some()), &ha2]),
            None => algorithm.hash(&[&ha1, nonce, &ha2]),
        }
    }
}

/// The value of `qop`.
fn quality(whole: bool) -> &'static str {
    if whole { "auth-int" } else { "auth" }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _written_to_memory = write!(text, "{byte:02x}");
        text
    })
}
