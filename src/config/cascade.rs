//! An assistant's cascade: who writes down, who answers, who speaks, and who takes over from them.

use std::collections::BTreeMap;
use std::time::Duration;

use ai::engine::EngineError;
use ai::vendor::{self, Account, ResponderConfig, SynthesizerConfig, TranscriberConfig};

use super::assistant::{VoiceConfig, spoken};
use super::reader::Section;
use super::services::{DEFAULT_PROVIDER, ProviderConfig, ProviderKind};

const FILLER: &str = "One moment.";
const MAX_TOKENS: u32 = 1_024;
/// The voice of the default provider, which means nothing to others.
pub(super) const DEFAULT_VOICE: &str = "marin";
/// As many as the most that a provider takes.
const KEYWORDS_MAX: usize = 100;
/// Four times what a prompt needs; each is looked for in every piece of speech.
const PRONUNCIATIONS_MAX: usize = 200;

/// What an assistant's cascade is made of; used by engine kind `cascade`.
#[derive(Clone, Debug, PartialEq)]
pub struct CascadeConfig {
    /// Who writes down the caller's words, best first; at least one.
    pub transcribers: Vec<PartConfig>,
    /// Who answers.
    pub models: Vec<PartConfig>,
    /// Who speaks.
    pub voices: Vec<PartConfig>,
    /// The caller's language, as the providers write it; `None` lets them guess.
    pub language: Option<String>,
    /// Words that callers are likely to say.
    pub keywords: Vec<String>,
    /// How inventive the model is; `None`: as the provider has it.
    pub temperature: Option<f64>,
    /// The longest answer, in tokens.
    pub max_tokens: u32,
    /// How the voice speaks, where its provider knows such a setting.
    pub settings: VoiceSettings,
    /// Words, and how they are said.
    pub pronunciations: Vec<(String, String)>,
    /// Said when an answer is late; `None` (written ""): nothing.
    pub filler: Option<String>,
    /// How long each stage may take.
    pub timeouts: TimeoutsConfig,
}

/// One provider of a stage.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PartConfig {
    /// A name in `providers`.
    pub provider: String,
    /// As the provider names it; empty: its own default.
    pub model: String,
    /// Of a voice; empty: the provider's own default.
    pub voice: String,
    /// Its row in `[[assistants.fallback]]`; `None`: it has the stage's own section.
    pub row: Option<usize>,
}

/// `[assistants.voice.settings]`; `None` is the provider's own.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct VoiceSettings {
    /// 1.0 is natural; 0.25-4.
    pub speed: Option<f64>,
    /// Of ElevenLabs, 0-1.
    pub stability: Option<f64>,
    /// Of ElevenLabs, 0-1.
    pub similarity: Option<f64>,
    /// Of ElevenLabs, 0-1.
    pub style: Option<f64>,
}

/// How long each stage may take before the next provider takes over.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TimeoutsConfig {
    /// Of the caller's last words after the turn.
    pub transcript: Duration,
    /// Of the first words of an answer, and of each further ones.
    pub token: Duration,
    /// Of the first speech of a text, and of each further piece.
    pub audio: Duration,
    /// Until the filler.
    pub filler: Duration,
}

/// What a fallback is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    Model,
    Transcriber,
    Voice,
}

impl Stage {
    /// Its section.
    fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Transcriber => "transcriber",
            Self::Voice => "voice",
        }
    }
}

/// The key of an assistant that holds what is wrong with a provider of a stage.
fn key(stage: Stage, part: &PartConfig, what: &str) -> String {
    match (what, part.row) {
        // What is set once for all of a stage.
        ("language", _) => "transcriber.language".to_owned(),
        ("speed", _) => "voice.settings.speed".to_owned(),
        ("temperature", _) => "model.temperature".to_owned(),
        ("voice", None) => "voice.voice_id".to_owned(),
        ("voice", Some(row)) => format!("fallback[{row}].voice_id"),
        ("model", None) if stage == Stage::Model => "model.name".to_owned(),
        (what, None) => format!("{}.{what}", stage.name()),
        (what, Some(row)) => format!("fallback[{row}].{what}"),
    }
}

