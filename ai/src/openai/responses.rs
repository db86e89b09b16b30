//! OpenAI's Responses, without state at OpenAI: each request tells the conversation.

use serde_json::{Value, json};

use super::chat::rounded;
use crate::engine::{EngineError, Usage};
use crate::json::line;
use crate::responder::{Conversation, Responded, ResponseReader, Stop, ToolChoice};
use crate::vendor::{Calls, Interface, ResponderConfig, Turn, fault, turns};

/// A language model behind `/responses`.
pub(crate) static RESPONSES: Interface = Interface { path: "/responses", body, reader: || Box::new(ResponsesReader::default()) };

fn body(config: &ResponderConfig, conversation: &Conversation<'_>) -> Value {
    let mut body = json!({
        "model": config.model,
        "input": input(conversation),
        "max_output_tokens": config.max_tokens,
        "store": false,
        "stream": true,
    });
    if !conversation.instructions.is_empty() {
        body["instructions"] = conversation.instructions.into();
    }
    if let Some(temperature) = config.temperature {
        body["temperature"] = rounded(temperature);
    }
    if let Some(effort) = &config.reasoning_effort {
        body["reasoning"] = json!({ "effort": effort });
    }
    if !conversation.tools.is_empty() {
        let tool = |tool: &crate::tools::Tool| {
            // Not strict: a schema of somebody else's need not have what strict ones must.
            json!({
                "type": "function", "name": tool.name, "description": tool.description, "parameters": tool.parameters,
                "strict": false,
            })
        };
        body["tools"] = conversation.tools.iter().map(tool).collect();
        if conversation.tool_choice == ToolChoice::None {
            body["tool_choice"] = "none".into();
        }
    }
    body
}

fn input(conversation: &Conversation<'_>) -> Vec<Value> {
    let mut items = Vec::with_capacity(conversation.entries.len());
    for turn in turns(conversation.entries) {
        match turn {
            Turn::Caller(texts) => items.push(json!({ "role": "user", "content": texts.join("\n") })),
            Turn::Agent { texts, calls } => {
                if !texts.is_empty() {
                    items.push(json!({ "role": "assistant", "content": texts.join(" ") }));
                }
                items.extend(calls.into_iter().map(|call| {
                    json!({
                        "type": "function_call", "call_id": call.call_id, "name": call.name, "arguments": call.arguments.as_str(),
                    })
                }));
            }
            Turn::Results(results) => items.extend(
                results
                    .into_iter()
                    .map(|(id, output)| json!({ "type": "function_call_output", "call_id": id, "output": output })),
            ),
        }
    }
    items
}

/// Reads the events of one answer.
#[derive(Debug, Default)]
struct ResponsesReader {
    /// Complete ones, by their place in the output.
    calls: Calls,
    refused: bool,
    done: bool,
}

impl ResponseReader for ResponsesReader {
    fn handle(&mut self, data: &str, out: &mut Vec<Responded>) -> Result<(), EngineError> {
        if self.done || data.trim() == "[DONE]" {
            return Ok(());
        }
        let event: Value =
            serde_json::from_str(data).map_err(|error| EngineError::Protocol { reason: line(&error.to_string()) })?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let error = |error: &Value| Err(fault(&text(&error["type"]), &text(&error["code"]), &text(&error["message"])));
        let response = &event["response"];
        match event["type"].as_str().unwrap_or_default() {
            kind @ ("response.output_text.delta" | "response.refusal.delta") => {
                self.refused |= kind == "response.refusal.delta";
                out.extend(event["delta"].as_str().filter(|delta| !delta.is_empty()).map(|delta| Responded::Text(delta.into())));
            }
            "response.output_item.done" => self.item(event["output_index"].as_u64(), &event["item"])?,
            "response.completed" => {
                for (index, item) in response["output"].as_array().into_iter().flatten().enumerate() {
                    self.item(Some(index as u64), item)?;
                }
                let stop = match self.refused {
                    _ if !self.calls.is_empty() => Stop::ToolCalls,
                    true => Stop::Refused,
                    false => Stop::Complete,
                };
                self.finish(stop, response, out);
            }
            "response.incomplete" => {
                let filtered = response["incomplete_details"]["reason"] == "content_filter";
                self.finish(if filtered { Stop::Refused } else { Stop::Length }, response, out);
            }
            "response.failed" => return error(&response["error"]),
            // The fields of it, or an object as of a refused request.
            "error" if event["error"].is_object() => return error(&event["error"]),
            "error" => return Err(fault("", &text(&event["code"]), &text(&event["message"]))),
            _ if event["error"].is_object() => return error(&event["error"]),
            _ => {}
        }
        Ok(())
    }
}

impl ResponsesReader {
    /// An item of the output that is complete, told once more at the end.
    fn item(&mut self, index: Option<u64>, item: &Value) -> Result<(), EngineError> {
        let text = |field: &str| item[field].as_str().unwrap_or_default();
        let complete = item["status"].as_str().is_none_or(|status| status == "completed");
        if text("type") != "function_call" || !complete || self.calls.has(text("call_id")) {
            return Ok(());
        }
        let index = index.unwrap_or(self.calls.len() as u64);
        self.calls.add(index, text("call_id"), text("name"), text("arguments"))
    }

