//! The providers of a stage, best first: who is asked now, and who is next when one fails.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::config::Member;
use super::ports::Ports;
use crate::engine::{EngineError, Output};

/// Tries of one provider after its first within [`WINDOW`]: more would keep the caller waiting for what is down.
const RETRIES: usize = 1;

/// How long a failure is held against a provider by the call that saw it; after that it may take its place again.
const WINDOW: Duration = Duration::from_secs(60);

/// Wait before a retry; up to a half is taken off at random, so that a thousand calls do not come back at once.
const BACKOFF: Duration = Duration::from_millis(200);

/// While nobody may be asked, it is looked again this often at least: another call may have found a provider well.
const LOOK: Duration = Duration::from_secs(1);

/// What follows a failure.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// Nobody may be asked; see [`Chain::look_at`].
    Exhausted,
    /// The next provider, at once.
    Next,
    /// The same once more, then.
    Retry(Instant),
}

/// The providers of one stage.
pub(super) struct Chain<T: ?Sized> {
    members: Vec<Member<T>>,
    /// Label of metrics and of the record.
    stage: &'static str,
    /// How long a caller can wait for somebody who may be asked.
    patience: Duration,
    at: usize,
    /// When each was given up.
    given_up: Vec<Option<Instant>>,
    retries: VecDeque<Instant>,
    /// The breaker of the present one has let it, and it was not asked since.
    leave: bool,
    /// When the breaker of the present one last let it: what was no use to this call is given back.
    let_at: Option<Instant>,
    absent: Option<Absent>,
    rng: StdRng,
}

/// Nobody may be asked.
#[derive(Clone, Copy)]
struct Absent {
    /// When somebody may be, as far as is known.
    until: Instant,
    /// When to look again.
    look: Instant,
}

impl<T: ?Sized> Chain<T> {
    pub(super) fn new(members: Vec<Member<T>>, stage: &'static str, patience: Duration, seed: u64) -> Self {
        let given_up = vec![None; members.len()];
        let (retries, rng) = (VecDeque::new(), StdRng::seed_from_u64(seed));
        Self { members, stage, patience, at: 0, given_up, retries, leave: false, let_at: None, absent: None, rng }
    }

    pub(super) fn provider(&self) -> &Arc<str> {
        &self.members[self.at].provider
    }

    pub(super) fn part(&self) -> &Arc<T> {
        &self.members[self.at].part
    }

    /// Chooses who begins: the first that may be asked. False when nobody may at present; then the stage is absent.
    pub(super) fn choose(&mut self, now: Instant) -> bool {
        let found = (0..self.members.len()).find(|&at| self.is_fresh(at, now) && self.members[at].breaker.allow(now));
        self.absent = None;
        match found {
            Some(at) => self.take(at, now),
            None => {
                let until = (0..self.members.len()).map(|at| self.free_at(at, now)).min().unwrap_or(now + WINDOW);
                self.absent = Some(Absent { until, look: until.min(now + LOOK) });
            }
        }
        found.is_some()
    }

    /// Whether nobody may be asked.
    pub(super) fn is_absent(&self) -> bool {
        self.absent.is_some()
    }

    /// When to [`choose`](Self::choose) again, while nobody may be asked.
    pub(super) fn look_at(&self) -> Option<Instant> {
        self.absent.map(|absent| absent.look)
    }

    /// Nobody may be asked, and nobody may be for longer than a caller who waits since then can be kept waiting.
    pub(super) fn is_hopeless(&self, since: Instant) -> bool {
        self.absent.is_some_and(|absent| absent.until > since + self.patience)
    }

    /// The stage cannot go on. Of each provider that this call did not see failing it is told why it was not asked.
    pub(super) fn exhausted(&self, now: Instant, ports: &mut Ports) -> EngineError {
        for at in (0..self.members.len()).filter(|&at| self.is_fresh(at, now)) {
            self.tell_left_alone(at, false, now, ports);
        }
        EngineError::Exhausted { stage: self.stage }
    }

    /// Whether another may be asked in place of the present one.
    pub(super) fn has_other(&self, now: Instant) -> bool {
        (0..self.members.len()).any(|at| at != self.at && self.free_at(at, now) <= now)
    }

