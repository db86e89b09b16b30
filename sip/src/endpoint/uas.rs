//! The callee's side: requests outside dialogs, CANCEL, and our answers to an INVITE.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::build::{SDP, is_secure, push_retry_after};
use super::incoming::Incoming;
use super::provisional::Reliable;
use super::usages::{AfterAck, PendingInvite, Phase, Unacked, Usage};
use super::{Admission, DialogId, Endpoint, Event, RETRY_AFTER, Rejection, session};
use crate::dialog::Dialog;
use crate::flow::Transport;
use crate::message::{Method, Request, Response, StatusCode, name};
use crate::transaction::Repeat;

impl Endpoint {
    /// A request without a To tag. Its method is one that we serve.
    pub(super) fn handle_outside_dialog(&mut self, now: Instant, incoming: Incoming) {
        let method = incoming.request.method.clone();
        if matches!(method, Method::NOTIFY | Method::REFER | Method::SUBSCRIBE) {
            self.stats.rejected(Rejection::Unmatched);
            return self.refuse_outside(&incoming);
        }
        if method != Method::INVITE && method != Method::OPTIONS {
            // BYE, INFO and the like live in dialogs only.
            self.stats.rejected(Rejection::Unmatched);
            return self.refuse_statelessly(&incoming, StatusCode::CALL_DOES_NOT_EXIST, None);
        }
        if self.servers.is_merged(&incoming) {
            self.stats.rejected(Rejection::Merged);
            return self.refuse_statelessly(&incoming, StatusCode::LOOP_DETECTED, None);
        }
        // OPTIONS is answered as an INVITE would be (RFC 3261 §11.2).
        if let Admission::Closed { retry_after } = self.admission {
            self.stats.rejected(Rejection::NotAccepting);
            return self.refuse_statelessly(&incoming, StatusCode::SERVICE_UNAVAILABLE, retry_after);
        }
        // What must be secured all the way must come by TLS (RFC 5630 §5.1.2; RFC 3261's exception for the last hop is gone).
        if is_secure(&incoming.request.uri) && incoming.flow.transport != Transport::Tls {
            self.stats.rejected(Rejection::Unsupported);
            let mut response = Response::to_request(&incoming.request, StatusCode::TEMPORARILY_UNAVAILABLE);
            let warning = format!("380 {} \"SIPS Not Allowed\"", self.sent_by(&incoming.flow));
            response.headers.push(name::WARNING, warning);
            return self.respond_statelessly(&incoming, response);
        }
        if self.is_full_for_calls() {
            self.stats.rejected(Rejection::Overloaded);
            return self.refuse_statelessly(&incoming, StatusCode::SERVICE_UNAVAILABLE, Some(RETRY_AFTER));
        }
        if method == Method::OPTIONS {
            let response = self.options_response(&incoming.request, "");
            return self.respond_statelessly(&incoming, response);
        }
        self.begin_call(now, incoming);
    }

    fn begin_call(&mut self, now: Instant, incoming: Incoming) {
        if let Err(least) = session::grant(now, &incoming.request, &self.config) {
            return self.refuse_session(now, &incoming, least);
        }
        let replaces = match self.find_replaced(&incoming) {
            Ok(replaces) => replaces,
            Err(status) => return self.refuse_statelessly(&incoming, status, None),
        };
        let local_tag = self.new_token();
        let Ok(dialog) = Dialog::from_invite(&incoming.request, &local_tag) else {
            return self.refuse_statelessly(&incoming, StatusCode::BAD_REQUEST, None);
        };
        let id = dialog.id().clone();
        let mut usage = Usage::new(dialog, incoming.flow, Phase::Invited);
        usage.replaces = replaces;
        let usage = self.insert_usage(usage);
        let invite = self.begin_invite(now, usage, &incoming, &local_tag);
        self.events.push_back(Event::Invited { dialog: id, invite, flow: incoming.flow });
    }

    /// A first INVITE or a re-INVITE waits for our answer: 100 goes out at once, before the peer repeats itself.
    pub(super) fn begin_invite(&mut self, now: Instant, usage: u64, incoming: &Incoming, to_tag: &str) -> Box<Request> {
        let transaction = self.begin_server(incoming, to_tag);
        if let Some(server) = self.servers.table.get_mut(&transaction) {
            server.usage = Some(usage);
        }
        let trying = self.response(&incoming.request, StatusCode::TRYING, to_tag);
        self.respond(now, transaction, &trying);
        let request = incoming.request.clone();
        let reliable = Reliable::new(&request, self.first_rseq());
        if let Some(usage) = self.usages.table.get_mut(&usage) {
            usage.pending = Some(PendingInvite { transaction, request: request.clone(), reliable });
        }
        request
    }

    /// 200 to the CANCEL, 487 to its INVITE unless that has its final answer already (RFC 3261 §9.2).
    pub(super) fn handle_cancel(&mut self, now: Instant, incoming: &Incoming) {
        let invite = self.servers.find(&incoming.transaction_key(&Method::INVITE));
        let Some(server) = invite.and_then(|id| self.servers.table.get(&id)) else {
            self.stats.rejected(Rejection::Unmatched);
            return self.refuse_statelessly(incoming, StatusCode::CALL_DOES_NOT_EXIST, None);
        };
        let (unanswered, usage) = (server.is_unanswered_invite(), server.usage);
        let response = self.response(&incoming.request, StatusCode::OK, &server.to_tag);
        self.respond_statelessly(incoming, response);
        let Some(number) = usage.filter(|_| unanswered) else {
            return;
        };
        let Some(usage) = self.usages.table.get(&number) else {
            return;
        };
        let (dialog, first) = (usage.name.clone(), matches!(usage.phase, Phase::Invited));
        self.refuse_pending(now, number, StatusCode::REQUEST_TERMINATED, None);
        if first {
            self.events.push_back(Event::Cancelled { dialog, reason: incoming.reason() });
            self.finish(number);
        }
    }

