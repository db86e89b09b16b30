//! The detector on real speech, noise, clicks and silence.

// Virtual time needs one instant to count from.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

use super::*;
use crate::codec::Codec;
use crate::units::FRAME_SAMPLES;

/// 11 s of Kennedy's inaugural address. By ear and level he speaks at 340-2000, 3310-3700, 4020-4300, 5410-7600,
/// 8200-8500 and 8650-10450 ms, and pauses between.
fn speech() -> Vec<i16> {
    let wav = include_bytes!("../../tests/data/jfk_8k.wav");
    wav[44..].chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect()
}

/// Milliseconds in which nobody speaks, decay of the model left out.
const PAUSES: [std::ops::Range<usize>; 5] = [0..320, 2_500..3_300, 4_700..5_400, 7_800..8_180, 3_900..4_000];

/// Milliseconds of unbroken loud speech.
const WORDS: [std::ops::Range<usize>; 5] = [440..560, 800..1_240, 1_440..1_960, 5_700..5_820, 8_980..9_120];

/// White noise of an RMS in dBov.
fn noise(count: usize, level: f32) -> Vec<i16> {
    let mut dither = Dither::new();
    let scale = 10_f32.powf(level / 20.0) * 3_f32.sqrt() / Dither::PEAK * 32_768.0;
    (0..count.div_ceil(8)).flat_map(|_| dither.next()).map(|value| (value * scale) as i16).take(count).collect()
}

fn judge(samples: &[i16]) -> Vec<VadFrame> {
    let mut vad = Vad::new(VadConfig::default());
    let mut frame = PcmFrame::silence(Codec::Pcmu);
    frame.origin = FrameOrigin::Received;
    let frames = samples.chunks_exact(FRAME_SAMPLES);
    frames
        .map(|samples| {
            frame.samples.copy_from_slice(samples);
            vad.handle_frame(&frame)
        })
        .collect()
}

/// Share of frames in `range` (ms) that are speech by the default thresholds of turn-taking.
fn share(frames: &[VadFrame], range: std::ops::Range<usize>) -> f32 {
    let frames = &frames[range.start / 20..range.end / 20];
    let speech = frames.iter().filter(|f| f.speech_probability >= 0.55 && f.level.0 >= f.noise_floor.0 + 6.0);
    speech.count() as f32 / frames.len() as f32
}

#[test]
fn real_speech_is_told_from_its_pauses() {
    let frames = judge(&speech());
    for pause in PAUSES {
        assert_eq!(share(&frames, pause.clone()), 0.0, "pause {pause:?}");
    }
    for word in WORDS {
        assert_eq!(share(&frames, word.clone()), 1.0, "word {word:?}");
    }
    // Known speech is 7.1 s of 11 s, with short gaps between words in it.
    let ratio = share(&frames, 0..11_000);
    assert!((0.50..0.68).contains(&ratio), "{ratio}");
}

#[test]
fn noise_20_db_below_the_speech_changes_little() {
    let clean = speech();
    let level = Dbov::of(&clean).0 - 20.0;
    let noise = noise(clean.len(), level);
    let noisy: Vec<i16> = clean.iter().zip(&noise).map(|(&a, &b)| a.saturating_add(b)).collect();
    let frames = judge(&noisy);
    for pause in PAUSES {
        // The noise sets in with the first frame, which may pass for an onset.
        assert_eq!(share(&frames, pause.start.max(40)..pause.end), 0.0, "pause {pause:?}");
    }
    for word in WORDS {
        assert_eq!(share(&frames, word.clone()), 1.0, "word {word:?}");
    }
}

#[test]
fn white_noise_alone_is_not_speech() {
    for level in [-60.0, -50.0, -40.0, -34.0, -30.0] {
        let frames = judge(&noise(8 * 5_000, level));
        assert_eq!(share(&frames, 0..5_000), 0.0, "{level} dBov");
    }
    // As loud as speech it convinces the model, until the floor has risen to it.
    let frames = judge(&noise(8 * 5_000, -20.0));
    assert_eq!(share(&frames, 1_500..5_000), 0.0);
}

#[test]
fn silence_is_not_speech() {
    let frames = judge(&[0; 8 * 3_000]);
    assert!(frames.iter().all(|f| f.speech_probability < 0.4), "{frames:?}");
    assert!(frames.iter().all(|f| (f.level, f.noise_floor) == (Dbov::SILENCE, Dbov(-60.0))));
}

