//! What is known to be impossible before anything is asked: models of another stage, voices that a provider lacks, numbers out of its range.
//! What is unknown is left to the provider, which may have more than it had when this was written.

use super::{Account, ProviderKind, ResponderConfig, SynthesizerConfig, TranscriberConfig};
use crate::engine::EngineError;

/// What a model is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Purpose {
    /// Text to vectors.
    Embedder,
    /// Speech to speech.
    Realtime,
    /// Words to words.
    Responder,
    /// Words to speech.
    Synthesizer,
    /// Speech to words.
    Transcriber,
}

impl Purpose {
    fn name(self) -> &'static str {
        match self {
            Self::Embedder => "a model for embeddings",
            Self::Realtime => "a realtime model",
            Self::Responder => "a language model",
            Self::Synthesizer => "a voice",
            Self::Transcriber => "a transcriber",
        }
    }
}

/// How the names of a provider's models begin (`gpt-`), or what is in them (`*transcribe`), and what they are for. The first that fits counts.
const FAMILIES: &[(ProviderKind, &str, Purpose)] = &[
    (ProviderKind::Anthropic, "claude", Purpose::Responder),
    (ProviderKind::Cartesia, "ink", Purpose::Transcriber),
    (ProviderKind::Cartesia, "sonic", Purpose::Synthesizer),
    (ProviderKind::Deepgram, "aura", Purpose::Synthesizer),
    (ProviderKind::Deepgram, "base", Purpose::Transcriber),
    (ProviderKind::Deepgram, "enhanced", Purpose::Transcriber),
    (ProviderKind::Deepgram, "flux-general", Purpose::Transcriber),
    (ProviderKind::Deepgram, "flux", Purpose::Synthesizer),
    (ProviderKind::Deepgram, "nova", Purpose::Transcriber),
    (ProviderKind::Deepgram, "whisper", Purpose::Transcriber),
    (ProviderKind::ElevenLabs, "eleven", Purpose::Synthesizer),
    (ProviderKind::ElevenLabs, "scribe", Purpose::Transcriber),
    (ProviderKind::Groq, "distil-whisper", Purpose::Transcriber),
    (ProviderKind::Groq, "whisper", Purpose::Transcriber),
    (ProviderKind::Groq, "playai", Purpose::Synthesizer),
    (ProviderKind::Groq, "canopylabs/orpheus", Purpose::Synthesizer),
    (ProviderKind::Groq, "llama", Purpose::Responder),
    (ProviderKind::OpenAi, "*transcribe", Purpose::Transcriber),
    (ProviderKind::OpenAi, "*whisper", Purpose::Transcriber),
    (ProviderKind::OpenAi, "*realtime", Purpose::Realtime),
    (ProviderKind::OpenAi, "*tts", Purpose::Synthesizer),
    (ProviderKind::OpenAi, "*embedding", Purpose::Embedder),
    (ProviderKind::OpenAi, "gpt-", Purpose::Responder),
];

/// OpenAI's voices, of any of its models.
const VOICES: [&str; 13] =
    ["alloy", "ash", "coral", "echo", "sage", "shimmer", "ballad", "cedar", "marin", "verse", "fable", "nova", "onyx"];

/// Those that `tts-1` lacks.
const NEWER: [&str; 4] = ["ballad", "cedar", "marin", "verse"];

/// Those that speech to speech lacks.
const OLDER: [&str; 3] = ["fable", "nova", "onyx"];

/// What a model is for, where its name tells.
fn purpose(kind: ProviderKind, model: &str) -> Option<Purpose> {
    let fits = |name: &str| match name.strip_prefix('*') {
        Some(part) => model.contains(part),
        None => model.starts_with(name),
    };
    FAMILIES.iter().find(|(of, name, _)| *of == kind && fits(name)).map(|(.., purpose)| *purpose)
}

/// Refuses a model that is certainly for something else, and none at all.
///
/// # Errors
/// [`EngineError::Configuration`] of code `model`.
pub fn check_model(kind: ProviderKind, model: &str, wanted: Purpose) -> Result<(), EngineError> {
    if model.is_empty() {
        return Err(refusal("model", "no model is named".to_owned()));
    }
    match purpose(kind, model) {
        Some(is) if is != wanted => Err(refusal("model", format!("{model} is {}, not {}", is.name(), wanted.name()))),
        _ => Ok(()),
    }
}

/// Refuses a voice that OpenAI's speech to speech lacks. At any other address than OpenAI's own there may be others.
///
/// # Errors
/// [`EngineError::Configuration`] of code `voice`.
pub fn check_realtime_voice(own_address: bool, voice: &str) -> Result<(), EngineError> {
    let known: Vec<&str> = VOICES.into_iter().filter(|voice| !OLDER.contains(voice)).collect();
    let lacks = OLDER.contains(&voice) || (own_address && !known.contains(&voice) && !voice.starts_with("voice_"));
    if lacks { Err(unknown_voice("realtime", voice, &known)) } else { Ok(()) }
}

