//! The caller's side.

use super::*;

#[test]
fn call_is_answered_and_hung_up() {
    check_ends(
        "invite 100 180 183/sdp 200/sdp 200 hangup 200/to=BYE",
        "INVITE |  | Ringing | Ringing+sdp | ACK Answered+sdp | ACK | BYE | Terminated",
    );
}

#[test]
fn callee_hangs_up() {
    check_ends("invite 200 BYE", "INVITE | ACK Answered | 200 HungUp Terminated");
}

#[test]
fn invite_is_repeated_until_timer_b() {
    check_ends(
        "invite +40000",
        "INVITE | 500:INVITE 1500:INVITE 3500:INVITE 7500:INVITE 15500:INVITE 31500:INVITE 32000:TimedOut 32000:Terminated",
    );
}

#[test]
fn refusal_is_acked_each_time() {
    check_ends("invite 486 486 200", "INVITE | ACK Refused:486 Terminated | ACK | ");
    check_ends("invite 302", "INVITE | ACK Refused:302 Terminated");
}

#[test]
fn cancel_waits_for_a_provisional_response() {
    check_ends("invite hangup 100 200/to=CANCEL 487", "INVITE |  | CANCEL |  | ACK Terminated");
    check_ends("invite 180 hangup hangup 180 487", "INVITE | Ringing | CANCEL |  |  | ACK Terminated");
}

#[test]
fn answer_that_crosses_the_cancel_is_ended() {
    check_ends("invite 180 hangup 200 481/to=CANCEL 200/to=BYE", "INVITE | Ringing | CANCEL | ACK BYE |  | Terminated");
    check_ends("invite hangup 200 200/to=BYE", "INVITE |  | ACK BYE | Terminated");
}

#[test]
fn cancelled_invite_without_final_answer_is_given_up() {
    let mut bench = check("invite 180 hangup 200/to=CANCEL", "INVITE | Ringing | CANCEL | ");
    assert_eq!(bench.run("+32000"), "32000:Terminated");
    bench.pass(Duration::from_secs(10));
    assert!(bench.endpoint.is_idle());
}

#[test]
fn hang_up_before_any_answer_ends_at_timer_b() {
    let mut bench = check("invite hangup", "INVITE | ");
    assert!(bench.run("+32000").ends_with("31500:INVITE 32000:Terminated"));
}

#[test]
fn second_answer_of_a_fork_is_ended() {
    check_ends(
        "invite 180/tag=a 200/tag=b 200/tag=c 200/tag=c 200/tag=b 200/to=BYE hangup 200/to=BYE",
        "INVITE | Ringing | ACK Answered | ACK BYE | ACK | ACK |  | BYE | Terminated",
    );
}

#[test]
fn forks_are_ended_up_to_a_limit() {
    let mut bench = check("invite 200/tag=first", "INVITE | ACK Answered");
    for fork in 0..MAX_FORKS {
        assert_eq!(bench.run(&format!("200/tag=fork{fork}")), "ACK BYE");
    }
    assert_eq!(bench.run("200/tag=last"), "");
}

#[test]
fn requests_of_an_early_dialog_meet_our_invite() {
    check_ends(
        "invite 180 INVITE BYE OPTIONS 200 hangup 200/to=BYE",
        "INVITE | Ringing | 491 | 481 | 200 | ACK Answered | BYE | Terminated",
    );
}

#[test]
fn peer_without_tags_is_understood() {
    let mut bench = check("invite", "INVITE");
    let response = bench.peer_response("200", "").replace(";tag=bob", "");
    bench.receive(&response);
    assert_eq!(bench.drain().join(" "), "ACK Answered");
    assert_eq!(bench.run("hangup 200/to=BYE"), "BYE | Terminated");
    bench.pass(Duration::from_secs(300));
    assert!(bench.endpoint.is_idle());
}

#[test]
fn stray_responses_are_dropped() {
    let mut bench = check("invite 180", "INVITE | Ringing");
    let stray = bench.peer_response("200", "").replace("branch=z9hG4bK", "branch=z9hG4bKx");
    bench.receive(&stray);
    let second_via = bench.peer_response("200", "").replacen("From:", "Via: SIP/2.0/UDP 192.0.2.1;branch=x\r\nFrom:", 1);
    bench.receive(&second_via);
    assert_eq!(bench.drain().join(" "), "");
    assert_eq!(bench.endpoint.take_stats().rejected[&Rejection::Unmatched], 2);
}

