//! The denoiser on real speech in noise, and on what is no speech at all.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::units::{Dbov, FRAME, FRAME_SAMPLES};

/// Eleven seconds of real speech.
fn speech() -> Vec<i16> {
    let wav = include_bytes!("../../tests/data/jfk_8k.wav");
    wav[44..].chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect()
}

/// Twice as many samples a second, each new one between two old.
fn doubled(samples: &[i16]) -> Vec<i16> {
    let next = samples.iter().skip(1).chain(samples.last());
    samples.iter().zip(next).flat_map(|(&now, &next)| [now, ((i32::from(now) + i32::from(next)) / 2) as i16]).collect()
}

/// White noise of this RMS.
fn noise(count: usize, rms: f32) -> Vec<i16> {
    let mut state = 1_u32;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.cast_signed() as f32 / 2_147_483_648.0
    };
    (0..count).map(|_| (next() * 3_f32.sqrt() * rms) as i16).collect()
}

fn sum(left: &[i16], right: &[i16]) -> Vec<i16> {
    left.iter().zip(right).map(|(left, right)| left.saturating_add(*right)).collect()
}

fn denoised(rate: SampleRate, samples: &[i16]) -> Vec<i16> {
    let mut denoiser = Denoiser::new(rate).unwrap();
    let mut samples = samples.to_vec();
    for frame in samples.chunks_mut(rate.samples_in(FRAME)) {
        denoiser.handle_frame(frame);
    }
    samples
}

/// Levels of the quietest tenth of the frames and of the loudest, after the noise was learned.
fn range(samples: &[i16], frame: usize) -> (f32, f32) {
    let mut levels: Vec<f32> = samples.chunks_exact(frame).skip(100).map(|frame| Dbov::of(frame).0).collect();
    levels.sort_by(f32::total_cmp);
    (levels[levels.len() / 10], levels[levels.len() * 9 / 10])
}

#[test]
fn noise_sinks_and_the_voice_stays() {
    let clean = speech();
    let noisy = sum(&clean, &noise(clean.len(), 600.0));
    for (rate, clean, noisy) in
        [(SampleRate::HZ_8000, clean.clone(), noisy.clone()), (SampleRate::HZ_16000, doubled(&clean), doubled(&noisy))]
    {
        let frame = rate.samples_in(FRAME);
        let (noise_in, voice_in) = range(&noisy, frame);
        let (noise_out, voice_out) = range(&denoised(rate, &noisy), frame);
        assert!(noise_in - noise_out > 8.0, "{rate:?}: noise from {noise_in} to {noise_out}");
        assert!((voice_in - voice_out).abs() < 2.0, "{rate:?}: voice from {voice_in} to {voice_out}");
        let (_, clean_in) = range(&clean, frame);
        let (_, clean_out) = range(&denoised(rate, &clean), frame);
        assert!((clean_in - clean_out).abs() < 1.5, "{rate:?}: without noise from {clean_in} to {clean_out}");
    }
}

#[test]
fn it_is_as_late_as_it_says() {
    for (rate, samples, ms) in [(SampleRate::HZ_8000, speech(), 12), (SampleRate::HZ_16000, doubled(&speech()), 6)] {
        let out = denoised(rate, &samples);
        let likeness = |lag: usize| samples.iter().zip(&out[lag..]).map(|(a, b)| i64::from(*a) * i64::from(*b)).sum::<i64>();
        let best = (0..300).max_by_key(|lag| likeness(*lag)).unwrap();
        let delay = Denoiser::new(rate).unwrap().delay();
        assert_eq!((rate.duration_of(best as u64), delay), (delay, Duration::from_millis(ms)));
    }
}

#[test]
fn nothing_spoils_what_comes_after_it() {
    let speech = speech();
    let (_, voice) = range(&denoised(SampleRate::HZ_8000, &speech), FRAME_SAMPLES);
    let clipped: Vec<i16> = (0..40_000).map(|n| if n / 7 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
    let current = vec![12_000; 40_000];
    let loud = noise(40_000, 12_000.0);
    for before in [vec![0; 40_000], clipped, current, loud, vec![i16::MIN; 40_000]] {
        // The second time counts: it learns the line of now in the first.
        let all = [&before[..], &speech[..], &speech[..]].concat();
        let out = denoised(SampleRate::HZ_8000, &all);
        let (_, after) = range(&out[before.len() + speech.len()..], FRAME_SAMPLES);
        assert!((after - voice).abs() < 2.5, "{voice} dBov, and {after} after {:?}", &before[..2]);
    }
    assert!(denoised(SampleRate::HZ_8000, &[0; 8_000]).iter().all(|sample| *sample == 0), "silence stays silence");
}

#[test]
fn other_rates_are_refused() {
    let error = Denoiser::new(SampleRate::HZ_48000).err().unwrap();
    assert_eq!(error.to_string(), "cannot denoise audio of 48000 Hz: 8000 and 16000 Hz are known");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn any_samples_in_frames_of_any_length_go_through(
        frames in prop::collection::vec(prop::collection::vec(any::<i16>(), 0..400), 1..40),
        wide in any::<bool>(),
    ) {
        let rate = if wide { SampleRate::HZ_16000 } else { SampleRate::HZ_8000 };
        let mut denoiser = Denoiser::new(rate).unwrap();
        for mut frame in frames {
            denoiser.handle_frame(&mut frame);
        }
        // What follows is still audio: a tone is neither silent nor louder than the gain allows.
        let mut last = vec![0; FRAME_SAMPLES];
        for at in 0..100 {
            last = (0..FRAME_SAMPLES).map(|n| (((at * FRAME_SAMPLES + n) as f32 * 0.3).sin() * 3_000.0) as i16).collect();
            denoiser.handle_frame(&mut last);
        }
        prop_assert!(last.iter().any(|sample| *sample != 0) && last.iter().all(|sample| sample.unsigned_abs() < 13_000));
    }
}
