//! How the end of a phrase sounds: has the caller finished, or only stopped?
//!
//! ```text
//!   pitch   ──╲_╱─╲__                 falls below the voice's middle and goes on falling: finished
//!   level   ▆▇█▆▇▅▃▂▁................ and fades;   a voice that stays up, or rises a little, goes on
//!               ├last 240 ms┤├── pause: the cues stand still
//! ```
//! Each speech frame leaves its pitch and its level. When the caller falls silent they become a few [`Cues`], and a logistic
//! regression makes one number of them: the log odds that the turn is over. Its weights come from `benches turns train`, on voices
//! and sentences that the measurements do not use.
//!
//! Lengthening of the last syllable is left out on purpose: people lengthen when they hesitate as well as when they end, and
//! synthetic voices, which the weights come from, only when they end.

use crate::units::FRAME;
use crate::vad::VadFrame;

/// Numbers in [`Cues`].
pub const CUES: usize = 7;

/// What the end of a phrase sounds like; each cue about -2 to 2.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cues(pub [f32; CUES]);

/// Names of the cues, in their order.
pub const CUE_NAMES: [&str; CUES] = ["pitch", "fall", "rise", "fade", "phrase", "turn", "voiceless"];

/// Weight of each cue, and what is added to their sum.
///
/// Made by `benches turns train`: logistic regression over the pauses and ends of its training voices and sentences.
const WEIGHTS: Cues = Cues([0.0; CUES]);
const BIAS: f32 = 0.0;

impl Cues {
    /// Log odds that the turn is over; 0 is even.
    pub fn score(&self) -> f32 {
        BIAS + self.0.iter().zip(WEIGHTS.0).map(|(cue, weight)| cue * weight).sum::<f32>()
    }
}

/// Speech frames kept: 480 ms.
const RECENT: usize = 24;

/// Of these, the ones whose pitch is the end's: 240 ms, a syllable or two.
const END: usize = 12;

/// Voiced frames that make up the end, so that one wrong one does not decide: 60 ms.
const END_VOICED: usize = 3;

/// Voiced frames before them, for the slope: 160 ms.
const BEFORE_VOICED: usize = 8;

/// Frames after which means forget: 5 s of voiced speech for the voice, 1 s for its level.
const PITCH_FRAMES: f32 = 250.0;
const LEVEL_FRAMES: f32 = 50.0;

/// Silence that ends a phrase: longer than the closure of any consonant.
const PHRASE_GAP_FRAMES: u32 = 8;

/// What is remembered of the caller's voice. A value without allocations.
#[derive(Clone, Debug)]
pub(super) struct Ending {
    recent: [Sound; RECENT],
    next: usize,
    pitch: Mean,
    level: Mean,
    phrase_frames: u32,
    silent_frames: u32,
}

/// One speech frame.
#[derive(Clone, Copy, Debug)]
struct Sound {
    /// Semitones over 100 Hz.
    pitch: Option<f32>,
    level: f32,
}

/// A mean that forgets.
#[derive(Clone, Copy, Debug)]
struct Mean {
    count: f32,
    count_max: f32,
    value: f32,
}

impl Mean {
    fn new(count_max: f32) -> Self {
        Self { count: 0.0, count_max, value: 0.0 }
    }

    fn add(&mut self, value: f32) {
        self.count = (self.count + 1.0).min(self.count_max);
        self.value += (value - self.value) / self.count;
    }
}

impl Ending {
    /// Of a caller who has said nothing.
    pub(super) fn new() -> Self {
        Self {
            recent: [Sound { pitch: None, level: 0.0 }; RECENT],
            next: 0,
            pitch: Mean::new(PITCH_FRAMES),
            level: Mean::new(LEVEL_FRAMES),
            phrase_frames: 0,
            silent_frames: 0,
        }
    }

    /// A turn begins: its phrases are its own, the voice is the caller's.
    pub(super) fn begin_turn(&mut self) {
        self.recent = [Sound { pitch: None, level: 0.0 }; RECENT];
        self.phrase_frames = 0;
    }

    /// A frame that is speech.
    pub(super) fn speech(&mut self, frame: VadFrame) {
        if self.silent_frames >= PHRASE_GAP_FRAMES {
            self.phrase_frames = 0;
        }
        self.silent_frames = 0;
        self.phrase_frames += 1;
        let pitch = frame.pitch_hz.map(|hz| 12.0 * (hz / 100.0).log2());
        if let Some(pitch) = pitch {
            self.pitch.add(pitch);
            self.level.add(frame.level.0);
        }
        self.recent[self.next] = Sound { pitch, level: frame.level.0 };
        self.next = (self.next + 1) % RECENT;
    }

    /// A frame that is none.
    pub(super) fn silence(&mut self) {
        self.silent_frames = self.silent_frames.saturating_add(1);
    }

    /// What the end sounded like; `turn_frames` are the speech frames of the turn so far.
    pub(super) fn cues(&self, turn_frames: u32) -> Cues {
        let newest_first = (1..=RECENT).map(|back| self.recent[(self.next + RECENT - back) % RECENT]);
        let voiced = newest_first.enumerate().filter_map(|(back, sound)| sound.pitch.map(|pitch| (back, pitch, sound.level)));
        let (mut end, mut before, mut loud) = (Sum::default(), Sum::default(), Sum::default());
        for (back, pitch, level) in voiced {
            if back < END && end.count < END_VOICED {
                end.add(pitch);
                loud.add(level);
            } else if before.count < BEFORE_VOICED {
                before.add(pitch);
            }
        }
        let seconds = |frames: u32| (frames.max(1) as f32 * FRAME.as_secs_f32()).ln();
        let (phrase, turn) = (seconds(self.phrase_frames), seconds(turn_frames));
        let Some(last) = end.mean() else {
            return Cues([0.0, 0.0, 0.0, 0.0, phrase, turn, 1.0]);
        };
        let height = last - self.pitch.value;
        let slope = before.mean().map_or(0.0, |before| last - before);
        let fade = loud.mean().unwrap_or_default() - self.level.value;
        let scaled = |value: f32, unit: f32| (value / unit).clamp(-2.0, 2.0);
        let rise = scaled((slope - HIGH_RISE).max(0.0), 4.0);
        Cues([scaled(height, 4.0), scaled(slope, 4.0), rise, scaled(fade, 8.0), phrase, turn, 0.0])
    }
}

/// Semitones above which a rise is that of a question rather than of a comma.
const HIGH_RISE: f32 = 2.0;

#[derive(Default)]
struct Sum {
    count: usize,
    sum: f32,
}

impl Sum {
    fn add(&mut self, value: f32) {
        self.count += 1;
        self.sum += value;
    }

    fn mean(&self) -> Option<f32> {
        (self.count > 0).then(|| self.sum / self.count as f32)
    }
}
