//! `[[assistants]]` and `[[numbers]]`: who answers, and where.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use ai::language::Language;
use ai::prompt::{OWN_MAX, Personality, Zone};
use ai::redact::Redaction;
use ai::remark::Phrases;
use ai::tools::transfer::Destination;
use ai::vendor;
use store::OrganizationId;
use toml::Table;

use super::after::{AnalysisConfig, MemoryConfig, read_after};
use super::ambience::{AmbienceConfig, read_ambience};
use super::cascade::{CascadeConfig, DEFAULT_VOICE, VoiceSettings, read_cascade, reason};
use super::engine::{EngineConfig, EngineKind, read_engine};
use super::knowledge::{AssistantKnowledge, read_assistant_knowledge};
use super::media::{TurnConfig, read_turn};
use super::phrases::read_phrases;
use super::reader::Section;
use super::secret::Secret;
use super::server::RecordingMode;
use super::services::{DEFAULT_PROVIDER, ProviderConfig};
use super::tools::{ChosenTools, ToolsConfig, read_chosen};
use super::transfer::read_transfers;

/// The longest text that is spoken at once, in bytes: about two minutes.
const SPOKEN_BYTES_MAX: usize = 2000;
/// The assistant that is there without being written down.
pub const DEMO: &str = "demo";
const FIRST_MESSAGE: &str = "Hello, this is Offhook. Say something and I will answer.";
const SYSTEM_PROMPT: &str = "You answer a phone call. Be friendly and brief: one or two sentences a turn.";
const OFFLINE_VOICE: &str = "en-us";
const OFFLINE_WORDS_PER_MINUTE: u32 = 160;

/// Where it is said whether something is taken out.
type Redacted = fn(&mut Redaction) -> &mut bool;

/// What can be taken out of transcripts.
const REDACTED: [(&str, Redacted); 3] = [
    ("card_numbers", |redaction| &mut redaction.card_numbers),
    ("emails", |redaction| &mut redaction.emails),
    ("ibans", |redaction| &mut redaction.ibans),
];

/// `[[assistants]]`: one assistant.
#[derive(Clone, Debug, PartialEq)]
pub struct AssistantConfig {
    /// What numbers and `routing.default_assistant` call it; unique. Of a row of the database its id.
    pub name: String,
    /// Whose it is: the operator's, if it is the file's.
    pub organization: OrganizationId,
    /// Spoken when the call is answered, at most 2000 bytes; empty: the caller speaks first.
    pub first_message: String,
    /// The model's instructions, at most 32768 bytes; how one talks on the telephone is told it besides.
    pub system_prompt: String,
    /// How it comes across; `None` (written ""): as the instructions say.
    pub personality: Option<Personality>,
    /// The language of its calls, or `auto`: the caller's; default `en`.
    pub language: Language,
    /// Where its clocks are; default UTC.
    pub timezone: Zone,
    /// Whether the caller's speech stops the agent; default true.
    pub interruptions_enabled: bool,
    /// Whether its calls are recorded; `None` (written "default"): as `recording.mode` has it.
    pub recording: Option<RecordingMode>,
    /// What is taken out of what was said before it is kept; default nothing.
    pub redaction: Redaction,
    /// Whether its engine hears callers without the noise around them; default false.
    pub background_denoising: bool,
    /// What is to be heard under its voice; default nothing.
    pub ambience: AmbienceConfig,
    /// What thinks.
    pub engine: EngineConfig,
    /// Who works for a cascade.
    pub cascade: CascadeConfig,
    /// What it sounds like.
    pub voice: VoiceConfig,
    /// What it says though nobody asked; default: as its language has it. An empty text is the model's to find.
    pub phrases: Phrases,
    /// What its model may do besides talking.
    pub tools: ChosenTools,
    /// Whom it may put callers through to, each name once; default nobody.
    pub transfers: Vec<Arc<Destination>>,
    /// What it looks things up in.
    pub knowledge: AssistantKnowledge,
    /// `[turn]` with this assistant's changes.
    pub turn: TurnConfig,
    /// What is found out about its calls after their end.
    pub analysis: AnalysisConfig,
    /// What is remembered of its callers.
    pub memory: MemoryConfig,
}

/// An assistant's `voice`.
#[derive(Clone, Debug, PartialEq)]
pub struct VoiceConfig {
    /// The name in `providers` of who speaks in a cascade, default `openai`.
    pub provider: String,
    /// The provider's voice, default `marin`, which other providers take for their own.
    pub voice_id: String,
    /// The model that speaks in a cascade; empty: the provider's own.
    pub model: String,
    /// How it speaks in a cascade.
    pub settings: VoiceSettings,
    /// The offline engine's espeak-ng voice; default: that of the assistant's language, else `en-us`.
    pub offline_voice: String,
    /// How fast it speaks, 80-450 words a minute, default 160; a personality speaks a little faster or slower.
    pub offline_words_per_minute: u32,
}

