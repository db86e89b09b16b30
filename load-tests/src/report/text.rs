//! The report as a person reads it in a terminal.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use super::{Measures, Report, Spread};
use crate::monitor::{Slopes, StepRow};
use crate::process::Cost;

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { kind, target, asked, answered, failed, seconds, concurrent, .. } = self;
        let measures = &self.measures;
        writeln!(f, "{kind} calls to {target}: {asked} asked, {answered} answered, {failed} failed")?;
        writeln!(f, "{seconds:.1} s, at most {concurrent} at once, {:.0} call seconds", self.call_seconds)?;
        for (cause, count) in &self.failures {
            writeln!(f, "  failed: {count} x {cause}")?;
        }
        if self.rejected.calls > 0 {
            let (calls, without) = (self.rejected.calls, self.rejected.without_retry_after);
            writeln!(f, "  turned away: {calls}, {without} of them without Retry-After")?;
        }
        writeln!(f, "\n{:<24}{:>9}{:>11}{:>11}{:>11}{:>11}", "ms", "count", "p50", "p95", "p99", "max")?;
        row(f, "set-up", &self.setup_ms)?;
        row(f, "turned away after", &self.rejected.answer_ms)?;
        row(f, "first agent audio", &measures.first_audio_ms)?;
        row(f, "response gap", &measures.response_gap_ms)?;
        row(f, "barge-in to silence", &measures.barge_in_to_silence_ms)?;
        row(f, "mouth to ear and back", &measures.mouth_to_ear_ms)?;
        row(f, "packet lateness", &measures.lateness_ms)?;
        row(f, "packet spacing", &measures.spacing_ms)?;
        row(f, "jitter", &measures.jitter_ms)?;
        row(f, "generator's lateness", &measures.generator.send_lateness_ms)?;
        row(f, "calls placed late", &measures.generator.launch_lateness_ms)?;
        write_rest(f, measures)?;
        let costs = [("server", &self.server), ("simulator", &self.simulator), ("generator", &measures.generator.cost)];
        for (name, cost) in costs {
            if let Some(cost) = cost {
                write_cost(f, name, cost)?;
            }
        }
        write_steps(f, &self.steps)?;
        if let Some(slopes) = &self.slopes {
            write_slopes(f, slopes)?;
        }
        if !self.objectives.is_empty() {
            writeln!(f, "\nobjectives")?;
        }
        self.objectives.iter().try_for_each(|verdict| writeln!(f, "  {verdict}"))
    }
}

/// What is no spread.
fn write_rest(f: &mut Formatter<'_>, measures: &Measures) -> fmt::Result {
    let packets = &measures.packets;
    writeln!(
        f,
        "\npackets: {} sent, {} received, {} lost, {} late ({} by the server), {} double, {} out of order",
        packets.sent, packets.received, packets.lost, packets.late, packets.late_by_server, packets.duplicates, packets.reordered
    )?;
    let [middle, worst] = [50.0, 100.0].map(|percent| measures.mos.percentile(percent));
    if let (Some(middle), Some(worst)) = (middle, worst) {
        writeln!(f, "MOS (E-model): {middle:.2} in the middle, {worst:.2} at worst")?;
    }
    for (keys, calls) in &measures.keys_heard {
        writeln!(f, "keys that the agent pressed: {keys} in {calls} calls")?;
    }
    let super::Generator { overflow, unsent, .. } = measures.generator;
    if overflow + unsent > 0 {
        writeln!(f, "generator: {overflow} packets did not fit its buffers and count as lost, {unsent} could not be sent")?;
    }
    if measures.barge_ins_ignored > 0 {
        let ignored = measures.barge_ins_ignored;
        writeln!(f, "barge-ins that the agent talked through: {ignored}")?;
    }
    Ok(())
}

fn write_cost(f: &mut Formatter<'_>, name: &str, cost: &Cost) -> fmt::Result {
    let Cost { cpu_percent_per_call, calls, seconds, rss_idle_kib, rss_peak_kib, rss_kib_per_call } = cost;
    writeln!(
        f,
        "{name}: {cpu_percent_per_call:.3} % of a core a call ({calls:.0} calls, {seconds:.0} s), {rss_kib_per_call:.0} KiB a \
         call, {rss_idle_kib} KiB idle, {rss_peak_kib} KiB at most"
    )
}

fn write_steps(f: &mut Formatter<'_>, steps: &[StepRow]) -> fmt::Result {
    if steps.is_empty() {
        return Ok(());
    }
    writeln!(f, "\ncalls   CPU %/call   MB/call   gap p50   gap p95   late p99   late max  set-up p99  lost  failed")?;
    let number = |value: Option<f64>, digits: usize| value.map_or("-".to_owned(), |value| format!("{value:.digits$}"));
    for step in steps {
        writeln!(
            f,
            "{:>5}{:>13}{:>10}{:>10}{:>10}{:>11}{:>11}{:>12}{:>6}{:>8}",
            step.calls,
            number(step.cpu_percent_per_call, 3),
            number(step.rss_mb_per_call, 2),
            number(step.response_gap_p50_ms, 0),
            number(step.response_gap_p95_ms, 0),
            number(step.lateness_p99_ms, 1),
            number(step.lateness_max_ms, 1),
            number(step.setup_p99_ms, 1),
            step.lost,
            step.failed + step.rejected
        )?;
        step.missed.iter().try_for_each(|verdict| writeln!(f, "      {verdict}"))?;
    }
    Ok(())
}

fn write_slopes(f: &mut Formatter<'_>, slopes: &Slopes) -> fmt::Result {
    writeln!(f, "\ngrowth over {:.0} s and {} calls, by least squares", slopes.seconds, slopes.calls)?;
    let rows = [
        ("resident memory, MB an hour", slopes.rss_mb_per_hour),
        ("resident memory, bytes a call", slopes.rss_bytes_per_call),
        ("open files an hour", slopes.files_per_hour),
        ("threads an hour", slopes.threads_per_hour),
        ("tasks an hour", slopes.tasks_per_hour),
    ];
    let known = rows.iter().filter_map(|(name, value)| Some((name, (*value)?)));
    known.into_iter().try_for_each(|(name, value)| writeln!(f, "  {name:<30} {value:+.2}"))
}

fn row(f: &mut Formatter<'_>, name: &str, spread: &Spread) -> fmt::Result {
    if spread.count() == 0 {
        return Ok(());
    }
    let ms = |time: Duration| time.as_secs_f64() * 1_000.0;
    let [p50, p95, p99] = [50.0, 95.0, 99.0].map(|percent| ms(spread.percentile(percent)));
    let (count, max) = (spread.count(), ms(spread.max()));
    writeln!(f, "{name:<24}{count:>9}{p50:>11.1}{p95:>11.1}{p99:>11.1}{max:>11.1}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_measured_is_printed() {
        let mut report = Report { kind: "sip".to_owned(), asked: 1, answered: 1, ..Report::default() };
        report.setup_ms.record(Duration::from_millis(4));
        let text = report.to_string();
        assert!(text.contains("set-up                          1        4.0"), "{text}");
        assert!(!text.contains("barge-in"), "{text}");
    }
}
