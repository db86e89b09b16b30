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

/// The longest that a provider may ask to be left alone: after that one call tries it, whatever it said.
const LONGEST_REST: Duration = Duration::from_secs(60);

/// A try is mostly over by then.
const TRY: Duration = Duration::from_millis(500);

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

    /// The leave to try that was given at `tried` was not used: another call may have it.
    pub fn give_back(&mut self, tried: Instant) {
        if matches!(self.state, State::HalfOpen { tried: given } if given == tried) {
            self.state = State::Open { until: tried };
        }
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

    /// It asked to be left alone for so long; at most a minute of that is believed.
    pub fn rest(&mut self, now: Instant, wait: Duration) {
        let rested = now + wait.min(LONGEST_REST);
        self.state = match self.state {
            State::Open { until } if until > rested => State::Open { until },
            _ => State::Open { until: rested },
        };
    }

    /// When it may be asked, as far as is known.
    pub fn free_at(&self, now: Instant) -> Instant {
        match self.state {
            State::Closed => now,
            State::HalfOpen { tried } => (tried + self.config.cool_down).min(now + TRY).max(now),
            State::Open { until } => until.max(now),
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

    /// As [`Breaker::give_back`].
    pub fn give_back(&self, tried: Instant) {
        self.with(|breaker| breaker.give_back(tried));
    }

    /// As [`Breaker::succeeded`].
    pub fn succeeded(&self) {
        self.with(Breaker::succeeded);
    }

    /// As [`Breaker::failed`].
    pub fn failed(&self, now: Instant) {
        self.with(|breaker| breaker.failed(now));
    }

    /// As [`Breaker::rest`].
    pub fn rest(&self, now: Instant, wait: Duration) {
        self.with(|breaker| breaker.rest(now, wait));
    }

    /// As [`Breaker::free_at`].
    pub fn free_at(&self, now: Instant) -> Instant {
        self.with(|breaker| breaker.free_at(now))
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

    /// `f` fails, `s` succeeds, `g` gives the leave of this second back, `r` asks for 10 s of rest, `R` for an hour, `a` asks; each with its second. What came of the asks, and the
    /// last state.
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
                "g" => breaker.give_back(now),
                "r" => breaker.rest(now, Duration::from_secs(10)),
                "R" => breaker.rest(now, Duration::from_secs(3_600)),
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
        check("f0 f1 f2 a32 g31 a33 g32 a34 a35", "ynyn HalfOpen");
        check("f0 f1 f2 a32 f33 a34 a52", "ynn Open");
        check("f0 f1 f2 a32 f33 a63", "yy HalfOpen");
    }

    #[test]
    fn who_asks_for_rest_is_left_alone_for_as_long_but_not_for_hours() {
        check("r0 a9 a10", "ny HalfOpen");
        check("R0 a59 a60", "ny HalfOpen");
        // A rest does not shorten what failures cost: 20 s at least.
        check("f0 f1 f2 r2 a13 a21", "nn Open");
    }

    #[test]
    fn it_is_known_when_one_may_ask_again() {
        let now = Instant::now();
        let mut breaker = Breaker::new(BreakerConfig::default(), 1);
        let free = |breaker: &Breaker, ms| {
            let now = now + Duration::from_millis(ms);
            breaker.free_at(now).duration_since(now).as_millis()
        };
        assert_eq!(free(&breaker, 0), 0);
        breaker.rest(now, Duration::from_secs(2));
        assert_eq!((free(&breaker, 0), free(&breaker, 1_500), free(&breaker, 3_000)), (2_000, 500, 0));
        assert!(breaker.allow(now + Duration::from_secs(2)));
        assert_eq!((free(&breaker, 2_000), free(&breaker, 16_900)), (500, 100));
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
