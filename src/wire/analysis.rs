//! What works at calls that are over, and what remembers callers.

use std::collections::HashMap;
use std::sync::Arc;

use actors::recall::CallerMemory;
use ai::engine::Words;
use ai::link::http::HttpClient;
use ai::vendor;
use platform::analysis::{Analyst, Model, Plan, Questions, ResponderModel, Runner};
use platform::memory::Memories;
use store::{PhoneNumber, Store, WallTime};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::config::{AssistantConfig, Config};

/// Starts the work at the queue of analyses.
pub(super) fn start(config: &Config, database: &Store, http: &HttpClient) -> Runner {
    let plans = config.assistants.iter().filter_map(|assistant| Some((assistant.name.clone(), plan(config, assistant, http)?)));
    let plans: HashMap<String, Plan> = plans.collect();
    Runner::start(Arc::new(Analyst::new(database.clone(), plans)), config.node.name.clone())
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

/// What calls ask of their callers; `None`: no assistant remembers any.
pub(super) fn memories(config: &Config, database: &Store) -> Option<Arc<dyn CallerMemory>> {
    let any = config.assistants.iter().any(|assistant| assistant.memory.enabled);
    any.then(|| {
        Arc::new(Recalling { memories: Memories::new(database.clone()), runtime: Handle::current() }) as Arc<dyn CallerMemory>
    })
}

/// Looks memories up on the runtime of everything but calls.
#[derive(Debug)]
struct Recalling {
    memories: Memories,
    runtime: Handle,
}

impl CallerMemory for Recalling {
    fn recall(&self, from: PhoneNumber) -> oneshot::Receiver<Vec<Words>> {
        let (answer, asked) = oneshot::channel();
        let memories = self.memories.clone();
        // Bounded by the store's time for a query.
        self.runtime.spawn(async move {
            match memories.recall(&from, WallTime::now()).await {
                Ok(notes) => drop(answer.send(notes)),
                Err(error) => tracing::warn!(%error, "memories of a caller cannot be read"),
            }
        });
        asked
    }
}
