//! OpenAI's and Groq's endpoints: requests in, parts with their times out.

use serde_json::{Value, json};

use super::*;
use crate::simulator::faults::Fault;
use crate::simulator::provider::Provider;
use crate::simulator::route::Ask;
use crate::simulator::story::Client;

const SCRIPT: &str = r#"
    [[turns]]
    heard = "Where is it?"
    tool = { name = "lookup", arguments = '{"order":7}', say = "One moment." }
    [[turns]]
    text = "It left."
    [[turns]]
    reply = "history"
    heard = "Bye."
    [[turns]]
    reply = "echo"
    when = "REPEAT"
"#;

fn client(provider: Provider) -> Client {
    Client::new(provider, SCRIPT)
}

fn tools() -> Value {
    json!([{"type": "function", "function": {"name": "lookup", "parameters": {"type": "object"}}}])
}

/// The events of a stream, each as `at:what`.
fn events(story: &str) -> String {
    let told = story.lines().filter_map(|line| {
        let (at, rest) = line.split_once(':').filter(|(at, _)| at.parse::<u64>().is_ok()).unwrap_or(("", line));
        let data = rest.strip_prefix("data: ")?;
        let event: Value = serde_json::from_str(data).ok()?;
        let delta = &event["choices"][0]["delta"];
        let call = &delta["tool_calls"][0]["function"];
        let what = [
            &event["type"],
            &delta["role"],
            &delta["content"],
            &call["name"],
            &call["arguments"],
            &event["delta"],
            &event["choices"][0]["finish_reason"],
            &event["usage"]["completion_tokens"],
            &event["x_groq"]["usage"]["completion_tokens"],
            &event["error"]["code"],
        ];
        let told: Vec<String> = what.iter().filter(|what| !what.is_null()).map(|what| what.to_string()).collect();
        Some(format!("{at}:{}", told.join(",").replace('"', "'")))
    });
    told.collect::<Vec<_>>().join(" ")
}

fn chat_of(messages: Value) -> String {
    json!({"model": "m", "stream": true, "messages": messages, "tools": tools()}).to_string()
}

#[test]
fn a_chat_streams_tokens_and_calls() {
    let question = chat_of(json!([{"role": "user", "content": "Where?"}]));
    assert_eq!(
        events(&client(Provider::OpenAi).ask(chat, "", &question)),
        "200:'assistant','' 200:'One' 216:' moment.' 216:'lookup','' 216:'{\\'order\\'' 216:':7}' 216:'tool_calls'"
    );
    assert_eq!(
        events(&client(Provider::Groq).ask(chat, "", &question)),
        "200:'assistant','' 200:'One' 216:' moment.' 216:'lookup','{\\'order\\':7}' 216:'tool_calls',5",
        "a call whole, and the usage in x_groq"
    );
}

#[test]
fn a_result_gets_the_next_text_and_history_lists_what_was_asked() {
    let call = json!({"id": "c", "type": "function", "function": {"name": "lookup", "arguments": "{}"}});
    let mut messages = json!([
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Where?"}]},
        {"role": "assistant", "content": null, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "gone"},
    ]);
    let ask = |messages: &Value| {
        let answer = client(Provider::OpenAi).ask(chat, "", &json!({"model": "m", "messages": messages}).to_string());
        let body: Value =
            serde_json::from_str(answer.split_once(':').map(|(_, body)| body).unwrap_or_default()).unwrap_or_default();
        body["choices"][0]["message"]["content"].as_str().unwrap_or(&answer).to_owned()
    };
    assert_eq!(ask(&messages), "It left.");
    let list = messages.as_array_mut().map(|list| {
        list.push(json!({"role": "assistant", "content": "It left."}));
        list.push(json!({"role": "user", "content": "Bye."}));
        json!(list)
    });
    let list = list.unwrap_or_default();
    assert_eq!(
        ask(&list),
        "system: Be brief. | user: Where? | assistant: call lookup({}) | tool: gone | assistant: It left. | user: Bye."
    );
    assert_eq!(ask(&json!([{"role": "user", "content": "please repeat this"}])), "please repeat this");
    assert_eq!(ask(&json!([{"role": "user", "content": "x"}])), "The tool lookup was not offered.");
}

