//! Deepgram: Listen and Flux hear, Aura and Flux speak.

mod flux;
mod flux_speak;
mod listen;
mod speak;
#[cfg(test)]
mod tests;

use serde_json::{Value, json};

use super::answer::Answer;
use super::query::Query;
use super::route::Asked;
use super::socket::Core;
use super::sound::{Encoding, Format};

pub(super) use speak::speak_once;

/// The id of every request.
pub(super) const REQUEST_ID: &str = "6f1b1e3c-0000-4000-8000-000000000001";
const MODEL_ID: &str = "c0ffee00-0000-4000-8000-000000000002";

/// An error body.
pub(super) fn error(code: &str, message: &str) -> Value {
    json!({"err_code": code, "err_msg": message, "request_id": REQUEST_ID})
}

pub(super) fn listen(asked: &Asked) -> Result<Box<dyn Core>, Answer> {
    listen::Listen::open(asked).map(|core| Box::new(core) as Box<dyn Core>).map_err(|wrong| bad(asked, &wrong))
}

pub(super) fn flux(asked: &Asked) -> Result<Box<dyn Core>, Answer> {
    flux::Flux::open(asked).map(|core| Box::new(core) as Box<dyn Core>).map_err(|wrong| bad(asked, &wrong))
}

pub(super) fn speak(asked: &Asked) -> Result<Box<dyn Core>, Answer> {
    speak::Speak::open(asked).map(|core| Box::new(core) as Box<dyn Core>).map_err(|wrong| bad(asked, &wrong))
}

pub(super) fn flux_speak(asked: &Asked) -> Result<Box<dyn Core>, Answer> {
    flux_speak::FluxSpeak::open(asked).map(|core| Box::new(core) as Box<dyn Core>).map_err(|wrong| bad(asked, &wrong))
}

fn bad(asked: &Asked, wrong: &str) -> Answer {
    asked.refuse(400, "INVALID_QUERY_PARAMETER", wrong)
}

/// The raw format of audio that is heard: both keys or neither, and neither is a container, which is not simulated.
fn heard_format(query: &Query) -> Result<Format, String> {
    let rate = query.number("sample_rate", 8_000.0..=96_000.0)?;
    match (query.value("encoding"), rate) {
        (Some(encoding), Some(rate)) => format(encoding, rate),
        (None, None) => Err("containers are not simulated: give encoding and sample_rate".to_owned()),
        (Some(_), None) => Err("encoding needs sample_rate".to_owned()),
        (None, Some(_)) => Err("sample_rate needs encoding".to_owned()),
    }
}

/// The raw format of audio that is spoken.
fn spoken_format(query: &Query, rates: &[u32]) -> Result<Format, String> {
    let encoding = query.value("encoding").unwrap_or("linear16");
    let default = if encoding == "linear16" { 24_000.0 } else { 8_000.0 };
    let rate = query.number("sample_rate", 8_000.0..=48_000.0)?.unwrap_or(default);
    let format = format(encoding, rate)?;
    let companded = format.encoding != Encoding::Linear;
    if !rates.contains(&format.rate) || companded && format.rate > 16_000 {
        return Err(format!("sample_rate {rate} is not supported with {encoding}"));
    }
    Ok(format)
}

fn format(encoding: &str, rate: f64) -> Result<Format, String> {
    let kind = match encoding {
        "linear16" => Encoding::Linear,
        "mulaw" => Encoding::Mulaw,
        "alaw" => Encoding::Alaw,
        "linear32" | "flac" | "amr-nb" | "amr-wb" | "opus" | "ogg-opus" | "speex" | "g729" | "mp3" | "aac" => {
            return Err(format!("encoding {encoding} is not simulated"));
        }
        _ => return Err(format!("encoding {encoding} is unknown")),
    };
    Format::new(kind, rate as u32).ok_or_else(|| format!("sample_rate {rate} is not supported"))
}

/// Milliseconds as the seconds of the wire.
fn seconds(ms: u64) -> f64 {
    ms as f64 / 1_000.0
}
