//! What the server process costs, from `/proc`.

use std::time::Instant;

use anyhow::{Context, ensure};

use crate::report::Server;

/// Clock ticks in a second of `/proc/PID/stat`: 100 on every Linux that Debian ships.
const TICKS: f64 = 100.0;
/// Most samples kept: an hour of half seconds; then no more are taken.
const SAMPLES_MAX: usize = 7_200;
/// The run is at its height while at least this share of the most calls is up.
const HEIGHT: f64 = 0.95;

/// Watches one process.
#[derive(Debug)]
pub struct Watch {
    pid: u32,
    samples: Vec<Sample>,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Instant,
    calls: u64,
    cpu_seconds: f64,
    rss_kib: u64,
}

impl Watch {
    /// Takes the first sample, before any call.
    ///
    /// # Errors
    /// When there is no such process or it is not ours to read.
    pub fn start(pid: u32) -> anyhow::Result<Self> {
        let mut watch = Self { pid, samples: Vec::new() };
        watch.sample(0);
        ensure!(!watch.samples.is_empty(), "cannot read /proc/{pid}: no such process?");
        Ok(watch)
    }

    /// Takes a sample while `calls` are up; call it twice a second.
    pub fn sample(&mut self, calls: u64) {
        if let Ok((cpu_seconds, rss_kib)) = read(self.pid)
            && self.samples.len() < SAMPLES_MAX
        {
            self.samples.push(Sample { at: Instant::now(), calls, cpu_seconds, rss_kib });
        }
    }

    /// The figures of the whole run; none when it was too short to have a height.
    pub fn finish(&self) -> Option<Server> {
        summarise(&self.samples)
    }
}

fn read(pid: u32) -> anyhow::Result<(f64, u64)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    // The second field is the name in brackets and may hold anything.
    let (_, fields) = stat.rsplit_once(')').context("no name")?;
    let field = |index: usize| fields.split_whitespace().nth(index).and_then(|field| field.parse::<f64>().ok());
    let (user, system) = (field(11).context("no utime")?, field(12).context("no stime")?);
    let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let rss = rss.trim().trim_end_matches(" kB").parse()?;
    Ok(((user + system) / TICKS, rss))
}

fn summarise(samples: &[Sample]) -> Option<Server> {
    let most = samples.iter().map(|sample| sample.calls).max()?;
    let high = |sample: &Sample| sample.calls > 0 && sample.calls as f64 >= HEIGHT * most as f64;
    let first = samples.iter().position(high)?;
    let last = samples.iter().rposition(high)?;
    let (begin, end) = (samples[first], samples[last]);
    let seconds = end.at.duration_since(begin.at).as_secs_f64();
    let pairs = samples[first..=last].windows(2);
    let call_seconds: f64 = pairs.map(|pair| pair[0].calls as f64 * pair[1].at.duration_since(pair[0].at).as_secs_f64()).sum();
    if call_seconds == 0.0 {
        return None;
    }
    // Memory goes up with the calls and does not all come down: only the way up tells what a call needs.
    let points = samples[..=first].iter().map(|sample| (sample.calls as f64, sample.rss_kib as f64));
    Some(Server {
        cpu_percent_per_call: (end.cpu_seconds - begin.cpu_seconds) / call_seconds * 100.0,
        calls: call_seconds / seconds,
        seconds,
        rss_idle_kib: samples[0].rss_kib,
        rss_peak_kib: samples.iter().map(|sample| sample.rss_kib).max()?,
        rss_kib_per_call: slope(points),
    })
}

/// Slope of the straight line nearest to the points; 0 for a single place.
fn slope(points: impl Iterator<Item = (f64, f64)> + Clone) -> f64 {
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
    use std::time::Duration;

    use super::*;

    /// One sample a second: calls, CPU seconds, KiB.
    fn check(samples: &[(u64, f64, u64)], want: &str) {
        let start = Instant::now();
        let sample = |(index, &(calls, cpu_seconds, rss_kib)): (usize, &(u64, f64, u64))| Sample {
            at: start + Duration::from_secs(index as u64),
            calls,
            cpu_seconds,
            rss_kib,
        };
        let samples: Vec<_> = samples.iter().enumerate().map(sample).collect();
        let got = summarise(&samples).map_or("nothing".to_owned(), |server| {
            let Server { cpu_percent_per_call, calls, seconds, rss_kib_per_call, rss_peak_kib, .. } = server;
            format!("{cpu_percent_per_call:.2} % of {calls} calls in {seconds} s, {rss_kib_per_call} KiB, peak {rss_peak_kib}")
        });
        assert_eq!(got, want);
    }

    #[test]
    fn cost_is_taken_at_the_height_and_memory_on_the_way_up() {
        let samples =
            [(0, 1.0, 1_000), (50, 1.5, 1_500), (100, 2.0, 2_000), (100, 2.4, 2_040), (100, 2.8, 2_050), (0, 3.0, 2_050)];
        check(&samples, "0.40 % of 100 calls in 2 s, 10 KiB, peak 2050");
    }

    #[test]
    fn a_run_without_a_height_tells_nothing() {
        check(&[(0, 1.0, 1_000), (0, 1.1, 1_000)], "nothing");
        check(&[(0, 1.0, 1_000), (9, 1.1, 1_000)], "nothing");
    }

    #[test]
    fn our_own_process_can_be_watched() {
        let watch = Watch::start(std::process::id()).unwrap();
        assert!(watch.samples[0].rss_kib > 0);
        assert!(Watch::start(u32::MAX).is_err());
    }
}
