//! Which ways a request takes, one after the other, and what it says of us on each.

use super::*;
use crate::flow::Transport::{Tcp, Tls, Udp};
use crate::locate::tests::answer;

const ZONE: &str = "
    pbx.example A 203.0.113.20
    pbx.example A 203.0.113.21
    inside.example A 192.168.1.4
    _sip._udp.farm.example SRV 1 0 5062 pbx.example
    _sip._udp.farm.example SRV 2 0 5064 pbx.example
    _sips._tcp.farm.example SRV 1 0 5061 pbx.example
";

fn listener(transport: Transport, local: &str, host: &str) -> Listener {
    Listener { transport, local: local.parse().unwrap(), host: host.parse().unwrap() }
}

/// IPv4 behind a NAT, and IPv6.
fn listeners() -> Vec<Listener> {
    vec![
        listener(Udp, "198.51.100.1:5060", "192.0.2.50"),
        listener(Tcp, "198.51.100.1:5060", "192.0.2.50"),
        listener(Tls, "198.51.100.1:5061", "192.0.2.50"),
        listener(Udp, "[2001:db8::1]:5060", "[2001:db8::1]"),
    ]
}

/// An endpoint with an answered call from `seen`, whose caller is to be found at `contact`.
fn called(listeners: Vec<Listener>, transport: Transport, seen: &str, contact: &str) -> Bench {
    let mut bench = Bench::new(EndpointConfig { listeners, ..EndpointConfig::default() }, transport);
    bench.flow.remote = seen.parse().unwrap();
    if transport == Tls {
        bench.flow.local.set_port(5061);
    }
    let invite = bench.peer_request("INVITE", if transport == Tls { "uri=sips:bob@198.51.100.1" } else { "" });
    bench.receive(&invite.replace("<sip:alice@203.0.113.9:5060>", &format!("<{contact}>")));
    assert_eq!(bench.drain().join(" "), "100 Invited");
    assert_eq!(bench.run("answer ACK"), "200 | Confirmed");
    bench
}

/// What goes out now, the DNS answering at once: `udp 192.0.2.1:5060`, and whom it may connect to.
fn sent(bench: &mut Bench) -> Vec<Transmit> {
    let mut transmits = Vec::new();
    loop {
        transmits.extend(std::iter::from_fn(|| bench.endpoint.poll_transmit()));
        bench.drain();
        let Some(question) = bench.endpoint.poll_question() else {
            return transmits;
        };
        let records = answer(ZONE, &question);
        bench.endpoint.handle_answer(bench.now, question, records, Duration::from_secs(60));
    }
}

fn shown(transmit: &Transmit) -> String {
    let Flow { transport, remote, .. } = transmit.flow;
    let peer = transmit.peer.as_ref().map_or(String::new(), |peer| format!(" as {peer}"));
    format!("{} {remote}{peer}", transport.uri_name())
}

/// All ways of a BYE, each failing at once.
fn check(listeners: Vec<Listener>, transport: Transport, seen: &str, contact: &str, expected: &str) {
    let mut bench = called(listeners, transport, seen, contact);
    let dialog = bench.dialog.clone().unwrap();
    bench.endpoint.hang_up(bench.now, &dialog, None);
    let mut ways = Vec::new();
    while let [transmit] = sent(&mut bench).as_slice() {
        ways.push(shown(transmit));
        bench.endpoint.handle_transport_error(bench.now, &transmit.flow);
    }
    assert_eq!(ways.join(", "), expected, "{contact} seen at {transport:?} {seen}");
    assert_eq!(bench.endpoint.usages.table.len(), 0, "the dialog ends all the same");
}

#[test]
fn the_contact_is_obeyed_when_it_can_be_reached() {
    for (seen, contact, expected) in [
        ("198.51.100.7:5060", "sip:a@203.0.113.9:5070", "udp 203.0.113.9:5070 as 203.0.113.9, udp 198.51.100.7:5060"),
        ("198.51.100.7:5066", "sip:a@198.51.100.7", "udp 198.51.100.7:5060 as 198.51.100.7, udp 198.51.100.7:5066"),
        ("127.0.0.1:5066", "sip:a@127.0.0.1:6000", "udp 127.0.0.1:6000 as 127.0.0.1, udp 127.0.0.1:5066"),
        ("198.51.100.7:5060", "sip:a@198.51.100.7:5060", "udp 198.51.100.7:5060 as 198.51.100.7"),
    ] {
        check(Vec::new(), Udp, seen, contact, expected);
    }
}

