//! Objectives: limits to the figures of a run, given by name, met or missed.

use std::fmt::{self, Display, Formatter};

use anyhow::{Context, bail};
use serde::Serialize;

use crate::monitor::StepRow;
use crate::process::Cost;
use crate::report::{Report, Spread};

/// A limit: `response_gap_p95=520ms`, `failed=0`, `mos_p50=4.2`.
#[derive(Clone, Debug, PartialEq)]
pub struct Slo {
    name: String,
    unit: Unit,
    limit: f64,
}

/// An objective and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// The figure's name.
    pub name: String,
    /// Its limit, in `unit`.
    pub limit: f64,
    /// What was measured; none when nothing was, which misses the objective.
    pub value: Option<f64>,
    /// Unit of both.
    pub unit: Unit,
    /// Whether it was met.
    pub met: bool,
}

/// What a figure is counted in.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub enum Unit {
    /// Milliseconds; a limit may also say `us` or `s`.
    #[serde(rename = "ms")]
    Milliseconds,
    /// Things.
    #[serde(rename = "")]
    Count,
    /// Of a hundred.
    #[serde(rename = "%")]
    Percent,
    /// Megabytes of 1,000,000 octets; a limit may also say `kB`.
    #[serde(rename = "MB")]
    Megabytes,
    /// Points of the E-model, of which more is better.
    #[serde(rename = "MOS")]
    Score,
}

/// One of a report's spreads.
type SpreadOf = fn(&Report) -> &Spread;

const PERCENTILES: [(&str, f64); 4] = [("p50", 50.0), ("p95", 95.0), ("p99", 99.0), ("max", 100.0)];
/// Figures that are a spread: each has the four percentiles.
const SPREADS: [(&str, SpreadOf); 10] = [
    ("setup", |report| &report.setup_ms),
    ("first_audio", |report| &report.measures.first_audio_ms),
    ("response_gap", |report| &report.measures.response_gap_ms),
    ("barge_in_to_silence", |report| &report.measures.barge_in_to_silence_ms),
    ("mouth_to_ear", |report| &report.measures.mouth_to_ear_ms),
    ("lateness", |report| &report.measures.lateness_ms),
    ("spacing", |report| &report.measures.spacing_ms),
    ("jitter", |report| &report.measures.jitter_ms),
    ("reject", |report| &report.rejected.answer_ms),
    ("generator_lateness", |report| &report.measures.generator.send_lateness_ms),
];
/// The other figures.
const PLAIN: [(&str, Unit); 16] = [
    ("failed", Unit::Count),
    ("rejected", Unit::Count),
    ("rejected_without_retry_after", Unit::Count),
    ("lost", Unit::Count),
    ("loss_percent", Unit::Percent),
    ("late", Unit::Count),
    ("late_by_server", Unit::Count),
    ("barge_ins_ignored", Unit::Count),
    ("generator_overflow", Unit::Count),
    ("mos_p50", Unit::Score),
    ("mos_p95", Unit::Score),
    ("mos_p99", Unit::Score),
    ("mos_min", Unit::Score),
    ("cpu_percent_per_call", Unit::Percent),
    ("rss_per_call", Unit::Megabytes),
    ("rss_per_hour", Unit::Megabytes),
];

impl std::str::FromStr for Slo {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let (name, limit) = text.split_once('=').with_context(|| format!("slo {text}: want NAME=VALUE"))?;
        let Some(unit) = unit(name) else {
            bail!("slo {name} is unknown; known are {}", names());
        };
        let limit = unit.parse(limit).with_context(|| format!("slo {name}: limit {limit} is no {}", unit.says()))?;
        Ok(Self { name: name.to_owned(), unit, limit })
    }
}

impl Slo {
    /// Whether a run met it.
    pub fn judge(&self, report: &Report) -> Verdict {
        self.verdict(figure(report, &self.name))
    }

    /// Whether a step of a ramp met it; none for a figure that a step does not have.
    pub fn judge_step(&self, step: &StepRow) -> Option<Verdict> {
        step.figure(&self.name).map(|value| self.verdict(value))
    }

    fn verdict(&self, value: Option<f64>) -> Verdict {
        let met = value.is_some_and(|value| if self.unit == Unit::Score { value >= self.limit } else { value <= self.limit });
        Verdict { name: self.name.clone(), limit: self.limit, value, unit: self.unit, met }
    }
}

impl Unit {
    fn parse(self, text: &str) -> Option<f64> {
        let suffixes: &[(&str, f64)] = match self {
            Self::Milliseconds => &[("ms", 1.0), ("us", 0.001), ("s", 1_000.0)],
            Self::Megabytes => &[("MB", 1.0), ("kB", 0.001)],
            Self::Percent => &[("%", 1.0), ("", 1.0)],
            Self::Count | Self::Score => &[("", 1.0)],
        };
        let (number, factor) = suffixes.iter().find_map(|(suffix, factor)| Some((text.strip_suffix(suffix)?, factor)))?;
        number.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0).map(|number| number * factor)
    }

    fn says(self) -> &'static str {
        match self {
            Self::Milliseconds => "time in ms, us or s",
            Self::Megabytes => "size in MB or kB",
            Self::Percent => "share in %",
            Self::Count | Self::Score => "number",
        }
    }

    /// How it is written behind a number.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Milliseconds => " ms",
            Self::Megabytes => " MB",
            Self::Percent => " %",
            Self::Count | Self::Score => "",
        }
    }
}

