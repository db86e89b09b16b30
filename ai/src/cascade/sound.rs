//! A synthesizer's audio as the leg's codec has it, piece by piece as it streams.

use media::codec::Codec;
use media::resample::Resampler;
use media::units::{FRAME, SampleRate};

use crate::engine::EngineError;
use crate::synthesizer::AudioFormat;

/// Converts one prompt's audio; what two pieces share is kept between them.
pub(super) struct Sound {
    leg: Codec,
    format: AudioFormat,
    resampler: Option<Resampler>,
    /// Half of a sample.
    odd: Option<u8>,
    /// Less than a frame, at the source's rate.
    rest: Vec<i16>,
}

impl Sound {
    /// # Errors
    /// The rate cannot be converted.
    pub(super) fn new(format: AudioFormat, leg: Codec) -> Result<Self, EngineError> {
        let resampler = match format {
            AudioFormat::Pcm(rate) if rate != SampleRate::HZ_8000 => {
                let made = Resampler::new(rate, SampleRate::HZ_8000);
                let code = || "audio_format".to_owned();
                Some(made.map_err(|error| EngineError::Configuration { code: code(), message: error.to_string() })?)
            }
            AudioFormat::Pcm(_) | AudioFormat::Telephone(_) => None,
        };
        Ok(Self { leg, format, resampler, odd: None, rest: Vec::new() })
    }

    /// Octets of the leg for what came.
    pub(super) fn push(&mut self, audio: &[u8]) -> Vec<u8> {
        match self.format {
            AudioFormat::Telephone(codec) => {
                let mut octets = audio.to_vec();
                if codec != self.leg {
                    codec.recode(&mut octets, self.leg);
                }
                octets
            }
            AudioFormat::Pcm(rate) => {
                self.take_samples(audio);
                let mut octets = Vec::with_capacity(self.rest.len());
                match &mut self.resampler {
                    None => {
                        self.leg.encode(&self.rest, &mut octets);
                        self.rest.clear();
                    }
                    Some(resampler) => {
                        let frame = rate.samples_in(FRAME);
                        let whole = self.rest.len() / frame * frame;
                        for samples in self.rest[..whole].chunks_exact(frame) {
                            encode(self.leg, resampler.handle_frame(samples), &mut octets);
                        }
                        self.rest.drain(..whole);
                    }
                }
                octets
            }
        }
    }

    fn take_samples(&mut self, audio: &[u8]) {
        let mut octets = self.odd.take().into_iter().chain(audio.iter().copied());
        self.rest.reserve(audio.len() / 2 + 1);
        while let Some(low) = octets.next() {
            match octets.next() {
                Some(high) => self.rest.push(i16::from_le_bytes([low, high])),
                None => self.odd = Some(low),
            }
        }
    }

    /// A piece is complete; the next one begins with a whole sample.
    pub(super) fn end_piece(&mut self) {
        self.odd = None;
    }

    /// The last octets of the prompt.
    pub(super) fn finish(&mut self) -> Vec<u8> {
        self.odd = None;
        let mut octets = Vec::new();
        if let (Some(resampler), false) = (&mut self.resampler, self.rest.is_empty()) {
            encode(self.leg, resampler.handle_frame(&self.rest), &mut octets);
        }
        self.rest.clear();
        octets
    }
}

/// How long raw audio lasts, in milliseconds.
pub(super) fn millis(format: AudioFormat, octets: usize) -> u64 {
    let a_second = match format {
        AudioFormat::Pcm(rate) => u64::from(rate.hz()) * 2,
        AudioFormat::Telephone(_) => 8_000,
    };
    octets as u64 * 1_000 / a_second.max(1)
}

fn encode(leg: Codec, samples: &[f32], octets: &mut Vec<u8>) {
    // `as` saturates, so what overshoots is clipped.
    let samples: Vec<i16> = samples.iter().map(|sample| (sample * 32_768.0) as i16).collect();
    leg.encode(&samples, octets);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn sound(format: AudioFormat) -> Sound {
        Sound::new(format, Codec::Pcmu).unwrap()
    }

    /// A second of a tone, cut into chunks of `chunk` octets; how many octets come out.
    fn check(format: AudioFormat, chunk: usize, expected: usize) {
        let AudioFormat::Pcm(rate) = format else { panic!("PCM only") };
        let samples = (0..rate.hz()).map(|n| ((f64::from(n) / 10.0).sin() * 8_000.0) as i16);
        let audio: Vec<u8> = samples.flat_map(i16::to_le_bytes).collect();
        let mut whole = sound(format);
        let mut expected_octets = whole.push(&audio);
        expected_octets.extend(whole.finish());
        let mut cut = sound(format);
        let mut octets: Vec<u8> = audio.chunks(chunk).flat_map(|chunk| cut.push(chunk)).collect();
        octets.extend(cut.finish());
        assert_eq!(octets.len(), expected, "{chunk}");
        assert_eq!(octets, expected_octets, "where it is cut must not be heard");
    }

    #[test]
    fn pcm_of_every_rate_becomes_the_codec_wherever_it_is_cut() {
        for chunk in [1, 7, 640, 4_801] {
            check(AudioFormat::Pcm(SampleRate::HZ_8000), chunk, 8_000);
            check(AudioFormat::Pcm(SampleRate::HZ_16000), chunk, 8_000);
            check(AudioFormat::Pcm(SampleRate::HZ_24000), chunk, 8_000);
            check(AudioFormat::Pcm(SampleRate::HZ_22050), chunk, 8_000);
        }
    }

    #[test]
    fn telephone_audio_passes_through_or_changes_its_law() {
        assert_eq!(sound(AudioFormat::Telephone(Codec::Pcmu)).push(&[0xFF, 0x80, 0x01]), [0xFF, 0x80, 0x01]);
        let mut recoded = [0xFF, 0x80];
        Codec::Pcma.recode(&mut recoded, Codec::Pcmu);
        assert_eq!(sound(AudioFormat::Telephone(Codec::Pcma)).push(&[0xFF, 0x80]), recoded);
    }

    #[test]
    fn half_a_sample_at_the_end_of_a_piece_does_not_shift_the_next() {
        let mut sound = sound(AudioFormat::Pcm(SampleRate::HZ_8000));
        assert_eq!(sound.push(&[0, 0, 0x55]).len(), 1);
        sound.end_piece();
        assert_eq!(sound.push(&[0, 0]), [0xFF]);
    }

    #[test]
    fn a_rate_that_cannot_be_converted_is_the_operators_mistake() {
        let rate = SampleRate::from_hz(11_025).unwrap();
        assert!(matches!(Sound::new(AudioFormat::Pcm(rate), Codec::Pcmu), Err(EngineError::Configuration { .. })));
    }

    #[test]
    fn raw_audio_has_its_length_in_time() {
        assert_eq!(millis(AudioFormat::Pcm(SampleRate::HZ_24000), 48_000), 1_000);
        assert_eq!(millis(AudioFormat::Telephone(Codec::Pcmu), 160), 20);
    }
}
