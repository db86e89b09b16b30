//! One turn of a caller, composed: what is heard, and what is true.
//!
//! ```text
//! 600 ms    "My internet connection is down"   317 ms   "and I have to work tonight"   2.5 s
//! ......... ssssssssssssssssssssssssssssssssss ........ ssssssssssssssssssssssssssssss ..................
//!                                              Pause                                   end
//! ```
//! A sentence is said whole, so that its melody is that of the whole, then cut where it is quietest near the mark, and the pause is put
//! there. The noise of the line goes through pauses and ends alike, and both fade over the same 10 ms: nothing but the voice tells them
//! apart.

use std::ops::Range;

use anyhow::Result;
use media::codec::Codec;
use media::conceal::Concealer;
use media::frame::{FrameOrigin, PcmFrame};
use media::units::{Dbov, FRAME_SAMPLES};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::voices::{self, Studio, Voice};

/// Samples a millisecond.
pub const MS: usize = 8;

/// Before the first word.
const LEAD: usize = 600 * MS;

/// After the last.
const TAIL: usize = 2_500 * MS;

/// Both sides of a cut fade over this.
const FADE: usize = 10 * MS;

/// Pauses inside a turn, milliseconds; short ones are more frequent (equally many between 200 and 400 as between 400 and 800).
const PAUSE_MS: Range<f32> = 200.0..1_200.0;

/// Where a pause is marked, how often there is one.
const PAUSED: f64 = 0.75;

/// What stands before a pause.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// A comma.
    Comma,
    /// Nothing: in the middle of a phrase.
    Phrase,
    /// A whole sentence, and the turn goes on with another.
    Sentence,
}

/// A silence inside a turn.
#[derive(Clone, Debug)]
pub struct Pause {
    /// In samples from the start.
    pub at: Range<usize>,
    pub kind: Kind,
    /// The words before it.
    pub text: String,
}

/// What lies over the voice.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    pub codec: Codec,
    /// Noise below the speech, dB; 40 is a good line.
    pub snr_db: f32,
    /// Share of frames lost and concealed.
    pub loss: f64,
}

/// Who speaks, over what, in which call and turn of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Caller {
    pub voice: Voice,
    pub line: Line,
    pub call: u64,
    pub turn: u64,
}

/// A turn.
pub struct Scene {
    pub frames: Vec<PcmFrame>,
    pub pauses: Vec<Pause>,
    /// Where the last word ends, samples.
    pub end: usize,
    /// All words.
    pub text: String,
    pub call: u64,
    pub line: Line,
}

/// Where he stops, by ear and level, milliseconds; the last is the end of the recording's words.
const KENNEDY_STOPS: [Range<usize>; 4] = [2_000..3_310, 3_700..4_020, 4_300..5_410, 7_600..8_200];
const KENNEDY_END: usize = 10_450;

/// Eleven seconds of real speech, one turn as a speaker means it: "And so, my fellow Americans: ask not what your country can do for you,
/// ask what you can do for your country."
pub fn recorded() -> Scene {
    let mut frames = crate::speech::frames();
    frames.extend(std::iter::repeat_n(PcmFrame { origin: FrameOrigin::Received, ..PcmFrame::silence(Codec::Pcmu) }, 150));
    let pause = |stop: Range<usize>| Pause { at: stop.start * MS..stop.end * MS, kind: Kind::Phrase, text: String::new() };
    let line = Line { codec: Codec::Pcmu, snr_db: 30.0, loss: 0.0 };
    Scene { frames, pauses: KENNEDY_STOPS.map(pause).into(), end: KENNEDY_END * MS, text: String::new(), call: 0, line }
}

/// A sentence as it will be said.
struct Script {
    text: String,
    /// Words before each pause.
    stops: Vec<(Kind, String)>,
}

impl Script {
    fn new(marked: &str, random: &mut StdRng) -> Self {
        let (mut text, mut stops) = (String::new(), Vec::new());
        for (index, part) in marked.split('|').map(str::trim).enumerate() {
            if index > 0 {
                if random.random_bool(PAUSED) {
                    let kind = match text.chars().last() {
                        Some(',') => Kind::Comma,
                        Some('.' | '?') => Kind::Sentence,
                        _ => Kind::Phrase,
                    };
                    stops.push((kind, text.clone()));
                }
                text.push(' ');
            }
            text.push_str(part);
        }
        Self { text, stops }
    }
}

/// One turn of a call; pauses and noise follow from `seed` and the turn, the caller's level from the call.
pub fn compose(studio: &Studio, caller: Caller, marked: &str, seed: u64) -> Result<Scene> {
    let Caller { voice, line, call, turn } = caller;
    let louder = StdRng::seed_from_u64(seed + call).random_range(-8.0..3.0);
    let mut random = StdRng::seed_from_u64(seed + call * 1_000 + turn + 1);
    let script = Script::new(marked, &mut random);
    let whole = studio.say(voice, &script.text)?;
    let mut audio = vec![0; LEAD + random.random_range(0..FRAME_SAMPLES)];
    let mut pauses = Vec::new();
    let mut from = 0;
    for (kind, text) in script.stops {
        let near = studio.say(voice, &text)?.len();
        let cut = quietest(&whole, near.max(from + 100 * MS));
        append(&mut audio, &whole[from..cut]);
        let length = (PAUSE_MS.end / PAUSE_MS.start).powf(random.random()) * PAUSE_MS.start * MS as f32;
        let begin = audio.len();
        audio.resize(begin + length as usize, 0);
        pauses.push(Pause { at: begin..audio.len(), kind, text });
        from = cut;
    }
    append(&mut audio, &whole[from..]);
    let end = audio.len();
    audio.resize(end + TAIL, 0);
    voices::scale(&mut audio, louder);
    let frames = transmit(&mut audio, line, &mut random);
    Ok(Scene { frames, pauses, end, text: script.text, call, line })
}

