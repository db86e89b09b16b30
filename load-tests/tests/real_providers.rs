//! The server's adapters against the simulator of their providers, which was written from the wire facts alone.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::time::Duration;

use ai::link::http::HttpClient;
use ai::responder::{Conversation, Entry, Stop, ToolCall, ToolChoice};
use ai::synthesizer::AudioFormat;
use ai::tools::Tool;
use ai::vendor::{self, Account, ProviderKind, ResponderApi, ResponderConfig, SynthesizerConfig, TranscriberConfig, trial};
use load_tests::simulator::{Fault, FaultPlan, Provider, Script, SimOptions, Simulator};
use media::codec::Codec;
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(30);

const SCRIPT: &str = r#"
[pace]
first_token_ms = 10
first_audio_ms = 10
tokens_per_s = 500.0

[[turns]]
text = "Hello there, you called."
heard = "And so my fellow Americans."

[[turns]]
when = "order"
tool = { name = "lookup", arguments = '{"id":7}', say = "One moment." }

[[turns]]
text = "It was shipped."

[[turns]]
when = "history"
reply = "history"
"#;

async fn simulator(fault: Option<Fault>) -> Simulator {
    let mut options = SimOptions::new(SocketAddr::from(([127, 0, 0, 1], 0)));
    options.script = Script::parse(SCRIPT).unwrap();
    options.fault = fault.map(FaultPlan::new);
    options.speed = 50.0;
    Simulator::start(options).await.unwrap()
}

fn account(simulator: &Simulator, kind: ProviderKind, key: &str) -> Account {
    let provider = match kind {
        ProviderKind::Anthropic => Provider::Anthropic,
        ProviderKind::Cartesia => Provider::Cartesia,
        ProviderKind::Deepgram => Provider::Deepgram,
        ProviderKind::ElevenLabs => Provider::ElevenLabs,
        ProviderKind::Groq => Provider::Groq,
        ProviderKind::Compatible | ProviderKind::OpenAi => Provider::OpenAi,
    };
    let base_url = simulator.url_for(provider);
    // A busy machine fails no test.
    let (connect_timeout, answer_timeout) = (LIMIT, LIMIT);
    Account { base_url, api_key: key.into(), connect_timeout, answer_timeout, ..Account::from(kind) }
}

/// Every way to a model.
const RESPONDERS: [(ProviderKind, ResponderApi); 5] = [
    (ProviderKind::Anthropic, ResponderApi::Messages),
    (ProviderKind::Compatible, ResponderApi::ChatCompletions),
    (ProviderKind::Groq, ResponderApi::ChatCompletions),
    (ProviderKind::OpenAi, ResponderApi::ChatCompletions),
    (ProviderKind::OpenAi, ResponderApi::Responses),
];

fn responder(simulator: &Simulator, (kind, api): (ProviderKind, ResponderApi), key: &str) -> ResponderConfig {
    let mut config = ResponderConfig { account: account(simulator, kind, key), api, ..kind.into() };
    if config.model.is_empty() {
        config.model = "local".to_owned();
    }
    config
}

async fn ask(config: &ResponderConfig, entries: &[Entry]) -> Result<trial::Answered, String> {
    let responder = vendor::responder(config).map_err(|error| error.to_string())?;
    let parameters = json!({ "type": "object", "properties": { "id": { "type": "integer" } } });
    let tools = [Tool { name: "lookup".to_owned(), description: "Find an order".to_owned(), parameters }];
    let conversation = Conversation { instructions: "Be brief.", entries, tools: &tools, tool_choice: ToolChoice::Auto };
    let answered = trial::answer(&HttpClient::default(), &*responder, &conversation, LIMIT).await;
    answered.map_err(|error| format!("{}: {error}", error.kind()))
}

#[tokio::test]
async fn every_model_answers_and_calls() {
    let simulator = simulator(None).await;
    for way in RESPONDERS {
        let config = responder(&simulator, way, "k");
        let answered = ask(&config, &[Entry::Agent("Welcome.".into()), Entry::Caller("Hi.".into())]).await.unwrap();
        assert_eq!((answered.text.as_str(), answered.stop), ("Hello there, you called.", Some(Stop::Complete)), "{way:?}");

        let mut entries = vec![Entry::Caller("Where is".into()), Entry::Caller("my order?".into())];
        let answered = ask(&config, &entries).await.unwrap();
        assert_eq!((answered.text.as_str(), answered.stop), ("One moment.", Some(Stop::ToolCalls)), "{way:?}");
        let [ToolCall { call_id, name, arguments }] = answered.calls.as_slice() else { panic!("{way:?}") };
        assert_eq!((name.as_str(), arguments.as_str()), ("lookup", "{\"id\":7}"), "{way:?}");

        entries.extend([Entry::Agent("One moment.".into()), Entry::ToolCall(answered.calls[0].clone())]);
        entries.push(Entry::ToolResult { call_id: call_id.clone(), output: "{\"status\":\"shipped\"}".into() });
        let answered = ask(&config, &entries).await.unwrap();
        assert_eq!((answered.text.as_str(), answered.stop), ("It was shipped.", Some(Stop::Complete)), "{way:?}");
    }
}

