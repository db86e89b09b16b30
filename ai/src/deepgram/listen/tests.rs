//! Messages as the sheet has them.

use proptest::prelude::*;

use super::*;
use crate::vendor::ProviderKind;
use crate::vendor::script::{account, framed, heard};

fn listen() -> Listen {
    let mut config = TranscriberConfig::from(ProviderKind::Deepgram);
    config.account = account(ProviderKind::Deepgram);
    Listen::new(config)
}

fn check(texts: &str, expected: &str) {
    assert_eq!(heard(&mut listen(), texts), expected, "{texts}");
}

#[test]
fn the_socket_asks_for_the_legs_codec() {
    let url = |listen: &Listen| listen.socket().map(|target| target.url);
    assert_eq!(
        url(&listen()).as_deref(),
        Ok(
            "wss://api.deepgram.com/v1/listen?model=nova-3&language=multi&encoding=mulaw&sample_rate=8000&channels=1&interim_results=true\
            &endpointing=300&vad_events=true&punctuate=true&smart_format=false"
        )
    );
    let mut config = listen().0;
    (config.codec, config.language, config.endpointing) = (Codec::Pcma, Some("de".to_owned()), None);
    config.keyterms = vec!["Offhook".to_owned(), "A & B".to_owned()];
    let told = url(&Listen::new(config.clone())).unwrap_or_default();
    for part in ["&language=de&encoding=alaw&", "&endpointing=false&", "&keyterm=Offhook&keyterm=A%20%26%20B"] {
        assert!(told.contains(part), "{told}");
    }
    (config.model, config.language) = ("nova-2-phonecall".to_owned(), None);
    assert!(url(&Listen::new(config.clone())).is_ok_and(|told| !told.contains("language")), "it knows no `multi`");
    assert!(url(&Listen::new(config)).is_ok_and(|told| told.ends_with("&keywords=Offhook&keywords=A%20%26%20B")));
}

#[test]
fn audio_goes_as_it_comes_but_never_empty() {
    let mut listen = listen();
    assert_eq!(framed(listen.audio(Bytes::from_static(&[0xFF; 160]))), "160 octets");
    assert_eq!(framed(listen.audio(Bytes::new())), "nothing");
    assert_eq!(framed(listen.flush()), r#"{"type":"Finalize"}"#);
    assert_eq!(framed(listen.farewell()), r#"{"type":"CloseStream"}"#);
    let (every, frame) = listen.keep_alive().unzip();
    assert_eq!((every, framed(frame).as_str()), (Some(KEEP_ALIVE), r#"{"type":"KeepAlive"}"#));
    assert_eq!(listen.intake(), Intake::Turns);
}

#[test]
fn results_become_words() {
    check(
        r#"{"type":"Metadata","transaction_key":"deprecated","request_id":"r","duration":12.3,"channels":1}
        {"type":"SpeechStarted","channel":[0,1],"timestamp":9.54}
        {"type":"Results","channel_index":[0,1],"start":0.0,"duration":0.5,"is_final":false,"speech_final":false,"channel":{"alternatives":[{"transcript":"hi","confidence":0.9,"words":[]}]}}
        {"type":"Results","channel_index":[0,1],"start":0.0,"duration":1.2,"is_final":true,"speech_final":true,"from_finalize":false,"channel":{"alternatives":[{"transcript":"hi there","confidence":0.98,"languages":["en"],"words":[{"word":"hi","start":0.1,"end":0.3}]}]},"metadata":{"request_id":".."},"entities":[]}
        {"type":"UtteranceEnd","channel":[0,1],"last_word_end":-1}"#,
        "SpeechStarted|interim hi|final hi there|language en|used 1200 ms",
    );
}

#[test]
fn a_flush_is_answered_with_or_without_words() {
    let result = |transcript: &str| {
        format!(
            r#"{{"type":"Results","duration":0.25,"is_final":true,"from_finalize":true,"channel":{{"alternatives":[{{"transcript":"{transcript}"}}]}}}}"#
        )
    };
    check(&result("bye."), "final bye.|used 250 ms|Flushed");
    check(&result(""), "used 250 ms|Flushed");
    check(r#"{"type":"Results","is_final":true,"from_finalize":true,"channel":{"alternatives":[]}}"#, "Flushed");
}

#[test]
fn errors_and_oddities() {
    check(r#"{"type":"Error","description":"bad","code":"DATA-0000"}"#, "reported: provider failed (DATA-0000): bad");
    check(r#"{"type":"Error","message":"bad"}"#, "reported: provider failed (error): bad");
    check("{}\n{\"type\":\"New\"}\n{\"type\":7}\n{\"type\":\"Results\"}\n{\"type\":\"Results\",\"channel\":[0,1]}", "");
    check("{\"type\":\"Results\",\"is_final\":true,\"duration\":-1}", "");
    let rubbish = heard(&mut listen(), "rubbish");
    assert!(rubbish.starts_with("protocol: "), "{rubbish}");
}

proptest! {
    #[test]
    fn any_text_is_read(text in "\\PC*", duration in any::<f64>()) {
        let _ = heard(&mut listen(), &text);
        let results = serde_json::json!({ "type": "Results", "is_final": true, "duration": duration, "channel": { "alternatives": [{
            "transcript": text }] } });
        let _ = heard(&mut listen(), &results.to_string());
    }
}
