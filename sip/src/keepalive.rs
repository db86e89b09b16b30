//! Whether a target is there: OPTIONS at an interval, and what the answers mean.
//!
//! Any answer but 408 and 503 shows that somebody is there (a carrier that knows no OPTIONS says 405 or 403). A target is down after
//! [`DOWN_AFTER`] failures in a row, and up with the first answer.
//!
//! Calls know more than OPTIONS do: one that came to nothing at a target counts as a failure, has it asked at once, and makes it the last
//! choice for [`AVOIDED_FOR`], whatever it says to OPTIONS. A 503 with Retry-After takes it out for that time.

#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use rand::{Rng, RngExt as _};

use crate::message::{Response, StatusCode};

/// Failures in a row after which a target is taken for down: one may be lost on the way.
pub const DOWN_AFTER: u32 = 2;
/// An answer that comes later is none: a caller would have hung up.
pub const ANSWER_MAX: Duration = Duration::from_secs(8);
/// How long a target that failed a call is tried after all others: longer than a restart takes, and no long time with less to choose from.
pub const AVOIDED_FOR: Duration = Duration::from_secs(30);
/// The longest that a Retry-After may keep us from asking, and from calling.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(600);

/// What is known of a target.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum Health {
    /// It does not answer, or says that it cannot serve.
    Down,
    /// A call came to nothing there a short while ago: it is used after all others.
    Failing,
    /// It was not asked yet, or is never asked: it is used.
    #[default]
    Unknown,
    /// It answers.
    Up,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Action {
    /// Send OPTIONS.
    Ask,
    /// The answer is not waited for any more.
    Abandon,
}

/// The watch over one target. One input, then `poll_action` until `None`, then `poll_timeout`.
#[derive(Debug)]
pub struct Keepalive {
    interval: Duration,
    health: Health,
    failures: u32,
    asked: Option<Instant>,
    due: Option<Instant>,
    action: Option<Action>,
    /// What calls say, and until when it holds: [`Health::Down`] or [`Health::Failing`].
    said_by_calls: Option<(Health, Instant)>,
}

impl Keepalive {
    /// Asks at once and then at the interval, 10 % of it sooner by chance; zero asks never.
    pub fn new(now: Instant, interval: Duration) -> Self {
        let due = (!interval.is_zero()).then_some(now);
        Self { interval, health: Health::Unknown, failures: 0, asked: None, due, action: None, said_by_calls: None }
    }

    /// What is known.
    pub fn health(&self) -> Health {
        self.said_by_calls.map_or(self.health, |(said, _)| said.min(self.health))
    }

    /// The next thing to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.action.take()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.due.into_iter().chain(self.said_by_calls.map(|(_, until)| until)).min()
    }

    /// The deadline has come.
    pub fn handle_timeout(&mut self, now: Instant, random: &mut impl Rng) {
        self.said_by_calls.take_if(|(_, until)| *until <= now);
        if self.due.is_none_or(|due| now < due) {
            return;
        }
        if self.asked.take().is_some() {
            self.action = Some(Action::Abandon);
            return self.fail(now, Duration::ZERO, random);
        }
        self.asked = Some(now);
        self.due = Some(now + ANSWER_MAX);
        self.action = Some(Action::Ask);
    }

    /// The final answer; how long it took, unless it was not waited for.
    pub fn handle_answer(&mut self, now: Instant, response: &Response, random: &mut impl Rng) -> Option<Duration> {
        let asked = self.asked.take()?;
        if matches!(response.status, StatusCode::REQUEST_TIMEOUT | StatusCode::SERVICE_UNAVAILABLE) {
            let wait = response.headers.retry_after().ok().flatten().unwrap_or_default();
            self.fail(now, Duration::from_secs(wait.into()).min(RETRY_AFTER_MAX), random);
            return None;
        }
        (self.failures, self.health) = (0, Health::Up);
        self.wait(now, Duration::ZERO, random);
        Some(now.saturating_duration_since(asked))
    }

    /// There is no answer: nothing could be sent, or nobody is there.
    pub fn handle_unanswered(&mut self, now: Instant, random: &mut impl Rng) {
        if self.asked.take().is_some() {
            self.fail(now, Duration::ZERO, random);
        }
    }

    /// A call came to nothing there: it said nothing, could not be reached, or had no room and perhaps said for how long.
    pub fn handle_call_failed(&mut self, now: Instant, retry_after: Option<Duration>) {
        if let Some(wait) = retry_after.filter(|wait| !wait.is_zero()) {
            let until = now + wait.min(RETRY_AFTER_MAX);
            self.said_by_calls = Some((Health::Down, until));
            // Who wants to be left alone is asked nothing (RFC 3261 §21.5.4).
            self.due = self.due.map(|due| if self.asked.is_some() { due } else { due.max(until) });
            return;
        }
        // A Retry-After that is still running says more.
        if self.said_by_calls.is_some_and(|(said, _)| said == Health::Down) {
            return;
        }
        self.said_by_calls = Some((Health::Failing, now + AVOIDED_FOR));
        if !self.interval.is_zero() && self.asked.is_none() {
            self.failures += 1;
            if self.failures >= DOWN_AFTER {
                self.health = Health::Down;
            }
            self.due = Some(now);
        }
    }

    fn fail(&mut self, now: Instant, least: Duration, random: &mut impl Rng) {
        self.failures += 1;
        if self.failures >= DOWN_AFTER {
            self.health = Health::Down;
        }
        self.wait(now, least, random);
    }

    fn wait(&mut self, now: Instant, least: Duration, random: &mut impl Rng) {
        self.due = Some(now + least.max(self.interval.mul_f64(random.random_range(0.9..=1.0))));
    }
}
