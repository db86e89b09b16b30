//! The sound of a room under the agent, so that a line on which nobody speaks is not dead: made here, or the operator's own.
//!
//! ```text
//! agent   ......[hello, how can I help]..................[of course]......
//! room    ~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~   a loop; its end fades into its beginning
//! ```

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::codec::Codec;
use crate::error::Error;
use crate::resample::{self, ResampleError};
use crate::units::{Dbov, FRAME_SAMPLES, SampleRate};
use crate::wav;

/// A sound that is made here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Surroundings {
    /// A room where people work: its air, a murmur without words, now and then a keyboard.
    Office,
    /// An empty room: air that moves.
    Room,
}

/// Why a file cannot be played under the agent.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AmbienceError {
    /// Its length is outside [`Ambience::SHORTEST`] to [`Ambience::LONGEST`].
    #[error("{} ms is outside 1000-60000 ms", .0.as_millis())]
    Length(Duration),
    /// Its rate cannot be converted.
    #[error(transparent)]
    Rate(#[from] ResampleError),
    /// All its samples are zero, so no gain brings it to a level.
    #[error("nothing is to be heard in it")]
    Silent,
    /// It is no WAV file of the kind that is known.
    #[error(transparent)]
    Wav(#[from] Error),
}

/// A sound at its level, as a loop without a seam; shared by all who hear it.
#[derive(Clone, Eq, PartialEq)]
pub struct Ambience {
    samples: Vec<i16>,
    rate: SampleRate,
}

/// What is made here is this long, and 320 kB: nobody finds the same click again after 20 s.
const MADE: Duration = Duration::from_secs(20);

/// Over this the end fades into the beginning.
const FADE: Duration = Duration::from_millis(500);

/// So that each start sounds the same.
const SEED: u64 = 20;

impl Ambience {
    /// The shortest file: shorter loops are heard as a rhythm.
    pub const SHORTEST: Duration = Duration::from_secs(1);
    /// The longest file: 960 kB at 8 kHz for each assistant that has one.
    pub const LONGEST: Duration = Duration::from_secs(60);
    /// The largest file, in octets: a minute at 96 kHz in stereo.
    pub const FILE_MAX: u64 = 24 * 1024 * 1024;

    /// One of the sounds that are made here.
    pub fn made(surroundings: Surroundings, rate: SampleRate, level: Dbov) -> Self {
        let mut random = StdRng::seed_from_u64(SEED);
        let mut sound = air(rate, &mut random);
        if surroundings == Surroundings::Office {
            let unit = rms(&sound);
            murmur(&mut sound, unit, rate, &mut random);
            keys(&mut sound, unit, rate, &mut random);
        }
        Self::closed(&sound, rate, level)
    }

    /// A file of the operator's: WAV, 16-bit PCM, one or two channels.
    ///
    /// # Errors
    /// [`AmbienceError`] when it is no such file, too short, too long or silent.
    pub fn of_wav(bytes: &[u8], rate: SampleRate, level: Dbov) -> Result<Self, AmbienceError> {
        let header = wav::read_header(bytes)?;
        let data = &bytes[header.data_start.min(bytes.len())..];
        let data = &data[..data.len().min(header.data_length as usize)];
        let channels = usize::from(header.format.channels);
        let mixed = |row: &[u8]| {
            let samples = row.as_chunks().0.iter().map(|&sample| i32::from(i16::from_le_bytes(sample)));
            (samples.sum::<i32>() / channels as i32) as i16
        };
        let samples: Vec<i16> = data.chunks_exact(2 * channels).map(mixed).collect();
        let length = header.format.rate.duration_of(samples.len() as u64);
        if !(Self::SHORTEST..=Self::LONGEST).contains(&length) {
            return Err(AmbienceError::Length(length));
        }
        let samples = resample::convert(&samples, header.format.rate, rate)?;
        let sound: Vec<f32> = samples.into_iter().map(f32::from).collect();
        if rms(&sound) == 0.0 {
            return Err(AmbienceError::Silent);
        }
        Ok(Self::closed(&sound, rate, level))
    }

    /// How long it is until it repeats.
    pub fn length(&self) -> Duration {
        self.rate.duration_of(self.samples.len() as u64)
    }

    /// Joins the end to the beginning and brings all to the level. `sound` is longer than [`FADE`] and not silent.
    fn closed(sound: &[f32], rate: SampleRate, level: Dbov) -> Self {
        let fade = rate.samples_in(FADE);
        let (kept, tail) = sound.split_at(sound.len() - fade);
        let mut closed = kept.to_vec();
        for (index, (head, tail)) in closed.iter_mut().zip(tail).enumerate() {
            let part = index as f32 / fade as f32;
            // By power, not by amplitude: the two have nothing in common, and their sum must not sink.
            *head = *head * part.sqrt() + tail * (1.0 - part).sqrt();
        }
        let gain = level.rms() / rms(&closed);
        // `as` saturates: a crack in a file is clipped.
        let samples = closed.into_iter().map(|sample| (sample * gain).round() as i16).collect();
        Self { samples, rate }
    }
}

impl fmt::Debug for Ambience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ambience({:?} at {} Hz)", self.length(), self.rate.hz())
    }
}

