//! The messages of a session's WebSocket (docs/sessions.md).

use ai::engine::Words;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use media::sendout::PromptId;
use serde_json::{Value, json};
use store::HangupCause;

use super::client::News;
use super::{SESSION_RATES, TYPED_BYTES_MAX};

/// What a client says.
#[derive(Debug, Eq, PartialEq)]
pub(in crate::leg) enum ClientFrame {
    /// A piece of speech.
    Audio {
        /// Samples a second; `None`: as the last.
        rate: Option<u32>,
        /// The samples.
        samples: Vec<i16>,
    },
    /// It wants no more.
    EndSession,
    /// It typed something.
    Typed(Words),
}

/// What is wrong with a message. No value of it is repeated.
#[derive(Debug, Eq, PartialEq)]
pub(in crate::leg) struct Bad {
    /// For programs.
    pub(in crate::leg) code: &'static str,
    /// For people.
    pub(in crate::leg) message: String,
}

impl Bad {
    pub(super) fn new(code: &'static str, message: String) -> Self {
        Self { code, message }
    }
}

/// Reads a client's message.
pub(in crate::leg) fn read(text: &str) -> Result<ClientFrame, Bad> {
    let value: Value =
        serde_json::from_str(text).map_err(|error| Bad::new("bad_json", format!("the message is not JSON: {error}")))?;
    let kind = value["type"].as_str().ok_or_else(|| Bad::new("bad_message", "the message has no type".to_owned()))?;
    match kind {
        "audio" => audio_of(&value),
        "end-session" => Ok(ClientFrame::EndSession),
        "user-message" => match value["text"].as_str() {
            None => Err(Bad::new("bad_message", "text is not a text".to_owned())),
            Some(text) if text.trim().is_empty() => Err(Bad::new("bad_message", "text is empty".to_owned())),
            Some(text) if text.len() > TYPED_BYTES_MAX => {
                Err(Bad::new("too_long", format!("text has more than {TYPED_BYTES_MAX} bytes")))
            }
            Some(text) => Ok(ClientFrame::Typed(text.into())),
        },
        _ => Err(Bad::new("unknown_type", "the type is not one of audio, end-session, user-message".to_owned())),
    }
}

fn audio_of(value: &Value) -> Result<ClientFrame, Bad> {
    let rate = match &value["rate"] {
        Value::Null => None,
        rate => {
            let known = rate.as_u64().and_then(|rate| u32::try_from(rate).ok()).filter(|rate| SESSION_RATES.contains(rate));
            Some(known.ok_or_else(|| Bad::new("bad_audio", format!("rate is not one of {SESSION_RATES:?}")))?)
        }
    };
    let payload = value["payload"].as_str().ok_or_else(|| Bad::new("bad_audio", "payload is not a text".to_owned()))?;
    let octets = STANDARD.decode(payload).map_err(|_| Bad::new("bad_audio", "payload is not base64".to_owned()))?;
    Ok(ClientFrame::Audio { rate, samples: pcm(&octets)? })
}

/// Samples of 16 bit, little-endian.
pub(super) fn pcm(octets: &[u8]) -> Result<Vec<i16>, Bad> {
    if octets.is_empty() || !octets.len().is_multiple_of(2) {
        return Err(Bad::new("bad_audio", "audio is not whole samples of 16 bit".to_owned()));
    }
    Ok(octets.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect())
}

fn turn_id(prompt: Option<PromptId>) -> Option<String> {
    prompt.map(|prompt| prompt.0.to_string())
}

