//! The client's frames, as text. An `event_id` is given where an error must be told apart.

use media::codec::Codec;
use serde_json::{Value, json};

use super::config::{RealtimeConfig, TurnDetection};
use super::history::Entry;
use crate::json::{push_string, with_base64};

/// `event_id` of the one `session.update` of a connection.
pub(super) const SESSION_UPDATE_ID: &str = "session";

pub(super) fn session_update(config: &RealtimeConfig) -> String {
    let format = match config.codec {
        Codec::Pcma => json!({ "type": "audio/pcma" }),
        Codec::Pcmu => json!({ "type": "audio/pcmu" }),
    };
    let transcription = config.transcription.as_ref().map(|transcription| {
        let mut value = json!({ "model": transcription.model });
        if let Some(language) = &transcription.language {
            value["language"] = json!(language);
        }
        value
    });
    let turn_detection = match config.turn_detection {
        TurnDetection::Local => Value::Null,
    };
    let mut output = json!({ "format": format, "voice": config.voice });
    if config.speed != 1.0 {
        // In hundredths: 1.1 as f32 would be 1.10000002.
        output["speed"] = json!((f64::from(config.speed) * 100.0).round() / 100.0);
    }
    let tool = |tool: &crate::tools::Tool| {
        json!({
            "type": "function",
            "name": tool.name,
            "description": tool.description,
            "parameters": tool.parameters,
        })
    };
    let tools: Vec<Value> = config.tools.iter().map(tool).collect();
    json!({
        "type": "session.update",
        "event_id": SESSION_UPDATE_ID,
        "session": {
            "type": "realtime",
            "instructions": config.instructions,
            "output_modalities": ["audio"],
            "audio": {
                "input": { "format": format, "transcription": transcription, "turn_detection": turn_detection },
                "output": output,
            },
            "tools": tools,
            "tool_choice": "auto",
        },
    })
    .to_string()
}

/// Caller audio; the hot one, so put together by hand in one allocation.
pub(super) fn append(audio: &[u8]) -> String {
    with_base64(r#"{"type":"input_audio_buffer.append","audio":""#, audio, r#""}"#)
}

pub(super) fn commit() -> String {
    r#"{"type":"input_audio_buffer.commit"}"#.to_owned()
}

/// `event_id` of the `number`th `response.create`.
pub(super) fn response_id(number: u64) -> String {
    format!("response-{number}")
}

pub(super) fn answer(number: u64) -> String {
    format!(r#"{{"type":"response.create","event_id":"{}"}}"#, response_id(number))
}

/// Has `text` said word for word, without a tool call in its place.
pub(super) fn say(number: u64, text: &str) -> String {
    let instructions = format!("Say exactly this to the caller, word for word, and nothing else: {text}");
    let mut out = format!(r#"{{"type":"response.create","event_id":"{}","response":{{"#, response_id(number));
    out.push_str(r#""tool_choice":"none","instructions":"#);
    push_string(&mut out, &instructions);
    out.push_str("}}");
    out
}

/// Has the model speak, without a tool call in its place.
pub(super) fn speak(number: u64) -> String {
    let id = response_id(number);
    format!(r#"{{"type":"response.create","event_id":"{id}","response":{{"tool_choice":"none"}}}}"#)
}

/// Cancels `response`, or whichever is active where its identity is not known yet.
pub(super) fn cancel(response: &str) -> String {
    if response.is_empty() {
        return r#"{"type":"response.cancel"}"#.to_owned();
    }
    let mut out = r#"{"type":"response.cancel","response_id":"#.to_owned();
    push_string(&mut out, response);
    out.push('}');
    out
}

pub(super) fn truncate(item: &str, audio_end_ms: u128) -> String {
    let mut out = r#"{"type":"conversation.item.truncate","item_id":"#.to_owned();
    push_string(&mut out, item);
    out.push_str(&format!(r#","content_index":0,"audio_end_ms":{audio_end_ms}}}"#));
    out
}

/// Puts one entry of the history into the conversation. `None` for what cannot be told: words never transcribed.
pub(super) fn item(entry: &Entry) -> Option<String> {
    let item = match entry {
        Entry::Agent { text } => {
            json!({ "type": "message", "role": "assistant", "content": [{ "type": "output_text", "text": text }] })
        }
        Entry::Call { call_id, name, arguments } => {
            json!({ "type": "function_call", "call_id": call_id, "name": name, "arguments": arguments })
        }
        Entry::CallOutput { call_id, output } => {
            json!({ "type": "function_call_output", "call_id": call_id, "output": output })
        }
        Entry::Caller { text: None, .. } => return None,
        Entry::Caller { text: Some(text), .. } | Entry::Note { text } => {
            json!({ "type": "message", "role": "user", "content": [{ "type": "input_text", "text": text }] })
        }
    };
    Some(json!({ "type": "conversation.item.create", "item": item }).to_string())
}
