//! The torture messages of RFC 5118 (SIP over IPv6), each by name: what is answered to it, and what is understood of it.
//!
//! The RFC prints them with line breaks of its own and with Content-Lengths that do not fit; here
//! each has the length of its body.
#![allow(clippy::unwrap_used)]

mod torture;

use std::collections::BTreeSet;

use sip::message::{Message, parse};
use sip::sdp::{LocalMedia, SdpError, SessionDescription, answer};
use torture::{NOT_A_REGISTRAR, Row, Suite};

const SUITE: Suite = Suite("rfc5118");

const MESSAGES: &[Row] = &[
    // §4.1
    Row(
        "ipv6-good",
        NOT_A_REGISTRAR,
        &[
            ("uri.host", "[2001:db8::10]"),
            ("via.0.host", "[2001:db8::9:1]"),
            ("contact.0.user", "caller"),
            ("contact.0.uri.host", "[2001:db8::1]"),
        ],
    ),
    // §4.2: no brackets, so nobody can tell the address from a port.
    Row("ipv6-bad", "400 request uri: port is malformed", &[]),
    // §4.3: whoever wrote it may have meant a port; by the grammar it is part of the address.
    Row("port-ambiguous", NOT_A_REGISTRAR, &[("uri.host", "[2001:db8::10:5070]"), ("uri", "sip:[2001:db8::10:5070]")]),
    // §4.4
    Row("port-unambiguous", NOT_A_REGISTRAR, &[("uri.host", "[2001:db8::10]"), ("uri.port", "5070")]),
    // §4.5: by the grammar without brackets, and both are taken.
    Row(
        "via-received-param-with-delim",
        "taken",
        &[("via.0.host", "[2001:db8::9:1]"), ("via.0.received", "2001:db8::9:255"), ("via.0.branch", "z9hG4bKas3-111")],
    ),
    Row(
        "via-received-param-no-delim",
        "taken",
        &[("via.0.host", "[2001:db8::9:1]"), ("via.0.received", "2001:db8::9:255"), ("via.0.branch", "z9hG4bKas3")],
    ),
    // §4.6
    Row(
        "ipv6-in-sdp",
        "taken",
        &[("uri.user", "user"), ("uri.host", "[2001:db8::10]"), ("contact.0.uri.host", "[2001:db8::20]"), ("body", "251")],
    ),
    // §4.7
    Row(
        "mult-ip-in-header",
        "taken",
        &[
            ("vias", "3"),
            ("via.0", "SIP/2.0/UDP [2001:db8::9:1]:6050;branch=z9hG4bKas3-111"),
            ("via.1.host", "192.0.2.1"),
            ("via.2.host", "[2001:db8::9:255]"),
            ("via.2.transport", "TCP"),
            ("via.2.received", "192.0.2.200"),
        ],
    ),
    // §4.8
    Row("mult-ip-in-sdp", "taken", &[("via.0.host", "[2001:db8::9:1]"), ("body", "189")]),
    // §4.9
    Row(
        "ipv4-mapped-ipv6",
        "taken",
        &[
            ("via.0.host", "[::ffff:192.0.2.10]"),
            ("via.1.host", "[::ffff:192.0.2.2]"),
            ("contact.0.name", "T. desk phone"),
            ("contact.0.uri.host", "[::ffff:192.0.2.2]"),
            ("body", "245"),
        ],
    ),
    // §4.10: what the grammar of RFC 3261 once made; it is taken, and never written.
    Row("ipv6-bug-abnf-3-colons", "taken", &[("uri", "sip:user@[2001:db8::c000:201]")]),
    Row("ipv6-correct-abnf-2-colons", "taken", &[("uri.host", "[2001:db8::c000:201]")]),
];

/// What each body that is an offer leads to, for us at this address.
fn offered(name: &str, ours: &str) -> Result<String, SdpError> {
    let Ok(Message::Request(request)) = parse(&SUITE.load(name)).map(|parsed| parsed.message) else { panic!("{name}") };
    let offer = SessionDescription::parse(&request.body)?;
    let (_, agreed) = answer(&offer, &LocalMedia::new(ours.parse().unwrap(), 20_000, 1))?;
    Ok(format!("{:?} {}", agreed.codec, agreed.remote_rtp))
}

#[test]
fn each_message_is_taken_or_refused_as_its_row_says() {
    assert_eq!(SUITE.differences(MESSAGES), [""; 0]);
}

#[test]
fn every_message_of_the_rfc_has_its_row() {
    assert_eq!(MESSAGES.len(), 12);
    assert_eq!(MESSAGES.iter().map(|row| row.0.to_owned()).collect::<BTreeSet<_>>(), SUITE.names());
}

#[test]
fn what_was_taken_is_read_back_the_same_after_writing() {
    SUITE.write_and_read_back();
}

#[test]
fn offers_with_addresses_of_both_families_are_answered_line_by_line() {
    assert_eq!(offered("mult-ip-in-sdp", "192.0.2.9").unwrap(), "Pcmu 192.0.2.1:22334");
    // Of their audio only the codec is not ours: G.726.
    assert_eq!(offered("ipv6-in-sdp", "2001:db8::9"), Err(SdpError::NoCommonCodec));
    assert_eq!(offered("ipv4-mapped-ipv6", "192.0.2.9"), Err(SdpError::NoCommonCodec));
}
