//! Via values: the way a response goes back (RFC 3261 §20.42, RFC 3581).

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use crate::uri::{Host, Params, UriError, host_port};

/// What every branch of RFC 3261 begins with; without it the request is matched as RFC 2543 says (§17.2.3).
pub const BRANCH_COOKIE: &str = "z9hG4bK";

/// One Via value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Via {
    /// The transport as written, in any case: `UDP`, `TCP`, `TLS` or anything else.
    pub transport: String,
    /// The host of sent-by: where the sender says it is.
    pub host: Host,
    /// The port of sent-by, when one was written.
    pub port: Option<u16>,
    /// `branch`, `received`, `rport`, `maddr`, `ttl` and others.
    pub params: Params,
}

impl Via {
    /// A Via for a request of ours, asking for `rport` (RFC 3581 §3).
    pub fn new(transport: &str, sent_by: SocketAddr, branch: &str) -> Self {
        let mut params = Params::default();
        params.set("branch", Some(branch));
        params.set("rport", None);
        Self { transport: transport.to_owned(), host: sent_by.ip().into(), port: Some(sent_by.port()), params }
    }

    /// The branch as written; it may be one of RFC 2543.
    pub fn branch(&self) -> Option<&str> {
        self.params.get("branch").filter(|branch| !branch.is_empty())
    }

    /// The branch, when it identifies its transaction: the cookie and something after it (RFC 3261 §8.1.1.7).
    pub fn unique_branch(&self) -> Option<&str> {
        self.branch().filter(|branch| {
            branch.len() > BRANCH_COOKIE.len()
                && branch.as_bytes()[..BRANCH_COOKIE.len()].eq_ignore_ascii_case(BRANCH_COOKIE.as_bytes())
        })
    }

    /// The address the server before us saw the request come from.
    pub fn received(&self) -> Option<IpAddr> {
        let text = self.params.get("received")?;
        text.trim_start_matches('[').trim_end_matches(']').parse().ok()
    }

    /// The port in `rport`, once a server has filled it in.
    pub fn rport(&self) -> Option<u16> {
        self.params.get("rport")?.parse().ok()
    }

    /// Whether `rport` is there, filled in or not.
    pub fn wants_rport(&self) -> bool {
        self.params.has("rport")
    }
}

impl FromStr for Via {
    type Err = UriError;

    /// White space may stand around each slash and colon (RFC 3261 §25.1).
    fn from_str(text: &str) -> Result<Self, UriError> {
        let mut protocol = text.splitn(3, '/').map(str::trim_ascii);
        let (name, version, rest) = (protocol.next(), protocol.next(), protocol.next());
        let (Some(name), Some(version), Some(rest)) = (name, version, rest) else {
            return Err(UriError::Scheme);
        };
        let (transport, rest) = rest.split_once([' ', '\t']).ok_or(UriError::Host)?;
        if !name.eq_ignore_ascii_case("SIP") || version != "2.0" || !super::is_token(transport) {
            return Err(UriError::Scheme);
        }
        let (sent_by, params) = match rest.split_once(';') {
            Some((sent_by, params)) => (sent_by, Params::parse(params)?),
            None => (rest, Params::default()),
        };
        let (host, port) = host_port(sent_by.trim_ascii())?;
        Ok(Self { transport: transport.to_owned(), host, port, params })
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIP/2.0/{} {}", self.transport, self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        self.params.fmt(f)
    }
}
