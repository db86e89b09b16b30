//! Anthropic's Messages: Claude.

use serde_json::{Value, json};

use crate::engine::{EngineError, Usage};
use crate::json::line;
use crate::openai::chat::rounded;
use crate::responder::{Conversation, Responded, ResponseReader, Stop, ToolChoice};
use crate::vendor::{Calls, Interface, ResponderConfig, Turn, fault, turns};

/// What the caller has said where the agent speaks first: the first message must be the user's.
const BEGINS: &str = "(The call begins.)";

/// What the caller has said where the agent is to go on: the last message must not be the agent's, or it would be taken for the
/// beginning of the answer.
const SILENT: &str = "(The caller says nothing.)";

/// A language model behind `/v1/messages`.
pub(crate) static MESSAGES: Interface = Interface { path: "/v1/messages", body, reader: || Box::new(MessageReader::default()) };

fn body(config: &ResponderConfig, conversation: &Conversation<'_>) -> Value {
    let mut body = json!({
        "model": config.model, "max_tokens": config.max_tokens, "messages": messages(conversation), "stream": true,
    });
    if !conversation.instructions.is_empty() {
        // What comes before it, the tools, is kept in the provider's cache with it.
        let text = json!({ "type": "text", "text": conversation.instructions, "cache_control": { "type": "ephemeral" } });
        body["system"] = json!([text]);
    }
    if let Some(temperature) = config.temperature {
        body["temperature"] = rounded(temperature);
    }
    if let Some(effort) = &config.reasoning_effort {
        body["output_config"] = json!({ "effort": effort });
    }
    if !conversation.tools.is_empty() {
        let tool = |tool: &crate::tools::Tool| json!({ "name": tool.name, "description": tool.description, "input_schema": tool.parameters });
        body["tools"] = conversation.tools.iter().map(tool).collect();
        if conversation.tool_choice == ToolChoice::None {
            body["tool_choice"] = json!({ "type": "none" });
        }
    }
    body
}

fn messages(conversation: &Conversation<'_>) -> Vec<Value> {
    let mut messages = Messaged::default();
    for turn in turns(conversation.entries) {
        match turn {
            Turn::Caller(texts) => messages.add("user", vec![text(&texts.join("\n"))]),
            Turn::Agent { texts, calls } => {
                let said = (!texts.is_empty()).then(|| text(&texts.join(" ")));
                let calls = calls.into_iter().map(|call| {
                    // What is not an object was no use to the tool either.
                    let input = serde_json::from_str(call.arguments.as_str()).ok().filter(Value::is_object);
                    let input = input.unwrap_or_else(|| json!({}));
                    json!({ "type": "tool_use", "id": call.call_id, "name": call.name, "input": input })
                });
                messages.add("assistant", said.into_iter().chain(calls).collect());
            }
            // Before the caller's words of the same message.
            Turn::Results(results) => {
                let result = |(id, output)| json!({ "type": "tool_result", "tool_use_id": id, "content": output });
                messages.add("user", results.into_iter().map(result).collect());
            }
        }
    }
    if messages.role != "user" {
        messages.add("user", vec![text(if messages.list.is_empty() { BEGINS } else { SILENT })]);
    }
    messages.list
}

fn text(text: &str) -> Value {
    json!({ "type": "text", "text": text.trim_end() })
}

/// Messages whose roles alternate, the user's first.
#[derive(Default)]
struct Messaged {
    list: Vec<Value>,
    /// Of the last.
    role: &'static str,
}

impl Messaged {
    fn add(&mut self, role: &'static str, content: Vec<Value>) {
        if self.list.is_empty() && role == "assistant" {
            self.list.push(json!({ "role": "user", "content": [text(BEGINS)] }));
        }
        if self.role == role
            && let Some(present) = self.list.last_mut().and_then(|last| last["content"].as_array_mut())
        {
            present.extend(content);
            return;
        }
        self.list.push(json!({ "role": role, "content": content }));
        self.role = role;
    }
}

/// Reads the events of one answer.
#[derive(Debug, Default)]
struct MessageReader {
    calls: Calls,
    /// `message_delta` counts anew what `message_start` counted.
    usage: Usage,
    done: bool,
}

impl ResponseReader for MessageReader {
    fn handle(&mut self, data: &str, out: &mut Vec<Responded>) -> Result<(), EngineError> {
        let event: Value =
            serde_json::from_str(data).map_err(|error| EngineError::Protocol { reason: line(&error.to_string()) })?;
        let index = event["index"].as_u64().unwrap_or_default();
        match event["type"].as_str().unwrap_or_default() {
            "message_start" => self.count(&event["message"]["usage"]),
            "content_block_start" => {
                let block = &event["content_block"];
                let field = |name: &str| block[name].as_str().unwrap_or_default();
                match field("type") {
                    "tool_use" => {
                        // Its input is empty, and written by the deltas; a server that does not stream it tells it here.
                        let input = block["input"].as_object().filter(|input| !input.is_empty());
                        let input = input.map(|input| Value::Object(input.clone()).to_string());
                        self.calls.add(index, field("id"), field("name"), &input.unwrap_or_default())?;
                    }
                    "text" => words(field("text"), out),
                    _ => {}
                }
            }
            "content_block_delta" => {
                let delta = &event["delta"];
                match delta["type"].as_str().unwrap_or_default() {
                    "text_delta" => words(delta["text"].as_str().unwrap_or_default(), out),
                    "input_json_delta" => self.calls.add(index, "", "", delta["partial_json"].as_str().unwrap_or_default())?,
                    _ => {}
                }
            }
            "message_delta" => {
                self.count(&event["usage"]);
                if let Some(reason) = event["delta"]["stop_reason"].as_str() {
                    self.finish(reason, out);
                }
            }
            "message_stop" => self.finish("", out),
            "error" => {
                let field = |name: &str| event["error"][name].as_str().unwrap_or_default();
                return Err(fault(field("type"), "", field("message")));
            }
            _ => {}
        }
        Ok(())
    }
}

fn words(text: &str, out: &mut Vec<Responded>) {
    if !text.is_empty() {
        out.push(Responded::Text(text.into()));
    }
}

impl MessageReader {
    fn count(&mut self, usage: &Value) {
        let cached = usage["cache_read_input_tokens"].as_u64();
        if let Some(fresh) = usage["input_tokens"].as_u64() {
            // Anthropic counts what was cached beside the input; here it is part of it.
            let written = usage["cache_creation_input_tokens"].as_u64().unwrap_or_default();
            self.usage.input_text = fresh.saturating_add(written).saturating_add(cached.unwrap_or_default());
            self.usage.input_cached = cached.unwrap_or_default();
        }
        self.usage.output_text = usage["output_tokens"].as_u64().unwrap_or(self.usage.output_text);
    }

    fn finish(&mut self, reason: &str, out: &mut Vec<Responded>) {
        if std::mem::replace(&mut self.done, true) {
            return;
        }
        let stop = match reason {
            // The last call may be cut.
            "max_tokens" | "model_context_window_exceeded" => Stop::Length,
            "refusal" => Stop::Refused,
            _ if !self.calls.is_empty() => {
                self.calls.finish("toolu", out);
                Stop::ToolCalls
            }
            _ => Stop::Complete,
        };
        out.push(Responded::Done(stop));
        out.push(Responded::Used(self.usage));
    }
}

#[cfg(test)]
mod tests;
