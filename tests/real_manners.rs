//! What the agent says though nobody asked, over SIP: a silent caller is asked after and let go, and the longest call ends with a goodbye.
#![allow(clippy::unwrap_used)]

mod support;

use store::{HangupCause, Role};
use support::{EndedCall, Server, load, rtp_range};

/// The record of a call in which the caller says nothing and waits to be hung up on.
fn silent_call(toml: &str) -> (Server, EndedCall) {
    let head = format!("[rtp]\nport_range = \"{}\"\n[node]\nmax_calls = 8\n", rtp_range(8));
    let tail = "[[assistants]]\nname = \"demo\"\nfirst_message = \"Hello.\"\n[assistants.engine]\nkind = \"offline\"\n";
    let server = Server::start_with(&format!("{head}{toml}{tail}"), &[]);
    let target = server.sip.to_string();
    let (_, report, text) = load(&["sip", "--target", &target, "--say", "silent", "--hold", "50", "--allow-failures"]);
    // To the generator, a server that hangs up first is a failure.
    assert_eq!(report["failures"]["the server hung up early"], 1, "{text}");
    let ended = server.ended_calls(1).remove(0);
    (server, ended)
}

/// All that was said is the agent's, was heard whole, and answered nobody.
fn check(server: &Server, ended: &EndedCall, said: &[&str]) {
    assert_eq!(ended.turns.iter().map(|turn| turn.text.reveal()).collect::<Vec<_>>(), said);
    for turn in &ended.turns {
        assert_eq!((turn.role, turn.interrupted, turn.timings.is_null()), (Role::Agent, None, true), "{turn:?}");
    }
    assert_eq!(server.metric("offhook_response_gap_seconds_count", ""), 0.0);
}

#[test]
fn a_silent_caller_is_asked_twice_told_goodbye_and_hung_up_on() {
    let (server, ended) = silent_call("[turn]\nidle_prompt_s = 1\n");
    assert_eq!(ended.call.cause, Some(HangupCause::CallerSilent));
    check(&server, &ended, &["Hello.", "Are you still there?", "Are you still there?", "Goodbye."]);
    let waits = ended.turns.windows(2).map(|pair| pair[1].started_at.micros() - pair[0].ended_at.micros());
    // A second of silence, and what it takes to make the speech.
    assert!(waits.clone().all(|wait| wait >= 900_000), "{:?}", waits.collect::<Vec<_>>());
    assert_eq!(server.metric("offhook_remarks_total", "still_there"), 2.0);
    assert_eq!(server.metric("offhook_remarks_total", "gone"), 1.0);
}

#[test]
fn the_longest_call_is_told_of_and_ends_with_a_goodbye() {
    let (server, ended) = silent_call("[turn]\nidle_prompt_s = 0\n[limits]\ncall_duration_s = 10\ncall_warning_s = 5\n");
    assert_eq!(ended.call.cause, Some(HangupCause::MaxDuration));
    check(&server, &ended, &["Hello.", "The time for this call is nearly over.", "Goodbye."]);
    let lasted = ended.call.ended_at.unwrap().micros() - ended.call.call.created_at.micros();
    assert!(lasted >= 10_000_000, "{lasted} us");
    assert!(ended.turns[1].started_at.micros() - ended.call.call.created_at.micros() >= 5_000_000);
}
