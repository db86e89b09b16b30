//! The measurements and their tables.

use std::path::Path;

use anyhow::{Context, Result};
use media::turn::Eagerness;

use super::barge::{self, Judge};
use super::scene::{self, Kind};
use super::score::{self, Heard, Score, Transcript};
use super::voices::{Studio, Voice};
use super::{SEED, eager, plot, timer, train};

/// Where the plot goes, from the folder of the benches.
const PLOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/plots/turns-delay-by-cut-offs.svg");

/// Shares of false cut-offs that delays are compared at.
const RATES: [f32; 2] = [0.05, 0.10];

/// One detector over its operating points, from patient to eager.
pub struct Sweep {
    name: &'static str,
    points: Vec<Score>,
}

impl Sweep {
    fn timer(scenes: &[Heard<'_>]) -> Self {
        let waits = (5..=75).rev().map(|step| step * 20);
        Self { name: "timer", points: waits.map(|wait| score::run(scenes, timer(wait), Transcript::None)).collect() }
    }

    fn detector(name: &'static str, scenes: &[Heard<'_>], transcript: Transcript) -> Self {
        let odds = (-30..=30).map(|step| step as f32 / 10.0);
        Self { name, points: odds.map(|odds| score::run(scenes, eager(odds), transcript)).collect() }
    }

