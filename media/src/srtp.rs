//! SRTP and SRTCP (RFC 3711, RFC 7714) by `rtc-srtp`, whose cryptography is ring's, and what that leaves to its caller.
//!
//! The library, as of 0.21.1, takes an SRTCP packet without its encryption flag as it is, tag unread; keeps a state for every SSRC that
//! anybody names, true or not; and reads header extensions again to find the payload. So the flag is demanded here, a stream has a state
//! once a packet of it was authentic, and the length of a header is told by our own parser.

use std::fmt;

use bytes::{Bytes, BytesMut};
use rtc_rtp::header::Header;
use rtc_srtp::context::Context;
use rtc_srtp::crypto::default_provider;
use rtc_srtp::option::{srtcp_replay_protection, srtp_replay_protection};
use rtc_srtp::protection_profile::ProtectionProfile;

use crate::error::Error;
use crate::rtp::header_length;

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
/// Streams of one key that are taken: a peer begins another when it transfers us, and none does so often.
pub const STREAMS_MAX: usize = 8;

/// Our direction. One [`MasterKey`] may have one for RTP and one for RTCP, and no two of a kind: packets under the same key and index would
/// show each other.
pub struct Sealer(Context);

impl Sealer {
    /// Nothing sent yet.
    pub fn new(key: &MasterKey) -> Self {
        Self(key.context())
    }

    /// An RTP packet of ours, sealed; `None` when the key has sealed all that it may, 2^48 packets.
    pub fn seal(&mut self, packet: &[u8]) -> Option<BytesMut> {
        let header = header(packet).ok()?;
        self.0.encrypt_rtp_with_header(packet, &header).ok()
    }

    /// An RTCP packet of ours, sealed; `None` as for [`Self::seal`].
    pub fn seal_rtcp(&mut self, packet: &[u8]) -> Option<BytesMut> {
        self.0.encrypt_rtcp(packet).ok()
    }
}

/// Our direction under each key that a dialog has had: one that comes back goes on where it was.
#[derive(Debug, Default)]
pub struct Sealers {
    all: Vec<(MasterKey, Sealer)>,
    current: Option<usize>,
}

impl Sealers {
    /// None yet: what is sent is plain.
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on this key, or none; whether it is another than before. What follows must then be a new stream. A dialog has one key a
    /// [`Suite`], so there are few.
    pub fn choose(&mut self, key: Option<MasterKey>) -> bool {
        let before = self.current;
        self.current = key.map(|key| {
            let known = self.all.iter().position(|(known, _)| *known == key);
            known.unwrap_or_else(|| {
                self.all.push((key.clone(), Sealer::new(&key)));
                self.all.len() - 1
            })
        });
        self.current != before
    }

    /// What seals now; `None`: packets go out as they are.
    pub fn current(&mut self) -> Option<&mut Sealer> {
        self.current.map(|index| &mut self.all[index].1)
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
    /// A state a stream, by SSRC, from its first authentic packet on.
    streams: Vec<(u32, Context)>,
}

impl Opener {
    /// Nothing received yet.
    pub fn new(key: MasterKey) -> Self {
        Self { key, streams: Vec::new() }
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
        self.with(header.ssrc, |context| context.decrypt_rtp_with_header(datagram, &header).ok())
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
        self.with(ssrc, |context| context.decrypt_rtcp(datagram).ok())
    }

    /// Opens in the state of a stream, or of a new one, which is kept only if its packet is authentic.
    fn with(&mut self, ssrc: u32, open: impl FnOnce(&mut Context) -> Option<BytesMut>) -> Result<Bytes, Error> {
        if let Some((_, context)) = self.streams.iter_mut().find(|(known, _)| *known == ssrc) {
            return open(context).map(BytesMut::freeze).ok_or(Error::NotAuthentic);
        }
        if self.streams.len() == STREAMS_MAX {
            return Err(Error::NotAuthentic);
        }
        let mut context = self.key.context();
        let opened = open(&mut context).ok_or(Error::NotAuthentic)?;
        self.streams.push((ssrc, context));
        Ok(opened.freeze())
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Opener({} streams)", self.streams.len())
    }
}

/// Octets of an RTCP header and its SSRC, which are not encrypted.
const RTCP_HEADER: usize = 8;
/// Octets of the SRTCP index; the first bit says that the packet is encrypted.
const INDEX: usize = 4;
const ENCRYPTED: u8 = 0x80;

/// What the library wants to know of a packet: sequence, SSRC, and where the payload begins, told as a list of CSRC that long.
fn header(packet: &[u8]) -> Result<Header, Error> {
    let length = header_length(packet)?;
    Ok(Header {
        version: 2,
        sequence_number: u16::from_be_bytes([packet[2], packet[3]]),
        ssrc: u32::from_be_bytes([packet[8], packet[9], packet[10], packet[11]]),
        csrc: vec![0; (length - 12) / 4],
        ..Header::default()
    })
}

#[cfg(test)]
mod tests;
