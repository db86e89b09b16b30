//! The records themselves.

use std::time::Duration;

use serde_json::Value;

use crate::{
    AnsweredBy, CallId, CallStatus, Direction, HangupCause, IdentityVerdict, IncidentKind, LegKind, OrganizationId, PhoneNumber,
    RecordingFormat, RecordingState, Role, Transcript, WallTime,
};

impl LegKind {
    /// Whether it is somebody's who has connected to a session, and not a telephone.
    #[must_use]
    pub const fn is_session(self) -> bool {
        !matches!(self, Self::Sip | Self::Twilio)
    }
}

/// What is known of a call when it begins.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewCall {
    /// Its id.
    pub id: CallId,
    /// Whose it is: the organization of the called number, or of whoever asked for the call.
    pub organization: OrganizationId,
    /// The node that has it (`node.name`).
    pub node: String,
    /// What the caller's leg speaks.
    pub leg: LegKind,
    /// Who called whom.
    pub direction: Direction,
    /// The calling number or SIP user, as the peer gave it.
    pub from: PhoneNumber,
    /// The called number or SIP user.
    pub to: PhoneNumber,
    /// Name of the assistant that answers; empty when none does.
    pub assistant: String,
    /// Engine of that assistant (`realtime`, `offline`); empty when none answers.
    pub engine: String,
    /// The peer's own id of the call: SIP Call-ID or Twilio CallSid; empty until a call of ours has one.
    pub external_id: String,
    /// When the INVITE or the webhook came, or we were asked to call.
    pub created_at: WallTime,
}

/// One call as the database has it.
#[derive(Clone, Debug, PartialEq)]
pub struct CallRecord {
    /// What was known at its beginning.
    pub call: NewCall,
    /// When the telephone of a call of ours began to ring.
    pub ringing_at: Option<WallTime>,
    /// When it was answered.
    pub answered_at: Option<WallTime>,
    /// When it ended.
    pub ended_at: Option<WallTime>,
    /// Why it ended; `None` while it goes on.
    pub cause: Option<HangupCause>,
    /// More on the cause, for the operator.
    pub cause_detail: Option<String>,
    /// How the callee's side refused a call of ours.
    pub refused: Option<Refused>,
    /// Media figures of the whole call; `Value::Null` until it ended in order.
    pub stats: Value,
    /// Provider tokens used so far.
    pub usage: Usage,
    /// The caller's language, ISO 639-1; `None` where it was not to be found out, or was not.
    pub language: Option<String>,
    /// Name of its trunk; `None` when it had none.
    pub trunk: Option<String>,
    /// Whether the caller's number is the caller's; `None` where it was not looked at.
    pub identity: Option<CallIdentity>,
    /// What a call of ours cost, in millionths of the operator's currency; `None` where nobody counts, or it is not over.
    pub cost_micros: Option<u64>,
    /// Who or what picked up a call of ours, and why we think so; `None` where nobody listened for it, or not yet.
    pub answered_by: Option<(AnsweredBy, Value)>,
}

/// What a check of the caller's number found (STIR/SHAKEN). None of it is a number.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CallIdentity {
    /// In one word.
    pub verdict: IdentityVerdict,
    /// A, B or C: how far the signer vouches; only of those that passed.
    pub attestation: Option<String>,
    /// Why it did not pass, in one word.
    pub reason: Option<String>,
    /// The signer's name for where the call came in.
    pub origid: Option<String>,
    /// The signer's service provider code.
    pub provider: Option<String>,
    /// What else there is to say, in words, separated by commas: kinds of signatures that were not judged, and `asserted` where the
    /// number that was signed is not the one that is shown.
    pub noted: Option<String>,
    /// The carrier's own word, `passed A` say.
    pub carrier: Option<String>,
}

impl CallRecord {
    /// Where it is in its life.
    #[must_use]
    pub fn status(&self) -> CallStatus {
        match (self.answered_at, self.ended_at) {
            (_, Some(_)) => CallStatus::Ended,
            (Some(_), None) => CallStatus::Answered,
            (None, None) if self.call.direction == Direction::Outbound && self.ringing_at.is_none() => CallStatus::Dialing,
            (None, None) => CallStatus::Ringing,
        }
    }
}

