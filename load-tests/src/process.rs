//! What a process costs, from `/proc`.

use std::time::Duration;

use anyhow::{Context, ensure};
use serde::Serialize;

/// Clock ticks in a second of `/proc/PID/stat`: 100 on every Linux that Debian ships.
const TICKS: f64 = 100.0;
/// Most samples kept: twice what a run of the planned length takes; then no more are taken.
const SAMPLES_MAX: usize = 15_000;
/// The run is at its height while at least this share of the most calls is up.
const HEIGHT: f64 = 0.95;

/// What a process used.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Cost {
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
    /// Slope of resident memory over concurrent calls on the way up, KiB a call.
    pub rss_kib_per_call: f64,
}

/// Watches one process.
#[derive(Debug)]
pub struct Watch {
    pid: u32,
    samples: Vec<Sample>,
}

/// One look at a process, at a time since the start of the run.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// When.
    pub at: Duration,
    /// Calls up then.
    pub calls: u64,
    /// User and system time since its start.
    pub cpu_seconds: f64,
    /// Resident memory.
    pub rss_kib: u64,
    /// Threads.
    pub threads: u64,
}

/// What a process used in a part of the run.
#[derive(Clone, Copy, Debug)]
pub struct Stretch {
    /// CPU seconds per call second, in percent of one core.
    pub cpu_percent_per_call: f64,
    /// Calls up on average.
    pub calls: f64,
    /// Resident memory at its end.
    pub rss_kib: u64,
}

impl Watch {
    /// Takes the first sample, before any call.
    ///
    /// # Errors
    /// When there is no such process or it is not ours to read.
    pub fn start(pid: u32) -> anyhow::Result<Self> {
        let mut watch = Self { pid, samples: Vec::new() };
        watch.sample(Duration::ZERO, 0);
        ensure!(!watch.samples.is_empty(), "cannot read /proc/{pid}: no such process?");
        Ok(watch)
    }

    /// Takes a sample while `calls` are up.
    pub fn sample(&mut self, at: Duration, calls: u64) {
        if self.samples.len() < SAMPLES_MAX
            && let Ok(sample) = read(self.pid, at, calls)
        {
            self.samples.push(sample);
        }
    }

    /// The last two samples, the older first.
    pub fn latest(&self) -> Option<(Sample, Sample)> {
        let last = *self.samples.last()?;
        Some((self.samples.iter().rev().nth(1).copied().unwrap_or(last), last))
    }

    /// Resident memory before the first call.
    pub fn rss_idle_kib(&self) -> u64 {
        self.samples[0].rss_kib
    }

    /// What was used between two times of the run; none when no call was up.
    pub fn between(&self, from: Duration, until: Duration) -> Option<Stretch> {
        let inside = |sample: &&Sample| sample.at >= from && sample.at <= until;
        stretch(&self.samples.iter().filter(inside).copied().collect::<Vec<_>>())
    }

    /// The figures of the whole run; none when it was too short to have a height.
    pub fn finish(&self) -> Option<Cost> {
        summarise(&self.samples)
    }
}

/// How many files a process has open.
///
/// # Errors
/// When it ended or is not ours to read.
pub fn open_files(pid: u32) -> std::io::Result<u64> {
    Ok(std::fs::read_dir(format!("/proc/{pid}/fd"))?.count() as u64)
}

fn read(pid: u32, at: Duration, calls: u64) -> anyhow::Result<Sample> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    // The second field is the name in brackets and may hold anything.
    let (_, fields) = stat.rsplit_once(')').context("no name")?;
    let field = |index: usize| fields.split_whitespace().nth(index).and_then(|field| field.parse::<f64>().ok());
    let (user, system) = (field(11).context("no utime")?, field(12).context("no stime")?);
    let threads = field(17).context("no num_threads")? as u64;
    let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let rss_kib = rss.trim().trim_end_matches(" kB").parse()?;
    Ok(Sample { at, calls, cpu_seconds: (user + system) / TICKS, rss_kib, threads })
}

fn stretch(samples: &[Sample]) -> Option<Stretch> {
    let (begin, end) = (samples.first()?, samples.last()?);
    let pairs = samples.windows(2);
    let call_seconds: f64 = pairs.map(|pair| pair[0].calls as f64 * (pair[1].at - pair[0].at).as_secs_f64()).sum();
    (call_seconds > 0.0).then(|| Stretch {
        cpu_percent_per_call: (end.cpu_seconds - begin.cpu_seconds) / call_seconds * 100.0,
        calls: call_seconds / (end.at - begin.at).as_secs_f64(),
        rss_kib: end.rss_kib,
    })
}

