//! Our INVITE goes on elsewhere: to the next target of the call, and to where it is redirected.

use super::*;
use crate::flow::Transport::Udp;
use crate::uri::{SipUri, Uri};

/// Whoever is named may be called, and is to see our credentials.
#[derive(Debug)]
pub(super) struct Anybody;

impl RedirectPolicy for Anybody {
    fn judge(&self, contact: &SipUri, _: bool) -> Option<Permitted> {
        Some(Permitted { uri: contact.clone(), is_trusted: true })
    }
}

/// The network of the targets, and beyond it strangers who are called, but one.
#[derive(Debug)]
struct Known;

impl RedirectPolicy for Known {
    fn judge(&self, contact: &SipUri, _: bool) -> Option<Permitted> {
        let host = contact.host.to_string();
        (host != "192.0.2.66").then(|| Permitted { uri: contact.clone(), is_trusted: host.starts_with("203.0.113.") })
    }
}

fn target(last: u8) -> CallTarget {
    let uri = |user: &str| format!("sip:{user}@203.0.113.{last}").parse::<Uri>().unwrap();
    let headers = vec![("X-Target".to_owned(), last.to_string())];
    let (from, to) = (NameAddr::new(uri("alice")), NameAddr::new(uri("bob")));
    CallTarget { request_uri: uri("bob"), next_hop: None, from, to, headers }
}

/// By three targets: .9, .10 and .11.
pub(super) fn by_trunk() -> OutboundInvite {
    let CallTarget { request_uri, from, to, headers, .. } = target(9);
    OutboundInvite {
        to,
        headers,
        sdp: Some("v=0\r\n".into()),
        others: vec![target(10), target(11)],
        patience: Some(Duration::from_secs(4)),
        redirects: Redirects::Follow(Arc::new(Known)),
        ..OutboundInvite::new(request_uri, from)
    }
}

/// `.10 silent`, and `…` where the target has another address.
pub(super) fn shown(attempt: &Attempt) -> String {
    let why = match attempt.failure {
        AttemptFailure::Silent => "silent".to_owned(),
        AttemptFailure::Unreachable => "unreachable".to_owned(),
        AttemptFailure::Refused { status, retry_after } => {
            format!("{status}{}", retry_after.map_or(String::new(), |wait| format!("/{}", wait.as_secs())))
        }
    };
    let led = if attempt.is_redirected { "+" } else { "" };
    let more = if attempt.is_last_address { "" } else { "…" };
    format!("Failed:{}{led}:{why}{more}", attempt.target)
}

fn bench() -> Bench {
    let mut bench = Bench::new(with_a_socket(), Udp);
    bench.tells_attempts = true;
    bench
}

fn check(script: &str, expected: &str) -> Bench {
    let mut bench = bench();
    assert_eq!(bench.run(script), expected, "script {script:?}");
    bench
}

/// The same, and nothing may be left behind.
fn check_ends(script: &str, expected: &str) {
    check(script, expected).leaves_nothing(script);
}

const SILENCE: &str = "500:INVITE 1500:INVITE 3500:INVITE 4000:INVITE 4000:Failed:0:silent";

#[test]
fn a_silent_target_leads_to_the_next_in_the_same_call() {
    let mut bench = check("invite:trunk", "INVITE");
    let first = bench.sent["INVITE"].clone();
    assert_eq!(bench.run("+4000"), SILENCE);
    let second = bench.sent["INVITE"].clone();
    assert_eq!(second.uri.to_string(), "sip:bob@203.0.113.10");
    let (own, other) = (&first.headers, &second.headers);
    assert_eq!((own.call_id(), own.from().unwrap().tag()), (other.call_id(), other.from().unwrap().tag()));
    assert_eq!(other.from().unwrap().uri.to_string(), "sip:alice@203.0.113.10", "each target has its own names");
    assert_eq!(other.to().unwrap().to_string(), "<sip:bob@203.0.113.10>");
    assert_eq!((other.get("X-Target"), other.cseq().unwrap().number), (Some("10"), 2));
    assert_eq!(second.body, first.body);
    assert_eq!(bench.run("100 +30000 180 200 hangup 200/to=BYE"), " |  | Ringing | ACK Answered | BYE | Terminated");
    assert_eq!(bench.sent["BYE"].headers.to().unwrap().uri.to_string(), "sip:bob@203.0.113.10");
    bench.pass(Duration::from_secs(300));
    assert!(bench.endpoint.is_idle());
}

#[test]
fn when_all_are_silent_the_call_ends() {
    let silent = |target: u8, next: &str| format!("500:INVITE 1500:INVITE 3500:INVITE {next}4000:Failed:{target}:silent");
    let more = [silent(0, "4000:INVITE "), silent(1, "4000:INVITE "), silent(2, "") + " 4000:TimedOut 4000:Terminated"];
    check_ends("invite:trunk +4000 +4000 +4000", &format!("INVITE | {}", more.join(" | ")));
}

#[test]
fn a_100_is_enough_to_be_waited_for() {
    let mut bench = check("invite:trunk 100 +60000", "INVITE |  | ");
    assert_eq!(bench.run("503"), "ACK INVITE Failed:0:503", "a 100 is not ringing");
}

