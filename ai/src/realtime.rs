//! OpenAI Realtime (GA) as a pure core: speech to speech over one WebSocket.
//!
//! ```text
//! CallerStarted            CallerFinished
//!   append(pre-roll), append*, append, commit, response.create
//!                                <- response.created, output_audio.delta* -> Audio*, PromptEnd
//!                                                              PromptFinished -> Transcript(final)
//! BargeInCommitted(heard): response.cancel, conversation.item.truncate(heard)
//! ```
//!
//! - Nothing is sent of the caller until a turn is certain, so that a noise or a backchannel costs nothing and leaves
//!   nothing to be cleared. Audio from before is kept and goes first.
//! - The agent's final transcript is what was heard of it, and the history that a new connection is told is made of
//!   that too: the server forgets the words of what it truncates.
//! - Keys become one user message, `(caller pressed 12#)`, after `#` or a pause of 1.5 s. They do not interrupt what
//!   the agent is saying, but are answered.
//! - A lost connection is made again, at most three times a minute: the conversation is told anew, the caller's open
//!   or unanswered turn is sent again, and an answer nobody heard anything of is asked for again.

mod config;
mod events;
mod faults;
mod frames;
pub(crate) mod history;
mod link;
mod prompts;
mod remarks;
mod responses;
mod wire;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use media::sendout::PromptId;

pub use config::{RealtimeConfig, Transcription, TurnDetection};

use crate::engine::{Engine, EngineError, Input, Output, Past, Role, Stage, TurnTimings, Usage, Words};
use crate::keypad::Keypad;
use crate::link::{Frame, LinkId, LinkInput};
use crate::uplink::Uplink;
use history::{Entry, History};

use link::{Link, LinkEvent, Lost};
use prompts::{Prompt, Prompts};
use responses::{Overdue, Purpose, Responses};

/// Bytes of a tool's output that the model gets. The rest is cut off.
pub const MAX_TOOL_OUTPUT: usize = crate::tools::MAX_OUTPUT;

/// One call's session with OpenAI Realtime. See [`Engine`] for the contract.
pub struct RealtimeSession {
    config: RealtimeConfig,
    history: History,
    keypad: Keypad,
    link: Link,
    outputs: VecDeque<Output>,
    phase: Phase,
    prompts: Prompts,
    /// How long the provider wants no more requests, as it last said.
    rate_limit: Duration,
    /// The words of the remark that is due or being made; `None`: the model's own.
    remark: Option<Words>,
    responses: Responses,
    socket: LinkId,
    stats: RealtimeStats,
    uplink: Uplink,
    usage: Usage,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    Live,
    New,
    Over,
    Ringing,
}

/// What was seen and not acted on, since it was last asked for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct RealtimeStats {
    /// Deltas of responses that were cancelled.
    pub late_deltas: u64,
    /// Frames that are not JSON, or lack what they must have.
    pub malformed_events: u64,
    /// Events this version does not know.
    pub unknown_events: u64,
}

impl RealtimeSession {
    /// A session that waits for [`Input::Started`]. The seed jitters the waits before connections are made again.
    pub fn new(config: RealtimeConfig, seed: u64) -> Self {
        Self {
            history: History::default(),
            keypad: Keypad::default(),
            link: Link::new(config.endpoint.connect_timeout, seed),
            outputs: VecDeque::new(),
            phase: Phase::New,
            prompts: Prompts::new(config.first_prompt),
            rate_limit: Duration::ZERO,
            remark: None,
            responses: Responses::new(config.first_audio_timeout),
            socket: LinkId(0),
            stats: RealtimeStats::default(),
            uplink: Uplink::default(),
            usage: Usage::default(),
            config,
        }
    }

