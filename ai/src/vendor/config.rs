//! What can be set of an adapter; plain structs, made from whatever the configuration is written in.

use std::time::Duration;

use media::codec::Codec;

use super::{Account, ProviderKind};

/// Settings of a responder.
#[derive(Clone, Debug)]
pub struct ResponderConfig {
    /// Where, and as whom.
    pub account: Account,
    /// Which of the provider's interfaces is spoken. Default: OpenAI's Responses, Anthropic's Messages, else Chat Completions.
    pub api: ResponderApi,
    /// As the provider names it. Default: its kind's; a compatible server has none.
    pub model: String,
    /// 0 to 2, Anthropic's to 1; `None` leaves it to the provider: some models refuse any. Default `None`.
    pub temperature: Option<f32>,
    /// The longest answer, thinking included. 1 or more; default 1,024.
    pub max_tokens: u32,
    /// `none`, `minimal`, `low`, `medium`, `high` as the model knows them; default `None`: not sent.
    pub reasoning_effort: Option<String>,
    /// Whether the longest answer is told as `max_completion_tokens`, or as `max_tokens` as older servers know it. Default: true of
    /// OpenAI and Groq. Of Chat Completions only.
    pub completion_tokens: bool,
    /// Whether usage is asked for by `stream_options`. Default: true of OpenAI; Groq tells it anyway, and others may refuse the field.
    pub include_usage: bool,
}

/// How a language model is spoken to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ResponderApi {
    /// `/chat/completions`, of OpenAI and many others.
    ChatCompletions,
    /// `/v1/messages`, of Anthropic.
    Messages,
    /// `/responses`, of OpenAI.
    Responses,
}

impl From<ProviderKind> for ResponderConfig {
    fn from(kind: ProviderKind) -> Self {
        let api = match kind {
            ProviderKind::Anthropic => ResponderApi::Messages,
            ProviderKind::OpenAi => ResponderApi::Responses,
            _ => ResponderApi::ChatCompletions,
        };
        Self {
            account: Account::from(kind),
            api,
            model: kind.row().responder.to_owned(),
            temperature: None,
            max_tokens: 1_024,
            reasoning_effort: None,
            completion_tokens: matches!(kind, ProviderKind::OpenAi | ProviderKind::Groq),
            include_usage: kind == ProviderKind::OpenAi,
        }
    }
}

/// Settings of a transcriber.
#[derive(Clone, Debug)]
pub struct TranscriberConfig {
    /// Where, and as whom.
    pub account: Account,
    /// What the leg speaks; asked of the provider as it is.
    pub codec: Codec,
    /// As the provider names it; a Deepgram model that begins with `flux` finds turns by itself. Default: its kind's.
    pub model: String,
    /// As the provider writes it, `en` or `en-US`; `None` lets it guess, or take its default. Default `None`.
    pub language: Option<String>,
    /// Words that callers are likely to say: names, products. Up to 100; default none.
    pub keyterms: Vec<String>,
    /// Of OpenAI and Groq: what the audio is about, up to 224 tokens. Default `None`.
    pub prompt: Option<String>,
    /// Of Deepgram's `listen`: the silence after which words are made final, 10 ms to 5 s; `None` waits for the end of the turn.
    /// Default 300 ms.
    pub endpointing: Option<Duration>,
    /// Of Deepgram's `listen`: dates, amounts and the like as they are written. Default false.
    pub smart_format: bool,
    /// Of Flux and Ink: how sure the provider must be that the turn is over. Flux 0.5 to 0.9, Ink 0.05 to 0.5 (the lower the surer);
    /// `None` is its default: 0.7, 0.2.
    pub end_of_turn: Option<f32>,
    /// Of Flux and Ink: how sure it must be for an early end, which lets the model begin. Flux 0.3 to 0.9, `None`: no early end. Ink 0.3 to
    /// 0.6, `None`: 0.4. Default `None`.
    pub eager_end: Option<f32>,
    /// Of Flux and Ink: the silence after which a turn is over in any case. Flux 0.5 to 10 s, Ink 0.64 to 11.2 s; `None` is its default:
    /// 5 s, 5.6 s.
    pub end_timeout: Option<Duration>,
}

impl From<ProviderKind> for TranscriberConfig {
    fn from(kind: ProviderKind) -> Self {
        Self {
            account: Account::from(kind),
            codec: Codec::Pcmu,
            model: kind.row().transcriber.to_owned(),
            language: None,
            keyterms: Vec::new(),
            prompt: None,
            endpointing: Some(Duration::from_millis(300)),
            smart_format: false,
            end_of_turn: None,
            eager_end: None,
            end_timeout: None,
        }
    }
}

/// Settings of a synthesizer.
#[derive(Clone, Debug)]
pub struct SynthesizerConfig {
    /// Where, and as whom.
    pub account: Account,
    /// What the leg speaks; asked of a provider that has it.
    pub codec: Codec,
    /// As the provider names it. Default: its kind's.
    pub model: String,
    /// As the provider names it. Default: its kind's; a Deepgram model is a voice.
    pub voice: String,
    /// As `en`; `None` lets the provider guess. ElevenLabs and Cartesia. Default `None`.
    pub language: Option<String>,
    /// 1.0 is natural. ElevenLabs 0.7 to 1.2, Cartesia 0.6 to 1.5, OpenAI 0.25 to 4, Deepgram 0.7 to 1.5. Default `None`: not sent.
    pub speed: Option<f32>,
    /// Of ElevenLabs, 0 to 1. Default `None`: the voice's own.
    pub stability: Option<f32>,
    /// Of ElevenLabs, 0 to 1. Default `None`: the voice's own.
    pub similarity: Option<f32>,
    /// Of ElevenLabs, 0 to 1. Default `None`: the voice's own.
    pub style: Option<f32>,
    /// Of Cartesia, 0.5 to 2. Default `None`: not sent.
    pub volume: Option<f32>,
    /// Of Cartesia, as `neutral`. Default `None`: not sent.
    pub emotion: Option<String>,
    /// Of OpenAI: how to speak, up to 4,096 characters. Default `None`.
    pub instructions: Option<String>,
}

impl From<ProviderKind> for SynthesizerConfig {
    fn from(kind: ProviderKind) -> Self {
        Self {
            account: Account::from(kind),
            codec: Codec::Pcmu,
            model: kind.row().synthesizer.to_owned(),
            voice: kind.row().voice.to_owned(),
            language: None,
            speed: None,
            stability: None,
            similarity: None,
            style: None,
            volume: None,
            emotion: None,
            instructions: None,
        }
    }
}

impl SynthesizerConfig {
    /// All that makes its speech what it is: the same text in the same voice sounds the same, in any call.
    pub fn identity(&self) -> String {
        let Self { account, codec, model, voice, language, speed, stability, similarity, style, volume, emotion, instructions } =
            self;
        let numbers = (speed, stability, similarity, style, volume);
        let texts = (model, voice, language, emotion, instructions);
        format!("{} {} {codec:?} {texts:?} {numbers:?}", account.kind.row().name, account.base_url)
    }
}
