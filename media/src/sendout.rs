//! Agent audio waiting to go out, one frame a tick.

use std::collections::VecDeque;
use std::time::Duration;

use crate::codec::Codec;
use crate::units::{FRAME_SAMPLES, SampleRate};

/// One thing the agent says: chosen by the engine, growing from prompt to prompt of a call.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PromptId(pub u64);

/// How far a prompt went out on the wire.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Heard {
    /// The prompt.
    pub prompt: PromptId,
    /// Its audio that was sent.
    pub heard: Duration,
}

/// What [`Sendout::next_frame`] wrote. All but `Audio` are silence that may be sent, or skipped to save packets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SentFrame {
    /// Audio of this prompt.
    Audio(PromptId),
    /// This prompt has begun, and its provider is slower than real time.
    Underrun(PromptId),
    /// Paused by [`Sendout::pause`].
    Paused,
    /// Nothing to say.
    Idle,
}

/// Progress of a prompt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SendoutEvent {
    /// Its first frame went out.
    PromptStarted(PromptId),
    /// Its last frame went out, or it ended without audio. Not told of a cleared prompt.
    PromptFinished(PromptId),
    /// All audio that was queued before [`Sendout::mark`] went out. Not told of a cleared mark.
    Marked(u64),
}

/// Agent audio in the octets of the leg's codec, sent one frame a tick and counted to the sample.
///
/// Prompts are spoken in the order of their first push; pushing a new one finishes the one before. A pause is
/// reversible: it fades the next frame out within 5 ms, and `resume` fades that same frame in, so that nothing is lost.
/// ```text
/// tick        1     2     3     4     5     6     7
/// call           pause()           resume()
/// on wire    [A1] [A2\]  --    --   [/A2] [A3]  [A4]
/// heard       20    20    20    20    40    60    80 ms
/// ```
/// Marks stand in the queue where it ended when they were set, within a prompt or between two, and are told in order.
///
/// One input, then drain [`Self::poll_event`].
#[derive(Debug)]
pub struct Sendout {
    codec: Codec,
    queue: VecDeque<u8>,
    prompts: VecDeque<Prompt>,
    past: VecDeque<Heard>,
    /// Marks, and the octets that must have left the queue before each.
    marks: VecDeque<(u64, u64)>,
    /// Octets that left the queue for the wire since the leg began, or since the last clear.
    gone: u64,
    /// Ticks in which a frame waited for its rest.
    ragged: u8,
    cleared: Option<PromptId>,
    pace: Pace,
    events: VecDeque<SendoutEvent>,
    refused: u64,
    underruns: u64,
    samples: Vec<i16>,
}

#[derive(Debug)]
struct Prompt {
    id: PromptId,
    waiting: usize,
    sent: u64,
    ended: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Pace {
    Playing,
    FadingOut,
    Paused,
    FadingIn,
}

enum Fade {
    In,
    Out,
}

const RATE: SampleRate = SampleRate::HZ_8000;
/// Ticks that an incomplete frame waits for its rest: pieces of odd lengths join without a gap, and what was the end of a
/// speech that nobody ended is heard within 40 ms.
const RAGGED_TICKS: u8 = 2;
/// Samples of a fade: 5 ms, which no ear takes for a click; each ms more is heard as an agent that does not listen.
const FADE: usize = 40;

impl Sendout {
    /// Octets waiting at most: 120 s. Providers send a whole answer at once, and none is longer.
    pub const CAPACITY: usize = 120 * 8_000;
    /// Prompts waiting at most: an engine has one answer in flight and few sentences ahead.
    pub const PROMPTS: usize = 32;
    /// Marks waiting at most: one behind each frame of [`Self::CAPACITY`].
    pub const MARKS: usize = Self::CAPACITY / FRAME_SAMPLES;
    /// Prompts whose position is kept once they are over: what an engine may still ask for.
    pub const PAST_PROMPTS: usize = 8;
    /// Memory kept between prompts: 2 s; what a long answer took beyond is given back.
    const KEPT: usize = 16_000;

    /// Nothing to say, in this codec.
    pub fn new(codec: Codec) -> Self {
        Self {
            codec,
            queue: VecDeque::new(),
            prompts: VecDeque::new(),
            past: VecDeque::with_capacity(Self::PAST_PROMPTS),
            marks: VecDeque::new(),
            gone: 0,
            ragged: 0,
            cleared: None,
            pace: Pace::Playing,
            events: VecDeque::with_capacity(4),
            refused: 0,
            underruns: 0,
            samples: Vec::with_capacity(FRAME_SAMPLES),
        }
    }

