//! Where an in-dialog request goes, without DNS.

use std::net::{IpAddr, SocketAddr};

use crate::flow::Flow;
use crate::uri::Uri;

/// The flow for a request whose first route or target is `uri`.
///
/// A connection is reused. Over UDP an address in the URI is obeyed (RFC 3261 §8.1.2), unless it cannot be meant for us:
/// a name needs DNS, which a proxy at the last seen source has already done; a private address of a public peer is one
/// behind NAT. Both go to where the peer was last seen.
pub(super) fn next_hop(seen: Flow, uri: &Uri) -> Flow {
    let address = uri.host().and_then(|host| host.address());
    let reachable = |address: &IpAddr| {
        address.is_ipv4() == seen.remote.is_ipv4()
            && !address.is_unspecified()
            && (!is_private(*address) || is_private(seen.remote.ip()))
    };
    match address.filter(reachable) {
        Some(address) if !seen.transport.is_reliable() => {
            let port = uri.port().unwrap_or(seen.transport.default_port());
            Flow { remote: SocketAddr::new(address, port), ..seen }
        }
        _ => seen,
    }
}

/// An address that means something in one network only.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let shared = address.octets()[0] == 100 && address.octets()[1] & 0xc0 == 64;
            address.is_private() || address.is_loopback() || address.is_link_local() || shared
        }
        IpAddr::V6(address) => address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::flow::Transport;

    fn check(transport: Transport, seen: &str, uri: &str, expected: &str) {
        let seen = Flow { transport, local: "192.0.2.1:5060".parse().unwrap(), remote: seen.parse().unwrap() };
        assert_eq!(next_hop(seen, &uri.parse().unwrap()).remote.to_string(), expected, "{uri} seen at {seen:?}");
    }

    #[test]
    fn contact_is_obeyed_when_it_can_be_reached() {
        check(Transport::Udp, "198.51.100.7:5060", "sip:a@203.0.113.9:5070", "203.0.113.9:5070");
        check(Transport::Udp, "198.51.100.7:5066", "sip:a@198.51.100.7", "198.51.100.7:5060");
        check(Transport::Udp, "127.0.0.1:5066", "sip:a@127.0.0.1:6000", "127.0.0.1:6000");
    }

    #[test]
    fn last_seen_source_stands_in_for_what_cannot_be_reached() {
        for uri in [
            "sip:a@pbx.example.com:5070",
            "sip:a@192.168.1.4:5070",
            "sip:a@100.64.0.1",
            "sip:a@127.0.0.1:5070",
            "sip:a@0.0.0.0:5070",
            "sip:a@[2001:db8::1]:5070",
            "tel:+15550100",
        ] {
            check(Transport::Udp, "198.51.100.7:1024", uri, "198.51.100.7:1024");
        }
    }

    #[test]
    fn connection_is_reused() {
        check(Transport::Tcp, "198.51.100.7:40000", "sip:a@198.51.100.7:5060", "198.51.100.7:40000");
    }
}
