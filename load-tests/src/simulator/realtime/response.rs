//! A response in progress: the events of one answer in the order and at the pace of the real service.
//!
//! ```text
//! response.create            response.created        first delta    every piece / speed         end
//!   |---- response_ms ---------|---- first_audio_ms ----|-- delta --|-- delta --| ... |-- done events, response.done
//! ```

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::session::{Item, Session};
use super::settings::Refusal;
use super::voice::{self, Piece};
use crate::simulator::faults::Fault;
use crate::simulator::script::{Answer, Turn};
use crate::simulator::socket::Output;
use crate::simulator::speaker::DRIP;

/// The answer that a session is giving.
#[derive(Debug)]
pub(super) struct Active {
    response_id: String,
    item_id: String,
    turn: Turn,
    fault: Option<Fault>,
    pieces: Arc<[Piece]>,
    step: Step,
    due: Option<Instant>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Step {
    Create,
    Speak { next: usize },
}

impl Active {
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    fn place(&self) -> Value {
        json!({"response_id": self.response_id, "item_id": self.item_id, "output_index": 0, "content_index": 0})
    }

    fn item(&self, status: &str) -> Value {
        let content = match status {
            "in_progress" => json!([]),
            _ => json!([{"type": "output_audio", "transcript": self.turn.text}]),
        };
        json!({"id": self.item_id, "object": "realtime.item", "type": "message", "status": status,
            "role": "assistant", "content": content})
    }

    /// The words that go with piece `index`.
    fn words(&self, index: usize) -> String {
        let words: Vec<&str> = self.turn.text.split_inclusive(' ').collect();
        let pieces = self.pieces.len().max(1);
        let part = |index: usize| words.len() * index / pieces;
        words[part(index)..part(index + 1)].concat()
    }
}

impl Session {
    pub(super) fn create_response(&mut self, now: Instant) -> Result<(), Refusal> {
        if let Some(active) = &self.active {
            let message = format!(
                "Conversation already has an active response in progress: {}. Wait until the response is finished \
                 before creating a new one.",
                active.response_id
            );
            return Err(Refusal::new("conversation_already_has_active_response", "", message));
        }
        let (answered, committed) = (self.answered, self.committed.is_some());
        let turn = self.shared.script.turn(answered, committed).clone();
        let format = self.settings.output;
        let pieces = match (&turn.audio, &self.committed) {
            (Answer::Echo, Some(audio)) if self.settings.input == format => voice::cut(audio, format),
            (Answer::Echo, Some(audio)) => voice::cut(&format.encode(&self.settings.input.decode(audio)), format),
            _ => self.shared.voices.pieces(answered, committed, format),
        };
        let fault = self.fault.take().or_else(|| self.shared.realtime_fault(answered, committed));
        let pieces = if fault == Some(Fault::Drip) { voice::crumble(&pieces, format) } else { pieces };
        self.answered += 1;
        self.active = Some(Active {
            response_id: self.id("resp"),
            item_id: self.id("item"),
            fault,
            pieces,
            step: Step::Create,
            due: Some(now + Duration::from_millis(turn.response_ms)),
            turn,
        });
        Ok(())
    }

    /// Does what is due of the active response.
    pub(super) fn advance(&mut self, now: Instant) {
        while !self.stalled
            && let Some(active) = self.active.as_mut()
            && let Some(due) = active.due.filter(|due| *due <= now)
        {
            match active.step {
                Step::Create => self.begin(due),
                Step::Speak { next } if next < active.pieces.len() => self.speak(due, next),
                Step::Speak { .. } => self.finish("completed", None),
            }
        }
    }

