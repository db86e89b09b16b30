//! Audio of the cascade's protocols: formats, and a loop of a speech-like signal in each.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use media::codec::Codec;

use super::realtime::speech_like;
use super::speaker::Spoken;
use crate::speech;

/// Length of the loop, milliseconds: whole characters and whole samples at every rate.
const LOOP_MS: u64 = 4_200;
/// Rates that some provider speaks, Hz.
const RATES: [u32; 8] = [8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000];

/// How samples are written.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Encoding {
    Alaw,
    Float,
    Linear,
    Mulaw,
}

/// Raw mono audio, without a container.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct Format {
    pub encoding: Encoding,
    pub rate: u32,
}

/// The loops that were needed so far: at most one for each encoding and rate.
#[derive(Debug, Default)]
pub(super) struct Sounds(Mutex<Vec<(Format, Bytes)>>);

impl Format {
    pub(super) const MULAW: Self = Self { encoding: Encoding::Mulaw, rate: 8_000 };

    /// `None` for a rate that no provider has.
    pub(super) fn new(encoding: Encoding, rate: u32) -> Option<Self> {
        RATES.contains(&rate).then_some(Self { encoding, rate })
    }

    pub(super) fn sample_bytes(self) -> usize {
        match self.encoding {
            Encoding::Alaw | Encoding::Mulaw => 1,
            Encoding::Linear => 2,
            Encoding::Float => 4,
        }
    }

    /// Bytes that so many milliseconds take, whole samples.
    pub(super) fn bytes(self, ms: u64) -> usize {
        usize::try_from(ms * u64::from(self.rate) / 1_000).unwrap_or(0) * self.sample_bytes()
    }

    /// Samples of whole ones in `octets`.
    pub(super) fn decode(self, octets: &[u8]) -> Vec<i16> {
        match self.encoding {
            Encoding::Alaw => speech::decode(Codec::Pcma, octets),
            Encoding::Mulaw => speech::decode(Codec::Pcmu, octets),
            Encoding::Linear => octets.as_chunks().0.iter().map(|pair| i16::from_le_bytes(*pair)).collect(),
            Encoding::Float => octets.as_chunks().0.iter().map(|four| (f32::from_le_bytes(*four) * 32_767.0) as i16).collect(),
        }
    }

    fn encode(self, samples: &[i16]) -> Vec<u8> {
        match self.encoding {
            Encoding::Alaw => speech::encode(Codec::Pcma, samples),
            Encoding::Mulaw => speech::encode(Codec::Pcmu, samples),
            Encoding::Linear => samples.iter().flat_map(|sample| sample.to_le_bytes()).collect(),
            Encoding::Float => samples.iter().flat_map(|&sample| (f32::from(sample) / 32_768.0).to_le_bytes()).collect(),
        }
    }

    /// The head of a WAV file whose length is not known, as services that stream write it.
    pub(super) fn wav_head(self) -> Vec<u8> {
        let tag: u16 = match self.encoding {
            Encoding::Linear => 1,
            Encoding::Float => 3,
            Encoding::Alaw => 6,
            Encoding::Mulaw => 7,
        };
        let width = self.sample_bytes() as u16;
        let mut head = Vec::with_capacity(44);
        head.extend_from_slice(b"RIFF\xFF\xFF\xFF\xFFWAVEfmt \x10\0\0\0");
        head.extend_from_slice(&tag.to_le_bytes());
        head.extend_from_slice(&1_u16.to_le_bytes());
        head.extend_from_slice(&self.rate.to_le_bytes());
        head.extend_from_slice(&(self.rate * u32::from(width)).to_le_bytes());
        head.extend_from_slice(&width.to_le_bytes());
        head.extend_from_slice(&(width * 8).to_le_bytes());
        head.extend_from_slice(b"data\xFF\xFF\xFF\xFF");
        head
    }
}

impl Sounds {
    /// The loop in a format.
    pub(super) fn loop_in(&self, format: Format) -> Bytes {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, audio)) = known.iter().find(|(other, _)| *other == format) {
            return audio.clone();
        }
        let audio = Bytes::from(format.encode(&stretch(&speech_like(LOOP_MS), format.rate)));
        known.push((format, audio.clone()));
        audio
    }
}

/// The audio of a piece of speech; a single sample of a drip.
pub(super) fn piece(audio: &Bytes, format: Format, spoken: &Spoken) -> Bytes {
    match spoken.ms {
        0 => audio.slice(..format.sample_bytes()),
        ms => cut(audio, format, spoken.from_ms, ms),
    }
}

/// Cuts `ms` of audio at `from_ms` out of a loop.
fn cut(audio: &Bytes, format: Format, from_ms: u64, ms: u64) -> Bytes {
    let (start, length) = (format.bytes(from_ms % LOOP_MS), format.bytes(from_ms + ms) - format.bytes(from_ms));
    if start + length <= audio.len() {
        return audio.slice(start..start + length);
    }
    let mut whole = Vec::with_capacity(length);
    whole.extend(audio[start..].iter().chain(audio.iter().cycle()).take(length));
    whole.into()
}

/// 8 kHz samples at another rate, by straight lines: enough for a signal that only has to be heard.
fn stretch(samples: &[i16], rate: u32) -> Vec<i16> {
    let count = samples.len() as u64 * u64::from(rate) / 8_000;
    let at = |index: u64| {
        let place = index * 8_000;
        let (whole, part) = ((place / u64::from(rate)) as usize, (place % u64::from(rate)) as i64);
        let here = i64::from(samples[whole]);
        let next = i64::from(*samples.get(whole + 1).unwrap_or(&samples[whole]));
        (here + (next - here) * part / i64::from(rate)) as i16
    };
    (0..count).map(at).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn audio_is_as_long_as_it_says_in_every_format() {
        let sounds = Sounds::default();
        for rate in RATES {
            for encoding in [Encoding::Alaw, Encoding::Mulaw, Encoding::Linear, Encoding::Float] {
                let format = Format::new(encoding, rate).unwrap();
                let audio = sounds.loop_in(format);
                assert_eq!(audio.len(), format.bytes(LOOP_MS), "{format:?}");
                assert_eq!(cut(&audio, format, LOOP_MS - 60, 240).len(), format.bytes(240), "{format:?}");
                let samples = format.decode(&cut(&audio, format, 600, 60));
                assert!(speech::level(&samples) > -40.0, "{format:?}");
            }
        }
        assert_eq!(sounds.0.lock().unwrap().len(), 32);
    }

    #[test]
    fn a_wav_head_says_what_follows() {
        let head = Format::new(Encoding::Linear, 24_000).unwrap().wav_head();
        assert_eq!(head.len(), 44);
        assert_eq!(head[24..36], [0xC0, 0x5D, 0, 0, 0x80, 0xBB, 0, 0, 2, 0, 16, 0]);
        assert_eq!(Format::new(Encoding::Mulaw, 11_025), None);
    }
}
