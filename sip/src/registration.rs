//! One registration at a registrar (RFC 3261 §10.2): when to send a REGISTER, and what its answer means.
//!
//! ```text
//! Waiting --due--> Asking --200--> registered, Waiting until shortly before its end
//!                         --423--> Asking again, for as long as the registrar wants
//!                         --else-> Waiting: 5 s, doubled up to 10 min, or what Retry-After says
//! ```

#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use rand::{Rng, RngExt as _};

use crate::message::{Response, StatusCode, name};

/// Between two tries that fail, at first and at most; half of it at least, by chance, so that a registrar that comes back is not met by
/// all at once.
pub const AGAIN_MIN: Duration = Duration::from_secs(5);
/// See [`AGAIN_MIN`].
pub const AGAIN_MAX: Duration = Duration::from_secs(600);
/// After an answer that says that we may not: more tries would only lock the account.
pub const FORBIDDEN_WAIT: Duration = Duration::from_secs(300);
/// The longest that a registrar may have us wait or be registered for.
pub const EXPIRES_MAX: Duration = Duration::from_secs(86_400);
/// A registration is refreshed so long before its end, or at its half if that is sooner: two tries of 32 s fit in.
const REFRESH_BEFORE: Duration = Duration::from_secs(64);

/// Why we are not registered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Failure {
    /// The registrar said so.
    Refused(StatusCode),
    /// It did not answer.
    Unanswered,
}

/// One registration. One input, then `poll_register` until `None`, then `poll_timeout`.
#[derive(Debug)]
pub struct Registration {
    wanted: Duration,
    /// What is asked for: more than wanted once the registrar wants more.
    asked: Duration,
    until: Option<Instant>,
    failures: u32,
    last_failure: Option<Failure>,
    /// The next REGISTER; `None` while one is under way.
    due: Option<Instant>,
    to_send: bool,
    left: bool,
}

impl Registration {
    /// One to be made at once, for `expires`.
    pub fn new(now: Instant, expires: Duration) -> Self {
        Self {
            wanted: expires,
            asked: expires,
            until: None,
            failures: 0,
            last_failure: None,
            due: Some(now),
            to_send: false,
            left: false,
        }
    }

    /// The Expires of a REGISTER that is to be sent now.
    pub fn poll_register(&mut self) -> Option<Duration> {
        std::mem::take(&mut self.to_send).then_some(self.asked)
    }

    /// When to call [`handle_timeout`](Self::handle_timeout): for the next try, and at the end of the registration.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.due.into_iter().chain(self.until).min()
    }

    /// The registrar is to forget us; we are registered until it says so. Nothing is asked of it after that.
    pub fn leave(&mut self) {
        if self.until.is_some() {
            (self.asked, self.to_send) = (Duration::ZERO, true);
        }
        (self.left, self.due) = (true, None);
    }

    /// The deadline has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        if !self.is_registered(now) {
            self.until = None;
        }
        if self.due.is_some_and(|due| due <= now) {
            self.due = None;
            self.to_send = true;
        }
    }

    /// Whether the registrar leads calls to us now.
    pub fn is_registered(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }

    /// Why the last try failed, if it did.
    pub fn failure(&self) -> Option<&Failure> {
        self.last_failure.as_ref()
    }

    /// The final answer to the REGISTER. `user` is our Contact's.
    pub fn handle_answer(&mut self, now: Instant, response: &Response, user: &str, random: &mut impl Rng) {
        let status = response.status;
        if self.left {
            self.until = None;
            return;
        }
        if status.is_success() {
            return self.handle_registered(now, granted(response, user).unwrap_or(self.asked), random);
        }
        let least = seconds(response.headers.get(name::MIN_EXPIRES));
        if status == StatusCode::INTERVAL_TOO_BRIEF
            && let Some(least) = least.filter(|least| *least > self.asked && *least <= EXPIRES_MAX)
        {
            self.asked = least;
            self.to_send = true;
            return;
        }
        let asked_to_wait = response.headers.retry_after().ok().flatten().map(|wait| Duration::from_secs(wait.into()));
        let least = match status {
            StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED | StatusCode::FORBIDDEN => FORBIDDEN_WAIT,
            _ => Duration::ZERO,
        };
        let wait = asked_to_wait.unwrap_or_default().clamp(least, EXPIRES_MAX);
        self.fail(now, Failure::Refused(status), wait, random);
    }

    /// There is no answer, and there will be none.
    pub fn handle_unanswered(&mut self, now: Instant, random: &mut impl Rng) {
        if self.left {
            self.until = None;
            return;
        }
        self.fail(now, Failure::Unanswered, Duration::ZERO, random);
    }

    fn handle_registered(&mut self, now: Instant, granted: Duration, random: &mut impl Rng) {
        let granted = granted.min(EXPIRES_MAX);
        (self.failures, self.last_failure) = (0, None);
        self.until = (!granted.is_zero()).then(|| now + granted);
        let longest = granted.saturating_sub(REFRESH_BEFORE).max(granted / 2).max(Duration::from_secs(1));
        // Not all in one second, of a hundred nodes that were started together.
        self.due = Some(now + longest.mul_f64(random.random_range(0.9..=1.0)));
    }

    fn fail(&mut self, now: Instant, failure: Failure, least: Duration, random: &mut impl Rng) {
        let doubled = AGAIN_MIN.saturating_mul(1 << self.failures.min(10)).min(AGAIN_MAX);
        self.failures += 1;
        self.asked = self.wanted;
        self.last_failure = Some(failure);
        self.due = Some(now + least.max(doubled.mul_f64(random.random_range(0.5..=1.0))));
    }
}

/// For how long the registrar has us: what it says beside our Contact, else for all; the shortest, if there is more than one of ours.
fn granted(response: &Response, user: &str) -> Option<Duration> {
    let contacts = match response.headers.contacts() {
        Ok(crate::message::Contacts::These(contacts)) => contacts,
        _ => Vec::new(),
    };
    let ours = contacts.iter().filter(|contact| contact.uri.user().is_some_and(|own| own == user));
    let beside = ours.filter_map(|contact| seconds(contact.params.get("expires"))).min();
    beside.or_else(|| seconds(response.headers.get(name::EXPIRES)))
}

fn seconds(text: Option<&str>) -> Option<Duration> {
    let text = text?.trim_ascii();
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok().map(Duration::from_secs)).flatten()
}
