//! What the session does about each event of the server.

use std::time::Instant;

use bytes::Bytes;
use media::sendout::PromptId;

use super::faults::{Verdict, judge};
use super::history::Entry;
use super::responses::{Ended, Place};
use super::wire::{Call, Fault, ResponseDone, ServerEvent, Status};
use super::{RealtimeSession, frames};
use crate::engine::{EngineError, Output, REALTIME, Role, TRANSCRIBER, TurnOutcome, Usage};
use crate::json::{decode_base64, line};
use crate::tools;

impl RealtimeSession {
    pub(super) fn handle_text(&mut self, now: Instant, text: &str) {
        match ServerEvent::parse(text) {
            Ok(event) => self.handle_event(now, event),
            Err(error) => self.malformed(&error.to_string()),
        }
    }

    fn handle_event(&mut self, now: Instant, event: ServerEvent<'_>) {
        match event {
            ServerEvent::AudioDelta { response, item, delta } => self.audio(now, &response, &item, &delta),
            ServerEvent::AudioDone { item } => {
                if let Some(prompt) = self.prompts.known(&item).filter(|prompt| !prompt.ended && prompt.received > 0) {
                    prompt.ended = true;
                    let prompt = prompt.id;
                    self.outputs.push_back(Output::PromptEnd { prompt });
                }
            }
            ServerEvent::AgentWords { response, item, delta } => {
                if !self.responses.is_current(&response) {
                    self.stats.late_deltas += 1;
                    return;
                }
                let prompt = self.prompts.of(&item);
                prompt.say(&delta);
                let prompt = Some(prompt.id);
                self.words(Role::Agent, prompt, &delta);
            }
            ServerEvent::AgentSaid { item, transcript } => {
                if let Some(prompt) = self.prompts.known(&item) {
                    prompt.text.clear();
                    prompt.say(&transcript);
                }
            }
            ServerEvent::CallerWords { delta } => self.words(Role::Caller, None, &delta),
            ServerEvent::CallerSaid { item, transcript, usage } => self.caller_said(&item, &transcript, usage),
            ServerEvent::Committed { item } => self.history.push(Entry::Caller { item: item.into_owned(), text: None }),
            ServerEvent::Error(fault) => self.handle_error(now, &fault),
            ServerEvent::Expected => {}
            ServerEvent::ItemDone { call } => {
                if let Some(call) = call.filter(|_| self.responses.is_active()) {
                    self.call(call);
                }
            }
            ServerEvent::RateLimits { exhausted } => self.rate_limit = exhausted,
            ServerEvent::ResponseCreated { response } => {
                if self.responses.created(now, &response) {
                    self.uplink.settle();
                }
            }
            ServerEvent::ResponseDone(done) => self.response_done(now, *done),
            ServerEvent::TranscriptionFailed(fault) => {
                let code = line(&fault.code);
                self.outputs.push_back(Output::Warning { error: EngineError::Transcription { code } });
            }
            ServerEvent::Unknown => self.stats.unknown_events += 1,
        }
    }

    fn audio(&mut self, now: Instant, response: &str, item: &str, delta: &str) {
        if !self.responses.is_current(response) {
            self.stats.late_deltas += 1;
            return;
        }
        let mut audio = Vec::with_capacity(delta.len() / 4 * 3 + 3);
        if decode_base64(delta, &mut audio).is_none() {
            return self.malformed("audio is not base64");
        }
        if audio.is_empty() {
            return;
        }
        let prompt = self.prompts.of(item);
        prompt.received += audio.len();
        let prompt = prompt.id;
        self.responses.heard_audio(now);
        self.outputs.push_back(Output::Audio { prompt, audio: Bytes::from(audio) });
    }

    fn words(&mut self, role: Role, prompt: Option<PromptId>, delta: &str) {
        if !delta.is_empty() {
            self.outputs.push_back(Output::Transcript { role, prompt, text: delta.into(), is_final: false });
        }
    }

    fn caller_said(&mut self, item: &str, transcript: &str, usage: Usage) {
        self.count(TRANSCRIBER, usage);
        let transcript = transcript.trim();
        if transcript.is_empty() {
            return;
        }
        self.history.caller_said(item, transcript);
        let text = transcript.into();
        self.outputs.push_back(Output::Transcript { role: Role::Caller, prompt: None, text, is_final: true });
    }

