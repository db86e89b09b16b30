//! What lies between a caller's audio and the wire: the codec, and the keys.

use std::borrow::Cow;

use bytes::Bytes;
use media::codec::Codec;
use media::line::packer::Packer;
use media::line::unpacker::Unpacker;
use media::line::{LineCodec, OpusWishes};
use media::srtp::{MasterKey, Opener, Sealer, Suite};
use media::units::{FRAME, FRAME_SAMPLES, SampleRate};
use sip::sdp::{CryptoKey, CryptoSuite, Negotiated};

/// Both directions of one call.
#[derive(Debug)]
pub(super) struct Carriage {
    pub codec: LineCodec,
    /// None where a frame of the call is a packet as it is.
    packer: Option<Packer>,
    unpacker: Unpacker,
    sealer: Option<Sealer>,
    opener: Option<Opener>,
    /// The peer's clock as it was last, on the wire and at 8 kHz.
    clock: Option<(u32, u32)>,
}

impl Carriage {
    pub(super) fn new(negotiated: &Negotiated) -> Self {
        let codec = match negotiated.codec {
            sip::sdp::Codec::Pcma => LineCodec::G711(Codec::Pcma),
            sip::sdp::Codec::G722 => LineCodec::G722,
            sip::sdp::Codec::Opus => LineCodec::Opus,
            _ => LineCodec::G711(Codec::Pcmu),
        };
        let wishes = OpusWishes { fec: negotiated.opus.fec, ..OpusWishes::default() };
        let keys = negotiated.crypto.as_ref().map(|crypto| {
            let suite = match crypto.suite {
                CryptoSuite::AesCm128Sha1_32 => Suite::AesCm128Sha1_32,
                CryptoSuite::AesCm128Sha1_80 => Suite::AesCm128Sha1_80,
                CryptoSuite::AeadAes128Gcm => Suite::AeadAes128Gcm,
                CryptoSuite::AeadAes256Gcm => Suite::AeadAes256Gcm,
            };
            let key = |key: &CryptoKey| MasterKey::new(suite, key.reveal()).expect("SDP takes only keys as long as the suite's");
            (key(&crypto.local), key(&crypto.remote))
        });
        let (local, remote) = keys.unzip();
        Self {
            codec,
            packer: Packer::new(codec, FRAME, wishes),
            unpacker: Unpacker::new(codec),
            sealer: local.map(Sealer::new),
            opener: remote.map(Opener::new),
            clock: None,
        }
    }

    /// The law in which the call's audio is given and taken.
    pub(super) fn law(&self) -> Codec {
        self.codec.row().law
    }

    /// Ticks of the RTP clock in a frame.
    pub(super) fn frame_ticks(&self) -> u32 {
        (self.codec.row().clock.hz() / SampleRate::HZ_8000.hz()) * FRAME_SAMPLES as u32
    }

    /// A frame of octets in the law as the payload of its packet.
    pub(super) fn pack<'a>(&'a mut self, frame: &'a [u8]) -> &'a [u8] {
        match (&mut self.packer, frame.as_array()) {
            (Some(packer), Some(frame)) => {
                packer.push(frame);
                packer.poll_packet().map_or(&[], |packed| packed.payload)
            }
            _ => frame,
        }
    }

    /// A packet sealed; none when it goes out as it is.
    pub(super) fn seal(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        self.sealer.as_mut().and_then(|sealer| sealer.seal(packet)).map(|sealed| sealed.to_vec())
    }

    /// What came, in the open; none of what is not authentic.
    pub(super) fn open<'a>(&mut self, bytes: &'a [u8]) -> Option<Cow<'a, [u8]>> {
        let Some(opener) = &mut self.opener else {
            return Some(Cow::Borrowed(bytes));
        };
        opener.open(&Bytes::copy_from_slice(bytes)).ok().map(|opened| Cow::Owned(opened.to_vec()))
    }

    /// The time of a packet on a clock of 8 kHz, which all that is measured counts in.
    pub(super) fn time(&mut self, wire: u32) -> u32 {
        let scale = (self.codec.row().clock.hz() / SampleRate::HZ_8000.hz()).cast_signed();
        let (last_wire, last) = *self.clock.get_or_insert((wire, wire));
        // Steps are multiples of the scale; what is no multiple stays where it was.
        let steps = wire.wrapping_sub(last_wire).cast_signed() / scale;
        let now = (last_wire.wrapping_add_signed(steps * scale), last.wrapping_add_signed(steps));
        self.clock = Some(now);
        now.1
    }

    /// The samples of a packet, at 8 kHz.
    pub(super) fn decode(&mut self, payload: &[u8], samples: &mut Vec<i16>) {
        self.unpacker.decode(payload, samples);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use sip::sdp::{self, LocalKeys, LocalMedia, SessionDescription, SrtpPolicy};

    /// Both ends of a call in this codec.
    fn call(codec: sip::sdp::Codec, srtp: SrtpPolicy) -> [Carriage; 2] {
        let local = |seed: u8| LocalMedia {
            codecs: vec![codec],
            srtp,
            keys: LocalKeys::new(|octets| octets.fill(seed)),
            ..LocalMedia::new([127, 0, 0, 1].into(), 4_000, 1)
        };
        let offer = SessionDescription::parse(sdp::offer(&local(1)).as_bytes()).unwrap();
        let (answer, callee) = sdp::answer(&offer, &local(2)).unwrap();
        let caller = sdp::accept(&SessionDescription::parse(answer.as_bytes()).unwrap(), &local(1)).unwrap();
        [Carriage::new(&caller), Carriage::new(&callee)]
    }

    #[test]
    fn a_frame_comes_through_in_every_codec_and_sealed() {
        use sip::sdp::Codec::{G722, Opus, Pcma, Pcmu};
        for (codec, ticks) in [(Pcmu, 160), (Pcma, 160), (G722, 160), (Opus, 960)] {
            for srtp in [SrtpPolicy::Off, SrtpPolicy::Required] {
                let [mut caller, mut callee] = call(codec, srtp);
                assert_eq!(caller.frame_ticks(), ticks);
                let header = [0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9];
                let packet = [&header, caller.pack(&[0x55; FRAME_SAMPLES])].concat();
                let sealed = caller.seal(&packet);
                assert_eq!(sealed.is_some(), srtp == SrtpPolicy::Required);
                let sent = sealed.unwrap_or(packet.clone());
                assert_eq!(*callee.open(&sent).unwrap(), packet);
                let mut samples = Vec::new();
                callee.decode(&packet[header.len()..], &mut samples);
                assert_eq!(samples.len(), FRAME_SAMPLES, "{codec:?}");
                if srtp == SrtpPolicy::Required {
                    assert!(callee.open(&packet).is_none(), "what is not sealed is not taken");
                }
            }
        }
    }

    #[test]
    fn every_clock_is_told_at_8_khz() {
        let [mut opus, _] = call(sip::sdp::Codec::Opus, SrtpPolicy::Off);
        let start = u32::MAX - 960;
        let times = [start, start.wrapping_add(960), start.wrapping_add(2_880), start.wrapping_add(1_920)];
        let told = times.map(|time| opus.time(time).wrapping_sub(start));
        assert_eq!(told, [0, 160, 480, 320]);
        let [mut g722, _] = call(sip::sdp::Codec::G722, SrtpPolicy::Off);
        assert_eq!([7, 167, 487].map(|time| g722.time(time)), [7, 167, 487]);
    }
}
