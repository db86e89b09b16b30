//! The providers there are: where each is, what it can do, and adapters made from plain settings.

mod account;
mod config;
mod fits;
mod make;
mod model;
mod pieces;
#[cfg(test)]
pub(crate) mod script;
pub mod trial;
mod turns;

pub use self::account::Account;
pub(crate) use self::account::{Query, by_status, fault};
pub use self::config::{ResponderApi, ResponderConfig, SynthesizerConfig, TranscriberConfig};
pub use self::fits::{Purpose, check_model, check_realtime_voice};
pub use self::make::{responder, synthesizer, transcriber};
pub(crate) use self::model::{Interface, Model};
pub(crate) use self::pieces::{Chunker, TurnWords, decoded, of_request, read, text, wav};
pub(crate) use self::turns::{Calls, Turn, turns};

/// A provider, or a way to speak that several share.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ProviderKind {
    /// Claude: the Messages API.
    Anthropic,
    /// Sonic speaks, Ink writes down.
    Cartesia,
    /// Any server that speaks as OpenAI's do: vLLM, Ollama, llama.cpp, a gateway.
    Compatible,
    /// Nova and Flux write down, Aura speaks.
    Deepgram,
    /// Speech, and Scribe writes down.
    ElevenLabs,
    /// Fast models behind OpenAI's API.
    Groq,
    /// Realtime, Responses, Chat Completions, transcription, speech.
    OpenAi,
}

/// What there is to know of a provider.
#[derive(Debug)]
pub struct ProviderRow {
    /// The provider this row describes.
    pub kind: ProviderKind,
    /// Its name in a configuration.
    pub name: &'static str,
    /// Where it is; empty: has to be told.
    pub base_url: &'static str,
    /// The environment variable of its key.
    pub key_variable: &'static str,
    /// Whether it can be used without a key.
    pub keyless: bool,
    /// The version of its API that the adapters are written for, sent with every request; empty: it has none.
    pub api_version: &'static str,
    /// The model that writes down what the caller says; empty: it has none.
    pub transcriber: &'static str,
    /// The model that answers; empty: it has none, or has to be told.
    pub responder: &'static str,
    /// The model that speaks; empty: it has none.
    pub synthesizer: &'static str,
    /// Whose voice; empty where the model is the voice.
    pub voice: &'static str,
    auth: Auth,
    version_header: &'static str,
}

/// How a key is sent.
#[derive(Clone, Copy, Debug)]
enum Auth {
    /// In a header of its own.
    Bare(&'static str),
    /// As `authorization`, after a scheme.
    Scheme(&'static str),
}

/// Every provider, one row each.
pub static PROVIDERS: [ProviderRow; 7] = [
    ProviderRow {
        kind: ProviderKind::Anthropic,
        name: "anthropic",
        base_url: "https://api.anthropic.com",
        key_variable: "ANTHROPIC_API_KEY",
        keyless: false,
        api_version: "2023-06-01",
        transcriber: "",
        responder: "claude-haiku-4-5",
        synthesizer: "",
        voice: "",
        auth: Auth::Bare("x-api-key"),
        version_header: "anthropic-version",
    },
    ProviderRow {
        kind: ProviderKind::Cartesia,
        name: "cartesia",
        base_url: "https://api.cartesia.ai",
        key_variable: "CARTESIA_API_KEY",
        keyless: false,
        api_version: "2026-03-01",
        transcriber: "ink-2",
        responder: "",
        synthesizer: "sonic-3",
        voice: "f786b574-daa5-4673-aa0c-cbe3e8534c02",
        auth: Auth::Bare("x-api-key"),
        version_header: "cartesia-version",
    },
    ProviderRow {
        kind: ProviderKind::Compatible,
        name: "compatible",
        base_url: "",
        key_variable: "COMPATIBLE_API_KEY",
        keyless: true,
        api_version: "",
        transcriber: "whisper-1",
        responder: "",
        synthesizer: "tts-1",
        voice: "alloy",
        auth: Auth::Scheme("Bearer"),
        version_header: "",
    },
    ProviderRow {
        kind: ProviderKind::Deepgram,
        name: "deepgram",
        base_url: "https://api.deepgram.com",
        key_variable: "DEEPGRAM_API_KEY",
        keyless: false,
        api_version: "",
        transcriber: "nova-3",
        responder: "",
        synthesizer: "aura-2-thalia-en",
        voice: "",
        auth: Auth::Scheme("Token"),
        version_header: "",
    },
    ProviderRow {
        kind: ProviderKind::ElevenLabs,
        name: "elevenlabs",
        base_url: "https://api.elevenlabs.io",
        key_variable: "ELEVENLABS_API_KEY",
        keyless: false,
        api_version: "",
        transcriber: "scribe_v2_realtime",
        responder: "",
        synthesizer: "eleven_flash_v2_5",
        voice: "21m00Tcm4TlvDq8ikWAM",
        auth: Auth::Bare("xi-api-key"),
        version_header: "",
    },
    ProviderRow {
        kind: ProviderKind::Groq,
        name: "groq",
        base_url: "https://api.groq.com/openai/v1",
        key_variable: "GROQ_API_KEY",
        keyless: false,
        api_version: "",
        transcriber: "whisper-large-v3-turbo",
        responder: "llama-3.3-70b-versatile",
        synthesizer: "",
        voice: "",
        auth: Auth::Scheme("Bearer"),
        version_header: "",
    },
    ProviderRow {
        kind: ProviderKind::OpenAi,
        name: "openai",
        base_url: "https://api.openai.com/v1",
        key_variable: "OPENAI_API_KEY",
        keyless: false,
        api_version: "",
        transcriber: "gpt-4o-mini-transcribe",
        responder: "gpt-4.1-mini",
        synthesizer: "gpt-4o-mini-tts",
        voice: "marin",
        auth: Auth::Scheme("Bearer"),
        version_header: "",
    },
];

impl ProviderKind {
    /// This provider's row.
    pub fn row(self) -> &'static ProviderRow {
        let row = PROVIDERS.iter().find(|row| row.kind == self);
        row.expect("every kind has a row")
    }

    /// The provider of a name in a configuration.
    pub fn named(name: &str) -> Option<Self> {
        PROVIDERS.iter().find(|row| row.name == name).map(|row| row.kind)
    }
}
