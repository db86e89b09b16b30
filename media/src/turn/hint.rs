//! What others know of the caller's turn: transcribers, and providers with a turn detector of their own.

use super::words::{self, Spoken};

/// Told to the detector by whoever hears it first. A hint is advice: none of them can make a turn that no sound began.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TurnHint {
    /// How complete the words of the turn so far are, 0 to 1, as [`super::words::completeness`] says. Replaces what
    /// was said before; counts until the caller has spoken on for 400 ms.
    Completeness(f32),
    /// The provider says that the turn is over: the shortest wait will do.
    ProviderEnded,
    /// The provider takes that back.
    ProviderResumed,
    /// What the words are that were recognised while the agent speaks, as [`super::words::classify`] says. A command commits the
    /// interruption at once; a backchannel takes it back, also past `barge_in_commit`.
    Words(Spoken),
}

/// Speech after which older words say nothing of the end.
const STALE_FRAMES: u32 = 20;

/// What the log odds of the words count beside those of the voice. `benches turns train` says 1.37, on sentences that the rules for words
/// were written with, which flatters them: their probabilities are drawn towards even for that reason, and taken as they are.
const WORDS_WEIGHT: f32 = 1.0;

/// What words change that say nothing: who knows words can wait for better ones. From the same training.
const WORDS_BIAS: f32 = -0.2;

/// What a provider's word adds.
const PROVIDER_WEIGHT: f32 = 8.0;

/// The hints that are about the turn now open.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Hints {
    /// Log odds.
    words: Option<f32>,
    provider: f32,
    frames_since: u32,
}

impl Hints {
    pub(super) fn completeness(&mut self, value: f32) {
        self.words = value.is_finite().then(|| words::log_odds(value));
        self.frames_since = 0;
    }

    pub(super) fn provider(&mut self, ended: bool) {
        self.provider = if ended { 1.0 } else { 0.0 };
        self.frames_since = 0;
    }

    /// The caller speaks on.
    pub(super) fn speech(&mut self) {
        self.frames_since += 1;
        if self.frames_since == STALE_FRAMES {
            *self = Self::default();
        }
    }

    /// Log odds that the turn is over.
    pub(super) fn score(&self) -> f32 {
        self.words.map_or(0.0, |words| words * WORDS_WEIGHT + WORDS_BIAS) + self.provider * PROVIDER_WEIGHT
    }
}
