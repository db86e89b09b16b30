//! `WS /v1/speech-to-text/realtime`: Scribe.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use super::raw_format;
use crate::simulator::answer::Answer;
use crate::simulator::hearing::{self, Hearing, Noticed, Patience};
use crate::simulator::route::Asked;
use crate::simulator::socket::{Core, Output};

/// Silence that ends an utterance by hand only.
const MANUAL: Duration = Duration::from_secs(86_400);

/// One stream.
#[derive(Debug)]
pub(super) struct Scribe {
    hearing: Hearing,
    timestamps: bool,
    language: String,
    outputs: VecDeque<Output>,
}

impl Scribe {
    pub(super) fn open(asked: &Asked) -> Result<Self, Answer> {
        let query = &asked.query;
        let wrong = |message: String| asked.refuse(400, "invalid_parameters", &message);
        if !query.value("model_id").is_some_and(|model| model.contains("realtime")) {
            return Err(wrong("model_id must be a realtime model".to_owned()));
        }
        let name = query.value("audio_format").unwrap_or("pcm_16000");
        let format = raw_format(name).ok_or_else(|| wrong(format!("audio_format {name} is not supported")))?;
        let endpointing = match query.value("commit_strategy").unwrap_or("manual") {
            "manual" => MANUAL,
            "vad" => {
                let seconds = query.number("vad_silence_threshold_secs", 0.3..=3.0).map_err(wrong)?;
                // The script's delay counts where the client leaves it to the service.
                seconds.map_or(Duration::ZERO, Duration::from_secs_f64)
            }
            other => return Err(wrong(format!("commit_strategy {other} is unknown"))),
        };
        let patience = Patience { endpointing, eager_after: None };
        let id = format!("{:032x}", asked.shared.id());
        let config = json!({"sample_rate": format.rate, "audio_format": name, "model_id": query.value("model_id"),
            "language_code": query.value("language_code"), "commit_strategy": query.value("commit_strategy").unwrap_or("manual")});
        let started = json!({"message_type": "session_started", "session_id": id, "config": config});
        Ok(Self {
            hearing: Hearing::new(Arc::clone(asked.shared), asked.provider, format, patience, asked.fault),
            timestamps: query.is_on("include_timestamps"),
            language: query.value("language_code").unwrap_or("en").to_owned(),
            outputs: VecDeque::from([Output::Text(started.to_string())]),
        })
    }

    fn notice(&mut self) {
        while let Some(noticed) = self.hearing.poll() {
            match noticed {
                Noticed::Started { fault, .. } => self.outputs.extend(fault.map(Output::Arm)),
                Noticed::Words => {
                    let text = hearing::text(&self.hearing.known());
                    self.answer(&json!({"message_type": "partial_transcript", "text": text}));
                }
                Noticed::Ended => self.commit(),
                Noticed::Eager | Noticed::Resumed => {}
            }
        }
    }

    fn commit(&mut self) {
        let words = self.hearing.take();
        let text = hearing::text(&words);
        self.answer(&json!({"message_type": "committed_transcript", "text": text}));
        if self.timestamps {
            let seconds = |ms: u64| ms as f64 / 1_000.0;
            let word = |(word, start, end): &(String, u64, u64)| json!({"text": word, "start": seconds(*start), "end": seconds(*end), "type": "word", "logprob": -0.1});
            let words: Vec<Value> = words.iter().map(word).collect();
            self.answer(&json!({"message_type": "committed_transcript_with_timestamps", "text": text,
                "language_code": self.language, "words": words}));
        }
    }

    fn answer(&mut self, event: &Value) {
        self.outputs.push_back(Output::Answer(event.to_string()));
    }

    fn fail(&mut self, error: &str) {
        let event = json!({"message_type": "input_error", "error": error});
        self.outputs.push_back(Output::Text(event.to_string()));
        self.outputs.push_back(Output::Close(1008, error.to_owned()));
    }
}

impl Core for Scribe {
    fn handle_text(&mut self, now: Instant, text: &str) {
        let event = serde_json::from_str::<Value>(text).unwrap_or_default();
        let audio = event["audio_base_64"].as_str().map(|audio| BASE64_STANDARD.decode(audio));
        match (event["message_type"].as_str(), audio) {
            (Some("input_audio_chunk"), Some(Ok(audio))) => {
                self.hearing.handle_audio(now, &audio);
                self.notice();
                if event["commit"] == true {
                    // Without speech there is an empty transcript.
                    if self.hearing.finish() {
                        self.notice();
                    } else {
                        self.answer(&json!({"message_type": "committed_transcript", "text": ""}));
                    }
                }
            }
            (Some("input_audio_chunk"), _) => self.fail("audio_base_64 is missing or no base64"),
            _ => self.fail("message_type is unknown"),
        }
    }

    fn handle_binary(&mut self, _now: Instant, _octets: &[u8]) {
        self.fail("binary messages are not supported");
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.hearing.handle_timeout(now);
        self.notice();
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.hearing.poll_timeout()
    }
}
