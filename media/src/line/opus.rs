//! Opus by libopus, mono, in and out of 8 kHz: it decodes to any rate by itself, so nothing is resampled.
//!
//! In-band FEC (RFC 6716 §2.1.7): a packet may carry the one before it once more, smaller. [`Decoder::recover`] takes it out when that one
//! was lost and this one is there in time.

use audiopus::coder::{Decoder as Reader, Encoder as Writer};
use audiopus::packet::{self, Packet};
use audiopus::{Application, Bitrate, Channels, MutSignals, SampleRate, Signal};

/// What a peer wants of the Opus that it gets (RFC 7587 §6.1).
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct OpusWishes {
    /// It can use in-band FEC.
    pub fec: bool,
    /// It takes discontinuous transmission: hardly a packet in silence.
    pub dtx: bool,
    /// It wants a constant bit rate.
    pub cbr: bool,
    /// It wants no more bits a second than this on the mean.
    pub bitrate_max: Option<u32>,
}

/// Rate at which audio goes in and out.
const RATE: SampleRate = SampleRate::Hz8000;
/// Bits a second: narrow-band speech gains little from more, FEC included.
const BITRATE: u32 = 24_000;
/// Least bits a second that Opus speaks with, whatever a peer asks for (RFC 7587 §6.1).
const BITRATE_MIN: u32 = 6_000;
/// 0 to 10: more costs more than is heard of it in telephone band.
const COMPLEXITY: u8 = 2;
/// Of 100 packets, as many may be lost before the peer has told: how much the encoder gives for FEC.
const LOSS_PERCENT: u8 = 10;
/// The most and the least that it gives: more would leave nothing for the packet itself, and with none the first loss is heard.
const LOSS_PERCENTS: std::ops::RangeInclusive<u8> = 2..=30;
/// A packet this short is a peer's word that it is silent (DTX): a header without audio.
const PAUSE_MAX: usize = 2;
/// Samples of the longest packet, 120 ms (RFC 6716 §3.2.5).
pub(crate) const LONGEST: usize = 960;
/// Samples of the shortest frame, 2.5 ms: gaps are filled in whole ones.
pub(crate) const SHORTEST: usize = 20;
/// Samples of what is sent in one packet.
const SENT: [usize; 4] = [480, 320, 160, 80];
/// Octets of the longest packet sent: 60 ms at four times [`BITRATE`].
const OCTETS_MAX: usize = 720;

/// Samples at 8 kHz of a packet; 0 of one that is no Opus.
pub(crate) fn samples_in(payload: &[u8]) -> usize {
    let count = Packet::try_from(payload).and_then(|packet| packet::nb_samples(packet, RATE));
    count.ok().filter(|count| *count <= LONGEST).unwrap_or(0)
}

/// Whether a packet says that nothing is said.
pub(crate) fn is_pause(payload: &[u8]) -> bool {
    payload.len() <= PAUSE_MAX
}

/// The longest packet that may be sent of so many samples; 0 of less than 10 ms.
pub(crate) fn sent_of(samples: usize) -> usize {
    SENT.into_iter().find(|sent| *sent <= samples).unwrap_or(0)
}

/// Reads one stream.
#[derive(Debug)]
pub(crate) struct Decoder(Reader);

impl Default for Decoder {
    fn default() -> Self {
        Self(Reader::new(RATE, Channels::Mono).expect("libopus decodes mono to 8 kHz; nothing but memory can lack"))
    }
}

impl Decoder {
    /// Adds what a packet holds; silence of the same length for one that is broken inside.
    pub(crate) fn decode(&mut self, payload: &[u8], samples: &mut Vec<i16>) {
        self.read(payload, samples_in(payload), false, samples);
    }

    /// Adds `count` samples, whole [`SHORTEST`] ones and no more than [`LONGEST`], lost before the packet `next`: its FEC tells the last
    /// of them, and what it does not is guessed.
    pub(crate) fn recover(&mut self, next: &[u8], count: usize, samples: &mut Vec<i16>) {
        self.read(next, count, true, samples);
    }

