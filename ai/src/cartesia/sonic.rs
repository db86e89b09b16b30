//! Cartesia's speech over a socket with a context for each piece, `/tts/websocket`.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::{encoding, fault};
use crate::engine::{EngineError, Words};
use crate::json::{Field, decode_base64};
use crate::link::{Answer, Body, Frame, LinkInput, Target};
use crate::openai::chat::rounded;
use crate::synthesizer::{AudioFormat, SpeechId, Synthesized, Synthesizer};
use crate::vendor::{Query, SynthesizerConfig, of_request, read, text};

/// The latest that a word of a piece may begin; beyond, the number is not to be believed.
const LONGEST: Duration = Duration::from_secs(3_600);

/// One call's synthesizer.
#[derive(Clone, Debug)]
pub struct Sonic {
    config: SynthesizerConfig,
    /// What was asked for and has not ended.
    wanted: VecDeque<Piece>,
}

#[derive(Clone, Debug)]
struct Piece {
    speech: SpeechId,
    /// What is said, and how much of it is aligned.
    text: String,
    aligned: usize,
}

impl Sonic {
    /// Of settings.
    pub fn new(config: SynthesizerConfig) -> Self {
        Self { config, wanted: VecDeque::new() }
    }

    fn generation(&self, text: &str) -> Value {
        let config = &self.config;
        let mut generation = json!({
            "model_id": config.model,
            "transcript": text,
            "voice": { "mode": "id", "id": config.voice },
            "output_format": { "container": "raw", "encoding": encoding(config.codec), "sample_rate": 8_000 },
        });
        if let Some(language) = &config.language {
            generation["language"] = language.as_str().into();
        }
        let mut set = Map::new();
        set.extend(config.speed.map(|speed| ("speed".to_owned(), rounded(speed))));
        set.extend(config.volume.map(|volume| ("volume".to_owned(), rounded(volume))));
        set.extend(config.emotion.as_deref().map(|emotion| ("emotion".to_owned(), emotion.into())));
        if !set.is_empty() {
            generation["generation_config"] = Value::Object(set);
        }
        generation
    }

    fn take(&mut self, speech: SpeechId) -> Option<Piece> {
        let place = self.wanted.iter().position(|piece| piece.speech == speech)?;
        self.wanted.remove(place)
    }
}

impl Piece {
    /// The text from where the last word ended to the end of `word` and the spaces behind it, as it was sent.
    fn word(&mut self, word: &str) -> String {
        let rest = &self.text[self.aligned..];
        let Some(place) = rest.find(word.trim()) else { return format!("{word} ") };
        let end = place + word.trim().len();
        let spaces = rest[end..].len() - rest[end..].trim_start().len();
        let told = rest[..end + spaces].to_owned();
        self.aligned += told.len();
        told
    }
}

#[derive(Deserialize)]
#[serde(expecting = "a message as an object")]
struct Wire<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Field<'a>,
    #[serde(borrow, default)]
    context_id: Field<'a>,
    #[serde(borrow, default)]
    data: Field<'a>,
    #[serde(borrow)]
    word_timestamps: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Timestamps {
    words: Vec<String>,
    start: Vec<f64>,
}

impl Synthesizer for Sonic {
    fn provider(&self) -> &Arc<str> {
        &self.config.account.provider
    }

    fn format(&self) -> AudioFormat {
        AudioFormat::Telephone(self.config.codec)
    }

    fn socket(&self) -> Result<Option<Target>, EngineError> {
        self.config.account.socket("synthesize", Query::new("/tts/websocket")).map(Some)
    }

    fn request(&self, text: &Words) -> Result<Target, EngineError> {
        let body = Body::Json(Words::from(self.generation(text.as_str()).to_string()));
        self.config.account.request("synthesize", Query::new("/tts/bytes"), body, Answer::Bytes)
    }

    fn speak(&mut self, speech: SpeechId, text: &Words, out: &mut Vec<Frame>) {
        let mut generation = self.generation(text.as_str());
        generation["context_id"] = format!("p{}", speech.0).into();
        generation["continue"] = false.into();
        generation["add_timestamps"] = true.into();
        // The engine cuts the text; waiting for more of it would be in vain.
        generation["max_buffer_delay_ms"] = 0.into();
        out.push(Frame::Text(Words::from(generation.to_string())));
        self.wanted.push_back(Piece { speech, text: text.as_str().to_owned(), aligned: 0 });
    }

    fn cancel(&mut self, speech: SpeechId, out: &mut Vec<Frame>) {
        if self.take(speech).is_some() {
            let cancel = json!({ "context_id": format!("p{}", speech.0), "cancel": true });
            out.push(Frame::Text(Words::from(cancel.to_string())));
        }
    }

    /// Two contexts at once: the smallest plan has no more.
    /// Each piece tells its own.
    fn set_language(&mut self, code: &str) -> bool {
        self.config.language = Some(code.to_owned());
        false
    }

    fn pieces_ahead(&self) -> usize {
        1
    }

    /// Five minutes of silence close the socket, and nothing but a ping is there to keep it.
    fn keep_alive(&self) -> Option<(Duration, Frame)> {
        None
    }

    fn reset(&mut self) {
        self.wanted.clear();
    }

    fn handle(&mut self, request: Option<SpeechId>, input: &LinkInput, out: &mut Vec<Synthesized>) -> Result<(), EngineError> {
        if let Some(speech) = request {
            return of_request(speech, input, out);
        }
        let Some(text) = text(input) else { return Ok(()) };
        let wire: Wire<'_> = read(text)?;
        let number = wire.context_id.text().and_then(|id| id.strip_prefix('p')?.parse().ok());
        let speech = SpeechId(number.unwrap_or(u64::MAX));
        let piece = self.wanted.iter_mut().find(|piece| piece.speech == speech);
        match (wire.kind.text().unwrap_or_default(), piece) {
            ("chunk", Some(_)) => {
                let mut audio = Vec::new();
                decode_base64(wire.data.text().unwrap_or_default(), &mut audio)
                    .ok_or_else(|| EngineError::Protocol { reason: "audio is not base64".to_owned() })?;
                if !audio.is_empty() {
                    out.push(Synthesized::Audio { speech, audio: Bytes::from(audio) });
                }
            }
            ("timestamps", Some(piece)) => {
                let timestamps = wire.word_timestamps.and_then(|raw| serde_json::from_str::<Timestamps>(raw.get()).ok());
                for (word, start) in timestamps.iter().flat_map(|told| told.words.iter().zip(&told.start)) {
                    let at = Duration::try_from_secs_f64(*start).unwrap_or_default().min(LONGEST);
                    out.push(Synthesized::Aligned { speech, at, text: Words::from(piece.word(word)) });
                }
            }
            ("done", Some(_)) => {
                self.take(speech);
                out.push(Synthesized::Done { speech });
            }
            ("error", piece) => {
                let error = fault(text);
                if piece.is_some() {
                    self.take(speech);
                    out.push(Synthesized::Failed { speech, error });
                } else if number.is_none() {
                    return Err(error);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
