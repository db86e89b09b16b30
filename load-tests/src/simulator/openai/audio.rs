//! `POST /v1/audio/transcriptions` and `POST /v1/audio/speech`.

use std::sync::atomic::Ordering;
use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use super::{invalid, required};
use crate::simulator::answer::{Answer, Kind, Part};
use crate::simulator::faults::{Fault, Stage};
use crate::simulator::provider::Provider;
use crate::simulator::route::Asked;
use crate::simulator::sound::{Encoding, Format};
use crate::simulator::speaker::DRIP;
use crate::simulator::speech_once;

/// Longest text that is spoken, characters.
const INPUT_CHARS_MAX: usize = 4_096;
/// Largest file that is heard, bytes.
const FILE_BYTES_MAX: usize = 25_000_000;
/// Endings of files that are heard.
const ENDINGS: [&str; 9] = ["flac", "mp3", "mp4", "mpeg", "mpga", "m4a", "ogg", "wav", "webm"];

/// `POST /v1/audio/speech`.
pub(in crate::simulator) fn speech(asked: &Asked) -> Result<Answer, Answer> {
    let body = asked.json()?;
    let model = required(asked, &body, "model")?;
    let input = required(asked, &body, "input")?;
    required(asked, &body, "voice")?;
    if input.chars().count() > INPUT_CHARS_MAX {
        return Err(invalid(asked, "string_above_max_length: 'input' should have at most 4096 characters"));
    }
    if body["speed"].as_f64().is_some_and(|speed| !(0.25..=4.0).contains(&speed)) {
        return Err(invalid(asked, "'speed' must be within 0.25 to 4"));
    }
    let rate = body["sample_rate"].as_u64();
    let (encoding, default_rate, wav) = match (asked.provider, body["response_format"].as_str().unwrap_or("mp3")) {
        (Provider::Groq, "mulaw") => (Encoding::Mulaw, 8_000, false),
        (_, "wav") => (Encoding::Linear, 24_000, true),
        (Provider::OpenAi, "pcm") => (Encoding::Linear, 24_000, false),
        (_, other) => return Err(invalid(asked, &format!("response_format {other} is not simulated"))),
    };
    if rate.is_some() && asked.provider != Provider::Groq {
        return Err(asked.refuse(400, "unknown_parameter", "Unknown parameter: 'sample_rate'."));
    }
    let format = Format::new(encoding, rate.map_or(default_rate, |rate| rate as u32));
    let format = format.ok_or_else(|| invalid(asked, "sample_rate is not supported"))?;
    let mut answer = Answer::streamed(if wav { "audio/wav" } else { "audio/pcm" }, Kind::Audio);
    speech_once::speak(&mut answer, asked, input, format, wav);
    match body["stream_format"].as_str() {
        Some("sse") if model.starts_with("tts-1") => Err(invalid(asked, "stream_format sse is not supported by this model")),
        Some("sse") => Ok(as_events(&answer, input)),
        None | Some("audio") => Ok(answer),
        Some(other) => Err(invalid(asked, &format!("stream_format {other} is unknown"))),
    }
}

fn as_events(spoken: &Answer, input: &str) -> Answer {
    let mut answer = Answer::streamed("text/event-stream", Kind::Events);
    answer.fault = spoken.fault;
    let mut last = Duration::ZERO;
    for (after, part) in &spoken.parts {
        if let Part::Bytes(bytes) = part {
            let event = json!({"type": "speech.audio.delta", "audio": BASE64_STANDARD.encode(bytes)});
            answer.event(*after, None, &event.to_string());
            last = *after;
        }
    }
    let (heard, said) = (input.split_whitespace().count(), input.len());
    let usage = json!({"input_tokens": heard, "output_tokens": said, "total_tokens": heard + said});
    answer.event(last, None, &json!({"type": "speech.audio.done", "usage": usage}).to_string());
    answer
}

/// `POST /v1/audio/transcriptions`. The first file is the first turn's words, and so on: a file has no call.
pub(in crate::simulator) fn transcription(asked: &Asked) -> Result<Answer, Answer> {
    let form =
        Form::parse(asked.header("content-type"), asked.body).ok_or_else(|| invalid(asked, "multipart/form-data is expected"))?;
    let model = form.text("model").ok_or_else(|| invalid(asked, "you must provide a model parameter"))?;
    let file = form.fields.iter().find(|field| field.name == "file").ok_or_else(|| invalid(asked, "file is missing"))?;
    let ending = file.file_name.as_deref().and_then(|name| name.rsplit_once('.')).map(|(_, ending)| ending.to_lowercase());
    if !ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str())) {
        return Err(invalid(asked, "Invalid file format. Supported formats: ['flac', 'm4a', 'mp3', 'ogg', 'wav', 'webm']"));
    }
    if file.bytes.len() > FILE_BYTES_MAX {
        return Err(asked.refuse(413, "request_too_large", "Maximum content size limit exceeded"));
    }
    if file.bytes.len() <= 44 {
        return Err(invalid(asked, "Audio file is too short. Minimum audio length is 0.1 seconds."));
    }
    let format = form.text("response_format").unwrap_or("json");
    let known: &[&str] = if model.starts_with("gpt-") { &["json"] } else { &["json", "text", "verbose_json"] };
    if !known.contains(&format) {
        return Err(invalid(asked, &format!("response_format '{format}' is not compatible with model '{model}'")));
    }
    let number = asked.shared.transcribed.fetch_add(1, Ordering::Relaxed);
    let place = asked.shared.script.hearing(usize::try_from(number).unwrap_or(0));
    let turn = &asked.shared.script.turns[place];
    let fault = asked.shared.turn_fault(place, Stage::Stt, asked.provider);
    let drips = asked.fault.or(fault) == Some(Fault::Drip);
    let first = Duration::from_millis(turn.stt_final_ms.unwrap_or(asked.shared.script.pace.stt_final_ms));
    let streams = form.text("stream") == Some("true") && model != "whisper-1" && asked.provider == Provider::OpenAi;
    let mut answer = match streams {
        true => as_transcript_events(&turn.heard, first, drips),
        false if format == "text" => Answer::whole(200, "text/plain", Kind::Json, first, format!("{}\n", turn.heard).into()),
        false => {
            let mut body = json!({"text": turn.heard, "usage": {"type": "duration", "seconds": 1}});
            if format == "verbose_json" {
                verbose(&mut body, &turn.heard);
            }
            if asked.provider == Provider::Groq {
                body["x_groq"] = json!({"id": format!("req_{:08x}", asked.shared.id())});
            }
            Answer::whole(200, "application/json", Kind::Json, first, body.to_string().into())
        }
    };
    answer.fault = fault;
    Ok(answer)
}

