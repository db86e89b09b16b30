//! One Realtime session: client events in, server events out, in the caller's time.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};

use super::input::{Activity, InputBuffer};
use super::response::Active;
use super::settings::{Refusal, Settings};
use crate::simulator::faults::Fault;
use crate::simulator::server::Shared;
use crate::simulator::socket::Output;

/// Most items that a conversation remembers for truncate and retrieve; the oldest is forgotten first.
const ITEMS_MAX: usize = 1_000;
/// The transcription of what the caller said comes this much later than the commit, as a separate model makes it.
const TRANSCRIPTION_DELAY: Duration = Duration::from_millis(150);

/// The pure core of a simulated session. One input, then drain [`Session::poll_output`] until `None`, then
/// ask [`Session::poll_timeout`].
#[derive(Debug)]
pub(crate) struct Session {
    pub(super) shared: Arc<Shared>,
    pub(super) settings: Settings,
    pub(super) active: Option<Active>,
    pub(super) answered: usize,
    /// What the caller committed last: the audio of an `echo` answer.
    pub(super) committed: Option<Vec<u8>>,
    pub(super) spoken: bool,
    pub(super) stalled: bool,
    /// Hits the first response.
    pub(super) fault: Option<Fault>,
    prefix: u64,
    ids: u64,
    input: InputBuffer,
    items: VecDeque<Item>,
    transcriptions: VecDeque<(Instant, String)>,
    outputs: VecDeque<Output>,
}

#[derive(Debug)]
pub(super) struct Item {
    pub id: String,
    /// Set for the agent's speech: audio sent so far.
    pub audio_ms: Option<u64>,
    /// Set for a function call.
    pub call_id: Option<String>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    /// Audio in an append: borrowed, since 50 of these a second come on every call.
    #[serde(borrow, default)]
    audio: Option<&'a str>,
    #[serde(borrow, default)]
    event_id: Option<&'a str>,
}

impl Session {
    /// A new session, number `number` of the simulator, with `session.created` waiting to be polled.
    pub(super) fn new(shared: Arc<Shared>, number: u64, model: &str, fault: Option<Fault>) -> Self {
        let mut session = Self {
            shared,
            settings: Settings::new(&format!("sess_{number:08x}"), model),
            active: None,
            answered: 0,
            committed: None,
            spoken: false,
            stalled: false,
            fault,
            prefix: number,
            ids: 0,
            input: InputBuffer::default(),
            items: VecDeque::new(),
            transcriptions: VecDeque::new(),
            outputs: VecDeque::new(),
        };
        let object = session.settings.object().clone();
        session.emit("session.created", json!({ "session": object }));
        session
    }

    /// What answers a client of the beta: an error, and the end.
    pub(super) fn of_beta(shared: Arc<Shared>, number: u64, model: &str) -> Self {
        let mut session = Self::new(shared, number, model, None);
        session.outputs.clear();
        let error = json!({"type": "invalid_request_error", "code": "beta_api_shape_disabled", "param": null,
            "message": "The Realtime Beta API is no longer supported. Please use the GA API.", "event_id": null});
        session.emit("error", json!({ "error": error }));
        session.push(Output::Close(1000, String::new()));
        session
    }

    /// Takes one text message of the client; whatever it holds, the session lives.
    pub(super) fn handle_text(&mut self, now: Instant, text: &str) {
        if self.stalled {
            return;
        }
        let (refused, event_id) = match serde_json::from_str::<Envelope>(text) {
            Ok(Envelope { kind: "input_audio_buffer.append", audio: Some(audio), event_id }) => {
                (self.append(now, audio), event_id.map(str::to_owned))
            }
            _ => match serde_json::from_str::<Value>(text) {
                Ok(event) => (self.handle_event(now, &event), event["event_id"].as_str().map(str::to_owned)),
                Err(error) => {
                    let message = format!("Invalid JSON: {error}");
                    (Err(Refusal::new("invalid_json", "", message)), None)
                }
            },
        };
        if let Err(refusal) = refused {
            self.refuse(refusal, event_id);
        }
    }