/// What the first target says to an INVITE that went on to the second.
fn late(bench: &Bench, first: &Request, status: u16) -> String {
    let mut other = Response::to_request(first, StatusCode::new(status).unwrap());
    other.headers.set_to_tag("late");
    other.headers.push(name::CONTACT, "<sip:bob@203.0.113.9:5060>");
    assert!(!bench.call_id.is_empty());
    String::from_utf8(other.to_bytes().to_vec()).unwrap()
}

#[test]
fn who_rings_late_is_called_back() {
    let mut bench = check("invite:trunk", "INVITE");
    let first = bench.sent["INVITE"].clone();
    assert_eq!(bench.run("+4000"), SILENCE);
    bench.receive(&late(&bench, &first, 180));
    assert_eq!(bench.drain().join(" "), "CANCEL", "and nobody is told that it rings");
    let cancel = bench.sent["CANCEL"].clone();
    assert_eq!(cancel.headers.top_via().unwrap(), first.headers.top_via().unwrap());
    assert_eq!((cancel.uri.to_string(), cancel.headers.cseq().unwrap().number), ("sip:bob@203.0.113.9".into(), 1));
    bench.receive(&late(&bench, &first, 180));
    assert_eq!(bench.drain().join(" "), "", "once");
    assert_eq!(bench.run("180"), "Ringing", "the second goes on");
    bench.receive(&late(&bench, &first, 487));
    assert_eq!(bench.drain().join(" "), "ACK");
    assert_eq!(bench.run("200 hangup 200/to=BYE"), "ACK Answered | BYE | Terminated");
    bench.pass(Duration::from_secs(300));
    assert!(bench.endpoint.is_idle());
}

#[test]
fn who_rings_late_and_never_ends_is_forgotten() {
    let mut bench = check("invite:trunk", "INVITE");
    let first = bench.sent["INVITE"].clone();
    assert_eq!(bench.run("+4000 486"), format!("{SILENCE} | ACK Refused:486 Terminated"));
    bench.receive(&late(&bench, &first, 183));
    assert_eq!(bench.drain().join(" "), "CANCEL", "the call is over");
    bench.pass(Duration::from_secs(64));
    assert!(bench.endpoint.is_idle(), "{:?}", bench.endpoint);
}

#[test]
fn who_picks_up_late_is_told_that_it_is_over() {
    let mut bench = check("invite:trunk", "INVITE");
    let first = bench.sent["INVITE"].clone();
    assert_eq!(bench.run("+4000 180"), format!("{SILENCE} | Ringing"));
    bench.receive(&late(&bench, &first, 200));
    assert_eq!(bench.drain().join(" "), "ACK BYE");
    assert_eq!(bench.sent["ACK"].headers.cseq().unwrap().number, 1);
    let bye = bench.sent["BYE"].clone();
    assert_eq!(bye.headers.to().unwrap().tag(), Some("late"));
    bench.receive(&late(&bench, &first, 200));
    assert_eq!(bench.drain().join(" "), "ACK", "as often as it says so");
    let ok = Response::to_request(&bye, StatusCode::OK);
    bench.receive(std::str::from_utf8(&ok.to_bytes()).unwrap());
    assert_eq!(bench.run("200 hangup 200/to=BYE"), "ACK Answered | BYE | Terminated");
    bench.pass(Duration::from_secs(300));
    assert!(bench.endpoint.is_idle());
}

#[test]
fn the_last_one_that_picks_up_late_is_told_too() {
    let mut bench = bench();
    let invite = OutboundInvite { others: Vec::new(), ..by_trunk() };
    let dialog = bench.endpoint.invite(bench.now, invite);
    (bench.call_id, bench.dialog) = (dialog.call_id.to_string(), Some(dialog));
    assert_eq!(bench.drain().join(" "), "INVITE");
    let first = bench.sent["INVITE"].clone();
    assert!(bench.run("+4000").ends_with("4000:Failed:0:silent 4000:TimedOut 4000:Terminated"));
    bench.receive(&late(&bench, &first, 200));
    assert_eq!(bench.drain().join(" "), "ACK BYE");
    assert!(bench.run("+1").is_empty());
}

#[test]
fn a_call_that_is_taken_back_goes_nowhere_else() {
    check_ends("invite:trunk hangup +4000 100", "INVITE |  | 500:INVITE 1500:INVITE 3500:INVITE 4000:Terminated | CANCEL");
    check_ends("invite:trunk hangup 503", "INVITE |  | ACK Terminated");
    check_ends("invite:trunk 503 hangup 100 487", "INVITE | ACK INVITE Failed:0:503 |  | CANCEL | ACK Terminated");
}

#[test]
fn what_a_server_lacks_another_may_have() {
    check_ends(
        "invite:trunk 503/header=Retry-After:_60 500 502",
        "INVITE | ACK INVITE Failed:0:503/60 | ACK INVITE Failed:1:500 | ACK Failed:2:502 Refused:502 Terminated",
    );
    for status in [408, 430, 500, 501, 503, 504, 513] {
        check(&format!("invite:trunk {status}"), &format!("INVITE | ACK INVITE Failed:0:{status}"));
    }
    for status in [403, 404, 480, 484, 486, 488, 580, 600, 603, 607] {
        check_ends(&format!("invite:trunk {status}"), &format!("INVITE | ACK Refused:{status} Terminated"));
    }
}