/// Lays an ambience under one leg's frames.
#[derive(Debug)]
pub struct AmbienceMixer {
    ambience: Arc<Ambience>,
    next: usize,
    samples: Vec<i16>,
}

impl AmbienceMixer {
    /// A listener at a place of its own, so that two calls in one room do not hear the same click.
    pub fn new(ambience: Arc<Ambience>, listener: u64) -> Self {
        let next = (listener % ambience.samples.len() as u64) as usize;
        Self { ambience, next, samples: Vec::with_capacity(FRAME_SAMPLES) }
    }

    /// Adds the next of the sound to a frame of the codec's octets, in place, and tells how loud the frame was without it: what is
    /// learned of the agent's echo must not count the room. Allocates nothing.
    pub fn mix(&mut self, codec: Codec, frame: &mut [u8]) -> Dbov {
        self.samples.clear();
        codec.decode(frame, &mut self.samples);
        let level = Dbov::of(&self.samples);
        let sound = &self.ambience.samples;
        let mut rest = &mut self.samples[..];
        while !rest.is_empty() {
            let count = (sound.len() - self.next).min(rest.len());
            let (now, later) = std::mem::take(&mut rest).split_at_mut(count);
            for (sample, sound) in now.iter_mut().zip(&sound[self.next..]) {
                *sample = sample.saturating_add(*sound);
            }
            self.next = (self.next + now.len()) % sound.len();
            rest = later;
        }
        codec.encode_over(&self.samples, frame);
        level
    }
}

fn rms(sound: &[f32]) -> f32 {
    (sound.iter().map(|sample| sample * sample).sum::<f32>() / sound.len().max(1) as f32).sqrt()
}

/// Noise that falls with frequency as that of ventilation does, and swells a little.
fn air(rate: SampleRate, random: &mut StdRng) -> Vec<f32> {
    let count = rate.samples_in(MADE + FADE);
    let second = rate.hz() as f32;
    let (mut low, mut lower) = (0.0, 0.0);
    let sample = |at: usize| {
        let white: f32 = random.random_range(-1.0..1.0);
        // Two poles, at 900 and 250 Hz.
        low += (white - low) * pole(900.0, rate);
        lower += (low - lower) * pole(250.0, rate);
        let swell = 1.0 + 0.15 * (at as f32 / second * std::f32::consts::TAU / 4.0).sin();
        (lower + 0.15 * low) * swell
    };
    (0..count).map(sample).collect()
}

/// How much of its input a low-pass of one pole takes.
fn pole(hz: f32, rate: SampleRate) -> f32 {
    1.0 - (-std::f32::consts::TAU * hz / rate.hz() as f32).exp()
}

/// Three people who talk far away: syllables of noise in the band of vowels, phrases and pauses, no words.
fn murmur(sound: &mut [f32], unit: f32, rate: SampleRate, random: &mut StdRng) {
    for vowel in [420.0, 560.0, 700.0] {
        let mut at = random.random_range(0..rate.samples_in(Duration::from_secs(2)));
        while at < sound.len() {
            for _ in 0..random.random_range(4..14) {
                let length = rate.samples_in(Duration::from_millis(random.random_range(120..260)));
                let (loud, hz) = (unit * random.random_range(0.4..1.2_f32), vowel * random.random_range(0.8..1.25_f32));
                syllable(sound.get_mut(at..).unwrap_or_default(), length, (loud, hz), (rate, &mut *random));
                at += length;
            }
            at += rate.samples_in(Duration::from_millis(random.random_range(700..3_500)));
        }
    }
}

/// One syllable: noise around a frequency, that rises and falls.
fn syllable(sound: &mut [f32], length: usize, (loud, hz): (f32, f32), (rate, random): (SampleRate, &mut StdRng)) {
    let turn = std::f32::consts::TAU * hz / rate.hz() as f32;
    let (mut one, mut two) = (0.0, 0.0);
    for (index, sample) in sound.iter_mut().take(length).enumerate() {
        // A resonance 60 Hz wide or so; its gain is about 25 at these frequencies.
        let excited = random.random_range(-1.0..1.0_f32) + 1.96 * turn.cos() * one - 0.96 * two;
        (one, two) = (excited, one);
        let rise = (std::f32::consts::PI * index as f32 / length as f32).sin();
        *sample += excited / 8.0 * loud * rise * rise;
    }
}

/// Somebody types now and then: short clicks, a few in a row.
fn keys(sound: &mut [f32], unit: f32, rate: SampleRate, random: &mut StdRng) {
    let click = rate.samples_in(Duration::from_millis(6));
    let mut at = rate.samples_in(Duration::from_millis(random.random_range(1_000..3_000)));
    while at < sound.len() {
        for _ in 0..random.random_range(3..9) {
            let loud = unit * random.random_range(1.0..2.5_f32);
            for (index, sample) in sound.get_mut(at..).unwrap_or_default().iter_mut().take(click).enumerate() {
                *sample += loud * random.random_range(-1.0..1.0_f32) * (1.0 - index as f32 / click as f32).powi(3);
            }
            at += rate.samples_in(Duration::from_millis(random.random_range(90..210)));
        }
        at += rate.samples_in(Duration::from_millis(random.random_range(2_000..5_000)));
    }
}

#[cfg(test)]
mod tests;
