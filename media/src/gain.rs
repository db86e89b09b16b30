//! A quiet caller made as loud as others: slowly, only upwards, and never into clipping.
//!
//! ```text
//! level of frames that stand out of the noise ──► mean over a second of speech ──► what is missing to -26 dBov
//!                                                                                  at most 12 dB, 6 dB a second
//! ```

use crate::units::Dbov;
use crate::vad::{NoiseFloor, VadConfig};

/// How loud speech should be: the level that networks are lined up for (ITU-T P.56, G.107).
const TARGET: f32 = -26.0;

/// The most that is added: what a line loses. A voice that is quieter still is in another room.
const GAIN_MAX: f32 = 12.0;

/// How fast the gain rises, dB a frame: 6 dB a second, which no ear and no recognizer takes for a change of the voice.
const RISE: f32 = 0.12;

/// How fast it falls.
const FALL: f32 = 0.24;

/// A frame is speech when it stands out of the noise by this, dB.
const OVER_FLOOR: f32 = 12.0;

/// And is not quieter than this, dBov: quieter than the loudest gain could make a voice of.
const SPEECH_MIN: f32 = -50.0;

/// Frames at the start of a call that teach the noise alone: its window, 1.5 s, before which all is taken for speech.
const LISTEN_FIRST: u32 = 75;

/// Frames of speech before anything is made of them: half a second, which one word does not fill.
const SPEECH_FIRST: u32 = 25;

/// Frames of speech that the level is a mean of: a second, a phrase.
const SPEECH_MEAN: u32 = 50;

/// Peaks stay below this: 1 dB under full scale.
const PEAK_MAX: f32 = 29_204.0;

/// The gain of one caller.
pub(crate) struct GainControl {
    floor: NoiseFloor,
    /// Frames until speech counts.
    wait: u32,
    /// Of the voice so far, dBov.
    level: f32,
    frames: u32,
    gain_db: f32,
    /// As a factor, at the end of the last frame.
    factor: f32,
}

impl GainControl {
    /// Nothing is added until a voice was heard.
    pub(crate) fn new() -> Self {
        let floor = NoiseFloor::new(VadConfig::default());
        Self { floor, wait: LISTEN_FIRST, level: TARGET, frames: 0, gain_db: 0.0, factor: 1.0 }
    }

    /// The next 20 ms, in place. A voice that is loud enough passes bit by bit.
    pub(crate) fn handle_frame(&mut self, samples: &mut [i16]) {
        let level = Dbov::of(samples);
        self.floor.handle_level(level);
        self.wait = self.wait.saturating_sub(1);
        if self.wait == 0 && level.0 >= SPEECH_MIN.max(self.floor.level().0 + OVER_FLOOR) {
            self.hear(level.0);
        }
        let peak = samples.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0);
        let room = 20.0 * (PEAK_MAX / f32::from(peak.max(1))).log10();
        self.gain_db = self.gain_db.min(room.max(0.0));
        let from = std::mem::replace(&mut self.factor, factor(self.gain_db));
        if from != 1.0 || self.factor != 1.0 {
            self.apply(from.min(factor(room.max(0.0))), samples);
        }
    }

    /// A frame of speech: the gain moves towards what is missing.
    fn hear(&mut self, level: f32) {
        self.frames = (self.frames + 1).min(SPEECH_MEAN);
        self.level += (level - self.level) / self.frames as f32;
        if self.frames >= SPEECH_FIRST {
            let wanted = (TARGET - self.level).clamp(0.0, GAIN_MAX);
            self.gain_db += (wanted - self.gain_db).clamp(-FALL, RISE);
        }
    }

    /// From one factor to the one of now, evenly: a step would click.
    fn apply(&self, from: f32, samples: &mut [i16]) {
        let step = (self.factor - from) / samples.len().max(1) as f32;
        let mut factor = from;
        for sample in samples {
            factor += step;
            // `as` saturates.
            *sample = (f32::from(*sample) * factor).round() as i16;
        }
    }
}

/// Of a gain in dB.
fn factor(db: f32) -> f32 {
    if db == 0.0 { 1.0 } else { 10_f32.powf(db / 20.0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::FRAME_SAMPLES;

    /// Frames of a tone of this level that swells and fades as syllables do, and what comes of the last second of it.
    fn level_after(dbov: f32, seconds: usize) -> f32 {
        let mut control = GainControl::new();
        let peak = Dbov(dbov).rms() * std::f32::consts::SQRT_2;
        let mut last = Vec::new();
        for frame in 0..seconds * 50 {
            let loud = if frame % 10 < 6 { peak } else { peak / 100.0 };
            let sample = |n: usize| (((frame * FRAME_SAMPLES + n) as f32 * 0.4).sin() * loud) as i16;
            let mut samples: Vec<i16> = (0..FRAME_SAMPLES).map(sample).collect();
            control.handle_frame(&mut samples);
            if frame % 10 < 6 && frame >= (seconds - 1) * 50 {
                last.extend(samples);
            }
        }
        Dbov::of(&last).0
    }

    fn check(dbov: f32, expected: f32) {
        let level = level_after(dbov, 8);
        assert!((level - expected).abs() < 0.6, "{dbov} dBov came out at {level}, expected {expected}");
    }

    #[test]
    fn a_quiet_voice_comes_to_the_level_of_others_and_one_that_is_too_quiet_by_12_db() {
        check(-32.0, -26.0);
        check(-36.0, -26.0);
        check(-44.0, -32.0);
    }

    #[test]
    fn what_is_loud_enough_or_no_voice_stays_as_it_is() {
        for dbov in [-26.0, -20.0, -6.0, -56.0] {
            check(dbov, dbov);
        }
        let mut control = GainControl::new();
        let mut steady = vec![300_i16; FRAME_SAMPLES];
        for _ in 0..500 {
            control.handle_frame(&mut steady);
        }
        assert_eq!(steady, [300; FRAME_SAMPLES]);
    }

    #[test]
    fn it_rises_by_no_more_than_6_db_a_second() {
        let after = [3, 4, 5].map(|seconds| level_after(-38.0, seconds));
        assert!(after.windows(2).all(|pair| (0.5..6.0).contains(&(pair[1] - pair[0]))), "{after:?}");
    }

    #[test]
    fn a_shout_after_a_quiet_voice_does_not_clip() {
        let mut control = GainControl::new();
        control.gain_db = GAIN_MAX;
        control.factor = factor(GAIN_MAX);
        let mut shout: Vec<i16> = (0..FRAME_SAMPLES).map(|n| ((n as f32 * 0.4).sin() * 20_000.0) as i16).collect();
        control.handle_frame(&mut shout);
        assert!(shout.iter().all(|sample| sample.abs() <= 29_205), "{:?}", shout.iter().max());
    }

    #[test]
    fn an_empty_frame_is_nothing() {
        GainControl::new().handle_frame(&mut []);
    }
}
