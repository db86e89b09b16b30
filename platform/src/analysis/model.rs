//! The model that is asked: a trait, so that everything above it is tested without a network, and the one over a responder.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use ai::engine::{EngineError, Stage, Usage, Words};
use ai::link::LinkInput;
use ai::link::http::HttpClient;
use ai::responder::{Conversation, Entry, Responded, Responder, Stop, ToolChoice};
use tokio::time::timeout;

/// The longest an answer may take, from the request to its last word: a model that thinks for long, about a long call.
pub const ANSWER_TIME_MAX: Duration = Duration::from_secs(90);

/// The longest answer, in bytes: ten times what is asked for. More is not read.
pub const ANSWER_BYTES_MAX: usize = 128 * 1024;

/// An answer to come.
pub type Asked<'a> = Pin<Box<dyn Future<Output = Result<Reply, EngineError>> + Send + 'a>>;

/// A model that answers with text.
pub trait Model: Send + Sync {
    /// The provider's name in the configuration.
    fn provider(&self) -> &str;

    /// The model, as the provider names it.
    fn name(&self) -> &str;

    /// Asks for an answer to a conversation. Bounded in time and size.
    fn ask<'a>(&'a self, instructions: &'a str, said: &'a [Entry]) -> Asked<'a>;
}

/// What a model answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// Its text.
    pub text: Words,
    /// Why it ended.
    pub stop: Stop,
    /// What it cost.
    pub usage: Usage,
}

/// A model behind any responder. It is asked for text: no feature that only some providers have.
pub struct ResponderModel {
    responder: Arc<dyn Responder>,
    http: HttpClient,
}

impl ResponderModel {
    /// `responder` over `http`, the node's client.
    pub fn new(responder: Arc<dyn Responder>, http: HttpClient) -> Self {
        Self { responder, http }
    }

    async fn answer(&self, instructions: &str, said: &[Entry]) -> Result<Reply, EngineError> {
        let conversation = Conversation { instructions, entries: said, tools: &[], tool_choice: ToolChoice::None };
        let mut pieces = self.http.open(self.responder.request(&conversation)?).await?;
        let (mut reader, mut out) = (self.responder.reader(), Vec::new());
        let (mut text, mut usage, mut stop) = (String::new(), Usage::default(), None);
        while let Some(input) = pieces.recv().await {
            match input {
                LinkInput::Text(data) => reader.handle(data.as_str(), &mut out)?,
                LinkInput::Closed { error } => return Err(error),
                LinkInput::Ended => break,
                LinkInput::Binary(_) | LinkInput::Opened => {}
            }
            for responded in out.drain(..) {
                match responded {
                    Responded::Text(words) => text += words.as_str(),
                    Responded::Done(reason) => stop = Some(reason),
                    Responded::Used(used) => usage += used,
                    // It was given none, so what it wants to call is nothing to us.
                    Responded::ToolCall(_) => {}
                }
            }
            if text.len() > ANSWER_BYTES_MAX {
                text.truncate(text.floor_char_boundary(ANSWER_BYTES_MAX));
                stop = Some(Stop::Length);
                break;
            }
        }
        let stop = stop.ok_or_else(|| EngineError::Protocol { reason: "the answer ended before it was complete".to_owned() })?;
        Ok(Reply { text: text.into(), stop, usage })
    }
}

impl Model for ResponderModel {
    fn provider(&self) -> &str {
        self.responder.provider()
    }

    fn name(&self) -> &str {
        self.responder.model()
    }

    fn ask<'a>(&'a self, instructions: &'a str, said: &'a [Entry]) -> Asked<'a> {
        Box::pin(async move {
            let late = EngineError::Late { stage: Stage::NextAudio, limit: ANSWER_TIME_MAX };
            timeout(ANSWER_TIME_MAX, self.answer(instructions, said)).await.unwrap_or(Err(late))
        })
    }
}
