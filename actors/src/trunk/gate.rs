//! How much of a trunk is used: channels, new calls a second, calls of ours a minute.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use store::Direction;

use super::config::TrunkLimits;

/// Why a call does not pass.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Full {
    /// All channels are in use.
    #[error("all channels of the trunk are in use")]
    Channels,
    /// There were too many calls of ours in the last minute.
    #[error("the trunk has had its calls of this minute")]
    Minute,
    /// There were too many calls in the last second.
    #[error("the trunk has had its calls of this second")]
    Second,
}

impl Full {
    /// The `reason` label of metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Channels => "trunk_channels",
            Self::Minute => "trunk_minute",
            Self::Second => "trunk_second",
        }
    }

    /// When it is worth trying again.
    pub fn retry_after(self) -> Duration {
        match self {
            Self::Channels => Duration::from_secs(5),
            Self::Minute => Duration::from_secs(30),
            Self::Second => Duration::from_secs(1),
        }
    }
}

/// The calls of one trunk, counted by who knows of their ends.
#[derive(Debug, Default)]
pub struct Gate {
    channels: u32,
    second: VecDeque<Instant>,
    minute: VecDeque<Instant>,
}

impl Gate {
    /// Calls on it now.
    pub fn channels(&self) -> u32 {
        self.channels
    }

    /// Lets one call in, which must be [let out](Self::release) again.
    ///
    /// # Errors
    /// What is used up; then nothing is counted.
    pub fn admit(&mut self, now: Instant, limits: &TrunkLimits, direction: Direction) -> Result<(), Full> {
        forget(&mut self.second, now, Duration::from_secs(1));
        forget(&mut self.minute, now, Duration::from_secs(60));
        let ours = matches!(direction, Direction::Outbound);
        let full = |count: usize, limit: Option<u32>| limit.is_some_and(|limit| count >= limit as usize);
        if full(self.channels as usize, limits.channels) {
            return Err(Full::Channels);
        }
        if full(self.second.len(), limits.calls_per_second) {
            return Err(Full::Second);
        }
        if ours && full(self.minute.len(), limits.outbound_per_minute) {
            return Err(Full::Minute);
        }
        self.channels += 1;
        // What has no limit need not be remembered.
        if limits.calls_per_second.is_some() {
            self.second.push_back(now);
        }
        if ours && limits.outbound_per_minute.is_some() {
            self.minute.push_back(now);
        }
        Ok(())
    }

    /// A call has ended.
    pub fn release(&mut self) {
        self.channels = self.channels.saturating_sub(1);
    }
}

fn forget(times: &mut VecDeque<Instant>, now: Instant, span: Duration) {
    while times.front().is_some_and(|time| now.saturating_duration_since(*time) >= span) {
        times.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `500:out` a call of ours after so many milliseconds, `in` one of theirs, `end` -> what each is told.
    fn check(limits: TrunkLimits, steps: &str, expected: &str) {
        let start = Instant::now();
        let mut gate = Gate::default();
        let mut said = Vec::new();
        for step in steps.split(' ') {
            let (at, what) = step.split_once(':').expect("time:what");
            let now = start + Duration::from_millis(at.parse().expect("milliseconds"));
            let admitted = match what {
                "in" => gate.admit(now, &limits, Direction::Inbound),
                "out" => gate.admit(now, &limits, Direction::Outbound),
                _ => {
                    gate.release();
                    continue;
                }
            };
            said.push(admitted.map_or_else(Full::label, |()| "ok"));
        }
        assert_eq!(said.join(" "), expected, "{steps}");
    }

    #[test]
    fn channels_are_given_back() {
        let limits = TrunkLimits { channels: Some(2), ..TrunkLimits::default() };
        check(limits, "0:in 0:out 0:in 1:end 1:out 1:out", "ok ok trunk_channels ok trunk_channels");
    }

    #[test]
    fn calls_of_a_second_slide() {
        let limits = TrunkLimits { calls_per_second: Some(2), ..TrunkLimits::default() };
        check(limits, "0:in 600:in 999:in 1000:in 1001:out 1600:out", "ok ok trunk_second ok trunk_second ok");
    }

    #[test]
    fn a_minute_counts_calls_of_ours_alone() {
        let limits = TrunkLimits { outbound_per_minute: Some(1), ..TrunkLimits::default() };
        check(limits, "0:in 0:in 0:out 59999:out 60000:out", "ok ok ok trunk_minute ok");
    }

    #[test]
    fn no_limit_is_none() {
        check(TrunkLimits::default(), "0:in 0:out 0:out 0:in", "ok ok ok ok");
    }
}
