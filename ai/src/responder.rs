//! Words to words: the port of a cascade's second stage.

use std::sync::Arc;

use crate::engine::{EngineError, Usage, Words};
use crate::link::Target;
use crate::tools::Tool;

/// A language model as an assistant uses it: makes requests and reads answers; a value without a clock or a socket.
pub trait Responder: Send + Sync {
    /// The provider's name in the configuration.
    fn provider(&self) -> &Arc<str>;

    /// The model, as the provider names it.
    fn model(&self) -> &str;

    /// The request for an answer to a conversation; its answer comes as [`Answer::Events`](crate::link::Answer::Events).
    ///
    /// # Errors
    /// What the operator must mend: the URL, the key.
    fn request(&self, conversation: &Conversation<'_>) -> Result<Target, EngineError>;

    /// A reader for one answer.
    fn reader(&self) -> Box<dyn ResponseReader>;
}

/// Reads one streamed answer.
pub trait ResponseReader: Send {
    /// The data of the next event.
    ///
    /// # Errors
    /// The provider failed or broke its protocol; nothing more is expected of this answer. What is merely unknown is not an error.
    fn handle(&mut self, data: &str, out: &mut Vec<Responded>) -> Result<(), EngineError>;
}

/// What a model is told.
#[derive(Clone, Copy, Debug)]
pub struct Conversation<'a> {
    /// The system prompt.
    pub instructions: &'a str,
    /// What was said and done, oldest first. Two entries of one role may follow each other; the adapter joins them where the provider
    /// wants turns to alternate. Never empty texts.
    pub entries: &'a [Entry],
    /// What the model may call.
    pub tools: &'a [Tool],
    /// Whether it may call any now.
    pub tool_choice: ToolChoice,
}

/// Whether the model may call tools.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ToolChoice {
    /// As it likes.
    #[default]
    Auto,
    /// It must speak.
    None,
}

/// One entry of a conversation.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// What the agent said, as far as it was heard.
    Agent(Words),
    /// What the caller said, or did.
    Caller(Words),
    /// The agent called a tool.
    ToolCall(ToolCall),
    /// What the tool gave back; every call has one before the next request.
    ToolResult {
        /// The call's identity.
        call_id: String,
        /// JSON by custom.
        output: Words,
    },
}

/// A call of a tool.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolCall {
    /// As the provider names it, or made up where it names none.
    pub call_id: String,
    /// Name of the tool.
    pub name: String,
    /// JSON as the model wrote it, not checked.
    pub arguments: Words,
}

/// What an answer is made of.
#[derive(Clone, Debug, PartialEq)]
pub enum Responded {
    /// The answer is complete; nothing follows but the end of the stream, and `Used`.
    Done(Stop),
    /// The next words.
    Text(Words),
    /// A call, complete.
    ToolCall(ToolCall),
    /// What it cost.
    Used(Usage),
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stop {
    /// It is whole.
    Complete,
    /// It reached the longest length.
    Length,
    /// The model, or a filter of the provider, declines to answer.
    Refused,
    /// Tools are to be run.
    ToolCalls,
}