    /// A session that takes a conversation over: nobody is greeted again, and the provider is told what was said.
    /// Results that are still to come are taken, and one that nobody has spoken of yet is spoken of.
    pub fn resume(config: RealtimeConfig, seed: u64, past: impl IntoIterator<Item = impl Into<Past>>) -> Self {
        let mut session = Self::new(RealtimeConfig { first_message: None, ..config }, seed);
        for past in past {
            let entry = match past.into() {
                Past::Said(role, words) => Entry::said(role, words.into_string()),
                Past::ToolAnswered { call_id, output } => {
                    session.responses.answer(&call_id);
                    Entry::CallOutput { call_id, output: output.into_string() }
                }
                Past::ToolCalled { call_id, name, arguments } => {
                    session.responses.call(&call_id);
                    Entry::Call { call_id, name, arguments: arguments.into_string() }
                }
            };
            if matches!(entry, Entry::Agent { .. }) {
                session.responses.forget_answered();
            }
            session.history.push(entry);
        }
        session
    }

    /// All that the provider counted so far.
    pub fn usage(&self) -> Usage {
        self.usage
    }

    /// What was counted since this was last called.
    pub fn take_stats(&mut self) -> RealtimeStats {
        std::mem::take(&mut self.stats)
    }

    /// Connects while it rings: the caller does not wait for that.
    fn ring(&mut self, now: Instant) {
        self.phase = Phase::Ringing;
        self.link.connect(now);
        self.open();
    }

    fn start(&mut self, now: Instant) {
        if self.phase == Phase::New {
            self.ring(now);
        }
        if self.phase == Phase::Over {
            return;
        }
        self.phase = Phase::Live;
        if self.config.first_message.is_some() {
            self.want(now, Purpose::Greeting, TurnTimings::default());
        }
    }

    /// Opens a new socket in place of the one before.
    fn open(&mut self) {
        match self.config.endpoint.target() {
            Ok(target) => {
                self.socket = LinkId(self.socket.0 + 1);
                self.outputs.push_back(Output::Open { link: self.socket, target: Box::new(target) });
            }
            Err(error) => self.fail(error),
        }
    }

    fn handle_live(&mut self, now: Instant, input: Input) {
        match input {
            Input::Audio(frame) => self.uplink.push(now, &frame.encoded),
            Input::BargeInCommitted { prompt, heard } => self.barge_in(now, prompt, heard),
            Input::CallerFinished { last_speech_at, .. } => self.caller_finished(now, last_speech_at),
            Input::CallerStarted { at } => {
                self.uplink.open(at);
                if self.responses.is_silent_answer() {
                    self.cancel(now);
                }
                let dropped = self.responses.forget_remark(now);
                self.outputs.extend(dropped);
            }
            Input::Dtmf(key) => {
                if let Some(keys) = self.keypad.press(now, key) {
                    self.pressed(now, &keys);
                }
            }
            Input::Ended { heard } => {
                if let Some((prompt, heard)) = heard {
                    self.cut(prompt, heard);
                }
                self.phase = Phase::Over;
            }
            Input::PromptFinished { prompt } => {
                if let Some(prompt) = self.prompts.finish(prompt) {
                    let text = prompt.text.clone();
                    self.agent_said(&prompt, text);
                }
            }
            Input::Link { link, input } if link == self.socket => self.handle_socket(now, input),
            // A late word of a socket before.
            Input::Link { .. } => {}
            Input::Remark(remark) => self.remark(now, remark),
            Input::Say(text) => {
                let free = self.link.is_up() && !self.uplink.is_open();
                if let Some(number) = if free { self.responses.say(now) } else { None } {
                    self.send(frames::say(number, text.as_str()));
                }
            }
            Input::ToolResult { call_id, output } => {
                if self.responses.answer(&call_id) {
                    let mut output = output.into_string();
                    output.truncate(output.floor_char_boundary(MAX_TOOL_OUTPUT));
                    self.add_item(Entry::CallOutput { call_id, output });
                }
            }
            Input::Typed(words) => self.typed(now, words.into_string()),
            // Nothing is begun early; the provider speaks for itself, and starts once.
            Input::CallerPaused { .. } | Input::CallerResumed => {}
            Input::Cached { .. } | Input::Marked { .. } | Input::Ringing | Input::Started | Input::Synthesized { .. } => {}
        }
    }

