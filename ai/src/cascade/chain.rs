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

/// What follows a failure.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// Nobody is left.
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
    at: usize,
    /// When each was given up.
    given_up: Vec<Option<Instant>>,
    retries: VecDeque<Instant>,
    rng: StdRng,
}

impl<T: ?Sized> Chain<T> {
    pub(super) fn new(members: Vec<Member<T>>, stage: &'static str, seed: u64) -> Self {
        let given_up = vec![None; members.len()];
        Self { members, stage, at: 0, given_up, retries: VecDeque::new(), rng: StdRng::seed_from_u64(seed) }
    }

    pub(super) fn stage(&self) -> &'static str {
        self.stage
    }

    pub(super) fn provider(&self) -> &Arc<str> {
        &self.members[self.at].provider
    }

    pub(super) fn part(&self) -> &Arc<T> {
        &self.members[self.at].part
    }

    /// Chooses who begins: the first whose breaker lets it.
    ///
    /// # Errors
    /// All are left alone at present.
    pub(super) fn choose(&mut self, now: Instant) -> Result<(), EngineError> {
        let allowed = (0..self.members.len()).find(|&at| self.members[at].breaker.allow(now));
        self.at = allowed.ok_or(EngineError::Exhausted { stage: self.stage })?;
        Ok(())
    }

    /// It answered as it should.
    pub(super) fn succeeded(&self) {
        self.members[self.at].breaker.succeeded();
    }

    /// It failed: who is next. `again` tells whether the same may be asked once more.
    pub(super) fn failed(&mut self, now: Instant, error: EngineError, ports: &mut Ports) -> Verdict {
        let member = &self.members[self.at];
        let (provider, breaker) = (Arc::clone(&member.provider), Arc::clone(&member.breaker));
        breaker.failed(now);
        while self.retries.front().is_some_and(|&at| now >= at + WINDOW) {
            self.retries.pop_front();
        }
        let verdict = if error.is_temporary() && self.retries.len() < RETRIES && breaker.allow(now) {
            self.retries.push_back(now);
            Verdict::Retry(now + BACKOFF.mul_f64(self.rng.random_range(0.5..=1.0)))
        } else {
            self.given_up[self.at] = Some(now);
            self.next(now)
        };
        let replaced = verdict == Verdict::Next;
        ports.push(Output::ProviderFailed { provider, stage: self.stage, replaced, error });
        verdict
    }

    fn next(&mut self, now: Instant) -> Verdict {
        let count = self.members.len();
        let fresh = |at: usize| self.given_up[at].is_none_or(|since| now >= since + WINDOW);
        let candidates = (1..count).map(|step| (self.at + step) % count);
        let next = candidates.filter(|&at| fresh(at)).find(|&at| self.members[at].breaker.allow(now));
        match next {
            Some(at) => {
                self.at = at;
                self.retries.clear();
                Verdict::Next
            }
            None => Verdict::Exhausted,
        }
    }
}