/// A piece of the agent's speech. Written by hand: 50 of these a second go out on every session, and nothing in them needs escaping.
pub(super) fn audio(prompt: Option<PromptId>, rate: u32, pcm: &[u8]) -> String {
    let mut text = String::with_capacity(128 + pcm.len().div_ceil(3) * 4);
    text += r#"{"type":"assistant-message","turn_id":"#;
    match turn_id(prompt) {
        Some(turn) => text += &format!("\"{turn}\""),
        None => text += "null",
    }
    text += &format!(r#","text":"","audio":{{"format":"pcm16","rate":{rate},"payload":""#);
    STANDARD.encode_string(pcm, &mut text);
    text += "\"}}";
    text
}

/// What is not audio.
pub(super) fn news(news: &News<'_>) -> String {
    let value = match news {
        News::Connected(id) => json!({ "type": "connected", "session_id": id.to_string() }),
        News::Error { code, message } => json!({ "type": "error", "code": code, "message": message }),
        News::Interrupted(heard) => json!({ "type": "interrupted", "heard_ms": u64::try_from(heard.as_millis()).unwrap_or(0) }),
        News::Said { agent, text, is_final } => {
            json!({ "type": "transcript", "role": if *agent { "assistant" } else { "user" }, "text": text, "final": is_final })
        }
        News::Speech(true) => json!({ "type": "speech-started" }),
        News::Speech(false) => json!({ "type": "speech-stopped" }),
        News::Words { prompt, text } => {
            json!({ "type": "assistant-message", "turn_id": turn_id(*prompt), "text": text, "audio": null })
        }
    };
    value.to_string()
}

/// The last message.
pub(super) fn ended(cause: HangupCause) -> String {
    json!({ "type": "session-ended", "reason": cause.as_str() }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let said = match read(text) {
            Ok(ClientFrame::Typed(words)) => format!("typed {}", words.as_str()),
            Ok(ClientFrame::Audio { rate, samples }) => format!("audio {rate:?} {samples:?}"),
            Ok(ClientFrame::EndSession) => "end".to_owned(),
            Err(Bad { code, message }) => format!("{code}: {message}"),
        };
        assert!(said.starts_with(expected), "{text}: {said}");
    }

    #[test]
    fn what_clients_say_is_read() {
        check(r#"{"type":"user-message","text":"Hi \"you\""}"#, "typed Hi \"you\"");
        check(r#"{"type":"end-session"}"#, "end");
        check(r#"{"type":"audio","payload":"AQD//w==","rate":16000}"#, "audio Some(16000) [1, -1]");
        check(r#"{"type":"audio","payload":"AQD//w=="}"#, "audio None [1, -1]");
    }

    #[test]
    fn what_is_wrong_is_named_and_not_repeated() {
        check("", "bad_json: the message is not JSON");
        check("[]", "bad_message: the message has no type");
        check(r#"{"type":7}"#, "bad_message: the message has no type");
        check(r#"{"type":"hunter2"}"#, "unknown_type: the type is not one of audio, end-session, user-message");
        check(r#"{"type":"user-message","text":7}"#, "bad_message: text is not a text");
        check(r#"{"type":"user-message","text":" \n"}"#, "bad_message: text is empty");
        check(&json!({ "type": "user-message", "text": "x".repeat(TYPED_BYTES_MAX + 1) }).to_string(), "too_long: text has more");
        check(r#"{"type":"audio"}"#, "bad_audio: payload is not a text");
        check(r#"{"type":"audio","payload":"*"}"#, "bad_audio: payload is not base64");
        check(r#"{"type":"audio","payload":"AAAA"}"#, "bad_audio: audio is not whole samples of 16 bit");
        check(r#"{"type":"audio","payload":"","rate":16000}"#, "bad_audio: audio is not whole samples of 16 bit");
        for rate in ["11025", "-1", "\"8000\"", "1e9", "16000.5"] {
            check(
                &format!(r#"{{"type":"audio","payload":"AQD//w==","rate":{rate}}}"#),
                "bad_audio: rate is not one of [8000, 16000",
            );
        }
        assert!(!format!("{:?}", read(r#"{"type":"user-message","text":"my secret"}"#)).contains("secret"));
    }

    #[test]
    fn audio_is_the_json_that_it_should_be() {
        let value: Value = serde_json::from_str(&audio(Some(PromptId(7)), 16_000, &[1, 0, 255, 255])).unwrap_or_default();
        let sound = json!({ "format": "pcm16", "rate": 16_000, "payload": "AQD//w==" });
        assert_eq!(value, json!({ "type": "assistant-message", "turn_id": "7", "text": "", "audio": sound }));
        let value: Value = serde_json::from_str(&audio(None, 8_000, &[])).unwrap_or_default();
        assert_eq!((&value["turn_id"], &value["audio"]["payload"]), (&Value::Null, &json!("")));
    }
}
