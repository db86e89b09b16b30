//! The course of a run, and what grew over it.

use std::time::Duration;

use serde::Serialize;

use super::Counts;
use super::gauges::Gauge;
use crate::process::{Watch, slope};
use crate::report::Spread;
use crate::tally::Window;

/// Points that a report holds: more cannot be seen in a plot.
const POINTS_TOLD: usize = 600;
/// Most points kept: twice what a run of the planned length has.
const POINTS_MAX: usize = 15_000;
/// Share of a soak, from its start, in which growth is warming up.
const WARM_UP: f64 = 0.2;
/// A soak is at its height while at least this share of its most calls is up.
const HEIGHT: f64 = 0.9;

/// A moment of the run; delays are of the time since the point before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Point {
    /// Seconds since the start.
    pub at_s: f64,
    /// Calls up.
    pub up: u64,
    /// Calls answered so far.
    pub answered: u64,
    /// Calls failed so far.
    pub failed: u64,
    /// Calls turned away so far.
    pub rejected: u64,
    /// Response gap.
    pub response_gap_p95_ms: Option<f64>,
    /// Lateness of received packets.
    pub lateness_p95_ms: Option<f64>,
    /// The worst of them.
    pub lateness_max_ms: Option<f64>,
    /// The generator's own lateness at worst.
    pub generator_max_ms: Option<f64>,
    /// Packets lost since the point before.
    pub lost: u64,
    /// Server: CPU of all cores, percent of one.
    pub cpu_percent: Option<f64>,
    /// Server: resident memory.
    pub rss_mb: Option<f64>,
    /// Server: threads.
    pub threads: Option<u64>,
    /// Server: open files.
    pub files: Option<u64>,
    /// Server: tasks of its runtime.
    pub tasks: Option<u64>,
}

/// Growth by least squares while a soak was at its height and warm; none of what could not be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Slopes {
    /// Length of the part that was judged, seconds.
    pub seconds: f64,
    /// Calls that ended and were replaced in it.
    pub calls: u64,
    /// Resident memory.
    pub rss_mb_per_hour: Option<f64>,
    /// The same by calls.
    pub rss_bytes_per_call: Option<f64>,
    /// Open files.
    pub files_per_hour: Option<f64>,
    /// Threads.
    pub threads_per_hour: Option<f64>,
    /// Tasks.
    pub tasks_per_hour: Option<f64>,
}

#[derive(Debug, Default)]
pub(super) struct Timeline(Vec<Point>);

impl Timeline {
    pub(super) fn push(&mut self, at: Duration, counts: Counts, window: &Window, server: Option<&Watch>, gauge: Gauge) {
        if self.0.len() == POINTS_MAX {
            return;
        }
        let latest = server.and_then(Watch::latest);
        let cpu_percent = latest.and_then(|(before, last)| {
            let seconds = (last.at - before.at).as_secs_f64();
            (seconds > 0.0).then(|| (last.cpu_seconds - before.cpu_seconds) / seconds * 100.0)
        });
        let worst = |spread: &Spread| spread.ms(100.0);
        self.0.push(Point {
            at_s: at.as_secs_f64(),
            up: counts.up,
            answered: counts.answered,
            failed: counts.failed,
            rejected: counts.rejected,
            response_gap_p95_ms: window.response_gap.ms(95.0),
            lateness_p95_ms: window.lateness.ms(95.0),
            lateness_max_ms: worst(&window.lateness),
            generator_max_ms: worst(&window.send_lateness),
            lost: window.lost,
            cpu_percent,
            rss_mb: latest.map(|(_, last)| last.rss_kib as f64 * 1_024.0 / 1e6),
            threads: latest.map(|(_, last)| last.threads),
            files: gauge.files,
            tasks: gauge.tasks,
        });
    }

