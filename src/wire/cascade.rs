//! Cascades of the file as the engine takes them, and the breakers that their calls share.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use ai::breaker::{BreakerConfig, SharedBreaker};
use ai::cascade::{CascadeConfig, Member, Timeouts};
use ai::prompt::Personality;
use ai::speakable::Speakable;
use ai::vendor::{ProviderKind, SynthesizerConfig};

use crate::config::{AssistantConfig, Config, PartConfig, ProviderConfig};

/// One breaker a provider and stage, for all assistants; it outlives a reload that does not change it.
#[derive(Clone, Debug, Default)]
pub(super) struct Breakers(Arc<Mutex<BTreeMap<(String, &'static str), (BreakerConfig, Arc<SharedBreaker>)>>>);

impl Breakers {
    fn of(&self, name: &str, stage: &'static str, provider: &ProviderConfig) -> Arc<SharedBreaker> {
        let fresh = || (provider.breaker, Arc::new(SharedBreaker::closed(provider.breaker)));
        let mut breakers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (config, breaker) = breakers.entry((name.to_owned(), stage)).or_insert_with(fresh);
        if *config != provider.breaker {
            (*config, *breaker) = fresh();
        }
        Arc::clone(breaker)
    }

    /// Shows how each provider is taken: as the worst of its stages.
    pub(super) fn publish(&self) {
        let breakers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut worst: BTreeMap<&str, f64> = BTreeMap::new();
        for ((provider, _), (_, breaker)) in &*breakers {
            let value = worst.entry(provider).or_default();
            *value = value.max(breaker.state().value());
        }
        for (provider, value) in worst {
            metrics::gauge!("offhook_provider_breaker_state", "provider" => provider.to_owned()).set(value);
        }
    }
}

/// What a personality makes of a voice, where the file does not say it.
fn in_character(voice: SynthesizerConfig, personality: Option<Personality>) -> SynthesizerConfig {
    let Some(personality) = personality else { return voice };
    let speed = voice.speed.or(Some(personality.rate()).filter(|rate| *rate != 1.0));
    if voice.account.kind != ProviderKind::ElevenLabs {
        return SynthesizerConfig { speed, ..voice };
    }
    let (stability, style) = (voice.stability.unwrap_or(personality.stability()), voice.style.unwrap_or(personality.style()));
    SynthesizerConfig { speed, stability: Some(stability), style: Some(style), ..voice }
}

/// The engine of an assistant of kind `cascade`. What cannot be made was refused with the file.
pub(super) fn session(config: &Config, assistant: &AssistantConfig, breakers: &Breakers) -> CascadeConfig {
    let cascade = &assistant.cascade;
    let known = |part: &PartConfig| config.providers.get(&part.provider).map(|provider| (part.clone(), provider));
    let mut session = CascadeConfig {
        first_message: Some(assistant.first_message.clone()).filter(|text| !text.is_empty()),
        filler: cascade.filler.clone(),
        language: assistant.language,
        speakable: Speakable {
            language: assistant.language.code().unwrap_or("en").to_owned(),
            pronunciations: cascade.pronunciations.clone(),
        },
        timeouts: Timeouts {
            transcript: cascade.timeouts.transcript,
            first_token: cascade.timeouts.token,
            next_token: cascade.timeouts.token,
            first_audio: cascade.timeouts.audio,
            next_audio: cascade.timeouts.audio,
            filler: cascade.timeouts.filler,
        },
        ..CascadeConfig::default()
    };
    for (part, provider) in cascade.transcribers.iter().filter_map(known) {
        let breaker = breakers.of(&part.provider, "transcriber", provider);
        session.transcribers.extend(Member::transcriber(cascade.transcriber(&part, provider), breaker));
    }
    for (part, provider) in cascade.models.iter().filter_map(known) {
        let breaker = breakers.of(&part.provider, "model", provider);
        session.responders.extend(Member::responder(&cascade.responder(&part, provider), breaker));
    }
    for (part, provider) in cascade.voices.iter().filter_map(known) {
        let breaker = breakers.of(&part.provider, "voice", provider);
        let voice = in_character(cascade.synthesizer(&part, provider), assistant.personality);
        session.synthesizers.extend(Member::synthesizer(voice, breaker));
    }
    session
}
