//! `POST /v1/chat/completions`.

use std::time::Duration;

use serde_json::{Value, json};

use super::{invalid, required, tool_names};
use crate::simulator::answer::{Answer, Kind};
use crate::simulator::brain::{Conversation, Thought, content};
use crate::simulator::provider::Provider;
use crate::simulator::route::Asked;

/// Parameters that Groq refuses.
const NOT_AT_GROQ: [&str; 3] = ["logprobs", "logit_bias", "top_logprobs"];

pub(in crate::simulator) fn chat(asked: &Asked) -> Result<Answer, Answer> {
    let body = asked.json()?;
    let model = required(asked, &body, "model")?;
    let mut conversation = read(asked, &body["messages"])?;
    conversation.tools = tool_names(asked, &body["tools"], |tool| &tool["function"])?;
    if body["tool_choice"] == "none" {
        conversation.tools.clear();
    }
    conversation.tokens_max = body["max_completion_tokens"].as_u64().or(body["max_tokens"].as_u64());
    if asked.provider == Provider::Groq {
        let refused = NOT_AT_GROQ.into_iter().find(|name| !body[*name].is_null());
        if let Some(name) = refused.or_else(|| body["n"].as_u64().filter(|n| *n > 1).map(|_| "n")) {
            return Err(invalid(asked, &format!("'{name}' is not supported")));
        }
    }
    if !body["stream_options"].is_null() && body["stream"] != true {
        return Err(invalid(asked, "The 'stream_options' parameter is only allowed when 'stream' is enabled."));
    }
    let thought = conversation.think(asked);
    let number = asked.shared.id();
    let chunk = Chunk { id: format!("chatcmpl-{number:08x}"), model: model.to_owned(), number, provider: asked.provider };
    match body["stream"].as_bool() {
        Some(true) => Ok(chunk.stream(&thought, body["stream_options"]["include_usage"] == true)),
        _ => Ok(chunk.whole(&thought)),
    }
}

/// The conversation of a request, when the service would take it.
fn read(asked: &Asked, messages: &Value) -> Result<Conversation, Answer> {
    let messages = messages.as_array().map(Vec::as_slice).unwrap_or_default();
    if messages.is_empty() {
        return Err(invalid(asked, "Invalid 'messages': empty array. Expected an array with minimum length 1."));
    }
    let mut conversation = Conversation::default();
    let mut open: Vec<&str> = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let role = message["role"].as_str().unwrap_or_default();
        let bad = |what: &str| invalid(asked, &format!("Invalid 'messages[{index}]': {what}"));
        if role == "tool" {
            let id = message["tool_call_id"].as_str().unwrap_or_default();
            let place = open.iter().position(|known| *known == id);
            let place = place.ok_or_else(|| bad("role 'tool' must be a response to a preceding message with 'tool_calls'."))?;
            open.swap_remove(place);
            conversation.push("tool", content(&message["content"], false).ok_or_else(|| bad("content is missing."))?);
            continue;
        }
        if !open.is_empty() {
            let message = "An assistant message with 'tool_calls' must be followed by tool messages responding to each \
                'tool_call_id'.";
            return Err(invalid(asked, message));
        }
        let text = content(&message["content"], false);
        match role {
            "assistant" => {
                let calls = message["tool_calls"].as_array().map(Vec::as_slice).unwrap_or_default();
                if text.is_none() && calls.is_empty() {
                    return Err(bad("content or tool_calls must be given."));
                }
                if let Some(text) = text {
                    conversation.push(role, text);
                }
                for call in calls {
                    let function = &call["function"];
                    let (Some(id), Some(name), Some(arguments)) =
                        (call["id"].as_str(), function["name"].as_str(), function["arguments"].as_str())
                    else {
                        return Err(bad("tool_calls need id, function.name and function.arguments."));
                    };
                    conversation.push_call(name, arguments);
                    open.push(id);
                }
            }
            "system" | "developer" | "user" => {
                let role = if role == "user" { role } else { "system" };
                conversation.push(role, text.ok_or_else(|| bad("content is missing."))?);
            }
            _ => return Err(bad(&format!("'{role}' is not one of ['system', 'assistant', 'user', 'tool', 'developer']."))),
        }
    }
    match open.is_empty() {
        true => Ok(conversation),
        false => Err(invalid(asked, "The following tool_call_ids did not have response messages.")),
    }
}

