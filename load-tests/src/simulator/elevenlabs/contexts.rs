//! The speech sockets: one context, or up to five.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use serde_json::{Value, json};

use super::output_format;
use crate::simulator::answer::Answer;
use crate::simulator::faults::{Fault, Stage};
use crate::simulator::provider::Provider;
use crate::simulator::route::Asked;
use crate::simulator::server::Shared;
use crate::simulator::socket::{Core, Output};
use crate::simulator::sound::{self, Format};
use crate::simulator::speaker::{CHAR_MS, Next, Speaker, Spoken, Tempo};

/// Most contexts of a connection at once.
const CONTEXTS_MAX: usize = 5;
/// Most contexts with those that only speak what they had begun.
const CLOSING_MAX: usize = 64;
/// Characters that wait before each generation, where the client says nothing else.
const SCHEDULE: [usize; 4] = [120, 160, 250, 290];
/// Most characters that wait in a context.
const TEXT_CHARS_MAX: usize = 10_000;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Single,
    Multi,
}

/// A mark after the last audio of a context.
#[derive(Debug)]
struct Final;

#[derive(Debug)]
struct Context {
    id: String,
    text: String,
    schedule: Vec<usize>,
    generation: usize,
    speaker: Speaker<Final>,
    /// Without a message for the inactivity timeout it ends.
    active_at: Instant,
    closing: bool,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Contexts {
    shared: Arc<Shared>,
    kind: Kind,
    format: Format,
    audio: Bytes,
    auto: bool,
    drip: bool,
    keyed: bool,
    timeout: Duration,
    /// A connection without contexts ends too.
    active_at: Instant,
    contexts: Vec<Context>,
    outputs: VecDeque<Output>,
    closed: bool,
}

impl Contexts {
    pub(super) fn open(asked: &Asked, kind: Kind) -> Result<Self, Answer> {
        let query = &asked.query;
        let format = output_format(asked)?;
        let wrong = |message: String| asked.refuse(400, "invalid_parameters", &message);
        let timeout = query.number("inactivity_timeout", 1.0..=180.0).map_err(wrong)?.unwrap_or(20.0);
        if query.value("model_id").is_some_and(|model| model.starts_with("eleven_v3")) {
            return Err(asked.refuse(400, "model_not_supported", "eleven_v3 is not available over WebSocket"));
        }
        let keyed = !asked.header("xi-api-key").is_empty()
            || ["authorization", "single_use_token"].iter().any(|name| query.value(name).is_some());
        Ok(Self {
            shared: Arc::clone(asked.shared),
            kind,
            format,
            audio: asked.shared.sounds.loop_in(format),
            auto: query.is_on("auto_mode"),
            drip: asked.fault == Some(Fault::Drip),
            keyed,
            timeout: Duration::from_secs_f64(timeout),
            active_at: asked.now,
            contexts: Vec::new(),
            outputs: VecDeque::new(),
            closed: false,
        })
    }

    fn take(&mut self, now: Instant, message: &Value) -> Result<(), String> {
        if message["close_socket"] == true {
            for context in &mut self.contexts {
                context.closing = true;
            }
            for index in 0..self.contexts.len() {
                self.finish(now, index);
            }
            self.closed = true;
            return Ok(());
        }
        let id = match self.kind {
            Kind::Single => "",
            Kind::Multi => message["context_id"].as_str().filter(|id| !id.is_empty()).unwrap_or("default"),
        };
        // A context that is closing lives on for its audio only; its id may begin anew.
        let index = match self.contexts.iter().position(|context| context.id == id && !context.closing) {
            Some(index) => index,
            // A late message to a context that was closed.
            None if message["close_context"] == true || message["flush"] == true && message["text"].is_null() => return Ok(()),
            None => return self.begin(now, id, message),
        };
        let context = &mut self.contexts[index];
        context.active_at = now;
        if !message["voice_settings"].is_null() || !message["generation_config"].is_null() {
            let differs = "voice_settings field can only be provided in the first message and when provided must not change.";
            return Err(differs.to_owned());
        }
        if message["close_context"] == true {
            self.finish(now, index);
            return Ok(());
        }
        match message["text"].as_str() {
            Some("") if self.kind == Kind::Single => self.finish(now, index),
            Some(text) => {
                context.text.push_str(text);
                if context.text.chars().count() > TEXT_CHARS_MAX {
                    return Err("max_character_limit_exceeded".to_owned());
                }
                self.generate(now, index, message["flush"] == true);
            }
            None if message["flush"] == true => self.generate(now, index, true),
            None => return Err("text is missing".to_owned()),
        }
        Ok(())
    }

