//! Chat Completions: OpenAI, Groq, and every server that speaks as they do.

use serde_json::{Map, Value, json};

use crate::engine::{EngineError, Usage};
use crate::json::line;
use crate::responder::{Conversation, Responded, ResponseReader, Stop, ToolCall, ToolChoice};
use crate::vendor::{Calls, Interface, ResponderConfig, Turn, fault, turns};

/// A language model behind `/chat/completions`.
pub(crate) static CHAT_COMPLETIONS: Interface =
    Interface { path: "/chat/completions", body, reader: || Box::new(ChatReader::default()) };

fn body(config: &ResponderConfig, conversation: &Conversation<'_>) -> Value {
    let mut body = json!({ "model": config.model, "messages": messages(conversation), "stream": true });
    let length = if config.completion_tokens { "max_completion_tokens" } else { "max_tokens" };
    body[length] = config.max_tokens.into();
    if config.include_usage {
        body["stream_options"] = json!({ "include_usage": true });
    }
    if let Some(temperature) = config.temperature {
        body["temperature"] = rounded(temperature);
    }
    if let Some(effort) = &config.reasoning_effort {
        body["reasoning_effort"] = effort.as_str().into();
    }
    if !conversation.tools.is_empty() {
        let tool = |tool: &crate::tools::Tool| {
            json!({ "type": "function", "function": {
                "name": tool.name, "description": tool.description, "parameters": tool.parameters,
            } })
        };
        body["tools"] = conversation.tools.iter().map(tool).collect();
        if conversation.tool_choice == ToolChoice::None {
            body["tool_choice"] = "none".into();
        }
    }
    body
}

/// As it was written: 0.7, not 0.699999988.
pub(crate) fn rounded(number: f32) -> Value {
    json!((f64::from(number) * 1_000.0).round() / 1_000.0)
}

fn messages(conversation: &Conversation<'_>) -> Vec<Value> {
    let mut messages = Vec::with_capacity(conversation.entries.len() + 1);
    if !conversation.instructions.is_empty() {
        messages.push(json!({ "role": "system", "content": conversation.instructions }));
    }
    for turn in turns(conversation.entries) {
        match turn {
            Turn::Caller(texts) => messages.push(json!({ "role": "user", "content": texts.join("\n") })),
            Turn::Agent { texts, calls } => {
                let mut message = Map::new();
                message.insert("role".to_owned(), "assistant".into());
                let said = (!texts.is_empty()).then(|| texts.join(" "));
                message.insert("content".to_owned(), said.into());
                if !calls.is_empty() {
                    message.insert("tool_calls".to_owned(), calls.into_iter().map(call).collect());
                }
                messages.push(Value::Object(message));
            }
            Turn::Results(results) => messages
                .extend(results.into_iter().map(|(id, output)| json!({ "role": "tool", "tool_call_id": id, "content": output }))),
        }
    }
    messages
}

fn call(call: &ToolCall) -> Value {
    let function = json!({ "name": call.name, "arguments": call.arguments.as_str() });
    json!({ "id": call.call_id, "type": "function", "function": function })
}

/// Reads the chunks of one answer.
#[derive(Debug, Default)]
struct ChatReader {
    calls: Calls,
    refused: bool,
    done: bool,
    used: bool,
}

impl ResponseReader for ChatReader {
    fn handle(&mut self, data: &str, out: &mut Vec<Responded>) -> Result<(), EngineError> {
        if data.trim() == "[DONE]" {
            self.finish("", "", out);
            return Ok(());
        }
        let chunk: Value =
            serde_json::from_str(data).map_err(|error| EngineError::Protocol { reason: line(&error.to_string()) })?;
        failed(&chunk)?;
        // Only the first choice was asked for. A server that does not stream says `message`.
        let choice = &chunk["choices"][0];
        let delta = if choice["message"].is_object() { &choice["message"] } else { &choice["delta"] };
        for (field, refusal) in [("content", false), ("refusal", true)] {
            if let Some(text) = delta[field].as_str().filter(|text| !text.is_empty() && !self.done) {
                self.refused |= refusal;
                out.push(Responded::Text(text.into()));
            }
        }
        for call in delta["tool_calls"].as_array().into_iter().flatten() {
            self.call(call)?;
        }
        if let Some(reason) = choice["finish_reason"].as_str() {
            self.finish(reason, chunk["id"].as_str().unwrap_or_default(), out);
        }
        if self.done && !self.used {
            let usage = [&chunk["usage"], &chunk["x_groq"]["usage"]].into_iter().find(|usage| usage.is_object());
            if let Some(usage) = usage {
                self.used = true;
                out.push(Responded::Used(read_usage(usage)));
            }
        }
        Ok(())
    }
}

impl ChatReader {
    /// A piece of a call. Servers that leave the index out send each call whole.
    fn call(&mut self, call: &Value) -> Result<(), EngineError> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (id, function) = (text(&call["id"]), &call["function"]);
        let next = self.calls.len() as u64;
        let last = self.calls.last().unwrap_or_default();
        let index = call["index"].as_u64().unwrap_or(if id.is_empty() { last } else { next });
        // Some write the arguments as an object.
        let arguments = match &function["arguments"] {
            Value::Object(arguments) => Value::Object(arguments.clone()).to_string(),
            other => text(other),
        };
        self.calls.add(index, &id, &text(&function["name"]), &arguments)
    }

    fn finish(&mut self, reason: &str, answer: &str, out: &mut Vec<Responded>) {
        if std::mem::replace(&mut self.done, true) {
            return;
        }
        let stop = match reason {
            // The last call may be cut.
            "length" => Stop::Length,
            "content_filter" => Stop::Refused,
            _ if !self.calls.is_empty() => {
                self.calls.finish(answer, out);
                Stop::ToolCalls
            }
            _ if self.refused => Stop::Refused,
            _ => Stop::Complete,
        };
        out.push(Responded::Done(stop));
    }
}

/// An error in place of a chunk, in any of the ways that servers have.
fn failed(chunk: &Value) -> Result<(), EngineError> {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    };
    let groq = &chunk["x_groq"]["error"];
    match &chunk["error"] {
        Value::Null if chunk["object"] == "error" => {
            Err(fault(&text(&chunk["type"]), &text(&chunk["code"]), &text(&chunk["message"])))
        }
        Value::Null if !groq.is_null() => Err(fault("", "x_groq", &text(groq))),
        Value::Null => Ok(()),
        Value::String(message) => Err(fault("", "error", message)),
        error => Err(fault(&text(&error["type"]), &text(&error["code"]), &text(&error["message"]))),
    }
}

fn read_usage(usage: &Value) -> Usage {
    let count = |value: &Value| value.as_u64().unwrap_or_default();
    Usage {
        input_text: count(&usage["prompt_tokens"]),
        input_cached: count(&usage["prompt_tokens_details"]["cached_tokens"]),
        output_text: count(&usage["completion_tokens"]),
        ..Usage::default()
    }
}

#[cfg(test)]
mod tests;
