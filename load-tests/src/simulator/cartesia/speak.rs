//! The speech socket: many contexts, each fed in parts.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use serde_json::{Value, json};

use super::{TEXT_CHARS_MAX, check_generation, error};
use crate::simulator::faults::{Fault, Stage};
use crate::simulator::provider::Provider;
use crate::simulator::route::Asked;
use crate::simulator::server::Shared;
use crate::simulator::socket::{Core, Output};
use crate::simulator::sound::{self, Format};
use crate::simulator::speaker::{CHAR_MS, Next, Speaker, Spoken, Tempo};

/// Most contexts of a connection: the largest plan's concurrency.
const CONTEXTS_MAX: usize = 60;
/// A context that is not continued ends this long after its last audio.
const EXPIRY: Duration = Duration::from_secs(1);
/// A connection that is not used for this long is closed.
const IDLE: Duration = Duration::from_secs(300);
/// How long the service waits for more text where the client does not say.
const BUFFER_DELAY_MS: f64 = 3_000.0;
/// What must stay the same in all parts of a context.
const FIXED: [&str; 4] = ["model_id", "voice", "output_format", "language"];

#[derive(Debug)]
enum Mark {
    Flushed(u64),
    Done,
}

#[derive(Debug)]
struct Context {
    id: String,
    fixed: Vec<Value>,
    format: Format,
    audio: Bytes,
    timestamps: bool,
    text: String,
    /// When what waits is spoken although it is no sentence.
    speak_at: Option<Instant>,
    flushes: u64,
    finishing: bool,
    speaker: Speaker<Mark>,
    last_at: Instant,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Speak {
    shared: Arc<Shared>,
    drip: bool,
    contexts: Vec<Context>,
    /// Ids that may not be used again; the oldest are forgotten.
    expired: VecDeque<String>,
    active_at: Instant,
    outputs: VecDeque<Output>,
}

impl Speak {
    pub(super) fn open(asked: &Asked) -> Self {
        Self {
            shared: Arc::clone(asked.shared),
            drip: asked.fault == Some(Fault::Drip),
            contexts: Vec::new(),
            expired: VecDeque::new(),
            active_at: asked.now,
            outputs: VecDeque::new(),
        }
    }

    fn take(&mut self, now: Instant, request: &Value) -> Result<(), String> {
        let id = request["context_id"].as_str().filter(|id| !id.is_empty()).ok_or("context_id is required")?;
        if request["cancel"] == true {
            if let Some(index) = self.contexts.iter().position(|context| context.id == id) {
                self.end(index);
            }
            return Ok(());
        }
        let (format, _) = check_generation(request, "websocket")?;
        let text = request["transcript"].as_str().ok_or("transcript is no string")?;
        let fixed: Vec<Value> = FIXED.iter().map(|name| request[*name].clone()).collect();
        let index = match self.contexts.iter().position(|context| context.id == id) {
            Some(index) if self.contexts[index].finishing => return Err("the context is closed".to_owned()),
            Some(index) if self.contexts[index].fixed != fixed => {
                return Err("all but the transcript must be the same in a context".to_owned());
            }
            Some(index) => index,
            None if self.expired.iter().any(|known| known == id) => return Err("the context has expired".to_owned()),
            None if self.contexts.len() == CONTEXTS_MAX => return Err("too many contexts".to_owned()),
            None if text.trim().is_empty() => return Err("the transcript of a new context is empty".to_owned()),
            None => {
                self.contexts.push(Context {
                    id: id.to_owned(),
                    fixed,
                    format,
                    audio: self.shared.sounds.loop_in(format),
                    timestamps: request["add_timestamps"] == true,
                    text: String::new(),
                    speak_at: None,
                    flushes: 0,
                    finishing: false,
                    speaker: Speaker::new(),
                    last_at: now,
                });
                self.contexts.len() - 1
            }
        };
        let context = &mut self.contexts[index];
        context.text.push_str(text);
        context.last_at = now;
        if context.text.chars().count() > TEXT_CHARS_MAX {
            return Err("the transcript is too long".to_owned());
        }
        let delay = request["max_buffer_delay_ms"].as_f64().unwrap_or(BUFFER_DELAY_MS);
        context.speak_at.get_or_insert(now + Duration::from_secs_f64(delay / 1_000.0));
        context.finishing = request["continue"] != true;
        let flush = request["flush"] == true;
        let sentence = context.text.trim_end().ends_with(['.', '!', '?']);
        if context.finishing || flush || sentence || delay == 0.0 {
            self.speak(now, index);
        }
        let context = &mut self.contexts[index];
        if flush {
            context.flushes += 1;
            context.speaker.mark(now, Mark::Flushed(context.flushes));
        }
        if context.finishing {
            context.speaker.mark(now, Mark::Done);
        }
        Ok(())
    }

