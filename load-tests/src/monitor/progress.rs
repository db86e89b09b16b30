//! The line on the terminal that tells how a run goes: redrawn where that is possible, else a new one every ten seconds.

use std::io::{IsTerminal, Write, stderr};
use std::time::Duration;

use super::Counts;
use crate::tally::Window;

/// Between two lines where nothing can be redrawn.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Progress {
    length: Duration,
    terminal: bool,
    next: Duration,
    total: Window,
}

impl Progress {
    /// For a run of about this length.
    pub(super) fn new(length: Duration) -> Self {
        Self { length, terminal: stderr().is_terminal(), next: LINE_INTERVAL, total: Window::default() }
    }

    pub(super) fn handle_window(&mut self, at: Duration, counts: Counts, window: &Window) {
        self.total.add(window);
        if self.terminal {
            // Back to the margin, the line, and an end to what was longer before.
            let _ = write!(stderr(), "\r{}\x1b[K", self.line(at, counts));
        } else if at >= self.next {
            self.next = at + LINE_INTERVAL;
            let _ = writeln!(stderr(), "{}", self.line(at, counts));
        }
    }

    pub(super) fn finish(&mut self) {
        if self.terminal {
            let _ = writeln!(stderr());
        }
    }

    fn line(&self, at: Duration, counts: Counts) -> String {
        let Counts { up, answered, failed, rejected } = counts;
        let Window { response_gap, lateness, lost, received, .. } = &self.total;
        let mut line = format!("{}/{}  {up} up  {answered} answered  {failed} failed", clock(at), clock(self.length));
        if rejected > 0 {
            line += &format!("  {rejected} rejected");
        }
        if let Some(gap) = response_gap.ms(95.0) {
            line += &format!("  gap p95 {gap:.0} ms");
        }
        if let Some(late) = lateness.ms(95.0) {
            let loss = *lost as f64 / (lost + received).max(1) as f64 * 100.0;
            line += &format!("  lateness p95 {late:.1} ms  loss {loss:.2} %");
        }
        line
    }
}

fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds / 3_600 {
        0 => format!("{}:{:02}", seconds / 60, seconds % 60),
        hours => format!("{hours}:{:02}:{:02}", seconds / 60 % 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(counts: Counts, change: impl Fn(&mut Window), want: &str) {
        let mut progress = Progress::new(Duration::from_secs(3_700));
        change(&mut progress.total);
        assert_eq!(progress.line(Duration::from_secs(75), counts), want);
    }

    #[test]
    fn the_line_tells_what_there_is_to_tell() {
        check(Counts::default(), |_| {}, "1:15/1:01:40  0 up  0 answered  0 failed");
        check(
            Counts { up: 9, answered: 12, failed: 1, rejected: 2 },
            |window| {
                window.response_gap.record(Duration::from_millis(900));
                window.lateness.record(Duration::from_micros(1_500));
                (window.lost, window.received) = (1, 399);
            },
            "1:15/1:01:40  9 up  12 answered  1 failed  2 rejected  gap p95 900 ms  lateness p95 1.5 ms  loss 0.25 %",
        );
    }
}
