//! How the end of a phrase sounds: has the caller finished, or only stopped?
//!
//! ```text
//!   pitch   ──╲_╱─╲__                 falls below the voice's middle and goes on falling: finished
//!   level   ▆▇█▆▇▅▃▂▁................ and decays;  a voice that stays up, or rises a little, goes on
//!               ├last 240 ms┤├── pause: the cues stand still
//! ```
//! Each speech frame leaves its pitch and its level. When the caller falls silent they become a few [`Cues`], and a logistic
//! regression makes one number of them: the log odds that the turn is over. Its weights come from `benches turns train`, on voices
//! and sentences that the measurements do not use.
//!
//! Lengthening of the last syllable is left out on purpose: people lengthen when they hesitate as well as when they end, and
//! synthetic voices, which the weights come from, only when they end.

use crate::vad::VadFrame;

/// Numbers in [`Cues`].
pub const CUES: usize = 5;

/// What the end of a phrase sounds like; each cue about -2 to 2.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cues(pub [f32; CUES]);

/// Names of the cues, in their order.
///
/// `height`: pitch of the end against the voice's middle, in its standard deviations. `slope`: where the pitch goes. `rise`: how far it
/// goes up beyond what a comma does. `decay`: where the level goes. `voiceless`: the end has no pitch.
pub const CUE_NAMES: [&str; CUES] = ["height", "slope", "rise", "decay", "voiceless"];

/// Weight of each cue, and what is added to their sum.
///
/// Made by `benches turns train`: logistic regression over the pauses and ends of its training voices and sentences.
const WEIGHTS: Cues = Cues([-0.92, -0.17, 1.2, -0.05, 0.63]);
const BIAS: f32 = -0.54;

impl Cues {
    /// Log odds that the turn is over; 0 is even.
    pub fn score(&self) -> f32 {
        BIAS + self.0.iter().zip(WEIGHTS.0).map(|(cue, weight)| cue * weight).sum::<f32>()
    }
}

/// Speech frames kept: 480 ms.
const RECENT: usize = 24;

/// Of these, the ones that are the end: 240 ms, a syllable or two.
const END: usize = 12;

/// Voiced frames whose middle is the end's pitch, so that one wrong one does not decide: 100 ms.
const END_VOICED: usize = 5;

/// Voiced frames whose line is the slope: 200 ms.
const SLOPE_VOICED: usize = 10;

/// Frames after which the voice's mean forgets: 10 s of voiced speech.
const PITCH_FRAMES: f32 = 500.0;

/// The least a voice moves, so that a monotonous start of a call does not make much of little; and what it is taken to move before
/// it was heard for long. Semitones.
const DEVIATION_MIN: f32 = 1.5;

/// Semitones that no voice goes from frame to frame.
const LEAP: f32 = 2.5;

/// Semitones above which a rise is that of a question rather than of a comma.
const HIGH_RISE: f32 = 3.0;

/// What is remembered of the caller's voice. A value without allocations.
#[derive(Clone, Debug)]
pub(super) struct Ending {
    recent: [Sound; RECENT],
    next: usize,
    pitch: Mean,
    /// Of the frame before, right or wrong.
    last_pitch: Option<f32>,
}

/// One speech frame.
#[derive(Clone, Copy, Debug, Default)]
struct Sound {
    /// Semitones over 100 Hz.
    pitch: Option<f32>,
    level: f32,
}

/// A mean and a variance that forget.
#[derive(Clone, Copy, Debug)]
struct Mean {
    count: f32,
    count_max: f32,
    value: f32,
    variance: f32,
}

impl Mean {
    fn new(count_max: f32) -> Self {
        Self { count: 0.0, count_max, value: 0.0, variance: 0.0 }
    }

    fn add(&mut self, value: f32) {
        self.count = (self.count + 1.0).min(self.count_max);
        let apart = value - self.value;
        self.value += apart / self.count;
        self.variance += (apart * (value - self.value) - self.variance) / self.count;
    }
}

impl Ending {
    /// Of a caller who has said nothing.
    pub(super) fn new() -> Self {
        Self { recent: [Sound::default(); RECENT], next: 0, pitch: Mean::new(PITCH_FRAMES), last_pitch: None }
    }

    /// A turn begins: its end is its own, the voice is the caller's.
    pub(super) fn begin_turn(&mut self) {
        self.recent = [Sound::default(); RECENT];
    }

    /// A frame that is speech.
    pub(super) fn speech(&mut self, frame: VadFrame) {
        let found = frame.pitch_hz.map(|hz| 12.0 * (hz / 100.0).log2());
        let before = std::mem::replace(&mut self.last_pitch, found);
        // A voice does not leap: what is far from the frame before is an octave mistaken, or noise.
        let pitch = found.filter(|pitch| before.is_some_and(|before| (pitch - before).abs() < LEAP));
        if let Some(pitch) = pitch {
            self.pitch.add(pitch);
        }
        self.recent[self.next] = Sound { pitch, level: frame.level.0 };
        self.next = (self.next + 1) % RECENT;
    }

    /// What the end sounded like.
    pub(super) fn cues(&self) -> Cues {
        let newest_first = (1..=RECENT).map(|back| self.recent[(self.next + RECENT - back) % RECENT]);
        let mut voiced = [(0.0, 0.0, 0.0); RECENT];
        let mut count = 0;
        for (back, sound) in newest_first.enumerate() {
            if let Some(pitch) = sound.pitch {
                voiced[count] = (back as f32, pitch, sound.level);
                count += 1;
            }
        }
        let voiced = &voiced[..count];
        let end = &voiced[..voiced.iter().take(END_VOICED).filter(|(back, ..)| *back < END as f32).count()];
        if end.is_empty() {
            let mut cues = Cues::default();
            cues.0[CUES - 1] = 1.0;
            return cues;
        }
        let pitch = middle(end);
        let deviation = self.pitch.variance.sqrt().max(DEVIATION_MIN);
        let height = (pitch - self.pitch.value) / deviation;
        let line = &voiced[..count.min(SLOPE_VOICED)];
        // Of 200 ms.
        let slope = -10.0 * slope(line, |sound| sound.1);
        let decay = -10.0 * self::slope(line, |sound| sound.2);
        let bounded = |value: f32| value.clamp(-2.0, 2.0);
        Cues([bounded(height), bounded(slope / 4.0), bounded((slope - HIGH_RISE).max(0.0) / 4.0), bounded(decay / 12.0), 0.0])
    }
}

/// The pitch in the middle of few.
fn middle(sounds: &[(f32, f32, f32)]) -> f32 {
    let mut sorted = [0.0; END_VOICED];
    let sorted = &mut sorted[..sounds.len()];
    for (to, sound) in sorted.iter_mut().zip(sounds) {
        *to = sound.1;
    }
    sorted.sort_unstable_by(f32::total_cmp);
    sorted[sorted.len() / 2]
}

/// Least squares: change a frame of time going back.
fn slope(sounds: &[(f32, f32, f32)], value: impl Fn(&(f32, f32, f32)) -> f32) -> f32 {
    let count = sounds.len() as f32;
    let (time, mean) = sounds.iter().fold((0.0, 0.0), |sum, sound| (sum.0 + sound.0 / count, sum.1 + value(sound) / count));
    let (both, square) = sounds.iter().fold((0.0, 0.0), |sum, sound| {
        let apart = sound.0 - time;
        (sum.0 + apart * (value(sound) - mean), sum.1 + apart * apart)
    });
    if square > 0.0 { both / square } else { 0.0 }
}
