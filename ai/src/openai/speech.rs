//! OpenAI's speech, `/audio/speech`, a request for each piece; and of servers that speak as it does.

use std::sync::Arc;
use std::time::Duration;

use media::units::SampleRate;
use serde_json::json;

use super::chat::rounded;
use crate::engine::{EngineError, Words};
use crate::link::{Answer, Body, Frame, LinkInput, Target};
use crate::synthesizer::{AudioFormat, SpeechId, Synthesized, Synthesizer};
use crate::vendor::{Query, SynthesizerConfig, of_request};

/// One call's synthesizer.
#[derive(Clone, Debug)]
pub struct Speech(SynthesizerConfig);

impl Speech {
    /// Of settings.
    pub fn new(config: SynthesizerConfig) -> Self {
        Self(config)
    }
}

impl Synthesizer for Speech {
    fn provider(&self) -> &Arc<str> {
        &self.0.account.provider
    }

    /// It has no telephone's codec.
    fn format(&self) -> AudioFormat {
        AudioFormat::Pcm(SampleRate::HZ_24000)
    }

    fn socket(&self) -> Result<Option<Target>, EngineError> {
        Ok(None)
    }

    fn request(&self, text: &Words) -> Result<Target, EngineError> {
        let config = &self.0;
        let mut body = json!({ "model": config.model, "input": text.as_str(), "voice": config.voice, "response_format": "pcm" });
        if let Some(speed) = config.speed {
            body["speed"] = rounded(speed);
        }
        if let Some(instructions) = &config.instructions {
            body["instructions"] = instructions.as_str().into();
        }
        let body = Body::Json(Words::from(body.to_string()));
        config.account.request("synthesize", Query::new("/audio/speech"), body, Answer::Bytes)
    }

    fn speak(&mut self, _speech: SpeechId, _text: &Words, _out: &mut Vec<Frame>) {}

    fn cancel(&mut self, _speech: SpeechId, _out: &mut Vec<Frame>) {}

    fn pieces_ahead(&self) -> usize {
        2
    }

    fn keep_alive(&self) -> Option<(Duration, Frame)> {
        None
    }

    fn reset(&mut self) {}

    fn handle(&mut self, request: Option<SpeechId>, input: &LinkInput, out: &mut Vec<Synthesized>) -> Result<(), EngineError> {
        request.map_or(Ok(()), |speech| of_request(speech, input, out))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::vendor::ProviderKind;
    use crate::vendor::script::{account, json_of};

    #[test]
    fn a_piece_is_a_request_for_samples() {
        let mut config = SynthesizerConfig::from(ProviderKind::OpenAi);
        config.account = account(ProviderKind::OpenAi);
        (config.speed, config.instructions) = (Some(1.25), Some("Warmly.".to_owned()));
        let mut speech = Speech::new(config);
        assert_eq!(
            (speech.socket().map(|socket| socket.is_none()), speech.format()),
            (Ok(true), AudioFormat::Pcm(SampleRate::HZ_24000))
        );
        let (url, body) = speech.request(&"Hi.".into()).map(json_of).unwrap_or_default();
        assert_eq!(url, "https://api.openai.com/v1/audio/speech");
        assert_eq!(
            body,
            json!({
                "model": "gpt-4o-mini-tts", "input": "Hi.", "voice": "marin", "response_format": "pcm", "speed": 1.25,
                "instructions": "Warmly.",
            })
        );
        let mut out = Vec::new();
        let inputs =
            [LinkInput::Opened, LinkInput::Binary(Bytes::from_static(b"abc")), LinkInput::Text("x".into()), LinkInput::Ended];
        for input in &inputs {
            assert_eq!(speech.handle(Some(SpeechId(9)), input, &mut out), Ok(()));
            assert_eq!(speech.handle(None, input, &mut out), Ok(()));
        }
        let speech = SpeechId(9);
        assert_eq!(out, [Synthesized::Audio { speech, audio: Bytes::from_static(b"abc") }, Synthesized::Done { speech }]);
    }
}
