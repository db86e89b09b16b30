//! What goes wrong on the wire, as SIPp does it to the callee: messages that are lost, come twice, cross each other or are no good.
#![allow(clippy::unwrap_used)]

#[path = "support/scenario.rs"]
mod scenario;
mod support;

use scenario::Sipp;
use store::HangupCause;
use support::Server;

/// As long as the early dialog must last in which a scenario does what it is about.
const RINGS: (&str, &str) = ("OFFHOOK__SIP__RING_MS", "1500");

/// A caller who sends no audio is hung up on, which is how a scenario comes by a BYE.
const IMPATIENT: (&str, &str) = ("OFFHOOK__RTP__TIMEOUT_S", "2");

fn sipp(server: &Server) -> Sipp<'_> {
    Sipp { server, user: "demo", transport: "u1" }
}

/// All calls of the server have ended, so many of each cause, and nothing of them is left.
fn check(server: &Server, causes: &[(HangupCause, usize)]) {
    let calls = causes.iter().map(|(_, count)| count).sum::<usize>();
    let ended = server.ended_calls(calls);
    for (cause, count) in causes {
        let found = ended.iter().filter(|ended| ended.call.cause == Some(*cause)).count();
        let all: Vec<_> = ended.iter().map(|ended| ended.call.cause).collect();
        assert_eq!(found, *count, "{cause:?} in {all:?}\n{}", server.log());
    }
    server.wait_metric("offhook_calls_active", "", 0.0);
}

/// Nothing that was refused before a call began has left one.
fn check_none(server: &Server) {
    let (runtime, database) = server.database();
    assert!(runtime.block_on(database.list_calls(10, None)).unwrap().is_empty());
}

#[test]
fn an_ack_that_is_lost_is_asked_for_again() {
    let server = Server::start("");
    sipp(&server).run_counting("lost_ack", 3);
    check(&server, &[(HangupCause::CallerHangup, 3)]);
    assert_eq!(server.metric("offhook_sip_retransmissions_total", ""), 6.0);
}

#[test]
fn a_caller_who_never_acknowledges_is_hung_up_on() {
    // Nothing else may end the call in these 32 s: nor is who has not heard our answer asked after.
    let patient = [("OFFHOOK__RTP__TIMEOUT_S", "60"), ("OFFHOOK__TURN__IDLE_PROMPT_S", "3")];
    let server = Server::start_with("", &patient);
    sipp(&server).run_counting("no_ack", 2);
    check(&server, &[(HangupCause::NotConfirmed, 2)]);
    assert_eq!(server.metric("offhook_sip_retransmissions_total", ""), 20.0);
}

#[test]
fn what_comes_twice_is_answered_twice_and_done_once() {
    let server = Server::start_with("", &[RINGS]);
    sipp(&server).run_counting("repeated", 5);
    check(&server, &[(HangupCause::CallerHangup, 5)]);
    server.wait_metric("offhook_calls_total", "outcome=\"completed\"", 5.0);
}

#[test]
fn both_may_hang_up_at_once() {
    for transport in ["u1", "t1"] {
        let server = Server::start_with("", &[IMPATIENT]);
        Sipp { server: &server, user: "demo", transport }.run("bye_glare", 3);
        check(&server, &[(HangupCause::MediaTimeout, 3)]);
    }
}

#[test]
fn a_cancel_that_is_late_or_lost_changes_nothing() {
    for transport in ["u1", "t1"] {
        let server = Server::start("");
        Sipp { server: &server, user: "demo", transport }.run("stray_cancel", 3);
        check_none(&server);
        Sipp { server: &server, user: "demo", transport }.run("late_cancel", 3);
        check(&server, &[(HangupCause::CallerHangup, 3)]);
    }
}

#[test]
fn a_caller_may_hang_up_while_it_rings() {
    let server = Server::start_with("", &[RINGS]);
    sipp(&server).run("early_bye", 3);
    check(&server, &[(HangupCause::CallerHangup, 3)]);
    assert!(server.ended_calls(3).iter().all(|ended| ended.call.answered_at.is_none()));
}

#[test]
fn offers_that_overlap_wait_for_each_other() {
    for transport in ["u1", "t1"] {
        let server = Server::start_with("", &[RINGS]);
        Sipp { server: &server, user: "demo", transport }.run("reinvite_before_ack", 2);
        Sipp { server: &server, user: "demo", transport }.run("reinvite_while_ringing", 2);
        check(&server, &[(HangupCause::CallerHangup, 4)]);
        server.wait_metric("offhook_sip_responses_total", "code=\"491\"", 2.0);
        server.wait_metric("offhook_sip_responses_total", "code=\"500\"", 2.0);
    }
}

#[test]
fn what_is_not_served_is_refused_in_its_own_words() {
    for transport in ["u1", "t1"] {
        let server = Server::start("");
        Sipp { server: &server, user: "demo", transport }.run("wrong_methods", 2);
        Sipp { server: &server, user: "demo", transport }.run("unknown_dialog", 2);
        check_none(&server);
        Sipp { server: &server, user: "demo", transport }.run("unknown_extension", 2);
        Sipp { server: &server, user: "demo", transport }.run("wrong_body", 1);
        check(&server, &[(HangupCause::CallerHangup, 3)]);
    }
}

#[test]
fn what_is_malformed_is_refused_and_the_next_is_taken() {
    let server = Server::start("");
    sipp(&server).run("malformed", 2);
    check_none(&server);
    sipp(&server).run("too_large", 2);
    check(&server, &[(HangupCause::CallerHangup, 2)]);
}

#[test]
fn an_offer_that_is_none_makes_no_call() {
    let server = Server::start("");
    sipp(&server).run("broken_offer", 2);
    check(&server, &[(HangupCause::NoCodec, 4)]);
    assert!(server.ended_calls(4).iter().all(|ended| ended.call.answered_at.is_none() && ended.recordings.is_empty()));
}

#[test]
fn an_offer_of_ours_that_is_not_answered_ends_the_call() {
    let server = Server::start("");
    sipp(&server).run("unanswered_offer", 2);
    check(&server, &[(HangupCause::NoCodec, 2)]);
}

#[test]
fn an_invite_that_comes_by_two_ways_is_one_call() {
    let server = Server::start_with("", &[RINGS]);
    sipp(&server).run("merged", 3);
    check(&server, &[(HangupCause::CallerHangup, 3)]);
    server.wait_metric("offhook_sip_responses_total", "code=\"482\"", 6.0);
}

#[test]
fn requests_of_a_call_have_their_order() {
    for transport in ["u1", "t1"] {
        let server = Server::start("");
        Sipp { server: &server, user: "demo", transport }.run("old_cseq", 2);
        Sipp { server: &server, user: "demo", transport }.run("stray_prack", 2);
        check(&server, &[(HangupCause::CallerHangup, 4)]);
    }
}

#[test]
fn short_names_and_odd_case_are_a_call() {
    let server = Server::start("");
    sipp(&server).run("compact", 3);
    check(&server, &[(HangupCause::CallerHangup, 3)]);
}

#[test]
fn a_bye_of_ours_goes_by_the_proxies_of_the_call() {
    let server = Server::start_with("", &[IMPATIENT]);
    sipp(&server).run("routed", 2);
    check(&server, &[(HangupCause::MediaTimeout, 2)]);
}
