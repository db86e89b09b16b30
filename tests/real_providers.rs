//! Engine `realtime` against the simulator, end to end: conversations, tools, interruptions, and every way a provider fails.
#![allow(clippy::unwrap_used)]

mod support;
#[path = "support/wiretap.rs"]
mod wiretap;

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use store::{HangupCause, Role, Turn};
use support::told::{Told, call, script, told};
use support::{Folder, Server, Simulator, free_address, rtp_range};
use wiretap::Wiretap;

/// A server whose assistant speaks through a provider that is named `acme`, so that no name is taken for granted.
fn server(base_url: &str) -> Server {
    let toml = format!(
        "[rtp]\nport_range = \"{}\"\n[node]\nmax_calls = 16\n\
         [providers.acme]\nkind = \"openai\"\napi_key_env = \"ACME_KEY\"\nbase_url = \"{base_url}\"\nfirst_audio_timeout_ms = 3000\n\
         [[assistants]]\nname = \"demo\"\nfirst_message = \"Hello.\"\n\
         [assistants.engine]\nkind = \"realtime\"\nprovider = \"acme\"\n",
        rtp_range(16)
    );
    Server::start_with(&toml, &[("ACME_KEY", "sk-test")])
}

/// The provider failed, by its name and for this reason, and the caller got an apology at once and a goodbye.
fn assert_fell_back(told: &Told, reason: &str) {
    let (last, before) = told.wrongs.split_last().unwrap();
    assert_eq!((last.kind.as_str(), last.source.as_str()), ("fell_back", "offline"), "{:?}", told.wrongs);
    assert!(!before.is_empty());
    for wrong in before {
        assert_eq!((wrong.kind.as_str(), wrong.source.as_str()), ("provider_failed", "acme"), "{wrong:?}");
        assert!(wrong.detail.contains(reason), "{wrong:?}");
    }
    let apology = told.turns.last().unwrap();
    assert!(apology.text.reveal().starts_with("I am sorry"), "{:?}", told.turns);
    let silence = apology.started_at.micros() - last.at.micros();
    assert!((0..3_000_000).contains(&silence), "{silence} us of silence");
    assert_eq!(told.record.cause, Some(HangupCause::AgentHangup));
}

#[test]
fn a_conversation_is_on_the_record_with_its_times_and_its_cost() {
    let simulator = Simulator::start(&[]);
    let server = server(&simulator.base_url);
    let report = call(&server, 16, &[]);
    assert_eq!((&report["failed"], &report["packets"]["lost"]), (&0.into(), &0.into()), "{report:#}");
    let told = told(&server);
    assert_eq!(told.record.cause, Some(HangupCause::CallerHangup));
    assert_eq!(told.record.call.engine, "realtime");
    assert_eq!(told.wrongs(), Vec::<String>::new());
    let agent = told.said(Role::Agent);
    assert_eq!(agent[0], "Hello, you reached the simulator. How can I help?");
    assert!(agent[1..].contains(&"Thank you, I understood that."), "{agent:?}");
    assert!(told.said(Role::Caller).contains(&"And so, my fellow Americans."), "{:?}", told.turns);
    for waterfall in told.waterfalls() {
        let stage = |name: &str| waterfall[name].as_u64().unwrap();
        assert!(stage("endpointing_ms") >= 200 && stage("engine_ms") >= 300, "{waterfall}");
    }
    for turn in &told.turns {
        assert!(turn.started_at <= turn.ended_at, "{turn:?}");
    }
    let usage = told.record.usage;
    assert!(usage.input_audio_tokens > 0 && usage.output_audio_tokens > 0 && usage.output_text_tokens > 0, "{usage:?}");
}

