//! SDP: a lenient, total parser and offer/answer for one audio stream (RFC 4566, RFC 3264).
//!
//! ```text
//! offer  --SessionDescription::parse--> answer(&offer, &local) --> (body, Negotiated)
//! offer(&local) --> body ... their answer --parse--> accept(&answer, &local) --> Negotiated
//! ```
//! What we can speak is data: one row of [`CODECS`] per codec. Only audio over plain RTP, and by [`SrtpPolicy`] over SRTP with keys in the
//! SDP or from DTLS, is taken, and where that is wanted data channels beside it; every other media line is refused with port 0, in place, so
//! that count and order stay (RFC 3264 §6).

mod codec;
mod crypto;
mod dtls;
mod negotiate;
mod opus;
mod parse;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

pub use codec::{CODECS, Codec, CodecRow};
pub use crypto::{Crypto, CryptoKey, CryptoLine, CryptoSuite, LocalKeys, SrtpPolicy};
pub use dtls::{DataMedia, Dtls, DtlsRole, Ice, IceCredentials, LocalDtls};
pub use negotiate::{accept, answer, offer};
pub use opus::OpusWishes;
pub use parse::{Media, SessionDescription};

/// Largest SDP body read, in bytes: ten times the fattest offer of a browser-born gateway.
pub const MAX_BODY: usize = 16 * 1024;
/// Most media lines read: each is answered by a line, and no telephone offers more than a few.
pub const MAX_MEDIA: usize = 64;
/// The packet time we ask for, and send unless the peer asks for another.
pub const PTIME: Duration = Duration::from_millis(20);
/// Shortest packet time sent; a smaller `ptime` or `maxptime` is read as this, and answered with it. Packet times between are rounded down
/// to whole ones of it.
pub const PTIME_MIN: Duration = Duration::from_millis(10);
/// Longest packet time sent; a larger `ptime` is read as this. Longer ones are played.
pub const PTIME_MAX: Duration = Duration::from_millis(60);

/// Which way media flows, seen from the side that says it (RFC 3264 §5.1).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Direction {
    /// Neither sends: hold on both sides.
    Inactive,
    /// It only listens.
    RecvOnly,
    /// It only speaks: the usual hold.
    SendOnly,
    /// Both ways, the default when nothing is said.
    #[default]
    SendRecv,
}

impl Direction {
    /// True when this side sends media.
    pub fn sends(self) -> bool {
        matches!(self, Self::SendOnly | Self::SendRecv)
    }

    /// True when this side listens to media.
    pub fn receives(self) -> bool {
        matches!(self, Self::RecvOnly | Self::SendRecv)
    }

    /// The same stream seen from the other side: `sendonly` becomes `recvonly`.
    pub fn mirrored(self) -> Self {
        Self::from_flags(self.receives(), self.sends())
    }

    /// What both sides of the stream allow, when both are seen from one side.
    pub fn and(self, other: Self) -> Self {
        Self::from_flags(self.sends() && other.sends(), self.receives() && other.receives())
    }

    fn from_flags(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (false, false) => Self::Inactive,
            (false, true) => Self::RecvOnly,
            (true, false) => Self::SendOnly,
            (true, true) => Self::SendRecv,
        }
    }

    fn from_attribute(name: &str) -> Option<Self> {
        match name {
            "inactive" => Some(Self::Inactive),
            "recvonly" => Some(Self::RecvOnly),
            "sendonly" => Some(Self::SendOnly),
            "sendrecv" => Some(Self::SendRecv),
            _ => None,
        }
    }

    fn attribute(self) -> &'static str {
        match self {
            Self::Inactive => "inactive",
            Self::RecvOnly => "recvonly",
            Self::SendOnly => "sendonly",
            Self::SendRecv => "sendrecv",
        }
    }
}

/// Our side of an audio stream, as we want it described. Its `Debug` leaves out `previous`, which may have our keys.
#[derive(Clone, Eq, PartialEq)]
pub struct LocalMedia {
    /// Address at which the peer reaches our RTP socket.
    pub address: IpAddr,
    /// UDP port of our RTP socket; RTCP is on the next one unless multiplexed.
    pub port: u16,
    /// Number of the `o=` line, the same through the whole dialog.
    pub session_id: u64,
    /// What we speak, best first. An offer lists them in this order; in an answer the peer's order decides among them
    /// (RFC 3264 §6.1: it tells what costs the peer least). Default: G.711 in both laws, which every telephone speaks.
    pub codecs: Vec<Codec>,
    /// Whether an offer proposes RTP and RTCP on one port; the default is not. An answer follows the offer.
    pub rtcp_mux: bool,
    /// Whether the stream is encrypted; the default is not.
    pub srtp: SrtpPolicy,
    /// Our keys for that; all zero by default, so they must be set with any other policy.
    pub keys: LocalKeys,
    /// Our certificate and the rest of DTLS; without it, which is the default, none is offered or taken.
    pub dtls: Option<LocalDtls>,
    /// What we want to do with the stream; the default is both ways.
    pub direction: Direction,
    /// The body we sent last in this dialog: the `o=` version goes up by one only when the new one differs.
    pub previous: Option<String>,
}

