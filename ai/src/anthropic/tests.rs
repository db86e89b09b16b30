//! Requests and answers as the sheet has them.

use proptest::prelude::*;

use super::*;
use crate::vendor::script::{account, asked, read};
use crate::vendor::{Model, ProviderKind};

fn responder() -> Model {
    let mut config = ResponderConfig::from(ProviderKind::Anthropic);
    config.account = account(ProviderKind::Anthropic);
    Model::new(config, &MESSAGES)
}

fn check(events: &str, expected: &str) {
    assert_eq!(read(&responder(), events), expected, "{events}");
}

/// The roles and contents that a script gives.
fn check_messages(script: &str, expected: &str) {
    let (_, body) = asked(&responder(), script, Some(ToolChoice::Auto));
    let block = |block: &Value| match block["type"].as_str().unwrap_or_default() {
        "text" => block["text"].as_str().unwrap_or_default().to_owned(),
        "tool_use" => format!("use:{}:{}", block["id"].as_str().unwrap_or_default(), block["input"]),
        _ => format!("result:{}:{}", block["tool_use_id"].as_str().unwrap_or_default(), block["content"]),
    };
    let message = |message: &Value| {
        let content = message["content"].as_array().into_iter().flatten().map(block).collect::<Vec<_>>();
        format!("{} {}", message["role"].as_str().unwrap_or_default(), content.join("+"))
    };
    let told: Vec<_> = body["messages"].as_array().into_iter().flatten().map(message).collect();
    assert_eq!(told.join("|"), expected, "{script}");
}

#[test]
fn a_request_is_as_the_sheet_has_it() {
    let (url, body) = asked(&responder(), "c Where is order 7?", Some(ToolChoice::None));
    assert_eq!(url, "https://api.anthropic.com/v1/messages");
    assert_eq!(
        body,
        json!({
            "model": "claude-haiku-4-5", "max_tokens": 1024, "stream": true,
            "system": [{ "type": "text", "text": "Be brief.", "cache_control": { "type": "ephemeral" } }],
            "tools": [{ "name": "lookup", "description": "Find an order", "input_schema": { "type": "object" } }],
            "tool_choice": { "type": "none" },
            "messages": [{ "role": "user", "content": [{ "type": "text", "text": "Where is order 7?" }] }],
        })
    );
    let mut config = ResponderConfig::from(ProviderKind::Anthropic);
    config.account = account(ProviderKind::Anthropic);
    (config.temperature, config.reasoning_effort) = (Some(0.2), Some("low".to_owned()));
    let (_, body) = asked(&Model::new(config, &MESSAGES), "c hi", None);
    assert_eq!((&body["temperature"], &body["output_config"]["effort"]), (&json!(0.2), &json!("low")));
    assert!(body["tools"].is_null() && body["tool_choice"].is_null());
}

#[test]
fn roles_alternate_and_the_user_begins_and_ends() {
    check_messages("c hi|a hello|c and|c then", "user hi|assistant hello|user and\nthen");
    check_messages("a Welcome.|c hi", "user (The call begins.)|assistant Welcome.|user hi");
    check_messages("c hi|a Well |a ", "user hi|assistant Well|user (The caller says nothing.)");
    check_messages("", "user (The call begins.)");
    check_messages("c  ", "user (The call begins.)");
}

#[test]
fn results_come_first_in_the_users_message() {
    check_messages(
        "c x|a One moment.|t 1|t 2|r 1|r 2|c hurry|a Done.|c ok",
        "user x|assistant One moment.+use:1:{\"id\":7}+use:2:{\"id\":7}|user result:1:\"out 1\"+result:2:\"out 2\"+hurry|assistant Done.|user ok",
    );
    check_messages("c x|t 1|c hurry|r 1", "user x|assistant use:1:{\"id\":7}|user result:1:\"out 1\"+hurry");
}

#[test]
fn words_come_as_they_are_made() {
    check(
        r#"{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","content":[],"usage":{"input_tokens":5,"cache_creation_input_tokens":2,"cache_read_input_tokens":100,"output_tokens":1}}}
        {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}
        {"type":"ping"}
        {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hel"}}
        {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"lo."}}
        {"type":"content_block_stop","index":0}
        {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":12}}
        {"type":"message_stop"}"#,
        "Hel|lo.|done Complete|used 107(100) 12",
    );
}

#[test]
fn a_call_is_put_together() {
    check(
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}
        {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}
        {"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"toolu_1","name":"lookup","input":{}}}
        {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"id\":"}}
        {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"\"7\"}"}}
        {"type":"content_block_stop","index":1}
        {"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"toolu_2","name":"now","input":{}}}
        {"type":"content_block_stop","index":2}
        {"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":41}}
        {"type":"message_stop"}"#,
        "call toolu_1 lookup {\"id\":\"7\"}|call toolu_2 now {}|done ToolCalls|used 0(0) 41",
    );
}

#[test]
fn ends_are_told_apart() {
    let end = |reason: &str| {
        format!(
            "{}\n{{\"type\":\"message_delta\",\"delta\":{{\"stop_reason\":\"{reason}\"}}}}",
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"f"}}"#
        )
    };
    check(&end("max_tokens"), "done Length|used 0(0) 0");
    check(&end("model_context_window_exceeded"), "done Length|used 0(0) 0");
    check(&end("refusal"), "done Refused|used 0(0) 0");
    check(&end("stop_sequence"), "call t f {}|done ToolCalls|used 0(0) 0");
    check(r#"{"type":"message_stop"}"#, "done Complete|used 0(0) 0");
}

#[test]
fn errors_end_the_answer() {
    let error = |kind: &str| format!(r#"{{"type":"error","error":{{"type":"{kind}","message":"m"}}}}"#);
    check(&error("overloaded_error"), "overloaded: provider is unavailable (http 529)");
    check(&error("rate_limit_error"), "rate_limited: provider limits the rate");
    check(&error("authentication_error"), "key: provider refuses the key (authentication_error)");
    check(&error("billing_error"), "quota: provider account cannot pay (billing_error)");
    check(&error("invalid_request_error"), "configuration: provider refuses the configuration (invalid_request_error): m");
    check(&error("api_error"), "reported: provider failed (api_error): m");
    let rubbish = read(&responder(), "<html>");
    assert!(rubbish.starts_with("protocol: "), "{rubbish}");
    check("{}\n7\n{\"type\":\"content_block_delta\",\"delta\":{\"type\":\"citations_delta\"}}\n{\"type\":\"new\"}", "");
}

proptest! {
    #[test]
    fn any_text_is_read(data in "\\PC*", index in any::<i64>(), kind in "(content_block_(start|delta)|message_(start|delta)|error)") {
        let _ = read(&responder(), &data);
        let block = json!({ "type": "tool_use", "id": index, "name": data, "text": data });
        let event = json!({ "type": kind, "index": index, "content_block": block, "delta": data, "usage": index, "error": data });
        let _ = read(&responder(), &event.to_string());
    }
}
