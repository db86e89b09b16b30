//! Spreads of times and scores of calls, as percentiles.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Serialize, Serializer};

/// Longest time that a spread tells apart; longer ones count as this.
const SPREAD_MAX: Duration = Duration::from_secs(600);

/// A distribution of times, in microseconds with three significant digits. Memory is bounded by that, not by the count.
#[derive(Clone, Debug)]
pub struct Spread(Histogram<u64>);

/// Scores of calls, of which the low ones are the bad ones.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scores(Vec<f64>);

impl Default for Spread {
    fn default() -> Self {
        Self::with_digits(3)
    }
}

impl Spread {
    /// A spread of two digits: an eighth of the memory, for the many short spreads over a run's time.
    pub fn coarse() -> Self {
        Self::with_digits(2)
    }

    fn with_digits(digits: u8) -> Self {
        let most = SPREAD_MAX.as_micros() as u64;
        Self(Histogram::new_with_bounds(1, most, digits).expect("bounds are in order and so few digits are allowed"))
    }

    /// The time that `percent` of all do not exceed, in milliseconds; none when nothing was recorded.
    pub fn ms(&self, percent: f64) -> Option<f64> {
        (self.count() > 0).then(|| self.percentile(percent).as_micros() as f64 / 1_000.0)
    }

    /// Adds one time.
    pub fn record(&mut self, time: Duration) {
        self.0.saturating_record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    /// Adds the same time so often.
    pub fn record_many(&mut self, time: Duration, count: u64) {
        self.0.saturating_record_n(u64::try_from(time.as_micros()).unwrap_or(u64::MAX), count);
    }

    /// Adds all times of another spread.
    pub fn add(&mut self, other: &Self) {
        self.0.add(&other.0).expect("all spreads have the same bounds");
    }

    /// How many times were recorded.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The time that `percent` of all do not exceed.
    pub fn percentile(&self, percent: f64) -> Duration {
        Duration::from_micros(self.0.value_at_percentile(percent))
    }

    /// The longest time.
    pub fn max(&self) -> Duration {
        Duration::from_micros(self.0.max())
    }
}

impl Scores {
    /// Adds one score.
    pub fn record(&mut self, score: f64) {
        self.0.push(score);
    }

    /// The score that `percent` of all reach; 100 gives the worst.
    pub fn percentile(&self, percent: f64) -> Option<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(|a, b| b.total_cmp(a));
        let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.saturating_sub(1)).copied()
    }
}

impl Serialize for Spread {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Line {
            count: u64,
            p50: f64,
            p95: f64,
            p99: f64,
            max: f64,
        }
        let ms = |time: Duration| time.as_micros() as f64 / 1_000.0;
        let line = Line {
            count: self.count(),
            p50: ms(self.percentile(50.0)),
            p95: ms(self.percentile(95.0)),
            p99: ms(self.percentile(99.0)),
            max: ms(self.max()),
        };
        line.serialize(serializer)
    }
}

impl Serialize for Scores {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Line {
            count: usize,
            p50: Option<f64>,
            p95: Option<f64>,
            p99: Option<f64>,
            min: Option<f64>,
        }
        let [p50, p95, p99, min] = [50.0, 95.0, 99.0, 100.0].map(|percent| self.percentile(percent));
        Line { count: self.0.len(), p50, p95, p99, min }.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn check(times: impl Iterator<Item = u64>, want: &str) {
        let mut spread = Spread::default();
        times.for_each(|ms| spread.record(Duration::from_millis(ms)));
        assert_eq!(serde_json::to_string(&spread).unwrap(), want);
    }

    #[test]
    fn a_spread_tells_percentiles_to_three_digits() {
        check(std::iter::empty(), r#"{"count":0,"p50":0.0,"p95":0.0,"p99":0.0,"max":0.0}"#);
        check(1..=100, r#"{"count":100,"p50":50.015,"p95":95.039,"p99":99.007,"max":100.031}"#);
    }

    #[test]
    fn times_beyond_the_spread_count_as_its_longest() {
        check([10_000_000].into_iter(), r#"{"count":1,"p50":600309.759,"p95":600309.759,"p99":600309.759,"max":600309.759}"#);
    }

    #[test]
    fn percentiles_of_scores_lean_to_the_bad_side() {
        let mut scores = Scores::default();
        (1..=100).for_each(|score| scores.record(f64::from(score) / 25.0));
        let line = serde_json::to_string(&scores).unwrap();
        assert_eq!(line, r#"{"count":100,"p50":2.04,"p95":0.24,"p99":0.08,"min":0.04}"#);
    }

    #[test]
    fn a_coarse_spread_adds_to_a_fine_one() {
        let (mut coarse, mut fine) = (Spread::coarse(), Spread::default());
        assert_eq!(coarse.ms(50.0), None);
        coarse.record(Duration::from_micros(100));
        fine.record(Duration::from_micros(300));
        fine.add(&coarse);
        assert_eq!((fine.count(), fine.ms(50.0), fine.ms(100.0)), (2, Some(0.1), Some(0.3)));
    }
}
