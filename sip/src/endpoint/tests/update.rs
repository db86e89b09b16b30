//! UPDATE of the peer (RFC 3311), in every state of a dialog.

use super::*;

const UP: &str = "INVITE/sdp answer ACK";
const IS_UP: &str = "100 Invited | 200 | Confirmed";

fn check_up(script: &str, expected: &str) -> Bench {
    check(&format!("{UP} {script}"), &format!("{IS_UP} | {expected}"))
}

#[test]
fn an_update_without_an_offer_is_answered_at_once() {
    let mut bench = check_up("UPDATE again", "200 | 200");
    let response = bench.last_response.take().unwrap();
    assert_eq!(response.headers.get(name::CONTACT), Some("<sip:offhook@198.51.100.1:5060;transport=udp>"));
    // It moves the peer.
    let moved = bench.peer_request("UPDATE", "").replace("<sip:alice@203.0.113.9:5060>", "<sip:alice@203.0.113.77>");
    bench.receive(&moved);
    assert_eq!(bench.drain().join(" "), "200");
    bench.run("hangup");
    assert_eq!(bench.sent["BYE"].uri.to_string(), "sip:alice@203.0.113.77");
}

#[test]
fn an_offer_is_answered_or_refused() {
    let bench = check_up("UPDATE/sdp answer:update again", "Updated | 200 | 200");
    assert_eq!(bench.last_response.unwrap().body, "v=0\r\n");
    check_up("UPDATE/sdp refuse:update UPDATE/sdp", "Updated | 488 | Updated");
    check_up("answer:update refuse:update", " | ");
}

#[test]
fn offers_that_overlap_are_refused() {
    let bench = check_up("UPDATE/sdp UPDATE/sdp", "Updated | 500");
    assert!(bench.last_response.unwrap().headers.retry_after().unwrap().unwrap() <= 10);
    check_up("UPDATE/sdp INVITE/sdp", "Updated | 500");
    check_up("INVITE/sdp UPDATE/sdp", "100 Reinvited | 500");
    check_up("reinvite UPDATE/sdp UPDATE", "INVITE | 491 | 200");
    check_up("reinvite:empty 200/sdp UPDATE/sdp answer", "INVITE | ReinviteAnswered+sdp | 491 | ACK");
    // Our offer in the 200 waits for the ACK.
    check("INVITE answer UPDATE/sdp ACK/sdp UPDATE/sdp", "100 Invited | 200 | 491 | Confirmed+sdp | Updated");
    check("INVITE/sdp answer UPDATE/sdp", "100 Invited | 200 | Updated");
}

#[test]
fn an_offer_that_is_forgotten_is_refused() {
    let mut bench = check_up("UPDATE/sdp +32000", "Updated | 32000:504");
    assert_eq!(bench.run("UPDATE/sdp BYE"), "Updated | 200 487 HungUp Terminated");
    bench.pass(Duration::from_secs(300));
    assert!(bench.endpoint.is_idle(), "{:?}", bench.endpoint);
    let mut bench = check_up("UPDATE/sdp hangup 200/to=BYE", "Updated | 487 BYE | Terminated");
    bench.pass(Duration::from_secs(300));
    assert!(bench.endpoint.is_idle(), "{:?}", bench.endpoint);
    check_up("hangup UPDATE", "BYE | 481");
}

#[test]
fn a_caller_may_update_before_the_answer() {
    check("INVITE/sdp ring UPDATE UPDATE/sdp answer", "100 Invited | 180 | 200 | 500 | 200");
    let reliable = "INVITE/sdp/header=Require:_100rel progress";
    check(&format!("{reliable} UPDATE/sdp"), "100 Invited | 183 | 491");
    check(
        &format!("{reliable} PRACK/rack UPDATE/sdp answer:update answer ACK"),
        "100 Invited | 183 | 200 | Updated | 200 | 200 | Confirmed",
    );
    check_ends(
        &format!("{reliable} PRACK/rack UPDATE/sdp CANCEL ACK/same"),
        "100 Invited | 183 | 200 | Updated | 200 487 487 Cancelled Terminated | ",
    );
}

#[test]
fn a_callee_may_update_before_its_answer() {
    // The peer's tag is known from its 180.
    let early = |script: &str, expected: &str| {
        let mut bench = Bench::new(EndpointConfig::default(), Transport::Udp);
        bench.peer_tag = "bob".into();
        assert_eq!(bench.run(script), expected, "{script}");
        bench
    };
    early("invite 180 UPDATE UPDATE/sdp", "INVITE | Ringing | 200 | 491");
    let mut bench = early(
        "invite 183/rseq=1/sdp 200/to=PRACK UPDATE/sdp answer:update 200 BYE",
        "INVITE | PRACK Ringing+sdp |  | Updated | 200 | ACK Answered+sdp | 200 HungUp Terminated",
    );
    bench.pass(Duration::from_secs(300));
    assert!(bench.endpoint.is_idle(), "{:?}", bench.endpoint);
    let mut bench =
        early("invite 183/rseq=1/sdp UPDATE/sdp 486", "INVITE | PRACK Ringing+sdp | Updated | ACK 487 Refused:486 Terminated");
    bench.pass(Duration::from_secs(300));
    assert!(bench.endpoint.is_idle(), "{:?}", bench.endpoint);
}

#[test]
fn a_body_that_is_no_sdp_is_refused() {
    let mut bench = check(UP, IS_UP);
    let request = bench.peer_request("UPDATE", "sdp").replace("application/sdp", "text/plain");
    bench.receive(&request);
    assert_eq!(bench.drain().join(" "), "415");
}
