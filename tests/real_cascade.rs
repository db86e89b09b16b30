//! Engine `cascade` against the simulator, end to end over SIP: a conversation, what an interruption leaves of it, and every fault of every
//! stage.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::Value;
use store::{HangupCause, Role, Turn};
use support::told::{assert_sum, call, script, told};
use support::{Folder, Server, Simulator, get, rtp_range};

/// Who takes over, stage by stage.
const FALLBACKS: &str = "[[assistants.fallback]]\nstage = \"transcriber\"\nprovider = \"openai\"\n\
     [[assistants.fallback]]\nstage = \"model\"\nprovider = \"groq\"\n\
     [[assistants.fallback]]\nstage = \"voice\"\nprovider = \"deepgram\"\n";

/// A server whose assistant hears through Deepgram, thinks through Anthropic and speaks through ElevenLabs, all simulated.
fn server(simulator: &Simulator, more: &str) -> Server {
    let openai = &simulator.base_url;
    let root = openai.trim_end_matches("/v1");
    let provider = |name: &str, url: &str| format!("[providers.{name}]\nbase_url = \"{url}\"\n");
    let toml = [
        format!("[rtp]\nport_range = \"{}\"\n[node]\nmax_calls = 16\n", rtp_range(16)),
        provider("openai", openai),
        provider("groq", &format!("{root}/openai/v1")),
        ["anthropic", "deepgram", "elevenlabs"].map(|name| provider(name, root)).concat(),
        "[[assistants]]\nname = \"demo\"\nfirst_message = \"Hello, this is Ada.\"\n[assistants.engine]\nkind = \"cascade\"\n\
         [assistants.transcriber]\nprovider = \"deepgram\"\n[assistants.model]\nprovider = \"anthropic\"\n\
         [assistants.voice]\nprovider = \"elevenlabs\"\n"
            .to_owned(),
        more.to_owned(),
    ]
    .concat();
    let keys = ["OPENAI", "GROQ", "ANTHROPIC", "DEEPGRAM", "ELEVENLABS"].map(|name| format!("{name}_API_KEY"));
    let keys: Vec<(&str, &str)> = keys.iter().map(|name| (name.as_str(), "key-for-tests")).collect();
    Server::start_with(&toml, &keys)
}

#[test]
fn a_conversation_is_on_the_record_with_the_time_of_each_stage() {
    let simulator = Simulator::start(&[]);
    let server = server(&simulator, "");
    let report = call(&server, 16, &[]);
    assert_eq!((&report["failed"], &report["packets"]["lost"]), (&0.into(), &0.into()), "{report:#}");
    let told = told(&server);
    assert_eq!(told.wrongs(), Vec::<String>::new(), "{:?}", told.wrongs);
    assert_eq!((told.record.cause, told.record.call.engine.as_str()), (Some(HangupCause::CallerHangup), "cascade"));
    let agent = told.said(Role::Agent);
    assert_eq!(agent[0], "Hello, this is Ada.");
    assert!(agent[1..].contains(&"Thank you, I understood that."), "{:?}", told.turns);
    assert!(told.said(Role::Caller).contains(&"And so, my fellow Americans."), "{:?}", told.turns);
    for waterfall in told.waterfalls() {
        assert_sum(waterfall, ["transcript_ms", "first_token_ms", "first_audio_ms"], "engine_ms");
    }
    for (provider, stage) in [("deepgram", "transcript"), ("anthropic", "first_token"), ("elevenlabs", "first_audio")] {
        let count =
            server.metric("offhook_provider_request_seconds_count", &format!("provider=\"{provider}\",stage=\"{stage}\""));
        assert!(count >= 1.0, "{provider} {stage} {count}");
    }
}

#[test]
fn the_second_call_is_greeted_from_the_cache() {
    let simulator = Simulator::start(&[]);
    let server = server(&simulator, "");
    call(&server, 4, &["--say", "silent"]);
    told(&server);
    let pieces = || server.metric("offhook_provider_request_seconds_count", "provider=\"elevenlabs\",stage=\"first_audio\"");
    let first = pieces();
    assert!(first >= 1.0);
    let report = call(&server, 4, &["--say", "silent"]);
    assert_eq!(report["first_audio_ms"]["count"], 1, "{report:#}");
    assert_eq!(told(&server).said(Role::Agent), ["Hello, this is Ada."]);
    assert_eq!(pieces(), first, "speech was asked for again");
}

