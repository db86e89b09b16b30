//! Cartesia's Ink over a socket: `ink-2` hears all of the call and finds turns, `ink-whisper` waits for the engine to end one.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use media::codec::Codec;
use serde::Deserialize;

use super::{encoding, fault};
use crate::engine::{EngineError, Words};
use crate::json::Field;
use crate::language::Language;
use crate::link::{Frame, LinkInput, Target};
use crate::transcriber::{Intake, Transcribed, Transcriber};
use crate::vendor::{Chunker, Query, TranscriberConfig, TurnWords, read, text};

/// Octets of a frame: 100 ms, as Cartesia advises.
const CHUNK: usize = 800;

/// A turn needs silence to end, and 20 s without audio end the session.
const KEEP_ALIVE: Duration = Duration::from_secs(1);

/// The longest stretch of audio that one answer is about; beyond, the number is not to be believed.
const LONGEST: f64 = 3_600.0;

/// One call's transcriber.
#[derive(Clone, Debug)]
pub struct Ink {
    config: TranscriberConfig,
    chunker: Chunker,
    turn: TurnWords,
}

impl Ink {
    /// Of settings.
    pub fn new(config: TranscriberConfig) -> Self {
        Self { config, chunker: Chunker::new(CHUNK), turn: TurnWords::default() }
    }
}

#[derive(Deserialize)]
#[serde(expecting = "a message as an object")]
struct Wire<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Field<'a>,
    #[serde(borrow, default)]
    transcript: Field<'a>,
    #[serde(borrow, default)]
    text: Field<'a>,
    is_final: Option<bool>,
    duration: Option<f64>,
    #[serde(borrow, default)]
    language: Field<'a>,
}

impl Transcriber for Ink {
    fn provider(&self) -> &Arc<str> {
        &self.config.account.provider
    }

    fn intake(&self) -> Intake {
        if self.config.model.starts_with("ink-whisper") { Intake::Turns } else { Intake::Continuous }
    }

    fn socket(&self) -> Result<Target, EngineError> {
        let config = &self.config;
        let turns = self.intake() == Intake::Continuous;
        let query = Query::new(if turns { "/stt/turns/websocket" } else { "/stt/websocket" })
            .with("model", &config.model)
            .with("encoding", encoding(config.codec))
            .with("sample_rate", 8_000)
            .with_some("turn_end_threshold", config.end_of_turn.filter(|_| turns))
            .with_some("turn_eager_end_threshold", config.eager_end.filter(|_| turns))
            .with_some("turn_end_timeout_ms", config.end_timeout.filter(|_| turns).map(|timeout| timeout.as_millis()))
            .with_some("language", config.language.as_deref().filter(|_| !turns))
            .with_each("keyterm", &config.keyterms);
        config.account.socket("transcribe", query)
    }

    fn request(&self, _codec: Codec, _audio: &[u8]) -> Result<Target, EngineError> {
        self.socket()
    }

    /// The engine's frames of a turn are long enough, and its flush must not leave any behind.
    fn audio(&mut self, octets: Bytes) -> Option<Frame> {
        match self.intake() {
            Intake::Continuous => self.chunker.push(octets).map(Frame::Binary),
            Intake::Turns | Intake::Utterances => (!octets.is_empty()).then_some(Frame::Binary(octets)),
        }
    }

    /// Plain text, not JSON.
    fn flush(&mut self) -> Option<Frame> {
        (self.intake() == Intake::Turns).then(|| Frame::Text("finalize".into()))
    }

    fn keep_alive(&self) -> Option<(Duration, Frame)> {
        let silence = vec![self.config.codec.row().silence; CHUNK];
        let every = if self.intake() == Intake::Turns { 10 * KEEP_ALIVE } else { KEEP_ALIVE };
        Some((every, Frame::Binary(Bytes::from(silence))))
    }

