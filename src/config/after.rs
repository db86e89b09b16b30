//! An assistant's `analysis` and `memory`: what is found out about its calls, and what is remembered of its callers.

use std::collections::BTreeMap;
use std::time::Duration;

use ai::vendor::{self, Account, ProviderKind, ResponderConfig};
use platform::analysis::FieldSchema;

use super::cascade::{account, blamed, reason};
use super::reader::Section;
use super::services::{DEFAULT_PROVIDER, ProviderConfig};

const MODEL: &str = "gpt-4.1-mini";
/// Calls in which the caller said nothing tell nothing.
const MIN_TURNS: u32 = 1;
const RETENTION_DAYS: u32 = 365;
/// The longest rubric or criteria, in bytes: every call costs it as input.
const CRITERIA_BYTES_MAX: usize = 8 * 1024;
/// The longest answer about a call, in tokens, a model's thinking included.
const ANSWER_TOKENS_MAX: u32 = 8_192;
/// From a request to the head of its answer: nobody waits on the telephone.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// An assistant's `analysis`: what a model is asked about a call after its end.
#[derive(Clone, Debug, PartialEq)]
pub struct AnalysisConfig {
    /// Whether calls are looked at; default false.
    pub enabled: bool,
    /// The name in `providers`, default `openai`.
    pub provider: String,
    /// The provider's model, default `gpt-4.1-mini`, which other providers take for their own default.
    pub model: String,
    /// When a call has done what it is for; `None` (written ""): not judged.
    pub rubric: Option<String>,
    /// JSON Schema of the fields to fill in; `None` (written ""): none.
    pub fields: Option<FieldSchema>,
    /// What makes a caller promising; `None` (written ""): not scored.
    pub lead_criteria: Option<String>,
    /// A call in which the caller spoke less often is skipped, 0-100, default 1.
    pub min_turns: u32,
}

/// An assistant's `memory`: what is remembered of callers.
#[derive(Clone, Debug, PartialEq)]
pub struct MemoryConfig {
    /// Whether anything is; default false.
    pub enabled: bool,
    /// How long, unless it is heard again, 1-3650 days, default 365.
    pub retention: Duration,
}

impl AnalysisConfig {
    /// The model as its adapter takes it. The default is OpenAI's; other providers take it for their own.
    pub fn responder(&self, provider: &ProviderConfig) -> ResponderConfig {
        let account = Account { answer_timeout: HEAD_TIMEOUT, ..account(&self.provider, provider) };
        let defaults = ResponderConfig::from(account.kind);
        let own = self.model == MODEL && account.kind != ProviderKind::OpenAi && !defaults.model.is_empty();
        let model = if own { defaults.model.clone() } else { self.model.clone() };
        ResponderConfig { account, model, max_tokens: ANSWER_TOKENS_MAX, ..defaults }
    }
}

/// Reads both. They ask the same model, which must be there when one of them is on.
pub(super) fn read_after(
    assistant: &mut Section<'_>,
    providers: &BTreeMap<String, ProviderConfig>,
) -> (AnalysisConfig, MemoryConfig) {
    let memory = read_memory(assistant.section("memory"));
    let mut section = assistant.section("analysis");
    let analysis = AnalysisConfig {
        enabled: section.flag("enabled", false),
        provider: section.text("provider", DEFAULT_PROVIDER),
        model: section.text("model", MODEL),
        rubric: section.optional("rubric", criteria),
        fields: section.optional("fields", str::parse),
        lead_criteria: section.optional("lead_criteria", criteria),
        min_turns: section.integer("min_turns", MIN_TURNS, 0..=100),
    };
    let asked = ["rubric", "fields", "lead_criteria"];
    let there = [analysis.rubric.is_some(), analysis.fields.is_some(), analysis.lead_criteria.is_some()];
    if let Some((key, _)) = asked.iter().zip(there).find(|(_, there)| *there && !analysis.enabled) {
        section.refuse(key, "is asked for only when enabled is true");
    }
    if analysis.enabled || memory.enabled {
        check_provider(&mut section, &analysis, providers);
    }
    section.finish();
    (analysis, memory)
}

fn check_provider(section: &mut Section<'_>, analysis: &AnalysisConfig, providers: &BTreeMap<String, ProviderConfig>) {
    let name = analysis.provider.as_str();
    match providers.get(name) {
        None => section.refuse("provider", format!("there is no [providers.{name}], which analysis and memory ask")),
        Some(provider) if !provider.has_key() => {
            let variable = provider.api_key_env.as_deref().unwrap_or_default();
            let key = format!("(providers.{name}.api_key_env)");
            section.refuse("provider", format!("analysis and memory need the environment variable {variable} {key}"));
        }
        Some(provider) => {
            if let Err(error) = vendor::responder(&analysis.responder(provider)) {
                section.refuse(blamed(&error), reason(&error));
            }
        }
    }
}

fn read_memory(mut section: Section<'_>) -> MemoryConfig {
    let memory = MemoryConfig {
        enabled: section.flag("enabled", false),
        retention: DAY * section.integer("retention_days", RETENTION_DAYS, 1..=3650),
    };
    section.finish();
    memory
}

fn criteria(text: &str) -> Result<String, String> {
    if text.len() <= CRITERIA_BYTES_MAX {
        Ok(text.to_owned())
    } else {
        Err(format!("{} bytes are above {CRITERIA_BYTES_MAX}", text.len()))
    }
}
