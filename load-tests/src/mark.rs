//! Marks: sounds put into the audio so that one sample of it can be found again on the far side.
//!
//! ```text
//! |--- 40 ms tone, its pitch says which of four marks ---|-- 20 ms chirp 500 -> 3300 Hz --|
//!                                                        ^ the marked sample
//! ```
//! The tone is long enough to fill one whole frame however frames are cut, so one Goertzel filter a pitch and frame finds
//! it at little cost. Only then is the chirp looked for, by normalised correlation, which places it to the sample. It
//! survives G.711 in both laws, resampling, and 10 dB of noise. The number comes round after four marks, so two marks of
//! one number must lie further apart than the delay that is measured.

use std::sync::LazyLock;

use crate::speech::FRAME_SAMPLES;

/// How many marks can be told apart.
pub const MARKS: u8 = 4;
/// Where in [`samples`] the marked sample lies.
pub const MARK_OFFSET: usize = 2 * FRAME_SAMPLES;
/// Pitches of the tone, Hz: whole cycles in 20 ms, so that frames of one do not leak into another.
const TONES: [f32; MARKS as usize] = [1_450.0, 1_850.0, 2_250.0, 2_650.0];
/// Amplitude of tone and chirp: -11 dBov, as loud as speech.
const AMPLITUDE: f32 = 12_000.0;
/// Share of a frame's energy that must lie in one pitch. Speech stays below a half.
const TONE_SHARE: f32 = 0.7;
/// Least energy of a frame that is looked at: a mean square of 200², -44 dBov.
const ENERGY_MIN: f32 = 200.0 * 200.0 * FRAME_SAMPLES as f32;
/// Least normalised correlation for a chirp. Noise and speech stay below 0.4.
const CORRELATION_MIN: f32 = 0.6;
/// Frames looked through after the tone: its rest, the chirp, and one for how the frames are cut.
const FRAMES_AFTER: u8 = 4;

static CHIRP: LazyLock<Vec<f32>> = LazyLock::new(|| {
    let length = FRAME_SAMPLES as f32;
    let sample = |index: usize| {
        let at = index as f32;
        let turns = (500.0 * at + (3_300.0 - 500.0) * at * at / (2.0 * length)) / 8_000.0;
        AMPLITUDE * (std::f32::consts::TAU * turns).sin()
    };
    (0..FRAME_SAMPLES).map(sample).collect()
});

/// The 60 ms of mark `number` (modulo [`MARKS`]) at 8 kHz.
pub fn samples(number: u8) -> Vec<i16> {
    let step = std::f32::consts::TAU * TONES[usize::from(number % MARKS)] / 8_000.0;
    let tone = (0..MARK_OFFSET).map(|index| AMPLITUDE * (step * index as f32).sin());
    tone.chain(CHIRP.iter().copied()).map(|sample| sample as i16).collect()
}

/// Finds marks in a stream of 20 ms frames.
#[derive(Debug, Default)]
pub struct MarkDetector {
    /// The frames since the tone's first.
    window: Vec<f32>,
    number: u8,
    frames_left: u8,
}

/// A mark that was found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Mark {
    /// Which of the [`MARKS`].
    pub number: u8,
    /// How many samples before the end of the frame just handled the marked sample lies.
    pub samples_ago: usize,
}

impl MarkDetector {
    /// Takes the next frame; a mark is told one to four frames after its chirp began.
    pub fn handle_frame(&mut self, frame: &[i16]) -> Option<Mark> {
        if self.frames_left == 0 {
            self.number = tone(frame)?;
            self.window.clear();
            self.frames_left = FRAMES_AFTER + 1;
        }
        self.window.extend(frame.iter().map(|&sample| f32::from(sample)));
        self.frames_left -= 1;
        if self.frames_left > 0 {
            return None;
        }
        let at = chirp(&self.window)?;
        Some(Mark { number: self.number, samples_ago: self.window.len() - at })
    }
}

