//! UPDATE (RFC 3311): the peer changes or refreshes the call without an INVITE, before its answer too.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::build::SDP;
use super::incoming::Incoming;
use super::reinvite::Reinvite;
use super::usages::Phase;
use super::{DialogId, Endpoint, Event, session};
use crate::flow::Transmit;
use crate::message::{Method, Request, Response, StatusCode, name};

/// An UPDATE, or a PRACK with an offer, that waits for our answer.
#[derive(Debug)]
pub(super) struct Offered {
    transaction: u64,
    request: Box<Request>,
    /// The peer waits no longer.
    pub give_up: Instant,
}

/// What an offer of the peer meets (RFC 3311 §5.2).
enum Meets {
    /// Nothing: it may be answered.
    Nothing,
    /// An offer of ours without an answer.
    OurOffer,
    /// An offer of its own that we have not answered.
    ItsOffer,
}

impl Endpoint {
    /// An UPDATE: answered at once when it has no offer.
    pub(super) fn handle_update(&mut self, now: Instant, number: u64, incoming: &Incoming) {
        let Some(usage) = self.usages.table.get(&number) else {
            return;
        };
        if matches!(usage.phase, Phase::Ending) {
            return self.answer_in_dialog(now, incoming, StatusCode::CALL_DOES_NOT_EXIST, None);
        }
        if let Err(least) = session::grant(now, &incoming.request, &self.config) {
            return self.refuse_session(now, incoming, least);
        }
        if incoming.request.body.is_empty() {
            let transaction = self.begin_server(incoming, "");
            return self.accept_update(now, number, transaction, &incoming.request, None);
        }
        match self.meets(number, incoming) {
            Meets::Nothing => self.begin_update(now, number, incoming),
            Meets::OurOffer => self.answer_in_dialog(now, incoming, StatusCode::REQUEST_PENDING, None),
            Meets::ItsOffer => {
                let wait = self.overlap_wait();
                self.answer_in_dialog(now, incoming, StatusCode::SERVER_INTERNAL_ERROR, Some(wait));
            }
        }
    }

    fn meets(&self, number: u64, incoming: &Incoming) -> Meets {
        let Some(usage) = self.usages.table.get(&number) else {
            return Meets::Nothing;
        };
        let unanswered = usage.pending.as_ref().is_some_and(|pending| !pending.reliable.has_answered);
        if usage.offered.is_some() || unanswered {
            return Meets::ItsOffer;
        }
        let early = match &usage.phase {
            Phase::Inviting { client, .. } => {
                let transaction = self.clients.table.get(client);
                !transaction.is_some_and(|transaction| transaction.is_answered(&incoming.from_tag))
            }
            _ => false,
        };
        let offers = usage.unacked.as_ref().is_some_and(|unacked| unacked.offers);
        // Our reliable answer has reached nobody for certain until its PRACK.
        let unacknowledged = usage.pending.as_ref().is_some_and(|pending| pending.reliable.holds_answer());
        let ours = usage.reinvite.as_ref().is_some_and(Reinvite::is_under_way);
        match early || offers || unacknowledged || usage.ack_due.is_some() || ours {
            true => Meets::OurOffer,
            false => Meets::Nothing,
        }
    }

    /// An offer in an UPDATE or PRACK waits for our answer.
    pub(super) fn begin_update(&mut self, now: Instant, number: u64, incoming: &Incoming) {
        let transaction = self.begin_server(incoming, "");
        let give_up = now + self.config.times.give_up();
        let Some(usage) = self.usages.table.get_mut(&number) else {
            return;
        };
        usage.offered = Some(Offered { transaction, request: incoming.request.clone(), give_up });
        self.events.push_back(Event::Updated { dialog: usage.name.clone(), update: incoming.request.clone() });
        self.rearm_usage(number);
    }

