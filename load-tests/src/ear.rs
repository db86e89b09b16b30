//! A virtual caller's ear: what the agent's audio tells about turns, gaps, barge-in and delay.
//!
//! ```text
//! caller  ======speech======|                              |===barge-in===
//! agent                     |<- response gap ->|=======audio=======|
//!                                                          |<----->| barge-in to silence
//! ```
//! One input, then drain [`Ear::poll_moment`].

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::mark::MarkDetector;
use crate::speech::{FRAME_SAMPLES, mean_square};

/// Agent audio above this mean square, -50 dBov, is heard; below lies comfort noise.
const AUDIBLE: f64 = (1 << 30) as f64 / 1e5;
/// The agent's end is told to this many samples: 5 ms, since a fade may end within its frame.
const GRAIN: usize = FRAME_SAMPLES / 4;
/// Silence after which the agent's turn is over; shorter pauses belong to its speech.
pub const AGENT_PAUSE: Duration = Duration::from_millis(500);
/// The agent counts as speaking when it was heard this short a time ago: a barge-in meets it.
const SPEAKING_WITHIN: Duration = Duration::from_millis(100);
/// An agent that speaks on this long after a barge-in has ignored it.
const IGNORED_AFTER: Duration = Duration::from_secs(3);
/// Most marks waited for; the oldest is given up. Marks come seconds apart.
const MARKS_WAITING_MAX: usize = 8;
/// Frames whose arrival is remembered, which a mark's detection may look back over.
const ARRIVALS_KEPT: usize = 8;
const FRAME: Duration = Duration::from_millis(20);

/// Something that happened in the conversation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Moment {
    /// The agent was first heard after a pause.
    AgentStarted(Instant),
    /// The agent's last audio before a pause; told [`AGENT_PAUSE`] later.
    AgentStopped(Instant),
    /// The caller's first speech.
    CallerStarted(Instant),
    /// The caller's last speech.
    CallerStopped(Instant),
    /// The agent answered the caller after this time.
    Answered(Duration),
    /// The agent fell silent this long after the caller barged in.
    BargedIn(Duration),
    /// The agent spoke on.
    BargeInIgnored,
    /// A mark came back.
    MarkHeard(Duration),
}

/// The pure core.
#[derive(Debug, Default)]
pub struct Ear {
    moments: VecDeque<Moment>,
    /// Samples that do not fill a frame yet, and when the first of them came.
    partial: Vec<i16>,
    partial_at: Option<Instant>,
    arrivals: VecDeque<Instant>,
    /// Looked for only where callers send some: it is most of an ear's cost.
    marks: Option<MarkDetector>,
    marks_waiting: VecDeque<(u8, Instant)>,
    agent: Option<AgentTurn>,
    agent_turns: u32,
    quiet_since: Option<Instant>,
    caller_speaking: bool,
    caller_stopped: Option<Instant>,
    barge_in: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct AgentTurn {
    started: Instant,
    last_heard: Instant,
}

impl Ear {
    /// An ear that has not heard anything, and whether it looks for marks.
    pub fn new(marks: bool) -> Self {
        Self { marks: marks.then(MarkDetector::default), ..Self::default() }
    }

    /// Takes agent audio whose first sample is heard at `at`; any number of samples.
    pub fn handle_audio(&mut self, at: Instant, samples: &[i16]) {
        if self.partial.is_empty() && samples.len() == FRAME_SAMPLES {
            return self.handle_frame(at, samples);
        }
        let mut partial = std::mem::take(&mut self.partial);
        let mut first = self.partial_at.take().filter(|_| !partial.is_empty()).unwrap_or(at);
        partial.extend_from_slice(samples);
        let mut frames = partial.chunks_exact(FRAME_SAMPLES);
        for frame in frames.by_ref() {
            self.handle_frame(first, frame);
            first += FRAME;
        }
        self.partial = frames.remainder().to_vec();
        self.partial_at = Some(first);
    }

