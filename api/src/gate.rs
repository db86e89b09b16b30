//! What the front doors ask of the node.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::future::BoxFuture;
use store::{CallId, CallRecord, OrganizationId, PhoneNumber, SipLadder};
use tokio::sync::mpsc;

use crate::session_io::{NoAssistant, SessionIo, SessionRefusal, SessionStart, WebRtcRefusal};

/// The node, as the front doors see it. Every answer has a deadline of 5 s on this side.
pub trait CallGate: Send + Sync + 'static {
    /// A call came in at Twilio: takes it and has its record made, or refuses it. Asked once per CallSid, and again
    /// only when the first answer came late: then the same call must be answered.
    fn twilio_incoming(&self, call: IncomingTwilio) -> BoxFuture<'_, Result<TwilioAnswer, TwilioRefusal>>;

    /// Twilio told the state of a call: late, twice, out of order, or of a call we do not know.
    fn twilio_status(&self, status: TwilioStatus) -> BoxFuture<'_, ()>;

    /// The media stream of an answered call is open; its token was right. Asked at most once per call.
    fn attach_stream(&self, start: StreamStart, io: StreamIo) -> BoxFuture<'_, Result<(), StreamRefusal>>;

    /// Somebody asks for a call. Answers when it is on the record and goes out, or says why not.
    fn place_call(&self, wish: CallWish) -> BoxFuture<'_, Result<CallId, PlaceRefusal>>;

    /// What the record says of a call.
    fn find_call(&self, id: CallId) -> BoxFuture<'_, Result<Option<CallRecord>, RecordsAway>>;

    /// The SIP messages of a call that is over, and of one that is being written a moment later; `None` when none were kept.
    fn find_ladder(&self, call: &CallRecord) -> BoxFuture<'_, Result<Option<SipLadder>, RecordsAway>>;

    /// The same as a pcap file.
    fn capture_of(&self, ladder: &SipLadder) -> Vec<u8>;

    /// Somebody wants a call to do something. False when it, or another one that is named, is not up here.
    fn act(&self, id: CallId, action: CallAction) -> BoxFuture<'_, bool>;

    /// Where the file of a recording is, by its path in the records; `None` when that is no path of ours.
    fn recording_file(&self, path: &str) -> Option<PathBuf>;

    /// How the media of a call is now; `None` when it has none yet, or is not up here.
    fn media(&self, id: CallId) -> BoxFuture<'_, Option<MediaFigures>>;

    /// The name of the assistant that an organization knows by this name or id; `None`: the default one. `Err` when there is none.
    fn assistant(&self, organization: &OrganizationId, wanted: Option<&str>) -> Result<String, NoAssistant>;

    /// Somebody has connected to a session, and the token was right: takes the call, or refuses it. Asked at most once per session,
    /// and again only when it was refused.
    fn open_session(&self, start: SessionStart, io: SessionIo) -> BoxFuture<'_, Result<(), SessionRefusal>>;

    /// Whether browsers can be called with by WebRTC.
    fn has_webrtc(&self) -> bool;

    /// As [`open_session`](Self::open_session), by a browser's offer (SDP): our answer.
    fn open_webrtc(&self, start: SessionStart, offer: Vec<u8>) -> BoxFuture<'_, Result<String, WebRtcRefusal>>;

    /// The browser of a session makes another offer: our answer, or why there is none. `None` when it is not up here, or has no WebRTC.
    fn offer_again(&self, id: CallId, offer: Vec<u8>) -> BoxFuture<'_, Option<Result<String, String>>>;

    /// Who is connected to a session hangs up. False when it is not up here.
    fn leave(&self, id: CallId) -> BoxFuture<'_, bool>;

    /// Somebody who is not at the socket types into a session. False when it is not up here, or takes no text.
    fn type_into(&self, id: CallId, words: String) -> BoxFuture<'_, bool>;

    /// Whether new calls can be taken.
    fn readiness(&self) -> BoxFuture<'_, Readiness>;
}

/// A call that somebody wants us to place.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CallWish {
    /// Whom to call.
    pub to: PhoneNumber,
    /// Who calls; `None`: nobody who says so.
    pub from: Option<PhoneNumber>,
    /// Who talks, by name; `None`: the default assistant.
    pub assistant: Option<String>,
    /// What carries it, by name; `None`: as the node finds.
    pub trunk: Option<String>,
    /// What is done when a machine answers; `None`: nobody listens for one.
    pub on_machine: Option<OnMachine>,
}

/// What is done when a machine answers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum OnMachine {
    /// The call ends.
    HangUp,
    /// This is said after its beep; then the call ends.
    Say(String),
    /// It is noted, and the agent talks with it.
    Tell,
}

/// What somebody wants a call to do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum CallAction {
    /// To end.
    HangUp,
    /// To come into a conference with another call.
    Join(CallId, JoinPart),
    /// To have somebody called, who talks with the caller then; the agent leaves.
    Transfer(CallWish),
    /// In its conference: music for its party.
    Hold,
    /// In its conference: its party is heard by nobody.
    Mute,
    /// In its conference: its party talks, as at first.
    Resume,
    /// To leave its conference; its agent comes back.
    Leave,
}

/// What a call does in the conference that it comes into.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum JoinPart {
    /// Both talk, and their agents leave.
    Talks,
    /// It hears the other call, its agent too, and is heard by nobody.
    ListensIn,
    /// As that, and the other call's party hears it.
    Whispers,
}

/// Why a call is not placed. The gate counts it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PlaceRefusal {
    /// The node is at its limit of calls, or of CPU time.
    AtCapacity,
    /// The node is being stopped.
    Draining,
    /// Something is broken on our side.
    Failed,
    /// It cannot be placed as it was asked for.
    Field {
        /// The field at fault, as the API names it.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// What carries it is full, or away.
    Trunk {
        /// In words.
        reason: String,
        /// When to come again.
        retry_after: Duration,
    },
    /// Its organization has used what it may.
    UsageLimit,
}

