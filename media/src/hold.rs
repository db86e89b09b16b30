//! Hold music: a few soft notes, made here, for a caller whose agent is away for a moment.

use std::sync::LazyLock;

use crate::codec::Codec;
use crate::units::{FRAME_SAMPLES, SampleRate};

const RATE: SampleRate = SampleRate::HZ_8000;

/// Hertz of each note: C major with a sixth, up and down, which ends where it begins.
const NOTES: [f32; 8] = [261.63, 329.63, 392.00, 440.00, 523.25, 440.00, 392.00, 329.63];

/// Samples of a note: 500 ms, so that the loop lasts 4 s.
const NOTE: usize = RATE.hz() as usize / 2;

/// Highest amplitude of a note: -20 dB, well below speech.
const LEVEL: f32 = 3_276.0;

/// Samples in which a note rises: 20 ms, without a click.
const RISE: f32 = 160.0;

/// The loop, made once: 64 kB for the whole process.
static LOOP: LazyLock<Vec<i16>> = LazyLock::new(|| NOTES.iter().flat_map(|hertz| note(*hertz)).collect());

/// A loop of 4 s that begins softly; each listener is at a place of its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct HoldMusic {
    next: usize,
}

impl HoldMusic {
    /// Writes the next 20 ms in this codec.
    pub fn next_frame(&mut self, codec: Codec, frame: &mut [u8; FRAME_SAMPLES]) {
        codec.encode_over(&LOOP[self.next..self.next + FRAME_SAMPLES], frame);
        self.next = (self.next + FRAME_SAMPLES) % LOOP.len();
    }
}

/// One note: it rises, and falls to nothing before the next.
fn note(hertz: f32) -> impl Iterator<Item = i16> {
    (0..NOTE).map(move |sample| {
        let at = sample as f32;
        let gain = (at / RISE).min(1.0) * (1.0 - at / NOTE as f32).powi(2);
        let phase = at * hertz * std::f32::consts::TAU / RATE.hz() as f32;
        // An octave above at a fifth of the level: rounder than a bare sine.
        (LEVEL * gain * (phase.sin() + 0.2 * (2.0 * phase).sin()) / 1.2) as i16
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Dbov;

    fn play(codec: Codec, frames: usize) -> Vec<i16> {
        let mut music = HoldMusic::default();
        let mut samples = Vec::new();
        for _ in 0..frames {
            let mut frame = [0; FRAME_SAMPLES];
            music.next_frame(codec, &mut frame);
            codec.decode(&frame, &mut samples);
        }
        samples
    }

    #[test]
    fn it_begins_softly_and_is_quieter_than_speech() {
        for codec in [Codec::Pcmu, Codec::Pcma] {
            let samples = play(codec, 200);
            assert!(samples[0].abs() < 20);
            assert!(samples.iter().all(|sample| sample.abs() < 4_000));
            let level = Dbov::of(&samples).0;
            assert!((-35.0..-22.0).contains(&level), "{level}");
        }
    }

    #[test]
    fn it_repeats_after_four_seconds_without_a_click() {
        let samples = play(Codec::Pcmu, 400);
        assert_eq!(samples[..32_000], samples[32_000..]);
        let steps = samples.windows(2).map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs());
        // The steepest of two sines of this level at 523 and 1,046 Hz, and the codec's steps.
        assert!(steps.max().is_some_and(|step| step < 2_000));
    }
}
