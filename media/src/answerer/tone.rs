//! A pure tone: the beep of a machine.

use crate::units::{Dbov, SampleRate};

/// Where beeps are, in hertz: below is a hum, above little comes through a telephone.
const LOWEST_HZ: f32 = 350.0;
const HIGHEST_HZ: f32 = 2_600.0;
/// Fainter tones are no beep that a caller is to hear.
const FAINTEST: Dbov = Dbov(-42.0);
/// Share of the energy that the tone has. A vowel has more than one harmonic.
const PURITY_MIN: f32 = 0.85;
/// From frame to frame a beep stays where it is, and a voice does not.
const DRIFT_MAX_HZ: f32 = 12.0;

/// Counts how long a tone lasts.
#[derive(Debug, Default)]
pub(super) struct ToneFinder {
    run: u32,
    hz: f32,
}

impl ToneFinder {
    /// Takes a frame of 8 kHz.
    pub(super) fn handle_frame(&mut self, samples: &[i16]) {
        let found = pure_tone(samples);
        match found {
            Some(hz) if self.run > 0 && (hz - self.hz).abs() <= DRIFT_MAX_HZ => self.run += 1,
            Some(_) => self.run = 1,
            None => self.run = 0,
        }
        self.hz = found.unwrap_or_default();
    }

    /// Frames that the tone lasts; zero: there is none.
    pub(super) fn run(&self) -> u32 {
        self.run
    }

    /// Its frequency, when there is one.
    pub(super) fn hz(&self) -> u32 {
        self.hz.round() as u32
    }
}

/// The frequency of samples that are one sine and little else.
///
/// The estimate is Pisarenko's, from the correlations at one and two samples, which white noise does not touch; Goertzel's sum then says
/// how much of the energy is there.
fn pure_tone(samples: &[i16]) -> Option<f32> {
    if Dbov::of(samples).0 < FAINTEST.0 {
        return None;
    }
    let sum = |lag: usize| -> f32 {
        samples.iter().zip(samples.iter().skip(lag)).map(|(a, b)| f32::from(*a) * f32::from(*b)).sum::<f32>()
            / (samples.len() - lag) as f32
    };
    let (first, second) = (sum(1), sum(2));
    // The same root in two forms: with a `second` below zero the first one takes like from like, and at 2 kHz `first` is none.
    let root = (second * second + 8.0 * first * first).sqrt();
    let cosine = if second < 0.0 { 2.0 * first / (root - second) } else { (second + root) / (4.0 * first) };
    if !(-1.0..=1.0).contains(&cosine) {
        return None;
    }
    let angle = cosine.acos();
    let hz = angle * SampleRate::HZ_8000.hz() as f32 / std::f32::consts::TAU;
    ((LOWEST_HZ..=HIGHEST_HZ).contains(&hz) && purity(samples, angle) >= PURITY_MIN).then_some(hz)
}

/// Share of the energy at this angle a sample.
fn purity(samples: &[i16], angle: f32) -> f32 {
    let coefficient = 2.0 * angle.cos();
    let (mut before, mut last, mut energy) = (0.0_f32, 0.0_f32, 0.0_f32);
    for sample in samples {
        let sample = f32::from(*sample);
        let next = sample + coefficient * last - before;
        before = last;
        last = next;
        energy += sample * sample;
    }
    let power = last * last + before * before - coefficient * last * before;
    power * 2.0 / (samples.len() as f32 * energy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(hz: f32, peak: f32, noise: f32) -> Vec<i16> {
        let mut seed = 1_u32;
        let mut random = move || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            seed as f32 / u32::MAX as f32 * 2.0 - 1.0
        };
        let step = hz * std::f32::consts::TAU / 8_000.0;
        (0..160).map(|n| (peak * (step * n as f32).sin() + noise * random()) as i16).collect()
    }

    #[test]
    fn a_tone_is_found_where_it_is() {
        for hz in [400.0, 440.0, 1_000.0, 1_400.0, 2_000.0, 2_500.0] {
            let found = pure_tone(&sine(hz, 8_000.0, 600.0)).unwrap_or_default();
            assert!((found - hz).abs() < 12.0, "{hz}: {found}");
            let found = pure_tone(&sine(hz, 8_000.0, 0.0)).unwrap_or_default();
            assert!((found - hz).abs() < 12.0, "{hz} without noise: {found}");
        }
    }

    #[test]
    fn noise_hum_and_two_tones_are_none() {
        assert_eq!(pure_tone(&sine(1_000.0, 0.0, 8_000.0)), None);
        assert_eq!(pure_tone(&sine(100.0, 8_000.0, 0.0)), None);
        assert_eq!(pure_tone(&sine(1_000.0, 100.0, 0.0)), None);
        assert_eq!(pure_tone(&[0; 160]), None);
        let two: Vec<i16> = sine(440.0, 8_000.0, 0.0).iter().zip(sine(900.0, 8_000.0, 0.0)).map(|(a, b)| a / 2 + b / 2).collect();
        assert_eq!(pure_tone(&two), None);
    }
}