#[test]
fn what_the_service_refuses_is_refused() {
    let check = |provider, ask: Ask, body: Value, want: &str| {
        let got = client(provider).ask(ask, "", &body.to_string());
        assert!(got.starts_with("400") && got.contains(want), "{body}: {got}");
    };
    let user = json!({"role": "user", "content": "x"});
    let call = json!({"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]});
    let openai = Provider::OpenAi;
    check(openai, chat, json!({"messages": [user]}), "'model'");
    check(openai, chat, json!({"model": "m", "messages": []}), "empty array");
    check(openai, chat, json!({"model": "m", "messages": [{"role": "robot", "content": "x"}]}), "robot");
    check(openai, chat, json!({"model": "m", "messages": [{"role": "user"}]}), "content is missing");
    check(
        openai,
        chat,
        json!({"model": "m", "messages": [user, {"role": "tool", "tool_call_id": "c", "content": ""}]}),
        "'tool'",
    );
    check(openai, chat, json!({"model": "m", "messages": [user, call]}), "did not have response");
    check(openai, chat, json!({"model": "m", "messages": [user, call, user]}), "must be followed by tool messages");
    check(openai, chat, json!({"model": "m", "messages": [user], "stream_options": {}}), "stream_options");
    let named =
        |name: &str| json!({"model": "m", "messages": [user], "tools": [{"type": "function", "function": {"name": name}}]});
    check(openai, chat, named("no good"), "Invalid tool name");
    check(Provider::Groq, chat, json!({"model": "m", "messages": [user], "n": 2}), "'n'");
    check(openai, responses, json!({"model": "m"}), "'input'");
    check(openai, responses, json!({"model": "m", "input": "x", "max_tokens": 20}), "max_tokens");
    check(openai, responses, json!({"model": "m", "input": "x", "tools": tools()}), "Invalid tool name");
    let call = json!({"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"});
    check(openai, responses, json!({"model": "m", "input": [call]}), "No tool output found");
    let output = json!({"type": "function_call_output", "call_id": "c", "output": "x"});
    check(openai, responses, json!({"model": "m", "input": [output]}), "No tool call found");
    let said = json!({"role": "assistant", "content": [{"type": "input_text", "text": "x"}]});
    check(openai, responses, json!({"model": "m", "input": [said]}), "output_text");
    check(openai, speech, json!({"model": "m", "input": "x", "voice": "v"}), "mp3");
    check(openai, speech, json!({"model": "m", "input": "x", "voice": "v", "response_format": "mulaw"}), "mulaw");
    check(openai, speech, json!({"model": "m", "input": "x", "response_format": "pcm"}), "'voice'");
    check(openai, embeddings, json!({"model": "m", "input": ["a", ""]}), "input");
    check(openai, embeddings, json!({"model": "text-embedding-3-small", "input": "a", "dimensions": 1_537}), "dimensions");
    check(openai, transcription, json!({}), "multipart");
}

#[test]
fn responses_come_in_order() {
    let tools = json!([{"type": "function", "name": "lookup", "parameters": {"type": "object"}}]);
    let body = json!({"model": "m", "stream": true, "input": "Where?", "tools": tools}).to_string();
    let told = client(Provider::OpenAi).ask(responses, "", &body);
    let kinds: Vec<&str> = told.lines().filter_map(|line| line.split_once("event: response.").map(|(_, kind)| kind)).collect();
    assert_eq!(
        kinds.join(" "),
        "created in_progress output_item.added content_part.added output_text.delta output_text.delta output_text.done \
         content_part.done output_item.done output_item.added function_call_arguments.delta function_call_arguments.delta \
         function_call_arguments.done output_item.done completed"
    );
}

#[test]
fn faults_break_a_chat_as_they_say() {
    let body = chat_of(json!([{"role": "user", "content": "please repeat"}]));
    let mut client = client(Provider::OpenAi);
    client.fault = Some(Fault::Drip);
    let dripped = events(&client.ask(chat, "", &body));
    assert!(dripped.starts_with("200:'assistant','' 200:'p' 400:'l' 600:'e'"), "{dripped}");
    let limited = json!({"model": "m", "stream": true, "max_tokens": 1, "messages": [{"role": "user", "content": "repeat it"}]});
    client.fault = None;
    let cut = events(&client.ask(chat, "", &limited.to_string()));
    assert_eq!(cut, "200:'assistant','' 200:'repeat' 200:'length'");
}
