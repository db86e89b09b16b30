//! Aura: `WS /v1/speak` and `POST /v1/speak`.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::{Value, json};

use super::{MODEL_ID, REQUEST_ID, spoken_format};
use crate::simulator::answer::{Answer, Kind};
use crate::simulator::faults::{Fault, Stage};
use crate::simulator::provider::Provider;
use crate::simulator::route::Asked;
use crate::simulator::server::Shared;
use crate::simulator::socket::{Core, Output};
use crate::simulator::sound::{self, Encoding, Format};
use crate::simulator::speaker::{Next, Speaker, Tempo};
use crate::simulator::speech_once;

/// Rates that Aura speaks, Hz.
const RATES: [u32; 5] = [8_000, 16_000, 24_000, 32_000, 48_000];
/// More flushes than this within [`FLUSH_WINDOW`] only get a warning.
const FLUSHES_MAX: usize = 20;
const FLUSH_WINDOW: Duration = Duration::from_secs(60);
/// Longest text of one request, characters, and of what waits for a flush.
const TEXT_CHARS_MAX: usize = 2_400;

/// A mark after the last audio of a flush.
#[derive(Debug)]
struct Flushed(u64);

/// One stream.
#[derive(Debug)]
pub(super) struct Speak {
    shared: Arc<Shared>,
    format: Format,
    audio: Bytes,
    drip: bool,
    text: String,
    speaker: Speaker<Flushed>,
    sequence: u64,
    flushes: VecDeque<Instant>,
    closing: bool,
    outputs: VecDeque<Output>,
}

fn check_model(asked: &Asked, family: &str) -> Result<String, String> {
    let model = asked.query.value("model").unwrap_or("aura-asteria-en").to_owned();
    if model.starts_with(family) { Ok(model) } else { Err(format!("no such model: {model}")) }
}

impl Speak {
    pub(super) fn open(asked: &Asked) -> Result<Self, String> {
        let model = check_model(asked, "aura")?;
        if asked.query.value("container").is_some() {
            return Err("container is not a parameter of a stream".to_owned());
        }
        let format = spoken_format(&asked.query, &RATES)?;
        let mut speak = Self {
            shared: Arc::clone(asked.shared),
            format,
            audio: asked.shared.sounds.loop_in(format),
            drip: asked.fault == Some(Fault::Drip),
            text: String::new(),
            speaker: Speaker::new(),
            sequence: 0,
            flushes: VecDeque::new(),
            closing: false,
            outputs: VecDeque::new(),
        };
        speak.say(&json!({"type": "Metadata", "request_id": REQUEST_ID, "model_name": model,
            "model_version": "2026-01-01.0", "model_uuid": MODEL_ID}));
        Ok(speak)
    }

    fn speak(&mut self, now: Instant, text: &str) {
        let place = self.shared.script.saying(text);
        let fault = place.and_then(|place| self.shared.turn_fault(place, Stage::Tts, Provider::Deepgram));
        self.outputs.extend(fault.map(Output::Arm));
        let drip = self.drip || fault == Some(Fault::Drip);
        self.speaker.say(now, text, Tempo::of(&self.shared.script, text, self.shared.speed, drip));
    }

    /// Takes text; whole sentences are spoken at once, and the rest waits for a flush.
    fn take(&mut self, now: Instant, text: &str) {
        self.text.push_str(text);
        if self.text.chars().count() > TEXT_CHARS_MAX {
            return self.close(1008, "DATA-0001");
        }
        if let Some(end) = self.text.rfind(['.', '!', '?']).filter(|end| self.text[*end + 1..].starts_with(' ')) {
            let rest = self.text.split_off(end + 1);
            let sentences = std::mem::replace(&mut self.text, rest);
            self.speak(now, &sentences);
        }
    }