/// How the callee's side refused a call.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refused {
    /// The code of its protocol; a status of SIP, 300-699.
    pub code: u16,
    /// Its words, in the peer's choice.
    pub reason: String,
}

/// Provider tokens of a call, counted from its beginning. Counts beyond `i64::MAX` are kept as that.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Usage {
    /// Text tokens read, with the cached ones.
    pub input_text_tokens: u64,
    /// Audio tokens read, with the cached ones.
    pub input_audio_tokens: u64,
    /// Tokens read from the provider's cache.
    pub cached_tokens: u64,
    /// Text tokens written.
    pub output_text_tokens: u64,
    /// Audio tokens written.
    pub output_audio_tokens: u64,
}

/// One turn of the conversation.
#[derive(Clone, Debug, PartialEq)]
pub struct Turn {
    /// The call it belongs to.
    pub call: CallId,
    /// Its place in the call, from 0. Writing a number again replaces that turn.
    pub number: u32,
    /// Who spoke.
    pub role: Role,
    /// What was said.
    pub text: Transcript,
    /// When the speech began.
    pub started_at: WallTime,
    /// When the speech ended.
    pub ended_at: WallTime,
    /// How much of an interrupted prompt the caller heard (whole milliseconds); `None`: it was not interrupted.
    pub interrupted: Option<Duration>,
    /// The latency waterfall, as JSON for people and charts.
    pub timings: Value,
}

/// One recording of a call.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Recording {
    /// The call it belongs to.
    pub call: CallId,
    /// Where the file is, relative to the node's data folder.
    pub path: String,
    /// File format.
    pub format: RecordingFormat,
    /// Where the file is in its life.
    pub state: RecordingState,
    /// When the file was begun.
    pub opened_at: WallTime,
    /// Length of the audio (whole milliseconds), known when closed.
    pub duration: Option<Duration>,
    /// Size of the file, known when closed.
    pub bytes: Option<u64>,
    /// What the listener should know, for example why it was cut short.
    pub note: Option<String>,
}

/// Something that went wrong in a call that went on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Incident {
    /// The call it happened in.
    pub call: CallId,
    /// When. The same kind from the same source at the same microsecond is the same incident.
    pub at: WallTime,
    /// What kind.
    pub kind: IncidentKind,
    /// Actor or provider it happened to, for example `recorder` or `openai`.
    pub source: String,
    /// What happened, for the operator.
    pub detail: String,
}

/// One use of a tool by the model.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ToolUse {
    /// The call it belongs to.
    pub call: CallId,
    /// Its place in the call. Writing a number again replaces that use.
    pub number: u64,
    /// The tool's name, as the model knows it.
    pub name: String,
    /// What ran it: `builtin`, `http`, `mcp`, `service`.
    pub kind: String,
    /// The arguments, as the model wrote them; `None`: they are sensitive.
    pub arguments: Option<Transcript>,
    /// When it was called.
    pub started_at: WallTime,
    /// How it ended, as the metric has it; `None`: it has not, or its node was lost.
    pub outcome: Option<String>,
    /// How long it took (whole milliseconds), known when it has ended.
    pub duration: Option<Duration>,
}

/// A chunk of the knowledge base that an answer was based on, as it was then.
#[derive(Clone, Debug, PartialEq)]
pub struct Citation {
    /// The call.
    pub call: CallId,
    /// The number of the turn.
    pub turn: u32,
    /// Its place among the turn's citations, from 0. Writing a place again replaces it.
    pub place: u32,
    /// The chunk's name.
    pub chunk: String,
    /// The name of its document.
    pub document: String,
    /// The headings above it.
    pub heading: String,
    /// How well it answered the question, 0 to 1.
    pub score: f64,
    /// Its text.
    pub text: String,
}

/// A call that the node left open when it stopped.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LostCall {
    /// Its id.
    pub id: CallId,
    /// Its recordings that are still in state [`RecordingState::Writing`]: repair each and write
    /// [`StoreWrite::RecordingClosed`](crate::StoreWrite::RecordingClosed).
    pub writing: Vec<Recording>,
}