/// What all chunks of an answer have.
struct Chunk {
    id: String,
    model: String,
    number: u64,
    provider: Provider,
}

impl Chunk {
    fn head(&self, object: &str, choices: Value) -> Value {
        json!({"id": self.id, "object": object, "created": 1_767_225_600_u64, "model": self.model,
            "system_fingerprint": "fp_simulator", "choices": choices})
    }

    fn delta(&self, delta: Value, finish: Option<&str>) -> Value {
        let choice = json!({"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish});
        self.head("chat.completion.chunk", json!([choice]))
    }

    fn call_id(&self) -> String {
        format!("call_{:08x}", self.number)
    }

    fn stream(&self, thought: &Thought, usage_wanted: bool) -> Answer {
        let mut answer = Answer::streamed("text/event-stream; charset=utf-8", Kind::Events);
        answer.fault = thought.fault;
        let mut send = |after: Duration, chunk: Value| answer.event(after, None, &chunk.to_string());
        let mut first = self.delta(json!({"role": "assistant", "content": ""}), None);
        if self.provider == Provider::Groq {
            first["x_groq"] = json!({"id": format!("req_{:08x}", self.number)});
        }
        send(thought.at(0), first);
        for (index, token) in thought.tokens.iter().enumerate() {
            send(thought.at(index), self.delta(json!({"content": token}), None));
        }
        let end = thought.end();
        let fragments = thought.arguments(self.provider);
        if let Some(tool) = &thought.tool {
            let whole = self.provider == Provider::Groq;
            let arguments = if whole { tool.arguments.as_str() } else { "" };
            let call = json!({"index": 0, "id": self.call_id(), "type": "function",
                "function": {"name": tool.name, "arguments": arguments}});
            send(end, self.delta(json!({"tool_calls": [call]}), None));
            for fragment in fragments.iter().filter(|_| !whole) {
                let call = json!({"index": 0, "function": {"arguments": fragment}});
                send(end, self.delta(json!({"tool_calls": [call]}), None));
            }
        }
        let mut last = self.delta(json!({}), Some(finish(thought)));
        if self.provider == Provider::Groq {
            last["x_groq"] = json!({"id": format!("req_{:08x}", self.number), "usage": self.usage(thought)});
        }
        send(end, last);
        if usage_wanted {
            let mut chunk = self.head("chat.completion.chunk", json!([]));
            chunk["usage"] = self.usage(thought);
            send(end, chunk);
        }
        answer.event(end, None, "[DONE]");
        answer
    }

    fn whole(&self, thought: &Thought) -> Answer {
        let text = thought.text();
        let mut message = json!({"role": "assistant", "content": (!text.is_empty()).then_some(text), "refusal": null});
        if let Some(tool) = &thought.tool {
            message["tool_calls"] = json!([{"id": self.call_id(), "type": "function",
                "function": {"name": tool.name, "arguments": tool.arguments}}]);
        }
        let choice = json!({"index": 0, "message": message, "logprobs": null, "finish_reason": finish(thought)});
        let mut body = self.head("chat.completion", json!([choice]));
        body["usage"] = self.usage(thought);
        if self.provider == Provider::Groq {
            body["x_groq"] = json!({"id": format!("req_{:08x}", self.number)});
        }
        let mut answer = Answer::whole(200, "application/json", Kind::Json, thought.end(), body.to_string().into());
        answer.fault = thought.fault;
        answer
    }

    fn usage(&self, thought: &Thought) -> Value {
        let (prompt, completion) = (thought.prompt_tokens, thought.count());
        let mut usage = json!({"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion,
            "prompt_tokens_details": {"cached_tokens": 0}, "completion_tokens_details": {"reasoning_tokens": 0}});
        if self.provider == Provider::Groq {
            for name in ["queue_time", "prompt_time", "completion_time", "total_time"] {
                usage[name] = json!(0.01);
            }
        }
        usage
    }
}

fn finish(thought: &Thought) -> &'static str {
    match (&thought.tool, thought.cut) {
        (Some(_), _) => "tool_calls",
        (None, true) => "length",
        (None, false) => "stop",
    }
}
