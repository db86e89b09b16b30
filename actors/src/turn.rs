//! One turn as the AiSession reports it: what was said, and where its time went.

use std::time::{Duration, Instant};

use serde_json::json;
use store::{CallId, ProviderUsage, Role, Transcript, Turn, Usage, WallTime};

use crate::trace::Generation;

/// One turn of the conversation.
#[derive(Debug)]
pub struct TurnReport {
    /// Who spoke.
    pub role: Role,
    /// `engine` label of metrics: what spoke, or was spoken to.
    pub engine: &'static str,
    /// What was said, as far as anybody knows.
    pub text: Transcript,
    /// When the speech began and ended.
    pub spoken: (Instant, Instant),
    /// How much the caller heard of a prompt that was cut short.
    pub interrupted: Option<Duration>,
    /// When the first audio of a prompt came from the engine.
    pub first_audio: Option<Instant>,
    /// Where the response gap went; only on an agent's turn that answers the caller.
    pub waterfall: Option<Waterfall>,
    /// How the provider made it, as far as that is known.
    pub generation: Option<Generation>,
}

/// What a provider did since the last one; without a name it is the engine's only one.
#[derive(Debug)]
pub struct Counted {
    /// Tokens.
    pub tokens: Usage,
    /// By stage and provider.
    pub used: ProviderUsage,
}

impl Counted {
    pub(crate) fn new(provider: Option<&str>, stage: &str, usage: &ai::engine::Usage) -> Self {
        let used = ProviderUsage {
            stage: stage.to_owned(),
            provider: provider.unwrap_or_default().to_owned(),
            input_tokens: usage.input_text.saturating_add(usage.input_audio).saturating_add(usage.transcription),
            output_tokens: usage.output_text.saturating_add(usage.output_audio),
            characters: usage.characters,
            transcribed: usage.transcribed,
        };
        Self { tokens: tokens_of(usage), used }
    }
}

/// A response's counts as the record keeps them.
pub(crate) fn tokens_of(usage: &ai::engine::Usage) -> Usage {
    Usage {
        input_text_tokens: usage.input_text,
        input_audio_tokens: usage.input_audio,
        cached_tokens: usage.input_cached,
        output_text_tokens: usage.output_text,
        output_audio_tokens: usage.output_audio,
    }
}

/// The response gap of one turn, stage by stage. The stages sum to the gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waterfall {
    /// Caller's last speech to our decision that the turn is over.
    pub endpointing: Duration,
    /// That decision to the engine's first audio.
    pub engine: Duration,
    /// The engine's time, stage by stage; `None` of an engine without stages. They sum to it.
    pub stages: Option<EngineStages>,
    /// First audio in our hands to its first frame on the wire.
    pub sendout: Duration,
}

/// What an engine of three stages took, after the decision: what was done early took nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EngineStages {
    /// To the caller's last words.
    pub transcript: Duration,
    /// From there to the first words of the answer.
    pub first_token: Duration,
    /// From there to its first audio.
    pub first_audio: Duration,
}

impl Waterfall {
    /// Caller's last speech to the agent's first sent sample.
    pub fn response_gap(&self) -> Duration {
        self.endpointing + self.engine + self.sendout
    }
}

impl TurnReport {
    /// The row of the database.
    pub(crate) fn into_turn(self, call: CallId, number: u32) -> Turn {
        let (now, wall) = (Instant::now(), WallTime::now());
        let at = |then: Instant| {
            let ago = i64::try_from(now.saturating_duration_since(then).as_micros()).unwrap_or(0);
            WallTime::from_micros(wall.micros() - ago)
        };
        let timings = self.waterfall.map_or(serde_json::Value::Null, |waterfall| {
            let mut timings = json!({
                "endpointing_ms": waterfall.endpointing.as_millis(),
                "engine_ms": waterfall.engine.as_millis(),
                "sendout_ms": waterfall.sendout.as_millis(),
                "response_gap_ms": waterfall.response_gap().as_millis(),
            });
            if let Some(stages) = waterfall.stages {
                timings["transcript_ms"] = json!(stages.transcript.as_millis());
                timings["first_token_ms"] = json!(stages.first_token.as_millis());
                timings["first_audio_ms"] = json!(stages.first_audio.as_millis());
            }
            timings
        });
        Turn {
            call,
            number,
            role: self.role,
            text: self.text,
            started_at: at(self.spoken.0),
            ended_at: at(self.spoken.1),
            interrupted: self.interrupted,
            timings,
        }
    }
}