    fn begin(&mut self, now: Instant, id: &str, message: &Value) -> Result<(), String> {
        let text = message["text"].as_str().ok_or("text is missing")?;
        if let Some(key) = message["xi-api-key"].as_str().or(message["xi_api_key"].as_str()) {
            self.keyed |= !key.is_empty() && !key.starts_with("wrong");
        }
        if !self.keyed {
            return Err("invalid_api_key".to_owned());
        }
        if self.kind == Kind::Single && text != " " {
            return Err("the first message must have a single space as its text".to_owned());
        }
        let open = self.contexts.iter().filter(|context| !context.closing).count();
        if open == CONTEXTS_MAX || self.contexts.len() == CLOSING_MAX {
            return Err(format!("max_active_contexts: at most {CONTEXTS_MAX} contexts"));
        }
        let asked = &message["generation_config"]["chunk_length_schedule"];
        let schedule: Vec<usize> = match asked.as_array() {
            Some(sizes) => sizes.iter().filter_map(Value::as_u64).map(|size| size as usize).collect(),
            None => SCHEDULE.to_vec(),
        };
        if schedule.is_empty() || schedule.iter().any(|size| !(50..=500).contains(size)) {
            return Err("chunk_length_schedule: each must be within 50 to 500".to_owned());
        }
        let text = text.to_owned();
        self.contexts.push(Context {
            id: id.to_owned(),
            text: if text == " " { String::new() } else { text },
            schedule,
            generation: 0,
            speaker: Speaker::new(),
            active_at: now,
            closing: false,
        });
        self.generate(now, self.contexts.len() - 1, message["flush"] == true);
        Ok(())
    }

    /// Speaks what waits when it is enough, or by the client's wish.
    fn generate(&mut self, now: Instant, index: usize, flush: bool) {
        let context = &mut self.contexts[index];
        let needed = context.schedule[context.generation.min(context.schedule.len() - 1)];
        let sentence = self.auto && context.text.trim_end().ends_with(['.', '!', '?']);
        if context.text.trim().is_empty() || !flush && !sentence && context.text.chars().count() < needed {
            return;
        }
        context.generation += 1;
        let text = std::mem::take(&mut context.text);
        let place = self.shared.script.saying(&text);
        let fault = place.and_then(|place| self.shared.turn_fault(place, Stage::Tts, Provider::ElevenLabs));
        self.outputs.extend(fault.map(Output::Arm));
        let drip = self.drip || fault == Some(Fault::Drip);
        context.speaker.say(now, &text, Tempo::of(&self.shared.script, &text, self.shared.speed, drip));
    }

    fn finish(&mut self, now: Instant, index: usize) {
        // A closed context of a barge-in speaks what it had begun; the rest is spoken at the end of input only.
        match self.kind {
            Kind::Single => self.generate(now, index, true),
            Kind::Multi => self.contexts[index].text.clear(),
        }
        let context = &mut self.contexts[index];
        context.closing = true;
        context.speaker.mark(now, Final);
    }

