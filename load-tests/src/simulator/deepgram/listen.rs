//! `WS /v1/listen`: transcripts of a stream, interim and final.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{MODEL_ID, REQUEST_ID, heard_format, seconds};
use crate::simulator::hearing::{self, Hearing, Noticed, Patience, Words};
use crate::simulator::query::Query;
use crate::simulator::route::Asked;
use crate::simulator::socket::{Core, Output};

/// Without audio or a KeepAlive for this long the stream is closed.
const IDLE: Duration = Duration::from_secs(10);
/// Silence that ends an utterance where `endpointing` is not given.
const ENDPOINTING: Duration = Duration::from_millis(10);
/// Silence that ends an utterance where `endpointing` is off.
const NO_ENDPOINTING: Duration = Duration::from_secs(3);

/// One stream.
#[derive(Debug)]
pub(super) struct Listen {
    hearing: Hearing,
    model: String,
    interim: bool,
    events: bool,
    endpointing: bool,
    utterance_end: Option<Duration>,
    /// When an UtteranceEnd is due, and for which last word.
    utterance_end_due: Option<(Instant, u64)>,
    idle_at: Instant,
    heard_any: bool,
    final_until_ms: u64,
    outputs: VecDeque<Output>,
}

impl Listen {
    pub(super) fn open(asked: &Asked) -> Result<Self, String> {
        let query = &asked.query;
        let format = heard_format(query)?;
        let model = query.value("model").unwrap_or("base").to_owned();
        check(query, &model)?;
        let interim = query.is_on("interim_results");
        let utterance_end = query.number("utterance_end_ms", 1_000.0..=5_000.0)?;
        if utterance_end.is_some() && !interim {
            return Err("utterance_end_ms needs interim_results=true".to_owned());
        }
        let endpointing = match query.value("endpointing") {
            Some("false") => None,
            Some("true") | None => Some(ENDPOINTING),
            Some(_) => query.number("endpointing", 0.0..=60_000.0)?.map(|ms| Duration::from_millis(ms as u64)),
        };
        let patience = Patience { endpointing: endpointing.unwrap_or(NO_ENDPOINTING), eager_after: None };
        Ok(Self {
            hearing: Hearing::new(Arc::clone(asked.shared), asked.provider, format, patience, asked.fault),
            model,
            interim,
            events: query.is_on("vad_events"),
            endpointing: endpointing.is_some(),
            utterance_end: utterance_end.map(|ms| Duration::from_millis(ms as u64)),
            utterance_end_due: None,
            idle_at: asked.now + IDLE,
            heard_any: false,
            final_until_ms: 0,
            outputs: VecDeque::new(),
        })
    }

    fn notice(&mut self, now: Instant) {
        while let Some(noticed) = self.hearing.poll() {
            match noticed {
                Noticed::Started { at_ms, fault } => {
                    self.outputs.extend(fault.map(Output::Arm));
                    self.utterance_end_due = None;
                    if self.events {
                        self.say(&json!({"type": "SpeechStarted", "channel": [0, 1], "timestamp": seconds(at_ms)}));
                    }
                }
                Noticed::Words if self.interim => {
                    let words = self.hearing.known();
                    self.results(&words, [false, false, false]);
                }
                Noticed::Ended => self.end(now, false),
                Noticed::Words | Noticed::Eager | Noticed::Resumed => {}
            }
        }
    }

    fn end(&mut self, now: Instant, finalized: bool) {
        let words = self.hearing.take();
        self.results(&words, [true, self.endpointing && !finalized, finalized]);
        let last = words.last().map_or(0, |(_, _, end)| *end);
        self.utterance_end_due = self.utterance_end.map(|after| (now + after, last));
    }

