//! The second stage: the conversation to the words of an answer, by one responder of a chain.

use std::time::{Duration, Instant};

use super::chain::{Chain, Verdict};
use super::config::Timeouts;
use super::ports::Ports;
use crate::engine::{EngineError, MODEL, Output, Stage, Usage};
use crate::link::{LinkId, LinkInput};
use crate::responder::{Conversation, Entry, Responded, Responder, ResponseReader, Stop, ToolCall, ToolChoice};

/// What a character takes to be spoken: 190 words a minute. Words that come more slowly than that run out while they are said.
const CHARACTER: Duration = Duration::from_millis(60);

/// What came of an answer.
#[derive(Debug)]
pub(super) enum Thought {
    /// It is complete.
    Done(Stop),
    /// The provider failed: ask again when [`Mind::is_due`], unless the stage is dead.
    Failed,
    Call(ToolCall),
    Text(String),
    Used(Usage),
}

enum State {
    Idle,
    /// To be asked again then.
    Due(Instant),
    Asked(Request),
}

struct Request {
    link: LinkId,
    reader: Box<dyn ResponseReader>,
    asked: Instant,
    /// When it must have said more.
    deadline: Instant,
    /// When its words so far are spoken, from the first on; `None` before it.
    spoken: Option<Instant>,
    done: bool,
    /// Bytes of the conversation, and of the answer so far: what is counted where the provider does not say.
    asked_bytes: usize,
    said_bytes: usize,
    /// The provider has said what it counts.
    counted: bool,
}

/// Bytes of a token, of a provider that does not count or was not heard to the end: what English has.
const TOKEN_BYTES: usize = 4;

/// The answering stage.
pub(super) struct Mind {
    chain: Chain<dyn Responder>,
    timeouts: Timeouts,
    state: State,
    /// An answer is wanted since then, and nobody may be asked.
    wanted: Option<Instant>,
    dead: bool,
}

impl Mind {
    pub(super) fn new(chain: Chain<dyn Responder>, timeouts: Timeouts) -> Self {
        Self { chain, timeouts, state: State::Idle, wanted: None, dead: false }
    }

    /// Gets ready, while it rings.
    pub(super) fn prepare(&mut self, now: Instant, conversation: &Conversation<'_>, ports: &mut Ports) {
        if self.chain.choose(now)
            && let Ok(target) = self.chain.part().request(conversation)
        {
            ports.push(Output::Warm { url: target.url });
        }
    }

    /// Whether somebody may be asked; nothing is begun early where nobody may.
    pub(super) fn is_there(&mut self, now: Instant) -> bool {
        !self.chain.is_absent() || self.chain.choose(now)
    }

    pub(super) fn is_dead(&self) -> bool {
        self.dead
    }

    pub(super) fn error(&self, now: Instant, ports: &mut Ports) -> EngineError {
        self.chain.exhausted(now, ports)
    }