    fn handle_socket(&mut self, now: Instant, input: LinkInput) {
        match input {
            LinkInput::Closed { error } => self.lost(now, error),
            LinkInput::Ended => self.lost(now, EngineError::Closed { code: None, reason: "end of stream".to_owned() }),
            LinkInput::Opened => self.connected(),
            LinkInput::Text(text) if self.link.is_up() => self.handle_text(now, text.as_str()),
            // Not of this protocol; if it is text all the same, it is welcome.
            LinkInput::Binary(octets) if self.link.is_up() => self.handle_text(now, &String::from_utf8_lossy(&octets)),
            LinkInput::Text(_) | LinkInput::Binary(_) => {}
        }
    }

    /// Sends what has become due. Comes after every input.
    fn advance(&mut self, now: Instant) {
        if self.phase != Phase::Live || !self.link.is_up() {
            return;
        }
        while let Some(audio) = self.uplink.take_append() {
            let frame = frames::append(audio);
            self.send(frame);
        }
        if self.uplink.take_commit() {
            self.responses.committed(now);
            self.send(frames::commit());
        }
        self.responses.settle_calls();
        let Some(purpose) = self.responses.due() else { return };
        // An answer would talk over the caller; the greeting is to be heard in any case.
        if self.uplink.is_open() && purpose == Purpose::Answer {
            return;
        }
        let (number, superseded) = self.responses.request(now);
        self.outputs.extend(superseded);
        let frame = match (purpose, &self.config.first_message) {
            (Purpose::Greeting, Some(text)) => frames::say(number, text),
            (Purpose::Remark, _) => self.remark_frame(number),
            _ => frames::answer(number),
        };
        self.send(frame);
    }

    fn connected(&mut self) {
        if !self.link.opened() {
            return;
        }
        self.send(frames::session_update(&self.config));
        let said = self.prompts.iter_mut().filter(|prompt| !prompt.text.is_empty());
        let waiting: Vec<Entry> = said.map(|prompt| Entry::Agent { text: prompt.text.clone() }).collect();
        let items: Vec<String> = self.history.replay().chain(&waiting).filter_map(frames::item).collect();
        for item in items {
            self.send(item);
        }
    }

    fn lost(&mut self, now: Instant, error: EngineError) {
        if !self.link.has_socket() {
            return;
        }
        if !error.is_temporary() || self.link.lost(now) == Lost::GivenUp {
            self.fail(error);
            return;
        }
        self.end_prompts();
        for prompt in self.prompts.iter_mut() {
            prompt.item.clear();
        }
        self.uplink.reset();
        self.outputs.extend(self.responses.lost(now));
        self.outputs.push_back(Output::Warning { error });
    }

    fn caller_finished(&mut self, now: Instant, last_speech_at: Instant) {
        if !self.uplink.is_open() {
            return;
        }
        self.uplink.close();
        let turn = TurnTimings { last_speech_at: Some(last_speech_at), ..TurnTimings::default() };
        self.want(now, Purpose::Answer, turn);
    }

    fn barge_in(&mut self, now: Instant, prompt: PromptId, heard: Duration) {
        self.cancel(now);
        let dropped = self.responses.forget_wanted(now);
        self.outputs.extend(dropped);
        let Some(prompt) = self.cut(prompt, heard) else { return };
        let audio_end = heard.min(prompt.length()).as_millis();
        if audio_end > 0 && !prompt.item.is_empty() && self.link.is_up() {
            self.send(frames::truncate(&prompt.item, audio_end));
        }
    }

    /// Ends the turn of the agent, and its response if one is active.
    fn cancel(&mut self, now: Instant) {
        let (response, done) = self.responses.interrupt(now);
        if let Some(response) = response {
            self.send(frames::cancel(&response));
        }
        self.outputs.extend(done);
    }

    /// Forgets what was not heard of the agent.
    fn cut(&mut self, prompt: PromptId, heard: Duration) -> Option<Prompt> {
        let prompt = self.prompts.interrupt(prompt)?;
        let text = prompt.heard(heard).to_owned();
        self.agent_said(&prompt, text);
        Some(prompt)
    }

    fn agent_said(&mut self, prompt: &Prompt, text: String) {
        if text.is_empty() {
            return;
        }
        self.history.push(Entry::Agent { text: text.clone() });
        let prompt = Some(prompt.id);
        self.outputs.push_back(Output::Transcript { role: Role::Agent, prompt, text: text.into(), is_final: true });
    }

