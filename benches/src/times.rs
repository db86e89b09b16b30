//! Times, by divan, and what they are against the budgets.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use divan::Bencher;

use crate::workload::{self, Workload};

/// What divan measures: every part, or those whose names contain the argument after `time`.
#[divan::bench(args = chosen())]
fn part(bencher: Bencher, name: &str) {
    let workload = workload::find(name).expect("a name of the list");
    let mut step = (workload.start)();
    // Cold, it would make divan take too few iterations for a sample.
    step();
    bencher.bench_local(step);
}

fn chosen() -> Vec<&'static str> {
    let wanted = std::env::args().nth(2).unwrap_or_default();
    workload::all().map(|workload| workload.name).filter(|name| name.contains(&wanted)).collect()
}

/// Of one iteration, over divan's samples.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Times {
    fastest: Duration,
    median: Duration,
}

/// Measures all parts, which takes a minute, and prints what divan says and a table against the budgets.
pub fn report() -> Result<()> {
    let mut divan = Command::new(std::env::current_exe()?).arg("time").stdout(Stdio::piped()).spawn()?;
    let mut times = BTreeMap::new();
    for line in BufReader::new(divan.stdout.take().context("its output is a pipe")?).lines() {
        let line = line?;
        println!("{line}");
        times.extend(read(&line));
    }
    ensure!(divan.wait()?.success(), "a part failed");
    print!("\n{}", table(workload::all(), &times)?);
    Ok(())
}

/// A part and its times from one line of divan's tree, `├─ parse_invite  5.56 µs │ 9.1 µs │ 5.69 µs │ ...`.
fn read(line: &str) -> Option<(String, Times)> {
    let mut columns = line.split('│').map(|column| column.split_whitespace().rev());
    let mut first = columns.next()?;
    let fastest = duration(&mut first)?;
    let median = duration(&mut columns.nth(1)?)?;
    Some((first.next()?.to_owned(), Times { fastest, median }))
}

/// A number and its unit, from the end of a column.
fn duration<'a>(words: &mut impl Iterator<Item = &'a str>) -> Option<Duration> {
    let nanoseconds = match words.next()? {
        "ns" => 1.0,
        "µs" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        _ => return None,
    };
    Some(Duration::from_nanos((words.next()?.parse::<f64>().ok()? * nanoseconds).round() as u64))
}

/// As Markdown. What others do on the machine only adds, so it is the fastest sample that a budget is missed by.
fn table(workloads: impl Iterator<Item = &'static Workload>, times: &BTreeMap<String, Times>) -> Result<String> {
    let mut table =
        String::from("| part | what | budget | fastest | median | budget is |\n| --- | --- | --- | --- | --- | --- |\n");
    for Workload { name, what, budget, .. } in workloads {
        let Times { fastest, median } = times.get(*name).with_context(|| format!("divan printed no time of {name}"))?;
        let verdict = match (fastest > budget, median > budget) {
            (true, _) => "**missed**",
            (false, true) => "missed by the median",
            (false, false) => "held",
        };
        table += &format!("| `{name}` | {what} | {budget:?} | {fastest:.1?} | {median:.1?} | {verdict} |\n");
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_line_of_divan_is_read() {
        let check = |line: &str, expected: Option<(&str, u64, u64)>| {
            let found = read(line).map(|(part, times)| (part, times.fastest.as_nanos() as u64, times.median.as_nanos() as u64));
            assert_eq!(found, expected.map(|(part, fastest, median)| (part.to_owned(), fastest, median)), "{line}");
        };
        check(
            "   ├─ parse_invite        5.56 µs       │ 91.1 µs     │ 5.69 µs       │ 6 µs  │ 100 │ 800",
            Some(("parse_invite", 5_560, 5_690)),
        );
        check(
            "   ╰─ one_turn_step       15.2 ns       │ 20 ns       │ 2 ms          │ 18 ns │ 100 │ 800",
            Some(("one_turn_step", 15, 2_000_000)),
        );
        check("   │                      alloc:        │             │               │       │     │", None);
        check("   │                        8           │ 8           │ 8             │ 8     │     │", None);
        check("benches                   fastest       │ slowest     │ median        │ mean  │ samples │ iters", None);
        check("", None);
    }

    #[test]
    fn a_missed_budget_is_named() {
        const WORKLOADS: &[Workload] = &[Workload {
            name: "parse",
            what: "one message",
            budget: Duration::from_micros(2),
            counted: 1,
            start: || Box::new(|| {}),
        }];
        let check = |fastest, median, verdict: &str| {
            let times = Times { fastest: Duration::from_nanos(fastest), median: Duration::from_nanos(median) };
            let table = table(WORKLOADS.iter(), &BTreeMap::from([("parse".to_owned(), times)])).unwrap();
            assert_eq!(table.lines().last().unwrap().split(" | ").last(), Some(format!("{verdict} |").as_str()), "{table}");
        };
        check(1_500, 1_900, "held");
        check(1_500, 2_100, "missed by the median");
        check(2_001, 2_100, "**missed**");
        assert!(table(WORKLOADS.iter(), &BTreeMap::new()).is_err(), "a part without a time");
    }
}
