//! The session object: what `session.update` may change, and what the real service refuses.

use serde_json::{Map, Value, json};

use super::voice::AudioFormat;

/// Keys that `session` knows in the GA shape; anything else is an `unknown_parameter`, the beta names included.
const SESSION_KEYS: [&str; 15] = [
    "audio",
    "include",
    "instructions",
    "max_output_tokens",
    "model",
    "output_modalities",
    "parallel_tool_calls",
    "prompt",
    "reasoning",
    "tool_choice",
    "tools",
    "tracing",
    "truncation",
    "type",
    "id",
];
const INPUT_KEYS: [&str; 4] = ["format", "noise_reduction", "transcription", "turn_detection"];
const OUTPUT_KEYS: [&str; 3] = ["format", "speed", "voice"];

/// A refusal: becomes an `error` event.
#[derive(Debug)]
pub(super) struct Refusal {
    pub code: &'static str,
    pub message: String,
    pub param: Option<String>,
}

/// The effective session object and what is read from it often.
#[derive(Debug)]
pub(super) struct Settings {
    object: Value,
    pub input: AudioFormat,
    pub output: AudioFormat,
    pub turns: Option<ServerVad>,
    pub transcribes: bool,
}

/// `turn_detection` of type `server_vad` or `semantic_vad` (taken as the former).
#[derive(Clone, Copy, Debug)]
pub(super) struct ServerVad {
    pub prefix_padding_ms: u64,
    pub silence_duration_ms: u64,
    pub create_response: bool,
    pub interrupt_response: bool,
}

impl Refusal {
    pub(super) fn new(code: &'static str, param: &str, message: impl Into<String>) -> Self {
        let param = Some(param.to_owned()).filter(|param| !param.is_empty());
        Self { code, message: message.into(), param }
    }
}

impl Settings {
    pub(super) fn new(session_id: &str, model: &str) -> Self {
        let vad = json!({"type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300, "silence_duration_ms": 500,
            "create_response": true, "interrupt_response": true, "idle_timeout_ms": null});
        let pcm = json!({"type": "audio/pcm", "rate": 24000});
        let object = json!({
            "type": "realtime", "object": "realtime.session", "id": session_id, "model": model,
            "expires_at": 4_102_444_800_u64, "instructions": "", "output_modalities": ["audio"],
            "audio": {
                "input": {"format": pcm, "transcription": null, "noise_reduction": null, "turn_detection": vad},
                "output": {"format": pcm, "voice": "marin", "speed": 1.0}},
            "tools": [], "tool_choice": "auto", "max_output_tokens": "inf", "truncation": "auto",
            "prompt": null, "tracing": null, "include": null});
        let turns =
            Some(ServerVad { prefix_padding_ms: 300, silence_duration_ms: 500, create_response: true, interrupt_response: true });
        Self { object, input: AudioFormat::Pcm24k, output: AudioFormat::Pcm24k, turns, transcribes: false }
    }

    pub(super) fn object(&self) -> &Value {
        &self.object
    }

    /// Applies the `session` of a `session.update`; nothing changes when any part of it is refused.
    pub(super) fn update(&mut self, change: &Value, spoken: bool) -> Result<(), Refusal> {
        let change = change
            .as_object()
            .ok_or_else(|| Refusal::new("missing_required_parameter", "session", "Missing required parameter: 'session'."))?;
        check_keys(change, &SESSION_KEYS, "session")?;
        if change.get("type").and_then(Value::as_str) != Some("realtime") {
            let message = "Missing required parameter: 'session.type'.";
            return Err(Refusal::new("missing_required_parameter", "session.type", message));
        }
        if change.get("model").is_some_and(|model| *model != self.object["model"]) {
            return Err(Refusal::new("invalid_value", "session.model", "Cannot update a conversation's model."));
        }
        check_tools(change.get("tools"))?;
        check_modalities(change.get("output_modalities"))?;
        if let Some(audio) = change.get("audio") {
            check_audio(audio)?;
            let voice = &audio["output"]["voice"];
            if spoken && !voice.is_null() && *voice != self.object["audio"]["output"]["voice"] {
                let message = "Cannot update a conversation's voice if assistant audio is present.";
                return Err(Refusal::new("cannot_update_voice", "session.audio.output.voice", message));
            }
        }
        let mut merged = self.object.clone();
        merge(&mut merged, &Value::Object(change.clone()), 0);
        let audio = &merged["audio"];
        self.input = format(&audio["input"]["format"], "session.audio.input.format")?;
        self.output = format(&audio["output"]["format"], "session.audio.output.format")?;
        self.turns = server_vad(&audio["input"]["turn_detection"]);
        self.transcribes = audio["input"]["transcription"].is_object();
        self.object = merged;
        Ok(())
    }
}

fn check_keys(object: &Map<String, Value>, known: &[&str], path: &str) -> Result<(), Refusal> {
    match object.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => {
            let param = format!("{path}.{key}");
            Err(Refusal::new("unknown_parameter", &param, format!("Unknown parameter: '{param}'.")))
        }
        None => Ok(()),
    }
}

fn check_tools(tools: Option<&Value>) -> Result<(), Refusal> {
    let tools = tools.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for (index, tool) in tools.iter().enumerate() {
        if tool["type"] == "function" && !tool["name"].is_string() {
            let param = format!("session.tools[{index}].name");
            let message = format!("Missing required parameter: '{param}'.");
            return Err(Refusal::new("missing_required_parameter", &param, message));
        }
    }
    Ok(())
}

