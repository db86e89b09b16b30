//! Agent audio on its way into packets: from frames of 20 ms to the codec and the packet time of the wire.

use super::opus::{self, OpusWishes};
use super::{LineCodec, g722};
use crate::codec::Codec;
use crate::units::{FRAME, FRAME_SAMPLES, SampleRate};
use std::time::Duration;

/// The payload of one packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Packed<'a> {
    /// In the codec of the wire; empty when the codec has nothing to send for this time.
    pub payload: &'a [u8],
    /// How long it lasts on the RTP clock.
    pub ticks: u32,
}

/// Makes packets of frames, where that is more than to send each frame as it is.
///
/// ```text
/// frame    [20 ms] [20 ms] [20 ms] [20 ms] [20 ms]
/// 10 ms    [][]    [][]    [][]    [][]    [][]          two at once
/// 30 ms            [30   ] [30   ]                 ...   two in three frames
/// 60 ms                    [60           ]         ...
/// ```
/// One input, then drain [`Self::poll_packet`].
#[derive(Debug)]
pub struct Packer {
    codec: LineCodec,
    encoder: Encoder,
    /// Samples of a packet, at 8 kHz.
    packet: usize,
    /// Octets that wait, one a sample: of the wire, or in Opus of the call.
    octets: Vec<u8>,
    /// Octets at the start that have been given out.
    given: usize,
    ending: bool,
}

#[derive(Debug)]
enum Encoder {
    /// The frame's own octets.
    Same,
    /// The other law's.
    Law {
        law: Codec,
        own: Codec,
    },
    G722 {
        encoder: Box<g722::Encoder>,
        law: Codec,
        samples: Vec<i16>,
    },
    Opus {
        encoder: Box<opus::Encoder>,
        law: Codec,
        samples: Vec<i16>,
    },
}

impl Packer {
    /// The step of packet times: what a frame can be cut into.
    pub const STEP: Duration = Duration::from_millis(10);
    /// The longest packet time, 60 ms: three frames wait for each other.
    pub const LONGEST: Duration = Duration::from_millis(60);

    /// For packets of `ptime`, rounded down to whole [`Self::STEP`]s between one and [`Self::LONGEST`], in Opus to 10, 20, 40 or 60 ms;
    /// `None` when a frame is a packet as it is.
    pub fn new(codec: LineCodec, ptime: Duration, wishes: OpusWishes) -> Option<Self> {
        Self::of_law(codec, ptime, wishes, codec.row().law)
    }

    /// The same in a call that works in `law`, whatever the wire does.
    pub fn of_law(codec: LineCodec, ptime: Duration, wishes: OpusWishes, law: Codec) -> Option<Self> {
        let ptime = ptime.clamp(Self::STEP, Self::LONGEST);
        let steps = ptime.as_millis() / Self::STEP.as_millis();
        let mut packet = SampleRate::HZ_8000.samples_in(Self::STEP) * steps as usize;
        let encoder = match codec {
            LineCodec::G711(own) if own != law => Encoder::Law { law, own },
            LineCodec::G711(_) if packet == FRAME_SAMPLES => return None,
            LineCodec::G711(_) => Encoder::Same,
            LineCodec::G722 => {
                let samples = Vec::with_capacity(FRAME_SAMPLES);
                Encoder::G722 { encoder: Box::default(), law, samples }
            }
            LineCodec::Opus => {
                packet = opus::sent_of(packet);
                let samples = Vec::with_capacity(packet);
                Encoder::Opus { encoder: Box::new(opus::Encoder::new(wishes)), law, samples }
            }
        };
        let octets = Vec::with_capacity(packet + FRAME_SAMPLES);
        Some(Self { codec, encoder, packet, octets, given: 0, ending: false })
    }

    /// Takes a frame in the call's law.
    pub fn push(&mut self, frame: &[u8; FRAME_SAMPLES]) {
        self.octets.drain(..std::mem::take(&mut self.given));
        self.ending = false;
        let start = self.octets.len();
        self.octets.extend_from_slice(frame);
        match &mut self.encoder {
            Encoder::Same | Encoder::Opus { .. } => {}
            Encoder::Law { law, own } => law.recode(&mut self.octets[start..], *own),
            Encoder::G722 { encoder, law, samples } => {
                samples.clear();
                law.decode(frame, samples);
                let octets = self.octets[start..].as_mut_array().expect("a frame was pushed");
                encoder.encode(samples.as_array().expect("a frame was decoded"), octets);
            }
        }
    }

