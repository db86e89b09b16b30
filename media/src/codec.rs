//! Codecs as rows of one table; G.711 in both laws, by lookup.

use crate::units::SampleRate;

/// A codec a leg can speak. A new one is a variant here and a row in [`CODECS`].
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Codec {
    /// G.711 A-law, 64 kbit/s.
    Pcma,
    /// G.711 mu-law, 64 kbit/s.
    Pcmu,
}

/// What there is to know of a codec.
#[derive(Debug)]
pub struct CodecRow {
    /// The codec this row describes.
    pub codec: Codec,
    /// Encoding name in SDP (RFC 3551 §6).
    pub name: &'static str,
    /// Payload type by static assignment (RFC 3551 §6).
    pub payload_type: u8,
    /// Rate of the RTP clock; differs from the sample rate in G.722.
    pub clock_rate: u32,
    /// Rate of the decoded samples.
    pub rate: SampleRate,
    /// The octet that decodes to silence.
    pub silence: u8,
    encode: &'static [u8; 1 << 14],
    decode: &'static [i16; 256],
}

/// Every codec there is, one row each.
pub static CODECS: [CodecRow; 2] = [
    CodecRow {
        codec: Codec::Pcmu,
        name: "PCMU",
        payload_type: 0,
        clock_rate: 8_000,
        rate: SampleRate::HZ_8000,
        silence: 0xFF,
        encode: &MU_ENCODE,
        decode: &MU_DECODE,
    },
    CodecRow {
        codec: Codec::Pcma,
        name: "PCMA",
        payload_type: 8,
        clock_rate: 8_000,
        rate: SampleRate::HZ_8000,
        silence: 0xD5,
        encode: &A_ENCODE,
        decode: &A_DECODE,
    },
];

impl Codec {
    /// This codec's row.
    pub fn row(self) -> &'static CodecRow {
        match self {
            Self::Pcmu => &CODECS[0],
            Self::Pcma => &CODECS[1],
        }
    }

    /// Encodes `samples` onto the end of `octets`, one octet a sample.
    pub fn encode(self, samples: &[i16], octets: &mut Vec<u8>) {
        let table = self.row().encode;
        octets.extend(samples.iter().map(|&sample| table[index(sample)]));
    }

    /// Encodes `samples` over `octets`, as many as the shorter holds.
    pub fn encode_over(self, samples: &[i16], octets: &mut [u8]) {
        let table = self.row().encode;
        for (octet, &sample) in octets.iter_mut().zip(samples) {
            *octet = table[index(sample)];
        }
    }

    /// Turns `octets` of this codec into octets of another, in place.
    pub fn recode(self, octets: &mut [u8], to: Codec) {
        let (decode, encode) = (self.row().decode, to.row().encode);
        for octet in octets {
            *octet = encode[index(decode[usize::from(*octet)])];
        }
    }

    /// Decodes `octets` onto the end of `samples`, one sample an octet.
    pub fn decode(self, octets: &[u8], samples: &mut Vec<i16>) {
        let table = self.row().decode;
        samples.extend(octets.iter().map(|&octet| table[octet as usize]));
    }
}

// Laws as in ITU-T G.191 (g711.c): mu-law sees the upper 14 bits of a sample and A-law 12 of them, so a table indexed
// by 14 bits encodes exactly what the arithmetic would.

fn index(sample: i16) -> usize {
    usize::from(sample as u16 >> 2)
}

static MU_ENCODE: [u8; 1 << 14] = {
    let mut table = [0; 1 << 14];
    let mut index = 0;
    while index < table.len() {
        table[index] = mu_compress((index << 2) as u16 as i16);
        index += 1;
    }
    table
};

static A_ENCODE: [u8; 1 << 14] = {
    let mut table = [0; 1 << 14];
    let mut index = 0;
    while index < table.len() {
        table[index] = a_compress((index << 2) as u16 as i16);
        index += 1;
    }
    table
};

static MU_DECODE: [i16; 256] = {
    let mut table = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        table[octet] = mu_expand(octet as u8);
        octet += 1;
    }
    table
};

static A_DECODE: [i16; 256] = {
    let mut table = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        table[octet] = a_expand(octet as u8);
        octet += 1;
    }
    table
};

const fn magnitude(sample: i16) -> i32 {
    if sample < 0 { !sample as i32 } else { sample as i32 }
}

