//! An assistant's `engine`: what carries the conversation, and the offline engine's menu.

use std::collections::BTreeMap;

use ai::vendor::{self, ProviderKind, Purpose};

use super::assistant::spoken;
use super::cascade::{account, reason};
use super::reader::Section;
use super::secret::Secret;
use super::services::{DEFAULT_PROVIDER, ProviderConfig};
use super::stream::{StreamConfig, read_stream};

const MODEL: &str = "gpt-realtime";
const TRANSCRIPTION_MODEL: &str = "gpt-4o-mini-transcribe";
/// Every key there is (RFC 4733 §3.2); a menu has at most one row for each.
const MENU_KEYS: &str = "0123456789*#ABCD";

/// An assistant's `engine`.
#[derive(Clone, Debug, PartialEq)]
pub struct EngineConfig {
    /// What runs; `auto` is already decided here.
    pub kind: EngineKind,
    /// The name in `providers`, default `openai`; used by `realtime`.
    pub provider: String,
    /// The provider's model, default `gpt-realtime`.
    pub model: String,
    /// The model that writes down what the caller says, default `gpt-4o-mini-transcribe`; `None` (written ""): nobody.
    pub transcription_model: Option<String>,
    /// The bot of `stream`.
    pub stream: StreamConfig,
    /// What the offline engine does; default `talkback`.
    pub mode: OfflineMode,
    /// The menu of mode `menu`; `None` is the engine's own.
    pub menu: Option<MenuConfig>,
    /// Said before the tone of a voicemail; `None` (written "") is the engine's own text.
    pub voicemail_prompt: Option<String>,
}

/// What carries the conversation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EngineKind {
    /// Three providers: of words, answers and speech; falls back to offline.
    Cascade,
    /// The built-in engine: no key, no network.
    Offline,
    /// Speech to speech by a provider; falls back to offline.
    Realtime,
    /// An external bot over Twilio Media Streams; falls back to offline.
    Stream,
}

/// What the offline engine does after the first message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OfflineMode {
    /// Offers keys to press.
    Menu,
    /// Plays the caller's own words back.
    Talkback,
    /// Takes a message.
    Voicemail,
}

/// The menu of mode `menu`.
#[derive(Clone, Debug, PartialEq)]
pub struct MenuConfig {
    /// Asked after the first message and after each answer.
    pub prompt: String,
    /// At least one; each key once.
    pub rows: Vec<MenuRow>,
}

/// `[[assistants.engine.menu]]`: one key of a menu.
#[derive(Clone, Debug, PartialEq)]
pub struct MenuRow {
    /// 0-9, *, # or A-D.
    pub key: char,
    /// What it does.
    pub action: MenuAction,
}

/// What a key of a menu does.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum MenuAction {
    /// Says goodbye and ends the call.
    HangUp,
    /// Asks again.
    Repeat,
    /// Says this and asks again.
    Say(String),
    /// Takes a message.
    Voicemail,
}

/// A word for `MenuAction` in the file.
#[derive(Clone, Copy, PartialEq)]
enum ActionWord {
    HangUp,
    Repeat,
    Say,
    Voicemail,
}

pub(super) fn read_engine(
    mut section: Section<'_>,
    providers: &BTreeMap<String, ProviderConfig>,
    key: &dyn Fn(&str) -> Option<Secret>,
) -> EngineConfig {
    let kinds = [
        ("auto", None),
        ("realtime", Some(EngineKind::Realtime)),
        ("cascade", Some(EngineKind::Cascade)),
        ("offline", Some(EngineKind::Offline)),
        ("stream", Some(EngineKind::Stream)),
    ];
    let modes = [("talkback", OfflineMode::Talkback), ("menu", OfflineMode::Menu), ("voicemail", OfflineMode::Voicemail)];
    let asked = section.choice("kind", None, &kinds);
    let provider = section.text("provider", DEFAULT_PROVIDER);
    let kind = decide(&mut section, asked, &provider, providers);
    let transcription_model = section.free_text("transcription_model", TRANSCRIPTION_MODEL);
    let model = section.text("model", MODEL);
    if kind == EngineKind::Realtime {
        let of = providers.get(&provider).map_or(ProviderKind::OpenAi, |config| account(&provider, config).kind);
        let models = [("model", &model, Purpose::Realtime), ("transcription_model", &transcription_model, Purpose::Transcriber)];
        for (name, model, wanted) in models.into_iter().filter(|(_, model, _)| !model.is_empty()) {
            if let Err(error) = vendor::check_model(of, model, wanted) {
                section.refuse(name, reason(&error));
            }
        }
    }
    let engine = EngineConfig {
        kind,
        provider,
        model,
        transcription_model: Some(transcription_model).filter(|model| !model.is_empty()),
        stream: read_stream(&mut section, asked == Some(EngineKind::Stream), key),
        mode: section.choice("mode", OfflineMode::Talkback, &modes),
        menu: read_menu(&mut section),
        voicemail_prompt: section.optional("voicemail_prompt", spoken),
    };
    section.finish();
    engine
}

