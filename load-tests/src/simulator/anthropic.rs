//! Anthropic's Messages API.

#[cfg(test)]
mod tests;

use std::time::Duration;

use serde_json::{Value, json};

use super::answer::{Answer, Kind};
use super::brain::{Conversation, Thought, content};
use super::provider::Provider;
use super::route::Asked;

/// How a stream that fails in its middle ends.
pub(super) const LAST_WORDS: &str = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\
    \"message\":\"Overloaded\"}}\n\n";
/// Versions of the API. They differ here in that the second one has no sampling parameters.
const FIRST_VERSION: &str = "2023-06-01";
const SECOND_VERSION: &str = "2026-10-21";
/// All that a request may have.
const KEYS: [&str; 18] = [
    "cache_control",
    "container",
    "inference_geo",
    "max_tokens",
    "messages",
    "metadata",
    "model",
    "output_config",
    "service_tier",
    "stop_sequences",
    "stream",
    "system",
    "temperature",
    "thinking",
    "tool_choice",
    "tools",
    "top_k",
    "top_p",
];
/// Longest name of a tool.
const NAME_CHARS_MAX: usize = 128;

/// An error body.
pub(super) fn error(status: u16, message: &str) -> Value {
    let kind = match status {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        529 => "overloaded_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    };
    json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_simulator"})
}

/// `POST /v1/messages`.
pub(super) fn messages(asked: &Asked) -> Result<Answer, Answer> {
    let wrong = |message: String| asked.refuse(400, "invalid_request_error", &message);
    let version = asked.header("anthropic-version");
    if ![FIRST_VERSION, SECOND_VERSION].contains(&version) {
        return Err(wrong(format!("anthropic-version: '{version}' is not a valid version")));
    }
    let body = asked.json()?;
    let sampling = ["temperature", "top_k", "top_p"].into_iter().find(|name| !body[*name].is_null());
    if let Some(name) = sampling.filter(|_| version == SECOND_VERSION) {
        return Err(wrong(format!("{name}: Extra inputs are not permitted")));
    }
    let unknown = body.as_object().and_then(|body| body.keys().find(|key| !KEYS.contains(&key.as_str())));
    if let Some(name) = unknown {
        return Err(wrong(format!("{name}: Extra inputs are not permitted")));
    }
    let model = body["model"].as_str().ok_or_else(|| wrong("model: Field required".to_owned()))?;
    let most = body["max_tokens"].as_u64().filter(|most| *most > 0);
    let most = most.ok_or_else(|| wrong("max_tokens: Field required".to_owned()))?;
    let mut conversation = read(&body).map_err(wrong)?;
    conversation.tokens_max = Some(most);
    conversation.tools = tool_names(&body).map_err(wrong)?;
    let thought = conversation.think(asked);
    let writer = Writer { model, number: asked.shared.id(), thought: &thought };
    Ok(if body["stream"] == true { writer.stream() } else { writer.whole() })
}

fn tool_names(body: &Value) -> Result<Vec<String>, String> {
    let mut names = Vec::new();
    for (index, tool) in body["tools"].as_array().map(Vec::as_slice).unwrap_or_default().iter().enumerate() {
        let name = tool["name"].as_str().unwrap_or_default();
        let good = |letter: char| letter.is_ascii_alphanumeric() || "_-".contains(letter);
        if name.is_empty() || name.len() > NAME_CHARS_MAX || !name.chars().all(good) {
            return Err(format!("tools.{index}.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'"));
        }
        if tool["input_schema"]["type"] != "object" {
            return Err(format!("tools.{index}.input_schema.type: Field required"));
        }
        names.push(name.to_owned());
    }
    match body["tool_choice"]["type"].as_str() {
        Some("none") => Ok(Vec::new()),
        None if !body["tool_choice"].is_null() => Err("tool_choice: Input should be an object".to_owned()),
        _ => Ok(names),
    }
}

fn read(body: &Value) -> Result<Conversation, String> {
    let mut conversation = Conversation::default();
    if !body["system"].is_null() {
        let system = content(&body["system"], true).ok_or("system: text content blocks must be non-empty")?;
        conversation.push("system", system);
    }
    let messages = body["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
    if messages.is_empty() {
        return Err("messages: at least one message is required".to_owned());
    }
    let mut open: Vec<String> = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let role = message["role"].as_str().unwrap_or_default();
        if !["user", "assistant"].contains(&role) {
            return Err(format!("messages.{index}.role: Input should be 'user' or 'assistant'"));
        }
        if index == 0 && role != "user" {
            return Err("messages: first message must use the \"user\" role".to_owned());
        }
        if let Value::String(text) = &message["content"] {
            if !open.is_empty() {
                return Err(unanswered(index, &open));
            }
            if text.trim().is_empty() {
                return Err(format!("messages.{index}: text content blocks must be non-empty"));
            }
            conversation.push(role, text.as_str());
            continue;
        }
        let blocks = message["content"].as_array().filter(|blocks| !blocks.is_empty());
        let blocks = blocks.ok_or_else(|| format!("messages.{index}: all messages must have non-empty content"))?;
        read_blocks(index, role, blocks, &mut conversation, &mut open)?;
    }
    if open.is_empty() { Ok(conversation) } else { Err(unanswered(messages.len(), &open)) }
}

fn read_blocks(
    index: usize,
    role: &str,
    blocks: &[Value],
    conversation: &mut Conversation,
    open: &mut Vec<String>,
) -> Result<(), String> {
    let mut texts = Vec::new();
    for block in blocks {
        match (block["type"].as_str().unwrap_or_default(), role) {
            ("text", _) => {
                if !open.is_empty() && role == "user" {
                    return Err(unanswered(index, open));
                }
                let text = block["text"].as_str().filter(|text| !text.trim().is_empty());
                texts.push(text.ok_or_else(|| format!("messages.{index}: text content blocks must be non-empty"))?);
            }
            ("tool_use", "assistant") => {
                let (Some(id), Some(name), true) = (block["id"].as_str(), block["name"].as_str(), block["input"].is_object())
                else {
                    return Err(format!("messages.{index}: tool_use needs id, name and an object as input"));
                };
                if !texts.is_empty() {
                    conversation.push(role, std::mem::take(&mut texts).join("\n"));
                }
                conversation.push_call(name, &block["input"].to_string());
                open.push(id.to_owned());
            }
            ("tool_result", "user") => {
                let id = block["tool_use_id"].as_str().unwrap_or_default();
                let place = open.iter().position(|known| known == id);
                let place = place
                    .ok_or_else(|| format!("messages.{index}: unexpected `tool_use_id` found in `tool_result` blocks: {id}"))?;
                open.swap_remove(place);
                conversation.push("tool", content(&block["content"], false).unwrap_or_default());
            }
            ("thinking" | "redacted_thinking", "assistant") => {}
            (other, _) => return Err(format!("messages.{index}: block type '{other}' is not allowed here")),
        }
    }
    if !texts.is_empty() {
        conversation.push(role, texts.join("\n"));
    }
    if role == "user" && !open.is_empty() {
        return Err(unanswered(index, open));
    }
    Ok(())
}

fn unanswered(index: usize, open: &[String]) -> String {
    format!(
        "messages.{index}: `tool_use` ids were found without `tool_result` blocks immediately after: {}. Each `tool_use` \
         block must have a corresponding `tool_result` block in the next message.",
        open.join(", ")
    )
}

struct Writer<'a> {
    model: &'a str,
    number: u64,
    thought: &'a Thought,
}

