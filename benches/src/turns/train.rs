//! Weights for the cues: logistic regression by Newton's method.

use std::fmt::Write as _;

use media::turn::words::{self, STOPS};
use media::turn::{CUE_NAMES, CUES};

use super::score::{self, Example, mean};

/// Unknowns: a weight a cue, one of the words, and the bias.
const UNKNOWNS: usize = CUES + 2;

/// Keeps weights small where the examples say little.
const RIDGE: f64 = 3.0;

const STEPS: usize = 20;

/// Names of the unknowns.
fn names() -> impl Iterator<Item = &'static str> {
    CUE_NAMES.into_iter().chain(["words", "bias"])
}

/// Fits the weights; ends and pauses count the same.
pub fn fit(examples: &[Example]) -> [f64; UNKNOWNS] {
    let ends = examples.iter().filter(|example| example.is_end()).count() as f64;
    let mut weights = [0.0; UNKNOWNS];
    for _ in 0..STEPS {
        let (mut gradient, mut curvature) = ([0.0; UNKNOWNS], [[0.0; UNKNOWNS]; UNKNOWNS]);
        for example in examples {
            let row = row(example);
            let (truth, share) = if example.is_end() { (1.0, ends) } else { (0.0, examples.len() as f64 - ends) };
            let importance = examples.len() as f64 / 2.0 / share;
            let odds: f64 = row.iter().zip(weights).map(|(cue, weight)| cue * weight).sum();
            let probability = 1.0 / (1.0 + (-odds).exp());
            for i in 0..UNKNOWNS {
                gradient[i] += importance * row[i] * (truth - probability);
                for j in 0..UNKNOWNS {
                    curvature[i][j] += importance * row[i] * row[j] * probability * (1.0 - probability);
                }
            }
        }
        for i in 0..UNKNOWNS - 1 {
            gradient[i] -= RIDGE * weights[i];
            curvature[i][i] += RIDGE;
        }
        let step = solve(curvature, gradient);
        weights.iter_mut().zip(step).for_each(|(weight, step)| *weight += step);
    }
    weights
}

fn row(example: &Example) -> [f64; UNKNOWNS] {
    std::array::from_fn(|index| match index {
        CUES => f64::from(example.words),
        0..CUES => f64::from(example.cues.0[index]),
        _ => 1.0,
    })
}

/// Gauss with pivots.
fn solve(mut matrix: [[f64; UNKNOWNS]; UNKNOWNS], mut right: [f64; UNKNOWNS]) -> [f64; UNKNOWNS] {
    for column in 0..UNKNOWNS {
        let pivot = (column..UNKNOWNS).max_by(|&a, &b| matrix[a][column].abs().total_cmp(&matrix[b][column].abs()));
        let pivot = pivot.unwrap_or(column);
        matrix.swap(column, pivot);
        right.swap(column, pivot);
        for below in column + 1..UNKNOWNS {
            let factor = matrix[below][column] / matrix[column][column];
            let (above, rest) = matrix.split_at_mut(below);
            rest[0].iter_mut().zip(above[column]).skip(column).for_each(|(to, from)| *to -= factor * from);
            right[below] -= factor * right[column];
        }
    }
    for column in (0..UNKNOWNS).rev() {
        let known: f64 = (column + 1..UNKNOWNS).map(|at| matrix[column][at] * right[at]).sum();
        right[column] = (right[column] - known) / matrix[column][column];
    }
    right
}

