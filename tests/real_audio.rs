//! What a caller hears and what is kept of it: speech quality by ITU-T P.862, both channels of the recording, keys both ways.
#![allow(clippy::unwrap_used)]

mod support;

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use store::{HangupCause, Role};
use support::{Folder, Server, Simulator, load, rtp_range, speech};

/// One turn, however long the speaker pauses in it.
const TALKBACK: &str = r#"
[turn]
endpoint_silence_ms = 2000
endpoint_silence_min_ms = 2000
[[assistants]]
name = "demo"
first_message = "Hello."
[assistants.engine]
kind = "offline"
"#;

/// The greeting, a polite pause, eleven seconds of speech, the end of turn, and eleven seconds back.
const HOLD: &str = "28";

fn server(toml: &str, environment: &[(&str, &str)]) -> Server {
    // Sections of a file must not be repeated, and assistants come last.
    let toml = format!("[rtp]\nport_range = \"{}\"\n[node]\nmax_calls = 20\n{toml}", rtp_range(20));
    Server::start_with(&toml, environment)
}

/// Places one call with these arguments more, and expects it to go well.
fn call(server: &Server, arguments: &[&str]) -> Value {
    let (target, audio) = (server.sip.to_string(), speech());
    let (_, report, text) = load(&[&["sip", "--target", &target, "--audio", audio.to_str().unwrap()], arguments].concat());
    assert_eq!((&report["answered"], &report["failed"]), (&json!(1), &json!(0)), "{text}");
    report
}

/// How often a call is placed again because the machine, not the server, spoiled it.
const ATTEMPTS: usize = 3;

/// Places a call that says all of the recording once and gives the server it was on. A frame that the generator sent late is
/// jitter that the server must repair, so a clean path is one on which it was on time; the last attempt counts as it is.
fn call_on_time(arguments: &[&str]) -> Server {
    for attempt in 1.. {
        let server = server(TALKBACK, &[]);
        let report = call(&server, &[&["--say", "once", "--hold", HOLD], arguments].concat());
        let late = number(&report["generator"]["send_lateness_ms"], "max");
        if late < 10.0 || attempt == ATTEMPTS {
            return server;
        }
        println!("attempt {attempt}: the generator was {late} ms late");
    }
    unreachable!("the last attempt returns");
}

/// What `audio_opinion.py` finds.
fn opinion(python: &Path, arguments: &[&str]) -> Value {
    let output = Command::new(python).arg("tests/audio_opinion.py").args(arguments).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)))
}

fn number(found: &Value, name: &str) -> f64 {
    found[name].as_f64().unwrap_or_else(|| panic!("no {name}: {found}"))
}

/// Speech that was sent with this loss, in percent, comes back at least this good.
fn check_quality(loss: &str, seed: &str, mos_min: f64) {
    let Some(python) = support::python() else { return };
    let folder = Folder::new();
    let tape = folder.path().join("call.wav");
    let tape = tape.to_str().unwrap();
    call_on_time(&["--loss", loss, "--seed", seed, "--save-wav", tape]);
    let found = opinion(&python, &["pesq", speech().to_str().unwrap(), tape]);
    println!("loss {loss} %, seed {seed}: {found}");
    assert!(number(&found, "mos") >= mos_min, "MOS at {loss} % loss, seed {seed}: {found}");
}

#[test]
fn speech_comes_back_as_good_as_it_was() {
    check_quality("0", "1", 3.8);
    check_quality("0", "2", 3.8);
}

#[test]
fn speech_comes_back_intelligible_over_a_path_that_loses_one_packet_in_twenty() {
    check_quality("5", "1", 2.7);
    check_quality("5", "2", 2.7);
}

#[test]
fn the_recording_has_what_was_sent_left_and_what_was_heard_right_in_step() {
    let Some(python) = support::python() else { return };
    let folder = Folder::new();
    let tape = folder.path().join("call.wav");
    let tape = tape.to_str().unwrap();
    let server = call_on_time(&["--save-wav", tape]);
    let ended = server.ended_calls(1).remove(0);
    let recording = server.recording(&ended);
    let [left, right] = ["left", "right"].map(|side| opinion(&python, &["align", tape, recording.to_str().unwrap(), side]));
    println!("left {left}, right {right}");
    for side in [&left, &right] {
        assert!(number(side, "seconds") >= 8.0 && number(side, "likeness") > 0.95, "left {left}, right {right}");
    }
    // The agent is recorded when it is sent, the caller when the jitter buffer plays: 10 to 40 ms and a tick later.
    let apart = number(&left, "lag_ms") - number(&right, "lag_ms");
    assert!((-20.0..=60.0).contains(&apart), "the caller's side is {apart} ms behind; left {left}, right {right}");
    // What was sent is recorded as it was sent, to the sample.
    assert!(number(&right, "spread_ms") < 1.0 && number(&right, "likeness") > 0.999, "left {left}, right {right}");
}

#[test]
fn keys_of_the_caller_walk_through_the_menu() {
    let server = server(
        r##"
        [[assistants]]
        name = "demo"
        first_message = "Hello."
        [assistants.engine]
        kind = "offline"
        mode = "menu"
        menu_prompt = "Press one for our hours, or pound to leave."
        [[assistants.engine.menu]]
        key = "1"
        action = "say"
        say = "Nine to five."
        [[assistants.engine.menu]]
        key = "#"
        action = "hang_up"
        "##,
        &[],
    );
    call(&server, &["--say", "silent", "--dtmf", "1", "--hold", "5"]);
    let first = server.ended_calls(1).remove(0);
    assert!(first.turns.iter().any(|turn| turn.text.reveal() == "Nine to five."), "{:#?}", first.turns);
    assert_eq!(first.call.cause, Some(HangupCause::CallerHangup));

    let (target, audio) = (server.sip.to_string(), speech());
    let arguments = ["--say", "silent", "--dtmf", "#", "--hold", "20", "--allow-failures"];
    let (_, report, text) = load(&[&["sip", "--target", &target, "--audio", audio.to_str().unwrap()], &arguments[..]].concat());
    // To the generator, a server that hangs up first is a failure.
    assert_eq!((&report["answered"], &report["failed"]), (&json!(1), &json!(1)), "{text}");
    let second = server.ended_calls(2).remove(0);
    assert_eq!(second.call.cause, Some(HangupCause::AgentHangup), "{text}");
}

#[test]
fn keys_of_the_agent_reach_the_caller() {
    let folder = Folder::new();
    let script = folder.path().join("script.toml");
    let text = r##"
        [greeting]
        tool = { name = "send_dtmf", arguments = '{"digits":"15#"}' }
        [[turns]]
        text = "I pressed the keys."
        duration_ms = 1000
    "##;
    std::fs::write(&script, text).unwrap();
    let simulator = Simulator::start(&["--script", script.to_str().unwrap()]);
    let environment = [("OPENAI_API_KEY", "test"), ("OFFHOOK__PROVIDERS__OPENAI__BASE_URL", simulator.base_url.as_str())];
    let server = server("", &environment);
    let report = call(&server, &["--hold", "8"]);
    assert_eq!(report["keys_heard"], json!({"15#": 1}), "{}", server.log());
    assert_eq!(server.metric("offhook_tool_calls_total", "ok"), 1.0);
    let ended = server.ended_calls(1).remove(0);
    assert!(ended.turns.iter().any(|turn| turn.role == Role::Agent && turn.text.reveal() == "I pressed the keys."));
}
