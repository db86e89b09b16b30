//! What is in an audio file: how long it is, and for how long a voice is heard on each side.

use std::path::Path;

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
}

/// The two sides of a recording: caller, agent.
pub fn read(path: &Path) -> [Side; 2] {
    let samples = samples(path, 2);
    [0, 1].map(|side| Side(samples.iter().skip(side).step_by(2).copied().collect()))
}

/// A file with one side.
pub fn read_mono(path: &Path) -> Side {
    Side(samples(path, 1))
}

fn samples(path: &Path, channels: u16) -> Vec<i16> {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let header = wav::read_header(&bytes).unwrap();
    assert_eq!((header.format.channels, header.format.rate.hz()), (channels, 8_000), "{}", path.display());
    let data = &bytes[header.data_start..];
    let data = &data[..data.len().min(header.data_length as usize)];
    data.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect()
}
