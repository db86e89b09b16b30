//! Whether a target is there: OPTIONS at an interval, and what the answers mean.
//!
//! Any answer but 408 and 503 shows that somebody is there (a carrier that knows no OPTIONS says 405 or 403). A target is down after
//! [`DOWN_AFTER`] failures in a row, and up with the first answer.

#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use rand::{Rng, RngExt as _};

use crate::message::{Response, StatusCode};

/// Failures in a row after which a target is taken for down: one may be lost on the way.
pub const DOWN_AFTER: u32 = 2;
/// An answer that comes later is none: a caller would have hung up.
pub const ANSWER_MAX: Duration = Duration::from_secs(8);
/// The longest that a Retry-After may keep us from asking.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(600);

/// What is known of a target.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Health {
    /// It does not answer, or says that it cannot serve.
    Down,
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
}

impl Keepalive {
    /// Asks at once and then at the interval, 10 % of it sooner by chance; zero asks never.
    pub fn new(now: Instant, interval: Duration) -> Self {
        let due = (!interval.is_zero()).then_some(now);
        Self { interval, health: Health::Unknown, failures: 0, asked: None, due, action: None }
    }

    /// What is known.
    pub fn health(&self) -> Health {
        self.health
    }

    /// The next thing to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.action.take()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    /// The deadline has come.
    pub fn handle_timeout(&mut self, now: Instant, random: &mut impl Rng) {
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
