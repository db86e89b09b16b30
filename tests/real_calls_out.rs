//! Calls that Offhook places, answered by phones that nobody here wrote: SIPp as callee in many moods, and baresip, which listens.
#![allow(clippy::unwrap_used)]

#[path = "support/placed.rs"]
mod placed;
mod support;

use std::process::{Command, Stdio};
use std::time::Duration;

use placed::{KEY, ask, ended, place, server, shown, wait_status};
use serde_json::{Value, json};
use store::{CallRecord, HangupCause, Outcome, RecordingState};
use support::callee::Callee;
use support::softphone::{LISTEN_SECONDS, Softphone};
use support::{Process, Server, speech, stereo, wait_for};

/// The greeting of the demo assistant, as every test here hears it, has about three seconds of voice.
const GREETING_MIN: f64 = 2.0;

fn outcome(record: &CallRecord) -> (HangupCause, bool, bool) {
    (record.cause.unwrap(), record.ringing_at.is_some(), record.answered_at.is_some())
}

#[test]
fn a_callee_who_answers_is_greeted_and_recorded() {
    let server = server(&[]);
    let callee = Callee::start("callee_answers");
    let id = place(&server, callee.address);
    wait_status(&server, &id, "answered");
    server.wait_metric("offhook_calls_active", "", 1.0);
    let messages = callee.went_well(&server.log());
    assert!(messages.contains("From: <sip:+15550100@127.0.0.1>;tag="), "{messages}");
    // What is longer goes by TCP first, which many a peer does not speak (RFC 3261 §18.1.1).
    let length = messages.split_once("UDP message received [").unwrap().1.split(']').next().unwrap().parse::<usize>().unwrap();
    assert!(length <= 1_300, "an INVITE of {length} bytes");
    let call = wait_status(&server, &id, "ended");
    assert_eq!((&call["outcome"], &call["cause"], &call["sip"]), (&json!("completed"), &json!("callee_hangup"), &Value::Null));
    let seconds = call["duration_s"].as_f64().unwrap();
    assert!((5.5..9.0).contains(&seconds), "{seconds} s");
    let ended = ended(&server);
    assert_eq!(outcome(&ended.call), (HangupCause::CalleeHangup, true, true));
    assert_eq!(ended.recordings[0].state, RecordingState::Complete);
    let [_, agent] = stereo::read(&server.recording(&ended));
    assert!(agent.voiced_seconds() > GREETING_MIN, "{} s of greeting", agent.voiced_seconds());
    server.wait_metric("offhook_calls_total", "direction=\"outbound\",outcome=\"completed\"", 1.0);
    server.wait_metric("offhook_dial_seconds_count", "until=\"ringing\"", 1.0);
    server.wait_metric("offhook_dial_seconds_count", "until=\"answered\"", 1.0);
    server.wait_metric("offhook_calls_active", "", 0.0);
    assert!(server.log().contains(&id), "the log names the call");
}

#[test]
fn refusals_have_their_cause_and_their_words() {
    let server = server(&[]);
    let refusals = [
        ("486 Busy Here", "busy", "rejected"),
        ("603 Decline", "declined", "rejected"),
        ("404 Not Found", "invalid_number", "rejected"),
        ("480 Temporarily Unavailable", "no_answer", "unanswered"),
        ("488 Not Acceptable Here", "no_codec", "rejected"),
        ("607 Unwanted", "unwanted", "rejected"),
        ("503 Service Unavailable", "unavailable", "failed"),
    ];
    for (reply, cause, outcome) in refusals {
        let callee = Callee::refuse(reply);
        let id = place(&server, callee.address);
        let call = wait_status(&server, &id, "ended");
        let (code, words) = reply.split_once(' ').unwrap();
        let sip = json!({ "status": code.parse::<u16>().unwrap(), "reason": words });
        assert_eq!((&call["cause"], &call["outcome"], &call["sip"]), (&json!(cause), &json!(outcome), &sip), "{}", server.log());
        assert_eq!((&call["ringing_at"], &call["answered_at"]), (&Value::Null, &Value::Null));
        callee.went_well(&server.log());
    }
    for ended in server.ended_calls(refusals.len()) {
        assert!(ended.recordings.is_empty() && ended.turns.is_empty());
    }
    server.wait_metric("offhook_calls_total", "direction=\"outbound\",outcome=\"rejected\"", 5.0);
}

