//! A virtual caller's mouth: which 20 ms it says next.

use std::sync::Arc;
use std::time::{Duration, Instant};

use media::codec::Codec;

use crate::ear::Ear;
use crate::mark;
use crate::speech::{FRAME_SAMPLES, Recording, encode};

/// The agent's silence after which a polite caller speaks.
const POLITE_PAUSE: Duration = Duration::from_millis(700);
/// A caller who waits for an answer this long speaks again.
const PATIENCE: Duration = Duration::from_secs(8);
/// A caller who waits for a greeting this long speaks first.
const GREETING_PATIENCE: Duration = Duration::from_secs(3);
/// The agent's speech after which an impatient caller barges in.
const BARGE_IN_AFTER: Duration = Duration::from_millis(800);
/// Silence between two rounds of a recording that is said continuously: room for an answer to begin.
const ROUND_PAUSE: Duration = Duration::from_secs(2);
/// Time between two marks. With [`mark::MARKS`] of them delays up to 8 s are told apart.
const MARK_INTERVAL: Duration = Duration::from_secs(2);

/// When the caller speaks.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Manner {
    /// One utterance, then listen to the answer, then the next utterance.
    #[default]
    Turns,
    /// As `Turns`, but speaks up while the agent speaks.
    BargeIn,
    /// The whole recording over and over, whatever the agent does.
    Continuous,
    /// The whole recording once, after the greeting.
    Once,
    /// Never.
    Silent,
}

/// A recording ready to be sent in either law, shared by all callers.
#[derive(Debug)]
pub struct Voice {
    recording: Recording,
    pcmu: Encoded,
    pcma: Encoded,
}

#[derive(Debug)]
struct Encoded {
    frames: Vec<u8>,
    marks: Vec<Vec<u8>>,
    silence: Vec<u8>,
}

/// One frame to send.
#[derive(Clone, Copy, Debug)]
pub struct Spoken<'a> {
    /// 20 ms of G.711.
    pub payload: &'a [u8],
    /// Whether the caller speaks in it.
    pub speech: bool,
    /// The mark whose chirp begins with this frame.
    pub mark: Option<u8>,
    /// Which piece of the voice it is.
    pub piece: Piece,
}

/// A piece of a voice, 20 ms.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Piece {
    /// A frame of the recording.
    Frame(usize),
    /// Part of a mark.
    Mark(u8, usize),
    /// Nothing said.
    Silence,
}

/// The pure core. Ask for one frame every 20 ms.
#[derive(Debug)]
pub struct Mouth {
    voice: Arc<Voice>,
    codec: Codec,
    manner: Manner,
    marks: Option<Marks>,
    state: State,
    utterance: usize,
    agent_turns_met: u32,
}

#[derive(Debug, Default)]
struct Marks {
    number: u8,
    /// Which third of the mark comes next; none between marks.
    part: Option<usize>,
    due: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Start,
    Listening { since: Instant, patience: Duration },
    Speaking { frame: usize, end: usize },
    Done,
}

impl Voice {
    /// Encodes a recording once for all.
    pub fn new(recording: Recording) -> Self {
        let [pcmu, pcma] = [Codec::Pcmu, Codec::Pcma].map(|codec| Encoded {
            frames: encode(codec, &recording.samples),
            marks: (0..mark::MARKS).map(|number| encode(codec, &mark::samples(number))).collect(),
            silence: encode(codec, &[0; FRAME_SAMPLES]),
        });
        Self { recording, pcmu, pcma }
    }

    /// What was recorded.
    pub fn recording(&self) -> &Recording {
        &self.recording
    }

    fn encoded(&self, codec: Codec) -> &Encoded {
        match codec {
            Codec::Pcma => &self.pcma,
            Codec::Pcmu => &self.pcmu,
        }
    }
}

impl Mouth {
    /// A caller that has not said anything; `first` is the utterance to begin with, so that callers can differ.
    pub fn new(voice: Arc<Voice>, codec: Codec, manner: Manner, marks: bool, first: usize) -> Self {
        let marks = marks.then(Marks::default);
        Self { voice, codec, manner, marks, state: State::Start, utterance: first, agent_turns_met: 0 }
    }

