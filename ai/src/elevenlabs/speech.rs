//! ElevenLabs' speech over a socket of several contexts, `multi-stream-input`.
//!
//! ```text
//! piece 7 -> " " + settings, its text + flush, close     context p7
//! audio and characters of p7 <-, then its end            5 contexts at most, those that were given up too
//! ```

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use media::codec::Codec;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::engine::{EngineError, Words};
use crate::json::{Field, decode_base64};
use crate::link::{Answer, Body, Frame, LinkInput, Target, percent_encoded};
use crate::openai::chat::rounded;
use crate::synthesizer::{AudioFormat, SpeechId, Synthesized, Synthesizer};
use crate::vendor::{Query, SynthesizerConfig, fault, of_request, read, text};

/// Contexts of ours at once. ElevenLabs allows five, and closes the socket of a sixth; one may be what keeps the socket open.
const CONTEXTS: usize = 4;

/// How long a context, or the socket, may be idle; the longest that ElevenLabs allows.
const IDLE_S: u64 = 180;

/// Between frames that keep the socket open.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// Octets a millisecond of a telephone's codec.
const OCTETS_PER_MS: u64 = 8;

/// One call's synthesizer.
#[derive(Clone, Debug)]
pub struct Speech {
    config: SynthesizerConfig,
    /// What was asked for, in order.
    wanted: VecDeque<Context>,
    /// Contexts that were given up, whose end has not been told.
    leaving: VecDeque<SpeechId>,
}

#[derive(Clone, Debug)]
struct Context {
    speech: SpeechId,
    octets: u64,
}

impl Speech {
    /// Of settings.
    pub fn new(config: SynthesizerConfig) -> Self {
        Self { config, wanted: VecDeque::new(), leaving: VecDeque::new() }
    }

    fn output_format(&self) -> &'static str {
        match self.config.codec {
            Codec::Pcma => "alaw_8000",
            Codec::Pcmu => "ulaw_8000",
        }
    }

    fn settings(&self) -> Option<Value> {
        let config = &self.config;
        let set = [
            ("stability", config.stability),
            ("similarity_boost", config.similarity),
            ("style", config.style),
            ("speed", config.speed),
        ];
        let set = set.into_iter().filter_map(|(name, value)| Some((name.to_owned(), rounded(value?))));
        let set: Map<String, Value> = set.collect();
        (!set.is_empty()).then_some(Value::Object(set))
    }

    fn query(&self, path: &str) -> Query {
        let path = format!("/v1/text-to-speech/{}/{path}", percent_encoded(&self.config.voice));
        Query::new(path).with("output_format", self.output_format())
    }

    fn forget(&mut self, speech: SpeechId) -> bool {
        self.leaving.retain(|leaving| *leaving != speech);
        let place = self.wanted.iter().position(|context| context.speech == speech);
        place.and_then(|place| self.wanted.remove(place)).is_some()
    }
}

fn id(speech: SpeechId) -> String {
    format!("p{}", speech.0)
}

fn frame(message: &Value) -> Frame {
    Frame::Text(Words::from(message.to_string()))
}

#[derive(Deserialize)]
#[serde(expecting = "a message as an object")]
struct Wire<'a> {
    #[serde(borrow, default)]
    audio: Field<'a>,
    // Both spellings are in use, and either may be.
    #[serde(borrow, default, rename = "contextId")]
    context: Field<'a>,
    #[serde(borrow, default)]
    context_id: Field<'a>,
    #[serde(rename = "isFinal")]
    last: Option<bool>,
    is_final: Option<bool>,
    #[serde(borrow)]
    alignment: Option<&'a RawValue>,
    #[serde(borrow, default)]
    message: Field<'a>,
    #[serde(borrow, default)]
    error: Field<'a>,
}

#[derive(Deserialize)]
struct Alignment {
    chars: Vec<String>,
    #[serde(rename = "charStartTimesMs")]
    starts_ms: Vec<f64>,
}

impl Alignment {
    /// The words, each with the spaces behind it, and when they begin after `from`.
    fn tell(&self, speech: SpeechId, from: Duration, out: &mut Vec<Synthesized>) {
        let mut word: Option<(Duration, String)> = None;
        let mut spaced = false;
        for (char, start) in self.chars.iter().zip(&self.starts_ms) {
            let space = char.trim().is_empty();
            if spaced && !space {
                out.extend(word.take().map(|(at, text)| Synthesized::Aligned { speech, at, text: Words::from(text) }));
            }
            spaced = space;
            let start = Duration::try_from_secs_f64(start / 1_000.0).unwrap_or_default();
            word.get_or_insert_with(|| (from + start.min(Duration::from_secs(3_600)), String::new())).1.push_str(char);
        }
        out.extend(word.map(|(at, text)| Synthesized::Aligned { speech, at, text: Words::from(text) }));
    }
}