#[test]
fn a_telephone_that_rings_too_long_is_called_back() {
    let server = server(&[("OFFHOOK__SIP__RING_TIMEOUT_S", "2")]);
    let callee = Callee::start("callee_rings");
    let id = place(&server, callee.address);
    wait_status(&server, &id, "ringing");
    let messages = callee.went_well(&server.log());
    assert!(messages.contains("CANCEL sip:ada@") && messages.contains("Reason: Q.850;cause=19"), "{messages}");
    let record = ended(&server).call;
    assert_eq!(outcome(&record), (HangupCause::NoAnswer, true, false));
    assert_eq!(record.cause.unwrap().outcome(), Outcome::Unanswered);
    assert_eq!(record.cause_detail.as_deref(), Some("nobody picked up within 2s"));
}

#[test]
fn an_answer_that_crosses_the_cancel_is_ended() {
    let server = server(&[("OFFHOOK__SIP__RING_TIMEOUT_S", "2")]);
    let callee = Callee::start("callee_late");
    place(&server, callee.address);
    callee.went_well(&server.log());
    assert_eq!(outcome(&ended(&server).call), (HangupCause::NoAnswer, true, false));
}

#[test]
fn a_call_is_taken_back_and_hung_up_by_the_api() {
    let server = server(&[]);
    let hang_up = |id: &str| ask(&server, "POST", &format!("/api/v1/calls/{id}/actions"), &json!({ "action": "hangup" }));
    let callee = Callee::start("callee_rings");
    let id = place(&server, callee.address);
    wait_status(&server, &id, "ringing");
    assert_eq!(hang_up(&id).0, 202);
    callee.went_well(&server.log());
    assert_eq!(wait_status(&server, &id, "ended")["cause"], "cancelled");

    let callee = Callee::start("callee_talks");
    let id = place(&server, callee.address);
    wait_status(&server, &id, "answered");
    assert_eq!(hang_up(&id).0, 202);
    callee.went_well(&server.log());
    let call = wait_status(&server, &id, "ended");
    assert_eq!((&call["cause"], &call["outcome"]), (&json!("operator_hangup"), &json!("completed")));
    assert_eq!(hang_up(&id).0, 409);
}

#[test]
fn early_media_is_heard_and_recorded_and_the_agent_waits() {
    let server = server(&[]);
    let callee = Callee::start("callee_early");
    let id = place(&server, callee.address);
    wait_status(&server, &id, "ringing");
    wait_for(Duration::from_secs(10), "early media", || {
        (server.metric("offhook_rtp_packets_total", "received") > 50.0).then_some(())
    });
    assert_eq!(shown(&server, &id)["status"], "ringing");
    assert_eq!(server.metric("offhook_rtp_packets_total", "sent"), 0.0, "nobody speaks before the answer");
    callee.went_well(&server.log());
    let ended = ended(&server);
    assert_eq!(outcome(&ended.call), (HangupCause::CalleeHangup, true, true), "{}", server.log());
    let [callee, agent] = stereo::read(&server.recording(&ended));
    let early = ended.call.answered_at.unwrap().since(ended.call.ringing_at.unwrap());
    assert!((2.5..6.0).contains(&early.as_secs_f64()), "{early:?}");
    let before = (early.as_secs_f64() * 8_000.0) as usize - 8_000;
    let voiced = |side: &stereo::Side| stereo::Side(side.0[..before.min(side.0.len())].to_vec()).voiced_seconds();
    assert!(voiced(&callee) > 0.5, "{} s of the announcement", voiced(&callee));
    assert_eq!(voiced(&agent), 0.0, "the agent was silent before the answer");
    assert!(agent.voiced_seconds() > GREETING_MIN, "{} s of greeting after it", agent.voiced_seconds());
}

