//! Transfer as the one who asks for it (RFC 3515): our REFER, and what the peer tells of it in NOTIFYs.
//!
//! ```text
//! refer() ── REFER ──► 202 ──► NOTIFY 100 ──► NOTIFY 200   ReferEnded(Reached), and we may hang up
//!              │        │          │             └─ 3xx-6xx  ReferEnded(Failed): the call goes on
//!              │        │          └─ nothing in 60 s        ReferEnded(TimedOut)
//!              │        └─ with Refer-Sub: false (RFC 4488)  ReferEnded(Accepted): no NOTIFY comes
//!              └─ 3xx-6xx                                    ReferEnded(Refused)
//! ```

use std::time::{Duration, Instant};

use super::build::is_secure;
use super::clients::ClientUser;
use super::deadlines::Owner;
use super::incoming::Incoming;
use super::referred::Received;
use super::usages::Phase;
use super::{DialogId, Endpoint, Event};
use crate::flow::{Flow, Transport};
use crate::message::{Headers, Method, Request, Response, StatusCode, name};
use crate::replaces::Replaces;
use crate::sipfrag;
use crate::uri::{NameAddr, Uri};

/// How long a transfer may take: a phone rings for half a minute, and who is told nothing for longer waits in vain.
pub const REFER_MAX: Duration = Duration::from_secs(60);

/// The event package of transfers, the only one that we know (RFC 3515 §2.4.1).
pub(super) const REFER_EVENT: &str = "refer";

/// Whom a peer is asked to call in our place.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refer {
    /// Whom to call.
    pub to: Uri,
    /// Who asks, for the one who is called (RFC 3892).
    pub referred_by: Option<NameAddr>,
    /// The dialog of the one who is called that the new call is to replace (RFC 3891): an attended transfer.
    pub replaces: Option<Replaces>,
    /// Whether we want to hear of it.
    pub notices: Notices,
}

/// Whether a transfer is told about while it is under way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Notices {
    /// NOTIFYs tell of it.
    Wanted,
    /// It is enough that it was accepted (RFC 4488); a peer that does not know this sends them all the same.
    Unwanted,
}

/// How our REFER ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ReferOutcome {
    /// The peer talks with the other one: we may hang up.
    Reached,
    /// It was accepted, and no more will be told, as was wished.
    Accepted,
    /// The peer does not do it.
    Refused(StatusCode),
    /// The peer did it, and did not reach the other one.
    Failed(StatusCode),
    /// The peer stopped to tell of it before it was decided.
    Unknown,
    /// Nothing decisive came in [`REFER_MAX`].
    TimedOut,
}

/// The REFERs of a dialog, at most one open of each side.
#[derive(Debug, Default)]
pub(super) struct Transfers {
    pub sent: Option<Sent>,
    pub received: Option<Received>,
    /// REFERs of the peer that were accepted so far.
    pub accepted: u32,
    armed: Option<Instant>,
}

/// Our REFER.
#[derive(Debug)]
pub(super) struct Sent {
    cseq: u32,
    notices: Notices,
    /// How it ended was told; NOTIFYs that still come are answered, and mean nothing.
    told: bool,
    give_up: Instant,
}