/// The quietest 20 ms near where a part of the sentence ends when it is said alone, which makes it a little longer.
fn quietest(whole: &[i16], near: usize) -> usize {
    let from = near * 8 / 10;
    let to = (near * 21 / 20 + 60 * MS).min(whole.len().saturating_sub(200 * MS));
    let energy = |at: &usize| whole[*at..*at + 20 * MS].iter().map(|&sample| i64::from(sample).pow(2)).sum::<i64>();
    let at = (from..to.max(from + 1)).step_by(2 * MS).filter(|at| at + 20 * MS <= whole.len()).min_by_key(energy);
    at.map_or(whole.len() / 2, |at| at + 10 * MS)
}

/// A part without the silence around it, its ends faded.
fn append(audio: &mut Vec<i16>, part: &[i16]) {
    let mut part = part.to_vec();
    voices::trim(&mut part, Dbov(voices::LEVEL.0 - 30.0));
    let count = part.len();
    for (index, sample) in part.iter_mut().enumerate() {
        let edge = index.min(count - 1 - index).min(FADE) as f32 / FADE as f32;
        *sample = (f32::from(*sample) * edge) as i16;
    }
    audio.extend(part);
}

/// Telephone band, noise, G.711, losses.
fn transmit(audio: &mut [i16], line: Line, random: &mut StdRng) -> Vec<PcmFrame> {
    let noise = level_of_speech(audio) - line.snr_db;
    transmit_at(audio, line, noise, random)
}

/// The same with noise of this level, dBov.
pub fn transmit_at(audio: &mut [i16], line: Line, noise: f32, random: &mut StdRng) -> Vec<PcmFrame> {
    high_pass(audio);
    add_noise(audio, noise, random);
    let mut concealer = Concealer::new();
    let mut octets = Vec::new();
    let mut frames = Vec::new();
    for samples in audio.chunks_exact(FRAME_SAMPLES) {
        let mut frame = PcmFrame::silence(line.codec);
        octets.clear();
        line.codec.encode(samples, &mut octets);
        frame.samples.clear();
        line.codec.decode(&octets, &mut frame.samples);
        if random.random_bool(line.loss) {
            concealer.conceal(&mut frame.samples);
            frame.origin = FrameOrigin::Concealed;
        } else {
            concealer.hear(&mut frame.samples);
            frame.origin = FrameOrigin::Received;
        }
        frames.push(frame);
    }
    frames
}

fn level_of_speech(audio: &[i16]) -> f32 {
    let loud: Vec<i16> = audio.chunks(FRAME_SAMPLES).filter(|frame| Dbov::of(frame).0 > -50.0).flatten().copied().collect();
    Dbov::of(&loud).0
}

/// What a telephone does below 300 Hz: Butterworth of second order, twice.
fn high_pass(audio: &mut [i16]) {
    let omega = std::f32::consts::TAU * 280.0 / 8_000.0;
    let alpha = omega.sin() / std::f32::consts::SQRT_2;
    let cos = omega.cos();
    let (b0, b1, a0, a1, a2) = ((1.0 + cos) / 2.0, -(1.0 + cos), 1.0 + alpha, -2.0 * cos, 1.0 - alpha);
    for _ in 0..2 {
        let (mut x1, mut x2, mut y1, mut y2) = (0.0, 0.0, 0.0, 0.0);
        for sample in audio.iter_mut() {
            let x0 = f32::from(*sample);
            let y0 = (b0 * x0 + b1 * x1 + b0 * x2 - a1 * y1 - a2 * y2) / a0;
            (x2, x1, y2, y1) = (x1, x0, y1, y0);
            *sample = y0.clamp(-32_768.0, 32_767.0) as i16;
        }
    }
}

/// Noise that falls by 3 dB an octave, as rooms and streets do (Kellet's filter over white noise).
pub fn add_noise(audio: &mut [i16], level: f32, random: &mut StdRng) {
    let mut poles = [0.0_f32; 3];
    let noise: Vec<f32> = audio
        .iter()
        .map(|_| {
            let white: f32 = random.random_range(-1.0..1.0);
            poles[0] = 0.997_65 * poles[0] + white * 0.099_046;
            poles[1] = 0.963 * poles[1] + white * 0.296_516_4;
            poles[2] = 0.57 * poles[2] + white * 1.052_691_3;
            poles.iter().sum::<f32>() + white * 0.184_8
        })
        .collect();
    let rms = (noise.iter().map(|value| value * value).sum::<f32>() / noise.len() as f32).sqrt();
    let gain = Dbov(level).rms() / rms;
    for (sample, noise) in audio.iter_mut().zip(noise) {
        *sample = (f32::from(*sample) + noise * gain).clamp(-32_768.0, 32_767.0) as i16;
    }
}
