//! How streams are cut, requests checked, and responses made.

use super::*;

#[test]
fn a_response_carries_what_its_request_is_known_by() {
    let mut request = request(&invite_with(
        "Max-Forwards",
        "Timestamp: 54\r\nVia: SIP/2.0/TCP p.test;branch=z9hG4bKp\r\nRecord-Route: <sip:p.test;lr>\r\nMax-Forwards",
    ));
    request.add_received_rport("198.51.100.7:6000".parse().unwrap());
    let mut ringing = Response::to_request(&request, StatusCode::RINGING);
    ringing.headers.set_to_tag("t");
    ringing.headers.set_to_tag("again");
    assert_eq!(
        String::from_utf8(ringing.to_bytes().to_vec()).unwrap(),
        "SIP/2.0 180 Ringing\r\n\
         Via: SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKa;rport=6000;received=198.51.100.7\r\n\
         Via: SIP/2.0/TCP p.test;branch=z9hG4bKp\r\n\
         Record-Route: <sip:p.test;lr>\r\n\
         From: \"Alice\" <sip:+15550100@carrier.test>;tag=f\r\n\
         To: <sip:100@offhook.test>;tag=t\r\n\
         Call-ID: c1\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
    );
    let names = |status| format!("{:?}", Response::to_request(&request, status).headers);
    assert_eq!(names(StatusCode::TRYING), r#"["Via", "Via", "From", "To", "Call-ID", "CSeq", "Timestamp"]"#);
    assert_eq!(names(StatusCode::BUSY_HERE), r#"["Via", "Via", "From", "To", "Call-ID", "CSeq"]"#);
    assert!(!ringing.has_one_via());
}

#[test]
fn a_to_is_tagged_once_and_else_left_as_it_was() {
    let tagged = |to: &str| {
        let mut headers = Headers::default();
        headers.push("To", to);
        headers.set_to_tag("t");
        headers.get("To").unwrap().to_owned()
    };
    assert_eq!(tagged("A  B<sip:a@b>"), "A  B<sip:a@b>;tag=t");
    assert_eq!(tagged("sip:a@b;x"), "sip:a@b;x;tag=t");
    assert_eq!(tagged("<sip:a@b>;TAG=old"), "<sip:a@b>;TAG=old");
    assert_eq!(tagged("sip:a@b;tag="), "<sip:a@b>;tag=t");
    assert_eq!(tagged("<sip:a@b>;"), "<sip:a@b>;tag=t");
    assert_eq!(tagged("<"), "<");
    let mut none = Headers::default();
    none.set_to_tag("t");
    assert!(none.is_empty());
}

/// What the top Via says after a request came from `source`.
fn check_received(via: &str, source: &str, expected: &str) {
    let mut request = request(&invite_with("SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKa;rport", via));
    request.add_received_rport(source.parse().unwrap());
    assert_eq!(request.headers.get(name::VIA), Some(expected));
}

#[test]
fn the_top_via_is_marked_with_its_source() {
    check_received("SIP/2.0/UDP 192.0.2.1;branch=x", "192.0.2.1:5060", "SIP/2.0/UDP 192.0.2.1;branch=x");
    check_received("SIP/2.0/UDP 192.0.2.1;branch=x", "[::ffff:192.0.2.1]:5060", "SIP/2.0/UDP 192.0.2.1;branch=x");
    check_received("SIP/2.0/UDP h.test;branch=x", "192.0.2.1:5060", "SIP/2.0/UDP h.test;branch=x;received=192.0.2.1");
    check_received("SIP/2.0/UDP 192.0.2.1;rport", "192.0.2.1:7", "SIP/2.0/UDP 192.0.2.1;rport=7;received=192.0.2.1");
    check_received("SIP/2.0/UDP h;received=1.1.1.1", "[2001:db8::1]:7", "SIP/2.0/UDP h;received=2001:db8::1");
}

/// Frames the front of a stream.
fn check_frame(buffer: &str, expected: Framing) {
    assert_eq!(frame(buffer.as_bytes()), expected, "{buffer:?}");
}

#[test]
fn a_stream_is_cut_at_its_messages() {
    for part in ["", "\r", "\r\n", "\r\n\r", "INVITE sip:a", &INVITE[..INVITE.len() - 1], &OK[..OK.len() - 1]] {
        check_frame(part, Framing::NeedMore);
    }
    check_frame("\r\n\r\nINVITE", Framing::Keepalive(4));
    check_frame("\r\nINVITE", Framing::Keepalive(2));
    check_frame(&format!("{INVITE}{OK}"), Framing::Message(INVITE.len()));
    check_frame(&format!("{OK}{INVITE}"), Framing::Message(OK.len()));
    check_frame("A b C\nL:\n\t2\n\nxyz", Framing::Message(15));
}

#[test]
fn a_stream_that_cannot_be_cut_is_invalid() {
    let invalid = |error: HeaderError| Framing::Invalid(error.into());
    check_frame("A b C\r\n\r\n", invalid(HeaderError::Missing("Content-Length")));
    check_frame("A b C\r\nl: -1\r\n\r\n", invalid(HeaderError::Malformed("Content-Length")));
    check_frame("A b C\r\nl: 1\r\nContent-length: 1\r\n\r\n", invalid(HeaderError::Repeated("Content-Length")));
    let head = "A b C\r\nl: 65536\r\n\r\n";
    check_frame(head, Framing::Invalid(ParseFault::TooLarge(head.len() + 65536)));
    let fits = format!("A b C\r\nl: {}\r\n\r\n", MAX_MESSAGE_BYTES - head.len());
    check_frame(&fits, Framing::NeedMore);
    check_frame(&"x".repeat(MAX_MESSAGE_BYTES - 1), Framing::NeedMore);
    check_frame(&"x".repeat(MAX_MESSAGE_BYTES), Framing::Invalid(ParseFault::TooLarge(MAX_MESSAGE_BYTES)));
}

/// Checks the INVITE with `old` replaced: the response that refuses it, or `passes`.
fn check_refusal(old: &str, new: &str, expected: &str) {
    let request = request(&invite_with(old, new));
    let found = check(&request).map_or_else(
        |refusal| {
            let response = refusal.response(&request);
            let extra = refusal.headers.iter().map(|(name, value)| format!(" {name}: {value}"));
            format!("{} {}{}", response.status, response.reason, extra.collect::<String>())
        },
        |()| "passes".to_owned(),
    );
    assert_eq!(found, expected, "{new}");
}

#[test]
fn a_request_is_checked_before_any_state_is_known() {
    check_refusal("", "", "passes");
    check_refusal("INVITE sip:100@offhook.test", "INVITE tel:+15550100", "passes");
    check_refusal("INVITE sip:100@offhook.test", "INVITE urn:service:sos", "416 Unsupported Uri Scheme");
    check_refusal("offhook.test SIP", "offhook.test?Subject=x SIP", "400 Bad Request");
    check_refusal("Contact", "Require: precondition,gruu\r\nContact", "420 Bad Extension Unsupported: precondition, gruu");
    check_refusal("application/sdp", "multipart/mixed;boundary=x", "415 Unsupported Media Type Accept: application/sdp");
    check_refusal("Content-Type: application/sdp\r\n", "", "415 Unsupported Media Type Accept: application/sdp");
    check_refusal("Contact", "e: gzip\r\nContact", "415 Unsupported Media Type Accept-Encoding: identity");
    check_refusal("application/sdp", "text/plain\r\nContent-Disposition: render; handling = optional", "passes");
    check_refusal("Contact", "Accept: text/plain\r\nContact", "406 Not Acceptable");
    check_refusal("Contact", "Accept: text/plain, application/*\r\nContact", "passes");
    check_refusal("Contact", "Accept: x\r\nContact", "400 Bad Request");
    check_refusal("70", "0", "passes");
}

#[test]
fn each_method_is_checked_as_it_may_be() {
    let as_method = |method: &str, more: &str| {
        let text = INVITE.replace("INVITE", method).replace("Contact", more).replace("application/sdp", "text/plain");
        check(&request(&text)).map_err(|refusal| refusal.status)
    };
    assert_eq!(as_method("ACK", "Require: x\r\nContact"), Ok(()));
    assert_eq!(as_method("CANCEL", "Require: x\r\nContact"), Ok(()));
    assert_eq!(as_method("BYE", "Require: x\r\nContact"), Err(StatusCode::BAD_EXTENSION));
    assert_eq!(as_method("BYE", "Contact"), Ok(()));
    assert_eq!(as_method("REGISTER", "Contact"), Err(StatusCode::METHOD_NOT_ALLOWED));
    assert_eq!(as_method("bye", "Contact"), Err(StatusCode::NOT_IMPLEMENTED));
}
