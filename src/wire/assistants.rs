//! Assistants of the file as the engines take them.

use std::collections::BTreeSet;
use std::sync::Arc;

use actors::config::{Assistant, Eagerness, EngineConfig, Interruptions, OfflineVoice, TurnConfig};
use ai::offline::{Choice, Mailbox, Menu, Mode, OfflineConfig};
use ai::openai::RealtimeEndpoint;
use ai::prompt::{Personality, Prompt};
use ai::realtime::{RealtimeConfig, Transcription};
use ai::secret::Secret;
use ai::tools::toolbox::Toolbox;

use super::cascade::{self, Breakers};
use super::tools::Tools;
use crate::config::{AssistantConfig, Config, EagernessName, EngineKind, MenuAction, OfflineMode, ProviderConfig};

/// Said first when the offline engine stands in for a provider.
const STAND_IN_GREETING: &str = "I am sorry, I cannot talk with you right now.";

/// Every assistant, ready to answer.
pub(super) fn assistants(config: &Config, tools: &Tools, breakers: &Breakers) -> anyhow::Result<Vec<Arc<Assistant>>> {
    config.assistants.iter().map(|assistant| Ok(make(config, assistant, tools.toolbox(assistant)?, breakers))).collect()
}

/// The providers that assistants speak through, each once.
pub(super) fn providers(config: &Config) -> Vec<&str> {
    let mut names: BTreeSet<&str> = BTreeSet::new();
    for assistant in &config.assistants {
        let cascade = &assistant.cascade;
        match assistant.engine.kind {
            EngineKind::Offline => {}
            EngineKind::Realtime => drop(names.insert(&assistant.engine.provider)),
            EngineKind::Stream => drop(names.insert("stream")),
            EngineKind::Cascade => {
                let parts = cascade.transcribers.iter().chain(&cascade.models).chain(&cascade.voices);
                names.extend(parts.map(|part| part.provider.as_str()));
            }
        }
    }
    names.into_iter().collect()
}

fn make(config: &Config, assistant: &AssistantConfig, tools: Toolbox, breakers: &Breakers) -> Arc<Assistant> {
    let engine = match (assistant.engine.kind, config.providers.get(&assistant.engine.provider)) {
        (EngineKind::Cascade, _) => {
            let session = Box::new(cascade::session(config, assistant, breakers));
            EngineConfig::Cascade { session, fallback: fallback(assistant) }
        }
        (EngineKind::Realtime, Some(provider)) => {
            EngineConfig::Realtime { session: Box::new(session(assistant, provider)), fallback: fallback(assistant) }
        }
        (EngineKind::Stream, _) => {
            EngineConfig::Stream { bot: Box::new(super::bots::bot(assistant)), fallback: fallback(assistant) }
        }
        // The file was refused if a realtime assistant had no provider.
        (EngineKind::Realtime, None) | (EngineKind::Offline, _) => EngineConfig::Offline(offline(assistant)),
    };
    Arc::new(Assistant {
        name: assistant.name.clone(),
        organization: assistant.organization.clone(),
        engine,
        prompt: Prompt {
            personality: assistant.personality,
            own: assistant.system_prompt.clone(),
            language: assistant.language,
            zone: assistant.timezone.clone(),
        },
        remembers: assistant.memory.enabled,
        tools,
        turn: turn(assistant),
        phrases: assistant.phrases.clone(),
        recording: assistant.recording.map(super::node::recording),
        redaction: assistant.redaction,
        background_denoising: assistant.background_denoising,
        ambience: assistant.ambience.sound.clone(),
        offline_voice: OfflineVoice {
            name: assistant.voice.offline_voice.clone(),
            words_per_minute: words_per_minute(assistant),
        },
    })
}

/// How fast the offline voice speaks, within what espeak-ng takes.
fn words_per_minute(assistant: &AssistantConfig) -> u16 {
    let words = assistant.voice.offline_words_per_minute as f32 * rate(assistant);
    (words.round() as u16).clamp(80, 450)
}

fn rate(assistant: &AssistantConfig) -> f32 {
    assistant.personality.map_or(1.0, Personality::rate)
}

