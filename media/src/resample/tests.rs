//! Tones through the resampler: level, aliases, length and delay.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::units::Dbov;

const RATES: [SampleRate; 4] = [SampleRate::HZ_16000, SampleRate::HZ_22050, SampleRate::HZ_24000, SampleRate::HZ_48000];

/// `seconds` of a sine at -9 dBov.
fn tone(rate: SampleRate, hz: f32, seconds: f32) -> Vec<i16> {
    let step = hz * std::f32::consts::TAU / rate.hz() as f32;
    let count = (seconds * rate.hz() as f32) as usize;
    (0..count).map(|n| ((n as f32 * step).sin() * 16_384.0) as i16).collect()
}

/// Level of the middle half: what is there once the filter has filled.
fn settled(samples: &[i16]) -> f32 {
    Dbov::of(&samples[samples.len() / 4..samples.len() * 3 / 4]).0
}

fn stream(source: SampleRate, target: SampleRate, samples: &[i16]) -> Vec<i16> {
    let mut resampler = Resampler::new(source, target).unwrap();
    let frames = samples.chunks_exact(source.samples_in(FRAME));
    frames.flat_map(|frame| resampler.handle_frame(frame).iter().map(|&s| to_int(s)).collect::<Vec<_>>()).collect()
}

#[test]
fn tones_of_the_telephone_band_keep_their_level_in_whole_prompts() {
    for source in RATES {
        for hz in [300.0, 1_000.0, 2_500.0, 3_400.0] {
            let input = tone(source, hz, 1.0);
            let output = convert(&input, source, SampleRate::HZ_8000).unwrap();
            let change = settled(&output) - settled(&input);
            assert!(change.abs() < 0.5, "{hz} Hz at {source:?} changed by {change} dB");
        }
    }
}

#[test]
fn tones_above_the_telephone_band_leave_no_alias() {
    for source in RATES {
        for hz in [4_700.0, 5_500.0, 7_000.0] {
            let output = convert(&tone(source, hz, 1.0), source, SampleRate::HZ_8000).unwrap();
            // What the rounding of the tone to 16 bits leaves is below -75 dBov.
            let level = settled(&output);
            assert!(level < -75.0, "{hz} Hz at {source:?} left {level} dBov");
        }
    }
}

#[test]
fn a_prompt_is_as_long_as_before_and_in_the_same_place() {
    for source in RATES {
        // A click at 100 ms of 305 ms, an odd length.
        let mut input = vec![0; source.samples_in(Duration::from_millis(305))];
        input[source.samples_in(Duration::from_millis(100))] = 30_000;
        let output = convert(&input, source, SampleRate::HZ_8000).unwrap();
        let (peak, _) = output.iter().enumerate().max_by_key(|(_, sample)| sample.abs()).unwrap();
        assert_eq!((output.len(), peak), (2_440, 800), "{source:?}");
    }
}

#[test]
fn edges_of_a_prompt() {
    let same = convert(&[1, 2, 3], SampleRate::HZ_8000, SampleRate::HZ_8000).unwrap();
    assert_eq!(same, [1, 2, 3]);
    assert_eq!(convert(&[], SampleRate::HZ_24000, SampleRate::HZ_8000).unwrap(), [0_i16; 0]);
    assert_eq!(convert(&[9, 9, 9, 9], SampleRate::HZ_24000, SampleRate::HZ_8000).unwrap().len(), 2);
}

#[test]
fn full_scale_is_clipped_and_not_wrapped() {
    let square: Vec<i16> = (0..24_000).map(|n| if n / 12 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
    let output = convert(&square, SampleRate::HZ_24000, SampleRate::HZ_8000).unwrap();
    // The band-limited square overshoots in the middle of each half wave; wrapped, it would change sign there.
    let flips = output.windows(2).filter(|pair| (pair[0] < 0) != (pair[1] < 0)).count();
    assert!((1_995..=2_000).contains(&flips), "1,000 Hz crosses zero 2,000 times a second, here {flips}");
}

#[test]
fn streaming_keeps_tones_and_adds_no_image() {
    for hz in [300.0, 1_000.0, 3_400.0] {
        let input = tone(SampleRate::HZ_8000, hz, 1.0);
        let wide = stream(SampleRate::HZ_8000, SampleRate::HZ_16000, &input);
        let change = settled(&wide) - settled(&input);
        assert!(change.abs() < 0.5, "{hz} Hz changed by {change} dB");
        // The first image is at 8 kHz - hz; what remains is seen by taking the tone's fit out.
        let image = goertzel(&wide, 8_000.0 - hz);
        assert!(image < -55.0, "image of {hz} Hz is at {image} dBov");
    }
}

/// Level of one frequency in the middle half of 16 kHz audio.
fn goertzel(samples: &[i16], hz: f32) -> f32 {
    let samples = &samples[samples.len() / 4..samples.len() * 3 / 4];
    let step = f64::from(hz) * std::f64::consts::TAU / 16_000.0;
    let (mut re, mut im) = (0.0, 0.0);
    for (n, &sample) in samples.iter().enumerate() {
        let value = f64::from(sample) / 32_768.0;
        re += value * (step * n as f64).cos();
        im += value * (step * n as f64).sin();
    }
    let amplitude = 2.0 * re.hypot(im) / samples.len() as f64;
    (20.0 * (amplitude / std::f64::consts::SQRT_2).max(1e-9).log10()) as f32
}

#[test]
fn streaming_is_late_by_the_delay_it_states() {
    for (source, target, delay_ms) in [
        (SampleRate::HZ_8000, SampleRate::HZ_16000, 5),
        (SampleRate::HZ_8000, SampleRate::HZ_24000, 5),
        (SampleRate::HZ_24000, SampleRate::HZ_8000, 5),
        (SampleRate::HZ_22050, SampleRate::HZ_8000, 10),
    ] {
        let mut input = vec![0; source.samples_in(10 * FRAME)];
        input[source.samples_in(5 * FRAME)] = 30_000;
        let output = stream(source, target, &input);
        let (peak, _) = output.iter().enumerate().max_by_key(|(_, sample)| sample.abs()).unwrap();
        let delay = Duration::from_millis(delay_ms);
        assert_eq!(Resampler::new(source, target).unwrap().delay(), delay);
        assert_eq!((output.len(), peak), (target.samples_in(10 * FRAME), target.samples_in(5 * FRAME + delay)));
    }
}

#[test]
fn streaming_takes_frames_of_any_length_as_20_ms() {
    let mut resampler = Resampler::new(SampleRate::HZ_8000, SampleRate::HZ_16000).unwrap();
    for length in [0, 1, 159, 160, 161, 4_000] {
        assert_eq!(resampler.handle_frame(&vec![1_000; length]).len(), 320);
    }
}

#[test]
fn rates_without_whole_frames_are_refused_by_name() {
    let odd = SampleRate::from_hz(11_025).unwrap();
    let expected = "cannot resample 11025 Hz to 8000 Hz: 20 ms is not a whole number of samples in both";
    assert_eq!(convert(&[], odd, SampleRate::HZ_8000).unwrap_err().to_string(), expected);
    assert_eq!(Resampler::new(odd, SampleRate::HZ_8000).err().unwrap().to_string(), expected);
}
