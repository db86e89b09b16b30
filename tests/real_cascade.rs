//! Engine `cascade` against the simulator, end to end over SIP: a conversation, what an interruption leaves of it, and every fault of every
//! stage.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::Value;
use store::{HangupCause, Role, Turn};
use support::told::{assert_sum, call, script, told};
use support::{Folder, Server, Simulator, get, rtp_range};

/// Who writes down: waits for the engine to end a turn; finds turns by itself, and tells of an early end; is asked for each turn.
const NOVA: &str = "provider = \"deepgram\"";
const FLUX: &str = "provider = \"deepgram\"\nmodel = \"flux-general-en\"";
const WHISPER: &str = "provider = \"openai\"";

/// What a caller may wait: 3 s, and what a machine that runs all these tests at once makes of it.
const GAP_MAX_MS: f64 = 5_000.0;

/// Who takes over, stage by stage.
fn fallbacks(transcriber: &str) -> String {
    let rows = [("transcriber", transcriber), ("model", "groq"), ("voice", "deepgram")];
    rows.map(|(stage, provider)| format!("[[assistants.fallback]]\nstage = \"{stage}\"\nprovider = \"{provider}\"\n")).concat()
}

/// A server whose assistant hears through `transcriber`, thinks through Anthropic and speaks through ElevenLabs, all simulated.
fn server(simulator: &Simulator, transcriber: &str, more: &str) -> Server {
    server_with(simulator, "", transcriber, more)
}

/// The same, with `each` in the section of each provider.
fn server_with(simulator: &Simulator, each: &str, transcriber: &str, more: &str) -> Server {
    let openai = &simulator.base_url;
    let root = openai.trim_end_matches("/v1");
    let provider = |name: &str, url: &str| format!("[providers.{name}]\nbase_url = \"{url}\"\n{each}");
    let toml = [
        format!("[rtp]\nport_range = \"{}\"\n[node]\nmax_calls = 16\n", rtp_range(16)),
        provider("openai", openai),
        provider("groq", &format!("{root}/openai/v1")),
        ["anthropic", "deepgram", "elevenlabs"].map(|name| provider(name, root)).concat(),
        "[[assistants]]\nname = \"demo\"\nfirst_message = \"Hello, this is Ada.\"\n[assistants.engine]\nkind = \"cascade\"\n\
         [assistants.model]\nprovider = \"anthropic\"\n[assistants.voice]\nprovider = \"elevenlabs\"\n"
            .to_owned(),
        format!("[assistants.transcriber]\n{transcriber}\n{more}"),
    ]
    .concat();
    let keys = ["OPENAI", "GROQ", "ANTHROPIC", "DEEPGRAM", "ELEVENLABS"].map(|name| format!("{name}_API_KEY"));
    let keys: Vec<(&str, &str)> = keys.iter().map(|name| (name.as_str(), "key-for-tests")).collect();
    Server::start_with(&toml, &keys)
}

/// A call of some turns: the record tells where the time of each answer went, and some were begun before the turn was certainly over.
fn check_conversation(transcriber: &str) {
    let simulator = Simulator::start(&[]);
    let server = server(&simulator, transcriber, "");
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
    // Whether they are used is a matter of who is faster, and tested in virtual time. Flux says early that a turn may be over.
    let begun = server.metric("offhook_speculations_total", "");
    assert!(begun >= 1.0 || transcriber != FLUX, "no answer was begun early: {:?}", told.turns);
}

#[test]
fn a_conversation_is_on_the_record_with_the_time_of_each_stage_and_answers_are_begun_early() {
    std::thread::scope(|scope| {
        // An early end by the provider, and by our own detector.
        for transcriber in [FLUX, NOVA] {
            scope.spawn(move || check_conversation(transcriber));
        }
    });
}

