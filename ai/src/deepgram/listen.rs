//! Deepgram's streaming transcription, `/v1/listen`: Nova models. The engine says when a turn is over.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use media::codec::Codec;
use serde::Deserialize;

use super::encoding;
use crate::engine::{EngineError, Words};
use crate::json::{Field, line};
use crate::language::Language;
use crate::link::{Frame, LinkInput, Target};
use crate::transcriber::{Intake, Transcribed, Transcriber};
use crate::vendor::{Query, TranscriberConfig, read, text};

/// Between frames that keep a socket open which carries no audio: Deepgram closes it after 10 s.
const KEEP_ALIVE: Duration = Duration::from_secs(4);

/// The longest stretch of audio that one result may be about; beyond, the number is not to be believed.
const LONGEST: f64 = 3_600.0;

/// One call's transcriber.
#[derive(Clone, Debug)]
pub struct Listen(TranscriberConfig);

impl Listen {
    /// Of settings.
    pub fn new(config: TranscriberConfig) -> Self {
        Self(config)
    }
}

#[derive(Deserialize)]
#[serde(expecting = "a message as an object")]
struct Wire<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Field<'a>,
    is_final: Option<bool>,
    from_finalize: Option<bool>,
    duration: Option<f64>,
    /// Of `Results` an object; other messages have a list here.
    #[serde(borrow)]
    channel: Option<&'a serde_json::value::RawValue>,
    #[serde(borrow, default)]
    description: Field<'a>,
    #[serde(borrow, default)]
    message: Field<'a>,
    #[serde(borrow, default)]
    code: Field<'a>,
}

#[derive(Deserialize)]
struct Channel<'a> {
    #[serde(borrow, default)]
    alternatives: Vec<Alternative<'a>>,
}

#[derive(Deserialize)]
struct Alternative<'a> {
    #[serde(borrow, default)]
    transcript: Field<'a>,
    /// Of `multi`, by number of words.
    #[serde(borrow, default)]
    languages: Vec<Field<'a>>,
}

impl Transcriber for Listen {
    fn provider(&self) -> &Arc<str> {
        &self.0.account.provider
    }

    fn intake(&self) -> Intake {
        Intake::Turns
    }

    fn socket(&self) -> Result<Target, EngineError> {
        let config = &self.0;
        let endpointing = match config.endpointing {
            Some(silence) => silence.as_millis().to_string(),
            None => "false".to_owned(),
        };
        // Nova 3 takes key terms, models before it weighted keywords.
        let terms = if config.model.starts_with("nova-3") { "keyterm" } else { "keywords" };
        // Without a word it takes English; only Nova 3 finds the language out.
        let language = config.language.as_deref().or(config.model.starts_with("nova-3").then_some("multi"));
        let query = Query::new("/v1/listen")
            .with("model", &config.model)
            .with_some("language", language)
            .with("encoding", encoding(config.codec))
            .with("sample_rate", 8_000)
            .with("channels", 1)
            .with("interim_results", true)
            .with("endpointing", endpointing)
            .with("vad_events", true)
            .with("punctuate", true)
            .with("smart_format", config.smart_format)
            .with_each(terms, &config.keyterms);
        config.account.socket("transcribe", query)
    }

    fn request(&self, _codec: Codec, _audio: &[u8]) -> Result<Target, EngineError> {
        self.socket()
    }

    /// An empty frame would end the session.
    fn audio(&mut self, octets: Bytes) -> Option<Frame> {
        (!octets.is_empty()).then_some(Frame::Binary(octets))
    }

    fn flush(&mut self) -> Option<Frame> {
        Some(Frame::Text(r#"{"type":"Finalize"}"#.into()))
    }

    fn keep_alive(&self) -> Option<(Duration, Frame)> {
        Some((KEEP_ALIVE, Frame::Text(r#"{"type":"KeepAlive"}"#.into())))
    }

    fn farewell(&mut self) -> Option<Frame> {
        Some(Frame::Text(r#"{"type":"CloseStream"}"#.into()))
    }

    fn reset(&mut self) {}

    fn handle(&mut self, input: &LinkInput, out: &mut Vec<Transcribed>) -> Result<(), EngineError> {
        let Some(text) = text(input) else { return Ok(()) };
        let wire: Wire<'_> = read(text)?;
        match wire.kind.text().unwrap_or_default() {
            "Results" => {
                let channel = wire.channel.and_then(|raw| serde_json::from_str::<Channel<'_>>(raw.get()).ok());
                let best = channel.and_then(|channel| channel.alternatives.into_iter().next());
                let transcript = best.as_ref().and_then(|best| best.transcript.text()).unwrap_or_default();
                let words = (!transcript.trim().is_empty()).then(|| Words::from(transcript));
                if wire.is_final == Some(true) {
                    let language = best.as_ref().and_then(|best| Language::heard(best.languages.first()?.text()?));
                    let language = language.filter(|_| words.is_some());
                    out.extend(words.map(Transcribed::Final));
                    out.extend(language.map(Transcribed::Language));
                    let seconds = wire.duration.filter(|seconds| (0.0..LONGEST).contains(seconds));
                    out.extend(seconds.map(|seconds| Transcribed::Used(Duration::from_secs_f64(seconds))));
                } else {
                    out.extend(words.map(Transcribed::Interim));
                }
                if wire.from_finalize == Some(true) {
                    out.push(Transcribed::Flushed);
                }
            }
            "SpeechStarted" => out.push(Transcribed::SpeechStarted),
            "Error" => {
                let message = wire.description.text().or(wire.message.text()).unwrap_or_default();
                return Err(EngineError::Reported {
                    code: wire.code.text().unwrap_or("error").to_owned(),
                    message: line(message),
                });
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
