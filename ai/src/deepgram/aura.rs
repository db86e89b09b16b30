//! Deepgram's Aura over a socket, `/v1/speak`; and by requests, once the socket has taken too many pieces in a minute.
//!
//! ```text
//! piece 7   -> Speak, Flush           audio <-, Flushed <-     Flushed ends the piece in front
//! barge-in  -> Clear                  late audio <-, Cleared <-  dropped until then
//! ```

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;

use super::encoding;
use crate::engine::{EngineError, Words};
use crate::json::{Field, line};
use crate::link::{Answer, Body, Frame, LinkInput, Target};
use crate::synthesizer::{AudioFormat, SpeechId, Synthesized, Synthesizer};
use crate::vendor::{Query, SynthesizerConfig, of_request, read, text};

/// One call's synthesizer.
#[derive(Clone, Debug)]
pub struct Aura {
    config: SynthesizerConfig,
    /// What was asked for, in order; `None` was given up.
    asked: VecDeque<Option<SpeechId>>,
    /// Clears that were not confirmed: what comes until then is of no use.
    clearing: u32,
    /// More flushes than Deepgram takes (20 a minute): the rest of the call goes by requests, which have no such limit.
    by_requests: bool,
}

impl Aura {
    /// Of settings.
    pub fn new(config: SynthesizerConfig) -> Self {
        Self { config, asked: VecDeque::new(), clearing: 0, by_requests: false }
    }

    fn query(&self) -> Query {
        Query::new("/v1/speak")
            .with("model", &self.config.model)
            .with("encoding", encoding(self.config.codec))
            .with("sample_rate", 8_000)
            .with_some("speed", self.config.speed)
    }
}

#[derive(Deserialize)]
#[serde(expecting = "a message as an object")]
struct Wire<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Field<'a>,
    #[serde(borrow, default)]
    code: Field<'a>,
    #[serde(borrow, default)]
    description: Field<'a>,
    /// As older messages have them.
    #[serde(borrow, default)]
    warn_code: Field<'a>,
    #[serde(borrow, default)]
    warn_msg: Field<'a>,
}

impl Synthesizer for Aura {
    fn provider(&self) -> &Arc<str> {
        &self.config.account.provider
    }

    fn format(&self) -> AudioFormat {
        AudioFormat::Telephone(self.config.codec)
    }

    fn socket(&self) -> Result<Option<Target>, EngineError> {
        if self.by_requests {
            return Ok(None);
        }
        self.config.account.socket("synthesize", self.query()).map(Some)
    }

    fn request(&self, text: &Words) -> Result<Target, EngineError> {
        let body = Body::Json(Words::from(json!({ "text": text.as_str() }).to_string()));
        // By default there is a WAV header.
        self.config.account.request("synthesize", self.query().with("container", "none"), body, Answer::Bytes)
    }

