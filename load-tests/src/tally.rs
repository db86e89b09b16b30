//! Where callers write down what they heard: once for the whole run, once for the window of time that is open.

use std::time::Duration;

use crate::ear::Moment;
use crate::report::{Measures, Spread};

/// What was heard in one stretch of a run's time. Two windows add up to a longer one.
#[derive(Clone, Debug)]
pub struct Window {
    /// Set-up times of calls that were answered.
    pub setup: Spread,
    /// Gaps before answers.
    pub response_gap: Spread,
    /// How much later than due packets came.
    pub lateness: Spread,
    /// How much later than due the generator sent.
    pub send_lateness: Spread,
    /// Packets that came.
    pub received: u64,
    /// Packets that did not.
    pub lost: u64,
    /// Packets late by more than a frame while the generator was on time.
    pub late_by_server: u64,
}

/// The measures of a run and the window that is open.
#[derive(Debug, Default)]
pub struct Tally {
    /// All of the run.
    pub measures: Measures,
    /// Since [`Tally::take_window`] was last called.
    pub window: Window,
}

impl Default for Window {
    fn default() -> Self {
        // What is judged against a limit to the millisecond has all digits; what comes by the thousand has fewer.
        let [setup, response_gap] = [(); 2].map(|()| Spread::default());
        let [lateness, send_lateness] = [(); 2].map(|()| Spread::coarse());
        Self { setup, response_gap, lateness, send_lateness, received: 0, lost: 0, late_by_server: 0 }
    }
}

impl Window {
    /// Adds what another window heard.
    pub fn add(&mut self, other: &Self) {
        self.setup.add(&other.setup);
        self.response_gap.add(&other.response_gap);
        self.lateness.add(&other.lateness);
        self.send_lateness.add(&other.send_lateness);
        self.received += other.received;
        self.lost += other.lost;
        self.late_by_server += other.late_by_server;
    }
}

impl Tally {
    /// Takes what a caller's ear told.
    pub fn handle_moment(&mut self, moment: Moment) {
        if let Moment::Answered(gap) = moment {
            self.window.response_gap.record(gap);
        }
        self.measures.handle_moment(moment);
    }

    /// A packet came so much later than due.
    pub fn record_lateness(&mut self, lateness: Duration) {
        self.measures.lateness_ms.record(lateness);
        self.window.lateness.record(lateness);
    }

    /// So many frames were sent so much later than due.
    pub fn record_sends(&mut self, lateness: Duration, frames: u64) {
        self.measures.packets.sent += frames;
        self.measures.generator.send_lateness_ms.record_many(lateness, frames);
        self.window.send_lateness.record_many(lateness, frames);
    }

    /// Closes the open window.
    pub fn take_window(&mut self) -> Window {
        std::mem::take(&mut self.window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_add_up_to_the_run() {
        let mut tally = Tally::default();
        let mut sum = Window::default();
        for ms in [1, 20, 3] {
            tally.record_lateness(Duration::from_millis(ms));
            tally.handle_moment(Moment::Answered(Duration::from_millis(ms * 100)));
            sum.add(&tally.take_window());
        }
        assert_eq!((sum.lateness.count(), sum.response_gap.count(), tally.window.lateness.count()), (3, 3, 0));
        assert_eq!(tally.measures.lateness_ms.ms(50.0), Some(3.001));
        assert_eq!(sum.lateness.ms(50.0), Some(3.007), "two digits");
    }
}
