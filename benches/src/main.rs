//! The parts of a call against their budgets: times as the report, instructions as the gate.
//!
//! ```text
//! benches               times, by divan, then a table against the budgets
//! benches time [PART]   times alone, of the parts whose names contain PART
//! benches turns         turn-taking against known truth: see turns.rs
//! benches check         instructions, by valgrind, against instructions.toml; more than 10 % above it fails
//! benches accept        makes them the baseline
//! benches count PART N  does the work of one part N times: what valgrind runs
//! ```

mod audio;
mod background;
mod bridging;
mod coding;
mod gate;
mod hearing;
mod mailbox;
mod signalling;
mod speech;
mod times;
mod turns;
mod valgrind;
mod wire;
mod workload;

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use divan::{AllocProfiler, Divan};

use crate::gate::Baseline;

// Shows that a warm frame allocates nothing.
#[global_allocator]
static ALLOC: AllocProfiler = AllocProfiler::system();

fn main() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [] => times::report()?,
        ["time"] | ["time", _] => Divan::default().run_benches(),
        ["check"] => return check(),
        ["accept"] => Baseline::of_this_build(valgrind::count_all()?)?.write()?,
        ["turns", ref words @ ..] => turns::run(words)?,
        ["count", part, iterations] => {
            let workload = workload::find(part).with_context(|| format!("no part {part}"))?;
            let mut step = (workload.start)();
            for _ in 0..iterations.parse()? {
                step();
            }
        }
        _ => bail!("usage: benches [time [PART] | turns [noise [FOLDER] | small | train] | check | accept | count PART N]"),
    }
    Ok(ExitCode::SUCCESS)
}

fn check() -> Result<ExitCode> {
    let baseline = Baseline::read()?;
    let now = Baseline::of_this_build(valgrind::count_all()?)?;
    let report = gate::compare(&baseline, &now);
    println!("{report}");
    Ok(if report.failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
