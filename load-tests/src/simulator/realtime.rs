//! The OpenAI Realtime API (GA, WebSocket).

mod input;
mod response;
mod session;
mod settings;
mod voice;

use std::sync::Arc;
use std::time::Instant;

use super::answer::Answer;
use super::route::Asked;
use super::socket::{Core, Output};
use session::Session;

pub(super) use voice::{Voices, speech_like};

/// Begins a session.
pub(super) fn open(asked: &Asked) -> Result<Box<dyn Core>, Answer> {
    let Some(model) = asked.query.value("model") else {
        return Err(asked.refuse(400, "missing_model", "You must provide a model parameter."));
    };
    let shared = Arc::clone(asked.shared);
    let number = shared.id();
    if !asked.header("openai-beta").is_empty() {
        return Ok(Box::new(Session::of_beta(shared, number, model)));
    }
    Ok(Box::new(Session::new(shared, number, model, asked.fault)))
}

impl Core for Session {
    fn handle_text(&mut self, now: Instant, text: &str) {
        Session::handle_text(self, now, text);
    }

    fn handle_binary(&mut self, _now: Instant, _octets: &[u8]) {}

    fn handle_timeout(&mut self, now: Instant) {
        Session::handle_timeout(self, now);
    }

    fn poll_output(&mut self) -> Option<Output> {
        Session::poll_output(self)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        Session::poll_timeout(self)
    }
}
