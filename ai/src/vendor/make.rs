//! Adapters from settings.

use std::sync::Arc;

use super::{Model, ProviderKind, ResponderApi, ResponderConfig, SynthesizerConfig, TranscriberConfig, fits};
use crate::engine::EngineError;
use crate::responder::Responder;
use crate::synthesizer::Synthesizer;
use crate::transcriber::Transcriber;
use crate::{anthropic, cartesia, deepgram, elevenlabs, openai};

/// A transcriber of one call.
///
/// # Errors
/// [`EngineError::Configuration`] when the provider has none, no model is named, or what is set cannot be; its code is `provider`, or what
/// is wrong: `model`, `voice`, `language`, `temperature`, `speed`. And what its first connection would say of URL and key.
pub fn transcriber(config: &TranscriberConfig) -> Result<Box<dyn Transcriber>, EngineError> {
    fits::transcriber(config)?;
    let config = config.clone();
    let transcriber: Box<dyn Transcriber> = match config.account.kind {
        ProviderKind::Anthropic => return Err(lacks(config.account.kind, "transcriber")),
        ProviderKind::Cartesia => Box::new(cartesia::ink::Ink::new(config)),
        ProviderKind::Deepgram if config.model.starts_with("flux") => Box::new(deepgram::flux::Flux::new(config)),
        ProviderKind::Deepgram => Box::new(deepgram::listen::Listen::new(config)),
        ProviderKind::ElevenLabs => Box::new(elevenlabs::scribe::Scribe::new(config)),
        ProviderKind::Compatible | ProviderKind::Groq | ProviderKind::OpenAi => {
            Box::new(openai::transcription::Transcription::new(config))
        }
    };
    transcriber.socket().map(|_| transcriber)
}

/// A responder, for all calls.
///
/// # Errors
/// As [`transcriber`].
pub fn responder(config: &ResponderConfig) -> Result<Arc<dyn Responder>, EngineError> {
    fits::responder(config)?;
    let config = config.clone();
    let kind = config.account.kind;
    let interface = match (config.api, kind) {
        (_, ProviderKind::Cartesia | ProviderKind::Deepgram | ProviderKind::ElevenLabs) => return Err(lacks(kind, "responder")),
        (ResponderApi::Messages, ProviderKind::Anthropic) => &anthropic::MESSAGES,
        (ResponderApi::Messages, _) | (_, ProviderKind::Anthropic) => return Err(lacks(kind, "such interface")),
        (ResponderApi::ChatCompletions, _) => &openai::chat::CHAT_COMPLETIONS,
        (ResponderApi::Responses, _) => &openai::responses::RESPONSES,
    };
    let responder = Arc::new(Model::new(config, interface));
    let nothing = crate::responder::Conversation { instructions: "", entries: &[], tools: &[], tool_choice: Default::default() };
    responder.request(&nothing)?;
    Ok(responder)
}

/// A synthesizer of one call.
///
/// # Errors
/// As [`transcriber`].
pub fn synthesizer(config: &SynthesizerConfig) -> Result<Box<dyn Synthesizer>, EngineError> {
    fits::synthesizer(config)?;
    let config = config.clone();
    let kind = config.account.kind;
    let synthesizer: Box<dyn Synthesizer> = match kind {
        ProviderKind::Anthropic | ProviderKind::Groq => return Err(lacks(kind, "synthesizer")),
        ProviderKind::Cartesia => Box::new(cartesia::sonic::Sonic::new(config)),
        ProviderKind::Deepgram => Box::new(deepgram::aura::Aura::new(config)),
        ProviderKind::ElevenLabs => Box::new(elevenlabs::speech::Speech::new(config)),
        ProviderKind::Compatible | ProviderKind::OpenAi => Box::new(openai::speech::Speech::new(config)),
    };
    synthesizer.request(&"a".into()).map(|_| synthesizer)
}

fn lacks(kind: ProviderKind, what: &str) -> EngineError {
    EngineError::Configuration { code: "provider".to_owned(), message: format!("{} has no {what} here", kind.row().name) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vendor::script::account;
    use crate::vendor::{Account, PROVIDERS};

    fn of(kind: ProviderKind) -> Account {
        let account = account(kind);
        match kind {
            ProviderKind::Compatible => Account { base_url: "http://127.0.0.1:1/v1".into(), ..account },
            _ => account,
        }
    }

    #[test]
    fn every_provider_makes_what_its_row_says() {
        let mut told = Vec::new();
        for row in &PROVIDERS {
            let account = of(row.kind);
            let hears = transcriber(&TranscriberConfig { account: account.clone(), ..row.kind.into() });
            assert_eq!(hears.is_ok(), !row.transcriber.is_empty(), "{}", row.name);
            let answers = responder(&ResponderConfig { account: account.clone(), ..row.kind.into() });
            assert_eq!(answers.is_ok(), !row.responder.is_empty(), "{}", row.name);
            let speaks = synthesizer(&SynthesizerConfig { account: account.clone(), ..row.kind.into() });
            assert_eq!(speaks.is_ok(), !row.synthesizer.is_empty(), "{}", row.name);
            let intake = hears.map(|hears| format!("{:?}", hears.intake())).unwrap_or_default();
            let format = speaks.map(|speaks| format!("{:?}", speaks.format())).unwrap_or_default();
            told.push(format!("{} {intake} {} {format}", row.name, answers.is_ok()));
        }
        assert_eq!(
            told.join("\n"),
            "anthropic  true \ncartesia Continuous false Telephone(Pcmu)\ncompatible Utterances false Pcm(SampleRate(24000))\n\
             deepgram Turns false Telephone(Pcmu)\nelevenlabs Turns false Telephone(Pcmu)\ngroq Utterances true \n\
             openai Utterances true Pcm(SampleRate(24000))"
        );
    }

    #[test]
    fn what_cannot_be_is_told_before_a_call() {
        let mut config = ResponderConfig::from(ProviderKind::Compatible);
        let told = |config: &ResponderConfig| responder(config).err().map(|error| error.to_string()).unwrap_or_default();
        assert_eq!(told(&config), "provider refuses the configuration (model): no model is named");
        config.model = "m".to_owned();
        assert_eq!(told(&config), "base url : has no scheme");
        config.account.base_url = "http://h/v1".to_owned();
        assert_eq!(told(&config), "");
        config.api = ResponderApi::Messages;
        assert_eq!(told(&config), "provider refuses the configuration (provider): compatible has no such interface here");
        let keyless = TranscriberConfig::from(ProviderKind::Deepgram);
        assert_eq!(transcriber(&keyless).err().map(|error| error.kind()), Some("key"));
        let mut voiceless = SynthesizerConfig { account: of(ProviderKind::Cartesia), ..ProviderKind::Cartesia.into() };
        voiceless.voice.clear();
        assert_eq!(synthesizer(&voiceless).err().map(|error| error.kind()), Some("configuration"));
        let flux = TranscriberConfig {
            account: of(ProviderKind::Deepgram),
            model: "flux-general-en".into(),
            ..ProviderKind::Deepgram.into()
        };
        assert_eq!(transcriber(&flux).map(|flux| flux.intake()).ok(), Some(crate::transcriber::Intake::Continuous));
    }
}