    fn speak(&mut self, now: Instant) {
        for index in 0..self.contexts.len() {
            while let Some(next) = self.contexts[index].speaker.pop(now) {
                let id = self.contexts[index].id.clone();
                match next {
                    Next::Audio(spoken) => {
                        self.contexts[index].active_at = now;
                        let mut event = self.audio_event(&spoken);
                        match self.kind {
                            Kind::Single => event["isFinal"] = Value::Null,
                            Kind::Multi => event["contextId"] = id.into(),
                        }
                        self.outputs.push_back(Output::Answer(event.to_string()));
                    }
                    Next::Mark(Final) => {
                        let event = match self.kind {
                            Kind::Single => json!({"audio": null, "isFinal": true}),
                            Kind::Multi => json!({"isFinal": true, "contextId": id}),
                        };
                        self.outputs.push_back(Output::Text(event.to_string()));
                        self.closed |= self.kind == Kind::Single;
                    }
                }
            }
        }
        self.contexts.retain(|context| !context.closing || !context.speaker.is_idle());
        if self.closed && self.contexts.is_empty() {
            self.closed = false;
            self.outputs.push_back(Output::Close(1000, String::new()));
        }
    }

    fn audio_event(&self, spoken: &Spoken) -> Value {
        let audio = BASE64_STANDARD.encode(sound::piece(&self.audio, self.format, spoken));
        let chars: Vec<String> = spoken.text.chars().map(String::from).collect();
        if chars.is_empty() {
            return json!({"audio": audio, "alignment": null, "normalizedAlignment": null});
        }
        // Times count from the beginning of this piece.
        let starts: Vec<u64> = (0..chars.len() as u64).map(|index| index * CHAR_MS).collect();
        let alignment = json!({"chars": chars, "charStartTimesMs": starts, "charDurationsMs": vec![CHAR_MS; chars.len()]});
        json!({"audio": audio, "alignment": alignment, "normalizedAlignment": alignment})
    }

    fn fail(&mut self, code: &str) {
        let event = json!({"message": code, "error": code, "code": 1008});
        self.outputs.push_back(Output::Text(event.to_string()));
        self.outputs.push_back(Output::Close(1008, code.to_owned()));
    }

    fn idle_due(&self, context: &Context) -> Option<Instant> {
        (context.speaker.is_idle() && !context.closing).then(|| context.active_at + self.timeout)
    }
}

impl Core for Contexts {
    fn handle_text(&mut self, now: Instant, text: &str) {
        self.active_at = now;
        let message = serde_json::from_str::<Value>(text).unwrap_or_default();
        let taken = if message.is_object() { self.take(now, &message) } else { Err("invalid_json".to_owned()) };
        if let Err(code) = taken {
            return self.fail(&code);
        }
        self.speak(now);
    }

    fn handle_binary(&mut self, _now: Instant, _octets: &[u8]) {
        self.fail("invalid_message");
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.speak(now);
        let idle = |context: &Context| self.idle_due(context).is_some_and(|due| due <= now);
        if self.kind == Kind::Single && self.contexts.iter().any(idle)
            || self.contexts.is_empty() && self.active_at + self.timeout <= now
        {
            return self.fail("input_timeout_exceeded");
        }
        let gone: Vec<String> = self.contexts.iter().filter(|context| idle(context)).map(|context| context.id.clone()).collect();
        self.contexts.retain(|context| !gone.contains(&context.id));
        for id in gone {
            self.active_at = now;
            self.outputs.push_back(Output::Text(json!({"isFinal": true, "contextId": id}).to_string()));
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let idle = self.contexts.iter().filter_map(|context| self.idle_due(context));
        let speaking = self.contexts.iter().filter_map(|context| context.speaker.due());
        let empty = self.contexts.is_empty().then(|| self.active_at + self.timeout);
        idle.chain(speaking).chain(empty).min()
    }

    fn garbage(&self) -> Vec<String> {
        let id = self.contexts.first().map(|context| context.id.clone());
        vec![
            json!({"audio": "***no base64***", "contextId": id, "isFinal": null}).to_string(),
            json!({"audio": "", "contextId": "nobody", "alignment": {"chars": ["a"], "charStartTimesMs": []}}).to_string(),
        ]
    }
}