#[test]
fn the_second_call_is_greeted_from_the_cache() {
    let simulator = Simulator::start(&[]);
    let server = server(&simulator, NOVA, "");
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
    let server = server(&simulator, NOVA, "");
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

/// What goes wrong at whom, and what the record says of it.
#[derive(Clone, Copy)]
struct Wrong {
    fault: &'static str,
    provider: &'static str,
    why: &'static str,
}

const fn wrong(fault: &'static str, provider: &'static str, why: &'static str) -> Wrong {
    Wrong { fault, provider, why }
}

/// A fault at a stage: the caller hears something after each turn, and the record names who failed, when and why.
fn check_fault(stage: &str, wrong: &Wrong) {
    let Wrong { fault, provider, why } = *wrong;
    let simulator = Simulator::start(&["--fault", fault, "--fault-stage", stage, "--fault-provider", provider]);
    let (transcriber, next) = if (stage, provider) == ("stt", "openai") { (WHISPER, "deepgram") } else { (NOVA, "openai") };
    let server = server(&simulator, transcriber, &fallbacks(next));
    let report = call(&server, 14, &[]);
    let told = told(&server);
    let what = format!("{fault} {stage}: {:?} {:?}", told.wrongs, told.said(Role::Agent));
    let named = format!("provider_failed {provider}");
    assert!(!told.wrongs.is_empty() && told.wrongs().iter().all(|wrong| *wrong == named), "{what}");
    assert!(told.wrongs.iter().all(|wrong| wrong.detail.contains(why)), "{what}");
    let (began, ended) = (told.record.answered_at.unwrap(), told.record.ended_at.unwrap());
    // Sockets are opened while it rings.
    let call = began.micros() - 1_000_000..=ended.micros();
    assert!(told.wrongs.iter().all(|wrong| call.contains(&wrong.at.micros())), "{what}");
    assert!(told.said(Role::Agent).len() >= 2, "{what}");
    assert!(server.metric("offhook_provider_fallbacks_total", "") >= 1.0, "{what}");
    let gap = report["response_gap_ms"]["max"].as_f64().unwrap_or(f64::MAX);
    assert!(report["first_audio_ms"]["count"] == 1 && gap < GAP_MAX_MS, "{what} {report:#}");
}

/// Each fault has a server and a caller of its own, all at once.
fn check_faults(stage: &str, wrongs: &[Wrong]) {
    std::thread::scope(|scope| {
        for wrong in wrongs {
            scope.spawn(move || check_fault(stage, wrong));
        }
    });
}

#[test]
fn a_transcriber_that_fails_is_replaced() {
    check_faults(
        "stt",
        &[
            wrong("reset", "deepgram", "connection"),
            wrong("stall", "deepgram", "Transcript took longer than 1500 ms"),
            wrong("429", "deepgram", "limits the rate"),
            wrong("garbage", "deepgram", "broke the protocol"),
            // One that is told to finish gives its words at once, however slow it was: so it is one that is asked for each turn.
            wrong("drip", "openai", "Transcript took longer than 1500 ms"),
        ],
    );
}

#[test]
fn a_model_that_fails_is_replaced() {
    check_faults(
        "llm",
        &[
            wrong("reset", "anthropic", "connection"),
            wrong("stall", "anthropic", "took longer than "),
            wrong("429", "anthropic", "limits the rate"),
            wrong("garbage", "anthropic", "broke the protocol"),
            wrong("drip", "anthropic", "NextToken took longer than "),
        ],
    );
}

#[test]
fn a_voice_that_fails_is_replaced() {
    check_faults(
        "tts",
        &[
            wrong("reset", "elevenlabs", "connection"),
            wrong("stall", "elevenlabs", "took longer than 2000 ms"),
            wrong("429", "elevenlabs", "limits the rate"),
            wrong("garbage", "elevenlabs", "broke the protocol"),
            wrong("drip", "elevenlabs", "took longer than 2000 ms"),
        ],
    );
}

/// What an assistant says whose engine is lost.
const SORRY: &str = "I am sorry";

#[test]
fn when_nobody_may_be_asked_the_greeting_is_heard_and_then_an_apology() {
    let simulator = Simulator::start(&[]);
    let server = server_with(&simulator, "breaker_failures = 1\nbreaker_cool_down_s = 60\n", NOVA, "");
    // The greeting is put into the cache; then all providers are gone, and a call finds it out for all others.
    call(&server, 4, &["--say", "silent"]);
    told(&server);
    drop(simulator);
    call(&server, 4, &["--say", "silent"]);
    assert_eq!(told(&server).said(Role::Agent), ["Hello, this is Ada."]);
    let report = call(&server, 20, &[]);
    let told = told(&server);
    let agent = told.said(Role::Agent);
    assert!(agent.len() >= 2 && agent[0] == "Hello, this is Ada." && agent[1].starts_with(SORRY), "{agent:?}");
    // A provider was not asked, and the record says which and why.
    let alone = told.wrongs.iter().find(|wrong| wrong.source == "deepgram").unwrap_or_else(|| panic!("{:?}", told.wrongs));
    assert!(alone.detail.starts_with("left alone for "), "{alone:?}");
    assert_eq!(told.wrongs().last().map(String::as_str), Some("fell_back offline"), "{:?}", told.wrongs);
    let gap = report["response_gap_ms"]["max"].as_f64().unwrap_or(f64::MAX);
    assert!(gap < GAP_MAX_MS, "{report:#}");
}

#[test]
fn when_nobody_is_left_the_offline_engine_takes_over() {
    let simulator = Simulator::start(&["--fault", "429", "--fault-stage", "tts"]);
    let server = server(&simulator, NOVA, "");
    call(&server, 30, &["--say", "silent"]);
    let told = told(&server);
    let (last, before) = told.wrongs.split_last().unwrap();
    assert_eq!((last.kind.as_str(), last.source.as_str()), ("fell_back", "offline"), "{:?}", told.wrongs);
    assert!(before.iter().any(|wrong| wrong.source == "elevenlabs"), "{before:?}");
    let apology = told.turns.last().unwrap();
    assert!(apology.text.reveal().starts_with(SORRY), "{:?}", told.turns);
    assert_eq!(told.record.cause, Some(HangupCause::AgentHangup));
}
