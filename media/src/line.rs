//! The codecs of the wire, and their way to and from the 8 kHz that a call works in.
//!
//! ```text
//! packet ──► decoder ──► samples at 8 kHz, and their octets in the call's law ──► Vad, AiSession, Recorder
//! packet ◄── encoder ◄── octets in the call's law ◄── Sendout ◄── AiSession
//! ```
//! In G.711 the octets of the wire are those of the call, and neither coder exists: nothing is decoded twice, copied or recoded. Other
//! codecs are decoded to telephone band, whatever they could carry: engines, turn-taking and recordings know 8 kHz only.

mod g722;
mod opus;
pub mod packer;
pub mod unpacker;

use crate::codec::Codec;
use crate::units::SampleRate;
pub use opus::OpusWishes;
pub(crate) use opus::{LONGEST as LONGEST_GAP, SHORTEST as GAP_STEP};

/// A codec on the wire of a leg. A new one is a variant here, a row in [`LINES`], and its two coders.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum LineCodec {
    /// G.711: the octets go through the call as they are.
    G711(Codec),
    /// G.722 at 64 kbit/s, of which the lower half of the band is heard and sent.
    G722,
    /// Opus, of which telephone band is heard and sent.
    Opus,
}

/// What there is to know of a codec of the wire.
#[derive(Debug)]
pub struct LineRow {
    /// The codec this row describes.
    pub codec: LineCodec,
    /// Encoding name in SDP (RFC 3551 §6).
    pub name: &'static str,
    /// Payload type by static assignment, or the one that is usual.
    pub payload_type: u8,
    /// Rate of the RTP clock; 8 kHz for G.722 too, by an old mistake (RFC 3551 §4.5.2).
    pub clock: SampleRate,
    /// The law in which the call works; mu-law where the wire has none.
    pub law: Codec,
}

/// Every codec of the wire, one row each.
pub static LINES: [LineRow; 4] = [
    LineRow { codec: LineCodec::G711(Codec::Pcmu), name: "PCMU", payload_type: 0, clock: SampleRate::HZ_8000, law: Codec::Pcmu },
    LineRow { codec: LineCodec::G711(Codec::Pcma), name: "PCMA", payload_type: 8, clock: SampleRate::HZ_8000, law: Codec::Pcma },
    LineRow { codec: LineCodec::Opus, name: "opus", payload_type: 111, clock: SampleRate::HZ_48000, law: Codec::Pcmu },
    LineRow { codec: LineCodec::G722, name: "G722", payload_type: 9, clock: SampleRate::HZ_8000, law: Codec::Pcmu },
];

impl From<Codec> for LineCodec {
    fn from(law: Codec) -> Self {
        Self::G711(law)
    }
}

impl LineCodec {
    /// This codec's row.
    pub fn row(self) -> &'static LineRow {
        match self {
            Self::G711(Codec::Pcmu) => &LINES[0],
            Self::G711(Codec::Pcma) => &LINES[1],
            Self::Opus => &LINES[2],
            Self::G722 => &LINES[3],
        }
    }

    /// Ticks of the RTP clock in one sample at 8 kHz.
    pub(crate) fn scale(self) -> u32 {
        self.row().clock.hz() / SampleRate::HZ_8000.hz()
    }

    /// Samples at 8 kHz that a packet holds; 0 for one that cannot be read.
    pub(crate) fn samples_in(self, payload: &[u8]) -> usize {
        match self {
            Self::G711(_) | Self::G722 => payload.len(),
            Self::Opus => opus::samples_in(payload),
        }
    }

    /// Whether a packet of audio says that the peer is silent on purpose, and next to nothing follows.
    pub(crate) fn is_pause(self, payload: &[u8]) -> bool {
        self == Self::Opus && opus::is_pause(payload)
    }

    /// What its packets are decoded by in a call that works in `law`; `None` where their octets are the call's.
    pub(crate) fn decoder(self, law: Codec) -> Option<Decoder> {
        match self {
            Self::G711(own) => (own != law).then_some(Decoder::G711(own)),
            Self::G722 => Some(Decoder::G722(Box::default())),
            Self::Opus => Some(Decoder::Opus(Box::default())),
        }
    }
}

/// Decodes the packets of one stream, in their order.
#[derive(Debug)]
pub(crate) enum Decoder {
    /// In the law that the call does not work in.
    G711(Codec),
    G722(Box<g722::Decoder>),
    Opus(Box<opus::Decoder>),
}

impl Decoder {
    /// Decodes a packet onto the end of `samples`: as many as [`LineCodec::samples_in`] says, or fewer of one that is broken.
    pub(crate) fn decode(&mut self, payload: &[u8], samples: &mut Vec<i16>) {
        match self {
            Self::G711(own) => own.decode(payload, samples),
            Self::G722(decoder) => decoder.decode(payload, samples),
            Self::Opus(decoder) => decoder.decode(payload, samples),
        }
    }

    /// Adds the `count` samples, whole [`GAP_STEP`]s and at most [`LONGEST_GAP`], that were lost before the packet `next`, as that one
    /// tells them. Nothing where packets tell of themselves only.
    pub(crate) fn recover(&mut self, next: &[u8], count: usize, samples: &mut Vec<i16>) {
        match self {
            Self::G711(_) | Self::G722(_) => {}
            Self::Opus(decoder) => decoder.recover(next, count, samples),
        }
    }

    /// Whether [`Self::recover`] ever does something.
    pub(crate) fn recovers(&self) -> bool {
        matches!(self, Self::Opus(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_by_their_codec() {
        for row in &LINES {
            assert_eq!((row.codec.row().name, row.clock.hz() % 8_000), (row.name, 0));
        }
        assert_eq!(LineCodec::from(Codec::Pcma).row().law, Codec::Pcma);
    }
}
