//! What a caller sounds like after a lossy network, a WAV file each: with our concealment, and with silence in place of what was lost.
//!
//! ```text
//! cargo run -p offhook-media --example quality -- SPEECH.wav FOLDER
//! "$(scripts/python.sh)" scripts/media_quality.py SPEECH.wav FOLDER docs/plots/media-quality.svg
//! ```
//! The files are named CODEC-PATTERN-LOSS-FILLING-SEED.wav; the same seed loses the same packets for each filling. Silence is put into what
//! an undisturbed decoder gives, so that codecs which remember do better with it than they would.

#[path = "../tests/emulator/mod.rs"]
mod emulator;

use std::error::Error;
use std::path::Path;

use emulator::{Heard, Network};
use media::codec::Codec;
use media::line::{LineCodec, OpusWishes};
use media::units::{FRAME, FRAME_SAMPLES};
use media::wav;

/// Percent of packets lost.
const LOSSES: [u32; 6] = [0, 1, 2, 5, 10, 20];
/// Packets that a burst loses on the mean.
const BURST: f64 = 3.0;
/// Calls of each kind: at 1 % a single one loses five packets.
const SEEDS: u64 = 8;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [speech, folder] = &arguments[..] else {
        return Err("usage: quality SPEECH.wav FOLDER".into());
    };
    let file = std::fs::read(speech)?;
    let start = wav::read_header(&file)?.data_start;
    let samples: Vec<i16> = file[start..].chunks_exact(2).map(|octets| i16::from_le_bytes([octets[0], octets[1]])).collect();
    let mut audio = Vec::new();
    Codec::Pcmu.encode(&samples, &mut audio);
    std::fs::create_dir_all(folder)?;
    let fec = OpusWishes { fec: true, ..OpusWishes::default() };
    let codecs = [
        ("g711", (Codec::Pcmu.into(), fec)),
        ("g722", (LineCodec::G722, fec)),
        ("opus", (LineCodec::Opus, OpusWishes::default())),
        ("opusfec", (LineCodec::Opus, fec)),
    ];
    for (name, codec) in codecs {
        let clean = samples_of(&emulator::wished(Network::default(), codec, FRAME, &audio));
        for (pattern, burst) in [("random", None), ("bursts", Some(BURST))] {
            for loss_percent in LOSSES {
                for seed in 1..=if loss_percent == 0 { 1 } else { SEEDS } {
                    let network = Network { seed, loss_percent, burst, ..Network::default() };
                    let heard = emulator::wished(network, codec, FRAME, &audio);
                    let mut silent = clean.clone();
                    for lost in &heard.lost {
                        silent[lost * FRAME_SAMPLES..][..FRAME_SAMPLES].fill(0);
                    }
                    for (filling, samples) in [("ours", samples_of(&heard)), ("silence", silent)] {
                        let path = format!("{folder}/{name}-{pattern}-{loss_percent}-{filling}-{seed}.wav");
                        write(Path::new(&path), &samples)?;
                    }
                }
            }
        }
    }
    Ok(())
}

fn samples_of(heard: &Heard) -> Vec<i16> {
    heard.frames.iter().flat_map(|frame| frame.samples.iter().copied()).collect()
}

fn write(path: &Path, samples: &[i16]) -> Result<(), Box<dyn Error>> {
    let data: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    let format = wav::WavFormat { channels: 1, rate: media::units::SampleRate::HZ_8000 };
    let mut wave = wav::header(format, data.len() as u64).to_vec();
    wave.extend(data);
    std::fs::write(path, wave)?;
    Ok(())
}
