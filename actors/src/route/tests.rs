//! What is asked for, and where it goes.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use super::*;
use crate::config::{Codec, GuardConfig, SipListener, SrtpPolicy};
use crate::trunk::config::TrunkTarget;

/// With UDP and TCP on two addresses of one family, and these peers.
fn sip(peers: &[&str]) -> SipConfig {
    let listener = |address: &str| SipListener {
        speaks: Speaks::UdpAndTcp,
        listen: format!("{address}:5060").parse().unwrap(),
        advertised: [203, 0, 113, 1].into(),
    };
    SipConfig {
        listeners: vec![listener("192.0.2.1"), listener("192.0.2.2")],
        tls: None,
        dns_servers: Vec::new(),
        session_expires: None,
        ring: Duration::ZERO,
        ring_timeout: Duration::from_secs(60),
        direct_calls: peers.iter().map(|peer| peer.parse().unwrap()).collect(),
        connections_max: 1,
        connections_per_source_max: 1,
        connection_quiet_max: Duration::from_secs(900),
        guard: GuardConfig::default(),
        codecs: vec![Codec::Pcmu],
        srtp: SrtpPolicy::Off,
        accept_unknown: false,
    }
}

fn asked(to: &str, from: Option<&str>) -> PlaceCall {
    PlaceCall {
        to: PhoneNumber::new(to),
        from: from.map(PhoneNumber::new),
        assistant: None,
        trunk: None,
        terms: CallTerms::default(),
    }
}

/// The route as `URI from`, or what is wrong.
fn check(peers: &[&str], to: &str, from: Option<&str>, expected: &str) {
    let found = match route(&sip(peers), &Trunks::default(), &asked(to, from)) {
        Ok(route) => format!("{} {}", route.request_uri, route.from),
        Err(PlaceRefusal::Asked(error)) => error.to_string(),
        Err(PlaceRefusal::Node(refusal)) => refusal.to_string(),
    };
    assert_eq!(found, expected, "{to}");
}

#[test]
fn a_listed_host_is_called_from_our_address() {
    let peers = ["pbx.example", "198.51.100.0/24", "2001:db8::/32"];
    let from = Some("+15550100");
    let own = "<sip:+15550100@203.0.113.1>";
    check(&peers, "sip:ada@PBX.example", from, &format!("sip:ada@PBX.example {own}"));
    check(&peers, "SIP:198.51.100.255:5070;transport=tcp", from, &format!("sip:198.51.100.255:5070;transport=tcp {own}"));
    check(&peers, "sip:ada@pbx.example", None, "sip:ada@pbx.example \"Anonymous\" <sip:anonymous@anonymous.invalid>");
    let own = Some("sip:office@example.com");
    check(&peers, "sip:ada@pbx.example", own, "sip:ada@pbx.example <sip:office@example.com>");
}

#[test]
fn what_is_not_listed_is_not_called() {
    let peers = ["pbx.example", "198.51.100.0/24"];
    let not = |host: &str| format!("to: {host} is not in sip.direct_calls");
    check(&[], "sip:ada@127.0.0.1", None, &not("127.0.0.1"));
    check(&peers, "sip:ada@198.51.101.0", None, &not("198.51.101.0"));
    check(&peers, "sip:pbx.example@evil.example", None, &not("evil.example"));
    check(&peers, "sip:ada@sub.pbx.example", None, &not("sub.pbx.example"));
    check(&peers, "sip:ada@pbx.example;maddr=203.0.113.9", None, "to: parameter \"maddr\" of a URI is not taken");
    check(&peers, "sip:ada@pbx.example?Route=x", None, "to: a password or headers in a URI are not taken");
    check(&peers, "sip:ada:pw@pbx.example", None, "to: a password or headers in a URI are not taken");
}

#[test]
fn numbers_and_trunks_wait_for_trunks() {
    let needs = "to: a number needs a trunk, and there is none; a sip: URI of a host in sip.direct_calls does not";
    for number in ["+15550100", "100", "tel:+15550100", ""] {
        check(&["pbx.example"], number, None, needs);
    }
    let asked = PlaceCall { trunk: Some("carrier".to_owned()), ..asked("+15550100", None) };
    let refused = route(&sip(&[]), &Trunks::default(), &asked).unwrap_err();
    assert_eq!(refused, PlaceRefusal::Asked(NoRoute::new("trunk_id", "there is no trunk \"carrier\"")));
}