    /// Takes note of a frame that the caller sends at `at`: whether it is speech, and the mark whose chirp begins in it.
    pub fn handle_spoken(&mut self, at: Instant, speech: bool, mark: Option<u8>) {
        if let Some(number) = mark {
            if self.marks_waiting.len() == MARKS_WAITING_MAX {
                self.marks_waiting.pop_front();
            }
            self.marks_waiting.push_back((number, at));
        }
        if speech && !self.caller_speaking {
            self.moments.push_back(Moment::CallerStarted(at));
            self.caller_stopped = None;
            let met = self.agent.filter(|agent| at <= agent.last_heard + SPEAKING_WITHIN);
            self.barge_in = met.map(|_| at);
        } else if !speech && self.caller_speaking {
            self.moments.push_back(Moment::CallerStopped(at));
            // Whoever speaks on has not been asked anything yet.
            let silent = self.agent.is_none_or(|agent| at > agent.last_heard + SPEAKING_WITHIN);
            self.caller_stopped = silent.then_some(at);
        }
        self.caller_speaking = speech;
    }

    /// Judges silence up to now; call it once a frame.
    pub fn handle_time(&mut self, now: Instant) {
        let Some(agent) = self.agent else { return };
        if self.barge_in.is_some_and(|since| agent.last_heard > since + IGNORED_AFTER) {
            self.barge_in = None;
            self.moments.push_back(Moment::BargeInIgnored);
        }
        if now < agent.last_heard + AGENT_PAUSE {
            return;
        }
        self.agent = None;
        self.quiet_since = Some(agent.last_heard);
        self.moments.push_back(Moment::AgentStopped(agent.last_heard));
        if let Some(since) = self.barge_in.take() {
            self.moments.push_back(Moment::BargedIn(agent.last_heard.saturating_duration_since(since)));
        }
    }

    /// The next thing that happened, until `None`.
    pub fn poll_moment(&mut self) -> Option<Moment> {
        self.moments.pop_front()
    }

    /// Since when the agent speaks; none while it is silent.
    pub fn agent_speaks_since(&self) -> Option<Instant> {
        self.agent.map(|agent| agent.started)
    }

    /// When the agent was last heard; none while it speaks or before its first turn.
    pub fn agent_quiet_since(&self) -> Option<Instant> {
        self.quiet_since.filter(|_| self.agent.is_none())
    }

    /// How many turns the agent has begun.
    pub fn agent_turns(&self) -> u32 {
        self.agent_turns
    }

    fn handle_frame(&mut self, at: Instant, frame: &[i16]) {
        self.handle_time(at);
        if self.arrivals.len() == ARRIVALS_KEPT {
            self.arrivals.pop_front();
        }
        self.arrivals.push_back(at);
        if let Some(mark) = self.marks.as_mut().and_then(|marks| marks.handle_frame(frame)) {
            self.handle_mark(mark.number, mark.samples_ago);
        }
        if mean_square(frame) <= AUDIBLE {
            return;
        }
        let end =
            frame.chunks(GRAIN).rposition(|grain| mean_square(grain) > AUDIBLE).map_or(FRAME_SAMPLES, |last| (last + 1) * GRAIN);
        let last_heard = at + Duration::from_micros(end as u64 * 125);
        match &mut self.agent {
            Some(agent) => agent.last_heard = last_heard,
            None => self.begin_turn(at, last_heard),
        }
    }

    fn begin_turn(&mut self, at: Instant, last_heard: Instant) {
        self.agent = Some(AgentTurn { started: at, last_heard });
        self.agent_turns += 1;
        self.moments.push_back(Moment::AgentStarted(at));
        if let Some(stopped) = self.caller_stopped.take() {
            self.moments.push_back(Moment::Answered(at.saturating_duration_since(stopped)));
        }
    }

