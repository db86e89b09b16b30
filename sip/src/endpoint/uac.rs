//! The caller's side: INVITE, its responses, forks and CANCEL.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::again::Invitation;
use super::build::{SDP, push_capabilities, refuse_reliable, to_tag};
use super::clients::{CREDENTIALS, ClientUser, derived};
use super::forks::Place;
use super::usages::{AckDue, Cancel, NOWHERE, Phase, Usage};
use super::ways::{Rest, Way};
use super::{DialogId, Endpoint, Event, MAX_FORKS, OutboundInvite, session};
use crate::dialog::Dialog;
use crate::flow::{Flow, Transmit};
use crate::message::{Method, Request, Response, StatusCode, name};
use crate::uri::NameAddr;

impl Endpoint {
    /// Places a call. The id's remote tag is empty; [`Event::Answered`] tells the full one. Where it goes is found first, and its next
    /// way is taken when one fails; with none it is refused with 503, as it is with a full dialog table.
    pub fn invite(&mut self, now: Instant, invite: OutboundInvite) -> DialogId {
        let call_id = format!("{}{}", self.new_token(), self.new_token());
        let from = invite.from.clone().with_tag(&self.new_token());
        let dialog = Dialog::to_be_invited(&call_id, from, invite.to.clone(), invite.request_uri.clone());
        let id = dialog.id().clone();
        if self.usages.table.len() >= self.config.max_dialogs {
            self.refuse_ourselves(id.clone(), StatusCode::SERVICE_UNAVAILABLE.reason());
            self.events.push_back(Event::Terminated { dialog: id.clone() });
            return id;
        }
        let phase = Phase::Inviting { client: 0, cancel: Cancel::No };
        let mut usage = Usage::new(dialog, invite.flow.unwrap_or(NOWHERE), phase);
        let request = self.first_invite(&mut usage.dialog, &invite);
        usage.local_sdp = Some(request.body.clone()).filter(|sdp| !sdp.is_empty());
        usage.invitation = Some(Box::new(Invitation::new(&invite)));
        let number = self.insert_usage(usage);
        let uri = invite.next_hop.unwrap_or(invite.request_uri);
        self.send_first(now, invite.flow, &uri, request, ClientUser::Invite(number));
        id
    }

    fn first_invite(&self, dialog: &mut Dialog, invite: &OutboundInvite) -> Request {
        let mut request = dialog.request(Method::INVITE);
        let headers = &mut request.headers;
        if let Some(proxy) = &invite.next_hop
            && proxy.as_sip().is_some_and(|proxy| proxy.is_loose_router())
        {
            headers.push_front(name::ROUTE, NameAddr::new(proxy.clone()).to_string());
        }
        headers.push(name::USER_AGENT, self.config.user_agent.as_str());
        push_capabilities(headers);
        session::push_wish(headers, &self.config, None, Duration::ZERO);
        for (name, value) in &invite.headers {
            headers.push(name, value.as_str());
        }
        if let Some(sdp) = &invite.sdp {
            headers.push(name::CONTENT_TYPE, SDP);
            request.body = Bytes::from(sdp.clone());
        } else {
            refuse_reliable(headers);
        }
        request
    }

    /// The dialog waits for this transaction of its INVITE now.
    pub(super) fn follow_invite(&mut self, number: u64, client: u64) {
        let Some(transaction) = self.clients.table.get_mut(&client) else {
            return;
        };
        if let Some(usage) = self.usages.table.get_mut(&number) {
            transaction.early = Some(usage.dialog.clone());
            usage.flow = transaction.transmit.flow;
            usage.phase = Phase::Inviting { client, cancel: Cancel::No };
        }
    }

