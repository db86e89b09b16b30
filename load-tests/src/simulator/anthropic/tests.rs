//! The Messages API: requests in, events with their times out.

use serde_json::{Value, json};

use super::*;
use crate::simulator::story::Client;

const SCRIPT: &str = r#"
    [[turns]]
    tool = { name = "lookup", arguments = '{"order":7}', say = "One moment." }
    [[turns]]
    text = "It left."
    [[turns]]
    text = "Bye."
"#;

fn client() -> Client {
    let mut client = Client::new(Provider::Anthropic, SCRIPT);
    client.headers = &[("x-api-key", "x"), ("anthropic-version", "2023-06-01")];
    client
}

fn body(stream: bool, conversation: Value) -> Value {
    let tools = json!([{"name": "lookup", "input_schema": {"type": "object"}}]);
    json!({"model": "m", "max_tokens": 100, "stream": stream, "messages": conversation, "tools": tools})
}

#[test]
fn a_message_streams_text_and_a_tool_use() {
    let told = client().ask(messages, "", &body(true, json!([{"role": "user", "content": "Where?"}])).to_string());
    let kinds: Vec<&str> = told.lines().filter_map(|line| line.split_once("event: ").map(|(_, kind)| kind)).collect();
    let delta = "content_block_delta";
    assert_eq!(
        kinds.join(" "),
        format!(
            "message_start content_block_start ping {delta} {delta} content_block_stop content_block_start {delta} {delta} \
             {delta} content_block_stop message_delta message_stop"
        )
    );
    let fragment = |line: &str| {
        let event: Value = serde_json::from_str(line.strip_prefix("data: ")?).ok()?;
        event["delta"]["partial_json"].as_str().map(str::to_owned)
    };
    assert_eq!(told.lines().filter_map(fragment).collect::<String>(), "{\"order\":7}");
    assert!(told.contains("\"stop_reason\":\"tool_use\""), "{told}");
}

#[test]
fn a_result_gets_the_next_text() {
    let call = json!({"type": "tool_use", "id": "t", "name": "lookup", "input": {}});
    let result = json!({"type": "tool_result", "tool_use_id": "t", "content": "gone"});
    let told = json!([{"role": "user", "content": "Where?"}, {"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]);
    assert!(client().ask(messages, "", &body(false, told).to_string()).contains("\"text\":\"It left.\""));
}

#[test]
fn what_the_service_refuses_is_refused() {
    let check = |asked: Value, want: &str| {
        let got = client().ask(messages, "", &asked.to_string());
        assert!(got.starts_with("400") && got.contains(want), "{asked}: {got}");
    };
    let conversation = |list: Value| body(true, list);
    let user = json!({"role": "user", "content": "x"});
    let call = json!({"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}]});
    let result = json!({"type": "tool_result", "tool_use_id": "t", "content": "x"});
    check(json!({"model": "m", "messages": [user]}), "max_tokens");
    check(conversation(json!([])), "at least one message");
    check(conversation(json!([{"role": "assistant", "content": "x"}])), "first message");
    check(conversation(json!([{"role": "system", "content": "x"}])), "'user' or 'assistant'");
    check(conversation(json!([{"role": "user", "content": ""}])), "non-empty");
    check(conversation(json!([{"role": "user", "content": [{"type": "text", "text": " "}]}])), "non-empty");
    check(conversation(json!([user, {"role": "assistant", "content": []}])), "non-empty content");
    check(conversation(json!([user, call])), "without `tool_result`");
    check(conversation(json!([user, call, user])), "without `tool_result`");
    let late = json!({"role": "user", "content": [{"type": "text", "text": "x"}, result]});
    check(conversation(json!([user, call, late])), "without `tool_result`");
    check(conversation(json!([user, {"role": "user", "content": [result]}])), "unexpected `tool_use_id`");
    let mut extra = conversation(json!([user]));
    extra["max_completion_tokens"] = 1.into();
    check(extra, "Extra inputs");
    let mut client = client();
    let mut warm = conversation(json!([user]));
    warm["temperature"] = 0.5.into();
    assert!(!client.ask(messages, "", &warm.to_string()).starts_with("400"));
    client.headers = &[("x-api-key", "x"), ("anthropic-version", "2026-10-21")];
    assert!(client.ask(messages, "", &warm.to_string()).contains("temperature"));
    client.headers = &[("x-api-key", "x")];
    assert!(client.ask(messages, "", &conversation(json!([user])).to_string()).contains("anthropic-version"));
}
