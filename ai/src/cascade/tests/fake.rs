//! Providers that speak in words.

use std::sync::Arc;

use media::units::SampleRate;

use super::*;
use crate::breaker::{Breaker, BreakerConfig, SharedBreaker};
use crate::cascade::history;
use crate::language::Language;
use crate::link::{Answer, Target};
use crate::responder::{Conversation, Responded, Responder, ResponseReader, Stop, ToolCall};
use crate::synthesizer::{AudioFormat, SpeechId, Synthesized, Synthesizer};
use crate::transcriber::{Intake, Transcribed, Transcriber};

fn target(provider: &Arc<str>, stage: &'static str, protocol: Protocol) -> Target {
    let connect_timeout = Duration::from_secs(1);
    Target {
        provider: Arc::clone(provider),
        stage,
        url: format!("ws://{provider}"),
        headers: Vec::new(),
        connect_timeout,
        protocol,
    }
}

fn socket(provider: &Arc<str>, stage: &'static str) -> Target {
    target(provider, stage, Protocol::WebSocket { ping_every: Duration::from_secs(20), reach: None })
}

fn request(provider: &Arc<str>, stage: &'static str, body: String) -> Target {
    target(provider, stage, Protocol::Http { body: Body::Json(body.into()), answer: Answer::Events })
}

pub(super) fn config(stt: &[&str], llm: &[&str], tts: &[&str]) -> CascadeConfig {
    fn member<T: ?Sized>(name: &str, part: Arc<T>) -> Member<T> {
        let breaker = Arc::new(SharedBreaker::new(Breaker::new(BreakerConfig::default(), 1)));
        Member { provider: name.into(), part, breaker }
    }
    CascadeConfig {
        transcribers: stt
            .iter()
            .map(|name| member(name, Arc::new(MakeFake((*name).to_owned())) as Arc<dyn MakeTranscriber>))
            .collect(),
        responders: llm.iter().map(|name| member(name, Arc::new(FakeModel((*name).into())) as Arc<dyn Responder>)).collect(),
        synthesizers: tts
            .iter()
            .map(|name| member(name, Arc::new(MakeFake((*name).to_owned())) as Arc<dyn MakeSynthesizer>))
            .collect(),
        codec: Codec::Pcmu,
        instructions: "Be brief.".into(),
        first_message: None,
        filler: None,
        language: Language::ENGLISH,
        speakable: Default::default(),
        tools: Vec::new(),
        first_prompt: PromptId(1),
        timeouts: Timeouts::default(),
    }
}

struct MakeFake(String);

impl MakeTranscriber for MakeFake {
    fn make(&self, _: Codec) -> Box<dyn Transcriber> {
        Box::new(FakeEars(self.0.as_str().into()))
    }
}

impl MakeSynthesizer for MakeFake {
    fn make(&self, _: Codec) -> Box<dyn Synthesizer> {
        Box::new(FakeVoice(self.0.as_str().into()))
    }

    fn voice(&self) -> &str {
        &self.0
    }
}

/// `stt...` has a socket for turns, `utt...` makes a request of each turn, `flux...` finds turns by itself.
struct FakeEars(Arc<str>);

impl Transcriber for FakeEars {
    fn provider(&self) -> &Arc<str> {
        &self.0
    }

    fn intake(&self) -> Intake {
        match &self.0[..3] {
            "utt" => Intake::Utterances,
            "flu" => Intake::Continuous,
            _ => Intake::Turns,
        }
    }

    fn socket(&self) -> Result<Target, EngineError> {
        Ok(socket(&self.0, "transcriber"))
    }

    fn request(&self, _: Codec, audio: &[u8]) -> Result<Target, EngineError> {
        Ok(request(&self.0, "transcriber", format!("{} octets", audio.len())))
    }

    fn audio(&mut self, octets: Bytes) -> Option<Frame> {
        Some(Frame::Binary(octets))
    }

    fn flush(&mut self) -> Option<Frame> {
        (self.intake() == Intake::Turns).then(|| Frame::Text("flush".into()))
    }

    fn keep_alive(&self) -> Option<(Duration, Frame)> {
        Some((Duration::from_secs(5), Frame::Text("alive".into())))
    }

    fn farewell(&mut self) -> Option<Frame> {
        Some(Frame::Text("bye".into()))
    }

    fn reset(&mut self) {}

