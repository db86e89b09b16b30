//! Reliable provisional responses of both sides (RFC 3262), and early media.

use super::*;

#[test]
fn a_reliable_ringing_is_acknowledged_once() {
    check_ends(
        "invite 180/rseq=7 180/rseq=7 200/to=PRACK 200 BYE",
        "INVITE | PRACK Ringing |  |  | ACK Answered | 200 HungUp Terminated",
    );
    let bench = check("invite 183/rseq=7/sdp", "INVITE | PRACK Ringing+sdp");
    let prack = &bench.sent["PRACK"];
    assert_eq!(prack.headers.get(name::RACK), Some("7 1 INVITE"));
    assert_eq!(prack.headers.cseq().unwrap().number, 2);
    assert_eq!(prack.headers.to().unwrap().tag(), Some("bob"));
    assert_eq!(prack.uri.to_string(), "sip:bob@203.0.113.9:5060");
}

#[test]
fn reliable_responses_are_taken_in_order() {
    check(
        "invite 180/rseq=7 183/rseq=9/sdp 183/rseq=8 183/rseq=9/sdp 183/rseq=6",
        "INVITE | PRACK Ringing |  | PRACK Ringing | PRACK Ringing+sdp | ",
    );
    check("invite 180 183/rseq=4294967295 180/rseq=0 180", "INVITE | Ringing | PRACK Ringing |  | Ringing");
}

#[test]
fn each_phone_of_a_fork_counts_for_itself() {
    let mut bench = check(
        "invite 180/rseq=1/tag=a 183/rseq=1/tag=b/sdp 183/rseq=2/tag=a/sdp",
        "INVITE | PRACK Ringing | PRACK Ringing+sdp | PRACK Ringing+sdp",
    );
    assert_eq!(bench.sent["PRACK"].headers.cseq().unwrap().number, 3, "the second one of that phone");
    assert_eq!(bench.run("200/tag=b 200/tag=a"), "ACK Answered+sdp | ACK BYE");
    assert_eq!(bench.sent["BYE"].headers.cseq().unwrap().number, 4, "after both of its PRACKs");
    assert_eq!(bench.run("hangup"), "BYE");
    assert_eq!(bench.sent["BYE"].headers.cseq().unwrap().number, 3);
}

#[test]
fn early_dialogs_have_a_limit() {
    let mut bench = check("invite", "INVITE");
    for fork in 0..MAX_FORKS {
        assert_eq!(bench.run(&format!("183/sdp/rseq=1/tag=fork{fork}")), "PRACK Ringing+sdp");
    }
    assert_eq!(bench.run("183/sdp/rseq=1/tag=last"), "Ringing+sdp", "heard of, and not kept");
}

#[test]
fn an_invite_without_an_offer_does_not_ask_for_them() {
    let bench = check("invite:empty 183/rseq=1/sdp", "INVITE | Ringing+sdp");
    assert_eq!(bench.sent["INVITE"].headers.get(name::SUPPORTED), Some("norefersub, replaces, timer"));
    let bench = check("invite", "INVITE");
    assert_eq!(bench.sent["INVITE"].headers.get(name::SUPPORTED), Some("100rel, norefersub, replaces, timer"));
}

const REQUIRED: &str = "INVITE/sdp/header=Require:_100rel";

fn check_required(script: &str, expected: &str) -> Bench {
    let bench = check(&format!("{REQUIRED} {script}"), &format!("100 Invited | {expected}"));
    check_ends(&format!("{REQUIRED} {script} hangup ACK +40000"), &{
        let mut bench = Bench::new(EndpointConfig::default(), Transport::Udp);
        bench.run(&format!("{REQUIRED} {script} hangup ACK +40000"))
    });
    bench
}

#[test]
fn our_ringing_is_repeated_until_acknowledged() {
    check_required("ring +4000 PRACK/rack +40000 answer", "180 | 500:180 1500:180 3500:180 | 200 |  | 200");
    check_required("ring PRACK/rack PRACK/rack", "180 | 200 | 481");
    check_required("ring PRACK/rack=1 PRACK", "180 | 481 | 481");
    let bench = check_required("ring", "180");
    let response = bench.last_response.unwrap();
    assert_eq!(response.headers.get(name::REQUIRE), Some("100rel"));
    let rseq: u32 = response.headers.get(name::RSEQ).unwrap().parse().unwrap();
    assert!((1..1 << 31).contains(&rseq), "{rseq}");
    // Where nobody requires it, nothing changes.
    let bench = check("INVITE/sdp/header=Supported:_100rel ring +4000", "100 Invited | 180 | ");
    assert_eq!(bench.last_response.unwrap().headers.get(name::RSEQ), None);
}

#[test]
fn a_caller_who_never_acknowledges_is_given_up() {
    check_required(
        "ring +32000 ACK/same",
        "180 | 500:180 1500:180 3500:180 7500:180 15500:180 31500:180 32000:504 32000:AckTimedOut 32000:Terminated | ",
    );
}

#[test]
fn one_waits_for_the_other() {
    let mut bench = check_required("ring progress", "180 | ");
    let first: u32 = bench.last_response.as_ref().unwrap().headers.get(name::RSEQ).unwrap().parse().unwrap();
    assert_eq!(bench.run("PRACK/rack"), "200 183");
    let response = bench.last_response.as_ref().unwrap();
    assert_eq!(response.headers.get(name::RSEQ), Some((first + 1).to_string().as_str()));
    assert_eq!(response.body, "v=0\r\n");
    // The SDP is not lost when it rings again before that.
    assert_eq!(check_required("ring progress ring PRACK/rack", "180 |  |  | 200 180").last_response.unwrap().body, "v=0\r\n");
}

#[test]
fn the_answer_waits_for_an_early_one() {
    let bench = check_required("progress answer +500 PRACK/rack ACK", "183 |  | 500:183 | 200 200 | Confirmed");
    assert_eq!(bench.last_response.unwrap().body, "", "it was said before");
    // What has no SDP does not hold it up, and is acknowledged all the same.
    check_required("ring answer PRACK/rack ACK PRACK/rack=1", "180 | 200 | 200 | Confirmed | 481");
    check_required("progress answer hangup", "183 |  | 480 Terminated");
    check_required("progress answer CANCEL", "183 |  | 200 487 Cancelled Terminated");
}

#[test]
fn early_media_without_reliability() {
    let bench = check("INVITE/sdp progress again answer", "100 Invited | 183 | 183 | 200");
    assert_eq!(bench.last_response.unwrap().body, "v=0\r\n");
    // Without an offer there is nothing to answer early.
    check("INVITE progress ring answer", "100 Invited |  | 180 | 200");
    check("INVITE/header=Require:_100rel progress ring answer", "100 Invited |  |  | 200");
}

#[test]
fn an_offer_in_a_prack_waits_for_an_answer() {
    let bench = check_required("progress PRACK/rack/sdp answer:update", "183 | Updated | 200");
    let response = bench.last_response.unwrap();
    assert_eq!((response.headers.cseq().unwrap().method, response.body), (Method::PRACK, "v=0\r\n".into()));
}
