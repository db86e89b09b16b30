//! When the next call is placed and how long it lasts. Pure: time since the start of the run is an argument.
//!
//! Arrivals are open: a call is due by the plan's rate, whatever became of those before it, and one that is placed late
//! is placed at once and its lateness told. Only a full concurrency makes calls wait for others.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::plan::{Plan, Shape, Step};

/// Before the end of a soak no call is placed that would be shorter than this.
const LAST_CALL: Duration = Duration::from_secs(2);

/// A call to place now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Launch {
    /// Its number, from 0.
    pub number: u64,
    /// How long it lasts after its answer.
    pub hold: Duration,
    /// How much later than due it is placed.
    pub lateness: Duration,
}

/// The pure core.
#[derive(Debug)]
pub struct Schedule {
    plan: Plan,
    steps: Vec<Step>,
    random: StdRng,
    launched: u64,
    /// Of a soak: when the next call may be placed.
    next: Duration,
    /// Not before this a call was due: when a waiting one found its place.
    freed: Duration,
    stopped: bool,
}

impl Schedule {
    /// A plan from its start on.
    pub fn new(plan: &Plan) -> Self {
        Self {
            plan: plan.clone(),
            steps: plan.steps(),
            random: StdRng::seed_from_u64(plan.seed),
            launched: 0,
            next: Duration::ZERO,
            freed: Duration::ZERO,
            stopped: false,
        }
    }

    /// The call to place now, while `up` calls are in progress.
    pub fn poll_launch(&mut self, now: Duration, up: u64) -> Option<Launch> {
        let due = self.due(up).filter(|due| *due <= now)?;
        let number = self.launched;
        self.launched += 1;
        let hold = match self.plan.shape {
            Shape::Calls { .. } => self.plan.hold,
            Shape::Ramp { .. } => self.plan.length().saturating_sub(now),
            Shape::Soak { length, .. } => {
                self.next = now + self.plan.time_of(1);
                // Half to one and a half times as long as the plan says.
                self.plan.hold.mul_f64(0.5 + self.random.random::<f64>()).min(length.saturating_sub(now))
            }
        };
        Some(Launch { number, hold, lateness: now.saturating_sub(due.max(self.freed)) })
    }

    /// When the next call is due; none while it waits for another's end, or when there is no other.
    pub fn due(&self, up: u64) -> Option<Duration> {
        if self.stopped {
            return None;
        }
        match &self.plan.shape {
            Shape::Calls { calls, concurrency } => {
                (self.launched < *calls && up < *concurrency).then(|| self.plan.time_of(self.launched))
            }
            Shape::Ramp { .. } => {
                let step = self.steps.iter().position(|step| self.launched < step.calls)?;
                let before = step.checked_sub(1).map_or(0, |before| self.steps[before].calls);
                Some(self.steps[step].begin + self.plan.time_of(self.launched - before))
            }
            Shape::Soak { up: most, length } => (up < *most && self.next + LAST_CALL <= *length).then_some(self.next),
        }
    }

    /// Takes note that a call ended, so that one which waited for it counts as due from now on.
    pub fn handle_end(&mut self, now: Duration) {
        self.freed = now;
    }

    /// Whether no further call will be placed once those in progress have ended.
    pub fn is_over(&self, now: Duration) -> bool {
        self.stopped
            || match &self.plan.shape {
                Shape::Calls { calls, .. } => self.launched >= *calls,
                Shape::Ramp { .. } => Some(self.launched) >= self.plan.asked(),
                Shape::Soak { length, .. } => now.max(self.next) + LAST_CALL > *length,
            }
    }

    /// No further calls.
    pub fn stop(&mut self) {
        self.stopped = true;
    }

    /// How many calls were placed.
    pub fn launched(&self) -> u64 {
        self.launched
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Steps time in 50 ms; a call ends `hold` after it was placed. Gives `ms:hold` of each.
    fn check(shape: Shape, rate: f64, want: &str) {
        let plan = Plan { shape, rate, hold: Duration::from_millis(1_000), seed: 1, narrate: false };
        let mut schedule = Schedule::new(&plan);
        let (mut ends, mut told) = (Vec::new(), Vec::new());
        for now in (0..20_000).step_by(50).map(Duration::from_millis) {
            let before = ends.len();
            ends.retain(|end| *end > now);
            if ends.len() < before {
                schedule.handle_end(now);
            }
            while let Some(launch) = schedule.poll_launch(now, ends.len() as u64) {
                ends.push(now + launch.hold);
                assert_eq!(launch.lateness.as_millis() / 50, 0, "nothing is late here");
                told.push(format!("{}:{}", now.as_millis(), launch.hold.as_millis()));
            }
            if schedule.is_over(now) {
                break;
            }
        }
        assert_eq!(told.join(" "), want);
    }

    #[test]
    fn calls_come_by_rate_and_wait_for_a_place() {
        check(Shape::Calls { calls: 4, concurrency: 9 }, 10.0, "0:1000 100:1000 200:1000 300:1000");
        check(Shape::Calls { calls: 4, concurrency: 2 }, 10.0, "0:1000 100:1000 1000:1000 1100:1000");
    }

    #[test]
    fn the_calls_of_a_ramp_last_to_its_end() {
        let length = Duration::from_millis(500);
        check(Shape::Ramp { steps: vec![1, 3], length }, 10.0, "0:1300 600:700 700:600");
    }

    #[test]
    fn a_soak_replaces_what_ends_until_its_time_is_over() {
        let soak = |up| Shape::Soak { up, length: Duration::from_millis(4_500) };
        check(soak(1), 10.0, "0:1474 1500:1191");
    }

    #[test]
    fn a_call_placed_late_says_so() {
        let shape = Shape::Calls { calls: 2, concurrency: 1 };
        let plan = Plan { shape, rate: 10.0, hold: Duration::ZERO, seed: 1, narrate: false };
        let mut schedule = Schedule::new(&plan);
        let at = Duration::from_millis;
        assert_eq!(schedule.poll_launch(at(30), 0).map(|launch| launch.lateness), Some(at(30)));
        assert_eq!(schedule.poll_launch(at(400), 1), None);
        schedule.handle_end(at(500));
        assert_eq!(schedule.poll_launch(at(502), 0).map(|launch| launch.lateness), Some(at(2)));
        schedule.stop();
        assert!(schedule.is_over(at(503)) && schedule.due(0).is_none());
    }
}
