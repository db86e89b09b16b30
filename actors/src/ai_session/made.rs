//! The engine of an assistant, and the local synthesizer that may stand behind it.

use std::sync::Arc;

use ai::cascade::{CascadeConfig, CascadeSession};
use ai::engine::{Engine, EngineError, Past, Words};
use ai::espeak::Espeak;
use ai::offline::{Mode, OfflineConfig, OfflineSession};
use ai::prompt::{self, CallFacts};
use ai::realtime::{RealtimeConfig, RealtimeSession};
use ai::stream::{StreamConfig, StreamSession};
use ai::tools::Tool;
use bytes::Bytes;
use media::codec::Codec;
use media::sendout::PromptId;
use store::Direction;

use super::manners::Voice;
use super::{AiArgs, AiMsg, EngineChoice};
use crate::config::{Assistant, EngineConfig, OfflineVoice};
use crate::identity::in_words;
use crate::mailbox::Mailbox;

/// An engine and what stands behind it.
pub(super) struct Made {
    pub(super) core: Box<dyn Engine>,
    /// `engine` label of metrics.
    pub(super) label: &'static str,
    /// The provider of a speech-to-speech engine.
    pub(super) provider: Option<Arc<str>>,
    /// Whether a key cuts what is being said: who knows a menu's choice does not wait for its end.
    pub(super) keys_cut: bool,
    /// Whether it takes what is typed: Media Streams has no words for that.
    pub(super) reads: bool,
    /// What it says of its own accord.
    pub(super) voice: Voice,
    pub(super) speaker: Speaker,
}

/// Makes the engine of an assistant, or the one that apologises for it. Each session of a call numbers its prompts from a range of its
/// own, above those of the sessions before it; and none but the first greets, unless that did not come to it.
pub(super) fn make_engine(args: &AiArgs, tools: Vec<Tool>) -> Made {
    let assistant = args.engine.assistant();
    let speaker = Speaker { voice: assistant.offline_voice.clone(), espeak: Arc::clone(&args.espeak), codec: args.codec };
    let first_prompt = PromptId(args.session << 32);
    let offline = |config: &OfflineConfig| {
        let mut config = OfflineConfig { codec: args.codec, greeting: filled(args, &config.greeting), ..config.clone() };
        if let EngineChoice::Message(_, message) = &args.engine {
            config.mode = Mode::Apology { text: filled(args, message.as_str()) };
        }
        if !args.history.is_empty() {
            config.greeting.clear();
        }
        Box::new(OfflineSession::new(config, first_prompt)) as Box<dyn Engine>
    };
    match (&args.engine, &assistant.engine) {
        (EngineChoice::Own(_) | EngineChoice::Message(..), EngineConfig::Realtime { session, .. }) => {
            let instructions = instructions(args, assistant);
            let first_message = first_message(args, session.first_message.as_ref());
            let own = RealtimeConfig::clone(session);
            let config = RealtimeConfig { codec: args.codec, first_prompt, tools, instructions, first_message, ..own };
            let core = realtime(config, &args.history);
            let provider = Some(Arc::clone(&session.endpoint.provider));
            Made { core, label: "realtime", provider, keys_cut: false, reads: true, voice: Voice::Asks, speaker }
        }
        (EngineChoice::Own(_) | EngineChoice::Message(..), EngineConfig::Cascade { session, .. }) => {
            let instructions = instructions(args, assistant);
            let first_message = first_message(args, session.first_message.as_ref());
            let own = CascadeConfig::clone(session);
            let config = CascadeConfig { codec: args.codec, first_prompt, tools, instructions, first_message, ..own };
            let core = cascade(config, &args.history);
            Made { core, label: "cascade", provider: None, keys_cut: false, reads: true, voice: Voice::Asks, speaker }
        }
        (EngineChoice::Own(_), EngineConfig::Stream { bot, .. }) => {
            let told = StreamConfig { codec: args.codec, first_prompt, resumed: args.session > 0, ..args.introduction.of(bot) };
            let core = Box::new(StreamSession::new(told, rand::random()));
            let provider = Some(Arc::from("stream"));
            Made { core, label: "stream", provider, keys_cut: false, reads: false, voice: Voice::Mute, speaker }
        }
        (EngineChoice::Own(_) | EngineChoice::Message(..), EngineConfig::Offline(config))
        | (
            _,
            EngineConfig::Cascade { fallback: config, .. }
            | EngineConfig::Realtime { fallback: config, .. }
            | EngineConfig::Stream { fallback: config, .. },
        ) => {
            let voice = if config.mode == Mode::Talkback { Voice::Asks } else { Voice::Leaves };
            Made { core: offline(config), label: "offline", provider: None, keys_cut: true, reads: true, voice, speaker }
        }
        (EngineChoice::Apology(_), EngineConfig::Offline(config)) => {
            let apology = OfflineConfig { mode: Mode::default(), ..config.clone() };
            Made {
                core: offline(&apology),
                label: "offline",
                provider: None,
                keys_cut: true,
                reads: true,
                voice: Voice::Leaves,
                speaker,
            }
        }
    }
}

