//! What a caller sounds like over a lossy network, as ITU-T P.862 hears it: a small part of `docs/media-quality.md` that must hold.
#![allow(clippy::unwrap_used)]

mod emulator;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use emulator::{Heard, Network};
use media::codec::Codec;
use media::line::{LineCodec, OpusWishes};
use media::units::{FRAME, FRAME_SAMPLES, SampleRate};
use media::wav;

/// Percent of packets lost, from none to what nobody should have to bear.
const LOSSES: [u32; 3] = [0, 3, 10];
/// Calls of each kind; at 3 % a single one loses sixteen packets, and which ones decides much.
const SEEDS: u64 = 3;

/// The speech that is sent and that all is compared with.
fn speech() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/jfk_8k.wav")
}

fn octets() -> Vec<u8> {
    let file = std::fs::read(speech()).unwrap();
    let start = wav::read_header(&file).unwrap().data_start;
    let samples: Vec<i16> = file[start..].chunks_exact(2).map(|octets| i16::from_le_bytes([octets[0], octets[1]])).collect();
    let mut octets = Vec::new();
    Codec::Pcmu.encode(&samples, &mut octets);
    octets
}

fn samples_of(heard: &Heard) -> Vec<i16> {
    heard.frames.iter().flat_map(|frame| frame.samples.iter().copied()).collect()
}

fn write(path: &Path, samples: &[i16]) {
    let data: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    let format = wav::WavFormat { channels: 1, rate: SampleRate::HZ_8000 };
    let header = wav::header(format, data.len() as u64);
    std::fs::write(path, [header.as_slice(), &data].concat()).unwrap();
}

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _left_behind = std::fs::remove_dir_all(&self.0);
    }
}

/// What is sent in a codec, played with our concealment and with silence in place of it; the files are named LOSS-FILLING-SEED.
fn play(codec: (LineCodec, OpusWishes), folder: &Path) {
    let audio = octets();
    let clean = samples_of(&emulator::wished(Network::default(), codec, FRAME, &audio));
    for loss_percent in LOSSES {
        for seed in 1..=if loss_percent == 0 { 1 } else { SEEDS } {
            let heard = emulator::wished(Network { seed, loss_percent, ..Network::default() }, codec, FRAME, &audio);
            assert_eq!(heard.lost.is_empty(), loss_percent == 0);
            let mut silent = clean.clone();
            for lost in &heard.lost {
                silent[lost * FRAME_SAMPLES..][..FRAME_SAMPLES].fill(0);
            }
            write(&folder.join(format!("{loss_percent}-ours-{seed}.wav")), &samples_of(&heard));
            write(&folder.join(format!("{loss_percent}-silence-{seed}.wav")), &silent);
        }
    }
}

/// One line a file: its name and its score.
const SCORES: &str = "
import pathlib, sys, wave, numpy
from pesq import pesq
def samples(path):
    with wave.open(str(path)) as file:
        return numpy.frombuffer(file.readframes(file.getnframes()), numpy.int16)
said = samples(sys.argv[1])
for path in sorted(pathlib.Path(sys.argv[2]).glob('*.wav')):
    print(path.stem, pesq(8000, said, samples(path), 'nb'))
";

/// The mean score of each loss and filling: `3-ours`.
fn scores(python: &Path, folder: &Path) -> BTreeMap<String, f64> {
    let output = Command::new(python).args(["-c", SCORES]).arg(speech()).arg(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut all = BTreeMap::<String, Vec<f64>>::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let (name, score) = line.split_once(' ').unwrap();
        let kind = name.rsplit_once('-').unwrap().0;
        all.entry(kind.to_owned()).or_default().push(score.parse().unwrap());
    }
    assert_eq!(all.len(), 2 * LOSSES.len(), "{all:?}");
    all.into_iter().map(|(kind, scores)| (kind, scores.iter().sum::<f64>() / scores.len() as f64)).collect()
}

/// Ours is at least `floors`, by loss; it falls with loss, and is better than silence by at least `gains` where something was lost.
fn check(name: &str, codec: (LineCodec, OpusWishes), floors: [f64; 3], gains: [f64; 3]) {
    let Some(python) = std::env::var_os("OFFHOOK_TEST_PYTHON").map(PathBuf::from) else {
        assert!(std::env::var_os("CI").is_none(), "OFFHOOK_TEST_PYTHON is not set: use `make test`");
        return println!("skipped: OFFHOOK_TEST_PYTHON is not set; `make test` sets it");
    };
    let folder = Folder(std::env::temp_dir().join(format!("offhook-quality-{}-{name}", std::process::id())));
    std::fs::create_dir_all(&folder.0).unwrap();
    play(codec, &folder.0);
    let found = scores(&python, &folder.0);
    println!("{name}: {found:.2?}");
    let of = |loss: u32, filling: &str| found[&format!("{loss}-{filling}")];
    for ((loss, floor), gain) in LOSSES.into_iter().zip(floors).zip(gains) {
        assert!(of(loss, "ours") >= floor, "{name} at {loss} %: {found:?}");
        assert!(of(loss, "ours") - of(loss, "silence") >= gain, "{name} at {loss} % against silence: {found:?}");
    }
    for pair in LOSSES.windows(2) {
        assert!(of(pair[0], "ours") > of(pair[1], "ours"), "{name}: more loss is not better: {found:?}");
    }
}

#[test]
fn concealment_is_better_than_silence_in_g711() {
    check("g711", (Codec::Pcmu.into(), OpusWishes::default()), [4.4, 3.5, 2.8], [0.0, 0.15, 0.5]);
}

#[test]
fn concealment_is_better_than_silence_in_g722() {
    check("g722", (LineCodec::G722, OpusWishes::default()), [4.4, 3.4, 2.7], [0.0, 0.15, 0.5]);
}

#[test]
fn what_opus_brings_again_is_better_than_silence() {
    let fec = OpusWishes { fec: true, ..OpusWishes::default() };
    check("opusfec", (LineCodec::Opus, fec), [3.8, 3.5, 3.1], [0.0, 0.3, 0.8]);
}
