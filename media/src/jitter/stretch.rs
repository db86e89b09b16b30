//! Makes audio a pitch period longer or shorter without changing its pitch.

use crate::conceal::likeness;
use crate::units::Dbov;

/// Samples compared and blended: 10 ms.
pub(super) const BLEND: usize = 80;
/// Shifts tried: 2.5 to 15 ms.
const SHORTEST: usize = 20;
pub(super) const LONGEST: usize = 120;
/// Below this level nobody hears a seam.
const QUIET: Dbov = Dbov(-50.0);
/// Speech is joined only where it is this much alike.
const ALIKE: f32 = 0.8;

/// A join of two places of the same sound.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Join {
    /// Samples left out or put in.
    pub(super) shift: usize,
    /// Whether the place is quiet, so that another join may follow at once.
    pub(super) quiet: bool,
}

/// Finds what may be left out at the start of `audio`, of at least [`BLEND`] + [`LONGEST`] samples.
pub(super) fn find_shorter(audio: &[i16]) -> Option<Join> {
    let audio = &audio[..BLEND + LONGEST];
    find(audio, |shift| (&audio[..BLEND], &audio[shift..shift + BLEND]))
}

/// Finds what may be put in between `past`, of at least [`LONGEST`] samples, and the [`BLEND`] samples after it.
pub(super) fn find_longer(audio: &[i16], past: usize) -> Option<Join> {
    let audio = &audio[past - LONGEST..past + BLEND];
    find(audio, |shift| {
        let before = LONGEST - shift;
        (&audio[LONGEST..], &audio[before..before + BLEND])
    })
}

fn find<'a>(audio: &[i16], pair: impl Fn(usize) -> (&'a [i16], &'a [i16])) -> Option<Join> {
    if Dbov::of(audio) < QUIET {
        return Some(Join { shift: LONGEST, quiet: true });
    }
    let mut best = (ALIKE, None);
    for shift in SHORTEST..=LONGEST {
        let (left, right) = pair(shift);
        let likeness = likeness(left, right);
        if likeness > best.0 {
            best = (likeness, Some(Join { shift, quiet: false }));
        }
    }
    best.1
}

/// Blends from `from` into `into`, sample by sample, over `from`.
pub(super) fn blend(from: &mut [i16], into: &[i16]) {
    let length = from.len() as i32 + 1;
    for (index, (from, into)) in from.iter_mut().zip(into).enumerate() {
        let weight = index as i32 + 1;
        let sum = i32::from(*from) * (length - weight) + i32::from(*into) * weight;
        *from = (sum / length) as i16;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(period: usize, samples: usize) -> Vec<i16> {
        let step = std::f32::consts::TAU / period as f32;
        (0..samples).map(|index| ((index as f32 * step).sin() * 8_000.0) as i16).collect()
    }

    fn noise(samples: usize) -> Vec<i16> {
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) as i16
        };
        (0..samples).map(|_| next()).collect()
    }

    #[test]
    fn a_tone_is_joined_a_whole_period_apart() {
        for period in [20, 50, 64, 97, 120] {
            let audio = tone(period, 400);
            let shorter = find_shorter(&audio).unwrap();
            let longer = find_longer(&audio, 200).unwrap();
            assert_eq!((shorter.shift % period, longer.shift % period), (0, 0), "{period}");
            assert!(!shorter.quiet);
        }
    }

    #[test]
    fn quiet_may_be_joined_anywhere_and_noise_nowhere() {
        let quiet = Some(Join { shift: LONGEST, quiet: true });
        assert_eq!((find_shorter(&[3; 400]), find_longer(&[3; 400], 200)), (quiet, quiet));
        assert_eq!((find_shorter(&noise(400)), find_longer(&noise(400), 200)), (None, None));
    }

    #[test]
    fn a_blend_moves_evenly() {
        let mut from = [0, 0, 0];
        blend(&mut from, &[400, 400, 400]);
        assert_eq!(from, [100, 200, 300]);
    }
}
