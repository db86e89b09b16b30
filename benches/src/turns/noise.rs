//! What noise suppression does: to real speech in noise, to the VAD, and to turn-taking, each against the audio as it came.
//!
//! ```text
//! speech + noise ──► mu-law ──► as it came
//!                      └──► media::denoise ──► mu-law ──► denoised, taken back by the denoiser's delay
//! ```

use std::path::Path;

use anyhow::{Context, Result};
use media::codec::Codec;
use media::denoise::Denoiser;
use media::frame::{FrameOrigin, PcmFrame};
use media::turn::Eagerness;
use media::units::{Dbov, FRAME_SAMPLES, SampleRate};
use media::vad::{Vad, VadConfig};
use media::wav::{self, WavFormat};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::scene::{self, Scene};
use super::score::{self, Heard, Transcript};
use super::voices::{self, Studio};
use super::{LINES, SEED, eager, sentences, train};

/// Noise alone, before the first word.
const LEAD: usize = 2 * 8_000;

/// Noise below the speech, dB.
const RATIOS: [f32; 4] = [20.0, 10.0, 5.0, 0.0];

/// Frames of the recording within this of the loudest are speech.
const SPEECH_DB: f32 = 25.0;

/// What the turn detector takes for speech by default.
const PROBABILITY: f32 = 0.55;
const OVER_FLOOR_DB: f32 = 6.0;

/// The tables; with a folder, the audio too, for other ears.
pub fn report(folder: Option<&str>, scenes: Vec<Scene>) -> Result<()> {
    quality(folder.map(Path::new))?;
    turns(scenes);
    Ok(())
}

/// A recording over a line.
struct Take {
    clean: Vec<i16>,
    came: Vec<i16>,
    denoised: Vec<i16>,
}

fn quality(folder: Option<&Path>) -> Result<()> {
    let speech: Vec<i16> = crate::speech::frames().into_iter().flat_map(|frame| frame.samples).collect();
    let clean = [vec![0; LEAD], speech].concat();
    println!(
        "| noise | SNR | SNR after | segmental | after | noise in pauses | speech found | after | pauses taken for speech | after |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    for (name, noise) in noises(clean.len())? {
        for ratio in RATIOS {
            Take::new(&clean, &noise, Some(ratio)).line(name, &format!("{ratio:.0}"), folder)?;
        }
    }
    let take = Take::new(&clean, &[], None);
    take.line("none", "", folder)?;
    if let Some(folder) = folder {
        save(&folder.join("clean.wav"), WavFormat { channels: 1, ..WavFormat::RECORDING }, &take.clean[LEAD..])?;
    }
    Ok(())
}