    /// Queues audio of a prompt and returns how many octets did not fit ([`Self::CAPACITY`], [`Self::PROMPTS`]); these
    /// are the end of `audio`.
    ///
    /// Audio of a prompt that was cleared, finished or overtaken by a newer one is dropped: nobody wants it any more.
    #[must_use]
    pub fn push(&mut self, prompt: PromptId, audio: &[u8]) -> usize {
        if self.is_over(prompt) {
            return 0;
        }
        let room = if self.open(prompt) { Self::CAPACITY - self.queue.len() } else { 0 };
        let fits = audio.len().min(room);
        if let Some(last) = self.prompts.back_mut().filter(|last| last.id == prompt) {
            last.waiting += fits;
            self.queue.extend(&audio[..fits]);
        }
        let refused = audio.len() - fits;
        self.refused += refused as u64;
        refused
    }

    /// Says that no more audio of this prompt will come.
    pub fn finish(&mut self, prompt: PromptId) {
        if self.is_over(prompt) || !self.open(prompt) {
            return;
        }
        if let Some(last) = self.prompts.back_mut() {
            last.ended = true;
        }
    }

    /// Asks for [`SendoutEvent::Marked`] when all audio queued so far went out: at once when none waits. False when
    /// [`Self::MARKS`] wait already.
    #[must_use]
    pub fn mark(&mut self, mark: u64) -> bool {
        if self.marks.len() == Self::MARKS {
            return false;
        }
        self.marks.push_back((mark, self.gone + self.queue.len() as u64));
        self.reach_marks();
        true
    }

    /// Writes the frame of this tick; never allocates once warm.
    ///
    /// A prompt's last frame is filled up with silence. A frame that is not complete yet waits for the rest.
    pub fn next_frame(&mut self, frame: &mut [u8; FRAME_SAMPLES]) -> SentFrame {
        debug_assert!(self.events.is_empty(), "drain poll_event after every input");
        frame.fill(self.codec.row().silence);
        match self.pace {
            Pace::Paused => SentFrame::Paused,
            Pace::FadingOut => {
                self.pace = Pace::Paused;
                self.fade_out(frame)
            }
            Pace::Playing | Pace::FadingIn => self.play(frame),
        }
    }

    /// Stops at the next frame border; the frame after it fades out in its first 5 ms and is not counted as heard.
    pub fn pause(&mut self) {
        self.pace = match self.pace {
            Pace::Playing => Pace::FadingOut,
            Pace::FadingIn => Pace::Paused,
            pace => pace,
        };
    }

    /// Goes on where [`Self::pause`] stopped.
    pub fn resume(&mut self) {
        self.pace = match self.pace {
            Pace::FadingOut => Pace::Playing,
            Pace::Paused => Pace::FadingIn,
            pace => pace,
        };
    }

    /// Drops all that waits, ends a pause, and returns the prompt that was being spoken.
    ///
    /// Audio that still comes for the dropped prompts, or for any with a lower id, is dropped too.
    pub fn clear(&mut self) -> Option<Heard> {
        let speaking = self.prompts.front().filter(|head| head.sent > 0).map(Prompt::heard);
        while let Some(prompt) = self.prompts.pop_front() {
            self.cleared = self.cleared.max(Some(prompt.id));
            self.remember(prompt.heard());
        }
        self.queue = VecDeque::new();
        self.marks = VecDeque::new();
        self.gone = 0;
        self.ragged = 0;
        self.pace = Pace::Playing;
        speaking
    }

    /// How much of a prompt went out on the wire; zero for one unknown or long over.
    pub fn heard(&self, prompt: PromptId) -> Duration {
        let waiting = self.prompts.iter().map(Prompt::heard);
        let mut known = waiting.chain(self.past.iter().copied());
        known.find(|known| known.prompt == prompt).map_or(Duration::ZERO, |known| known.heard)
    }

    /// Progress since the last call.
    pub fn poll_event(&mut self) -> Option<SendoutEvent> {
        self.events.pop_front()
    }

    /// Audio waiting.
    pub fn waiting(&self) -> Duration {
        RATE.duration_of(self.queue.len() as u64)
    }

    /// Whether a prompt is being spoken or waits, paused or not.
    pub fn is_speaking(&self) -> bool {
        !self.prompts.is_empty()
    }

    /// Whether [`Self::pause`] holds.
    pub fn is_paused(&self) -> bool {
        matches!(self.pace, Pace::FadingOut | Pace::Paused)
    }