    /// Does what is due.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        while self.transcriptions.front().is_some_and(|(due, _)| *due <= now) {
            if let Some((_, item_id)) = self.transcriptions.pop_front() {
                self.transcribe(&item_id);
            }
        }
        self.advance(now);
    }

    /// The next thing to do, until `None`.
    pub(super) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Session::handle_timeout`] is due next.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let transcription = self.transcriptions.front().map(|(due, _)| *due);
        let response = self.active.as_ref().and_then(Active::due).filter(|_| !self.stalled);
        [transcription, response].into_iter().flatten().min()
    }

    fn handle_event(&mut self, now: Instant, event: &Value) -> Result<(), Refusal> {
        match event["type"].as_str().unwrap_or_default() {
            "session.update" => {
                self.settings.update(&event["session"], self.spoken)?;
                let object = self.settings.object().clone();
                self.emit("session.updated", json!({ "session": object }));
            }
            // Rarely here: the fast path takes every append whose audio needs no unescaping.
            "input_audio_buffer.append" => match event["audio"].as_str() {
                Some(audio) => self.append(now, audio)?,
                None => {
                    let message = "Missing required parameter: 'audio'.";
                    return Err(Refusal::new("missing_required_parameter", "audio", message));
                }
            },
            "input_audio_buffer.commit" => self.commit(now)?,
            "input_audio_buffer.clear" => {
                self.input.clear();
                self.emit("input_audio_buffer.cleared", json!({}));
            }
            "conversation.item.create" => self.create_item(event)?,
            "conversation.item.retrieve" => {
                let id = self.known(event, "item_retrieve_invalid_item_id")?;
                self.emit("conversation.item.retrieved", json!({"item": {"id": id, "object": "realtime.item"}}));
            }
            "conversation.item.delete" => {
                let id = self.known(event, "item_delete_invalid_item_id")?;
                self.items.retain(|item| item.id != id);
                self.emit("conversation.item.deleted", json!({ "item_id": id }));
            }
            "conversation.item.truncate" => self.truncate(event)?,
            "response.create" => self.create_response(now)?,
            "response.cancel" => self.cancel("client_cancelled")?,
            other => {
                let message = format!("Invalid value: '{other}'. Supported values are the GA client events.");
                return Err(Refusal::new("invalid_value", "type", message));
            }
        }
        Ok(())
    }

    fn append(&mut self, now: Instant, base64: &str) -> Result<(), Refusal> {
        let bytes = self.input.append(base64, self.settings.input)?;
        self.mirror(&bytes);
        let Some(vad) = self.settings.turns else {
            return Ok(());
        };
        match self.input.detect(&bytes, self.settings.input, &vad) {
            Activity::None => {}
            Activity::Started { audio_start_ms } => {
                let item_id = self.id("item");
                let fields = json!({"audio_start_ms": audio_start_ms, "item_id": item_id});
                self.emit("input_audio_buffer.speech_started", fields);
                if vad.interrupt_response && self.active.is_some() {
                    self.cancel("turn_detected")?;
                }
            }
            Activity::Stopped { audio_end_ms } => {
                let item_id = self.id("item");
                let fields = json!({"audio_end_ms": audio_end_ms, "item_id": item_id});
                self.emit("input_audio_buffer.speech_stopped", fields);
                self.commit(now)?;
                if vad.create_response && self.active.is_none() {
                    self.create_response(now)?;
                }
            }
        }
        Ok(())
    }

    fn commit(&mut self, now: Instant) -> Result<(), Refusal> {
        self.committed = Some(self.input.commit(self.settings.input)?);
        let previous = self.items.back().map(|item| item.id.clone());
        let id = self.id("item");
        self.emit("input_audio_buffer.committed", json!({"previous_item_id": previous, "item_id": id}));
        let content = json!([{"type": "input_audio", "transcript": null}]);
        let item = json!({"id": id, "object": "realtime.item", "type": "message", "status": "completed",
            "role": "user", "content": content});
        self.remember(Item { id: id.clone(), audio_ms: None, call_id: None }, item);
        if self.settings.transcribes {
            self.transcriptions.push_back((now + TRANSCRIPTION_DELAY, id));
        }
        Ok(())
    }

    fn transcribe(&mut self, item_id: &str) {
        let heard = self.shared.script.turn(self.answered.saturating_sub(1), true).heard.clone();
        let place = json!({"item_id": item_id, "content_index": 0});
        let mut delta = place.clone();
        delta["delta"] = heard.clone().into();
        self.emit("conversation.item.input_audio_transcription.delta", delta);
        let mut done = place;
        done["usage"] = json!({"type": "duration", "seconds": 1});
        done["transcript"] = heard.into();
        self.emit("conversation.item.input_audio_transcription.completed", done);
    }

    fn create_item(&mut self, event: &Value) -> Result<(), Refusal> {
        let mut item = event["item"].clone();
        check_item(&item)?;
        let call_id = item["call_id"].as_str().unwrap_or_default();
        if item["type"] == "function_call_output" && !self.items.iter().any(|known| known.call_id.as_deref() == Some(call_id)) {
            let message = format!("Tool call ID '{call_id}' not found in conversation.");
            return Err(Refusal::new("invalid_tool_call_id", "item.call_id", message));
        }
        let call_id = (item["type"] == "function_call").then(|| call_id.to_owned());
        let id = item["id"].as_str().map_or_else(|| self.id("item"), str::to_owned);
        if self.items.iter().any(|known| known.id == id) {
            let message = format!("Error adding item: an item with the id '{id}' already exists.");
            return Err(Refusal::new("item_create_duplicate_item_id", "item.id", message));
        }
        item["id"] = id.clone().into();
        item["object"] = "realtime.item".into();
        item["status"] = "completed".into();
        self.remember(Item { id, audio_ms: None, call_id }, item);
        Ok(())
    }

    fn truncate(&mut self, event: &Value) -> Result<(), Refusal> {
        let id = self.known(event, "item_truncate_invalid_item_id")?;
        let Some(end) = event["audio_end_ms"].as_u64() else {
            let message = "Missing required parameter: 'audio_end_ms'.";
            return Err(Refusal::new("missing_required_parameter", "audio_end_ms", message));
        };
        let item = self.items.iter_mut().find(|item| item.id == id);
        match item.map(|item| &mut item.audio_ms) {
            Some(Some(audio_ms)) if end <= *audio_ms => *audio_ms = end,
            Some(Some(audio_ms)) => {
                let message = format!("Audio content of {audio_ms}ms is already shorter than {end}ms");
                return Err(Refusal::new("invalid_value", "audio_end_ms", message));
            }
            _ => {
                let message = "Only model output audio messages can be truncated";
                return Err(Refusal::new("invalid_value", "item_id", message));
            }
        }
        let index = event["content_index"].as_u64().unwrap_or(0);
        self.emit("conversation.item.truncated", json!({"item_id": id, "content_index": index, "audio_end_ms": end}));
        Ok(())
    }

    fn known(&self, event: &Value, code: &'static str) -> Result<String, Refusal> {
        let id = event["item_id"].as_str().unwrap_or_default();
        match self.items.iter().find(|item| item.id == id) {
            Some(item) => Ok(item.id.clone()),
            None => Err(Refusal::new(code, "item_id", format!("Item with item_id not found: {id}"))),
        }
    }

    /// Adds an item to the conversation; `done` when it is complete already.
    pub(super) fn remember(&mut self, item: Item, wire: Value) {
        let previous = self.items.back().map(|item| item.id.clone());
        if self.items.len() == ITEMS_MAX {
            self.items.pop_front();
        }
        self.items.push_back(item);
        let complete = wire["status"] == "completed";
        self.emit("conversation.item.added", json!({"previous_item_id": previous, "item": wire}));
        if complete {
            self.emit("conversation.item.done", json!({"previous_item_id": previous, "item": wire}));
        }
    }

    pub(super) fn count_audio(&mut self, item_id: &str, ms: u64) {
        if let Some(item) = self.items.iter_mut().rev().find(|item| item.id == item_id) {
            *item.audio_ms.get_or_insert(0) += ms;
        }
    }

    pub(super) fn id(&mut self, kind: &str) -> String {
        self.ids += 1;
        format!("{kind}_{:06x}{:08x}", self.prefix, self.ids)
    }

    pub(super) fn emit(&mut self, kind: &str, mut fields: Value) {
        fields["type"] = kind.into();
        fields["event_id"] = self.id("event").into();
        self.push(Output::Text(fields.to_string()));
    }

    pub(super) fn push(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    pub(super) fn refuse(&mut self, refusal: Refusal, event_id: Option<String>) {
        let Refusal { code, message, param } = refusal;
        let error = json!({"type": "invalid_request_error", "code": code, "message": message, "param": param,
            "event_id": event_id});
        self.emit("error", json!({ "error": error }));
    }
}

fn check_item(item: &Value) -> Result<(), Refusal> {
    let allowed: &[&str] = match (item["type"].as_str(), item["role"].as_str()) {
        (Some("message"), Some("system")) => &["input_text"],
        (Some("message"), Some("user")) => &["input_text", "input_audio", "input_image"],
        (Some("message"), Some("assistant")) => &["output_text"],
        (Some("function_call" | "function_call_output"), None) => return Ok(()),
        (Some("message"), _) => {
            let message = "Supported values are: 'system', 'user', and 'assistant'.";
            return Err(Refusal::new("invalid_value", "item.role", message));
        }
        _ => {
            return Err(Refusal::new("invalid_value", "item.type", "Invalid value for 'item.type'."));
        }
    };
    let content = item["content"].as_array().map(Vec::as_slice).unwrap_or_default();
    for (index, part) in content.iter().enumerate() {
        if !allowed.contains(&part["type"].as_str().unwrap_or_default()) {
            let param = format!("item.content[{index}].type");
            return Err(Refusal::new("invalid_value", &param, format!("Supported values are: {allowed:?}.")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