#[tokio::test]
async fn a_long_answer_is_cut_where_it_was_told() {
    let simulator = simulator(None).await;
    for way in RESPONDERS {
        let mut config = responder(&simulator, way, "k");
        config.max_tokens = if way.1 == ResponderApi::Responses { 16 } else { 2 };
        let answered = ask(&config, &[Entry::Caller("Hi.".into())]).await.unwrap();
        let expected = if way.1 == ResponderApi::Responses { Stop::Complete } else { Stop::Length };
        assert_eq!(answered.stop, Some(expected), "{way:?} {}", answered.text);
    }
}

#[tokio::test]
async fn faults_of_a_model_are_told_apart() {
    let first = [Entry::Caller("Hi.".into())];
    for way in RESPONDERS {
        let kind = |told: Result<trial::Answered, String>| {
            told.map_or_else(
                |error| error.split(':').next().unwrap_or_default().to_owned(),
                |answered| format!("answered {:?}", answered.stop),
            )
        };
        let mut told = Vec::new();
        for fault in [Fault::RateLimited, Fault::ServerError, Fault::Reset, Fault::Garbage, Fault::Close] {
            let simulator = simulator(Some(fault)).await;
            told.push(kind(ask(&responder(&simulator, way, "k"), &first).await));
        }
        let simulator = simulator(None).await;
        told.push(kind(ask(&responder(&simulator, way, "wrong-key"), &first).await));
        let reset = told.remove(2);
        assert!(reset == "network" || reset == "closed", "{way:?} {reset}");
        let closed = told.remove(3);
        assert!(["closed", "reported", "overloaded", "network", "protocol"].contains(&closed.as_str()), "{way:?} {closed}");
        assert_eq!(told, ["rate_limited", "overloaded", "protocol", "key"], "{way:?}");
    }
}

/// Every way to a voice.
const SYNTHESIZERS: [ProviderKind; 4] =
    [ProviderKind::Cartesia, ProviderKind::Deepgram, ProviderKind::ElevenLabs, ProviderKind::OpenAi];

async fn say(config: &SynthesizerConfig, texts: &[&str]) -> Result<trial::Spoken, String> {
    let mut synthesizer = vendor::synthesizer(config).map_err(|error| error.to_string())?;
    let spoken = trial::speak(&HttpClient::default(), &mut *synthesizer, texts, LIMIT).await;
    spoken.map_err(|error| format!("{}: {error}", error.kind()))
}

#[tokio::test]
async fn every_voice_speaks_in_the_legs_codec() {
    let simulator = simulator(None).await;
    let texts = ["Hello there, you called.", "It was shipped on Monday, at noon.", "Bye."];
    for kind in SYNTHESIZERS {
        for codec in [Codec::Pcmu, Codec::Pcma] {
            let config = SynthesizerConfig { account: account(&simulator, kind, "k"), codec, ..kind.into() };
            let spoken = say(&config, &texts).await.unwrap_or_else(|error| panic!("{kind:?} {codec:?}: {error}"));
            let lengths: Vec<_> = spoken.audio.iter().map(Vec::len).collect();
            assert!(lengths.iter().all(|length| *length > 800), "{kind:?} {lengths:?}");
            let format = vendor::synthesizer(&config).unwrap().format();
            assert!(kind == ProviderKind::OpenAi || format == AudioFormat::Telephone(codec), "{kind:?}");
            let aligned = matches!(kind, ProviderKind::Cartesia | ProviderKind::ElevenLabs);
            let told: Vec<_> = spoken.aligned.iter().map(|text| text.trim()).collect();
            assert_eq!(told, if aligned { texts } else { [""; 3] }, "{kind:?}");
        }
    }
}

#[tokio::test]
async fn more_pieces_than_a_socket_takes_at_once_are_all_spoken() {
    let simulator = simulator(None).await;
    for kind in [ProviderKind::Cartesia, ProviderKind::ElevenLabs] {
        let config = SynthesizerConfig { account: account(&simulator, kind, "k"), ..kind.into() };
        let spoken = say(&config, &["One."; 12]).await.unwrap_or_else(|error| panic!("{kind:?}: {error}"));
        assert!(spoken.audio.iter().all(|audio| !audio.is_empty()), "{kind:?}");
    }
}

