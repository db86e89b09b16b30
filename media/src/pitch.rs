//! Pitch of the caller's voice: how high it is in this frame, if it is voiced at all.
//!
//! ```text
//! 8 kHz ──► 4 kHz, 180 to 800 Hz ──► the last 40 ms against themselves 2.5 to 16.5 ms earlier ──► the shortest lag that fits nearly best
//! ```
//! A telephone cuts off the fundamental of most voices; the distance of their harmonics is still there, and so is the lag at which
//! the wave repeats. Below 180 Hz there is little else than the noise of cars and rooms. It is kept simple: turn-taking wants to know
//! whether a voice falls, not the melody.

use std::array;

use crate::units::FRAME_SAMPLES;

/// Samples a second of the search.
const RATE: f32 = 4_000.0;

/// Samples compared: 40 ms, two periods of the deepest voices.
const WINDOW: usize = 160;

/// Lags searched: 400 Hz down to 60 Hz.
const LAG_MIN: usize = 10;
const LAG_MAX: usize = 66;

/// Samples kept.
const HISTORY: usize = WINDOW + LAG_MAX;

/// Of a new frame.
const NEW: usize = FRAME_SAMPLES / 2;

/// How like itself a voiced sound is one period later, at least.
const VOICED: f32 = 0.6;

/// The least share of a voiced sound's energy that passes the filter. What is left of an "s" is narrow enough to look like a tone.
const LOW_SHARE: f32 = 0.1;

/// A shorter lag is taken when it fits this well compared with the best: else half the pitch would be found as often as the pitch.
const NEARLY_BEST: f32 = 0.88;

/// Samples are kept with so much less than they came with, and no louder than this, so that 160 products fit into 32 bits: a processor
/// multiplies and adds eight such pairs at once.
const SCALE: f32 = 1.0 / 16.0;
const LOUDEST: f32 = 3_600.0;

/// The filter before the rate is halved, -3 dB at 800 Hz: between two samples of a higher tone its peak would be missed.
const TAPS: [f32; 8] = [0.02, 0.08, 0.17, 0.23, 0.23, 0.17, 0.08, 0.02];

/// The pole of the one after it, -3 dB at 180 Hz.
const POLE: f32 = 0.75;

/// The tracker of one leg; a value without allocations.
pub struct Pitch {
    history: [i16; HISTORY],
    /// The last samples of the frame before, for the first filter, and what went through and came out of the second.
    tail: [f32; TAPS.len() - 1],
    before: (f32, f32),
    /// Energy of the last two frames, scaled, each sample counted half as the search has half of them.
    energy: [f32; 2],
}

impl Default for Pitch {
    fn default() -> Self {
        Self::new()
    }
}

impl Pitch {
    /// One that has heard nothing.
    pub fn new() -> Self {
        Self { history: [0; HISTORY], tail: [0.0; TAPS.len() - 1], before: (0.0, 0.0), energy: [0.0; 2] }
    }

    /// The next 20 ms at 8 kHz; a shorter frame is filled up with silence.
    pub fn handle_frame(&mut self, samples: &[i16]) {
        const TAIL: usize = TAPS.len() - 1;
        let mut wide = [0.0; FRAME_SAMPLES + TAIL];
        wide[..TAIL].copy_from_slice(&self.tail);
        for (to, &from) in wide[TAIL..].iter_mut().zip(samples) {
            *to = f32::from(from) * SCALE;
        }
        self.energy = [self.energy[1], energy(&wide[TAIL..]) / 2.0];
        self.tail.copy_from_slice(&wide[FRAME_SAMPLES..]);
        self.history.copy_within(NEW.., 0);
        for (to, wide) in self.history[HISTORY - NEW..].iter_mut().zip(wide.windows(TAPS.len()).step_by(2)) {
            let low: f32 = wide.iter().zip(TAPS).map(|(sample, tap)| sample * tap).sum();
            self.before = (low, low - self.before.0 + POLE * self.before.1);
            *to = self.before.1.clamp(-LOUDEST, LOUDEST) as i16;
        }
    }

