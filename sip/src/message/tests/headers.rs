//! What headers, Vias and status codes are read as and how they are changed.

use super::*;

#[test]
fn compact_folded_and_listed_headers_are_one_thing() {
    let text =
        invite_with("Via: SIP/2.0/UDP", "v : SIP / 2.0\r\n\t/ TCP a.test:1 ; branch = x , SIP/2.0/UDP").replace("From:", "F\t:");
    let headers = request(&text).headers;
    let vias: Vec<String> = headers.get_all("VIA").map(str::to_owned).collect();
    assert_eq!(vias, ["SIP / 2.0 / TCP a.test:1 ; branch = x", "SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKa;rport"]);
    let top = headers.top_via().unwrap();
    assert_eq!(top.to_string(), "SIP/2.0/TCP a.test:1;branch=x");
    assert_eq!((top.branch(), top.unique_branch()), (Some("x"), None));
    assert_eq!(headers.from().unwrap().tag(), Some("f"));
}

#[test]
fn every_compact_form_is_expanded() {
    let forms = "a b c d e f i j k l m o r s t u v x y".split(' ').map(|form| header::canonical(form).into_owned());
    assert_eq!(
        forms.collect::<Vec<_>>().join(" "),
        "Accept-Contact Referred-By Content-Type Request-Disposition Content-Encoding From Call-ID Reject-Contact \
         Supported Content-Length Contact Event Refer-To Subject To Allow-Events Via Session-Expires Identity"
    );
    assert_eq!(header::canonical("z"), "z");
}

#[test]
fn headers_are_read_as_their_types() {
    let text = invite_with(
        "Max-Forwards: 70",
        "Max-Forwards: 0070\r\nRoute: <sip:p1;lr>, <sip:p2>\r\nRecord-Route: <sip:p3;lr>\r\nAllow: INVITE,,ACK\r\n\
         Allow: BYE\r\nAccept: application/sdp;q=1, text/*\r\nExpires: 60\r\nRetry-After: 5 (busy);duration=3",
    );
    let headers = request(&text).headers;
    assert_eq!(headers.max_forwards(), Ok(Some(70)));
    assert_eq!(headers.routes().unwrap().len(), 2);
    assert!(headers.routes().unwrap()[0].uri.as_sip().unwrap().is_loose_router());
    assert_eq!(headers.record_routes().unwrap()[0].to_string(), "<sip:p3;lr>");
    assert_eq!(headers.list(name::ALLOW).collect::<Vec<_>>(), ["INVITE", "ACK", "BYE"]);
    assert!(headers.lists("allow", "bye"));
    let accept = headers.accept().unwrap().unwrap();
    assert!(accept[0].accepts("application/sdp") && accept[1].accepts("text/plain") && !accept[1].accepts("image/png"));
    assert_eq!(headers.expires(), Ok(Some(60)));
    assert_eq!(headers.retry_after(), Ok(Some(5)));
    assert!(headers.content_type().unwrap().unwrap().is("application/SDP"));
    assert_eq!(headers.contact().unwrap().unwrap().to_string(), "<sip:alice@192.0.2.1:5070>");
    assert_eq!(headers.cseq(), Ok(CSeq::new(1, Method::INVITE)));
}

#[test]
fn headers_say_when_they_are_missing_malformed_or_repeated() {
    let mut headers = Headers::default();
    assert_eq!(headers.top_via(), Err(HeaderError::Missing("Via")));
    assert_eq!(headers.call_id(), Err(HeaderError::Missing("Call-ID")));
    assert_eq!((headers.max_forwards(), headers.content_type(), headers.accept()), (Ok(None), Ok(None), Ok(None)));
    assert_eq!(headers.contacts(), Ok(Contacts::These(Vec::new())));
    headers.push("Contact", "*");
    assert_eq!((headers.contacts(), headers.contact()), (Ok(Contacts::All), Ok(None)));
    headers.push("Expires", "4294967296");
    headers.push("Accept", "sdp");
    assert_eq!(headers.expires(), Err(HeaderError::Malformed("Expires")));
    assert_eq!(headers.accept(), Err(HeaderError::Malformed("Accept")));
    headers.push("e", "1");
    headers.push("Expires", "1");
    assert_eq!(headers.expires(), Err(HeaderError::Repeated("Expires")));
}