    /// All that are compared.
    pub fn all(scenes: &[Heard<'_>]) -> [Self; 4] {
        [
            Self::timer(scenes),
            Self::detector("voice", scenes, Transcript::None),
            Self::detector("voice, plain words", scenes, Transcript::Plain),
            Self::detector("voice, punctuated words", scenes, Transcript::Punctuated),
        ]
    }

    /// `value` where this share of pauses is cut off, between the two points about it.
    pub fn at(&self, rate: f32, value: impl Fn(&Score) -> f32) -> Option<f32> {
        let pair = self.points.windows(2).find(|pair| pair[0].cut_off_rate() <= rate && pair[1].cut_off_rate() > rate)?;
        let (low, high) = (pair[0].cut_off_rate(), pair[1].cut_off_rate());
        let part = (rate - low) / (high - low);
        Some(value(&pair[0]) + part * (value(&pair[1]) - value(&pair[0])))
    }

    fn line(&self) -> plot::Line {
        let percent = |rate: f32| f64::from(rate) * 100.0;
        let points = self.points.iter().map(|score| (percent(score.cut_off_rate()), f64::from(score.delay()))).collect();
        let mark = |rate: f32| Some((percent(rate), f64::from(self.at(rate, Score::delay)?)));
        plot::Line { name: self.name, points, marks: RATES.into_iter().filter_map(mark).collect() }
    }
}

/// Ends of turns: tables and plot.
pub fn ends(scenes: &[Heard<'_>]) -> Result<()> {
    let examples = score::examples(scenes);
    let pauses = examples.iter().filter(|example| !example.is_end()).count();
    println!("{} turns, {pauses} pauses inside them\n", scenes.len());
    println!("| detector | cut off | delay mean | p50 | p95 | of the timer's | turns cut |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    let sweeps = Sweep::all(scenes);
    for rate in RATES {
        let timers = sweeps[0].at(rate, Score::delay).context("the timer never cuts off so few")?;
        for sweep in &sweeps {
            let at = |value: &dyn Fn(&Score) -> f32| sweep.at(rate, value).unwrap_or(f32::NAN);
            let mean = at(&Score::delay);
            println!(
                "| {} | {:.0} % | {mean:.0} ms | {:.0} | {:.0} | {:.0} % | {:.1} % |",
                sweep.name,
                rate * 100.0,
                at(&|score| score.delay_at(0.5)),
                at(&|score| score.delay_at(0.95)),
                mean / timers * 100.0,
                at(&|score| score.turns.1 as f32 * 100.0 / score.turns.0 as f32),
            );
        }
    }
    settings(scenes);
    lines(scenes);
    let foot =
        format!("{} turns, {pauses} pauses of 200-1,200 ms, voices of espeak-ng and flite; make bench-turns", scenes.len());
    let drawn: Vec<_> = sweeps.iter().map(Sweep::line).collect();
    plot::draw(Path::new(PLOT), &drawn, &foot)
}

/// What the settings of an assistant mean.
fn settings(scenes: &[Heard<'_>]) {
    println!(
        "\n| setting | words | cut off: all | comma | phrase | sentence | delay mean | p50 | p95 | paused | taken back | not found |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    let eagerness = [("low", Eagerness::LOW), ("medium", Eagerness::MEDIUM), ("high", Eagerness::HIGH)];
    let settings = eagerness.map(|(name, value)| (name, eager(value.log_odds())));
    for (name, config) in [("timer 600 ms", timer(600))].into_iter().chain(settings) {
        for (words, transcript) in
            [("none", Transcript::None), ("plain", Transcript::Plain), ("punctuated", Transcript::Punctuated)]
        {
            if name.starts_with("timer") && transcript != Transcript::None {
                continue;
            }
            let score = score::run(scenes, config, transcript);
            let of = |kind: Kind| score.cut_off_rate_of(kind) * 100.0;
            println!(
                "| {name} | {words} | {:.1} % | {:.1} % | {:.1} % | {:.1} % | {:.0} ms | {:.0} | {:.0} | {:.0} ms | {:.0} % | {} |",
                score.cut_off_rate() * 100.0,
                of(Kind::Comma),
                of(Kind::Phrase),
                of(Kind::Sentence),
                score.delay(),
                score.delay_at(0.5),
                score.delay_at(0.95),
                score::mean(&score.paused_delays),
                score.early.1 as f32 * 100.0 / score.early.0.max(1) as f32,
                score.missed,
            );
        }
    }
}

/// How well the evidence tells ends from pauses, by noise.
fn lines(scenes: &[Heard<'_>]) {
    println!("\n| signal to noise | area of the voice | of plain words |\n| --- | --- | --- |");
    for line in super::LINES {
        let examples = score::examples(scenes.iter().filter(|heard| heard.scene.line == line));
        let voice = train::area(&examples, |example| example.cues.score());
        println!("| {} dB | {voice:.2} | {:.2} |", line.snr_db, train::area(&examples, |example| example.words));
    }
}

/// The one recording of a person: too little for a rate, enough to see that people do not speak as synthesizers do.
pub fn real_speech() {
    let scenes = [scene::recorded()];
    let heard = Heard::all(&scenes);
    println!("\n| setting | pauses of the recording taken for the end | delay after its last word |\n| --- | --- | --- |");
    for (name, config) in [
        ("timer 600 ms", timer(600)),
        ("low", eager(Eagerness::LOW.log_odds())),
        ("medium", eager(Eagerness::MEDIUM.log_odds())),
        ("high", eager(Eagerness::HIGH.log_odds())),
    ] {
        let score = score::run(&heard, config, Transcript::None);
        let (all, cut) = score.pauses[Kind::Phrase as usize];
        println!("| {name} | {cut} of {all} | {:.0} ms |", score.delay());
    }
}

/// Losses and delays of the echo that interruptions are measured with, dB and milliseconds.
const ECHOES: [(f32, usize); 4] = [(60.0, 20), (25.0, 120), (15.0, 60), (10.0, 240)];

/// Interruptions: a table.
pub fn interruptions(voices: &[Voice]) -> Result<()> {
    let studio = Studio::default();
    println!("\n| echo | judge | precision | recall | paused p50 | p95 | committed p50 | p95 | silent calls paused |");
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    for (loss, delay) in ECHOES {
        for (name, judge) in
            [("plain VAD, 500 ms", Judge::PlainVad), ("detector", Judge::Detector), ("detector, words", Judge::DetectorWithWords)]
        {
            let outcome = barge::run(&studio, voices, judge, loss, delay, SEED)?;
            println!(
                "| {loss} dB, {delay} ms | {name} | {:.0} % | {:.0} % | {:.0} ms | {:.0} | {:.0} ms | {:.0} | {} |",
                outcome.precision() * 100.0,
                outcome.recall() * 100.0,
                outcome.paused_at(0.5),
                outcome.paused_at(0.95),
                outcome.committed_at(0.5),
                outcome.committed_at(0.95),
                outcome.echo_pauses,
            );
        }
    }
    Ok(())
}

/// What the tests hold us to, a number a line.
pub fn numbers(scenes: &[Heard<'_>], voices: &[Voice]) -> Result<()> {
    let sweeps = Sweep::all(scenes);
    for (sweep, name) in sweeps.iter().zip(["timer", "voice", "plain", "punctuated"]) {
        for (rate, percent) in [(0.05, 5), (0.10, 10)] {
            println!("{name}_delay_at_{percent} {:.0}", sweep.at(rate, Score::delay).unwrap_or(f32::NAN));
        }
    }
    let studio = Studio::default();
    for (loss, delay) in ECHOES {
        for (name, judge) in [("plain", Judge::PlainVad), ("detector", Judge::Detector), ("words", Judge::DetectorWithWords)] {
            let outcome = barge::run(&studio, voices, judge, loss, delay, SEED)?;
            println!("{name}_precision_at_{loss} {:.2}", outcome.precision());
            println!("{name}_recall_at_{loss} {:.2}", outcome.recall());
            println!("{name}_echo_pauses_at_{loss} {}", outcome.echo_pauses);
        }
    }
    Ok(())
}
