//! G.722 by `audio-codec`, in and out of 8 kHz.

use std::fmt;

use audio_codec::g722::{Bitrate, G722Decoder, G722Encoder};
use audio_codec::{Decoder as _, Encoder as _};

use crate::double::Doubler;
use crate::units::FRAME_SAMPLES;

/// The lower half of the band, which is telephone audio at 8 kHz, alone: the upper half is not even looked at.
pub(crate) struct Decoder(G722Decoder);

impl Default for Decoder {
    fn default() -> Self {
        Self(G722Decoder::with_options(Bitrate::Mode1_64000, false, true))
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("G722Decoder")
    }
}

impl Decoder {
    /// One sample an octet.
    pub(crate) fn decode(&mut self, octets: &[u8], samples: &mut Vec<i16>) {
        let start = samples.len();
        samples.resize(start + octets.len(), 0);
        self.0.decode_into(octets, &mut samples[start..]).expect("there is room for one sample an octet");
    }
}

/// Telephone audio at 16 kHz: its upper half is empty. The library's encoder of 8 kHz gives the octet -8 whatever it hears, as of 0.4.13.
pub(crate) struct Encoder {
    encoder: G722Encoder,
    doubler: Doubler,
    wide: [i16; 2 * FRAME_SAMPLES],
}

impl Default for Encoder {
    fn default() -> Self {
        Self { encoder: G722Encoder::new(), doubler: Doubler::new(), wide: [0; 2 * FRAME_SAMPLES] }
    }
}

impl fmt::Debug for Encoder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("G722Encoder")
    }
}

impl Encoder {
    /// One frame, one octet a sample, 2 ms late.
    pub(crate) fn encode(&mut self, samples: &[i16; FRAME_SAMPLES], octets: &mut [u8; FRAME_SAMPLES]) {
        for (wide, sample) in self.wide.iter_mut().zip(self.doubler.handle_frame(samples)) {
            *wide = (sample * 32_768.0) as i16;
        }
        self.encoder.encode_into(&self.wide, octets).expect("there is room for one octet for two samples");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conceal::likeness;
    use crate::testing::{as_heard_after, speech};

    #[test]
    fn speech_is_heard_as_it_was_said() {
        let said = speech();
        let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
        let (mut heard, mut octets) = (Vec::new(), [0; FRAME_SAMPLES]);
        for frame in said.as_chunks().0 {
            encoder.encode(frame, &mut octets);
            decoder.decode(&octets, &mut heard);
        }
        assert_eq!(heard.len(), said.len());
        // 2 ms of the doubler, and what the two half-bands' filter takes of sixteen samples at 16 kHz.
        let (delay, alike) = as_heard_after(&said, &heard, 60);
        assert!(alike > 0.97 && (16..=40).contains(&delay), "{alike} after {delay} samples");
        assert!(likeness(&said, &heard) < alike);
    }
}