pub(super) fn transcriber(config: &TranscriberConfig) -> Result<(), EngineError> {
    let (kind, model) = (config.account.kind, config.model.as_str());
    check_model(kind, model, Purpose::Transcriber)?;
    if kind == ProviderKind::ElevenLabs && model.starts_with("scribe") && !model.contains("realtime") {
        return Err(refusal("model", format!("{model} takes whole files; scribe_v2_realtime hears a call")));
    }
    let foreign = config.language.as_deref().filter(|language| !language.starts_with("en"));
    match foreign {
        Some(language) if kind == ProviderKind::Deepgram && model == "flux-general-en" => {
            Err(refusal("language", format!("flux-general-en does not hear {language:?}; flux-general-multi may")))
        }
        _ => Ok(()),
    }
}

pub(super) fn responder(config: &ResponderConfig) -> Result<(), EngineError> {
    check_model(config.account.kind, &config.model, Purpose::Responder)?;
    match config.temperature {
        Some(temperature) if config.account.kind == ProviderKind::Anthropic && temperature > 1.0 => {
            Err(refusal("temperature", format!("{temperature} is above 1, the most that anthropic takes")))
        }
        _ => Ok(()),
    }
}

pub(super) fn synthesizer(config: &SynthesizerConfig) -> Result<(), EngineError> {
    let kind = config.account.kind;
    check_model(kind, &config.model, Purpose::Synthesizer)?;
    let (name, voice) = (kind.row().name, config.voice.as_str());
    match kind {
        ProviderKind::Deepgram if config.model.starts_with("flux") => {
            return Err(refusal("model", format!("{} is not spoken here; voices as aura-2-thalia-en are", config.model)));
        }
        ProviderKind::Deepgram if !voice.is_empty() => {
            return Err(refusal("voice", format!("a voice of {name} is named as its model, not as {voice:?}")));
        }
        ProviderKind::Deepgram => {}
        _ if voice.is_empty() => return Err(refusal("voice", "no voice is named".to_owned())),
        ProviderKind::OpenAi => check_voice(&config.account, &config.model, voice)?,
        _ => {}
    }
    let speeds = match kind {
        ProviderKind::Cartesia => 0.6..=1.5,
        ProviderKind::Deepgram => 0.7..=1.5,
        ProviderKind::ElevenLabs => 0.7..=1.2,
        _ => 0.25..=4.0,
    };
    match config.speed {
        Some(speed) if !speeds.contains(&speed) => {
            let reason = format!("{speed} is outside {}-{}, which {name} takes", speeds.start(), speeds.end());
            Err(refusal("speed", reason))
        }
        _ => Ok(()),
    }
}

/// At any other address than OpenAI's own there may be other voices.
fn check_voice(account: &Account, model: &str, voice: &str) -> Result<(), EngineError> {
    let first = model.starts_with("tts-1");
    let known: Vec<&str> = VOICES.into_iter().filter(|voice| !first || !NEWER.contains(voice)).collect();
    let own_address = account.base_url == account.kind.row().base_url;
    let lacks = (first && NEWER.contains(&voice)) || (own_address && !known.contains(&voice) && !voice.starts_with("voice_"));
    if lacks { Err(unknown_voice(model, voice, &known)) } else { Ok(()) }
}

fn unknown_voice(model: &str, voice: &str, known: &[&str]) -> EngineError {
    refusal("voice", format!("{model} has no voice {voice:?}; it has {}", known.join(", ")))
}

