//! What hearing and turn-taking cost a call.

#![allow(missing_docs, clippy::disallowed_methods)]

use std::time::Instant;

use divan::{AllocProfiler, Bencher};
use media::codec::Codec;
use media::frame::{FrameOrigin, PcmFrame};
use media::turn::{AgentAudio, TurnConfig, TurnDetector};
use media::units::{FRAME, FRAME_SAMPLES};
use media::vad::{Vad, VadConfig, VadFrame};

// Shows that a warm frame allocates nothing.
#[global_allocator]
static ALLOC: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

/// Frames of real speech: 550, 11 s.
fn speech() -> Vec<PcmFrame> {
    let wav = include_bytes!("../tests/data/jfk_8k.wav");
    let samples: Vec<i16> = wav[44..].chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
    let frames = samples.chunks_exact(FRAME_SAMPLES);
    frames
        .map(|samples| {
            let mut frame = PcmFrame::silence(Codec::Pcmu);
            frame.samples.copy_from_slice(samples);
            frame.origin = FrameOrigin::Received;
            frame
        })
        .collect()
}

// Budget: 11 s of one leg, 550 frames through VAD and turn detector, one core: 6.6 ms. That is 12 us a frame, 0.06 % of
// a core a call, and no allocation.
#[divan::bench]
fn eleven_seconds_of_speech(bencher: Bencher) {
    let frames = speech();
    let start = Instant::now();
    let mut vad = Vad::new(VadConfig::default());
    let mut turn = TurnDetector::new(TurnConfig::default());
    let mut now = start;
    bencher.bench_local(|| {
        for frame in &frames {
            now += FRAME;
            turn.handle_frame(now, vad.handle_frame(frame));
            while let Some(event) = turn.poll_event() {
                divan::black_box(event);
            }
        }
    });
}

// Budget: one turn step alone, the agent speaking: 100 ns, and no allocation.
#[divan::bench]
fn one_turn_step(bencher: Bencher) {
    let heard: Vec<VadFrame> = {
        let mut vad = Vad::new(VadConfig::default());
        speech().iter().map(|frame| vad.handle_frame(frame)).collect()
    };
    let mut turn = TurnDetector::new(TurnConfig::default());
    let mut now = Instant::now();
    let mut frames = heard.iter().cycle();
    bencher.bench_local(|| {
        now += FRAME;
        turn.handle_agent(now, AgentAudio::Started);
        if let Some(&frame) = frames.next() {
            turn.handle_frame(now, frame);
        }
        while let Some(event) = turn.poll_event() {
            divan::black_box(event);
        }
        turn.poll_timeout()
    });
}
