//! Why an engine failed, and whose fault it is.

use std::time::Duration;

/// Who can mend it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// The way between.
    Network,
    /// Whoever runs this node: a key, a bill, a setting, a missing program.
    Operator,
    /// The provider.
    Provider,
}

/// What was waited for when time ran out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stage {
    /// The socket to open.
    Connect,
    /// The first audio of a response.
    FirstAudio,
    /// The first words of an answer.
    FirstToken,
    /// More audio of a response that has begun, or its end.
    NextAudio,
    /// More words of an answer that has begun, or its end.
    NextToken,
    /// The words of a turn that is over.
    Transcript,
    /// The provider to take what was sent.
    Write,
}

/// Why an engine failed or stumbled. Ours is a panic.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// Network: the connection ended; with a code when the peer said so.
    #[error("connection closed ({}): {reason}", code.map_or_else(|| "no code".to_owned(), |code| code.to_string()))]
    Closed {
        /// WebSocket close code (RFC 6455 §7.4).
        code: Option<u16>,
        /// What came with it, cut to a line.
        reason: String,
    },
    /// Provider: none is left for a stage; each one's own failure was told before.
    #[error("no {stage} provider is left")]
    Exhausted {
        /// The stage.
        stage: &'static str,
    },
    /// Operator: the provider refuses what it was asked for: model, voice, tools.
    #[error("provider refuses the configuration ({code}): {message}")]
    Configuration {
        /// The provider's code, or the HTTP status.
        code: String,
        /// What the provider says, cut to a line.
        message: String,
    },
    /// Network: nothing came back for so long that the connection must be dead.
    #[error("no answer to a ping for {} s", silent.as_secs())]
    HalfOpen {
        /// How long nothing came.
        silent: Duration,
    },
    /// Operator: the key is missing, wrong or not allowed to do this.
    #[error("provider refuses the key ({code})")]
    Key {
        /// The provider's code, or the HTTP status.
        code: String,
    },
    /// The network's (connect, write) or the provider's (first audio): time ran out.
    #[error("{stage:?} took longer than {} ms", limit.as_millis())]
    Late {
        /// What was waited for.
        stage: Stage,
        /// For how long.
        limit: Duration,
    },
    /// Provider: it was not asked, since it failed in other calls, or asked to be left alone.
    #[error("left alone for {} ms more after failures", wait.as_millis())]
    LeftAlone {
        /// For how long, as far as is known.
        wait: Duration,
    },
    /// Network: the connection could not be made, or broke.
    #[error("connection failed: {reason}")]
    Network {
        /// What the system says.
        reason: String,
    },
    /// Provider: it is down or overloaded.
    #[error("provider is unavailable (http {status})")]
    Overloaded {
        /// HTTP status, 500 or above.
        status: u16,
    },
    /// Provider: it broke its own protocol.
    #[error("provider broke the protocol: {reason}")]
    Protocol {
        /// How.
        reason: String,
    },
    /// Operator: the account has no credit or was closed.
    #[error("provider account cannot pay ({code})")]
    Quota {
        /// The provider's code.
        code: String,
    },
    /// Provider: too many requests at once.
    #[error("provider limits the rate")]
    RateLimited {
        /// When to come back, where it said so.
        retry_after: Option<Duration>,
    },
    /// Provider: it reported an error of its own.
    #[error("provider failed ({code}): {message}")]
    Reported {
        /// The provider's code.
        code: String,
        /// What the provider says, cut to a line.
        message: String,
    },
    /// Provider: the session reached its longest duration.
    #[error("provider session expired")]
    SessionExpired,
    /// Operator: the local speech synthesizer is missing or failed.
    #[error("speech synthesizer failed: {reason}")]
    Synthesizer {
        /// What went wrong.
        reason: String,
    },
    /// Provider: the caller's words could not be transcribed; the answer is not touched by it.
    #[error("transcription failed ({code})")]
    Transcription {
        /// The provider's code.
        code: String,
    },
    /// Operator: the provider's base URL cannot be used.
    #[error("base url {url}: {reason}")]
    Url {
        /// The URL.
        url: String,
        /// Why not.
        reason: &'static str,
    },
}

impl EngineError {
    /// Label for metrics: one short word or two, from a fixed set.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Closed { .. } => "closed",
            Self::Configuration { .. } => "configuration",
            Self::Exhausted { .. } => "exhausted",
            Self::HalfOpen { .. } => "half_open",
            Self::Key { .. } => "key",
            Self::Late { stage: Stage::Connect, .. } => "connect_timeout",
            Self::Late { stage: Stage::FirstAudio, .. } => "first_audio_timeout",
            Self::Late { stage: Stage::FirstToken, .. } => "first_token_timeout",
            Self::Late { stage: Stage::NextAudio, .. } => "next_audio_timeout",
            Self::Late { stage: Stage::NextToken, .. } => "next_token_timeout",
            Self::Late { stage: Stage::Transcript, .. } => "transcript_timeout",
            Self::Late { stage: Stage::Write, .. } => "write_timeout",
            Self::LeftAlone { .. } => "left_alone",
            Self::Network { .. } => "network",
            Self::Overloaded { .. } => "overloaded",
            Self::Protocol { .. } => "protocol",
            Self::Quota { .. } => "quota",
            Self::RateLimited { .. } => "rate_limited",
            Self::Reported { .. } => "reported",
            Self::SessionExpired => "session_expired",
            Self::Synthesizer { .. } => "synthesizer",
            Self::Transcription { .. } => "transcription",
            Self::Url { .. } => "url",
        }
    }

    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Closed { .. } | Self::HalfOpen { .. } | Self::Network { .. } => Fault::Network,
            Self::Late { stage: Stage::Connect | Stage::Write, .. } => Fault::Network,
            Self::Configuration { .. } | Self::Key { .. } | Self::Quota { .. } | Self::Synthesizer { .. } | Self::Url { .. } => {
                Fault::Operator
            }
            Self::Late { .. }
            | Self::Exhausted { .. }
            | Self::LeftAlone { .. }
            | Self::Overloaded { .. }
            | Self::Protocol { .. }
            | Self::RateLimited { .. }
            | Self::Reported { .. }
            | Self::SessionExpired
            | Self::Transcription { .. } => Fault::Provider,
        }
    }

    /// Whether the same may work in a moment. What only the operator can mend does not, and what was late has already
    /// kept the caller waiting.
    pub fn is_temporary(&self) -> bool {
        self.fault() != Fault::Operator
            && !matches!(self, Self::Exhausted { .. })
            && !matches!(self, Self::Late { stage, .. } if *stage != Stage::Write)
    }
}

#[cfg(test)]
mod tests;