fn check_modalities(modalities: Option<&Value>) -> Result<(), Refusal> {
    match modalities {
        None => Ok(()),
        Some(value) if *value == json!(["audio"]) || *value == json!(["text"]) => Ok(()),
        Some(value) => {
            let message = format!("Invalid modalities: {value}. Supported combinations are: ['text'] and ['audio'].");
            Err(Refusal::new("invalid_value", "session.output_modalities", message))
        }
    }
}

fn check_audio(audio: &Value) -> Result<(), Refusal> {
    let empty = Map::new();
    check_keys(audio.as_object().unwrap_or(&empty), &["input", "output"], "session.audio")?;
    check_keys(audio["input"].as_object().unwrap_or(&empty), &INPUT_KEYS, "session.audio.input")?;
    check_keys(audio["output"].as_object().unwrap_or(&empty), &OUTPUT_KEYS, "session.audio.output")?;
    for (side, path) in [("input", "session.audio.input.format"), ("output", "session.audio.output.format")] {
        if !audio[side]["format"].is_null() {
            format(&audio[side]["format"], path)?;
        }
    }
    let detection = &audio["input"]["turn_detection"];
    match detection["type"].as_str() {
        _ if detection.is_null() => Ok(()),
        Some("server_vad" | "semantic_vad") => Ok(()),
        _ => {
            let param = "session.audio.input.turn_detection.type";
            let message = "Supported values are: 'server_vad' and 'semantic_vad'.";
            Err(Refusal::new("invalid_value", param, message))
        }
    }
}

fn format(value: &Value, param: &str) -> Result<AudioFormat, Refusal> {
    match (value["type"].as_str(), value["rate"].as_u64()) {
        (Some("audio/pcmu"), None) => Ok(AudioFormat::Pcmu),
        (Some("audio/pcma"), None) => Ok(AudioFormat::Pcma),
        (Some("audio/pcm"), Some(24_000)) => Ok(AudioFormat::Pcm24k),
        _ => Err(Refusal::new("invalid_value", param, format!("Invalid value: {value}."))),
    }
}

fn server_vad(value: &Value) -> Option<ServerVad> {
    value.is_object().then(|| ServerVad {
        prefix_padding_ms: value["prefix_padding_ms"].as_u64().unwrap_or(300),
        silence_duration_ms: value["silence_duration_ms"].as_u64().unwrap_or(500),
        create_response: value["create_response"].as_bool().unwrap_or(true),
        interrupt_response: value["interrupt_response"].as_bool().unwrap_or(true),
    })
}

/// Only the fields that are present change. Objects are merged down to `audio.input` and `audio.output`; what lies
/// deeper (a format, a turn detection) is replaced whole.
fn merge(target: &mut Value, change: &Value, depth: usize) {
    match (target, change) {
        (Value::Object(target), Value::Object(change)) if depth < 3 => {
            for (key, value) in change {
                merge(target.entry(key.clone()).or_insert(Value::Null), value, depth + 1);
            }
        }
        (target, change) => *target = change.clone(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn check(change: &str, want: &str) {
        let mut settings = Settings::new("sess_1", "gpt-realtime");
        let change: Value = serde_json::from_str(change).unwrap();
        let got = match settings.update(&change, true) {
            Ok(()) => format!("{:?} {:?} vad {}", settings.input, settings.output, settings.turns.is_some()),
            Err(refusal) => format!("{} {}", refusal.code, refusal.param.unwrap_or_default()),
        };
        assert_eq!(got, want, "{change}");
    }

    #[test]
    fn only_present_fields_change() {
        check(r#"{"type":"realtime"}"#, "Pcm24k Pcm24k vad true");
        check(r#"{"type":"realtime","audio":{"input":{"turn_detection":null}}}"#, "Pcm24k Pcm24k vad false");
        check(r#"{"type":"realtime","audio":{"output":{"format":{"type":"audio/pcmu"}}}}"#, "Pcm24k Pcmu vad true");
        check(r#"{"type":"realtime","audio":{"input":{"format":{"type":"audio/pcma"}}}}"#, "Pcma Pcm24k vad true");
    }

    #[test]
    fn what_the_service_refuses_is_refused() {
        check("null", "missing_required_parameter session");
        check("{}", "missing_required_parameter session.type");
        check(r#"{"type":"realtime","modalities":["audio"]}"#, "unknown_parameter session.modalities");
        check(r#"{"type":"realtime","temperature":0.8}"#, "unknown_parameter session.temperature");
        check(r#"{"type":"realtime","model":"other"}"#, "invalid_value session.model");
        check(r#"{"type":"realtime","output_modalities":["audio","text"]}"#, "invalid_value session.output_modalities");
        let rate = r#"{"type":"realtime","audio":{"input":{"format":{"type":"audio/pcm","rate":16000}}}}"#;
        check(rate, "invalid_value session.audio.input.format");
        let voice = r#"{"type":"realtime","audio":{"output":{"voice":"alloy"}}}"#;
        check(voice, "cannot_update_voice session.audio.output.voice");
        let nested = r#"{"type":"realtime","tools":[{"type":"function","function":{"name":"f"}}]}"#;
        check(nested, "missing_required_parameter session.tools[0].name");
        let detection = r#"{"type":"realtime","audio":{"input":{"turn_detection":{"type":"none"}}}}"#;
        check(detection, "invalid_value session.audio.input.turn_detection.type");
    }
}
