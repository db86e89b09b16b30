//! OpenAI's HTTP endpoints, Groq's (which are the same with extras) and those of compatible servers.

mod audio;
mod chat;
mod embeddings;
mod responses;
#[cfg(test)]
mod tests;

use serde_json::{Value, json};

use super::answer::Answer;
use super::route::Asked;

pub(super) use audio::{speech, transcription};
pub(super) use chat::chat;
pub(super) use embeddings::embeddings;
pub(super) use responses::responses;

/// How a stream that fails in its middle ends.
pub(super) const LAST_WORDS: &str = "data: {\"error\":{\"message\":\"The server had an error while processing your request. \
    Sorry about that!\",\"type\":\"server_error\",\"param\":null,\"code\":\"server_error\"}}\n\n";
/// Longest name of a function.
const NAME_CHARS_MAX: usize = 64;

/// `GET /v1/models`.
pub(super) fn models(asked: &Asked) -> Result<Answer, Answer> {
    let model = |id: &str| json!({"id": id, "object": "model", "created": 1_767_225_600, "owned_by": asked.provider.name()});
    let known = ["gpt-4o-mini", "gpt-4o-mini-tts", "gpt-4o-mini-transcribe", "text-embedding-3-small", "llama-3.1-8b-instant"];
    Ok(Answer::json(200, &json!({"object": "list", "data": known.map(model)})))
}

/// A parameter that must be a string and not empty.
fn required<'a>(asked: &Asked, body: &'a Value, name: &str) -> Result<&'a str, Answer> {
    let value = body[name].as_str().filter(|value| !value.is_empty());
    value.ok_or_else(|| asked.refuse(400, "missing_required_parameter", &format!("Missing required parameter: '{name}'.")))
}

fn invalid(asked: &Asked, message: &str) -> Answer {
    asked.refuse(400, "invalid_value", message)
}

/// Names of functions, each checked; `function` is where a tool has them.
fn tool_names(asked: &Asked, tools: &Value, function: impl Fn(&Value) -> &Value) -> Result<Vec<String>, Answer> {
    let mut names = Vec::new();
    for tool in tools.as_array().map(Vec::as_slice).unwrap_or_default().iter().filter(|tool| tool["type"] == "function") {
        let name = function(tool)["name"].as_str().unwrap_or_default();
        let good = |letter: char| letter.is_ascii_alphanumeric() || "_-".contains(letter);
        if name.is_empty() || name.len() > NAME_CHARS_MAX || !name.chars().all(good) {
            return Err(invalid(asked, &format!("Invalid tool name: '{name}'.")));
        }
        let parameters = &function(tool)["parameters"];
        if !parameters.is_null() && parameters["type"] != "object" {
            return Err(invalid(asked, &format!("Invalid schema for function '{name}': schema must be of type 'object'.")));
        }
        names.push(name.to_owned());
    }
    if tools.as_array().is_some_and(|tools| tools.len() != names.len()) {
        return Err(invalid(asked, "Supported tool types are: 'function'."));
    }
    Ok(names)
}
