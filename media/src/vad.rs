//! Voice activity: is there speech in this frame, how loud is it, and how loud is the noise under it.
//!
//! ```text
//! 8 kHz, 20 ms ──► 16 kHz ──► + dither ──► blocks of 256 ──► earshot ──► speech_probability
//!      │           (2 ms)     -66 dBov       (16 ms)
//!      └──► level ──► quietest of the last 1.5 s ──► noise_floor
//! ```
//!
//! earshot learned from 16 kHz audio and takes the empty upper half of upsampled telephone audio for something it
//! never met: in the pauses of real speech it then says 0.75. A little white noise over the whole band brings them to
//! 0.25, what it says of the same recording at 16 kHz.
//!
//! The model is most of what a call's audio costs, so it rests while the line is quieter than the lowest noise floor: such a frame is
//! no speech whatever the model says. Lines are that quiet more often than not, by noise suppression in the telephone.

use std::time::Duration;

use crate::double::Doubler;
use crate::frame::{FrameOrigin, PcmFrame};
use crate::pitch::Pitch;
use crate::units::{Dbov, FRAME, SampleRate};

/// A setting outside its range; the message names field, value and limit.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{field} {value} is outside {limit}")]
pub struct OutOfRange {
    /// The field of the config struct.
    pub field: &'static str,
    /// The value it had, with its unit.
    pub value: String,
    /// The range allowed, with its unit.
    pub limit: String,
}

/// What the operator may tune of the detector.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VadConfig {
    /// The lowest the noise floor may fall, so that a digitally silent line does not make its faintest hiss stand out.
    /// -90 to -30 dBov, default -60.
    pub noise_floor_min: Dbov,
    /// How far back the quietest frame is looked for. Shorter follows noise faster, but a sentence without a dip this
    /// long raises the floor under itself. 500 ms to 10 s, default 1.5 s.
    pub noise_window: Duration,
}

impl Default for VadConfig {
    fn default() -> Self {
        Self { noise_floor_min: Dbov(-60.0), noise_window: Duration::from_millis(1_500) }
    }
}

impl VadConfig {
    /// Checks every field against its range.
    ///
    /// # Errors
    /// The first [`OutOfRange`] field.
    pub fn validate(&self) -> Result<(), OutOfRange> {
        in_range("noise_floor_min", self.noise_floor_min.0, -90.0, -30.0, " dBov")?;
        within("noise_window", self.noise_window, Duration::from_millis(500), Duration::from_secs(10))
    }
}

/// What the detector found in one 20 ms frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VadFrame {
    /// How sure the model is that this is speech, 0 to 1; at 0.5 it is even odds. Real speech passes 0.55
    /// within 50 ms of its onset and falls below 0.35 within 200 ms of its end.
    pub speech_probability: f32,
    /// Level of this frame.
    pub level: Dbov,
    /// Level of the noise under the speech; never below [`VadConfig::noise_floor_min`].
    pub noise_floor: Dbov,
    /// Where the audio came from: what was invented says little.
    pub origin: FrameOrigin,
    /// How high the voice is, 60 to 400 Hz; `None` when the frame is not voiced, or is hardly speech and was not looked at.
    pub pitch_hz: Option<f32>,
}

/// Voice activity detector of one leg. A value with a memory of some 50 ms of audio; allocates only in `new`.
pub struct Vad {
    block: [f32; BLOCK],
    detector: Box<earshot::Detector>,
    dither: Dither,
    filled: usize,
    floor: NoiseFloor,
    pitch: Pitch,
    probability: f32,
    doubler: Doubler,
    /// The lowest noise floor; quieter is nothing.
    quiet: Dbov,
    quiet_frames: u32,
}

impl Vad {
    /// A detector that has heard nothing yet. `config` is taken as it is: [`VadConfig::validate`] it first.
    pub fn new(config: VadConfig) -> Self {
        Self {
            block: [0.0; BLOCK],
            detector: earshot::Detector::default_boxed(),
            dither: Dither::new(),
            filled: 0,
            floor: NoiseFloor::new(config),
            pitch: Pitch::new(),
            probability: 0.0,
            doubler: Doubler::new(),
            quiet: config.noise_floor_min,
            quiet_frames: 0,
        }
    }

