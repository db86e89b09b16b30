//! Every actor is made to fail while calls are up: the restart table is what happens, and nobody else notices.
#![allow(clippy::unwrap_used)]

#[path = "support/bot.rs"]
mod bot;
#[path = "support/node.rs"]
mod node;
#[path = "support/peer.rs"]
mod peer;
mod support;
#[path = "support/wiretap.rs"]
mod wiretap;

use std::thread::JoinHandle;
use std::time::Duration;

use actors::config::{BotConfig, EngineConfig};
use actors::fault::Fault;
use actors::kind::ActorKind;
use actors::supervision::{Otherwise, Restart, policy};
use ai::offline::{Mode, OfflineConfig};
use ai::openai::RealtimeEndpoint;
use ai::realtime::RealtimeConfig;
use ai::stream::Bot;
use node::{Node, metric, talkback, wait};
use peer::Peer;
use serde_json::Value;
use store::{CallId, HangupCause, RecordingState, Role};
use support::Simulator;
use wiretap::Wiretap;

const PER_CALL: [ActorKind; 6] =
    [ActorKind::Call, ActorKind::Leg, ActorKind::JitterBuffer, ActorKind::Vad, ActorKind::AiSession, ActorKind::Recorder];

/// Virtual callers beside the test, and the report that they end with.
fn callers(node: &Node, from: &str, calls: usize, seconds: u64) -> JoinHandle<Value> {
    let (target, calls, hold) = (node.sip.to_string(), calls.to_string(), seconds.to_string());
    let (from, speech) = (from.to_owned(), support::speech().display().to_string());
    std::thread::spawn(move || {
        let arguments = ["sip", "--target", &target, "--calls", &calls, "--hold", &hold, "--from", &from, "--audio", &speech];
        support::load(&[&arguments[..], &["--rate", "20", "--allow-failures"]].concat()).1
    })
}

/// All calls of a report went well, and no frame of theirs is missing, in the middle or at the end.
fn assert_whole(report: &Value, calls: u64) {
    assert_eq!(report["answered"], calls, "{report:#}");
    assert_eq!(report["failed"], 0, "{report:#}");
    assert_eq!(report["packets"]["lost"], 0, "{report:#}");
    // 50 frames a second; the first and the last quarter second of a call may fall to either side of its report.
    let (received, seconds) = (report["packets"]["received"].as_f64().unwrap(), report["call_seconds"].as_f64().unwrap());
    let missing = seconds * 50.0 - received;
    assert!(missing < 25.0 * calls as f64, "{missing} frames of {calls} calls did not come: {report:#}");
}

/// What the record of a call says after one of its actors failed, by the restart table.
fn assert_row_applied(node: &Node, call: CallId, actor: ActorKind, report: &Value) {
    let row = policy(actor).unwrap();
    let record = node.ended(call);
    let name = actor.name();
    match (row.restart, row.otherwise) {
        (Restart::Never, Otherwise::CrashCall | Otherwise::EndCall) => {
            assert_eq!(record.cause, Some(HangupCause::Crashed), "{name}");
            assert_eq!(report["failures"]["the server hung up early"], 1, "{name}: {report:#}");
            let detail = record.cause_detail.unwrap();
            assert!(detail.contains("injected"), "{name}: {detail}");
            assert_eq!(node.wrongs(call), Vec::<String>::new(), "{name}");
        }
        (Restart::Within { .. }, _) => {
            assert_eq!(record.cause, Some(HangupCause::CallerHangup), "{name}");
            assert_eq!(node.wrongs(call), [format!("actor_restarted {name}")]);
            assert!(node.incidents(call)[0].detail.contains("injected"), "{name}");
            assert_whole(report, 1);
            // It went on as a call: what the caller said after the fault was played back.
            assert!(report["response_gap_ms"]["count"].as_u64().unwrap() >= 1, "{name}: {report:#}");
        }
        (Restart::Never, other) => panic!("{name}: no test for {other:?}"),
    }
    let recording = node.recording(call);
    let (state, note) = match actor {
        ActorKind::Call => (RecordingState::Repaired, Some("cut short by a crash")),
        ActorKind::Recorder => (RecordingState::Complete, Some("has a silent gap where the recorder was restarted")),
        _ => (RecordingState::Complete, None),
    };
    assert_eq!((recording.state, recording.note.as_deref()), (state, note), "{name}");
    let file = std::fs::metadata(node.folder.path().join(&recording.path)).unwrap();
    assert_eq!(Some(file.len()), recording.bytes, "{name}");
}