#[tokio::test]
async fn after_twenty_pieces_a_minute_deepgram_is_asked_by_requests() {
    let simulator = simulator(None).await;
    let kind = ProviderKind::Deepgram;
    let config = SynthesizerConfig { account: account(&simulator, kind, "k"), ..kind.into() };
    let mut synthesizer = vendor::synthesizer(&config).unwrap();
    let client = HttpClient::default();
    let refused = trial::speak(&client, &mut *synthesizer, &["One."; 21], LIMIT).await.unwrap_err();
    assert_eq!(refused.kind(), "rate_limited");
    assert!(synthesizer.socket().unwrap().is_none());
    let spoken = trial::speak(&client, &mut *synthesizer, &["One."; 3], LIMIT).await.unwrap();
    assert!(spoken.audio.iter().all(|audio| !audio.is_empty()));
}

#[tokio::test]
async fn faults_of_a_voice_are_told_apart() {
    for kind in SYNTHESIZERS {
        let mut told = Vec::new();
        for (fault, key) in
            [(Some(Fault::RateLimited), "k"), (Some(Fault::ServerError), "k"), (Some(Fault::Reset), "k"), (None, "wrong-key")]
        {
            let simulator = simulator(fault).await;
            let config = SynthesizerConfig { account: account(&simulator, kind, key), ..kind.into() };
            let said = say(&config, &["Hello there, you called. It was shipped on Monday."]).await;
            let error = said.map_or_else(|error| error, |spoken| format!("spoke: {}", spoken.audio[0].len()));
            told.push(error.split(':').next().unwrap_or_default().to_owned());
        }
        assert!(["network", "closed", "protocol"].contains(&told[2].as_str()), "{kind:?} {told:?}");
        told.remove(2);
        assert_eq!(told, ["rate_limited", "overloaded", "key"], "{kind:?}");
    }
}

fn transcribers() -> Vec<(ProviderKind, &'static str)> {
    vec![
        (ProviderKind::Cartesia, "ink-2"),
        (ProviderKind::Cartesia, "ink-whisper"),
        (ProviderKind::Compatible, "whisper-1"),
        (ProviderKind::Deepgram, "flux-general-en"),
        (ProviderKind::Deepgram, "nova-3"),
        (ProviderKind::ElevenLabs, "scribe_v2_realtime"),
        (ProviderKind::Groq, "whisper-large-v3-turbo"),
        (ProviderKind::OpenAi, "gpt-4o-mini-transcribe"),
        (ProviderKind::OpenAi, "whisper-1"),
    ]
}

async fn hear(config: &TranscriberConfig) -> Result<trial::Heard, String> {
    let mut transcriber = vendor::transcriber(config).map_err(|error| error.to_string())?;
    let octets = trial::sample(config.codec);
    let heard = trial::transcribe(&HttpClient::default(), &mut *transcriber, (config.codec, &octets), LIMIT).await;
    heard.map_err(|error| format!("{}: {error}", error.kind()))
}

#[tokio::test]
async fn every_transcriber_writes_a_turn_down() {
    let simulator = simulator(None).await;
    let all = transcribers().into_iter().flat_map(|(kind, model)| [Codec::Pcmu, Codec::Pcma].map(|codec| (kind, model, codec)));
    // At once: each takes as long as the speech.
    let tasks: Vec<_> = all
        .map(|(kind, model, codec)| {
            let account = account(&simulator, kind, "k");
            let keyterms = vec!["Americans".to_owned()];
            let language = Some("en".to_owned());
            let config = TranscriberConfig { account, codec, model: model.to_owned(), keyterms, language, ..kind.into() };
            tokio::spawn(async move { (format!("{model} {codec:?}"), hear(&config).await) })
        })
        .collect();
    for task in tasks {
        let (name, heard) = task.await.unwrap();
        let heard = heard.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(heard.text, "And so my fellow Americans.", "{name}");
    }
}

#[tokio::test]
async fn faults_of_a_transcriber_are_told_apart() {
    for (fault, key, expected) in [
        (Some(Fault::RateLimited), "k", "rate_limited"),
        (Some(Fault::ServerError), "k", "overloaded"),
        (None, "wrong-key", "key"),
    ] {
        let simulator = simulator(fault).await;
        for (kind, model) in transcribers() {
            let account = account(&simulator, kind, key);
            let config = TranscriberConfig { account, model: model.to_owned(), ..kind.into() };
            let error = hear(&config).await.map_or_else(|error| error, |heard| format!("heard: {}", heard.text));
            assert!(error.starts_with(expected), "{model} {error}");
        }
    }
}
