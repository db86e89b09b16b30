//! Ink: `WS /stt/websocket`, where the client ends utterances, and `WS /stt/turns/websocket`, which finds turns.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::heard_format;
use crate::simulator::hearing::{self, Hearing, Noticed, Patience};
use crate::simulator::route::Asked;
use crate::simulator::socket::{Core, Output};

/// Without audio for this long the connection is closed.
const IDLE: Duration = Duration::from_secs(20);
/// An eager end comes this long after the last speech.
const EAGER_AFTER: Duration = Duration::from_millis(80);
const REQUEST_ID: &str = "req-simulator";

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Manual,
    Turns,
}

/// One stream.
#[derive(Debug)]
pub(super) struct Listen {
    kind: Kind,
    hearing: Hearing,
    language: String,
    active_at: Instant,
    /// A transcript was final already: the next one goes on from it, and both are put together as they are.
    continues: bool,
    outputs: VecDeque<Output>,
}

impl Listen {
    pub(super) fn open(asked: &Asked, kind: Kind) -> Result<Self, String> {
        let query = &asked.query;
        let model = query.value("model").ok_or("model is required")?;
        let known = match kind {
            Kind::Manual => model.starts_with("ink"),
            Kind::Turns => model.starts_with("ink-2"),
        };
        if !known {
            return Err(format!("no such model: {model}"));
        }
        if kind == Kind::Turns {
            let start = query.number("turn_start_threshold", 0.5..=0.9)?.unwrap_or(0.8);
            let eager = query.number("turn_eager_end_threshold", 0.3..=0.6)?.unwrap_or(0.4);
            let end = query.number("turn_end_threshold", 0.05..=0.5)?.unwrap_or(0.2);
            query.number("turn_end_timeout_ms", 640.0..=11_200.0)?;
            if !(end < eager && eager < start) {
                return Err("thresholds must be end < eager_end < start".to_owned());
            }
        }
        let eager_after = (kind == Kind::Turns).then_some(EAGER_AFTER);
        let patience = Patience { endpointing: Duration::ZERO, eager_after };
        let hearing = Hearing::new(Arc::clone(asked.shared), asked.provider, heard_format(query)?, patience, asked.fault);
        let language = query.value("language").unwrap_or("en").to_owned();
        let mut listen = Self { kind, hearing, language, active_at: asked.now, continues: false, outputs: VecDeque::new() };
        if kind == Kind::Turns {
            listen.send("connected", json!({}), Output::Text);
        }
        Ok(listen)
    }

    fn send(&mut self, kind: &str, mut event: Value, output: fn(String) -> Output) {
        event["type"] = kind.into();
        event["request_id"] = REQUEST_ID.into();
        self.outputs.push_back(output(event.to_string()));
    }

    fn notice(&mut self) {
        while let Some(noticed) = self.hearing.poll() {
            if let Noticed::Started { fault, .. } = noticed {
                self.outputs.extend(fault.map(Output::Arm));
            }
            match self.kind {
                Kind::Manual => self.transcribe(noticed),
                Kind::Turns => self.tell_turn(noticed),
            }
        }
    }

    fn tell_turn(&mut self, noticed: Noticed) {
        let with = |words| json!({"transcript": hearing::text(&words)});
        let (kind, event) = match noticed {
            Noticed::Started { .. } => ("turn.start", json!({})),
            Noticed::Words => ("turn.update", with(self.hearing.known())),
            Noticed::Eager => ("turn.eager_end", with(self.hearing.whole())),
            Noticed::Resumed => ("turn.resume", json!({})),
            Noticed::Ended => ("turn.end", with(self.hearing.take())),
        };
        self.send(kind, event, Output::Answer);
    }

    fn transcribe(&mut self, noticed: Noticed) {
        let is_final = noticed == Noticed::Ended;
        let (start, until) = (self.hearing.start_ms(), self.hearing.audio_ms());
        let words = match noticed {
            Noticed::Words => self.hearing.known(),
            Noticed::Ended => self.hearing.take(),
            Noticed::Started { .. } | Noticed::Eager | Noticed::Resumed => return,
        };
        let seconds = |ms: u64| ms as f64 / 1_000.0;
        let word =
            |(word, start, end): &(String, u64, u64)| json!({"word": word, "start": seconds(*start), "end": seconds(*end)});
        let text = format!("{}{}", if self.continues { " " } else { "" }, hearing::text(&words));
        self.continues |= is_final;
        let event = json!({"text": text, "is_final": is_final, "duration": seconds(until - start),
            "language": self.language, "words": words.iter().map(word).collect::<Vec<_>>()});
        self.send("transcript", event, Output::Answer);
    }

    fn finish(&mut self) {
        if self.hearing.finish() {
            self.notice();
        }
    }

    fn fail(&mut self, message: &str) {
        let mut event = super::error(400, "invalid_request", message);
        event["request_id"] = REQUEST_ID.into();
        self.outputs.push_back(Output::Text(event.to_string()));
        self.outputs.push_back(Output::Close(1008, message.to_owned()));
    }

    fn end(&mut self) {
        self.outputs.push_back(Output::Close(1000, String::new()));
    }
}

impl Core for Listen {
    fn handle_text(&mut self, _now: Instant, text: &str) {
        let event = serde_json::from_str::<Value>(text).unwrap_or_default();
        match (self.kind, text, event["type"].as_str()) {
            (Kind::Manual, "finalize", _) => {
                self.finish();
                self.send("flush_done", json!({}), Output::Text);
            }
            (Kind::Manual, "done" | "close", _) => {
                self.finish();
                self.send("done", json!({}), Output::Text);
                self.end();
            }
            (Kind::Turns, _, Some("config")) => {}
            (Kind::Turns, _, Some("close")) => {
                self.finish();
                self.end();
            }
            _ => self.fail("unknown message"),
        }
    }

    fn handle_binary(&mut self, now: Instant, octets: &[u8]) {
        self.active_at = now;
        self.hearing.handle_audio(now, octets);
        self.notice();
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.hearing.handle_timeout(now);
        self.notice();
        if self.active_at + IDLE <= now {
            self.outputs.push_back(Output::Close(1000, "idle".to_owned()));
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let idle = Some(self.active_at + IDLE);
        [self.hearing.poll_timeout(), idle].into_iter().flatten().min()
    }
}
