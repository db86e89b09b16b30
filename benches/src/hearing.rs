//! What hearing and turn-taking cost a call.

use std::hint::black_box;
use std::time::{Duration, Instant};

use media::pitch::Pitch;
use media::turn::{AgentAudio, TurnConfig, TurnDetector};
use media::units::FRAME;
use media::vad::{Vad, VadConfig, VadFrame};

use crate::speech;
use crate::workload::{Step, Workload};

pub const WORKLOADS: &[Workload] = &[
    // 15 us a frame, 0.075 % of a core a call, and no allocation: 12 of them the VAD's, 3 for the pitch and what turn-taking makes of it.
    Workload {
        name: "eleven_seconds_of_speech",
        what: "550 frames through VAD and turn detector",
        budget: Duration::from_micros(8_250),
        counted: 1,
        start: eleven_seconds_of_speech,
    },
    // Of it: the search for the pitch of each frame, were every one speech.
    Workload {
        name: "pitch_of_a_frame",
        what: "one frame's pitch",
        budget: Duration::from_micros(2),
        counted: 550,
        start: pitch_of_a_frame,
    },
    // The agent speaking and its echo being learned, and no allocation.
    Workload {
        name: "one_turn_step",
        what: "one turn step alone",
        budget: Duration::from_nanos(300),
        counted: 5_500,
        start: one_turn_step,
    },
];

fn eleven_seconds_of_speech() -> Step {
    let frames = speech::frames();
    let mut vad = Vad::new(VadConfig::default());
    let mut turn = TurnDetector::new(TurnConfig::default());
    let mut now = Instant::now();
    Box::new(move || {
        for frame in &frames {
            now += FRAME;
            turn.handle_frame(now, vad.handle_frame(frame));
            while let Some(event) = turn.poll_event() {
                black_box(event);
            }
        }
    })
}

fn pitch_of_a_frame() -> Step {
    let frames = speech::frames();
    let mut pitch = Pitch::new();
    let mut next = 0;
    Box::new(move || {
        pitch.handle_frame(black_box(&frames[next].samples));
        black_box(pitch.find());
        next = (next + 1) % frames.len();
    })
}

fn one_turn_step() -> Step {
    let mut vad = Vad::new(VadConfig::default());
    let heard: Vec<VadFrame> = speech::frames().iter().map(|frame| vad.handle_frame(frame)).collect();
    let mut turn = TurnDetector::new(TurnConfig::default());
    let mut now = Instant::now();
    let mut next = 0;
    Box::new(move || {
        // Not whole frames, so that the carry of their nanoseconds evens out.
        now += FRAME + Duration::from_nanos(7_919);
        turn.handle_agent(now, AgentAudio::Started);
        turn.handle_frame(now, heard[next]);
        next = (next + 1) % heard.len();
        while let Some(event) = turn.poll_event() {
            black_box(event);
        }
        black_box(turn.poll_timeout());
    })
}
