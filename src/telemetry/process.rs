//! What the process takes of the machine, from `/proc`, read when somebody asks for metrics.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::catalogue::{Kind, Metric, PROCESS};

/// Clock ticks in a second of `/proc/PID/stat`: 100 on every Linux that Debian ships.
const TICKS: f64 = 100.0;

/// The process, since its start.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    /// Since 1970.
    started: Duration,
}

impl Process {
    /// To be made when the process starts.
    pub fn new() -> Self {
        Self { started: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() }
    }

    /// The lines of `/metrics`. Written here because the recorder's counters are whole numbers, and seconds of CPU are not.
    pub fn render(&self) -> String {
        let mut text = String::new();
        let values = [
            ("offhook_process_cpu_seconds_total", cpu_seconds()),
            ("offhook_process_open_files", open_files()),
            ("offhook_process_open_files_max", open_files_max()),
            ("offhook_process_resident_bytes", resident_bytes()),
            ("offhook_process_start_seconds", Some(self.started.as_secs_f64())),
        ];
        for (name, value) in values {
            let metric = PROCESS.iter().find(|metric| metric.name == name).zip(value);
            if let Some((Metric { kind, help, .. }, value)) = metric {
                let kind = if matches!(kind, Kind::Counter) { "counter" } else { "gauge" };
                let _never_fails = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n");
            }
        }
        text
    }
}

fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the name in brackets and may hold anything.
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks = |index| fields.split_whitespace().nth(index)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / TICKS)
}

fn open_files() -> Option<f64> {
    // From Linux 6.2 on the folder's size is their number; to count 2,000 takes 9 ms.
    match std::fs::metadata("/proc/self/fd").ok()?.len() {
        // One of those that are counted is the folder's.
        0 => Some(std::fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1) as f64),
        files => Some(files as f64),
    }
}

fn open_files_max() -> Option<f64> {
    rlimit::getrlimit(rlimit::Resource::NOFILE).ok().map(|(soft, _)| soft as f64)
}

fn resident_bytes() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(kib.trim().trim_end_matches(" kB").parse::<f64>().ok()? * 1024.0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_figure_of_our_own_process_is_there_and_plausible() {
        let text = Process::new().render();
        let value = |name: &str| {
            let line =
                text.lines().find(|line| line.starts_with(&format!("{name} "))).unwrap_or_else(|| panic!("{name}: {text}"));
            line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
        };
        assert!((0.0..1e6).contains(&value("offhook_process_cpu_seconds_total")), "{text}");
        let files = value("offhook_process_open_files");
        assert!(files >= 3.0 && files <= value("offhook_process_open_files_max"), "{text}");
        assert!(value("offhook_process_resident_bytes") > 1e6, "{text}");
        let started = value("offhook_process_start_seconds");
        assert!(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64() - started < 60.0, "{text}");
        assert_eq!(text.matches("# TYPE").count(), PROCESS.len(), "{text}");
    }
}
