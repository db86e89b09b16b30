//! The model's responses, one at a time, and the tool calls between them.
//!
//! ```text
//!          request            created               done
//!   Idle ----------> Requested -------> Active --------------> Idle
//!                        |  cancel         |  cancel            ^
//!                        +-----------------+-----> Cancelling --+  done, "not active", or 2 s
//! ```

use std::time::{Duration, Instant};

use crate::engine::{Output, TurnOutcome, TurnTimings, Usage};

/// Calls of one response that are carried out; a model asks for one to three. More are answered with an error.
pub(super) const MAX_CALLS: usize = 16;

/// Times a response that failed before it made a sound is asked for again.
const MAX_RETRIES: u32 = 2;

/// Wait before the first of them; it doubles. A rate limit may ask for more, up to [`LONGEST_RETRY`].
const RETRY: Duration = Duration::from_millis(250);

/// The longest a caller is kept waiting for a rate limit.
const LONGEST_RETRY: Duration = Duration::from_secs(3);

/// How long a cancelled response may take to say so.
const CANCEL_WAIT: Duration = Duration::from_secs(2);

/// What a response is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Purpose {
    /// To go on with the conversation.
    Answer,
    /// To fill the time that a tool takes.
    Filler,
    /// To say the first message.
    Greeting,
    /// To say something that answers nothing.
    Remark,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    Active,
    Cancelling,
    Idle,
    Requested,
}

/// A response that is due as soon as none is active.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    purpose: Purpose,
    turn: TurnTimings,
}

struct PendingCall {
    call_id: String,
    answered: bool,
    /// Number of the response that made it.
    round: u64,
}

/// What a deadline means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Overdue {
    /// The cancelled response did not say that it ended; it is taken as ended.
    Cancel,
    /// The response made no sound in time.
    FirstAudio,
    /// The response broke off: neither more audio nor its end came in time.
    NextAudio,
}

pub(super) struct Responses {
    audio_timeout: Duration,
    phase: Phase,
    /// What the current response is for.
    purpose: Purpose,
    /// The current response; empty until it is known.
    response: String,
    /// Of the last `response.create`.
    number: u64,
    sound: bool,
    retries: u32,
    deadline: Option<Instant>,
    not_before: Option<Instant>,
    wanted: Option<Wanted>,
    /// The turn that is not done.
    turn: Option<TurnTimings>,
    /// What the responses of that turn have used.
    used: Usage,
    calls: Vec<PendingCall>,
}

impl Responses {
    pub(super) fn new(audio_timeout: Duration) -> Self {
        Self {
            audio_timeout,
            phase: Phase::Idle,
            purpose: Purpose::Answer,
            response: String::new(),
            number: 0,
            sound: false,
            retries: 0,
            deadline: None,
            not_before: None,
            wanted: None,
            turn: None,
            used: Usage::default(),
            calls: Vec::new(),
        }
    }

    /// A new turn wants a response. Gives the end of a turn that was still to go on, and will not.
    pub(super) fn want(&mut self, now: Instant, purpose: Purpose, turn: TurnTimings) -> Option<Output> {
        let dropped = self.forget_wanted(now);
        self.wanted = Some(Wanted { purpose, turn });
        self.retries = 0;
        dropped
    }

    /// No response is due any more. Gives the end of a turn that was still to go on.
    pub(super) fn forget_wanted(&mut self, now: Instant) -> Option<Output> {
        self.not_before = None;
        let turn = self.wanted.take()?.turn;
        turn.requested.map(|_| self.turn_done(now, TurnOutcome::Interrupted, turn))
    }

    /// A remark that is due is not, any more: the caller speaks. Gives the end of its turn, if it had begun.
    pub(super) fn forget_remark(&mut self, now: Instant) -> Option<Output> {
        let due = self.wanted.is_some_and(|wanted| wanted.purpose == Purpose::Remark);
        if due { self.forget_wanted(now) } else { None }
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.wanted.is_some()
    }

    /// Whether a response is being made, or is due.
    pub(super) fn is_busy(&self) -> bool {
        self.is_wanted() || matches!(self.phase, Phase::Active | Phase::Requested)
    }

    /// The audio of the turn that waits was committed.
    pub(super) fn committed(&mut self, now: Instant) {
        if let Some(wanted) = &mut self.wanted {
            wanted.turn.committed = Some(now);
        }
    }

    /// What to ask for now, if anything is due.
    pub(super) fn due(&self) -> Option<Purpose> {
        let free = self.phase == Phase::Idle && self.not_before.is_none();
        self.wanted.filter(|_| free).map(|wanted| wanted.purpose)
    }

