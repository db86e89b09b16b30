//! Requests and answers as the sheets have them.

use proptest::prelude::*;

use super::*;
use crate::vendor::script::{account, asked, read};
use crate::vendor::{Model, ProviderKind};

fn responder(kind: ProviderKind) -> Model {
    let mut config = ResponderConfig::from(kind);
    config.account = account(kind);
    Model::new(config, &CHAT_COMPLETIONS)
}

fn check(events: &str, expected: &str) {
    assert_eq!(read(&responder(ProviderKind::Groq), events), expected, "{events}");
}

#[test]
fn a_request_tells_the_conversation() {
    let (url, body) =
        asked(&responder(ProviderKind::OpenAi), "a Hello.|c Where is|c order 7?|a One moment.|t c1|r c1", Some(ToolChoice::Auto));
    assert_eq!(url, "https://api.openai.com/v1/chat/completions");
    assert_eq!(
        body,
        json!({
            "model": "gpt-4.1-mini", "stream": true, "stream_options": { "include_usage": true }, "max_completion_tokens": 1024,
            "tools": [{ "type": "function", "function": {
                "name": "lookup", "description": "Find an order", "parameters": { "type": "object" } } }],
            "messages": [
                { "role": "system", "content": "Be brief." },
                { "role": "assistant", "content": "Hello." },
                { "role": "user", "content": "Where is\norder 7?" },
                { "role": "assistant", "content": "One moment.", "tool_calls": [
                    { "id": "c1", "type": "function", "function": { "name": "lookup", "arguments": "{\"id\":7}" } }] },
                { "role": "tool", "tool_call_id": "c1", "content": "out c1" },
            ],
        })
    );
}

#[test]
fn options_are_sent_where_they_are_known() {
    let mut config = ResponderConfig::from(ProviderKind::Compatible);
    config.account.base_url = "http://127.0.0.1:11434/v1/".into();
    config.model = "qwen3".into();
    config.temperature = Some(0.7);
    config.reasoning_effort = Some("low".into());
    let (url, body) = asked(&Model::new(config, &CHAT_COMPLETIONS), "c hi|t c1|r c1", Some(ToolChoice::None));
    assert_eq!(url, "http://127.0.0.1:11434/v1/chat/completions");
    assert_eq!(
        (&body["max_tokens"], &body["temperature"], &body["reasoning_effort"]),
        (&json!(1024), &json!(0.7), &json!("low"))
    );
    assert_eq!((&body["tool_choice"], &body["messages"][2]["content"]), (&json!("none"), &Value::Null));
    assert!(body["stream_options"].is_null() && body["max_completion_tokens"].is_null());
    let (_, body) = asked(&responder(ProviderKind::Groq), "c hi", None);
    assert!(body["tools"].is_null() && body["stream_options"].is_null() && body["max_completion_tokens"] == 1024);
}

