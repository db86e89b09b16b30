//! The codecs we speak, as data: a new codec is a new row.

/// An audio codec of a call.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Codec {
    /// G.722, 64 kbit/s, 16 kHz.
    G722,
    /// Opus, of which we speak the telephone band.
    Opus,
    /// G.711 A-law, 64 kbit/s.
    Pcma,
    /// G.711 mu-law, 64 kbit/s.
    Pcmu,
}

/// How a codec appears in SDP (RFC 3551 §6).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CodecRow {
    /// Which codec.
    pub codec: Codec,
    /// Encoding name of `a=rtpmap`, matched without case.
    pub name: &'static str,
    /// RTP clock in Hz; 8000 for G.722 too, which samples at 16 kHz (RFC 3551 §4.5.2).
    pub clock: u32,
    /// Channels of `a=rtpmap`; 1 is not written.
    pub channels: u8,
    /// Payload type in our offers; below 96 it is the static one, understood without `a=rtpmap`.
    pub payload_type: u8,
    /// Parameters written as `a=fmtp`, if the codec wants any.
    pub fmtp: Option<&'static str>,
}

/// What we can speak. [`super::LocalMedia::codecs`] says what of it is offered and taken.
pub const CODECS: &[CodecRow] = &[
    CodecRow { codec: Codec::Pcmu, name: "PCMU", clock: 8000, channels: 1, payload_type: 0, fmtp: None },
    CodecRow { codec: Codec::Pcma, name: "PCMA", clock: 8000, channels: 1, payload_type: 8, fmtp: None },
    CodecRow { codec: Codec::Opus, name: "opus", clock: 48000, channels: 2, payload_type: 111, fmtp: Some(OPUS) },
    CodecRow { codec: Codec::G722, name: "G722", clock: 8000, channels: 1, payload_type: 9, fmtp: None },
];

/// What we want of Opus (RFC 7587 §6.1): not more than telephone band, and lost packets told by the next.
const OPUS: &str = "maxplaybackrate=8000;sprop-maxcapturerate=8000;useinbandfec=1";

/// Encoding name of RFC 4733 events.
pub(super) const TELEPHONE_EVENT: &str = "telephone-event";
/// Payload type of events in our offers: what nearly every carrier uses.
pub(super) const TELEPHONE_EVENT_PAYLOAD: u8 = 101;
/// Encoding name of comfort noise (RFC 3389).
pub(super) const COMFORT_NOISE: &str = "CN";
/// Its static payload type, at 8 kHz.
pub(super) const COMFORT_NOISE_PAYLOAD: u8 = 13;
/// Its clock under that payload type, and the clock of events that nearly everybody understands.
pub(super) const TELEPHONE_CLOCK: u32 = 8000;
/// Payload types from here on are dynamic and mean nothing without `a=rtpmap` (RFC 3551 §3).
pub(super) const FIRST_DYNAMIC_PAYLOAD: u8 = 96;

impl Codec {
    /// The codec's row.
    pub fn row(self) -> &'static CodecRow {
        CODECS.iter().find(|row| row.codec == self).expect("every codec has a row")
    }
}

impl CodecRow {
    /// `PCMU/8000`, or `opus/48000/2`.
    pub(super) fn rtpmap(&self) -> String {
        match self.channels {
            1 => format!("{}/{}", self.name, self.clock),
            channels => format!("{}/{}/{channels}", self.name, self.clock),
        }
    }
}
