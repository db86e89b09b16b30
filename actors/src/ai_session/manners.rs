//! When the agent speaks of its own accord, and when it leaves: a silent caller is asked after and let go, the time of a call is told
//! before it is over, and nobody is cut off in mid-word. See [`Manners`].

use std::time::{Duration, Instant};

use ai::remark::Occasion;
use media::turn::TurnConfig;
use store::HangupCause;

/// How long the last words wait for a quiet moment when the time is up; then what is being said is cut.
const QUIET_WAIT_MAX: Duration = Duration::from_secs(8);

/// A pure core: tell it what happens, then take [`step`](Self::step)s until there is none, then ask
/// [`poll_timeout`](Self::poll_timeout).
///
/// ```text
/// silent ── asked too seldom ──► Say(StillThere)      a word or a key of the caller: all is forgotten
///       └── often enough ──────► Say(Gone) ──► heard ──► HangUp(CallerSilent)
///                                    └── the caller speaks: stays
/// closing ── quiet ──► Say(Closing)
/// time is up ── quiet, or waited for that ──► Say(TimeUp) ──► heard ──► HangUp(MaxDuration)
/// left by a tool ──► heard ──► HangUp(AgentHangup), after Say(Farewell) if it answered with no word
/// ```
/// Turn-taking tells of silence that follows what the agent said. After a turn that nobody answers, or a silence that was not for
/// asking, this looks again by itself.
#[derive(Debug)]
pub(super) struct Manners {
    voice: Voice,
    /// Silence after which the caller is asked for; zero: never.
    patience: Duration,
    asks_max: u32,
    asked: u32,
    caller_speaks: bool,
    /// The caller types: silence means nothing.
    types: bool,
    /// The peer holds the call: nobody is there.
    held: bool,
    /// The silence has lasted long enough.
    silent: bool,
    /// When it has, if nobody speaks before.
    look: Option<Instant>,
    /// The end is near, and is to be told.
    closing: bool,
    /// The time is up, and a quiet moment is waited for until then.
    time_up: Option<Instant>,
    leaving: Option<Leaving>,
}

/// What the engine says though nobody asked it to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Voice {
    /// Asks after the caller.
    Asks,
    /// Says nothing but goodbye; it has its own ways with silence.
    Leaves,
    /// Nothing: a bot that is not ours.
    Mute,
}

/// How it is on the line.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Scene {
    /// The engine makes something.
    pub(super) busy: bool,
    /// What it made is still to be heard.
    pub(super) audible: bool,
    /// A tool runs: the caller waits for us.
    pub(super) tools: bool,
    /// The caller's turn had no answer yet.
    pub(super) unanswered: bool,
}

impl Scene {
    pub(super) fn is_quiet(self) -> bool {
        !self.busy && !self.audible
    }
}

/// What to do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Step {
    /// The agent ends the call.
    HangUp(HangupCause),
    /// Have it said. [`Manners::handed_over`] when the engine was told.
    Say(Occasion),
}

#[derive(Clone, Copy, Debug)]
struct Leaving {
    cause: HangupCause,
    /// Words that the engine was not told of yet.
    owed: bool,
    /// A word is said if there was none.
    farewell: bool,
    done: bool,
}

impl Manners {
    /// Of a call that has just begun.
    pub(super) fn new(voice: Voice, turn: &TurnConfig) -> Self {
        Self {
            voice,
            patience: if voice == Voice::Asks { turn.idle_prompt } else { Duration::ZERO },
            asks_max: turn.idle_prompts_max,
            asked: 0,
            caller_speaks: false,
            types: false,
            held: false,
            silent: false,
            look: None,
            closing: false,
            time_up: None,
            leaving: None,
        }
    }

    /// The caller speaks, on purpose or over the agent.
    pub(super) fn caller_started(&mut self) {
        self.types = false;
        self.alive();
        self.caller_speaks = true;
    }

    /// The caller's turn is over.
    pub(super) fn caller_finished(&mut self, now: Instant) {
        self.caller_speaks = false;
        self.look_later(now);
    }

    /// The caller gave a sign of life.
    pub(super) fn alive(&mut self) {
        self.asked = 0;
        self.silent = false;
        self.look = None;
        self.leaving.take_if(|leaving| leaving.cause == HangupCause::CallerSilent);
    }

    /// The caller pressed a key: that is a sign of life, and what follows may be silence.
    pub(super) fn key_pressed(&mut self, now: Instant) {
        self.alive();
        self.look_later(now);
    }

    /// The caller types, and is not asked after until he speaks.
    pub(super) fn typed(&mut self) {
        self.alive();
        self.types = true;
    }

    /// The peer holds the call: silence means nothing.
    pub(super) fn held(&mut self) {
        self.alive();
        self.held = true;
    }

    /// The peer is back.
    pub(super) fn resumed(&mut self, now: Instant) {
        self.held = false;
        self.look_later(now);
    }