    fn speak(&mut self, speech: SpeechId, text: &Words, out: &mut Vec<Frame>) {
        out.push(Frame::Text(Words::from(json!({ "type": "Speak", "text": text.as_str() }).to_string())));
        out.push(Frame::Text(r#"{"type":"Flush"}"#.into()));
        self.asked.push_back(Some(speech));
    }

    /// One piece of several is only dropped when it comes; when all are given up, so is what the provider has not made of them.
    fn cancel(&mut self, speech: SpeechId, out: &mut Vec<Frame>) {
        let Some(piece) = self.asked.iter_mut().find(|piece| **piece == Some(speech)) else { return };
        *piece = None;
        if self.asked.iter().all(Option::is_none) {
            self.asked.clear();
            self.clearing += 1;
            out.push(Frame::Text(r#"{"type":"Clear"}"#.into()));
        }
    }

    fn pieces_ahead(&self) -> usize {
        1
    }

    /// The socket lives for an hour without a word.
    fn keep_alive(&self) -> Option<(Duration, Frame)> {
        None
    }

    fn reset(&mut self) {
        self.asked.clear();
        self.clearing = 0;
    }

    fn handle(&mut self, request: Option<SpeechId>, input: &LinkInput, out: &mut Vec<Synthesized>) -> Result<(), EngineError> {
        if let Some(speech) = request {
            return of_request(speech, input, out);
        }
        if let LinkInput::Binary(audio) = input {
            if let (0, Some(Some(speech))) = (self.clearing, self.asked.front()) {
                out.push(Synthesized::Audio { speech: *speech, audio: audio.clone() });
            }
            return Ok(());
        }
        let Some(text) = text(input) else { return Ok(()) };
        let wire: Wire<'_> = read(text)?;
        let code = wire.code.text().or(wire.warn_code.text()).unwrap_or_default();
        let description = wire.description.text().or(wire.warn_msg.text()).unwrap_or_default();
        match wire.kind.text().unwrap_or_default() {
            "Flushed" if self.clearing == 0 => {
                out.extend(self.asked.pop_front().flatten().map(|speech| Synthesized::Done { speech }));
            }
            "Cleared" => self.clearing = self.clearing.saturating_sub(1),
            // The flush was not taken: the piece would never end.
            "Warning" if [code, description].iter().any(|told| told.to_ascii_lowercase().contains("flush")) => {
                self.by_requests = true;
                return Err(EngineError::RateLimited { retry_after: None });
            }
            "Error" => return Err(EngineError::Reported { code: line(code), message: line(description) }),
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::vendor::ProviderKind;
    use crate::vendor::script::{account, cancelled, json_of, spoke, spoken};

    fn aura() -> Aura {
        let mut config = SynthesizerConfig::from(ProviderKind::Deepgram);
        config.account = account(ProviderKind::Deepgram);
        Aura::new(config)
    }

    fn socket(aura: &Aura) -> Option<String> {
        aura.socket().ok().flatten().map(|target| target.url)
    }

    #[test]
    fn a_piece_is_spoken_and_flushed() {
        let mut aura = aura();
        let url = "wss://api.deepgram.com/v1/speak?model=aura-2-thalia-en&encoding=mulaw&sample_rate=8000";
        assert_eq!(socket(&aura).as_deref(), Some(url));
        assert_eq!(spoken(&mut aura, 7, "Hi \"you\"."), r#"{"text":"Hi \"you\".","type":"Speak"}|{"type":"Flush"}"#);
        spoken(&mut aura, 8, "Two.");
        let texts = "{\"type\":\"Metadata\",\"request_id\":\"r\"}\n#3\n#2\n{\"type\":\"Flushed\",\"sequence_id\":0}\n#1\n{\"type\":\"Flushed\",\"sequence_id\":1}\n#9";
        assert_eq!(spoke(&mut aura, texts), "7 audio 3|7 audio 2|7 done|8 audio 1|8 done");
    }

    #[test]
    fn a_clear_drops_what_comes_until_it_is_confirmed() {
        let mut aura = aura();
        spoken(&mut aura, 7, "One.");
        spoken(&mut aura, 8, "Two.");
        assert_eq!(cancelled(&mut aura, 7), "");
        assert_eq!(cancelled(&mut aura, 8), r#"{"type":"Clear"}"#);
        assert_eq!(cancelled(&mut aura, 8), "", "once");
        spoken(&mut aura, 9, "Three.");
        let texts = "#3\n{\"type\":\"Flushed\",\"sequence_id\":0}\n#3\n{\"type\":\"Cleared\",\"sequence_id\":1}\n#4\n{\"type\":\"Flushed\"}";
        assert_eq!(spoke(&mut aura, texts), "9 audio 4|9 done");
    }

    #[test]
    fn one_piece_of_several_is_dropped_alone() {
        let mut aura = aura();
        spoken(&mut aura, 7, "One.");
        spoken(&mut aura, 8, "Two.");
        assert_eq!(cancelled(&mut aura, 7), "");
        assert_eq!(spoke(&mut aura, "#3\n{\"type\":\"Flushed\"}\n#4\n{\"type\":\"Flushed\"}"), "8 audio 4|8 done");
    }

    #[test]
    fn after_too_many_flushes_pieces_are_requests() {
        let mut aura = aura();
        spoken(&mut aura, 7, "One.");
        let warning = r#"{"type":"Warning","code":"EXCESSIVE_FLUSH","description":"more than 20 flushes in 60 s"}"#;
        assert_eq!(spoke(&mut aura, warning), "rate_limited: provider limits the rate");
        aura.reset();
        assert_eq!(socket(&aura), None);
        let (url, body) = aura.request(&"Hi.".into()).map(json_of).unwrap_or_default();
        assert_eq!(
            url,
            "https://api.deepgram.com/v1/speak?model=aura-2-thalia-en&encoding=mulaw&sample_rate=8000&container=none"
        );
        assert_eq!(body, json!({ "text": "Hi." }));
        let mut out = Vec::new();
        for input in [LinkInput::Opened, LinkInput::Binary(Bytes::from_static(b"abc")), LinkInput::Ended] {
            assert_eq!(aura.handle(Some(SpeechId(9)), &input, &mut out), Ok(()));
        }
        let speech = SpeechId(9);
        assert_eq!(out, [Synthesized::Audio { speech, audio: Bytes::from_static(b"abc") }, Synthesized::Done { speech }]);
    }

    #[test]
    fn errors_and_oddities() {
        let told = |texts: &str| spoke(&mut aura(), texts);
        assert_eq!(told(r#"{"type":"Error","code":"DATA-0001","description":"m"}"#), "reported: provider failed (DATA-0001): m");
        assert_eq!(told(r#"{"type":"Warning","warn_code":"SLOW","warn_msg":"m","description":"m"}"#), "");
        assert!(told(r#"{"type":"Warning","warn_code":"x","warn_msg":"Too many Flush messages"}"#).starts_with("rate_limited"));
        assert_eq!(told("{}\n{\"type\":\"Flushed\"}\n{\"type\":\"Cleared\"}\n{\"type\":7}\n#5"), "");
        assert!(told("rubbish").starts_with("protocol: "));
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "\\PC*") {
            let _ = spoke(&mut aura(), &text);
        }
    }
}
