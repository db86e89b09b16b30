//! `POST /v1/responses`.

use serde_json::{Value, json};

use super::{invalid, required, tool_names};
use crate::simulator::answer::{Answer, Kind};
use crate::simulator::brain::{Conversation, Thought, content};
use crate::simulator::route::Asked;

pub(in crate::simulator) fn responses(asked: &Asked) -> Result<Answer, Answer> {
    let body = asked.json()?;
    let model = required(asked, &body, "model")?;
    let mut conversation = read(asked, &body)?;
    conversation.tools = tool_names(asked, &body["tools"], |tool| tool)?;
    if body["tool_choice"] == "none" {
        conversation.tools.clear();
    }
    if let Some(most) = body["max_output_tokens"].as_u64() {
        if most < 16 {
            return Err(invalid(asked, "Invalid 'max_output_tokens': expected a value >= 16."));
        }
        conversation.tokens_max = Some(most);
    }
    for name in ["messages", "max_tokens", "max_completion_tokens", "functions", "stop"] {
        if !body[name].is_null() {
            return Err(asked.refuse(400, "unknown_parameter", &format!("Unknown parameter: '{name}'.")));
        }
    }
    let thought = conversation.think(asked);
    let number = asked.shared.id();
    let response = Writer { model, number, body: &body, sequence: 0, answer: None };
    Ok(response.write(&thought, body["stream"] == true))
}

fn read(asked: &Asked, body: &Value) -> Result<Conversation, Answer> {
    let mut conversation = Conversation::default();
    if let Some(instructions) = body["instructions"].as_str() {
        conversation.push("system", instructions);
    }
    let items = match &body["input"] {
        Value::String(text) => {
            conversation.push("user", text.as_str());
            return Ok(conversation);
        }
        Value::Array(items) if !items.is_empty() => items,
        _ if !body["previous_response_id"].is_null() || !body["conversation"].is_null() => {
            return Err(invalid(asked, "stored conversations are not simulated"));
        }
        _ => return Err(asked.refuse(400, "missing_required_parameter", "Missing required parameter: 'input'.")),
    };
    let mut open: Vec<&str> = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let bad = |what: &str| invalid(asked, &format!("Invalid 'input[{index}]': {what}"));
        let call_id = item["call_id"].as_str().unwrap_or_default();
        match item["type"].as_str().unwrap_or("message") {
            "message" => {
                let role = item["role"].as_str().unwrap_or_default();
                if !["user", "assistant", "system", "developer"].contains(&role) {
                    return Err(bad("role is unknown."));
                }
                check_parts(role, &item["content"]).map_err(|wrong| bad(&wrong))?;
                let text = content(&item["content"], false).ok_or_else(|| bad("content is missing."))?;
                conversation.push(if role == "developer" { "system" } else { role }, text);
            }
            "function_call" => {
                let (Some(name), Some(arguments)) = (item["name"].as_str(), item["arguments"].as_str()) else {
                    return Err(bad("function_call needs name and arguments."));
                };
                if call_id.is_empty() || call_id.len() > 64 {
                    return Err(bad("call_id must have 1 to 64 characters."));
                }
                conversation.push_call(name, arguments);
                open.push(call_id);
            }
            "function_call_output" => {
                let place = open.iter().position(|known| *known == call_id);
                let place = place.ok_or_else(|| {
                    invalid(asked, &format!("No tool call found for function call output with call_id {call_id}."))
                })?;
                open.swap_remove(place);
                conversation.push("tool", content(&item["output"], false).ok_or_else(|| bad("output is missing."))?);
            }
            "reasoning" => {}
            other => return Err(bad(&format!("type '{other}' is not simulated."))),
        }
    }
    match open.first() {
        None => Ok(conversation),
        Some(id) => Err(invalid(asked, &format!("No tool output found for function call {id}."))),
    }
}

/// What a user says is input, and what the assistant said is output.
fn check_parts(role: &str, parts: &Value) -> Result<(), String> {
    let wanted = if role == "assistant" { "output_text" } else { "input_text" };
    let parts = parts.as_array().map(Vec::as_slice).unwrap_or_default();
    match parts.iter().find(|part| part["type"] != wanted) {
        Some(part) => Err(format!("content type {} is not {wanted}.", part["type"])),
        None => Ok(()),
    }
}

struct Writer<'a> {
    model: &'a str,
    number: u64,
    body: &'a Value,
    sequence: u64,
    answer: Option<Answer>,
}