#[test]
fn tools_are_carried_out_and_the_model_is_told() {
    let folder = Folder::new();
    let script = script(
        &folder,
        "[greeting]\ntext = \"Hello.\"\nduration_ms = 1000\n\
         [[turns]]\ntext = \"never\"\n\
         [[turns]]\ntool = { name = \"send_dtmf\", arguments = '{\"digits\": \"12\"}' }\n\
         [[turns]]\ntool = { name = \"order_pizza\" }\n\
         [[turns]]\ntext = \"Both are done.\"\nduration_ms = 1000\n\
         [[turns]]\ntool = { name = \"end_call\", arguments = '{\"reason\": \"done\"}' }\n\
         [[turns]]\ntext = \"Goodbye.\"\nduration_ms = 800\n",
    );
    let simulator = Simulator::start(&["--script", script.to_str().unwrap()]);
    let tap = Wiretap::start(&simulator.base_url);
    let server = server(&tap.base_url);
    call(&server, 40, &[]);
    let told = told(&server);
    assert_eq!(told.record.cause, Some(HangupCause::AgentHangup), "{:?}", told.record.cause_detail);
    // The model ended the call without a word, so a word was asked of it.
    assert_eq!(told.said(Role::Agent), ["Hello.", "Both are done.", "Goodbye."]);
    let asked = tap.sent_of("response.create").pop().unwrap();
    assert!(asked["response"]["instructions"].as_str().unwrap().ends_with("nothing else: Goodbye."), "{asked}");
    let outputs: Vec<Value> = tap
        .sent_of("conversation.item.create")
        .into_iter()
        .filter(|event| event["item"]["type"] == "function_call_output")
        .map(|event| serde_json::from_str(event["item"]["output"].as_str().unwrap()).unwrap())
        .collect();
    assert_eq!(outputs[..2], [json!({"ok": true}), json!({"ok": false, "error": "there is no tool named order_pizza"})]);
    assert_eq!(server.metric("offhook_tool_calls_total", "outcome=\"ok\""), 2.0);
    assert_eq!(server.metric("offhook_tool_calls_total", "outcome=\"refused\""), 1.0);
    assert_eq!(told.wrongs(), Vec::<String>::new());
}

#[test]
fn the_agent_hangs_up_when_its_last_words_were_heard() {
    let folder = Folder::new();
    let script = script(
        &folder,
        "[greeting]\ntext = \"A long goodbye.\"\nduration_ms = 6000\n\
         [[turns]]\ntext = \"never\"\n\
         [[turns]]\ntool = { name = \"end_call\" }\n",
    );
    let simulator = Simulator::start(&["--script", script.to_str().unwrap()]);
    let server = server(&simulator.base_url);
    // The key brings the model's answer, which is to hang up, while four seconds of the greeting are still to be heard.
    let report = call(&server, 20, &["--say", "silent", "--dtmf", "5#"]);
    assert_eq!(report["failures"]["the server hung up early"], 1, "{report:#}");
    let told = told(&server);
    assert_eq!(told.record.cause, Some(HangupCause::AgentHangup));
    let [goodbye] = &told.turns[..] else { panic!("{:?}", told.turns) };
    assert_eq!((goodbye.text.reveal(), goodbye.interrupted), ("A long goodbye.", None));
    let heard = Duration::from_micros((goodbye.ended_at.micros() - goodbye.started_at.micros()) as u64);
    assert!(heard >= Duration::from_millis(5_900), "{heard:?}");
}

/// A WAV file of a steady tone: all of it is audible, so that what was heard of it can be counted.
fn tone(path: &Path, seconds: usize) {
    let samples = (0..seconds * 8_000).map(|at| ((at as f64 * 440.0 / 8_000.0 * std::f64::consts::TAU).sin() * 8_000.0) as i16);
    let data: Vec<u8> = samples.flat_map(i16::to_le_bytes).collect();
    let mut wav = b"RIFF....WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data....".to_vec();
    wav[4..8].copy_from_slice(&(data.len() as u32 + 36).to_le_bytes());
    wav[40..44].copy_from_slice(&(data.len() as u32).to_le_bytes());
    wav.extend(data);
    std::fs::write(path, wav).unwrap();
}

/// How much of a stereo file's right side is audible, in frames of 20 ms.
fn audible(path: &Path) -> u64 {
    let bytes = std::fs::read(path).unwrap();
    let loud = |frame: &&[u8]| frame.chunks_exact(4).any(|row| i16::from_le_bytes([row[2], row[3]]).unsigned_abs() > 400);
    bytes[44..].chunks(160 * 4).filter(loud).count() as u64
}

