//! The server transactions of an endpoint.

use std::collections::HashMap;
use std::time::Instant;

use super::Endpoint;
use super::deadlines::Owner;
use super::incoming::Incoming;
use crate::flow::{Flow, Transmit};
use crate::message::{Method, Response};
use crate::transaction::{Action, InviteServer, Server};

/// One request that we answer.
#[derive(Debug)]
pub(super) struct ServerTransaction {
    machine: Machine,
    /// Where responses go.
    pub reply: Flow,
    /// The tag that all its responses carry.
    pub to_tag: String,
    /// The dialog that an INVITE began or changes.
    pub usage: Option<u64>,
    /// The last response, to be repeated.
    response: Option<(u16, Transmit)>,
    key: String,
    /// Set for requests outside dialogs.
    merge_key: Option<String>,
    armed: Option<Instant>,
}

#[derive(Debug)]
enum Machine {
    Invite(InviteServer),
    Other(Server),
}

impl ServerTransaction {
    /// An INVITE without a final response.
    pub fn is_unanswered_invite(&self) -> bool {
        matches!(&self.machine, Machine::Invite(machine) if machine.is_proceeding())
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

/// All of them, found by number, by key, and by what merged requests have in common.
#[derive(Debug, Default)]
pub(super) struct Servers {
    pub table: HashMap<u64, ServerTransaction>,
    by_key: HashMap<String, u64>,
    merged: HashMap<String, u64>,
}

impl Servers {
    /// Nothing is left, in the indexes neither.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty() && self.by_key.is_empty() && self.merged.is_empty()
    }

    pub fn find(&self, key: &str) -> Option<u64> {
        self.by_key.get(key).copied()
    }

    /// Another transaction has the same request that came on another way.
    pub fn is_merged(&self, incoming: &Incoming) -> bool {
        incoming.to_tag.is_none() && self.merged.contains_key(&incoming.merge_key())
    }

    fn insert(&mut self, id: u64, transaction: ServerTransaction) {
        self.by_key.insert(transaction.key.clone(), id);
        if let Some(key) = &transaction.merge_key {
            self.merged.insert(key.clone(), id);
        }
        self.table.insert(id, transaction);
    }

    pub fn remove(&mut self, id: u64) -> Option<ServerTransaction> {
        let transaction = self.table.remove(&id)?;
        self.by_key.remove(&transaction.key);
        if let Some(key) = &transaction.merge_key {
            self.merged.remove(key);
        }
        Some(transaction)
    }
}

impl Endpoint {
    /// Begins a transaction for a request; nothing is sent yet.
    pub(super) fn begin_server(&mut self, incoming: &Incoming, to_tag: &str) -> u64 {
        let (times, transport) = (self.config.times, incoming.flow.transport);
        let method = &incoming.request.method;
        let machine = if *method == Method::INVITE {
            Machine::Invite(InviteServer::new(times, transport))
        } else {
            Machine::Other(Server::new(times, transport))
        };
        let id = self.next_number();
        let transaction = ServerTransaction {
            machine,
            reply: incoming.reply_flow(),
            to_tag: to_tag.to_owned(),
            usage: None,
            response: None,
            key: incoming.transaction_key(method),
            merge_key: incoming.to_tag.is_none().then(|| incoming.merge_key()),
            armed: None,
        };
        self.servers.insert(id, transaction);
        id
    }

    /// The core's answer: kept for repetition and sent. Returns what was sent.
    pub(super) fn respond(&mut self, now: Instant, id: u64, response: &Response) -> Option<Transmit> {
        let transaction = self.servers.table.get_mut(&id)?;
        let status = response.status.code();
        let transmit = Transmit::back(transaction.reply, response.to_bytes());
        transaction.response = Some((status, transmit.clone()));
        match &mut transaction.machine {
            Machine::Invite(machine) => machine.send_response(now, status),
            Machine::Other(machine) => machine.send_response(now, status),
        }
        self.drive_server(id);
        Some(transmit)
    }

    /// The same request came again.
    pub(super) fn repeat_server(&mut self, id: u64) {
        if let Some(transaction) = self.servers.table.get_mut(&id) {
            match &mut transaction.machine {
                Machine::Invite(machine) => machine.handle_request(),
                Machine::Other(machine) => machine.handle_request(),
            }
        }
        self.drive_server(id);
    }

    /// An ACK with the INVITE's branch came. True when it acknowledges a 2xx, which is the dialog's business.
    pub(super) fn ack_server(&mut self, now: Instant, id: u64) -> bool {
        if let Some(ServerTransaction { machine: Machine::Invite(machine), .. }) = self.servers.table.get_mut(&id) {
            machine.handle_ack(now);
        }
        self.drive_server(id)
    }

    pub(super) fn handle_server_timeout(&mut self, now: Instant, id: u64) {
        if let Some(transaction) = self.servers.table.get_mut(&id) {
            transaction.armed = None;
            match &mut transaction.machine {
                Machine::Invite(machine) => machine.handle_timeout(now),
                Machine::Other(machine) => machine.handle_timeout(now),
            }
        }
        self.drive_server(id);
    }

    pub(super) fn remove_server(&mut self, id: u64) {
        if let Some(mut transaction) = self.servers.remove(id) {
            self.deadlines.rearm(Owner::Server(id), &mut transaction.armed, None);
        }
    }

    /// Carries out what the machine wants. True when it delivered an ACK.
    fn drive_server(&mut self, id: u64) -> bool {
        let mut delivered = false;
        while let Some(transaction) = self.servers.table.get_mut(&id) {
            let Some(action) = transaction.poll_action() else {
                let wanted = transaction.poll_timeout();
                self.deadlines.rearm(Owner::Server(id), &mut transaction.armed, wanted);
                break;
            };
            let response = transaction.response.clone();
            match action {
                Action::Send | Action::Resend => {
                    if let Some((status, transmit)) = response {
                        self.stats.retransmissions += u64::from(action == Action::Resend);
                        self.transmit_response(status, transmit);
                    }
                }
                Action::Deliver => delivered = true,
                // Timer H: the peer never acknowledged the refusal, and there is nobody to tell.
                Action::TimedOut | Action::Ack | Action::Cancel => {}
                Action::Terminated => self.remove_server(id),
            }
        }
        delivered
    }
}
