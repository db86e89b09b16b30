//! The client transactions of an endpoint.

use std::collections::HashMap;
use std::time::Instant;

use super::Endpoint;
use super::deadlines::Owner;
use super::forks::Fork;
use super::stats::method_label;
use super::ways::{Rest, Way};
use crate::dialog::Dialog;
use crate::flow::Transmit;
use crate::message::{CSeq, Method, Request, Response, StatusCode, name};
use crate::transaction::{Action, Client, InviteClient};

/// What an ACK or CANCEL has of its INVITE beside what names it, since neither can be challenged (RFC 3261 §22.1).
pub(super) const CREDENTIALS: [&str; 2] = [name::AUTHORIZATION, name::PROXY_AUTHORIZATION];

/// Who waits for the response.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum ClientUser {
    /// The dialog that ends.
    Bye(u64),
    /// The dialog that begins.
    Invite(u64),
    /// The dialog that we change.
    Reinvite(u64),
    /// The dialog whose session we refresh.
    Update(u64),
    /// Nobody: a CANCEL, a PRACK, or the BYE to a fork.
    Nobody,
    /// Who sent a request outside of dialogs.
    Outside(u64),
    /// The dialog in which a transfer is told of.
    Notify(u64),
    /// The dialog that is to be transferred.
    Refer(u64),
}

/// One request of ours.
#[derive(Debug)]
pub(super) struct ClientTransaction {
    machine: Machine,
    pub user: ClientUser,
    /// The request as it was sent: ACK and CANCEL are made from an INVITE.
    pub request: Request,
    pub transmit: Transmit,
    /// Where else it may go.
    pub rest: Rest,
    /// The dialog of an INVITE as it was before any answer: each branch of a fork makes its own of it.
    pub early: Option<Dialog>,
    /// Those that were made so far, by provisional responses.
    pub forks: Vec<Fork>,
    /// The ACKs to 2xx by To tag, to be sent again when the 2xx comes again.
    pub acks: Vec<(String, Transmit)>,
    key: String,
    armed: Option<Instant>,
}

#[derive(Debug)]
enum Machine {
    Invite(InviteClient),
    Other(Client),
}

impl ClientTransaction {
    /// An INVITE between its first provisional and its final response.
    pub fn is_proceeding_invite(&self) -> bool {
        matches!(&self.machine, Machine::Invite(machine) if machine.is_proceeding())
    }

    /// Whether a refusal is of the way and not of whom it leads to (RFC 3263 §4.3). A phone that rang until 408 was reached.
    fn blames_way(&self, status: StatusCode) -> bool {
        match status {
            StatusCode::SERVICE_UNAVAILABLE => true,
            StatusCode::REQUEST_TIMEOUT | StatusCode::FLOW_FAILED => {
                matches!(self.user, ClientUser::Invite(_)) && self.forks.is_empty()
            }
            _ => false,
        }
    }

    fn poll_action(&mut self) -> Option<Action> {
        match &mut self.machine {
            Machine::Invite(machine) => machine.poll_action(),
            Machine::Other(machine) => machine.poll_action(),
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match &self.machine {
            Machine::Invite(machine) => machine.poll_timeout(),
            Machine::Other(machine) => machine.poll_timeout(),
        }
    }
}

/// All of them, found by number and by branch and method.
#[derive(Debug, Default)]
pub(super) struct Clients {
    pub table: HashMap<u64, ClientTransaction>,
    by_key: HashMap<String, u64>,
}

impl Clients {
    /// Nothing is left, in the indexes neither.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty() && self.by_key.is_empty()
    }

    /// The transaction of a response (RFC 3261 §17.1.3).
    fn find(&self, response: &Response) -> Option<u64> {
        let via = response.headers.top_via().ok()?;
        let cseq = response.headers.cseq().ok()?;
        self.by_key.get(&key(via.branch()?, &cseq.method)).copied()
    }
}

impl Endpoint {
    /// Sends a request: its Via is added here, and a long one goes by TCP first. A CANCEL brings the Via of its INVITE.
    pub(super) fn send_request(&mut self, now: Instant, way: Way, rest: Rest, mut request: Request, user: ClientUser) -> u64 {
        let (mut way, mut rest) = (way, rest);
        if request.headers.get(name::VIA).is_none() {
            let via = self.new_via(&way.flow);
            request.headers.push_front(name::VIA, via);
            self.tell_contact(&mut request, &way.flow);
            if let Some(longer) = self.way_for_length(&way, request.to_bytes().len()) {
                request.headers.set_first(name::VIA, self.new_via(&longer.flow));
                self.tell_contact(&mut request, &longer.flow);
                if let Rest::Ways(ways) = &mut rest {
                    ways.push_front(Way { at_any_length: true, ..way });
                }
                way = longer;
            }
        }
        let Way { flow, peer, .. } = way;
        self.set_contact(user, &mut request, &flow);
        let branch = request.headers.top_via().ok().and_then(|via| via.branch().map(str::to_owned));
        let key = key(&branch.unwrap_or_default(), &request.method);
        let times = self.config.times;
        let machine = if request.method == Method::INVITE {
            Machine::Invite(InviteClient::new(now, times, flow.transport))
        } else {
            Machine::Other(Client::new(now, times, flow.transport))
        };
        let id = self.next_number();
        let transmit = Transmit { flow, bytes: request.to_bytes(), peer };
        self.clients.by_key.insert(key.clone(), id);
        let (early, forks, acks) = (None, Vec::new(), Vec::new());
        let transaction = ClientTransaction { machine, user, request, transmit, rest, early, forks, acks, key, armed: None };
        self.clients.table.insert(id, transaction);
        self.drive_client(now, id, None);
        id
    }

