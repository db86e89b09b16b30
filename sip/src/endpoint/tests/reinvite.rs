//! Our own re-INVITE, and what it meets.

use super::*;

/// A call of theirs, which is up.
fn check_theirs(script: &str, expected: &str) -> Bench {
    let mut bench = check("INVITE/sdp answer ACK", "100 Invited | 200 | Confirmed");
    assert_eq!(bench.run(script), expected, "{script}");
    bench
}

/// A call of ours, which is up.
fn check_ours(script: &str, expected: &str) -> Bench {
    let mut bench = check("invite 200/sdp", "INVITE | ACK Answered+sdp");
    assert_eq!(bench.run(script), expected, "{script}");
    bench
}

/// It must leave nothing behind.
fn ends(mut bench: Bench) {
    bench.run("hangup");
    if bench.sent.contains_key("BYE") {
        bench.run("200/to=BYE");
    }
    bench.pass(Duration::from_secs(300));
    assert!(bench.endpoint.is_idle(), "{:?}", bench.endpoint);
}

#[test]
fn the_call_is_changed_by_us() {
    let bench = check_theirs("reinvite 100 180 200/sdp 200/sdp", "INVITE |  |  | ACK ReinviteAnswered+sdp | ACK");
    let invite = &bench.sent["INVITE"];
    assert_eq!(invite.body, "v=1\r\n");
    assert_eq!(invite.headers.to().unwrap().tag(), Some("alice"));
    assert_eq!(invite.uri.to_string(), "sip:alice@203.0.113.9:5060");
    assert_eq!(bench.sent["ACK"].headers.cseq(), Ok(crate::message::CSeq::new(1, Method::ACK)));
    ends(bench);
    let bench =
        check_ours("reinvite 200/sdp reinvite 200/sdp", "INVITE | ACK ReinviteAnswered+sdp | INVITE | ACK ReinviteAnswered+sdp");
    assert_eq!(bench.sent["ACK"].headers.cseq().unwrap().number, 3);
    ends(bench);
}

#[test]
fn the_answer_moves_the_peer() {
    let mut bench = check_ours("reinvite 200/sdp/contact=<sip:bob@203.0.113.77>", "INVITE | ACK ReinviteAnswered+sdp");
    assert_eq!(bench.sent["ACK"].uri.to_string(), "sip:bob@203.0.113.77");
    bench.run("hangup");
    assert_eq!(bench.sent["BYE"].uri.to_string(), "sip:bob@203.0.113.77");
}

#[test]
fn the_peers_offer_is_asked_for() {
    let bench = check_theirs("reinvite:empty 200/sdp 200/sdp answer 200/sdp", "INVITE | ReinviteAnswered+sdp |  | ACK | ACK");
    assert_eq!((bench.sent["INVITE"].body.len(), &bench.sent["ACK"].body[..]), (0, &b"v=0\r\n"[..]));
    ends(bench);
    check_theirs("reinvite:empty 200", "INVITE | ACK ReinviteAnswered");
    ends(check_theirs("reinvite:empty 200/sdp hangup", "INVITE | ReinviteAnswered+sdp | ACK BYE"));
    ends(check_theirs("reinvite:empty 200/sdp +32000", "INVITE | ReinviteAnswered+sdp | 32000:ACK 32000:BYE"));
}

#[test]
fn a_refusal_leaves_the_call_as_it_was() {
    ends(check_theirs("reinvite 488 reinvite 200/sdp", "INVITE | ACK ReinviteRefused:488 | INVITE | ACK ReinviteAnswered+sdp"));
    ends(check_theirs("reinvite 503 INFO", "INVITE | ACK ReinviteRefused:503 | 200 Info"));
    ends(check_theirs("reinvite gone INFO", "INVITE | ReinviteRefused:503 | 200 Info"));
}

#[test]
fn a_dialog_that_the_peer_does_not_know_is_ended() {
    for status in ["481", "408"] {
        let expected = format!("INVITE | ACK BYE ReinviteRefused:{status} | Terminated");
        ends(check_theirs(&format!("reinvite {status} 200/to=BYE"), &expected));
    }
    let log = check_theirs("", "").run("reinvite +32000");
    assert!(log.ends_with("32000:BYE 32000:ReinviteRefused:408"), "{log}");
    // 100, and nothing more.
    let log = check_theirs("reinvite 100", "INVITE | ").run("+64000");
    assert_eq!(log, "64000:BYE 64000:ReinviteRefused:408");
}

/// When the INVITE comes again after a 491.
fn glare(mut bench: Bench) -> u64 {
    assert_eq!(bench.run("reinvite 491"), "INVITE | ACK");
    let log = bench.run("+4000");
    let (at, what) = log.split(' ').next().unwrap().split_once(':').unwrap();
    assert_eq!(what, "INVITE");
    assert_eq!(bench.run("200/sdp"), "ACK ReinviteAnswered+sdp");
    ends(bench);
    at.parse().unwrap()
}

#[test]
fn two_that_meet_wait_each_for_its_time() {
    for _ in 0..20 {
        assert!((2_100..=4_000).contains(&glare(check_ours("", ""))), "who owns the Call-ID waits longer");
        assert!(glare(check_theirs("", "")) <= 2_000);
    }
}

#[test]
fn the_peers_reinvite_meets_ours() {
    ends(check_theirs("reinvite INVITE/sdp ACK/same 200/sdp", "INVITE | 491 |  | ACK ReinviteAnswered+sdp"));
    // While ours waits the peer's is served, and then ours is old.
    ends(check_ours(
        "reinvite 491 INVITE/sdp answer ACK +4000",
        "INVITE | ACK | 100 Reinvited | 200 ReinviteRefused:491 | Confirmed | ",
    ));
    ends(check_ours("reinvite 491 UPDATE/sdp answer:update", "INVITE | ACK | Updated | 200 ReinviteRefused:491"));
    // One that is refused makes room for ours.
    let mut bench = check_ours("reinvite 491 INVITE/sdp +4000 refuse:488 ACK/same", "INVITE | ACK | 100 Reinvited |  | 488 | ");
    assert!(bench.run("+500").ends_with(":INVITE"));
    ends(bench);
}

#[test]
fn glare_ends() {
    let mut bench = check_ours("reinvite", "INVITE");
    for _ in 0..4 {
        assert_eq!(bench.run("491"), "ACK");
        assert!(bench.run("+4000").contains(":INVITE"));
    }
    assert_eq!(bench.run("491"), "ACK ReinviteRefused:491");
    ends(bench);
}

#[test]
fn only_one_change_is_open() {
    check_theirs("reinvite reinvite", "INVITE | ReinviteRefused:491");
    check_theirs("INVITE/sdp reinvite", "100 Reinvited | ReinviteRefused:491");
    check_theirs("UPDATE/sdp reinvite", "Updated | ReinviteRefused:491");
    check("INVITE/sdp answer reinvite", "100 Invited | 200 | ReinviteRefused:491");
    check("INVITE/sdp reinvite", "100 Invited | ");
}

#[test]
fn hanging_up_ends_a_change_that_is_open() {
    ends(check_theirs("reinvite hangup 200/sdp", "INVITE | BYE | "));
    ends(check_theirs("reinvite BYE", "INVITE | 200 HungUp Terminated"));
    ends(check_theirs("reinvite 491 hangup +4000", "INVITE | ACK | BYE | 500:BYE 1500:BYE 3500:BYE"));
}