impl Synthesizer for Speech {
    fn provider(&self) -> &Arc<str> {
        &self.config.account.provider
    }

    fn format(&self) -> AudioFormat {
        AudioFormat::Telephone(self.config.codec)
    }

    fn socket(&self) -> Result<Option<Target>, EngineError> {
        let query = self
            .query("multi-stream-input")
            .with("model_id", &self.config.model)
            .with("auto_mode", true)
            .with("sync_alignment", true)
            .with("inactivity_timeout", IDLE_S)
            .with_some("language_code", self.config.language.as_deref());
        self.config.account.socket("synthesize", query).map(Some)
    }

    fn request(&self, text: &Words) -> Result<Target, EngineError> {
        let mut body = json!({ "text": text.as_str(), "model_id": self.config.model });
        if let Some(settings) = self.settings() {
            body["voice_settings"] = settings;
        }
        if let Some(language) = &self.config.language {
            body["language_code"] = language.as_str().into();
        }
        let body = Body::Json(Words::from(body.to_string()));
        self.config.account.request("synthesize", self.query("stream"), body, Answer::Bytes)
    }

    fn speak(&mut self, speech: SpeechId, text: &Words, out: &mut Vec<Frame>) {
        if self.wanted.len() + self.leaving.len() >= CONTEXTS {
            // Its end was never told; by now it has come.
            self.leaving.pop_front();
        }
        let id = id(speech);
        let mut first = json!({ "text": " ", "context_id": id });
        if let Some(settings) = self.settings() {
            first["voice_settings"] = settings;
        }
        let said = format!("{} ", text.as_str().trim_end());
        out.push(frame(&first));
        out.push(frame(&json!({ "text": said, "context_id": id, "flush": true })));
        out.push(frame(&json!({ "context_id": id, "close_context": true })));
        self.wanted.push_back(Context { speech, octets: 0 });
    }

    fn cancel(&mut self, speech: SpeechId, out: &mut Vec<Frame>) {
        if self.forget(speech) {
            self.leaving.push_back(speech);
            out.push(frame(&json!({ "context_id": id(speech), "close_context": true })));
        }
    }

    /// The socket's address tells it.
    fn set_language(&mut self, code: &str) -> bool {
        let changes = self.config.language.as_deref() != Some(code);
        self.config.language = Some(code.to_owned());
        changes
    }

    fn pieces_ahead(&self) -> usize {
        (CONTEXTS - 1).saturating_sub(self.leaving.len()).clamp(1, 2)
    }

    fn keep_alive(&self) -> Option<(Duration, Frame)> {
        Some((KEEP_ALIVE, Frame::Text(r#"{"text":""}"#.into())))
    }

    fn reset(&mut self) {
        self.wanted.clear();
        self.leaving.clear();
    }

    fn handle(&mut self, request: Option<SpeechId>, input: &LinkInput, out: &mut Vec<Synthesized>) -> Result<(), EngineError> {
        if let Some(speech) = request {
            return of_request(speech, input, out);
        }
        let Some(text) = text(input) else { return Ok(()) };
        let wire: Wire<'_> = read(text)?;
        let (code, message) = (wire.error.text().unwrap_or_default(), wire.message.text().unwrap_or_default());
        if !code.is_empty() || !message.is_empty() {
            return Err(fault("", if code.is_empty() { "error" } else { code }, message));
        }
        let context = wire.context.text().or(wire.context_id.text());
        let number = context.and_then(|id| id.strip_prefix('p')?.parse().ok());
        let Some(speech) = number.map(SpeechId) else { return Ok(()) };
        if let Some(context) = self.wanted.iter_mut().find(|context| context.speech == speech) {
            let from = Duration::from_millis(context.octets / OCTETS_PER_MS);
            let alignment = wire.alignment.and_then(|raw| serde_json::from_str::<Alignment>(raw.get()).ok());
            if let Some(alignment) = alignment {
                alignment.tell(speech, from, out);
            }
            let mut audio = Vec::new();
            decode_base64(wire.audio.text().unwrap_or_default(), &mut audio)
                .ok_or_else(|| EngineError::Protocol { reason: "audio is not base64".to_owned() })?;
            context.octets += audio.len() as u64;
            if !audio.is_empty() {
                out.push(Synthesized::Audio { speech, audio: Bytes::from(audio) });
            }
        }
        if (wire.last == Some(true) || wire.is_final == Some(true)) && self.forget(speech) {
            out.push(Synthesized::Done { speech });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