    /// Octets refused by [`Self::push`] since the leg began.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Ticks in which a prompt that had begun had no audio.
    pub fn underruns(&self) -> u64 {
        self.underruns
    }

    fn is_over(&self, prompt: PromptId) -> bool {
        let overtaken = self.prompts.back().is_some_and(|last| prompt < last.id);
        let finished = self.prompts.iter().any(|known| known.id == prompt && known.ended);
        let past = self.past.iter().any(|past| past.prompt == prompt);
        overtaken || finished || past || Some(prompt) <= self.cleared
    }

    /// Makes `prompt` the last of the queue; false when there are too many.
    fn open(&mut self, prompt: PromptId) -> bool {
        if self.prompts.back().is_some_and(|last| last.id == prompt) {
            return true;
        }
        if self.prompts.len() == Self::PROMPTS {
            return false;
        }
        if let Some(last) = self.prompts.back_mut() {
            last.ended = true;
        }
        self.prompts.push_back(Prompt { id: prompt, waiting: 0, sent: 0, ended: false });
        true
    }

    fn play(&mut self, frame: &mut [u8; FRAME_SAMPLES]) -> SentFrame {
        while let Some(head) = self.prompts.front_mut() {
            let ready = head.waiting.min(FRAME_SAMPLES);
            if ready == 0 && head.ended {
                self.finish_head();
                continue;
            }
            if ready < FRAME_SAMPLES && !head.ended && (ready == 0 || self.ragged < RAGGED_TICKS) {
                self.ragged += u8::from(ready > 0);
                if head.sent == 0 {
                    return SentFrame::Idle;
                }
                self.underruns += 1;
                return SentFrame::Underrun(head.id);
            }
            self.ragged = 0;
            let id = head.id;
            if head.sent == 0 {
                self.events.push_back(SendoutEvent::PromptStarted(id));
            }
            head.sent += ready as u64;
            head.waiting -= ready;
            self.gone += ready as u64;
            let over = head.ended && head.waiting == 0;
            for (octet, waiting) in frame.iter_mut().zip(self.queue.drain(..ready)) {
                *octet = waiting;
            }
            if self.pace == Pace::FadingIn {
                self.pace = Pace::Playing;
                self.fade(frame, Fade::In);
            }
            if over {
                self.finish_head();
            }
            self.reach_marks();
            return SentFrame::Audio(id);
        }
        SentFrame::Idle
    }

    fn fade_out(&mut self, frame: &mut [u8; FRAME_SAMPLES]) -> SentFrame {
        let head = self.prompts.front().filter(|head| head.sent > 0 && head.waiting > 0);
        let Some((id, ready)) = head.map(|head| (head.id, head.waiting.min(FRAME_SAMPLES))) else {
            return SentFrame::Paused;
        };
        for (octet, waiting) in frame.iter_mut().zip(self.queue.range(..ready)) {
            *octet = *waiting;
        }
        self.fade(frame, Fade::Out);
        SentFrame::Audio(id)
    }

    fn fade(&mut self, frame: &mut [u8; FRAME_SAMPLES], direction: Fade) {
        self.samples.clear();
        self.codec.decode(frame, &mut self.samples);
        for (index, sample) in self.samples.iter_mut().enumerate() {
            let gain = match direction {
                Fade::In => index.min(FADE),
                Fade::Out => (FADE - 1).saturating_sub(index),
            };
            *sample = (i32::from(*sample) * gain as i32 / FADE as i32) as i16;
        }
        self.codec.encode_over(&self.samples, frame);
    }

    fn finish_head(&mut self) {
        if let Some(head) = self.prompts.pop_front() {
            self.events.push_back(SendoutEvent::PromptFinished(head.id));
            self.remember(head.heard());
        }
        if self.queue.is_empty() && self.queue.capacity() > Self::KEPT {
            self.queue = VecDeque::new();
        }
    }

    fn reach_marks(&mut self) {
        while let Some((mark, _)) = self.marks.pop_front_if(|(_, at)| *at <= self.gone) {
            self.events.push_back(SendoutEvent::Marked(mark));
        }
    }

    fn remember(&mut self, heard: Heard) {
        if self.past.len() == Self::PAST_PROMPTS {
            self.past.pop_front();
        }
        self.past.push_back(heard);
    }
}

impl Prompt {
    fn heard(&self) -> Heard {
        Heard { prompt: self.id, heard: RATE.duration_of(self.sent) }
    }
}

#[cfg(test)]
mod tests;
