//! The non-INVITE server transaction (RFC 3261 §17.2.2).

use std::time::Instant;

use super::{Action, Actions, Times, wait};
use crate::flow::Transport;

/// Repeats its answer whenever the request is repeated.
#[derive(Debug)]
pub struct Server {
    state: State,
    times: Times,
    transport: Transport,
    timer_j: Option<Instant>,
    actions: Actions,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Trying,
    Proceeding,
    Completed,
    Terminated,
}

impl Server {
    /// Starts on the request's arrival, silently.
    pub fn new(times: Times, transport: Transport) -> Self {
        Self { state: State::Trying, times, transport, timer_j: None, actions: Actions::new() }
    }

    /// The same request came again.
    pub fn handle_request(&mut self) {
        if matches!(self.state, State::Proceeding | State::Completed) {
            self.actions.push_back(Action::Resend);
        }
    }

    /// The core answers with this status.
    pub fn send_response(&mut self, now: Instant, status: u16) {
        match (self.state, status) {
            (State::Trying | State::Proceeding, 100..=199) => {
                self.state = State::Proceeding;
                self.actions.push_back(Action::Send);
            }
            (State::Trying | State::Proceeding, _) => {
                self.state = State::Completed;
                self.timer_j = Some(now + wait(self.transport, self.times.give_up()));
                self.actions.push_back(Action::Send);
            }
            (State::Completed | State::Terminated, _) => {}
        }
    }

    /// The deadline asked for has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.timer_j.is_some_and(|at| at <= now) {
            self.state = State::Terminated;
            self.timer_j = None;
            self.actions.push_back(Action::Terminated);
        }
    }

    /// The next thing to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timer_j
    }
}
