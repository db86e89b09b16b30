//! A piece of text on its way to be heard, and its audio.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use media::sendout::PromptId;

use crate::engine::CacheKey;
use crate::link::LinkId;
use crate::synthesizer::SpeechId;

/// A piece of text on its way to the caller.
pub(super) struct Piece {
    pub(super) speech: SpeechId,
    pub(super) prompt: PromptId,
    pub(super) text: String,
    pub(super) spoken: String,
    /// Where speech of it may lie, and is to be kept.
    pub(super) key: Option<CacheKey>,
    pub(super) state: State,
    /// Its own request, where there is no socket.
    pub(super) request: Option<LinkId>,
    /// Raw audio that was not given out yet.
    pub(super) waiting: VecDeque<Bytes>,
    /// Octets of audio that came.
    pub(super) octets: usize,
    pub(super) marks: Vec<(Duration, usize)>,
    /// What was given out of it.
    pub(super) given: Vec<u8>,
    pub(super) began: bool,
    pub(super) asked: Instant,
    /// When its first audio came.
    pub(super) first: Option<Instant>,
    /// When it was last heard of, or became the first in line.
    pub(super) heard_of: Instant,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum State {
    /// It was asked for.
    Asked,
    /// The cache is asked first.
    Cache,
    /// All of it is here, as raw audio, or of the cache as the leg has it.
    Done {
        cached: bool,
    },
    Waiting,
}

impl Piece {
    /// One that was not asked for; with a key the cache is asked first.
    pub(super) fn new(
        now: Instant,
        speech: SpeechId,
        prompt: PromptId,
        (text, spoken): (String, String),
        key: Option<CacheKey>,
    ) -> Self {
        Self {
            speech,
            prompt,
            text,
            spoken,
            state: if key.is_some() { State::Cache } else { State::Waiting },
            key,
            request: None,
            waiting: VecDeque::new(),
            octets: 0,
            marks: Vec::new(),
            given: Vec::new(),
            began: false,
            asked: now,
            first: None,
            heard_of: now,
        }
    }

    /// What was asked for does not come any more.
    pub(super) fn ask_again(&mut self) {
        if self.state == State::Asked {
            self.state = State::Waiting;
            self.octets = 0;
            self.first = None;
            self.waiting.clear();
            self.marks.clear();
        }
    }
}
