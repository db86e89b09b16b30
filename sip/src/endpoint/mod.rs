//! One SIP endpoint: transactions and dialogs with a user agent over them, without IO.
//!
//! ```text
//! bytes -> handle_receive -> transaction? -> dialog? -> event
//! command (answer, hang_up ...) -> dialog -> transaction -> transmit
//! ```
//! It answers by itself whatever needs no decision of a call: OPTIONS, repeated, merged, late, unknown and unacceptable
//! requests, CANCEL and BYE. Refusals outside of dialogs leave no state behind (RFC 3261 §8.2.7).
//!
//! **Invariant:** each dialog that an event or [`Endpoint::invite`] named gets [`Event::Terminated`] exactly once, last.

mod again;
mod build;
mod challenge;
mod clients;
mod config;
mod deadlines;
mod elsewhere;
mod event;
mod forks;
mod hang_up;
mod in_dialog;
mod incoming;
mod info;
mod outside;
mod provisional;
mod refer;
mod referred;
mod refresh;
mod reinvite;
mod replace;
mod servers;
mod session;
mod snapshot;
mod stats;
#[cfg(test)]
mod tests;
mod uac;
mod uas;
mod update;
mod usages;
mod ways;

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;

pub use config::{EndpointConfig, Listener, MAX_DIALOGS, MAX_FORKS, MAX_TRANSACTIONS, RETRY_AFTER};
pub use elsewhere::{Attempt, AttemptFailure, CallTarget, Permitted, RedirectPolicy, Redirects};
pub use event::{Event, OutboundInvite};
pub use outside::{OUTSIDE_MAX, OutboundRequest, RequestId, Series};
pub use refer::{Notices, REFER_MAX, Refer, ReferOutcome};
pub use referred::{REFER_ANSWER_MAX, Referral};
pub use snapshot::DialogSnapshot;
pub use stats::{MessageDirection, Rejection, Stats};

pub use crate::dialog::DialogId;
pub use crate::flow::{Flow, Transmit, Transport};

use crate::locate::{Locator, Question, Records};
use crate::message::{self, Message, Method, Request, StatusCode};
use clients::Clients;
use deadlines::{Deadlines, Owner};
use incoming::Incoming;
use outside::Outside;
use servers::Servers;
use stats::method_label;
use usages::{Usage, Usages};
use ways::Trip;

/// The endpoint. One input, then drain: `poll_transmit`, `poll_event` and `poll_question` until `None`, then `poll_timeout`.
///
/// Commands for a dialog that is gone, or in a state where they mean nothing, do nothing: its events are on their way.
pub struct Endpoint {
    config: EndpointConfig,
    random: StdRng,
    admission: Admission,
    clients: Clients,
    servers: Servers,
    usages: Usages,
    /// Requests of ours outside of dialogs.
    outsides: HashMap<u64, Outside>,
    locator: Locator,
    /// Requests that wait for the locator, by its search.
    trips: HashMap<u64, Trip>,
    deadlines: Deadlines,
    last_number: u64,
    transmits: VecDeque<Transmit>,
    events: VecDeque<Event>,
    stats: Stats,
}

/// Whether new calls are taken.
#[derive(Clone, Copy, Debug)]
enum Admission {
    Open,
    Closed { retry_after: Option<Duration> },
}

impl Endpoint {
    /// An idle endpoint; tags, branches and Call-IDs come from the seed, which must not be guessable from outside.
    pub fn new(config: EndpointConfig, seed: u64) -> Self {
        Self {
            locator: Locator::new(ways::reach(&config.listeners)),
            trips: HashMap::new(),
            config,
            random: StdRng::seed_from_u64(seed),
            admission: Admission::Open,
            clients: Clients::default(),
            servers: Servers::default(),
            usages: Usages::default(),
            outsides: HashMap::new(),
            deadlines: Deadlines::default(),
            last_number: 0,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            stats: Stats::default(),
        }
    }

    /// One datagram, or one message that [`message::frame`] cut from a stream, came on this flow.
    pub fn handle_receive(&mut self, now: Instant, flow: Flow, bytes: &[u8]) {
        self.assert_drained();
        match message::parse(bytes).map(|parsed| parsed.message) {
            Ok(Message::Request(request)) => self.handle_request(now, flow, request),
            Ok(Message::Response(response)) => self.handle_response(now, &response),
            Err(error) => {
                self.stats.rejected(Rejection::Malformed);
                self.refuse_malformed(flow, error);
            }
        }
    }

    /// The answer to a [`poll_question`](Self::poll_question); `ttl` as the zone has it, zero when nobody could say.
    pub fn handle_answer(&mut self, now: Instant, question: Question, records: Records, ttl: Duration) {
        self.assert_drained();
        self.locator.handle_answer(now, question, records, ttl);
        self.take_found(now);
    }

