//! What an engine needs from outside: a provider's socket, or a synthesizer's speech. Both run beside the actor and tell it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ai::engine::{Engine, EngineError, Input, Past, ProviderInput, Stage, Words};
use ai::espeak::Espeak;
use ai::offline::{OfflineConfig, OfflineSession};
use ai::openai::RealtimeEndpoint;
use ai::openai::socket::{self, Socket};
use ai::realtime::{RealtimeConfig, RealtimeSession};
use ai::tools::Tool;
use bytes::Bytes;
use media::codec::Codec;
use media::sendout::PromptId;
use tokio::sync::mpsc;

use super::{AiArgs, AiMsg, AiSession, EngineChoice};
use crate::alarm::Owned;
use crate::config::{EngineConfig, OfflineVoice};
use crate::mailbox::Mailbox;

/// An engine and what stands behind it.
pub(super) struct Made {
    pub(super) core: Box<dyn Engine>,
    /// `engine` label of metrics.
    pub(super) label: &'static str,
    pub(super) provider: Option<Provider>,
    pub(super) speaker: Speaker,
}

/// Makes the engine of an assistant, or the one that apologises for it. Each session of a call numbers its prompts from a range of its
/// own, above those of the sessions before it; and none but the first greets, unless that did not come to it.
pub(super) fn make_engine(args: &AiArgs, tools: Vec<Tool>) -> Made {
    let assistant = args.engine.assistant();
    let speaker = Speaker { voice: assistant.offline_voice.clone(), espeak: Arc::clone(&args.espeak), codec: args.codec };
    let first_prompt = PromptId(args.session << 32);
    let offline = |config: &OfflineConfig| {
        let mut config = OfflineConfig { codec: args.codec, ..config.clone() };
        if !args.history.is_empty() {
            config.greeting.clear();
        }
        Box::new(OfflineSession::new(config, first_prompt)) as Box<dyn Engine>
    };
    match (&args.engine, &assistant.engine) {
        (EngineChoice::Own(_), EngineConfig::Realtime { provider, endpoint, session, .. }) => {
            let config = RealtimeConfig { codec: args.codec, first_prompt, tools, ..RealtimeConfig::clone(session) };
            let core = realtime(config, &args.history);
            Made { core, label: "realtime", provider: Some(Provider::new(provider, endpoint)), speaker }
        }
        (EngineChoice::Own(_), EngineConfig::Offline(config)) | (_, EngineConfig::Realtime { fallback: config, .. }) => {
            Made { core: offline(config), label: "offline", provider: None, speaker }
        }
        (EngineChoice::Apology(_), EngineConfig::Offline(config)) => {
            let apology = OfflineConfig { mode: ai::offline::Mode::default(), ..config.clone() };
            Made { core: offline(&apology), label: "offline", provider: None, speaker }
        }
    }
}

/// A new conversation, or one that goes on after its session died: then nobody is greeted again.
fn realtime(config: RealtimeConfig, history: &[Past]) -> Box<dyn Engine> {
    if history.is_empty() {
        return Box::new(RealtimeSession::new(config, rand::random()));
    }
    Box::new(RealtimeSession::resume(config, rand::random(), history.iter().cloned()))
}

/// A provider's socket: at most one at a time, numbered so that a late word of the last one is known as such.
pub(super) struct Provider {
    name: String,
    endpoint: RealtimeEndpoint,
    number: u64,
    outgoing: Option<mpsc::Sender<Words>>,
    task: Option<Owned>,
}

/// How long the socket's reader waits when the session's mailbox is half full: the provider is held back meanwhile, and the words of
/// the leg and the call still get in.
const HOLD_BACK: Duration = Duration::from_millis(5);

impl Provider {
    fn new(name: &str, endpoint: &RealtimeEndpoint) -> Self {
        Self { name: name.to_owned(), endpoint: endpoint.clone(), number: 0, outgoing: None, task: None }
    }

    /// Whether a socket's word is of the present one.
    pub(super) fn is_current(&self, number: u64) -> bool {
        self.number == number
    }

    /// From asking to the first audio.
    pub(super) fn record_request(&self, took: Duration) {
        record(&self.name, "response", took);
    }

    /// Opens a new socket; the one before is closed.
    fn open(&mut self, me: &Mailbox<AiMsg>) {
        self.number += 1;
        self.outgoing = None;
        let (name, endpoint, number, me) = (self.name.clone(), self.endpoint.clone(), self.number, me.clone());
        self.task = Some(Owned(tokio::spawn(async move {
            let asked = Instant::now();
            let opened = socket::connect(&endpoint).await;
            if opened.is_ok() {
                record(&name, "connect", asked.elapsed());
            }
            let _ended_meanwhile = me.send(AiMsg::Socket(number, opened));
        })));
    }

