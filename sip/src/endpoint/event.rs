//! What the endpoint tells its user, and what it is told to call.

use std::fmt;

use bytes::Bytes;

use super::outside::{RequestId, Series};
use super::{ReferOutcome, Referral};
use crate::dialog::DialogId;
use crate::flow::Flow;
use crate::message::{Request, Response, StatusCode};
use crate::uri::{NameAddr, Uri};

/// What happened to a dialog. After [`Event::Terminated`] nothing more comes for it. Its `Debug` is its name and the dialog: SDP has keys.
#[derive(Clone)]
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
        /// Its Reason header (RFC 3326), if any: all lines of it.
        reason: Option<String>,
    },
    /// The ACK to our 200 (first or re-INVITE) came.
    Confirmed {
        /// Which dialog.
        dialog: DialogId,
        /// The peer's answer, when the offer was ours.
        sdp: Option<Bytes>,
    },
    /// No ACK to our 200 came in 64*T1, or no PRACK to our 180 or 183; a BYE or a 504 is already sent (RFC 3261 §13.3.1.4, RFC 3262 §3).
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
    /// The peer wants to change the call by an UPDATE, or by a PRACK with an offer, in an early dialog too. It waits for `answer_update`
    /// or `refuse_update` for 64*T1 at most. One without an offer is answered without a word.
    Updated {
        /// Which dialog.
        dialog: DialogId,
        /// The request with its offer.
        update: Box<Request>,
    },
    /// The peer took our re-INVITE, or a refresh of the session with SDP.
    ReinviteAnswered {
        /// Which dialog.
        dialog: DialogId,
        /// Its answer; the ACK is already sent. If there was no offer in ours, this is the peer's, and the ACK waits for our
        /// [`answer`](super::Endpoint::answer): 64*T1, then comes BYE.
        sdp: Option<Bytes>,
    },
    /// The peer did not take our re-INVITE: everything stays as it was. After 408 and 481 a BYE is already sent (RFC 3261 §12.2.1.2).
    ReinviteRefused {
        /// Which dialog.
        dialog: DialogId,
        /// 300-699; 491 when something else was open in the dialog, 503 when it could not be sent.
        status: StatusCode,
    },
    /// Nobody refreshed the session in time (RFC 4028); a BYE is already sent.
    SessionExpired {
        /// Which dialog.
        dialog: DialogId,
    },
    /// The peer said BYE; 200 is already sent.
    HungUp {
        /// Which dialog.
        dialog: DialogId,
        /// Its Reason header (RFC 3326), if any: all lines of it.
        reason: Option<String>,
    },
    /// An INFO came, `application/dtmf-relay` say; 200 is already sent.
    Info {
        /// Which dialog.
        dialog: DialogId,
        /// The INFO with its body.
        request: Box<Request>,
    },
    /// The peer asks us to call somebody else in its place (RFC 3515). Answer with `accept_refer` or `refuse_refer` within
    /// [`REFER_ANSWER_MAX`](super::REFER_ANSWER_MAX); then it is refused with 603.
    Referred {
        /// Which dialog.
        dialog: DialogId,
        /// Whom to call.
        referral: Box<Referral>,
    },
    /// Our REFER goes on: 202 is its acceptance, 1xx what the peer's call was answered with.
    ReferProgress {
        /// Which dialog.
        dialog: DialogId,
        /// 100-299.
        status: StatusCode,
    },
    /// Our REFER is decided: once for each.
    ReferEnded {
        /// Which dialog.
        dialog: DialogId,
        /// How.
        outcome: ReferOutcome,
    },
    /// Another call took this one's place (RFC 3891); our BYE is on its way.
    Replaced {
        /// Which dialog.
        dialog: DialogId,
        /// The one that goes on.
        by: DialogId,
    },
    /// The callee's phone rings, or sends early media (any 101-199). A forked INVITE brings it from several phones: the last with SDP is
    /// the one to be heard.
    Ringing {
        /// The dialog as `invite` returned it.
        dialog: DialogId,
        /// 180 rings, 183 has something to say; what matters more is whether there is SDP.
        status: StatusCode,
        /// Its answer, when there is early media.
        sdp: Option<Bytes>,
    },
    /// The callee answered. The ACK is already sent, unless the offer is the callee's.
    Answered {
        /// The dialog as `invite` returned it; still understood in commands.
        early: DialogId,
        /// The dialog from now on, in all events.
        dialog: DialogId,
        /// The callee's answer, the last one of its early media if the 200 has none; `None` if it broke the rules. If our INVITE had no
        /// offer, this is the callee's, and the ACK waits for our [`answer`](super::Endpoint::answer): 64*T1, then comes BYE.
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
        /// The whole response, with its Contacts, Retry-After and Reason; `None` when there was none.
        response: Option<Box<Response>>,
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

impl Event {
    /// Which dialog it is of, if of any; [`Event::Answered`] goes by the name before.
    pub fn dialog(&self) -> Option<&DialogId> {
        match self {
            Self::Responded { .. } | Self::Unanswered { .. } => None,
            Self::Invited { dialog, .. }
            | Self::Cancelled { dialog, .. }
            | Self::Confirmed { dialog, .. }
            | Self::AckTimedOut { dialog }
            | Self::Reinvited { dialog, .. }
            | Self::Updated { dialog, .. }
            | Self::ReinviteAnswered { dialog, .. }
            | Self::ReinviteRefused { dialog, .. }
            | Self::SessionExpired { dialog }
            | Self::HungUp { dialog, .. }
            | Self::Info { dialog, .. }
            | Self::Referred { dialog, .. }
            | Self::ReferProgress { dialog, .. }
            | Self::ReferEnded { dialog, .. }
            | Self::Replaced { dialog, .. }
            | Self::Ringing { dialog, .. }
            | Self::Answered { early: dialog, .. }
            | Self::Refused { dialog, .. }
            | Self::TimedOut { dialog }
            | Self::Terminated { dialog } => Some(dialog),
        }
    }

    /// The name of its kind.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Invited { .. } => "Invited",
            Self::Cancelled { .. } => "Cancelled",
            Self::Confirmed { .. } => "Confirmed",
            Self::AckTimedOut { .. } => "AckTimedOut",
            Self::Reinvited { .. } => "Reinvited",
            Self::Updated { .. } => "Updated",
            Self::ReinviteAnswered { .. } => "ReinviteAnswered",
            Self::ReinviteRefused { .. } => "ReinviteRefused",
            Self::SessionExpired { .. } => "SessionExpired",
            Self::HungUp { .. } => "HungUp",
            Self::Info { .. } => "Info",
            Self::Referred { .. } => "Referred",
            Self::ReferProgress { .. } => "ReferProgress",
            Self::ReferEnded { .. } => "ReferEnded",
            Self::Replaced { .. } => "Replaced",
            Self::Ringing { .. } => "Ringing",
            Self::Answered { .. } => "Answered",
            Self::Refused { .. } => "Refused",
            Self::TimedOut { .. } => "TimedOut",
            Self::Responded { .. } => "Responded",
            Self::Unanswered { .. } => "Unanswered",
            Self::Terminated { .. } => "Terminated",
        }
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.dialog() {
            Some(dialog) => write!(f, "{} of {dialog}", self.name()),
            None => f.write_str(self.name()),
        }
    }
}