    fn flush(&mut self, now: Instant) {
        while self.flushes.front().is_some_and(|first| now.duration_since(*first) >= FLUSH_WINDOW) {
            self.flushes.pop_front();
        }
        if self.flushes.len() == FLUSHES_MAX {
            let description = format!("more than {FLUSHES_MAX} flushes in 60 s");
            return self.say(&json!({"type": "Warning", "code": "EXCESSIVE_FLUSH", "description": description}));
        }
        self.flushes.push_back(now);
        let text = std::mem::take(&mut self.text);
        if !text.trim().is_empty() {
            self.speak(now, &text);
        }
        self.speaker.mark(now, Flushed(self.sequence));
        self.sequence += 1;
    }

    fn clear(&mut self) {
        self.text.clear();
        self.speaker.clear();
        self.say(&json!({"type": "Cleared", "sequence_id": self.sequence}));
        self.sequence += 1;
    }

    fn say(&mut self, event: &Value) {
        self.outputs.push_back(Output::Text(event.to_string()));
    }

    fn close(&mut self, code: u16, reason: &str) {
        self.outputs.push_back(Output::Close(code, reason.to_owned()));
    }
}

impl Core for Speak {
    fn handle_text(&mut self, now: Instant, text: &str) {
        let event = serde_json::from_str::<Value>(text).unwrap_or_default();
        match (event["type"].as_str().unwrap_or_default(), event["text"].as_str()) {
            ("Speak", Some(text)) => self.take(now, text),
            ("Flush", _) => self.flush(now),
            ("Clear", _) => self.clear(),
            ("Close", _) => {
                let text = std::mem::take(&mut self.text);
                if !text.trim().is_empty() {
                    self.speak(now, &text);
                }
                self.closing = true;
            }
            _ => self.close(1008, "DATA-0000"),
        }
        self.handle_timeout(now);
    }

    fn handle_binary(&mut self, _now: Instant, _octets: &[u8]) {
        self.close(1003, "MESSAGE-0000");
    }

    fn handle_timeout(&mut self, now: Instant) {
        while let Some(next) = self.speaker.pop(now) {
            match next {
                Next::Audio(spoken) => {
                    let audio = sound::piece(&self.audio, self.format, &spoken);
                    self.outputs.push_back(Output::Audio(audio));
                }
                Next::Mark(Flushed(sequence)) => self.say(&json!({"type": "Flushed", "sequence_id": sequence})),
            }
        }
        if self.closing && self.speaker.is_idle() {
            self.closing = false;
            self.close(1000, "");
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.speaker.due()
    }
}

/// `POST /v1/speak`.
pub(in crate::simulator) fn speak_once(asked: &Asked) -> Result<Answer, Answer> {
    let wrong = |message: String| asked.refuse(400, "INVALID_QUERY_PARAMETER", &message);
    let model = check_model(asked, "aura").map_err(wrong)?;
    let container = asked.query.value("container").unwrap_or("wav");
    let format = match asked.query.value("encoding") {
        None => return Err(wrong("the default encoding is not simulated: give encoding".to_owned())),
        Some(_) => spoken_format(&asked.query, &RATES).map_err(wrong)?,
    };
    if !["none", "wav"].contains(&container) || container == "wav" && format.encoding == Encoding::Float {
        return Err(wrong(format!("container {container} is not supported")));
    }
    let body = asked.json()?;
    let text = body["text"].as_str().unwrap_or_default();
    if text.trim().is_empty() {
        return Err(asked.refuse(400, "INVALID_JSON", "text is missing"));
    }
    if text.chars().count() > TEXT_CHARS_MAX {
        return Err(asked.refuse(413, "PAYLOAD_ERROR", "Input text exceeds maximum character limit of 2400"));
    }
    let media_type = if container == "wav" { "audio/wav" } else { "audio/basic" };
    let mut answer = Answer::streamed(media_type, Kind::Audio)
        .with("dg-model-name", model)
        .with("dg-request-id", REQUEST_ID)
        .with("dg-char-count", text.chars().count().to_string());
    speech_once::speak(&mut answer, asked, text, format, container == "wav");
    Ok(answer)
}
