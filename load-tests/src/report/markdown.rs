//! The report as Markdown, with its plots beside it.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use anyhow::Context;

use super::plots::{Plot, Series};
use super::{Report, Spread};
use crate::monitor::{Point, StepRow};
use crate::process::Cost;

/// Points of a distribution's curve.
const CURVE: u32 = 200;
/// The slowest part of a distribution that its plot leaves out: one outlier would squeeze all others to the margin.
const PLOTTED_PERCENT: f64 = 99.9;

/// A line of a plot: its name, and its value at a point of the run.
type Named<T> = (&'static str, fn(&T) -> Option<f64>);

/// Where and when the figures were measured.
#[derive(Debug)]
struct Place {
    machine: String,
    commit: String,
    date: String,
}

impl Report {
    /// Writes `FILE.md` and the plots `FILE-*.svg`.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write_markdown(&self, path: &Path) -> anyhow::Result<()> {
        let place = Place::here();
        let stem = path.file_stem().context("the report has no file name")?.to_string_lossy().into_owned();
        let mut text = self.markdown(&place);
        let foot = format!("{}; commit {}; {}", place.machine, place.commit, place.date);
        for (name, plot) in self.plots().into_iter().filter(|(_, plot)| !plot.is_empty()) {
            let file = format!("{stem}-{name}.svg");
            plot.write(&path.with_file_name(&file), &foot)?;
            let _ = writeln!(text, "\n![{}]({file})", plot.title);
        }
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    fn markdown(&self, place: &Place) -> String {
        let Self { kind, target, asked, answered, failed, concurrent, seconds, .. } = self;
        let mut text = format!(
            "# {concurrent} {kind} calls to {target}\n\n{}; commit {}; {}\n\n{asked} calls asked, {answered} answered, {failed} \
             failed, {} turned away, at most {concurrent} up at once, in {seconds:.0} s.\n",
            place.machine, place.commit, place.date, self.rejected.calls
        );
        for (cause, count) in &self.failures {
            let _ = writeln!(text, "- failed: {count} x {cause}");
        }
        if !self.objectives.is_empty() {
            table(
                &mut text,
                "Objectives",
                &["objective", "limit", "measured", ""],
                self.objectives.iter().map(|verdict| {
                    let suffix = verdict.unit.suffix();
                    let value = verdict.value.map_or("not measured".to_owned(), |value| format!("{value:.2}{suffix}"));
                    let word = if verdict.met { "met" } else { "**missed**" };
                    vec![verdict.name.clone(), format!("{}{suffix}", verdict.limit), value, word.to_owned()]
                }),
            );
        }
        table(
            &mut text,
            "Times, ms",
            &["", "count", "p50", "p95", "p99", "max"],
            self.spreads().into_iter().map(|(name, spread)| {
                let ms = |percent| spread.ms(percent).map_or(String::new(), |ms| format!("{ms:.1}"));
                vec![name.to_owned(), spread.count().to_string(), ms(50.0), ms(95.0), ms(99.0), ms(100.0)]
            }),
        );
        let packets = &self.measures.packets;
        let _ = writeln!(
            text,
            "\nPackets: {} sent, {} received, {} lost, {} late, {} of them by the server.",
            packets.sent, packets.received, packets.lost, packets.late, packets.late_by_server
        );
        let head = ["process", "CPU, % of a core a call", "kB a call", "MB idle", "MB at most"];
        table(
            &mut text,
            "Cost",
            &head,
            self.costs().into_iter().map(|(name, cost)| {
                let mb = |kib: u64| format!("{:.1}", kib as f64 * 1_024.0 / 1e6);
                let call = [format!("{:.3}", cost.cpu_percent_per_call), format!("{:.0}", cost.rss_kib_per_call * 1.024)];
                [vec![name.to_owned()], call.to_vec(), vec![mb(cost.rss_idle_kib), mb(cost.rss_peak_kib)]].concat()
            }),
        );
        self.write_steps(&mut text);
        self.write_slopes(&mut text);
        text
    }

    fn write_steps(&self, text: &mut String) {
        if self.steps.is_empty() {
            return;
        }
        let head = ["calls", "CPU %/call", "MB/call", "gap p50", "gap p95", "late p99", "late max", "lost", "failed", "missed"];
        let number = |value: Option<f64>, digits: usize| value.map_or(String::new(), |value| format!("{value:.digits$}"));
        table(
            text,
            "Steps",
            &head,
            self.steps.iter().map(|step| {
                let missed: Vec<_> = step.missed.iter().map(|verdict| &*verdict.name).collect();
                vec![
                    step.calls.to_string(),
                    number(step.cpu_percent_per_call, 3),
                    number(step.rss_mb_per_call, 2),
                    number(step.response_gap_p50_ms, 0),
                    number(step.response_gap_p95_ms, 0),
                    number(step.lateness_p99_ms, 1),
                    number(step.lateness_max_ms, 1),
                    step.lost.to_string(),
                    (step.failed + step.rejected).to_string(),
                    missed.join(", "),
                ]
            }),
        );
    }

    fn write_slopes(&self, text: &mut String) {
        let Some(slopes) = &self.slopes else { return };
        let rows = [
            ("resident memory, MB an hour", slopes.rss_mb_per_hour),
            ("resident memory, bytes a call", slopes.rss_bytes_per_call),
            ("open files an hour", slopes.files_per_hour),
            ("threads an hour", slopes.threads_per_hour),
            ("tasks an hour", slopes.tasks_per_hour),
        ];
        let title = format!("Growth over {:.0} s and {} calls, by least squares", slopes.seconds, slopes.calls);
        let known = rows.into_iter().filter_map(|(name, value)| Some(vec![name.to_owned(), format!("{:+.2}", value?)]));
        table(text, &title, &["", "slope"], known);
    }

    fn spreads(&self) -> Vec<(&'static str, &Spread)> {
        let measures = &self.measures;
        let all = [
            ("set-up", &self.setup_ms),
            ("turned away after", &self.rejected.answer_ms),
            ("first agent audio", &measures.first_audio_ms),
            ("response gap", &measures.response_gap_ms),
            ("barge-in to silence", &measures.barge_in_to_silence_ms),
            ("mouth to ear and back", &measures.mouth_to_ear_ms),
            ("packet lateness", &measures.lateness_ms),
            ("jitter", &measures.jitter_ms),
            ("generator's lateness", &measures.generator.send_lateness_ms),
        ];
        all.into_iter().filter(|(_, spread)| spread.count() > 0).collect()
    }

    fn costs(&self) -> Vec<(&'static str, &Cost)> {
        let own = &self.measures.generator.cost;
        let all = [("server", &self.server), ("simulator", &self.simulator), ("generator", own)];
        all.into_iter().filter_map(|(name, cost)| Some((name, cost.as_ref()?))).collect()
    }

    fn plots(&self) -> Vec<(&'static str, Plot)> {
        let mut plots = vec![
            ("response-gap", distribution("Response gap", ["response gap, ms", "answers, %"], &self.measures.response_gap_ms)),
            ("setup", distribution("Set-up", ["set-up, ms", "calls, %"], &self.setup_ms)),
            (
                "lateness",
                self.over_time(
                    "Packet lateness over time",
                    "lateness, ms",
                    &[
                        ("p95", |point| point.lateness_p95_ms),
                        ("worst", |point| point.lateness_max_ms),
                        ("generator's own, worst", |point| point.generator_max_ms),
                    ],
                ),
            ),
            ("calls", self.over_time("Calls over time", "calls", &[("up", |point| Some(point.up as f64))])),
            ("cpu", self.over_time("Server's CPU over time", "CPU, % of one core", &[("CPU", |point| point.cpu_percent)])),
        ];
        if self.slopes.is_some() {
            plots.push((
                "rss",
                self.over_time("Server's memory over time", "resident memory, MB", &[("RSS", |point| point.rss_mb)]),
            ));
            plots.push((
                "files",
                self.over_time(
                    "Server's files and tasks over time",
                    "count",
                    &[
                        ("open files", |point| Some(point.files? as f64)),
                        ("tasks", |point| Some(point.tasks? as f64)),
                        ("threads", |point| Some(point.threads? as f64)),
                    ],
                ),
            ));
        }
        if self.steps.len() > 1 {
            plots.push((
                "cpu-by-calls",
                self.by_calls(
                    "Cost by calls up",
                    "CPU, % of a core a call",
                    &[("server", |step| step.cpu_percent_per_call), ("generator", |step| step.generator_cpu_percent_per_call)],
                ),
            ));
            plots.push((
                "delay-by-calls",
                self.by_calls(
                    "Lateness by calls up",
                    "lateness, ms",
                    &[
                        ("p95", |step| step.lateness_p95_ms),
                        ("p99", |step| step.lateness_p99_ms),
                        ("generator's own p99", |step| step.generator_lateness_p99_ms),
                    ],
                ),
            ));
            plots.push((
                "gap-by-calls",
                self.by_calls(
                    "Response gap by calls up",
                    "response gap, ms",
                    &[("p50", |step| step.response_gap_p50_ms), ("p95", |step| step.response_gap_p95_ms)],
                ),
            ));
        }
        plots
    }

    fn over_time(&self, title: &str, y: &'static str, series: &[Named<Point>]) -> Plot {
        let points =
            |get: fn(&Point) -> Option<f64>| self.timeline.iter().filter_map(|point| Some((point.at_s, get(point)?))).collect();
        let series = series.iter().map(|(name, get)| Series { name, points: points(*get) }).collect();
        Plot { title: title.to_owned(), axes: ["time since the start, s", y], series, dots: false }
    }

    fn by_calls(&self, title: &str, y: &'static str, series: &[Named<StepRow>]) -> Plot {
        let points = |get: fn(&StepRow) -> Option<f64>| {
            self.steps.iter().filter_map(|step| Some((step.calls as f64, get(step)?))).collect()
        };
        let series = series.iter().map(|(name, get)| Series { name, points: points(*get) }).collect();
        Plot { title: title.to_owned(), axes: ["calls up", y], series, dots: true }
    }
}

/// How many percent of all took at most how long.
fn distribution(title: &str, axes: [&'static str; 2], spread: &Spread) -> Plot {
    let percents = (0..=CURVE).map(|part| f64::from(part) * PLOTTED_PERCENT / f64::from(CURVE));
    let points = percents.filter_map(|percent| Some((spread.ms(percent)?, percent))).collect();
    let title = format!(
        "{title}: p50 {:.1}, p95 {:.1}, p99 {:.1} ms, {} of them",
        spread.ms(50.0).unwrap_or(0.0),
        spread.ms(95.0).unwrap_or(0.0),
        spread.ms(99.0).unwrap_or(0.0),
        spread.count()
    );
    Plot { title, axes, series: vec![Series { name: "", points }], dots: false }
}

fn table(text: &mut String, title: &str, head: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    let _ = writeln!(text, "\n## {title}\n\n| {} |\n|{}", head.join(" | "), " --- |".repeat(head.len()));
    for row in rows {
        let _ = writeln!(text, "| {} |", row.join(" | "));
    }
}

impl Place {
    fn here() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let cpuinfo = read("/proc/cpuinfo");
        let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
        let model = model.trim_start_matches([' ', '\t', ':']);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let kernel = read("/proc/sys/kernel/osrelease");
        let git = Command::new("git").args(["rev-parse", "--short", "HEAD"]).output();
        let commit =
            git.ok().filter(|done| done.status.success()).map(|done| String::from_utf8_lossy(&done.stdout).trim().to_owned());
        Self {
            machine: format!("{cores} cores of {model}, Linux {}", kernel.trim()),
            commit: commit.unwrap_or_else(|| "unknown".to_owned()),
            date: time::OffsetDateTime::now_utc().date().to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_report_is_tables_and_plots() {
        let mut report = Report {
            kind: "sip".to_owned(),
            target: "there".to_owned(),
            asked: 2,
            answered: 2,
            concurrent: 2,
            ..Report::default()
        };
        (1..=9).for_each(|ms| report.setup_ms.record(Duration::from_millis(ms)));
        report.timeline = (0..3).map(|at| Point { at_s: f64::from(at), up: 2, ..Point::default() }).collect();
        report.steps = [1, 2].map(|calls| StepRow { calls, cpu_percent_per_call: Some(0.5), ..StepRow::default() }).to_vec();
        report.objectives = vec!["failed=0".parse::<crate::slo::Slo>().unwrap().judge(&report)];
        let folder = std::env::temp_dir().join(format!("load-tests-report-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        report.write_markdown(&folder.join("run.md")).unwrap();
        let text = std::fs::read_to_string(folder.join("run.md")).unwrap();
        let mut files: Vec<_> =
            std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        files.sort();
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(files, ["run-calls.svg", "run-cpu-by-calls.svg", "run-setup.svg", "run.md"]);
        for line in [
            "# 2 sip calls to there",
            "| failed | 0 | 0.00 | met |",
            "| set-up | 9 | 5.0 | 9.0 | 9.0 | 9.0 |",
            "| 2 | 0.500 |",
            "](run-setup.svg)",
        ] {
            assert!(text.contains(line), "{line} is not in {text}");
        }
    }
}
