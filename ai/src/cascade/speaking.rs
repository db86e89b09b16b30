//! The agent's turn: the model is asked, its words are cut and said, its tools run.

use std::time::Instant;

use bytes::Bytes;
use media::sendout::PromptId;

use super::mind::{self, Thought};
use super::mouth::KEPT;
use super::reply::{Cause, Phase, Reply};
use super::{CascadeSession, FILLER_REQUEST};
use crate::engine::{CacheKey, EngineError, Output, Role, TurnOutcome};
use crate::responder::{Conversation, Entry, Stop};
use crate::synthesizer::SpeechId;

impl CascadeSession {
    /// Says a text of the operator's; the greeting once the call is answered.
    pub(super) fn recite(&mut self, now: Instant, cause: Cause, text: &str) {
        let held = cause == Cause::Greeting;
        let mut reply = Reply::new(cause, held);
        reply.write(text);
        reply.phase = Phase::Said(Stop::Complete);
        reply.timings.requested = Some(now);
        self.reply = Some(reply);
        self.say(now, true);
    }

    pub(super) fn prepare_mind(&mut self, now: Instant) {
        let entries = self.history.told(Some("Hello."), false);
        let (instructions, tools) = (&self.config.instructions, &self.config.tools);
        let conversation = Conversation { instructions, entries: &entries, tools, tool_choice: mind::choice(0) };
        self.mind.prepare(now, &conversation, &mut self.ports);
    }

    /// Asks the model for the answer that is being made.
    pub(super) fn ask(&mut self, now: Instant) {
        let Some(reply) = &mut self.reply else { return };
        let next = match &reply.cause {
            Cause::Caller(text) if reply.held => Some(text.as_str()),
            _ => None,
        };
        if let (true, Some(prompt)) = (reply.broke_off, reply.prompt) {
            self.history.heard(prompt, reply.text.trim(), true);
        }
        let entries = self.history.told(next, reply.broke_off);
        reply.timings.requested.get_or_insert(now);
        let (instructions, tools) = (&self.config.instructions, &self.config.tools);
        let conversation = Conversation { instructions, entries: &entries, tools, tool_choice: mind::choice(reply.round) };
        self.mind.ask(now, &conversation, &mut self.ports);
    }

    pub(super) fn thought(&mut self, now: Instant, thought: Thought) {
        let Some(reply) = &mut self.reply else { return };
        match thought {
            Thought::Text(words) => {
                reply.timings.created.get_or_insert(now);
                reply.write(&words);
                self.say(now, false);
            }
            Thought::Call(call) => {
                reply.timings.created.get_or_insert(now);
                reply.calls.push(call);
            }
            Thought::Used(usage) => reply.usage += usage,
            Thought::Failed => self.answer_broke_off(now),
            Thought::Done(_) if reply.text.trim().is_empty() && reply.calls.is_empty() && reply.running.is_empty() => {
                let error = EngineError::Protocol { reason: "an empty answer".to_owned() };
                self.mind.fail(now, error, &mut self.ports);
                self.answer_broke_off(now);
            }
            Thought::Done(stop) => {
                reply.phase = Phase::Said(stop);
                self.say(now, false);
            }
        }
    }

    /// The provider failed in the middle: what was said of the answer is gone on with; what was not is made anew.
    fn answer_broke_off(&mut self, now: Instant) {
        let Some(reply) = &mut self.reply else { return };
        reply.calls.clear();
        reply.broke_off = reply.prompt.is_some_and(|prompt| self.said.get(prompt).is_some());
        if !reply.broke_off {
            reply.start_over();
            self.mouth.cancel(now, &mut self.ports);
        }
    }

    /// Cuts what there is of the words into pieces, and has them said.
    fn say(&mut self, now: Instant, cached: bool) {
        let Some(reply) = &mut self.reply else { return };
        loop {
            let piece = match reply.sentences.next_piece() {
                None if matches!(reply.phase, Phase::Said(_)) => reply.sentences.finish(),
                piece => piece,
            };
            let Some(piece) = piece else { return };
            let prompt = *reply.prompt.get_or_insert_with(|| {
                let prompt = self.next_prompt;
                self.next_prompt = PromptId(prompt.0 + 1);
                prompt
            });
            self.mouth.say(now, prompt, piece, cached, &mut self.ports);
        }
    }

    /// Gives out what may be heard, and ends what is complete.
    pub(super) fn speak(&mut self, now: Instant) {
        let gate = self.phase == super::Phase::Live && self.reply.as_ref().is_none_or(|reply| !reply.held);
        let first = self.mouth.advance(now, gate, &mut self.said, &mut self.ports);
        if let Some(audio) = self.mouth.take_kept() {
            self.filler = Some(audio);
        }
        let Some(reply) = &mut self.reply else { return self.end_prompts() };
        if let Some(prompt) = reply.prompt.filter(|_| gate) {
            let text = reply.take_new();
            if !text.is_empty() {
                let (role, prompt) = (Role::Agent, Some(prompt));
                self.ports.push(Output::Transcript { role, prompt, text: text.into(), is_final: false });
            }
        }
        if let Some(prompt) = reply.prompt.filter(|_| first) {
            reply.timings.first_audio.get_or_insert(now);
            self.filler_at = None;
            self.history.say(prompt, reply.text.trim().to_owned());
        }
        if let (Phase::Said(_), false) = (reply.phase, reply.held) {
            self.end_round(now);
        }
        self.end_prompts();
    }

