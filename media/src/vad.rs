//! Voice activity: is there speech in this frame, how loud is it, and how loud is the noise under it.
//!
//! ```text
//! 8 kHz, 20 ms ──► Resampler ──► + dither ──► blocks of 256 ──► earshot ──► speech_probability
//!      │            (5 ms)       -66 dBov       (16 ms)
//!      └──► level ──► quietest of the last 1.5 s ──► noise_floor
//! ```
//!
//! earshot learned from 16 kHz audio and takes the empty upper half of upsampled telephone audio for something it
//! never met: in the pauses of real speech it then says 0.75. A little white noise over the whole band brings them to
//! 0.25, what it says of the same recording at 16 kHz.

use std::time::Duration;

use crate::frame::{FrameOrigin, PcmFrame};
use crate::resample::Resampler;
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
}

/// Voice activity detector of one leg. A value with a memory of some 50 ms of audio; allocates only in `new`.
pub struct Vad {
    block: [f32; BLOCK],
    detector: Box<earshot::Detector>,
    dither: Dither,
    filled: usize,
    floor: NoiseFloor,
    probability: f32,
    resampler: Resampler,
}

impl Vad {
    /// A detector that has heard nothing yet. `config` is taken as it is: [`VadConfig::validate`] it first.
    pub fn new(config: VadConfig) -> Self {
        Self {
            block: [0.0; BLOCK],
            detector: earshot::Detector::default_boxed(),
            dither: Dither(1),
            filled: 0,
            floor: NoiseFloor::new(config),
            probability: 0.0,
            resampler: Resampler::new(SampleRate::HZ_8000, SampleRate::HZ_16000).expect("20 ms is whole at 8 and at 16 kHz"),
        }
    }

    /// Judges the next frame of a leg, 20 ms at 8 kHz.
    ///
    /// Concealed and silent frames are judged too, to keep the model's time, but do not move the noise floor.
    pub fn handle_frame(&mut self, frame: &PcmFrame) -> VadFrame {
        debug_assert_eq!(frame.rate, SampleRate::HZ_8000, "wide-band legs need a resampler of their own rate");
        let level = Dbov::of(&frame.samples);
        if frame.origin == FrameOrigin::Received {
            self.floor.handle_level(level);
        }
        for &sample in self.resampler.handle_frame(&frame.samples) {
            self.block[self.filled] = (sample + self.dither.next()).clamp(-1.0, 1.0);
            self.filled += 1;
            if self.filled == BLOCK {
                self.probability = self.detector.predict_f32(&self.block);
                self.filled = 0;
            }
        }
        VadFrame { speech_probability: self.probability, level, noise_floor: self.floor.level() }
    }
}

/// Samples the model takes at a time: 16 ms at 16 kHz.
const BLOCK: usize = 256;

/// White noise at -66 dBov; the same in every run, so that results can be repeated.
struct Dither(u32);

impl Dither {
    /// Peak of a uniform distribution whose RMS is -66 dBov: 10^(-66/20) * sqrt(3).
    const PEAK: f32 = 0.000_868;

    /// xorshift32 (Marsaglia), scaled to the peak.
    fn next(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        (self.0 as f32 / 2_147_483_648.0 - 1.0) * Self::PEAK
    }
}

/// Minimum statistics: the quietest frame of the last window, kept as the minima of its fifths.
struct NoiseFloor {
    fifths: [f32; 5],
    frames_per_fifth: u32,
    lowest: f32,
    next: usize,
    seen: u32,
}

impl NoiseFloor {
    fn new(config: VadConfig) -> Self {
        let lowest = config.noise_floor_min.0;
        let frames = (config.noise_window.as_millis() / FRAME.as_millis() / 5).max(1);
        // Starts at the bottom: a call may begin with speech, which must not be taken for the noise.
        Self { fifths: [lowest; 5], frames_per_fifth: frames as u32, lowest, next: 0, seen: 0 }
    }

    fn handle_level(&mut self, level: Dbov) {
        let level = level.0.max(self.lowest);
        if self.seen == self.frames_per_fifth {
            self.next = (self.next + 1) % self.fifths.len();
            self.fifths[self.next] = level;
            self.seen = 0;
        }
        self.fifths[self.next] = self.fifths[self.next].min(level);
        self.seen += 1;
    }

    fn level(&self) -> Dbov {
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
