//! Deepgram's Flux, `/v2/listen`: it hears all of the call, and says when a turn may be, or is, over.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use media::codec::Codec;
use serde::Deserialize;

use super::encoding;
use crate::engine::EngineError;
use crate::json::{Field, line};
use crate::language::Language;
use crate::link::{Frame, LinkInput, Target};
use crate::transcriber::{Intake, Transcribed, Transcriber};
use crate::vendor::{Chunker, Query, TranscriberConfig, TurnWords, read, text};

/// Octets of a frame: 80 ms, as Deepgram advises.
const CHUNK: usize = 640;

/// There is no frame that keeps a socket open but audio, and a turn needs silence to end.
const KEEP_ALIVE: Duration = Duration::from_secs(1);

/// The longest stretch of audio that is believed, in seconds.
const LONGEST: f64 = 86_400.0;

/// One call's transcriber.
#[derive(Clone, Debug)]
pub struct Flux {
    config: TranscriberConfig,
    chunker: Chunker,
    turn: TurnWords,
    /// Seconds of audio that were told as used.
    billed: f64,
}

impl Flux {
    /// Of settings.
    pub fn new(config: TranscriberConfig) -> Self {
        Self { config, chunker: Chunker::new(CHUNK), turn: TurnWords::default(), billed: 0.0 }
    }

    fn turn(&mut self, wire: &Wire<'_>, out: &mut Vec<Transcribed>) {
        let transcript = wire.transcript.text().unwrap_or_default().trim();
        let language = wire.languages.first().and_then(|name| Language::heard(name.text()?)).map(Transcribed::Language);
        match wire.event.text().unwrap_or_default() {
            "StartOfTurn" => {
                out.push(Transcribed::SpeechStarted);
                self.turn.interim(transcript, out);
            }
            "Update" => self.turn.interim(transcript, out),
            "EagerEndOfTurn" => {
                self.turn.finals(transcript, out);
                out.extend(language);
                out.push(Transcribed::EagerEnd);
            }
            "TurnResumed" => {
                out.push(Transcribed::Resumed);
                self.turn.interim(transcript, out);
            }
            "EndOfTurn" => {
                self.turn.finals(transcript, out);
                out.extend(language);
                out.push(Transcribed::EndOfTurn);
                self.turn.end();
                let end = wire.audio_window_end.unwrap_or_default();
                let used = end - self.billed;
                if (0.0..LONGEST).contains(&used) {
                    self.billed = end;
                    out.push(Transcribed::Used(Duration::from_secs_f64(used)));
                }
            }
            _ => {}
        }
    }
}

#[derive(Deserialize)]
#[serde(expecting = "a message as an object")]
struct Wire<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Field<'a>,
    #[serde(borrow, default)]
    event: Field<'a>,
    #[serde(borrow, default)]
    transcript: Field<'a>,
    audio_window_end: Option<f64>,
    /// Of a model of several languages.
    #[serde(borrow, default)]
    languages: Vec<Field<'a>>,
    #[serde(borrow, default)]
    code: Field<'a>,
    #[serde(borrow, default)]
    description: Field<'a>,
}

impl Transcriber for Flux {
    fn provider(&self) -> &Arc<str> {
        &self.config.account.provider
    }

    fn intake(&self) -> Intake {
        Intake::Continuous
    }

    fn socket(&self) -> Result<Target, EngineError> {
        let config = &self.config;
        // It refuses what it does not know, a language of a model that has only one too.
        let hint = config.language.as_deref().filter(|_| config.model.ends_with("-multi"));
        let query = Query::new("/v2/listen")
            .with("model", &config.model)
            .with("encoding", encoding(config.codec))
            .with("sample_rate", 8_000)
            .with_some("eot_threshold", config.end_of_turn)
            .with_some("eager_eot_threshold", config.eager_end)
            .with_some("eot_timeout_ms", config.end_timeout.map(|timeout| timeout.as_millis()))
            .with_some("language_hint", hint)
            .with_each("keyterm", &config.keyterms);
        config.account.socket("transcribe", query)
    }

    fn request(&self, _codec: Codec, _audio: &[u8]) -> Result<Target, EngineError> {
        self.socket()
    }

    fn audio(&mut self, octets: Bytes) -> Option<Frame> {
        self.chunker.push(octets).map(Frame::Binary)
    }

    fn flush(&mut self) -> Option<Frame> {
        None
    }

    fn keep_alive(&self) -> Option<(Duration, Frame)> {
        let silence = vec![self.config.codec.row().silence; CHUNK];
        Some((KEEP_ALIVE, Frame::Binary(Bytes::from(silence))))
    }