#[test]
fn what_cannot_be_reached_is_told_before_it_is_tried() {
    let peers = ["pbx.example", "2001:db8::/32"];
    check(&peers, "sip:[2001:db8::9]", None, "to: is of an address family that no listener of sip.listen has");
    let tls = "to: needs TLS, and there is no certificate: sip.tls_cert";
    check(&peers, "sips:ada@pbx.example", None, tls);
    check(&peers, "sip:ada@pbx.example;transport=tls", None, tls);
    check(&peers, "sip:ada@pbx.example;transport=sctp", None, "to: transport \"sctp\" is not spoken here");
    check(&peers, "sip:ada@", None, "to: is not a SIP URI: host is malformed");
}

#[test]
fn who_calls_is_a_number_a_user_or_an_address() {
    let wrong = "from: is no number and no SIP user (1 to 64 characters)";
    for from in ["", "a b", "a@b", "a\r\nVia: x", "<a>", &"9".repeat(65)] {
        check(&["h"], "sip:h", Some(from), wrong);
    }
    check(&["h"], "sip:h", Some("sip:a@b;x=y"), "from: a password, headers or parameters in a URI are not taken");
    check(&["h"], "sip:h", Some("sip:a@b\r\nVia: x"), "from: is not a SIP URI: uri holds a character that must be escaped");
}

#[test]
fn peers_are_names_addresses_and_networks() {
    for (text, shown) in
        [("a.example", "a.example"), ("192.0.2.1", "192.0.2.1/32"), ("::1", "::1/128"), ("10.0.0.0/8", "10.0.0.0/8")]
    {
        assert_eq!(text.parse::<DirectPeer>().unwrap().to_string(), shown);
    }
    for text in ["", "10.0.0.0/33", "::/129", "a.example/8", "a b", "10.0.0.0/x"] {
        assert!(text.parse::<DirectPeer>().is_err(), "{text}");
    }
    let everything: DirectPeer = "0.0.0.0/0".parse().unwrap();
    assert!(everything.covers(&Host::Address([203, 0, 113, 7].into())));
    assert!(!everything.covers(&Host::Name("a.example".to_owned())), "a name is not an address");
    assert!(!everything.covers(&Host::Address("::1".parse().unwrap())));
    let mapped = Host::Address("::ffff:203.0.113.7".parse().unwrap());
    assert!(everything.covers(&mapped), "an IPv4 address in IPv6 clothes is one");
}

/// The route over one of these trunks, as `URI via next hop from`, or what is wrong.
fn check_trunks(trunks: &[(&str, &str)], name: Option<&str>, to: &str, expected: &str) {
    let carrier = |(name, prefix): &(&str, &str)| {
        let mut carrier = crate::trunk::tests::trunk(name);
        carrier.allowed_prefixes = vec![(*prefix).to_owned()];
        let uri = format!("sip:198.51.100.9;transport=tcp;x={name}").parse().unwrap();
        carrier.targets = vec![TrunkTarget { uri, priority: 1, weight: 1 }];
        carrier.domain = Some("carrier.example".parse().unwrap());
        carrier
    };
    let trunks = Trunks::new(trunks.iter().map(carrier).collect());
    let asked = PlaceCall { trunk: name.map(str::to_owned), ..asked(to, Some("+4989 1")) };
    let found = match route(&sip(&["pbx.example"]), &trunks, &asked) {
        Ok(route) => {
            let name = route.trunk.as_ref().map(|trunk| trunk.name.to_string());
            format!("{} {} {} {} {}", route.request_uri, route.next_hop.unwrap(), route.caller, route.called, name.unwrap())
        }
        Err(PlaceRefusal::Asked(error)) => error.to_string(),
        Err(PlaceRefusal::Node(refusal)) => refusal.to_string(),
    };
    assert_eq!(found, expected, "{to} by {name:?}");
}

#[test]
fn numbers_go_by_the_trunk_that_permits_them() {
    let both = [("a", "+1"), ("b", "+49")];
    let by = |name: &str, called: &str| {
        format!(
            "sip:{called}@carrier.example;transport=tcp;x={name} sip:198.51.100.9;transport=tcp;x={name} +49891 {called} {name}"
        )
    };
    check_trunks(&both, None, "+49 30 1", &by("b", "+49301"));
    check_trunks(&both, None, "+1 555 0100", &by("a", "+15550100"));
    check_trunks(&both, Some("b"), "+49301", &by("b", "+49301"));
    let prefix = "to: the trunk's allowed_prefixes do not permit this number";
    check_trunks(&both, Some("a"), "+49301", prefix);
    check_trunks(&both, None, "+33", prefix);
    check_trunks(&[("a", "1"), ("b", "1")], None, "112", "to: emergency numbers are not called");
    check_trunks(&both, Some("a"), "sip:ada@pbx.example", "to: the number to call is no number");
    check_trunks(&both, Some("c"), "+1", "trunk_id: there is no trunk \"c\"");
}
