//! What a load run found: spreads of the measures, counts, its course over time, and what it cost.

mod markdown;
mod plots;
mod spread;
mod text;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::ear::Moment;
use crate::monitor::{Point, Slopes, StepRow};
use crate::process::Cost;
use crate::slo::Verdict;

pub use spread::{Scores, Spread};

/// The result of a run; `--json` writes it as it is, times in milliseconds.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// `sip`, `twilio` or `ws`.
    pub kind: String,
    /// Who was called.
    pub target: String,
    /// Seed of every random choice.
    pub seed: u64,
    /// Length of the run.
    pub seconds: f64,
    /// Calls that were placed.
    pub asked: u64,
    /// Calls that were answered.
    pub answered: u64,
    /// Calls that went wrong, before or after the answer.
    pub failed: u64,
    /// Why they did, and how many of each.
    pub failures: BTreeMap<String, u64>,
    /// Calls that the server turned away as it should when it is full: neither answered nor failed.
    pub rejected: Rejected,
    /// Most calls up at once.
    pub concurrent: u64,
    /// Seconds of all answered calls together.
    pub call_seconds: f64,
    /// INVITE (or webhook, or POST) to answer (or stream start).
    pub setup_ms: Spread,
    /// What the callers heard.
    #[serde(flatten)]
    pub measures: Measures,
    /// Cost at the server, with `--server-pid`.
    pub server: Option<Cost>,
    /// Cost of the provider simulator, with `--sim-pid`.
    pub simulator: Option<Cost>,
    /// The steps of a ramp.
    pub steps: Vec<StepRow>,
    /// What grew over a soak.
    pub slopes: Option<Slopes>,
    /// The objectives of `--slo`, met or missed.
    pub objectives: Vec<Verdict>,
    /// The course of the run.
    pub timeline: Vec<Point>,
}

/// Calls turned away with 503 and, in SIP, Retry-After.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Rejected {
    /// How many.
    pub calls: u64,
    /// Those that were not told when to try again.
    pub without_retry_after: u64,
    /// INVITE (or webhook, or POST) to the refusal.
    pub answer_ms: Spread,
}

/// What the callers of a run heard, all together.
#[derive(Debug, Default, Serialize)]
pub struct Measures {
    /// Answer to the first agent audio.
    pub first_audio_ms: Spread,
    /// The caller's last speech to the agent's first audio.
    pub response_gap_ms: Spread,
    /// The caller's first speech during the agent's to the agent's last audio.
    pub barge_in_to_silence_ms: Spread,
    /// Barge-ins that the agent talked through.
    pub barge_ins_ignored: u64,
    /// A mark's way there and back; needs an answer that echoes.
    pub mouth_to_ear_ms: Spread,
    /// How much later than due each packet came.
    pub lateness_ms: Spread,
    /// Time between packets.
    pub spacing_ms: Spread,
    /// Jitter by RFC 3550, one value a call.
    pub jitter_ms: Spread,
    /// E-model score, one value a call.
    pub mos: Scores,
    /// DTMF keys that the agent pressed, and in how many calls; calls without any are left out.
    pub keys_heard: BTreeMap<String, u64>,
    /// Packets, or media messages.
    pub packets: Packets,
    /// What a media stream's server sent beside audio.
    pub stream: Stream,
    /// What the generator itself did late: figures of the server are only as good as this.
    pub generator: Generator,
}

/// Counts over all calls. Impaired packets count as sent.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Packets {
    /// Sent by the callers.
    pub sent: u64,
    /// Received, duplicates left out.
    pub received: u64,
    /// Missing in what was received.
    pub lost: u64,
    /// Later than due by more than 20 ms.
    pub late: u64,
    /// Of those, the ones that came while this generator was on time: the machine had time, and the server did not use it.
    pub late_by_server: u64,
    /// Received twice.
    pub duplicates: u64,
    /// Received behind a later one.
    pub reordered: u64,
}

/// Messages of a media stream.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Stream {
    /// Marks that were echoed.
    pub marks: u64,
    /// Times the playback buffer was cleared, or the agent said that it was interrupted.
    pub clears: u64,
}

/// The generator's own punctuality, losses and cost.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Generator {
    /// How much later than due each frame was sent.
    pub send_lateness_ms: Spread,
    /// How much later than due each call was placed.
    pub launch_lateness_ms: Spread,
    /// Datagrams that came and found this generator's buffers full: they count as lost, and are not the server's loss.
    pub overflow: u64,
    /// Datagrams that the kernel would not send.
    pub unsent: u64,
    /// What this process used.
    pub cost: Option<Cost>,
}

impl Measures {
    /// Takes what one caller's ear told, the first audio apart.
    pub fn handle_moment(&mut self, moment: Moment) {
        match moment {
            Moment::Answered(gap) => self.response_gap_ms.record(gap),
            Moment::BargedIn(time) => self.barge_in_to_silence_ms.record(time),
            Moment::BargeInIgnored => self.barge_ins_ignored += 1,
            Moment::MarkHeard(delay) => self.mouth_to_ear_ms.record(delay),
            Moment::AgentStarted(_) | Moment::AgentStopped(_) | Moment::CallerStarted(_) | Moment::CallerStopped(_) => {}
        }
    }
}

impl Report {
    /// Counts a failed call by its cause.
    pub fn fail(&mut self, cause: impl Into<String>) {
        self.failed += 1;
        *self.failures.entry(cause.into()).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_counted_by_cause() {
        let mut report = Report::default();
        for cause in ["refused 486", "timed out", "refused 486"] {
            report.fail(cause);
        }
        assert_eq!(format!("{} {:?}", report.failed, report.failures), r#"3 {"refused 486": 2, "timed out": 1}"#);
    }
}