    fn farewell(&mut self) -> Option<Frame> {
        Some(Frame::Text(r#"{"type":"CloseStream"}"#.into()))
    }

    fn reset(&mut self) {
        self.chunker.clear();
        self.turn.end();
        self.billed = 0.0;
    }

    fn handle(&mut self, input: &LinkInput, out: &mut Vec<Transcribed>) -> Result<(), EngineError> {
        let Some(text) = text(input) else { return Ok(()) };
        let wire: Wire<'_> = read(text)?;
        match wire.kind.text().unwrap_or_default() {
            "TurnInfo" => self.turn(&wire, out),
            "Error" => {
                let (code, message) = (wire.code.text().unwrap_or("error"), wire.description.text().unwrap_or_default());
                return Err(EngineError::Reported { code: code.to_owned(), message: line(message) });
            }
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

    fn flux() -> Flux {
        let mut config = TranscriberConfig::from(ProviderKind::Deepgram);
        config.account = account(ProviderKind::Deepgram);
        config.model = "flux-general-en".to_owned();
        Flux::new(config)
    }

    fn check(texts: &str, expected: &str) {
        assert_eq!(heard(&mut flux(), texts), expected, "{texts}");
    }

    fn turn(event: &str, end: f64, transcript: &str) -> String {
        serde_json::json!({
            "type": "TurnInfo", "request_id": "r", "sequence_id": 3, "event": event, "turn_index": 0, "audio_window_start": 0.0,
            "audio_window_end": end, "transcript": transcript, "words": [{ "word": "hi", "confidence": 0.9 }],
            "end_of_turn_confidence": 0.4,
        })
        .to_string()
    }

    #[test]
    fn the_socket_says_only_what_was_set() {
        let url = |flux: &Flux| flux.socket().map(|target| target.url).unwrap_or_default();
        assert_eq!(url(&flux()), "wss://api.deepgram.com/v2/listen?model=flux-general-en&encoding=mulaw&sample_rate=8000");
        let mut config = flux().config;
        (config.end_of_turn, config.eager_end, config.end_timeout) = (Some(0.8), Some(0.5), Some(Duration::from_secs(4)));
        (config.language, config.keyterms) = (Some("en".to_owned()), vec!["Acme".to_owned()]);
        let set = "&eot_threshold=0.8&eager_eot_threshold=0.5&eot_timeout_ms=4000";
        assert!(url(&Flux::new(config.clone())).ends_with(&format!("{set}&keyterm=Acme")));
        config.model = "flux-general-multi".to_owned();
        assert!(url(&Flux::new(config)).ends_with(&format!("{set}&language_hint=en&keyterm=Acme")));
    }

    #[test]
    fn audio_goes_in_frames_of_80_ms() {
        let mut flux = flux();
        let frames: Vec<_> = (0..5).map(|_| framed(flux.audio(Bytes::from_static(&[0xFF; 160])))).collect();
        assert_eq!(frames, ["nothing", "nothing", "nothing", "640 octets", "nothing"]);
        flux.reset();
        assert_eq!(framed(flux.audio(Bytes::from(vec![0; 1_000]))), "1000 octets", "what was kept is forgotten");
        let (_, silence) = flux.keep_alive().unzip();
        assert_eq!((framed(silence).as_str(), framed(flux.flush()).as_str()), ("640 octets", "nothing"));
    }

    #[test]
    fn a_turn_ends_early_goes_on_and_ends() {
        let texts = [
            r#"{"type":"Connected","request_id":"r","sequence_id":0}"#.to_owned(),
            turn("Update", 0.2, ""),
            turn("StartOfTurn", 0.5, "hi"),
            turn("Update", 0.75, "hi"),
            turn("EagerEndOfTurn", 1.0, "hi there"),
            turn("TurnResumed", 1.25, "hi there"),
            turn("Update", 1.5, "hi there you"),
            turn("EagerEndOfTurn", 1.75, "hi there you"),
            turn("EndOfTurn", 2.0, "hi there you"),
            turn("StartOfTurn", 3.0, "bye"),
            turn("EndOfTurn", 3.5, "bye"),
            turn("EndOfTurn", 4.0, ""),
        ];
        check(
            &texts.join("\n"),
            "SpeechStarted|interim hi|final hi there|EagerEnd|Resumed|interim you|final you|EagerEnd|EndOfTurn\
             |used 2000 ms|SpeechStarted|interim bye|final bye|EndOfTurn|used 1500 ms|EndOfTurn|used 500 ms",
        );
    }

    #[test]
    fn a_model_of_several_languages_tells_which_it_was() {
        let mut end: serde_json::Value = serde_json::from_str(&turn("EndOfTurn", 2.0, "hola")).unwrap_or_default();
        end["languages"] = serde_json::json!(["es", "en"]);
        check(&end.to_string(), "final hola|language es|EndOfTurn|used 2000 ms");
    }

    #[test]
    fn errors_and_oddities() {
        let error = r#"{"type":"Error","sequence_id":4,"code":"INTERNAL_SERVER_ERROR","description":"oops"}"#;
        check(error, "reported: provider failed (INTERNAL_SERVER_ERROR): oops");
        check("{\"type\":\"ConfigureSuccess\"}\n{}\n{\"type\":\"TurnInfo\"}\n{\"type\":\"TurnInfo\",\"event\":\"Hm\"}", "");
        check(&turn("EndOfTurn", -5.0, "x"), "final x|EndOfTurn");
        let rubbish = heard(&mut flux(), "rubbish");
        assert!(rubbish.starts_with("protocol: "), "{rubbish}");
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "\\PC*", end in any::<f64>()) {
            let _ = heard(&mut flux(), &text);
            let _ = heard(&mut flux(), &turn("EndOfTurn", end, &text));
        }
    }
}