#[test]
fn an_answer_that_cannot_be_used_is_acknowledged_and_ended() {
    let server = server(&[]);
    let callee = Callee::start("callee_no_codec");
    place(&server, callee.address);
    let messages = callee.went_well(&server.log());
    assert!(messages.contains("Reason: Q.850;cause=88"), "{messages}");
    let ended = ended(&server);
    assert_eq!(outcome(&ended.call), (HangupCause::NoCodec, false, false));
    assert!(ended.recordings.is_empty());
}

#[test]
fn what_may_not_be_called_is_refused_in_words() {
    let server = server(&[]);
    let check = |wish: Value, status: u16, field: &str, reason: &str| {
        let (got, answer) = ask(&server, "POST", "/api/v1/calls", &wish);
        let expected = json!([{ "field": field, "reason": reason }]);
        assert_eq!((got, &answer["errors"]), (status, &expected), "{answer}");
    };
    check(json!({ "to": "sip:ada@192.0.2.1" }), 422, "to", "192.0.2.1 is not in sip.direct_calls");
    let needs = "a number needs a trunk, and there is none; a sip: URI of a host in sip.direct_calls does not";
    check(json!({ "to": "+15550100" }), 422, "to", needs);
    let nobody = "there is no assistant \"x\"";
    check(json!({ "to": "sip:ada@127.0.0.1", "assistant_id": "x" }), 422, "assistant_id", nobody);
    server.wait_metric("offhook_calls_rejected_total", "reason=\"no_route\"", 3.0);
    assert!(!server.log().contains("5550100"), "numbers are not in the log");
    let (runtime, database) = server.database();
    assert!(runtime.block_on(database.list_calls(10, None)).unwrap().is_empty());
}

#[test]
fn a_node_that_is_full_or_drains_places_no_calls() {
    let server = server(&[("OFFHOOK__NODE__MAX_CALLS", "1")]);
    let callee = Callee::start("callee_talks");
    let id = place(&server, callee.address);
    wait_status(&server, &id, "answered");
    let wish = json!({ "to": "sip:ada@127.0.0.1" });
    let (status, answer) = ask(&server, "POST", "/api/v1/calls", &wish);
    assert_eq!((status, answer["detail"].as_str().unwrap().starts_with("the node has as many calls")), (503, true), "{answer}");
    server.process.signal("-TERM");
    wait_for(Duration::from_secs(10), "the drain", || {
        let (status, answer) = ask(&server, "POST", "/api/v1/calls", &wish);
        (status == 503 && answer["detail"].as_str().unwrap().contains("being stopped")).then_some(())
    });
    ask(&server, "POST", &format!("/api/v1/calls/{id}/actions"), &json!({ "action": "hangup" }));
    callee.went_well(&server.log());
}

