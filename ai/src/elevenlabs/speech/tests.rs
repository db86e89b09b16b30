//! Messages as the sheet has them.

use proptest::prelude::*;

use super::*;
use crate::vendor::ProviderKind;
use crate::vendor::script::{account, cancelled, json_of, spoke, spoken};

fn speech() -> Speech {
    let mut config = SynthesizerConfig::from(ProviderKind::ElevenLabs);
    config.account = account(ProviderKind::ElevenLabs);
    config.voice = "v/1".to_owned();
    Speech::new(config)
}

/// What comes of texts when pieces 7 and 8 were asked for.
fn check(texts: &str, expected: &str) {
    let mut speech = speech();
    spoken(&mut speech, 7, "One.");
    spoken(&mut speech, 8, "Two.");
    assert_eq!(spoke(&mut speech, texts), expected, "{texts}");
}

#[test]
fn the_socket_asks_for_the_legs_codec() {
    let url = |speech: &Speech| speech.socket().ok().flatten().map(|target| target.url).unwrap_or_default();
    assert_eq!(
        url(&speech()),
        "wss://api.elevenlabs.io/v1/text-to-speech/v%2F1/multi-stream-input?output_format=ulaw_8000&model_id=eleven_flash_v2_5\
         &auto_mode=true&sync_alignment=true&inactivity_timeout=180"
    );
    let mut config = speech().config;
    (config.codec, config.language) = (Codec::Pcma, Some("de".to_owned()));
    let speech = Speech::new(config);
    assert!(url(&speech).contains("output_format=alaw_8000") && url(&speech).ends_with("&language_code=de"));
    assert_eq!(speech.format(), AudioFormat::Telephone(Codec::Pcma));
    let (url, body) = speech.request(&"Hi.".into()).map(json_of).unwrap_or_default();
    assert_eq!(url, "https://api.elevenlabs.io/v1/text-to-speech/v%2F1/stream?output_format=alaw_8000");
    assert_eq!(body, json!({ "text": "Hi.", "model_id": "eleven_flash_v2_5", "language_code": "de" }));
}

#[test]
fn a_piece_is_a_context_of_its_own() {
    let mut speech = speech();
    assert_eq!(
        spoken(&mut speech, 7, "Hello."),
        r#"{"context_id":"p7","text":" "}|{"context_id":"p7","flush":true,"text":"Hello. "}|{"close_context":true,"context_id":"p7"}"#
    );
    speech.config.stability = Some(0.5);
    speech.config.speed = Some(1.1);
    assert!(spoken(&mut speech, 8, "Hi.").contains(r#""voice_settings":{"speed":1.1,"stability":0.5}"#));
    assert_eq!(cancelled(&mut speech, 7), r#"{"close_context":true,"context_id":"p7"}"#);
    assert_eq!(cancelled(&mut speech, 7), "", "once");
}

#[test]
fn audio_and_its_words_come_with_running_times() {
    // 16 octets are 2 ms.
    check(
        r#"{"audio":"/////////////////////w==","contextId":"p7","isFinal":null,"alignment":{"chars":["H","i"," ","y"],"charStartTimesMs":[0,58,70,90],"charDurationsMs":[58,12,20,9]},"normalizedAlignment":null}
        {"audio":"//8=","contextId":"p7","alignment":{"chars":["o","u","."],"charStartTimesMs":[0,10,20],"charsDurationsMs":[1,1,1]}}
        {"audio":"/w==","context_id":"p8","alignment":null}
        {"audio":null,"isFinal":true,"contextId":"p7"}
        {"is_final":true,"isFinal":null,"context_id":"p8","contextId":"p8"}"#,
        "7 at 0 Hi |7 at 90 y|7 audio 16|7 at 2 ou.|7 audio 2|8 audio 1|7 done|8 done",
    );
}

#[test]
fn late_audio_of_what_was_given_up_is_dropped() {
    let mut speech = speech();
    spoken(&mut speech, 7, "One.");
    cancelled(&mut speech, 7);
    spoken(&mut speech, 8, "Two.");
    let texts = r#"{"audio":"/w==","contextId":"p7"}
        {"isFinal":true,"contextId":"p7"}
        {"audio":"/w==","contextId":"p8"}
        {"audio":"/w==","contextId":"p9"}
        {"audio":"/w==","contextId":"default"}"#;
    assert_eq!(spoke(&mut speech, texts), "8 audio 1");
}

#[test]
fn contexts_that_are_leaving_count_until_they_end() {
    let mut speech = speech();
    assert_eq!(speech.pieces_ahead(), 2);
    for piece in 1..=3 {
        spoken(&mut speech, piece, "x");
    }
    for piece in 1..=3 {
        cancelled(&mut speech, piece);
    }
    assert_eq!(speech.pieces_ahead(), 1);
    for piece in 4..=6 {
        spoken(&mut speech, piece, "x");
        assert!(speech.wanted.len() + speech.leaving.len() <= CONTEXTS);
    }
    assert_eq!(spoke(&mut speech, "{\"isFinal\":true,\"contextId\":\"p3\"}"), "");
    assert_eq!(speech.pieces_ahead(), 2);
    speech.reset();
    assert_eq!((speech.wanted.len(), speech.leaving.len()), (0, 0));
}

#[test]
fn errors_and_oddities() {
    let quota = r#"{"message":"This request exceeds your quota","error":"quota_exceeded","code":1008}"#;
    check(quota, "quota: provider account cannot pay (quota_exceeded)");
    let many = r#"{"message":"Maximum simultaneous contexts","error":"max_active_conversations","code":1008}"#;
    check(many, "reported: provider failed (max_active_conversations): Maximum simultaneous contexts");
    check(r#"{"message":"invalid_api_key","error":"invalid_api_key"}"#, "key: provider refuses the key (invalid_api_key)");
    check(r#"{"audio":"***no base64***","contextId":"p7"}"#, "protocol: provider broke the protocol: audio is not base64");
    check("{}\n{\"audio\":7,\"contextId\":7}\n{\"contextId\":\"p7\",\"alignment\":[]}\n{\"new\":1}", "");
    check(r#"{"audio":"","contextId":"p7","alignment":{"chars":["a"],"charStartTimesMs":[]}}"#, "");
    check(r#"{"audio":"","contextId":"p7","alignment":{"chars":["a"],"charStartTimesMs":[-5]}}"#, "7 at 0 a");
}

proptest! {
    #[test]
    fn any_text_is_read(text in "\\PC*", start in any::<f64>()) {
        let _ = spoke(&mut speech(), &text);
        let message = json!({ "audio": text, "contextId": "p7", "alignment": { "chars": [text], "charStartTimesMs": [start] } });
        check_total(&message);
    }
}

fn check_total(message: &Value) {
    let mut speech = speech();
    spoken(&mut speech, 7, "One.");
    let _ = spoke(&mut speech, &message.to_string());
}
