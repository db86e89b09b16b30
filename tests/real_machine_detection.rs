//! Who picked up, counted: people and machines composed of real and synthetic speech, clean and with noise, through the VAD and the
//! detector as a call has them. It prints the figures.
#![allow(clippy::unwrap_used)]

mod support;

use std::process::Command;

use media::answerer::{Answerer, AnswererEvent, Judgement, Who};
use media::frame::{FrameOrigin, PcmFrame};
use media::units::{FRAME_SAMPLES, SampleRate};
use media::vad::{Vad, VadConfig};
use support::speech;

const VOICES: [&str; 6] = ["en-us", "en-gb", "en-us+f3", "en-us+m3", "de", "de+f2"];
const HELLOS: [&str; 6] = ["Hello?", "Yes?", "Hello, Ann Baker.", "Baker.", "Good morning, who is this?", "Hi, this is Ann."];
const GREETINGS: [&str; 5] = [
    "Hi, you have reached Ann Baker. I can't come to the phone right now. Please leave a message after the tone.",
    "The person you are calling is not available. At the tone, please record your message.",
    "Hello. Nobody is here to take your call. Please leave your name and number after the beep.",
    "Welcome to the medical practice of doctor Baker. Our office hours are from nine to five.",
    "Your call has been forwarded to an automatic voice message system. Please record your message.",
];

/// Speech of espeak-ng at 8 kHz.
fn said(voice: &str, text: &str) -> Vec<i16> {
    let wav = Command::new("espeak-ng").args(["-v", voice, "-s", "160", "--stdout", text]).output().unwrap().stdout;
    let samples: Vec<i16> = wav[44..].chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
    let length = samples.len() * 8_000 / 22_050;
    // The mean of each stretch: crude, and enough for a telephone's band.
    let mean = |place: usize| {
        let (from, to) = (place * 22_050 / 8_000, ((place + 1) * 22_050 / 8_000).min(samples.len()));
        let sum: i32 = samples[from..to].iter().map(|sample| i32::from(*sample)).sum();
        (sum / (to - from).max(1) as i32 / 2) as i16
    };
    (0..length).map(mean).collect()
}

fn silence(ms: usize) -> Vec<i16> {
    vec![0; ms * 8]
}

fn beep(hz: f32, ms: usize) -> Vec<i16> {
    (0..ms * 8).map(|n| (7_000.0 * (hz * std::f32::consts::TAU / 8_000.0 * n as f32).sin()) as i16).collect()
}

/// The verdict, and whether a beep was heard.
fn judge(samples: &[i16], noise: f32) -> (Option<Judgement>, Option<bool>) {
    let mut seed = 1_u32;
    let mut random = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) as f32 / 8_388_608.0 - 1.0
    };
    let (mut vad, mut answerer) = (Vad::new(VadConfig::default()), Answerer::new());
    let (mut judged, mut due) = (None, None);
    let tail = silence(5_000);
    let all: Vec<i16> = samples.iter().chain(&tail).map(|sample| sample.saturating_add((random() * noise) as i16)).collect();
    for samples in all.chunks_exact(FRAME_SAMPLES) {
        let samples = samples.to_vec();
        let frame = PcmFrame { rate: SampleRate::HZ_8000, samples, encoded: Vec::new(), origin: FrameOrigin::Received };
        let heard = vad.handle_frame(&frame);
        answerer.handle_frame(&frame, &heard);
        while let Some(event) = answerer.poll_event() {
            match event {
                AnswererEvent::Judged(judgement) => judged = Some(judgement),
                AnswererEvent::MessageDue(beeped) => due = Some(beeped),
                AnswererEvent::GaveUp => {}
            }
        }
    }
    (judged, due)
}

/// People: synthetic ones, and pieces of a real voice that begin and end in its pauses.
fn people() -> Vec<Vec<i16>> {
    let mut all: Vec<Vec<i16>> =
        VOICES.iter().flat_map(|voice| HELLOS.iter().map(|text| [silence(600), said(voice, text)].concat())).collect();
    let wav = std::fs::read(speech()).unwrap();
    let real: Vec<i16> = wav[44..].chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
    for from_ms in [300, 1_000, 3_300, 5_400, 8_200] {
        all.push([silence(600), real[from_ms * 8..(from_ms + 900) * 8].to_vec()].concat());
    }
    all
}

fn machines() -> Vec<Vec<i16>> {
    let tones = [440.0, 850.0, 1_000.0, 1_400.0, 2_000.0];
    let one =
        |voice: &str, place: usize| [silence(700), said(voice, GREETINGS[place]), silence(600), beep(tones[place], 400)].concat();
    VOICES.iter().flat_map(|voice| (0..GREETINGS.len()).map(move |place| one(voice, place))).collect()
}

#[test]
fn people_and_machines_are_told_apart() {
    let mut report = String::new();
    for (name, noise) in [("clean", 0.0), ("noise at -50 dBov", 180.0)] {
        let (people, machines) = (people(), machines());
        let mut times = Vec::new();
        let mut right = |all: &[Vec<i16>], who: Who| {
            let verdicts = all.iter().filter_map(|samples| judge(samples, noise).0);
            let right = verdicts.filter(|judgement| judgement.who == who).inspect(|one| times.push(one.took.as_millis()));
            right.count()
        };
        let (humans, automats) = (right(&people, Who::Human), right(&machines, Who::Machine));
        times.sort_unstable();
        let beeps = machines.iter().filter(|samples| judge(samples, noise).1 == Some(true)).count();
        report += &format!(
            "{name}: people {humans} of {}, machines {automats} of {}, beeps {beeps}; verdict after {} ms (median), {} ms (longest)\n",
            people.len(),
            machines.len(),
            times[times.len() / 2],
            times[times.len() - 1],
        );
        let enough = |right: usize, all: usize| right * 10 >= all * 9;
        assert!(enough(humans, people.len()) && enough(automats, machines.len()) && enough(beeps, machines.len()), "{report}");
    }
    println!("{report}");
}