impl Writer<'_> {
    fn message(&self, content: Value, stop: Option<&str>, output_tokens: usize) -> Value {
        json!({"id": format!("msg_{:08x}", self.number), "type": "message", "role": "assistant", "model": self.model,
            "content": content, "stop_reason": stop, "stop_sequence": null,
            "usage": {"input_tokens": self.thought.prompt_tokens, "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 0, "output_tokens": output_tokens}})
    }

    fn stop(&self) -> &'static str {
        match (&self.thought.tool, self.thought.cut) {
            (Some(_), _) => "tool_use",
            (None, true) => "max_tokens",
            (None, false) => "end_turn",
        }
    }

    fn tool_block(&self, input: Value) -> Value {
        let name = self.thought.tool.as_ref().map(|tool| tool.name.as_str());
        json!({"type": "tool_use", "id": format!("toolu_{:08x}", self.number), "name": name, "input": input})
    }

    fn stream(&self) -> Answer {
        let thought = self.thought;
        let mut answer = Answer::streamed("text/event-stream; charset=utf-8", Kind::Events).with("request-id", "req_simulator");
        answer.fault = thought.fault;
        let mut send = |after: Duration, event: Value| {
            let name = event["type"].as_str().unwrap_or_default().to_owned();
            answer.event(after, Some(&name), &event.to_string());
        };
        let (first, end) = (thought.at(0), thought.end());
        send(first, json!({"type": "message_start", "message": self.message(json!([]), None, 1)}));
        let mut index = 0;
        if !thought.tokens.is_empty() {
            send(first, json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}));
            send(first, json!({"type": "ping"}));
            for (place, token) in thought.tokens.iter().enumerate() {
                let delta = json!({"type": "text_delta", "text": token});
                send(thought.at(place), json!({"type": "content_block_delta", "index": 0, "delta": delta}));
            }
            send(end, json!({"type": "content_block_stop", "index": 0}));
            index = 1;
        }
        if thought.tool.is_some() {
            let block = self.tool_block(json!({}));
            send(end, json!({"type": "content_block_start", "index": index, "content_block": block}));
            for fragment in std::iter::once(String::new()).chain(thought.arguments(Provider::Anthropic)) {
                let delta = json!({"type": "input_json_delta", "partial_json": fragment});
                send(end, json!({"type": "content_block_delta", "index": index, "delta": delta}));
            }
            send(end, json!({"type": "content_block_stop", "index": index}));
        }
        let delta = json!({"stop_reason": self.stop(), "stop_sequence": null});
        send(end, json!({"type": "message_delta", "delta": delta, "usage": {"output_tokens": thought.count()}}));
        send(end, json!({"type": "message_stop"}));
        answer
    }

    fn whole(&self) -> Answer {
        let thought = self.thought;
        let mut content = Vec::new();
        if !thought.tokens.is_empty() {
            content.push(json!({"type": "text", "text": thought.text()}));
        }
        if let Some(tool) = &thought.tool {
            content.push(self.tool_block(serde_json::from_str(&tool.arguments).unwrap_or_default()));
        }
        let body = self.message(json!(content), Some(self.stop()), thought.count()).to_string();
        let mut answer = Answer::whole(200, "application/json", Kind::Json, thought.end(), body.into());
        answer.fault = thought.fault;
        answer.with("request-id", "req_simulator")
    }
}
