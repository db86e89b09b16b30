//! The INVITE client transaction (RFC 3261 §17.1.1, RFC 6026 §7.2).
//!
//! Who waits for it may lose patience before timer B. The INVITE is not repeated then, and whatever comes late is ended: a 1xx gets CANCEL,
//! a refusal its ACK, and a 2xx goes to the user, who says BYE.

use std::time::{Duration, Instant};

use super::{Action, Actions, Repeat, Times, due, earliest};
use crate::flow::Transport;

/// Sends an INVITE until answered, ACKs every refusal, and lets every 2xx through for a while.
#[derive(Debug)]
pub struct InviteClient {
    state: State,
    times: Times,
    transport: Transport,
    /// Repeats the INVITE, doubling without bound until timer B.
    timer_a: Option<Repeat>,
    timer_b: Option<Instant>,
    timer_d: Option<Instant>,
    timer_m: Option<Instant>,
    /// When whoever waits loses patience with somebody who says nothing, not even 100.
    patience: Option<Instant>,
    is_abandoned: bool,
    actions: Actions,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Calling,
    Proceeding,
    Completed,
    Accepted,
    Terminated,
}

impl InviteClient {
    /// Starts by sending.
    pub fn new(now: Instant, times: Times, transport: Transport) -> Self {
        Self {
            state: State::Calling,
            times,
            transport,
            timer_a: Repeat::unreliable(transport, now, times.t1, times.give_up()),
            timer_b: Some(now + times.give_up()),
            timer_d: None,
            timer_m: None,
            patience: None,
            is_abandoned: false,
            actions: Actions::from([Action::Send]),
        }
    }

    /// The same for somebody who bears silence for so long, if that is less than 64*T1.
    pub fn with_patience(self, now: Instant, patience: Duration) -> Self {
        Self { patience: Some(now + patience).filter(|_| patience < self.times.give_up()), ..self }
    }

    /// A response with this status came.
    pub fn handle_response(&mut self, now: Instant, status: u16) {
        match (self.state, status) {
            (State::Calling, 100..=199) if self.is_abandoned => {
                self.enter(State::Proceeding);
                // RFC 3261 §9.1: so long a CANCEL has to bring an end.
                self.timer_b = Some(now + self.times.give_up());
                self.actions.push_back(Action::Cancel);
            }
            (State::Proceeding, 100..=199) if self.is_abandoned => {}
            (State::Calling | State::Proceeding, 100..=199) => {
                self.enter(State::Proceeding);
                self.actions.push_back(Action::Deliver);
            }
            (State::Calling | State::Proceeding, 200..=299) => {
                self.enter(State::Accepted);
                self.timer_m = Some(now + self.times.give_up());
                self.actions.push_back(Action::Deliver);
            }
            (State::Calling | State::Proceeding, _) => {
                self.enter(State::Completed);
                self.timer_d = Some(now + self.times.timer_d(self.transport));
                self.actions.push_back(Action::Ack);
                if !self.is_abandoned {
                    self.actions.push_back(Action::Deliver);
                }
            }
            (State::Completed, 300..) => self.actions.push_back(Action::Ack),
            (State::Accepted, 200..=299) => self.actions.push_back(Action::Deliver),
            (State::Completed | State::Accepted | State::Terminated, _) => {}
        }
    }

    /// The deadline asked for has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        if due(self.patience, now) {
            (self.patience, self.timer_a, self.is_abandoned) = (None, None, true);
            self.actions.push_back(Action::TimedOut);
        } else if due(self.timer_b, now) {
            self.enter(State::Terminated);
            if !self.is_abandoned {
                self.actions.push_back(Action::TimedOut);
            }
            self.actions.push_back(Action::Terminated);
        } else if due(self.timer_d, now) || due(self.timer_m, now) {
            self.enter(State::Terminated);
            self.actions.push_back(Action::Terminated);
        } else if let Some(repeat) = self.timer_a.as_mut().filter(|repeat| repeat.at <= now) {
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
        earliest([self.timer_a.map(|repeat| repeat.at), self.timer_b, self.timer_d, self.timer_m, self.patience])
    }

    /// A provisional response has come and no final one: the time in which CANCEL is right (RFC 3261 §9.1).
    pub fn is_proceeding(&self) -> bool {
        self.state == State::Proceeding
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        (self.timer_a, self.timer_b, self.timer_d, self.timer_m, self.patience) = (None, None, None, None, None);
    }
}
