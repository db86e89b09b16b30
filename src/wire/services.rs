//! Services of the node that models may use as tools.

use std::sync::Arc;
use std::time::Duration;

use ai::tools::{MAX_OUTPUT, Tool, ToolCall, ToolError, ToolKind, ToolOutcome, ToolRules, ToolRunner, ToolStatus};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use platform::campaigns::OptOutTool;
use platform::knowledge::{KnowledgeError, Service, render, sources};
use serde_json::json;
use store::Store;

use crate::config::SEARCH_KNOWLEDGE;

/// The longest a search may take; the caller waits for it in silence.
const SEARCH_MAX: Duration = Duration::from_secs(5);

/// The tool that looks things up in the documents of an assistant.
pub(super) fn search_knowledge(knowledge: &Service) -> Arc<dyn ToolRunner> {
    Arc::new(SearchKnowledge(knowledge.clone()))
}

/// The tool that puts whoever asks for it on the list of those who are not called.
pub(super) fn do_not_call(database: &Store) -> Arc<dyn ToolRunner> {
    Arc::new(OptOutTool::new(database.clone()))
}

struct SearchKnowledge(Service);

impl ToolRunner for SearchKnowledge {
    fn tools(&self) -> Vec<Tool> {
        vec![Tool {
            name: SEARCH_KNOWLEDGE.to_owned(),
            description:
                "Look something up in the company's own documents. Use it before you answer a question about facts, and say only \
                          what the passages say; if they do not say it, say that you do not know."
                    .to_owned(),
            parameters: json!({
                "type": "object",
                "properties": { "query": { "type": "string", "description": "What to look for, as a question or in keywords." } },
                "required": ["query"],
                "additionalProperties": false
            }),
        }]
    }

    fn run(&self, call: ToolCall) -> BoxFuture<'static, ToolOutcome> {
        let knowledge = self.0.clone();
        let answer = async move {
            let Some(query) = call.arguments["query"].as_str().map(str::trim).filter(|query| !query.is_empty()) else {
                return ToolError::Argument { name: "query", reason: "must be a text" }.into();
            };
            match knowledge.search_as(&call.call.assistant, query, None).await {
                Ok(found) => {
                    let outcome = ToolOutcome::ok(render(&found.passages, MAX_OUTPUT));
                    ToolOutcome { sources: sources(&found.passages), ..outcome }
                }
                Err(error @ KnowledgeError::Refused { .. }) => ToolOutcome::not_done(ToolStatus::Refused, &error.to_string()),
                Err(error) => {
                    tracing::warn!(call = call.call.id, %error, "the knowledge base cannot be searched");
                    ToolOutcome::not_done(ToolStatus::Failed, "the documents cannot be searched now")
                }
            }
        };
        async move { tokio::time::timeout(SEARCH_MAX, answer).await.unwrap_or_else(|_| ToolOutcome::late(SEARCH_MAX)) }.boxed()
    }

    fn rules(&self, _: &str) -> ToolRules {
        ToolRules { cancel_on_barge_in: true, sensitive: false }
    }

    fn kind(&self) -> ToolKind {
        ToolKind::Service
    }
}
