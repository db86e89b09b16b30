//! SIP addresses: `sip:`, `sips:` and `tel:` URIs, other absolute URIs kept as they are, and name-addr values.
//!
//! Parsing keeps what was on the wire (escapes, case, order), so that writing gives the same text back; comparing is
//! what understands it (RFC 3261 §19.1.4). The user part of a URI is often a phone number: `Display` writes it in full
//! for the wire, `Debug` keeps its last two digits only, for logs.

mod escape;
mod host;
mod name_addr;
mod params;
mod sip;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

pub use escape::unescape;
pub use host::{Host, host_port};
pub use name_addr::NameAddr;
pub use params::Params;
pub use sip::{Scheme, SipUri};

use escape::redact;
pub(crate) use params::split_outside_quotes;

/// Why a URI, a host or a name-addr was refused. It is always the peer's fault.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum UriError {
    /// Nothing before the first `:`, or characters there which no scheme has.
    #[error("uri has no scheme")]
    Scheme,
    /// White space, a control character, a quote or an angle bracket inside a URI.
    #[error("uri holds a character that must be escaped")]
    Character,
    /// An empty user part before `@`.
    #[error("uri has an empty user part")]
    User,
    /// An empty host, a name with characters no host has, or an unclosed IPv6 bracket.
    #[error("host is malformed")]
    Host,
    /// Not a number from 0 to 65535.
    #[error("port is malformed")]
    Port,
    /// An empty parameter name, such as `;;`.
    #[error("parameter is malformed")]
    Parameter,
    /// A display name that is neither quoted nor words, or a quote that is not closed.
    #[error("display name is malformed")]
    DisplayName,
    /// `<` without `>`, text after `>`, or a URI which needs `<>` and has none (RFC 3261 §20).
    #[error("angle brackets are malformed")]
    Brackets,
}

/// A URI as SIP uses it: who is called, who calls, where to send the next request.
///
/// Equality is of the text parts as they stand; [`Uri::equivalent`] compares as RFC 3261 §19.1.4 does.
#[derive(Clone, Eq, PartialEq)]
pub enum Uri {
    /// `sip:` or `sips:` (RFC 3261 §19.1).
    Sip(SipUri),
    /// `tel:` (RFC 3966).
    Tel(TelUri),
    /// Any other absolute URI, kept as it was written. Also stands for a Request-URI that could not be understood.
    Other(String),
}

/// A `tel:` URI (RFC 3966): a phone number and its parameters.
#[derive(Clone, Eq, PartialEq)]
pub struct TelUri {
    /// The number as written, visual separators included: `+1-201-555-0123`.
    pub number: String,
    /// The parameters after it, such as `phone-context`.
    pub params: Params,
}

impl Uri {
    /// A `sip:` URI with an optional user part, which is escaped where it must be.
    pub fn sip(user: Option<&str>, host: Host, port: Option<u16>) -> Self {
        Self::Sip(SipUri::new(user, host, port))
    }

    /// The scheme as it was written, without the colon; empty when there is none.
    pub fn scheme(&self) -> &str {
        match self {
            Self::Sip(uri) => uri.scheme.as_str(),
            Self::Tel(_) => "tel",
            Self::Other(text) => text.split_once(':').map_or("", |(scheme, _)| scheme),
        }
    }

    /// The user of a SIP URI with its escapes decoded, or the number of a `tel:` URI. This is what a call is routed by.
    pub fn user(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Sip(uri) => uri.user.as_deref().map(unescape),
            Self::Tel(uri) => Some(Cow::Borrowed(&uri.number)),
            Self::Other(_) => None,
        }
    }

    /// The host of a SIP URI.
    pub fn host(&self) -> Option<&Host> {
        self.as_sip().map(|uri| &uri.host)
    }

    /// The port of a SIP URI, when one was written.
    pub fn port(&self) -> Option<u16> {
        self.as_sip().and_then(|uri| uri.port)
    }

    /// The parameters of a SIP or `tel:` URI.
    pub fn params(&self) -> Option<&Params> {
        match self {
            Self::Sip(uri) => Some(&uri.params),
            Self::Tel(uri) => Some(&uri.params),
            Self::Other(_) => None,
        }
    }

    /// This as a SIP URI, when it is one.
    pub fn as_sip(&self) -> Option<&SipUri> {
        match self {
            Self::Sip(uri) => Some(uri),
            Self::Tel(_) | Self::Other(_) => None,
        }
    }

    /// Whether both name the same thing: RFC 3261 §19.1.4 for SIP URIs, RFC 3966 §4 for numbers, else the same text.
    pub fn equivalent(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Sip(a), Self::Sip(b)) => a.equivalent(b),
            (Self::Tel(a), Self::Tel(b)) => a.digits().eq(b.digits()) && a.params.same_as(&b.params),
            (Self::Other(a), Self::Other(b)) => a == b,
            _ => false,
        }
    }
}

impl TelUri {
    fn digits(&self) -> impl Iterator<Item = char> + '_ {
        self.number.chars().filter(|c| !"-.()".contains(*c)).map(|c| c.to_ascii_lowercase())
    }
}

impl FromStr for Uri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        if text.bytes().any(|b| b <= b' ' || b == 0x7f || matches!(b, b'<' | b'>' | b'"')) {
            return Err(UriError::Character);
        }
        let (scheme, rest) = text.split_once(':').ok_or(UriError::Scheme)?;
        if !is_scheme(scheme) || rest.is_empty() {
            return Err(UriError::Scheme);
        }
        if scheme.eq_ignore_ascii_case("sip") {
            SipUri::parse(Scheme::Sip, rest).map(Self::Sip)
        } else if scheme.eq_ignore_ascii_case("sips") {
            SipUri::parse(Scheme::Sips, rest).map(Self::Sip)
        } else if scheme.eq_ignore_ascii_case("tel") {
            let (number, params) = rest.split_once(';').map_or((rest, None), |(n, p)| (n, Some(p)));
            if number.is_empty() {
                return Err(UriError::User);
            }
            let params = params.map_or(Ok(Params::default()), Params::parse)?;
            Ok(Self::Tel(TelUri { number: number.to_owned(), params }))
        } else {
            Ok(Self::Other(text.to_owned()))
        }
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sip(uri) => uri.fmt(f),
            Self::Tel(uri) => write!(f, "tel:{}{}", uri.number, uri.params),
            Self::Other(text) => f.write_str(text),
        }
    }
}

impl fmt::Debug for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sip(uri) => fmt::Debug::fmt(uri, f),
            Self::Tel(uri) => fmt::Debug::fmt(uri, f),
            Self::Other(_) => write!(f, "{}:...", self.scheme()),
        }
    }
}

impl fmt::Debug for TelUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tel:{}", redact(&self.number))
    }
}

#[cfg(test)]
mod tests;
