//! What a Realtime session is told, and how long it waits.

use std::time::Duration;

use media::codec::Codec;
use media::sendout::PromptId;

use crate::openai::RealtimeEndpoint;
use crate::tools::Tool;

/// Settings of one [`RealtimeSession`](super::RealtimeSession).
#[derive(Clone, Debug)]
pub struct RealtimeConfig {
    /// Where and as whom to connect, and the model.
    pub endpoint: RealtimeEndpoint,
    /// What the leg speaks; audio passes through untranscoded, both ways.
    pub codec: Codec,
    /// The system prompt.
    pub instructions: String,
    /// What the agent says first, word for word; `None` waits for the caller.
    pub first_message: Option<String>,
    /// A voice of the provider, as `marin`; cannot change once the agent has spoken.
    pub voice: String,
    /// How fast it speaks: a factor, 0.25 to 1.5; default 1.
    pub speed: f32,
    /// How the caller's words are written down; `None` keeps no transcript of them.
    pub transcription: Option<Transcription>,
    /// Who decides whose turn it is.
    pub turn_detection: TurnDetection,
    /// What the model may call.
    pub tools: Vec<Tool>,
    /// The first prompt to use; above all of an engine before this one.
    pub first_prompt: PromptId,
    /// From `response.create` to the first audio, and from each piece of audio to the next or the end; the session fails when it is late.
    /// Default 8 s.
    pub first_audio_timeout: Duration,
}

/// How the caller's words are written down.
#[derive(Clone, Debug)]
pub struct Transcription {
    /// Model, as `gpt-4o-mini-transcribe`.
    pub model: String,
    /// ISO 639-1; `None` lets the model guess.
    pub language: Option<String>,
}

/// Who decides whose turn it is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum TurnDetection {
    /// `media::turn`, here: the provider's own detection is switched off.
    #[default]
    Local,
}

impl Default for RealtimeConfig {
    fn default() -> Self {
        Self {
            endpoint: RealtimeEndpoint::default(),
            codec: Codec::Pcmu,
            instructions: String::new(),
            first_message: None,
            voice: "marin".to_owned(),
            speed: 1.0,
            transcription: Some(Transcription { model: "gpt-4o-mini-transcribe".to_owned(), language: None }),
            turn_detection: TurnDetection::Local,
            tools: Vec::new(),
            first_prompt: PromptId(0),
            first_audio_timeout: Duration::from_secs(8),
        }
    }
}