    fn typed(&mut self, now: Instant, text: String) {
        if self.responses.is_silent_answer() {
            self.cancel(now);
        }
        let dropped = self.responses.forget_remark(now);
        self.outputs.extend(dropped);
        self.add_item(Entry::said(Role::Caller, text));
        if !self.responses.is_wanted() {
            self.want(now, Purpose::Answer, TurnTimings { last_speech_at: Some(now), ..TurnTimings::default() });
        }
    }

    fn pressed(&mut self, now: Instant, keys: &str) {
        self.add_item(Entry::Note { text: format!("(caller pressed {keys})") });
        if !self.responses.is_wanted() {
            self.want(now, Purpose::Answer, TurnTimings::default());
        }
    }

    /// A response is due as soon as none is active.
    fn want(&mut self, now: Instant, purpose: Purpose, turn: TurnTimings) {
        let dropped = self.responses.want(now, purpose, turn);
        self.outputs.extend(dropped);
    }

    /// Adds to the conversation here, and on the server if there is one; else it will be told when there is.
    fn add_item(&mut self, entry: Entry) {
        if let Some(frame) = frames::item(&entry).filter(|_| self.link.is_up()) {
            self.send(frame);
        }
        self.history.push(entry);
    }

    /// No prompt that has begun will get more audio.
    fn end_prompts(&mut self) {
        self.prompts.forget_silent();
        for prompt in self.prompts.iter_mut().filter(|prompt| !prompt.ended) {
            prompt.ended = true;
            self.outputs.push_back(Output::PromptEnd { prompt: prompt.id });
        }
    }

    fn send(&mut self, frame: String) {
        self.outputs.push_back(Output::Send { link: self.socket, frame: Frame::Text(Words::from(frame)) });
    }

    fn fail(&mut self, error: EngineError) {
        self.phase = Phase::Over;
        self.outputs.push_back(Output::Failed { error });
    }

    fn assert_drained(&self) {
        debug_assert!(self.outputs.is_empty(), "poll_output must be drained after every input");
    }
}

impl Engine for RealtimeSession {
    fn handle_input(&mut self, now: Instant, input: Input) {
        self.assert_drained();
        match (self.phase, input) {
            (Phase::Live, input) => self.handle_live(now, input),
            (Phase::New | Phase::Ringing, Input::Started) => self.start(now),
            (Phase::New, Input::Ringing) => self.ring(now),
            (Phase::Ringing, Input::Link { link, input }) if link == self.socket => self.handle_socket(now, input),
            (Phase::Ringing, Input::Ended { .. }) => {
                self.phase = Phase::Over;
                self.outputs.push_back(Output::Close(self.socket));
            }
            (Phase::New | Phase::Over | Phase::Ringing, _) => {}
        }
        self.advance(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.assert_drained();
        if !matches!(self.phase, Phase::Live | Phase::Ringing) {
            return;
        }
        match self.link.handle_timeout(now) {
            Some(LinkEvent::Connect) => self.open(),
            Some(LinkEvent::TooLate) => {
                return self.fail(EngineError::Late { stage: Stage::Connect, limit: self.config.endpoint.connect_timeout });
            }
            None => {}
        }
        let late = match self.responses.handle_timeout(now) {
            Some(Overdue::FirstAudio) => Some(Stage::FirstAudio),
            Some(Overdue::NextAudio) => Some(Stage::NextAudio),
            Some(Overdue::Cancel) | None => None,
        };
        if let Some(stage) = late {
            return self.fail(EngineError::Late { stage, limit: self.config.first_audio_timeout });
        }
        if let Some(keys) = self.keypad.handle_timeout(now) {
            self.pressed(now, &keys);
        }
        self.advance(now);
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let timeouts = [self.link.poll_timeout(), self.responses.poll_timeout(), self.keypad.poll_timeout()];
        timeouts.into_iter().flatten().min().filter(|_| matches!(self.phase, Phase::Live | Phase::Ringing))
    }

    fn next_prompt(&self) -> PromptId {
        self.prompts.next()
    }

    fn is_busy(&self) -> bool {
        matches!(self.phase, Phase::Live | Phase::Ringing) && self.responses.is_busy()
    }
}

#[cfg(test)]
mod tests;