    /// Whether the peer holds the call.
    pub(super) fn is_held(&self) -> bool {
        self.held
    }

    /// Turn-taking has begun anew: whether the caller speaks will be told.
    pub(super) fn caller_unknown(&mut self, now: Instant) {
        self.caller_speaks = false;
        self.look_later(now);
    }

    /// The agent is heard: from its end on, turn-taking counts the silence.
    pub(super) fn agent_began(&mut self) {
        self.silent = false;
        self.look = None;
    }

    /// Nobody has spoken for long.
    pub(super) fn silent(&mut self) {
        self.silent = !self.patience.is_zero() && !self.held && !self.types;
    }

    /// The longest call is nearly reached.
    pub(super) fn closing(&mut self) {
        self.closing = self.voice == Voice::Asks;
    }

    /// The longest call is reached.
    pub(super) fn time_up(&mut self, now: Instant) {
        self.time_up.get_or_insert(now + QUIET_WAIT_MAX);
    }

    /// The agent leaves once it was heard; with a word, if `farewell` and there was none.
    pub(super) fn leave(&mut self, farewell: bool) {
        if !self.is_leaving() {
            let cause = HangupCause::AgentHangup;
            self.leaving = Some(Leaving { cause, owed: false, farewell, done: false });
        }
    }

    /// Whether nothing that the caller does keeps the agent.
    pub(super) fn is_leaving(&self) -> bool {
        self.leaving.is_some_and(|leaving| leaving.cause != HangupCause::CallerSilent)
    }

    /// Whether the call ends unless the caller speaks.
    pub(super) fn is_ending(&self) -> bool {
        self.leaving.is_some()
    }

    /// Why the call ends, if it does.
    pub(super) fn cause(&self) -> HangupCause {
        self.leaving.map_or(HangupCause::AgentHangup, |leaving| leaving.cause)
    }

    /// The engine was told of what was to be said.
    pub(super) fn handed_over(&mut self) {
        if let Some(leaving) = &mut self.leaving {
            leaving.owed = false;
        }
    }

    /// What to do now.
    pub(super) fn step(&mut self, now: Instant, scene: Scene) -> Option<Step> {
        if self.look.take_if(|at| now >= *at).is_some() {
            self.silent();
        }
        if self.leaving.is_none()
            && let Some(until) = self.time_up
            && (now >= until || self.voice == Voice::Mute || self.held || (scene.is_quiet() && !self.caller_speaks))
        {
            // Into a held call nothing can be said.
            let owed = self.voice != Voice::Mute && !self.held;
            self.time_up = None;
            self.leaving = Some(Leaving { cause: HangupCause::MaxDuration, owed, farewell: false, done: !owed });
            return Some(if owed { Step::Say(Occasion::TimeUp) } else { Step::HangUp(HangupCause::MaxDuration) });
        }
        if let Some(leaving) = &mut self.leaving {
            return if self.held { leaving.step_unheard() } else { leaving.step(scene) };
        }
        if self.closing && self.time_up.is_none() && !self.held && scene.is_quiet() && !self.caller_speaks {
            self.closing = false;
            return Some(Step::Say(Occasion::Closing));
        }
        if std::mem::take(&mut self.silent) { self.ask(now, scene) } else { None }
    }

    /// The silence is for asking, unless somebody is at work.
    fn ask(&mut self, now: Instant, scene: Scene) -> Option<Step> {
        if self.caller_speaks {
            return None;
        }
        // Also when the question comes to nothing.
        self.look_later(now);
        if !scene.is_quiet() || scene.tools {
            return None;
        }
        if self.asked < self.asks_max {
            self.asked += 1;
            return Some(Step::Say(Occasion::StillThere));
        }
        self.leaving = Some(Leaving { cause: HangupCause::CallerSilent, owed: true, farewell: false, done: false });
        Some(Step::Say(Occasion::Gone))
    }

    fn look_later(&mut self, now: Instant) {
        if !self.patience.is_zero() && !self.held && !self.types {
            self.look = Some(now + self.patience);
        }
    }

    /// When to take a [`step`](Self::step) if nothing happens before.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        if self.is_ending() {
            return None;
        }
        [self.look, self.time_up].into_iter().flatten().min()
    }
}

impl Leaving {
    /// Nobody listens: there is nothing to wait for.
    fn step_unheard(&mut self) -> Option<Step> {
        (!std::mem::replace(&mut self.done, true)).then_some(Step::HangUp(self.cause))
    }

    fn step(&mut self, scene: Scene) -> Option<Step> {
        if self.owed || self.done || !scene.is_quiet() {
            return None;
        }
        if std::mem::take(&mut self.farewell) && scene.unanswered {
            self.owed = true;
            return Some(Step::Say(Occasion::Farewell));
        }
        self.done = true;
        Some(Step::HangUp(self.cause))
    }
}

#[cfg(test)]
mod tests;
