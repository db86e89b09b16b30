//! Messages as the sheet has them.

use media::codec::Codec;
use proptest::prelude::*;

use super::*;
use crate::vendor::ProviderKind;
use crate::vendor::script::{account, cancelled, json_of, spoke, spoken};

fn sonic() -> Sonic {
    let mut config = SynthesizerConfig::from(ProviderKind::Cartesia);
    config.account = account(ProviderKind::Cartesia);
    config.voice = "v1".to_owned();
    Sonic::new(config)
}

/// What comes of texts when pieces 7 and 8 were asked for.
fn check(texts: &str, expected: &str) {
    let mut sonic = sonic();
    spoken(&mut sonic, 7, "Hello, you there.");
    spoken(&mut sonic, 8, "Two.");
    assert_eq!(spoke(&mut sonic, texts), expected, "{texts}");
}

#[test]
fn a_piece_is_a_context_of_its_own() {
    let mut sonic = sonic();
    let target = sonic.socket().ok().flatten();
    assert_eq!(target.map(|target| target.url).as_deref(), Some("wss://api.cartesia.ai/tts/websocket"));
    let told: Value = serde_json::from_str(&spoken(&mut sonic, 7, "Hello.")).unwrap_or_default();
    assert_eq!(
        told,
        json!({
            "context_id": "p7", "model_id": "sonic-3", "transcript": "Hello.", "continue": false, "add_timestamps": true,
            "voice": { "mode": "id", "id": "v1" }, "max_buffer_delay_ms": 0,
            "output_format": { "container": "raw", "encoding": "pcm_mulaw", "sample_rate": 8000 },
        })
    );
    assert_eq!(cancelled(&mut sonic, 7), r#"{"cancel":true,"context_id":"p7"}"#);
    assert_eq!(cancelled(&mut sonic, 7), "", "once");
}

#[test]
fn settings_are_sent_where_they_are_set() {
    let mut config = sonic().config;
    (config.codec, config.language, config.speed) = (Codec::Pcma, Some("de".to_owned()), Some(1.2));
    (config.volume, config.emotion) = (Some(0.9), Some("calm".to_owned()));
    let (url, body) = Sonic::new(config).request(&"Hi.".into()).map(json_of).unwrap_or_default();
    assert_eq!(url, "https://api.cartesia.ai/tts/bytes");
    assert_eq!(body["output_format"]["encoding"], "pcm_alaw");
    assert_eq!((&body["language"], &body["context_id"]), (&json!("de"), &Value::Null));
    assert_eq!(body["generation_config"], json!({ "speed": 1.2, "volume": 0.9, "emotion": "calm" }));
}

#[test]
fn audio_and_its_words_come_for_their_piece() {
    check(
        r#"{"type":"timestamps","context_id":"p7","done":false,"status_code":206,"word_timestamps":{"words":["Hello,","you"],"start":[0.0,0.5],"end":[0.42,0.6]}}
        {"type":"chunk","context_id":"p7","data":"/////w==","done":false,"status_code":206,"step_time":12.3,"flush_id":1}
        {"type":"timestamps","context_id":"p7","done":false,"status_code":206,"word_timestamps":{"words":["there."],"start":[0.75],"end":[0.9]}}
        {"type":"flush_done","context_id":"p7","flush_done":true,"flush_id":1,"done":false,"status_code":206}
        {"type":"done","context_id":"p7","done":true,"status_code":200}
        {"type":"chunk","context_id":"p8","data":"/w==","done":false,"status_code":206}
        {"type":"phoneme_timestamps","context_id":"p8","phoneme_timestamps":{"phonemes":["h"],"start":[0.0],"end":[0.05]}}
        {"type":"done","context_id":"p8","done":true,"status_code":200}"#,
        "7 at 0 Hello, |7 at 500 you |7 audio 4|7 at 750 there.|7 done|8 audio 1|8 done",
    );
    check(
        r#"{"type":"timestamps","context_id":"p7","word_timestamps":{"words":["hullo","you"],"start":[0,1e300]}}"#,
        "7 at 0 hullo |7 at 0 Hello, you ",
    );
}

#[test]
fn late_audio_of_what_was_given_up_is_dropped() {
    let mut sonic = sonic();
    spoken(&mut sonic, 7, "One.");
    cancelled(&mut sonic, 7);
    spoken(&mut sonic, 8, "Two.");
    let texts = r#"{"type":"chunk","context_id":"p7","data":"/w=="}
        {"type":"error","context_id":"p7","done":true,"status_code":400,"message":"cancelled"}
        {"type":"done","context_id":"p7"}
        {"type":"chunk","context_id":"p8","data":"/w=="}"#;
    assert_eq!(spoke(&mut sonic, texts), "8 audio 1");
    sonic.reset();
    assert_eq!(spoke(&mut sonic, r#"{"type":"done","context_id":"p8"}"#), "");
}

#[test]
fn an_error_is_of_its_context_or_of_the_socket() {
    check(
        r#"{"type":"error","context_id":"p7","done":true,"status_code":400,"title":"Bad","message":"no voice","error_code":"voice_not_found","request_id":"r"}
        {"type":"chunk","context_id":"p8","data":"/w=="}"#,
        "7 failed configuration: provider refuses the configuration (voice_not_found): no voice|8 audio 1",
    );
    check(r#"{"type":"error","status_code":429,"error":"too many"}"#, "rate_limited: provider limits the rate");
    check(r#"{"type":"error","status_code":402,"message":"credits"}"#, "quota: provider account cannot pay (error)");
    check(r#"{"type":"error","message":"m"}"#, "reported: provider failed (error): m");
    check(r#"{"type":"chunk","context_id":"p7","data":"***"}"#, "protocol: provider broke the protocol: audio is not base64");
    check(
        "{}\n{\"type\":7}\n{\"type\":\"new\",\"context_id\":\"p7\"}\n{\"type\":\"timestamps\",\"context_id\":\"p7\",\"word_timestamps\":[]}",
        "",
    );
}

proptest! {
    #[test]
    fn any_text_is_read(text in "\\PC*", start in any::<f64>()) {
        let mut sonic = sonic();
        spoken(&mut sonic, 7, &text);
        let _ = spoke(&mut sonic, &text);
        let timestamps = json!({ "type": "timestamps", "context_id": "p7", "word_timestamps": { "words": [text, "a", text], "start": [start, start, start] } });
        let _ = spoke(&mut sonic, &timestamps.to_string());
    }
}