    fn handle(&mut self, input: &LinkInput, out: &mut Vec<Transcribed>) -> Result<(), EngineError> {
        let LinkInput::Text(text) = input else { return Ok(()) };
        let (verb, rest) = text.as_str().split_once(' ').unwrap_or((text.as_str(), ""));
        if let Some(code) = verb.strip_prefix("final-") {
            out.push(Transcribed::Final(rest.into()));
            out.extend(Language::heard(code).map(Transcribed::Language));
            return Ok(());
        }
        out.push(match verb {
            "final" => Transcribed::Final(rest.into()),
            "interim" => Transcribed::Interim(rest.into()),
            "flushed" => Transcribed::Flushed,
            "eager" => Transcribed::EagerEnd,
            "end" => Transcribed::EndOfTurn,
            "resumed" => Transcribed::Resumed,
            other => return Err(EngineError::Protocol { reason: other.to_owned() }),
        });
        Ok(())
    }
}

struct FakeModel(Arc<str>);

impl Responder for FakeModel {
    fn provider(&self) -> &Arc<str> {
        &self.0
    }

    fn model(&self) -> &str {
        "fake"
    }

    fn request(&self, conversation: &Conversation<'_>) -> Result<Target, EngineError> {
        let more = conversation.instructions.trim_start_matches("Be brief.").trim();
        let entries = conversation.entries.iter().map(history::line);
        let told: Vec<String> = (!more.is_empty()).then(|| more.to_owned()).into_iter().chain(entries).collect();
        Ok(request(&self.0, "model", told.join(" | ")))
    }

    fn reader(&self) -> Box<dyn ResponseReader> {
        Box::new(FakeReader)
    }
}

struct FakeReader;

impl ResponseReader for FakeReader {
    fn handle(&mut self, data: &str, out: &mut Vec<Responded>) -> Result<(), EngineError> {
        let (verb, rest) = data.split_once(' ').unwrap_or((data, ""));
        out.push(match verb {
            "text" => Responded::Text(rest.into()),
            "call" => Responded::ToolCall(ToolCall { call_id: rest.to_owned(), name: "lookup".into(), arguments: "{}".into() }),
            "done" => Responded::Done(Stop::Complete),
            "tools" => Responded::Done(Stop::ToolCalls),
            other => return Err(EngineError::Protocol { reason: other.to_owned() }),
        });
        Ok(())
    }
}

/// `tts...` has a socket, `http...` makes a request of each piece.
struct FakeVoice(Arc<str>);

impl Synthesizer for FakeVoice {
    fn provider(&self) -> &Arc<str> {
        &self.0
    }

    fn format(&self) -> AudioFormat {
        AudioFormat::Pcm(SampleRate::HZ_8000)
    }

    fn socket(&self) -> Result<Option<Target>, EngineError> {
        Ok((!self.0.starts_with("http")).then(|| socket(&self.0, "voice")))
    }

    fn request(&self, text: &Words) -> Result<Target, EngineError> {
        Ok(request(&self.0, "voice", text.as_str().to_owned()))
    }

    fn speak(&mut self, speech: SpeechId, text: &Words, out: &mut Vec<Frame>) {
        out.push(Frame::Text(format!("say {} {}", speech.0, text.as_str()).into()));
    }

    fn cancel(&mut self, speech: SpeechId, out: &mut Vec<Frame>) {
        out.push(Frame::Text(format!("cancel {}", speech.0).into()));
    }

    fn set_language(&mut self, _: &str) -> bool {
        self.0.ends_with("bound")
    }

    fn pieces_ahead(&self) -> usize {
        1
    }

    fn keep_alive(&self) -> Option<(Duration, Frame)> {
        None
    }

    fn reset(&mut self) {}

    fn handle(&mut self, piece: Option<SpeechId>, input: &LinkInput, out: &mut Vec<Synthesized>) -> Result<(), EngineError> {
        match (input, piece) {
            (LinkInput::Ended, Some(speech)) => out.push(Synthesized::Done { speech }),
            (LinkInput::Text(text), _) => {
                let words: Vec<&str> = text.as_str().splitn(4, ' ').collect();
                let number = |index: usize| words.get(index).and_then(|word| word.parse().ok()).unwrap_or_default();
                let speech = piece.unwrap_or(SpeechId(number(1)));
                out.push(match words[0] {
                    "audio" => Synthesized::Audio { speech, audio: Bytes::from(vec![0; number(2) as usize * 16]) },
                    "done" => Synthesized::Done { speech },
                    "cannot" => {
                        let error = EngineError::Reported { code: "x".into(), message: "y".into() };
                        Synthesized::Failed { speech, error }
                    }
                    other => return Err(EngineError::Protocol { reason: other.to_owned() }),
                });
            }
            _ => {}
        }
        Ok(())
    }
}
