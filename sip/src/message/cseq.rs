//! CSeq values (RFC 3261 §20.16).

use std::fmt;
use std::str::FromStr;

use super::Method;

/// The place of a request among those of its dialog, and its method.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CSeq {
    /// The number, below 2^31 (RFC 3261 §8.1.1.5).
    pub number: u32,
    /// The method of the request.
    pub method: Method,
}

/// The number is not one below 2^31, or the method is not a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("cseq is not a number below 2^31 and a method")]
pub struct NotACSeq;

impl CSeq {
    /// A CSeq of ours.
    pub fn new(number: u32, method: Method) -> Self {
        Self { number, method }
    }
}

impl FromStr for CSeq {
    type Err = NotACSeq;

    fn from_str(text: &str) -> Result<Self, NotACSeq> {
        let (number, method) = text.split_once([' ', '\t']).ok_or(NotACSeq)?;
        let number = super::digits(number).filter(|n| *n < 1 << 31).ok_or(NotACSeq)?;
        let method = method.trim_ascii().parse().map_err(|_| NotACSeq)?;
        Ok(Self { number, method })
    }
}

impl fmt::Display for CSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number, self.method)
    }
}
