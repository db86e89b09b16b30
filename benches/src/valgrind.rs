//! Counts instructions with valgrind's cachegrind, the cache simulation off.
//!
//! A part is run N times and 2N times, each in a process of its own; the difference is N iterations of a warm part,
//! without the start of the process or of the part. Where the processor has AVX2, valgrind shows programs one and the
//! same made-up processor, so what memchr and the C library choose at run time does not depend on the machine.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Mutex;
use std::thread;

use anyhow::{Context, Result, ensure};

use crate::workload::{self, Workload};

/// The instructions of one iteration of every part, counted on all cores.
pub fn count_all() -> Result<BTreeMap<String, u64>> {
    let waiting = Mutex::new(workload::all());
    let next = || waiting.lock().expect("nobody panics with it").next();
    let count_some = || -> Result<BTreeMap<String, u64>> {
        let mut counts = BTreeMap::new();
        while let Some(workload) = next() {
            counts.insert(workload.name.to_owned(), count(workload)?);
        }
        Ok(counts)
    };
    let cores = thread::available_parallelism()?.get();
    thread::scope(|scope| {
        let counters: Vec<_> = (0..cores).map(|_| scope.spawn(count_some)).collect();
        let mut all = BTreeMap::new();
        for counter in counters {
            all.extend(counter.join().expect("a counter does not panic")?);
        }
        Ok(all)
    })
}

fn count(workload: &Workload) -> Result<u64> {
    let once = run(workload.name, workload.counted)?;
    let twice = run(workload.name, 2 * workload.counted)?;
    Ok((twice - once) / workload.counted)
}

/// The instructions of a whole process that does `iterations` of a part.
fn run(part: &str, iterations: u64) -> Result<u64> {
    let mut command = Command::new("valgrind");
    command.args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]);
    command.arg(std::env::current_exe()?).args(["count", part, &iterations.to_string()]);
    let output = command.output().context("valgrind (Debian package valgrind)")?;
    let text = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{part}: {}\n{text}", output.status);
    instructions(&text).with_context(|| format!("{part}: no instructions in what valgrind printed:\n{text}"))
}

/// The total of what cachegrind prints, as `==1234== I   refs:      1,234,567`.
fn instructions(text: &str) -> Option<u64> {
    let (_, total) = text.lines().find_map(|line| line.split_once("refs:"))?;
    total.trim().replace(',', "").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_read() {
        assert_eq!(instructions("==1== Cachegrind\n==1== \n==1== I   refs:      1,234,567\n"), Some(1_234_567));
        assert_eq!(instructions("==1== Cachegrind\n"), None);
        assert_eq!(instructions("==1== I   refs:      many\n"), None);
    }
}