    fn farewell(&mut self) -> Option<Frame> {
        let farewell = if self.intake() == Intake::Turns { "done" } else { r#"{"type":"close"}"# };
        Some(Frame::Text(farewell.into()))
    }

    fn reset(&mut self) {
        self.chunker.clear();
        self.turn.end();
    }

    fn handle(&mut self, input: &LinkInput, out: &mut Vec<Transcribed>) -> Result<(), EngineError> {
        let Some(text) = text(input) else { return Ok(()) };
        let wire: Wire<'_> = read(text)?;
        let transcript = wire.transcript.text().unwrap_or_default().trim();
        match wire.kind.text().unwrap_or_default() {
            "turn.start" => out.push(Transcribed::SpeechStarted),
            "turn.update" => self.turn.interim(transcript, out),
            "turn.eager_end" => {
                self.turn.finals(transcript, out);
                out.push(Transcribed::EagerEnd);
            }
            "turn.resume" => out.push(Transcribed::Resumed),
            "turn.end" => {
                self.turn.finals(transcript, out);
                out.push(Transcribed::EndOfTurn);
                self.turn.end();
            }
            "transcript" => {
                let words = wire.text.text().map(str::trim).filter(|words| !words.is_empty()).map(Words::from);
                if wire.is_final == Some(true) {
                    let language = wire.language.text().filter(|_| words.is_some()).and_then(Language::heard);
                    out.extend(words.map(Transcribed::Final));
                    out.extend(language.map(Transcribed::Language));
                    let seconds = wire.duration.filter(|seconds| (0.0..LONGEST).contains(seconds));
                    out.extend(seconds.map(|seconds| Transcribed::Used(Duration::from_secs_f64(seconds))));
                } else {
                    out.extend(words.map(Transcribed::Interim));
                }
            }
            "flush_done" => out.push(Transcribed::Flushed),
            "error" => return Err(fault(text)),
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::vendor::ProviderKind;
    use crate::vendor::script::{account, framed, heard};

    fn ink(model: &str) -> Ink {
        let mut config = TranscriberConfig::from(ProviderKind::Cartesia);
        config.account = account(ProviderKind::Cartesia);
        config.model = model.to_owned();
        Ink::new(config)
    }

    fn check(texts: &str, expected: &str) {
        assert_eq!(heard(&mut ink("ink-2"), texts), expected, "{texts}");
    }

    #[test]
    fn each_model_has_its_socket() {
        let url = |ink: &Ink| ink.socket().map(|target| target.url).unwrap_or_default();
        let turns = "wss://api.cartesia.ai/stt/turns/websocket?model=ink-2&encoding=pcm_mulaw&sample_rate=8000";
        assert_eq!(url(&ink("ink-2")), turns);
        let mut config = ink("ink-2").config;
        (config.end_of_turn, config.eager_end, config.end_timeout) = (Some(0.1), Some(0.5), Some(Duration::from_secs(4)));
        (config.language, config.keyterms) = (Some("en".to_owned()), vec!["Acme".to_owned()]);
        let set = "&turn_end_threshold=0.1&turn_eager_end_threshold=0.5&turn_end_timeout_ms=4000&keyterm=Acme";
        assert_eq!(url(&Ink::new(config.clone())), format!("{turns}{set}"));
        config.model = "ink-whisper".to_owned();
        let manual =
            "wss://api.cartesia.ai/stt/websocket?model=ink-whisper&encoding=pcm_mulaw&sample_rate=8000&language=en&keyterm=Acme";
        assert_eq!(url(&Ink::new(config)), manual);
    }

    #[test]
    fn each_model_has_its_frames() {
        let told = |model: &str| {
            let mut ink = ink(model);
            let audio = framed(ink.audio(Bytes::from_static(&[0xFF; 160])));
            let (every, silence) = ink.keep_alive().unzip();
            let frames = [audio, framed(ink.flush()), framed(ink.farewell()), framed(silence)].join("|");
            format!("{frames}|{}", every.unwrap_or_default().as_secs())
        };
        assert_eq!(told("ink-2"), r#"nothing|nothing|{"type":"close"}|800 octets|1"#);
        assert_eq!(told("ink-whisper"), "160 octets|finalize|done|800 octets|10");
    }

    #[test]
    fn a_turn_ends_early_goes_on_and_ends() {
        check(
            r#"{"type":"connected","request_id":"r"}
            {"type":"turn.start","request_id":"r"}
            {"type":"turn.update","request_id":"r","transcript":"hi"}
            {"type":"turn.eager_end","request_id":"r","transcript":"hi there"}
            {"type":"turn.resume","request_id":"r"}
            {"type":"turn.update","request_id":"r","transcript":"hi there you"}
            {"type":"turn.eager_end","request_id":"r","transcript":"hi there you"}
            {"type":"turn.end","request_id":"r","transcript":"hi there you"}"#,
            "SpeechStarted|interim hi|final hi there|EagerEnd|Resumed|interim you|final you|EagerEnd|EndOfTurn",
        );
    }

    #[test]
    fn a_flush_is_answered() {
        check(
            r#"{"type":"transcript","request_id":"r","text":"hi","is_final":false,"duration":0.5,"language":"en"}
            {"type":"transcript","request_id":"r","text":"Hi there.","is_final":true,"duration":1.5,"language":"en","words":[]}
            {"type":"flush_done","request_id":"r"}
            {"type":"done","request_id":"r"}"#,
            "interim hi|final Hi there.|language en|used 1500 ms|Flushed",
        );
    }

    #[test]
    fn errors_and_oddities() {
        let error = r#"{"type":"error","title":"t","message":"no model","status_code":400,"error_code":"model_not_found","request_id":"r"}"#;
        check(error, "configuration: provider refuses the configuration (model_not_found): no model");
        check(r#"{"type":"error","error":"boom"}"#, "reported: provider failed (error): boom");
        check("{}\n{\"type\":7}\n{\"type\":\"new\"}\n{\"type\":\"transcript\",\"is_final\":true,\"duration\":-1}", "");
        assert!(heard(&mut ink("ink-2"), "rubbish").starts_with("protocol: "));
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "\\PC*", duration in any::<f64>()) {
            let _ = heard(&mut ink("ink-2"), &text);
            let transcript = serde_json::json!({ "type": "transcript", "text": text, "is_final": true, "duration": duration });
            let _ = heard(&mut ink("ink-2"), &transcript.to_string());
        }
    }
}
