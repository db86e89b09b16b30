//! Synthetic callers: espeak-ng and flite, each with its own way to end a sentence.

use std::collections::HashMap;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};

use anyhow::{Context, Result, ensure};
use media::resample;
use media::units::{Dbov, FRAME_SAMPLES, SampleRate};

/// One voice with its speed and height.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Voice {
    /// For the report.
    pub name: &'static str,
    program: Program,
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Program {
    /// Voice, words a minute, pitch.
    Espeak(&'static str, u32, u32),
    /// Voice, length of its sounds in percent.
    Flite(&'static str, u32),
}

impl Voice {
    const fn espeak(name: &'static str, voice: &'static str, speed: u32, pitch: u32) -> Self {
        Self { name, program: Program::Espeak(voice, speed, pitch) }
    }

    const fn flite(name: &'static str, voice: &'static str, stretch: u32) -> Self {
        Self { name, program: Program::Flite(voice, stretch) }
    }

    fn command(self, text: &str) -> Command {
        match self.program {
            Program::Espeak(voice, speed, pitch) => {
                let mut command = Command::new("espeak-ng");
                command.args(["--stdout", "-v", voice, "-s", &speed.to_string(), "-p", &pitch.to_string(), "--", text]);
                command
            }
            Program::Flite(voice, stretch) => {
                let mut command = Command::new("flite");
                let stretch = format!("duration_stretch={}", f64::from(stretch) / 100.0);
                command.args(["-voice", voice, "--setf", &stretch, "-t", text, "-o", "/dev/stdout"]);
                command
            }
        }
    }
}

/// Voices that the weights are made with.
pub const TRAINING: &[Voice] = &[
    Voice::flite("flite awb", "awb", 100),
    Voice::flite("flite kal", "kal16", 105),
    Voice::espeak("espeak m1", "en-us+m1", 150, 45),
    Voice::espeak("espeak f2", "en-gb+f2", 170, 55),
    Voice::espeak("espeak m3", "en-gb-scotland+m3", 140, 35),
    Voice::espeak("espeak f4", "en-us+f4", 160, 65),
    Voice::flite("flite kal, quick", "kal16", 88),
    Voice::espeak("espeak m8", "en-gb+m8", 155, 45),
    Voice::espeak("espeak f2, high", "en-gb-x-gbclan+f2", 165, 75),
];

/// Voices that are measured, and were not heard before.
pub const MEASURED: &[Voice] = &[
    Voice::flite("flite rms", "rms", 100),
    Voice::flite("flite slt", "slt", 95),
    Voice::espeak("espeak m7", "en-us+m7", 165, 40),
    Voice::espeak("espeak f5", "en-gb-x-rp+f5", 150, 60),
    Voice::espeak("espeak m4", "en-029+m4", 155, 50),
    Voice::espeak("espeak f1", "en-us+f1", 175, 70),
];

/// The agent's.
pub const AGENT: Voice = Voice::espeak("espeak f3", "en-us+f3", 160, 50);

/// Level that speech is brought to, before a scene makes it louder or softer.
pub const LEVEL: Dbov = Dbov(-22.0);

/// Frames this far below the level of the speech are none of it.
const SILENT_DB: f32 = 35.0;

/// Everything that was said so far, so that it is said once.
#[derive(Default)]
pub struct Studio(Mutex<Said>);

/// By voice and text.
type Said = HashMap<(Voice, String), Arc<Vec<i16>>>;

impl Studio {
    /// `text` at 8 kHz and [`LEVEL`], without silence around it.
    pub fn say(&self, voice: Voice, text: &str) -> Result<Arc<Vec<i16>>> {
        let key = (voice, text.to_owned());
        if let Some(known) = self.known().get(&key) {
            return Ok(Arc::clone(known));
        }
        let speech = Arc::new(synthesize(voice, text)?);
        self.known().insert(key, Arc::clone(&speech));
        Ok(speech)
    }

    fn known(&self) -> MutexGuard<'_, Said> {
        self.0.lock().expect("a poisoned studio ends the bench")
    }
}

fn synthesize(voice: Voice, text: &str) -> Result<Vec<i16>> {
    let mut command = voice.command(text);
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("{command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
    let wav = output.stdout;
    ensure!(wav.len() > 44 && wav.starts_with(b"RIFF") && &wav[36..40] == b"data", "{command:?}: no WAV");
    let hz = u32::from_le_bytes([wav[24], wav[25], wav[26], wav[27]]);
    let rate = SampleRate::from_hz(hz).context("unusual sample rate")?;
    let samples: Vec<i16> = wav[44..].chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
    let mut speech = resample::convert(&samples, rate, SampleRate::HZ_8000)?;
    let level = speech_level(&speech);
    trim(&mut speech, Dbov(level.0 - SILENT_DB));
    ensure!(!speech.is_empty(), "{command:?}: silence");
    scale(&mut speech, LEVEL.0 - level.0);
    Ok(speech)
}

/// Level of the frames that are not silent.
fn speech_level(speech: &[i16]) -> Dbov {
    let loudest = speech.chunks(FRAME_SAMPLES).map(|frame| Dbov::of(frame).0).fold(Dbov::SILENCE.0, f32::max);
    let loud: Vec<i16> =
        speech.chunks(FRAME_SAMPLES).filter(|frame| Dbov::of(frame).0 > loudest - SILENT_DB).flatten().copied().collect();
    Dbov::of(&loud)
}

/// Cuts silence off both ends, to 5 ms.
pub fn trim(speech: &mut Vec<i16>, silence: Dbov) {
    const STEP: usize = 40;
    let is_loud = |part: &[i16]| Dbov::of(part) > silence;
    let Some(first) = speech.chunks(STEP).position(is_loud) else { return speech.clear() };
    let quiet = speech.rchunks(STEP).position(is_loud).unwrap_or(0);
    speech.truncate(speech.len() - quiet * STEP);
    speech.drain(..first * STEP);
}

/// Louder by so many dB, clipped.
pub fn scale(speech: &mut [i16], db: f32) {
    let gain = 10_f32.powf(db / 20.0);
    for sample in speech {
        *sample = (f32::from(*sample) * gain).clamp(-32_768.0, 32_767.0) as i16;
    }
}
