//! ElevenLabs's protocols in virtual time.
#![allow(clippy::unwrap_used)]

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use super::*;
use crate::simulator::provider::Provider;
use crate::simulator::route::Open;
use crate::simulator::story::{Client, Story};

const SCRIPT: &str = "[[turns]]\nheard = \"Where is it?\"\ntext = \"On its way.\"";
const QUERY: &str = "model_id=eleven_flash_v2_5&output_format=ulaw_8000";

fn tell(event: &Value) -> String {
    if let Some(code) = event["code"].as_u64() {
        return format!("error {code} {}", event["error"].as_str().unwrap());
    }
    let context = event["contextId"].as_str().unwrap_or_default();
    if event["isFinal"] == true {
        return format!("{context}final");
    }
    if let Some(kind) = event["message_type"].as_str() {
        return format!("{kind}{}", event["text"].as_str().map(|text| format!("{text:?}")).unwrap_or_default());
    }
    let alignment = &event["alignment"];
    let chars: String = alignment["chars"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let bytes = BASE64_STANDARD.decode(event["audio"].as_str().unwrap()).unwrap().len();
    let ms: u64 = alignment["charDurationsMs"].as_array().unwrap().iter().filter_map(Value::as_u64).sum();
    assert_eq!(bytes as u64, ms * 8, "alignment and audio differ");
    format!("{context}{chars:?}")
}

fn open(ask: Open, query: &str) -> Result<Story, String> {
    Client::new(Provider::ElevenLabs, SCRIPT).open(ask, query, tell)
}

fn lines(messages: &[Value]) -> String {
    messages.iter().map(|message| format!("{message}\n")).collect()
}

#[test]
fn one_context_is_spoken_to_its_end() {
    let mut story = open(single, QUERY).unwrap();
    let sent = lines(&[json!({"text": " "}), json!({"text": "Hi you. "}), json!({"text": ""})]);
    assert_eq!(story.run(&format!("{sent}+300")), "100:\"Hi y\" 160:\"ou. \" 160:final 160:CLOSE 1000");
    let text = json!({"text": "Hi"}).to_string();
    assert_eq!(open(single, QUERY).unwrap().run(&text).split(" the").next(), Some("0:error 1008"));
}

#[test]
fn contexts_are_kept_apart_and_text_waits_for_its_schedule_or_a_flush() {
    let mut story = open(multi, QUERY).unwrap();
    let begin = lines(&[
        json!({"text": " ", "context_id": "a"}),
        json!({"text": "One ", "context_id": "a"}),
        json!({"text": " ", "context_id": "b"}),
        json!({"text": "Two ", "context_id": "b", "flush": true}),
    ]);
    assert_eq!(story.run(&format!("{begin}+300")), "100:b\"Two \"");
    let flush = lines(&[json!({"context_id": "a", "flush": true}), json!({"context_id": "b", "close_context": true})]);
    assert_eq!(story.run(&format!("{flush}+300")), "300:bfinal 400:a\"One \"");
    let long = lines(&[json!({"text": "x".repeat(120), "context_id": "c"})]);
    assert!(story.run(&format!("{long}+100")).starts_with("700:c\"xxxx\""));
}

#[test]
fn a_closed_context_speaks_what_it_had_begun_and_no_more() {
    let mut story = open(multi, QUERY).unwrap();
    let sent = lines(&[
        json!({"text": " ", "context_id": "a"}),
        json!({"text": "Begun", "context_id": "a", "flush": true}),
        json!({"text": "never", "context_id": "a"}),
        json!({"context_id": "a", "close_context": true}),
        json!({"text": "late", "context_id": "a", "flush": true}),
    ]);
    assert_eq!(story.run(&format!("{sent}+1000")), "100:a\"Begu\" 100:a\"late\" 160:a\"n\" 160:afinal");
}

#[test]
fn limits_of_contexts_and_time_are_kept() {
    let mut story = open(multi, &format!("{QUERY}&inactivity_timeout=5")).unwrap();
    let five: Vec<Value> = (0..5).map(|number| json!({"text": " ", "context_id": number.to_string()})).collect();
    assert_eq!(story.run(&lines(&five)), "");
    let keep = json!({"text": "", "context_id": "4"}).to_string();
    assert_eq!(story.run(&format!("+3000\n{keep}\n+3000")), "5000:0final 5000:1final 5000:2final 5000:3final");
    let mut story = open(multi, QUERY).unwrap();
    let six: Vec<Value> = (0..6).map(|number| json!({"text": " ", "context_id": number.to_string()})).collect();
    assert!(story.run(&lines(&six)).starts_with("0:error 1008 max_active_contexts"));
    assert_eq!(open(single, QUERY).unwrap().run("+20000"), "20000:error 1008 input_timeout_exceeded 20000:CLOSE 1008");
}

#[test]
fn what_the_service_refuses_is_refused() {
    let check = |messages: &[Value], want: &str| {
        let got = open(multi, QUERY).unwrap().run(&lines(messages));
        assert!(got.starts_with(&format!("0:error 1008 {want}")), "{got}");
    };
    let settings = json!({"stability": 0.5});
    check(&[json!({"text": " "}), json!({"text": "a", "voice_settings": settings})], "voice_settings field");
    check(&[json!({"context_id": "a"})], "text is missing");
    check(&[json!({"text": " ", "generation_config": {"chunk_length_schedule": [10]}})], "chunk_length_schedule");
    check(&[json!("nonsense")], "invalid_json");
    let refused = |query: &str| open(multi, query).err().unwrap_or_else(|| "taken".to_owned());
    assert!(refused("output_format=mp3_44100_128").starts_with("400"));
    assert!(refused("output_format=ulaw_8000&model_id=eleven_v3").contains("not available over WebSocket"));
    assert!(refused("output_format=ulaw_8000&inactivity_timeout=181").contains("inactivity_timeout"));
    let mut keyless = Client::new(Provider::ElevenLabs, SCRIPT);
    keyless.headers = &[];
    let mut story = keyless.open(multi, QUERY, tell).unwrap();
    assert_eq!(story.run(&lines(&[json!({"text": " ", "xi-api-key": "x"})])), "");
    let mut story = keyless.open(multi, QUERY, tell).unwrap();
    assert_eq!(story.run(&lines(&[json!({"text": " "})])), "0:error 1008 invalid_api_key 0:CLOSE 1008");
}

#[test]
fn scribe_commits_by_hand_or_by_silence() {
    let chunk = |sample: u8, bytes: usize, commit: bool| {
        let audio = BASE64_STANDARD.encode(vec![sample; bytes]);
        json!({"message_type": "input_audio_chunk", "audio_base_64": audio, "commit": commit, "sample_rate": 8000})
    };
    let query = "model_id=scribe_v2_realtime&audio_format=ulaw_8000";
    let mut story = open(listen, query).unwrap();
    let sent = lines(&[chunk(0x10, 1_600, false), chunk(0xFF, 4_000, false), chunk(0xFF, 0, true), chunk(0xFF, 0, true)]);
    assert_eq!(
        story.run(&format!("{sent}+1000")),
        "0:session_started 0:partial_transcript\"Where\" 0:committed_transcript\"Where is it?\" 0:committed_transcript\"\""
    );
    let mut story = open(listen, &format!("{query}&commit_strategy=vad")).unwrap();
    let sent = lines(&[chunk(0x10, 1_600, false), chunk(0xFF, 4_000, false)]);
    let told = story.run(&format!("{sent}+1000"));
    assert!(told.ends_with("150:committed_transcript\"Where is it?\""), "{told}");
    assert!(open(listen, "model_id=scribe_v1").err().unwrap().starts_with("400"));
    assert!(open(listen, query).unwrap().run("{\"message_type\":\"song\"}").contains("input_error"));
}
