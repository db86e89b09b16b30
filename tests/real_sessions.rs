//! Sessions over WebSocket from end to end: typed, spoken and interrupted, by a client that nobody here wrote and by many of ours.
#![allow(clippy::unwrap_used)]

mod support;

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use serde_json::json;
use store::{HangupCause, LegKind, OrganizationId, RecordingState, Role};
use support::{Server, Simulator, load_with, speech, stereo};

const KEY: &str = "a-key-for-the-tests-of-sessions";

/// A server whose assistant talks through the simulator's OpenAI.
fn server(toml: &str) -> (Simulator, Server) {
    let simulator = Simulator::start(&["--delay-ms", "200"]);
    let environment = [
        ("OPENAI_API_KEY", "test"),
        ("OFFHOOK__PROVIDERS__OPENAI__BASE_URL", simulator.base_url.as_str()),
        ("OFFHOOK_API_KEY", KEY),
    ];
    let server = Server::start_with(toml, &environment);
    (simulator, server)
}

fn client(server: &Server, scenario: &str) -> Option<Command> {
    let mut command = Command::new(support::python()?);
    command.arg("tests/session_client.py").args([&format!("http://{}", server.http), KEY]).arg(speech()).arg(scenario);
    Some(command)
}

/// Runs a scenario of the client; `None` where there is no Python.
fn run(server: &Server, scenario: &str) -> Option<String> {
    let output = client(server, scenario)?.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{scenario}: {text}\n{}", server.log());
    println!("{scenario}: {text}");
    assert!(!server.log().contains("ohs_"), "a token is in the log");
    Some(text)
}

#[test]
fn a_session_is_typed_in() {
    let (_simulator, server) = server("");
    if run(&server, "typed").is_none() {
        return;
    }
    let ended = server.ended_calls(1).remove(0);
    assert_eq!((ended.call.call.leg, ended.call.call.engine.as_str()), (LegKind::Ws, "realtime"));
    assert_eq!(ended.call.cause, Some(HangupCause::CallerHangup));
    assert!(ended.turns.iter().any(|turn| turn.interrupted.is_some()), "what was typed cut the agent: {:#?}", ended.turns);
    server.wait_metric("offhook_calls_active", "leg=\"ws\"", 0.0);
    assert_eq!(server.metric("offhook_calls_total", "leg=\"ws\""), 1.0);
    let (runtime, database) = server.database();
    let events = runtime.block_on(database.events(&OrganizationId::operator(), 0, 100)).unwrap();
    let of_session = |event: &&store::Event| event.kind.as_str().starts_with("session.");
    let told: Vec<_> =
        events.iter().filter(of_session).map(|event| (event.kind.as_str(), event.data["session_id"].as_str())).collect();
    let id = ended.call.call.id.to_string();
    assert_eq!(told, [("session.started", Some(id.as_str())), ("session.ended", Some(id.as_str()))]);
}

#[test]
fn a_session_is_spoken_in_and_leaves_a_whole_record() {
    let (_simulator, server) = server("");
    if run(&server, "spoken").is_none() {
        return;
    }
    let ended = server.ended_calls(1).remove(0);
    let seconds = stereo::read(&server.recording(&ended)).map(|side| side.voiced_seconds());
    assert!(seconds.iter().all(|seconds| *seconds > 1.0), "voice of both: {seconds:?}");
    assert_eq!(ended.recordings[0].state, RecordingState::Complete);
}

#[test]
fn who_speaks_over_the_agent_is_told_how_much_was_heard() {
    let (_simulator, server) = server("");
    if run(&server, "barge_in").is_some() {
        assert!(server.metric("offhook_barge_ins_total", "committed") >= 1.0);
    }
}

#[test]
fn bad_frames_are_answered_and_the_session_lives() {
    let (_simulator, server) = server("");
    if run(&server, "bad").is_some() {
        assert_eq!(server.metric("offhook_actor_restarts_total", ""), 0.0);
    }
}

#[test]
fn a_session_is_opened_by_its_token_and_ended_by_the_api() {
    let (_simulator, server) = server("");
    if run(&server, "refused").is_some() {
        assert_eq!(server.ended_calls(1)[0].call.cause, Some(HangupCause::OperatorHangup));
        assert_eq!(server.metric("offhook_calls_rejected_total", "bad_token"), 6.0);
    }
}

#[test]
fn a_token_that_is_too_old_opens_nothing() {
    let (_simulator, server) = server("");
    let Some(mut command) = client(&server, "expired") else { return };
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut id = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut id).unwrap();
    // A quarter of an hour passes in the database.
    let change = "import sqlite3, sys
base = sqlite3.connect(sys.argv[1], timeout=10)
base.execute('UPDATE sessions SET token_expires_us = token_expires_us - 900000000 WHERE id = ?', (sys.argv[2],))
base.commit()";
    let database = server.folder.path().join("data/offhook.db");
    let changed = Command::new("python3").args(["-c", change]).arg(database).arg(id.trim()).status().unwrap();
    assert!(changed.success());
    writeln!(child.stdin.take().unwrap()).unwrap();
    assert!(child.wait().unwrap().success(), "{}", server.log());
}

#[test]
fn the_offline_assistant_talks_back_what_is_typed_and_said() {
    let server = Server::start_with("", &[("OFFHOOK_API_KEY", KEY)]);
    let target = format!("http://{}", server.http);
    let arguments = ["ws", "--target", &target, "--api-key-env", "OFFHOOK_TEST_KEY", "--audio", speech().to_str().unwrap()]
        .map(str::to_owned);
    let arguments: Vec<&str> =
        arguments.iter().map(String::as_str).chain(["--calls", "5", "--rate", "5", "--hold", "12"]).collect();
    let (_, report, text) = load_with(&arguments, &[("OFFHOOK_TEST_KEY", KEY)]);
    assert_eq!((&report["answered"], &report["failed"]), (&json!(5), &json!(0)), "{text}");
    let count = |spread: &str| report[spread]["count"].as_u64().unwrap();
    assert!(count("first_audio_ms") == 5 && count("response_gap_ms") >= 5, "{text}");
    for ended in server.ended_calls(5) {
        assert_eq!((ended.call.call.leg, ended.call.cause), (LegKind::Ws, Some(HangupCause::CallerHangup)));
        assert!(ended.turns.iter().any(|turn| turn.role == Role::Agent && turn.text.reveal().starts_with("Hello")));
    }
    assert_eq!(server.metric("offhook_mailbox_dropped_total", ""), 0.0);
    // Who interrupts is heard.
    let arguments: Vec<&str> = arguments.iter().copied().chain(["--barge-in"]).collect();
    let (_, report, text) = load_with(&arguments, &[("OFFHOOK_TEST_KEY", KEY)]);
    assert_eq!((&report["answered"], &report["failed"]), (&json!(5), &json!(0)), "{text}");
    assert!(report["stream"]["clears"].as_u64().unwrap() >= 1 && report["barge_ins_ignored"] == 0, "{text}");
}

#[test]
fn an_organization_has_as_many_sessions_as_it_may() {
    let server = Server::start_with("[limits]\nsessions_per_organization = 2\n", &[("OFFHOOK_API_KEY", KEY)]);
    let make = || {
        let head = format!("POST /api/v1/sessions HTTP/1.1\r\nHost: {}\r\nX-API-Key: {KEY}", server.http);
        let request = format!("{head}\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}");
        support::http(server.http, &request).unwrap().0
    };
    assert_eq!([make(), make(), make()], [201, 201, 429]);
}
