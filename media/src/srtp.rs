//! SRTP and SRTCP (RFC 3711, RFC 7714) by `rtc-srtp`, whose cryptography is ring's, and what that leaves to its caller.
//!
//! The library, as of 0.21.1, takes an SRTCP packet without its encryption flag as it is, tag unread; keeps a state for every SSRC that
//! anybody names, true or not, and sets its replay window by the first packet that it sees; and reads header extensions again to find the
//! payload. So the flag is demanded here, a stream has a state once a packet of it was authentic, one for RTP and one for RTCP, and the
//! length of a header is told by our own parser.

use std::collections::VecDeque;
use std::fmt;

use bytes::{Bytes, BytesMut};
use rtc_rtp::header::Header;
use rtc_srtp::context::Context;
use rtc_srtp::crypto::default_provider;
use rtc_srtp::option::{srtcp_replay_protection, srtp_replay_protection};
use rtc_srtp::protection_profile::ProtectionProfile;

use crate::error::Error;
use crate::rtp::{FIXED_HEADER, header_length};

/// What protects the packets of one direction.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Suite {
    /// AES-CM with 128 bits, tags of 80 bits.
    AesCm128Sha1_80,
    /// The same with tags of 32 bits for RTP; those of RTCP have 80.
    AesCm128Sha1_32,
    /// AES-GCM with 128 bits.
    AeadAes128Gcm,
    /// AES-GCM with 256 bits.
    AeadAes256Gcm,
}

impl Suite {
    /// Octets of master key and master salt together.
    pub fn key_length(self) -> usize {
        self.profile().key_len() + self.profile().salt_len()
    }

    /// Octets of the one and of the other.
    pub(crate) fn lengths(self) -> (usize, usize) {
        (self.profile().key_len(), self.profile().salt_len())
    }

    fn profile(self) -> ProtectionProfile {
        match self {
            Self::AesCm128Sha1_80 => ProtectionProfile::Aes128CmHmacSha1_80,
            Self::AesCm128Sha1_32 => ProtectionProfile::Aes128CmHmacSha1_32,
            Self::AeadAes128Gcm => ProtectionProfile::AeadAes128Gcm,
            Self::AeadAes256Gcm => ProtectionProfile::AeadAes256Gcm,
        }
    }
}

/// Master key and salt of one direction. Its `Debug` hides them.
#[derive(Clone, Eq, PartialEq)]
pub struct MasterKey {
    suite: Suite,
    octets: Vec<u8>,
}

impl MasterKey {
    /// Key and salt, one after the other; `None` when they are not as long as the suite's.
    pub fn new(suite: Suite, octets: &[u8]) -> Option<Self> {
        (octets.len() == suite.key_length()).then(|| Self { suite, octets: octets.to_vec() })
    }

    fn context(&self) -> Context {
        let profile = self.suite.profile();
        let (key, salt) = self.octets.split_at(profile.key_len());
        let provider = default_provider().expect("ring is compiled in");
        let (rtp, rtcp) = (srtp_replay_protection(REPLAY_WINDOW), srtcp_replay_protection(REPLAY_WINDOW));
        Context::new(key, salt, profile, Some(rtp), Some(rtcp), provider.crypto())
            .expect("key and salt are as long as the suite's")
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "MasterKey({:?}, _)", self.suite)
    }
}

/// Packets that may come late or out of order and still be told from repeated ones: over a second at the shortest packet time. RFC 3711
/// §3.3.2 asks for 64.
pub const REPLAY_WINDOW: usize = 128;
/// Streams under one key that are taken, of RTP and of RTCP. None is forgotten, since what it sent could then come again; so there is room
/// for a peer that begins another with each refresh of a long call. The state of one takes about 200 octets.
pub const STREAMS_MAX: usize = 256;
/// Keys of the peer whose streams are remembered, the present one apart; of more, the one that was not used for longest is forgotten.
/// A peer that makes a new key with each offer never comes back to one.
pub const KEYS_MAX: usize = 4;

/// Our direction under one key. A key that comes back must seal a stream with another SSRC than before: packets under the same key, SSRC
/// and index would show each other ([`RtpSender::begin_anew`](crate::rtp::RtpSender::begin_anew)).
pub struct Sealer {
    key: MasterKey,
    context: Context,
}

impl Sealer {
    /// Nothing sent yet.
    pub fn new(key: MasterKey) -> Self {
        Self { context: key.context(), key }
    }

    /// What it seals with.
    pub fn key(&self) -> &MasterKey {
        &self.key
    }

    /// An RTP packet of ours, sealed; `None` when the key has sealed all that it may, 2^48 packets.
    pub fn seal(&mut self, packet: &[u8]) -> Option<BytesMut> {
        let header = header(packet).ok()?;
        self.context.encrypt_rtp_with_header(packet, &header).ok()
    }

    /// An RTCP packet of ours, sealed; `None` as for [`Self::seal`].
    pub fn seal_rtcp(&mut self, packet: &[u8]) -> Option<BytesMut> {
        self.context.encrypt_rtcp(packet).ok()
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Sealer(_)")
    }
}

