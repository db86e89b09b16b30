//! What is counted of calls.

use std::fmt;
use std::str::FromStr;

/// Something that is counted, and may have a price.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Meter {
    /// From the answer to the end of a leg, begun seconds. A second leg is a call of its own.
    Seconds,
    /// Turns of the agent.
    Turns,
    /// Tokens that models read.
    InputTokens,
    /// Tokens that models wrote.
    OutputTokens,
    /// Characters that were made speech.
    Characters,
    /// Speech that was made words, begun seconds.
    TranscribedSeconds,
}

/// No word for what is counted.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("is none of seconds, turns, input_tokens, output_tokens, characters, transcribed_seconds")]
pub struct UnknownMeter;

impl Meter {
    /// All of them, in the order of bills.
    pub const ALL: [Self; 6] =
        [Self::Seconds, Self::Turns, Self::InputTokens, Self::OutputTokens, Self::Characters, Self::TranscribedSeconds];

    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Seconds => "seconds",
            Self::Turns => "turns",
            Self::InputTokens => "input_tokens",
            Self::OutputTokens => "output_tokens",
            Self::Characters => "characters",
            Self::TranscribedSeconds => "transcribed_seconds",
        }
    }

    /// How many of it have a price together: a minute, a turn, a thousand.
    #[must_use]
    pub const fn per(self) -> u64 {
        match self {
            Self::Seconds | Self::TranscribedSeconds => 60,
            Self::Turns => 1,
            Self::InputTokens | Self::OutputTokens | Self::Characters => 1_000,
        }
    }
}

impl fmt::Display for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Meter {
    type Err = UnknownMeter;

    fn from_str(word: &str) -> Result<Self, UnknownMeter> {
        Self::ALL.into_iter().find(|meter| meter.as_str() == word).ok_or(UnknownMeter)
    }
}
