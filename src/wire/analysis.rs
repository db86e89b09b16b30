//! What works at calls that are over, and what remembers callers.

use std::collections::HashMap;
use std::sync::Arc;

use actors::recall::CallerMemory;
use ai::engine::Words;
use ai::link::http::HttpClient;
use ai::vendor;
use platform::analysis::{Analyst, Model, Plan, Questions, ResponderModel};
use platform::memory::Memories;
use store::{OrganizationId, PhoneNumber, Store, WallTime};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::config::{AssistantConfig, Config};

/// Who looks at calls.
pub(super) fn analyst(config: &Config, database: &Store, http: &HttpClient) -> Arc<Analyst> {
    Arc::new(Analyst::new(database.clone(), plans(config, http)))
}

/// What is asked about calls, by assistant.
pub(super) fn plans(config: &Config, http: &HttpClient) -> HashMap<String, Plan> {
    let plan = |assistant: &AssistantConfig| Some((assistant.name.clone(), plan(config, assistant, http)?));
    config.assistants.iter().filter_map(plan).collect()
}

/// What is asked about an assistant's calls; `None`: nothing.
fn plan(config: &Config, assistant: &AssistantConfig, http: &HttpClient) -> Option<Plan> {
    let (analysis, memory) = (&assistant.analysis, &assistant.memory);
    if !analysis.enabled && !memory.enabled {
        return None;
    }
    let provider = config.providers.get(&analysis.provider)?;
    // The file was refused if it cannot be made.
    let responder = vendor::responder(&analysis.responder(provider)).ok()?;
    let questions = Questions {
        summary: analysis.enabled,
        rubric: analysis.rubric.clone(),
        fields: analysis.fields.clone(),
        lead_criteria: analysis.lead_criteria.clone(),
        retention: memory.enabled.then_some(memory.retention),
    };
    let model: Arc<dyn Model> = Arc::new(ResponderModel::new(responder, http.clone()));
    Some(Plan { model, questions, min_turns: analysis.min_turns })
}

/// What calls ask of their callers.
pub(super) fn memories(database: &Store) -> Arc<dyn CallerMemory> {
    Arc::new(Recalling { memories: Memories::new(database.clone()), runtime: Handle::current() })
}

/// Looks memories up on the runtime of everything but calls.
#[derive(Debug)]
struct Recalling {
    memories: Memories,
    runtime: Handle,
}

impl CallerMemory for Recalling {
    fn recall(&self, organization: OrganizationId, from: PhoneNumber) -> oneshot::Receiver<Vec<Words>> {
        let (answer, asked) = oneshot::channel();
        let memories = self.memories.clone();
        // Bounded by the store's time for a query.
        self.runtime.spawn(async move {
            match memories.recall(&organization, &from, WallTime::now()).await {
                Ok(notes) => drop(answer.send(notes)),
                Err(error) => tracing::warn!(%error, "memories of a caller cannot be read"),
            }
        });
        asked
    }
}