    /// What is due is asked for with the number given; a turn that still waited for its tools is done.
    pub(super) fn request(&mut self, now: Instant) -> (u64, Option<Output>) {
        let Some(Wanted { purpose, mut turn }) = self.wanted.take() else { return (self.number, None) };
        let superseded = self.close_turn(now, TurnOutcome::Interrupted);
        turn.requested.get_or_insert(now);
        self.turn = Some(turn);
        self.phase = Phase::Requested;
        self.purpose = purpose;
        self.response.clear();
        self.number += 1;
        self.sound = false;
        self.deadline = Some(now + self.audio_timeout);
        (self.number, superseded)
    }

    /// Words that fill the time of a tool are asked for with the number given, if nothing is being said or due. The turn goes on.
    pub(super) fn say(&mut self, now: Instant) -> Option<u64> {
        let free = self.phase == Phase::Idle && self.wanted.is_none() && self.not_before.is_none();
        free.then(|| {
            self.phase = Phase::Requested;
            self.purpose = Purpose::Filler;
            self.response.clear();
            self.number += 1;
            self.sound = false;
            self.deadline = Some(now + self.audio_timeout);
            self.number
        })
    }

    /// Words that fill the time were refused or failed: they are not asked for again. `false` when it is about another response.
    pub(super) fn give_up_filler(&mut self) -> bool {
        let filling = self.is_filler() && matches!(self.phase, Phase::Active | Phase::Requested);
        if filling {
            self.idle();
        }
        filling
    }

    /// Whether the current response, or the last one, only fills the time of a tool.
    pub(super) fn is_filler(&self) -> bool {
        self.purpose == Purpose::Filler
    }

    /// A response began; `false` when it is not the one asked for.
    pub(super) fn created(&mut self, now: Instant, response: &str) -> bool {
        if self.phase != Phase::Requested {
            return false;
        }
        self.phase = Phase::Active;
        response.clone_into(&mut self.response);
        if let Some(turn) = &mut self.turn {
            turn.created.get_or_insert(now);
        }
        true
    }

    /// Whether a delta of `response` is to be heard.
    pub(super) fn is_current(&self, response: &str) -> bool {
        self.phase == Phase::Active && self.response == response
    }

    pub(super) fn is_active(&self) -> bool {
        self.phase == Phase::Active
    }

    /// Whether the last `response.create` was not answered yet.
    pub(super) fn is_requested(&self) -> bool {
        self.phase == Phase::Requested
    }