/// One call for each actor and kind of fault, and twenty more that must not notice.
fn every_actor_of_a_call_fails(fault: Fault, name: &str) {
    let node = Node::start(talkback());
    let restarts = metric("offhook_actor_restarts_total", "");
    let others = callers(&node, "other", 20, 22);
    node.wait_calls(20);
    let victims: Vec<_> =
        PER_CALL.into_iter().map(|actor| (actor, callers(&node, &format!("{name}-{}", actor.name()), 1, 15))).collect();
    node.wait_calls(26);
    std::thread::sleep(Duration::from_millis(1_500));
    let calls = PER_CALL.map(|actor| node.call_from(&format!("{name}-{}", actor.name())));
    for (actor, call) in PER_CALL.into_iter().zip(calls) {
        node.inject(call, actor, fault);
        std::thread::sleep(Duration::from_millis(200));
    }
    for ((actor, victim), call) in victims.into_iter().zip(calls) {
        assert_row_applied(&node, call, actor, &victim.join().unwrap());
    }
    assert_whole(&others.join().unwrap(), 20);
    assert_eq!(metric("offhook_actor_restarts_total", "") - restarts, 4.0);
    wait("no active call", || metric("offhook_calls_active", "") == 0.0);
    node.wait_calls(0);
}

#[test]
fn a_panic_of_any_actor_of_a_call_does_what_the_table_says() {
    every_actor_of_a_call_fails(Fault::Panic, "panic");
}

#[test]
fn an_error_of_any_actor_of_a_call_does_what_the_table_says() {
    every_actor_of_a_call_fails(Fault::Error, "error");
}