/// Reads the sections of a cascade out of an assistant's.
pub(super) fn read_cascade(assistant: &mut Section<'_>, voice: &VoiceConfig, language: &str) -> CascadeConfig {
    let mut section = assistant.section("transcriber");
    let transcriber = PartConfig {
        provider: section.text("provider", DEFAULT_PROVIDER),
        model: section.free_text("model", ""),
        voice: String::new(),
        row: None,
    };
    let own = section.free_text("language", "");
    let language = if own.is_empty() { language.to_owned() } else { own };
    let keywords = section.texts("keywords", &[]);
    if keywords.iter().any(String::is_empty) {
        section.refuse("keywords", "has an empty text");
    } else if keywords.len() > KEYWORDS_MAX {
        section.refuse("keywords", format!("{} are more than {KEYWORDS_MAX}", keywords.len()));
    }
    section.finish();
    let mut section = assistant.section("model");
    let model = PartConfig {
        provider: section.text("provider", DEFAULT_PROVIDER),
        model: section.free_text("name", ""),
        voice: String::new(),
        row: None,
    };
    let temperature = section.optional_number("temperature", 0.0..=2.0);
    let max_tokens = section.integer("max_tokens", MAX_TOKENS, 16..=32_768);
    section.finish();
    let mut cascade = CascadeConfig {
        transcribers: vec![transcriber],
        models: vec![model],
        voices: vec![PartConfig {
            provider: voice.provider.clone(),
            model: voice.model.clone(),
            voice: voice.voice_id.clone(),
            row: None,
        }],
        language: Some(language).filter(|code| !code.is_empty()),
        keywords,
        temperature,
        max_tokens,
        settings: voice.settings,
        pronunciations: read_pronunciations(assistant.section("pronunciations")),
        filler: None,
        timeouts: read_timeouts(assistant.section("timeouts")),
    };
    cascade.filler = Some(assistant.parsed("filler", FILLER.to_owned(), spoken)).filter(|text| !text.is_empty());
    read_fallbacks(assistant, &mut cascade);
    cascade
}

fn read_timeouts(mut section: Section<'_>) -> TimeoutsConfig {
    let ms = Duration::from_millis;
    let timeouts = TimeoutsConfig {
        transcript: section.millis("transcript_ms", ms(1_500), 200..=10_000),
        token: section.millis("token_ms", ms(3_000), 200..=60_000),
        audio: section.millis("audio_ms", ms(2_000), 200..=60_000),
        filler: section.millis("filler_after_ms", ms(1_500), 200..=10_000),
    };
    section.finish();
    timeouts
}

fn read_pronunciations(mut section: Section<'_>) -> Vec<(String, String)> {
    let names = section.names();
    if let Some(name) = names.get(PRONUNCIATIONS_MAX) {
        section.refuse(name, format!("there are more than {PRONUNCIATIONS_MAX}"));
    }
    let read = names.iter().map(|word| (word.clone(), section.text(word, ""))).collect();
    section.finish();
    read
}

/// `[[assistants.fallback]]`: who takes over, in order.
fn read_fallbacks(assistant: &mut Section<'_>, cascade: &mut CascadeConfig) {
    let stages = [("transcriber", Stage::Transcriber), ("model", Stage::Model), ("voice", Stage::Voice)];
    for (index, table) in assistant.tables("fallback").unwrap_or_default().into_iter().enumerate() {
        let mut row = assistant.row("fallback", index, table);
        for key in ["stage", "provider"].into_iter().filter(|key| !row.has(key)).collect::<Vec<_>>() {
            row.refuse(key, "must be set");
        }
        let stage = row.choice("stage", Stage::Voice, &stages);
        let part = PartConfig {
            provider: row.text("provider", DEFAULT_PROVIDER),
            model: row.free_text("model", ""),
            voice: row.free_text("voice_id", ""),
            row: Some(index),
        };
        row.finish();
        match stage {
            Stage::Model => cascade.models.push(part),
            Stage::Transcriber => cascade.transcribers.push(part),
            Stage::Voice => cascade.voices.push(part),
        }
    }
}

impl CascadeConfig {
    /// Refuses what the providers cannot do, or not without a key.
    pub(super) fn check(&self, section: &mut Section<'_>, providers: &BTreeMap<String, ProviderConfig>) {
        for (stage, parts) in
            [(Stage::Transcriber, &self.transcribers), (Stage::Model, &self.models), (Stage::Voice, &self.voices)]
        {
            for part in parts {
                if let Err((what, reason)) = self.check_part(stage, part, providers) {
                    section.refuse(&key(stage, part, what), reason);
                }
            }
        }
        let VoiceSettings { stability, similarity, style, .. } = self.settings;
        let kind = |part: &PartConfig| providers.get(&part.provider).map(|provider| provider.kind);
        if self.voices.iter().all(|part| kind(part).is_some_and(|kind| kind != ProviderKind::ElevenLabs)) {
            let settings = [("stability", stability), ("similarity", similarity), ("style", style)];
            for (name, _) in settings.into_iter().filter(|(_, set)| set.is_some()) {
                section.refuse(&format!("voice.settings.{name}"), "is of elevenlabs, which none of the voices is of");
            }
        }
    }

