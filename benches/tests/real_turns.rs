//! Turn-taking against known truth: fewer voices and sentences than `make bench-turns`, and counts that must not get worse.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::process::Command;

/// What `benches turns small` counts, by name.
fn numbers() -> HashMap<String, f32> {
    let output = Command::new(env!("CARGO_BIN_EXE_benches")).args(["turns", "small"]).output().unwrap();
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{errors}");
    println!("{text}");
    let number = |line: &str| line.split_once(' ').map(|(name, value)| (name.to_owned(), value.parse().unwrap()));
    text.lines().filter_map(number).collect()
}

#[test]
fn the_detector_beats_a_timer_and_interruptions_are_told_from_echo_and_listening() {
    let numbers = numbers();
    // Milliseconds of waiting at the same share of false cut-offs.
    let of_the_timers =
        |name: &str, percent: u32| numbers[&format!("{name}_delay_at_{percent}")] / numbers[&format!("timer_delay_at_{percent}")];
    for percent in [5, 10] {
        assert!(of_the_timers("voice", percent) < 0.95, "the voice alone, at {percent} %");
        assert!(of_the_timers("plain", percent) < 0.85, "with words, at {percent} %");
        assert!(of_the_timers("punctuated", percent) < 0.5, "with punctuated words, at {percent} %");
    }
    for loss in [60, 25, 15, 10] {
        let of = |name: &str| numbers[&format!("{name}_at_{loss}")];
        assert_eq!(of("detector_echo_pauses"), 0.0, "an echo of {loss} dB paused the agent");
        assert!(of("detector_precision") >= 0.75 && of("detector_recall") >= 0.55, "sound alone, echo of {loss} dB");
        assert!(of("words_precision") >= 0.8 && of("words_recall") >= 0.95, "with words, echo of {loss} dB");
    }
    // Else the echo would not be one that matters.
    assert!(numbers["plain_precision_at_25"] < 0.2);
}
