//! Requests of the peer inside a dialog.

use std::time::{Duration, Instant};

use rand::Rng;

use super::build::push_retry_after;
use super::incoming::Incoming;
use super::reinvite::Reinvite;
use super::usages::{AfterAck, Phase};
use super::{Endpoint, Event, Rejection, info, session};
use crate::flow::Transport;
use crate::message::{Method, Response, StatusCode};

/// Longest wait asked of a peer whose INVITE overlaps its last one, in seconds (RFC 3261 §14.2).
const OVERLAP_RETRY_SECONDS: u64 = 10;

impl Endpoint {
    /// A request with a To tag, other than ACK and CANCEL. Its method is one that we serve.
    pub(super) fn handle_in_dialog(&mut self, now: Instant, incoming: Incoming) {
        let number = self.usages.find_for_request(&incoming.dialog_id());
        let Some((number, usage)) = number.and_then(|number| Some((number, self.usages.table.get_mut(&number)?))) else {
            self.stats.rejected(Rejection::Unmatched);
            return self.refuse_statelessly(&incoming, StatusCode::CALL_DOES_NOT_EXIST, None);
        };
        // Each early dialog counts for itself.
        let fork = match &usage.phase {
            Phase::Inviting { client, .. } => self.clients.table.get_mut(client),
            _ => None,
        };
        let fork = fork.and_then(|transaction| transaction.fork_of(&incoming.from_tag));
        let dialog = fork.map_or(&mut usage.dialog, |fork| &mut fork.dialog);
        if !dialog.handle_request_cseq(incoming.cseq.number) {
            return self.refuse_statelessly(&incoming, StatusCode::SERVER_INTERNAL_ERROR, None);
        }
        // What was to be secured all the way stays so, whatever way the peer's request took.
        if !usage.dialog.is_secure() || incoming.flow.transport == Transport::Tls {
            usage.flow = incoming.flow;
        }
        match incoming.request.method {
            Method::BYE => self.handle_bye(now, number, &incoming),
            Method::INVITE => self.handle_reinvite(now, number, &incoming),
            Method::NOTIFY => self.handle_notify(now, number, &incoming),
            Method::OPTIONS => {
                let response = self.options_response(&incoming.request, "");
                self.respond_statelessly(&incoming, response);
            }
            Method::REFER => self.handle_refer(now, number, incoming),
            Method::SUBSCRIBE => self.handle_subscribe(now, number, &incoming),
            Method::PRACK => self.handle_prack(now, number, incoming),
            Method::UPDATE => self.handle_update(now, number, &incoming),
            _ => self.handle_info(now, number, incoming),
        }
    }

    /// The ACK to our 2xx. A repeated one, or one for a dialog that is gone, means nothing.
    pub(super) fn handle_dialog_ack(&mut self, now: Instant, incoming: &Incoming) {
        let Some(number) = self.usages.find(&incoming.dialog_id()) else {
            return;
        };
        let Some(usage) = self.usages.table.get_mut(&number) else {
            return;
        };
        let Some(unacked) = usage.unacked.take_if(|unacked| unacked.cseq == incoming.cseq.number) else {
            return;
        };
        let dialog = usage.name.clone();
        self.rearm_usage(number);
        match unacked.then {
            AfterAck::Confirm => {
                let body = &incoming.request.body;
                let sdp = (!body.is_empty()).then(|| body.clone());
                self.events.push_back(Event::Confirmed { dialog, sdp });
            }
            AfterAck::HangUp { reason } => self.send_bye(now, number, reason.as_deref()),
        }
    }