#[test]
fn the_peer_of_a_call_that_ends_is_told_why() {
    let node = Node::start(talkback());
    for actor in [ActorKind::Call, ActorKind::Leg] {
        let mut peer = Peer::call(node.sip, actor.name());
        node.inject(node.call_from(actor.name()), actor, Fault::Panic);
        assert_eq!(peer.wait_bye(), r#"Q.850;cause=41;text="temporary failure""#, "{}", actor.name());
    }
}

#[test]
fn an_engine_that_dies_too_often_apologises_and_hangs_up() {
    let node = Node::start(talkback());
    let mut peer = Peer::call(node.sip, "unlucky");
    let call = node.call_from("unlucky");
    for death in 1..=3 {
        node.inject(call, ActorKind::AiSession, Fault::Panic);
        wait("the death on the record", || node.wrongs(call).len() == death);
    }
    assert_eq!(peer.wait_bye(), r#"Q.850;cause=16;text="normal call clearing""#);
    assert_eq!(node.ended(call).cause, Some(HangupCause::AgentHangup));
    assert_eq!(node.wrongs(call), ["actor_restarted ai_session", "actor_restarted ai_session", "fell_back offline"]);
    let last = node.turns(call).pop().unwrap();
    assert!(last.text.reveal().starts_with("I am sorry"), "{}", last.text.reveal());
}

#[test]
fn a_new_session_tells_the_provider_what_was_said() {
    let simulator = Simulator::start(&[]);
    let tap = Wiretap::start(&simulator.base_url);
    let endpoint = RealtimeEndpoint {
        provider: "acme".into(),
        base_url: tap.base_url.clone(),
        api_key: "sk-test".into(),
        ..RealtimeEndpoint::default()
    };
    let session = Box::new(RealtimeConfig { endpoint, first_message: Some("Hello.".to_owned()), ..RealtimeConfig::default() });
    let fallback = OfflineConfig { mode: Mode::default(), ..OfflineConfig::default() };
    let node = Node::start(EngineConfig::Realtime { session, fallback });
    let caller = callers(&node, "caller", 1, 22);
    let call = node.call_from("caller");
    let answers = || node.turns(call).iter().filter(|turn| turn.role == Role::Agent).count();
    wait("an answer", || answers() == 2);
    let said: Vec<String> = node.turns(call).iter().map(|turn| turn.text.reveal().to_owned()).collect();
    let used = node.record(call).usage.output_audio_tokens;
    node.inject(call, ActorKind::AiSession, Fault::Panic);
    wait("an answer of the new session", || answers() == 3);
    let sessions = tap.sent();
    assert_eq!(sessions.len(), 2);
    let told = sessions[1].iter().filter(|event| event["type"] == "conversation.item.create");
    let told: Vec<&str> = told.filter_map(|event| event["item"]["content"][0]["text"].as_str()).collect();
    assert_eq!(told, said);
    // Nobody is greeted again: the first response is asked for only when the caller has said more.
    let kinds: Vec<&str> = sessions[1].iter().filter_map(|event| event["type"].as_str()).collect();
    let first = |kind| kinds.iter().position(|sent| *sent == kind).unwrap();
    assert!(first("input_audio_buffer.commit") < first("response.create"), "{kinds:?}");
    // What the session before it used stays counted.
    wait("more usage", || node.record(call).usage.output_audio_tokens > used);
    assert_whole(&caller.join().unwrap(), 1);
    assert_eq!(node.wrongs(call), ["actor_restarted ai_session"]);
}

#[test]
fn a_new_session_is_introduced_to_the_bot_again() {
    let bot = bot::Bot::start();
    let place = Bot { url: bot.url(), ..Bot::default() };
    let config = BotConfig { bot: place, account_sid: String::new(), sip_headers: Vec::new(), parameters: Vec::new() };
    let node = Node::start(EngineConfig::Stream { bot: Box::new(config), fallback: OfflineConfig::default() });
    let caller = callers(&node, "caller", 1, 8);
    let call = node.call_from("caller");
    let (mut first, start) = bot.started();
    first.say(60_000);
    first.mark("of the first");
    first.hear(20);
    node.inject(call, ActorKind::AiSession, Fault::Panic);
    let (mut second, again) = bot.started();
    assert_eq!(again["start"]["callSid"], start["start"]["callSid"]);
    assert_eq!(again["start"]["customParameters"]["reconnect"], "1");
    // A minute of audio is gone, and nobody takes its mark for this one.
    second.say(200);
    second.mark("of the second");
    second.frames = 0;
    assert_eq!(second.wait("mark")["mark"]["name"], "of the second");
    assert!((5..100).contains(&second.frames), "{} frames", second.frames);
    second.wait("stop");
    let report = caller.join().unwrap();
    assert_eq!((&report["answered"], &report["failed"]), (&1.into(), &0.into()), "{report:#}");
    assert_eq!(node.wrongs(call), ["actor_restarted ai_session"]);
}

#[test]
fn a_recorder_that_dies_too_often_leaves_the_call_alone() {
    let node = Node::start(talkback());
    let mut peer = Peer::call(node.sip, "unrecorded");
    let call = node.call_from("unrecorded");
    for death in 1..=4 {
        node.inject(call, ActorKind::Recorder, Fault::Error);
        wait("the death on the record", || node.wrongs(call).len() == death);
    }
    assert_eq!(node.wrongs(call)[3], "recording_fault recorder");
    assert_eq!(node.recording(call).state, RecordingState::Repaired);
    peer.hang_up();
    assert_eq!(node.ended(call).cause, Some(HangupCause::CallerHangup));
}

#[test]
fn calls_outlive_the_sip_endpoint() {
    let node = Node::start(talkback());
    let others = callers(&node, "other", 5, 6);
    node.wait_calls(5);
    let mut peer = Peer::call(node.sip, "peer");
    let call = node.call_from("peer");
    std::thread::sleep(Duration::from_millis(500));
    for fault in [Fault::Panic, Fault::Error] {
        let restarts = node.wrongs(call).len();
        node.handle.inject(ActorKind::SipEndpoint, fault);
        wait("the restart on the record", || node.wrongs(call).len() > restarts);
    }
    assert_eq!(node.wrongs(call), ["actor_restarted sip_endpoint", "actor_restarted sip_endpoint"]);
    // Its BYE is understood by an endpoint that never saw its INVITE, and answered.
    peer.hang_up();
    assert!(peer.received.last().unwrap().starts_with("SIP/2.0 200"), "{:?}", peer.received.last());
    assert_eq!(node.ended(call).cause, Some(HangupCause::CallerHangup));
    assert_whole(&others.join().unwrap(), 5);
    // And a BYE of ours, in a dialog that was restored: its CSeq goes on where the dialog was.
    let mut second = Peer::call(node.sip, "second");
    let call = node.call_from("second");
    node.handle.inject(ActorKind::SipEndpoint, Fault::Panic);
    wait("the restart on the record", || node.wrongs(call).len() == 1);
    node.inject(call, ActorKind::Leg, Fault::Panic);
    second.wait_bye();
}

#[test]
fn all_calls_end_when_their_parent_dies_and_the_node_takes_new_ones() {
    let node = Node::start(talkback());
    let others = callers(&node, "other", 5, 10);
    node.wait_calls(5);
    let mut peer = Peer::call(node.sip, "peer");
    let call = node.call_from("peer");
    std::thread::sleep(Duration::from_millis(1_500));
    node.handle.inject(ActorKind::Calls, Fault::Panic);
    assert_eq!(peer.wait_bye(), r#"Q.850;cause=41;text="temporary failure""#);
    assert_eq!(node.ended(call).cause, Some(HangupCause::Crashed));
    assert_eq!(node.recording(call).state, RecordingState::Repaired);
    assert_eq!(others.join().unwrap()["failures"]["the server hung up early"], 5);
    node.wait_calls(0);
    wait("no active call", || metric("offhook_calls_active", "") == 0.0);
    let mut next = Peer::call(node.sip, "next");
    let call = node.call_from("next");
    next.hang_up();
    assert_eq!(node.ended(call).cause, Some(HangupCause::CallerHangup));
}

#[test]
fn the_store_loses_nothing_that_was_written_and_goes_on_writing() {
    let node = Node::start(talkback());
    let mut peer = Peer::call(node.sip, "peer");
    let call = node.call_from("peer");
    wait("the answer on the record", || node.record(call).answered_at.is_some());
    for fault in [Fault::Panic, Fault::Error] {
        let before = metric("offhook_actor_restarts_total", "actor=\"store\"");
        node.handle.inject(ActorKind::Store, fault);
        wait("the restart", || metric("offhook_actor_restarts_total", "actor=\"store\"") > before);
    }
    let next = Peer::call(node.sip, "next");
    node.call_from("next");
    drop(next);
    peer.hang_up();
    let record = node.ended(call);
    assert_eq!(record.cause, Some(HangupCause::CallerHangup));
    assert!(record.answered_at.is_some());
    assert_eq!(node.recording(call).state, RecordingState::Complete);
}

#[test]
fn a_drain_ends_although_calls_died_meanwhile() {
    let mut node = Node::start(talkback());
    let mut peer = Peer::call(node.sip, "peer");
    node.call_from("peer");
    node.handle.drain();
    wait("the drain", || node.handle.shared.draining());
    node.handle.inject(ActorKind::Calls, Fault::Error);
    peer.wait_bye();
    let end = node.end.take().unwrap();
    let drained = node.runtime.block_on(async { tokio::time::timeout(Duration::from_secs(4), end.wait()).await });
    assert_eq!(drained, Ok(true), "without a last call it ends before the drain time of 5 s");
}
