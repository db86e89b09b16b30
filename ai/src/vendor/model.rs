//! Language models: one request, and an answer of events. What differs between their interfaces is where they are, what is sent, and how
//! answers are read.

use std::sync::Arc;

use serde_json::Value;

use super::account::Query;
use super::config::ResponderConfig;
use crate::engine::{EngineError, Words};
use crate::link::{Answer, Body, Target};
use crate::responder::{Conversation, Responder, ResponseReader};

/// How a kind of model is spoken to.
pub(crate) struct Interface {
    /// Where, under the base URL.
    pub(crate) path: &'static str,
    /// What is sent.
    pub(crate) body: fn(&ResponderConfig, &Conversation<'_>) -> Value,
    /// Reads one answer.
    pub(crate) reader: fn() -> Box<dyn ResponseReader>,
}

/// A language model behind an interface.
pub(crate) struct Model {
    config: ResponderConfig,
    interface: &'static Interface,
}

impl Model {
    pub(crate) fn new(config: ResponderConfig, interface: &'static Interface) -> Self {
        Self { config, interface }
    }
}

impl Responder for Model {
    fn provider(&self) -> &Arc<str> {
        &self.config.account.provider
    }

    fn model(&self) -> &str {
        &self.config.model
    }

    fn request(&self, conversation: &Conversation<'_>) -> Result<Target, EngineError> {
        let body = (self.interface.body)(&self.config, conversation);
        let body = Body::Json(Words::from(body.to_string()));
        self.config.account.request("respond", Query::new(self.interface.path), body, Answer::Events)
    }

    fn reader(&self) -> Box<dyn ResponseReader> {
        (self.interface.reader)()
    }
}
