//! What can be wrong with bytes that came from outside.

use crate::rtp::MAX_DATAGRAM;

/// Why bytes were refused. All but `NotWav` are the peer's fault; `NotWav` is the operator's.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Fewer octets than the fixed header.
    #[error("packet of {length} octets is below {minimum}")]
    TooShort {
        /// Octets there are.
        length: usize,
        /// Octets the fixed header takes.
        minimum: usize,
    },
    /// More octets than [`MAX_DATAGRAM`].
    #[error("packet of {length} octets is above {MAX_DATAGRAM}")]
    TooLong {
        /// Octets there are.
        length: usize,
    },
    /// Not RTP or RTCP version 2.
    #[error("version {version} is not 2")]
    Version {
        /// The version on the wire, 0 to 3.
        version: u8,
    },
    /// CSRC list, extension or report longer than the packet.
    #[error("header takes {needed} octets of {length}")]
    Truncated {
        /// Octets the header claims.
        needed: usize,
        /// Octets there are.
        length: usize,
    },
    /// Padding of no octets, or of more than there are.
    #[error("padding of {padding} octets in {length}")]
    Padding {
        /// Octets the last octet claims.
        padding: usize,
        /// Octets they could be taken from.
        length: usize,
    },
    /// Sealed by somebody else, changed on its way, or here before (SRTP).
    #[error("packet is not authentic or not new")]
    NotAuthentic,
    /// A file that is not one of our recordings.
    #[error("not a 16-bit PCM WAV file: {field}")]
    NotWav {
        /// The header field that is wrong.
        field: &'static str,
    },
}

impl Error {
    /// Label for `rtp_rejected_total{reason}`.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::TooShort { .. } => "too_short",
            Self::TooLong { .. } => "too_long",
            Self::Version { .. } => "version",
            Self::Truncated { .. } => "truncated",
            Self::Padding { .. } => "padding",
            Self::NotAuthentic => "srtp",
            Self::NotWav { .. } => "not_wav",
        }
    }
}