/// A call to be placed. [`OutboundInvite::new`] has the defaults.
#[derive(Clone)]
pub struct OutboundInvite {
    /// Whom to call.
    pub request_uri: Uri,
    /// Where the INVITE goes in place of the Request-URI's host: an outbound proxy, found as RFC 3263 says. With `lr` it is told as a
    /// Route too (RFC 3261 §8.1.2). Default none.
    pub next_hop: Option<Uri>,
    /// This way and no other: nothing is looked up, and there is no second try elsewhere. Default none.
    pub flow: Option<Flow>,
    /// Who calls; its tag is ours to set.
    pub from: NameAddr,
    /// Who is called, as shown.
    pub to: NameAddr,
    /// Headers beside those that every INVITE has. Default none.
    pub headers: Vec<(String, String)>,
    /// Our offer; without one the callee makes it in its 200. Default none.
    pub sdp: Option<String>,
    /// What a 3xx does. Default [`Redirects::Report`].
    pub redirects: Redirects,
}

/// What is done with the Contacts of a 300, 301 or 302.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Redirects {
    /// They are called, the best `q` first, 5 of them at most; those of a call with a flow of its own are not.
    Follow,
    /// [`Event::Refused`] brings them. A peer that may send our calls anywhere may cost us any money.
    #[default]
    Report,
}

impl OutboundInvite {
    /// To a URI, from somebody, to be answered with an offer.
    pub fn new(request_uri: Uri, from: NameAddr) -> Self {
        let to = NameAddr::new(request_uri.clone());
        Self { request_uri, next_hop: None, flow: None, from, to, headers: Vec::new(), sdp: None, redirects: Redirects::Report }
    }
}

/// Without SDP, which may have keys, and without values of headers.
impl fmt::Debug for OutboundInvite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { request_uri, next_hop, flow, from, to, headers, sdp, redirects } = self;
        let mut text = f.debug_struct("OutboundInvite");
        text.field("request_uri", request_uri)
            .field("next_hop", next_hop)
            .field("flow", flow)
            .field("from", from)
            .field("to", to);
        let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
        text.field("headers", &names).field("sdp", &sdp.as_ref().map(String::len)).field("redirects", redirects).finish()
    }
}