/// `[[numbers]]`: who answers a called number.
#[derive(Clone, Debug, PartialEq)]
pub struct NumberConfig {
    /// The number or SIP user as the caller dials it; unique.
    pub number: PhoneNumber,
    /// Whose it is: the operator's, if it is the file's.
    pub organization: OrganizationId,
    /// The name of the assistant.
    pub assistant: String,
    /// The name of the only trunk over which it is called; `None`: however the call comes.
    pub trunk: Option<String>,
    /// False: the number is refused as if it were unknown. Default true.
    pub active: bool,
}

/// A phone number; `Debug` shows only its last two characters.
#[derive(Clone, Eq, PartialEq)]
pub struct PhoneNumber(pub(super) String);

impl PhoneNumber {
    /// The number as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&redacted(&self.0))
    }
}

/// A number as logs may show it: its last two characters.
fn redacted(number: &str) -> String {
    let tail: Vec<char> = number.chars().rev().take(2).collect();
    format!("...{}", tail.iter().rev().collect::<String>())
}

/// Reads `[[assistants]]`; `demo` is added unless the file has its own.
pub(super) fn read_assistants(
    root: &mut Section<'_>,
    turn: &TurnConfig,
    providers: &BTreeMap<String, ProviderConfig>,
    tools: &ToolsConfig,
    key: &dyn Fn(&str) -> Option<Secret>,
) -> Vec<AssistantConfig> {
    let mut tables = root.tables("assistants").unwrap_or_default();
    let is_demo = |table: &Table| table.get("name").and_then(toml::Value::as_str) == Some(DEMO);
    if !tables.iter().any(is_demo) {
        tables.push(Table::from_iter([("name".to_owned(), DEMO.into())]));
    }
    let mut assistants: Vec<AssistantConfig> = Vec::new();
    for (index, table) in tables.into_iter().enumerate() {
        let section = root.row("assistants", index, table);
        let assistant = read_assistant(section, turn, providers, tools, key);
        if assistants.iter().any(|other| other.name == assistant.name && !other.name.is_empty()) {
            let reason = format!("{:?} is there twice", assistant.name);
            root.refuse(&format!("assistants[{index}].name"), reason);
        }
        assistants.push(assistant);
    }
    assistants
}

/// Reads one.
pub(super) fn read_assistant(
    mut section: Section<'_>,
    turn: &TurnConfig,
    providers: &BTreeMap<String, ProviderConfig>,
    tools: &ToolsConfig,
    key: &dyn Fn(&str) -> Option<Secret>,
) -> AssistantConfig {
    let recordings = [("default", None), ("always", Some(RecordingMode::Always)), ("off", Some(RecordingMode::Off))];
    if !section.has("name") {
        section.refuse("name", "must be set");
    }
    let language =
        section.parsed("language", Language::ENGLISH, |text| text.parse().map_err(|error| format!("{text:?} {error}")));
    let engine = read_engine(section.section("engine"), providers, key);
    let voice = read_voice(section.section("voice"), language);
    let cascade = read_cascade(&mut section, &voice, language.code().unwrap_or_default());
    match engine.kind {
        EngineKind::Cascade => cascade.check(&mut section, providers),
        EngineKind::Realtime => check_realtime_voice(&mut section, &engine, &voice, providers),
        EngineKind::Offline | EngineKind::Stream => {}
    }
    let (analysis, memory) = read_after(&mut section, providers);
    let assistant = AssistantConfig {
        name: section.text("name", ""),
        organization: OrganizationId::operator(),
        first_message: section.parsed("first_message", FIRST_MESSAGE.to_owned(), spoken),
        system_prompt: section.parsed("system_prompt", SYSTEM_PROMPT.to_owned(), told),
        personality: section.optional("personality", |text| text.parse().map_err(|error| format!("{text:?} {error}"))),
        language,
        timezone: section.parsed("timezone", Zone::default(), |text| text.parse().map_err(|error| format!("{text:?} {error}"))),
        interruptions_enabled: section.flag("interruptions_enabled", true),
        recording: section.choice("recording", None, &recordings),
        redaction: read_redaction(&mut section),
        background_denoising: section.flag("background_denoising", false),
        ambience: read_ambience(section.section("ambience")),
        engine,
        cascade,
        voice,
        phrases: read_phrases(section.section("phrases"), &language),
        tools: read_chosen(&mut section, tools),
        transfers: read_transfers(&mut section),
        knowledge: read_assistant_knowledge(section.section("knowledge")),
        turn: read_turn(section.section("turn"), turn),
        analysis,
        memory,
    };
    section.finish();
    assistant
}