/// The number of the tone that fills this frame.
fn tone(frame: &[i16]) -> Option<u8> {
    let energy: f32 = frame.iter().map(|&sample| f32::from(sample).powi(2)).sum();
    if energy < ENERGY_MIN {
        return None;
    }
    let share = |pitch: f32| 2.0 * goertzel(frame, pitch) / (energy * frame.len() as f32);
    (0..MARKS).find(|&number| share(TONES[usize::from(number)]) > TONE_SHARE)
}

/// Squared magnitude of one pitch in a frame.
fn goertzel(frame: &[i16], pitch: f32) -> f32 {
    let coefficient = 2.0 * (std::f32::consts::TAU * pitch / 8_000.0).cos();
    let (mut last, mut before) = (0.0_f32, 0.0_f32);
    for &sample in frame {
        let next = f32::from(sample) + coefficient * last - before;
        before = last;
        last = next;
    }
    last * last + before * before - coefficient * last * before
}

/// Where the chirp begins.
fn chirp(window: &[f32]) -> Option<usize> {
    let chirp: &[f32] = &CHIRP;
    let own: f32 = chirp.iter().map(|sample| sample * sample).sum();
    let correlation = |at: usize| {
        let part = &window[at..at + chirp.len()];
        let energy: f32 = part.iter().map(|sample| sample * sample).sum();
        let product: f32 = part.iter().zip(chirp).map(|(a, b)| a * b).sum();
        product / (own * energy).sqrt().max(1.0)
    };
    let places = window.len().checked_sub(chirp.len())?;
    let best = (0..=places).map(|at| (at, correlation(at))).max_by(|a, b| a.1.total_cmp(&b.1))?;
    (best.1 > CORRELATION_MIN).then_some(best.0)
}

#[cfg(test)]
mod tests {
    use media::codec::Codec;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;
    use crate::speech::{decode, encode};

    /// Puts a mark at every offset of a frame into `noise` and wants it found to the sample.
    fn check(through: impl Fn(Vec<i16>) -> Vec<i16>, noise: i16) {
        let mut random = StdRng::seed_from_u64(7);
        for offset in (0..FRAME_SAMPLES).step_by(13) {
            for number in 0..MARKS {
                let mut audio: Vec<i16> = (0..20 * FRAME_SAMPLES).map(|_| random.random_range(-noise..=noise)).collect();
                let start = 5 * FRAME_SAMPLES + offset;
                for (sample, mark) in audio[start..].iter_mut().zip(samples(number)) {
                    *sample = sample.saturating_add(mark);
                }
                let mut detector = MarkDetector::default();
                let mut found = Vec::new();
                for (index, frame) in through(audio).chunks(FRAME_SAMPLES).enumerate() {
                    let end = (index + 1) * FRAME_SAMPLES;
                    found.extend(detector.handle_frame(frame).map(|mark| (mark.number, end - mark.samples_ago)));
                }
                assert_eq!(found, [(number, start + MARK_OFFSET)], "offset {offset}");
            }
        }
    }

    #[test]
    fn a_mark_is_found_to_the_sample_at_any_offset() {
        check(|audio| audio, 0);
    }

    #[test]
    fn a_mark_survives_both_laws_and_noise() {
        check(|audio| decode(Codec::Pcmu, &encode(Codec::Pcmu, &audio)), 3_000);
        check(|audio| decode(Codec::Pcma, &encode(Codec::Pcma, &audio)), 3_000);
    }

    #[test]
    fn a_mark_survives_being_played_quietly() {
        check(|audio| audio.into_iter().map(|sample| sample / 8).collect(), 0);
    }

    #[test]
    fn noise_and_silence_hold_no_marks() {
        let mut random = StdRng::seed_from_u64(7);
        let mut detector = MarkDetector::default();
        for _ in 0..5_000 {
            let frame: Vec<i16> = (0..FRAME_SAMPLES).map(|_| random.random_range(-9_000..=9_000)).collect();
            assert_eq!(detector.handle_frame(&frame), None);
        }
        assert_eq!(detector.handle_frame(&[0; FRAME_SAMPLES]), None);
    }
}
