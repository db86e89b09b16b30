//! The dialogs of an endpoint, each with what an INVITE left open in it.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::again::Invitation;
use super::deadlines::Owner;
use super::provisional::Reliable;
use super::refer::Transfers;
use super::reinvite::Reinvite;
use super::session::Session;
use super::update::Offered;
use super::{Endpoint, Event};
use crate::dialog::{Dialog, DialogId};
use crate::digest::DigestClient;
use crate::flow::{Flow, Transmit, Transport};
use crate::message::{Headers, Request, name};
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
    /// Our first INVITE, while nobody has answered it.
    pub invitation: Option<Box<Invitation>>,
    /// An INVITE or re-INVITE of the peer that waits for our final answer.
    pub pending: Option<PendingInvite>,
    /// An UPDATE or PRACK of the peer whose offer waits for our answer.
    pub offered: Option<Offered>,
    /// Our 2xx that waits for its ACK.
    pub unacked: Option<Unacked>,
    /// What our requests answer challenges with.
    pub digest: Option<Box<DigestClient>>,
    /// The peer's 2xx that waits for our ACK, since its offer waits for our answer.
    pub ack_due: Option<AckDue>,
    /// The REFERs of both sides.
    pub transfers: Transfers,
    /// The dialog whose place this one takes once it is answered.
    pub replaces: Option<u64>,
    /// A re-INVITE of ours, under way or about to be.
    pub reinvite: Option<Reinvite>,
    /// What was agreed on about refreshes, and whether an UPDATE of ours is one now.
    pub session: Option<Session>,
    pub is_refreshing: bool,
    /// The least that the other side wants of a session.
    pub session_least: Duration,
    /// The peer takes UPDATE.
    pub peer_updates: bool,
    /// The peer follows a REFER to another dialog's place: its Allow has REFER and its Supported replaces.
    pub peer_transfers: bool,
    /// What we last said of our media, to be said again by a refresh.
    pub local_sdp: Option<Bytes>,
    /// RSeq and CSeq of a reliable response that was sent and not acknowledged before our 200.
    pub last_reliable: Option<(u32, u32)>,
    armed: Option<Instant>,
}

/// The flow of a dialog whose INVITE has not gone anywhere yet.
pub(super) const NOWHERE: Flow = Flow {
    transport: Transport::Udp,
    local: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0),
    remote: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0),
};

/// How far a dialog is.
#[derive(Clone, Debug)]
pub(super) enum Phase {
    /// The peer's first INVITE has no final answer yet.
    Invited,
    /// Our first INVITE has none. Its transaction is not there while it waits to be sent.
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
    pub reliable: Reliable,
}

#[derive(Debug)]
pub(super) struct Unacked {
    pub cseq: u32,
    /// It brought an offer of ours, which the ACK answers.
    pub offers: bool,
    pub transmit: Transmit,
    pub repeat: Repeat,
    pub give_up: Instant,
    pub then: AfterAck,
}

