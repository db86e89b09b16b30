//! Turn-taking measured: conversations composed with known truth, our detector and a plain timer over the same audio.
//!
//! ```text
//! benches turns         the tables, and docs/plots/turns-delay-by-cut-offs.svg
//! benches turns noise   the same with noise suppression, and what that does to speech; with a folder, the audio too
//! benches turns small   fewer voices and sentences, as numbers for the tests
//! benches turns train   the weights of media::turn, from the voices and sentences that are not measured
//! ```

mod barge;
mod noise;
mod plot;
mod report;
mod scene;
mod score;
mod sentences;
mod train;
mod voices;

use std::time::Duration;

use anyhow::{Result, bail};
use media::codec::Codec;
use media::turn::{Eagerness, TurnConfig};

use scene::{Caller, Line, Scene};
use score::Heard;
use voices::{Studio, Voice};

/// What lies over the voices, each in turn: both laws of G.711, noise from hardly any to as loud as in a car, losses.
const LINES: [Line; 4] = [
    Line { codec: Codec::Pcmu, snr_db: 40.0, loss: 0.0 },
    Line { codec: Codec::Pcma, snr_db: 20.0, loss: 0.02 },
    Line { codec: Codec::Pcmu, snr_db: 10.0, loss: 0.0 },
    Line { codec: Codec::Pcma, snr_db: 5.0, loss: 0.02 },
];

/// What is measured; the same seed gives the same audio as long as the synthesizers are the same.
const SEED: u64 = 2_026;

/// Runs the command's words after `turns`.
pub fn run(words: &[&str]) -> Result<()> {
    match words {
        [] => {
            let scenes = scenes(voices::MEASURED, sentences::MEASURED, 2)?;
            report::ends(&Heard::all(&scenes))?;
            report::real_speech();
            report::interruptions(voices::MEASURED)?;
        }
        ["noise", folder @ ..] if folder.len() < 2 => {
            noise::report(folder.first().copied(), scenes(voices::MEASURED, sentences::MEASURED, 2)?)?;
        }
        ["small"] => {
            let voices = [voices::MEASURED[0], voices::MEASURED[3]];
            let scenes = scenes(&voices, sentences::MEASURED, 2)?;
            report::numbers(&Heard::all(&scenes), &voices[..1])?;
        }
        ["train"] => {
            let scenes = scenes(voices::TRAINING, sentences::TRAINING, 1)?;
            print!("{}", train::stops(sentences::TRAINING));
            print!("{}", train::report(&score::examples(&Heard::all(&scenes))));
        }
        _ => bail!("usage: benches turns [noise [FOLDER] | small | train]"),
    }
    Ok(())
}

/// A call over each line with each voice: all callers together say every sentence `times`.
fn scenes(voices: &[Voice], sentences: &[&str], times: usize) -> Result<Vec<Scene>> {
    let studio = Studio::default();
    let calls: Vec<(usize, usize)> =
        (0..voices.len()).flat_map(|voice| (0..LINES.len()).map(move |line| (voice, line))).collect();
    let talk = |&(voice, line): &(usize, usize)| -> Result<Vec<Scene>> {
        let call = (voice * LINES.len() + line) as u64;
        let turns = (0..times).flat_map(|time| (0..sentences.len()).map(move |sentence| (time, sentence)));
        let turns = turns.filter(|(time, sentence)| (voice + line + sentence + 2 * time) % LINES.len() == 0);
        let compose = |(turn, (_, sentence)): (usize, (usize, usize))| {
            let caller = Caller { voice: voices[voice], line: LINES[line], call, turn: turn as u64 };
            scene::compose(&studio, caller, sentences[sentence], SEED)
        };
        turns.enumerate().map(compose).collect()
    };
    let (first, second) = calls.split_at(calls.len() / 2);
    std::thread::scope(|scope| {
        let other = scope.spawn(|| first.iter().map(talk).collect::<Result<Vec<_>>>());
        let second = second.iter().map(talk).collect::<Result<Vec<_>>>()?;
        let first = other.join().expect("a panic of one half is one of the bench")?;
        Ok(first.into_iter().chain(second).flatten().collect())
    })
}

fn timer(wait_ms: u64) -> TurnConfig {
    let wait = Duration::from_millis(wait_ms);
    TurnConfig { endpoint_silence: wait, endpoint_silence_min: wait, ..TurnConfig::default() }
}

fn eager(log_odds: f32) -> TurnConfig {
    TurnConfig { eagerness: Eagerness::of(log_odds), ..TurnConfig::default() }
}
