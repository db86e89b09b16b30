//! The tone after which a message is spoken.

use bytes::Bytes;
use media::codec::Codec;

/// 400 ms of 440 Hz at -16 dBov, with 10 ms of fade at both ends.
pub(super) fn beep(codec: Codec) -> Bytes {
    let step = FREQUENCY * std::f32::consts::TAU / 8_000.0;
    let samples: Vec<i16> = (0..LENGTH)
        .map(|n| {
            let fade = n.min(LENGTH - 1 - n).min(FADE) as f32 / FADE as f32;
            ((n as f32 * step).sin() * PEAK * fade) as i16
        })
        .collect();
    let mut octets = Vec::with_capacity(LENGTH);
    codec.encode(&samples, &mut octets);
    octets.into()
}

const FREQUENCY: f32 = 440.0;
const LENGTH: usize = 3_200;
const FADE: usize = 80;
/// 10^(-16/20) * sqrt(2) of full scale.
const PEAK: f32 = 7_344.0;

#[cfg(test)]
mod tests {
    use media::units::Dbov;

    use super::*;

    #[test]
    fn the_beep_is_440_hz_at_minus_16_dbov_in_both_laws() {
        for codec in [Codec::Pcma, Codec::Pcmu] {
            let mut samples = Vec::new();
            codec.decode(&beep(codec), &mut samples);
            assert_eq!(samples.len(), 3_200);
            let level = Dbov::of(&samples[80..3_120]).0;
            assert!((level + 16.0).abs() < 0.3, "{level}");
            let crossings = samples.windows(2).filter(|pair| (pair[0] < 0) != (pair[1] < 0)).count();
            assert!((350..=353).contains(&crossings), "440 Hz for 400 ms crosses zero 352 times: {crossings}");
        }
    }
}