impl Display for Verdict {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { name, limit, value, unit, met } = self;
        let (word, suffix) = (if *met { "met   " } else { "MISSED" }, unit.suffix());
        let bound = if *unit == Unit::Score { "at least" } else { "at most" };
        let value = value.map_or("not measured".to_owned(), |value| format!("{}{suffix}", short(value)));
        write!(f, "{word} {name}: {value}, {bound} {}{suffix}", short(*limit))
    }
}

/// A number as short as it can be said, with three digits behind the point at most.
fn short(number: f64) -> String {
    let text = format!("{number:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn spread_of(name: &str) -> Option<(SpreadOf, f64)> {
    let (spread, percentile) = name.rsplit_once('_')?;
    let (_, percent) = PERCENTILES.iter().find(|(known, _)| *known == percentile)?;
    let (_, get) = SPREADS.iter().find(|(known, _)| *known == spread)?;
    Some((*get, *percent))
}

fn unit(name: &str) -> Option<Unit> {
    let plain = PLAIN.iter().find(|(known, _)| *known == name).map(|(_, unit)| *unit);
    plain.or_else(|| spread_of(name).map(|_| Unit::Milliseconds))
}

fn names() -> String {
    let spreads = SPREADS.iter().map(|(name, _)| format!("{name}_p50|p95|p99|max"));
    spreads.chain(PLAIN.iter().map(|(name, _)| (*name).to_owned())).collect::<Vec<_>>().join(", ")
}

fn figure(report: &Report, name: &str) -> Option<f64> {
    if let Some((get, percent)) = spread_of(name) {
        return get(report).ms(percent);
    }
    let packets = &report.measures.packets;
    let mos = |percent| report.measures.mos.percentile(percent);
    let server = |get: fn(&Cost) -> f64| report.server.as_ref().map(get);
    let count = |count: u64| Some(count as f64);
    match name {
        "failed" => count(report.failed),
        "rejected" => count(report.rejected.calls),
        "rejected_without_retry_after" => count(report.rejected.without_retry_after),
        "lost" => count(packets.lost),
        "loss_percent" => Some(packets.lost as f64 / (packets.lost + packets.received).max(1) as f64 * 100.0),
        "late" => count(packets.late),
        "late_by_server" => count(packets.late_by_server),
        "barge_ins_ignored" => count(report.measures.barge_ins_ignored),
        "generator_overflow" => count(report.measures.generator.overflow),
        "mos_p50" => mos(50.0),
        "mos_p95" => mos(95.0),
        "mos_p99" => mos(99.0),
        "mos_min" => mos(100.0),
        "cpu_percent_per_call" => server(|cost| cost.cpu_percent_per_call),
        "rss_per_call" => server(|cost| cost.rss_kib_per_call * 1_024.0 / 1e6),
        "rss_per_hour" => report.slopes.as_ref().and_then(|slopes| slopes.rss_mb_per_hour),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use super::*;

    fn check(slo: &str, want: &str) {
        let mut report = Report { failed: 1, ..Report::default() };
        (1..=100).for_each(|ms| report.setup_ms.record(Duration::from_millis(ms)));
        report.measures.mos.record(4.1);
        report.server = Some(Cost {
            cpu_percent_per_call: 0.5,
            calls: 1.0,
            seconds: 1.0,
            rss_idle_kib: 1,
            rss_peak_kib: 1,
            rss_kib_per_call: 250.0,
        });
        let got = slo.parse::<Slo>().map_or_else(|error| format!("{error:#}"), |slo| slo.judge(&report).to_string());
        assert_eq!(got, want);
    }

    #[test]
    fn a_figure_is_held_to_its_limit() {
        check("setup_p95=96ms", "met    setup_p95: 95.039 ms, at most 96 ms");
        check("setup_max=0.1s", "MISSED setup_max: 100.031 ms, at most 100 ms");
        check("failed=0", "MISSED failed: 1, at most 0");
        check("lost=0", "met    lost: 0, at most 0");
        check("mos_p50=4.2", "MISSED mos_p50: 4.1, at least 4.2");
        check("mos_min=4", "met    mos_min: 4.1, at least 4");
        check("cpu_percent_per_call=0.5", "met    cpu_percent_per_call: 0.5 %, at most 0.5 %");
        check("rss_per_call=255kB", "MISSED rss_per_call: 0.256 MB, at most 0.255 MB");
    }

    #[test]
    fn what_was_not_measured_is_missed() {
        check("response_gap_p95=520ms", "MISSED response_gap_p95: not measured, at most 520 ms");
    }

    #[test]
    fn what_is_no_objective_is_refused() {
        check("setup_p99=10", "slo setup_p99: limit 10 is no time in ms, us or s");
        check("failed=-1", "slo failed: limit -1 is no number");
        check("failed", "slo failed: want NAME=VALUE");
        let refused = "setup_p98=1ms".parse::<Slo>().unwrap_err().to_string();
        assert!(refused.starts_with("slo setup_p98 is unknown; known are setup_p50|p95|p99|max, "), "{refused}");
        assert!(refused.ends_with("rss_per_call, rss_per_hour"), "{refused}");
    }
}