#[test]
fn transport_error_reads_as_503() {
    check_ends("invite gone", "INVITE | Refused:503 Terminated");
    check_ends("invite hangup gone", "INVITE |  | Terminated");
    check_ends("invite 200 gone hangup gone", "INVITE | ACK Answered |  | BYE | Terminated");
}

#[test]
fn full_table_refuses_our_own_call() {
    let mut bench = Bench::new(EndpointConfig { max_dialogs: 0, ..EndpointConfig::default() }, Transport::Udp);
    assert_eq!(bench.run("invite"), "Refused:503 Terminated");
    assert!(bench.endpoint.is_idle());
}

#[test]
fn early_name_is_understood_after_the_answer() {
    let mut bench = check("invite", "INVITE");
    let early = bench.dialog.clone().unwrap();
    assert_eq!(bench.run("200"), "ACK Answered");
    assert_ne!(bench.dialog, Some(early.clone()));
    bench.dialog = Some(early);
    assert_eq!(bench.run("hangup 200/to=BYE"), "BYE | Terminated");
}

#[test]
fn restored_callers_dialog_goes_on() {
    let mut bench = check("invite 200", "INVITE | ACK Answered");
    let snapshot = bench.endpoint.snapshot(bench.dialog.as_ref().unwrap()).unwrap();
    bench.endpoint = Endpoint::new(EndpointConfig::default(), 9);
    bench.endpoint.restore(snapshot);
    assert_eq!(bench.run("hangup"), "BYE");
    assert_eq!(bench.sent["BYE"].headers.cseq().unwrap().number, 2);
    assert_eq!(bench.run("200/to=BYE"), "Terminated");
}

#[test]
fn an_offer_of_the_callee_is_answered_in_the_ack() {
    check_ends(
        "invite:empty 180 200/sdp 200/sdp answer 200/sdp hangup 200/to=BYE",
        "INVITE | Ringing | Answered+sdp |  | ACK | ACK | BYE | Terminated",
    );
    let bench = check("invite:empty 200/sdp answer", "INVITE | Answered+sdp | ACK");
    assert_eq!(bench.sent["INVITE"].body.len(), 0);
    assert_eq!(bench.sent["ACK"].body, "v=0\r\n");
    // Without an offer from anybody there is nothing to be answered.
    check_ends("invite:empty 200 BYE", "INVITE | ACK Answered | 200 HungUp Terminated");
    // Whoever waits for our answer may not change the call.
    check("invite:empty 200/sdp INVITE", "INVITE | Answered+sdp | 491");
}

#[test]
fn an_offer_that_is_not_answered_ends_the_call() {
    check_ends("invite:empty 200/sdp hangup 200/to=BYE", "INVITE | Answered+sdp | ACK BYE | Terminated");
    check_ends("invite:empty 200/sdp BYE answer", "INVITE | Answered+sdp | 200 HungUp Terminated | ");
    check_ends("invite:empty 200/sdp +32000 200/to=BYE", "INVITE | Answered+sdp | 32000:ACK 32000:BYE | Terminated");
    check_ends("invite:empty hangup 200/sdp 200/to=BYE", "INVITE |  | ACK BYE | Terminated");
    check_ends(
        "invite:empty 200/tag=a/sdp 200/tag=b/sdp answer BYE",
        "INVITE | Answered+sdp | ACK BYE | ACK | 200 HungUp Terminated",
    );
}

#[test]
fn early_media_stands_when_the_200_says_nothing() {
    check("invite 183/sdp 200", "INVITE | Ringing+sdp | ACK Answered+sdp");
    check("invite 183/sdp/tag=a 180/tag=b 200/tag=b", "INVITE | Ringing+sdp | Ringing | ACK Answered");
    check("invite 183/sdp/tag=a 183/sdp/tag=b 200/tag=a", "INVITE | Ringing+sdp | Ringing+sdp | ACK Answered+sdp");
}
