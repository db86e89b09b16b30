//! What dialogs remember, from messages in, requests out.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::message::{self, Message, StatusCode};

const INVITE: &str = "INVITE sip:bob@b.example SIP/2.0\r\n\
     Via: SIP/2.0/UDP a.example;branch=z9hG4bK1\r\n\
     Record-Route: <sip:p2.example;lr>\r\n\
     Record-Route: <sip:p1.example;lr>\r\n\
     From: \"Alice\" <sip:alice@a.example>;tag=a\r\n\
     To: <sip:bob@b.example>\r\n\
     Call-ID: c1\r\n\
     CSeq: 7 INVITE\r\n\
     Contact: <sip:alice@192.0.2.4:5070>\r\n\
     Content-Length: 0\r\n\r\n";

fn request(text: &str) -> Request {
    match message::parse(text.as_bytes()).unwrap().message {
        Message::Request(request) => request,
        Message::Response(_) => panic!("a response"),
    }
}

/// The lines of a request that a dialog decides.
fn check(request: &Request, expected: &[&str]) {
    let mut lines = vec![format!("{} {}", request.method, request.uri)];
    for name in [name::ROUTE, name::FROM, name::TO, name::CALL_ID, name::CSEQ] {
        lines.extend(request.headers.get_all(name).map(|value| format!("{name}: {value}")));
    }
    assert_eq!(lines, expected);
}

#[test]
fn callee_takes_routes_in_order_and_numbers_of_its_own() {
    let mut dialog = Dialog::from_invite(&request(INVITE), "b").unwrap();
    assert_eq!(dialog.id().to_string(), "c1;b;a");
    assert_eq!(dialog.next_hop().to_string(), "sip:p2.example;lr");
    check(
        &dialog.request(Method::BYE),
        &[
            "BYE sip:alice@192.0.2.4:5070",
            "Route: <sip:p2.example;lr>",
            "Route: <sip:p1.example;lr>",
            "From: <sip:bob@b.example>;tag=b",
            "To: \"Alice\" <sip:alice@a.example>;tag=a",
            "Call-ID: c1",
            "CSeq: 1 BYE",
        ],
    );
    let second = dialog.request(Method::INFO);
    assert_eq!(second.headers.get(name::CSEQ), Some("2 INFO"));
}

#[test]
fn caller_takes_routes_in_reverse() {
    let [from, to] = ["<sip:alice@a.example>;tag=a", "<sip:bob@b.example>"].map(|text| text.parse().unwrap());
    let mut early = Dialog::to_be_invited("c1", from, to, "sip:bob@b.example".parse().unwrap());
    let invite = early.request(Method::INVITE);
    check(
        &invite,
        &[
            "INVITE sip:bob@b.example",
            "From: <sip:alice@a.example>;tag=a",
            "To: <sip:bob@b.example>",
            "Call-ID: c1",
            "CSeq: 1 INVITE",
        ],
    );
    assert_eq!(early.id().to_string(), "c1;a;");

    let mut ok = Response::to_request(&invite, StatusCode::OK);
    ok.headers.set_to_tag("b");
    ok.headers.push(name::RECORD_ROUTE, "<sip:p2.example;lr>");
    ok.headers.push(name::RECORD_ROUTE, "<sip:p1.example;lr>");
    ok.headers.push(name::CONTACT, "<sip:bob@192.0.2.9>");
    let dialog = early.answered(&ok);
    assert_eq!(dialog.id().to_string(), "c1;a;b");
    check(
        &dialog.ack(1),
        &[
            "ACK sip:bob@192.0.2.9",
            "Route: <sip:p1.example;lr>",
            "Route: <sip:p2.example;lr>",
            "From: <sip:alice@a.example>;tag=a",
            "To: <sip:bob@b.example>;tag=b",
            "Call-ID: c1",
            "CSeq: 1 ACK",
        ],
    );
}

#[test]
fn older_numbers_are_out_of_order() {
    let mut dialog = Dialog::from_invite(&request(INVITE), "b").unwrap();
    let judged = [8, 7, 8, 20, 19].map(|number| dialog.handle_request_cseq(number));
    assert_eq!(judged, [true, false, true, true, false]);
}

#[test]
fn target_moves_with_the_contact() {
    let mut dialog = Dialog::from_invite(&request(INVITE), "b").unwrap();
    dialog.refresh_target(&request(&INVITE.replace("192.0.2.4:5070", "192.0.2.5")).headers);
    assert_eq!(dialog.request(Method::BYE).uri.to_string(), "sip:alice@192.0.2.5");
    dialog.refresh_target(&request(&INVITE.replace("Contact:", "X:")).headers);
    assert_eq!(dialog.request(Method::BYE).uri.to_string(), "sip:alice@192.0.2.5");
}

#[test]
fn rfc_2543_peer_has_no_tag_and_no_contact() {
    let old = INVITE.replace(";tag=a", "").replace("Contact:", "X:");
    let mut dialog = Dialog::from_invite(&request(&old), "b").unwrap();
    assert_eq!(dialog.id().to_string(), "c1;b;");
    assert_eq!(dialog.request(Method::BYE).uri.to_string(), "sip:alice@a.example");
}
