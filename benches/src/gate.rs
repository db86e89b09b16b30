//! The gate: the instructions of each part against a committed baseline.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write};
use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

/// Where the baseline is kept.
const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.toml");

/// How far from its baseline a count may be. Counts repeat to 0.1 %; what is below 10 % is not worth a stop.
const TOLERANCE_PERCENT: f64 = 10.0;

const ACCEPT: &str = "make bench-accept";

/// The instructions of each part, and of which build.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// As `rustc --version` prints it.
    pub rustc: String,
    /// Architecture and system.
    pub target: String,
    /// Of one iteration, by part.
    pub instructions: BTreeMap<String, u64>,
}

impl Baseline {
    /// What this build needs.
    pub fn of_this_build(instructions: BTreeMap<String, u64>) -> Result<Self> {
        let rustc = Command::new("rustc").arg("--version").output().context("rustc --version")?;
        Ok(Self {
            rustc: String::from_utf8(rustc.stdout)?.trim().to_owned(),
            target: format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
            instructions,
        })
    }

    /// What is committed.
    pub fn read() -> Result<Self> {
        let text = fs::read_to_string(PATH).with_context(|| format!("{PATH}; {ACCEPT} makes one"))?;
        toml::from_str(&text).with_context(|| PATH.to_owned())
    }

    /// Makes this what is to be committed.
    pub fn write(&self) -> Result<()> {
        ensure!(!self.instructions.is_empty(), "nothing was counted");
        let text = format!("# Instructions of one iteration of each part; written by `{ACCEPT}`.\n\n{}", toml::to_string(self)?);
        fs::write(PATH, text).with_context(|| PATH.to_owned())
    }
}

/// What came of a comparison; its text is for people.
#[derive(Debug, Default)]
pub struct Report {
    /// A part needs too many instructions, or has no baseline.
    pub failed: bool,
    text: String,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A line a part, with what is to be done about those that left the tolerance.
pub fn compare(baseline: &Baseline, now: &Baseline) -> Report {
    let mut report = Report::default();
    if baseline.target != now.target {
        report.line(format_args!("not compared: the baseline is of {}, this is {}", baseline.target, now.target));
        return report;
    }
    report.line(format_args!("{:<32} {:>12} {:>12} {:>8}", "part", "baseline", "now", "percent"));
    let parts: BTreeSet<&String> = baseline.instructions.keys().chain(now.instructions.keys()).collect();
    for part in parts {
        report.part(part, baseline.instructions.get(part).copied(), now.instructions.get(part).copied());
    }
    if report.failed {
        report.line(format_args!("\nFAILED. If this is the price of what the change does, accept it: {ACCEPT}"));
        if baseline.rustc != now.rustc {
            report.line(format_args!("The compiler is another: {}; the baseline is of {}.", now.rustc, baseline.rustc));
        }
    }
    report
}

impl Report {
    fn part(&mut self, part: &str, baseline: Option<u64>, now: Option<u64>) {
        let number = |count: Option<u64>| count.map_or("-".to_owned(), |count| count.to_string());
        let percent = baseline.zip(now).map(|(baseline, now)| now as f64 * 100.0 / baseline as f64 - 100.0);
        let word = match percent {
            None => "  no such part, or no baseline",
            Some(percent) if percent > TOLERANCE_PERCENT => "  too many",
            Some(percent) if percent < -TOLERANCE_PERCENT => "  fewer: keep it so with make bench-accept",
            Some(_) => "",
        };
        let change = percent.map_or("-".to_owned(), |percent| format!("{percent:+.1}"));
        self.line(format_args!("{part:<32} {:>12} {:>12} {change:>8}{word}", number(baseline), number(now)));
        self.failed |= percent.is_none_or(|percent| percent > TOLERANCE_PERCENT);
    }

    fn line(&mut self, line: fmt::Arguments<'_>) {
        let _ = writeln!(self.text, "{line}");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn counts(parts: &[(&str, u64)]) -> Baseline {
        let instructions = parts.iter().map(|(part, count)| ((*part).to_owned(), *count)).collect();
        Baseline { rustc: "rustc 1".into(), target: "x86_64-linux".into(), instructions }
    }

    /// Compares and gives the verdict and the lines that say something of `parse`.
    fn check(baseline: &[(&str, u64)], now: &[(&str, u64)], verdict: &str, line: &str) {
        let report = compare(&counts(baseline), &counts(now));
        let found: Vec<String> = report.text.lines().filter(|line| line.contains("parse")).map(squeeze).collect();
        assert_eq!((if report.failed { "fails" } else { "passes" }, found.join("|").as_str()), (verdict, line));
        assert!(!report.failed || report.text.contains("accept it: make bench-accept\n"), "a failure says what to do: {report}");
    }

    fn squeeze(line: &str) -> String {
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn ten_percent_more_is_the_limit() {
        check(&[("parse", 1_000)], &[("parse", 1_000)], "passes", "parse 1000 1000 +0.0");
        check(&[("parse", 1_000)], &[("parse", 1_100)], "passes", "parse 1000 1100 +10.0");
        check(&[("parse", 1_000)], &[("parse", 1_101)], "fails", "parse 1000 1101 +10.1 too many");
    }

    #[test]
    fn the_committed_counts_fail_against_a_baseline_20_percent_lower() {
        let now = Baseline::read().unwrap();
        assert_eq!(now.instructions.len(), crate::workload::all().count());
        assert!(!compare(&now, &now).failed);
        let mut lower = now.clone();
        lower.instructions.values_mut().for_each(|count| *count = *count * 8 / 10);
        let report = compare(&lower, &now);
        assert!(report.failed);
        assert_eq!(report.text.matches("too many").count(), now.instructions.len(), "{report}");
    }

    #[test]
    fn fewer_is_a_hint() {
        let hint = "parse 1000 899 -10.1 fewer: keep it so with make bench-accept";
        check(&[("parse", 1_000)], &[("parse", 899)], "passes", hint);
        check(&[("parse", 1_000)], &[("parse", 901)], "passes", "parse 1000 901 -9.9");
    }

    #[test]
    fn a_part_without_its_other_half_fails() {
        check(&[], &[("parse", 10)], "fails", "parse - 10 - no such part, or no baseline");
        check(&[("parse", 10)], &[], "fails", "parse 10 - - no such part, or no baseline");
    }

    #[test]
    fn another_machine_is_not_compared() {
        let arm = Baseline { target: "aarch64-linux".into(), ..counts(&[("parse", 1)]) };
        let report = compare(&counts(&[("parse", 1_000)]), &arm);
        assert_eq!(
            (report.failed, report.text.as_str()),
            (false, "not compared: the baseline is of x86_64-linux, this is aarch64-linux\n")
        );
    }

    #[test]
    fn another_compiler_is_named_when_it_fails() {
        let newer = Baseline { rustc: "rustc 2".into(), ..counts(&[("parse", 2_000)]) };
        let report = compare(&counts(&[("parse", 1_000)]), &newer);
        assert!(report.text.ends_with("The compiler is another: rustc 2; the baseline is of rustc 1.\n"), "{report}");
    }
}
