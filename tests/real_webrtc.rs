//! Sessions by WebRTC from end to end, with a stack that nobody here wrote (aiortc): voice both ways, transcript over a data channel, many
//! peers on one port, floods, and peers that vanish.
#![allow(clippy::unwrap_used)]

mod support;

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use store::{HangupCause, LegKind, RecordingState, Role};
use support::{Process, Server, speech, stereo};

const KEY: &str = "a-key-for-the-tests-of-webrtc";

fn server() -> Server {
    Server::start_with("", &[("OFFHOOK_API_KEY", KEY)])
}

fn client(server: &Server, scenario: &str) -> Option<Command> {
    let mut command = Command::new(support::python()?);
    command.arg("tests/webrtc_session.py").args([&format!("http://{}", server.http), KEY]).arg(speech()).arg(scenario);
    Some(command)
}

/// Runs a scenario of the client; `None` where there is no Python.
fn run(server: &Server, scenario: &str) -> Option<Value> {
    let output = client(server, scenario)?.output().unwrap();
    let (text, errors) = (String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{scenario}: {text}\n{errors}\n{}", server.log());
    println!("{scenario}: {text}");
    assert!(!server.log().contains("ohs_"), "a token is in the log");
    Some(serde_json::from_str(text.lines().last().unwrap()).unwrap())
}

/// Seconds of voice in what is said.
fn said() -> f64 {
    stereo::read_mono(&speech()).voiced_seconds()
}

/// What a whole call left behind, and heard.
fn check_talk(seen: &Value) {
    let seconds = |key: &str| seen[key].as_f64().unwrap();
    assert!(seconds("greeting_s") > 0.5, "{seen}");
    // What is said after a pause talks over what was said before it: the end comes back whole, the rest in part.
    let (back, said) = (seconds("talked_back_s"), said());
    assert!(back > 1.0 && back < said * 1.2, "{back} s of {said} s came back: {seen}");
    assert!(seen["received"].as_u64() > Some(300), "{seen}");
}

#[test]
fn a_browser_s_library_talks_and_is_told_what_was_said() {
    let server = server();
    let Some(seen) = run(&server, "talk") else { return };
    check_talk(&seen);
    let answer = seen["answer"].as_str().unwrap();
    for line in [
        "a=ice-lite\r\n",
        "a=setup:passive\r\n",
        "a=group:BUNDLE 0 1\r\n",
        "a=sctp-port:5000\r\n",
        "a=rtcp-mux\r\n",
        " opus/48000/2\r\n",
    ] {
        assert!(answer.contains(line), "{line} is not in {answer}");
    }
    let told: Vec<&str> = seen["told"].as_array().unwrap().iter().map(|kind| kind.as_str().unwrap()).collect();
    assert_eq!((told[0], *told.last().unwrap()), ("connected", "session-ended"), "{told:?}");
    for kind in ["assistant-message", "transcript", "speech-started", "speech-stopped"] {
        assert!(told.contains(&kind), "{kind} is not in {told:?}");
    }
    let ended = server.ended_calls(1).remove(0);
    assert_eq!((ended.call.call.leg, ended.call.cause), (LegKind::Webrtc, Some(HangupCause::CallerHangup)));
    assert_eq!(ended.call.call.id.to_string(), seen["id"].as_str().unwrap());
    assert!(ended.turns.iter().any(|turn| turn.role == Role::Agent && turn.text.reveal().starts_with("Hello")));
    let sides = stereo::read(&server.recording(&ended));
    let seconds = sides.each_ref().map(|side| side.voiced_seconds());
    assert!(seconds.iter().all(|seconds| *seconds > 1.0), "voice of both: {seconds:?}");
    assert_eq!(ended.recordings[0].state, RecordingState::Complete);
    server.wait_metric("offhook_calls_active", "leg=\"webrtc\"", 0.0);
    assert_eq!(server.metric("offhook_calls_total", "leg=\"webrtc\""), 1.0);
    assert_eq!(server.metric("offhook_dtls_handshakes_total", "result=\"connected\""), 1.0);
    assert_eq!(server.metric("offhook_rtp_lost_total", ""), 0.0);
    assert_eq!(server.metric("offhook_actor_restarts_total", ""), 0.0);
}

#[test]
fn two_peers_share_the_port() {
    let server = server();
    let Some(seen) = run(&server, "two") else { return };
    seen.as_array().unwrap().iter().for_each(check_talk);
    assert_eq!(server.ended_calls(2).iter().filter(|ended| ended.call.call.leg == LegKind::Webrtc).count(), 2);
    assert_eq!(server.metric("offhook_dtls_handshakes_total", "result=\"connected\""), 2.0);
}

#[test]
fn garbage_at_the_port_disturbs_nobody() {
    let server = server();
    let Some(seen) = run(&server, "flood") else { return };
    check_talk(&seen);
    assert_eq!((&seen["lost"], server.metric("offhook_rtp_lost_total", "")), (&json!(0), 0.0), "{seen}");
    let sent = seen["sent"].as_f64().unwrap();
    let strangers = server.metric("offhook_webrtc_datagrams_total", "result=\"stranger\"");
    assert!(sent > 1_000.0 && strangers > sent / 2.0, "{strangers} of {sent}");
    assert_eq!(server.metric("offhook_dtls_handshakes_total", ""), 1.0);
}

#[test]
fn loss_is_borne_and_told() {
    let server = server();
    let Some(seen) = run(&server, "lossy") else { return };
    check_talk(&seen);
    let share = |lost: f64, of: f64| lost / (lost + of);
    let (lost, received) = (seen["lost"].as_f64().unwrap(), seen["received"].as_f64().unwrap());
    assert!((0.02..0.10).contains(&share(lost, received)), "lost to the peer: {seen}");
    assert!(server.metric("offhook_rtp_lost_total", "") > 10.0, "lost to us");
    assert!(server.metric("offhook_rtp_recovered_total", "") > 5.0, "and told by the next packet");
    assert!(seen["figures"]["received"]["jitter_ms"].as_f64() > Some(3.0), "{}", seen["figures"]);
}

#[test]
fn a_peer_types_over_its_data_channel() {
    let server = server();
    let Some(seen) = run(&server, "typed") else { return };
    let messages = seen["messages"].as_array().unwrap();
    let codes: Vec<&Value> =
        messages.iter().filter(|message| message["type"] == "error").map(|message| &message["code"]).collect();
    assert_eq!(codes, [&json!("bad_json"), &json!("bad_audio")]);
    assert!(messages.iter().any(|message| message["text"] == "Good morning to you."), "{seen}");
    assert!(seen["loud_s"].as_f64() > Some(0.3), "{seen}");
}

#[test]
fn a_call_without_data_channels_is_ended_by_its_location() {
    let server = server();
    let Some(seen) = run(&server, "bare") else { return };
    check_talk(&seen);
    assert_eq!(seen["left"], 204);
    assert!(!seen["answer"].as_str().unwrap().contains("m=application"), "{seen}");
    assert_eq!(server.ended_calls(1)[0].call.cause, Some(HangupCause::CallerHangup));
}

#[test]
fn a_peer_that_vanishes_is_gone_after_half_a_minute() {
    let server = server();
    let Some(mut command) = client(&server, "gone") else { return };
    let mut child = Process(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut id = String::new();
    BufReader::new(child.0.stdout.take().unwrap()).read_line(&mut id).unwrap();
    drop(child);
    let since = Instant::now();
    support::wait_for(Duration::from_secs(45), "the end of the call", || {
        (server.metric("offhook_calls_active", "leg=\"webrtc\"") == 0.0).then_some(())
    });
    let ended = server.ended_calls(1).remove(0);
    assert_eq!(ended.call.cause, Some(HangupCause::MediaTimeout), "after {:?}", since.elapsed());
    assert_eq!(ended.call.call.id.to_string(), id.trim());
}

#[test]
fn offers_that_cannot_be_taken_are_told_why_and_the_session_is_still_there() {
    let server = server();
    let Some(seen) = run(&server, "refused") else { return };
    let told: Vec<String> = seen
        .as_array()
        .unwrap()
        .iter()
        .map(|attempt| {
            let reasons = attempt[2].as_array().unwrap();
            let reason = reasons.first().unwrap_or(&attempt[1]).as_str().unwrap();
            format!("{} {}", attempt[0], reason.split(&[':', '('][..]).next().unwrap().trim())
        })
        .collect();
    assert_eq!(
        told,
        [
            "401 show a token or an API key",
            "401 the token is not this session's",
            "415 the body must be application/sdp",
            "413 sdp",
            "422 body is not a session description",
            "422 no ICE credentials",
            "422 no common codec",
            "422 no common encryption",
            "409 no browser is connected to this session here",
            "201 ",
            "409 the session has a leg already",
            "422 body is not a session description",
            "204 ",
        ]
    );
    assert_eq!(server.ended_calls(1)[0].call.cause, Some(HangupCause::CallerHangup));
}

/// Chromium with a microphone that plays the speech: a page's own WebRTC, with a restart of ICE in the middle of the call.
#[test]
fn a_page_in_a_browser_talks_and_changes_networks() {
    let Some(node) = std::env::var_os("OFFHOOK_TEST_NODE") else {
        assert!(std::env::var_os("CI").is_none(), "OFFHOOK_TEST_NODE is not set: use `make test`");
        println!("skipped: OFFHOOK_TEST_NODE is not set; `make test` sets it");
        return;
    };
    let server = server();
    let head = format!("POST /api/v1/sessions HTTP/1.1\r\nHost: {}\r\nX-API-Key: {KEY}", server.http);
    let request = format!("{head}\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}");
    let (status, session) = support::http(server.http, &request).unwrap();
    assert_eq!(status, 201, "{session}");
    let session: Value = serde_json::from_str(&session).unwrap();
    let given = json!({ "url": format!("http://{}", server.http), "session": session, "speech": speech() });
    let output = Command::new(node)
        .arg("dashboard/e2e/webrtc.mjs")
        .env("OFFHOOK_E2E", given.to_string())
        // What Chromium leaves behind goes with the test.
        .env("TMPDIR", server.folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{}", server.log());
    println!("{said}");
    assert!(said.matches("ok: ").count() >= 8, "{said}");
    let ended = server.ended_calls(1).remove(0);
    assert_eq!((ended.call.call.leg, ended.call.cause), (LegKind::Webrtc, Some(HangupCause::CallerHangup)));
    // A restart of ICE is no other handshake, and no other peer.
    assert_eq!(server.metric("offhook_dtls_handshakes_total", "result=\"connected\""), 1.0);
}