    /// The frame to send at `now`, which the ear is told of.
    pub fn next_frame(&mut self, now: Instant, ear: &mut Ear) -> Spoken<'_> {
        self.decide(now, ear);
        let encoded = self.voice.encoded(self.codec);
        let State::Speaking { frame, end } = &mut self.state else {
            ear.handle_spoken(now, false, None);
            return Spoken { payload: &encoded.silence, speech: false, mark: None, piece: Piece::Silence };
        };
        let index = *frame;
        *frame += 1;
        let speech = self.voice.recording.speech(index);
        let room = *end - index;
        let (payload, mark, piece) = match self.marks.as_mut().and_then(|marks| marks.next(now, room)) {
            Some((number, part)) => {
                let mark = &encoded.marks[usize::from(number)];
                let begins = part * FRAME_SAMPLES == mark::MARK_OFFSET;
                (&mark[part * FRAME_SAMPLES..][..FRAME_SAMPLES], begins.then_some(number), Piece::Mark(number, part))
            }
            None => (&encoded.frames[index * FRAME_SAMPLES..][..FRAME_SAMPLES], None, Piece::Frame(index)),
        };
        ear.handle_spoken(now, speech, mark);
        Spoken { payload, speech, mark, piece }
    }

    fn decide(&mut self, now: Instant, ear: &Ear) {
        match self.state {
            State::Start => self.state = self.start(now),
            State::Listening { since, patience } if self.wants_to_speak(now, ear, since, patience) => {
                self.agent_turns_met = ear.agent_turns();
                self.state = self.speak();
            }
            State::Speaking { frame, end } if frame >= end => self.state = self.stop(now),
            _ => {}
        }
    }

    fn start(&self, now: Instant) -> State {
        match self.manner {
            Manner::Continuous => State::Speaking { frame: 0, end: self.voice.recording.frames() },
            Manner::Silent => State::Done,
            Manner::Turns | Manner::BargeIn | Manner::Once => State::Listening { since: now, patience: GREETING_PATIENCE },
        }
    }

    fn wants_to_speak(&self, now: Instant, ear: &Ear, since: Instant, patience: Duration) -> bool {
        if self.manner == Manner::Continuous {
            return now >= since + patience;
        }
        let answered = ear.agent_turns() > self.agent_turns_met;
        if let Some(started) = ear.agent_speaks_since() {
            return self.manner == Manner::BargeIn && answered && now >= started + BARGE_IN_AFTER;
        }
        let quiet = ear.agent_quiet_since().is_none_or(|quiet| now >= quiet + POLITE_PAUSE);
        quiet && (answered || now >= since + patience)
    }

    fn speak(&mut self) -> State {
        let recording = &self.voice.recording;
        if !matches!(self.manner, Manner::Turns | Manner::BargeIn) {
            return State::Speaking { frame: 0, end: recording.frames() };
        }
        let range = &recording.utterances[self.utterance % recording.utterances.len()];
        self.utterance += 1;
        State::Speaking { frame: range.start, end: range.end }
    }

    fn stop(&self, now: Instant) -> State {
        match self.manner {
            Manner::Continuous => State::Listening { since: now, patience: ROUND_PAUSE },
            Manner::Once | Manner::Silent => State::Done,
            Manner::Turns | Manner::BargeIn => State::Listening { since: now, patience: PATIENCE },
        }
    }
}

impl Marks {
    /// The mark and the part of it to send instead of speech; a mark begins only where `room` frames hold all of it.
    fn next(&mut self, now: Instant, room: usize) -> Option<(u8, usize)> {
        let due = *self.due.get_or_insert(now + MARK_INTERVAL);
        let parts = mark::MARK_OFFSET / FRAME_SAMPLES + 1;
        if self.part.is_none() && now >= due && room >= parts {
            self.part = Some(0);
            self.due = Some(now + MARK_INTERVAL);
        }
        let part = self.part?;
        let number = self.number;
        self.part = Some(part + 1).filter(|part| *part < parts);
        if self.part.is_none() {
            self.number = (number + 1) % mark::MARKS;
        }
        Some((number, part))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::mark::MarkDetector;
    use crate::speech::decode;

    /// What the caller says while the agent speaks as in `agent`; a letter is 100 ms, `s` speech.
    fn check(manner: Manner, agent: &str, want: &str) {
        // 600 ms and 300 ms of speech, 500 ms apart.
        let level = |letter| if letter == 's' { 8_000 } else { 0 };
        let samples = ".ssssss.....sss.".chars().flat_map(|letter| [level(letter); 800]).collect();
        let voice = Arc::new(Voice::new(Recording::new(samples).unwrap()));
        let mut mouth = Mouth::new(voice, Codec::Pcmu, manner, false, 0);
        let mut ear = Ear::default();
        let start = Instant::now();
        let mut said = String::new();
        for (index, letter) in agent.chars().enumerate() {
            let mut loud = 0;
            for frame in 0..5 {
                let now = start + Duration::from_millis(index as u64 * 100 + frame * 20);
                ear.handle_audio(now, &[if letter == 's' { 3_000 } else { 0 }; FRAME_SAMPLES]);
                while ear.poll_moment().is_some() {}
                loud += u32::from(mouth.next_frame(now, &mut ear).speech);
            }
            said.push(if loud > 2 { 's' } else { '.' });
        }
        assert_eq!(said, want, "{manner:?}");
    }

    #[test]
    fn a_polite_caller_listens_first() {
        check(Manner::Turns, "..sssss...................sssss............", "..............ssssss..................sss..");
    }

    #[test]
    fn an_impatient_caller_barges_in_once_a_turn() {
        check(Manner::BargeIn, "ssssssssss......sssssssssssssssssssssss", "........ssssss..........sss............");
    }

    #[test]
    fn a_continuous_caller_does_not_care() {
        check(Manner::Continuous, "ssssssssssssssssssssssssssssssssssssssss", ".ssssss.....sss......................sss");
    }

    #[test]
    fn a_caller_who_speaks_once_falls_silent() {
        let agent = "ss............................................";
        check(Manner::Once, agent, "..........ssssss.....sss......................");
        check(Manner::Silent, agent, "..............................................");
    }

    #[test]
    fn marks_are_put_whole_into_speech() {
        let voice = Arc::new(Voice::new(Recording::new(vec![5_000; 80_000]).unwrap()));
        let mut mouth = Mouth::new(voice, Codec::Pcma, Manner::Continuous, true, 0);
        let (mut ear, mut detector, start) = (Ear::default(), MarkDetector::default(), Instant::now());
        let (mut sent, mut found) = (Vec::new(), Vec::new());
        for frame in 0..500_u32 {
            let spoken = mouth.next_frame(start + Duration::from_millis(20) * frame, &mut ear);
            sent.extend(spoken.mark.map(|number| (number, frame)));
            let samples = decode(Codec::Pcma, spoken.payload);
            let mark = detector.handle_frame(&samples);
            found.extend(mark.map(|mark| (mark.number, frame + 1 - mark.samples_ago as u32 / 160)));
        }
        assert_eq!(sent, [(0, 102), (1, 202), (2, 302), (3, 402)]);
        assert_eq!(found, sent);
    }
}
