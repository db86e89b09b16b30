//! Sounds that are made, sounds of files, and what mixing leaves of the agent.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::wav::WavFormat;

const RATE: SampleRate = SampleRate::HZ_8000;

fn file(format: WavFormat, samples: impl IntoIterator<Item = i16>) -> Vec<u8> {
    let samples: Vec<u8> = samples.into_iter().flat_map(i16::to_le_bytes).collect();
    [&wav::header(format, samples.len() as u64)[..], &samples].concat()
}

fn mono(hz: u32) -> WavFormat {
    WavFormat { channels: 1, rate: SampleRate::from_hz(hz).unwrap() }
}

fn hiss(count: usize) -> Vec<i16> {
    let mut random = StdRng::seed_from_u64(1);
    (0..count).map(|_| random.random_range(-8_000..8_000)).collect()
}

/// What goes out of so many frames of this octet.
fn played(ambience: &Arc<Ambience>, codec: Codec, octet: u8, frames: usize) -> (Vec<i16>, Vec<Dbov>) {
    let mut mixer = AmbienceMixer::new(Arc::clone(ambience), 0);
    let (mut samples, mut levels) = (Vec::new(), Vec::new());
    for _ in 0..frames {
        let mut frame = [octet; FRAME_SAMPLES];
        levels.push(mixer.mix(codec, &mut frame));
        codec.decode(&frame, &mut samples);
    }
    (samples, levels)
}

#[test]
fn what_is_made_has_its_level_and_no_louder_moments_than_a_room_has() {
    for surroundings in [Surroundings::Office, Surroundings::Room] {
        for level in [-60.0, -45.0, -25.0] {
            let made = Ambience::made(surroundings, RATE, Dbov(level));
            assert!((Dbov::of(&made.samples).0 - level).abs() < 0.5, "{surroundings:?} {:?}", Dbov::of(&made.samples));
            let seconds: Vec<f32> = made.samples.chunks_exact(8_000).map(|second| Dbov::of(second).0).collect();
            assert!(seconds.iter().all(|second| (level - 6.0..level + 6.0).contains(second)), "{surroundings:?} {seconds:?}");
        }
        let made = Ambience::made(surroundings, RATE, Dbov(-45.0));
        assert_eq!((made.length(), &made), (MADE, &Ambience::made(surroundings, RATE, Dbov(-45.0))), "each time the same");
    }
}

#[test]
fn a_loop_has_no_seam() {
    // A ramp jumps at its end, unless that is faded into the beginning.
    let ramp = file(mono(8_000), (0..16_000).map(|index| (index - 8_000) as i16));
    let ambience = Ambience::of_wav(&ramp, RATE, Dbov(-20.0)).unwrap();
    let twice = [&ambience.samples[..], &ambience.samples[..]].concat();
    let steps = twice.windows(2).map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs());
    // The jump would be 11,000; the root with which a fade begins makes its first step the greatest, a 63rd of what it fades.
    assert!(steps.clone().max().unwrap() < 300, "{:?}", steps.max());
    assert_eq!(ambience.length(), Duration::from_millis(1_500));
}

#[test]
fn files_of_other_rates_and_two_channels_are_taken() {
    for hz in [8_000, 16_000, 22_050, 44_100, 48_000] {
        let ambience = Ambience::of_wav(&file(mono(hz), hiss(2 * hz as usize)), RATE, Dbov(-40.0)).unwrap();
        assert_eq!(ambience.length(), Duration::from_millis(1_500), "{hz} Hz");
        assert!((Dbov::of(&ambience.samples).0 + 40.0).abs() < 0.5, "{hz} Hz");
    }
    let both = file(WavFormat::RECORDING, hiss(16_000).into_iter().flat_map(|sample| [sample, sample]));
    let one = file(mono(8_000), hiss(16_000));
    let [both, one] = [both, one].map(|file| Ambience::of_wav(&file, RATE, Dbov(-40.0)).unwrap());
    assert_eq!(both, one);
}

#[test]
fn files_that_cannot_be_played_are_refused_with_the_reason() {
    let check = |bytes: &[u8], expected: &str| {
        assert_eq!(Ambience::of_wav(bytes, RATE, Dbov(-40.0)).unwrap_err().to_string(), expected);
    };
    check(b"RIFX", "not a 16-bit PCM WAV file: RIFF");
    check(&file(mono(8_000), hiss(7_999)), "999 ms is outside 1000-60000 ms");
    check(&file(mono(8_000), hiss(60 * 8_000 + 8)), "60001 ms is outside 1000-60000 ms");
    check(&file(mono(8_000), vec![0; 16_000]), "nothing is to be heard in it");
    let rate = "cannot resample 11025 Hz to 8000 Hz: 20 ms is not a whole number of samples in both";
    check(&file(mono(11_025), hiss(22_050)), rate);
    // A header that claims more than there is.
    let whole = file(mono(8_000), hiss(16_000));
    check(&whole[..44 + 8_001], "500 ms is outside 1000-60000 ms");
}

#[test]
fn silence_becomes_the_room_and_speech_stays_above_it() {
    let ambience = Arc::new(Ambience::made(Surroundings::Room, RATE, Dbov(-45.0)));
    for codec in [Codec::Pcmu, Codec::Pcma] {
        let silence = codec.row().silence;
        let (samples, levels) = played(&ambience, codec, silence, 1_200);
        assert!((Dbov::of(&samples).0 + 45.0).abs() < 1.0, "{codec:?} {:?}", Dbov::of(&samples));
        assert_eq!(samples[..32_000], samples[160_000..], "it repeats after 20 s");
        assert!(levels.iter().all(|level| level.0 < -70.0), "the agent is silent: {:?}", levels[0]);
        let mut loud = Vec::new();
        codec.encode(&[8_000], &mut loud);
        let (_, levels) = played(&ambience, codec, loud[0], 2);
        assert!((levels[0].0 + 12.2).abs() < 0.3, "{:?}", levels[0]);
    }
}

#[test]
fn two_listeners_are_at_two_places_and_none_beyond_the_end() {
    let ambience = Arc::new(Ambience::made(Surroundings::Office, RATE, Dbov(-30.0)));
    let first = |listener| {
        let mut frame = [Codec::Pcmu.row().silence; FRAME_SAMPLES];
        AmbienceMixer::new(Arc::clone(&ambience), listener).mix(Codec::Pcmu, &mut frame);
        frame
    };
    assert_ne!(first(0), first(7_777));
    assert_eq!(first(3), first(3 + ambience.samples.len() as u64));
    first(u64::MAX);
}

#[test]
fn a_frame_that_is_full_does_not_wrap() {
    let ambience = Arc::new(Ambience::made(Surroundings::Room, RATE, Dbov(-25.0)));
    let (samples, _) = played(&ambience, Codec::Pcmu, 0x80, 500);
    assert!(samples.iter().all(|sample| *sample > 20_000), "{:?}", samples.iter().min());
}
