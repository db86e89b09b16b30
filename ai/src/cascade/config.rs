//! What a cascade is made of, and how long it waits.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use media::codec::Codec;
use media::sendout::PromptId;

use crate::breaker::SharedBreaker;
use crate::language::Language;
use crate::responder::Responder;
use crate::speakable::Speakable;
use crate::synthesizer::Synthesizer;
use crate::tools::Tool;
use crate::transcriber::Transcriber;

/// Settings of one [`CascadeSession`](super::CascadeSession).
#[derive(Clone, Debug)]
pub struct CascadeConfig {
    /// Who writes down what the caller says, best first; at least one.
    pub transcribers: Vec<Member<dyn MakeTranscriber>>,
    /// Who answers, best first; at least one.
    pub responders: Vec<Member<dyn Responder>>,
    /// Who speaks, best first; at least one.
    pub synthesizers: Vec<Member<dyn MakeSynthesizer>>,
    /// What the leg speaks.
    pub codec: Codec,
    /// The system prompt.
    pub instructions: String,
    /// What the agent says first, word for word; `None` waits for the caller.
    pub first_message: Option<String>,
    /// Said when an answer is late; `None`: nothing.
    pub filler: Option<String>,
    /// Of its calls; of the caller's own the cascade goes on in what the transcriber finds.
    pub language: Language,
    /// How text becomes speech: language and pronunciations.
    pub speakable: Speakable,
    /// What the model may call.
    pub tools: Vec<Tool>,
    /// The first prompt to use; above all of an engine before this one.
    pub first_prompt: PromptId,
    /// How long each stage may take.
    pub timeouts: Timeouts,
}

impl Default for CascadeConfig {
    fn default() -> Self {
        Self {
            transcribers: Vec::new(),
            responders: Vec::new(),
            synthesizers: Vec::new(),
            codec: Codec::Pcmu,
            instructions: String::new(),
            first_message: None,
            filler: None,
            language: Language::ENGLISH,
            speakable: Speakable::default(),
            tools: Vec::new(),
            first_prompt: PromptId(0),
            timeouts: Timeouts::default(),
        }
    }
}

/// How long each stage may take; what is later has failed, and the next provider takes over.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Timeouts {
    /// From the end of the caller's turn to its last words; then what there is must do. Default 1.5 s.
    pub transcript: Duration,
    /// From asking for an answer to its first words. Default 3 s: a filler bridges it.
    pub first_token: Duration,
    /// From words of an answer to the next, or its end. Default 3 s.
    pub next_token: Duration,
    /// From asking for speech to its first audio. Default 2 s.
    pub first_audio: Duration,
    /// From audio to the next, or the end of its piece. Default 2 s.
    pub next_audio: Duration,
    /// From the end of the caller's turn, or the answer of the call, to the filler. Default 1.5 s.
    pub filler: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            transcript: Duration::from_millis(1_500),
            first_token: seconds(3),
            next_token: seconds(3),
            first_audio: seconds(2),
            next_audio: seconds(2),
            filler: Duration::from_millis(1_500),
        }
    }
}

/// One provider of a stage.
pub struct Member<T: ?Sized> {
    /// Its name in the configuration.
    pub provider: Arc<str>,
    /// What it is, or what makes one for a call.
    pub part: Arc<T>,
    /// Shared by all calls of the node.
    pub breaker: Arc<SharedBreaker>,
}

impl<T: ?Sized> Clone for Member<T> {
    fn clone(&self) -> Self {
        Self { provider: Arc::clone(&self.provider), part: Arc::clone(&self.part), breaker: Arc::clone(&self.breaker) }
    }
}

impl<T: ?Sized> fmt::Debug for Member<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.provider)
    }
}

/// Makes transcribers, one a call.
pub trait MakeTranscriber: Send + Sync {
    /// One for a leg that speaks `codec`.
    fn make(&self, codec: Codec) -> Box<dyn Transcriber>;
}

/// Makes synthesizers, one a call.
pub trait MakeSynthesizer: Send + Sync {
    /// One for a leg that speaks `codec`.
    fn make(&self, codec: Codec) -> Box<dyn Synthesizer>;

    /// What tells this voice from any other: provider, model, voice and settings; for the cache of speech.
    fn voice(&self) -> &str;
}
