//! Transfer as the one who is asked to call somebody else (RFC 3515): the peer's REFER, our answer, and NOTIFYs of what became of it.
//!
//! ```text
//! REFER ──► Referred ── accept_refer ──► 202, NOTIFY 100 ── report_refer ──► NOTIFY 180 ... NOTIFY 200, terminated
//!                    └─ refuse_refer ──► 603, or nobody decides within 10 s
//! ```
//! A NOTIFY waits for the answer to the one before; of what happens meanwhile the last is told.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::clients::ClientUser;
use super::incoming::Incoming;
use super::refer::{REFER_EVENT, is_unwanted, refer_event};
use super::usages::Phase;
use super::{DialogId, Endpoint, Event};
use crate::message::{Headers, Method, Request, Response, StatusCode, name};
use crate::replaces::Replaces;
use crate::sipfrag::{self, SIPFRAG};
use crate::uri::{NameAddr, Uri};

/// How long the user may think about a REFER: its sender gives up after 32 s.
pub const REFER_ANSWER_MAX: Duration = Duration::from_secs(10);

/// How long a subscription of ours lives: longer than any phone rings, and than proxies let INVITEs be open (timer C).
const SUBSCRIPTION_MAX: Duration = Duration::from_secs(180);

/// Whom a peer asks us to call in its place.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Referral {
    /// Whom to call; what else its URI asked for is taken off.
    pub to: NameAddr,
    /// The dialog that our INVITE is to replace there, told in its Replaces header (RFC 3891).
    pub replaces: Option<Replaces>,
    /// Who asks, told in our INVITE's Referred-By (RFC 3892).
    pub referred_by: Option<NameAddr>,
}

/// A REFER of the peer.
#[derive(Debug)]
pub(super) enum Received {
    /// Not answered yet.
    Asked { transaction: u64, request: Box<Request>, answer_by: Instant },
    /// Accepted, and told of in NOTIFYs.
    Told(Subscription),
}

#[derive(Debug)]
pub(super) struct Subscription {
    /// Told as the event's id from the second REFER on (RFC 3515 §2.4.6).
    id: Option<u32>,
    status: StatusCode,
    /// A NOTIFY waits for its answer.
    waits: bool,
    /// The status is not told yet.
    news: bool,
    until: Instant,
}

/// What becomes of a subscription with a NOTIFY (RFC 6665 §4.1.3).
#[derive(Clone, Copy)]
enum State {
    Active,
    Decided,
    Expired,
}

impl Received {
    pub fn deadline(&self) -> Instant {
        match self {
            Self::Asked { answer_by, .. } => *answer_by,
            Self::Told(subscription) => subscription.until,
        }
    }

    /// The transaction that waits for an answer.
    pub fn unanswered(self) -> Option<u64> {
        match self {
            Self::Asked { transaction, .. } => Some(transaction),
            Self::Told(_) => None,
        }
    }
}

impl Endpoint {
    /// One REFER of the peer at a time, in answered calls.
    pub(super) fn handle_refer(&mut self, now: Instant, number: u64, incoming: Incoming) {
        let Some(usage) = self.usages.table.get(&number) else {
            return;
        };
        let dialog = usage.name.clone();
        let refusal = match (&usage.phase, &usage.transfers.received) {
            (Phase::Ending, _) => Some(StatusCode::CALL_DOES_NOT_EXIST),
            (Phase::Invited | Phase::Inviting { .. }, _) => Some(StatusCode::FORBIDDEN),
            (Phase::Established, Some(_)) => Some(StatusCode::REQUEST_PENDING),
            (Phase::Established, None) => None,
        };
        if let Some(status) = refusal {
            return self.answer_in_dialog(now, &incoming, status, None);
        }
        let referral = match referral(&incoming.request.headers) {
            Ok(referral) => Box::new(referral),
            Err(status) => return self.answer_in_dialog(now, &incoming, status, None),
        };
        let transaction = self.begin_server(&incoming, "");
        if let Some(usage) = self.usages.table.get_mut(&number) {
            let answer_by = now + REFER_ANSWER_MAX;
            usage.transfers.received = Some(Received::Asked { transaction, request: incoming.request, answer_by });
        }
        self.rearm_transfers(number);
        self.events.push_back(Event::Referred { dialog, referral });
    }