#[test]
fn headers_keep_their_order_when_changed() {
    let mut headers = Headers::default();
    for (name, value) in [("Via", "1"), ("X-A", "a"), ("v", "2"), ("x-a", "b"), ("X-B", "c")] {
        headers.push(name, value);
    }
    let shown = |headers: &Headers| headers.iter().map(|(n, v)| format!("{n}:{v}")).collect::<Vec<_>>().join(" ");
    headers.push_front("VIA", "0");
    assert_eq!(shown(&headers), "Via:0 Via:1 X-A:a Via:2 x-a:b X-B:c");
    headers.set_first("via", "9");
    headers.set("X-A", "z");
    headers.set("new", "n");
    assert_eq!(shown(&headers), "Via:9 Via:1 X-A:z Via:2 X-B:c new:n");
    assert_eq!(headers.remove_first("v"), Some("9".to_owned()));
    headers.remove("x-b");
    assert_eq!(shown(&headers), "Via:1 X-A:z Via:2 new:n");
    assert_eq!((headers.len(), headers.is_empty(), headers.remove_first("x")), (4, false, None));
}

#[test]
fn a_line_break_cannot_be_written_into_a_header() {
    let mut response = Response::to_request(&request(INVITE), StatusCode::OK);
    response.headers.push("Reason", "a\r\nX: y");
    response.reason = "O\r\nK".to_owned();
    let text = String::from_utf8(response.to_bytes().to_vec()).unwrap();
    assert!(text.starts_with("SIP/2.0 200 O  K\r\n") && text.contains("\r\nReason: a  X: y\r\n"));
}

#[test]
fn a_via_of_ours_is_read_as_it_was_made() {
    let via = Via::new("UDP", "[2001:db8::1]:5070".parse().unwrap(), "z9hG4bKx");
    assert_eq!(via.to_string(), "SIP/2.0/UDP [2001:db8::1]:5070;branch=z9hG4bKx;rport");
    assert_eq!(via.to_string().parse::<Via>(), Ok(via.clone()));
    assert_eq!((via.unique_branch(), via.wants_rport(), via.rport(), via.received()), (Some("z9hG4bKx"), true, None, None));
}

#[test]
fn status_codes_have_their_class_and_words() {
    let shown = |code: u16| {
        let status = StatusCode::new(code).unwrap();
        format!("{status} {} {} {} {}", status.reason(), status.is_provisional(), status.is_success(), status.is_final())
    };
    assert_eq!(shown(100), "100 Trying true false false");
    assert_eq!(shown(200), "200 OK false true true");
    assert_eq!(shown(486), "486 Busy Here false false true");
    let unknown = [199 - 1, 299, 399, 499, 599, 699].map(|code| StatusCode::new(code).unwrap().reason());
    assert_eq!(unknown, ["Progress", "OK", "Redirection", "Request Failure", "Server Failure", "Global Failure"]);
    assert_eq!((StatusCode::new(99), StatusCode::new(700)), (None, None));
}

/// rsip's grammar is the stricter one: what we write must do for it too.
#[test]
fn what_we_write_is_read_by_rsip_as_a_second_opinion() {
    use rsip::headers::ToTypedHeader;
    use rsip::message::HeadersExt;

    let request = request(INVITE);
    let theirs = rsip::Request::try_from(request.to_bytes()).unwrap();
    assert_eq!(theirs.method, rsip::Method::Invite);
    assert_eq!(theirs.uri.to_string(), request.uri.to_string());
    assert_eq!(theirs.via_header().unwrap().typed().unwrap().branch().unwrap().value(), "z9hG4bKa");
    assert_eq!(theirs.from_header().unwrap().typed().unwrap().tag().unwrap().value(), "f");
    assert_eq!(theirs.cseq_header().unwrap().typed().unwrap().seq, 1);
    assert_eq!(theirs.body, request.body);

    let mut response = Response::to_request(&request, StatusCode::BUSY_HERE);
    response.headers.set_to_tag("t");
    let theirs = rsip::Response::try_from(response.to_bytes()).unwrap();
    assert_eq!(theirs.status_code, rsip::StatusCode::BusyHere);
    assert_eq!(theirs.to_header().unwrap().typed().unwrap().tag().unwrap().value(), "t");
    assert_eq!(theirs.headers.iter().count(), response.headers.len() + 1);
}

#[test]
fn logs_show_no_header_values() {
    assert_eq!(
        format!("{:?}", request(INVITE)),
        "INVITE sip:***@offhook.test [\"Via\", \"Max-Forwards\", \"From\", \"To\", \"Call-ID\", \"CSeq\", \"Contact\", \
         \"Content-Type\"] + 4 bytes"
    );
}