    fn begin(&mut self, now: Instant) {
        let Some(mut active) = self.active.take() else {
            return;
        };
        let response = self.response(&active, "in_progress", Value::Null, json!([]));
        self.emit("response.created", json!({ "response": response }));
        let limits = json!([{"name": "requests", "limit": 10_000, "remaining": 9_999, "reset_seconds": 0.006},
            {"name": "tokens", "limit": 2_000_000, "remaining": 1_990_000, "reset_seconds": 0.3}]);
        self.emit("rate_limits.updated", json!({ "rate_limits": limits }));
        let error = match active.fault {
            Some(Fault::RateLimited) => {
                json!({"type": "requests", "code": "rate_limit_exceeded", "message": "Rate limit reached."})
            }
            Some(Fault::ServerError) => {
                json!({"type": "server_error", "code": "server_error", "message": "The server had an error."})
            }
            _ => Value::Null,
        };
        if !error.is_null() {
            let details = json!({"type": "failed", "error": error});
            let response = self.response(&active, "failed", details, json!([]));
            self.emit("response.done", json!({ "response": response }));
            return;
        }
        if active.turn.tool.is_some() {
            return self.call_function(&active);
        }
        let item = active.item("in_progress");
        self.emit("response.output_item.added", json!({"response_id": active.response_id, "output_index": 0, "item": item}));
        self.remember(Item { id: active.item_id.clone(), audio_ms: Some(0), call_id: None }, item);
        let mut part = active.place();
        part["part"] = json!({"type": "audio", "transcript": ""});
        self.emit("response.content_part.added", part);
        let first_audio = active.turn.first_audio_ms.map_or(self.shared.first_audio, Duration::from_millis);
        active.step = Step::Speak { next: 0 };
        active.due = Some(now + first_audio);
        if active.turn.audio == Answer::Live {
            let endless = active.turn.duration_ms == 0;
            active.due = (!endless).then(|| now + Duration::from_millis(active.turn.duration_ms));
        }
        self.active = Some(active);
    }

    fn speak(&mut self, now: Instant, next: usize) {
        let Some(active) = self.active.as_mut() else {
            return;
        };
        let piece = active.pieces[next].ms;
        active.step = Step::Speak { next: next + 1 };
        let drips = active.fault == Some(Fault::Drip);
        active.due = Some(now + if drips { DRIP } else { Duration::from_millis(piece).div_f64(self.shared.speed) });
        let (fault, middle) = (active.fault, active.pieces.len() / 2);
        match fault {
            Some(Fault::Reset) if next == middle => return self.push(Output::Reset),
            Some(Fault::Close) if next == middle => return self.push(Output::Close(1011, "going away".to_owned())),
            Some(Fault::Stall) if next == middle => return self.stalled = true,
            Some(Fault::Garbage) if next == 0 => self.garbage(),
            _ => {}
        }
        if let Some(active) = &self.active {
            let words = active.words(next);
            if !words.is_empty() {
                let mut delta = active.place();
                delta["delta"] = words.into();
                self.emit("response.output_audio_transcript.delta", delta);
            }
        }
        self.emit_audio(next);
    }

    /// The one frequent event: written by hand around the shared base64.
    fn emit_audio(&mut self, index: usize) {
        let event_id = self.id("event");
        let Some(active) = &self.active else { return };
        let piece = &active.pieces[index];
        let (text, item_id, ms) = (audio_delta(active, &event_id, piece), active.item_id.clone(), piece.ms);
        self.push(Output::Text(text));
        self.spoken = true;
        self.count_audio(&item_id, ms);
    }

    /// Sends the caller's audio back at once while a `live` answer lasts.
    pub(super) fn mirror(&mut self, bytes: &[u8]) {
        let (input, output) = (self.settings.input, self.settings.output);
        let event_id = self.id("event");
        let Some(active) = &self.active else { return };
        if active.turn.audio != Answer::Live || active.step == Step::Create {
            return;
        }
        let piece = match input == output {
            true => Piece::new(bytes, output),
            false => Piece::new(&output.encode(&input.decode(bytes)), output),
        };
        let (text, item_id) = (audio_delta(active, &event_id, &piece), active.item_id.clone());
        self.push(Output::Text(text));
        self.spoken = true;
        self.count_audio(&item_id, piece.ms);
    }

    pub(super) fn cancel(&mut self, reason: &'static str) -> Result<(), Refusal> {
        if self.active.is_none() {
            let message = "Cancellation failed: no active response found";
            return Err(Refusal::new("response_cancel_not_active", "", message));
        }
        self.finish("cancelled", Some(reason));
        Ok(())
    }

