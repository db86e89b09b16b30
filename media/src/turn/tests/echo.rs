//! The agent's own voice on the line: real speech, softer and later, through the VAD.

use super::*;
use crate::codec::Codec;
use crate::frame::{FrameOrigin, PcmFrame};
use crate::units::FRAME_SAMPLES;
use crate::vad::{Vad, VadConfig};

/// 11 s of real speech at its own level, about -22 dBov.
fn speech() -> Vec<i16> {
    let wav = include_bytes!("../../../tests/data/jfk_8k.wav");
    wav[44..].chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect()
}

/// A leg that returns the agent's voice.
struct Leg {
    loss_db: f32,
    delay_ms: usize,
}

/// What the detector makes of an agent that says the recording twice, 22 s, while the line carries its echo, hiss at -62 dBov and
/// `caller` from 12 s on. The agent obeys: it is still while paused.
fn call(leg: &Leg, caller: &[i16]) -> (Vec<String>, f32) {
    let agent = [speech(), speech()].concat();
    let gain = 10_f32.powf(-leg.loss_db / 20.0);
    let (mut vad, mut scene) = (Vad::new(VadConfig::default()), Scene::new(TurnConfig { echo_return_loss_db: 10.0, ..timer() }));
    let (mut sent, mut said, mut random) = (Vec::<i16>::new(), 0, 1_u32);
    let mut frame = PcmFrame::silence(Codec::Pcmu);
    frame.origin = FrameOrigin::Received;
    scene.agent(0, AgentAudio::Started);
    let (mut paused, mut committed) = (false, false);
    for index in 0..1_000 {
        let ms = index as u64 * 20;
        if paused || committed {
            sent.extend([0; FRAME_SAMPLES]);
        } else {
            sent.extend(&agent[said..said + FRAME_SAMPLES]);
            said += FRAME_SAMPLES;
            scene.agent(ms, AgentAudio::Level(Dbov::of(&sent[index * FRAME_SAMPLES..])));
        }
        for (offset, sample) in frame.samples.iter_mut().enumerate() {
            let at = index * FRAME_SAMPLES + offset;
            let echo = at.checked_sub(leg.delay_ms * 8).map_or(0.0, |then| f32::from(sent[then]) * gain);
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let hiss = (random >> 26) as i16 - 32;
            let voice = at.checked_sub(12_000 * 8).and_then(|at| caller.get(at)).copied().unwrap_or(0);
            *sample = voice.saturating_add(echo as i16).saturating_add(hiss);
        }
        let heard = vad.handle_frame(&frame);
        scene.detector.handle_frame(scene.at(ms + 20), heard);
        let known = scene.seen.len();
        scene.drain(ms + 20);
        for event in &scene.seen[known..] {
            paused = if event.contains("BargeInStarted") { true } else { paused && !event.contains("BargeInResumed") };
            committed |= event.contains("BargeInCommitted");
        }
    }
    (scene.seen, scene.detector.echo_return_loss_db())
}

const LEGS: [(f32, usize); 9] =
    [(10.0, 20), (10.0, 110), (10.0, 250), (15.0, 33), (15.0, 120), (15.0, 250), (25.0, 20), (25.0, 147), (25.0, 250)];

#[test]
fn the_agents_own_echo_alone_never_interrupts_it() {
    for (loss_db, delay_ms) in LEGS {
        let (seen, learned) = call(&Leg { loss_db, delay_ms }, &[]);
        assert_eq!(seen, Vec::<String>::new(), "{loss_db} dB, {delay_ms} ms: learned {learned}");
        // Never more than there is: that is what keeps the echo out.
        assert!(learned <= loss_db + 1.0, "{loss_db} dB, {delay_ms} ms: learned {learned}");
    }
}

#[test]
fn a_caller_on_top_of_the_echo_interrupts() {
    let caller = &speech()[8 * 5_400..8 * 7_600];
    for (loss_db, delay_ms) in LEGS {
        let (seen, _) = call(&Leg { loss_db, delay_ms }, caller);
        let committed = seen.iter().position(|event| event.contains("BargeInCommitted"));
        let at: u64 = committed.map_or(0, |index| seen[index].split(':').next().unwrap().parse().unwrap());
        assert!((12_500..14_200).contains(&at), "{loss_db} dB, {delay_ms} ms: {seen:?}");
    }
}

#[test]
fn on_a_line_without_echo_soft_speech_interrupts_once_that_is_known() {
    let soft: Vec<i16> = speech()[8 * 5_400..8 * 7_600].iter().map(|sample| sample / 6).collect();
    let committed = |loss_db: f32| {
        let (seen, learned) = call(&Leg { loss_db, delay_ms: 20 }, &soft);
        let at =
            seen.iter().find(|event| event.contains("BargeInCommitted")).map(|event| event.split(':').next().unwrap().to_owned());
        (at.map_or(u64::MAX, |ms| ms.parse().unwrap()), learned)
    };
    let (clean, echo) = (committed(90.0), committed(10.0));
    assert!(clean.1 > 20.0 && echo.1 < 11.0, "clean {clean:?}, echo {echo:?}");
    // Where the echo is loud, only its gaps let soft speech through.
    assert!(clean.0 <= 12_700 && echo.0 >= 13_500, "clean {clean:?}, echo {echo:?}");
}

#[test]
fn interruptions_taken_back_lower_a_loss_that_was_thought_too_high() {
    let mut scene = Scene::new(timer());
    scene.agent(0, AgentAudio::Started);
    let mut at = 0;
    for _ in 0..8 {
        for letter in super::letters("2s 20.") {
            at += 20;
            scene.frame(at, letter);
        }
    }
    // Four times it was fooled; now the same sound is less than the echo would be.
    assert_eq!(scene.seen.len(), 8, "{:?}", scene.seen);
    assert_eq!(scene.detector.echo_return_loss_db(), 8.0);
}

#[test]
fn a_line_that_was_lost_teaches_nothing() {
    let mut scene = Scene::new(TurnConfig { echo_return_loss_db: 10.0, ..timer() });
    scene.agent(0, AgentAudio::Level(Dbov(-20.0)));
    scene.agent(0, AgentAudio::Started);
    let frame_of = |origin| VadFrame { origin, level: Dbov::SILENCE, ..frame('.') };
    for index in 1..=100 {
        scene.detector.handle_frame(scene.at(index * 20), frame_of(FrameOrigin::Concealed));
    }
    assert_eq!(scene.detector.echo_return_loss_db(), 10.0);
    for index in 101..=200 {
        scene.detector.handle_frame(scene.at(index * 20), frame_of(FrameOrigin::Received));
    }
    assert!(scene.detector.echo_return_loss_db() > 35.0);
}
