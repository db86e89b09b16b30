//! ElevenLabs: text to speech by HTTP and WebSocket, and Scribe.

mod contexts;
mod scribe;
#[cfg(test)]
mod tests;

use super::answer::{Answer, Kind};
use super::route::Asked;
use super::socket::Core;
use super::sound::{Encoding, Format};
use super::speech_once;

/// Longest text of one request, characters.
const TEXT_CHARS_MAX: usize = 10_000;

/// `WS .../stream-input`.
pub(super) fn single(asked: &Asked) -> Result<Box<dyn Core>, Answer> {
    Ok(Box::new(contexts::Contexts::open(asked, contexts::Kind::Single)?))
}

/// `WS .../multi-stream-input`.
pub(super) fn multi(asked: &Asked) -> Result<Box<dyn Core>, Answer> {
    Ok(Box::new(contexts::Contexts::open(asked, contexts::Kind::Multi)?))
}

/// `WS /v1/speech-to-text/realtime`.
pub(super) fn listen(asked: &Asked) -> Result<Box<dyn Core>, Answer> {
    Ok(Box::new(scribe::Scribe::open(asked)?))
}

/// `POST /v1/text-to-speech/{voice}/stream`.
pub(super) fn speak_once(asked: &Asked) -> Result<Answer, Answer> {
    let body = asked.json()?;
    let text = body["text"].as_str().unwrap_or_default();
    if text.trim().is_empty() {
        return Err(asked.refuse(422, "invalid_text", "text is missing"));
    }
    if text.chars().count() > TEXT_CHARS_MAX {
        return Err(asked.refuse(400, "max_character_limit_exceeded", "the text is too long"));
    }
    check_settings(asked, &body["voice_settings"])?;
    let format = output_format(asked)?;
    let media_type = if format.encoding == Encoding::Linear { "audio/pcm" } else { "audio/basic" };
    let mut answer = Answer::streamed(media_type, Kind::Audio).with("request-id", format!("{:016x}", asked.shared.id()));
    speech_once::speak(&mut answer, asked, text, format, false);
    Ok(answer)
}

fn check_settings(asked: &Asked, settings: &serde_json::Value) -> Result<(), Answer> {
    let within = |name: &str, least: f64, most: f64| settings[name].as_f64().is_none_or(|value| (least..=most).contains(&value));
    let good = within("stability", 0.0, 1.0) && within("similarity_boost", 0.0, 1.0) && within("speed", 0.7, 1.2);
    if good { Ok(()) } else { Err(asked.refuse(400, "invalid_voice_settings", "voice_settings are out of range")) }
}

/// `output_format` of a query; what is compressed is not simulated.
fn output_format(asked: &Asked) -> Result<Format, Answer> {
    let name = asked.query.value("output_format").unwrap_or("mp3_44100_128");
    raw_format(name).ok_or_else(|| asked.refuse(400, "invalid_output_format", &format!("output_format {name} is not simulated")))
}

fn raw_format(name: &str) -> Option<Format> {
    match name.split_once('_')? {
        ("pcm", rate) => Format::new(Encoding::Linear, rate.parse().ok()?),
        ("ulaw", "8000") => Some(Format::MULAW),
        ("alaw", "8000") => Format::new(Encoding::Alaw, 8_000),
        _ => None,
    }
}