fn read_redaction(section: &mut Section<'_>) -> Redaction {
    let given = section.has("redact");
    let redaction = section.value("redact", Redaction::default(), |given| {
        let mut redaction = Redaction::default();
        for word in given.list()?.iter().filter(|word| !word.is_empty()) {
            let (_, chosen) = REDACTED.iter().find(|(known, _)| known == word).ok_or_else(|| {
                let known: Vec<&str> = REDACTED.iter().map(|(known, _)| *known).collect();
                format!("{word:?} is not one of {}", known.join(", "))
            })?;
            *chosen(&mut redaction) = true;
        }
        Ok(redaction)
    });
    let mut shown = redaction;
    let shown: Vec<&str> = REDACTED.iter().filter(|(_, chosen)| *chosen(&mut shown)).map(|(word, _)| *word).collect();
    section.note("redact", shown.join(","), given, None);
    redaction
}

fn check_realtime_voice(
    section: &mut Section<'_>,
    engine: &EngineConfig,
    voice: &VoiceConfig,
    providers: &BTreeMap<String, ProviderConfig>,
) {
    let Some(provider) = providers.get(&engine.provider) else { return };
    let own_address = provider.base_url.as_str() == provider.kind.row().base_url;
    if let Err(error) = vendor::check_realtime_voice(own_address, &voice.voice_id) {
        section.refuse("voice.voice_id", reason(&error));
    }
}

/// Text that can be spoken, or none at all.
pub(super) fn spoken(text: &str) -> Result<String, String> {
    if text.len() <= SPOKEN_BYTES_MAX {
        Ok(text.to_owned())
    } else {
        Err(format!("{} bytes are above {SPOKEN_BYTES_MAX}", text.len()))
    }
}

/// Instructions that a model can be told.
fn told(text: &str) -> Result<String, String> {
    if text.len() <= OWN_MAX { Ok(text.to_owned()) } else { Err(format!("{} bytes are above {OWN_MAX}", text.len())) }
}

fn read_voice(mut section: Section<'_>, language: Language) -> VoiceConfig {
    let words = 80..=450;
    let voice = VoiceConfig {
        provider: section.text("provider", DEFAULT_PROVIDER),
        voice_id: section.text("voice_id", DEFAULT_VOICE),
        model: section.free_text("model", ""),
        settings: read_settings(section.section("settings")),
        offline_voice: section.text("offline_voice", language.offline_voice().unwrap_or(OFFLINE_VOICE)),
        offline_words_per_minute: section.integer("offline_words_per_minute", OFFLINE_WORDS_PER_MINUTE, words),
    };
    section.finish();
    voice
}

fn read_settings(mut section: Section<'_>) -> VoiceSettings {
    let settings = VoiceSettings {
        speed: section.optional_number("speed", 0.25..=4.0),
        stability: section.optional_number("stability", 0.0..=1.0),
        similarity: section.optional_number("similarity", 0.0..=1.0),
        style: section.optional_number("style", 0.0..=1.0),
    };
    section.finish();
    settings
}

/// Reads `[[numbers]]`.
pub(super) fn read_numbers(root: &mut Section<'_>, assistants: &[AssistantConfig]) -> Vec<NumberConfig> {
    let mut numbers: Vec<NumberConfig> = Vec::new();
    let tables = root.tables("numbers").unwrap_or_default();
    for (index, table) in tables.into_iter().enumerate() {
        let mut row = root.row("numbers", index, table);
        for key in ["number", "assistant"] {
            if !row.has(key) {
                row.refuse(key, "must be set");
            }
        }
        let number = row.value("number", String::new(), |given| phone_number(&given.text()?));
        row.note("number", redacted(&number), true, None);
        let assistant = row.text("assistant", DEMO);
        let active = row.flag("active", true);
        if !assistants.iter().any(|known| known.name == assistant) {
            row.refuse("assistant", format!("there is no assistant {assistant:?}"));
        }
        if numbers.iter().any(|other| other.number.0 == number && !number.is_empty()) {
            row.refuse("number", "is there twice");
        }
        row.finish();
        let (organization, trunk) = (OrganizationId::operator(), None);
        numbers.push(NumberConfig { number: PhoneNumber(number), organization, assistant, trunk, active });
    }
    numbers
}

/// A number as it is dialled.
pub(super) fn phone_number(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_graphic() && c != '@' && c != ':';
    if !text.is_empty() && text.len() <= 64 && text.chars().all(plain) {
        Ok(text.to_owned())
    } else {
        Err("is not a number (+15551234567) or SIP user of 1-64 characters".to_owned())
    }
}
