//! Comfort noise (RFC 3389): what is played while a peer is silent on purpose, so that the line does not sound dead.

use crate::units::Dbov;

/// White noise of one level. The spectrum that a peer may describe after its level is not followed: nobody listens to it but engines.
#[derive(Clone, Debug)]
pub(crate) struct ComfortNoise {
    peak: f32,
    state: u32,
}

/// Noise is never louder than this, whatever a peer says: louder noise is no comfort.
const LOUDEST: Dbov = Dbov(-30.0);

impl ComfortNoise {
    /// Noise of this level, at most [`LOUDEST`].
    pub(crate) fn new(level: Dbov) -> Self {
        // A uniform distribution's peak is the root of 3 above its RMS.
        let peak = Dbov(level.0.min(LOUDEST.0)).rms() * 3_f32.sqrt();
        Self { peak, state: 1 }
    }

    /// Of a comfort noise packet: its first octet is the level below overload (RFC 3389 §3.1).
    pub(crate) fn of(payload: &[u8]) -> Option<Self> {
        payload.first().map(|level| Self::new(Dbov(-f32::from(level & 0x7F))))
    }

    /// Adds noise to `samples`.
    pub(crate) fn add(&mut self, samples: &mut [i16]) {
        for sample in samples {
            // xorshift32 (Marsaglia).
            self.state ^= self.state << 13;
            self.state ^= self.state >> 17;
            self.state ^= self.state << 5;
            let noise = self.state.cast_signed() as f32 / 2_147_483_648.0 * self.peak;
            *sample = sample.saturating_add(noise as i16);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(octet: u8, expected: f32) {
        let mut samples = [0; 8_000];
        ComfortNoise::of(&[octet, 1, 2]).unwrap().add(&mut samples);
        let level = Dbov::of(&samples).0;
        assert!((level - expected).abs() < 0.5, "{octet}: {level} dBov");
    }

    #[test]
    fn the_level_is_as_told_and_never_loud() {
        check(60, -60.0);
        check(40, -40.0);
        check(0, -30.0);
        check(0x80 | 50, -50.0);
        assert!(ComfortNoise::of(&[]).is_none());
    }

    #[test]
    fn silence_stays_silence_and_nothing_wraps() {
        let mut samples = [0, i16::MAX, i16::MIN];
        ComfortNoise::of(&[127]).unwrap().add(&mut samples);
        assert_eq!(samples, [0, i16::MAX, i16::MIN]);
        let mut loud = [i16::MAX; 100];
        ComfortNoise::of(&[30]).unwrap().add(&mut loud);
        assert!(loud.iter().all(|&sample| sample > 30_000));
    }
}
