//! Our answers to an INVITE before the last one: 180 and 183, sent until acknowledged where the caller requires it (RFC 3262).
//!
//! ```text
//! INVITE Require: 100rel -> 180 RSeq 1, again after T1, 2*T1, 4*T1 ... -> PRACK -> 200, and on with what waits
//!                                                        64*T1 -> 504
//! ```
//! One at a time: the next one waits for the PRACK of the last, and so does our 200 when the last one had SDP.

use std::time::Instant;

use bytes::Bytes;
use rand::Rng;

use super::build::{RELIABLE, SDP};
use super::incoming::Incoming;
use super::usages::Phase;
use super::{DialogId, Endpoint, Event};
use crate::flow::Transmit;
use crate::message::{CSeq, Request, StatusCode, name};
use crate::transaction::Repeat;

/// The reliable responses to one INVITE.
#[derive(Debug, Default)]
pub(super) struct Reliable {
    /// The caller requires them.
    wanted: bool,
    /// Number of the last one; none was sent yet: what the first one gets.
    rseq: u32,
    /// The one that waits for its PRACK.
    sent: Option<Sent>,
    /// What is to be sent after it.
    next: Option<(StatusCode, Option<Bytes>)>,
    /// Our SDP for the 200 that waits for the PRACK.
    pub answer: Option<String>,
    /// The offer was answered in one of them, so the 200 has nothing to say.
    pub has_answered: bool,
}

#[derive(Debug)]
struct Sent {
    transmit: Transmit,
    status: StatusCode,
    has_sdp: bool,
    repeat: Repeat,
    give_up: Instant,
}

impl Reliable {
    /// For an INVITE that came. `first`: a number between 1 and 2^31 - 1 (RFC 3262 §3).
    pub fn new(invite: &Request, first: u32) -> Self {
        Self { wanted: invite.headers.lists(name::REQUIRE, RELIABLE), rseq: first, ..Self::default() }
    }

    /// Our answer is on its way and not acknowledged, so the 200 must wait (RFC 3262 §3).
    pub fn holds_answer(&self) -> bool {
        self.sent.as_ref().is_some_and(|sent| sent.has_sdp)
    }

    /// The number of the one that waits for its PRACK.
    pub fn waiting(&self) -> Option<u32> {
        self.sent.as_ref().map(|_| self.rseq)
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.sent.as_ref().map(|sent| sent.repeat.at.min(sent.give_up))
    }
}

impl Endpoint {
    /// 180 Ringing to an unanswered first INVITE; else nothing.
    pub fn ring(&mut self, now: Instant, dialog: &DialogId) {
        self.send_provisional(now, dialog, StatusCode::RINGING, None);
    }

    /// 183 Session Progress with our SDP to an unanswered first INVITE: audio before the answer, which nobody pays for. Our `answer` must
    /// say the same. Nothing when the INVITE made no offer.
    pub fn progress(&mut self, now: Instant, dialog: &DialogId, sdp: String) {
        self.send_provisional(now, dialog, StatusCode::SESSION_PROGRESS, Some(Bytes::from(sdp)));
    }

    fn send_provisional(&mut self, now: Instant, dialog: &DialogId, status: StatusCode, sdp: Option<Bytes>) {
        let Some(usage) = self.usages.find(dialog).and_then(|number| self.usages.table.get_mut(&number)) else {
            return;
        };
        let (Phase::Invited, Some(pending)) = (&usage.phase, &mut usage.pending) else {
            return;
        };
        let offered = !pending.request.body.is_empty();
        let reliable = &mut pending.reliable;
        // A reliable response to an INVITE without an offer would have to bring ours: that is for the 200.
        if (reliable.wanted || sdp.is_some()) && !offered {
            return;
        }
        if reliable.sent.is_some() {
            let sdp = sdp.or_else(|| reliable.next.take().and_then(|(_, sdp)| sdp));
            reliable.next = Some((status, sdp));
            return;
        }
        let (wanted, rseq, transaction) = (reliable.wanted, reliable.rseq, pending.transaction);
        let (local_tag, has_sdp) = (usage.name.local_tag.clone(), sdp.is_some());
        let Some(usage) = self.usage(dialog) else {
            return;
        };
        let Some(pending) = &usage.pending else {
            return;
        };
        let mut response = self.dialog_response(&pending.request, status, &local_tag, &usage.flow);
        if wanted {
            response.headers.push(name::REQUIRE, RELIABLE);
            response.headers.push(name::RSEQ, rseq.to_string());
        }
        if let Some(sdp) = sdp {
            response.headers.push(name::CONTENT_TYPE, SDP);
            response.body = sdp;
        }
        let Some(transmit) = self.respond(now, transaction, &response).filter(|_| wanted) else {
            return;
        };
        let times = self.config.times;
        let repeat = Repeat::new(now, times.t1, times.give_up());
        let sent = Sent { transmit, status, has_sdp, repeat, give_up: now + times.give_up() };
        let Some(number) = self.usages.find(dialog) else {
            return;
        };
        if let Some(pending) = self.usages.table.get_mut(&number).and_then(|usage| usage.pending.as_mut()) {
            pending.reliable.has_answered |= has_sdp;
            pending.reliable.sent = Some(sent);
        }
        self.rearm_usage(number);
    }