/// How the media of a call is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MediaFigures {
    /// What the wire speaks.
    pub codec: &'static str,
    /// What came of the caller's packets; `None` where there are none.
    pub received: Option<ReceivedFigures>,
}

/// What came of the caller's packets so far.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReceivedFigures {
    /// Packets that came.
    pub packets: u64,
    /// Packets that never came.
    pub lost: u64,
    /// Packets that came too late.
    pub late: u64,
    /// Frames with invented audio.
    pub concealed: u64,
    /// Delay that 97 % of the packets keep, relative to the fastest.
    pub jitter: Duration,
    /// For how long packets are held back.
    pub buffer: Duration,
    /// To the caller and back; zero: not known.
    pub round_trip: Duration,
    /// Mean opinion score; `None`: nothing came.
    pub mos: Option<f64>,
}

/// The database cannot be asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the records cannot be read")]
pub struct RecordsAway;

/// A call that Twilio asks us to take.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct IncomingTwilio {
    /// Twilio's id of the call.
    pub call_sid: String,
    /// The account it belongs to; empty when Twilio did not say.
    pub account_sid: String,
    /// Who calls; empty when Twilio did not say.
    pub from: PhoneNumber,
    /// The called number.
    pub to: PhoneNumber,
}

/// The call was taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TwilioAnswer {
    /// Its id with us.
    pub call: CallId,
}

/// Why a call was not taken. The caller hears an apology. The gate counts it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TwilioRefusal {
    /// The node is at its limit of calls.
    AtCapacity,
    /// The node is being stopped.
    Draining,
    /// Something is broken on our side.
    Failed,
    /// No assistant answers this number, or it is switched off.
    UnknownNumber,
    /// Its organization has used what it may.
    UsageLimit,
}

/// What Twilio says of a call (a status callback).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TwilioStatus {
    /// Twilio's id of the call.
    pub call_sid: String,
    /// The state it tells.
    pub status: TwilioCallStatus,
    /// Place of this callback in the call, from 0: a lower one than the last is old news.
    pub sequence: Option<u64>,
    /// Length of the call; only with a final state.
    pub duration: Option<Duration>,
}

/// State of a call at Twilio.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TwilioCallStatus {
    /// Final: the callee was busy.
    Busy,
    /// Final: given up before an answer.
    Canceled,
    /// Final: it was answered and is over.
    Completed,
    /// Final: it could not be made.
    Failed,
    /// Answered and going on.
    InProgress,
    /// Twilio began to place it.
    Initiated,
    /// Final: nobody answered.
    NoAnswer,
    /// Waiting at Twilio.
    Queued,
    /// Ringing.
    Ringing,
}

impl TwilioCallStatus {
    /// Reads Twilio's word; `None` for one that we do not know.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Some(match word {
            "busy" => Self::Busy,
            "canceled" => Self::Canceled,
            "completed" => Self::Completed,
            "failed" => Self::Failed,
            "in-progress" => Self::InProgress,
            "initiated" => Self::Initiated,
            "no-answer" => Self::NoAnswer,
            "queued" => Self::Queued,
            "ringing" => Self::Ringing,
            _ => return None,
        })
    }

    /// Whether the call is over.
    #[must_use]
    pub fn is_final(self) -> bool {
        !matches!(self, Self::InProgress | Self::Initiated | Self::Queued | Self::Ringing)
    }
}

/// A media stream whose token was right.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StreamStart {
    /// Our id of the call.
    pub call: CallId,
    /// Twilio's id of the call.
    pub call_sid: String,
    /// Twilio's id of the stream, needed in every message to it.
    pub stream_sid: String,
    /// Twilio's id of the account; empty when it does not tell.
    pub account_sid: String,
    /// What the TwiML's `<Parameter>`s say, our token apart, by name.
    pub parameters: Parameters,
}

/// What a TwiML tells a stream, by name. It may hold phone numbers, so `Debug` shows only how much there is.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Parameters(pub BTreeMap<String, String>);

impl fmt::Debug for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Parameters({})", self.0.len())
    }
}

/// The two directions of a media stream, as JSON text.
#[derive(Debug)]
pub struct StreamIo {
    /// What Twilio sends, from its `connected` and `start` on. Ends when the socket is closed, broken or silent for
    /// 30 s. When it is full a `media` message is dropped and counted; any other waits and holds the socket up.
    pub incoming: mpsc::Receiver<String>,
    /// What goes to Twilio. Dropping it closes the socket, after what is queued.
    pub outgoing: mpsc::Sender<String>,
}

/// Why a stream was not taken; its socket is closed with 1008.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum StreamRefusal {
    /// The call has its stream already.
    #[error("the call has its stream already")]
    AlreadyAttached,
    /// Something is broken on our side.
    #[error("the call cannot take it")]
    Failed,
    /// The call is over or was never there.
    #[error("there is no such call")]
    UnknownCall,
}

/// Whether new calls can be taken.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Readiness {
    /// Why not, one short line each (`draining`, `database: ...`); empty: ready.
    pub reasons: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_twilio_is_read() {
        let words = "busy canceled completed failed no-answer in-progress initiated queued ringing";
        let statuses = words.split(' ').map(TwilioCallStatus::from_word);
        let ends: Vec<_> = statuses.map(|status| status.map(TwilioCallStatus::is_final)).collect();
        assert_eq!(ends, [[Some(true); 5].as_slice(), &[Some(false); 4]].concat());
        assert_eq!(TwilioCallStatus::from_word("answered"), None);
    }
}
