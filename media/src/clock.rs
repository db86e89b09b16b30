//! When each tick of the shared 20 ms clock is due, and what to do when late.

use std::time::{Duration, Instant};

/// One phase of one tick: the legs of a phase are driven together, and phases spread the work over the period.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Slot {
    /// Counts periods from the clock's start; every leg numbers its frames by it.
    pub tick: u64,
    /// 0 to the number of phases - 1.
    pub phase: u32,
}

/// Deadlines as exact multiples of the period from one start, so that rounding and lateness never add up.
///
/// ```text
/// start          +5 ms          +10 ms         +15 ms         +20 ms
/// | tick 0       | tick 0       | tick 0       | tick 0       | tick 1
/// | phase 0      | phase 1      | phase 2      | phase 3      | phase 0      4 phases of 20 ms
/// ```
#[derive(Clone, Copy, Debug)]
pub struct PhasedSchedule {
    start: Instant,
    period: Duration,
    phases: u32,
}

impl PhasedSchedule {
    /// Tick 0, phase 0 is due at `start`; `phases` of 0 is taken as 1.
    pub fn new(start: Instant, period: Duration, phases: u32) -> Self {
        Self { start, period, phases: phases.max(1) }
    }

    /// When `slot` is due.
    pub fn deadline(&self, slot: Slot) -> Instant {
        let nanos = self.period.as_nanos();
        let whole = nanos * u128::from(slot.tick);
        let part = nanos * u128::from(slot.phase) / u128::from(self.phases);
        self.start + Duration::from_nanos((whole + part) as u64)
    }

    /// The slot that follows `slot`.
    pub fn after(&self, slot: Slot) -> Slot {
        match slot.phase + 1 {
            phase if phase < self.phases => Slot { phase, ..slot },
            _ => Slot { tick: slot.tick + 1, phase: 0 },
        }
    }

    /// Phases in a period.
    pub fn phases(&self) -> u32 {
        self.phases
    }
}

/// Walks a schedule slot by slot: call `handle_timeout` at `poll_timeout` until it gives `None`.
#[derive(Debug)]
pub struct PhasedClock {
    schedule: PhasedSchedule,
    next: Slot,
    skipped: u64,
}

impl PhasedClock {
    /// Ticks run back to back after a stall: 100 ms, what jitter buffers at the far end bridge. More would burst
    /// packets that come too late anyway.
    pub const CATCH_UP: u64 = 5;

    /// A clock before its first slot.
    pub fn new(schedule: PhasedSchedule) -> Self {
        Self { schedule, next: Slot { tick: 0, phase: 0 }, skipped: 0 }
    }

    /// When the next slot is due.
    pub fn poll_timeout(&self) -> Instant {
        self.schedule.deadline(self.next)
    }

    /// The slot that comes next.
    pub fn next(&self) -> Slot {
        self.next
    }

    /// Goes on at the first slot that is not over at `now`, for a clock that nobody needed for a while: nothing is caught up or counted.
    pub fn resume(&mut self, now: Instant) {
        let Some(rest) = now.checked_duration_since(self.poll_timeout()) else { return };
        let PhasedSchedule { period, phases, .. } = self.schedule;
        let passed = (rest.as_nanos() * u128::from(phases)).div_ceil(period.as_nanos().max(1)) as u64;
        let slots = u64::from(self.next.phase) + passed;
        self.next = Slot { tick: self.next.tick + slots / u64::from(phases), phase: (slots % u64::from(phases)) as u32 };
    }

    /// The next slot that is due, oldest first; ticks further behind than [`Self::CATCH_UP`] are left out.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Slot> {
        let late = now.checked_duration_since(self.poll_timeout())?;
        let behind = (late.as_nanos() / self.schedule.period.as_nanos().max(1)) as u64;
        let skip = behind.saturating_sub(Self::CATCH_UP);
        self.skipped += skip;
        let slot = Slot { tick: self.next.tick + skip, phase: self.next.phase };
        self.next = self.schedule.after(slot);
        Some(slot)
    }

    /// Ticks left out since the start.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::epoch;
    use crate::units::FRAME;

    fn check(script: &str, expected: &str) {
        let start = epoch();
        let mut clock = PhasedClock::new(PhasedSchedule::new(start, FRAME, 4));
        let mut slots = Vec::new();
        for at in script.split_whitespace() {
            let now = start + Duration::from_micros(at.parse().unwrap());
            while let Some(slot) = clock.handle_timeout(now) {
                slots.push(format!("{}.{}", slot.tick, slot.phase));
            }
            slots.push("|".to_owned());
        }
        slots.push(format!("skipped {}", clock.skipped()));
        assert_eq!(slots.join(" "), expected);
    }

    #[test]
    fn each_phase_has_its_turn_and_none_twice() {
        check("0 0 4999 5000 10000 15000 20000", "0.0 | | | 0.1 | 0.2 | 0.3 | 1.0 | skipped 0");
    }

    #[test]
    fn a_late_clock_catches_up_without_drift() {
        check("26000 29999 30000", "0.0 0.1 0.2 0.3 1.0 1.1 | | 1.2 | skipped 0");
    }

    #[test]
    fn after_a_long_stall_ticks_are_left_out_and_counted() {
        let start = epoch();
        let mut clock = PhasedClock::new(PhasedSchedule::new(start, FRAME, 1));
        let due = |clock: &mut PhasedClock, ms| {
            let now = start + Duration::from_millis(ms);
            std::iter::from_fn(|| clock.handle_timeout(now)).map(|slot| slot.tick).collect::<Vec<_>>()
        };
        assert_eq!(due(&mut clock, 1_000), [45, 46, 47, 48, 49, 50]);
        assert_eq!((clock.skipped(), clock.poll_timeout()), (45, start + Duration::from_millis(1_020)));
        assert_eq!(due(&mut clock, 1_020), [51]);
    }

    #[test]
    fn a_clock_that_rested_catches_up_nothing() {
        let start = epoch();
        let resumed = |us: u64| {
            let mut clock = PhasedClock::new(PhasedSchedule::new(start, FRAME, 4));
            assert_eq!(clock.handle_timeout(start), Some(Slot { tick: 0, phase: 0 }));
            clock.resume(start + Duration::from_micros(us));
            let due = clock.poll_timeout() - start;
            format!("{}.{} at {} ms, skipped {}", clock.next().tick, clock.next().phase, due.as_millis(), clock.skipped())
        };
        assert_eq!(resumed(1_000), "0.1 at 5 ms, skipped 0");
        assert_eq!(resumed(5_000), "0.1 at 5 ms, skipped 0");
        assert_eq!(resumed(5_001), "0.2 at 10 ms, skipped 0");
        assert_eq!(resumed(20_000), "1.0 at 20 ms, skipped 0");
        assert_eq!(resumed(3_600_000_001), "180000.1 at 3600005 ms, skipped 0");
    }

    #[test]
    fn deadlines_do_not_drift_in_a_day() {
        let start = epoch();
        let schedule = PhasedSchedule::new(start, FRAME, 3);
        let day = Slot { tick: 24 * 3_600 * 50, phase: 0 };
        assert_eq!(schedule.deadline(day), start + Duration::from_secs(24 * 3_600));
        let third = schedule.deadline(Slot { tick: 0, phase: 1 }) - start;
        assert_eq!((third, schedule.phases()), (Duration::from_nanos(6_666_666), 3));
    }
}