#[test]
fn the_last_seen_source_stands_in_for_what_cannot_be_reached() {
    for contact in [
        "sip:a@192.168.1.4:5070",
        "sip:a@100.64.0.1",
        "sip:a@127.0.0.1:5070",
        "sip:a@0.0.0.0:5070",
        "sip:a@203.0.113.9;transport=sctp",
        "sip:a@inside.example",
        "sip:a@nowhere.example",
        "tel:+15550100",
    ] {
        check(listeners(), Udp, "198.51.100.7:1024", contact, "udp 198.51.100.7:1024");
    }
    // Without listeners no name is looked up, and nothing but the flow is spoken.
    for contact in ["sip:a@pbx.example", "sip:a@203.0.113.9;transport=tcp", "sip:a@[2001:db8::1]:5070"] {
        check(Vec::new(), Udp, "198.51.100.7:1024", contact, "udp 198.51.100.7:1024");
    }
}

#[test]
fn a_name_leads_where_its_records_say() {
    let seen = "198.51.100.7:5060";
    let two = "udp 203.0.113.20:5070 as pbx.example, udp 203.0.113.21:5070 as pbx.example, udp 198.51.100.7:5060";
    check(listeners(), Udp, seen, "sip:a@pbx.example:5070", two);
    let farm = "udp 203.0.113.20:5062 as farm.example, udp 203.0.113.21:5062 as farm.example, \
                udp 203.0.113.20:5064 as farm.example, udp 198.51.100.7:5060";
    check(listeners(), Udp, seen, "sip:a@farm.example", farm);
}

#[test]
fn a_transport_that_the_contact_names_is_taken() {
    let seen = "198.51.100.7:5060";
    let back = "udp 198.51.100.7:5060";
    check(listeners(), Udp, seen, "sip:a@203.0.113.9;transport=tcp", &format!("tcp 203.0.113.9:5060 as 203.0.113.9, {back}"));
    check(listeners(), Udp, seen, "sip:a@[2001:db8::7]", &format!("udp [2001:db8::7]:5060 as [2001:db8::7], {back}"));
    check(listeners(), Udp, seen, "sip:a@[2001:db8::7];transport=tcp", back);
}

#[test]
fn a_connection_is_used_for_as_long_as_it_stands() {
    let seen = "198.51.100.7:40000";
    check(listeners(), Tcp, seen, "sip:a@198.51.100.7:5060", "tcp 198.51.100.7:40000, udp 198.51.100.7:5060 as 198.51.100.7");
    let again = "tcp 198.51.100.7:40000, tcp 198.51.100.7:5060 as 198.51.100.7";
    check(listeners(), Tcp, seen, "sip:a@198.51.100.7;transport=tcp", again);
    check(Vec::new(), Tcp, seen, "sip:a@198.51.100.7:5060", "tcp 198.51.100.7:40000");
}

#[test]
fn what_is_secure_is_never_sent_in_the_clear() {
    let seen = "198.51.100.7:40000";
    let tls = "tls 198.51.100.7:40000, tls 203.0.113.20:5061 as farm.example, tls 203.0.113.21:5061 as farm.example";
    check(listeners(), Tls, seen, "sips:a@farm.example", tls);
    check(listeners(), Udp, seen, "sips:a@203.0.113.9", "tls 203.0.113.9:5061 as 203.0.113.9");
}

#[test]
fn silence_and_503_lead_to_the_next_target() {
    let mut bench = called(listeners(), Udp, "198.51.100.7:5060", "sip:a@pbx.example:5070");
    let dialog = bench.dialog.clone().unwrap();
    bench.endpoint.hang_up(bench.now, &dialog, None);
    let [first] = sent(&mut bench).try_into().unwrap();
    let request = |transmit: &Transmit| match message::parse(&transmit.bytes).unwrap().message {
        Message::Request(request) => request,
        Message::Response(_) => panic!("a response"),
    };
    let branch = |transmit: &Transmit| request(transmit).headers.top_via().unwrap().branch().unwrap().to_owned();
    let mut second = None;
    while second.is_none() {
        bench.now = bench.endpoint.poll_timeout().unwrap();
        bench.endpoint.handle_timeout(bench.now);
        second = sent(&mut bench).into_iter().find(|transmit| transmit.flow != first.flow);
    }
    let second = second.unwrap();
    assert_eq!([shown(&first), shown(&second)], ["udp 203.0.113.20:5070 as pbx.example", "udp 203.0.113.21:5070 as pbx.example"]);
    assert_ne!(branch(&first), branch(&second), "another server, another transaction");
    assert_eq!(request(&first).headers.cseq(), request(&second).headers.cseq(), "and the same request");

    bench.sent.insert("BYE".into(), request(&second));
    let response = bench.peer_response("503", "to=BYE");
    bench.receive(&response);
    let [third] = sent(&mut bench).try_into().unwrap();
    assert_eq!(shown(&third), "udp 198.51.100.7:5060");
    bench.sent.insert("BYE".into(), request(&third));
    assert_eq!(bench.run("503/to=BYE"), "Terminated", "nobody is left");
    bench.pass(Duration::from_secs(300));
    assert!(bench.endpoint.is_idle());
}

