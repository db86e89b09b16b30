//! What our messages say, header by header, and where they go.

use super::*;

/// The header of the last response after a script.
fn header(script: &str, name: &str, expected: Option<&str>) {
    let mut bench = Bench::new(EndpointConfig::default(), Transport::Udp);
    bench.run(script);
    let response = bench.last_response.unwrap();
    let found: Vec<&str> = response.headers.get_all(name).collect();
    assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{name} after {script:?}");
}

#[test]
fn responses_say_who_and_what_we_are() {
    let allow = Some("INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, NOTIFY, PRACK, REFER, SUBSCRIBE, UPDATE");
    let contact = Some("<sip:offhook@198.51.100.1:5060;transport=udp>");
    header("OPTIONS", name::ALLOW, allow);
    header("OPTIONS", name::ACCEPT, Some("application/sdp"));
    header("OPTIONS", name::SUPPORTED, Some("100rel, norefersub, replaces, timer"));
    header("MESSAGE", name::ALLOW, allow);
    header("INVITE ring", name::CONTACT, contact);
    header("INVITE answer", name::CONTACT, contact);
    header("INVITE answer", name::ALLOW, allow);
    header("INVITE answer", name::CONTENT_TYPE, Some("application/sdp"));
    header("INVITE refuse:486", name::RETRY_AFTER, Some("3"));
    for script in ["INVITE", "INVITE answer", "OPTIONS", "MESSAGE", "BYE", "CANCEL"] {
        header(script, name::SERVER, Some(concat!("Offhook/", env!("CARGO_PKG_VERSION"))));
    }
    header("INVITE/header=Record-Route:_<sip:p1;lr>", name::RECORD_ROUTE, None);
    header("INVITE/header=Record-Route:_<sip:p1;lr> ring", name::RECORD_ROUTE, Some("<sip:p1;lr>"));
}

#[test]
fn every_final_response_has_one_to_tag() {
    for script in ["OPTIONS", "MESSAGE", "BYE", "CANCEL", "INVITE refuse:486", "INVITE answer", "INVITE ring CANCEL"] {
        let mut bench = Bench::new(EndpointConfig::default(), Transport::Udp);
        bench.run(script);
        let response = bench.last_response.unwrap();
        let to = response.headers.get(name::TO).unwrap();
        assert_eq!(to.matches(";tag=").count(), 1, "{script}: {to}");
        assert!(response.headers.to().unwrap().tag().is_some(), "{script}: {to}");
    }
}

#[test]
fn stateless_refusal_repeated_has_the_same_tag() {
    let mut bench = Bench::new(EndpointConfig::default(), Transport::Udp);
    bench.run("MESSAGE");
    let first = bench.last_response.take();
    bench.run("again");
    assert_eq!(bench.last_response, first);
}

#[test]
fn trying_has_no_tag() {
    let bench = check("INVITE", "100 Invited");
    assert_eq!(bench.last_response.unwrap().headers.to().unwrap().tag(), None);
}

/// Where the answer to OPTIONS goes, and its Via.
fn reply(via: &str, source: &str, expected: &str, expected_via: &str) {
    let mut bench = Bench::new(EndpointConfig::default(), Transport::Udp);
    bench.flow.remote = source.parse().unwrap();
    let request = bench.peer_request("OPTIONS", "");
    let (before, after) = request.split_once("Via: ").unwrap();
    let (_, after) = after.split_once("\r\n").unwrap();
    bench.receive(&format!("{before}Via: {via}\r\n{after}"));
    let transmit = bench.endpoint.poll_transmit().unwrap();
    assert_eq!(transmit.flow.remote.to_string(), expected, "{via}");
    let text = String::from_utf8(transmit.bytes.to_vec()).unwrap();
    assert!(text.contains(&format!("Via: {expected_via}\r\n")), "{text}");
}

#[test]
fn response_goes_where_rfc_3581_says() {
    reply(
        "SIP/2.0/UDP 10.0.0.5:5070;rport;branch=z9hG4bK1",
        "203.0.113.9:1024",
        "203.0.113.9:1024",
        "SIP/2.0/UDP 10.0.0.5:5070;rport=1024;branch=z9hG4bK1;received=203.0.113.9",
    );
    reply(
        "SIP/2.0/UDP 10.0.0.5:5070;branch=z9hG4bK1",
        "203.0.113.9:1024",
        "203.0.113.9:5070",
        "SIP/2.0/UDP 10.0.0.5:5070;branch=z9hG4bK1;received=203.0.113.9",
    );
    reply(
        "SIP/2.0/UDP 203.0.113.9;branch=z9hG4bK1",
        "203.0.113.9:1024",
        "203.0.113.9:5060",
        "SIP/2.0/UDP 203.0.113.9;branch=z9hG4bK1",
    );
    reply(
        "SIP/2.0/UDP host.example;maddr=192.0.2.66;branch=z9hG4bK1",
        "203.0.113.9:1024",
        "203.0.113.9:5060",
        "SIP/2.0/UDP host.example;maddr=192.0.2.66;branch=z9hG4bK1;received=203.0.113.9",
    );
}