fn verbose(body: &mut Value, heard: &str) {
    let word =
        |(index, word): (i32, &str)| json!({"word": word, "start": f64::from(index) * 0.3, "end": f64::from(index) * 0.3 + 0.3});
    let words: Vec<Value> = (0..).zip(heard.split_whitespace()).map(word).collect();
    let duration = words.len() as f64 * 0.3;
    body["task"] = "transcribe".into();
    body["language"] = "english".into();
    body["duration"] = duration.into();
    body["segments"] = json!([{"id": 0, "seek": 0, "start": 0.0, "end": duration, "text": heard, "tokens": [],
        "temperature": 0.0, "avg_logprob": -0.1, "compression_ratio": 1.0, "no_speech_prob": 0.01}]);
    body["words"] = words.into();
}

fn as_transcript_events(heard: &str, first: Duration, drips: bool) -> Answer {
    let mut answer = Answer::streamed("text/event-stream", Kind::Events);
    let step = if drips { DRIP } else { Duration::from_millis(5) };
    let mut after = first;
    let parts: Vec<String> = match drips {
        true => heard.chars().map(String::from).collect(),
        false => heard.split_inclusive(' ').map(str::to_owned).collect(),
    };
    for part in parts {
        answer.event(after, None, &json!({"type": "transcript.text.delta", "delta": part}).to_string());
        after += step;
    }
    let usage = json!({"type": "tokens", "input_tokens": 10, "output_tokens": 10, "total_tokens": 20,
        "input_token_details": {"text_tokens": 0, "audio_tokens": 10}});
    answer.event(after, None, &json!({"type": "transcript.text.done", "text": heard, "usage": usage}).to_string());
    answer.event(after, None, "[DONE]");
    answer
}

/// The fields of a `multipart/form-data` body (RFC 7578).
struct Form<'a> {
    fields: Vec<Field<'a>>,
}

struct Field<'a> {
    name: String,
    file_name: Option<String>,
    bytes: &'a [u8],
}

impl<'a> Form<'a> {
    fn parse(content_type: &str, body: &'a [u8]) -> Option<Self> {
        let boundary = content_type.strip_prefix("multipart/form-data")?.split("boundary=").nth(1)?;
        let boundary = boundary.split(';').next()?.trim().trim_matches('"');
        let (first, later) = (format!("--{boundary}"), format!("\r\n--{boundary}"));
        let mut rest = body.strip_prefix(first.as_bytes())?;
        let mut fields = Vec::new();
        while let Some(part) = rest.strip_prefix(b"\r\n") {
            let head_end = find(part, b"\r\n\r\n")?;
            let head = String::from_utf8_lossy(&part[..head_end]).into_owned();
            let content = &part[head_end + 4..];
            let end = find(content, later.as_bytes())?;
            let parameter = |name: &str| {
                let value = head.split(&format!("; {name}=\"")).nth(1)?;
                value.split('"').next().map(str::to_owned)
            };
            fields.push(Field { name: parameter("name")?, file_name: parameter("filename"), bytes: &content[..end] });
            rest = &content[end + later.len()..];
        }
        rest.starts_with(b"--").then_some(Self { fields })
    }

    fn text(&self, name: &str) -> Option<&str> {
        let field = self.fields.iter().find(|field| field.name == name)?;
        std::str::from_utf8(field.bytes).ok().filter(|text| !text.is_empty())
    }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    // By its first byte, which is quick in megabytes of audio.
    let mut from = 0;
    loop {
        let at = from + text.get(from..)?.iter().position(|byte| *byte == what[0])?;
        if text[at..].starts_with(what) {
            return Some(at);
        }
        from = at + 1;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn check(body: &str, want: &str) {
        let form = Form::parse("multipart/form-data; boundary=\"XX\"", body.as_bytes());
        let field = |field: &Field| {
            format!("{}{:?}={}", field.name, field.file_name, String::from_utf8_lossy(field.bytes).escape_debug())
        };
        let got = form.map_or("none".to_owned(), |form| form.fields.iter().map(field).collect::<Vec<_>>().join(" "));
        assert_eq!(got, want, "{body:?}");
    }

    #[test]
    fn a_form_is_read_as_it_was_written() {
        let file = "--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\nContent-Type: audio/wav\r\n\r\nRI\r\nFF\r\n";
        let model = "--XX\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n--XX--\r\n";
        check(&format!("{file}{model}"), "fileSome(\"a.wav\")=RI\\r\\nFF modelNone=whisper-1");
        check(file, "none");
        check("", "none");
        assert!(Form::parse("application/json", b"{}").is_none());
    }
}
