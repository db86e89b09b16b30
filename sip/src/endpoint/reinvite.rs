//! Our own changes of an answered call: re-INVITE, with its glare (RFC 3261 §14).

use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::Rng;

use super::build::{SDP, push_capabilities, refuse_reliable, to_tag};
use super::clients::ClientUser;
use super::usages::{AckDue, Phase};
use super::{DialogId, Endpoint, Event, session};
use crate::message::{Method, Request, Response, StatusCode, name};

/// Times that a re-INVITE is sent again after 491 or 422; two ends that keep meeting never agree.
const AGAIN_MAX: u8 = 4;

/// A re-INVITE of ours until its answer.
#[derive(Debug)]
pub(super) struct Reinvite {
    /// Its transaction; 0 while it waits to be sent.
    pub client: u64,
    sdp: Option<Bytes>,
    /// For the session's sake alone, so nobody asked for it.
    is_refresh: bool,
    again: u8,
    again_at: Option<Instant>,
    /// A peer that says 100 and nothing more has lost it.
    give_up: Instant,
}

impl Reinvite {
    /// It was sent, or is about to be: the peer's would meet it.
    pub fn is_under_way(&self) -> bool {
        self.again_at.is_none()
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.again_at.or(Some(self.give_up))
    }
}

impl Endpoint {
    /// Changes an answered call with an offer of ours, or asks the peer for its offer: [`Event::ReinviteAnswered`] or
    /// [`Event::ReinviteRefused`] follows, with 491 at once when the peer is changing it just now. Meeting the peer's own re-INVITE, ours
    /// is sent again by itself, unless that one has been answered meanwhile.
    pub fn reinvite(&mut self, now: Instant, dialog: &DialogId, sdp: Option<String>) {
        let Some(number) = self.usages.find(dialog) else {
            return;
        };
        let Some(usage) = self.usages.table.get(&number).filter(|usage| matches!(usage.phase, Phase::Established)) else {
            return;
        };
        if usage.is_busy() {
            let refused = Event::ReinviteRefused { dialog: usage.name.clone(), status: StatusCode::REQUEST_PENDING };
            return self.events.push_back(refused);
        }
        self.begin_reinvite(now, number, sdp.map(Bytes::from), false);
    }

    pub(super) fn begin_reinvite(&mut self, now: Instant, number: u64, sdp: Option<Bytes>, is_refresh: bool) {
        if let Some(usage) = self.usages.table.get_mut(&number) {
            usage.reinvite = Some(Reinvite { client: 0, sdp, is_refresh, again: 0, again_at: None, give_up: now });
            self.send_reinvite(now, number);
        }
    }

    fn send_reinvite(&mut self, now: Instant, number: u64) {
        let give_up = now + 2 * self.config.times.give_up();
        let Some(usage) = self.usages.table.get_mut(&number) else {
            return;
        };
        let Some(reinvite) = &mut usage.reinvite else {
            return;
        };
        (reinvite.again_at, reinvite.give_up) = (None, give_up);
        let sdp = reinvite.sdp.clone();
        let request = self.session_request(number, Method::INVITE, sdp);
        self.send_session_request(now, number, request, ClientUser::Reinvite(number));
        self.rearm_usage(number);
    }

    /// A request that makes the session anew.
    pub(super) fn session_request(&mut self, number: u64, method: Method, sdp: Option<Bytes>) -> Option<Request> {
        let usage = self.usages.table.get_mut(&number)?;
        let mut request = usage.dialog.request(method);
        let headers = &mut request.headers;
        headers.push(name::USER_AGENT, self.config.user_agent.as_str());
        push_capabilities(headers);
        refuse_reliable(headers);
        if usage.session.is_some() || self.config.session_expires.is_some() {
            session::push_wish(headers, &self.config, usage.session.as_ref(), usage.session_least);
        }
        if let Some(sdp) = sdp {
            headers.push(name::CONTENT_TYPE, SDP);
            request.body = sdp;
        }
        Some(request)
    }