    fn read(&mut self, payload: &[u8], count: usize, fec: bool, samples: &mut Vec<i16>) {
        let start = samples.len();
        samples.resize(start + count, 0);
        let room = MutSignals::try_from(&mut samples[start..]).expect("a packet's samples are few");
        if let Ok(packet) = Packet::try_from(payload) {
            // What a broken packet leaves behind may be anything.
            let read = self.0.decode(Some(packet), room, fec).unwrap_or(0);
            samples[start + read.min(count)..].fill(0);
        }
    }
}

/// Writes one stream.
#[derive(Debug)]
pub(crate) struct Encoder {
    writer: Writer,
    packet: Vec<u8>,
    /// What FEC is given for, in percent; `None` to a peer that cannot use it.
    loss: Option<u8>,
}

impl Encoder {
    pub(crate) fn new(wishes: OpusWishes) -> Self {
        let bitrate = wishes.bitrate_max.unwrap_or(BITRATE).clamp(BITRATE_MIN, BITRATE);
        let made = Writer::new(RATE, Channels::Mono, Application::Voip).and_then(|mut writer| {
            writer.set_bitrate(Bitrate::BitsPerSecond(bitrate as i32))?;
            writer.set_complexity(COMPLEXITY)?;
            writer.set_signal(Signal::Voice)?;
            writer.set_inband_fec(wishes.fec)?;
            writer.set_packet_loss_perc(if wishes.fec { LOSS_PERCENT } else { 0 })?;
            writer.set_dtx(wishes.dtx)?;
            writer.set_vbr(!wishes.cbr)?;
            Ok(writer)
        });
        let writer = made.expect("libopus encodes mono at 8 kHz with settings in their ranges; nothing but memory can lack");
        Self { writer, packet: vec![0; OCTETS_MAX], loss: wishes.fec.then_some(LOSS_PERCENT) }
    }

    /// Of 256 packets, as many were lost by the peer's last report. More counts at once; less by a quarter of the difference a report, since
    /// losses come in bursts.
    pub(crate) fn expect_loss(&mut self, lost: u8) {
        let Some(before) = self.loss else { return };
        let told = u8::try_from(u32::from(lost) * 100 / 256).expect("a share of a hundred");
        let fallen = before - (before.saturating_sub(told)).div_ceil(4);
        let now = told.max(fallen).clamp(*LOSS_PERCENTS.start(), *LOSS_PERCENTS.end());
        if now != before && self.writer.set_packet_loss_perc(now).is_ok() {
            self.loss = Some(now);
        }
    }