    /// The words of a round are complete: its tools run at once, whatever is still to be said.
    fn end_round(&mut self, now: Instant) {
        let Some(reply) = &mut self.reply else { return };
        let text = reply.text.trim();
        if let Some(prompt) = reply.prompt {
            if self.said.get(prompt).is_some() {
                self.history.heard(prompt, text, true);
            } else if !reply.calls.is_empty() {
                self.history.say(prompt, text.to_owned());
            }
            if !self.closing.contains(&prompt) {
                self.closing.push(prompt);
            }
        }
        if reply.calls.is_empty() {
            if !self.mouth.is_saying() {
                self.drop_reply(now, TurnOutcome::Completed);
                self.make_filler(now);
            }
            return;
        }
        reply.phase = Phase::Tools;
        for call in std::mem::take(&mut reply.calls) {
            reply.running.push(call.call_id.clone());
            self.history.push(Entry::ToolCall(call.clone()));
            let (call_id, name, arguments) = (call.call_id, call.name, call.arguments);
            self.ports.push(Output::ToolCall { call_id, name, arguments });
        }
    }

    /// A tool takes its time: says a text meanwhile, unless something is being said. It is no part of the conversation.
    pub(super) fn say_meanwhile(&mut self, now: Instant, text: &str) {
        let Some(reply) = self.reply.as_mut().filter(|reply| reply.phase == Phase::Tools) else { return };
        if self.mouth.is_saying() {
            return;
        }
        reply.prompt = None;
        let prompt = self.next_prompt;
        self.next_prompt = PromptId(prompt.0 + 1);
        self.mouth.say(now, prompt, text.to_owned(), true, &mut self.ports);
        self.closing.push(prompt);
    }

    /// No more audio will come for prompts whose pieces are all said.
    fn end_prompts(&mut self) {
        let Self { closing, mouth, said, ports, .. } = self;
        closing.retain(|&prompt| {
            let open = mouth.has(prompt);
            if let Some(said) = said.get(prompt).filter(|said| !open && !said.ended) {
                said.ended = true;
                ports.push(Output::PromptEnd { prompt });
            }
            open
        });
    }

    /// The agent's turn is over as far as it is made here.
    pub(super) fn drop_reply(&mut self, now: Instant, outcome: TurnOutcome) {
        if outcome == TurnOutcome::Completed {
            self.mind.cancel(&mut self.ports);
        } else {
            self.mind.abandon(now, &mut self.ports);
            self.mouth.cancel(now, &mut self.ports);
            self.closing.clear();
        }
        let Some(mut reply) = self.reply.take() else { return };
        reply.timings.done = Some(now);
        let (timings, usage) = (reply.timings, reply.usage);
        match reply {
            Reply { held: true, early: true, .. } => self.ports.push(Output::Speculated { used: false }),
            Reply { held: true, .. } => {}
            _ => self.ports.push(Output::TurnDone { outcome, timings, usage }),
        }
    }

    /// Makes the filler in the voice of the others, for this call and the next, when nothing else is to be said.
    fn make_filler(&mut self, now: Instant) {
        if let Some(text) = self.config.filler.clone().filter(|_| !std::mem::replace(&mut self.filler_made, true)) {
            self.mouth.say(now, KEPT, text, true, &mut self.ports);
        }
    }

    pub(super) fn filler_key(&self, text: &str) -> CacheKey {
        self.mouth.key_of(&self.config.speakable.speak(text))
    }

    pub(super) fn cached(&mut self, key: &CacheKey, audio: Option<Bytes>) {
        let filler = self.config.filler.clone().filter(|text| self.filler_key(text) == *key);
        match (filler, &audio) {
            (Some(_), Some(audio)) => {
                self.filler = Some(audio.clone());
                self.filler_made = true;
            }
            (Some(text), None) if self.filler.is_none() => {
                self.ports.push(Output::Synthesize { request: FILLER_REQUEST, text: text.into() });
            }
            _ => {}
        }
        self.mouth.cached(key, audio);
    }

    /// Nothing was heard for a while: the filler is said.
    pub(super) fn bridge(&mut self, now: Instant) {
        if self.filler_at.take_if(|at| now >= *at).is_none() || self.phase != super::Phase::Live {
            return;
        }
        let speaking = self.reply.as_ref().is_some_and(|reply| reply.is_audible());
        let (Some(audio), Some(text), false) = (self.filler.clone(), self.config.filler.clone(), speaking) else { return };
        let prompt = self.next_prompt;
        self.next_prompt = PromptId(prompt.0 + 1);
        // What waits is said after it, and prompts are numbered as they are heard.
        if let Some(reply) = &mut self.reply
            && let Some(waiting) = reply.prompt.filter(|_| !reply.is_audible())
        {
            let next = self.next_prompt;
            self.next_prompt = PromptId(next.0 + 1);
            reply.prompt = Some(next);
            self.mouth.renumber(waiting, next);
        }
        let speech = SpeechId(u64::MAX - prompt.0);
        self.said.add_piece(prompt, speech, &text, &text, &[]);
        self.said.add_audio(speech, std::time::Duration::from_millis((audio.len() / crate::uplink::OCTETS_PER_MS) as u64));
        self.said.end_piece(speech);
        if let Some(said) = self.said.get(prompt) {
            said.ended = true;
        }
        self.ports.push(Output::Audio { prompt, audio });
        self.ports.push(Output::PromptEnd { prompt });
    }
}
