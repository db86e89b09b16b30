//! The tool `remember`: what a model notes of its caller while the call goes on.

use std::pin::Pin;
use std::time::Duration;

use ai::engine::Words;
use ai::tools::{Tool, ToolCall, ToolError, ToolKind, ToolOutcome, ToolRules, ToolRunner, ToolStatus, success};
use serde_json::{Value, json};
use store::{MEMORY_BYTES_MAX, OrganizationId, PhoneNumber, WallTime};

use super::{Memories, MemoryError, Origin};

const NAME: &str = "remember";

/// Notes what the model asks for, for the assistants that remember callers.
pub struct RememberTool {
    memories: Memories,
    organization: OrganizationId,
    retention: Duration,
}

impl RememberTool {
    /// Notes are an organization's, and kept for `retention`.
    pub fn new(memories: Memories, organization: OrganizationId, retention: Duration) -> Self {
        Self { memories, organization, retention }
    }
}

impl ToolRunner for RememberTool {
    fn tools(&self) -> Vec<Tool> {
        vec![Tool {
            name: NAME.to_owned(),
            description:
                "Note something about the caller for the next call of this telephone number: a name, a wish, a promise. Use \
                          it when the caller asks you to remember something. Never note passwords, card numbers or PINs."
                    .to_owned(),
            parameters: json!({
                "type": "object",
                "properties": {"note": {"type": "string", "description": "One short sentence, complete in itself.",
                    "maxLength": MEMORY_BYTES_MAX}},
                "required": ["note"],
                "additionalProperties": false,
            }),
        }]
    }

    fn run(&self, call: ToolCall) -> Pin<Box<dyn Future<Output = ToolOutcome> + Send>> {
        let (memories, organization, retention) = (self.memories.clone(), self.organization.clone(), self.retention);
        // Bounded by the store's time for a query.
        Box::pin(async move {
            let Some(note) = call.arguments.get("note").and_then(Value::as_str) else {
                return ToolError::Argument { name: "note", reason: "is not a text" }.into();
            };
            let Ok(id) = call.call.id.parse() else {
                return ToolOutcome::not_done(ToolStatus::Failed, "the call is not known");
            };
            let from = PhoneNumber::new(call.call.person.as_str());
            let origin = Origin { organization, from, call: id, assistant: call.call.assistant.clone(), retention };
            match memories.remember(&origin, &Words::from(note), WallTime::now()).await {
                Ok(()) => ToolOutcome::ok(success()),
                Err(error @ MemoryError::Store(_)) => {
                    tracing::warn!(call = %id, %error, "a note of the model was not written");
                    ToolOutcome::not_done(ToolStatus::Failed, "it could not be written down")
                }
                Err(error) => ToolOutcome::not_done(ToolStatus::Refused, &error.to_string()),
            }
        })
    }

    fn rules(&self, _: &str) -> ToolRules {
        ToolRules::default()
    }

    fn kind(&self) -> ToolKind {
        ToolKind::Service
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use ai::tools::CallInfo;
    use store::{CallId, Caller, MemorySource, Store};

    use super::*;

    /// What the model is told of a use of the tool.
    async fn check(store: &Store, from: &str, arguments: Value, status: ToolStatus, output: &str) {
        let tool = RememberTool::new(Memories::new(store.clone()), OrganizationId::operator(), Duration::from_secs(60));
        assert_eq!(tool.tools()[0].name, NAME);
        let info = CallInfo {
            id: CallId::generate().to_string(),
            person: from.to_owned(),
            assistant: "demo".to_owned(),
            ..CallInfo::default()
        };
        let outcome = tool.run(ToolCall { name: NAME.to_owned(), arguments, call: Arc::new(info) }).await;
        assert_eq!((outcome.status, outcome.output.as_str()), (status, output));
    }

    #[tokio::test]
    async fn a_note_is_written_down_or_the_model_is_told_why_not() {
        let store = Store::open("sqlite::memory:").await.unwrap();
        check(&store, "+1", json!({"note": "likes tea"}), ToolStatus::Ok, r#"{"ok":true}"#).await;
        let memories = store
            .memories(&store::OrganizationId::operator(), &Caller::of(&PhoneNumber::new("+1")).unwrap(), WallTime::now())
            .await
            .unwrap();
        assert_eq!((memories[0].text.reveal(), memories[0].source), ("likes tea", MemorySource::Tool));
        let withheld = r#"{"error":"the caller withheld the number","ok":false}"#;
        check(&store, "", json!({"note": "likes tea"}), ToolStatus::Refused, withheld).await;
        check(&store, "+1", json!({"note": ""}), ToolStatus::Refused, r#"{"error":"there is nothing to remember","ok":false}"#)
            .await;
        check(&store, "+1", json!({}), ToolStatus::Refused, r#"{"error":"argument note: is not a text","ok":false}"#).await;
        store.close().await;
        let away = r#"{"error":"it could not be written down","ok":false}"#;
        check(&store, "+1", json!({"note": "likes tea"}), ToolStatus::Failed, away).await;
    }
}
