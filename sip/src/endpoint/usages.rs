//! The dialogs of an endpoint, each with what an INVITE left open in it.

use std::collections::HashMap;
use std::time::Instant;

use super::deadlines::Owner;
use super::{Endpoint, Event};
use crate::dialog::{Dialog, DialogId};
use crate::digest::DigestClient;
use crate::flow::{Flow, Transmit};
use crate::message::Request;
use crate::transaction::Repeat;

/// A dialog from its INVITE to its end.
#[derive(Debug)]
pub(super) struct Usage {
    pub dialog: Dialog,
    /// What our user calls it: the first name, until an event told another.
    pub name: DialogId,
    /// The first name, which commands under way may still use.
    first_name: DialogId,
    /// Where the peer was last seen.
    pub flow: Flow,
    pub phase: Phase,
    /// An INVITE or re-INVITE of the peer that waits for our final answer.
    pub pending: Option<PendingInvite>,
    /// Our 2xx that waits for its ACK.
    pub unacked: Option<Unacked>,
    /// What our requests answer challenges with.
    pub digest: Option<Box<DigestClient>>,
    armed: Option<Instant>,
}

/// How far a dialog is.
#[derive(Clone, Debug)]
pub(super) enum Phase {
    /// The peer's first INVITE has no final answer yet.
    Invited,
    /// Our first INVITE has none.
    Inviting { client: u64, cancel: Cancel },
    /// A 2xx was sent or received.
    Established,
    /// Our BYE waits for its answer.
    Ending,
}

/// Whether our unanswered INVITE is to be called back (RFC 3261 §9.1).
#[derive(Clone, Debug)]
pub(super) enum Cancel {
    No,
    /// As soon as the first provisional response comes.
    Wanted {
        reason: Option<String>,
    },
    /// Done; the INVITE is given up at this time.
    Sent {
        give_up: Instant,
    },
}

#[derive(Debug)]
pub(super) struct PendingInvite {
    pub transaction: u64,
    pub request: Box<Request>,
}

#[derive(Debug)]
pub(super) struct Unacked {
    pub cseq: u32,
    pub transmit: Transmit,
    pub repeat: Repeat,
    pub give_up: Instant,
    pub then: AfterAck,
}

/// What the ACK is waited for with.
#[derive(Debug)]
pub(super) enum AfterAck {
    /// To tell that the call stands.
    Confirm,
    /// To hang up, which must not be before (RFC 3261 §15).
    HangUp { reason: Option<String> },
}

impl Usage {
    pub fn new(dialog: Dialog, flow: Flow, phase: Phase) -> Self {
        let name = dialog.id().clone();
        Self { dialog, first_name: name.clone(), name, flow, phase, pending: None, unacked: None, digest: None, armed: None }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match (&self.unacked, &self.phase) {
            (Some(unacked), _) => Some(unacked.repeat.at.min(unacked.give_up)),
            (None, Phase::Inviting { cancel: Cancel::Sent { give_up }, .. }) => Some(*give_up),
            (None, _) => None,
        }
    }
}

/// All of them, found by number and by name.
#[derive(Debug, Default)]
pub(super) struct Usages {
    pub table: HashMap<u64, Usage>,
    by_id: HashMap<DialogId, u64>,
}

impl Usages {
    /// Nothing is left, in the indexes neither.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty() && self.by_id.is_empty()
    }

    pub fn find(&self, id: &DialogId) -> Option<u64> {
        self.by_id.get(id).copied()
    }

    /// The dialog of a request that came. A callee's request in an early dialog meets the INVITE's: its tag is not known yet.
    pub fn find_for_request(&self, id: &DialogId) -> Option<u64> {
        self.find(id).or_else(|| {
            let early = DialogId { remote_tag: "".into(), ..id.clone() };
            let usage = self.find(&early)?;
            matches!(self.table.get(&usage)?.phase, Phase::Inviting { .. }).then_some(usage)
        })
    }
}

impl Endpoint {
    pub(super) fn insert_usage(&mut self, usage: Usage) -> u64 {
        let number = self.next_number();
        self.usages.by_id.insert(usage.name.clone(), number);
        self.usages.table.insert(number, usage);
        number
    }

    /// Our INVITE was answered: the dialog is found by its full name too.
    pub(super) fn establish(&mut self, number: u64, dialog: Dialog) {
        if let Some(usage) = self.usages.table.get_mut(&number) {
            self.usages.by_id.insert(dialog.id().clone(), number);
            usage.dialog = dialog;
            usage.phase = Phase::Established;
        }
    }

    /// Forgets a dialog and says so.
    pub(super) fn finish(&mut self, number: u64) {
        let Some(mut usage) = self.usages.table.remove(&number) else {
            return;
        };
        self.deadlines.rearm(Owner::Dialog(number), &mut usage.armed, None);
        debug_assert!(usage.pending.is_none(), "an INVITE without an answer would keep its transaction for ever");
        for id in [&usage.first_name, usage.dialog.id()] {
            self.usages.by_id.remove(id);
        }
        self.events.push_back(Event::Terminated { dialog: usage.name });
    }

    /// Asks for the deadline that the dialog now has.
    pub(super) fn rearm_usage(&mut self, number: u64) {
        if let Some(usage) = self.usages.table.get_mut(&number) {
            let wanted = usage.poll_timeout();
            self.deadlines.rearm(Owner::Dialog(number), &mut usage.armed, wanted);
        }
    }

    /// Repeats our 2xx (RFC 3261 §13.3.1.4), or gives up waiting.
    pub(super) fn handle_usage_timeout(&mut self, now: Instant, number: u64) {
        let Some(usage) = self.usages.table.get_mut(&number) else {
            return;
        };
        usage.armed = None;
        if let Some(unacked) = usage.unacked.as_mut().filter(|unacked| now < unacked.give_up) {
            unacked.repeat.advance(now);
            let transmit = unacked.transmit.clone();
            self.stats.retransmissions += 1;
            self.transmit_response(200, transmit);
        } else if let Some(unacked) = usage.unacked.take() {
            let dialog = usage.name.clone();
            let reason = match unacked.then {
                AfterAck::Confirm => {
                    self.events.push_back(Event::AckTimedOut { dialog });
                    None
                }
                AfterAck::HangUp { reason } => reason,
            };
            self.send_bye(now, number, reason.as_deref());
        } else if let Phase::Inviting { client, .. } = usage.phase {
            self.remove_client(client);
            self.finish(number);
        }
        self.rearm_usage(number);
    }
}