    /// Of 256 packets as many were lost lately: Opus gives as much for the next loss as that is worth. Others have nothing to give.
    pub fn expect_loss(&mut self, lost: u8) {
        if let Encoder::Opus { encoder, .. } = &mut self.encoder {
            encoder.expect_loss(lost);
        }
    }

    /// What waits is to go out now, in a shorter packet: something else is sent next.
    pub fn finish(&mut self) {
        self.ending = true;
    }

    /// The next packet that is whole.
    pub fn poll_packet(&mut self) -> Option<Packed<'_>> {
        let waiting = self.octets.len() - self.given;
        let count = match (&self.encoder, self.ending) {
            (_, false) => self.packet,
            (Encoder::Opus { .. }, true) => opus::sent_of(waiting.min(self.packet)),
            (_, true) => waiting.min(self.packet),
        };
        if count == 0 || count > waiting {
            return None;
        }
        let octets = &self.octets[self.given..self.given + count];
        self.given += count;
        let ticks = count as u32 * self.codec.scale();
        let payload = match &mut self.encoder {
            Encoder::Same | Encoder::Law { .. } | Encoder::G722 { .. } => octets,
            Encoder::Opus { encoder, law, samples } => {
                samples.clear();
                law.decode(octets, samples);
                encoder.encode(samples)
            }
        };
        Some(Packed { payload, ticks })
    }
}

// A frame is cut into whole steps.
const _: () = assert!(FRAME.as_millis().is_multiple_of(Packer::STEP.as_millis()));

#[cfg(test)]
mod tests {
    use super::*;

    /// Lengths of the packets of each frame pushed; `.` ends what waits.
    fn check(codec: LineCodec, ptime_ms: u64, expected: &str) {
        let mut packer = Packer::new(codec, Duration::from_millis(ptime_ms), OpusWishes::default()).unwrap();
        let clock = codec.row().clock.hz() / 1_000;
        let mut text = Vec::new();
        for number in 0..7 {
            match number {
                6 => packer.finish(),
                _ => packer.push(&[number; FRAME_SAMPLES]),
            }
            let mut lengths = Vec::new();
            while let Some(packed) = packer.poll_packet() {
                assert_eq!(codec.samples_in(packed.payload) as u32 / 8, packed.ticks / clock);
                lengths.push((packed.ticks / clock).to_string());
            }
            text.push(lengths.join("+"));
        }
        assert_eq!(text.join(" "), expected, "{ptime_ms} ms");
    }

    #[test]
    fn a_frame_in_the_other_law_is_recoded() {
        let (ptime, wishes) = (Duration::from_millis(20), OpusWishes::default());
        let mut packer = Packer::of_law(LineCodec::G711(Codec::Pcma), ptime, wishes, Codec::Pcmu).unwrap();
        packer.push(&[0xFF; FRAME_SAMPLES]);
        assert_eq!(packer.poll_packet(), Some(Packed { payload: &[0xD5; FRAME_SAMPLES], ticks: 160 }));
        assert_eq!(packer.poll_packet(), None);
    }

    #[test]
    fn any_ptime_is_cut_from_frames() {
        let g711 = LineCodec::G711(Codec::Pcma);
        check(g711, 10, "10+10 10+10 10+10 10+10 10+10 10+10 ");
        check(g711, 30, " 30 30  30 30 ");
        check(g711, 40, " 40  40  40 ");
        check(g711, 50, "  50  50  20");
        check(g711, 60, "  60   60 ");
        check(g711, 500, "  60   60 ");
        check(LineCodec::G722, 20, "20 20 20 20 20 20 ");
        check(LineCodec::G722, 3, "10+10 10+10 10+10 10+10 10+10 10+10 ");
        check(LineCodec::Opus, 20, "20 20 20 20 20 20 ");
        check(LineCodec::Opus, 30, "20 20 20 20 20 20 ");
        check(LineCodec::Opus, 50, " 40  40  40 ");
        assert!(Packer::new(g711, FRAME, OpusWishes::default()).is_none());
    }

    #[test]
    fn octets_leave_in_the_order_in_which_they_came() {
        let mut packer = Packer::new(LineCodec::G711(Codec::Pcmu), Duration::from_millis(30), OpusWishes::default()).unwrap();
        let mut all = Vec::new();
        for number in 0..5 {
            packer.push(&[number; FRAME_SAMPLES]);
            while let Some(packed) = packer.poll_packet() {
                all.extend_from_slice(packed.payload);
            }
        }
        packer.finish();
        all.extend_from_slice(packer.poll_packet().unwrap().payload);
        assert_eq!((packer.poll_packet(), all.len()), (None, 800));
        assert!(all.is_sorted());
    }
}