    /// A response to our INVITE that its transaction let through.
    pub(super) fn handle_invite_response(&mut self, now: Instant, client: u64, number: u64, response: &Response) {
        let inviting = self.usages.table.get(&number).and_then(|usage| match &usage.phase {
            Phase::Inviting { cancel, .. } => Some((usage.name.clone(), cancel.clone())),
            _ => None,
        });
        if response.status.is_success() {
            return self.handle_2xx(now, client, number, response);
        }
        let Some((dialog, cancel)) = inviting else {
            return;
        };
        match (response.status.is_provisional(), cancel) {
            (true, Cancel::No) if response.status != StatusCode::TRYING => self.handle_progress(now, client, dialog, response),
            (true, Cancel::Wanted { reason }) => self.send_cancel(now, number, reason.as_deref()),
            (true, _) => {}
            (false, Cancel::No) if self.try_again(now, client, number, response) => {}
            (false, cancel) => {
                if let Cancel::No = cancel {
                    let (status, reason) = (response.status, response.reason.clone());
                    let response = Some(Box::new(response.clone()));
                    self.events.push_back(Event::Refused { dialog, status, reason, response });
                }
                self.finish(number);
            }
        }
    }

    /// 101 to 199: of the branch of a fork that its tag names.
    fn handle_progress(&mut self, now: Instant, client: u64, dialog: DialogId, response: &Response) {
        let sdp = (!response.body.is_empty()).then(|| response.body.clone());
        let Some(transaction) = self.clients.table.get_mut(&client) else {
            return;
        };
        let (flow, cseq) = (transaction.transmit.flow, transaction.request.headers.cseq().map_or(0, |cseq| cseq.number));
        let offered = !transaction.request.body.is_empty();
        if let Some(fork) = transaction.fork(response) {
            let acknowledged = match fork.place(response) {
                Place::Passed => return,
                Place::Next(rseq) if offered => Some(rseq),
                Place::Next(_) | Place::Unreliable => None,
            };
            if sdp.is_some() {
                fork.sdp.clone_from(&sdp);
                fork.is_answered |= acknowledged.is_some();
            }
            if let Some(rseq) = acknowledged {
                let prack = fork.prack(rseq, cseq);
                let uri = fork.dialog.next_hop().clone();
                self.send_in_dialog(now, flow, uri, prack, ClientUser::Nobody);
            }
        }
        self.events.push_back(Event::Ringing { dialog, status: response.status, sdp });
    }

    /// Every 2xx gets its ACK, each time it comes. The first makes the call; one from another branch of a fork, or one that
    /// crossed our CANCEL, is ended with BYE (RFC 3261 §13.2.2.4, §15).
    fn handle_2xx(&mut self, now: Instant, client: u64, number: u64, response: &Response) {
        let Some(transaction) = self.clients.table.get(&client) else {
            return;
        };
        let to_tag = to_tag(response);
        if let Some(ack) = transaction.ack_to(&to_tag) {
            self.stats.retransmissions += 1;
            return self.transmit_request("ACK", ack);
        }
        let due = self.usages.table.get(&number).and_then(|usage| usage.ack_due.as_ref());
        if due.is_some_and(|due| due.client == client && due.to_tag == to_tag) || transaction.acks.len() > MAX_FORKS {
            return;
        }
        let (invite, flow) = (&transaction.request, transaction.transmit.flow);
        let (cseq, offered) = (invite.headers.cseq().map_or(0, |cseq| cseq.number), !invite.body.is_empty());
        let Some((dialog, early_sdp)) = transaction.answered(response, &to_tag) else {
            return;
        };
        let sdp = (!response.body.is_empty()).then(|| response.body.clone());
        let due = AckDue { client, cseq, to_tag, give_up: now + self.config.times.give_up() };
        let cancel = self.usages.table.get(&number).and_then(|usage| match &usage.phase {
            Phase::Inviting { cancel, .. } => Some((usage.name.clone(), cancel.clone())),
            _ => None,
        });
        match cancel {
            Some((early, Cancel::No)) => {
                let id = dialog.id().clone();
                let answers = offered || sdp.is_none();
                if answers {
                    self.send_ack(&due, &dialog, flow, None);
                }
                self.establish(number, dialog);
                if let Some(usage) = self.usages.table.get_mut(&number) {
                    usage.name = id.clone();
                    usage.ack_due = (!answers).then_some(due);
                    usage.take_terms(now, &response.headers);
                }
                self.rearm_usage(number);
                self.events.push_back(Event::Answered { early, dialog: id, sdp: sdp.or(early_sdp) });
            }
            Some((_, Cancel::Wanted { .. } | Cancel::Sent { .. })) => {
                self.send_ack(&due, &dialog, flow, None);
                self.establish(number, dialog);
                self.send_bye(now, number, None);
                self.rearm_usage(number);
            }
            None => {
                self.send_ack(&due, &dialog, flow, None);
                self.send_fork_bye(now, dialog, flow);
            }
        }
    }

