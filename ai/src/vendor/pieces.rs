//! What the adapters of sockets share: reading their texts, and audio kept until a frame is long enough.

use bytes::{Bytes, BytesMut};
use media::codec::Codec;
use media::units::SampleRate;
use media::wav::{self, WavFormat};
use serde::Deserialize;

use crate::engine::EngineError;
use crate::json::line;
use crate::link::LinkInput;
use crate::synthesizer::{SpeechId, Synthesized};

/// The text of an input; `None` of what carries none. The end of a link is its owner's to judge.
pub(crate) fn text(input: &LinkInput) -> Option<&str> {
    match input {
        LinkInput::Text(text) => Some(text.as_str()),
        LinkInput::Binary(_) | LinkInput::Closed { .. } | LinkInput::Ended | LinkInput::Opened => None,
    }
}

/// What the answer to the request for a piece of speech says: its octets, and its end.
///
/// # Errors
/// None: a request that failed was told by its link.
pub(crate) fn of_request(speech: SpeechId, input: &LinkInput, out: &mut Vec<Synthesized>) -> Result<(), EngineError> {
    match input {
        LinkInput::Binary(audio) => out.push(Synthesized::Audio { speech, audio: audio.clone() }),
        LinkInput::Ended => out.push(Synthesized::Done { speech }),
        LinkInput::Closed { .. } | LinkInput::Opened | LinkInput::Text(_) => {}
    }
    Ok(())
}

/// A message of a provider.
///
/// # Errors
/// It is not JSON, or not of this shape: the provider broke its protocol.
pub(crate) fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, EngineError> {
    serde_json::from_str(text).map_err(|error| EngineError::Protocol { reason: line(&error.to_string()) })
}

/// Audio that is kept until there is enough for a frame.
#[derive(Clone, Debug)]
pub(crate) struct Chunker {
    kept: BytesMut,
    /// Octets of the shortest frame.
    least: usize,
}

impl Chunker {
    pub(crate) fn new(least: usize) -> Self {
        Self { kept: BytesMut::with_capacity(least), least }
    }

    /// Takes `octets`; gives all there is when that is enough.
    pub(crate) fn push(&mut self, octets: Bytes) -> Option<Bytes> {
        if self.kept.is_empty() && octets.len() >= self.least {
            return Some(octets);
        }
        self.kept.extend_from_slice(&octets);
        (self.kept.len() >= self.least).then(|| self.take())
    }

    /// All there is, which may be nothing.
    pub(crate) fn take(&mut self) -> Bytes {
        self.kept.split().freeze()
    }

    pub(crate) fn clear(&mut self) {
        self.kept.clear();
    }
}

/// `octets` of a telephone's codec as 16-bit little-endian samples.
pub(crate) fn decoded(codec: Codec, octets: &[u8]) -> Vec<u8> {
    let mut samples = Vec::with_capacity(octets.len());
    codec.decode(octets, &mut samples);
    samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

/// `octets` of a telephone's codec as a WAV file of at least `least` samples.
pub(crate) fn wav(codec: Codec, octets: &[u8], least: usize) -> Bytes {
    let length = octets.len().max(least) * 2;
    let format = WavFormat { channels: 1, rate: SampleRate::HZ_8000 };
    let mut file = Vec::with_capacity(wav::HEADER + length);
    file.extend_from_slice(&wav::header(format, length as u64));
    file.extend(decoded(codec, octets));
    file.resize(wav::HEADER + length, 0);
    Bytes::from(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_audio_waits_for_more() {
        let mut chunker = Chunker::new(640);
        let lengths = [160, 160, 160, 160, 100, 1_000, 0, 700]
            .map(|length| chunker.push(Bytes::from(vec![0; length])).map(|octets| octets.len()));
        assert_eq!(lengths, [None, None, None, Some(640), None, Some(1_100), None, Some(700)]);
        assert_eq!((chunker.push(Bytes::from_static(b"abc")), chunker.take().len(), chunker.take().len()), (None, 3, 0));
    }

    #[test]
    fn a_turn_becomes_a_file() {
        let file = wav(Codec::Pcmu, &[0xFF, 0x00], 4);
        assert_eq!(file.len(), wav::HEADER + 8);
        let header =
            media::wav::read_header(&file).map(|header| (header.format.channels, header.format.rate, header.data_length));
        assert!(matches!(header, Ok((1, SampleRate::HZ_8000, 8))));
        assert_eq!(&file[44..], [0, 0, 0x84, 0x82, 0, 0, 0, 0]);
    }
}
