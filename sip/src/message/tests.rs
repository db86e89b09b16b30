//! What is read from messages, what is refused, and what is written.
#![allow(clippy::unwrap_used)]

mod answers;
mod headers;

use super::*;

const INVITE: &str = "INVITE sip:100@offhook.test SIP/2.0\r\n\
    Via: SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKa;rport\r\n\
    Max-Forwards: 70\r\n\
    From: \"Alice\" <sip:+15550100@carrier.test>;tag=f\r\n\
    To: <sip:100@offhook.test>\r\n\
    Call-ID: c1\r\n\
    CSeq: 1 INVITE\r\n\
    Contact: <sip:alice@192.0.2.1:5070>\r\n\
    Content-Type: application/sdp\r\n\
    Content-Length: 4\r\n\r\nv=0\n";

const OK: &str = "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKb\r\nFrom: <sip:a@b>;tag=f\r\n\
    To: <sip:b@b>;tag=t\r\nCall-ID: c1\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n";

/// The INVITE with `old` replaced; with both empty, as it is.
fn invite_with(old: &str, new: &str) -> String {
    assert!(INVITE.contains(old), "{old}");
    INVITE.replacen(old, new, 1)
}

fn request(text: &str) -> Request {
    match parse(text.as_bytes()).unwrap().message {
        Message::Request(request) => request,
        Message::Response(response) => panic!("{response:?} is no request"),
    }
}

/// Parses any bytes: start line, number of headers, body and warnings; or status and fault.
fn check_parse(bytes: impl AsRef<[u8]>, expected: &str) {
    let found = match parse(bytes.as_ref()) {
        Ok(Parsed { message: Message::Request(r), warnings }) => {
            format!("{} {} {} {:?} {warnings:?}", r.method, r.uri, r.headers.len(), r.body)
        }
        Ok(Parsed { message: Message::Response(r), warnings }) => {
            format!("{} {} {} {:?} {warnings:?}", r.status, r.reason, r.headers.len(), r.body)
        }
        Err(ParseError { reason, status: Some(status), .. }) => format!("{status} {reason}"),
        Err(ParseError { reason, .. }) => format!("dropped: {reason}"),
    };
    assert_eq!(found, expected);
}

fn check_invite(old: &str, new: &str, expected: &str) {
    check_parse(invite_with(old, new), expected);
}

#[test]
fn an_ordinary_message_gives_no_warning() {
    check_parse(INVITE, "INVITE sip:100@offhook.test 8 b\"v=0\\n\" []");
    check_parse(OK, "200 OK 5 b\"\" []");
}

#[test]
fn what_is_odd_but_clear_is_taken_with_a_warning() {
    check_parse(format!("\r\n\r\n{INVITE}"), "INVITE sip:100@offhook.test 8 b\"v=0\\n\" []");
    check_parse(INVITE.replace("\r\n", "\n"), "INVITE sip:100@offhook.test 8 b\"v=0\\n\" [BareLineFeed]");
    check_parse(format!("{INVITE}more"), "INVITE sip:100@offhook.test 8 b\"v=0\\n\" [BytesAfterBody(4)]");
    check_parse(OK.trim_ascii_end(), "200 OK 5 b\"\" [NoBlankLine]");
    check_invite("Max-Forwards: 70\r\n", "", "INVITE sip:100@offhook.test 7 b\"v=0\\n\" [NoMaxForwards]");
    check_invite("Max-", "no colon\r\n: x\r\nb d: x\r\nMax-", "INVITE sip:100@offhook.test 8 b\"v=0\\n\" [LineSkipped]");
    check_invite(
        "SIP/2.0\r\nVia",
        "SIP/2.0\r\n folded: start line\r\nVia",
        "INVITE sip:100@offhook.test 8 b\"v=0\\n\" [LineSkipped]",
    );
    check_invite("Content-Length: 4\r\n", "", "INVITE sip:100@offhook.test 8 b\"v=0\\n\" []");
    check_parse(OK.replace("200 OK", "200"), "200  5 b\"\" []");
}

#[test]
fn bytes_that_are_not_utf_8_are_replaced_in_headers_and_kept_in_the_body() {
    let mut bytes = INVITE.replace("Alice", "Al\u{1}ce").into_bytes();
    let at = bytes.iter().position(|b| *b == 1).unwrap();
    bytes[at] = 0xff;
    let last = bytes.len() - 1;
    bytes[last] = 0xfe;
    check_parse(&bytes, "INVITE sip:100@offhook.test 8 b\"v=0\\xfe\" [NotUtf8]");
}