    /// 202 to the REFER that waits, and from then on NOTIFYs, unless its sender wants none. Nothing when none waits.
    pub fn accept_refer(&mut self, now: Instant, dialog: &DialogId) {
        let Some((number, transaction, request)) = self.take_asked(dialog) else {
            return;
        };
        let mut response = self.response(&request, StatusCode::ACCEPTED, "");
        let quiet = is_unwanted(&request.headers);
        if quiet {
            response.headers.push(name::REFER_SUB, "false");
        }
        if let Some(usage) = self.usages.table.get_mut(&number) {
            usage.transfers.accepted += 1;
            let cseq = request.headers.cseq().map_or(0, |cseq| cseq.number);
            let id = (usage.transfers.accepted > 1).then_some(cseq);
            let until = now + SUBSCRIPTION_MAX;
            let subscription = Subscription { id, status: StatusCode::TRYING, waits: false, news: true, until };
            usage.transfers.received = (!quiet).then_some(Received::Told(subscription));
            let flow = usage.flow;
            response.headers.push(name::CONTACT, self.contact(&flow, false));
        }
        self.respond(now, transaction, &response);
        self.notify(now, number);
    }

    /// Refuses the REFER that waits with a status of 300-699; the call goes on. Nothing when none waits.
    pub fn refuse_refer(&mut self, now: Instant, dialog: &DialogId, status: StatusCode) {
        let status = if status.code() < 300 { StatusCode::DECLINE } else { status };
        if let Some((number, transaction, request)) = self.take_asked(dialog) {
            let response = self.response(&request, status, "");
            self.respond(now, transaction, &response);
            self.rearm_transfers(number);
        }
    }

    /// Tells how far the call is that the peer asked for: the status that it has answered with. A final one is the last.
    pub fn report_refer(&mut self, now: Instant, dialog: &DialogId, status: StatusCode) {
        let Some(number) = self.usages.find(dialog) else {
            return;
        };
        let usage = self.usages.table.get_mut(&number);
        if let Some(Received::Told(subscription)) = usage.and_then(|usage| usage.transfers.received.as_mut()) {
            (subscription.status, subscription.news) = (status, true);
            self.notify(now, number);
        }
    }

    /// The dialog ends: a REFER without an answer gets one.
    pub(super) fn refuse_asked(&mut self, now: Instant, number: u64) {
        if let Some(usage) = self.usages.table.get(&number) {
            let dialog = usage.name.clone();
            self.refuse_refer(now, &dialog, StatusCode::DECLINE);
        }
    }

    fn take_asked(&mut self, dialog: &DialogId) -> Option<(u64, u64, Box<Request>)> {
        let number = self.usages.find(dialog)?;
        let received = &mut self.usages.table.get_mut(&number)?.transfers.received;
        match received.take_if(|received| matches!(received, Received::Asked { .. }))? {
            Received::Asked { transaction, request, .. } => Some((number, transaction, request)),
            Received::Told(_) => None,
        }
    }

    /// Tells the news, once the NOTIFY before is answered.
    fn notify(&mut self, now: Instant, number: u64) {
        let usage = self.usages.table.get_mut(&number);
        if let Some(Received::Told(subscription)) = usage.and_then(|usage| usage.transfers.received.as_mut())
            && subscription.news
            && !subscription.waits
        {
            let state = if subscription.status.is_final() { State::Decided } else { State::Active };
            self.send_notify(now, number, state);
        }
        self.rearm_transfers(number);
    }

    fn send_notify(&mut self, now: Instant, number: u64, state: State) {
        let Some(usage) = self.usages.table.get_mut(&number) else {
            return;
        };
        let Some(Received::Told(subscription)) = &mut usage.transfers.received else {
            return;
        };
        (subscription.waits, subscription.news) = (true, false);
        let left = subscription.until.saturating_duration_since(now).as_secs();
        let told = match state {
            State::Active => format!("active;expires={left}"),
            State::Decided => "terminated;reason=noresource".to_owned(),
            State::Expired => "terminated;reason=timeout".to_owned(),
        };
        let event = match subscription.id {
            Some(id) => format!("{REFER_EVENT};id={id}"),
            None => REFER_EVENT.to_owned(),
        };
        let body = sipfrag::write(subscription.status);
        if !matches!(state, State::Active) {
            usage.transfers.received = None;
        }
        let mut request = usage.dialog.request(Method::NOTIFY);
        let (seen, uri) = (usage.flow, usage.dialog.next_hop().clone());
        self.push_identity(&mut request, &seen);
        request.headers.push(name::EVENT, event);
        request.headers.push(name::SUBSCRIPTION_STATE, told);
        request.headers.push(name::CONTENT_TYPE, SIPFRAG);
        request.body = Bytes::from(body);
        self.send_in_dialog(now, seen, uri, request, ClientUser::Notify(number));
    }