    /// Takes an open socket over: its words are read by a task from now on.
    fn adopt(&mut self, socket: Socket, me: &Mailbox<AiMsg>) {
        let Socket { send: outgoing, events: mut incoming } = socket;
        let (number, me) = (self.number, me.clone());
        self.outgoing = Some(outgoing);
        self.task = Some(Owned(tokio::spawn(async move {
            while let Some(input) = incoming.recv().await {
                while !me.has_room() {
                    tokio::time::sleep(HOLD_BACK).await;
                }
                if me.send(AiMsg::Provider(number, input)).is_err() {
                    return;
                }
            }
        })));
    }
}

/// What a provider took for a stage of its work.
fn record(provider: &str, stage: &'static str, took: Duration) {
    metrics::histogram!("offhook_provider_request_seconds", "provider" => provider.to_owned(), "stage" => stage).record(took);
}

impl AiSession {
    pub(super) fn connect(&mut self, me: &Mailbox<AiMsg>) {
        if let Some(provider) = &mut self.provider {
            provider.open(me);
        }
    }

    pub(super) fn handle_socket(&mut self, now: Instant, number: u64, result: Result<Socket, EngineError>, me: &Mailbox<AiMsg>) {
        let Some(provider) = self.provider.as_mut().filter(|provider| provider.is_current(number)) else { return };
        let input = match result {
            Ok(socket) => {
                provider.adopt(socket, me);
                ProviderInput::Connected
            }
            Err(error) => ProviderInput::Closed { error },
        };
        self.engine.handle_input(now, Input::Provider(input));
    }

    /// Hands a text to the socket. A provider that reads nothing for seconds is as good as gone.
    pub(super) fn send(&mut self, text: Words) {
        let Some(provider) = &mut self.provider else { return };
        let Some(outgoing) = &provider.outgoing else { return };
        if outgoing.try_send(text).is_err() {
            provider.outgoing = None;
            provider.task = None;
            let error = EngineError::Late { stage: Stage::Write, limit: provider.endpoint.ping_every };
            self.next.push_back(Input::Provider(ProviderInput::Closed { error }));
        }
    }
}

/// Turns text into speech of the leg's codec, beside the actor.
pub(super) struct Speaker {
    voice: OfflineVoice,
    espeak: Arc<Espeak>,
    codec: Codec,
}

impl Speaker {
    pub(super) fn say(&self, request: u64, text: Words, me: &Mailbox<AiMsg>) {
        let Self { voice: OfflineVoice { name, words_per_minute }, espeak, codec } = self;
        let (name, rate, espeak, codec, me) = (name.clone(), *words_per_minute, Arc::clone(espeak), *codec, me.clone());
        // Bounded by itself (5 s), so it may outlive the session by that much.
        tokio::spawn(async move {
            let spoken = espeak.synthesize(text.as_str(), &name, rate).await;
            let result = spoken.map(|samples| {
                let mut octets = Vec::with_capacity(samples.len());
                codec.encode(&samples, &mut octets);
                Bytes::from(octets)
            });
            let result = result.map_err(|error| EngineError::Synthesizer { reason: error.to_string() });
            let _ended_meanwhile = me.send(AiMsg::Synthesized(request, result));
        });
    }
}

#[cfg(test)]
mod tests {
    use ai::engine::Role;

    use super::*;

    fn turn(role: Role, text: &str) -> Past {
        Past::Said(role, text.into())
    }

    /// What a session with this history sends as soon as it is connected: types, and texts where there are any.
    fn check(history: &[Past], expected: &str) {
        let now = Instant::now();
        let config = RealtimeConfig { first_message: Some("Hello.".to_owned()), ..RealtimeConfig::default() };
        let mut session = realtime(config, history);
        let mut sent = Vec::new();
        for input in [Input::Started, Input::Provider(ProviderInput::Connected)] {
            session.handle_input(now, input);
            while let Some(output) = session.poll_output() {
                if let ai::engine::Output::Send(text) = output {
                    let event: serde_json::Value = serde_json::from_str(text.as_str()).expect("it speaks JSON");
                    let text = event["item"]["content"][0]["text"].as_str().unwrap_or_default();
                    sent.push(format!("{} {text}", event["type"].as_str().unwrap_or_default()).trim_end().to_owned());
                }
            }
        }
        assert_eq!(sent.join(", "), expected);
    }

    #[test]
    fn a_resumed_session_tells_what_was_said_and_greets_nobody() {
        let said = [turn(Role::Agent, "Hello."), turn(Role::Caller, "A pizza."), turn(Role::Agent, "Which one?")];
        let told = "conversation.item.create Hello., conversation.item.create A pizza., conversation.item.create Which one?";
        check(&said, &format!("session.update, {told}"));
    }

    #[test]
    fn a_session_that_died_before_a_word_was_said_greets() {
        check(&[], "session.update, response.create");
    }
}