#[test]
fn after_quiet_of_any_length_an_onset_shows_as_soon() {
    let all = speech();
    for quiet_ms in [100, 280, 320, 2_000, 60_000] {
        // Digital silence, and noise that is just below the lowest floor.
        for level in [-120.0, -62.0] {
            let mut samples = noise(8 * quiet_ms, level);
            samples.extend(&all[8 * 5_420..8 * 6_000]);
            let frames = judge(&samples);
            let first = frames.iter().position(|f| f.speech_probability >= 0.55 && f.level.0 >= -54.0).unwrap();
            let onset = quiet_ms / 20;
            assert!((onset..=onset + 2).contains(&first), "{quiet_ms} ms at {level} dBov: frame {first}");
        }
    }
}

#[test]
fn clicks_are_not_speech() {
    let mut samples = vec![0; 8 * 5_000];
    for click in samples.chunks_exact_mut(8 * 500) {
        click[2_000..2_016].fill(20_000);
    }
    assert_eq!(share(&judge(&samples), 0..5_000), 0.0);
}

#[test]
fn an_onset_shows_within_40_ms() {
    let all = speech();
    // A word that begins at 5410 ms, after a second of digital silence.
    let mut samples = vec![0; 8 * 1_000];
    samples.extend(&all[8 * 5_420..8 * 6_000]);
    let frames = judge(&samples);
    assert_eq!(share(&frames, 0..1_000), 0.0);
    let first = frames.iter().position(|f| f.speech_probability >= 0.55 && f.level.0 >= -54.0).unwrap();
    assert!((50..=51).contains(&first), "frame {first}");
}

#[test]
fn the_floor_follows_the_noise_within_its_window_and_not_the_speech() {
    let mut samples = noise(8 * 3_000, -50.0);
    samples.extend(noise(8 * 3_000, -30.0));
    samples.extend(noise(8 * 100, -50.0));
    let frames = judge(&samples);
    let floor = |ms: usize| frames[ms / 20 - 1].noise_floor.0;
    assert!((floor(3_000) + 50.0).abs() < 2.0, "{}", floor(3_000));
    assert!((floor(4_100) + 50.0).abs() < 2.0, "still the window of before: {}", floor(4_100));
    assert!((floor(6_000) + 30.0).abs() < 2.0, "{}", floor(6_000));
    assert!((floor(6_100) + 50.0).abs() < 2.0, "falls at once: {}", floor(6_100));
}

#[test]
fn invented_frames_do_not_move_the_floor() {
    let mut vad = Vad::new(VadConfig::default());
    let mut frame = PcmFrame::silence(Codec::Pcmu);
    frame.samples = noise(FRAME_SAMPLES, -30.0);
    for origin in [FrameOrigin::Concealed, FrameOrigin::Silence] {
        frame.origin = origin;
        let last = (0..200).map(|_| vad.handle_frame(&frame)).last().unwrap();
        assert_eq!(last.noise_floor, Dbov(-60.0));
    }
}

#[test]
fn settings_out_of_range_are_refused_by_name() {
    let default = VadConfig::default();
    assert_eq!(default.validate(), Ok(()));
    let low = VadConfig { noise_floor_min: Dbov(-91.0), ..default };
    assert_eq!(low.validate().unwrap_err().to_string(), "noise_floor_min -91 dBov is outside -90 to -30 dBov");
    let nan = VadConfig { noise_floor_min: Dbov(f32::NAN), ..default };
    assert_eq!(nan.validate().unwrap_err().to_string(), "noise_floor_min NaN dBov is outside -90 to -30 dBov");
    let long = VadConfig { noise_window: Duration::from_secs(11), ..default };
    assert_eq!(long.validate().unwrap_err().to_string(), "noise_window 11s is outside 500ms to 10s");
}

#[test]
fn an_interruption_pauses_the_agent_within_60_ms() {
    use crate::turn::{AgentAudio, TurnConfig, TurnDetector, TurnEvent};
    let start = std::time::Instant::now();
    let frames = judge(&speech());
    // Onsets by ear and by level, in ms.
    for onset in [330, 3_300, 4_030, 5_415, 8_190] {
        let mut turn = TurnDetector::new(TurnConfig::default());
        turn.handle_agent(start, AgentAudio::Started);
        let from = onset / 20 - 5;
        let paused = (from..from + 20).find(|&index| {
            let now = start + FRAME * (index as u32 + 1);
            turn.handle_frame(now, frames[index]);
            matches!(turn.poll_event(), Some(TurnEvent::BargeInStarted { .. }))
        });
        let delay = (paused.unwrap() + 1) * 20 - onset;
        assert!(delay <= 60, "{delay} ms after {onset}");
    }
}