    /// What of a provider is wrong, `provider` or one of its settings, and why.
    fn check_part(
        &self,
        stage: Stage,
        part: &PartConfig,
        providers: &BTreeMap<String, ProviderConfig>,
    ) -> Result<(), (&'static str, String)> {
        let name = &part.provider;
        let wrong = |reason: String| Err(("provider", reason));
        let Some(provider) = providers.get(name) else {
            return wrong(format!("there is no [providers.{name}]"));
        };
        if let (false, Some(variable)) = (provider.has_key(), &provider.api_key_env) {
            return wrong(format!("cascade needs the environment variable {variable} (providers.{name}.api_key_env)"));
        }
        let row = provider.kind.row();
        let own = match stage {
            Stage::Model => row.responder,
            Stage::Transcriber => row.transcriber,
            Stage::Voice => row.synthesizer,
        };
        if own.is_empty() && provider.kind != ProviderKind::Compatible {
            return wrong(format!("{} cannot be a {}", row.name, stage.name()));
        }
        let made = match stage {
            Stage::Model => vendor::responder(&self.responder(part, provider)).err(),
            Stage::Transcriber => vendor::transcriber(&self.transcriber(part, provider)).err(),
            Stage::Voice => vendor::synthesizer(&self.synthesizer(part, provider)).err(),
        };
        made.map_or(Ok(()), |error| Err((blamed(&error), reason(&error))))
    }

    /// A transcriber as its adapter takes it.
    pub fn transcriber(&self, part: &PartConfig, provider: &ProviderConfig) -> TranscriberConfig {
        let account = account(&part.provider, provider);
        let defaults = TranscriberConfig::from(account.kind);
        let model = or_default(&part.model, &defaults.model);
        let (language, keyterms) = (self.language.clone(), self.keywords.clone());
        // A model that finds the end of turns tells of it early, so that an answer may be begun.
        let eager_end = model.starts_with("flux").then_some(EAGER);
        TranscriberConfig { account, model, language, keyterms, eager_end, ..defaults }
    }

    /// A responder as its adapter takes it.
    pub fn responder(&self, part: &PartConfig, provider: &ProviderConfig) -> ResponderConfig {
        let account = account(&part.provider, provider);
        let defaults = ResponderConfig::from(account.kind);
        let model = or_default(&part.model, &defaults.model);
        let temperature = self.temperature.map(|temperature| temperature as f32);
        ResponderConfig { account, model, temperature, max_tokens: self.max_tokens, ..defaults }
    }

    /// A synthesizer as its adapter takes it.
    pub fn synthesizer(&self, part: &PartConfig, provider: &ProviderConfig) -> SynthesizerConfig {
        let account = account(&part.provider, provider);
        let defaults = SynthesizerConfig::from(account.kind);
        let model = or_default(&part.model, &defaults.model);
        let own = part.voice.is_empty() || (part.voice == DEFAULT_VOICE && defaults.voice != DEFAULT_VOICE);
        let voice = if own { defaults.voice.clone() } else { part.voice.clone() };
        let VoiceSettings { speed, stability, similarity, style } = self.settings;
        let narrow = |value: Option<f64>| value.map(|value| value as f32);
        SynthesizerConfig {
            account,
            model,
            voice,
            language: self.language.clone(),
            speed: narrow(speed),
            stability: narrow(stability),
            similarity: narrow(similarity),
            style: narrow(style),
            ..defaults
        }
    }
}

/// How sure Flux must be of an early end: half a guess; what is begun for nothing is bounded by the engine.
const EAGER: f32 = 0.5;

fn or_default(given: &str, default: &str) -> String {
    if given.is_empty() { default.to_owned() } else { given.to_owned() }
}

/// A provider as its adapters take it.
pub fn account(name: &str, provider: &ProviderConfig) -> Account {
    // Who wants no key is a server of one's own that speaks as OpenAI does.
    let own = provider.kind == ProviderKind::OpenAi && provider.api_key_env.is_none();
    let kind = if own { ProviderKind::Compatible } else { provider.kind };
    Account {
        provider: name.into(),
        base_url: provider.base_url.as_str().to_owned(),
        api_key: provider.api_key.as_ref().map_or("", |key| key.expose()).into(),
        connect_timeout: provider.connect_timeout,
        ..Account::from(kind)
    }
}

/// Which setting an adapter blames.
pub(super) fn blamed(error: &EngineError) -> &'static str {
    let EngineError::Configuration { code, .. } = error else { return "provider" };
    let settings = ["language", "model", "speed", "temperature", "voice"];
    settings.into_iter().find(|setting| setting == code).unwrap_or("provider")
}

/// What is wrong, in the file's words.
pub(super) fn reason(error: &EngineError) -> String {
    match error {
        EngineError::Configuration { message, .. } => message.clone(),
        other => other.to_string(),
    }
}