    /// The ACK to a 2xx is a request of its own, with a branch of its own, and is kept to be repeated.
    pub(super) fn send_ack(&mut self, due: &AckDue, dialog: &Dialog, flow: Flow, sdp: Option<Bytes>) {
        let Way { flow, peer, .. } = self.ack_way(flow, dialog.next_hop());
        let mut ack = dialog.ack(due.cseq);
        if let Some(transaction) = self.clients.table.get(&due.client) {
            for name in CREDENTIALS {
                for value in transaction.request.headers.get_all(name) {
                    ack.headers.push(name, value);
                }
            }
        }
        ack.headers.push_front(name::VIA, self.new_via(&flow));
        ack.headers.push(name::USER_AGENT, self.config.user_agent.as_str());
        if let Some(sdp) = sdp {
            ack.headers.push(name::CONTENT_TYPE, SDP);
            ack.body = sdp;
        }
        let transmit = Transmit { flow, bytes: ack.to_bytes(), peer };
        if let Some(transaction) = self.clients.table.get_mut(&due.client) {
            transaction.acks.push((due.to_tag.clone(), transmit.clone()));
        }
        self.transmit_request("ACK", transmit);
    }

    /// The ACK that waits for our answer to the peer's offer, if one does: with it, or without when the dialog ends.
    pub(super) fn send_due_ack(&mut self, number: u64, sdp: Option<Bytes>) {
        let Some(usage) = self.usages.table.get_mut(&number) else {
            return;
        };
        let Some(due) = usage.ack_due.take() else {
            return;
        };
        let (dialog, flow) = (usage.dialog.clone(), usage.flow);
        usage.local_sdp = sdp.clone().or(usage.local_sdp.take());
        self.send_ack(&due, &dialog, flow, sdp);
        self.rearm_usage(number);
    }

    /// Whether an offer of the peer waits for our answer in the ACK.
    pub(super) fn has_due_ack(&self, number: u64) -> bool {
        self.usages.table.get(&number).is_some_and(|usage| usage.ack_due.is_some())
    }

    fn send_fork_bye(&mut self, now: Instant, mut dialog: Dialog, flow: Flow) {
        let bye = dialog.request(Method::BYE);
        self.send_in_dialog(now, flow, dialog.next_hop().clone(), bye, ClientUser::Nobody);
    }

    /// What [`Event::Refused`] says when nobody else refused: 503.
    pub(super) fn refuse_ourselves(&mut self, dialog: DialogId, reason: String) {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        self.events.push_back(Event::Refused { dialog, status, reason, response: None });
    }

    /// CANCEL shares the INVITE's Via, so its answer is told apart by the method only.
    pub(super) fn send_cancel(&mut self, now: Instant, number: u64, reason: Option<&str>) {
        let Some(usage) = self.usages.table.get_mut(&number) else {
            return;
        };
        let Phase::Inviting { client, cancel } = &mut usage.phase else {
            return;
        };
        *cancel = Cancel::Sent { give_up: now + self.config.times.give_up() };
        let Some(transaction) = self.clients.table.get(client) else {
            return;
        };
        let to = transaction.request.headers.get(name::TO).unwrap_or_default();
        let mut request = derived(&transaction.request, Method::CANCEL, to);
        if let Some(reason) = reason {
            request.headers.push(name::REASON, reason);
        }
        let Transmit { flow, peer, .. } = transaction.transmit.clone();
        self.rearm_usage(number);
        self.send_request(now, Way { flow, peer, at_any_length: true }, Rest::Ways(VecDeque::new()), request, ClientUser::Nobody);
    }

    /// Timer B: nobody answered at all.
    pub(super) fn handle_invite_timeout(&mut self, number: u64) {
        let Some(usage) = self.usages.table.get(&number) else {
            return;
        };
        if let Phase::Inviting { cancel: Cancel::No, .. } = usage.phase {
            self.events.push_back(Event::TimedOut { dialog: usage.name.clone() });
        }
        self.finish(number);
    }
}
