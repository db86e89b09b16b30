//! Who asks, behind proxies: what they say of it counts only if they are the operator's own.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use actors::config::Network;
use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, header};
use axum::middleware::{Next, from_fn};

use crate::server::Peer;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Addresses looked at in a header: chains of proxies are shorter. What is further from us was written by whoever asks.
const HOPS_MAX: usize = 16;

/// The header in which the proxies say who asked them. Only one is read: another may come from whoever asks, unchanged.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`, which most proxies write.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// The proxies in front of us.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Proxies {
    /// Where they are; none: whoever is at the other end of a connection is who asks.
    pub trusted: Vec<Network>,
    /// Where they say who asked them.
    pub header: ForwardedHeader,
}

impl Proxies {
    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(address))
    }

    /// Who asks: the nearest address that is no proxy of ours. An entry that is no address ends the search: who wrote it did not know
    /// the ones before it either.
    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let name = match self.header {
            ForwardedHeader::XForwardedFor => &X_FORWARDED_FOR,
            ForwardedHeader::Forwarded => &header::FORWARDED,
        };
        let mut nearest = peer;
        // Several lines are one list (RFC 9110 §5.3).
        let lines: Vec<&str> = headers.get_all(name).iter().map(|line| line.to_str().unwrap_or_default()).collect();
        let entries = lines.iter().rev().flat_map(|line| line.rsplit(','));
        for entry in entries.take(HOPS_MAX) {
            if !self.trusts(nearest) {
                break;
            }
            let said = match self.header {
                ForwardedHeader::XForwardedFor => Some(entry),
                ForwardedHeader::Forwarded => for_of(entry),
            };
            let Some(address) = said.and_then(address) else { break };
            nearest = address.to_canonical();
        }
        nearest
    }
}

/// `192.0.2.60` of `proto=http; for=192.0.2.60;by=203.0.113.43`.
fn for_of(entry: &str) -> Option<&str> {
    let mut pairs = entry.split(';').filter_map(|pair| pair.split_once('='));
    pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("for")).map(|(_, value)| value.trim().trim_matches('"'))
}

/// An address, perhaps with a port, an IPv6 one perhaps in brackets.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip()))
}

/// Has every request say who asks, in place of the proxy that passed it on.
pub(crate) fn behind(proxies: &Proxies, routes: Router) -> Router {
    if proxies.trusted.is_empty() {
        return routes;
    }
    let proxies = Arc::new(proxies.clone());
    routes.layer(from_fn(move |mut request: Request, next: Next| {
        if let Some(Peer(peer)) = request.extensions().get::<Peer>().copied() {
            let client = proxies.client(peer, request.headers());
            request.extensions_mut().insert(Peer(client));
        }
        next.run(request)
    }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Who asks, when `peer` sends these lines.
    fn check(header: ForwardedHeader, peer: &str, lines: &[&str], expected: &str) {
        let trusted = ["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().unwrap()).to_vec();
        let name = if header == ForwardedHeader::Forwarded { header::FORWARDED } else { X_FORWARDED_FOR };
        let headers = lines.iter().map(|line| (name.clone(), line.parse().unwrap())).collect();
        let client = Proxies { trusted, header }.client(peer.parse().unwrap(), &headers);
        assert_eq!(client.to_string(), expected, "{peer} {lines:?}");
    }

    #[test]
    fn only_a_trusted_proxy_is_believed_and_only_as_far_as_it_knows() {
        let check = |peer, lines: &[&str], expected| check(ForwardedHeader::XForwardedFor, peer, lines, expected);
        check("10.0.0.1", &[], "10.0.0.1");
        check("10.0.0.1", &["192.0.2.7"], "192.0.2.7");
        check("192.0.2.9", &["192.0.2.7"], "192.0.2.9");
        // What whoever asks wrote itself stands to the left.
        check("10.0.0.1", &["8.8.8.8, 192.0.2.7"], "192.0.2.7");
        check("10.0.0.1", &["8.8.8.8, 192.0.2.7, 10.9.9.9"], "192.0.2.7");
        check("10.0.0.1", &["8.8.8.8", "192.0.2.7", "10.9.9.9"], "192.0.2.7");
        check("10.0.0.1", &["192.0.2.7:4711"], "192.0.2.7");
        check("fd00::1", &["[2001:db8::7]:4711"], "2001:db8::7");
        check("10.0.0.1", &["::ffff:192.0.2.7"], "192.0.2.7");
        check("10.0.0.1", &["192.0.2.7, unknown"], "10.0.0.1");
        check("10.0.0.1", &["192.0.2.7, '; DROP TABLE users, 10.0.0.2"], "10.0.0.2");
        check("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3");
        let many = format!("192.0.2.7{}", ", 10.0.0.2".repeat(HOPS_MAX));
        check("10.0.0.1", &[&many], "10.0.0.2");
    }

    #[test]
    fn forwarded_is_read_where_it_is_chosen() {
        let check = |lines: &[&str], expected| check(ForwardedHeader::Forwarded, "10.0.0.1", lines, expected);
        check(&["for=192.0.2.60;proto=http;by=203.0.113.43"], "192.0.2.60");
        check(&["for=8.8.8.8, proto=https; For=\"[2001:db8:cafe::17]:4711\""], "2001:db8:cafe::17");
        check(&["for=_hidden"], "10.0.0.1");
        check(&["proto=https"], "10.0.0.1");
    }
}
