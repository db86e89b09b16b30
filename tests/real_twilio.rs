//! Twilio calls from end to end: webhook, media stream, engine, record and recording; and what the doors refuse.
#![allow(clippy::unwrap_used)]

mod support;

use std::process::Command;

use serde_json::{Value, json};
use store::{HangupCause, LegKind, RecordingState, Role};
use support::media_stream::{MediaStream, token, webhook};
use support::{Server, Simulator, load, speech, stereo};

const TOKEN: &str = "not-a-real-token";
/// The number that `offhook-load twilio` calls.
const NUMBER: &str = "+15550100000";
/// WebSocket close code of a peer that broke the rules (RFC 6455 §7.4.1).
const POLICY: u16 = 1008;

/// Places calls with these arguments more; gives the report.
fn call(server: &Server, arguments: &[&str]) -> (Value, String) {
    let (target, audio) = (format!("http://{}", server.http), speech());
    let common = ["twilio", "--allow-failures", "--target", &target, "--audio", audio.to_str().unwrap()];
    let (_, report, text) = load(&[&common, arguments].concat());
    (report, text)
}

/// The record of the one call: who hung up, and both sides in the recording.
fn check_record(server: &Server, engine: &str) -> support::EndedCall {
    let ended = server.ended_calls(1).remove(0);
    assert_eq!(ended.call.call.leg, LegKind::Twilio);
    assert_eq!(ended.call.call.engine, engine);
    assert_eq!(ended.call.call.to.reveal(), NUMBER);
    assert!(ended.call.call.external_id.starts_with("CA"));
    assert_eq!(ended.call.cause, Some(HangupCause::CallerHangup));
    let seconds = stereo::read(&server.recording(&ended)).map(|side| side.voiced_seconds());
    assert!(seconds.iter().all(|seconds| *seconds > 1.0), "voice of caller and agent: {seconds:?}");
    assert_eq!(ended.recordings[0].state, RecordingState::Complete);
    ended
}

fn count(report: &Value, spread: &str) -> u64 {
    report[spread]["count"].as_u64().unwrap()
}

#[test]
fn a_talkback_call_answers_speech_and_ends_with_a_whole_record() {
    let server = Server::start("");
    let (report, text) = call(&server, &["--hold", "14"]);
    assert_eq!((&report["answered"], &report["failed"]), (&json!(1), &json!(0)), "{text}");
    assert!(count(&report, "first_audio_ms") == 1 && count(&report, "response_gap_ms") >= 1, "{text}");
    assert!(report["stream"]["marks"].as_u64().unwrap() >= 2, "{text}");
    let ended = check_record(&server, "offline");
    assert!(ended.turns.iter().any(|turn| turn.role == Role::Agent && turn.text.reveal().starts_with("Hello")));
    server.wait_metric("offhook_calls_active", "leg=\"twilio\"", 0.0);
}

#[test]
fn a_realtime_call_answers_speech_and_writes_down_both_sides() {
    let simulator = Simulator::start(&["--delay-ms", "200"]);
    let environment = [("OPENAI_API_KEY", "test"), ("OFFHOOK__PROVIDERS__OPENAI__BASE_URL", simulator.base_url.as_str())];
    let server = Server::start_with("", &environment);
    let (report, text) = call(&server, &["--hold", "14"]);
    assert_eq!((&report["answered"], &report["failed"]), (&json!(1), &json!(0)), "{text}");
    assert!(count(&report, "response_gap_ms") >= 1, "{text}");
    assert!(report["stream"]["marks"].as_u64().unwrap() >= 2, "{text}");
    let ended = check_record(&server, "realtime");
    let said = |role, words: &str| ended.turns.iter().any(|turn| turn.role == role && turn.text.reveal().contains(words));
    assert!(said(Role::Agent, "How can I help?") && said(Role::Agent, "I understood that"), "{:#?}", ended.turns);
    assert!(said(Role::Caller, "my fellow Americans"), "{:#?}", ended.turns);
}

#[test]
fn a_barge_in_clears_what_twilio_has_and_the_agent_falls_silent() {
    let server = Server::start("");
    let (report, text) = call(&server, &["--hold", "12", "--barge-in"]);
    assert_eq!((&report["answered"], &report["failed"]), (&json!(1), &json!(0)), "{text}");
    assert!(count(&report, "barge_in_to_silence_ms") >= 1, "{text}");
    assert_eq!(report["barge_ins_ignored"], 0, "{text}");
    assert!(report["stream"]["clears"].as_u64().unwrap() >= 1, "{text}");
    assert!(server.metric("offhook_barge_ins_total", "committed") >= 1.0);
    let ended = check_record(&server, "offline");
    assert!(ended.turns[0].interrupted.is_some(), "{:#?}", ended.turns);
}

