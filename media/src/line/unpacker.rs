//! The audio of packets without a jitter buffer, for who measures a line from its other end.

use super::{Decoder, LineCodec};
use crate::codec::Codec;

/// Decodes the packets of one stream as they come: [`Packer`](super::packer::Packer) the other way round. Losses are left out.
#[derive(Debug)]
pub struct Unpacker {
    law: Codec,
    decoder: Option<Decoder>,
}

impl Unpacker {
    /// For packets of this codec.
    pub fn new(codec: LineCodec) -> Self {
        let law = codec.row().law;
        Self { law, decoder: codec.decoder(law) }
    }

    /// Adds the samples of a packet, at 8 kHz; fewer of one that is broken.
    pub fn decode(&mut self, payload: &[u8], samples: &mut Vec<i16>) {
        match &mut self.decoder {
            Some(decoder) => decoder.decode(payload, samples),
            None => self.law.decode(payload, samples),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::LINES;
    use crate::line::OpusWishes;
    use crate::line::packer::Packer;
    use crate::units::{FRAME, FRAME_SAMPLES};

    #[test]
    fn what_was_packed_is_heard() {
        // 500 Hz, a whole number of its periods a frame.
        let tone: Vec<i16> =
            (0..FRAME_SAMPLES).map(|index| (8_000.0 * (index as f32 * std::f32::consts::TAU / 16.0).sin()) as i16).collect();
        for row in &LINES {
            let mut frame = Vec::new();
            row.law.encode(&tone, &mut frame);
            let frame: &[u8; FRAME_SAMPLES] = frame.as_array().unwrap();
            let mut packer = Packer::new(row.codec, FRAME, OpusWishes::default());
            let (mut unpacker, mut heard) = (Unpacker::new(row.codec), Vec::new());
            for _ in 0..50 {
                match &mut packer {
                    None => unpacker.decode(frame, &mut heard),
                    Some(packer) => {
                        packer.push(frame);
                        unpacker.decode(packer.poll_packet().unwrap().payload, &mut heard);
                    }
                }
            }
            assert_eq!(heard.len(), 50 * FRAME_SAMPLES, "{}", row.name);
            let level = |samples: &[i16]| samples.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>().sqrt();
            let ratio = level(&heard[40 * FRAME_SAMPLES..]) / (level(&tone) * 10_f64.sqrt());
            assert!((0.8..1.25).contains(&ratio), "{}: {ratio} of what was said", row.name);
        }
    }
}
