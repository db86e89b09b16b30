//! Flux: `WS /v2/listen`, turns instead of transcripts.
//!
//! ```text
//! StartOfTurn  Update*  [ EagerEndOfTurn  [ TurnResumed  Update* ] ]  EndOfTurn
//! ```

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{REQUEST_ID, heard_format, seconds};
use crate::simulator::hearing::{self, Hearing, Noticed, Patience, Words};
use crate::simulator::route::Asked;
use crate::simulator::socket::{Core, Output};

/// All that may be in the query.
const KEYS: [&str; 13] = [
    "eager_eot_threshold",
    "encoding",
    "eot_threshold",
    "eot_timeout_ms",
    "keyterm",
    "language_hint",
    "mip_opt_out",
    "model",
    "numerals",
    "profanity_filter",
    "redact",
    "sample_rate",
    "tag",
];
/// An eager end comes this long after the last speech; it is before the script's final.
const EAGER_AFTER: Duration = Duration::from_millis(80);

/// One stream.
#[derive(Debug)]
pub(super) struct Flux {
    hearing: Hearing,
    thresholds: [Option<f64>; 3],
    sequence: u64,
    turn: u64,
    window_ms: u64,
    outputs: VecDeque<Output>,
}

impl Flux {
    pub(super) fn open(asked: &Asked) -> Result<Self, String> {
        let query = &asked.query;
        if let Some(name) = query.unknown(&KEYS) {
            return Err(format!("unknown query parameter {name}"));
        }
        let model = query.value("model").ok_or("model is missing")?;
        if !["flux-general-en", "flux-general-multi"].contains(&model) {
            return Err(format!("no such model: {model}"));
        }
        if query.value("language_hint").is_some() && model != "flux-general-multi" {
            return Err("language_hint needs flux-general-multi".to_owned());
        }
        let thresholds = [
            query.number("eot_threshold", 0.5..=0.9)?,
            query.number("eager_eot_threshold", 0.3..=0.9)?,
            query.number("eot_timeout_ms", 500.0..=10_000.0)?,
        ];
        check(thresholds)?;
        let eager_after = thresholds[1].map(|_| EAGER_AFTER);
        let patience = Patience { endpointing: Duration::ZERO, eager_after };
        let mut flux = Self {
            hearing: Hearing::new(Arc::clone(asked.shared), asked.provider, heard_format(query)?, patience, asked.fault),
            thresholds,
            sequence: 0,
            turn: 0,
            window_ms: 0,
            outputs: VecDeque::new(),
        };
        flux.say(json!({"type": "Connected"}), Output::Text);
        Ok(flux)
    }

    fn notice(&mut self) {
        while let Some(noticed) = self.hearing.poll() {
            let known = self.hearing.known();
            match noticed {
                Noticed::Started { at_ms, fault } => {
                    self.outputs.extend(fault.map(Output::Arm));
                    self.window_ms = at_ms;
                    self.info("StartOfTurn", &known, 0.05);
                }
                Noticed::Words => self.info("Update", &known, 0.1),
                Noticed::Eager => {
                    let whole = self.hearing.whole();
                    self.info("EagerEndOfTurn", &whole, self.thresholds[1].unwrap_or(0.5));
                }
                Noticed::Resumed => self.info("TurnResumed", &known, 0.2),
                Noticed::Ended => {
                    self.end("model");
                }
            }
        }
    }

    /// Newer clients are told what ended the turn.
    fn end(&mut self, trigger: &str) {
        let whole = self.hearing.take();
        let mut info = self.info_of("EndOfTurn", &whole, self.thresholds[0].unwrap_or(0.7) + 0.05);
        info["trigger"] = trigger.into();
        self.say(info, Output::Answer);
        self.turn += 1;
        self.window_ms = self.hearing.audio_ms();
    }

    fn info(&mut self, event: &str, words: &Words, confidence: f64) {
        let info = self.info_of(event, words, confidence);
        self.say(info, Output::Answer);
    }

