//! How many calls, how fast, how long, and to whom one may do that.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, ensure};

/// Most calls of a run: a day and a half of a soak with ten new ones a second.
pub const CALLS_MAX: u64 = 1_000_000;
/// Most calls up at once: below the 16,384 dialogs that `sip::Endpoint` keeps, with room for those that just ended.
pub const CONCURRENCY_MAX: u64 = 10_000;
/// Most new calls a second: `sip::Endpoint` keeps 32,768 transactions, each for 32 s.
pub const RATE_MAX: f64 = 500.0;
/// Longest call, and longest run by the clock: a day.
pub const HOLD_MAX: Duration = Duration::from_secs(24 * 3_600);
/// Most steps of a ramp: its table is to be read by a person.
pub const STEPS_MAX: usize = 64;

/// The bounds of a run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How the calls are spread over the run.
    pub shape: Shape,
    /// New calls a second, at most [`RATE_MAX`].
    pub rate: f64,
    /// How long a call lasts after its answer, at most [`HOLD_MAX`]; of a soak the mean, of a ramp without meaning.
    pub hold: Duration,
    /// Seed of every random choice.
    pub seed: u64,
    /// Tell what happens as it happens; for one call.
    pub narrate: bool,
}

/// How the calls of a run are spread over it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Shape {
    /// So many calls, then the run is over.
    Calls {
        /// Calls to place, at most [`CALLS_MAX`].
        calls: u64,
        /// Calls up at once, at most [`CONCURRENCY_MAX`]; further ones wait.
        concurrency: u64,
    },
    /// More calls from step to step, each of which lasts to the end.
    Ramp {
        /// Calls up in each step, rising.
        steps: Vec<u64>,
        /// Length of a step from when its last call was placed.
        length: Duration,
    },
    /// So many calls up all the time; one that ends is followed by another.
    Soak {
        /// Calls up at once, at most [`CONCURRENCY_MAX`].
        up: u64,
        /// Length of the run, at most [`HOLD_MAX`].
        length: Duration,
    },
}

/// A step of a ramp, in time since the start of the run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Step {
    /// Calls up.
    pub calls: u64,
    /// The first of its own calls is placed.
    pub begin: Duration,
    /// The last of them was placed: from here on the step is measured.
    pub full: Duration,
    /// The next step begins.
    pub end: Duration,
}

/// Whether a target that is not on this machine may be called.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reach {
    /// Only 127.0.0.0/8 and ::1.
    Loopback,
    /// Anywhere: the operator says that the target is his own.
    OwnedTarget,
}

impl Plan {
    /// Refuses a plan beyond the bounds.
    ///
    /// # Errors
    /// Names the value and its limit.
    pub fn check(&self) -> anyhow::Result<()> {
        let Self { rate, hold, .. } = *self;
        let most = CONCURRENCY_MAX;
        let within = |name: &str, count: u64| {
            ensure!((1..=most).contains(&count), "{name} {count} is not within 1 to {most}");
            Ok(())
        };
        match &self.shape {
            Shape::Calls { calls, concurrency } => {
                ensure!((1..=CALLS_MAX).contains(calls), "calls {calls} is not within 1 to {CALLS_MAX}");
                within("concurrency", *concurrency)?;
            }
            Shape::Ramp { steps, .. } => {
                ensure!((1..=STEPS_MAX).contains(&steps.len()), "{} steps are not within 1 to {STEPS_MAX}", steps.len());
                ensure!(steps.is_sorted_by(|a, b| a < b), "the steps of a ramp must rise");
                steps.iter().try_for_each(|count| within("step", *count))?;
            }
            Shape::Soak { up, length } => {
                within("soaked calls", *up)?;
                ensure!(!length.is_zero(), "a soak of no time");
            }
        }
        ensure!(rate > 0.0 && rate <= RATE_MAX, "rate {rate} is not above 0 and at most {RATE_MAX}");
        ensure!(hold <= HOLD_MAX, "hold {hold:?} is above {HOLD_MAX:?}");
        ensure!(self.length() <= HOLD_MAX + hold, "a run of {:?} is above {HOLD_MAX:?}", self.length());
        ensure!(!self.narrate || self.asked() == Some(1), "narrate is for one call");
        Ok(())
    }

    /// How many calls are placed; none for a soak, which places as many as end.
    pub fn asked(&self) -> Option<u64> {
        match &self.shape {
            Shape::Calls { calls, .. } => Some(*calls),
            Shape::Ramp { steps, .. } => steps.last().copied(),
            Shape::Soak { .. } => None,
        }
    }

    /// Length of the run when nothing is late.
    pub fn length(&self) -> Duration {
        match &self.shape {
            Shape::Calls { calls, concurrency } => {
                let rounds = calls.div_ceil(*concurrency);
                let by_rate = self.time_of(*calls);
                by_rate.max(self.hold.saturating_mul(u32::try_from(rounds - 1).unwrap_or(u32::MAX))) + self.hold
            }
            Shape::Ramp { .. } => self.steps().last().map_or(Duration::ZERO, |step| step.end),
            Shape::Soak { length, .. } => *length,
        }
    }