#[test]
fn a_bye_that_waits_for_the_dns_is_dropped_when_the_peer_hangs_up() {
    let mut bench = called(listeners(), Udp, "198.51.100.7:5060", "sip:a@pbx.example");
    assert_eq!(bench.run("hangup"), "");
    while bench.endpoint.poll_question().is_some() {}
    assert_eq!(bench.run("BYE"), "200 Terminated");
    assert_eq!(bench.run("+40000"), "");
    assert!(bench.endpoint.is_idle());

    let mut bench = called(listeners(), Udp, "198.51.100.7:5060", "sip:a@pbx.example");
    assert_eq!(bench.run("hangup"), "");
    while bench.endpoint.poll_question().is_some() {}
    assert!(bench.run("+5000").starts_with("5000:BYE"), "a DNS that does not answer is waited for 5 s");
}

#[test]
fn a_long_request_goes_by_tcp_and_by_udp_when_that_is_refused() {
    let mut bench = Bench::new(EndpointConfig { listeners: listeners(), ..EndpointConfig::default() }, Udp);
    let long = OutboundInvite { sdp: Some("a=x\r\n".repeat(250)), ..outbound(bench.flow) };
    bench.endpoint.invite(bench.now, long.clone());
    let [tcp] = sent(&mut bench).try_into().unwrap();
    assert_eq!(shown(&tcp), "tcp 203.0.113.9:5060 as 203.0.113.9");
    assert!(String::from_utf8_lossy(&tcp.bytes).contains("\r\nVia: SIP/2.0/TCP 192.0.2.50:5060;"), "{tcp:?}");
    bench.endpoint.handle_transport_error(bench.now, &tcp.flow);
    let [udp] = sent(&mut bench).try_into().unwrap();
    assert_eq!(shown(&udp), "udp 203.0.113.9:5060 as 203.0.113.9");
    assert!(String::from_utf8_lossy(&udp.bytes).contains("\r\nVia: SIP/2.0/UDP 192.0.2.50:5060;"), "{udp:?}");
    // The dialog has followed: the answer to the second one is the answer.
    bench.endpoint.handle_transport_error(bench.now, &udp.flow);
    assert_eq!(bench.drain().join(" "), "Refused:503 Terminated");
    assert!(bench.endpoint.clients.is_empty());

    bench.endpoint = Endpoint::new(EndpointConfig::default(), 7);
    bench.endpoint.invite(bench.now, long);
    let [udp] = sent(&mut bench).try_into().unwrap();
    assert_eq!(shown(&udp), "udp 203.0.113.9:5060 as 203.0.113.9", "who has no TCP has no choice");
}

#[test]
fn each_listener_is_told_by_its_own_host() {
    let config = || EndpointConfig { listeners: listeners(), ..EndpointConfig::default() };
    for (transport, local, uri, contact) in [
        (Udp, "198.51.100.1:5060", "sip:bob@x", "<sip:offhook@192.0.2.50:5060;transport=udp>"),
        (Tcp, "198.51.100.1:5060", "sip:bob@x", "<sip:offhook@192.0.2.50:5060;transport=tcp>"),
        (Tls, "198.51.100.1:5061", "sip:bob@x", "<sip:offhook@192.0.2.50:5061;transport=tls>"),
        (Tls, "198.51.100.1:5061", "sips:bob@x", "<sips:offhook@192.0.2.50:5061>"),
        (Udp, "[2001:db8::1]:5060", "sip:bob@x", "<sip:offhook@[2001:db8::1]:5060;transport=udp>"),
        (Udp, "10.0.0.1:5060", "sip:bob@x", "<sip:offhook@10.0.0.1:5060;transport=udp>"),
    ] {
        let mut bench = Bench::new(config(), transport);
        bench.flow.local = local.parse().unwrap();
        assert_eq!(bench.run(&format!("INVITE/uri={uri} ring")), "100 Invited | 180");
        assert_eq!(bench.last_response.unwrap().headers.get(name::CONTACT), Some(contact));
    }
}