    fn finish(&mut self, status: &str, reason: Option<&str>) {
        let Some(active) = self.active.take() else {
            return;
        };
        let details = reason.map_or(Value::Null, |reason| json!({"type": status, "reason": reason}));
        let mut output = json!([]);
        if active.step != Step::Create {
            let item = active.item(if status == "completed" { status } else { "incomplete" });
            self.emit("response.output_audio.done", active.place());
            let mut transcript = active.place();
            transcript["transcript"] = active.turn.text.clone().into();
            self.emit("response.output_audio_transcript.done", transcript);
            let mut part = active.place();
            part["part"] = json!({"type": "audio", "transcript": active.turn.text});
            self.emit("response.content_part.done", part);
            self.finish_item(&active, &item);
            output = json!([item]);
        }
        let response = self.response(&active, status, details, output);
        self.emit("response.done", json!({ "response": response }));
    }

    fn call_function(&mut self, active: &Active) {
        let Some(tool) = active.turn.tool.clone() else {
            return;
        };
        let call_id = self.id("call");
        let item = |status: &str, arguments: &str| {
            json!({"id": active.item_id, "object": "realtime.item", "type": "function_call", "status": status,
                "call_id": call_id, "name": tool.name, "arguments": arguments})
        };
        let added = item("in_progress", "");
        self.emit("response.output_item.added", json!({"response_id": active.response_id, "output_index": 0, "item": added}));
        self.remember(Item { id: active.item_id.clone(), audio_ms: None, call_id: Some(call_id.clone()) }, added);
        let place = json!({"response_id": active.response_id, "item_id": active.item_id, "output_index": 0,
            "call_id": call_id});
        let mut delta = place.clone();
        delta["delta"] = tool.arguments.clone().into();
        self.emit("response.function_call_arguments.delta", delta);
        let mut done = place;
        done["name"] = tool.name.clone().into();
        done["arguments"] = tool.arguments.clone().into();
        self.emit("response.function_call_arguments.done", done);
        let item = item("completed", &tool.arguments);
        self.finish_item(active, &item);
        let response = self.response(active, "completed", Value::Null, json!([item]));
        self.emit("response.done", json!({ "response": response }));
    }

    fn finish_item(&mut self, active: &Active, item: &Value) {
        self.emit("response.output_item.done", json!({"response_id": active.response_id, "output_index": 0, "item": item}));
        self.emit("conversation.item.done", json!({"previous_item_id": null, "item": item}));
    }

    fn response(&self, active: &Active, status: &str, details: Value, output: Value) -> Value {
        let usage = match status {
            "in_progress" => Value::Null,
            _ => json!({"total_tokens": 160, "input_tokens": 100, "output_tokens": 60,
                "input_token_details": {"text_tokens": 60, "audio_tokens": 40, "image_tokens": 0, "cached_tokens": 0,
                    "cached_tokens_details": {"text_tokens": 0, "audio_tokens": 0, "image_tokens": 0}},
                "output_token_details": {"text_tokens": 20, "audio_tokens": 40}}),
        };
        json!({"id": active.response_id, "object": "realtime.response", "status": status, "status_details": details,
            "output": output, "conversation_id": "conv_1", "output_modalities": ["audio"], "max_output_tokens": "inf",
            "audio": self.settings.object()["audio"], "metadata": null, "usage": usage})
    }

    fn garbage(&mut self) {
        self.push(Output::Text("{\"type\":\"response.output_audio.delta\",\"delta\":".to_owned()));
        self.push(Output::Text("[1,2,3]".to_owned()));
        self.push(Output::Binary(vec![0x00, 0xFF, 0x80]));
        self.emit("response.surprise", json!({"item": 7}));
    }
}

fn audio_delta(active: &Active, event_id: &str, piece: &Piece) -> String {
    let Active { response_id, item_id, .. } = active;
    let base64 = &piece.base64;
    format!(
        "{{\"type\":\"response.output_audio.delta\",\"event_id\":\"{event_id}\",\"response_id\":\"{response_id}\",\
         \"item_id\":\"{item_id}\",\"output_index\":0,\"content_index\":0,\"delta\":\"{base64}\"}}"
    )
}
