//! Transcription of a whole turn by one request: OpenAI, Groq, and servers that speak as they do.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use media::codec::Codec;
use serde_json::Value;

use crate::engine::{EngineError, Words};
use crate::language::Language;
use crate::link::{Answer, Body, Frame, LinkInput, Target};
use crate::transcriber::{Intake, Transcribed, Transcriber};
use crate::vendor::{ProviderKind, Query, TranscriberConfig, fault, read, text, wav};

/// Samples of the shortest file: 100 ms; OpenAI refuses shorter ones. Silence fills them up.
const SHORTEST: usize = 800;

/// The longest turn that is believed to have been transcribed, in seconds.
const LONGEST: f64 = 3_600.0;

/// One call's transcriber.
#[derive(Clone, Debug)]
pub struct Transcription {
    config: TranscriberConfig,
    /// Words of the answer that have come so far.
    interim: String,
}

impl Transcription {
    /// Of settings.
    pub fn new(config: TranscriberConfig) -> Self {
        Self { config, interim: String::new() }
    }

    /// Whether the model tells words as it understands them.
    fn streams(&self) -> bool {
        self.config.account.kind == ProviderKind::OpenAi && !self.config.model.starts_with("whisper")
    }

    /// What the model is told of the words to expect.
    fn prompt(&self) -> Option<String> {
        let terms = (!self.config.keyterms.is_empty()).then(|| self.config.keyterms.join(", "));
        match (self.config.prompt.clone(), terms) {
            (Some(prompt), Some(terms)) => Some(format!("{prompt} {terms}")),
            (prompt, terms) => prompt.or(terms),
        }
    }

    fn complete(&mut self, said: &str, usage: &Value, language: &Value, out: &mut Vec<Transcribed>) {
        self.interim.clear();
        if !said.trim().is_empty() {
            out.push(Transcribed::Final(Words::from(said.trim())));
            out.extend(language.as_str().and_then(Language::heard).map(Transcribed::Language));
        }
        if let Some(seconds) = usage.as_f64().filter(|seconds| (0.0..LONGEST).contains(seconds)) {
            out.push(Transcribed::Used(Duration::from_secs_f64(seconds)));
        }
        out.push(Transcribed::Flushed);
    }
}

impl Transcriber for Transcription {
    fn provider(&self) -> &Arc<str> {
        &self.config.account.provider
    }

    fn intake(&self) -> Intake {
        Intake::Utterances
    }

    fn socket(&self) -> Result<Target, EngineError> {
        self.request(self.config.codec, &[])
    }

    fn request(&self, codec: Codec, audio: &[u8]) -> Result<Target, EngineError> {
        let config = &self.config;
        let mut fields = vec![("model", config.model.clone())];
        if let Some(language) = &config.language {
            // ISO 639-1: a region is refused.
            fields.push(("language", language.split(['-', '_']).next().unwrap_or_default().to_owned()));
        }
        fields.extend(self.prompt().map(|prompt| ("prompt", prompt)));
        // The longer form says how much is to be paid for; OpenAI's newer models have the short one only, and usage in it.
        let whisper = config.account.kind == ProviderKind::Groq || config.model.starts_with("whisper");
        fields.push(("response_format", if whisper { "verbose_json" } else { "json" }.to_owned()));
        let answer = match self.streams() {
            true => {
                fields.push(("stream", "true".to_owned()));
                Answer::Events
            }
            false => Answer::Whole,
        };
        let file = ("turn.wav", "audio/wav", wav(codec, audio, SHORTEST));
        config.account.request("transcribe", Query::new("/audio/transcriptions"), Body::Form { fields, file }, answer)
    }

    fn audio(&mut self, _octets: Bytes) -> Option<Frame> {
        None
    }

    fn flush(&mut self) -> Option<Frame> {
        None
    }

    fn keep_alive(&self) -> Option<(Duration, Frame)> {
        None
    }

    fn farewell(&mut self) -> Option<Frame> {
        None
    }

    fn reset(&mut self) {
        self.interim.clear();
    }