fn endpoint(assistant: &AssistantConfig, provider: &ProviderConfig) -> RealtimeEndpoint {
    RealtimeEndpoint {
        provider: assistant.engine.provider.as_str().into(),
        base_url: provider.base_url.as_str().to_owned(),
        model: assistant.engine.model.clone(),
        api_key: Secret::from(provider.api_key.as_ref().map_or("", |key| key.expose())),
        connect_timeout: provider.connect_timeout,
        ..RealtimeEndpoint::default()
    }
}

fn session(assistant: &AssistantConfig, provider: &ProviderConfig) -> RealtimeConfig {
    let transcription = assistant.engine.transcription_model.clone();
    RealtimeConfig {
        endpoint: endpoint(assistant, provider),
        first_message: Some(assistant.first_message.clone()).filter(|text| !text.is_empty()),
        voice: assistant.voice.voice_id.clone(),
        speed: rate(assistant),
        transcription: transcription.map(|model| Transcription { model, language: assistant.language.code().map(str::to_owned) }),
        first_audio_timeout: provider.first_audio_timeout,
        ..RealtimeConfig::default()
    }
}

fn offline(assistant: &AssistantConfig) -> OfflineConfig {
    let mode = match assistant.engine.mode {
        OfflineMode::Talkback => Mode::Talkback,
        OfflineMode::Voicemail => Mode::Voicemail(mailbox(assistant)),
        OfflineMode::Menu => Mode::Menu(menu(assistant)),
    };
    let own = OfflineConfig { greeting: assistant.first_message.clone(), mode, ..OfflineConfig::default() };
    // There is no model to find the words.
    match assistant.phrases.goodbye.as_str() {
        "" => own,
        goodbye => OfflineConfig { goodbye: goodbye.to_owned(), ..own },
    }
}

/// What stands in when the provider is down: a menu or a voicemail if the assistant has one, else an apology. Talkback is a test, and
/// no way to treat a caller.
fn fallback(assistant: &AssistantConfig) -> OfflineConfig {
    let own = offline(assistant);
    match own.mode {
        Mode::Menu(_) | Mode::Voicemail(_) => OfflineConfig { greeting: STAND_IN_GREETING.to_owned(), ..own },
        _ => OfflineConfig { mode: Mode::default(), ..own },
    }
}

fn mailbox(assistant: &AssistantConfig) -> Mailbox {
    let mailbox = Mailbox::default();
    Mailbox { prompt: assistant.engine.voicemail_prompt.clone().unwrap_or(mailbox.prompt), ..mailbox }
}

fn menu(assistant: &AssistantConfig) -> Menu {
    let mailbox = mailbox(assistant);
    let Some(menu) = &assistant.engine.menu else { return Menu { mailbox, ..Menu::default() } };
    let choices = menu.rows.iter().map(|row| {
        let choice = match &row.action {
            MenuAction::HangUp => Choice::HangUp,
            MenuAction::Repeat => Choice::Repeat,
            MenuAction::Say(text) => Choice::Say(text.clone()),
            MenuAction::Voicemail => Choice::Voicemail,
        };
        (row.key, choice)
    });
    Menu { prompt: menu.prompt.clone(), choices: choices.collect(), mailbox, ..Menu::default() }
}

fn turn(assistant: &AssistantConfig) -> TurnConfig {
    let turn = &assistant.turn;
    TurnConfig {
        barge_in_commit: turn.barge_in_commit,
        barge_in_pause: turn.barge_in_pause,
        barge_in_resume: turn.barge_in_resume,
        backchannel_min: turn.backchannel_min,
        eagerness: match turn.eagerness {
            EagernessName::High => Eagerness::HIGH,
            EagernessName::Low => Eagerness::LOW,
            EagernessName::Medium => Eagerness::MEDIUM,
        },
        echo_return_loss_db: turn.echo_return_loss_db as f32,
        endpoint_silence: turn.endpoint_silence,
        endpoint_silence_min: turn.endpoint_silence_min,
        idle_prompt: turn.idle_prompt,
        idle_prompts_max: turn.idle_prompts_max,
        interruptions: if assistant.interruptions_enabled { Interruptions::Enabled } else { Interruptions::Disabled },
        max_utterance: turn.max_utterance,
        speech_over_floor_db: turn.speech_over_floor_db as f32,
        speech_probability: turn.speech_probability as f32,
        start_speech: turn.start_speech,
    }
}
