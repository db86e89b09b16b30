//! A cascade as a pure core: speech to words, words to an answer, the answer to speech, each by a provider of its own.
//!
//! ```text
//! CallerStarted  CallerPaused         CallerFinished
//!   audio ......  flush
//!                  <- words: ask the model, held
//!                       <- text: cut into pieces, ask for speech
//!                             <- audio, held      | Audio, PromptEnd
//!                 CallerResumed: all thrown away
//! ```
//! - What is begun early is held until `CallerFinished`, and costs at most three requests a turn.
//! - The conversation is what the caller heard: words of the agent that were cut are not in it.
//! - Each stage has a list of providers. One that fails or is late is asked once more, or left for the next, which is given what is needed
//!   to go on: the turn's audio, the conversation with the words said so far, the text that was not said.
//! - A stage that nobody may be asked for is absent: it is looked for again until it is needed, so that a greeting that lies in the cache is
//!   heard, and only then, if a caller cannot wait as long, the engine fails.
//! - When nothing is heard for a while, a filler that was made beforehand is said.
//!
//! `ears`, `mind` and `mouth` are the stages; `reply` is one turn of the agent on its way through them.

mod chain;
mod config;
mod ears;
mod history;
mod members;
mod mind;
mod mouth;
mod piece;
mod ports;
mod post;
mod remarks;
mod reply;
mod said;
mod sentences;
mod sound;
mod speaking;
mod tongue;
mod turns;

use std::time::{Duration, Instant};

use bytes::Bytes;
use media::sendout::PromptId;

pub use config::{CascadeConfig, MakeSynthesizer, MakeTranscriber, Member, Timeouts};
pub use sentences::Sentences;

use crate::engine::{Engine, EngineError, Input, Output, Past, Role, TurnOutcome, Words};
use crate::keypad::Keypad;
use crate::link::{LinkId, LinkInput};
use crate::realtime::MAX_TOOL_OUTPUT;
use crate::responder::{Entry, ToolCall};
use chain::Chain;
use ears::Ears;
use history::History;
use mind::Mind;
use mouth::Mouth;
use ports::Ports;
use reply::{CallerPhase, CallerTurn, Reply};
use said::{Prompt, Said};

/// One call's conversation through a cascade. See [`Engine`] for the contract.
pub struct CascadeSession {
    config: CascadeConfig,
    /// Of the instructions, what the operator wrote; the caller's language follows it.
    own_instructions: usize,
    ears: Ears,
    mind: Mind,
    mouth: Mouth,
    history: History,
    said: Said,
    keypad: Keypad,
    ports: Ports,
    phase: Phase,
    /// The caller's turn that is not answered yet.
    turn: Option<CallerTurn>,
    /// The agent's turn that is being made.
    reply: Option<Reply>,
    /// An answer to the history is wanted: keys were pressed.
    wanted: bool,
    /// Prompts whose words are complete and whose audio is not.
    closing: Vec<PromptId>,
    /// Speech that bridges a wait.
    filler: Option<Bytes>,
    /// It is, or was to be, in the voice of the others.
    filler_made: bool,
    /// When it is due.
    filler_at: Option<Instant>,
    next_prompt: PromptId,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    Live,
    New,
    Over,
    Ringing,
}

/// Number of the request for the filler, the only speech that is asked of the local synthesizer.
const FILLER_REQUEST: u64 = 0;

impl CascadeSession {
    /// A session that waits for [`Input::Ringing`] or [`Input::Started`]. Each stage has at least one provider. The seed jitters the
    /// waits before something is tried again.
    pub fn new(config: CascadeConfig, seed: u64) -> Self {
        let Timeouts { transcript, first_token, first_audio, .. } = config.timeouts;
        let transcribers = Chain::new(config.transcribers.clone(), "transcriber", transcript, seed);
        let responders = Chain::new(config.responders.clone(), "model", first_token, seed.wrapping_add(1));
        let synthesizers = Chain::new(config.synthesizers.clone(), "voice", first_audio, seed.wrapping_add(2));
        Self {
            ears: Ears::new(transcribers, &config),
            mind: Mind::new(responders, config.timeouts),
            mouth: Mouth::new(synthesizers, &config),
            history: History::default(),
            said: Said::default(),
            keypad: Keypad::default(),
            ports: Ports::default(),
            phase: Phase::New,
            turn: None,
            reply: None,
            wanted: false,
            closing: Vec::new(),
            filler: None,
            filler_made: false,
            filler_at: None,
            next_prompt: config.first_prompt,
            own_instructions: config.instructions.len(),
            config,
        }
    }

