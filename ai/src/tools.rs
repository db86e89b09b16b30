//! What the model may do besides talking: how tools are described to it, who runs them, and what it is told of the outcome.
//!
//! A [`Tool`] is only a description. The [`builtin`] ones act on the call itself and are carried out by its actor; all others
//! are run by a [`ToolRunner`]: [`http`] requests, [`mcp`] servers, and services given from outside. A [`toolbox::Toolbox`] is
//! what one assistant has of them.

pub mod builtin;
pub mod clock;
pub mod digits;
pub mod email;
pub mod http;
pub mod mcp;
pub mod template;
pub mod toolbox;
pub mod transfer;
pub mod vault;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use crate::engine::Words;

/// The longest arguments that are read, in bytes: ten times what a person says in a turn.
pub const MAX_ARGUMENTS: usize = 16_384;

/// Bytes of a tool's output that the model gets: a quarter of the smallest model's context. The rest is cut off, and said so.
pub const MAX_OUTPUT: usize = 32 * 1024;

/// A tool as it is told to the model.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tool {
    /// 1 to 64 of `[A-Za-z0-9_-]`, unique in the session.
    pub name: String,
    /// When to use it, in the model's language.
    pub description: String,
    /// JSON Schema of the arguments: an object.
    pub parameters: Value,
}

/// What a tool may know of the call it is used in. `Debug` shows no number.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct CallInfo {
    /// The call's id on its record.
    pub id: String,
    /// The caller's number or SIP user; empty when it is withheld.
    pub from: String,
    /// The called number or SIP user.
    pub to: String,
    /// Of these two the one of the person on the telephone: the caller's, or the callee's when we call.
    pub person: String,
    /// The assistant's name.
    pub assistant: String,
}

impl std::fmt::Debug for CallInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CallInfo({}, {})", self.id, self.assistant)
    }
}

/// A use of a tool. `Debug` shows no argument: people said them.
#[derive(Clone)]
pub struct ToolCall {
    /// The tool, as its runner named it.
    pub name: String,
    /// A JSON object; runners check it against what they described.
    pub arguments: Value,
    /// The call it is used in.
    pub call: Arc<CallInfo>,
}

impl std::fmt::Debug for ToolCall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ToolCall({}, {:?})", self.name, self.call)
    }
}

/// What came of a tool call.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolOutcome {
    /// How it ended.
    pub status: ToolStatus,
    /// What the model reads, at most [`MAX_OUTPUT`] bytes; JSON by custom.
    pub output: Words,
    /// What the output is based on, for the record.
    pub sources: Vec<Source>,
}

/// A passage of a document that a tool found.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// Names the passage.
    pub chunk: String,
    /// The name of its document.
    pub document: String,
    /// The headings above it.
    pub heading: String,
    /// How well it answers, 0 to 1.
    pub score: f32,
    /// Its text.
    pub text: String,
}

impl ToolOutcome {
    /// It was carried out, and this is what came of it.
    pub fn ok(output: impl Into<String>) -> Self {
        Self { status: ToolStatus::Ok, output: cut(output.into()).into(), sources: Vec::new() }
    }

    /// It was not carried out, or not whole, for this reason.
    pub fn not_done(status: ToolStatus, reason: &str) -> Self {
        Self { status, output: cut(failure(reason)).into(), sources: Vec::new() }
    }

    /// It took longer than it may.
    pub fn late(limit: Duration) -> Self {
        Self::not_done(ToolStatus::Timeout, &format!("the tool gave no answer within {} ms", limit.as_millis()))
    }
}

impl From<ToolError> for ToolOutcome {
    fn from(error: ToolError) -> Self {
        Self::not_done(ToolStatus::Refused, &error.to_string())
    }
}

/// How a tool call ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ToolStatus {
    /// Given up because the caller went on, or the call ended.
    Cancelled,
    /// What it needs failed: a service, a server, the network.
    Failed,
    /// It was carried out.
    Ok,
    /// Not carried out: there is no such tool, its arguments are wrong, or it may not be done.
    Refused,
    /// It took longer than it may.
    Timeout,
}

impl ToolStatus {
    /// The word for it in metrics and on records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
            Self::Ok => "ok",
            Self::Refused => "refused",
            Self::Timeout => "timeout",
        }
    }
}

/// Who runs a tool; the `kind` label of metrics.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ToolKind {
    /// The call's own actor.
    BuiltIn,
    /// An HTTP request.
    Http,
    /// An MCP server.
    Mcp,
    /// A service of the node: knowledge, memory.
    Service,
}

impl ToolKind {
    /// The word for it in metrics and on records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BuiltIn => "builtin",
            Self::Http => "http",
            Self::Mcp => "mcp",
            Self::Service => "service",
        }
    }
}