    fn speak(&mut self, now: Instant, index: usize) {
        let context = &mut self.contexts[index];
        context.speak_at = None;
        let text = std::mem::take(&mut context.text);
        if text.trim().is_empty() {
            return;
        }
        let place = self.shared.script.saying(&text);
        let fault = place.and_then(|place| self.shared.turn_fault(place, Stage::Tts, Provider::Cartesia));
        self.outputs.extend(fault.map(Output::Arm));
        let drip = self.drip || fault == Some(Fault::Drip);
        let from_ms = context.speaker.position_ms();
        context.speaker.say(now, &text, Tempo::of(&self.shared.script, &text, self.shared.speed, drip));
        if context.timestamps && !drip {
            let event = timestamps(&context.id, &text, from_ms);
            self.outputs.push_back(Output::Text(event.to_string()));
        }
    }

    fn end(&mut self, index: usize) {
        let context = self.contexts.remove(index);
        if self.expired.len() == CONTEXTS_MAX {
            self.expired.pop_front();
        }
        self.expired.push_back(context.id);
    }

    fn produce(&mut self, now: Instant) {
        let mut index = 0;
        while index < self.contexts.len() {
            match self.contexts[index].speaker.pop(now) {
                Some(Next::Audio(spoken)) => self.chunk(now, index, &spoken),
                Some(Next::Mark(mark)) => {
                    let id = self.contexts[index].id.clone();
                    let done = matches!(mark, Mark::Done);
                    let event = match mark {
                        Mark::Flushed(flush) => json!({"type": "flush_done", "context_id": id, "flush_done": true,
                            "flush_id": flush, "done": false, "status_code": 206}),
                        Mark::Done => json!({"type": "done", "context_id": id, "done": true, "status_code": 200}),
                    };
                    self.outputs.push_back(Output::Text(event.to_string()));
                    if done {
                        self.end(index);
                    }
                }
                None => index += 1,
            }
        }
    }

    fn chunk(&mut self, now: Instant, index: usize, spoken: &Spoken) {
        let context = &mut self.contexts[index];
        context.last_at = now;
        let data = BASE64_STANDARD.encode(sound::piece(&context.audio, context.format, spoken));
        let event = json!({"type": "chunk", "context_id": context.id, "data": data, "done": false, "status_code": 206,
            "step_time": 12.3, "flush_id": context.flushes + 1});
        self.outputs.push_back(Output::Answer(event.to_string()));
    }

    fn fail(&mut self, id: &Value, message: &str) {
        let mut event = error(400, "invalid_request", message);
        event["context_id"] = id.clone();
        self.outputs.push_back(Output::Text(event.to_string()));
    }
}

/// A context that waits for its next part ends when none comes.
fn expiry(context: &Context) -> Option<Instant> {
    (context.speaker.is_idle() && context.text.is_empty() && !context.finishing).then(|| context.last_at + EXPIRY)
}

fn timestamps(id: &str, text: &str, from_ms: u64) -> Value {
    let (mut words, mut start, mut end) = (Vec::new(), Vec::new(), Vec::new());
    let seconds = |chars: usize| (from_ms + chars as u64 * CHAR_MS) as f64 / 1_000.0;
    let mut chars = 0;
    for part in text.split_inclusive(' ') {
        let word = part.trim();
        if !word.is_empty() {
            words.push(word);
            start.push(seconds(chars));
            end.push(seconds(chars + word.chars().count()));
        }
        chars += part.chars().count();
    }
    json!({"type": "timestamps", "context_id": id, "done": false, "status_code": 206,
        "word_timestamps": {"words": words, "start": start, "end": end}})
}

impl Core for Speak {
    fn handle_text(&mut self, now: Instant, text: &str) {
        self.active_at = now;
        let request = serde_json::from_str::<Value>(text).unwrap_or_default();
        let taken = if request.is_object() { self.take(now, &request) } else { Err("invalid JSON".to_owned()) };
        if let Err(message) = taken {
            self.fail(&request["context_id"], &message);
        }
        self.produce(now);
    }

    fn handle_binary(&mut self, _now: Instant, _octets: &[u8]) {
        self.fail(&Value::Null, "binary messages are not supported");
    }

    fn handle_timeout(&mut self, now: Instant) {
        for index in 0..self.contexts.len() {
            if self.contexts[index].speak_at.is_some_and(|at| at <= now) {
                self.speak(now, index);
            }
        }
        self.produce(now);
        while let Some(index) = self.contexts.iter().position(|context| expiry(context).is_some_and(|at| at <= now)) {
            self.end(index);
        }
        if self.active_at + IDLE <= now && self.contexts.is_empty() {
            self.outputs.push_back(Output::Close(1000, "idle".to_owned()));
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let of = |context: &Context| [context.speaker.due(), context.speak_at, expiry(context)].into_iter().flatten().min();
        let idle = self.contexts.is_empty().then(|| self.active_at + IDLE);
        self.contexts.iter().filter_map(of).chain(idle).min()
    }

    fn garbage(&self) -> Vec<String> {
        let id = self.contexts.first().map(|context| context.id.clone());
        vec![json!({"type": "chunk", "context_id": id, "data": "***no base64***", "done": false, "status_code": 206}).to_string()]
    }
}