/// White, as of a street, and of eight people who talk at once; any level.
fn noises(count: usize) -> Result<[(&'static str, Vec<i16>); 3]> {
    let mut random = StdRng::seed_from_u64(SEED);
    let white = (0..count).map(|_| random.random_range(-3_000..3_000)).collect();
    let mut street = vec![0; count];
    scene::add_noise(&mut street, -25.0, &mut random);
    let studio = Studio::default();
    let mut babble = vec![0_i16; count];
    for (number, voice) in voices::MEASURED.iter().chain(&voices::TRAINING[..2]).enumerate() {
        let text =
            sentences::TRAINING[number..].iter().step_by(5).map(|text| text.replace('|', "")).collect::<Vec<_>>().join(" ");
        let said = studio.say(*voice, &text)?;
        for (to, from) in babble.iter_mut().zip(said.iter().cycle().skip(number * 3_001)) {
            *to = to.saturating_add(from / 4);
        }
    }
    Ok([("white", white), ("street", street), ("babble", babble)])
}

impl Take {
    fn new(clean: &[i16], noise: &[i16], ratio: Option<f32>) -> Self {
        let clean: Vec<i16> = clean.iter().map(|&sample| (f32::from(sample) * 0.7) as i16).collect();
        let voice: Vec<i16> = frames(&clean).filter(|(_, speech)| *speech).flat_map(|(frame, _)| frame).copied().collect();
        let gain = ratio.map_or(0.0, |ratio| 10_f32.powf((Dbov::of(&voice).0 - ratio - Dbov::of(noise).0) / 20.0));
        let noise = noise.iter().copied().chain(std::iter::repeat(0));
        let noisy = clean.iter().zip(noise).map(|(&voice, noise)| (f32::from(voice) + gain * f32::from(noise)) as i16);
        let came = through_mu_law(&noisy.collect::<Vec<_>>());
        let mut denoised = came.clone();
        let mut denoiser = Denoiser::new(SampleRate::HZ_8000).expect("a rate of the telephone");
        denoised.chunks_mut(FRAME_SAMPLES).for_each(|frame| denoiser.handle_frame(frame));
        let late = SampleRate::HZ_8000.samples_in(denoiser.delay());
        denoised.rotate_left(late);
        Self { clean, came, denoised: through_mu_law(&denoised) }
    }

    fn line(&self, name: &str, ratio: &str, folder: Option<&Path>) -> Result<()> {
        let [came, denoised] = [&self.came, &self.denoised].map(|heard| Measures::new(&self.clean, heard));
        println!(
            "| {name} | {ratio} | {:.1} → {:.1} dB | {:.1} | {:.1} dB | {:.1} dB | {:.0} % | {:.0} % | {:.0} % | {:.0} % |",
            came.snr,
            denoised.snr,
            came.segmental,
            denoised.segmental,
            denoised.pauses - came.pauses,
            came.found * 100.0,
            denoised.found * 100.0,
            came.mistaken * 100.0,
            denoised.mistaken * 100.0,
        );
        let Some(folder) = folder else { return Ok(()) };
        for (heard, what) in [(&self.came, "came"), (&self.denoised, "denoised")] {
            let sides: Vec<i16> =
                self.clean[LEAD..].iter().zip(&heard[LEAD..]).flat_map(|(left, right)| [*left, *right]).collect();
            save(&folder.join(format!("{name}{ratio}-{what}.wav")), WavFormat::RECORDING, &sides)?;
        }
        Ok(())
    }
}

/// How near what was heard is to what was said.
struct Measures {
    /// Over all speech, whatever its level; dB.
    snr: f32,
    /// Mean over frames of speech, each within -10 to 35 dB.
    segmental: f32,
    /// Level between the words, dBov.
    pauses: f32,
    /// Share of the frames of speech that the VAD finds.
    found: f32,
    /// Share of the others that it takes for speech.
    mistaken: f32,
}

impl Measures {
    fn new(clean: &[i16], heard: &[i16]) -> Self {
        let mut vad = Vad::new(VadConfig::default());
        let mut frame = PcmFrame { origin: FrameOrigin::Received, ..PcmFrame::silence(Codec::Pcmu) };
        let (mut voice, mut like, mut own, mut pauses, mut segments) = (0.0, 0.0, 0.0, Vec::new(), Vec::new());
        let (mut found, mut mistaken) = ([0_u32; 2], [0_u32; 2]);
        for (index, ((said, speech), heard)) in frames(clean).zip(heard.chunks_exact(FRAME_SAMPLES)).enumerate() {
            frame.samples.copy_from_slice(heard);
            let judged = vad.handle_frame(&frame);
            if index < LEAD / FRAME_SAMPLES {
                continue;
            }
            let taken = judged.speech_probability >= PROBABILITY && judged.level.0 >= judged.noise_floor.0 + OVER_FLOOR_DB;
            let counts = if speech { &mut found } else { &mut mistaken };
            counts[0] += 1;
            counts[1] += u32::from(taken);
            if !speech {
                pauses.extend_from_slice(heard);
                continue;
            }
            let (energy, product, power) = products(said, heard);
            (voice, like, own) = (voice + energy, like + product, own + power);
            let error = energy + power - 2.0 * product;
            segments.push((10.0 * ((energy + 1.0) / (error + 1.0)).log10()).clamp(-10.0, 35.0));
        }
        let part = like * like / voice;
        let share = |[all, some]: [u32; 2]| some as f32 / all.max(1) as f32;
        Self {
            snr: (10.0 * (part / (own - part)).log10()) as f32,
            segmental: (segments.iter().sum::<f64>() / segments.len().max(1) as f64) as f32,
            pauses: Dbov::of(&pauses).0,
            found: share(found),
            mistaken: share(mistaken),
        }
    }
}

/// Energies of both, and what they have in common.
fn products(said: &[i16], heard: &[i16]) -> (f64, f64, f64) {
    said.iter().zip(heard).fold((0.0, 0.0, 0.0), |(energy, product, power), (&said, &heard)| {
        let (said, heard) = (f64::from(said), f64::from(heard));
        (energy + said * said, product + said * heard, power + heard * heard)
    })
}

/// Frames of the recording, and whether each is speech.
fn frames(clean: &[i16]) -> impl Iterator<Item = (&[i16], bool)> {
    let level = |frame: &[i16]| Dbov::of(frame).0;
    let loudest = clean.chunks_exact(FRAME_SAMPLES).map(level).fold(-127.0, f32::max);
    clean.chunks_exact(FRAME_SAMPLES).map(move |frame| (frame, level(frame) > loudest - SPEECH_DB))
}

fn through_mu_law(samples: &[i16]) -> Vec<i16> {
    let (mut octets, mut heard) = (Vec::new(), Vec::new());
    Codec::Pcmu.encode(samples, &mut octets);
    Codec::Pcmu.decode(&octets, &mut heard);
    heard
}

fn save(path: &Path, format: WavFormat, samples: &[i16]) -> Result<()> {
    let data: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    let file = [&wav::header(format, data.len() as u64)[..], &data].concat();
    std::fs::write(path, file).with_context(|| path.display().to_string())
}

/// Ends of turns found in what came, and in the same denoised.
fn turns(mut scenes: Vec<Scene>) {
    println!("\n| signal to noise | heard | cut off | delay mean | p95 | not found | area of the voice |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for line in LINES {
        let (mut mine, others): (Vec<Scene>, Vec<Scene>) = scenes.into_iter().partition(|scene| scene.line == line);
        scenes = others;
        turns_of(&mine, "as it came");
        denoise(&mut mine);
        turns_of(&mine, "denoised");
    }
}

fn turns_of(scenes: &[Scene], name: &str) {
    let heard = Heard::all(scenes);
    let score = score::run(&heard, eager(Eagerness::MEDIUM.log_odds()), Transcript::None);
    println!(
        "| {} dB | {name} | {:.1} % | {:.0} ms | {:.0} | {} | {:.2} |",
        scenes.first().map_or(0.0, |scene| scene.line.snr_db),
        score.cut_off_rate() * 100.0,
        score.delay(),
        score.delay_at(0.95),
        score.missed,
        train::area(&score::examples(&heard), |example| example.cues.score()),
    );
}

/// Each call has a denoiser of its own.
fn denoise(scenes: &mut [Scene]) {
    let mut of = None;
    for scene in scenes {
        let denoiser = match &mut of {
            Some((call, denoiser)) if *call == scene.call => denoiser,
            _ => {
                let denoiser = Denoiser::new(SampleRate::HZ_8000).expect("a rate of the telephone");
                &mut of.insert((scene.call, denoiser)).1
            }
        };
        scene.frames.iter_mut().for_each(|frame| denoiser.handle_frame(&mut frame.samples));
    }
}