    fn call(&mut self, call: Call) {
        let Call { call_id, name, arguments } = call;
        let place = self.responses.call(&call_id);
        if place == Place::Known {
            return;
        }
        let entry = Entry::Call { call_id: call_id.clone(), name: name.clone(), arguments: arguments.clone() };
        self.history.push(entry);
        if place == Place::New {
            self.outputs.push_back(Output::ToolCall { call_id, name, arguments: arguments.into() });
        } else {
            self.add_item(Entry::CallOutput { call_id, output: tools::failure("too many calls at once") });
        }
    }

    fn response_done(&mut self, now: Instant, done: ResponseDone<'_>) {
        self.count(REALTIME, done.usage);
        if done.status == Status::Completed && self.responses.is_current(&done.response) {
            for call in done.calls {
                self.call(call);
            }
        }
        let Some(ended) = self.responses.ended(&done.response) else { return };
        self.end_prompts();
        if ended == Ended::Cancelled {
            return;
        }
        self.responses.used(done.usage);
        // The turn goes on, with or without it: its end is the answer's.
        if self.responses.is_filler() && !matches!(judge(&done.fault), Verdict::Fatal(_)) {
            return;
        }
        match done.status {
            Status::Cancelled => self.close_turn(now, TurnOutcome::Interrupted),
            Status::Completed => {
                if !self.responses.awaits_tools() {
                    self.close_turn(now, TurnOutcome::Completed);
                }
            }
            Status::Failed => match judge(&done.fault) {
                Verdict::Fatal(error) => self.fail(error),
                Verdict::Report(error) => self.response_failed(now, error),
                _ => self.response_failed(now, reported(&done.fault)),
            },
            Status::Incomplete => {
                let error = EngineError::Reported { code: line(&done.reason), message: "response is incomplete".to_owned() };
                self.outputs.push_back(Output::Warning { error });
                self.close_turn(now, TurnOutcome::Completed);
            }
        }
    }

    /// A response that nobody heard anything of is asked for again; one that broke off is left so.
    fn response_failed(&mut self, now: Instant, error: EngineError) {
        if self.responses.give_up_filler() {
            // Silence while a tool runs is no failure of the turn.
        } else if self.responses.made_sound() {
            self.close_turn(now, TurnOutcome::Failed);
        } else if self.responses.retry(now, self.rate_limit).is_none() {
            return self.fail(error);
        }
        self.outputs.push_back(Output::Warning { error });
    }

    fn handle_error(&mut self, now: Instant, fault: &Fault<'_>) {
        match judge(fault) {
            Verdict::Busy => self.busy(now, fault),
            Verdict::CancelTooLate => self.responses.cancel_too_late(),
            Verdict::Fatal(error) => self.fail(error),
            Verdict::Harmless => {}
            Verdict::Report(error) => {
                if self.responses.is_requested() && fault.event_id == frames::response_id(self.responses.number()) {
                    self.response_failed(now, error);
                } else {
                    self.outputs.push_back(Output::Warning { error });
                }
            }
            Verdict::SessionOver => self.lost(now, EngineError::SessionExpired),
        }
    }

    fn busy(&mut self, now: Instant, fault: &Fault<'_>) {
        if !self.responses.is_requested() || self.responses.give_up_filler() {
            return;
        }
        if self.responses.busy(now) {
            self.send(frames::cancel(""));
        } else {
            self.fail(reported(fault));
        }
    }

    fn close_turn(&mut self, now: Instant, outcome: TurnOutcome) {
        self.outputs.extend(self.responses.close_turn(now, outcome));
    }

    fn count(&mut self, stage: &'static str, usage: Usage) {
        if usage != Usage::default() {
            self.usage += usage;
            self.outputs.push_back(Output::Usage { provider: None, stage, usage });
        }
    }

    /// Counted, and told once until the count is taken.
    fn malformed(&mut self, reason: &str) {
        self.stats.malformed_events += 1;
        if self.stats.malformed_events == 1 {
            self.outputs.push_back(Output::Warning { error: EngineError::Protocol { reason: line(reason) } });
        }
    }
}

fn reported(fault: &Fault<'_>) -> EngineError {
    EngineError::Reported { code: line(&fault.code), message: line(&fault.message) }
}
