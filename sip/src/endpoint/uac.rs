//! The caller's side: INVITE, its responses, forks and CANCEL.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;

use super::build::{SDP, is_secure};
use super::clients::{CREDENTIALS, ClientUser, derived};
use super::usages::{Cancel, Phase, Usage};
use super::ways::{Rest, Way};
use super::{DialogId, Endpoint, Event, MAX_FORKS, OutboundInvite};
use crate::dialog::Dialog;
use crate::flow::{Flow, Transmit};
use crate::message::{ALLOWED_METHODS, Method, Response, SUPPORTED_EXTENSIONS, StatusCode, name};

impl Endpoint {
    /// Places a call. The id's remote tag is empty; [`Event::Answered`] tells the full one.
    ///
    /// With a full dialog table the call is refused with 503 at once, as if the peer had done it.
    pub fn invite(&mut self, now: Instant, invite: OutboundInvite) -> DialogId {
        let call_id = format!("{}{}", self.new_token(), self.new_token());
        let from = invite.from.with_tag(&self.new_token());
        let mut dialog = Dialog::to_be_invited(&call_id, from, invite.to, invite.request_uri);
        let id = dialog.id().clone();
        if self.usages.table.len() >= self.config.max_dialogs {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            let refused = Event::Refused { dialog: id.clone(), status, reason: status.reason() };
            self.events.extend([refused, Event::Terminated { dialog: id.clone() }]);
            return id;
        }
        let mut request = dialog.request(Method::INVITE);
        let secure = is_secure(&request.uri);
        let headers = &mut request.headers;
        headers.push(name::CONTACT, self.contact(&invite.flow, secure));
        headers.push(name::USER_AGENT, self.config.user_agent.as_str());
        headers.push(name::ALLOW, ALLOWED_METHODS);
        headers.push(name::SUPPORTED, SUPPORTED_EXTENSIONS.join(", "));
        headers.push(name::CONTENT_TYPE, SDP);
        request.body = Bytes::from(invite.sdp);
        let phase = Phase::Inviting { client: 0, cancel: Cancel::No };
        let number = self.insert_usage(Usage::new(dialog.clone(), invite.flow, phase));
        let way = Way::to(invite.flow, invite.flow.remote.ip().into());
        let client = self.send_request(now, way, Rest::Ways(VecDeque::new()), request, ClientUser::Invite(number));
        self.follow_invite(number, client, Some(dialog));
        id
    }

    /// The dialog waits for this transaction of its INVITE now.
    pub(super) fn follow_invite(&mut self, number: u64, client: u64, early: Option<Dialog>) {
        if let Some(transaction) = self.clients.table.get_mut(&client) {
            transaction.early = early;
        }
        if let Some(usage) = self.usages.table.get_mut(&number) {
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
            (true, Cancel::No) if response.status != StatusCode::TRYING => {
                let sdp = (!response.body.is_empty()).then(|| response.body.clone());
                self.events.push_back(Event::Ringing { dialog, sdp });
            }
            (true, Cancel::Wanted { reason }) => self.send_cancel(now, number, reason.as_deref()),
            (true, _) => {}
            (false, cancel) => {
                if let Cancel::No = cancel {
                    let (status, reason) = (response.status, response.reason.clone());
                    self.events.push_back(Event::Refused { dialog, status, reason });
                }
                self.finish(number);
            }
        }
    }

    /// Every 2xx gets its ACK, each time it comes. The first makes the call; one from another branch of a fork, or one that
    /// crossed our CANCEL, is ended with BYE (RFC 3261 §13.2.2.4, §15).
    fn handle_2xx(&mut self, now: Instant, client: u64, number: u64, response: &Response) {
        let Some(transaction) = self.clients.table.get(&client) else {
            return;
        };
        let to = response.headers.to().ok();
        let to_tag = to.as_ref().and_then(|to| to.tag()).unwrap_or_default().to_owned();
        if let Some((_, ack)) = transaction.acks.iter().find(|(tag, _)| *tag == to_tag) {
            let ack = ack.clone();
            self.stats.retransmissions += 1;
            return self.transmit_request("ACK", ack);
        }
        if transaction.acks.len() > MAX_FORKS {
            return;
        }
        let flow = transaction.transmit.flow;
        let Some(dialog) = transaction.early.as_ref().map(|early| early.answered(response)) else {
            return;
        };
        self.send_ack(client, &dialog, flow, to_tag);

        let cancel = self.usages.table.get(&number).and_then(|usage| match &usage.phase {
            Phase::Inviting { cancel, .. } => Some((usage.name.clone(), cancel.clone())),
            _ => None,
        });
        match cancel {
            Some((early, Cancel::No)) => {
                let id = dialog.id().clone();
                self.establish(number, dialog);
                if let Some(usage) = self.usages.table.get_mut(&number) {
                    usage.name = id.clone();
                }
                let sdp = (!response.body.is_empty()).then(|| response.body.clone());
                self.events.push_back(Event::Answered { early, dialog: id, sdp });
            }
            Some((_, Cancel::Wanted { .. } | Cancel::Sent { .. })) => {
                self.establish(number, dialog);
                self.send_bye(now, number, None);
                self.rearm_usage(number);
            }
            None => self.send_fork_bye(now, dialog, flow),
        }
    }

    /// The ACK to a 2xx is a request of its own, with a branch of its own, and is kept to be repeated.
    fn send_ack(&mut self, client: u64, dialog: &Dialog, flow: Flow, to_tag: String) {
        let Some(invite) = self.clients.table.get(&client).map(|client| client.request.headers.clone()) else {
            return;
        };
        let Way { flow, peer, .. } = self.ack_way(flow, dialog.next_hop());
        let mut ack = dialog.ack(invite.cseq().map_or(0, |cseq| cseq.number));
        for name in CREDENTIALS {
            for value in invite.get_all(name) {
                ack.headers.push(name, value);
            }
        }
        ack.headers.push_front(name::VIA, self.new_via(&flow));
        ack.headers.push(name::USER_AGENT, self.config.user_agent.as_str());
        let transmit = Transmit { flow, bytes: ack.to_bytes(), peer };
        if let Some(transaction) = self.clients.table.get_mut(&client) {
            transaction.acks.push((to_tag, transmit.clone()));
        }
        self.transmit_request("ACK", transmit);
    }

    fn send_fork_bye(&mut self, now: Instant, mut dialog: Dialog, flow: Flow) {
        let bye = dialog.request(Method::BYE);
        self.send_in_dialog(now, flow, dialog.next_hop().clone(), bye, ClientUser::Nobody);
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