    /// A packet of [`sent_of`] samples; nothing when there is nothing to send (DTX).
    pub(crate) fn encode(&mut self, samples: &[i16]) -> &[u8] {
        let octets = self.writer.encode(samples, &mut self.packet).expect("a length of the table, and room for it");
        if is_pause(&self.packet[..octets]) { &[] } else { &self.packet[..octets] }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{as_heard_after, speech};
    use crate::units::Dbov;

    /// Packets of 20 ms.
    fn packets(wishes: OpusWishes, said: &[i16]) -> Vec<Vec<u8>> {
        let mut encoder = Encoder::new(wishes);
        said.chunks_exact(160).map(|frame| encoder.encode(frame).to_vec()).collect()
    }

    fn bitrate(packets: &[Vec<u8>]) -> usize {
        packets.iter().map(Vec::len).sum::<usize>() * 8 * 50 / packets.len()
    }

    #[test]
    fn speech_is_heard_as_it_was_said() {
        let said = speech();
        let (mut decoder, mut heard) = (Decoder::default(), Vec::new());
        for packet in packets(OpusWishes::default(), &said) {
            assert_eq!(samples_in(&packet), 160);
            decoder.decode(&packet, &mut heard);
        }
        assert_eq!(heard.len(), said.len());
        let (delay, alike) = as_heard_after(&said, &heard, 200);
        assert!(alike > 0.9, "{alike} after {delay} samples");
    }

    #[test]
    fn fec_gives_back_what_was_lost() {
        let said = speech();
        let packets = packets(OpusWishes { fec: true, ..OpusWishes::default() }, &said);
        let heard = |fec: bool| {
            let (mut decoder, mut heard) = (Decoder::default(), Vec::new());
            for (index, packet) in packets.iter().enumerate() {
                match (index % 10, packets.get(index + 1), fec) {
                    (9, Some(next), true) => decoder.recover(next, 160, &mut heard),
                    (9, ..) => heard.resize(heard.len() + 160, 0),
                    _ => decoder.decode(packet, &mut heard),
                }
            }
            as_heard_after(&said, &heard, 200).1
        };
        let (with, without) = (heard(true), heard(false));
        assert!(with > without + 0.02, "{with} with FEC, {without} without");
    }

    #[test]
    fn fec_follows_what_the_peer_tells_of_loss() {
        let told = |fec, reports: &[u8]| {
            let mut encoder = Encoder::new(OpusWishes { fec, ..OpusWishes::default() });
            let after = reports.iter().map(|lost| {
                encoder.expect_loss(*lost);
                encoder.loss
            });
            after.collect::<Vec<_>>()
        };
        assert_eq!(told(true, &[0, 0, 51, 255, 26]), [Some(7), Some(5), Some(19), Some(30), Some(25)]);
        assert_eq!(told(true, &[0; 20]).pop(), Some(Some(2)), "never nothing");
        assert_eq!(told(false, &[128]), [None]);
    }

    #[test]
    fn silence_is_not_sent_to_who_takes_dtx() {
        let silence = vec![0; 160 * 200];
        let sent = |dtx| {
            packets(OpusWishes { dtx, ..OpusWishes::default() }, &silence).iter().filter(|packet| !packet.is_empty()).count()
        };
        assert_eq!(sent(false), 200);
        assert!(sent(true) < 40, "{} of 200", sent(true));
    }

    #[test]
    fn bits_are_as_the_peer_wishes() {
        let said = speech();
        let low = bitrate(&packets(OpusWishes { bitrate_max: Some(8_000), ..OpusWishes::default() }, &said));
        let high = bitrate(&packets(OpusWishes { bitrate_max: Some(500_000), ..OpusWishes::default() }, &said));
        assert!(low < 10_000 && (12_000..30_000).contains(&high), "{low} and {high}");
        let constant = packets(OpusWishes { cbr: true, ..OpusWishes::default() }, &said);
        assert!(constant.iter().all(|packet| packet.len() == constant[0].len()));
    }

    #[test]
    fn packets_of_all_lengths_are_written_and_read() {
        for length in SENT {
            let mut encoder = Encoder::new(OpusWishes::default());
            let packet = encoder.encode(&vec![1_000; length]).to_vec();
            let mut samples = Vec::new();
            Decoder::default().decode(&packet, &mut samples);
            assert_eq!((samples_in(&packet), samples.len()), (length, length));
        }
        assert_eq!([79, 80, 240, 400, 480, 900].map(sent_of), [0, 80, 160, 320, 480, 480]);
    }

    #[test]
    fn what_is_broken_is_silence() {
        // A frame of 20 ms whose code says three frames, with a length that passes the end.
        let mut samples = vec![7];
        Decoder::default().decode(&[0x0B, 0x83, 0xFF], &mut samples);
        assert!(samples[1..].iter().all(|&sample| sample == 0));
        assert_eq!((samples_in(&[]), samples_in(&[0x03])), (0, 0));
        assert!(is_pause(&[0x08]) && !is_pause(&[0x08, 1, 2]));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..20), count in 1usize..48) {
            let (mut decoder, mut samples) = (Decoder::default(), Vec::new());
            for packet in &packets {
                let before = samples.len();
                decoder.decode(packet, &mut samples);
                prop_assert_eq!(samples.len() - before, samples_in(packet));
                decoder.recover(packet, count * SHORTEST, &mut samples);
            }
            prop_assert!(Dbov::of(&samples).0 <= 0.0);
        }
    }
}