    /// Of the last `response.create`.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn heard_audio(&mut self, now: Instant) {
        self.sound = true;
        self.retries = 0;
        self.deadline = Some(now + self.audio_timeout);
        if let Some(turn) = &mut self.turn {
            turn.first_audio.get_or_insert(now);
        }
    }

    /// Whether a response is on its way that nobody has heard of. The greeting is not given up for a noise.
    pub(super) fn is_silent_answer(&self) -> bool {
        matches!(self.phase, Phase::Active | Phase::Requested) && !self.sound && self.purpose != Purpose::Greeting
    }

    /// The caller takes the turn. Gives the response to cancel, empty when its identity is not known, and the end of
    /// the turn.
    pub(super) fn interrupt(&mut self, now: Instant) -> (Option<String>, Option<Output>) {
        let done = self.close_turn(now, TurnOutcome::Interrupted);
        if !matches!(self.phase, Phase::Active | Phase::Requested) {
            return (None, done);
        }
        self.phase = Phase::Cancelling;
        self.deadline = Some(now + CANCEL_WAIT);
        (Some(self.response.clone()), done)
    }

    /// The server says that another response is active. It is to be cancelled, and what was asked for waits for its
    /// end; `false` when that has gone on for too long.
    pub(super) fn busy(&mut self, now: Instant) -> bool {
        if self.retries == MAX_RETRIES {
            return false;
        }
        self.retries += 1;
        self.want_again();
        self.phase = Phase::Cancelling;
        self.deadline = Some(now + CANCEL_WAIT);
        true
    }

    /// The server says that nothing was there to cancel.
    pub(super) fn cancel_too_late(&mut self) {
        if self.phase == Phase::Cancelling {
            self.idle();
        }
    }

    /// A response ended; `None` when it is an old one, else whether it was ours until the end.
    pub(super) fn ended(&mut self, response: &str) -> Option<Ended> {
        let matches = self.response.is_empty() || self.response == response;
        let ended = match self.phase {
            Phase::Active if matches => Ended::Active,
            Phase::Cancelling if matches => Ended::Cancelled,
            _ => return None,
        };
        self.idle();
        Some(ended)
    }

    /// A response failed, or was refused. Gives the wait until it is asked for again, or `None` when that has no end.
    pub(super) fn retry(&mut self, now: Instant, rate_limit: Duration) -> Option<Duration> {
        self.idle();
        if self.retries == MAX_RETRIES {
            return None;
        }
        let wait = (RETRY * (1 << self.retries)).max(rate_limit.min(LONGEST_RETRY));
        self.retries += 1;
        self.want_again();
        self.not_before = Some(now + wait);
        Some(wait)
    }

    pub(super) fn made_sound(&self) -> bool {
        self.sound
    }

    /// The connection is gone. What nobody heard will be asked for again; what broke off is done.
    pub(super) fn lost(&mut self, now: Instant) -> Option<Output> {
        let current = matches!(self.phase, Phase::Active | Phase::Requested) && !self.is_filler();
        self.idle();
        if current && !self.sound {
            self.want_again();
        }
        if current && self.sound { self.close_turn(now, TurnOutcome::Failed) } else { None }
    }

    /// The turn is done; nothing if it was already.
    pub(super) fn close_turn(&mut self, now: Instant, outcome: TurnOutcome) -> Option<Output> {
        self.turn.take().map(|turn| self.turn_done(now, outcome, turn))
    }

    /// A response of the turn was counted.
    pub(super) fn used(&mut self, usage: Usage) {
        self.used += usage;
    }

    /// A tool call was made.
    pub(super) fn call(&mut self, call_id: &str) -> Place {
        if self.calls.iter().any(|call| call.call_id == call_id) {
            return Place::Known;
        }
        // The model chose not to speak; what the tool takes is not its delay.
        self.deadline = None;
        if self.calls.len() == MAX_CALLS {
            return Place::Full;
        }
        self.calls.push(PendingCall { call_id: call_id.to_owned(), answered: false, round: self.number });
        Place::New
    }

    /// A tool call was answered; `false` when it is not known, or was answered before.
    pub(super) fn answer(&mut self, call_id: &str) -> bool {
        let call = self.calls.iter_mut().find(|call| call.call_id == call_id && !call.answered);
        call.map(|call| call.answered = true).is_some()
    }

    /// What was answered before the agent spoke needs no further response.
    pub(super) fn forget_answered(&mut self) {
        self.calls.retain(|call| !call.answered);
    }

    /// Whether the last response made calls, so that the turn goes on after it.
    pub(super) fn awaits_tools(&self) -> bool {
        self.calls.iter().any(|call| call.round == self.number)
    }

    /// Once a response is done and all its calls are answered, another is wanted, once. That holds too when the caller
    /// spoke meanwhile: what was looked up is to be told.
    pub(super) fn settle_calls(&mut self) {
        if self.phase != Phase::Idle {
            return;
        }
        let open = |round| self.calls.iter().any(|call| call.round == round && !call.answered);
        let Some(round) = self.calls.iter().map(|call| call.round).find(|&round| !open(round)) else { return };
        self.calls.retain(|call| call.round != round);
        if self.wanted.is_none() {
            let turn = self.turn.take().unwrap_or_default();
            self.wanted = Some(Wanted { purpose: Purpose::Answer, turn });
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) -> Option<Overdue> {
        if self.not_before.is_some_and(|at| now >= at) {
            self.not_before = None;
        }
        self.deadline.filter(|&deadline| now >= deadline)?;
        self.deadline = None;
        if self.phase == Phase::Cancelling {
            self.idle();
            return Some(Overdue::Cancel);
        }
        Some(if self.sound { Overdue::NextAudio } else { Overdue::FirstAudio })
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        [self.deadline, self.not_before].into_iter().flatten().min()
    }

    fn turn_done(&mut self, now: Instant, outcome: TurnOutcome, timings: TurnTimings) -> Output {
        let usage = std::mem::take(&mut self.used);
        Output::TurnDone { outcome, timings: TurnTimings { done: Some(now), ..timings }, usage }
    }

    fn idle(&mut self) {
        self.phase = Phase::Idle;
        self.deadline = None;
    }

    /// What was asked for is wanted again, unless a newer turn is already.
    fn want_again(&mut self) {
        if self.wanted.is_none() && !self.is_filler() {
            self.wanted = self.turn.take().map(|turn| Wanted { purpose: self.purpose, turn });
        }
    }
}

/// Whether there is room for a tool call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Place {
    /// Not for this one: there are [`MAX_CALLS`].
    Full,
    /// It has its place already.
    Known,
    /// It has its place now.
    New,
}

/// How a response was seen to end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ended {
    /// By itself.
    Active,
    /// After it was cancelled.
    Cancelled,
}