    /// Final refusal of the INVITE that waits, if one does.
    pub(super) fn refuse_pending(&mut self, now: Instant, number: u64, status: StatusCode, retry_after: Option<Duration>) {
        self.answer_pending(now, number, status, |response| push_retry_after(response, retry_after));
    }

    fn answer_pending(&mut self, now: Instant, number: u64, status: StatusCode, finish: impl FnOnce(&mut Response)) {
        let Some(usage) = self.usages.table.get_mut(&number) else {
            return;
        };
        let Some(pending) = usage.pending.take() else {
            return;
        };
        let local_tag = usage.name.local_tag.clone();
        let mut response = self.response(&pending.request, status, &local_tag);
        finish(&mut response);
        self.respond(now, pending.transaction, &response);
    }

    /// 200 with our SDP to the INVITE or re-INVITE that waits; nothing when none does (it was cancelled, say). When the offer came in a
    /// 200 to an INVITE of ours, it goes out in the ACK.
    ///
    /// The 200 is repeated T1 to T2 apart until its ACK; without one in 64*T1 comes BYE (RFC 3261 §13.3.1.4).
    pub fn answer(&mut self, now: Instant, dialog: &DialogId, sdp: String) {
        let Some(number) = self.usages.find(dialog) else {
            return;
        };
        if self.has_due_ack(number) {
            self.send_due_ack(number, Some(Bytes::from(sdp)));
            return;
        }
        let Some(usage) = self.usages.table.get_mut(&number) else {
            return;
        };
        if let Some(pending) = usage.pending.as_mut().filter(|pending| pending.reliable.holds_answer()) {
            pending.reliable.answer = Some(sdp);
            return;
        }
        if let Some(pending) = usage.pending.take() {
            self.send_2xx(now, number, pending, Bytes::from(sdp));
            self.drop_stale_reinvite(number);
        }
    }

    fn send_2xx(&mut self, now: Instant, number: u64, pending: PendingInvite, sdp: Bytes) {
        let Some(usage) = self.usages.table.get_mut(&number) else {
            return;
        };
        let PendingInvite { transaction, request, reliable } = pending;
        let cseq = request.headers.cseq().map_or(0, |cseq| cseq.number);
        usage.dialog.refresh_target(&request.headers);
        usage.phase = Phase::Established;
        usage.take_abilities(&request.headers);
        usage.last_reliable = reliable.waiting().map(|rseq| (rseq, cseq));
        usage.local_sdp = Some(sdp.clone());
        let (flow, local_tag) = (usage.flow, usage.name.local_tag.clone());
        let mut response = self.dialog_response(&request, StatusCode::OK, &local_tag, &flow);
        self.grant_session(now, number, &request, &mut response);
        if !reliable.has_answered {
            response.headers.push(name::CONTENT_TYPE, SDP);
            response.body = sdp;
        }
        let Some(transmit) = self.respond(now, transaction, &response) else {
            return;
        };
        let times = self.config.times;
        let mut replaced = None;
        if let Some(usage) = self.usages.table.get_mut(&number) {
            replaced = usage.replaces.take().map(|replaced| (replaced, usage.name.clone()));
            usage.unacked = Some(Unacked {
                cseq,
                offers: request.body.is_empty(),
                transmit,
                repeat: Repeat::new(now, times.t1, times.t2),
                give_up: now + times.give_up(),
                then: AfterAck::Confirm,
            });
        }
        self.rearm_usage(number);
        if let Some((replaced, name)) = replaced {
            self.give_way(now, replaced, &name);
        }
    }

    /// Refuses the INVITE that waits with a status of 300-699, which ends the dialog; or the re-INVITE, which does not.
    /// Nothing when none waits. `retry_after` is rounded up to seconds.
    pub fn refuse(&mut self, now: Instant, dialog: &DialogId, status: StatusCode, retry_after: Option<Duration>) {
        self.refuse_with(now, dialog, status, |response| push_retry_after(response, retry_after));
    }

    /// The same in words other than the usual for that status (RFC 8224 §6.2.2 has some).
    pub fn refuse_saying(&mut self, now: Instant, dialog: &DialogId, status: StatusCode, phrase: &str) {
        self.refuse_with(now, dialog, status, |response| response.reason = phrase.to_owned());
    }

    fn refuse_with(&mut self, now: Instant, dialog: &DialogId, status: StatusCode, finish: impl FnOnce(&mut Response)) {
        let Some(number) = self.usages.find(dialog) else {
            return;
        };
        let first = self.usages.table.get(&number).is_some_and(|usage| matches!(usage.phase, Phase::Invited));
        let status = if status.code() < 300 { StatusCode::SERVER_INTERNAL_ERROR } else { status };
        self.answer_pending(now, number, status, finish);
        if first {
            self.finish(number);
        }
    }
}
