//! A voice as base64 text, made once for all calls of a run: a message of audio is then put together, not encoded.

use base64::{Engine, prelude::BASE64_STANDARD};

use crate::mark;
use crate::mouth::{Piece, Voice};
use crate::speech::FRAME_SAMPLES;

/// The texts of all pieces of a voice.
#[derive(Clone, Debug)]
pub struct Prepared {
    frames: Vec<String>,
    marks: Vec<Vec<String>>,
    silence: String,
}

impl Prepared {
    /// Encodes all pieces with what turns 20 ms of samples at 8 kHz into octets.
    pub fn new(voice: &Voice, encode: impl Fn(&[i16]) -> Vec<u8>) -> Self {
        let text = |samples: &[i16]| BASE64_STANDARD.encode(encode(samples));
        let texts = |samples: &[i16]| samples.chunks(FRAME_SAMPLES).map(text).collect::<Vec<_>>();
        Self {
            frames: texts(&voice.recording().samples),
            marks: (0..mark::MARKS).map(|number| texts(&mark::samples(number))).collect(),
            silence: text(&[0; FRAME_SAMPLES]),
        }
    }

    /// The text of one piece.
    pub fn text(&self, piece: Piece) -> &str {
        match piece {
            Piece::Frame(index) => &self.frames[index],
            Piece::Mark(number, part) => &self.marks[usize::from(number)][part],
            Piece::Silence => &self.silence,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::speech::Recording;

    #[test]
    fn every_piece_has_its_text() {
        let samples = (0..3).flat_map(|frame| [5_000 + frame; FRAME_SAMPLES]).collect();
        let prepared =
            Prepared::new(&Voice::new(Recording::new(samples).unwrap()), |samples| vec![samples[0] as u8, samples.len() as u8]);
        assert_eq!([0, 1, 2].map(|index| prepared.text(Piece::Frame(index))), ["iKA=", "iaA=", "iqA="]);
        assert_eq!(prepared.text(Piece::Silence), "AKA=");
        assert_eq!(prepared.marks.iter().map(Vec::len).collect::<Vec<_>>(), [3; 4]);
    }
}