    /// Hertz, 60 to 400, of the last 40 ms; `None` when they are not voiced.
    pub fn find(&self) -> Option<f32> {
        let now = self.window(LAG_MAX);
        let energy = dot(now, now) as f32;
        if energy <= LOW_SHARE * self.energy.iter().sum::<f32>() {
            return None;
        }
        let square = |at: usize| i32::from(self.history[at]).pow(2);
        let mut past_energy = dot(now, now);
        let mut fits = [0.0; LAG_MAX + 1];
        for (lag, fit) in fits.iter_mut().enumerate().skip(1) {
            let from = LAG_MAX - lag;
            past_energy += square(from) - square(from + WINDOW);
            if lag >= LAG_MIN - 1 {
                *fit = dot(now, self.window(from)) as f32 / (energy * past_energy.max(1) as f32).sqrt();
            }
        }
        peak(&fits)
    }

    fn window(&self, from: usize) -> &[i16; WINDOW] {
        self.history[from..].first_chunk().expect("lags end with the history")
    }
}

/// The shortest lag of a peak that is nearly the best, between samples.
fn peak(fits: &[f32; LAG_MAX + 1]) -> Option<f32> {
    let tops = (LAG_MIN..LAG_MAX).filter(|&lag| fits[lag] >= fits[lag - 1] && fits[lag] >= fits[lag + 1]).map(|lag| {
        // A parabola through three samples.
        let (left, top, right) = (fits[lag - 1], fits[lag], fits[lag + 1]);
        let bend = left - 2.0 * top + right;
        let shift = if bend < 0.0 { (0.5 * (left - right) / bend).clamp(-0.5, 0.5) } else { 0.0 };
        (lag as f32 + shift, top - 0.25 * (left - right) * shift)
    });
    let best = tops.clone().map(|(_, fit)| fit).fold(0.0, f32::max);
    if best < VOICED {
        return None;
    }
    let (lag, _) = tops.into_iter().find(|&(_, fit)| fit >= NEARLY_BEST * best)?;
    Some(RATE / lag)
}

/// Sum of products; see [`LOUDEST`].
fn dot(a: &[i16; WINDOW], b: &[i16; WINDOW]) -> i32 {
    a.iter().zip(b).fold(0, |sum: i32, (&a, &b)| sum.wrapping_add(i32::from(a).wrapping_mul(i32::from(b))))
}

/// Sum of squares, in eight lanes since one would wait for itself.
fn energy(samples: &[f32]) -> f32 {
    let mut lanes = [0.0; 8];
    for samples in samples.as_chunks::<8>().0 {
        lanes = array::from_fn(|lane| lanes[lane] + samples[lane] * samples[lane]);
    }
    lanes.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A voice: harmonics of `hz` within the telephone band, weaker as they are higher, its pitch rising by `slope` Hz a second.
    fn voice(hz: f32, slope: f32) -> Vec<i16> {
        let sample = |n: usize| {
            let seconds = n as f32 / 8_000.0;
            let phase = (hz + slope * seconds / 2.0) * seconds * std::f32::consts::TAU;
            let tone = |harmonic: u16| {
                let at = f32::from(harmonic) * hz;
                if (300.0..3_400.0).contains(&at) { (phase * f32::from(harmonic)).sin() / f32::from(harmonic) } else { 0.0 }
            };
            ((1..40).map(tone).sum::<f32>() * 6_000.0) as i16
        };
        (0..1_600).map(sample).collect()
    }

    fn find(samples: &[i16]) -> Option<f32> {
        let mut pitch = Pitch::new();
        samples.chunks(FRAME_SAMPLES).for_each(|frame| pitch.handle_frame(frame));
        pitch.find()
    }

    #[test]
    fn the_pitch_of_a_telephone_voice_is_found_though_its_fundamental_is_not_there() {
        for hz in [75.0, 90.0, 118.0, 150.0, 205.0, 260.0, 330.0] {
            let found = find(&voice(hz, 0.0)).unwrap_or_default();
            assert!((found / hz - 1.0).abs() < 0.02, "{hz} Hz: {found}");
        }
    }

    #[test]
    fn a_falling_voice_is_followed() {
        // 200 ms at -150 Hz a second: the last 40 ms are 27 Hz deeper on average.
        let found = find(&voice(200.0, -150.0)).unwrap_or_default();
        assert!((168.0..178.0).contains(&found), "{found}");
    }

    #[test]
    fn noise_and_silence_have_no_pitch() {
        assert_eq!(find(&[0; 1_600]), None);
        let mut random = 0x9e37_79b9_u32;
        let noise: Vec<i16> = (0..1_600)
            .map(|_| {
                random ^= random << 13;
                random ^= random >> 17;
                random ^= random << 5;
                (random >> 18) as i16
            })
            .map(|value| value - 8_192)
            .collect();
        assert_eq!(find(&noise), None);
    }
}
