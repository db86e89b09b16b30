//! Watches a run as it goes: the processes' cost, the course over time, steps, slopes, and the line on the terminal.
//!
//! ```text
//! callers --Window--> Monitor <--/proc, gauges (every 5 s)
//!                        | twice a second: a Point of the timeline, the progress line
//!                        | end of a step:  a StepRow, and whether the ramp goes on
//! ```

mod gauges;
mod progress;
mod steps;
mod timeline;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::plan::{Plan, Shape};
use crate::process::Watch;
use crate::report::Report;
use crate::slo::Slo;
use crate::tally::Window;

use gauges::Gauges;
use progress::Progress;
pub use steps::StepRow;
use steps::{Costs, Steps};
use timeline::Timeline;
pub use timeline::{Point, Slopes};

/// Points of a run's timeline: one in half a second of an hour, fewer of a longer run.
const POINTS: u32 = 7_200;
/// Shortest time between two points.
const INTERVAL_MIN: Duration = Duration::from_millis(500);

/// What is watched beside the calls.
#[derive(Clone, Debug, Default)]
pub struct Watching {
    /// Process of the server on this machine.
    pub server_pid: Option<u32>,
    /// Process of the provider simulator on this machine.
    pub sim_pid: Option<u32>,
    /// Where the server's metrics are, for its number of tasks.
    pub metrics: Option<SocketAddr>,
    /// Tell on the terminal how the run goes.
    pub progress: bool,
    /// Objectives.
    pub slos: Vec<Slo>,
    /// End a ramp at the first step that misses an objective.
    pub stop_on_miss: bool,
}

/// What has become of the calls so far.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Up now.
    pub up: u64,
    /// Answered so far.
    pub answered: u64,
    /// Gone wrong so far.
    pub failed: u64,
    /// Turned away so far.
    pub rejected: u64,
}

/// Watches one run.
#[derive(Debug)]
pub struct Monitor {
    watching: Watching,
    start: Instant,
    interval: Duration,
    next: Instant,
    own: Watch,
    server: Option<Watch>,
    simulator: Option<Watch>,
    gauges: Option<Gauges>,
    window: Window,
    timeline: Timeline,
    steps: Steps,
    soak: bool,
    progress: Option<Progress>,
}

impl Monitor {
    /// Looks at the processes for the first time.
    ///
    /// # Errors
    /// When a process does not exist or is not ours to read.
    pub fn start(start: Instant, plan: &Plan, watching: &Watching) -> anyhow::Result<Self> {
        let interval = (plan.length() / POINTS).max(INTERVAL_MIN);
        Ok(Self {
            watching: watching.clone(),
            start,
            interval,
            next: start + interval,
            own: Watch::start(std::process::id())?,
            server: watching.server_pid.map(Watch::start).transpose()?,
            simulator: watching.sim_pid.map(Watch::start).transpose()?,
            gauges: watching.server_pid.map(|pid| Gauges::start(pid, watching.metrics)),
            window: Window::default(),
            timeline: Timeline::default(),
            steps: Steps::new(plan.steps()),
            soak: matches!(plan.shape, Shape::Soak { .. }),
            progress: watching.progress.then(|| Progress::new(plan.length())),
        })
    }

    /// When [`Monitor::handle_time`] is due.
    pub fn due(&self) -> Instant {
        self.steps.end().map_or(self.next, |end| self.next.min(self.start + end))
    }

    /// Takes what callers heard since their last window.
    pub fn handle_window(&mut self, window: &Window) {
        self.window.add(window);
    }

    /// Looks at everything. False when the run should not go on: a step missed an objective.
    pub fn handle_time(&mut self, now: Instant, counts: Counts) -> bool {
        self.next = now + self.interval;
        let at = now.saturating_duration_since(self.start);
        let window = std::mem::take(&mut self.window);
        for watch in [Some(&mut self.own), self.server.as_mut(), self.simulator.as_mut()].into_iter().flatten() {
            watch.sample(at, counts.up);
        }
        let gauges = self.gauges.as_mut().map(Gauges::latest).unwrap_or_default();
        self.timeline.push(at, counts, &window, self.server.as_ref(), gauges);
        if let Some(progress) = &mut self.progress {
            progress.handle_window(at, counts, &window);
        }
        let costs = Costs { own: &self.own, server: self.server.as_ref() };
        let missed = self.steps.handle_window(at, counts, &window, costs);
        let missed = missed.is_some_and(|row| row.judge(&self.watching.slos));
        !(missed && self.watching.stop_on_miss)
    }

    /// Writes all figures into the report and judges it.
    pub fn finish(mut self, now: Instant, counts: Counts, report: &mut Report) {
        self.handle_time(now, counts);
        if let Some(progress) = &mut self.progress {
            progress.finish();
        }
        report.seconds = now.saturating_duration_since(self.start).as_secs_f64();
        report.measures.generator.cost = self.own.finish();
        report.server = self.server.as_ref().and_then(Watch::finish);
        report.simulator = self.simulator.as_ref().and_then(Watch::finish);
        report.slopes = self.soak.then(|| self.timeline.slopes());
        report.timeline = self.timeline.thin();
        report.steps = self.steps.rows();
        let verdicts = self.watching.slos.iter().map(|slo| slo.judge(report)).collect();
        report.objectives = verdicts;
    }
}