fn refusal(code: &str, message: String) -> EngineError {
    EngineError::Configuration { code: code.to_owned(), message }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vendor::PROVIDERS;
    use crate::vendor::script::account;

    fn told(result: Result<(), EngineError>) -> String {
        match result {
            Ok(()) => String::new(),
            Err(EngineError::Configuration { code, message }) => format!("{code}: {message}"),
            Err(other) => format!("{other:?}"),
        }
    }

    #[test]
    fn the_models_that_are_taken_by_default_are_for_their_stage() {
        for row in &PROVIDERS {
            let stages = [
                (row.transcriber, Purpose::Transcriber),
                (row.responder, Purpose::Responder),
                (row.synthesizer, Purpose::Synthesizer),
            ];
            for (model, wanted) in stages.into_iter().filter(|(model, _)| !model.is_empty()) {
                assert_eq!(told(check_model(row.kind, model, wanted)), "", "{}", row.name);
                let known = row.kind != ProviderKind::Compatible;
                assert_eq!(purpose(row.kind, model), known.then_some(wanted), "{} {model}", row.name);
            }
        }
    }

    #[test]
    fn a_model_of_another_stage_is_refused_and_an_unknown_one_is_not() {
        let check = |kind, model, wanted| told(check_model(kind, model, wanted));
        let wrong = check(ProviderKind::OpenAi, "gpt-4o-mini-tts", Purpose::Transcriber);
        assert_eq!(wrong, "model: gpt-4o-mini-tts is a voice, not a transcriber");
        assert!(!check(ProviderKind::OpenAi, "gpt-4.1", Purpose::Realtime).is_empty());
        assert!(!check(ProviderKind::OpenAi, "text-embedding-3-small", Purpose::Responder).is_empty());
        assert!(!check(ProviderKind::Deepgram, "flux-alexis-en", Purpose::Transcriber).is_empty());
        assert_eq!(check(ProviderKind::OpenAi, "gpt-realtime-whisper", Purpose::Transcriber), "");
        for wanted in [Purpose::Transcriber, Purpose::Responder, Purpose::Synthesizer] {
            assert_eq!(check(ProviderKind::Deepgram, "of-tomorrow", wanted), "");
            assert_eq!(check(ProviderKind::Compatible, "gpt-4o-mini-tts", wanted), "");
            assert_eq!(check(ProviderKind::OpenAi, "", wanted), "model: no model is named");
        }
    }

    #[test]
    fn a_voice_that_is_certainly_not_there_is_refused() {
        let check = |model: &str, voice: &str, base_url: Option<&str>| {
            let mut config = SynthesizerConfig { account: account(ProviderKind::OpenAi), ..ProviderKind::OpenAi.into() };
            (config.model, config.voice) = (model.to_owned(), voice.to_owned());
            base_url.into_iter().for_each(|url| config.account.base_url = url.to_owned());
            told(synthesizer(&config))
        };
        assert_eq!(check("gpt-4o-mini-tts", "marin", None), "");
        assert_eq!(check("gpt-4o-mini-tts", "voice_123", None), "");
        assert!(
            check("gpt-4o-mini-tts", "rachel", None)
                .starts_with("voice: gpt-4o-mini-tts has no voice \"rachel\"; it has alloy, ")
        );
        assert_eq!(check("gpt-4o-mini-tts", "rachel", Some("http://127.0.0.1:1/v1")), "");
        let older = "voice: tts-1 has no voice \"marin\"; it has alloy, ash, coral, echo, sage, shimmer, fable, nova, onyx";
        assert_eq!(check("tts-1", "marin", Some("http://127.0.0.1:1/v1")), older);
        assert_eq!(told(check_realtime_voice(true, "cedar")), "");
        assert!(told(check_realtime_voice(false, "onyx")).starts_with("voice: realtime has no voice \"onyx\"; it has alloy, "));
        assert!(!told(check_realtime_voice(true, "rachel")).is_empty());
        assert_eq!(told(check_realtime_voice(false, "rachel")), "");
    }

    #[test]
    fn what_a_provider_does_not_take_is_refused() {
        let mut claude = ResponderConfig { account: account(ProviderKind::Anthropic), ..ProviderKind::Anthropic.into() };
        claude.temperature = Some(1.5);
        assert_eq!(told(responder(&claude)), "temperature: 1.5 is above 1, the most that anthropic takes");
        let speed = |kind, speed| {
            told(synthesizer(&SynthesizerConfig { account: account(kind), speed: Some(speed), ..SynthesizerConfig::from(kind) }))
        };
        assert_eq!(speed(ProviderKind::ElevenLabs, 1.5), "speed: 1.5 is outside 0.7-1.2, which elevenlabs takes");
        assert_eq!((speed(ProviderKind::Cartesia, 1.5), speed(ProviderKind::OpenAi, 4.0)), (String::new(), String::new()));
        let hears = |kind, model: &str, language: &str| {
            let language = Some(language.to_owned());
            let config =
                TranscriberConfig { account: account(kind), model: model.to_owned(), language, ..TranscriberConfig::from(kind) };
            told(transcriber(&config))
        };
        let english = "language: flux-general-en does not hear \"de\"; flux-general-multi may";
        assert_eq!(hears(ProviderKind::Deepgram, "flux-general-en", "de"), english);
        assert_eq!(hears(ProviderKind::Deepgram, "flux-general-en", "en-GB"), "");
        assert_eq!(hears(ProviderKind::Deepgram, "flux-general-multi", "de"), "");
        assert!(hears(ProviderKind::ElevenLabs, "scribe_v1", "en").starts_with("model: scribe_v1 takes whole files"));
    }
}
