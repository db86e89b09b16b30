//! The agent's audio: made and base64-encoded once, shared by all sessions.

use std::sync::Arc;

use anyhow::Context;
use base64::{Engine, prelude::BASE64_STANDARD};

use media::codec::Codec;

use crate::simulator::script::{Answer, Script, Turn};
use crate::simulator::speaker::DRIP_BYTES_MAX;
use crate::{mark, speech};

/// Audio in one `response.output_audio.delta`, milliseconds: the size that the real service sends, and a whole number
/// of 20 ms frames.
pub(super) const PIECE_MS: u64 = 160;

/// The wire formats of the API.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum AudioFormat {
    Pcmu,
    Pcma,
    Pcm24k,
}

/// One delta's audio.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub base64: String,
    pub ms: u64,
}

/// The audio of every turn of a script in every format.
#[derive(Debug)]
pub(crate) struct Voices {
    greeting: Option<[Arc<[Piece]>; 3]>,
    turns: Vec<[Arc<[Piece]>; 3]>,
}

impl AudioFormat {
    const ALL: [Self; 3] = [Self::Pcmu, Self::Pcma, Self::Pcm24k];

    pub(super) fn bytes_per_ms(self) -> usize {
        match self {
            Self::Pcmu | Self::Pcma => 8,
            Self::Pcm24k => 48,
        }
    }

    pub(super) fn encode(self, samples: &[i16]) -> Vec<u8> {
        match self {
            Self::Pcmu => speech::encode(Codec::Pcmu, samples),
            Self::Pcma => speech::encode(Codec::Pcma, samples),
            Self::Pcm24k => triple(samples).flat_map(i16::to_le_bytes).collect(),
        }
    }

    /// 8 kHz samples of what a peer sent; for measuring its level, so 24 kHz is thinned out without a filter.
    pub(super) fn decode(self, bytes: &[u8]) -> Vec<i16> {
        match self {
            Self::Pcmu => speech::decode(Codec::Pcmu, bytes),
            Self::Pcma => speech::decode(Codec::Pcma, bytes),
            Self::Pcm24k => bytes.chunks_exact(6).map(|three| i16::from_le_bytes([three[0], three[1]])).collect(),
        }
    }
}

impl Voices {
    pub(in crate::simulator) fn new(script: &Script) -> anyhow::Result<Self> {
        let turns = script.turns.iter().map(encode_turn).collect::<anyhow::Result<_>>()?;
        Ok(Self { greeting: script.greeting.as_ref().map(encode_turn).transpose()?, turns })
    }

    /// The pieces that belong to what [`Script::turn`] gives for the same arguments.
    pub(super) fn pieces(&self, answered: usize, committed: bool, format: AudioFormat) -> Arc<[Piece]> {
        let formats = match &self.greeting {
            Some(greeting) if !committed && answered == 0 => greeting,
            _ => &self.turns[answered % self.turns.len()],
        };
        Arc::clone(&formats[format as usize])
    }
}

/// Cuts wire audio into pieces; the last one may be shorter.
pub(super) fn cut(audio: &[u8], format: AudioFormat) -> Arc<[Piece]> {
    let piece = usize::try_from(PIECE_MS).unwrap_or(1) * format.bytes_per_ms();
    audio.chunks(piece).map(|bytes| Piece::new(bytes, format)).collect()
}

/// Pieces of a single sample each, for a drip.
pub(super) fn crumble(pieces: &[Piece], format: AudioFormat) -> Arc<[Piece]> {
    let bytes: Vec<u8> = pieces.iter().filter_map(|piece| BASE64_STANDARD.decode(&piece.base64).ok()).flatten().collect();
    let sample = if format == AudioFormat::Pcm24k { 2 } else { 1 };
    bytes.chunks(sample).take(DRIP_BYTES_MAX).map(|bytes| Piece::new(bytes, format)).collect()
}

impl Piece {
    pub(super) fn new(bytes: &[u8], format: AudioFormat) -> Self {
        Self { base64: BASE64_STANDARD.encode(bytes), ms: (bytes.len() / format.bytes_per_ms()) as u64 }
    }
}

fn encode_turn(turn: &Turn) -> anyhow::Result<[Arc<[Piece]>; 3]> {
    let samples = match &turn.audio {
        Answer::Tone => speech_like(turn.duration_ms),
        Answer::Marks => marked_silence(turn.duration_ms),
        Answer::Echo | Answer::Live => Vec::new(),
        Answer::Wav(file) => speech::read_wav(file).with_context(|| format!("answer {}", file.display()))?,
    };
    Ok(AudioFormat::ALL.map(|format| cut(&format.encode(&samples), format)))
}

/// Harmonics of a gliding voice pitch under a four-syllables-a-second envelope that never falls to silence.
pub(in crate::simulator) fn speech_like(duration_ms: u64) -> Vec<i16> {
    let mut phase = 0.0_f32;
    (0..duration_ms * 8)
        .map(|index| {
            let seconds = index as f32 / 8_000.0;
            let pitch = 130.0 + 25.0 * (seconds * 5.0).sin();
            phase = (phase + pitch / 8_000.0).fract();
            let voice: f32 = (1..=12_u8)
                .map(|harmonic| (std::f32::consts::TAU * phase * f32::from(harmonic)).sin() / f32::from(harmonic))
                .sum();
            let syllable = 0.3 + 0.7 * (std::f32::consts::PI * 4.0 * seconds).sin().abs();
            (voice * syllable * 6_000.0) as i16
        })
        .collect()
}

fn marked_silence(duration_ms: u64) -> Vec<i16> {
    let mut samples = vec![0; usize::try_from(duration_ms * 8).unwrap_or(0)];
    for (index, slot) in samples.chunks_exact_mut(4_000).enumerate() {
        let mark = mark::samples(index as u8);
        slot[..mark.len()].copy_from_slice(&mark);
    }
    samples
}

/// 8 to 24 kHz by straight lines: enough for a signal that only has to be heard.
fn triple(samples: &[i16]) -> impl Iterator<Item = i16> {
    let next = samples.iter().skip(1).chain(samples.last());
    samples.iter().zip(next).flat_map(|(&here, &next)| {
        let (here, step) = (i32::from(here), i32::from(next) - i32::from(here));
        [0, 1, 2].map(|third| (here + step * third / 3) as i16)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn check(format: AudioFormat, want: &str) {
        let script = Script::parse("[[turns]]\nduration_ms = 400").unwrap();
        let pieces = Voices::new(&script).unwrap().pieces(0, true, format);
        let got: Vec<_> = pieces.iter().map(|piece| format!("{}ms/{}", piece.ms, piece.base64.len())).collect();
        assert_eq!(got.join(" "), want);
    }

    #[test]
    fn answers_are_cut_to_pieces_of_the_wire_format() {
        check(AudioFormat::Pcmu, "160ms/1708 160ms/1708 80ms/856");
        check(AudioFormat::Pcma, "160ms/1708 160ms/1708 80ms/856");
        check(AudioFormat::Pcm24k, "160ms/10240 160ms/10240 80ms/5120");
    }

    #[test]
    fn a_wav_file_that_is_missing_is_named() {
        let script = Script::parse("[[turns]]\naudio = \"wav:/nowhere.wav\"").unwrap();
        assert!(format!("{:#}", Voices::new(&script).unwrap_err()).contains("/nowhere.wav"));
    }

    #[test]
    fn speech_like_audio_is_loud_in_every_frame() {
        for frame in speech_like(1_000).chunks(160) {
            assert!(speech::level(frame) > -40.0);
        }
    }
}
