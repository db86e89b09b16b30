//! The non-INVITE client transaction (RFC 3261 §17.1.2).

use std::time::Instant;

use super::{Action, Actions, Repeat, Times, due, earliest, wait};
use crate::flow::Transport;

/// Sends a request until a final response comes.
#[derive(Debug)]
pub struct Client {
    state: State,
    times: Times,
    transport: Transport,
    /// Repeats the request, doubling up to T2.
    timer_e: Option<Repeat>,
    timer_f: Option<Instant>,
    timer_k: Option<Instant>,
    actions: Actions,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Trying,
    Proceeding,
    Completed,
    Terminated,
}

impl Client {
    /// Starts by sending.
    pub fn new(now: Instant, times: Times, transport: Transport) -> Self {
        Self {
            state: State::Trying,
            times,
            transport,
            timer_e: Repeat::unreliable(transport, now, times.t1, times.t2),
            timer_f: Some(now + times.give_up()),
            timer_k: None,
            actions: Actions::from([Action::Send]),
        }
    }

    /// A response with this status came.
    pub fn handle_response(&mut self, now: Instant, status: u16) {
        match (self.state, status) {
            (State::Trying | State::Proceeding, 100..=199) => {
                self.state = State::Proceeding;
                self.actions.push_back(Action::Deliver);
            }
            (State::Trying | State::Proceeding, _) => {
                self.state = State::Completed;
                (self.timer_e, self.timer_f) = (None, None);
                self.timer_k = Some(now + wait(self.transport, self.times.t4));
                self.actions.push_back(Action::Deliver);
            }
            (State::Completed | State::Terminated, _) => {}
        }
    }

    /// The deadline asked for has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        if due(self.timer_f, now) {
            self.actions.push_back(Action::TimedOut);
            self.terminate();
        } else if due(self.timer_k, now) {
            self.terminate();
        } else if let Some(repeat) = self.timer_e.as_mut().filter(|repeat| repeat.at <= now) {
            repeat.advance(now);
            if self.state == State::Proceeding {
                // Once the peer said it is at work, repetitions are T2 apart (§17.1.2.2).
                repeat.at = now + self.times.t2;
            }
            self.actions.push_back(Action::Resend);
        }
    }

    /// The next thing to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub fn poll_timeout(&self) -> Option<Instant> {
        earliest([self.timer_e.map(|repeat| repeat.at), self.timer_f, self.timer_k])
    }

    fn terminate(&mut self) {
        self.state = State::Terminated;
        (self.timer_e, self.timer_f, self.timer_k) = (None, None, None);
        self.actions.push_back(Action::Terminated);
    }
}