/// The peer's direction: what is not authentic, or came before, is refused.
pub struct Opener {
    key: MasterKey,
    /// Of the streams below and no others.
    context: Context,
    /// Streams by SSRC, from their first authentic packet on: a report says nothing about the numbers of audio, nor the other way round.
    rtp: Vec<u32>,
    rtcp: Vec<u32>,
}

impl Opener {
    /// Nothing received yet.
    pub fn new(key: MasterKey) -> Self {
        Self { context: key.context(), key, rtp: Vec::new(), rtcp: Vec::new() }
    }

    /// What it opens with.
    pub fn key(&self) -> &MasterKey {
        &self.key
    }

    /// An SRTP packet as the RTP packet it was.
    ///
    /// # Errors
    /// `NotAuthentic`, or what is wrong with the header.
    pub fn open(&mut self, datagram: &Bytes) -> Result<Bytes, Error> {
        let header = header(datagram)?;
        let Self { key, context, rtp, .. } = self;
        open_in(key, (context, rtp), header.ssrc, |context| context.decrypt_rtp_with_header(datagram, &header).ok())
    }

    /// An SRTCP packet as the RTCP packet it was.
    ///
    /// # Errors
    /// `TooShort` or `NotAuthentic`.
    pub fn open_rtcp(&mut self, datagram: &Bytes) -> Result<Bytes, Error> {
        let profile = self.key.suite.profile();
        let (tag, after) = (profile.aead_auth_tag_len(), INDEX + profile.rtcp_auth_tag_len());
        let (length, minimum) = (datagram.len(), RTCP_HEADER + tag + after);
        if length < minimum {
            return Err(Error::TooShort { length, minimum });
        }
        if datagram[length - after] & ENCRYPTED == 0 {
            return Err(Error::NotAuthentic);
        }
        let ssrc = u32::from_be_bytes([datagram[4], datagram[5], datagram[6], datagram[7]]);
        let Self { key, context, rtcp, .. } = self;
        open_in(key, (context, rtcp), ssrc, |context| context.decrypt_rtcp(datagram).ok())
    }
}

/// Opens a packet of a stream in the state of the `known` ones. A packet of another stream is tried apart from them, since the library
/// begins a state before it knows whether a packet is authentic.
fn open_in(
    key: &MasterKey,
    (context, known): (&mut Context, &mut Vec<u32>),
    ssrc: u32,
    open: impl Fn(&mut Context) -> Option<BytesMut>,
) -> Result<Bytes, Error> {
    // The newest stream is the one that comes.
    if !known.iter().rev().any(|known| *known == ssrc) {
        if known.len() == STREAMS_MAX {
            return Err(Error::NotAuthentic);
        }
        open(&mut key.context()).ok_or(Error::NotAuthentic)?;
        known.push(ssrc);
    }
    open(context).map(BytesMut::freeze).ok_or(Error::NotAuthentic)
}

impl fmt::Debug for Opener {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Opener({} streams)", self.rtp.len())
    }
}

/// The peer's direction under the keys that it has had: one that comes back goes on where it was, so that nothing is taken twice.
#[derive(Debug, Default)]
pub struct Openers {
    current: Option<Opener>,
    /// The one used last is the last.
    before: VecDeque<Opener>,
}

impl Openers {
    /// None yet: what comes is plain.
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on this key, or none.
    pub fn choose(&mut self, key: Option<MasterKey>) {
        if self.current.as_ref().map(Opener::key) == key.as_ref() {
            return;
        }
        self.before.extend(self.current.take());
        self.current = key.map(|key| {
            let known = self.before.iter().position(|opener| *opener.key() == key);
            known.and_then(|index| self.before.remove(index)).unwrap_or_else(|| Opener::new(key))
        });
        if self.before.len() > KEYS_MAX {
            self.before.pop_front();
        }
    }

    /// What opens now; `None`: packets come as they are.
    pub fn current(&mut self) -> Option<&mut Opener> {
        self.current.as_mut()
    }
}

/// Octets of an RTCP header and its SSRC, which are not encrypted.
const RTCP_HEADER: usize = 8;
/// Octets of the SRTCP index; the first bit says that the packet is encrypted.
const INDEX: usize = 4;
const ENCRYPTED: u8 = 0x80;

/// What the library wants to know of a packet: sequence, SSRC, and where the payload begins, told as the padding of an empty extension
/// that long, which takes no memory.
fn header(packet: &[u8]) -> Result<Header, Error> {
    let beyond = header_length(packet)? - FIXED_HEADER;
    Ok(Header {
        version: 2,
        sequence_number: u16::from_be_bytes([packet[2], packet[3]]),
        ssrc: u32::from_be_bytes([packet[8], packet[9], packet[10], packet[11]]),
        extension: beyond > 0,
        extensions_padding: beyond.saturating_sub(EXTENSION_HEADER),
        ..Header::default()
    })
}

/// Octets before the length of an extension's contents ends.
const EXTENSION_HEADER: usize = 4;

#[cfg(test)]
mod tests;