#[test]
fn who_rang_was_reached() {
    for status in [408, 500, 503] {
        check_ends(&format!("invite:trunk 180 {status}"), &format!("INVITE | Ringing | ACK Refused:{status} Terminated"));
    }
    // Without a tag there is no dialog, and it rang all the same.
    let mut bench = check("invite:trunk", "INVITE");
    let ringing = bench.peer_response("181", "").replace(";tag=bob", "");
    bench.receive(&ringing);
    assert_eq!(bench.drain().join(" "), "Ringing");
    assert_eq!(bench.run("503"), "ACK Refused:503 Terminated");
    // Of the second target as of the first.
    check_ends("invite:trunk 503 180 503", "INVITE | ACK INVITE Failed:0:503 | Ringing | ACK Refused:503 Terminated");
}

#[test]
fn a_target_that_cannot_be_reached_leads_to_the_next() {
    let mut bench = check("invite:trunk gone", "INVITE | INVITE Failed:0:unreachable");
    bench.flow.remote = "203.0.113.10:5060".parse().unwrap();
    assert_eq!(bench.run("gone"), "INVITE Failed:1:unreachable");
    bench.flow.remote = "203.0.113.11:5060".parse().unwrap();
    assert_eq!(bench.run("gone"), "Failed:2:unreachable Refused:503 Terminated");
    assert!(bench.endpoint.is_idle());
    // Of a name that leads nowhere.
    let nowhere = CallTarget { request_uri: "sip:bob@0.0.0.0".parse().unwrap(), ..target(10) };
    let mut bench = check("+0", "");
    let invite = OutboundInvite { others: vec![nowhere, target(11)], ..by_trunk() };
    bench.endpoint.invite(bench.now, invite);
    assert_eq!(bench.drain().join(" "), "INVITE");
    assert_eq!(bench.run("gone"), "INVITE Failed:0:unreachable Failed:1:unreachable");
    assert_eq!(bench.sent["INVITE"].uri.to_string(), "sip:bob@203.0.113.11");
}

#[test]
fn a_refusal_is_waited_for_only_where_nobody_else_can_be_asked() {
    let log = check("invite:trunk 500/header=Retry-After:_3", "INVITE | ACK INVITE Failed:0:500/3")
        .run("500 500/header=Retry-After:_3");
    assert_eq!(log, "ACK INVITE Failed:1:500 | ACK Failed:2:500/3");
}

#[test]
fn redirections_lead_only_where_they_may() {
    let mut bench =
        check("invite:trunk 302/contact=<sip:x@192.0.2.66>,<sip:carol@203.0.113.77>;q=0.5", "INVITE | ACK INVITE Redirected");
    assert_eq!(bench.sent["INVITE"].uri.to_string(), "sip:carol@203.0.113.77");
    // What fails there says nothing of the target, and the next target is asked.
    assert_eq!(bench.run("503"), "ACK INVITE Failed:0+:503");
    assert_eq!(bench.sent["INVITE"].uri.to_string(), "sip:bob@203.0.113.10");
    check_ends("invite:trunk 302/contact=<sip:x@192.0.2.66>", "INVITE | ACK Refused:302 Terminated");
}

#[test]
fn a_proxy_that_is_to_be_used_takes_the_same_invite() {
    let mut bench = check("invite:trunk 305/contact=<sip:203.0.113.50;lr>", "INVITE | ACK INVITE Redirected");
    let invite = bench.sent["INVITE"].clone();
    assert_eq!(invite.uri.to_string(), "sip:bob@203.0.113.9");
    assert_eq!(invite.headers.get(name::ROUTE), Some("<sip:203.0.113.50;lr>"));
    assert_eq!(bench.run("305/contact=<sip:203.0.113.50;lr>"), "ACK Refused:305 Terminated", "a loop");
}

#[test]
fn a_redirection_leaves_a_proxy_that_was_only_the_way_to_the_target() {
    let mut bench = bench();
    let invite = OutboundInvite { next_hop: Some("sip:203.0.113.40".parse().unwrap()), ..by_trunk() };
    bench.endpoint.invite(bench.now, invite);
    let sent = |bench: &mut Bench| {
        let transmits: Vec<Transmit> = std::iter::from_fn(|| bench.endpoint.poll_transmit()).collect();
        let Message::Request(request) = message::parse(&transmits.last().unwrap().bytes).unwrap().message else {
            panic!("a response")
        };
        bench.sent.insert("INVITE".into(), request);
        transmits.last().unwrap().flow.remote.to_string()
    };
    assert_eq!(sent(&mut bench), "203.0.113.40:5060");
    let moved = bench.peer_response("302", "contact=<sip:bob@203.0.113.41>");
    bench.receive(&moved);
    assert_eq!(sent(&mut bench), "203.0.113.41:5060");
}