    /// Before it is asked: leaves one that all calls leave alone for another. With nobody else it is asked, since who is on the line has
    /// nothing to lose.
    pub(super) fn avoid(&mut self, now: Instant, ports: &mut Ports) {
        if std::mem::take(&mut self.leave) {
            return;
        }
        if self.members[self.at].breaker.allow(now) {
            self.let_at = Some(now);
            return;
        }
        let present = self.at;
        if self.next(now) {
            self.leave = false;
            self.tell_left_alone(present, true, now, ports);
        }
    }

    fn tell_left_alone(&self, at: usize, replaced: bool, now: Instant, ports: &mut Ports) {
        let wait = self.free_at(at, now).saturating_duration_since(now);
        let (provider, error) = (Arc::clone(&self.members[at].provider), EngineError::LeftAlone { wait });
        ports.push(Output::ProviderFailed { provider, stage: self.stage, replaced, error });
    }

    /// It answered as it should.
    pub(super) fn succeeded(&self) {
        self.members[self.at].breaker.succeeded();
    }

    /// It failed: who is next.
    pub(super) fn failed(&mut self, now: Instant, error: EngineError, ports: &mut Ports) -> Verdict {
        let member = &self.members[self.at];
        let (provider, breaker) = (Arc::clone(&member.provider), Arc::clone(&member.breaker));
        breaker.failed(now);
        while self.retries.front().is_some_and(|&at| now >= at + WINDOW) {
            self.retries.pop_front();
        }
        let again = error.is_temporary() && self.retries.len() < RETRIES;
        let verdict = match error {
            EngineError::RateLimited { retry_after: Some(wait) } => {
                breaker.rest(now, wait);
                self.after(now, wait, again)
            }
            _ if again && breaker.allow(now) => {
                (self.leave, self.let_at) = (true, Some(now));
                let wait = BACKOFF.mul_f64(self.rng.random_range(0.5..=1.0));
                self.retry(now, wait)
            }
            _ => self.give_up(now),
        };
        let replaced = verdict == Verdict::Next;
        ports.push(Output::ProviderFailed { provider, stage: self.stage, replaced, error });
        verdict
    }

    /// The present one told when to come back: another is asked at once, or it is waited for if the caller can wait as long.
    fn after(&mut self, now: Instant, wait: Duration, again: bool) -> Verdict {
        let present = self.at;
        if self.next(now) {
            self.given_up[present] = Some(now);
            Verdict::Next
        } else if again && wait <= self.patience {
            let spread = BACKOFF.mul_f64(self.rng.random_range(0.0..=0.5));
            self.retry(now, wait + spread)
        } else {
            self.give_up(now)
        }
    }

    fn retry(&mut self, now: Instant, wait: Duration) -> Verdict {
        self.retries.push_back(now);
        Verdict::Retry(now + wait)
    }

    fn give_up(&mut self, now: Instant) -> Verdict {
        self.given_up[self.at] = Some(now);
        if self.next(now) || self.choose(now) { Verdict::Next } else { Verdict::Exhausted }
    }

    /// Goes on to the next that may be asked, if there is one.
    fn next(&mut self, now: Instant) -> bool {
        let count = self.members.len();
        let mut candidates = (1..count).map(|step| (self.at + step) % count);
        let next = candidates.find(|&at| self.is_fresh(at, now) && self.members[at].breaker.allow(now));
        if let Some(at) = next {
            self.take(at, now);
        }
        next.is_some()
    }

    fn take(&mut self, at: usize, now: Instant) {
        if at != self.at {
            self.retries.clear();
            self.give_back();
        }
        self.at = at;
        (self.leave, self.let_at) = (true, Some(now));
    }

    /// Lets another call try the present one, if this call was to and nothing came of it.
    fn give_back(&mut self) {
        if let Some(let_at) = self.let_at.take() {
            self.members[self.at].breaker.give_back(let_at);
        }
    }

    /// Whether this call does not hold a failure against it.
    fn is_fresh(&self, at: usize, now: Instant) -> bool {
        self.given_up[at].is_none_or(|since| now >= since + WINDOW)
    }

    /// When it may be asked, as far as is known.
    fn free_at(&self, at: usize, now: Instant) -> Instant {
        let held = self.given_up[at].map_or(now, |since| since + WINDOW);
        self.members[at].breaker.free_at(now).max(held)
    }
}

/// The call is over: a provider that it was to try and did not hear of can be tried by another.
impl<T: ?Sized> Drop for Chain<T> {
    fn drop(&mut self) {
        self.give_back();
    }
}