    /// Repeats a reliable response, or gives the caller up (RFC 3262 §3).
    pub(super) fn repeat_reliable(&mut self, now: Instant, number: u64) {
        let Some(usage) = self.usages.table.get_mut(&number) else {
            return;
        };
        let Some(sent) = usage.pending.as_mut().and_then(|pending| pending.reliable.sent.as_mut()) else {
            return;
        };
        if sent.give_up <= now {
            let dialog = usage.name.clone();
            self.refuse_pending(now, number, StatusCode::SERVER_TIMEOUT, None);
            self.events.push_back(Event::AckTimedOut { dialog });
            self.finish(number);
        } else if sent.repeat.at <= now {
            sent.repeat.advance(now);
            let (status, transmit) = (sent.status.code(), sent.transmit.clone());
            self.stats.retransmissions += 1;
            self.transmit_response(status, transmit);
        }
    }

    /// A PRACK: 481 for what was not sent, or was acknowledged before by another one.
    pub(super) fn handle_prack(&mut self, now: Instant, number: u64, incoming: Incoming) {
        let Some(usage) = self.usages.table.get_mut(&number) else {
            return;
        };
        let acknowledged = acknowledged(&incoming.request);
        if acknowledged.is_some() && usage.last_reliable == acknowledged {
            // Our 200 did not wait for it.
            usage.last_reliable = None;
            return self.answer_in_dialog(now, &incoming, StatusCode::OK, None);
        }
        let waiting = usage.pending.as_mut().and_then(|pending| {
            let cseq = pending.request.headers.cseq().ok()?.number;
            let rseq = pending.reliable.waiting()?;
            (acknowledged == Some((rseq, cseq))).then_some(pending)
        });
        let Some(pending) = waiting else {
            return self.answer_in_dialog(now, &incoming, StatusCode::CALL_DOES_NOT_EXIST, None);
        };
        let reliable = &mut pending.reliable;
        (reliable.sent, reliable.rseq) = (None, reliable.rseq + 1);
        let (next, answer, dialog) = (reliable.next.take(), reliable.answer.take(), usage.name.clone());
        match incoming.request.body.is_empty() {
            true => self.answer_in_dialog(now, &incoming, StatusCode::OK, None),
            false => self.begin_update(now, number, &incoming),
        }
        match (answer, next) {
            (Some(sdp), _) => self.answer(now, &dialog, sdp),
            (None, Some((status, sdp))) => self.send_provisional(now, &dialog, status, sdp),
            (None, None) => {}
        }
        self.rearm_usage(number);
    }

    /// A number for the first reliable response to an INVITE.
    pub(super) fn first_rseq(&mut self) -> u32 {
        self.random.next_u32() % (1 << 30) + 1
    }
}

/// RSeq and CSeq numbers of a RAck for an INVITE.
fn acknowledged(prack: &Request) -> Option<(u32, u32)> {
    let (rseq, invite) = prack.headers.get(name::RACK)?.trim().split_once([' ', '\t'])?;
    let invite: CSeq = invite.trim().parse().ok()?;
    (invite.method == crate::message::Method::INVITE).then_some((rseq.parse().ok()?, invite.number))
}
