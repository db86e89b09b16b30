//! What turn-taking is told of the agent, and what it decides.

use std::time::{Duration, Instant};

use crate::units::Dbov;

/// What the agent's side of the leg does; told by the owner of the sendout.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AgentAudio {
    /// A prompt was heard to its end, or was dropped.
    Finished,
    /// Level of what the agent says now, best told every frame: the echo on the line is measured against it. Without it -20 dBov is
    /// assumed, and nothing is learned of the echo.
    Level(Dbov),
    /// The first frame of a prompt went out.
    Started,
}

/// Why a pause of the agent was taken back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ResumeReason {
    /// The prompt ended or was dropped meanwhile: there may be nothing to go on with.
    AgentFinished,
    /// A short sound of the caller that does not take the turn, as "uh-huh".
    Backchannel,
    /// Too short for a word: a cough, a click, the end of an echo.
    Noise,
}

/// What the detector decided.
///
/// `CallerStarted` and `CallerFinished` come in pairs and in turn. Each `BargeInStarted` is followed by exactly one
/// `BargeInCommitted` or `BargeInResumed` before the next. `CallerPaused` comes within a turn, and is followed by exactly one
/// `CallerResumed` or `CallerFinished`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TurnEvent {
    /// It was real speech: drop the rest of the agent's audio. The caller's turn is open now.
    BargeInCommitted,
    /// It was not: let the agent's audio go on where it stopped.
    BargeInResumed {
        /// Why.
        reason: ResumeReason,
    },
    /// The caller makes a sound while the agent speaks: pause the agent's audio at once.
    BargeInStarted {
        /// When the sound began.
        at: Instant,
    },
    /// The caller's turn is over.
    CallerFinished {
        /// When the caller was last heard; the response gap counts from here.
        last_speech_at: Instant,
        /// How much of the turn was speech.
        speech: Duration,
    },
    /// The caller was asked for as often as was wished, and has not said a word.
    CallerGone {
        /// Since when nobody speaks.
        since: Instant,
    },
    /// The caller has probably finished: time to prepare an answer, not yet to give it.
    CallerPaused {
        /// When the caller was last heard.
        last_speech_at: Instant,
    },
    /// The caller speaks on after all: throw away what was prepared.
    CallerResumed,
    /// Nobody has spoken for `idle_prompt`, and it is the caller's to speak; told again after each such time.
    CallerSilent {
        /// Since when nobody speaks.
        since: Instant,
    },
    /// The caller's turn has begun.
    CallerStarted {
        /// When the speech began, earlier than this event.
        at: Instant,
    },
}
