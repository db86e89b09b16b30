//! The providers that are simulated, and where each is found.

use std::fmt;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// A provider.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// Messages API.
    Anthropic,
    /// Sonic and Ink.
    Cartesia,
    /// Listen, Flux and Aura.
    Deepgram,
    /// Text to speech and Scribe.
    #[value(name = "elevenlabs")]
    ElevenLabs,
    /// OpenAI's protocols under `/openai/v1`, with Groq's extras.
    Groq,
    /// Realtime, Chat Completions, Responses, audio and embeddings; any compatible server too.
    #[value(name = "openai")]
    OpenAi,
    /// Usage, and links to its customer portal.
    Stripe,
}

impl Provider {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Anthropic, Self::Cartesia, Self::Deepgram, Self::ElevenLabs, Self::Groq, Self::OpenAi, Self::Stripe];

    /// What the provider's documentation has in its base URL after the host.
    pub fn base_path(self) -> &'static str {
        match self {
            Self::OpenAi => "/v1",
            Self::Groq => "/openai/v1",
            Self::Anthropic | Self::Cartesia | Self::Deepgram | Self::ElevenLabs | Self::Stripe => "",
        }
    }

    /// Its name as in scripts and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::Cartesia => "cartesia",
            Self::Deepgram => "deepgram",
            Self::ElevenLabs => "elevenlabs",
            Self::Groq => "groq",
            Self::OpenAi => "openai",
            Self::Stripe => "stripe",
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