/// How a tool may be used.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ToolRules {
    /// It is given up when the caller takes the turn while it runs, or hangs up: right for what only looks something up.
    /// Others run to their end.
    pub cancel_on_barge_in: bool,
    /// Its arguments and its output are not kept on the record, and digits that `collect_digits` hides are handed to it.
    pub sensitive: bool,
}

/// Runs tools.
pub trait ToolRunner: Send + Sync {
    /// What it offers now. May change; a call keeps what it began with.
    fn tools(&self) -> Vec<Tool>;

    /// Runs one of them. Bounded in time by the runner; dropping the future gives it up. Never panics for what is in the call.
    fn run(&self, call: ToolCall) -> BoxFuture<'static, ToolOutcome>;

    /// How the tool of this name may be used.
    fn rules(&self, name: &str) -> ToolRules;

    /// What runs them.
    fn kind(&self) -> ToolKind;
}

/// Why a call was not understood. The model's fault: [`output`](Self::output) tells it, so that it can try again.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ToolError {
    /// An argument of a built-in tool is missing or cannot be.
    #[error("argument {name}: {reason}")]
    Argument {
        /// Which.
        name: &'static str,
        /// What it must be.
        reason: &'static str,
    },
    /// The arguments are not a JSON object.
    #[error("arguments are not a json object: {reason}")]
    Json {
        /// What the parser says.
        reason: String,
    },
    /// The arguments do not fit the tool's schema.
    #[error("arguments do not fit the schema: {reason}")]
    Schema {
        /// Where, and why; values are not repeated.
        reason: String,
    },
    /// The arguments are too long.
    #[error("arguments of {length} bytes are over {MAX_ARGUMENTS}")]
    TooLong {
        /// Their length in bytes.
        length: usize,
    },
    /// No tool has this name.
    #[error("there is no tool named {name}")]
    Unknown {
        /// The name.
        name: String,
    },
    /// An argument's value cannot stand where it is to go.
    #[error("argument {name}: {reason}")]
    Value {
        /// Which.
        name: String,
        /// What it must be.
        reason: &'static str,
    },
}

impl ToolError {
    /// The tool output that tells the model.
    pub fn output(&self) -> String {
        failure(&self.to_string())
    }
}

/// The tool output of a call that was carried out.
pub fn success() -> String {
    json!({ "ok": true }).to_string()
}

/// The tool output of a call that was not carried out.
pub fn failure(reason: &str) -> String {
    json!({ "ok": false, "error": reason }).to_string()
}

/// Reads arguments as the model wrote them.
///
/// # Errors
/// [`ToolError::TooLong`], [`ToolError::Json`].
pub fn parse_arguments(arguments: &str) -> Result<Value, ToolError> {
    let length = arguments.len();
    if length > MAX_ARGUMENTS {
        return Err(ToolError::TooLong { length });
    }
    // Models leave the arguments of a call without any empty.
    let arguments = if arguments.trim().is_empty() { "{}" } else { arguments };
    let value: Value = serde_json::from_str(arguments).map_err(|error| ToolError::Json { reason: error.to_string() })?;
    if !value.is_object() {
        return Err(ToolError::Json { reason: "it is another kind of value".to_owned() });
    }
    Ok(value)
}

/// What stands at the end of an output that was cut.
const CUT: &str = " [cut: the output was longer]";

/// At most [`MAX_OUTPUT`] bytes of `output`, cut between characters.
fn cut(mut output: String) -> String {
    if output.len() > MAX_OUTPUT {
        output.truncate(output.floor_char_boundary(MAX_OUTPUT - CUT.len()));
        output.push_str(CUT);
    }
    output
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_over_the_bound_is_cut_and_says_so() {
        let outcome = ToolOutcome::ok("é".repeat(MAX_OUTPUT));
        assert_eq!(outcome.output.as_str().len(), MAX_OUTPUT - 1);
        assert!(outcome.output.as_str().ends_with("é [cut: the output was longer]"));
        assert_eq!(ToolOutcome::ok("short").output.as_str(), "short");
    }

    #[test]
    fn what_people_said_is_not_in_debug_texts() {
        let call = CallInfo {
            id: "id".into(),
            from: "+15551234567".into(),
            to: "100".into(),
            assistant: "demo".into(),
            ..CallInfo::default()
        };
        let call = ToolCall { name: "look".into(), arguments: json!({"card": "4111"}), call: Arc::new(call) };
        assert_eq!(format!("{call:?}"), "ToolCall(look, CallInfo(id, demo))");
        assert_eq!(format!("{:?}", ToolOutcome::ok("4111")), "ToolOutcome { status: Ok, output: Words(4 bytes), sources: [] }");
    }
}