    pub(super) fn slopes(&self) -> Slopes {
        let most = self.0.iter().map(|point| point.up).max().unwrap_or(0) as f64;
        let end = self.0.last().map_or(0.0, |point| point.at_s);
        let steady = |point: &&Point| point.up as f64 >= HEIGHT * most && point.at_s >= WARM_UP * end;
        let steady: Vec<&Point> = self.0.iter().filter(steady).collect();
        let (Some(first), Some(last)) = (steady.first(), steady.last()) else {
            return Slopes::default();
        };
        let grown = |over: fn(&Point) -> f64, get: fn(&Point) -> Option<f64>| {
            let points: Vec<_> = steady.iter().filter_map(|point| Some((over(point), get(point)?))).collect();
            (points.len() > 1).then(|| slope(points.iter().copied()))
        };
        let hours = |point: &Point| point.at_s / 3_600.0;
        Slopes {
            seconds: last.at_s - first.at_s,
            calls: last.answered - first.answered,
            rss_mb_per_hour: grown(hours, |point| point.rss_mb),
            rss_bytes_per_call: grown(|point| point.answered as f64, |point| point.rss_mb.map(|mb| mb * 1e6)),
            files_per_hour: grown(hours, |point| point.files.map(|count| count as f64)),
            threads_per_hour: grown(hours, |point| point.threads.map(|count| count as f64)),
            tasks_per_hour: grown(hours, |point| point.tasks.map(|count| count as f64)),
        }
    }

    /// At most [`POINTS_TOLD`] points: neighbours become one with the worst delays and the last counts of them.
    pub(super) fn thin(&self) -> Vec<Point> {
        let together = self.0.len().div_ceil(POINTS_TOLD).max(1);
        self.0.chunks(together).filter_map(|chunk| chunk.iter().copied().reduce(join)).collect()
    }
}

fn join(before: Point, after: Point) -> Point {
    let worst = |a: Option<f64>, b: Option<f64>| a.into_iter().chain(b).reduce(f64::max);
    Point {
        response_gap_p95_ms: worst(before.response_gap_p95_ms, after.response_gap_p95_ms),
        lateness_p95_ms: worst(before.lateness_p95_ms, after.lateness_p95_ms),
        lateness_max_ms: worst(before.lateness_max_ms, after.lateness_max_ms),
        generator_max_ms: worst(before.generator_max_ms, after.generator_max_ms),
        cpu_percent: worst(before.cpu_percent, after.cpu_percent),
        lost: before.lost + after.lost,
        ..after
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A point a second: up, answered, MB, files.
    fn timeline(points: impl Iterator<Item = (u64, u64, f64, u64)>) -> Timeline {
        let point = |(index, (up, answered, rss_mb, files)): (usize, _)| Point {
            at_s: index as f64,
            up,
            answered,
            rss_mb: Some(rss_mb),
            files: Some(files),
            lateness_max_ms: Some(index as f64),
            lost: 1,
            ..Point::default()
        };
        Timeline(points.enumerate().map(point).collect())
    }

    #[test]
    fn growth_is_told_when_warm_and_full() {
        // Warming up by 10 MB a second, then 1 kB a second with two calls in it, then everybody hangs up.
        let warm = (0..20).map(|second| (10, 2 * second, 10.0 * second as f64, 9));
        let steady = (20..90).map(|second| (10, 2 * second, 500.0 + 0.001 * second as f64, 9));
        let end = (90..100).map(|_| (0, 180, 100.0, 1));
        let slopes = timeline(warm.chain(steady).chain(end)).slopes();
        let round = |value: Option<f64>| value.map(|value| value.round());
        assert_eq!((slopes.seconds, slopes.calls), (69.0, 138));
        assert_eq!(slopes.rss_mb_per_hour.map(|value| (value * 10.0).round()), Some(36.0));
        assert_eq!((round(slopes.rss_bytes_per_call), round(slopes.files_per_hour)), (Some(500.0), Some(0.0)));
        assert_eq!((slopes.threads_per_hour, slopes.tasks_per_hour), (None, None));
    }

    #[test]
    fn a_long_timeline_keeps_its_worst() {
        let thin = timeline((0..1_500).map(|index| (1, index, 1.0, 1))).thin();
        assert_eq!((thin.len(), thin[0].lateness_max_ms, thin[0].answered, thin[0].lost), (500, Some(2.0), 2, 3));
        assert!(Timeline::default().thin().is_empty());
    }
}