/// What the model of an assistant is told in this call.
fn instructions(args: &AiArgs, assistant: &Assistant) -> String {
    let number = args.introduction.identity.as_deref().map(in_words).unwrap_or_default();
    let placed = args.introduction.direction == Direction::Outbound;
    let facts = CallFacts { placed, began: args.began, number, notes: &args.notes, variables: &args.variables };
    prompt::instructions(&assistant.prompt, &facts)
}

/// What is said first: the assistant's own words, or what is left with a machine.
fn first_message(args: &AiArgs, own: Option<&String>) -> Option<String> {
    match &args.engine {
        EngineChoice::Message(_, message) => Some(filled(args, message.as_str())),
        EngineChoice::Own(_) | EngineChoice::Apology(_) => own.map(|text| filled(args, text)),
    }
}

/// A text of the operator's with its places filled.
fn filled(args: &AiArgs, text: &str) -> String {
    prompt::fill(text, &args.variables)
}

/// A new conversation, or one that goes on after its session died: then nobody is greeted again.
fn realtime(config: RealtimeConfig, history: &[Past]) -> Box<dyn Engine> {
    if history.is_empty() {
        return Box::new(RealtimeSession::new(config, rand::random()));
    }
    Box::new(RealtimeSession::resume(config, rand::random(), history.iter().cloned()))
}

/// As [`realtime`], through three providers.
fn cascade(config: CascadeConfig, history: &[Past]) -> Box<dyn Engine> {
    if history.is_empty() {
        return Box::new(CascadeSession::new(config, rand::random()));
    }
    Box::new(CascadeSession::resume(config, rand::random(), history.iter().cloned()))
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
    use std::time::Instant;

    use ai::engine::{Input, Output, Role};
    use ai::link::{Frame, LinkId, LinkInput};
    use ai::openai::RealtimeEndpoint;

    use super::*;

    fn turn(role: Role, text: &str) -> Past {
        Past::Said(role, text.into())
    }

    /// What a session with this history sends as soon as it is connected: types, and texts where there are any.
    fn check(history: &[Past], expected: &str) {
        let now = Instant::now();
        let endpoint = RealtimeEndpoint { api_key: "sk-test".into(), ..RealtimeEndpoint::default() };
        let config = RealtimeConfig { endpoint, first_message: Some("Hello.".to_owned()), ..RealtimeConfig::default() };
        let mut session = realtime(config, history);
        let mut sent = Vec::new();
        for input in [Input::Started, Input::Link { link: LinkId(1), input: LinkInput::Opened }] {
            session.handle_input(now, input);
            while let Some(output) = session.poll_output() {
                if let Output::Send { frame: Frame::Text(text), .. } = output {
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