    fn handle_mark(&mut self, number: u8, samples_ago: usize) {
        let frames_ago = samples_ago.div_ceil(FRAME_SAMPLES);
        let Some(frame_at) = self.arrivals.len().checked_sub(frames_ago).map(|index| self.arrivals[index]) else {
            return;
        };
        let offset = frames_ago * FRAME_SAMPLES - samples_ago;
        let heard = frame_at + Duration::from_micros(offset as u64 * 125);
        let Some(index) = self.marks_waiting.iter().position(|(waiting, _)| *waiting == number) else {
            return;
        };
        let (_, sent) = self.marks_waiting[index];
        // Marks keep their order, so older ones were lost on the way.
        self.marks_waiting.drain(..=index);
        self.moments.push_back(Moment::MarkHeard(heard.saturating_duration_since(sent)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mark;

    /// A letter is 100 ms of caller (upper line) and agent (lower line): `s` speech, `.` silence, ` ` no packet.
    fn check(caller: &str, agent: &str, want: &str) {
        let start = Instant::now();
        let mut ear = Ear::default();
        let mut got = Vec::new();
        for (index, (caller, agent)) in caller.bytes().zip(agent.bytes()).enumerate() {
            for frame in 0..5 {
                let at = start + FRAME * (index as u32 * 5 + frame);
                ear.handle_spoken(at, caller == b's', None);
                match agent {
                    b's' => ear.handle_audio(at, &[3_000; FRAME_SAMPLES]),
                    b'.' => ear.handle_audio(at, &[0; FRAME_SAMPLES]),
                    _ => {}
                }
                ear.handle_time(at);
                while let Some(moment) = ear.poll_moment() {
                    got.push(word(start, moment));
                }
            }
        }
        assert_eq!(got.join(" "), want);
    }

    fn word(start: Instant, moment: Moment) -> String {
        let at = |at: Instant| at.duration_since(start).as_millis();
        match moment {
            Moment::AgentStarted(time) => format!("agent@{}", at(time)),
            Moment::AgentStopped(time) => format!("/agent@{}", at(time)),
            Moment::CallerStarted(time) => format!("caller@{}", at(time)),
            Moment::CallerStopped(time) => format!("/caller@{}", at(time)),
            Moment::Answered(gap) => format!("gap={}", gap.as_millis()),
            Moment::BargedIn(time) => format!("barge={}", time.as_millis()),
            Moment::BargeInIgnored => "ignored".to_owned(),
            Moment::MarkHeard(delay) => format!("mark={}us", delay.as_micros()),
        }
    }

    #[test]
    fn the_gap_runs_from_the_last_speech_to_the_first_audio() {
        check("..sss..............", ".........sss........", "caller@200 /caller@500 agent@900 gap=400 /agent@1200");
        check("..sss..............", "         sss        ", "caller@200 /caller@500 agent@900 gap=400 /agent@1200");
    }

    #[test]
    fn a_greeting_is_no_answer_and_a_pause_no_new_turn() {
        check("....................", ".sss..ss............", "agent@100 /agent@800");
    }

    #[test]
    fn barge_in_runs_to_the_last_audio() {
        check("....sssss.......", ".ssss...........", "agent@100 caller@400 /caller@900 /agent@500 barge=100");
        let on = "s".repeat(40);
        check(&format!("....{on}"), &on, "agent@0 caller@400 ignored");
    }

    #[test]
    fn silence_begins_within_the_frame_that_fades_out() {
        let start = Instant::now();
        let mut ear = Ear::default();
        let mut faded = [0; FRAME_SAMPLES];
        faded[..30].fill(3_000);
        ear.handle_audio(start, &[3_000; FRAME_SAMPLES]);
        ear.handle_spoken(start + FRAME, true, None);
        ear.handle_audio(start + FRAME, &faded);
        ear.handle_time(start + FRAME * 2 + AGENT_PAUSE);
        let barge_in = std::iter::from_fn(|| ear.poll_moment()).last();
        assert_eq!(barge_in, Some(Moment::BargedIn(Duration::from_millis(5))));
    }

    #[test]
    fn a_mark_measures_the_way_there_and_back() {
        let start = Instant::now();
        let mut ear = Ear::new(true);
        ear.handle_spoken(start, false, Some(2));
        let mut audio = vec![0_i16; 36];
        audio.extend(mark::samples(2));
        audio.resize(audio.len() + 800, 0);
        for (index, frame) in audio.chunks(80).enumerate() {
            ear.handle_audio(start + Duration::from_millis(index as u64 * 10), frame);
        }
        let heard = std::iter::from_fn(|| ear.poll_moment()).find(|moment| matches!(moment, Moment::MarkHeard(_)));
        let want = Duration::from_micros((36 + mark::MARK_OFFSET as u64) * 125);
        assert_eq!(heard, Some(Moment::MarkHeard(want)));
    }
}
