//! Whoever picks up, drawn frame by frame: `#` is voice, `=` a tone, `.` silence, each 100 ms.

use super::*;
use crate::frame::FrameOrigin;
use crate::units::{Dbov, SampleRate};

fn frame(kind: char, place: usize) -> (PcmFrame, VadFrame) {
    let sine = |n: usize| (8_000.0 * (1_000.0 * std::f32::consts::TAU / 8_000.0 * (place * 160 + n) as f32).sin()) as i16;
    let (samples, probability, level) = match kind {
        '#' => ((0..160_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 18) as i16 - 8_192).collect(), 0.9, -20.0),
        '=' => ((0..160).map(sine).collect(), 0.6, -15.0),
        _ => (vec![0; 160], 0.0, -80.0),
    };
    let frame = PcmFrame { rate: SampleRate::HZ_8000, samples, encoded: Vec::new(), origin: FrameOrigin::Received };
    let vad = VadFrame {
        speech_probability: probability,
        level: Dbov(level),
        noise_floor: Dbov(-60.0),
        origin: FrameOrigin::Received,
        pitch_hz: None,
    };
    (frame, vad)
}

/// Plays it until nothing more comes; what was found, and when.
fn check(drawn: &str, expected: &str) {
    let mut answerer = Answerer::new();
    let mut told = Vec::new();
    let frames = drawn.chars().flat_map(|kind| std::iter::repeat_n(kind, 5));
    for (place, kind) in frames.enumerate() {
        let (frame, vad) = frame(kind, place);
        answerer.handle_frame(&frame, &vad);
        while let Some(event) = answerer.poll_event() {
            let at = (place + 1) * 20;
            told.push(match event {
                AnswererEvent::Judged(one) => format!("{at}:{:?} {}", one.who, one.reason.as_str()),
                AnswererEvent::MessageDue(true) => format!("{at}:message after the beep"),
                AnswererEvent::MessageDue(false) => format!("{at}:message after silence"),
                AnswererEvent::GaveUp => format!("{at}:gave up"),
            });
        }
    }
    assert_eq!(told.join(", "), expected, "{drawn}");
}

#[test]
fn a_word_and_silence_is_a_person() {
    check("...####..........", "1400:Human short_greeting");
    check("...###.###.......", "1700:Human short_greeting");
    check(&format!("..{}...........", "#".repeat(15)), "2700:Human short_greeting");
}

#[test]
fn who_talks_on_or_beeps_is_a_machine() {
    check(&"#".repeat(25), "2000:Machine long_greeting");
    check(&format!("#####..{}", "####.".repeat(5)), "2700:Machine long_greeting");
    check("..=====", "320:Machine beep");
}

#[test]
fn the_message_waits_for_the_beep_or_for_silence() {
    let greeting = "#".repeat(30);
    check(&format!("{greeting}...=====....."), "2000:Machine long_greeting, 4000:message after the beep");
    check(&format!("{greeting}..........{greeting}.====...."), "2000:Machine long_greeting, 7700:message after the beep");
    check(&format!("{greeting}{}", ".".repeat(26)), "2000:Machine long_greeting, 5500:message after silence");
    check(&"#".repeat(601), "2000:Machine long_greeting, 60000:gave up");
}

#[test]
fn nothing_clear_keeps_nobody_waiting() {
    check(&".".repeat(41), "4000:Unknown silence");
    check(&format!("#{}", ".".repeat(45)), "4000:Unknown silence");
    check(&"##.....##.....".repeat(8), "1500:Human short_greeting".replace("1500", "1000").as_str());
}

#[test]
fn words_give_a_machine_away() {
    let mut answerer = Answerer::new();
    answerer.handle_words("Hello");
    assert_eq!(answerer.poll_event(), None);
    answerer.handle_words("Hello, you've reached Ann");
    assert!(matches!(answerer.poll_event(), Some(AnswererEvent::Judged(one)) if one.reason == Reason::Words));
    let mut known = Answerer::of_machine();
    for place in 0..AFTER_GREETING as usize {
        let (frame, vad) = frame('.', place);
        known.handle_frame(&frame, &vad);
    }
    assert_eq!(known.poll_event(), Some(AnswererEvent::MessageDue(false)));
}