/// What runs when `asked` (`None` is `auto`) meets the providers there are.
fn decide(
    section: &mut Section<'_>,
    asked: Option<EngineKind>,
    name: &str,
    providers: &BTreeMap<String, ProviderConfig>,
) -> EngineKind {
    let Some(provider) = providers.get(name) else {
        section.refuse("provider", format!("there is no [providers.{name}]"));
        return EngineKind::Offline;
    };
    match asked {
        // The providers of a cascade are named, and checked, stage by stage.
        Some(kind @ (EngineKind::Cascade | EngineKind::Offline | EngineKind::Stream)) => kind,
        Some(EngineKind::Realtime) if provider.kind != ProviderKind::OpenAi => {
            section.refuse("provider", format!("{} does not speak OpenAI Realtime", provider.kind.row().name));
            EngineKind::Offline
        }
        None if provider.kind != ProviderKind::OpenAi => EngineKind::Offline,
        _ if provider.has_key() => EngineKind::Realtime,
        None => EngineKind::Offline,
        Some(EngineKind::Realtime) => {
            let variable = provider.api_key_env.as_deref().unwrap_or_default();
            section.refuse("kind", format!("realtime needs the environment variable {variable} (providers.{name}.api_key_env)"));
            EngineKind::Offline
        }
    }
}

fn read_menu(section: &mut Section<'_>) -> Option<MenuConfig> {
    let prompt = section.optional("menu_prompt", spoken);
    let tables = section.tables("menu").unwrap_or_default();
    if prompt.is_some() == tables.is_empty() {
        section.refuse("menu_prompt", "goes with rows of [[assistants.engine.menu]], and they with it");
    }
    let mut rows: Vec<MenuRow> = Vec::new();
    for (index, table) in tables.into_iter().enumerate() {
        let mut row = section.row("menu", index, table);
        let read = read_row(&mut row);
        if let Some(twice) = read.as_ref().filter(|read| rows.iter().any(|other| other.key == read.key)) {
            row.refuse("key", format!("{} is there twice", twice.key));
        }
        rows.extend(read);
        row.finish();
    }
    prompt.map(|prompt| MenuConfig { prompt, rows })
}

/// A row; `None` when its key cannot be used.
fn read_row(row: &mut Section<'_>) -> Option<MenuRow> {
    let words = [
        ("say", ActionWord::Say),
        ("repeat", ActionWord::Repeat),
        ("voicemail", ActionWord::Voicemail),
        ("hang_up", ActionWord::HangUp),
    ];
    for key in ["key", "action"].into_iter().filter(|key| !row.has(key)).collect::<Vec<_>>() {
        row.refuse(key, "must be set");
    }
    let key = row.value("key", None, |given| telephone_key(&given.text()?).map(Some));
    let word = row.choice("action", ActionWord::Repeat, &words);
    let text = row.optional("say", spoken);
    if (word == ActionWord::Say) != text.is_some() {
        row.refuse("say", "goes with action say, and it with a text");
    }
    let action = match word {
        ActionWord::HangUp => MenuAction::HangUp,
        ActionWord::Repeat => MenuAction::Repeat,
        ActionWord::Say => MenuAction::Say(text.unwrap_or_default()),
        ActionWord::Voicemail => MenuAction::Voicemail,
    };
    key.map(|key| MenuRow { key, action })
}

fn telephone_key(text: &str) -> Result<char, String> {
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(key), None) if MENU_KEYS.contains(key) => Ok(key),
        _ => Err(format!("{text:?} is not a key of a telephone (0-9, *, # or A-D)")),
    }
}
