//! What is in an audio file: how long it is, and for how long a voice is heard on each side.

use std::path::Path;

use media::resample;
use media::units::SampleRate;
use media::wav;

/// Samples a 20 ms frame at 8 kHz.
const FRAME: usize = 160;
/// Mean magnitude of a frame with a voice: about -36 dBov. G.711's silence and comfort noise lie far below.
const VOICE: u32 = 500;

/// One side, at 8 kHz.
pub struct Side(pub Vec<i16>);

impl Side {
    pub fn seconds(&self) -> f64 {
        self.0.len() as f64 / 8_000.0
    }

    /// How long a voice is heard, all frames taken together.
    pub fn voiced_seconds(&self) -> f64 {
        let loud = |frame: &&[i16]| {
            frame.iter().map(|sample| u32::from(sample.unsigned_abs())).sum::<u32>() / frame.len() as u32 > VOICE
        };
        self.0.chunks(FRAME).filter(loud).count() as f64 * 0.02
    }

    /// How much the loudness of one side follows that of the other, at the shift within 10 s where it does so most: 1 is the same words
    /// at the same pace.
    #[allow(dead_code)]
    pub fn alike(&self, other: &Self) -> f64 {
        let (left, right) = (self.loudness(), other.loudness());
        let shifted = |shift: usize| {
            [correlation(&left[shift.min(left.len())..], &right), correlation(&left, &right[shift.min(right.len())..])]
        };
        (0..500).flat_map(shifted).fold(-1.0, f64::max)
    }

    fn loudness(&self) -> Vec<f64> {
        let mean = |frame: &[i16]| frame.iter().map(|&sample| f64::from(sample).abs()).sum::<f64>() / frame.len() as f64;
        self.0.chunks(FRAME).map(mean).collect()
    }
}

/// Of what both have; at least two seconds.
fn correlation(left: &[f64], right: &[f64]) -> f64 {
    let count = left.len().min(right.len());
    if count < 100 {
        return -1.0;
    }
    let mean = |side: &[f64]| side[..count].iter().sum::<f64>() / count as f64;
    let (left_mean, right_mean) = (mean(left), mean(right));
    let (mut cross, mut left_sum, mut right_sum) = (0.0_f64, 0.0_f64, 0.0_f64);
    for (left, right) in left.iter().zip(right) {
        let (left, right) = (left - left_mean, right - right_mean);
        cross += left * right;
        left_sum += left * left;
        right_sum += right * right;
    }
    cross / (left_sum * right_sum).sqrt().max(1.0)
}

/// The two sides of a recording: caller, agent.
pub fn read(path: &Path) -> [Side; 2] {
    let (samples, format) = samples(path);
    assert_eq!((format.channels, format.rate), (2, SampleRate::HZ_8000), "{}", path.display());
    [0, 1].map(|side| Side(samples.iter().skip(side).step_by(2).copied().collect()))
}

/// A file of one side, whatever its rate; of two channels the left one.
pub fn read_mono(path: &Path) -> Side {
    let (samples, format) = samples(path);
    let left: Vec<i16> = samples.into_iter().step_by(format.channels.into()).collect();
    Side(resample::convert(&left, format.rate, SampleRate::HZ_8000).unwrap())
}

fn samples(path: &Path) -> (Vec<i16>, wav::WavFormat) {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let header = wav::read_header(&bytes).unwrap();
    let data = &bytes[header.data_start..];
    let data = &data[..data.len().min(header.data_length as usize)];
    (data.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect(), header.format)
}
