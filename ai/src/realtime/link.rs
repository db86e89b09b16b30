//! The connection as the session sees it: deadlines, and when to try again.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Connections made again within [`WINDOW`] before the session gives up: the caller has waited 2 to 4 s by then.
const RETRIES: usize = 3;

/// How long a lost connection is held against the provider.
const WINDOW: Duration = Duration::from_secs(60);

/// Wait before the first retry; it doubles for each within the window, and 0 to 50 % is taken off at random so that a
/// thousand calls do not come back at once.
const BACKOFF: Duration = Duration::from_millis(250);

/// What a timeout means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum LinkEvent {
    /// Connect now.
    Connect,
    /// The connection did not open in time.
    TooLate,
}

/// What becomes of a lost connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Lost {
    GivenUp,
    /// [`LinkEvent::Connect`] will come.
    Retrying,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Connecting { deadline: Instant },
    Down,
    Up,
    Waiting { until: Instant },
}

pub(super) struct Link {
    state: State,
    connect_timeout: Duration,
    retries: VecDeque<Instant>,
    rng: StdRng,
}

impl Link {
    pub(super) fn new(connect_timeout: Duration, seed: u64) -> Self {
        let rng = StdRng::seed_from_u64(seed);
        Self { state: State::Down, connect_timeout, retries: VecDeque::with_capacity(RETRIES), rng }
    }

    pub(super) fn is_up(&self) -> bool {
        self.state == State::Up
    }

    /// Whether a socket exists or is being made, so that its end means something.
    pub(super) fn has_socket(&self) -> bool {
        matches!(self.state, State::Connecting { .. } | State::Up)
    }

    pub(super) fn connect(&mut self, now: Instant) {
        self.state = State::Connecting { deadline: now + self.connect_timeout };
    }

    /// The socket is open; `false` when it was not being waited for.
    pub(super) fn opened(&mut self) -> bool {
        let expected = matches!(self.state, State::Connecting { .. });
        if expected {
            self.state = State::Up;
        }
        expected
    }

    pub(super) fn lost(&mut self, now: Instant) -> Lost {
        while self.retries.front().is_some_and(|&at| now >= at + WINDOW) {
            self.retries.pop_front();
        }
        if self.retries.len() == RETRIES {
            self.state = State::Down;
            return Lost::GivenUp;
        }
        let longest = BACKOFF * (1 << self.retries.len());
        let until = now + longest.mul_f64(self.rng.random_range(0.5..=1.0));
        self.retries.push_back(now);
        self.state = State::Waiting { until };
        Lost::Retrying
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) -> Option<LinkEvent> {
        match self.state {
            State::Connecting { deadline } if now >= deadline => {
                self.state = State::Down;
                Some(LinkEvent::TooLate)
            }
            State::Waiting { until } if now >= until => {
                self.connect(now);
                Some(LinkEvent::Connect)
            }
            _ => None,
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Connecting { deadline: at } | State::Waiting { until: at } => Some(at),
            State::Down | State::Up => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn waits_double_and_are_jittered_by_the_seed() {
        let waits = |seed| {
            let now = Instant::now();
            let mut link = Link::new(Duration::from_secs(5), seed);
            let wait = |_| {
                assert_eq!(link.lost(now), Lost::Retrying);
                (link.poll_timeout().unwrap() - now).as_millis()
            };
            (0..RETRIES).map(wait).collect::<Vec<_>>()
        };
        for seed in 0..100 {
            let waits = waits(seed);
            assert!((125..=250).contains(&waits[0]), "{waits:?}");
            assert!((250..=500).contains(&waits[1]), "{waits:?}");
            assert!((500..=1_000).contains(&waits[2]), "{waits:?}");
        }
        assert_eq!(waits(7), waits(7));
        assert_ne!(waits(7), waits(8));
    }

    #[test]
    fn the_fourth_loss_in_a_minute_is_one_too_many() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let mut link = Link::new(second, 1);
        let losses = [0, 1, 2, 59].map(|at| link.lost(start + at * second));
        assert_eq!(losses, [Lost::Retrying, Lost::Retrying, Lost::Retrying, Lost::GivenUp]);
        let mut link = Link::new(second, 1);
        let losses = [0, 1, 2, 60].map(|at| link.lost(start + at * second));
        assert_eq!(losses, [Lost::Retrying; 4]);
    }
}