#[test]
fn words_come_as_they_are_made() {
    check(
        r#"{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}
        {"id":"chatcmpl-1","choices":[{"index":0,"delta":{"content":"Hel"},"finish_reason":null}],"obfuscation":"x"}
        {"id":"chatcmpl-1","choices":[{"index":0,"delta":{"content":"lo."},"finish_reason":null}]}
        {"id":"chatcmpl-1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}
        {"id":"chatcmpl-1","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12,"prompt_tokens_details":{"cached_tokens":4}}}
        [DONE]"#,
        "Hel|lo.|done Complete|used 9(4) 3",
    );
}

#[test]
fn calls_are_put_together_by_their_index() {
    check(
        r#"{"id":"a","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"f","arguments":""}}]},"finish_reason":null}]}
        {"id":"a","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\":"}}]},"finish_reason":null}]}
        {"id":"a","choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"call_2","function":{"name":"g","arguments":""}}]},"finish_reason":null}]}
        {"id":"a","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]},"finish_reason":null}]}
        {"id":"a","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}
        [DONE]"#,
        "call call_1 f {\"a\":1}|call call_2 g {}|done ToolCalls",
    );
}

#[test]
fn calls_of_servers_that_leave_things_out_are_made() {
    check(
        r#"{"id":"a","choices":[{"delta":{"tool_calls":[{"id":"c1","function":{"name":"f","arguments":"{}"}},{"id":"c2","function":{"name":"g","arguments":{"b":2}}}]}}]}
        {"id":"a","choices":[{"delta":{},"finish_reason":"stop"}]}"#,
        "call c1 f {}|call c2 g {\"b\":2}|done ToolCalls",
    );
    check(
        r#"{"id":"a","choices":[{"delta":{"tool_calls":[{"function":{"name":"f","arguments":"{\"a\""}}]}}]}
        {"id":"a","choices":[{"delta":{"tool_calls":[{"function":{"arguments":":1}"}}]},"finish_reason":"tool_calls"}]}"#,
        "call a_0 f {\"a\":1}|done ToolCalls",
    );
    let whole = r#"{"id":"a","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"Hi."},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#;
    check(whole, "Hi.|done Complete|used 1(0) 2");
    check("[DONE]", "done Complete");
}

#[test]
fn groq_tells_usage_and_errors_in_a_field_of_its_own() {
    check(
        r#"{"id":"a","choices":[{"delta":{"content":"Hi","reasoning":"hm"}}],"x_groq":{"id":"req_1"}}
        {"id":"a","choices":[{"delta":{},"finish_reason":"stop"}],"x_groq":{"id":"req_1","usage":{"queue_time":0.1,"prompt_tokens":5,"completion_tokens":2}}}
        [DONE]"#,
        "Hi|done Complete|used 5(0) 2",
    );
    check(
        r#"{"id":"a","choices":[],"x_groq":{"id":"r","error":"over capacity"}}"#,
        "reported: provider failed (x_groq): over capacity",
    );
}

#[test]
fn usage_told_with_every_chunk_counts_once() {
    check(
        r#"{"choices":[{"delta":{"content":"a"}}],"usage":{"prompt_tokens":1,"completion_tokens":1}}
        {"choices":[{"delta":{"content":"b"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2}}
        {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#,
        "a|b|done Complete|used 1(0) 2",
    );
}

#[test]
fn ends_are_told_apart() {
    let end = |reason: &str| {
        format!(
            r#"{{"choices":[{{"delta":{{"tool_calls":[{{"index":0,"id":"c","function":{{"name":"f","arguments":"{{"}}}}]}},"finish_reason":"{reason}"}}]}}"#
        )
    };
    check(&end("length"), "done Length");
    check(&end("content_filter"), "done Refused");
    check(&end("function_call"), "call c f {|done ToolCalls");
    check("{\"choices\":[{\"delta\":{\"refusal\":\"I cannot.\"}}]}\n[DONE]", "I cannot.|done Refused");
}

#[test]
fn errors_within_the_stream_end_it() {
    let openai = r#"{"error":{"message":"You exceeded","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#;
    check(openai, "quota: provider account cannot pay (insufficient_quota)");
    check(
        r#"{"error":{"message":"slow down","type":"tokens","code":"rate_limit_exceeded"}}"#,
        "rate_limited: provider limits the rate",
    );
    check(r#"{"error":{"message":"m","code":500}}"#, "reported: provider failed (500): m");
    check(r#"{"error":"loading"}"#, "reported: provider failed (error): loading");
    check(r#"{"object":"error","message":"bad","type":"BadRequestError","code":400}"#, "reported: provider failed (400): bad");
    let rubbish = read(&responder(ProviderKind::Groq), "<html>");
    assert!(rubbish.starts_with("protocol: "), "{rubbish}");
    check("{\"choices\":7}\n[]\n7\nnull\n{\"choices\":[{\"delta\":[]}]}", "");
}

proptest! {
    #[test]
    fn any_text_is_read(data in "\\PC*") {
        let _ = read(&responder(ProviderKind::Groq), &data);
    }

    #[test]
    fn any_chunk_is_read(text in "\\PC{0,8}", number in any::<i64>(), reason in "stop|length|\\PC") {
        let chunk = json!({ "choices": [{ "delta": { "content": text, "tool_calls": [{ "index": number, "id": text, "function": {
            "name": number, "arguments": text } }, text, number] }, "finish_reason": reason }], "usage": { "prompt_tokens": number } });
        let _ = read(&responder(ProviderKind::OpenAi), &chunk.to_string());
    }
}
