//! What a load run found: spreads of the measures, counts, and the cost on the server's side.

mod text;

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Serialize, Serializer};

use crate::ear::Moment;

/// Longest time that a spread tells apart; longer ones count as this.
const SPREAD_MAX: Duration = Duration::from_secs(600);

/// A distribution of times, in microseconds with three significant digits. Memory is bounded by that, not by the count.
#[derive(Clone, Debug)]
pub struct Spread(Histogram<u64>);

/// Scores of calls, of which the low ones are the bad ones.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scores(Vec<f64>);

/// The result of a run; `--json` writes it as it is, times in milliseconds.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// `sip` or `twilio`.
    pub kind: String,
    /// Who was called.
    pub target: String,
    /// Seed of every random choice.
    pub seed: u64,
    /// Length of the run.
    pub seconds: f64,
    /// Calls that were to be placed.
    pub asked: u64,
    /// Calls that were answered.
    pub answered: u64,
    /// Calls that went wrong, before or after the answer.
    pub failed: u64,
    /// Why they did, and how many of each.
    pub failures: BTreeMap<String, u64>,
    /// Most calls up at once.
    pub concurrent: u64,
    /// Seconds of all answered calls together.
    pub call_seconds: f64,
    /// INVITE (or webhook) to answer (or stream start).
    pub setup_ms: Spread,
    /// What the callers heard.
    #[serde(flatten)]
    pub measures: Measures,
    /// Cost at the server, with `--server-pid`.
    pub server: Option<Server>,
}

/// What the callers of a run heard, all together.
#[derive(Debug, Default, Serialize)]
pub struct Measures {
    /// Answer to the first agent audio.
    pub first_audio_ms: Spread,
    /// The caller's last speech to the agent's first audio.
    pub response_gap_ms: Spread,
    /// The caller's first speech during the agent's to the agent's last audio.
    pub barge_in_to_silence_ms: Spread,
    /// Barge-ins that the agent talked through.
    pub barge_ins_ignored: u64,
    /// A mark's way there and back; needs an answer that echoes.
    pub mouth_to_ear_ms: Spread,
    /// How much later than due each packet came.
    pub lateness_ms: Spread,
    /// Time between packets.
    pub spacing_ms: Spread,
    /// Jitter by RFC 3550, one value a call.
    pub jitter_ms: Spread,
    /// E-model score, one value a call.
    pub mos: Scores,
    /// DTMF keys that the agent pressed, and in how many calls; calls without any are left out.
    pub keys_heard: BTreeMap<String, u64>,
    /// Packets, or media messages.
    pub packets: Packets,
    /// What a media stream's server sent beside audio.
    pub stream: Stream,
    /// What the generator itself did late: figures of the server are only as good as this.
    pub generator: Generator,
}

/// Counts over all calls. Impaired packets count as sent.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Packets {
    /// Sent by the callers.
    pub sent: u64,
    /// Received, duplicates left out.
    pub received: u64,
    /// Missing in what was received.
    pub lost: u64,
    /// Later than due by more than 20 ms.
    pub late: u64,
    /// Of those, the ones that came while this generator was on time: the machine had time, and the server did not use it.
    pub late_by_server: u64,
    /// Received twice.
    pub duplicates: u64,
    /// Received behind a later one.
    pub reordered: u64,
}

/// Messages of a media stream.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Stream {
    /// Marks that were echoed.
    pub marks: u64,
    /// Times the playback buffer was cleared.
    pub clears: u64,
}

/// The generator's own punctuality.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Generator {
    /// How much later than due each frame was sent.
    pub send_lateness_ms: Spread,
}

/// What the server process used.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Server {
    /// CPU seconds per call second, in percent of one core, while the run was at its height.
    pub cpu_percent_per_call: f64,
    /// Calls up on average in that time.
    pub calls: f64,
    /// Length of that time, seconds.
    pub seconds: f64,
    /// Resident memory before the first call, KiB.
    pub rss_idle_kib: u64,
    /// Resident memory at most, KiB.
    pub rss_peak_kib: u64,
    /// Slope of resident memory over concurrent calls, KiB a call.
    pub rss_kib_per_call: f64,
}

impl Default for Spread {
    fn default() -> Self {
        let most = SPREAD_MAX.as_micros() as u64;
        Self(Histogram::new_with_bounds(1, most, 3).expect("bounds are in order and three digits are allowed"))
    }
}

impl Spread {
    /// Adds one time.
    pub fn record(&mut self, time: Duration) {
        self.0.saturating_record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
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

impl Measures {
    /// Takes what one caller's ear told, the first audio apart.
    pub fn handle_moment(&mut self, moment: Moment) {
        match moment {
            Moment::Answered(gap) => self.response_gap_ms.record(gap),
            Moment::BargedIn(time) => self.barge_in_to_silence_ms.record(time),
            Moment::BargeInIgnored => self.barge_ins_ignored += 1,
            Moment::MarkHeard(delay) => self.mouth_to_ear_ms.record(delay),
            Moment::AgentStarted(_) | Moment::AgentStopped(_) | Moment::CallerStarted(_) | Moment::CallerStopped(_) => {}
        }
    }
}

impl Report {
    /// Counts a failed call by its cause.
    pub fn fail(&mut self, cause: impl Into<String>) {
        self.failed += 1;
        *self.failures.entry(cause.into()).or_default() += 1;
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
    fn failures_are_counted_by_cause() {
        let mut report = Report::default();
        for cause in ["refused 503", "timed out", "refused 503"] {
            report.fail(cause);
        }
        assert_eq!(format!("{} {:?}", report.failed, report.failures), r#"3 {"refused 503": 2, "timed out": 1}"#);
    }
}
