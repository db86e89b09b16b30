//! Flux text to speech: `WS /v2/speak`.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use serde_json::{Value, json};

use super::{MODEL_ID, REQUEST_ID, spoken_format};
use crate::simulator::faults::{Fault, Stage};
use crate::simulator::provider::Provider;
use crate::simulator::route::Asked;
use crate::simulator::server::Shared;
use crate::simulator::socket::{Core, Output};
use crate::simulator::sound::{self, Format};
use crate::simulator::speaker::{CHAR_MS, Next, Speaker, Tempo};

const RATES: [u32; 6] = [8_000, 16_000, 24_000, 32_000, 44_100, 48_000];
/// Most characters of one message.
const TEXT_CHARS_MAX: usize = 2_400;

/// One connection.
#[derive(Debug)]
pub(super) struct FluxSpeak {
    shared: Arc<Shared>,
    format: Format,
    audio: Bytes,
    drip: bool,
    /// The turn that is spoken: its id and its characters.
    speech: Option<(String, usize)>,
    speaker: Speaker<(String, usize)>,
    total: usize,
    closing: bool,
    outputs: VecDeque<Output>,
}

impl FluxSpeak {
    pub(super) fn open(asked: &Asked) -> Result<Self, String> {
        let model = asked.query.value("model").ok_or("model is missing")?;
        if !model.starts_with("flux-") {
            return Err(format!("no such model: {model}"));
        }
        let format = spoken_format(&asked.query, &RATES)?;
        let mut speak = Self {
            shared: Arc::clone(asked.shared),
            format,
            audio: asked.shared.sounds.loop_in(format),
            drip: asked.fault == Some(Fault::Drip),
            speech: None,
            speaker: Speaker::new(),
            total: 0,
            closing: false,
            outputs: VecDeque::new(),
        };
        speak.say(&json!({"type": "Connected", "request_id": REQUEST_ID, "model_name": model,
            "model_version": "2026-01-01.0", "model_uuids": [MODEL_ID]}));
        Ok(speak)
    }

    fn speak(&mut self, now: Instant, text: &str) {
        if text.chars().count() > TEXT_CHARS_MAX {
            return self.fail("BIG-0000", "the text is too long");
        }
        let place = self.shared.script.saying(text);
        let fault = place.and_then(|place| self.shared.turn_fault(place, Stage::Tts, Provider::Deepgram));
        self.outputs.extend(fault.map(Output::Arm));
        if self.speech.is_none() {
            let id = format!("speech_{:08x}", self.shared.id());
            self.say(&json!({"type": "SpeechStarted", "speech_id": id}));
            self.speech = Some((id, 0));
        }
        if let Some((_, chars)) = &mut self.speech {
            *chars += text.chars().count();
        }
        let drip = self.drip || fault == Some(Fault::Drip);
        self.speaker.say(now, text, Tempo::of(&self.shared.script, text, self.shared.speed, drip));
    }

    fn flush(&mut self, now: Instant) {
        match self.speech.take() {
            Some(speech) => self.speaker.mark(now, speech),
            None => {
                self.say(&json!({"type": "Warning", "code": "NO_ACTIVE_SPEECH", "description": "nothing to flush"}));
            }
        }
    }

    fn say(&mut self, event: &Value) {
        self.outputs.push_back(Output::Text(event.to_string()));
    }

    fn fail(&mut self, code: &str, description: &str) {
        self.say(&json!({"type": "Error", "code": code, "description": description}));
        self.outputs.push_back(Output::Close(1008, code.to_owned()));
    }
}

impl Core for FluxSpeak {
    fn handle_text(&mut self, now: Instant, text: &str) {
        let event = serde_json::from_str::<Value>(text).unwrap_or_default();
        match (event["type"].as_str().unwrap_or_default(), event["text"].as_str()) {
            ("Speak", Some(text)) if !text.is_empty() => self.speak(now, text),
            ("Flush", _) => self.flush(now),
            ("Close", _) => {
                if self.speech.is_some() {
                    self.flush(now);
                }
                self.closing = true;
            }
            _ => self.fail("DATA-0000", "unknown message"),
        }
        self.handle_timeout(now);
    }

    fn handle_binary(&mut self, _now: Instant, _octets: &[u8]) {
        self.fail("MESSAGE-0000", "binary messages are not supported");
    }

    fn handle_timeout(&mut self, now: Instant) {
        while let Some(next) = self.speaker.pop(now) {
            match next {
                Next::Audio(spoken) => {
                    let audio = sound::piece(&self.audio, self.format, &spoken);
                    self.outputs.push_back(Output::Audio(audio));
                }
                Next::Mark((id, chars)) => {
                    self.total += chars;
                    self.say(&json!({"type": "SpeechMetadata", "speech_id": id, "audio_duration_ms": chars as u64 * CHAR_MS,
                        "input_character_count": chars, "billable_character_count": chars, "controls_applied": {"pronunciations_applied": 0, "breaks_applied": 0,
                            "pronunciation_warnings": 0}}));
                    self.say(&json!({"type": "Flushed", "speech_id": id}));
                }
            }
        }
        if self.closing && self.speaker.is_idle() {
            self.closing = false;
            let total = self.total;
            self.say(&json!({"type": "SessionMetadata", "total_audio_duration_ms": total as u64 * CHAR_MS,
                "total_input_character_count": total, "total_billable_character_count": total}));
            self.outputs.push_back(Output::Close(1000, String::new()));
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.speaker.due()
    }
}
