//! What goes wrong on the wire, as SIPp does it to us as the caller: answers that are lost, come twice, cross ours or come from two.
#![allow(clippy::unwrap_used)]

#[path = "support/placed.rs"]
mod placed;
mod support;

use placed::{ended, place, server, wait_status};
use store::HangupCause;
use support::callee::Callee;

/// A callee who sends no audio is hung up on, which is how a scenario comes by a BYE of ours.
const IMPATIENT: (&str, &str) = ("OFFHOOK__RTP__TIMEOUT_S", "2");

/// Calls a callee who must find everything as its scenario says; how the call ended, whether it was answered, and all messages.
fn call(callee: Callee, environment: &[(&str, &str)]) -> (HangupCause, bool, String) {
    let server = server(environment);
    let id = place(&server, callee.address);
    let messages = callee.went_well(&server.log());
    wait_status(&server, &id, "ended");
    server.wait_metric("offhook_calls_active", "", 0.0);
    let record = ended(&server).call;
    (record.cause.unwrap(), record.answered_at.is_some(), messages)
}

/// So many messages of the call begin with this.
fn count(messages: &str, begin: &str) -> usize {
    messages.lines().filter(|line| line.starts_with(begin)).count()
}

#[test]
fn an_invite_that_is_lost_comes_again() {
    let (cause, answered, messages) = call(Callee::counting("callee_deaf"), &[]);
    assert_eq!((cause, answered, count(&messages, "INVITE ")), (HangupCause::CalleeHangup, true, 3), "{messages}");
}

#[test]
fn answers_that_come_again_are_one_call() {
    let (cause, answered, messages) = call(Callee::counting("callee_repeats"), &[]);
    assert_eq!((cause, answered, count(&messages, "ACK ")), (HangupCause::CalleeHangup, true, 2), "{messages}");
}

#[test]
fn a_callee_may_not_hang_up_before_its_answer() {
    let (cause, answered, messages) = call(Callee::start("callee_early_bye"), &[]);
    assert_eq!((cause, answered), (HangupCause::CalleeHangup, true), "{messages}");
}

#[test]
fn an_invite_that_meets_another_or_comes_too_soon_comes_again() {
    for scenario in ["callee_pending", "callee_later"] {
        let (cause, answered, messages) = call(Callee::start(scenario), &[]);
        assert_eq!((cause, answered, count(&messages, "INVITE ")), (HangupCause::CalleeHangup, true, 2), "{messages}");
        let ids: std::collections::BTreeSet<_> = messages.lines().filter(|line| line.starts_with("Call-ID:")).collect();
        assert_eq!(ids.len(), 1, "{ids:?}");
    }
}

#[test]
fn of_two_telephones_that_answer_the_first_has_the_call() {
    let (cause, answered, messages) = call(Callee::start("callee_forks"), &[]);
    assert_eq!((cause, answered), (HangupCause::CalleeHangup, true), "{messages}");
}

#[test]
fn a_callee_who_has_moved_is_not_followed() {
    let server = server(&[]);
    let callee = Callee::start("callee_moved");
    let id = place(&server, callee.address);
    let messages = callee.went_well(&server.log());
    let call = wait_status(&server, &id, "ended");
    assert_eq!((call["sip"]["status"].as_u64(), count(&messages, "INVITE ")), (Some(302), 1), "{messages}");
}

#[test]
fn a_cancel_waits_for_the_first_sign_of_the_callee() {
    let (cause, answered, messages) = call(Callee::start("callee_mute"), &[("OFFHOOK__SIP__RING_TIMEOUT_S", "1")]);
    assert_eq!((cause, answered, count(&messages, "CANCEL ")), (HangupCause::NoAnswer, false, 1), "{messages}");
}

#[test]
fn caller_and_callee_may_hang_up_at_once() {
    let (cause, answered, messages) = call(Callee::start("callee_bye_glare"), &[IMPATIENT]);
    assert_eq!((cause, answered), (HangupCause::MediaTimeout, true), "{messages}");
}

#[test]
fn a_refusal_that_comes_again_is_acknowledged_again() {
    let (cause, answered, messages) = call(Callee::counting("callee_refuses_twice"), &[]);
    assert_eq!((cause, answered, count(&messages, "ACK ")), (HangupCause::Busy, false, 3), "{messages}");
}

#[test]
fn of_two_offers_of_the_callee_the_first_stands() {
    let (cause, answered, messages) = call(Callee::start("callee_overlaps"), &[]);
    assert_eq!((cause, answered), (HangupCause::CalleeHangup, true), "{messages}");
}

#[test]
fn an_announcement_before_a_refusal_is_no_conversation() {
    let (cause, answered, messages) = call(Callee::start("callee_early_busy"), &[]);
    assert_eq!((cause, answered), (HangupCause::Busy, false), "{messages}");
}
