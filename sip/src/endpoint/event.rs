//! What the endpoint tells its user, and what it is told to call.

use bytes::Bytes;

use super::outside::{RequestId, Series};
use crate::dialog::DialogId;
use crate::flow::Flow;
use crate::message::{Request, Response, StatusCode};
use crate::uri::{NameAddr, Uri};

/// What happened to a dialog. After [`Event::Terminated`] nothing more comes for it.
#[derive(Clone, Debug)]
pub enum Event {
    /// A new call: 100 Trying is already sent. Answer with `ring`, `answer`, `refuse` or `hang_up`.
    Invited {
        /// The new dialog.
        dialog: DialogId,
        /// The INVITE with its offer, if it has one.
        invite: Box<Request>,
        /// Where it came from.
        flow: Flow,
    },
    /// The caller gave up before our answer; 200 and 487 are already sent.
    Cancelled {
        /// Which dialog.
        dialog: DialogId,
    },
    /// The ACK to our 200 (first or re-INVITE) came.
    Confirmed {
        /// Which dialog.
        dialog: DialogId,
        /// The peer's answer, when the offer was ours.
        sdp: Option<Bytes>,
    },
    /// No ACK to our 200 came in 64*T1; a BYE is already sent (RFC 3261 §13.3.1.4).
    AckTimedOut {
        /// Which dialog.
        dialog: DialogId,
    },
    /// The peer wants to change the call: 100 is already sent. Answer with `answer` or `refuse`.
    Reinvited {
        /// Which dialog.
        dialog: DialogId,
        /// The re-INVITE; without a body it asks for our offer.
        invite: Box<Request>,
    },
    /// The peer said BYE; 200 is already sent.
    HungUp {
        /// Which dialog.
        dialog: DialogId,
        /// Its Reason header (RFC 3326), if any.
        reason: Option<String>,
    },
    /// An INFO came, `application/dtmf-relay` say; 200 is already sent.
    Info {
        /// Which dialog.
        dialog: DialogId,
        /// The INFO with its body.
        request: Box<Request>,
    },
    /// The callee's phone rings, or sends early media (any 101-199).
    Ringing {
        /// The dialog as `invite` returned it.
        dialog: DialogId,
        /// Its answer, when there is early media.
        sdp: Option<Bytes>,
    },
    /// The callee answered; the ACK is already sent.
    Answered {
        /// The dialog as `invite` returned it; still understood in commands.
        early: DialogId,
        /// The dialog from now on, in all events.
        dialog: DialogId,
        /// The callee's answer, or none if it broke the rules.
        sdp: Option<Bytes>,
    },
    /// The callee, or something on the way, refused. A transport that failed reads as 503.
    Refused {
        /// The dialog as `invite` returned it.
        dialog: DialogId,
        /// 300-699.
        status: StatusCode,
        /// The reason phrase.
        reason: String,
    },
    /// Nobody answered the INVITE at all in 64*T1 (timer B).
    TimedOut {
        /// The dialog as `invite` returned it.
        dialog: DialogId,
    },
    /// The final answer to a request outside of dialogs. A 401 or 407 is one that our credentials do not answer.
    Responded {
        /// Which request.
        request: RequestId,
        /// 200-699.
        response: Box<Response>,
        /// For the next request.
        series: Box<Series>,
    },
    /// Nobody answered a request outside of dialogs, or it could not be sent.
    Unanswered {
        /// Which request.
        request: RequestId,
        /// For the next request.
        series: Box<Series>,
    },
    /// Nothing more will come: exactly once for each dialog, and last.
    Terminated {
        /// Which dialog; as `invite` returned it if never answered.
        dialog: DialogId,
    },
}

/// A call to be placed.
#[derive(Clone, Debug)]
pub struct OutboundInvite {
    /// Where the INVITE is sent.
    pub flow: Flow,
    /// Whom to call.
    pub request_uri: Uri,
    /// Who calls; its tag is ours to set.
    pub from: NameAddr,
    /// Who is called, as shown.
    pub to: NameAddr,
    /// Our offer.
    pub sdp: String,
}
