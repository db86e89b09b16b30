//! Cartesia: Sonic speaks, Ink hears.

mod listen;
mod speak;
#[cfg(test)]
mod tests;

use serde_json::{Value, json};

use super::answer::{Answer, Kind};
use super::query::Query;
use super::route::Asked;
use super::socket::Core;
use super::sound::{Encoding, Format};
use super::speech_once;

/// Longest text of one request, characters.
const TEXT_CHARS_MAX: usize = 10_000;

/// An error body.
pub(super) fn error(status: u16, code: &str, message: &str) -> Value {
    json!({"type": "error", "error_code": code, "title": code.replace('_', " "), "message": message, "status_code": status,
        "done": true, "request_id": "req-simulator", "doc_url": "https://docs.cartesia.ai"})
}

/// `WS /tts/websocket`.
pub(super) fn speak(asked: &Asked) -> Result<Box<dyn Core>, Answer> {
    check_version(asked)?;
    Ok(Box::new(speak::Speak::open(asked)))
}

/// `WS /stt/websocket`.
pub(super) fn listen(asked: &Asked) -> Result<Box<dyn Core>, Answer> {
    check_version(asked)?;
    let core = listen::Listen::open(asked, listen::Kind::Manual);
    core.map(|core| Box::new(core) as Box<dyn Core>).map_err(|wrong| bad(asked, &wrong))
}

/// `WS /stt/turns/websocket`.
pub(super) fn turns(asked: &Asked) -> Result<Box<dyn Core>, Answer> {
    check_version(asked)?;
    let core = listen::Listen::open(asked, listen::Kind::Turns);
    core.map(|core| Box::new(core) as Box<dyn Core>).map_err(|wrong| bad(asked, &wrong))
}

/// `POST /tts/bytes`.
pub(super) fn speak_once(asked: &Asked) -> Result<Answer, Answer> {
    check_version(asked)?;
    let body = asked.json()?;
    let (format, wav) = check_generation(&body, "http").map_err(|wrong| bad(asked, &wrong))?;
    let text = body["transcript"].as_str().unwrap_or_default();
    if text.trim().is_empty() || text.chars().count() > TEXT_CHARS_MAX {
        return Err(bad(asked, "transcript is empty or too long"));
    }
    let mut answer = Answer::streamed(if wav { "audio/wav" } else { "application/octet-stream" }, Kind::Audio);
    speech_once::speak(&mut answer, asked, text, format, wav);
    Ok(answer)
}

fn bad(asked: &Asked, wrong: &str) -> Answer {
    asked.refuse(400, "invalid_request", wrong)
}

fn check_version(asked: &Asked) -> Result<(), Answer> {
    let header = asked.header("cartesia-version");
    let version = if header.is_empty() { asked.query.value("cartesia_version").unwrap_or_default() } else { header };
    let date = version.len() == 10 && version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    if date { Ok(()) } else { Err(bad(asked, "Cartesia-Version is missing or no date")) }
}

/// What every generation must have; its format, and whether it has a WAV head.
fn check_generation(body: &Value, over: &str) -> Result<(Format, bool), String> {
    for name in ["model_id", "transcript", "voice", "output_format"] {
        if body[name].is_null() {
            return Err(format!("{name} is required"));
        }
    }
    let model = body["model_id"].as_str().unwrap_or_default();
    if !model.starts_with("sonic") {
        return Err(format!("no such model: {model}"));
    }
    let voice = &body["voice"];
    let by_id = voice.as_str().or(voice["id"].as_str()).is_some_and(|id| !id.is_empty());
    if !by_id {
        return Err("voice has no id".to_owned());
    }
    let generation = &body["generation_config"];
    let within = |name: &str, least: f64, most: f64| generation[name].as_f64().is_none_or(|it| (least..=most).contains(&it));
    if !within("speed", 0.6, 1.5) || !within("volume", 0.5, 2.0) {
        return Err("speed or volume is out of range".to_owned());
    }
    if body["max_buffer_delay_ms"].as_f64().is_some_and(|ms| !(0.0..=5_000.0).contains(&ms)) {
        return Err("max_buffer_delay_ms is not within 0 to 5000".to_owned());
    }
    let output = &body["output_format"];
    let wav = match (output["container"].as_str(), over) {
        (Some("raw"), _) => false,
        (Some("wav"), "http") => true,
        _ => return Err(format!("container {} is not supported here", output["container"])),
    };
    let rate = output["sample_rate"].as_u64().and_then(|rate| u32::try_from(rate).ok()).unwrap_or_default();
    let encoding = output["encoding"].as_str().unwrap_or_default();
    let format = encoding_of(encoding).and_then(|encoding| Format::new(encoding, rate));
    let format = format.filter(|format| [8_000, 16_000, 22_050, 24_000, 44_100, 48_000].contains(&format.rate));
    format.map(|format| (format, wav)).ok_or_else(|| format!("encoding {encoding} at {rate} is not supported"))
}

fn encoding_of(name: &str) -> Option<Encoding> {
    match name {
        "pcm_s16le" => Some(Encoding::Linear),
        "pcm_f32le" => Some(Encoding::Float),
        "pcm_mulaw" => Some(Encoding::Mulaw),
        "pcm_alaw" => Some(Encoding::Alaw),
        _ => None,
    }
}

/// The format of a query.
fn heard_format(query: &Query) -> Result<Format, String> {
    let encoding = query.value("encoding").ok_or("encoding is required")?;
    let rate = query.number("sample_rate", 8_000.0..=48_000.0)?.ok_or("sample_rate is required")?;
    let format = encoding_of(encoding).and_then(|encoding| Format::new(encoding, rate as u32));
    format.ok_or_else(|| format!("encoding {encoding} at {rate} is not supported"))
}