impl LocalMedia {
    /// A stream both ways, described for the first time.
    pub fn new(address: IpAddr, port: u16, session_id: u64) -> Self {
        Self {
            address,
            port,
            session_id,
            codecs: vec![Codec::Pcmu, Codec::Pcma],
            rtcp_mux: false,
            srtp: SrtpPolicy::Off,
            keys: LocalKeys::new(|_| {}),
            dtls: None,
            direction: Direction::SendRecv,
            previous: None,
        }
    }
}

impl fmt::Debug for LocalMedia {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, port, session_id, codecs, rtcp_mux, srtp, direction, keys: _, dtls: _, previous: _ } = self;
        let mut text = formatter.debug_struct("LocalMedia");
        text.field("address", address).field("port", port).field("session_id", session_id);
        text.field("codecs", codecs)
            .field("rtcp_mux", rtcp_mux)
            .field("srtp", srtp)
            .field("direction", direction)
            .finish_non_exhaustive()
    }
}

/// What offer and answer agreed on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Negotiated {
    /// The one codec of the stream, both ways.
    pub codec: Codec,
    /// RTP payload type of the codec, both ways, 0-127.
    pub payload_type: u8,
    /// The keys, if the stream is encrypted.
    pub crypto: Option<Crypto>,
    /// Where the keys come from, if they come from a handshake.
    pub dtls: Option<Dtls>,
    /// What the peer wants of Opus; nothing in another codec.
    pub opus: OpusWishes,
    /// Payload type of RFC 4733 events, if the peer takes them.
    pub telephone_event: Option<u8>,
    /// Clock of those events in Hz: the codec's, or 8000 from a peer that has no other.
    pub event_clock: u32,
    /// Payload type of comfort noise (RFC 3389), if the peer offers or takes it.
    pub comfort_noise: Option<u8>,
    /// Packet time the peer asks for, 10-60 ms; 20 ms when it does not say.
    pub ptime: Duration,
    /// Packet time we send: what the peer asks for and its `maxptime` allows, in whole 10 ms from [`PTIME_MIN`] to [`PTIME_MAX`]; in Opus
    /// 10, 20, 40 or 60 ms.
    pub send_ptime: Duration,
    /// Where the peer wants RTP; the address is unspecified (`0.0.0.0`) on an old-style hold, and where ICE is to find it.
    pub remote_rtp: SocketAddr,
    /// Where the peer wants RTCP: `a=rtcp`, else the next port, or the RTP port when multiplexed.
    pub remote_rtcp: SocketAddr,
    /// RTP and RTCP share one port on both sides (RFC 5761).
    pub rtcp_mux: bool,
    /// What *we* do: on hold by the peer we only listen (`RecvOnly`) or are `Inactive`.
    pub direction: Direction,
}

/// Why a description leads to no stream.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SdpError {
    /// The body is longer than [`MAX_BODY`].
    #[error("body of {0} bytes is above {MAX_BODY}")]
    TooLarge(usize),
    /// There are more media lines than [`MAX_MEDIA`].
    #[error("more than {MAX_MEDIA} media lines")]
    TooManyMedia,
    /// A media line cannot be read, so it could not be answered in place.
    #[error("media line {0} is malformed")]
    BadMedia(usize),
    /// The body says nothing that looks like SDP.
    #[error("body is not a session description")]
    NotSdp,
    /// No audio stream that we take, with a port, is offered, or the peer refused ours.
    #[error("no usable audio stream")]
    NoAudio,
    /// The audio stream has no IP address, or one of another family than ours.
    #[error("no usable address for audio")]
    NoAddress,
    /// No codec of the stream is a row of [`CODECS`].
    #[error("no common codec")]
    NoCommonCodec,
    /// One side wants encryption, and there is no key for it that both can use.
    #[error("no common encryption")]
    NoCommonCrypto,
}

impl SdpError {
    /// The SIP status that refuses such an offer: 400 for the unreadable, 488 for the unacceptable.
    pub fn status(&self) -> u16 {
        match self {
            Self::TooLarge(_) => 413,
            Self::TooManyMedia | Self::BadMedia(_) | Self::NotSdp => 400,
            Self::NoAudio | Self::NoAddress | Self::NoCommonCodec | Self::NoCommonCrypto => 488,
        }
    }
}