#[test]
fn a_secure_call_must_come_by_tls() {
    let mut bench = Bench::new(EndpointConfig { listeners: listeners(), ..EndpointConfig::default() }, Tcp);
    assert_eq!(bench.run("INVITE/uri=sips:bob@x"), "480");
    let warning = bench.last_response.as_ref().unwrap().headers.get(name::WARNING).map(str::to_owned);
    assert_eq!(warning.as_deref(), Some("380 192.0.2.50:5060 \"SIPS Not Allowed\""));
    assert!(bench.endpoint.is_idle());
}

/// Our call to a URI, by way of `next_hop` if that is not empty.
fn placed(listeners: Vec<Listener>, uri: &str, next_hop: &str) -> Bench {
    let mut bench = Bench::new(EndpointConfig { listeners, ..EndpointConfig::default() }, Udp);
    let from = NameAddr::new("sip:alice@198.51.100.1".parse().unwrap());
    let next_hop = (!next_hop.is_empty()).then(|| next_hop.parse().unwrap());
    let invite = OutboundInvite { next_hop, sdp: Some("v=0\r\n".into()), ..OutboundInvite::new(uri.parse().unwrap(), from) };
    let dialog = bench.endpoint.invite(bench.now, invite);
    bench.call_id = dialog.call_id.to_string();
    bench.our_tag = Some(dialog.local_tag.to_string());
    bench.dialog = Some(dialog);
    bench
}

/// All ways of an INVITE, each failing at once.
fn check_invite(uri: &str, next_hop: &str, expected: &str) {
    let mut bench = placed(listeners(), uri, next_hop);
    let mut ways = Vec::new();
    while let [transmit] = sent(&mut bench).as_slice() {
        ways.push(shown(transmit));
        bench.endpoint.handle_transport_error(bench.now, &transmit.flow);
    }
    assert_eq!(ways.join(", "), expected, "{uri} by way of {next_hop:?}");
    assert_eq!(bench.endpoint.usages.table.len(), 0, "the call is over");
}

#[test]
fn an_invite_finds_its_way_itself() {
    check_invite("sip:bob@203.0.113.9", "", "udp 203.0.113.9:5060 as 203.0.113.9");
    check_invite("sip:bob@127.0.0.1:5070", "", "udp 127.0.0.1:5070 as 127.0.0.1");
    check_invite("sip:bob@inside.example:5060", "", "udp 192.168.1.4:5060 as inside.example");
    check_invite("sip:bob@203.0.113.9;transport=tcp", "", "tcp 203.0.113.9:5060 as 203.0.113.9");
    let farm = "udp 203.0.113.20:5062 as farm.example, udp 203.0.113.21:5062 as farm.example, \
                udp 203.0.113.20:5064 as farm.example, udp 203.0.113.21:5064 as farm.example";
    check_invite("sip:bob@farm.example", "", farm);
    check_invite("sips:bob@farm.example", "", "tls 203.0.113.20:5061 as farm.example, tls 203.0.113.21:5061 as farm.example");
    // A proxy takes what names no host, and a secure call by TLS.
    check_invite("tel:+15550100", "sip:203.0.113.7:5070;lr", "udp 203.0.113.7:5070 as 203.0.113.7");
    check_invite("sips:bob@b.example", "sip:203.0.113.7;transport=udp", "tls 203.0.113.7:5061 as 203.0.113.7");
    for nowhere in ["tel:+15550100", "sip:bob@nowhere.example", "sip:bob@0.0.0.0", "sip:bob@203.0.113.9;transport=sctp"] {
        check_invite(nowhere, "", "");
    }
    let mut bench = placed(Vec::new(), "sip:bob@203.0.113.9", "");
    assert_eq!(bench.drain().join(" "), "Refused:503 Terminated", "who has no sockets calls nobody");
    assert!(bench.endpoint.is_idle());
}

fn invite_of(transmit: &Transmit) -> Request {
    match message::parse(&transmit.bytes).unwrap().message {
        Message::Request(request) => request,
        Message::Response(_) => panic!("a response"),
    }
}

#[test]
fn a_loose_router_is_told_as_a_route() {
    let mut bench = placed(listeners(), "sip:bob@b.example", "sip:203.0.113.7;lr");
    let [first] = sent(&mut bench).try_into().unwrap();
    let invite = invite_of(&first);
    assert_eq!(invite.uri.to_string(), "sip:bob@b.example");
    assert_eq!(invite.headers.get_all(name::ROUTE).collect::<Vec<_>>(), ["<sip:203.0.113.7;lr>"]);
    let mut bench = placed(listeners(), "sip:bob@b.example", "sip:203.0.113.7");
    let [first] = sent(&mut bench).try_into().unwrap();
    assert_eq!(invite_of(&first).headers.get(name::ROUTE), None);
}