/// An INVITE of ours, without an offer, that was answered with one.
#[derive(Debug)]
pub(super) struct AckDue {
    pub client: u64,
    pub cseq: u32,
    pub to_tag: String,
    /// Without an answer until then the call is ended: the peer gives up as well.
    pub give_up: Instant,
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
        let first_name = name.clone();
        Self {
            dialog,
            first_name,
            name,
            flow,
            phase,
            invitation: None,
            pending: None,
            offered: None,
            unacked: None,
            ack_due: None,
            reinvite: None,
            session: None,
            is_refreshing: false,
            session_least: Duration::ZERO,
            peer_updates: false,
            peer_transfers: false,
            local_sdp: None,
            last_reliable: None,
            digest: None,
            transfers: Transfers::default(),
            replaces: None,
            armed: None,
        }
    }

    /// What a 2xx of the peer says of the session and of what it can do.
    pub fn take_terms(&mut self, now: Instant, headers: &Headers) {
        self.session = Session::agreed(now, headers);
        self.take_abilities(headers);
    }

    /// What the peer can do, as its INVITE or 2xx says.
    pub fn take_abilities(&mut self, headers: &Headers) {
        self.peer_updates = headers.lists(name::ALLOW, "UPDATE");
        self.peer_transfers = headers.lists(name::ALLOW, "REFER") && headers.lists(name::SUPPORTED, "replaces");
    }

    /// What challenges of the peer are answered with: nothing where a redirection led to strangers.
    pub fn digest(&mut self) -> Option<&mut DigestClient> {
        let among_strangers = self.invitation.as_ref().is_some_and(|invitation| invitation.elsewhere.among_strangers);
        self.digest.as_deref_mut().filter(|_| !among_strangers)
    }

    /// An INVITE or an offer is open on either side, so no other one may be sent.
    pub fn is_busy(&self) -> bool {
        let theirs = self.pending.is_some() || self.offered.is_some();
        theirs || self.unacked.is_some() || self.ack_due.is_some() || self.reinvite.is_some() || self.is_refreshing
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let unacked = self.unacked.as_ref().map(|unacked| unacked.repeat.at.min(unacked.give_up));
        let cancelled = match &self.phase {
            Phase::Inviting { cancel: Cancel::Sent { give_up }, .. } => Some(*give_up),
            _ => None,
        };
        let ack_due = self.ack_due.as_ref().map(|due| due.give_up);
        let again = self.invitation.as_ref().and_then(|invitation| invitation.poll_timeout());
        let reliable = self.pending.as_ref().and_then(|pending| pending.reliable.poll_timeout());
        let offered = self.offered.as_ref().map(|offered| offered.give_up);
        let reinvite = self.reinvite.as_ref().and_then(Reinvite::poll_timeout);
        let session = self.session.filter(|_| matches!(self.phase, Phase::Established));
        let refresh = session.and_then(|session| session.refresh_at);
        let expiry = session.map(|session| session.bye_at);
        [unacked, cancelled, ack_due, again, reliable, offered, reinvite, refresh, expiry].into_iter().flatten().min()
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
            let invitation = usage.invitation.take();
            if invitation.is_some_and(|invitation| invitation.elsewhere.among_strangers) {
                usage.digest = None;
            }
        }
    }

    /// Forgets a dialog and says so.
    pub(super) fn finish(&mut self, number: u64) {
        let Some(mut usage) = self.usages.table.remove(&number) else {
            return;
        };
        self.deadlines.rearm(Owner::Dialog(number), &mut usage.armed, None);
        self.drop_transfers(number, usage.transfers);
        if let Some(offered) = usage.offered.take() {
            self.refuse_lost(offered);
        }
        if let Some(reinvite) = usage.reinvite.take() {
            self.remove_client(reinvite.client);
        }
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

    /// The deadline of a dialog has come. Each of its timers looks whether it is meant.
    pub(super) fn handle_usage_timeout(&mut self, now: Instant, number: u64) {
        let Some(usage) = self.usages.table.get_mut(&number) else {
            return;
        };
        usage.armed = None;
        if let Phase::Inviting { client, cancel: Cancel::Sent { give_up } } = usage.phase
            && give_up <= now
        {
            self.remove_client(client);
            return self.finish(number);
        }
        if usage.ack_due.as_ref().is_some_and(|due| due.give_up <= now) {
            self.send_bye(now, number, None);
        }
        self.repeat_2xx(now, number);
        self.repeat_reliable(now, number);
        self.refuse_late_update(now, number);
        self.send_again(now, number);
        self.handle_reinvite_due(now, number);
        self.handle_session_due(now, number);
        self.rearm_usage(number);
    }

    /// Repeats our 2xx (RFC 3261 §13.3.1.4), or gives up waiting.
    fn repeat_2xx(&mut self, now: Instant, number: u64) {
        let Some(usage) = self.usages.table.get_mut(&number) else {
            return;
        };
        let Some(mut unacked) = usage.unacked.take_if(|unacked| unacked.repeat.at.min(unacked.give_up) <= now) else {
            return;
        };
        if now < unacked.give_up {
            unacked.repeat.advance(now);
            let transmit = unacked.transmit.clone();
            usage.unacked = Some(unacked);
            self.stats.retransmissions += 1;
            return self.transmit_response(200, transmit);
        }
        let dialog = usage.name.clone();
        let reason = match unacked.then {
            AfterAck::Confirm => {
                self.events.push_back(Event::AckTimedOut { dialog });
                None
            }
            AfterAck::HangUp { reason } => reason,
        };
        self.send_bye(now, number, reason.as_deref());
    }
}