#[test]
fn an_interruption_leaves_what_was_heard_in_the_conversation() {
    let folder = Folder::new();
    let long = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen";
    let turns = format!("[[turns]]\ntext = \"{long}\"\nduration_ms = 8000\n");
    let script = script(&folder, &turns);
    let simulator = Simulator::start(&["--script", script.to_str().unwrap()]);
    let server = server(&simulator, "");
    call(&server, 24, &["--barge-in"]);
    let told = told(&server);
    let agent: Vec<&Turn> = told.turns.iter().filter(|turn| turn.role == Role::Agent).collect();
    let cut = agent.iter().find(|turn| turn.text.reveal().starts_with("one") && turn.interrupted.is_some());
    let cut = cut.unwrap_or_else(|| panic!("nothing was cut: {:?}", told.said(Role::Agent)));
    let heard = cut.text.reveal();
    assert!(heard.len() < long.len() && long.starts_with(heard), "{heard}");
    // What the model was told that it said is what the record has, and so what the caller heard.
    let (host, _) = simulator.base_url.trim_start_matches("http://").split_once('/').unwrap();
    let (_, log) = get(host.parse().unwrap(), "/sim/log").unwrap();
    let asked: Vec<Value> = serde_json::from_str(&log).unwrap();
    let asked = asked.iter().filter(|request| request["stage"] == "llm");
    let last: Value = asked.filter_map(|request| serde_json::from_str(request["what"].as_str()?).ok()).next_back().unwrap();
    let messages = last["messages"].as_array().unwrap();
    let told_to_model: Vec<String> =
        messages.iter().filter(|message| message["role"] == "assistant").map(|message| words_of(&message["content"])).collect();
    assert!(told_to_model.len() >= 3, "{messages:?}");
    assert_eq!(told_to_model, told.said(Role::Agent)[..told_to_model.len()], "{messages:?}");
}

/// The text of a message, whether it has parts or not.
fn words_of(content: &Value) -> String {
    match content {
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        other => other.as_str().unwrap_or_default().to_owned(),
    }
}

/// A fault at a stage: the caller hears something within 3 s of the end of each turn, and the record names who failed.
fn check_fault(fault: &str, stage: &str, provider: &str) {
    let simulator = Simulator::start(&["--fault", fault, "--fault-stage", stage, "--fault-provider", provider]);
    let server = server(&simulator, FALLBACKS);
    let report = call(&server, 14, &[]);
    let told = told(&server);
    let named = format!("provider_failed {provider}");
    assert!(told.wrongs().contains(&named), "{fault} {stage}: {:?} {:?}", told.wrongs(), told.said(Role::Agent));
    assert!(told.wrongs().iter().all(|wrong| *wrong == named), "{fault} {stage}: {:?}", told.wrongs);
    assert!(told.said(Role::Agent).len() >= 2, "{fault} {stage}: {:?}", told.said(Role::Agent));
    let gap = report["response_gap_ms"]["max"].as_f64().unwrap_or_default();
    assert!(report["first_audio_ms"]["count"] == 1 && gap < 3_600.0, "{fault} {stage}: {report:#}");
}

#[test]
fn a_transcriber_that_fails_is_replaced() {
    for fault in ["reset", "stall", "429"] {
        check_fault(fault, "stt", "deepgram");
    }
}

#[test]
fn a_model_that_fails_is_replaced() {
    for fault in ["reset", "stall", "429", "garbage"] {
        check_fault(fault, "llm", "anthropic");
    }
}

#[test]
fn a_voice_that_fails_is_replaced() {
    for fault in ["reset", "stall", "429", "drip"] {
        check_fault(fault, "tts", "elevenlabs");
    }
}

#[test]
fn when_nobody_is_left_the_offline_engine_takes_over() {
    let simulator = Simulator::start(&["--fault", "429", "--fault-stage", "tts"]);
    let server = server(&simulator, "");
    call(&server, 30, &["--say", "silent"]);
    let told = told(&server);
    let (last, before) = told.wrongs.split_last().unwrap();
    assert_eq!((last.kind.as_str(), last.source.as_str()), ("fell_back", "offline"), "{:?}", told.wrongs);
    assert!(before.iter().any(|wrong| wrong.source == "elevenlabs"), "{before:?}");
    let apology = told.turns.last().unwrap();
    assert!(apology.text.reveal().starts_with("I am sorry"), "{:?}", told.turns);
    assert_eq!(told.record.cause, Some(HangupCause::AgentHangup));
}
