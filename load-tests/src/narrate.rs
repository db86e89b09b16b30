//! One call told as it happens, for a person to read.

use std::time::{Duration, Instant};

use crate::ear::Moment;

/// Turns moments into lines.
#[derive(Debug)]
pub struct Narrator {
    start: Instant,
    agent_started: Option<Instant>,
    caller_started: Option<Instant>,
}

impl Narrator {
    /// Times are told from `start`, when the call was dialled.
    pub fn new(start: Instant) -> Self {
        Self { start, agent_started: None, caller_started: None }
    }

    /// A line about something that happened at `at`.
    pub fn line(&self, at: Instant, what: &str) -> String {
        format!("{:9.3} s  {what}", at.saturating_duration_since(self.start).as_secs_f64())
    }

    /// The line for a moment; none for those that another line tells.
    pub fn moment(&mut self, now: Instant, moment: Moment) -> String {
        let ms = |time: Duration| time.as_secs_f64() * 1_000.0;
        let spoke = |started: Option<Instant>, at: Instant| {
            started.map_or(0.0, |started| at.saturating_duration_since(started).as_secs_f64())
        };
        match moment {
            Moment::AgentStarted(at) => {
                self.agent_started = Some(at);
                self.line(at, "agent speaks")
            }
            Moment::AgentStopped(at) => {
                self.line(at, &format!("agent falls silent after {:.2} s", spoke(self.agent_started, at)))
            }
            Moment::CallerStarted(at) => {
                self.caller_started = Some(at);
                self.line(at, "caller speaks")
            }
            Moment::CallerStopped(at) => {
                self.line(at, &format!("caller falls silent after {:.2} s", spoke(self.caller_started, at)))
            }
            Moment::Answered(gap) => self.line(now, &format!("  response gap {:.0} ms", ms(gap))),
            Moment::BargedIn(time) => self.line(now, &format!("  barge-in: agent silent after {:.0} ms", ms(time))),
            Moment::BargeInIgnored => self.line(now, "  barge-in: agent speaks on"),
            Moment::MarkHeard(delay) => self.line(now, &format!("  mark came back after {:.1} ms", ms(delay))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_told_in_lines() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut narrator = Narrator::new(start);
        let moments = [
            (at(500), Moment::AgentStarted(at(500))),
            (at(2_500), Moment::AgentStopped(at(2_000))),
            (at(2_700), Moment::CallerStarted(at(2_700))),
            (at(3_700), Moment::CallerStopped(at(3_700))),
            (at(4_500), Moment::Answered(Duration::from_millis(800))),
        ];
        let told: Vec<_> = moments.map(|(now, moment)| narrator.moment(now, moment)).to_vec();
        assert_eq!(
            told.join("\n"),
            "    0.500 s  agent speaks\n    2.000 s  agent falls silent after 1.50 s\n    2.700 s  caller speaks\n    \
             3.700 s  caller falls silent after 1.00 s\n    4.500 s    response gap 800 ms"
        );
    }
}
