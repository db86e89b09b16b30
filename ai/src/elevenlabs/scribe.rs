//! ElevenLabs' Scribe over a socket; the engine says when a turn is over.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use media::codec::Codec;
use serde::Deserialize;

use crate::engine::{EngineError, Words};
use crate::json::{Field, with_base64};
use crate::language::Language;
use crate::link::{Frame, LinkInput, Target};
use crate::transcriber::{Intake, Transcribed, Transcriber};
use crate::vendor::{Chunker, Query, TranscriberConfig, decoded, fault, read, text};

/// Octets of a frame: 100 ms.
const CHUNK: usize = 800;

/// Between frames of silence that keep the socket open; it has no frame of its own for that.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// One call's transcriber.
#[derive(Clone, Debug)]
pub struct Scribe {
    config: TranscriberConfig,
    chunker: Chunker,
    /// What was committed last: its timestamps, with the language, may follow with the same words.
    committed: String,
}

impl Scribe {
    /// Of settings.
    pub fn new(config: TranscriberConfig) -> Self {
        Self { config, chunker: Chunker::new(CHUNK), committed: String::new() }
    }

    fn frame(&self, octets: &[u8], commit: bool) -> Frame {
        let tail = format!("\",\"commit\":{commit},\"sample_rate\":8000}}");
        let samples;
        // It knows mu-law only.
        let audio = match self.config.codec {
            Codec::Pcmu => octets,
            Codec::Pcma => {
                samples = decoded(Codec::Pcma, octets);
                &samples
            }
        };
        Frame::Text(Words::from(with_base64(r#"{"message_type":"input_audio_chunk","audio_base_64":""#, audio, &tail)))
    }
}

#[derive(Deserialize)]
#[serde(expecting = "a message as an object")]
struct Wire<'a> {
    #[serde(borrow, default)]
    message_type: Field<'a>,
    #[serde(borrow, default)]
    text: Field<'a>,
    #[serde(borrow, default)]
    error: Field<'a>,
    #[serde(borrow, default)]
    language_code: Field<'a>,
}

impl Transcriber for Scribe {
    fn provider(&self) -> &Arc<str> {
        &self.config.account.provider
    }

    fn intake(&self) -> Intake {
        Intake::Turns
    }

    fn socket(&self) -> Result<Target, EngineError> {
        let config = &self.config;
        let format = if config.codec == Codec::Pcmu { "ulaw_8000" } else { "pcm_8000" };
        let query = Query::new("/v1/speech-to-text/realtime")
            .with("model_id", &config.model)
            .with("audio_format", format)
            .with("commit_strategy", "manual")
            .with_some("language_code", config.language.as_deref())
            .with_some("include_timestamps", config.language.is_none().then_some(true))
            .with_some("include_language_detection", config.language.is_none().then_some(true))
            .with_each("keyterms", &config.keyterms);
        config.account.socket("transcribe", query)
    }

    fn request(&self, _codec: Codec, _audio: &[u8]) -> Result<Target, EngineError> {
        self.socket()
    }

    fn audio(&mut self, octets: Bytes) -> Option<Frame> {
        self.chunker.push(octets).map(|octets| self.frame(&octets, false))
    }

    fn flush(&mut self) -> Option<Frame> {
        let rest = self.chunker.take();
        Some(self.frame(&rest, true))
    }

    fn keep_alive(&self) -> Option<(Duration, Frame)> {
        let silence = [self.config.codec.row().silence; CHUNK];
        Some((KEEP_ALIVE, self.frame(&silence, false)))
    }

    fn farewell(&mut self) -> Option<Frame> {
        None
    }

    fn reset(&mut self) {
        self.chunker.clear();
        self.committed.clear();
    }

    fn handle(&mut self, input: &LinkInput, out: &mut Vec<Transcribed>) -> Result<(), EngineError> {
        let Some(text) = text(input) else { return Ok(()) };
        let wire: Wire<'_> = read(text)?;
        let said = wire.text.text().map(str::trim).unwrap_or_default();
        let words = (!said.is_empty()).then(|| Words::from(said));
        let language = wire.language_code.text().filter(|_| words.is_some()).and_then(Language::heard);
        match wire.message_type.text().unwrap_or_default() {
            "partial_transcript" => out.extend(words.map(Transcribed::Interim)),
            // Not waited for: the language counts from the next turn on then.
            "committed_transcript_with_timestamps" if said == self.committed => out.extend(language.map(Transcribed::Language)),
            "committed_transcript" | "committed_transcript_with_timestamps" => {
                said.clone_into(&mut self.committed);
                out.extend(words.map(Transcribed::Final));
                out.extend(language.map(Transcribed::Language));
                out.push(Transcribed::Flushed);
            }
            // Too little was said for words.
            "commit_throttled" | "insufficient_audio_activity" => out.push(Transcribed::Flushed),
            kind => {
                if let Some(message) = wire.error.text() {
                    return Err(fault("", kind, message));
                }
            }
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

    fn scribe(codec: Codec) -> Scribe {
        let mut config = TranscriberConfig::from(ProviderKind::ElevenLabs);
        config.account = account(ProviderKind::ElevenLabs);
        config.codec = codec;
        Scribe::new(config)
    }

    fn check(texts: &str, expected: &str) {
        assert_eq!(heard(&mut scribe(Codec::Pcmu), texts), expected, "{texts}");
    }

    #[test]
    fn the_socket_asks_for_the_legs_codec_where_it_is_known() {
        let url = |scribe: &Scribe| scribe.socket().map(|target| target.url).unwrap_or_default();
        let expected = "wss://api.elevenlabs.io/v1/speech-to-text/realtime?model_id=scribe_v2_realtime&audio_format=ulaw_8000&commit_strategy=manual\
                        &include_timestamps=true&include_language_detection=true";
        assert_eq!(url(&scribe(Codec::Pcmu)), expected);
        let mut config = scribe(Codec::Pcma).config;
        (config.language, config.keyterms) = (Some("de".to_owned()), vec!["Offhook".to_owned()]);
        assert!(url(&Scribe::new(config)).ends_with("pcm_8000&commit_strategy=manual&language_code=de&keyterms=Offhook"));
    }

    #[test]
    fn audio_goes_in_frames_of_100_ms_and_the_rest_with_the_flush() {
        let mut scribe = scribe(Codec::Pcmu);
        assert_eq!(framed(scribe.audio(Bytes::from_static(&[0xFF; 799]))), "nothing");
        let frame = framed(scribe.audio(Bytes::from_static(&[0xFF; 1])));
        assert!(frame.starts_with(r#"{"message_type":"input_audio_chunk","audio_base_64":"/////"#), "{frame}");
        assert!(frame.ends_with(r#"","commit":false,"sample_rate":8000}"#), "{frame}");
        assert_eq!(framed(scribe.audio(Bytes::from_static(&[0xFF, 0xFF, 0xFF]))), "nothing");
        let flush = framed(scribe.flush());
        assert_eq!(flush, r#"{"message_type":"input_audio_chunk","audio_base_64":"////","commit":true,"sample_rate":8000}"#);
        assert!(framed(scribe.flush()).contains(r#""audio_base_64":"""#));
        let samples = self::scribe(Codec::Pcma).frame(&[0xD5], false);
        assert!(framed(Some(samples)).contains(r#""audio_base_64":"CAA=""#), "A-law goes as samples");
    }

    #[test]
    fn words_come_as_they_are_understood() {
        check(
            r#"{"message_type":"session_started","session_id":"s","config":{}}
            {"message_type":"partial_transcript","text":"hi"}
            {"message_type":"partial_transcript","text":""}
            {"message_type":"committed_transcript","text":"Hi there. "}
            {"message_type":"committed_transcript_with_timestamps","text":"Hi there. ","language_code":"en","words":[]}
            {"message_type":"committed_transcript_with_timestamps","text":"Hallo.","language_code":"deu","words":[]}
            {"message_type":"committed_transcript_with_timestamps","text":"","words":[]}
            {"message_type":"commit_throttled","error":"too little"}"#,
            "interim hi|final Hi there.|Flushed|language en|final Hallo.|language de|Flushed|Flushed|Flushed",
        );
    }

    #[test]
    fn errors_say_whose_fault_it_is() {
        let error = |kind: &str| format!(r#"{{"message_type":"{kind}","error":"m"}}"#);
        check(&error("auth_error"), "key: provider refuses the key (auth_error)");
        check(&error("quota_exceeded_error"), "quota: provider account cannot pay (quota_exceeded_error)");
        check(&error("rate_limited"), "rate_limited: provider limits the rate");
        check(&error("queue_overflow"), "overloaded: provider is unavailable (http 529)");
        check(&error("session_time_limit_exceeded"), "session_expired: provider session expired");
        check(&error("transcriber_error"), "reported: provider failed (transcriber_error): m");
        check("{}\n{\"message_type\":7}\n{\"message_type\":\"new\"}", "");
        assert!(heard(&mut scribe(Codec::Pcmu), "rubbish").starts_with("protocol: "));
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "\\PC*") {
            let _ = heard(&mut scribe(Codec::Pcmu), &text);
        }
    }
}
