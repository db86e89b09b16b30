//! A text spoken in one HTTP answer.

use std::time::Instant;

use super::answer::{Answer, Part};
use super::faults::Stage;
use super::route::Asked;
use super::sound::{self, Format};
use super::speaker::{Next, Speaker, Tempo};

/// Adds the audio of a text to an answer, at the pace of its production. A drip is made of it later, byte by byte.
pub(super) fn speak(answer: &mut Answer, asked: &Asked, text: &str, format: Format, wav: bool) {
    let shared = asked.shared;
    let place = shared.script.saying(text);
    answer.fault = place.and_then(|place| shared.turn_fault(place, Stage::Tts, asked.provider));
    let (begin, audio) = (Instant::now(), shared.sounds.loop_in(format));
    let mut speaker = Speaker::<()>::new();
    speaker.say(begin, text, Tempo::of(&shared.script, text, shared.speed, false));
    if wav && let Some(due) = speaker.due() {
        answer.parts.push((due - begin, Part::Bytes(format.wav_head().into())));
    }
    while let Some(due) = speaker.due() {
        if let Some(Next::Audio(spoken)) = speaker.pop(due) {
            answer.parts.push((due - begin, Part::Bytes(sound::piece(&audio, format, &spoken))));
        }
    }
}
