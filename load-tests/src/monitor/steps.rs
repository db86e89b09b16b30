//! The steps of a ramp: one row of figures each, from when its last call was placed to its end.

use std::time::Duration;

use serde::Serialize;

use super::Counts;
use crate::plan::Step;
use crate::process::Watch;
use crate::slo::{Slo, Verdict};
use crate::tally::Window;

/// What was measured in one step.
#[derive(Clone, Debug, Default, Serialize)]
pub struct StepRow {
    /// Calls that were to be up.
    pub calls: u64,
    /// Calls that were, at its end.
    pub up: u64,
    /// Length of what was measured.
    pub seconds: f64,
    /// Calls failed since its first was placed.
    pub failed: u64,
    /// Calls turned away since its first was placed.
    pub rejected: u64,
    /// Set-up of its own calls.
    pub setup_p99_ms: Option<f64>,
    /// Response gap.
    pub response_gap_p50_ms: Option<f64>,
    /// Response gap.
    pub response_gap_p95_ms: Option<f64>,
    /// Lateness of received packets.
    pub lateness_p95_ms: Option<f64>,
    /// Lateness of received packets.
    pub lateness_p99_ms: Option<f64>,
    /// Lateness of received packets.
    pub lateness_max_ms: Option<f64>,
    /// Packets lost.
    pub lost: u64,
    /// Packets late while the generator was on time.
    pub late_by_server: u64,
    /// The generator's own lateness.
    pub generator_lateness_p99_ms: Option<f64>,
    /// The generator's cost.
    pub generator_cpu_percent_per_call: Option<f64>,
    /// The server's cost.
    pub cpu_percent_per_call: Option<f64>,
    /// Its resident memory at the end, above what it was without calls, for each call.
    pub rss_mb_per_call: Option<f64>,
    /// Objectives that it missed.
    pub missed: Vec<Verdict>,
}

/// The steps of a run, those that are over and the one that is not.
#[derive(Debug)]
pub(super) struct Steps {
    left: std::collections::VecDeque<Step>,
    rows: Vec<StepRow>,
    window: Window,
    setup: Window,
    before: Counts,
}

impl Steps {
    pub(super) fn new(steps: Vec<Step>) -> Self {
        let (window, setup) = (Window::default(), Window::default());
        Self { left: steps.into(), rows: Vec::new(), window, setup, before: Counts::default() }
    }

    /// When the step that is on ends; none when there is none.
    pub(super) fn end(&self) -> Option<Duration> {
        self.left.front().map(|step| step.end)
    }

    /// Takes what was heard up to now. Gives the row of a step that ended with it.
    pub(super) fn handle_window(
        &mut self,
        at: Duration,
        counts: Counts,
        window: &Window,
        costs: Costs<'_>,
    ) -> Option<&mut StepRow> {
        let step = *self.left.front()?;
        self.setup.setup.add(&window.setup);
        if at > step.full {
            self.window.add(window);
        }
        if at < step.end {
            return None;
        }
        self.left.pop_front();
        let heard = std::mem::take(&mut self.window);
        let setup = std::mem::take(&mut self.setup).setup;
        let own = costs.own.between(step.full, step.end);
        let server = costs.server.and_then(|watch| Some((watch.between(step.full, step.end)?, watch.rss_idle_kib())));
        self.rows.push(StepRow {
            calls: step.calls,
            up: counts.up,
            seconds: (step.end - step.full).as_secs_f64(),
            failed: counts.failed - self.before.failed,
            rejected: counts.rejected - self.before.rejected,
            setup_p99_ms: setup.ms(99.0),
            response_gap_p50_ms: heard.response_gap.ms(50.0),
            response_gap_p95_ms: heard.response_gap.ms(95.0),
            lateness_p95_ms: heard.lateness.ms(95.0),
            lateness_p99_ms: heard.lateness.ms(99.0),
            lateness_max_ms: heard.lateness.ms(100.0),
            lost: heard.lost,
            late_by_server: heard.late_by_server,
            generator_lateness_p99_ms: heard.send_lateness.ms(99.0),
            generator_cpu_percent_per_call: own.map(|stretch| stretch.cpu_percent_per_call),
            cpu_percent_per_call: server.map(|(stretch, _)| stretch.cpu_percent_per_call),
            rss_mb_per_call: server.map(|(stretch, idle)| {
                let kib = stretch.rss_kib.saturating_sub(idle) as f64;
                kib * 1_024.0 / 1e6 / stretch.calls
            }),
            missed: Vec::new(),
        });
        self.before = counts;
        self.rows.last_mut()
    }

    pub(super) fn rows(self) -> Vec<StepRow> {
        self.rows
    }
}

/// The processes whose cost a step tells.
#[derive(Clone, Copy, Debug)]
pub(super) struct Costs<'a> {
    pub own: &'a Watch,
    pub server: Option<&'a Watch>,
}

impl StepRow {
    /// Notes the objectives that it missed; true when there are any.
    pub(super) fn judge(&mut self, slos: &[Slo]) -> bool {
        let verdicts = slos.iter().filter_map(|slo| slo.judge_step(self));
        self.missed = verdicts.filter(|verdict| !verdict.met).collect();
        !self.missed.is_empty()
    }

    /// A figure by the name it has in objectives: none when a step has no such figure, or when it was not measured.
    pub fn figure(&self, name: &str) -> Option<Option<f64>> {
        let count = |count: u64| Some(count as f64);
        Some(match name {
            "failed" => count(self.failed),
            "rejected" => count(self.rejected),
            "lost" => count(self.lost),
            "late_by_server" => count(self.late_by_server),
            "setup_p99" => self.setup_p99_ms,
            "response_gap_p50" => self.response_gap_p50_ms,
            "response_gap_p95" => self.response_gap_p95_ms,
            "lateness_p95" => self.lateness_p95_ms,
            "lateness_p99" => self.lateness_p99_ms,
            "lateness_max" => self.lateness_max_ms,
            "cpu_percent_per_call" => self.cpu_percent_per_call,
            "rss_per_call" => self.rss_mb_per_call,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_row_holds_what_was_heard_in_its_step() {
        let second = Duration::from_secs(1);
        let step =
            |calls: u64, begin: u32| Step { calls, begin: second * begin, full: second * (begin + 1), end: second * (begin + 3) };
        let mut steps = Steps::new(vec![step(10, 0), step(20, 3)]);
        let own = Watch::start(std::process::id()).unwrap();
        let slos = ["lateness_max=15ms".parse().unwrap(), "mos_p50=4".parse().unwrap()];
        let mut told = Vec::new();
        for at in 1..=7_u32 {
            let mut window = Window::default();
            window.lateness.record(Duration::from_millis(u64::from(at) * 4));
            window.setup.record(Duration::from_millis(u64::from(at)));
            window.lost = 1;
            let counts = Counts { up: u64::from(at) * 5, failed: u64::from(at), ..Counts::default() };
            if let Some(row) = steps.handle_window(second * at, counts, &window, Costs { own: &own, server: None }) {
                let missed = row.judge(&slos);
                let (late, setup) = (row.lateness_max_ms.unwrap().round(), row.setup_p99_ms.unwrap().round());
                told.push(format!(
                    "{} calls: {late} ms late, setup {setup}, {} lost, {} failed, {missed}",
                    row.calls, row.lost, row.failed
                ));
            }
        }
        let want =
            ["10 calls: 12 ms late, setup 3, 2 lost, 3 failed, false", "20 calls: 24 ms late, setup 6, 2 lost, 3 failed, true"];
        assert_eq!(told, want, "a step has no MOS, so that objective is not its");
    }
}