    /// A session that takes a conversation over: nobody is greeted again, and the model is told what was said.
    pub fn resume(config: CascadeConfig, seed: u64, past: impl IntoIterator<Item = impl Into<Past>>) -> Self {
        let mut session = Self::new(CascadeConfig { first_message: None, ..config }, seed);
        for past in past {
            match past.into() {
                Past::Said(_, words) if words.as_str().is_empty() => {}
                Past::Said(Role::Agent, words) => session.history.push(Entry::Agent(words)),
                Past::Said(Role::Caller, words) => session.history.push(Entry::Caller(words)),
                Past::ToolAnswered { call_id, output } => drop(session.history.answer(&call_id, output)),
                Past::ToolCalled { call_id, name, arguments } => {
                    session.history.push(Entry::ToolCall(ToolCall { call_id, name, arguments }));
                }
            }
        }
        session
    }

    /// Makes ready what takes time, so that the caller does not wait for it.
    fn ring(&mut self, now: Instant) {
        self.phase = Phase::Ringing;
        self.ears.prepare(now, &mut self.ports);
        self.prepare_mind(now);
        self.mouth.prepare(now, &mut self.ports);
        if let Some(text) = self.config.filler.clone() {
            let key = self.filler_key(&text);
            self.ports.push(Output::CacheGet(key));
        }
        if let Some(text) = self.config.first_message.clone() {
            // Made while it rings.
            self.recite(now, reply::Cause::Greeting, &text);
        }
    }

    fn start(&mut self, now: Instant) {
        if self.phase == Phase::New {
            self.ring(now);
        }
        self.phase = Phase::Live;
        if let Some(reply) = &mut self.reply {
            reply.held = false;
            self.filler_at = Some(now + self.config.timeouts.filler);
        }
    }

    fn handle_live(&mut self, now: Instant, input: Input) {
        match input {
            Input::Audio(frame) => self.ears.audio(now, &frame.encoded, &mut self.ports),
            Input::BargeInCommitted { prompt, heard } => self.barge_in(now, prompt, heard),
            Input::CallerStarted { at } => self.caller_started(now, at),
            Input::CallerPaused { last_speech_at } => self.caller_paused(now, last_speech_at),
            Input::CallerResumed => self.caller_resumed(now),
            Input::CallerFinished { last_speech_at, speech } => self.caller_finished(now, last_speech_at, speech),
            Input::Dtmf(key) => {
                if let Some(keys) = self.keypad.press(now, key) {
                    self.pressed(&keys);
                }
            }
            Input::PromptFinished { prompt } => {
                if let Some(prompt) = self.said.finish(prompt) {
                    let text = prompt.text();
                    self.agent_said(&prompt, text);
                }
            }
            Input::ToolResult { call_id, output } => self.tool_came(now, &call_id, output),
            Input::Remark(remark) => self.remark(now, remark),
            Input::Say(text) => self.say_meanwhile(now, text.as_str()),
            Input::Typed(words) => self.typed(now, words),
            Input::Started | Input::Ringing => {}
            other => self.handle_any(now, other),
        }
    }

    /// What may come while it rings too.
    fn handle_any(&mut self, now: Instant, input: Input) {
        match input {
            Input::Cached { key, audio } => self.cached(&key, audio),
            Input::Synthesized { request: FILLER_REQUEST, result } => match result {
                Ok(audio) if self.filler.is_none() => self.filler = Some(audio),
                Ok(_) => {}
                Err(error) => self.ports.push(Output::Warning { error }),
            },
            Input::Link { link, input } => self.handle_link(now, link, &input),
            Input::Ended { heard } => self.end(now, heard),
            _ => {}
        }
    }

    fn handle_link(&mut self, now: Instant, link: LinkId, input: &LinkInput) {
        if self.ears.handle(now, link, input, &mut self.ports) {
            return self.follow_the_caller(now);
        } else if self.mouth.handle(now, link, input, &mut self.said, &mut self.ports) {
            return;
        }
        for thought in self.mind.handle(now, link, input, &mut self.ports).unwrap_or_default() {
            self.thought(now, thought);
        }
    }

    fn pressed(&mut self, keys: &str) {
        self.history.push(Entry::Caller(format!("(caller pressed {keys})").into()));
        self.wanted = true;
    }

    fn tool_came(&mut self, now: Instant, call_id: &str, output: Words) {
        let mut output = output.into_string();
        output.truncate(output.floor_char_boundary(MAX_TOOL_OUTPUT));
        if !self.history.answer(call_id, output.into()) {
            return;
        }
        // Called by a session before, which is not there to go on with it.
        self.wanted |= self.reply.is_none() && self.turn.is_none();
        let Some(reply) = self.reply.as_mut().filter(|reply| reply.phase == reply::Phase::Tools) else { return };
        reply.running.retain(|running| running != call_id);
        if reply.running.is_empty() {
            reply.next_round();
            self.ask(now);
        }
    }

