//! What went through an endpoint, as plain integers.

use std::collections::BTreeMap;

use crate::message::Method;

/// Which way a message went.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum MessageDirection {
    /// To us.
    Received,
    /// From us.
    Sent,
}

/// Why something that came in was not served.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Rejection {
    /// The message could not be read.
    Malformed,
    /// The same request came on another way.
    Merged,
    /// New calls are not wanted now.
    NotAccepting,
    /// A table was full.
    Overloaded,
    /// It belongs to no dialog or transaction that we know.
    Unmatched,
    /// A header asks for what we do not do.
    Unsupported,
}

/// Counters since the last [`Endpoint::take_stats`](super::Endpoint::take_stats).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Stats {
    /// Requests by method and direction, repeated ones included. A method that we do not know counts as `OTHER`.
    pub requests: BTreeMap<(&'static str, MessageDirection), u64>,
    /// Responses by status code and direction, repeated ones included.
    pub responses: BTreeMap<(u16, MessageDirection), u64>,
    /// Messages that we sent again because an answer or ACK was missing, or the peer asked again.
    pub retransmissions: u64,
    /// What was not served, by reason.
    pub rejected: BTreeMap<Rejection, u64>,
}

impl Stats {
    pub(super) fn request(&mut self, method: &'static str, direction: MessageDirection) {
        *self.requests.entry((method, direction)).or_default() += 1;
    }

    pub(super) fn response(&mut self, status: u16, direction: MessageDirection) {
        *self.responses.entry((status, direction)).or_default() += 1;
    }

    pub(super) fn rejected(&mut self, reason: Rejection) {
        *self.rejected.entry(reason).or_default() += 1;
    }
}

/// A method as a label of low cardinality.
pub(super) fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::ACK => "ACK",
        Method::BYE => "BYE",
        Method::CANCEL => "CANCEL",
        Method::INFO => "INFO",
        Method::INVITE => "INVITE",
        Method::MESSAGE => "MESSAGE",
        Method::NOTIFY => "NOTIFY",
        Method::OPTIONS => "OPTIONS",
        Method::PRACK => "PRACK",
        Method::REFER => "REFER",
        Method::REGISTER => "REGISTER",
        Method::SUBSCRIBE => "SUBSCRIBE",
        Method::UPDATE => "UPDATE",
        _ => "OTHER",
    }
}
