//! A silent line: when to ask for the caller, and when to stop asking.

use std::time::{Duration, Instant};

/// Runs from when somebody was last heard, while an answer of the caller is what is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Idle {
    prompt: Duration,
    prompts_max: u32,
    told: u32,
    /// When somebody was last heard, and when that was last told.
    since: Option<(Instant, Instant)>,
}

/// What is due.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Due {
    Ask { since: Instant },
    Gone { since: Instant },
}

impl Idle {
    /// Stopped. A zero `prompt` never runs.
    pub(super) fn new(prompt: Duration, prompts_max: u32) -> Self {
        Self { prompt, prompts_max, told: 0, since: None }
    }

    /// It is the caller's to speak from now on.
    pub(super) fn start(&mut self, now: Instant) {
        if !self.prompt.is_zero() {
            self.since = Some((now, now));
        }
    }

    /// The agent speaks, or is to answer.
    pub(super) fn stop(&mut self) {
        self.since = None;
    }

    /// The caller speaks: all is well again.
    pub(super) fn caller_spoke(&mut self) {
        self.since = None;
        self.told = 0;
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.since.map(|(_, told)| told + self.prompt)
    }

    /// What has become due.
    pub(super) fn expire(&mut self, now: Instant) -> Option<Due> {
        let (since, _) = self.since?;
        if self.deadline()? > now {
            return None;
        }
        if self.told == self.prompts_max {
            self.since = None;
            return Some(Due::Gone { since });
        }
        self.told += 1;
        self.since = Some((since, now));
        Some(Due::Ask { since })
    }
}