    /// Whether a request that failed is to be made again now.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        matches!(self.state, State::Due(at) if now >= at)
    }

    pub(super) fn ask(&mut self, now: Instant, conversation: &Conversation<'_>, ports: &mut Ports) {
        let wanted = self.wanted.unwrap_or(now);
        self.cancel(ports);
        if !self.is_there(now) {
            self.wanted = Some(wanted);
            self.dead = self.chain.is_hopeless(wanted);
            self.state = State::Due(self.chain.look_at().unwrap_or(now));
            return;
        }
        self.chain.avoid(now, ports);
        match self.chain.part().request(conversation) {
            Ok(target) => {
                let (link, reader) = (ports.open(target), self.chain.part().reader());
                let deadline = now + self.timeouts.first_token;
                let asked_bytes = conversation.instructions.len() + conversation.entries.iter().map(bytes).sum::<usize>();
                self.state = State::Asked(Request {
                    link,
                    reader,
                    asked: now,
                    deadline,
                    spoken: None,
                    done: false,
                    asked_bytes,
                    said_bytes: 0,
                    counted: false,
                });
            }
            Err(error) => self.fail(now, error, ports),
        }
    }

    pub(super) fn cancel(&mut self, ports: &mut Ports) {
        self.wanted = None;
        self.count(ports);
        if let State::Asked(request) = std::mem::replace(&mut self.state, State::Idle) {
            ports.push(Output::Close(request.link));
        }
    }

    /// The caller does not wait for the answer any more. One that was silent for half of its time by then is late: a caller who asks again
    /// and again would never come to hear another provider.
    pub(super) fn abandon(&mut self, now: Instant, ports: &mut Ports) {
        let late = match &self.state {
            State::Asked(request) if !request.done => Some(self.limit(request)),
            _ => None,
        };
        if let (Some((stage, limit)), State::Asked(request)) = (late, &self.state)
            && now + limit / 2 >= request.deadline
        {
            self.fail(now, EngineError::Late { stage, limit: limit / 2 }, ports);
        }
        self.cancel(ports);
    }

    /// What a request is waited for, and how long.
    fn limit(&self, request: &Request) -> (Stage, Duration) {
        match request.spoken {
            Some(_) => (Stage::NextToken, self.timeouts.next_token),
            None => (Stage::FirstToken, self.timeouts.first_token),
        }
    }

    /// What a link of this stage said; `None` when it is none.
    pub(super) fn handle(&mut self, now: Instant, link: LinkId, input: &LinkInput, ports: &mut Ports) -> Option<Vec<Thought>> {
        let State::Asked(request) = &mut self.state else { return None };
        if request.link != link {
            return None;
        }
        let mut thoughts = Vec::new();
        match input {
            LinkInput::Opened => {}
            LinkInput::Closed { .. } | LinkInput::Ended if request.done => self.forget(ports),
            LinkInput::Closed { error } => {
                self.forget(ports);
                self.fail(now, error.clone(), ports);
                thoughts.push(Thought::Failed);
            }
            LinkInput::Ended => {
                self.forget(ports);
                self.fail(now, EngineError::Protocol { reason: "answer ended before it was complete".to_owned() }, ports);
                thoughts.push(Thought::Failed);
            }
            LinkInput::Binary(octets) => self.read(now, &String::from_utf8_lossy(octets), &mut thoughts, ports),
            LinkInput::Text(text) => self.read(now, text.as_str(), &mut thoughts, ports),
        }
        Some(thoughts)
    }

    /// The link is gone.
    fn forget(&mut self, ports: &mut Ports) {
        self.count(ports);
        self.state = State::Idle;
    }

    /// Counts an answer that had begun, and whose provider has not counted it.
    fn count(&mut self, ports: &mut Ports) {
        let State::Asked(request) = &mut self.state else { return };
        if request.said_bytes > 0 && !std::mem::replace(&mut request.counted, true) {
            let tokens = |bytes: usize| bytes.div_ceil(TOKEN_BYTES) as u64;
            let (input_text, output_text) = (tokens(request.asked_bytes), tokens(request.said_bytes));
            ports.used(self.chain.provider(), MODEL, Usage { input_text, output_text, ..Usage::default() });
        }
    }

    fn read(&mut self, now: Instant, data: &str, thoughts: &mut Vec<Thought>, ports: &mut Ports) {
        let State::Asked(request) = &mut self.state else { return };
        let mut said = Vec::new();
        let result = request.reader.handle(data, &mut said);
        for said in said {
            if matches!(said, Responded::Text(_) | Responded::ToolCall(_)) && request.spoken.is_none() {
                ports.took(self.chain.provider(), "first_token", now.saturating_duration_since(request.asked));
            }
            thoughts.push(match said {
                Responded::Done(stop) => {
                    request.done = true;
                    Thought::Done(stop)
                }
                Responded::Text(words) => {
                    request.said_bytes += words.as_str().len();
                    let spoken = request.spoken.unwrap_or(now) + CHARACTER * words.as_str().chars().count() as u32;
                    request.spoken = Some(spoken);
                    request.deadline = spoken.min(now) + self.timeouts.next_token;
                    Thought::Text(words.into_string())
                }
                Responded::ToolCall(call) => {
                    request.said_bytes += call.name.len() + call.arguments.as_str().len();
                    request.spoken = Some(now);
                    request.deadline = now + self.timeouts.next_token;
                    Thought::Call(call)
                }
                Responded::Used(usage) => {
                    request.counted = true;
                    ports.used(self.chain.provider(), MODEL, usage);
                    Thought::Used(usage)
                }
            });
        }
        if request.done {
            self.chain.succeeded();
        } else if let Err(error) = result {
            self.cancel(ports);
            self.fail(now, error, ports);
            thoughts.push(Thought::Failed);
        }
    }

    /// What came was no answer.
    pub(super) fn fail(&mut self, now: Instant, error: EngineError, ports: &mut Ports) {
        self.cancel(ports);
        match self.chain.failed(now, error, ports) {
            Verdict::Retry(until) => self.state = State::Due(until),
            Verdict::Next => self.state = State::Due(now),
            Verdict::Exhausted => self.dead = true,
        }
    }

    /// True when the answer was late and has failed.
    pub(super) fn handle_timeout(&mut self, now: Instant, ports: &mut Ports) -> bool {
        let State::Asked(request) = &self.state else { return false };
        if now < request.deadline {
            return false;
        }
        if request.done {
            // Only the end of the stream is missing, and nobody waits for it.
            self.cancel(ports);
            return false;
        }
        let (stage, limit) = self.limit(request);
        self.fail(now, EngineError::Late { stage, limit }, ports);
        true
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Idle => None,
            State::Due(at) => Some(*at),
            State::Asked(request) => Some(request.deadline),
        }
    }
}

fn bytes(entry: &Entry) -> usize {
    match entry {
        Entry::Agent(words) | Entry::Caller(words) => words.as_str().len(),
        Entry::ToolCall(call) => call.name.len() + call.arguments.as_str().len(),
        Entry::ToolResult { output, .. } => output.as_str().len(),
    }
}

/// Rounds of tools in one turn: a model that has not answered by then never will.
pub(super) const MAX_ROUNDS: u8 = 8;

/// Whether the model may call tools in a round.
pub(super) fn choice(round: u8) -> ToolChoice {
    if round < MAX_ROUNDS { ToolChoice::Auto } else { ToolChoice::None }
}