    fn finish(&mut self, stop: Stop, response: &Value, out: &mut Vec<Responded>) {
        self.done = true;
        if stop == Stop::ToolCalls {
            self.calls.finish(response["id"].as_str().unwrap_or("call"), out);
        }
        out.push(Responded::Done(stop));
        let usage = &response["usage"];
        if usage.is_object() {
            let count = |value: &Value| value.as_u64().unwrap_or_default();
            out.push(Responded::Used(Usage {
                input_text: count(&usage["input_tokens"]),
                input_cached: count(&usage["input_tokens_details"]["cached_tokens"]),
                output_text: count(&usage["output_tokens"]),
                ..Usage::default()
            }));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::vendor::script::{account, asked, read};
    use crate::vendor::{Model, ProviderKind};

    fn responder() -> Model {
        let mut config = ResponderConfig::from(ProviderKind::OpenAi);
        config.account = account(ProviderKind::OpenAi);
        config.reasoning_effort = Some("minimal".to_owned());
        Model::new(config, &RESPONSES)
    }

    fn check(events: &str, expected: &str) {
        assert_eq!(read(&responder(), events), expected, "{events}");
    }

    #[test]
    fn a_request_tells_the_conversation_and_keeps_nothing_there() {
        let (url, body) = asked(&responder(), "a Hello.|c Where is|c order 7?|a One moment.|t c1|r c1", Some(ToolChoice::None));
        assert_eq!(url, "https://api.openai.com/v1/responses");
        assert_eq!(
            body,
            json!({
                "model": "gpt-4.1-mini", "stream": true, "store": false, "max_output_tokens": 1024, "instructions": "Be brief.",
                "reasoning": { "effort": "minimal" }, "tool_choice": "none",
                "tools": [{ "type": "function", "name": "lookup", "description": "Find an order", "parameters": { "type": "object" },
                    "strict": false }],
                "input": [
                    { "role": "assistant", "content": "Hello." },
                    { "role": "user", "content": "Where is\norder 7?" },
                    { "role": "assistant", "content": "One moment." },
                    { "type": "function_call", "call_id": "c1", "name": "lookup", "arguments": "{\"id\":7}" },
                    { "type": "function_call_output", "call_id": "c1", "output": "out c1" },
                ],
            })
        );
        let (_, body) = asked(&responder(), "c hi", None);
        assert!(body["tools"].is_null() && body["tool_choice"].is_null() && body["temperature"].is_null());
    }

    #[test]
    fn words_come_as_they_are_made() {
        check(
            r#"{"type":"response.created","sequence_number":0,"response":{"id":"resp_1","status":"in_progress"}}
            {"type":"response.in_progress","sequence_number":1}
            {"type":"response.output_item.added","output_index":0,"item":{"type":"message","id":"msg_1"}}
            {"type":"response.content_part.added","item_id":"msg_1"}
            {"type":"response.output_text.delta","item_id":"msg_1","output_index":0,"content_index":0,"delta":"Hel"}
            {"type":"response.output_text.delta","item_id":"msg_1","output_index":0,"content_index":0,"delta":"lo."}
            {"type":"response.output_text.done","text":"Hello."}
            {"type":"response.output_item.done","output_index":0,"item":{"type":"message","id":"msg_1"}}
            {"type":"response.completed","response":{"id":"resp_1","output":[],"usage":{"input_tokens":9,"input_tokens_details":{"cached_tokens":4},"output_tokens":3}}}
            {"type":"response.output_text.delta","delta":"late"}
            [DONE]"#,
            "Hel|lo.|done Complete|used 9(4) 3",
        );
    }

    #[test]
    fn calls_are_made_once_whichever_event_tells_them() {
        let item =
            r#"{"type":"function_call","id":"fc_1","call_id":"call_1","name":"f","arguments":"{\"a\":1}","status":"completed"}"#;
        let done = format!(r#"{{"type":"response.output_item.done","output_index":1,"item":{item}}}"#);
        let completed = format!(r#"{{"type":"response.completed","response":{{"id":"r","output":[{item}]}}}}"#);
        for events in [format!("{done}\n{completed}"), completed] {
            check(&events, "call call_1 f {\"a\":1}|done ToolCalls");
        }
        let cut = item.replace("\"completed\"", "\"incomplete\"");
        let cut = format!(r#"{{"type":"response.completed","response":{{"id":"r","output":[{cut}]}}}}"#);
        check(&cut, "done Complete");
    }

    #[test]
    fn ends_are_told_apart() {
        let incomplete =
            |reason| format!(r#"{{"type":"response.incomplete","response":{{"incomplete_details":{{"reason":"{reason}"}}}}}}"#);
        check(&incomplete("max_output_tokens"), "done Length");
        check(&incomplete("content_filter"), "done Refused");
        check(
            "{\"type\":\"response.refusal.delta\",\"delta\":\"No.\"}\n{\"type\":\"response.completed\",\"response\":{}}",
            "No.|done Refused",
        );
    }

    #[test]
    fn errors_end_the_answer() {
        let failed = r#"{"type":"response.failed","response":{"error":{"code":"server_error","message":"oops"}}}"#;
        check(failed, "reported: provider failed (server_error): oops");
        let limited = r#"{"type":"error","code":"rate_limit_exceeded","message":"m","param":null}"#;
        check(limited, "rate_limited: provider limits the rate");
        let key = r#"{"error":{"message":"m","type":"invalid_request_error","code":"invalid_api_key"}}"#;
        check(key, "key: provider refuses the key (invalid_api_key)");
        let rubbish = read(&responder(), "<html>");
        assert!(rubbish.starts_with("protocol: "), "{rubbish}");
        check("{}\n7\n[]\n{\"type\":7}\n{\"type\":\"response.new_thing\"}", "");
    }

    proptest! {
        #[test]
        fn any_text_is_read(data in "\\PC*", kind in "response.(output_item.done|completed|failed)", item in "\\PC{0,8}") {
            let _ = read(&responder(), &data);
            let event = json!({ "type": kind, "item": item, "response": { "output": [item, { "type": "function_call", "name": 7 }] } });
            let _ = read(&responder(), &event.to_string());
        }
    }
}