#[test]
fn broken_messages_without_an_answer_are_dropped() {
    check_parse("", "dropped: message is empty");
    check_parse("\r\n\r\n", "dropped: message is empty");
    check_parse("hello", "dropped: start line is malformed");
    check_parse("a@b sip:x SIP/2.0\r\n\r\n", "dropped: start line is malformed");
    check_parse("INVITE sip:a@b SIP/2.0\r\n\r\n", "dropped: Via is missing");
    check_parse(OK.replace("200", "99"), "dropped: status code is not one from 100 to 699");
    check_parse(OK.replace("200", "700"), "dropped: status code is not one from 100 to 699");
    check_parse(OK.replace("200", "+20"), "dropped: status code is not one from 100 to 699");
    check_parse(OK.replace("SIP/2.0 200", "SIP/3.0 200"), "dropped: version is not SIP/2.0");
    check_parse(OK.replace("SIP/2.0 200 OK", "SIP/2.0"), "dropped: start line is malformed");
    check_parse(OK.replace("Call-ID: c1", "Call-ID:"), "dropped: Call-ID is missing");
    check_parse(INVITE.replace("INVITE", "ACK").replace("Call-ID: c1\r\n", ""), "dropped: Call-ID is missing");
    check_parse(vec![b'a'; MAX_MESSAGE_BYTES + 1], "dropped: message of 65537 bytes is too large");
}

#[test]
fn broken_requests_are_answered() {
    check_invite("SIP/2.0\r\nVia", "SIP/3.0\r\nVia", "505 version is not SIP/2.0");
    check_invite("SIP/2.0\r\nVia", "HTTP/1.1\r\nVia", "400 start line is malformed");
    check_invite("sip:100@", "100@", "400 request uri: uri has no scheme");
    check_invite("UDP 192", "UDP192", "400 Via is malformed");
    check_invite("SIP/2.0/UDP", "SIP/3.0/UDP", "400 Via is malformed");
    check_invite("From:", "X-From:", "400 From is missing");
    check_invite("To: <", "To: \"<", "400 To is malformed");
    check_invite("Call-ID: c1", "i: c1\r\nI: c2", "400 Call-ID is repeated");
    check_invite("CSeq: 1 INVITE", "CSeq: 1", "400 CSeq is malformed");
    check_invite("CSeq: 1 INVITE", "CSeq: 2147483648 INVITE", "400 CSeq is malformed");
    check_invite("CSeq: 1 INVITE", "CSeq: 1 invite", "400 cseq method is not the request's");
    check_invite("Max-Forwards: 70", "Max-Forwards: 256", "400 Max-Forwards is malformed");
    check_invite("Contact: <", "Contact: *,<", "400 Contact is malformed");
    check_invite("Contact:", "Route: <x\r\nContact:", "400 Route is malformed");
    check_invite("Contact:", "Record-Route: x\r\nContact:", "400 Record-Route is malformed");
    check_invite("application/sdp", "sdp", "400 Content-Type is malformed");
}

#[test]
fn a_length_that_cannot_be_trusted_is_refused() {
    check_invite("Length: 4", "Length: 5", "400 content-length 5 is more than the 4 bytes there are");
    for length in ["-4", "+4", "4 ", "4x", "", "4, 4", "99999999999999999999"] {
        let expected =
            if length == "4 " { "INVITE sip:100@offhook.test 8 b\"v=0\\n\" []" } else { "400 Content-Length is malformed" };
        check_invite("Length: 4", &format!("Length: {length}"), expected);
    }
    check_invite("Content-Length: 4", "Content-Length: 4\r\nl: 4", "400 Content-Length is repeated");
}

#[test]
fn a_message_over_its_bounds_is_refused() {
    let long = "x".repeat(MAX_LINE_BYTES);
    check_invite("Max-", &format!("N: {long}\r\nMax-"), "513 line of 8193 bytes is too long");
    check_invite("Max-", &format!("N: {}\r\n y\r\nMax-", &long[3..]), "INVITE sip:100@offhook.test 9 b\"v=0\\n\" []");
    check_invite("Max-", &format!("N: {}\r\n y\r\nMax-", &long[2..]), "513 line of 8193 bytes is too long");
    check_invite("100@offhook", &format!("{long}@offhook"), "513 line of 8224 bytes is too long");
    let most = "N: y\r\n".repeat(MAX_HEADERS - 9);
    check_invite("Max-", &format!("{most}Max-"), "INVITE sip:100@offhook.test 127 b\"v=0\\n\" []");
    check_invite("Max-", &format!("{most}N: y\r\nMax-"), "513 message has too many headers");
    check_invite(
        "Max-",
        &format!("Route: {}<sip:z>\r\nMax-", "<sip:z>,".repeat(MAX_HEADERS)),
        "513 message has too many headers",
    );
}
