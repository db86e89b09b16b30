//! The report as a person reads it in a terminal.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use super::{Measures, Report, Server, Spread};

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { kind, target, asked, answered, failed, seconds, concurrent, .. } = self;
        let measures = &self.measures;
        writeln!(f, "{kind} calls to {target}: {asked} asked, {answered} answered, {failed} failed")?;
        writeln!(f, "{seconds:.1} s, at most {concurrent} at once, {:.0} call seconds", self.call_seconds)?;
        for (cause, count) in &self.failures {
            writeln!(f, "  failed: {count} x {cause}")?;
        }
        writeln!(f, "\n{:<24}{:>9}{:>11}{:>11}{:>11}{:>11}", "ms", "count", "p50", "p95", "p99", "max")?;
        row(f, "set-up", &self.setup_ms)?;
        row(f, "first agent audio", &measures.first_audio_ms)?;
        row(f, "response gap", &measures.response_gap_ms)?;
        row(f, "barge-in to silence", &measures.barge_in_to_silence_ms)?;
        row(f, "mouth to ear and back", &measures.mouth_to_ear_ms)?;
        row(f, "packet lateness", &measures.lateness_ms)?;
        row(f, "packet spacing", &measures.spacing_ms)?;
        row(f, "jitter", &measures.jitter_ms)?;
        row(f, "generator's lateness", &measures.generator.send_lateness_ms)?;
        write_rest(f, measures)?;
        match &self.server {
            Some(server) => write_server(f, server),
            None => Ok(()),
        }
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
    if measures.barge_ins_ignored > 0 {
        let ignored = measures.barge_ins_ignored;
        writeln!(f, "barge-ins that the agent talked through: {ignored}")?;
    }
    Ok(())
}

fn write_server(f: &mut Formatter<'_>, server: &Server) -> fmt::Result {
    writeln!(
        f,
        "server: {:.3} % of a core a call ({:.0} calls, {:.0} s), {:.0} KiB a call, {} KiB idle, {} KiB at most",
        server.cpu_percent_per_call,
        server.calls,
        server.seconds,
        server.rss_kib_per_call,
        server.rss_idle_kib,
        server.rss_peak_kib
    )
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
