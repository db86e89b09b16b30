//! What a Call is told.

use std::sync::Arc;

use ai::engine::{EngineError, Past, Words};
use ai::language::Language;
use ai::tools::transfer::Wish;
use media::answerer::AnswererEvent;
use sip::dialog::DialogId;
use sip::endpoint::{DialogSnapshot, Event};
use sip::identity::Verdict;
use store::{CallId, HangupCause};
use tokio::sync::oneshot;

use super::bridge::Invitation;
use super::partner::{CallOut, Consultation, PartnerNews};
use super::successor::SuccessorNews;
use crate::ai_session::ToolReport;
use crate::bridge::{Place, RoomId, RoomOrder};
use crate::conference::{ConferenceMsg, RoomNews};
use crate::jitter_buffer::{LiveMedia, Received};
use crate::kind::ActorKind;
use crate::leg::twilio::StreamIo;
use crate::mailbox::{Lane, Letter, Mailbox};
use crate::recorder::RecordingEvent;
use crate::turn::{Counted, TurnReport};
use crate::webrtc::BadOffer;

/// What a Call is told. Anything that could not be delivered ends the call: a call that cannot be told things is lost.
#[derive(Debug)]
pub enum CallMsg {
    /// By itself: set everything up.
    Begin,
    /// By the SipEndpoint: something happened in its dialog.
    Sip {
        /// What.
        event: Event,
        /// The dialog as it is now, when it was just confirmed.
        snapshot: Option<Box<DialogSnapshot>>,
    },
    /// By the SipEndpoint: our 200 is out, and this is the dialog that it made or changed.
    AnswerSent(Box<DialogSnapshot>),
    /// By Calls: the SipEndpoint is new and does not know our dialog.
    SipRestarted,
    /// By the SipEndpoint: our INVITE is out, and this is the dialog that it is to make.
    Dialing(DialogId),
    /// By a timer: the callee should have picked up by now.
    RingLate,
    /// By itself, or by a timer when it is late: whether the caller's number is the caller's.
    IdentityJudged(Box<Verdict>),
    /// By the Store: the record is safe.
    Recorded,
    /// By a timer: it has rung long enough.
    RungOut,
    /// By Calls: the media stream of this Twilio call is here.
    TwilioStream(StreamIo),
    /// By a timer: the media stream of a Twilio call should be here by now.
    StreamLate,
    /// By Calls: Twilio says that the call is over.
    TwilioEnded,
    /// By Calls: somebody asks how its media is. Dropping the sender says that it has none.
    MediaAsked(oneshot::Sender<LiveMedia>),
    /// By Calls: the browser of this session makes another offer. Answered with what refuses it, or with our answer.
    Offered(Vec<u8>, oneshot::Sender<Result<String, BadOffer>>),
    /// By Calls: somebody who is not at the socket of this session types something.
    Typed(Words),
    /// By the leg: its media cannot go on, or the peer ended it.
    LegClosed(LegClosed),
    /// By the JitterBuffer: nothing came for `rtp.timeout_s`.
    MediaTimedOut,
    /// By the Vad: who or what picked up, and when a machine listens.
    Answerer(AnswererEvent),
    /// By the AiSession: a turn is over.
    TurnTaken(Box<TurnReport>),
    /// By the AiSession: the model called a tool.
    ToolBegan(Past),
    /// By the AiSession, or by the tool itself when that has ended: what came of it. The AiSession of then is told.
    ToolEnded(Box<ToolReport>),
    /// By the AiSession: whether the recording is to be silent, since what the caller does is nobody's business.
    RecordingPaused(bool),
    /// By the AiSession: what a provider did.
    UsageCounted(Box<Counted>),
    /// By the AiSession: put the caller through, or finish that. It is told how far it is.
    TransferWanted(Wish),
    /// By a timer: whoever this call is to has heard long enough what it is about.
    BriefingLate(CallId),
    /// By the AiSession: the agent takes leave, and for what; a session that is started now goes on with that.
    TakingLeave(HangupCause),
    /// By the AiSession: the agent ends the call, and why.
    AgentHungUp(HangupCause),
    /// By the AiSession: the caller's language was found out, or has changed.
    LanguageHeard(Language),
    /// By the AiSession: a provider is in trouble, by name if it is one of several, and the session goes on or falls back.
    ProviderFailed(Option<Arc<str>>, EngineError),
    /// By the AiSession of this number: its engine cannot go on.
    EngineLost(u64, EngineError),
    /// By the Recorder.
    Recording(RecordingEvent),
    /// By the JitterBuffer at its end.
    ReceivedTotals(Box<Received>),
    /// By Calls: while draining, or since somebody asked for it.
    HangUp(HangupCause),
    /// By a timer: `limits.call_duration_s` is over in `limits.call_warning_s`.
    TimeShort,
    /// By a timer: `limits.call_duration_s` is over.
    Overdue,
    /// By Calls, once: there is no money for another minute of this call.
    MoneySpent,
    /// By Calls: it is to come into a conference.
    Invited(Box<Invitation>),
    /// By Calls: somebody is to be called for it.
    CallOut(Box<CallOut>),
    /// Of whoever is called for it.
    Partner(Consultation, PartnerNews),
    /// By Calls: a call has crashed.
    CallLost(CallId),
    /// By Calls: this is the call that its peer asked for in its place.
    SuccessorCalled(CallId, Mailbox<CallMsg>),
    /// By that call, or by Calls when there is none: how far it is.
    SuccessorNews(SuccessorNews),
    /// By the call that this one follows, or by a timer when it is late: what was said there so far.
    Inherit(Option<Vec<Past>>),
    /// By Calls: it is to do something else in its conference.
    Room(RoomOrder),
    /// By the Conference: it is in, and this is its place there.
    Joined(RoomId, Box<Place>),
    /// By the Conference: there is no room.
    RoomFull(RoomId),
    /// By the Conference: somebody came or went.
    RoomNews(RoomNews),
    /// By Calls: this conference died, and goes on here.
    RoomMoved(RoomId, Mailbox<ConferenceMsg>),
    /// By Calls: this conference has ended, or died too often.
    RoomLost(RoomId),
    /// By itself: the last child has ended, and what it sent has been handled.
    Finished,
    /// By a timer: the children had their time to finish.
    FinishLate,
    /// By a test: make a child fail.
    #[cfg(feature = "fault-injection")]
    Inject(ActorKind, crate::fault::Fault),
}

impl Letter for CallMsg {
    const KIND: ActorKind = ActorKind::Call;
    const AUDIO_MAX: u32 = 0;
    /// A busy second brings a handful; 64 is a peer that floods its dialog.
    const SIGNALS_MAX: u32 = 64;

    fn lane(&self) -> Lane {
        Lane::Signal
    }
}

/// How a leg ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LegClosed {
    /// The peer ended its stream in good order.
    ByPeer,
    /// The connection broke.
    Lost(String),
    /// No handshake gave keys for its media.
    Unprotected(media::dtls::Failure),
}
