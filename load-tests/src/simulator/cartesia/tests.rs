//! Cartesia's protocols in virtual time.
#![allow(clippy::unwrap_used)]

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use super::*;
use crate::simulator::provider::Provider;
use crate::simulator::route::Open;
use crate::simulator::story::{Client, Story};

const SCRIPT: &str = "[[turns]]\nheard = \"Where is it?\"\ntext = \"On its way.\"\n[[turns]]\nheard = \"Bye.\"";
const RAW: &str = "encoding=pcm_mulaw&sample_rate=8000";

fn tell(event: &Value) -> String {
    let context = event["context_id"].as_str().unwrap_or_default();
    match event["type"].as_str().unwrap() {
        "chunk" => format!("{context}{}B", BASE64_STANDARD.decode(event["data"].as_str().unwrap()).unwrap().len()),
        "timestamps" => format!("{context}{}", event["word_timestamps"]),
        "error" => format!("{context}error {}", event["message"].as_str().unwrap()),
        "flush_done" if !context.is_empty() => format!("{context}flushed {}", event["flush_id"]),
        kind => {
            let text = event["text"].as_str().or(event["transcript"].as_str());
            let text = text.map(|text| format!("{text:?}")).unwrap_or_default();
            format!("{context}{kind}{text}{}", if event["is_final"] == true { "!" } else { "" })
        }
    }
}

fn open(ask: Open, query: &str) -> Result<Story, String> {
    let mut client = Client::new(Provider::Cartesia, SCRIPT);
    client.headers = &[("x-api-key", "x"), ("cartesia-version", "2026-08-14")];
    client.open(ask, query, tell)
}

fn part(id: &str, text: &str, changes: Value) -> String {
    let format = json!({"container": "raw", "encoding": "pcm_mulaw", "sample_rate": 8000});
    let mut request = json!({"context_id": id, "model_id": "sonic-3", "transcript": text, "voice": {"mode": "id", "id": "v"},
        "output_format": format, "continue": true, "max_buffer_delay_ms": 0});
    for (name, value) in changes.as_object().unwrap() {
        request[name] = value.clone();
    }
    format!("{request}\n")
}

#[test]
fn parts_of_a_context_are_one_speech() {
    let mut story = open(speak, "").unwrap();
    let first = part("a", "Hi ", json!({"add_timestamps": true, "flush": true}));
    let last = part("a", "you.", json!({"continue": false}));
    let with_other = format!("{first}{}{last}+1000", part("b", "Yes", json!({"continue": false})));
    assert_eq!(
        story.run(&with_other),
        "0:a{\"end\":[0.12],\"start\":[0.0],\"words\":[\"Hi\"]} 0:a{\"end\":[0.42],\"start\":[0.18],\"words\":[\"you.\"]} \
         100:a1440B 100:aflushed 1 100:b1440B 100:bdone 145:a1920B 145:adone"
    );
    let used = part("a", "again", json!({}));
    assert_eq!(story.run(&used), "1000:aerror the context has expired");
}

#[test]
fn a_context_is_cancelled_and_expires() {
    let mut story = open(speak, "").unwrap();
    let begun = part("a", "A long sentence", json!({}));
    assert_eq!(story.run(&format!("{begun}+110\n{}\n+1000", json!({"context_id": "a", "cancel": true}))), "100:a1920B");
    let waits = part("b", "Hi", json!({}));
    story.run(&format!("{waits}+1200"));
    assert_eq!(story.run(&part("b", "more", json!({}))), "2310:berror the context has expired");
    let delayed = part("c", "Hi", json!({"max_buffer_delay_ms": 500}));
    assert_eq!(story.run(&format!("{delayed}+700")), "2910:c960B");
}

#[test]
fn what_the_service_refuses_is_refused() {
    let check = |changes: Value, want: &str| {
        let got = open(speak, "").unwrap().run(&part("a", "Hi", changes));
        assert!(got.starts_with("0:") && got.contains(want), "{got}");
    };
    check(json!({"voice": null}), "voice is required");
    check(json!({"model_id": "tts-1"}), "no such model");
    check(json!({"output_format": {"container": "wav", "encoding": "pcm_mulaw", "sample_rate": 8000}}), "container");
    check(json!({"output_format": {"container": "raw", "encoding": "mulaw", "sample_rate": 8000}}), "mulaw at 8000");
    check(json!({"generation_config": {"speed": 2.0}}), "out of range");
    check(json!({"context_id": ""}), "context_id is required");
    check(json!({"transcript": ""}), "is empty");
    let mut story = open(speak, "").unwrap();
    let changed = part("a", "more", json!({"language": "de"}));
    assert!(story.run(&format!("{}{changed}", part("a", "Hi", json!({})))).contains("must be the same"));
    let refused = |ask, query: &str| open(ask, query).err().unwrap_or_else(|| "taken".to_owned());
    assert!(refused(listen, "model=ink-whisper").contains("encoding is required"));
    assert!(refused(turns, &format!("model=ink-whisper&{RAW}")).contains("no such model"));
    assert!(refused(turns, &format!("model=ink-2&{RAW}&turn_end_threshold=0.45")).contains("end < eager_end"));
    let client = Client::new(Provider::Cartesia, SCRIPT);
    assert!(client.ask(speak_once, "", &part("a", "Hi", json!({}))).contains("Cartesia-Version"));
}

#[test]
fn ink_hears_utterances_and_turns() {
    let mut story = open(listen, &format!("model=ink-whisper&{RAW}")).unwrap();
    assert_eq!(
        story.run("speak 200\nfinalize\nspeak 200\nquiet 200\ndone"),
        "80:transcript\"Where\" 200:transcript\"Where is it?\"! 200:flush_done 550:transcript\" Bye.\"! 600:done 600:CLOSE 1000"
    );
    assert_eq!(open(listen, &format!("model=ink-2&{RAW}")).unwrap().run("+20000"), "20000:CLOSE 1000");
    let mut story = open(turns, &format!("model=ink-2&{RAW}")).unwrap();
    assert_eq!(
        story.run("speak 200\nquiet 100\nspeak 100\nquiet 200\n{\"type\":\"close\"}"),
        "0:connected 60:turn.start 80:turn.update\"Where\" 280:turn.eager_end\"Where is it?\" 320:turn.resume \
         320:turn.update\"Where is\" 480:turn.eager_end\"Where is it?\" 550:turn.end\"Where is it?\" 600:CLOSE 1000"
    );
}