    pub(super) fn send_session_request(&mut self, now: Instant, number: u64, request: Option<Request>, user: ClientUser) {
        let usage = self.usages.table.get(&number);
        if let (Some(request), Some(usage)) = (request, usage) {
            let (flow, uri) = (usage.flow, usage.dialog.next_hop().clone());
            self.send_in_dialog(now, flow, uri, request, user);
        }
    }

    /// The dialog waits for this transaction of its re-INVITE now.
    pub(super) fn follow_reinvite(&mut self, number: u64, client: u64) {
        let (usage, transaction) = (self.usages.table.get_mut(&number), self.clients.table.get_mut(&client));
        if let (Some(usage), Some(transaction)) = (usage, transaction) {
            transaction.early = Some(usage.dialog.clone());
            if let Some(reinvite) = &mut usage.reinvite {
                reinvite.client = client;
            }
        }
    }

    /// A response to our re-INVITE that its transaction let through.
    pub(super) fn handle_reinvite_response(&mut self, now: Instant, client: u64, number: u64, response: &Response) {
        match response.status {
            status if status.is_provisional() => {}
            status if status.is_success() => self.handle_reinvite_2xx(now, client, number, response),
            StatusCode::REQUEST_PENDING => {
                let wait = self.usages.table.get(&number).map(|usage| usage.dialog.is_caller());
                let wait = self.glare_wait(wait.unwrap_or_default());
                self.retry_reinvite(now, number, wait);
            }
            StatusCode::INTERVAL_TOO_SMALL if self.raise_least(number, response) => {
                self.retry_reinvite(now, number, Duration::ZERO);
            }
            status => self.fail_reinvite(now, number, status),
        }
    }

    fn handle_reinvite_2xx(&mut self, now: Instant, client: u64, number: u64, response: &Response) {
        let Some(transaction) = self.clients.table.get(&client) else {
            return;
        };
        let to_tag = to_tag(response);
        if let Some(ack) = transaction.ack_to(&to_tag) {
            self.stats.retransmissions += 1;
            return self.transmit_request("ACK", ack);
        }
        let (request, flow, early) = (&transaction.request, transaction.transmit.flow, transaction.early.clone());
        let (cseq, offered) = (request.headers.cseq().map_or(0, |cseq| cseq.number), !request.body.is_empty());
        let due = AckDue { client, cseq, to_tag, give_up: now + self.config.times.give_up() };
        let sdp = (!response.body.is_empty()).then(|| response.body.clone());
        let usage = self.usages.table.get_mut(&number);
        let Some(usage) = usage.filter(|usage| usage.reinvite.as_ref().is_some_and(|reinvite| reinvite.client == client)) else {
            // The dialog is ending, or the ACK waits already.
            let waits =
                self.usages.table.get(&number).and_then(|usage| usage.ack_due.as_ref()).is_some_and(|due| due.client == client);
            if let Some(early) = early.filter(|_| !waits) {
                self.send_ack(&due, &early, flow, None);
            }
            return;
        };
        usage.dialog.refresh_target(&response.headers);
        usage.take_terms(now, &response.headers);
        let (dialog, name) = (usage.dialog.clone(), usage.name.clone());
        let ours = usage.reinvite.take().and_then(|reinvite| reinvite.sdp);
        usage.local_sdp = ours.or(usage.local_sdp.take());
        if offered || sdp.is_none() {
            self.send_ack(&due, &dialog, flow, None);
        } else {
            usage.ack_due = Some(due);
        }
        self.rearm_usage(number);
        self.events.push_back(Event::ReinviteAnswered { dialog: name, sdp });
    }