    /// Our NOTIFY was answered: with anything but 2xx, or by nobody (`None`), the peer does not want to know (RFC 6665 §4.2.2).
    pub(super) fn handle_notify_response(&mut self, now: Instant, number: u64, status: Option<StatusCode>) {
        if status.is_some_and(StatusCode::is_provisional) {
            return;
        }
        let Some(usage) = self.usages.table.get_mut(&number) else {
            return;
        };
        let Some(Received::Told(subscription)) = &mut usage.transfers.received else {
            return;
        };
        if status.is_some_and(StatusCode::is_success) {
            subscription.waits = false;
            self.notify(now, number);
        } else {
            usage.transfers.received = None;
            self.rearm_transfers(number);
        }
    }

    /// Only a REFER makes a subscription; a SUBSCRIBE asks for its state once more, or ends it (RFC 3515 §2.4.4).
    pub(super) fn handle_subscribe(&mut self, now: Instant, number: u64, incoming: &Incoming) {
        let headers = &incoming.request.headers;
        if refer_event(headers).is_none() {
            return self.refuse_event(now, incoming);
        }
        let usage = self.usages.table.get_mut(&number);
        let Some(Received::Told(subscription)) = usage.and_then(|usage| usage.transfers.received.as_mut()) else {
            return self.answer_in_dialog(now, incoming, StatusCode::CALL_DOES_NOT_EXIST, None);
        };
        let left = subscription.until.saturating_duration_since(now).as_secs();
        let ends = headers.expires().is_ok_and(|expires| expires == Some(0));
        subscription.news = true;
        let mut response = Response::to_request(&incoming.request, StatusCode::OK);
        response.headers.push(name::EXPIRES, if ends { 0 } else { left }.to_string());
        self.answer_in_dialog_with(now, incoming, response);
        if ends {
            self.send_notify(now, number, State::Expired);
        } else {
            self.notify(now, number);
        }
        self.rearm_transfers(number);
    }

    /// 489: an event that we do not know (RFC 6665 §8.3.2).
    pub(super) fn refuse_event(&mut self, now: Instant, incoming: &Incoming) {
        let mut response = Response::to_request(&incoming.request, StatusCode::BAD_EVENT);
        response.headers.push(name::ALLOW_EVENTS, REFER_EVENT);
        self.answer_in_dialog_with(now, incoming, response);
    }

    /// REFER, SUBSCRIBE and NOTIFY without a dialog make none: who calls nobody cannot be transferred, and there is nothing to subscribe to.
    pub(super) fn refuse_outside(&mut self, incoming: &Incoming) {
        let headers = &incoming.request.headers;
        let status = match incoming.request.method {
            Method::REFER => StatusCode::FORBIDDEN,
            Method::SUBSCRIBE if refer_event(headers).is_some() => StatusCode::FORBIDDEN,
            Method::SUBSCRIBE => StatusCode::BAD_EVENT,
            _ => StatusCode::CALL_DOES_NOT_EXIST,
        };
        let mut response = Response::to_request(&incoming.request, status);
        if status == StatusCode::BAD_EVENT {
            response.headers.push(name::ALLOW_EVENTS, REFER_EVENT);
        }
        self.respond_statelessly(incoming, response);
    }

    pub(super) fn handle_received_timeout(&mut self, now: Instant, number: u64) {
        let received = self.usages.table.get(&number).and_then(|usage| usage.transfers.received.as_ref());
        match received.filter(|received| received.deadline() <= now) {
            Some(Received::Asked { .. }) => self.refuse_asked(now, number),
            Some(Received::Told(_)) => self.send_notify(now, number, State::Expired),
            None => {}
        }
    }
}

/// What a REFER asks for: exactly one Refer-To (RFC 3515 §2.4.2), and a call.
fn referral(headers: &Headers) -> Result<Referral, StatusCode> {
    let mut values = headers.get_all(name::REFER_TO);
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(StatusCode::BAD_REQUEST);
    };
    let mut to: NameAddr = value.parse().map_err(|_| StatusCode::BAD_REQUEST)?;
    let replaces = Replaces::in_refer_to(&to.uri);
    if let Uri::Sip(uri) = &mut to.uri {
        let method = uri.params.get("method").is_none_or(|method| method.eq_ignore_ascii_case("INVITE"));
        // A Replaces that cannot be read would make a blind transfer of an attended one.
        let lost = replaces.is_none()
            && uri.headers.as_deref().is_some_and(|headers| headers.to_ascii_lowercase().contains("replaces="));
        if !method || lost {
            return Err(StatusCode::DECLINE);
        }
        uri.params.remove("method");
        uri.headers = None;
    }
    let referred_by = headers.get(name::REFERRED_BY).and_then(|value| value.parse().ok());
    Ok(Referral { to, replaces, referred_by })
}
