//! Circuit breaker: a provider that keeps failing is left alone for a while, by all calls of the node.
//!
//! ```text
//! Closed ──failures in the window──► Open ──cool-down──► HalfOpen ──success──► Closed
//!                                     ▲                     │ one try at a time
//!                                     └───────failure───────┘
//! ```

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// When a breaker opens, and for how long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BreakerConfig {
    /// Failures within [`window`](Self::window) that open it, at least 1; default 5.
    pub failures: usize,
    /// How long a failure counts; default 30 s.
    pub window: Duration,
    /// How long it stays open; up to a half is added at random, so that a thousand calls do not come back at once. Default 15 s.
    pub cool_down: Duration,
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self { failures: 5, window: Duration::from_secs(30), cool_down: Duration::from_secs(15) }
    }
}

/// Whether a provider may be asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BreakerState {
    /// It may.
    Closed,
    /// One may try it; the others wait for what comes of that.
    HalfOpen,
    /// Not now.
    Open,
}

impl BreakerState {
    /// As the metric has it: 0 closed, 1 half open, 2 open.
    pub fn value(self) -> f64 {
        match self {
            Self::Closed => 0.0,
            Self::HalfOpen => 1.0,
            Self::Open => 2.0,
        }
    }
}

/// The breaker of one provider and stage; pure, time is an argument.
#[derive(Debug)]
pub struct Breaker {
    config: BreakerConfig,
    failures: VecDeque<Instant>,
    state: State,
    rng: StdRng,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Closed,
    /// A try is under way since then; one that never ends is forgotten after a cool-down.
    HalfOpen {
        tried: Instant,
    },
    Open {
        until: Instant,
    },
}

impl Breaker {
    /// A closed one; the seed jitters its cool-downs.
    pub fn new(config: BreakerConfig, seed: u64) -> Self {
        Self { config, failures: VecDeque::new(), state: State::Closed, rng: StdRng::seed_from_u64(seed) }
    }

    /// Whether the provider may be asked now. In a half open breaker that is one caller's leave to try.
    pub fn allow(&mut self, now: Instant) -> bool {
        let waits_until = match self.state {
            State::Closed => return true,
            State::Open { until } => until,
            State::HalfOpen { tried } => tried + self.config.cool_down,
        };
        let may_try = now >= waits_until;
        if may_try {
            self.state = State::HalfOpen { tried: now };
        }
        may_try
    }

    /// It answered.
    pub fn succeeded(&mut self) {
        self.failures.clear();
        self.state = State::Closed;
    }

    /// It failed.
    pub fn failed(&mut self, now: Instant) {
        while self.failures.front().is_some_and(|&at| now >= at + self.config.window) {
            self.failures.pop_front();
        }
        self.failures.push_back(now);
        let half_open = matches!(self.state, State::HalfOpen { .. });
        if half_open || self.failures.len() >= self.config.failures {
            self.failures.clear();
            let until = now + self.config.cool_down.mul_f64(self.rng.random_range(1.0..=1.5));
            self.state = State::Open { until };
        }
    }

    /// What it is now.
    pub fn state(&self) -> BreakerState {
        match self.state {
            State::Closed => BreakerState::Closed,
            State::HalfOpen { .. } => BreakerState::HalfOpen,
            State::Open { .. } => BreakerState::Open,
        }
    }
}

/// A breaker that all calls of a node share: asked once a request, never on the way of a frame.
#[derive(Debug)]
pub struct SharedBreaker(Mutex<Breaker>);

impl SharedBreaker {
    /// A closed one; its cool-downs are jittered at random.
    pub fn closed(config: BreakerConfig) -> Self {
        Self::new(Breaker::new(config, rand::random()))
    }

    /// Shares a breaker.
    pub fn new(breaker: Breaker) -> Self {
        Self(Mutex::new(breaker))
    }

    /// As [`Breaker::allow`].
    pub fn allow(&self, now: Instant) -> bool {
        self.with(|breaker| breaker.allow(now))
    }

    /// As [`Breaker::succeeded`].
    pub fn succeeded(&self) {
        self.with(Breaker::succeeded);
    }

    /// As [`Breaker::failed`].
    pub fn failed(&self, now: Instant) {
        self.with(|breaker| breaker.failed(now));
    }

    /// As [`Breaker::state`].
    pub fn state(&self) -> BreakerState {
        self.with(|breaker| breaker.state())
    }

    fn with<T>(&self, act: impl FnOnce(&mut Breaker) -> T) -> T {
        // Every state of a breaker is a good one, whoever panicked beside it.
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `f` fails, `s` succeeds, `a` asks; each with its second. What came of the asks, and the last state.
    fn check(script: &str, expected: &str) {
        let start = Instant::now();
        let config = BreakerConfig { failures: 3, window: Duration::from_secs(10), cool_down: Duration::from_secs(20) };
        let mut breaker = Breaker::new(config, 7);
        let mut log = String::new();
        for step in script.split_whitespace() {
            let now = start + Duration::from_secs(step[1..].parse().expect("a second"));
            match &step[..1] {
                "f" => breaker.failed(now),
                "s" => breaker.succeeded(),
                _ => log.push(if breaker.allow(now) { 'y' } else { 'n' }),
            }
        }
        assert_eq!(format!("{log} {:?}", breaker.state()), expected, "{script}");
    }

    #[test]
    fn failures_in_the_window_open_it() {
        check("f0 f1 a1", "y Closed");
        check("f0 f1 f2 a2 a21", "nn Open");
        check("f0 f1 f11 a11", "y Closed");
        check("f0 f1 s1 f2 a3", "y Closed");
    }

    #[test]
    fn after_the_cool_down_one_may_try() {
        // At most half of 20 s is added.
        check("f0 f1 f2 a32 a33", "yn HalfOpen");
        check("f0 f1 f2 a32 s33 a33 a33", "yyy Closed");
        check("f0 f1 f2 a32 f33 a34 a52", "ynn Open");
        check("f0 f1 f2 a32 f33 a63", "yy HalfOpen");
    }

    #[test]
    fn a_try_that_never_ends_is_forgotten() {
        check("f0 f1 f2 a32 a51 a52", "yny HalfOpen");
    }

    #[test]
    fn cool_downs_are_jittered_by_the_seed() {
        let opened = |seed| {
            let now = Instant::now();
            let mut breaker = Breaker::new(BreakerConfig { failures: 1, ..BreakerConfig::default() }, seed);
            breaker.failed(now);
            (15_000..=22_500).find(|&ms| breaker.allow(now + Duration::from_millis(ms)))
        };
        assert_eq!(opened(1), opened(1));
        assert_ne!(opened(1), opened(2));
    }
}