const fn mu_compress(sample: i16) -> u8 {
    let mut level = (magnitude(sample) >> 2) + 33;
    if level > 0x1FFF {
        level = 0x1FFF;
    }
    let segment = 26 - level.leading_zeros() as i32;
    let mantissa = (level >> (segment + 1)) & 0xF;
    let code = ((segment << 4) | mantissa) as u8;
    !(code | if sample < 0 { 0x80 } else { 0 })
}

const fn mu_expand(octet: u8) -> i16 {
    let code = !octet;
    let segment = (code >> 4) & 7;
    let mantissa = (code & 0xF) as i32;
    let level = ((mantissa * 2 + 33) << segment) - 33;
    (if code & 0x80 != 0 { -level * 4 } else { level * 4 }) as i16
}

const fn a_compress(sample: i16) -> u8 {
    let level = magnitude(sample) >> 4;
    let code = if level < 16 {
        level
    } else {
        let segment = 28 - level.leading_zeros() as i32;
        (segment << 4) | ((level >> (segment - 1)) & 0xF)
    };
    (code as u8 | if sample < 0 { 0 } else { 0x80 }) ^ 0x55
}

const fn a_expand(octet: u8) -> i16 {
    let code = octet ^ 0x55;
    let segment = (code >> 4) & 7;
    let mantissa = ((code & 0xF) as i32) * 16 + 8;
    let level = match segment {
        0 => mantissa,
        _ => (mantissa + 256) << (segment - 1),
    };
    (if code & 0x80 != 0 { level } else { -level }) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(codec: Codec, sample: i16) -> u8 {
        let mut octets = Vec::new();
        codec.encode(&[sample], &mut octets);
        octets[0]
    }

    fn back(codec: Codec, octet: u8) -> i16 {
        let mut samples = Vec::new();
        codec.decode(&[octet], &mut samples);
        samples[0]
    }

    #[test]
    fn rows_are_found_by_their_codec() {
        for row in &CODECS {
            assert_eq!(row.codec.row().name, row.name);
            assert!(back(row.codec, row.silence).abs() <= 8);
            assert_eq!(one(row.codec, 0), row.silence);
        }
    }

    #[test]
    fn mu_law_meets_the_decision_values_of_g711() {
        // ITU-T G.711 table 2: virtual decision values and quantized values, times 4 to 16 bits.
        for (sample, octet) in [(0, 0xFF), (32_635, 0x80), (-32_636, 0x00), (32_767, 0x80)] {
            assert_eq!(one(Codec::Pcmu, sample), octet, "{sample}");
        }
        for (octet, sample) in [(0x80, 32_124), (0x00, -32_124), (0x8F, 16_764), (0xEF, 132), (0xFE, 8), (0xFF, 0), (0x7F, 0)] {
            assert_eq!(back(Codec::Pcmu, octet), sample, "{octet:#x}");
        }
    }

    #[test]
    fn a_law_meets_the_decision_values_of_g711() {
        for (sample, octet) in [(0, 0xD5), (-1, 0x55), (32_767, 0xAA), (-32_768, 0x2A)] {
            assert_eq!(one(Codec::Pcma, sample), octet, "{sample}");
        }
        for (octet, sample) in [(0xD5, 8), (0x55, -8), (0xAA, 32_256), (0x2A, -32_256), (0xC5, 264)] {
            assert_eq!(back(Codec::Pcma, octet), sample, "{octet:#x}");
        }
    }

    #[test]
    fn every_octet_survives_decode_and_encode() {
        for octet in 0..=255 {
            assert_eq!(one(Codec::Pcma, back(Codec::Pcma, octet)), octet);
            // Mu-law has two zeros; the negative one becomes the positive.
            let expected = if octet == 0x7F { 0xFF } else { octet };
            assert_eq!(one(Codec::Pcmu, back(Codec::Pcmu, octet)), expected);
        }
    }

    #[test]
    fn recoding_keeps_the_sound() {
        let mut octets = [0xFF, 0x80, 0x00, 0xEF];
        Codec::Pcmu.recode(&mut octets, Codec::Pcma);
        assert_eq!(octets.map(|octet| back(Codec::Pcma, octet)), [8, 32_256, -32_256, 136]);
    }

    #[test]
    fn no_sample_moves_further_than_half_its_step() {
        for codec in [Codec::Pcma, Codec::Pcmu] {
            for sample in i16::MIN..=i16::MAX {
                let error = i32::from(back(codec, one(codec, sample))) - i32::from(sample);
                let limit = (i32::from(sample).abs() / 32).max(8) + 8;
                let clipped = i32::from(sample).abs() > 32_000;
                assert!(error.abs() <= limit || clipped, "{codec:?} {sample} {error}");
            }
        }
    }
}
