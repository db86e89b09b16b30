//! That what we invent for lost packets is nearer to what was said than silence is, without PESQ: by the loudness of bands of real speech.
//!
//! Not by signal-to-noise ratio: a pitch period that is repeated slips out of phase, which nobody hears and which makes that ratio worse than
//! silence's 0 dB.

#![allow(clippy::unwrap_used)]

mod emulator;

use emulator::Network;
use media::codec::Codec;
use media::line::{LineCodec, OpusWishes};
use media::units::{Dbov, FRAME, FRAME_SAMPLES};
use media::wav;

/// 11 s of speech in mu-law.
fn speech() -> Vec<u8> {
    let file = include_bytes!("data/jfk_8k.wav");
    let start = wav::read_header(file).unwrap().data_start;
    let samples: Vec<i16> = file[start..].chunks_exact(2).map(|octets| i16::from_le_bytes([octets[0], octets[1]])).collect();
    let mut octets = Vec::new();
    Codec::Pcmu.encode(&samples[..samples.len() / FRAME_SAMPLES * FRAME_SAMPLES], &mut octets);
    octets
}

/// Bands of 250 Hz, in which voices differ.
const BANDS: usize = 16;

/// The level in each band of one frame, in dBov, at least -70: below that nobody hears a difference.
fn bands(frame: &[i16]) -> [f32; BANDS] {
    std::array::from_fn(|band| {
        let power = |bin: usize| {
            let step = std::f32::consts::TAU * bin as f32 / FRAME_SAMPLES as f32;
            let (mut real, mut imaginary) = (0.0, 0.0);
            for (index, sample) in frame.iter().enumerate() {
                let (sine, cosine) = (step * index as f32).sin_cos();
                real += f32::from(*sample) * cosine;
                imaginary += f32::from(*sample) * sine;
            }
            (real * real + imaginary * imaginary) / (FRAME_SAMPLES as f32 * 32_768.0).powi(2)
        };
        let bins = band * 5..(band + 1) * 5;
        (10.0 * bins.map(power).sum::<f32>().max(1e-9).log10()).max(-70.0)
    })
}

/// How far the bands of the frames with speech that were lost are from what was said, in dB on the mean.
fn distance(said: &[i16], heard: &[i16], lost: &[usize]) -> f32 {
    let distances: Vec<f32> = lost
        .iter()
        .map(|index| index * FRAME_SAMPLES..(index + 1) * FRAME_SAMPLES)
        .filter(|frame| Dbov::of(&said[frame.clone()]).0 > -40.0)
        .map(|frame| {
            let (said, heard) = (bands(&said[frame.clone()]), bands(&heard[frame]));
            said.iter().zip(heard).map(|(said, heard)| (said - heard).abs()).sum::<f32>() / BANDS as f32
        })
        .collect();
    distances.iter().sum::<f32>() / distances.len() as f32
}

#[test]
fn what_is_invented_is_much_nearer_to_what_was_said_than_silence() {
    let audio = speech();
    let codec = (LineCodec::G711(Codec::Pcmu), OpusWishes::default());
    let samples = |network| {
        let heard = emulator::wished(network, codec, FRAME, &audio);
        (heard.frames.iter().flat_map(|frame| frame.samples.clone()).collect::<Vec<i16>>(), heard.lost)
    };
    let (said, _) = samples(Network::default());
    for burst in [None, Some(2.0)] {
        let (mut ours, mut silence) = (0.0, 0.0);
        for seed in 1..=4 {
            let (heard, lost) = samples(Network { seed, loss_percent: 5, burst, ..Network::default() });
            ours += distance(&said, &heard, &lost) / 4.0;
            silence += distance(&said, &vec![0; said.len()], &lost) / 4.0;
        }
        assert!(ours * 2.0 < silence, "{burst:?}: {ours:.1} dB against {silence:.1} of silence");
    }
}