/// The weights, of the voice alone and with words, and how well each cue alone tells ends from pauses.
pub fn report(examples: &[Example]) -> String {
    let mute: Vec<Example> = examples.iter().map(|&example| Example { words: 0.0, ..example }).collect();
    let (voice, joint) = (fit(&mute), fit(examples));
    let of = |end: bool| examples.iter().filter(move |example| example.is_end() == end);
    let mut text =
        format!("{} ends, {} pauses; the weights of the voice alone and with words\n", of(true).count(), of(false).count());
    for (index, name) in names().enumerate() {
        let mean_of = |end: bool| mean(&of(end).map(|example| row(example)[index] as f32).collect::<Vec<_>>());
        let area = area(examples, |example| row(example)[index] as f32);
        let (pause, end) = (mean_of(false), mean_of(true));
        let _ = writeln!(
            text,
            "{name:<10} {:>6.2} {:>6.2}   mean in pauses {pause:>5.2}, at ends {end:>5.2}, area {area:.3}",
            voice[index], joint[index]
        );
    }
    let score = |weights: [f64; UNKNOWNS]| {
        move |example: &Example| row(example).iter().zip(weights).map(|(cue, weight)| cue * weight).sum::<f64>() as f32
    };
    let _ = writeln!(text, "area: voice {:.3}, with words {:.3}", area(examples, score(voice)), area(examples, score(joint)));
    text
}

/// How often callers stop where the words look like this, and what that makes of `media::turn::words::Stop::completeness`; a text without punctuation.
pub fn stops(sentences: &[&str]) -> String {
    let mut counts = [(0.0, 0.0); STOPS.len()];
    let mut count = |text: &str, end: bool| {
        let text = score::bare(text);
        // Numbers and addresses have rules of their own.
        let found = words::stop(&text, "en").filter(|stop| words::completeness(&text, "en") == stop.completeness());
        if let Some(index) = found.and_then(|found| STOPS.iter().position(|&stop| stop == found)) {
            let (pauses, ends) = &mut counts[index];
            *if end { ends } else { pauses } += 1.0;
        }
    };
    for sentence in sentences {
        let bars = sentence.match_indices('|').map(|(at, _)| at);
        bars.for_each(|at| count(&sentence[..at], false));
        count(sentence, true);
    }
    let (pauses, ends) = counts.iter().fold((0.0, 0.0), |sum, count| (sum.0 + count.0, sum.1 + count.1));
    let mut text = String::from("stops: pauses, ends, completeness\n");
    for (stop, (pause, end)) in STOPS.iter().zip(counts) {
        // One more of each, so that what was never seen is not impossible.
        let (pause, end): (f32, f32) = ((pause + 1.0) / pauses, (end + 1.0) / ends);
        let _ = writeln!(
            text,
            "{:<12} {:>4} {:>4} {:.2}",
            format!("{stop:?}"),
            pause * pauses - 1.0,
            end * ends - 1.0,
            end / (end + pause)
        );
    }
    text
}

/// Area under the curve: how often an end scores higher than a pause.
pub fn area(examples: &[Example], score: impl Fn(&Example) -> f32) -> f32 {
    let of = |end: bool| examples.iter().filter(move |example| example.is_end() == end).map(&score);
    let pauses: Vec<f32> = of(false).collect();
    let beats =
        |end: f32| pauses.iter().map(move |&pause| if end > pause { 1.0 } else { 0.5 * f32::from(u8::from(end == pause)) });
    let wins: f32 = of(true).flat_map(beats).sum();
    wins / (pauses.len() * of(true).count()).max(1) as f32
}

#[cfg(test)]
mod tests {
    use media::turn::Cues;

    use super::super::scene::Kind;
    use super::*;

    #[test]
    fn what_tells_ends_from_pauses_gets_weight() {
        let example = |height: f32, noise: f32, kind: Option<Kind>| {
            let mut cues = Cues::default();
            (cues.0[0], cues.0[1]) = (height, noise);
            Example { cues, words: 0.0, kind }
        };
        let examples: Vec<_> = (0..200_u16)
            .map(|n| {
                let kind = (n % 2 == 1).then_some(Kind::Comma);
                let height = if kind.is_none() { -0.5 } else { 0.5 } + f32::from(n * 7 % 13) / 13.0 - 0.5;
                example(height, f32::from(n * 5 % 11) / 11.0, kind)
            })
            .collect();
        let weights = fit(&examples);
        assert!(weights[0] < -2.0 && weights[1].abs() < 0.5, "{weights:?}");
        assert!(area(&examples, |example| -example.cues.0[0]) > 0.9);
    }
}
