//! The four transaction machines of RFC 3261 §17, with the Accepted state of RFC 6026.
//!
//! A machine knows statuses and timers, not messages: whoever drives it keeps the bytes and the keys. Feed it one
//! input, drain [`Action`]s until `None`, then ask `poll_timeout` for its one deadline.
//!
//! ```text
//! INVITE client      Calling -1xx-> Proceeding -2xx-> Accepted  -M-> Terminated
//!                        \-------------\------300+-> Completed -D-> Terminated
//! non-INVITE client  Trying -1xx-> Proceeding -200+-> Completed -K-> Terminated
//! INVITE server      Proceeding -2xx-> Accepted -L-> Terminated
//!                         \-----300+-> Completed -ACK-> Confirmed -I-> Terminated
//! non-INVITE server  Trying -1xx-> Proceeding -200+-> Completed -J-> Terminated
//! ```
//! Timers A, E and G repeat over unreliable transports only; D, I, J and K are zero over reliable ones.

mod client;
mod invite_client;
mod invite_server;
mod server;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

pub use client::Client;
pub use invite_client::InviteClient;
pub use invite_server::InviteServer;
pub use server::Server;

use crate::flow::Transport;

/// What a machine wants done, in this order.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Action {
    /// Send an ACK for the refusal just handled (INVITE client only).
    Ack,
    /// Call the INVITE back, of which nobody wants to know any more (INVITE client only).
    Cancel,
    /// Give the response just handled to the user of the transaction.
    Deliver,
    /// Send the message again: a client its request, a server its last response.
    Resend,
    /// Send the message for the first time.
    Send,
    /// Forget the transaction: nothing more will come.
    Terminated,
    /// No answer came in time (timers B and F, or the patience of who waits); no ACK came in time (timer H).
    TimedOut,
}

/// The three base times of RFC 3261 §17.1.1.1; all timers are derived from them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Times {
    /// Estimate of the round trip, 500 ms unless known better.
    pub t1: Duration,
    /// Longest gap between repetitions of a request or of a 2xx, 4 s.
    pub t2: Duration,
    /// Longest time a message stays in the network, 5 s.
    pub t4: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self { t1: Duration::from_millis(500), t2: Duration::from_secs(4), t4: Duration::from_secs(5) }
    }
}

impl Times {
    /// 64*T1, after which a side gives up: timers B, F, H, J, L and M.
    pub fn give_up(&self) -> Duration {
        self.t1 * 64
    }

    /// Timer D: at least 32 s over UDP, whatever T1 is.
    fn timer_d(&self, transport: Transport) -> Duration {
        wait(transport, self.give_up().max(Duration::from_secs(32)))
    }
}

/// A wait that only unreliable transports need.
fn wait(transport: Transport, duration: Duration) -> Duration {
    if transport.is_reliable() { Duration::ZERO } else { duration }
}

/// A repetition: when next, and the gap after that one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Repeat {
    pub(crate) at: Instant,
    gap: Duration,
    /// The gap doubles up to here.
    gap_max: Duration,
}

impl Repeat {
    pub(crate) fn new(now: Instant, first: Duration, gap_max: Duration) -> Self {
        Self { at: now + first, gap: first, gap_max }
    }

    /// For transports that lose messages only.
    fn unreliable(transport: Transport, now: Instant, first: Duration, gap_max: Duration) -> Option<Self> {
        (!transport.is_reliable()).then(|| Self::new(now, first, gap_max))
    }

    /// Moves past `now`. The next instant counts from the planned one, so a late wake-up does not shift the rest.
    pub(crate) fn advance(&mut self, now: Instant) {
        self.gap = (self.gap * 2).min(self.gap_max);
        self.at += self.gap;
        if self.at <= now {
            self.at = now + self.gap;
        }
    }
}

/// True when a deadline is there and has come.
fn due(deadline: Option<Instant>, now: Instant) -> bool {
    deadline.is_some_and(|at| at <= now)
}

/// The earliest of a machine's timers.
fn earliest<const N: usize>(timers: [Option<Instant>; N]) -> Option<Instant> {
    timers.into_iter().flatten().min()
}

type Actions = VecDeque<Action>;