    fn info_of(&self, event: &str, words: &Words, confidence: f64) -> Value {
        let word = |(word, start, end): &(String, u64, u64)| json!({"word": word, "confidence": 0.98, "start": seconds(*start), "end": seconds(*end)});
        let window = [seconds(self.window_ms), seconds(self.hearing.audio_ms())];
        json!({"type": "TurnInfo", "event": event, "turn_index": self.turn, "audio_window_start": window[0],
            "audio_window_end": window[1], "transcript": hearing::text(words),
            "words": words.iter().map(word).collect::<Vec<_>>(), "end_of_turn_confidence": confidence})
    }

    fn say(&mut self, mut event: Value, output: fn(String) -> Output) {
        event["request_id"] = REQUEST_ID.into();
        event["sequence_id"] = self.sequence.into();
        self.sequence += 1;
        self.outputs.push_back(output(event.to_string()));
    }

    fn configure(&mut self, event: &Value) {
        let asked = &event["thresholds"];
        let names = ["eot_threshold", "eager_eot_threshold", "eot_timeout_ms"];
        let mut thresholds = self.thresholds;
        for (place, name) in thresholds.iter_mut().zip(names) {
            *place = asked[name].as_f64().or(*place);
        }
        if let Err(wrong) = check(thresholds) {
            let failure = json!({"type": "ConfigureFailure", "code": "INVALID_VALUE", "description": wrong});
            return self.say(failure, Output::Text);
        }
        self.thresholds = thresholds;
        self.hearing.set_eager(thresholds[1].map(|_| EAGER_AFTER));
        let [eot, eager, timeout] = thresholds;
        let thresholds = json!({"eot_threshold": eot.unwrap_or(0.7), "eager_eot_threshold": eager,
            "eot_timeout_ms": timeout.unwrap_or(5_000.0) as u64});
        let keyterms = event["keyterms"].as_array().cloned().unwrap_or_default();
        self.say(json!({"type": "ConfigureSuccess", "thresholds": thresholds, "keyterms": keyterms}), Output::Text);
    }

    fn fail(&mut self, code: &str, description: &str) {
        self.say(json!({"type": "Error", "code": code, "description": description}), Output::Text);
        self.outputs.push_back(Output::Close(1008, code.to_owned()));
    }
}

fn check([eot, eager, timeout]: [Option<f64>; 3]) -> Result<(), String> {
    if eot.is_some_and(|eot| !(0.5..=0.9).contains(&eot)) {
        return Err("eot_threshold is not within 0.5 to 0.9".to_owned());
    }
    if eager.is_some_and(|eager| !(0.3..=0.9).contains(&eager) || eager > eot.unwrap_or(0.7)) {
        return Err("eager_eot_threshold is not within 0.3 to eot_threshold".to_owned());
    }
    if timeout.is_some_and(|timeout| !(500.0..=10_000.0).contains(&timeout)) {
        return Err("eot_timeout_ms is not within 500 to 10000".to_owned());
    }
    Ok(())
}

impl Core for Flux {
    fn handle_text(&mut self, _now: Instant, text: &str) {
        let event = serde_json::from_str::<Value>(text).unwrap_or_default();
        match event["type"].as_str().unwrap_or_default() {
            "Configure" => self.configure(&event),
            "ForceEndTurn" | "CloseStream" if self.hearing.is_speaking() => {
                // What was noticed goes first.
                self.notice();
                self.end("manual");
                if event["type"] == "CloseStream" {
                    self.outputs.push_back(Output::Close(1000, String::new()));
                }
            }
            "ForceEndTurn" => {}
            "CloseStream" => self.outputs.push_back(Output::Close(1000, String::new())),
            other => self.fail("UNPARSABLE_CLIENT_MESSAGE", &format!("unknown message {other:?}")),
        }
    }

    fn handle_binary(&mut self, now: Instant, octets: &[u8]) {
        if octets.is_empty() {
            return self.fail("INVALID_AUDIO", "an empty message");
        }
        self.hearing.handle_audio(now, octets);
        self.notice();
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