impl Transfers {
    /// Our REFER goes out once more, by another number.
    pub fn renumber(&mut self, cseq: u32) {
        if let Some(sent) = &mut self.sent {
            sent.cseq = cseq;
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let sent = self.sent.as_ref().map(|sent| sent.give_up);
        sent.into_iter().chain(self.received.as_ref().map(Received::deadline)).min()
    }
}

impl Endpoint {
    /// Asks the peer of an answered call to call somebody else: a blind transfer, or with [`Refer::replaces`] an attended one.
    /// [`Event::ReferEnded`] tells how it ended, unless the dialog ends before; the call goes on until somebody hangs up. Nothing while
    /// another REFER of ours is open in the dialog.
    pub fn refer(&mut self, now: Instant, dialog: &DialogId, refer: Refer) {
        let Some(number) = self.usages.find(dialog) else {
            return;
        };
        let Some(usage) = self.usages.table.get_mut(&number) else {
            return;
        };
        if !matches!(usage.phase, Phase::Established) || usage.transfers.sent.as_ref().is_some_and(|sent| !sent.told) {
            return;
        }
        let mut request = usage.dialog.request(Method::REFER);
        let cseq = request.headers.cseq().map_or(0, |cseq| cseq.number);
        usage.transfers.sent = Some(Sent { cseq, notices: refer.notices, told: false, give_up: now + REFER_MAX });
        let (seen, uri) = (usage.flow, usage.dialog.next_hop().clone());
        self.push_identity(&mut request, &seen);
        let headers = &mut request.headers;
        headers.push(name::REFER_TO, refer_to(&refer));
        if let Some(referred_by) = &refer.referred_by {
            headers.push(name::REFERRED_BY, referred_by.to_string());
        }
        if refer.notices == Notices::Unwanted {
            headers.push(name::REFER_SUB, "false");
            headers.push(name::SUPPORTED, "norefersub");
        }
        self.rearm_transfers(number);
        self.send_in_dialog(now, seen, uri, request, ClientUser::Refer(number));
    }

    /// Contact and User-Agent of a request that makes a subscription or belongs to one (RFC 6665 §4.1.2.1).
    pub(super) fn push_identity(&self, request: &mut Request, flow: &Flow) {
        let secure = flow.transport == Transport::Tls && is_secure(&request.uri);
        request.headers.push(name::CONTACT, self.contact(flow, secure));
        request.headers.push(name::USER_AGENT, self.config.user_agent.as_str());
    }

    /// The peer answered our REFER.
    pub(super) fn handle_refer_response(&mut self, number: u64, response: &Response) {
        let status = response.status;
        if status.is_provisional() {
            return;
        }
        if !status.is_success() {
            return self.end_refer(number, ReferOutcome::Refused(status));
        }
        let Some(usage) = self.usages.table.get(&number) else {
            return;
        };
        let Some(sent) = usage.transfers.sent.as_ref().filter(|sent| !sent.told) else {
            return;
        };
        let silent = sent.notices == Notices::Unwanted && is_unwanted(&response.headers);
        self.events.push_back(Event::ReferProgress { dialog: usage.name.clone(), status });
        if silent {
            self.end_refer(number, ReferOutcome::Accepted);
        }
    }

    /// Our REFER could not be sent, or nobody answered it.
    pub(super) fn handle_refer_lost(&mut self, number: u64, status: StatusCode) {
        self.end_refer(number, ReferOutcome::Refused(status));
    }

    /// Tells how our REFER ended, once.
    fn end_refer(&mut self, number: u64, outcome: ReferOutcome) {
        let Some(usage) = self.usages.table.get_mut(&number) else {
            return;
        };
        let dialog = usage.name.clone();
        let Some(sent) = usage.transfers.sent.as_mut().filter(|sent| !sent.told) else {
            return;
        };
        sent.told = true;
        // What the peer sends yet is of a subscription only where it made one.
        if matches!(outcome, ReferOutcome::Refused(_) | ReferOutcome::Accepted | ReferOutcome::TimedOut | ReferOutcome::Unknown) {
            usage.transfers.sent = None;
        }
        self.rearm_transfers(number);
        self.events.push_back(Event::ReferEnded { dialog, outcome });
    }

    /// What became of our REFER so far. Without one there is no subscription that a NOTIFY could be of (RFC 6665 §4.1.3).
    pub(super) fn handle_notify(&mut self, now: Instant, number: u64, incoming: &Incoming) {
        let headers = &incoming.request.headers;
        let Some(id) = refer_event(headers) else {
            return self.refuse_event(now, incoming);
        };
        let Some(usage) = self.usages.table.get_mut(&number) else {
            return;
        };
        let known = usage.transfers.sent.as_ref().filter(|sent| id.is_of(sent.cseq));
        if known.is_none() {
            return self.answer_in_dialog(now, incoming, StatusCode::CALL_DOES_NOT_EXIST, None);
        }
        let told = known.is_some_and(|sent| sent.told);
        let dialog = usage.name.clone();
        let over = is_terminated(headers);
        let status = sipfrag::read(&incoming.request.body);
        self.answer_in_dialog(now, incoming, StatusCode::OK, None);
        match status {
            Some(status) if status.is_success() => self.end_refer(number, ReferOutcome::Reached),
            Some(status) if status.is_final() => self.end_refer(number, ReferOutcome::Failed(status)),
            _ if over => self.end_refer(number, ReferOutcome::Unknown),
            Some(status) if !told => self.events.push_back(Event::ReferProgress { dialog, status }),
            Some(_) | None => {}
        }
        if let Some(usage) = self.usages.table.get_mut(&number).filter(|_| over) {
            usage.transfers.sent = None;
            self.rearm_transfers(number);
        }
    }