impl Writer<'_> {
    fn write(mut self, thought: &Thought, stream: bool) -> Answer {
        if !stream {
            let body = self.response(thought, true).to_string();
            let mut answer = Answer::whole(200, "application/json", Kind::Json, thought.end(), body.into());
            answer.fault = thought.fault;
            return answer;
        }
        let mut answer = Answer::streamed("text/event-stream; charset=utf-8", Kind::Events);
        answer.fault = thought.fault;
        self.answer = Some(answer);
        let begun = self.response(thought, false);
        self.event(thought, 0, "response.created", json!({"response": begun}));
        self.event(thought, 0, "response.in_progress", json!({"response": begun}));
        let last = thought.tokens.len().saturating_sub(1);
        let mut place = 0;
        if !thought.tokens.is_empty() {
            self.message(thought, last);
            place = 1;
        }
        if thought.tool.is_some() {
            self.call(thought, last, place);
        }
        let kind = if thought.cut { "response.incomplete" } else { "response.completed" };
        let done = self.response(thought, true);
        self.event(thought, last, kind, json!({"response": done}));
        self.answer.unwrap_or_else(|| Answer::streamed("text/event-stream", Kind::Events))
    }

    fn message(&mut self, thought: &Thought, last: usize) {
        let at = json!({"item_id": format!("msg_{:08x}", self.number), "output_index": 0, "content_index": 0});
        let with = |name: &str, value: Value| {
            let mut fields = at.clone();
            fields[name] = value;
            fields
        };
        let begun = self.text_item(thought, false);
        self.event(thought, 0, "response.output_item.added", json!({"output_index": 0, "item": begun}));
        let part = |text: &str| json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []});
        self.event(thought, 0, "response.content_part.added", with("part", part("")));
        for (index, token) in thought.tokens.iter().enumerate() {
            let mut delta = with("delta", token.as_str().into());
            delta["logprobs"] = json!([]);
            self.event(thought, index, "response.output_text.delta", delta);
        }
        let text = thought.text();
        let mut done = with("text", text.as_str().into());
        done["logprobs"] = json!([]);
        self.event(thought, last, "response.output_text.done", done);
        self.event(thought, last, "response.content_part.done", with("part", part(&text)));
        let item = self.text_item(thought, true);
        self.event(thought, last, "response.output_item.done", json!({"output_index": 0, "item": item}));
    }

    fn call(&mut self, thought: &Thought, last: usize, place: usize) {
        let Some(tool) = &thought.tool else { return };
        let item_id = format!("fc_{:08x}", self.number);
        let begun = self.call_item(thought, false);
        self.event(thought, last, "response.output_item.added", json!({"output_index": place, "item": begun}));
        for fragment in thought.arguments(crate::simulator::Provider::OpenAi) {
            let delta = json!({"item_id": item_id, "output_index": place, "delta": fragment});
            self.event(thought, last, "response.function_call_arguments.delta", delta);
        }
        let done = json!({"item_id": item_id, "output_index": place, "name": tool.name, "arguments": tool.arguments});
        self.event(thought, last, "response.function_call_arguments.done", done);
        let item = self.call_item(thought, true);
        self.event(thought, last, "response.output_item.done", json!({"output_index": place, "item": item}));
    }

    fn text_item(&self, thought: &Thought, done: bool) -> Value {
        let content = match done {
            true => json!([{"type": "output_text", "text": thought.text(), "annotations": [], "logprobs": []}]),
            false => json!([]),
        };
        json!({"type": "message", "id": format!("msg_{:08x}", self.number), "role": "assistant", "content": content,
            "status": if done { "completed" } else { "in_progress" }})
    }

    fn call_item(&self, thought: &Thought, done: bool) -> Value {
        let tool = thought.tool.as_ref();
        let arguments = tool.filter(|_| done).map(|tool| tool.arguments.as_str()).unwrap_or_default();
        json!({"type": "function_call", "id": format!("fc_{:08x}", self.number), "call_id": format!("call_{:08x}", self.number),
            "name": tool.map(|tool| tool.name.as_str()), "arguments": arguments,
            "status": if done { "completed" } else { "in_progress" }})
    }

    fn response(&self, thought: &Thought, done: bool) -> Value {
        let status = match (done, thought.cut) {
            (false, _) => "in_progress",
            (true, true) => "incomplete",
            (true, false) => "completed",
        };
        let text = (!thought.tokens.is_empty()).then(|| self.text_item(thought, true));
        let call = thought.tool.as_ref().map(|_| self.call_item(thought, true));
        let output: Vec<Value> = text.into_iter().chain(call).filter(|_| done).collect();
        let (input_tokens, output_tokens) = (thought.prompt_tokens, thought.count());
        let usage = json!({"input_tokens": input_tokens, "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": output_tokens, "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": input_tokens + output_tokens});
        json!({"id": format!("resp_{:08x}", self.number), "object": "response", "created_at": 1_767_225_600, "status": status,
            "error": null, "incomplete_details": thought.cut.then(|| json!({"reason": "max_output_tokens"})),
            "instructions": self.body["instructions"], "model": self.model, "output": output, "parallel_tool_calls": true,
            "temperature": 1.0, "top_p": 1.0, "tool_choice": "auto", "tools": self.body["tools"].as_array().cloned().unwrap_or_default(),
            "metadata": {}, "store": self.body["store"] == true, "usage": done.then_some(usage)})
    }

    /// One event at the time of token number `index`.
    fn event(&mut self, thought: &Thought, index: usize, kind: &str, mut fields: Value) {
        fields["type"] = kind.into();
        fields["sequence_number"] = self.sequence.into();
        self.sequence += 1;
        if let Some(answer) = &mut self.answer {
            answer.event(thought.at(index), Some(kind), &fields.to_string());
        }
    }
}