    /// `flags`: final, end of speech, asked for by Finalize.
    fn results(&mut self, words: &Words, flags: [bool; 3]) {
        let [is_final, speech_final, from_finalize] = flags;
        let confidence = if words.is_empty() { 0.0 } else { 0.98 };
        let word = |(word, start, end): &(String, u64, u64)| {
            let bare = word.trim_matches(|letter: char| !letter.is_alphanumeric()).to_lowercase();
            json!({"word": bare, "start": seconds(*start), "end": seconds(*end), "confidence": 0.98, "punctuated_word": word})
        };
        let until = self.hearing.audio_ms();
        let start = self.final_until_ms;
        let model_info = json!({"name": self.model, "version": "2026-01-01.0", "arch": self.model});
        let event = json!({"type": "Results", "channel_index": [0, 1], "start": seconds(start),
            "duration": seconds(until - start), "is_final": is_final, "speech_final": speech_final,
            "from_finalize": from_finalize,
            "channel": {"alternatives": [{"transcript": hearing::text(words), "confidence": confidence,
                "words": words.iter().map(word).collect::<Vec<_>>()}]},
            "metadata": {"request_id": REQUEST_ID, "model_uuid": MODEL_ID, "model_info": model_info}});
        if is_final {
            self.final_until_ms = until;
        }
        self.outputs.push_back(Output::Answer(event.to_string()));
    }

    fn finalize(&mut self, now: Instant) {
        if self.hearing.finish() {
            // What was noticed before the end goes first.
            while let Some(noticed) = self.hearing.poll() {
                if noticed == Noticed::Ended {
                    return self.end(now, true);
                }
            }
        }
        self.results(&Words::new(), [true, false, true]);
    }

    fn close_stream(&mut self, now: Instant) {
        if self.hearing.is_speaking() {
            self.finalize(now);
        }
        let duration = seconds(self.hearing.audio_ms());
        let metadata = json!({"type": "Metadata", "transaction_key": "deprecated", "request_id": REQUEST_ID,
            "sha256": "0".repeat(64), "created": "2026-01-01T00:00:00.000Z", "duration": duration, "channels": 1,
            "models": [MODEL_ID], "model_info": {MODEL_ID: {"name": self.model, "version": "2026-01-01.0", "arch": self.model}}});
        self.say(&metadata);
        self.close(1000, "");
    }

    fn say(&mut self, event: &Value) {
        self.outputs.push_back(Output::Text(event.to_string()));
    }

    fn close(&mut self, code: u16, reason: &str) {
        self.outputs.push_back(Output::Close(code, reason.to_owned()));
    }
}

impl Core for Listen {
    fn handle_text(&mut self, now: Instant, text: &str) {
        let event = serde_json::from_str::<Value>(text).unwrap_or_default();
        match event["type"].as_str().unwrap_or_default() {
            // It does not stand for the first audio.
            "KeepAlive" if self.heard_any => self.idle_at = now + IDLE,
            "KeepAlive" => {}
            "Finalize" => self.finalize(now),
            "CloseStream" => self.close_stream(now),
            _ => self.close(1008, "DATA-0000"),
        }
    }

    fn handle_binary(&mut self, now: Instant, octets: &[u8]) {
        if octets.is_empty() {
            return self.close(1011, "NET-0000: an empty message ends the stream");
        }
        (self.idle_at, self.heard_any) = (now + IDLE, true);
        self.hearing.handle_audio(now, octets);
        self.notice(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.hearing.handle_timeout(now);
        self.notice(now);
        if let Some((_, last)) = self.utterance_end_due.take_if(|(due, _)| *due <= now) {
            self.say(&json!({"type": "UtteranceEnd", "channel": [0, 1], "last_word_end": seconds(last)}));
        }
        if self.idle_at <= now {
            self.close(1011, "NET-0001");
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let utterance_end = self.utterance_end_due.map(|(due, _)| due);
        [self.hearing.poll_timeout(), utterance_end, Some(self.idle_at)].into_iter().flatten().min()
    }
}

fn check(query: &Query, model: &str) -> Result<(), String> {
    if !["nova", "enhanced", "base", "whisper"].iter().any(|family| model.starts_with(family)) {
        return Err(format!("no such model: {model}"));
    }
    if query.value("keyterm").is_some() && !model.starts_with("nova-3") {
        return Err("keyterm needs nova-3".to_owned());
    }
    if query.value("keywords").is_some() && model.starts_with("nova-3") {
        return Err("keywords is not supported by nova-3: use keyterm".to_owned());
    }
    for switch in ["interim_results", "vad_events", "punctuate", "smart_format", "numerals", "multichannel", "diarize"] {
        if query.value(switch).is_some_and(|value| !["true", "false"].contains(&value)) {
            return Err(format!("{switch} is neither true nor false"));
        }
    }
    query.number("channels", 1.0..=1.0).map(|_| ())
}