    /// The deadline of [`poll_timeout`](Self::poll_timeout) has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.assert_drained();
        while let Some(owner) = self.deadlines.pop_due(now) {
            match owner {
                Owner::Client(id) => self.handle_client_timeout(now, id),
                Owner::Server(id) => self.handle_server_timeout(now, id),
                Owner::Dialog(number) => self.handle_usage_timeout(now, number),
                Owner::Transfers(number) => self.handle_transfers_timeout(now, number),
            }
        }
        if self.locator.poll_timeout().is_some_and(|due| due <= now) {
            self.locator.handle_timeout(now);
            self.take_found(now);
        }
    }

    /// The next message to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The next question to the DNS; without [listeners](EndpointConfig::listeners) there is none.
    pub fn poll_question(&mut self) -> Option<Question> {
        self.locator.poll_question()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout); asked last, after the outputs are drained.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.next().into_iter().chain(self.locator.poll_timeout()).min()
    }

    /// Whether new INVITEs are taken. If not they get 503 with `retry_after`, and so does OPTIONS outside dialogs
    /// (RFC 3261 §11.2), so that a load balancer sees it. Calls under way go on.
    pub fn set_accepting(&mut self, accepting: bool, retry_after: Option<Duration>) {
        self.admission = if accepting { Admission::Open } else { Admission::Closed { retry_after } };
    }

    /// An INVITE that is too many came on this flow: it is answered with 503 and forgotten (RFC 3261 §21.5.4).
    pub fn shed(&mut self, flow: Flow, bytes: &[u8]) {
        self.assert_drained();
        let Ok(Message::Request(request)) = message::parse(bytes).map(|parsed| parsed.message) else { return };
        self.stats.request(method_label(&request.method), MessageDirection::Received);
        if let Some(incoming) =
            Incoming::read(Box::new(request), flow).filter(|incoming| incoming.request.method == Method::INVITE)
        {
            self.refuse_statelessly(&incoming, StatusCode::SERVICE_UNAVAILABLE, Some(RETRY_AFTER));
        }
    }

    /// Counters since the last call.
    pub fn take_stats(&mut self) -> Stats {
        std::mem::take(&mut self.stats)
    }

    /// No dialog, transaction, deadline or output is left.
    pub fn is_idle(&self) -> bool {
        self.clients.is_empty()
            && self.servers.is_empty()
            && self.usages.is_empty()
            && self.outsides.is_empty()
            && self.trips.is_empty()
            && self.locator.is_idle()
            && self.deadlines.next().is_none()
            && self.transmits.is_empty()
            && self.events.is_empty()
    }

    fn handle_request(&mut self, now: Instant, flow: Flow, request: Request) {
        self.stats.request(method_label(&request.method), MessageDirection::Received);
        let Some(mut incoming) = Incoming::read(Box::new(request), flow) else {
            return;
        };
        let method = &incoming.request.method;
        if *method == Method::ACK {
            return self.handle_ack(now, &incoming);
        }
        if let Some(id) = self.servers.find(&incoming.transaction_key(method)) {
            return self.repeat_server(id);
        }
        if let Err(refusal) = message::check(&incoming.request) {
            self.stats.rejected(Rejection::Unsupported);
            let response = refusal.response(&incoming.request);
            return self.respond_statelessly(&incoming, response);
        }
        message::ignore_optional_body(&mut incoming.request);
        let method = &incoming.request.method;
        if *method == Method::CANCEL {
            return self.handle_cancel(now, &incoming);
        }
        if self.servers.table.len() >= self.config.max_transactions {
            self.stats.rejected(Rejection::Overloaded);
            return self.refuse_statelessly(&incoming, StatusCode::SERVICE_UNAVAILABLE, Some(RETRY_AFTER));
        }
        match incoming.to_tag {
            Some(_) => self.handle_in_dialog(now, incoming),
            None => self.handle_outside_dialog(now, incoming),
        }
    }

    /// To a refusal it belongs to the INVITE's transaction, to a 2xx to the dialog. It is never answered.
    fn handle_ack(&mut self, now: Instant, incoming: &Incoming) {
        let invite = self.servers.find(&incoming.transaction_key(&Method::INVITE));
        if invite.is_none_or(|id| self.ack_server(now, id)) {
            self.handle_dialog_ack(now, incoming);
        }
    }

    /// New calls stop at 7/8 of the transactions, so that the rest can end those under way.
    fn is_full_for_calls(&self) -> bool {
        self.servers.table.len() >= self.config.max_transactions / 8 * 7 || self.usages.table.len() >= self.config.max_dialogs
    }

    fn assert_drained(&self) {
        let drained = self.transmits.is_empty() && self.events.is_empty();
        debug_assert!(drained, "drain the outputs before the next input");
    }

    fn usage(&self, dialog: &DialogId) -> Option<&Usage> {
        self.usages.table.get(&self.usages.find(dialog)?)
    }

    /// Numbers of transactions and dialogs, never used twice.
    fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    fn transmit_request(&mut self, label: &'static str, transmit: Transmit) {
        self.stats.request(label, MessageDirection::Sent);
        self.transmits.push_back(transmit);
    }

    fn transmit_response(&mut self, status: u16, transmit: Transmit) {
        self.stats.response(status, MessageDirection::Sent);
        self.transmits.push_back(transmit);
    }
}

/// Counts only: messages hold phone numbers.
impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("dialogs", &self.usages.table.len())
            .field("clients", &self.clients.table.len())
            .field("servers", &self.servers.table.len())
            .finish_non_exhaustive()
    }
}
