//! `sip:` and `sips:` URIs (RFC 3261 §19.1).

use std::fmt;

use super::UriError;
use super::escape::{escape_user, redact, unescape};
use super::host::{Host, host_port};
use super::params::Params;

/// Whether the way there must be secured.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scheme {
    /// `sip:`
    Sip,
    /// `sips:`
    Sips,
}

impl Scheme {
    /// The name without the colon.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sip => "sip",
            Self::Sips => "sips",
        }
    }
}

/// A `sip:` or `sips:` URI in its parts, each with the escapes it was written with.
#[derive(Clone, Eq, PartialEq)]
pub struct SipUri {
    /// `sip` or `sips`.
    pub scheme: Scheme,
    /// The part before `@`, without a password; escapes as written. See [`Uri::user`](super::Uri::user) for the decoded form.
    pub user: Option<String>,
    /// The password after the user's colon, as written. Never shown by `Debug`.
    pub password: Option<String>,
    /// Where the user is to be found.
    pub host: Host,
    /// The port, when one was written.
    pub port: Option<u16>,
    /// The parameters: `transport`, `user`, `lr`, `maddr` and others.
    pub params: Params,
    /// The part after `?`, as written: headers for a request made from this URI. Not allowed in a Request-URI.
    pub headers: Option<String>,
}

/// Parameters that count in a comparison even when only one side has them (RFC 3261 §19.1.4).
const PARAMS_NEVER_IGNORED: [&str; 5] = ["user", "ttl", "method", "maddr", "transport"];

impl SipUri {
    /// A `sip:` URI; the user is escaped where it must be.
    pub fn new(user: Option<&str>, host: Host, port: Option<u16>) -> Self {
        Self {
            scheme: Scheme::Sip,
            user: user.map(escape_user),
            password: None,
            host,
            port,
            params: Params::default(),
            headers: None,
        }
    }

    /// Whether a Route with this URI is a loose router (RFC 3261 §19.1.1 `lr`).
    pub fn is_loose_router(&self) -> bool {
        self.params.has("lr")
    }

    /// Parses what follows the scheme's colon. The user part may hold `;`, `?` and `/`, so it is found by its `@`.
    pub(super) fn parse(scheme: Scheme, rest: &str) -> Result<Self, UriError> {
        let (userinfo, rest) = match rest.split_once('@') {
            Some((userinfo, rest)) => (Some(userinfo), rest),
            None => (None, rest),
        };
        let (user, password) = match userinfo.map(|u| u.split_once(':').map_or((u, None), |(u, p)| (u, Some(p)))) {
            Some(("", _)) => return Err(UriError::User),
            Some((user, password)) => (Some(user.to_owned()), password.map(str::to_owned)),
            None => (None, None),
        };
        let (rest, headers) = match rest.split_once('?') {
            Some((rest, headers)) => (rest, Some(headers.to_owned())),
            None => (rest, None),
        };
        let (authority, params) = match rest.split_once(';') {
            Some((authority, params)) => (authority, Params::parse(params)?),
            None => (rest, Params::default()),
        };
        let (host, port) = host_port(authority)?;
        Ok(Self { scheme, user, password, host, port, params, headers })
    }

    /// Whether both name the same thing (RFC 3261 §19.1.4): user and password in their case, the rest in any; escapes
    /// decoded; a parameter both have must agree, and `user`, `ttl`, `method`, `maddr` and `transport` count even when
    /// only one side has them; headers must be the same set.
    pub fn equivalent(&self, other: &Self) -> bool {
        let decoded = |text: &Option<String>| text.as_deref().map(|t| unescape(t).into_owned());
        let headers = |uri: &Self| {
            let mut set: Vec<String> =
                uri.headers.iter().flat_map(|h| h.split('&')).map(|h| unescape(h).to_lowercase()).collect();
            set.sort();
            set
        };
        let agrees = |a: &Params, b: &Params| {
            a.iter().all(|(name, value)| {
                if b.has(name) {
                    b.matches(name, value)
                } else {
                    !PARAMS_NEVER_IGNORED.iter().any(|p| p.eq_ignore_ascii_case(name))
                }
            })
        };
        self.scheme == other.scheme
            && decoded(&self.user) == decoded(&other.user)
            && decoded(&self.password) == decoded(&other.password)
            && self.host == other.host
            && self.port == other.port
            && agrees(&self.params, &other.params)
            && agrees(&other.params, &self.params)
            && headers(self) == headers(other)
    }
}

impl fmt::Display for SipUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.scheme.as_str())?;
        if let Some(user) = &self.user {
            f.write_str(user)?;
            if let Some(password) = &self.password {
                write!(f, ":{password}")?;
            }
            f.write_str("@")?;
        }
        self.host.fmt(f)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        self.params.fmt(f)?;
        match &self.headers {
            Some(headers) => write!(f, "?{headers}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for SipUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.scheme.as_str())?;
        if let Some(user) = &self.user {
            write!(f, "{}@", redact(&unescape(user)))?;
        }
        fmt::Display::fmt(&self.host, f)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}
