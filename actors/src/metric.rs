//! Counting on the hot path: plain values, written out once a second.

use std::time::Duration;

/// Upper edges of the steps in which values are gathered before they are written out, in microseconds.
const STEPS_US: [u64; 16] =
    [50, 100, 250, 500, 1_000, 2_000, 3_000, 5_000, 10_000, 20_000, 40_000, 60_000, 80_000, 120_000, 200_000, 500_000];

/// A histogram of durations that one actor fills without atomics or locks, and flushes as counts per step.
///
/// A value is written out as its step's upper edge, so the steps are fine where the metric's objectives lie.
#[derive(Debug)]
pub(crate) struct LocalHistogram {
    name: &'static str,
    direction: Option<&'static str>,
    counts: [u32; STEPS_US.len() + 1],
}

impl LocalHistogram {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, direction: None, counts: [0; STEPS_US.len() + 1] }
    }

    /// One of a metric with a `direction` label.
    pub(crate) fn in_direction(name: &'static str, direction: &'static str) -> Self {
        Self { direction: Some(direction), ..Self::new(name) }
    }

    pub(crate) fn record(&mut self, value: Duration) {
        let micros = u64::try_from(value.as_micros()).unwrap_or(u64::MAX);
        let step = STEPS_US.partition_point(|edge| *edge < micros);
        self.counts[step] += 1;
    }

    pub(crate) fn flush(&mut self) {
        let histogram = match self.direction {
            Some(direction) => metrics::histogram!(self.name, "direction" => direction),
            None => metrics::histogram!(self.name),
        };
        for (step, count) in self.counts.iter_mut().enumerate() {
            if *count > 0 {
                let edge = STEPS_US.get(step).copied().unwrap_or(2 * STEPS_US[STEPS_US.len() - 1]);
                histogram.record_many(Duration::from_micros(edge).as_secs_f64(), *count as usize);
                *count = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_fall_into_the_step_whose_edge_they_do_not_pass() {
        let mut histogram = LocalHistogram::new("offhook_test_seconds");
        for micros in [0, 50, 51, 3_000, 3_001, 499_999, 500_001, u64::MAX] {
            histogram.record(Duration::from_micros(micros));
        }
        let filled: Vec<(usize, u32)> = histogram.counts.iter().copied().enumerate().filter(|(_, count)| *count > 0).collect();
        assert_eq!(filled, [(0, 2), (1, 1), (6, 1), (7, 1), (15, 1), (16, 2)]);
        histogram.flush();
        assert_eq!(histogram.counts, [0; STEPS_US.len() + 1]);
    }
}
