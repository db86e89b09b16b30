//! What virtual callers say: a speech recording, its level and its utterances.

use std::ops::Range;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use media::codec::Codec;

/// Samples in one frame: 20 ms at 8 kHz.
pub const FRAME_SAMPLES: usize = 160;
/// Longest recording taken: an hour, since all of it is kept in memory, 29 MB in each of four forms.
const RECORDING_SAMPLES_MAX: usize = 3_600 * 8_000;
/// A frame this far below the loudest one of its recording is a pause.
const PAUSE_BELOW_PEAK_DB: f32 = 24.0;
/// A pause of this many frames (400 ms) parts two utterances; a shorter one belongs to the sentence.
const PAUSE_FRAMES: usize = 20;
/// Frames kept before and after an utterance, so that its edges are not cut: 40 ms.
const EDGE_FRAMES: usize = 2;
/// The inaugural address of 1961, "And so, my fellow Americans ..."; in the public domain.
const BUILT_IN: &[u8] = include_bytes!("../../media/tests/data/jfk_8k.wav");
/// Level of digital silence, dBov.
const SILENCE_DBOV: f32 = -96.0;

/// A speech recording at 8 kHz, cut into utterances.
#[derive(Clone, Debug)]
pub struct Recording {
    /// All of it, in whole frames.
    pub samples: Vec<i16>,
    /// The parts that are speech, as ranges of frames, in order. Never empty.
    pub utterances: Vec<Range<usize>>,
    speech: Vec<bool>,
}

impl Recording {
    /// Reads a WAV file: 8 kHz, mono, 16 bit.
    ///
    /// # Errors
    /// When the file cannot be read, has another format, or holds no speech.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let samples = read_wav(path)?;
        Self::new(samples).with_context(|| path.display().to_string())
    }

    /// The recording that is part of the program: eleven seconds of a speech in four utterances.
    ///
    /// # Errors
    /// As [`Recording::new`], which the test below rules out.
    pub fn built_in() -> anyhow::Result<Self> {
        Self::new(parse_wav(BUILT_IN)?)
    }

    /// Takes samples at 8 kHz; the last frame is filled up with silence.
    ///
    /// # Errors
    /// When nothing in them is speech.
    pub fn new(mut samples: Vec<i16>) -> anyhow::Result<Self> {
        samples.resize(samples.len().next_multiple_of(FRAME_SAMPLES), 0);
        let spoken = spoken(&samples);
        ensure!(!spoken.is_empty(), "holds no speech");
        let frames = samples.len() / FRAME_SAMPLES;
        let speech = (0..frames).map(|frame| spoken.iter().any(|range| range.contains(&frame))).collect();
        let widen = |range: &Range<usize>| range.start.saturating_sub(EDGE_FRAMES)..(range.end + EDGE_FRAMES).min(frames);
        Ok(Self { utterances: spoken.iter().map(widen).collect(), samples, speech })
    }

    /// One frame of the recording.
    pub fn frame(&self, index: usize) -> &[i16] {
        &self.samples[index * FRAME_SAMPLES..(index + 1) * FRAME_SAMPLES]
    }

    /// Whether a frame is speech: it lies in an utterance, the silence kept at its edges apart.
    pub fn speech(&self, frame: usize) -> bool {
        self.speech[frame]
    }

    /// How many frames there are.
    pub fn frames(&self) -> usize {
        self.samples.len() / FRAME_SAMPLES
    }
}

/// Mean of the squares of some samples; 2^30 is the loudest square wave.
pub fn mean_square(samples: &[i16]) -> f64 {
    // In integers, which add up many at a time.
    let energy: i64 = samples.iter().map(|&sample| i64::from(i32::from(sample) * i32::from(sample))).sum();
    energy as f64 / samples.len().max(1) as f64
}

/// Root mean square level of some samples, dBov (0 is the loudest square wave); -96 for digital silence.
pub fn level(samples: &[i16]) -> f32 {
    let mean = mean_square(samples);
    if mean < 1.0 { SILENCE_DBOV } else { (10.0 * (mean / f64::from(1 << 30)).log10()) as f32 }
}

/// Encodes samples as G.711.
pub fn encode(codec: Codec, samples: &[i16]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(samples.len());
    codec.encode(samples, &mut octets);
    octets
}

/// Decodes G.711.
pub fn decode(codec: Codec, octets: &[u8]) -> Vec<i16> {
    let mut samples = Vec::with_capacity(octets.len());
    codec.decode(octets, &mut samples);
    samples
}

/// Samples of a WAV file: 8 kHz, mono, 16 bit; at most an hour.
///
/// # Errors
/// Names the file and what is wrong with it.
pub fn read_wav(path: &Path) -> anyhow::Result<Vec<i16>> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    parse_wav(&bytes).with_context(|| path.display().to_string())
}