    /// Judges the next frame of a leg, 20 ms at 8 kHz.
    ///
    /// Concealed and silent frames are judged too, to keep the model's time, but do not move the noise floor. After 300 ms below
    /// the lowest noise floor the probability is zero until something is heard again.
    pub fn handle_frame(&mut self, frame: &PcmFrame) -> VadFrame {
        debug_assert_eq!(frame.rate, SampleRate::HZ_8000, "wide-band legs need a resampler of their own rate");
        let level = Dbov::of(&frame.samples);
        if frame.origin == FrameOrigin::Received {
            self.floor.handle_level(level);
        }
        self.quiet_frames = if level.0 <= self.quiet.0 { self.quiet_frames + 1 } else { 0 };
        if self.quiet_frames <= QUIET_FRAMES_MAX {
            self.ask_model(&frame.samples);
        } else {
            self.probability = 0.0;
        }
        let noise_floor = self.floor.level();
        self.pitch.handle_frame(&frame.samples);
        let pitched = self.probability >= PITCH_PROBABILITY && level.0 >= noise_floor.0 + PITCH_OVER_FLOOR_DB;
        let pitch_hz = if pitched { self.pitch.find() } else { None };
        VadFrame { speech_probability: self.probability, level, noise_floor, origin: frame.origin, pitch_hz }
    }

    fn ask_model(&mut self, samples: &[i16]) {
        let mut rest = &self.doubler.handle_frame(samples)[..];
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(BLOCK - self.filled));
            let block = &mut self.block[self.filled..self.filled + now.len()];
            self.dither.add(now, block);
            self.filled += now.len();
            rest = later;
            if self.filled == BLOCK {
                self.probability = self.detector.predict_f32(&self.block);
                self.filled = 0;
            }
        }
    }
}

/// Samples the model takes at a time: 16 ms at 16 kHz.
const BLOCK: usize = 256;

/// Quiet frames that the model still hears: 300 ms, six times its memory, so that it rests with nothing but quiet in it.
const QUIET_FRAMES_MAX: u32 = 15;

/// What is surely no speech has no pitch worth looking for: it would cost a microsecond a frame of silence.
const PITCH_PROBABILITY: f32 = 0.3;
const PITCH_OVER_FLOOR_DB: f32 = 6.0;

/// White noise at -66 dBov; the same in every run, so that results can be repeated. Eight generators side by side, since one alone
/// would have to wait for itself.
struct Dither([u32; 8]);

impl Dither {
    /// Peak of a uniform distribution whose RMS is -66 dBov: 10^(-66/20) * sqrt(3).
    const PEAK: f32 = 0.000_868;

    fn new() -> Self {
        // Any seeds but zero; these are far apart (Weyl's sequence).
        Self(std::array::from_fn(|lane| (lane as u32 + 1).wrapping_mul(0x9E37_79B9)))
    }

    /// xorshift32 (Marsaglia), scaled to the peak.
    fn next(&mut self) -> [f32; 8] {
        self.0.each_mut().map(|lane| {
            *lane ^= *lane << 13;
            *lane ^= *lane >> 17;
            *lane ^= *lane << 5;
            lane.cast_signed() as f32 / 2_147_483_648.0 * Self::PEAK
        })
    }

    /// `to` becomes `from` and the noise, within -1 to 1.
    fn add(&mut self, from: &[f32], to: &mut [f32]) {
        for (from, to) in from.chunks(8).zip(to.chunks_mut(8)) {
            let noise = self.next();
            for ((to, from), noise) in to.iter_mut().zip(from).zip(noise) {
                *to = (from + noise).clamp(-1.0, 1.0);
            }
        }
    }
}

/// Minimum statistics: the quietest frame of the last window, kept as the minima of its fifths.
pub(crate) struct NoiseFloor {
    fifths: [f32; 5],
    frames_per_fifth: u32,
    lowest: f32,
    next: usize,
    seen: u32,
}

impl NoiseFloor {
    pub(crate) fn new(config: VadConfig) -> Self {
        let lowest = config.noise_floor_min.0;
        let frames = (config.noise_window.as_millis() / FRAME.as_millis() / 5).max(1);
        // Starts at the bottom: a call may begin with speech, which must not be taken for the noise.
        Self { fifths: [lowest; 5], frames_per_fifth: frames as u32, lowest, next: 0, seen: 0 }
    }

    pub(crate) fn handle_level(&mut self, level: Dbov) {
        let level = level.0.max(self.lowest);
        if self.seen == self.frames_per_fifth {
            self.next = (self.next + 1) % self.fifths.len();
            self.fifths[self.next] = level;
            self.seen = 0;
        }
        self.fifths[self.next] = self.fifths[self.next].min(level);
        self.seen += 1;
    }

    pub(crate) fn level(&self) -> Dbov {
        Dbov(self.fifths.iter().copied().fold(0.0, f32::min))
    }
}

pub(crate) fn in_range(field: &'static str, value: f32, low: f32, high: f32, unit: &str) -> Result<(), OutOfRange> {
    // Not a number is in no range.
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(OutOfRange { field, value: format!("{value}{unit}"), limit: format!("{low} to {high}{unit}") })
}

pub(crate) fn within(field: &'static str, value: Duration, low: Duration, high: Duration) -> Result<(), OutOfRange> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(OutOfRange { field, value: format!("{value:?}"), limit: format!("{low:?} to {high:?}") })
}

#[cfg(test)]
mod tests;