    fn handle(&mut self, input: &LinkInput, out: &mut Vec<Transcribed>) -> Result<(), EngineError> {
        if matches!(input, LinkInput::Opened) {
            self.interim.clear();
        }
        let Some(text) = text(input) else { return Ok(()) };
        if text.trim() == "[DONE]" {
            return Ok(());
        }
        let message: Value = read(text)?;
        let field = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let error = &message["error"];
        if error.is_object() {
            return Err(fault(&field(&error["type"]), &field(&error["code"]), &field(&error["message"])));
        }
        match message["type"].as_str() {
            Some("transcript.text.delta") => {
                self.interim.push_str(message["delta"].as_str().unwrap_or_default());
                if !self.interim.trim().is_empty() {
                    out.push(Transcribed::Interim(Words::from(self.interim.trim())));
                }
            }
            Some("error") => return Err(fault("", &field(&message["code"]), &field(&message["message"]))),
            None | Some("transcript.text.done") => {
                let Some(said) = message["text"].as_str() else {
                    return Err(EngineError::Protocol { reason: "transcription without text".to_owned() });
                };
                let duration = if message["duration"].is_number() { &message["duration"] } else { &message["usage"]["seconds"] };
                self.complete(said, duration, &message["language"], out);
            }
            Some(_) => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::link::Protocol;
    use crate::vendor::script::{account, heard};

    fn of(kind: ProviderKind) -> Transcription {
        let mut config = TranscriberConfig::from(kind);
        config.account = account(kind);
        Transcription::new(config)
    }

    fn check(texts: &str, expected: &str) {
        assert_eq!(heard(&mut of(ProviderKind::OpenAi), texts), expected, "{texts}");
    }

    /// Where a request goes, its fields, how long its file is, and how its answer is cut.
    fn asked(transcription: &Transcription, octets: usize) -> String {
        let target = transcription.request(Codec::Pcmu, &vec![0xFF; octets]);
        match target.map(|target| (target.url, target.protocol)) {
            Ok((url, Protocol::Http { body: Body::Form { fields, file: (name, kind, octets) }, answer })) => {
                let fields: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
                format!("{url} {} {name} {kind} {} {answer:?}", fields.join(" "), octets.len())
            }
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn a_turn_is_sent_as_a_file() {
        assert_eq!(
            asked(&of(ProviderKind::OpenAi), 8_000),
            "https://api.openai.com/v1/audio/transcriptions model=gpt-4o-mini-transcribe response_format=json stream=true \
             turn.wav audio/wav 16044 Events"
        );
        let mut groq = of(ProviderKind::Groq);
        groq.config.language = Some("en-US".to_owned());
        groq.config.keyterms = vec!["Offhook".to_owned(), "SIP".to_owned()];
        groq.config.prompt = Some("A phone call.".to_owned());
        assert_eq!(
            asked(&groq, 10),
            "https://api.groq.com/openai/v1/audio/transcriptions model=whisper-large-v3-turbo language=en \
             prompt=A phone call. Offhook, SIP response_format=verbose_json turn.wav audio/wav 1644 Whole"
        );
    }

    #[test]
    fn an_answer_is_told_whole_or_as_it_comes() {
        check(r#"{"text":" Hello there. ","usage":{"type":"duration","seconds":2}}"#, "final Hello there.|used 2000 ms|Flushed");
        check(
            r#"{"task":"transcribe","language":"english","duration":1.5,"text":"Hi.","segments":[],"x_groq":{"id":"req_1"}}"#,
            "final Hi.|language en|used 1500 ms|Flushed",
        );
        check(
            r#"{"type":"transcript.text.delta","delta":"Hel","logprobs":[]}
            {"type":"transcript.text.delta","delta":"lo"}
            {"type":"transcript.text.segment","text":"x"}
            {"type":"transcript.text.done","text":"Hello.","usage":{"type":"tokens","total_tokens":14}}
            [DONE]"#,
            "interim Hel|interim Hello|final Hello.|Flushed",
        );
        check(r#"{"text":""}"#, "Flushed");
    }

    #[test]
    fn errors_and_oddities() {
        check(
            r#"{"error":{"message":"m","type":"invalid_request_error","code":null}}"#,
            "configuration: provider refuses the configuration (invalid_request_error): m",
        );
        check(r#"{"type":"error","code":"rate_limit_exceeded","message":"m"}"#, "rate_limited: provider limits the rate");
        check("{}", "protocol: provider broke the protocol: transcription without text");
        let rubbish = heard(&mut of(ProviderKind::Groq), "rubbish");
        assert!(rubbish.starts_with("protocol: "), "{rubbish}");
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "\\PC*", seconds in any::<f64>()) {
            let _ = heard(&mut of(ProviderKind::OpenAi), &text);
            let whole = serde_json::json!({ "text": text, "duration": seconds });
            let _ = heard(&mut of(ProviderKind::OpenAi), &whole.to_string());
        }
    }
}