#[test]
fn a_softphone_is_called_hears_the_greeting_and_is_heard() {
    for (codec, name, clock) in [("PCMU", "PCMU", 8_000), ("G722/16000", "G722", 16_000), ("opus/48000/2", "opus", 48_000)] {
        let server = server(&[("OFFHOOK__CODECS__ORDER", "opus,g722,pcmu,pcma")]);
        let (phone, address) = Softphone::wait(codec, "");
        let wish = json!({ "to": format!("sip:softphone@{address}"), "from": "office" });
        let (status, call) = ask(&server, "POST", "/api/v1/calls", &wish);
        assert_eq!(status, 201, "{call}");
        let id = call["id"].as_str().unwrap();
        wait_for(Duration::from_secs(45), "the end of the call", || {
            Some(shown(&server, id)).filter(|call| call["status"] == "ended")
        });
        let ended = ended(&server);
        assert_eq!(ended.call.cause, Some(HangupCause::CalleeHangup), "{}\n{}", phone.log(), server.log());
        assert!(phone.log().contains(&format!("Set audio decoder: {name} {clock}Hz")), "{}", phone.log());

        let (said, heard) = (stereo::read_mono(&speech()), phone.heard());
        let length = said.seconds() + 2.0 * LISTEN_SECONDS as f64;
        assert!((heard.seconds() - length).abs() < 1.5, "{} s heard of {length} s", heard.seconds());
        assert!(heard.voiced_seconds() > GREETING_MIN, "{} s of voice heard", heard.voiced_seconds());
        assert_eq!(ended.recordings[0].state, RecordingState::Complete);
        let [callee, agent] = stereo::read(&server.recording(&ended));
        for (side, wanted) in [(&callee, &said), (&agent, &heard)] {
            let (got, wanted) = (side.voiced_seconds(), wanted.voiced_seconds());
            assert!((got - wanted).abs() < 0.5, "{got} s of voice recorded of {wanted} s");
        }
        let (said_alike, heard_alike) = (callee.alike(&said), agent.alike(&heard));
        assert!(said_alike > 0.9 && heard_alike > 0.9, "recorded as {said_alike} and {heard_alike} of what was said and heard");
        assert_eq!(server.metric("offhook_rtp_lost_total", ""), 0.0);
    }
}

/// `offhook call` with the server's own configuration.
fn command(server: &Server, callee: &str, more: &[&str]) -> Process {
    let log = std::fs::File::create(server.folder.path().join("call")).unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_offhook"))
        .args(["call", callee, "--config"])
        .arg(server.folder.path().join("offhook.toml"))
        .args(more)
        .env("OFFHOOK_API_KEY", KEY)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    Process(child)
}

fn said(server: &Server) -> String {
    std::fs::read_to_string(server.folder.path().join("call")).unwrap_or_default()
}

#[test]
fn the_command_tells_each_step_and_its_exit_code_the_outcome() {
    let server = server(&[]);
    let check = |callee: Callee, code: i32, lines: &[&str]| {
        let mut command = command(&server, &format!("sip:ada@{}", callee.address), &["--from", "+15550100"]);
        let status = command.wait(Duration::from_secs(40));
        let said = said(&server);
        let begins: Vec<bool> = said.lines().zip(lines).map(|(line, begin)| line.starts_with(begin)).collect();
        assert_eq!((status.code(), said.lines().count(), begins), (Some(code), lines.len(), vec![true; lines.len()]), "{said}");
        callee.went_well(&server.log());
    };
    let lines = ["dialing sip:ada@127.0.0.1:", "ringing after ", "answered after ", "ended: callee_hangup after "];
    check(Callee::start("callee_answers"), 0, &lines);
    check(Callee::refuse("486 Busy Here"), 3, &["dialing ", "ended: busy (486 Busy Here)"]);

    let mut refused = command(&server, "sip:ada@192.0.2.1", &[]);
    assert_eq!(refused.wait(Duration::from_secs(20)).code(), Some(2));
    assert_eq!(said(&server), "to: 192.0.2.1 is not in sip.direct_calls\n");
}

#[test]
fn ctrl_c_hangs_up() {
    let server = server(&[]);
    let callee = Callee::start("callee_rings");
    let mut command = command(&server, &format!("sip:ada@{}", callee.address), &[]);
    wait_for(Duration::from_secs(20), "the ringing", || said(&server).contains("ringing after ").then_some(()));
    command.signal("-INT");
    assert_eq!(command.wait(Duration::from_secs(20)).code(), Some(5), "{}", said(&server));
    assert!(said(&server).ends_with("hanging up\nended: cancelled\n"), "{}", said(&server));
    callee.went_well(&server.log());
}
