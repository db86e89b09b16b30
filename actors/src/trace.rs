//! What a call tells of itself when one of its turns, and then the call itself, is over: plain data and times, drawn by others.
//!
//! Nothing here is made while audio waits for it, and nothing in it was said by anybody: no words, no numbers, no error's text.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use ai::engine::TurnOutcome;
use media::line::LineCodec;
use store::{CallId, Direction, HangupCause, LegKind, Role, Usage};

use crate::config::Assistant;
use crate::kind::ActorKind;
use crate::turn::Waterfall;

/// Where traces go; the node knows nothing of how they are drawn or sent.
pub trait TraceSink: Debug + Send + Sync {
    /// Whether this call is traced; asked once, when it arrives.
    fn wants(&self, call: CallId) -> bool;

    /// Takes a part of a call's trace. Never waits: what there is no room for is dropped, and counted by the sink.
    fn take(&self, trace: Trace);
}

/// A part of a call's trace, complete in itself.
#[derive(Clone, Debug)]
pub struct Trace {
    /// Whose.
    pub call: Arc<TracedCall>,
    /// What.
    pub part: TracePart,
}

/// What is over.
#[derive(Clone, Debug)]
pub enum TracePart {
    /// The call; comes once, and last.
    Call(Box<CallTrace>),
    /// One turn of it.
    Turn(Box<TurnTrace>),
}

/// What is known of a call when it arrives.
#[derive(Clone, Debug)]
pub struct TracedCall {
    /// Its id, and the trace's.
    pub id: CallId,
    /// What it speaks.
    pub leg: LegKind,
    /// Who called whom.
    pub direction: Direction,
    /// Who answers; `None`: nobody.
    pub assistant: Option<Arc<Assistant>>,
    /// When the INVITE or the webhook came, or we were asked to call.
    pub arrived: Instant,
    /// The calendar time of that. The clock is read once a call, so that one that is set meanwhile tears no trace apart.
    pub arrived_at: SystemTime,
}

impl TracedCall {
    /// The calendar time of an instant of the call; one before the call is its beginning.
    pub fn at(&self, instant: Instant) -> SystemTime {
        self.arrived_at + instant.saturating_duration_since(self.arrived)
    }
}

/// One turn.
#[derive(Clone, Debug)]
pub struct TurnTrace {
    /// Its place in the call, from 0.
    pub number: u32,
    /// Who spoke.
    pub role: Role,
    /// `engine` label of metrics: what spoke, or was spoken to.
    pub engine: &'static str,
    /// When the speech began and ended.
    pub spoken: (Instant, Instant),
    /// How much the caller heard of a prompt that was cut short.
    pub interrupted: Option<Duration>,
    /// When the first audio of a prompt came from the engine.
    pub first_audio: Option<Instant>,
    /// Where the response gap went, on an answer; its stages end where `spoken` begins.
    pub waterfall: Option<Waterfall>,
    /// How the provider made it; `None` for a caller's turn, one of the offline engine, and one that was heard to its end before the
    /// provider said that it was complete.
    pub generation: Option<Generation>,
}

/// How a provider made what the agent said.
#[derive(Clone, Copy, Debug)]
pub struct Generation {
    /// The caller's words were there, where they are needed to ask.
    pub transcribed: Option<Instant>,
    /// The response was asked for.
    pub requested: Instant,
    /// The provider began to answer.
    pub created: Option<Instant>,
    /// Its first audio came.
    pub first_audio: Instant,
    /// It was complete, or given up.
    pub done: Instant,
    /// How it ended.
    pub outcome: TurnOutcome,
    /// What it used; all zero when it was cut, since that is counted later or never.
    pub usage: Usage,
}

/// A call that is over.
#[derive(Clone, Debug)]
pub struct CallTrace {
    /// When each step of the set-up was done.
    pub setup: SetupTrace,
    /// What the leg speaks; `None`: it came to no media.
    pub codec: Option<LineCodec>,
    /// Why it ended, and when that was known; `None`: it crashed, or was lost with its supervisor.
    pub ended: Option<(Instant, HangupCause)>,
    /// When its last actor was done, so the end of all its turns too.
    pub finished: Instant,
    /// How the caller sounded, 1 to 4.4; `None` when nobody measured.
    pub mos: Option<f64>,
    /// Turns of both sides.
    pub turns: u32,
    /// What the provider counted.
    pub usage: Usage,
    /// What happened beside the conversation, oldest first; at most `EVENTS_MAX`, later ones are not told.
    pub events: Vec<(Instant, CallEvent)>,
}

impl CallTrace {
    /// Of a call that has just arrived.
    pub(crate) fn new(arrived: Instant) -> Self {
        Self {
            setup: SetupTrace::default(),
            codec: None,
            ended: None,
            finished: arrived,
            mos: None,
            turns: 0,
            usage: Usage::default(),
            events: Vec::new(),
        }
    }
}

/// When each step of a call's set-up was done; `None` for one that it did not reach, or that its leg does not have.
#[derive(Clone, Copy, Debug, Default)]
pub struct SetupTrace {
    /// Media was agreed and its actors were started, so 180 went out; of a call of ours, one came, or the answer without one.
    pub ringing: Option<Instant>,
    /// 200 went out; of a call of ours, it came.
    pub answered: Option<Instant>,
    /// The ACK or the media stream came: audio flows.
    pub up: Option<Instant>,
}

/// Something that happened beside the conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallEvent {
    /// Somebody came into the conference that the call is in, or does something else there now.
    BridgeJoined,
    /// Somebody left it.
    BridgeLeft,
    /// An actor died and was started again.
    ActorRestarted(ActorKind),
    /// The offline engine took over.
    FellBack,
    /// The provider failed or stumbled: the kind of error.
    ProviderFailed(&'static str),
    /// The recording has a gap, or stopped.
    RecordingFault,
    /// A tool that the model called has ended.
    ToolCalled {
        /// Its name; `None`: there is no such tool.
        name: Option<Arc<str>>,
        /// `outcome` label of metrics.
        outcome: &'static str,
        /// How long it took.
        took: Duration,
    },
}

/// Events kept of one call: a provider that stumbles in every turn of ten minutes.
pub(crate) const EVENTS_MAX: usize = 64;