#[test]
fn an_invite_goes_on_to_the_next_server_in_the_same_call() {
    let mut bench = placed(listeners(), "sip:bob@farm.example", "");
    let mut tried = Vec::new();
    for status in ["503", "408", "430", "486"] {
        let [transmit] = sent(&mut bench).try_into().unwrap();
        let invite = invite_of(&transmit);
        tried.push((invite.headers.call_id().unwrap().to_owned(), invite.headers.get(name::FROM).unwrap().to_owned()));
        assert_eq!(invite.headers.cseq().unwrap().number, 1);
        bench.sent.insert("INVITE".into(), invite);
        let response = bench.peer_response(status, "");
        bench.receive(&response);
        if status != "486" {
            let ack = bench.endpoint.poll_transmit().unwrap();
            assert!(
                ack.bytes.starts_with(b"ACK ") && ack.flow == transmit.flow,
                "each refusal is acknowledged where it came from"
            );
        }
    }
    assert_eq!(bench.drain().join(" "), "ACK Refused:486 Terminated", "busy is busy everywhere");
    tried.dedup();
    assert_eq!(tried.len(), 1);
    bench.pass(Duration::from_secs(300));
    assert!(bench.endpoint.is_idle());
}

#[test]
fn silence_leads_to_the_next_server_and_an_answer_stays_there() {
    let mut bench = placed(listeners(), "sip:bob@farm.example", "");
    let [first] = sent(&mut bench).try_into().unwrap();
    let log = bench.pass(Duration::from_secs(32));
    assert!(log.ends_with("31500:INVITE 32000:INVITE"), "{log}");
    let contact = bench.sent["INVITE"].headers.get(name::CONTACT).unwrap().to_owned();
    assert_eq!(contact, "<sip:offhook@192.0.2.50:5060;transport=udp>");
    assert_eq!(bench.run("180 408"), "Ringing | ACK Refused:408 Terminated", "who rang was reached");
    assert_eq!(shown(&first), "udp 203.0.113.20:5062 as farm.example");

    let mut bench = placed(listeners(), "sip:bob@farm.example", "");
    sent(&mut bench);
    bench.pass(Duration::from_secs(32));
    assert_eq!(bench.run("180 200 hangup"), "Ringing | ACK Answered | BYE");
}

#[test]
fn a_call_that_is_not_sent_yet_is_hung_up_without_a_word() {
    let mut bench = placed(listeners(), "sip:bob@pbx.example", "");
    assert_eq!(bench.run("hangup"), "Terminated");
    while bench.endpoint.poll_question().is_some() {}
    assert_eq!(bench.run("+40000"), "");
    assert!(bench.endpoint.is_idle());
}

#[test]
fn a_secure_dialog_leaves_a_plain_connection_alone() {
    let mut bench = called(listeners(), Tls, "198.51.100.7:40000", "sips:a@203.0.113.9");
    // A request of the peer that came by TCP does not move the dialog there.
    let secure = bench.flow;
    bench.flow = Flow { transport: Tcp, ..flow(Tcp) };
    assert_eq!(bench.run("INFO"), "200 Info");
    bench.flow = secure;
    let dialog = bench.dialog.clone().unwrap();
    bench.endpoint.hang_up(bench.now, &dialog, None);
    let [first] = sent(&mut bench).try_into().unwrap();
    assert_eq!(shown(&first), "tls 198.51.100.7:40000");
    // And a call that came by TCP, but has a secure Contact, is ended by TLS.
    check(listeners(), Tcp, "198.51.100.7:40000", "sips:a@203.0.113.9", "tls 203.0.113.9:5061 as 203.0.113.9");
}

#[test]
fn debug_shows_no_keys() {
    let from = NameAddr::new("sip:alice@198.51.100.1".parse().unwrap());
    let headers = vec![("X-Account".to_owned(), "secret".to_owned())];
    let sdp = Some("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:secret".to_owned());
    let invite = OutboundInvite { headers, sdp, ..OutboundInvite::new("sip:+15550123456@b.example".parse().unwrap(), from) };
    let text = format!("{invite:?}");
    assert!(!text.contains("secret") && !text.contains("5550123"), "{text}");
    let dialog = DialogId::new("c", "a", "b");
    let event = Event::Answered { early: dialog.clone(), dialog, sdp: Some("inline:secret".into()) };
    assert_eq!(format!("{event:?}"), "Answered of c;a;b");
}