/// Writes 8 kHz 16 bit PCM; `channels` are of equal length or filled up with silence.
///
/// # Errors
/// When the file cannot be written.
pub fn write_wav(path: &Path, channels: &[&[i16]]) -> anyhow::Result<()> {
    let length = channels.iter().map(|channel| channel.len()).max().unwrap_or(0);
    let count = u16::try_from(channels.len()).context("too many channels")?;
    let data = u32::try_from(length * channels.len() * 2).context("too long for a WAV file")?;
    let mut bytes = Vec::with_capacity(44 + data as usize);
    bytes.extend_from_slice(b"RIFF");
    bytes.extend_from_slice(&(36 + data).to_le_bytes());
    bytes.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0");
    bytes.extend_from_slice(&count.to_le_bytes());
    bytes.extend_from_slice(&8_000_u32.to_le_bytes());
    bytes.extend_from_slice(&(16_000 * u32::from(count)).to_le_bytes());
    bytes.extend_from_slice(&(2 * count).to_le_bytes());
    bytes.extend_from_slice(b"\x10\0data");
    bytes.extend_from_slice(&data.to_le_bytes());
    for index in 0..length {
        for channel in channels {
            bytes.extend_from_slice(&channel.get(index).copied().unwrap_or(0).to_le_bytes());
        }
    }
    std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

fn parse_wav(bytes: &[u8]) -> anyhow::Result<Vec<i16>> {
    ensure!(bytes.get(..4) == Some(b"RIFF") && bytes.get(8..12) == Some(b"WAVE"), "is not a WAV file");
    let mut rest = &bytes[12..];
    let mut checked = false;
    while let Some((head, body)) = rest.split_at_checked(8) {
        let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        let chunk = &body[..length.min(body.len())];
        match &head[..4] {
            b"fmt " => {
                ensure!(chunk.len() >= 16, "has a short format chunk");
                let field = |at: usize| u16::from_le_bytes([chunk[at], chunk[at + 1]]);
                let rate = u32::from_le_bytes([chunk[4], chunk[5], chunk[6], chunk[7]]);
                let format = (field(0), field(2), rate, field(14));
                ensure!(format == (1, 1, 8_000, 16), "is not 8 kHz mono 16 bit PCM");
                checked = true;
            }
            b"data" => {
                ensure!(checked, "has data before its format");
                let samples = chunk.chunks_exact(2).take(RECORDING_SAMPLES_MAX);
                return Ok(samples.map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect());
            }
            _ => {}
        }
        rest = body.get(length.next_multiple_of(2)..).unwrap_or_default();
    }
    bail!("has no data chunk")
}

/// Ranges of frames that are speech, shorter pauses included.
fn spoken(samples: &[i16]) -> Vec<Range<usize>> {
    let levels: Vec<f32> = samples.chunks(FRAME_SAMPLES).map(level).collect();
    let peak = levels.iter().copied().fold(SILENCE_DBOV, f32::max);
    let threshold = (peak - PAUSE_BELOW_PEAK_DB).max(SILENCE_DBOV + 1.0);
    let mut found: Vec<Range<usize>> = Vec::new();
    for index in (0..levels.len()).filter(|&index| levels[index] > threshold) {
        match found.last_mut() {
            Some(last) if index - last.end < PAUSE_FRAMES => last.end = index + 1,
            _ => found.push(index..index + 1),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A letter is 100 ms: `s` speech, `.` silence.
    fn check(audio: &str, want: &str) {
        let level = |letter| if letter == 's' { 8_000 } else { 20 };
        let samples = audio.chars().flat_map(|letter| [level(letter); 800]).collect();
        let got = Recording::new(samples).map_or_else(|error| error.to_string(), |found| format!("{:?}", found.utterances));
        assert_eq!(got, want, "{audio}");
    }

    #[test]
    fn long_pauses_part_utterances_and_short_ones_do_not() {
        check("...ss...ss......ss..", "[13..52, 78..92]");
    }

    #[test]
    fn the_built_in_recording_has_four_utterances() {
        let recording = Recording::built_in().unwrap();
        assert_eq!(format!("{:?}", recording.utterances), "[14..108, 162..217, 269..379, 407..550]");
    }

    #[test]
    fn silence_is_no_recording() {
        assert_eq!(Recording::new(vec![0; 800]).unwrap_err().to_string(), "holds no speech");
    }

    #[test]
    fn a_wav_file_is_read_as_it_was_written() {
        let path = std::env::temp_dir().join(format!("load-tests-{}.wav", std::process::id()));
        write_wav(&path, &[&[1, -2, 3]]).unwrap();
        let read = read_wav(&path);
        write_wav(&path, &[&[1], &[2]]).unwrap();
        let stereo = read_wav(&path);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(read.unwrap(), [1, -2, 3]);
        assert!(format!("{:#}", stereo.unwrap_err()).ends_with("is not 8 kHz mono 16 bit PCM"));
    }

    #[test]
    fn broken_wav_files_are_refused() {
        let check = |bytes: &[u8], want: &str| assert_eq!(parse_wav(bytes).unwrap_err().to_string(), want);
        check(b"", "is not a WAV file");
        check(b"RIFF\0\0\0\0WAVE", "has no data chunk");
        check(b"RIFF\0\0\0\0WAVEdata\0\0\0\0", "has data before its format");
        check(b"RIFF\0\0\0\0WAVEfmt \x02\0\0\0\0\0", "has a short format chunk");
    }

    #[test]
    fn level_is_relative_to_overload() {
        assert_eq!(level(&[0; 160]), -96.0);
        assert!((level(&[i16::MAX; 160])).abs() < 0.01);
        assert!((level(&[3_277; 160]) + 20.0).abs() < 0.01);
    }
}