    /// 200 always, even when our own BYE is on its way or our 2xx has no ACK yet; an INVITE that waits gets 487.
    fn handle_bye(&mut self, now: Instant, number: u64, incoming: &Incoming) {
        let Some(usage) = self.usages.table.get(&number) else {
            return;
        };
        let dialog = usage.name.clone();
        let phase = usage.phase.clone();
        if let Phase::Inviting { .. } = phase {
            // A callee may not say BYE before its answer (RFC 3261 §15): it can refuse.
            return self.answer_in_dialog(now, incoming, StatusCode::CALL_DOES_NOT_EXIST, None);
        }
        self.answer_in_dialog(now, incoming, StatusCode::OK, None);
        self.refuse_pending(now, number, StatusCode::REQUEST_TERMINATED, None);
        self.refuse_asked(now, number);
        if !matches!(phase, Phase::Ending) {
            let reason = incoming.reason();
            self.events.push_back(Event::HungUp { dialog, reason });
        }
        self.finish(number);
    }

    /// An INVITE inside the dialog: refused while another one is open on either side (RFC 3261 §14.2).
    fn handle_reinvite(&mut self, now: Instant, number: u64, incoming: &Incoming) {
        let Some(usage) = self.usages.table.get(&number) else {
            return;
        };
        let dialog = usage.name.clone();
        // Ours is on its way, or waits for its ACK. One that waits to be sent lets the peer's go first.
        let ours = usage.ack_due.is_some() || usage.reinvite.as_ref().is_some_and(Reinvite::is_under_way);
        match (&usage.phase, &usage.pending, &usage.unacked) {
            (Phase::Established, ..) if ours => {
                self.answer_in_dialog(now, incoming, StatusCode::REQUEST_PENDING, None);
            }
            (Phase::Ending, ..) => {
                self.answer_in_dialog(now, incoming, StatusCode::CALL_DOES_NOT_EXIST, None);
            }
            (_, Some(_), _) | (Phase::Established, ..) if usage.pending.is_some() || usage.offered.is_some() => {
                let wait = self.overlap_wait();
                self.answer_in_dialog(now, incoming, StatusCode::SERVER_INTERNAL_ERROR, Some(wait));
            }
            (Phase::Inviting { .. }, ..) | (.., Some(_)) => {
                self.answer_in_dialog(now, incoming, StatusCode::REQUEST_PENDING, None);
            }
            (Phase::Invited | Phase::Established, ..) => {
                if let Err(least) = session::grant(now, &incoming.request, &self.config) {
                    return self.refuse_session(now, incoming, least);
                }
                let invite = self.begin_invite(now, number, incoming, &dialog.local_tag);
                self.events.push_back(Event::Reinvited { dialog, invite });
            }
        }
    }

    /// What a peer is told to wait whose offer overlaps its last one.
    pub(super) fn overlap_wait(&mut self) -> Duration {
        Duration::from_secs(self.random.next_u64() % (OVERLAP_RETRY_SECONDS + 1))
    }

    fn handle_info(&mut self, now: Instant, number: u64, incoming: Incoming) {
        let Some(usage) = self.usages.table.get(&number) else {
            return;
        };
        if matches!(usage.phase, Phase::Ending) {
            return self.answer_in_dialog(now, &incoming, StatusCode::CALL_DOES_NOT_EXIST, None);
        }
        let dialog = usage.name.clone();
        if let Some(refusal) = info::refuse(&incoming.request) {
            return self.answer_in_dialog_with(now, &incoming, refusal);
        }
        self.answer_in_dialog(now, &incoming, StatusCode::OK, None);
        self.events.push_back(Event::Info { dialog, request: incoming.request });
    }

    /// With a transaction, so that a repeated request gets the same answer even when the dialog has moved on.
    pub(super) fn answer_in_dialog(
        &mut self,
        now: Instant,
        incoming: &Incoming,
        status: StatusCode,
        retry_after: Option<Duration>,
    ) {
        let mut response = Response::to_request(&incoming.request, status);
        push_retry_after(&mut response, retry_after);
        self.answer_in_dialog_with(now, incoming, response);
    }

    /// The same with headers of its own.
    pub(super) fn answer_in_dialog_with(&mut self, now: Instant, incoming: &Incoming, mut response: Response) {
        let transaction = self.begin_server(incoming, "");
        self.finish_response(&mut response, "");
        self.respond(now, transaction, &response);
    }
}