    /// Sends our re-INVITE again, after a while or at once; not for ever.
    fn retry_reinvite(&mut self, now: Instant, number: u64, wait: Duration) {
        let Some(reinvite) = self.usages.table.get_mut(&number).and_then(|usage| usage.reinvite.as_mut()) else {
            return;
        };
        if reinvite.again >= AGAIN_MAX {
            return self.fail_reinvite(now, number, StatusCode::REQUEST_PENDING);
        }
        let before = std::mem::take(&mut reinvite.client);
        (reinvite.again, reinvite.again_at) = (reinvite.again + 1, Some(now + wait));
        self.release(before);
        self.rearm_usage(number);
    }

    /// Our re-INVITE is refused, or was never answered. The two that say that there is no dialog end it.
    pub(super) fn fail_reinvite(&mut self, now: Instant, number: u64, status: StatusCode) {
        let Some(usage) = self.usages.table.get_mut(&number) else {
            return;
        };
        let Some(reinvite) = usage.reinvite.take() else {
            return;
        };
        let (dialog, established) = (usage.name.clone(), matches!(usage.phase, Phase::Established));
        if let Some(session) = usage.session.as_mut().filter(|_| reinvite.is_refresh) {
            session.refresh_later(now);
        }
        let gone = is_gone(status);
        if (!reinvite.is_refresh || gone) && established {
            self.events.push_back(Event::ReinviteRefused { dialog, status });
        }
        if gone && established {
            self.send_bye(now, number, None);
        }
        self.rearm_usage(number);
    }

    /// The peer's offer was answered while ours waited to be sent again: what ours says is old.
    pub(super) fn drop_stale_reinvite(&mut self, number: u64) {
        let Some(usage) = self.usages.table.get_mut(&number) else {
            return;
        };
        if let Some(reinvite) = usage.reinvite.take_if(|reinvite| reinvite.again_at.is_some())
            && !reinvite.is_refresh
        {
            let dialog = usage.name.clone();
            self.events.push_back(Event::ReinviteRefused { dialog, status: StatusCode::REQUEST_PENDING });
        }
    }

    /// Our re-INVITE is due again, or nobody answers it.
    pub(super) fn handle_reinvite_due(&mut self, now: Instant, number: u64) {
        let Some(usage) = self.usages.table.get_mut(&number) else {
            return;
        };
        let Some(reinvite) = usage.reinvite.as_mut().filter(|_| matches!(usage.phase, Phase::Established)) else {
            return;
        };
        match reinvite.again_at {
            Some(at) if at > now => {}
            // The peer's own is not over yet: what ours says may be old by then.
            Some(_) if usage.pending.is_some() || usage.offered.is_some() || usage.unacked.is_some() => {
                reinvite.again_at = Some(now + self.config.times.t1);
            }
            Some(_) => self.send_reinvite(now, number),
            None if reinvite.give_up <= now => {
                let client = reinvite.client;
                self.remove_client(client);
                self.fail_reinvite(now, number, StatusCode::REQUEST_TIMEOUT);
            }
            None => {}
        }
    }

    /// How long to wait after 491: who owns the Call-ID 2.1 to 4 s, the other up to 2 s (RFC 3261 §14.1).
    pub(super) fn glare_wait(&mut self, is_caller: bool) -> Duration {
        let (least, steps) = if is_caller { (2_100, 191) } else { (0, 201) };
        Duration::from_millis(least + 10 * (self.random.next_u64() % steps))
    }

    /// A 422 to a refresh: asks for more from now on. False if that is no more than before.
    pub(super) fn raise_least(&mut self, number: u64, response: &Response) -> bool {
        let (Some(least), Some(usage)) = (session::min_se(&response.headers), self.usages.table.get_mut(&number)) else {
            return false;
        };
        let raised = least > usage.session_least;
        usage.session_least = usage.session_least.max(least);
        raised
    }
}

/// There is no such dialog at the other end (RFC 3261 §12.2.1.2).
pub(super) fn is_gone(status: StatusCode) -> bool {
    matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::CALL_DOES_NOT_EXIST)
}