fn summarise(samples: &[Sample]) -> Option<Cost> {
    let most = samples.iter().map(|sample| sample.calls).max()?;
    let high = |sample: &Sample| sample.calls > 0 && sample.calls as f64 >= HEIGHT * most as f64;
    let first = samples.iter().position(high)?;
    let last = samples.iter().rposition(high)?;
    let Stretch { cpu_percent_per_call, calls, .. } = stretch(&samples[first..=last])?;
    // Memory goes up with the calls and does not all come down: only the way up tells what a call needs.
    let points = samples[..=first].iter().map(|sample| (sample.calls as f64, sample.rss_kib as f64));
    Some(Cost {
        cpu_percent_per_call,
        calls,
        seconds: (samples[last].at - samples[first].at).as_secs_f64(),
        rss_idle_kib: samples[0].rss_kib,
        rss_peak_kib: samples.iter().map(|sample| sample.rss_kib).max()?,
        rss_kib_per_call: slope(points),
    })
}

/// Slope of the straight line nearest to the points; 0 for a single place.
pub fn slope(points: impl Iterator<Item = (f64, f64)> + Clone) -> f64 {
    let count = points.clone().count() as f64;
    let (sum_x, sum_y) = points.clone().fold((0.0, 0.0), |sum, (x, y)| (sum.0 + x, sum.1 + y));
    let (mean_x, mean_y) = (sum_x / count, sum_y / count);
    let (over, under) =
        points.fold((0.0, 0.0), |sum, (x, y)| (sum.0 + (x - mean_x) * (y - mean_y), sum.1 + (x - mean_x).powi(2)));
    if under == 0.0 { 0.0 } else { over / under }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// One sample a second: calls, CPU seconds, KiB.
    fn samples(figures: &[(u64, f64, u64)]) -> Vec<Sample> {
        let sample = |(index, &(calls, cpu_seconds, rss_kib)): (usize, &(u64, f64, u64))| Sample {
            at: Duration::from_secs(index as u64),
            calls,
            cpu_seconds,
            rss_kib,
            threads: 1,
        };
        figures.iter().enumerate().map(sample).collect()
    }

    fn check(figures: &[(u64, f64, u64)], want: &str) {
        let got = summarise(&samples(figures)).map_or("nothing".to_owned(), |cost| {
            let Cost { cpu_percent_per_call, calls, seconds, rss_kib_per_call, rss_peak_kib, .. } = cost;
            format!("{cpu_percent_per_call:.2} % of {calls} calls in {seconds} s, {rss_kib_per_call} KiB, peak {rss_peak_kib}")
        });
        assert_eq!(got, want);
    }

    #[test]
    fn cost_is_taken_at_the_height_and_memory_on_the_way_up() {
        let figures =
            [(0, 1.0, 1_000), (50, 1.5, 1_500), (100, 2.0, 2_000), (100, 2.4, 2_040), (100, 2.8, 2_050), (0, 3.0, 2_050)];
        check(&figures, "0.40 % of 100 calls in 2 s, 10 KiB, peak 2050");
    }

    #[test]
    fn a_run_without_a_height_tells_nothing() {
        check(&[(0, 1.0, 1_000), (0, 1.1, 1_000)], "nothing");
        check(&[(0, 1.0, 1_000), (9, 1.1, 1_000)], "nothing");
    }

    #[test]
    fn a_stretch_of_the_run_is_judged_by_itself() {
        let watch = Watch { pid: 0, samples: samples(&[(10, 0.0, 5), (10, 1.0, 6), (20, 2.0, 7), (20, 6.0, 9)]) };
        let stretch = watch.between(Duration::from_secs(2), Duration::from_secs(3)).unwrap();
        assert_eq!((stretch.cpu_percent_per_call, stretch.calls, stretch.rss_kib), (20.0, 20.0, 9));
        assert!(watch.between(Duration::from_secs(3), Duration::from_secs(9)).is_none(), "one sample is no stretch");
    }

    #[test]
    fn our_own_process_can_be_watched() {
        let watch = Watch::start(std::process::id()).unwrap();
        let (_, sample) = watch.latest().unwrap();
        assert!(watch.rss_idle_kib() > 0 && sample.threads > 0 && open_files(std::process::id()).unwrap() > 2);
        assert!(Watch::start(u32::MAX).is_err());
    }
}