    /// A response came: to a transaction of ours, or to nobody.
    pub(super) fn handle_response(&mut self, now: Instant, response: &Response) {
        self.stats.response(response.status.code(), super::MessageDirection::Received);
        let id = self.clients.find(response).filter(|_| response.has_one_via());
        let Some(transaction) = id.and_then(|id| self.clients.table.get_mut(&id)) else {
            self.stats.rejected(super::Rejection::Unmatched);
            return;
        };
        let status = response.status.code();
        match &mut transaction.machine {
            Machine::Invite(machine) => machine.handle_response(now, status),
            Machine::Other(machine) => machine.handle_response(now, status),
        }
        if let Some(id) = id {
            self.drive_client(now, id, Some(response));
        }
    }

    pub(super) fn handle_client_timeout(&mut self, now: Instant, id: u64) {
        if let Some(transaction) = self.clients.table.get_mut(&id) {
            transaction.armed = None;
            match &mut transaction.machine {
                Machine::Invite(machine) => machine.handle_timeout(now),
                Machine::Other(machine) => machine.handle_timeout(now),
            }
        }
        self.drive_client(now, id, None);
    }

    pub(super) fn remove_client(&mut self, id: u64) -> Option<ClientTransaction> {
        let mut transaction = self.clients.table.remove(&id)?;
        self.clients.by_key.remove(&transaction.key);
        self.deadlines.rearm(Owner::Client(id), &mut transaction.armed, None);
        Some(transaction)
    }

    /// Carries out what the machine wants after an input, which may have been a response.
    fn drive_client(&mut self, now: Instant, id: u64, response: Option<&Response>) {
        while let Some(transaction) = self.clients.table.get_mut(&id) {
            let Some(action) = transaction.poll_action() else {
                let wanted = transaction.poll_timeout();
                self.deadlines.rearm(Owner::Client(id), &mut transaction.armed, wanted);
                break;
            };
            let user = transaction.user;
            match (action, response) {
                (Action::Send | Action::Resend, _) => {
                    let label = method_label(&transaction.request.method);
                    let transmit = transaction.transmit.clone();
                    self.stats.retransmissions += u64::from(action == Action::Resend);
                    self.transmit_request(label, transmit);
                }
                (Action::Ack, Some(response)) => {
                    let to = response.headers.get(name::TO).unwrap_or_default();
                    let bytes = derived(&transaction.request, Method::ACK, to).to_bytes();
                    let Transmit { flow, peer, .. } = transaction.transmit.clone();
                    self.transmit_request("ACK", Transmit { flow, bytes, peer });
                }
                (Action::Deliver, Some(response)) if transaction.blames_way(response.status) && self.fail_over(now, id) => {}
                (Action::TimedOut, _) if self.fail_over(now, id) => {}
                (Action::Deliver, Some(response)) if self.answer_challenge(now, id, response) => {}
                (Action::Deliver, Some(response)) => match user {
                    ClientUser::Invite(usage) => {
                        self.handle_invite_response(now, id, usage, response);
                    }
                    ClientUser::Reinvite(usage) => self.handle_reinvite_response(now, id, usage, response),
                    ClientUser::Update(usage) => self.handle_update_response(now, usage, Some(response)),
                    ClientUser::Bye(usage) if response.status.is_final() => self.finish(usage),
                    ClientUser::Outside(number) if response.status.is_final() => self.finish_outside(number, response),
                    ClientUser::Bye(_) | ClientUser::Nobody | ClientUser::Outside(_) => {}
                    ClientUser::Notify(usage) => self.handle_notify_response(now, usage, Some(response.status)),
                    ClientUser::Refer(usage) => self.handle_refer_response(usage, response),
                },
                (Action::TimedOut, _) => match user {
                    ClientUser::Invite(usage) => self.handle_invite_timeout(usage),
                    ClientUser::Reinvite(usage) => self.fail_reinvite(now, usage, StatusCode::REQUEST_TIMEOUT),
                    ClientUser::Update(usage) => self.handle_update_response(now, usage, None),
                    ClientUser::Bye(usage) => self.finish(usage),
                    ClientUser::Outside(number) => self.lose_outside(number),
                    ClientUser::Nobody => {}
                    ClientUser::Notify(usage) => self.handle_notify_response(now, usage, None),
                    ClientUser::Refer(usage) => self.handle_refer_lost(usage, StatusCode::REQUEST_TIMEOUT),
                },
                (Action::Terminated, _) => drop(self.remove_client(id)),
                (Action::Ack | Action::Deliver, None) => {}
            }
        }
    }
}

/// The ACK to a refusal, or the CANCEL: the INVITE's Via, URI, routes, From, Call-ID and number (RFC 3261 §9.1, §17.1.1.3).
pub(super) fn derived(invite: &Request, method: Method, to: &str) -> Request {
    let mut request = Request::new(method.clone(), invite.uri.clone());
    let headers = &mut request.headers;
    let mut copy = |name: &'static str, most: usize| {
        for value in invite.headers.get_all(name).take(most) {
            headers.push(name, value);
        }
    };
    copy(name::VIA, 1);
    copy(name::ROUTE, usize::MAX);
    for name in [name::MAX_FORWARDS, name::FROM, name::CALL_ID, name::USER_AGENT] {
        copy(name, 1);
    }
    for name in CREDENTIALS {
        copy(name, usize::MAX);
    }
    headers.push(name::TO, to);
    let number = invite.headers.cseq().map_or(0, |cseq| cseq.number);
    headers.push(name::CSEQ, CSeq::new(number, method).to_string());
    request
}

fn key(branch: &str, method: &Method) -> String {
    format!("{branch} {method}")
}