    /// Asks for the deadline that the REFERs of a dialog now have.
    pub(super) fn rearm_transfers(&mut self, number: u64) {
        if let Some(usage) = self.usages.table.get_mut(&number) {
            let wanted = usage.transfers.poll_timeout();
            self.deadlines.rearm(Owner::Transfers(number), &mut usage.transfers.armed, wanted);
        }
    }

    pub(super) fn handle_transfers_timeout(&mut self, now: Instant, number: u64) {
        let Some(usage) = self.usages.table.get_mut(&number) else {
            return;
        };
        usage.transfers.armed = None;
        if usage.transfers.sent.as_ref().is_some_and(|sent| sent.give_up <= now) {
            self.end_refer(number, ReferOutcome::TimedOut);
            if let Some(usage) = self.usages.table.get_mut(&number) {
                usage.transfers.sent = None;
            }
        }
        self.handle_received_timeout(now, number);
        self.rearm_transfers(number);
    }

    /// The dialog is forgotten, and its REFERs with it.
    pub(super) fn drop_transfers(&mut self, number: u64, mut transfers: Transfers) {
        self.deadlines.rearm(Owner::Transfers(number), &mut transfers.armed, None);
        if let Some(transaction) = transfers.received.and_then(|received| received.unanswered()) {
            self.remove_server(transaction);
        }
    }
}

/// `<sip:carol@example.com?Replaces=...>`.
fn refer_to(refer: &Refer) -> String {
    match &refer.replaces {
        None => format!("<{}>", refer.to),
        Some(replaces) => {
            let joint = if refer.to.as_sip().is_some_and(|uri| uri.headers.is_some()) { '&' } else { '?' };
            format!("<{}{joint}{}>", refer.to, replaces.escaped())
        }
    }
}

/// `Refer-Sub: false`.
pub(super) fn is_unwanted(headers: &Headers) -> bool {
    let value = headers.get(name::REFER_SUB).and_then(|value| value.split(';').next());
    value.is_some_and(|value| value.trim_ascii().eq_ignore_ascii_case("false"))
}

/// Which REFER an event is of (RFC 3515 §2.4.6).
#[derive(Clone, Copy)]
pub(super) enum EventId {
    /// The only one.
    Unsaid,
    /// The one of this CSeq number.
    Number(u32),
    /// None of ours.
    Unreadable,
}

impl EventId {
    fn is_of(self, cseq: u32) -> bool {
        match self {
            Self::Unsaid => true,
            Self::Number(number) => number == cseq,
            Self::Unreadable => false,
        }
    }
}

/// The id of an `Event: refer`; `None` of another event.
pub(super) fn refer_event(headers: &Headers) -> Option<EventId> {
    let value = headers.get(name::EVENT)?;
    let (package, params) = value.split_once(';').unwrap_or((value, ""));
    if !package.trim_ascii().eq_ignore_ascii_case(REFER_EVENT) {
        return None;
    }
    let params = params.split(';').filter_map(|param| param.split_once('='));
    let mut ids = params.filter(|(name, _)| name.trim_ascii().eq_ignore_ascii_case("id"));
    Some(ids.next().map_or(EventId::Unsaid, |(_, id)| id.trim_ascii().parse().map_or(EventId::Unreadable, EventId::Number)))
}

fn is_terminated(headers: &Headers) -> bool {
    let state = headers.get(name::SUBSCRIPTION_STATE).and_then(|value| value.split(';').next());
    state.is_some_and(|state| state.trim_ascii().eq_ignore_ascii_case("terminated"))
}