    /// 200 with our SDP to the UPDATE that waits; nothing when none does.
    pub fn answer_update(&mut self, now: Instant, dialog: &DialogId, sdp: String) {
        let Some(number) = self.usages.find(dialog) else {
            return;
        };
        if let Some(offered) = self.usages.table.get_mut(&number).and_then(|usage| usage.offered.take()) {
            self.accept_update(now, number, offered.transaction, &offered.request, Some(Bytes::from(sdp)));
            self.drop_stale_reinvite(number);
        }
    }

    /// Refuses the UPDATE that waits, with a status of 300-699; the call goes on as it was. Nothing when none waits.
    pub fn refuse_update(&mut self, now: Instant, dialog: &DialogId, status: StatusCode) {
        let Some(number) = self.usages.find(dialog) else {
            return;
        };
        let status = if status.code() < 300 { StatusCode::SERVER_INTERNAL_ERROR } else { status };
        if let Some(offered) = self.usages.table.get_mut(&number).and_then(|usage| usage.offered.take()) {
            let response = self.response(&offered.request, status, &dialog.local_tag);
            self.respond(now, offered.transaction, &response);
            self.rearm_usage(number);
        }
    }

    /// An offer that nobody answered is refused while its peer still waits.
    pub(super) fn refuse_late_update(&mut self, now: Instant, number: u64) {
        let Some(usage) = self.usages.table.get(&number) else {
            return;
        };
        if usage.offered.as_ref().is_some_and(|offered| offered.give_up <= now) {
            let dialog = usage.name.clone();
            self.refuse_update(now, &dialog, StatusCode::SERVER_TIMEOUT);
        }
    }

    /// The dialog is over, and with it what waited in it.
    pub(super) fn refuse_lost(&mut self, offered: Offered) {
        let status = StatusCode::REQUEST_TERMINATED;
        let response = self.response(&offered.request, status, "");
        if let Some(server) = self.servers.table.get(&offered.transaction) {
            let transmit = Transmit::back(server.reply, response.to_bytes());
            self.transmit_response(status.code(), transmit);
        }
        self.remove_server(offered.transaction);
    }

    /// 200 to an UPDATE or PRACK. An UPDATE refreshes the session, and the peer's address.
    fn accept_update(&mut self, now: Instant, number: u64, transaction: u64, request: &Request, sdp: Option<Bytes>) {
        let Some(usage) = self.usages.table.get_mut(&number) else {
            return;
        };
        let flow = usage.flow;
        let mut response = match request.method {
            Method::UPDATE => {
                usage.dialog.refresh_target(&request.headers);
                let mut response = self.dialog_response(request, StatusCode::OK, "", &flow);
                self.grant_session(now, number, request, &mut response);
                response
            }
            _ => self.response(request, StatusCode::OK, ""),
        };
        if let Some(sdp) = sdp {
            response.headers.push(name::CONTENT_TYPE, SDP);
            response.body = sdp.clone();
            if let Some(usage) = self.usages.table.get_mut(&number) {
                usage.local_sdp = Some(sdp);
            }
        }
        self.respond(now, transaction, &response);
        self.rearm_usage(number);
    }

    /// Our 2xx to a request that makes or refreshes the session. One that says nothing of it leaves it as it is.
    pub(super) fn grant_session(&mut self, now: Instant, number: u64, request: &Request, response: &mut Response) {
        let granted = session::grant(now, request, &self.config).ok().flatten();
        if let (Some(session), Some(usage)) = (granted, self.usages.table.get_mut(&number)) {
            session.push_granted(&mut response.headers);
            usage.session = Some(session);
        }
    }

    /// 422: the peer asks for less of a session than we want.
    pub(super) fn refuse_session(&mut self, now: Instant, incoming: &Incoming, least: Duration) {
        let transaction = self.begin_server(incoming, "");
        let mut response = self.response(&incoming.request, StatusCode::INTERVAL_TOO_SMALL, "");
        response.headers.push(name::MIN_SE, least.as_secs().to_string());
        self.respond(now, transaction, &response);
    }
}