#[test]
fn a_key_chooses_from_the_menu() {
    let server = Server::start(
        r#"
        [[assistants]]
        name = "demo"
        first_message = "Hello."
        [assistants.engine]
        kind = "offline"
        mode = "menu"
        menu_prompt = "Press one for our hours."
        [[assistants.engine.menu]]
        key = "1"
        action = "say"
        say = "We are open from nine to five."
        "#,
    );
    let (report, text) = call(&server, &["--hold", "6", "--say", "silent", "--dtmf", "1"]);
    assert_eq!((&report["answered"], &report["failed"]), (&json!(1), &json!(0)), "{text}");
    let ended = server.ended_calls(1).remove(0);
    assert!(ended.turns.iter().any(|turn| turn.text.reveal() == "We are open from nine to five."), "{:#?}", ended.turns);
}

#[test]
fn only_twilio_with_the_right_token_gets_in() {
    let server = Server::start(&format!("[twilio]\nauth_token = \"{TOKEN}\"\n"));
    let (report, text) = call(&server, &["--hold", "2", "--auth-token", TOKEN]);
    assert_eq!((&report["answered"], &report["failed"]), (&json!(1), &json!(0)), "{text}");
    for wrong in [&["--hold", "2", "--auth-token", "another"][..], &["--hold", "2"]] {
        let (report, text) = call(&server, wrong);
        assert_eq!(report["answered"], 0, "{text}");
        assert_eq!(report["failures"], json!({"voice webhook: status 403": 1}), "{text}");
    }
    assert_eq!(webhook(server.http, "/twilio/status", "CA1").0, 403);
    server.ended_calls(1);
    assert_eq!(server.metric("offhook_calls_rejected_total", "bad_signature"), 3.0);
}

#[test]
fn a_number_that_nobody_answers_gets_an_apology() {
    let server = Server::start("[routing]\ndefault_assistant = \"\"\n");
    let (status, twiml) = webhook(server.http, "/twilio/voice", "CA1");
    assert_eq!(status, 200);
    let apology = "<Response><Say>We are sorry, this number is not in service.</Say><Hangup/></Response>";
    assert!(twiml.contains(apology), "{twiml}");
}

#[test]
fn a_full_node_says_so() {
    let server = Server::start("[node]\nmax_calls = 1\n");
    let (_, first) = webhook(server.http, "/twilio/voice", "CA1");
    assert!(first.contains("<Connect>"), "{first}");
    let (status, second) = webhook(server.http, "/twilio/voice", "CA2");
    assert_eq!(status, 200);
    assert!(second.contains("<Say>We are sorry, all our lines are busy.") && second.contains("<Hangup/>"), "{second}");
    // Twilio repeats a webhook whose answer was slow: it is the same call.
    assert_eq!(webhook(server.http, "/twilio/voice", "CA1").1, first);
}

#[test]
fn a_socket_that_breaks_ends_the_call_as_lost() {
    let server = Server::start("");
    let (_, twiml) = webhook(server.http, "/twilio/voice", "CA1");
    let mut stream = MediaStream::start(server.http, "CA1", &token(&twiml));
    stream.wait("media").unwrap();
    drop(stream);
    let ended = server.ended_calls(1).remove(0);
    assert_eq!(ended.call.cause, Some(HangupCause::MediaTimeout));
    assert_eq!(ended.call.cause_detail.as_deref(), Some("the media stream broke off"));
    server.wait_metric("offhook_calls_active", "leg=\"twilio\"", 0.0);
}

#[test]
fn a_call_has_one_stream_and_a_second_is_refused() {
    let server = Server::start("");
    let (_, twiml) = webhook(server.http, "/twilio/voice", "CA1");
    let mut first = MediaStream::start(server.http, "CA1", &token(&twiml));
    first.wait("media").unwrap();
    assert_eq!(MediaStream::start(server.http, "CA1", &token(&twiml)).wait("media"), Err(POLICY));
    assert_eq!(MediaStream::start(server.http, "CA1", "guessed").wait("media"), Err(POLICY));
    first.wait("media").unwrap();
    first.send(&json!({"event": "stop", "streamSid": "MZ1", "stop": {"accountSid": "AC1", "callSid": "CA1"}}));
    assert_eq!(server.ended_calls(1)[0].call.cause, Some(HangupCause::CallerHangup));
    assert_eq!(server.metric("offhook_calls_rejected_total", "bad_token"), 2.0);
}

#[test]
fn twilios_own_library_and_another_web_socket_agree() {
    let Some(python) = support::python() else { return };
    let server = Server::start(&format!("[twilio]\nauth_token = \"{TOKEN}\"\n"));
    let output = Command::new(python)
        .arg("tests/twilio_second_opinion.py")
        .args([&format!("http://{}", server.http), TOKEN, NUMBER])
        .arg(speech())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{}", server.log());
    check_record(&server, "offline");
}
