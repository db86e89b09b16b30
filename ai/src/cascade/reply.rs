//! One turn of the agent, from what it answers until all of it is made.

use std::time::{Duration, Instant};

use media::sendout::PromptId;

use super::sentences::Sentences;
use crate::engine::{TurnTimings, Usage};
use crate::responder::{Stop, ToolCall};

/// Words of one round of an answer, in bytes: eight minutes of speech. What is over is not said.
pub(super) const MAX_TEXT: usize = 8 * 1024;

/// What a turn of the agent answers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Cause {
    /// What the caller has said, or is believed to have said.
    Caller(String),
    /// The beginning of the call.
    Greeting,
    /// What is in the history already: keys.
    History,
    /// Nothing: the agent speaks of its own accord.
    Remark,
}

/// Where a turn is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Phase {
    /// The words are complete.
    Said(Stop),
    /// The model is asked, or to be asked again.
    Thinking,
    /// Tools run; then the model is asked again.
    Tools,
}

/// One turn of the agent.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) cause: Cause,
    pub(super) phase: Phase,
    /// It is not certain yet: nothing of it is given out.
    pub(super) held: bool,
    /// It was begun before the caller's turn was over.
    pub(super) early: bool,
    pub(super) sentences: Sentences,
    /// The words of this round.
    pub(super) text: String,
    /// Bytes of them that were told already.
    pub(super) told: usize,
    pub(super) calls: Vec<ToolCall>,
    /// Calls that have not come back.
    pub(super) running: Vec<String>,
    pub(super) round: u8,
    /// Of this round; taken when its first piece is cut.
    pub(super) prompt: Option<PromptId>,
    /// The model's answer broke off after something of it was given out: it is asked to go on.
    pub(super) broke_off: bool,
    pub(super) timings: TurnTimings,
    pub(super) usage: Usage,
}

impl Reply {
    pub(super) fn new(cause: Cause, held: bool) -> Self {
        Self {
            cause,
            phase: Phase::Thinking,
            held,
            early: false,
            sentences: Sentences::default(),
            text: String::new(),
            told: 0,
            calls: Vec::new(),
            running: Vec::new(),
            round: 0,
            prompt: None,
            broke_off: false,
            timings: TurnTimings::default(),
            usage: Usage::default(),
        }
    }

    /// More words of the model; those over the bound are dropped.
    pub(super) fn write(&mut self, words: &str) {
        let room = MAX_TEXT.saturating_sub(self.text.len());
        let words = &words[..words.floor_char_boundary(room)];
        self.text.push_str(words);
        self.sentences.push(words);
    }

    /// The words that nobody was told yet.
    pub(super) fn take_new(&mut self) -> String {
        let new = self.text[self.told..].to_owned();
        self.told = self.text.len();
        new
    }

    /// The next round, after tools.
    pub(super) fn next_round(&mut self) {
        self.round = self.round.saturating_add(1);
        self.phase = Phase::Thinking;
        self.text.clear();
        self.told = 0;
        self.prompt = None;
        self.broke_off = false;
    }

    /// Nothing of this round was given out, so it may be asked for from its beginning.
    pub(super) fn start_over(&mut self) {
        self.sentences = Sentences::default();
        self.text.clear();
        self.told = 0;
        self.calls.clear();
        self.prompt = None;
    }

    /// Whether anything was given out.
    pub(super) fn is_audible(&self) -> bool {
        self.timings.first_audio.is_some()
    }
}

/// The caller's turn.
#[derive(Clone, Copy, Debug)]
pub(super) struct CallerTurn {
    pub(super) phase: CallerPhase,
    /// Speech of it, once it is over.
    pub(super) speech: Duration,
    pub(super) last_speech_at: Instant,
    /// Answers that were begun early and thrown away.
    pub(super) wasted: u8,
    /// The transcriber was changed because it had nothing to say.
    pub(super) retried: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum CallerPhase {
    /// It is over, then, and its words must be there until the deadline.
    Finished {
        at: Instant,
        deadline: Instant,
    },
    /// It is probably over.
    Paused,
    Speaking,
}

/// Answers begun early and thrown away in one turn: after that the end is waited for.
pub(super) const MAX_WASTED: u8 = 3;