#[test]
fn what_was_heard_of_an_interrupted_answer_is_what_the_caller_received() {
    let folder = Folder::new();
    let (voice, received) = (folder.path().join("tone.wav"), folder.path().join("call.wav"));
    tone(&voice, 8);
    let turn = format!("text = \"one two three four five six seven eight\"\naudio = \"wav:{}\"\n", voice.display());
    let script = script(&folder, &format!("[greeting]\n{turn}[[turns]]\n{turn}"));
    let simulator = Simulator::start(&["--script", script.to_str().unwrap()]);
    let tap = Wiretap::start(&simulator.base_url);
    let server = server(&tap.base_url);
    call(&server, 16, &["--barge-in", "--save-wav", received.to_str().unwrap()]);
    let told = told(&server);
    assert_eq!(told.wrongs(), Vec::<String>::new(), "a truncate beyond what was sent is refused by the simulator");
    let agent: Vec<&Turn> = told.turns.iter().filter(|turn| turn.role == Role::Agent).collect();
    let heard: Vec<u64> = agent.iter().map(|turn| turn.interrupted.map_or(8_000, |heard| heard.as_millis() as u64)).collect();
    let truncated: Vec<u64> =
        tap.sent_of("conversation.item.truncate").iter().map(|event| event["audio_end_ms"].as_u64().unwrap()).collect();
    assert!(truncated.len() >= 2, "{truncated:?}");
    // Each was cut where the record says; the last of the record is what the end of the call cut.
    assert_eq!(heard[..truncated.len()], truncated[..], "{heard:?}");
    assert!(truncated.iter().all(|heard| (400..8_000).contains(heard) && heard % 20 == 0), "{truncated:?}");
    // A pause adds a frame that fades out and is said again; each answer may have had more than one.
    let (told_ms, received_ms) = (heard.iter().sum::<u64>(), audible(&received) * 20);
    let slack = 20 * 5 * heard.len() as u64;
    assert!((told_ms..told_ms + slack).contains(&received_ms), "told {told_ms} ms {heard:?}, received {received_ms} ms");
    // The words on the record are those that fit into what was heard.
    for (turn, heard) in agent.iter().zip(&heard) {
        let words = turn.text.reveal().split_whitespace().count() as u64;
        assert!(words <= heard / 1_000 + 2, "{words} words in {heard} ms");
    }
}

#[test]
fn one_lost_connection_is_made_again_and_the_call_goes_on() {
    let simulator = Simulator::start(&["--fault", "reset", "--fault-sessions", "1"]);
    let tap = Wiretap::start(&simulator.base_url);
    let server = server(&tap.base_url);
    let report = call(&server, 14, &[]);
    assert_eq!(report["failed"], 0, "{report:#}");
    let told = told(&server);
    assert_eq!(told.wrongs(), ["provider_failed acme"]);
    assert!(told.wrongs[0].detail.starts_with("connection"), "{:?}", told.wrongs);
    assert!(told.said(Role::Agent).contains(&"Thank you, I understood that."), "{:?}", told.turns);
    assert_eq!(tap.sent().len(), 2);
    assert!(server.metric("offhook_provider_errors_total", "provider=\"acme\"") == 1.0);
}

#[test]
fn broken_messages_of_a_provider_are_noted_and_change_nothing() {
    let simulator = Simulator::start(&["--fault", "garbage"]);
    let server = server(&simulator.base_url);
    let report = call(&server, 10, &[]);
    assert_eq!(report["failed"], 0, "{report:#}");
    let told = told(&server);
    assert_eq!(told.record.cause, Some(HangupCause::CallerHangup));
    assert_eq!(told.said(Role::Agent)[0], "Hello, you reached the simulator. How can I help?");
    assert_eq!(told.wrongs(), ["provider_failed acme"]);
    assert!(told.wrongs[0].detail.contains("protocol"), "{:?}", told.wrongs);
}

#[test]
fn a_provider_that_is_down_is_apologised_for() {
    let server = server(&format!("http://{}/v1", free_address()));
    let report = call(&server, 30, &["--say", "silent"]);
    assert_fell_back(&told(&server), "refused");
    assert_eq!(report["first_audio_ms"]["count"], 1, "{report:#}");
    assert_eq!(server.metric("offhook_provider_fallbacks_total", ""), 1.0);
}

#[test]
fn a_provider_that_takes_no_more_calls_is_apologised_for() {
    let simulator = Simulator::start(&["--fault", "429"]);
    let server = server(&simulator.base_url);
    call(&server, 30, &["--say", "silent"]);
    assert_fell_back(&told(&server), "provider limits the rate");
}

#[test]
fn a_provider_that_falls_silent_in_mid_sentence_is_apologised_for() {
    let simulator = Simulator::start(&["--fault", "stall"]);
    let server = server(&simulator.base_url);
    call(&server, 30, &["--say", "silent"]);
    assert_fell_back(&told(&server), "NextAudio took longer than 3000 ms");
}

#[test]
fn a_provider_that_breaks_every_connection_is_apologised_for() {
    let simulator = Simulator::start(&["--fault", "reset"]);
    let server = server(&simulator.base_url);
    call(&server, 60, &[]);
    assert_fell_back(&told(&server), "connection");
}