    fn barge_in(&mut self, now: Instant, prompt: PromptId, heard: Duration) {
        self.drop_reply(now, TurnOutcome::Interrupted);
        self.filler_at = None;
        self.wanted = false;
        self.cut(prompt, heard);
    }

    /// Forgets what was not heard of the agent.
    fn cut(&mut self, prompt: PromptId, heard: Duration) {
        let (cut, unheard) = self.said.interrupt(prompt);
        for prompt in unheard {
            self.history.heard(prompt.id, "", false);
        }
        if let Some(prompt) = cut {
            let text = prompt.heard(heard);
            self.agent_said(&prompt, text);
        }
    }

    /// How much of a prompt was heard is known now.
    fn agent_said(&mut self, prompt: &Prompt, text: String) {
        self.history.heard(prompt.id, &text, false);
        if !text.is_empty() {
            let (role, prompt) = (Role::Agent, Some(prompt.id));
            self.ports.push(Output::Transcript { role, prompt, text: text.into(), is_final: true });
        }
    }

    /// Does what has become due. Comes after every input.
    fn advance(&mut self, now: Instant) {
        if !matches!(self.phase, Phase::Live | Phase::Ringing) {
            return;
        }
        if self.phase == Phase::Live {
            self.decide(now);
        }
        if self.mind.is_due(now) {
            self.ask(now);
        }
        self.speak(now);
        let Self { ears, mind, mouth, ports, .. } = self;
        let error = if ears.is_dead() {
            ears.error(now, ports)
        } else if mind.is_dead() {
            mind.error(now, ports)
        } else if mouth.is_dead() {
            mouth.error(now, ports)
        } else {
            return;
        };
        self.fail(now, error);
    }

    fn end(&mut self, now: Instant, heard: Option<(PromptId, Duration)>) {
        // First, so that what is told of its words finds its times.
        self.drop_reply(now, TurnOutcome::Interrupted);
        if let Some((prompt, heard)) = heard {
            self.cut(prompt, heard);
        }
        let text = self.ears.text();
        if self.turn.is_some() && !text.is_empty() {
            self.ports.push(Output::Transcript { role: Role::Caller, prompt: None, text: text.into(), is_final: true });
        }
        self.close(now);
    }

    fn close(&mut self, now: Instant) {
        self.phase = Phase::Over;
        self.mind.cancel(&mut self.ports);
        self.mouth.end(now, &mut self.ports);
        self.ears.end(now, &mut self.ports);
    }

    fn fail(&mut self, now: Instant, error: EngineError) {
        self.close(now);
        self.ports.push(Output::Failed { error });
    }

    fn assert_drained(&self) {
        debug_assert!(self.ports.is_empty(), "poll_output must be drained after every input");
    }
}

impl Engine for CascadeSession {
    fn handle_input(&mut self, now: Instant, input: Input) {
        self.assert_drained();
        match (self.phase, input) {
            (Phase::Live, input) => self.handle_live(now, input),
            (Phase::New, Input::Ringing) => self.ring(now),
            (Phase::New | Phase::Ringing, Input::Started) => self.start(now),
            (Phase::Ringing, input) => self.handle_any(now, input),
            (Phase::New | Phase::Over, _) => {}
        }
        self.advance(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.assert_drained();
        if !matches!(self.phase, Phase::Live | Phase::Ringing) {
            return;
        }
        self.ears.handle_timeout(now, &mut self.ports);
        self.mouth.handle_timeout(now, &mut self.said, &mut self.ports);
        if self.mind.handle_timeout(now, &mut self.ports) {
            self.thought(now, mind::Thought::Failed);
        }
        if let Some(keys) = self.keypad.handle_timeout(now) {
            self.pressed(&keys);
        }
        self.words_are_due(now);
        self.advance(now);
        self.bridge(now);
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.ports.pop()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let words = match self.turn {
            Some(CallerTurn { phase: CallerPhase::Finished { deadline, .. }, .. }) if !self.ears.is_settled() => Some(deadline),
            _ => None,
        };
        let stages = [self.ears.poll_timeout(), self.mind.poll_timeout(), self.mouth.poll_timeout()];
        let own = [self.keypad.poll_timeout(), words, self.filler_at];
        let next = stages.into_iter().chain(own).flatten().min();
        next.filter(|_| matches!(self.phase, Phase::Live | Phase::Ringing))
    }

    fn next_prompt(&self) -> PromptId {
        self.next_prompt
    }

    fn is_busy(&self) -> bool {
        matches!(self.phase, Phase::Live | Phase::Ringing) && self.is_making()
    }
}

#[cfg(test)]
mod tests;
