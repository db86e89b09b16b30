//! The tool `do_not_call`: a model puts whoever asks for it on the list of those whom the organization calls no more.

use std::pin::Pin;

use ai::tools::{Tool, ToolCall, ToolKind, ToolOutcome, ToolRules, ToolRunner, ToolStatus, success};
use serde_json::json;
use store::{Act, CallId, OrganizationId, PhoneNumber, Store, StoreError, WallTime};

/// What the tool is called.
pub const DO_NOT_CALL: &str = "do_not_call";

/// Puts the person on the telephone on the list.
pub struct OptOutTool {
    store: Store,
}

impl OptOutTool {
    /// Over this database.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store }
    }
}

/// Puts the person of a call on the list of the call's organization. False: the number was withheld, or is none.
///
/// # Errors
/// The store's.
pub async fn opt_out(store: &Store, call: CallId, reason: &str, act: &Act<'_>) -> Result<bool, StoreError> {
    let Some(record) = store.call(call).await? else { return Ok(false) };
    // A trunk may have been told the number in another way than the campaign knows it.
    let listed = store.phone_called(call).await?;
    let person = listed.map(|phone| phone.reveal().to_owned()).or_else(|| number(record.call.caller()?.reveal()));
    let Some(person) = person else { return Ok(false) };
    let (organization, source): (OrganizationId, String) = (record.call.organization, format!("call:{call}"));
    store.forbid_calls(&organization, &[PhoneNumber::new(person)], (reason, &source), act).await?;
    Ok(true)
}

/// A number of a record: with its +, or whole without it.
fn number(written: &str) -> Option<String> {
    let whole = if written.starts_with('+') || written.starts_with('0') { written.to_owned() } else { format!("+{written}") };
    super::phone::normalise(&whole, None).ok()
}

impl ToolRunner for OptOutTool {
    fn tools(&self) -> Vec<Tool> {
        vec![Tool {
            name: DO_NOT_CALL.to_owned(),
            description:
                "Put the person you talk with on the list of those who are never called again. Use it when the person says that \
                          they do not want to be called any more, then say that you have done so."
                    .to_owned(),
            parameters: json!({ "type": "object", "properties": {}, "additionalProperties": false }),
        }]
    }

    fn run(&self, call: ToolCall) -> Pin<Box<dyn Future<Output = ToolOutcome> + Send>> {
        let store = self.store.clone();
        // Bounded by the store's time for a query.
        Box::pin(async move {
            let Ok(id) = call.call.id.parse() else {
                return ToolOutcome::not_done(ToolStatus::Failed, "the call is not known");
            };
            let act = Act { actor: "node", address: "", at: WallTime::now() };
            match opt_out(&store, id, "asked for it in a call", &act).await {
                Ok(true) => ToolOutcome::ok(success()),
                Ok(false) => ToolOutcome::not_done(ToolStatus::Refused, "the number is withheld, and cannot be put on the list"),
                Err(error) => {
                    tracing::warn!(call = %id, %error, "a number was not put on the list of those who are not called");
                    ToolOutcome::not_done(ToolStatus::Failed, "it could not be written down")
                }
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
