//! The INVITE server transaction (RFC 3261 §17.2.1, RFC 6026 §7.1).

use std::time::Instant;

use super::{Action, Actions, Repeat, Times, due, earliest, wait};
use crate::flow::Transport;

/// Repeats a refusal until its ACK, and absorbs repeated INVITEs. A 2xx is repeated by the core, not here.
#[derive(Debug)]
pub struct InviteServer {
    state: State,
    times: Times,
    transport: Transport,
    /// Repeats the refusal, doubling up to T2.
    timer_g: Option<Repeat>,
    timer_h: Option<Instant>,
    timer_i: Option<Instant>,
    timer_l: Option<Instant>,
    actions: Actions,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Proceeding,
    Completed,
    Confirmed,
    Accepted,
    Terminated,
}

impl InviteServer {
    /// Starts on the INVITE's arrival, silently.
    pub fn new(times: Times, transport: Transport) -> Self {
        Self {
            state: State::Proceeding,
            times,
            transport,
            timer_g: None,
            timer_h: None,
            timer_i: None,
            timer_l: None,
            actions: Actions::new(),
        }
    }

    /// The same INVITE came again.
    pub fn handle_request(&mut self) {
        if matches!(self.state, State::Proceeding | State::Completed) {
            self.actions.push_back(Action::Resend);
        }
    }

    /// The core answers with this status.
    pub fn send_response(&mut self, now: Instant, status: u16) {
        match (self.state, status) {
            (State::Proceeding, 100..=199) | (State::Accepted, 200..=299) => {
                self.actions.push_back(Action::Send);
            }
            (State::Proceeding, 200..=299) => {
                self.state = State::Accepted;
                self.timer_l = Some(now + self.times.give_up());
                self.actions.push_back(Action::Send);
            }
            (State::Proceeding, _) => {
                self.state = State::Completed;
                self.timer_g = Repeat::unreliable(self.transport, now, self.times.t1, self.times.t2);
                self.timer_h = Some(now + self.times.give_up());
                self.actions.push_back(Action::Send);
            }
            (State::Accepted | State::Completed | State::Confirmed | State::Terminated, _) => {}
        }
    }

    /// An ACK of this transaction came.
    pub fn handle_ack(&mut self, now: Instant) {
        match self.state {
            State::Completed => {
                self.state = State::Confirmed;
                (self.timer_g, self.timer_h) = (None, None);
                self.timer_i = Some(now + wait(self.transport, self.times.t4));
            }
            // A 2xx is acknowledged in the dialog; only a peer that reuses the branch comes here.
            State::Accepted => self.actions.push_back(Action::Deliver),
            State::Proceeding | State::Confirmed | State::Terminated => {}
        }
    }

    /// The deadline asked for has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        if due(self.timer_h, now) {
            self.actions.push_back(Action::TimedOut);
            self.terminate();
        } else if due(self.timer_i, now) || due(self.timer_l, now) {
            self.terminate();
        } else if let Some(repeat) = self.timer_g.as_mut().filter(|repeat| repeat.at <= now) {
            repeat.advance(now);
            self.actions.push_back(Action::Resend);
        }
    }

    /// The next thing to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub fn poll_timeout(&self) -> Option<Instant> {
        earliest([self.timer_g.map(|repeat| repeat.at), self.timer_h, self.timer_i, self.timer_l])
    }

    /// No final response was sent yet: the time in which CANCEL has an effect (RFC 3261 §9.2).
    pub fn is_proceeding(&self) -> bool {
        self.state == State::Proceeding
    }

    fn terminate(&mut self) {
        self.state = State::Terminated;
        (self.timer_g, self.timer_h, self.timer_i, self.timer_l) = (None, None, None, None);
        self.actions.push_back(Action::Terminated);
    }
}