    /// The steps of a ramp; none of another shape.
    pub fn steps(&self) -> Vec<Step> {
        let Shape::Ramp { steps, length } = &self.shape else {
            return Vec::new();
        };
        let mut begin = Duration::ZERO;
        let mut before = 0;
        let step = |&calls: &u64| {
            let full = begin + self.time_of(calls - before);
            let step = Step { calls, begin, full, end: full + *length };
            (begin, before) = (step.end, calls);
            step
        };
        steps.iter().map(step).collect()
    }

    /// How long it takes to place so many calls.
    pub fn time_of(&self, calls: u64) -> Duration {
        Duration::from_secs_f64(calls as f64 / self.rate)
    }
}

impl Reach {
    /// Resolves `host:port` and refuses what lies out of reach.
    ///
    /// # Errors
    /// When the name is unknown, or the address is not a loopback one and the target was not claimed.
    pub async fn resolve(self, target: &str) -> anyhow::Result<SocketAddr> {
        let lookup = tokio::net::lookup_host(target).await;
        let mut found = lookup.with_context(|| format!("target {target}: want HOST:PORT"))?;
        let address = found.next().with_context(|| format!("target {target} has no address"))?;
        ensure!(
            self == Self::OwnedTarget || address.ip().is_loopback(),
            "target {address} is not on this machine: load is for your own servers only, say --i-own-the-target if it is one"
        );
        Ok(address)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn plan(shape: Shape) -> Plan {
        Plan { shape, rate: 10.0, hold: Duration::from_secs(1), seed: 1, narrate: false }
    }

    fn check(change: impl Fn(&mut Plan), want: &str) {
        let mut plan = plan(Shape::Calls { calls: 1, concurrency: 1 });
        change(&mut plan);
        let got = plan.check().map_or_else(|error| error.to_string(), |()| "fine".to_owned());
        assert_eq!(got, want);
    }

    #[test]
    fn a_run_is_bounded() {
        let calls = |calls, concurrency| Shape::Calls { calls, concurrency };
        let ramp = |steps: &[u64]| Shape::Ramp { steps: steps.to_vec(), length: Duration::from_secs(1) };
        let soak = |up, seconds| Shape::Soak { up, length: Duration::from_secs(seconds) };
        check(|_| {}, "fine");
        check(|plan| plan.shape = calls(1_000_001, 1), "calls 1000001 is not within 1 to 1000000");
        check(|plan| plan.shape = calls(1, 0), "concurrency 0 is not within 1 to 10000");
        check(|plan| plan.shape = ramp(&[]), "0 steps are not within 1 to 64");
        check(|plan| plan.shape = ramp(&[2, 2]), "the steps of a ramp must rise");
        check(|plan| plan.shape = ramp(&[1, 10_001]), "step 10001 is not within 1 to 10000");
        check(|plan| plan.shape = soak(0, 1), "soaked calls 0 is not within 1 to 10000");
        check(|plan| plan.shape = soak(1, 0), "a soak of no time");
        check(|plan| plan.shape = soak(1, 90_000), "a run of 90000s is above 86400s");
        check(|plan| plan.rate = 501.0, "rate 501 is not above 0 and at most 500");
        check(|plan| plan.hold = Duration::from_secs(86_401), "hold 86401s is above 86400s");
        check(|plan| (plan.narrate, plan.shape) = (true, calls(2, 2)), "narrate is for one call");
    }

    #[test]
    fn the_steps_of_a_ramp_follow_each_other() {
        let plan = plan(Shape::Ramp { steps: vec![1, 11, 21], length: Duration::from_secs(5) });
        let text = |step: &Step| format!("{}: {:?}-{:?}-{:?}", step.calls, step.begin, step.full, step.end);
        let got: Vec<_> = plan.steps().iter().map(text).collect();
        assert_eq!(got, ["1: 0ns-100ms-5.1s", "11: 5.1s-6.1s-11.1s", "21: 11.1s-12.1s-17.1s"]);
        assert_eq!(plan.length(), Duration::from_millis(17_100));
    }

    #[tokio::test]
    async fn only_loopback_is_in_reach_unless_the_target_is_owned() {
        assert!(Reach::Loopback.resolve("127.0.0.1:5060").await.is_ok());
        assert!(Reach::Loopback.resolve("[::1]:5060").await.is_ok());
        let refused = Reach::Loopback.resolve("192.0.2.1:5060").await.unwrap_err();
        assert!(refused.to_string().contains("--i-own-the-target"), "{refused}");
        assert!(Reach::OwnedTarget.resolve("192.0.2.1:5060").await.is_ok());
        assert!(Reach::Loopback.resolve("no port").await.is_err());
    }
}
