//! Hosts: a name, an IPv4 address or an IPv6 address in brackets, and the port after it.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use super::UriError;

/// The host of a URI or of a Via.
#[derive(Clone, Debug)]
pub enum Host {
    /// A domain name, in the case it was written.
    Name(String),
    /// An address; IPv6 is written in brackets.
    Address(IpAddr),
}

/// Names are the same in any case.
impl PartialEq for Host {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Name(a), Self::Name(b)) => a.eq_ignore_ascii_case(b),
            (Self::Address(a), Self::Address(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Host {}

impl Host {
    /// The address, when the host is one.
    pub fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Name(_) => None,
            Self::Address(address) => Some(*address),
        }
    }
}

impl From<IpAddr> for Host {
    fn from(address: IpAddr) -> Self {
        Self::Address(address)
    }
}

impl FromStr for Host {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        if let Some(inside) = text.strip_prefix('[') {
            let address = inside.strip_suffix(']').and_then(ipv6);
            return address.map(|a| Self::Address(a.into())).ok_or(UriError::Host);
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            // An IPv6 address without brackets cannot be told from its port.
            return if address.is_ipv4() { Ok(Self::Address(address)) } else { Err(UriError::Host) };
        }
        let named = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'));
        if named { Ok(Self::Name(text.to_owned())) } else { Err(UriError::Host) }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(address)) => address.fmt(f),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

/// An IPv6 address. The grammar of RFC 3261 made three colons of two before an IPv4 part; what was written by it is taken
/// (RFC 5118 §4.10, RFC 5954).
fn ipv6(text: &str) -> Option<Ipv6Addr> {
    text.parse().ok().or_else(|| if text.contains('.') { text.replacen(":::", "::", 1).parse().ok() } else { None })
}

/// Splits `host[:port]`, white space allowed around the colon as a Via may have it.
///
/// # Errors
/// [`UriError::Host`] or [`UriError::Port`] for the half that is malformed.
pub fn host_port(text: &str) -> Result<(Host, Option<u16>), UriError> {
    let colon = match text.find(']') {
        Some(bracket) => text[bracket..].find(':').map(|at| bracket + at),
        None => text.find(':'),
    };
    let (host, port) = match colon {
        Some(at) => (&text[..at], Some(text[at + 1..].trim_ascii())),
        None => (text, None),
    };
    Ok((host.trim_ascii().parse()?, port.map(parse_port).transpose()?))
}

fn parse_port(text: &str) -> Result<u16, UriError> {
    // `u16::from_str` would take a sign.
    if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().map_err(|_| UriError::Port) } else { Err(UriError::Port) }
}
