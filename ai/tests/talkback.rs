//! Real speech through VAD, turn detector and the offline engine, in virtual time: what comes back is what went in.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use ai::engine::{Engine, Input, Output};
use ai::offline::{OfflineConfig, OfflineSession};
use media::codec::Codec;
use media::frame::{FrameOrigin, PcmFrame, SharedFrame};
use media::sendout::PromptId;
use media::turn::{TurnConfig, TurnDetector, TurnEvent};
use media::units::{FRAME, FRAME_SAMPLES};
use media::vad::{Vad, VadConfig};

/// 11 s of real speech, and 3 s of silence.
fn speech() -> Vec<SharedFrame> {
    let wav = include_bytes!("../../media/tests/data/jfk_8k.wav");
    let mut samples: Vec<i16> = wav[44..].chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
    samples.resize(14 * 8_000, 0);
    let frames = samples.chunks_exact(FRAME_SAMPLES);
    frames
        .map(|samples| {
            let mut frame = PcmFrame::silence(Codec::Pcmu);
            frame.samples.copy_from_slice(samples);
            frame.encoded.clear();
            Codec::Pcmu.encode(samples, &mut frame.encoded);
            frame.origin = FrameOrigin::Received;
            Arc::new(frame)
        })
        .collect()
}

#[test]
fn what_was_said_comes_back_octet_by_octet() {
    let config = OfflineConfig { greeting: String::new(), ..OfflineConfig::default() };
    let mut engine = OfflineSession::new(config, PromptId(0));
    let mut vad = Vad::new(VadConfig::default());
    // The longest pause of the speaker is 1.3 s.
    let wait = Duration::from_secs(2);
    let timer = TurnConfig { endpoint_silence: wait, endpoint_silence_min: wait, ..TurnConfig::default() };
    let mut turn = TurnDetector::new(timer);
    let frames = speech();
    let mut now = Instant::now();
    engine.handle_input(now, Input::Started);
    let mut answers = Vec::new();
    for frame in &frames {
        now += FRAME;
        engine.handle_input(now, Input::Audio(Arc::clone(frame)));
        turn.handle_frame(now, vad.handle_frame(frame));
        while let Some(event) = turn.poll_event() {
            let input = match event {
                TurnEvent::CallerFinished { last_speech_at, speech } => Input::CallerFinished { last_speech_at, speech },
                TurnEvent::CallerStarted { at } => Input::CallerStarted { at },
                TurnEvent::CallerPaused { .. } | TurnEvent::CallerResumed => continue,
                other => panic!("the agent was silent: {other:?}"),
            };
            engine.handle_input(now, input);
        }
        while let Some(output) = engine.poll_output() {
            if let Output::Audio { audio, .. } = output {
                answers.push(audio);
            }
        }
    }
    let received: Vec<u8> = frames.iter().flat_map(|frame| frame.encoded.clone()).collect();
    assert_eq!(answers.len(), 1, "one turn, one answer");
    let answer = &answers[0];
    // He begins at 330 ms and ends at 10.6 s; 40 ms of quiet before and 300 ms after belong to the turn.
    let start = received.windows(answer.len()).position(|window| window == answer).unwrap();
    assert!((250 * 8..=330 * 8).contains(&start), "from {} ms", start / 8);
    let end = (start + answer.len()) / 8;
    assert!((10_700..=11_300).contains(&end), "to {end} ms");
}