#[test]
fn requests_follow_the_route_set() {
    let script = "INVITE/header=Record-Route:_<sip:192.0.2.1;lr>,_<sip:192.0.2.2;lr> answer ACK hangup";
    let bench = check(script, "100 Invited | 200 | Confirmed | BYE");
    let bye = &bench.sent["BYE"];
    assert_eq!(bye.headers.get_all(name::ROUTE).collect::<Vec<_>>(), ["<sip:192.0.2.1;lr>", "<sip:192.0.2.2;lr>"]);
    assert_eq!(bye.uri.to_string(), "sip:alice@203.0.113.9:5060");
    assert_eq!(bye.headers.get(name::REASON), Some("Q.850;cause=16"));
    assert_eq!(bye.headers.get(name::MAX_FORWARDS), Some("70"));
}

#[test]
fn strict_router_gets_its_uri_as_the_request_uri() {
    let script = "INVITE/header=Record-Route:_<sip:192.0.2.1>,_<sip:192.0.2.2;lr> answer ACK hangup";
    let bench = check(script, "100 Invited | 200 | Confirmed | BYE");
    let bye = &bench.sent["BYE"];
    assert_eq!(bye.uri.to_string(), "sip:192.0.2.1");
    let routes: Vec<&str> = bye.headers.get_all(name::ROUTE).collect();
    assert_eq!(routes, ["<sip:192.0.2.2;lr>", "<sip:alice@203.0.113.9:5060>"]);
}

#[test]
fn ack_and_cancel_are_made_as_the_rfc_says() {
    let bench = check("invite 180 hangup 487", "INVITE | Ringing | CANCEL | ACK Terminated");
    let [invite, cancel, ack] = ["INVITE", "CANCEL", "ACK"].map(|method| &bench.sent[method]);
    for request in [cancel, ack] {
        for name in [name::VIA, name::FROM, name::CALL_ID] {
            assert_eq!(request.headers.get(name), invite.headers.get(name));
        }
        assert_eq!(request.uri, invite.uri);
        assert_eq!(request.headers.cseq().unwrap().number, 1);
    }
    assert_eq!(cancel.headers.to().unwrap().tag(), None);
    assert_eq!(ack.headers.to().unwrap().tag(), Some("bob"));

    let bench = check("invite 200", "INVITE | ACK Answered");
    let [invite, ack] = ["INVITE", "ACK"].map(|method| &bench.sent[method]);
    assert_ne!(ack.headers.get(name::VIA), invite.headers.get(name::VIA));
    assert_eq!(ack.uri.to_string(), "sip:bob@203.0.113.9:5060");
}

#[test]
fn advertised_host_is_in_via_and_contact() {
    let local = flow(Transport::Tcp).local;
    let told = Listener { transport: Transport::Tcp, local, host: "sip.example.com".parse().unwrap() };
    let mut bench = Bench::new(EndpointConfig { listeners: vec![told], ..EndpointConfig::default() }, Transport::Tcp);
    bench.run("invite");
    let invite = &bench.sent["INVITE"];
    assert!(invite.headers.get(name::VIA).unwrap().starts_with("SIP/2.0/TCP sip.example.com:5060;branch=z9hG4bK"));
    assert_eq!(invite.headers.get(name::CONTACT), Some("<sip:offhook@sip.example.com:5060;transport=tcp>"));
}

#[test]
fn malformed_requests_are_refused_by_the_parser_s_status() {
    let mut bench = Bench::new(EndpointConfig::default(), Transport::Udp);
    let request = bench.peer_request("OPTIONS", "").replace("SIP/2.0\r\nVia", "SIP/7.0\r\nVia");
    bench.receive(&request);
    assert_eq!(bench.drain().join(" "), "505");
    bench.receive("\r\n\r\n");
    bench.receive("garbage");
    assert_eq!(bench.drain().join(" "), "");
    assert!(bench.endpoint.is_idle());
    assert_eq!(bench.endpoint.take_stats().rejected[&Rejection::Malformed], 3);
}

#[test]
fn what_goes_through_is_counted() {
    let mut bench = check("INVITE again answer ACK BYE", "100 Invited | 100 | 200 | Confirmed | 200 HungUp Terminated");
    let stats = bench.endpoint.take_stats();
    assert_eq!(stats.requests[&("INVITE", MessageDirection::Received)], 2);
    assert_eq!(stats.requests[&("BYE", MessageDirection::Received)], 1);
    assert_eq!(stats.responses[&(100, MessageDirection::Sent)], 2);
    assert_eq!(stats.responses[&(200, MessageDirection::Sent)], 2);
    assert_eq!(stats.retransmissions, 1);
    assert_eq!(stats.rejected.len(), 0);
    assert_eq!(bench.endpoint.take_stats(), Stats::default());
}

#[test]
fn debug_shows_no_message() {
    let mut bench = Bench::new(EndpointConfig::default(), Transport::Udp);
    let request = bench.peer_request("INVITE", "").replace("alice@", "+15550123456@");
    bench.receive(&request);
    let transmit = bench.endpoint.poll_transmit().unwrap();
    let event = bench.endpoint.poll_event().unwrap();
    let text = format!("{:?} {transmit:?} {event:?}", bench.endpoint);
    assert!(!text.contains("5550123"), "{text}");
}
