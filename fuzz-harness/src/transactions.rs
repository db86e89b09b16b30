//! The four transaction machines under any order of messages, answers and timers.

use std::time::{Duration, Instant};

use arbitrary::{Arbitrary, Unstructured};
use sip::endpoint::Transport;
use sip::transaction::{Action, Client, InviteClient, InviteServer, Server, Times};

use crate::epoch;

/// Steps of one run at most.
const STEPS_MAX: usize = 200;

/// Timers that come without any message between them: timer A, E and G repeat at most eleven times in 64*T1.
const TIMERS_MAX: usize = 50;

#[derive(Arbitrary, Debug)]
enum Step {
    /// A message of the peer: to a client a response with this status, to a server the request again or its ACK.
    Peer { status: u16, ack: bool },
    /// An answer of ours; a client has none.
    Answer { status: u16 },
    /// The next timer comes so much too late.
    Timer { late_ms: u16 },
    /// A timer is asked although none is due.
    Early { ms: u16 },
}

enum Machine {
    Client(Client),
    InviteClient(InviteClient),
    InviteServer(InviteServer),
    Server(Server),
}

/// Any steps: no panic, `Terminated` once and last, and an end once all are silent.
pub fn transaction(bytes: &[u8]) {
    let mut data = Unstructured::new(bytes);
    let (kind, reliable) = (data.arbitrary::<u8>().unwrap_or(0), data.arbitrary().unwrap_or(false));
    let transport = if reliable { Transport::Tcp } else { Transport::Udp };
    let (mut now, times) = (epoch(), Times::default());
    let mut machine = match kind % 4 {
        0 => Machine::Client(Client::new(now, times, transport)),
        1 => Machine::InviteClient(InviteClient::new(now, times, transport)),
        2 => Machine::InviteServer(InviteServer::new(times, transport)),
        _ => Machine::Server(Server::new(times, transport)),
    };
    let mut over = machine.drain();
    for _ in 0..STEPS_MAX {
        let Ok(step) = data.arbitrary::<Step>() else { break };
        if over || data.is_empty() {
            break;
        }
        match step {
            Step::Peer { status, ack } => machine.peer(now, status % 700, ack),
            Step::Answer { status } => machine.answer(now, 100 + status % 600),
            Step::Timer { late_ms } => {
                if let Some(due) = machine.poll_timeout() {
                    now = now.max(due) + Duration::from_millis(u64::from(late_ms));
                    machine.timeout(now);
                }
            }
            Step::Early { ms } => {
                now += Duration::from_millis(u64::from(ms));
                machine.timeout(now);
            }
        }
        over = machine.drain();
    }
    if over {
        assert_eq!(machine.poll_timeout(), None, "nothing comes after the end");
        return;
    }
    machine.answer(now, 480);
    over = machine.drain();
    for _ in 0..TIMERS_MAX {
        let Some(due) = machine.poll_timeout().filter(|_| !over) else { break };
        now = now.max(due);
        machine.timeout(now);
        over = machine.drain();
    }
    // A server of which nobody asks an answer waits for one; a client with a provisional answer for the final one.
    assert!(over || machine.poll_timeout().is_none(), "a transaction ends");
}

impl Machine {
    fn peer(&mut self, now: Instant, status: u16, ack: bool) {
        match self {
            Self::Client(machine) => machine.handle_response(now, 100 + status % 600),
            Self::InviteClient(machine) => machine.handle_response(now, 100 + status % 600),
            Self::InviteServer(machine) if ack => machine.handle_ack(now),
            Self::InviteServer(machine) => machine.handle_request(),
            Self::Server(machine) => machine.handle_request(),
        }
    }

    fn answer(&mut self, now: Instant, status: u16) {
        match self {
            Self::Client(_) | Self::InviteClient(_) => {}
            Self::InviteServer(machine) => machine.send_response(now, status),
            Self::Server(machine) => machine.send_response(now, status),
        }
    }

    fn timeout(&mut self, now: Instant) {
        match self {
            Self::Client(machine) => machine.handle_timeout(now),
            Self::InviteClient(machine) => machine.handle_timeout(now),
            Self::InviteServer(machine) => machine.handle_timeout(now),
            Self::Server(machine) => machine.handle_timeout(now),
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match self {
            Self::Client(machine) => machine.poll_timeout(),
            Self::InviteClient(machine) => machine.poll_timeout(),
            Self::InviteServer(machine) => machine.poll_timeout(),
            Self::Server(machine) => machine.poll_timeout(),
        }
    }

    /// Takes all that it wants; true when that was its end.
    fn drain(&mut self) -> bool {
        let mut over = false;
        while let Some(action) = match self {
            Self::Client(machine) => machine.poll_action(),
            Self::InviteClient(machine) => machine.poll_action(),
            Self::InviteServer(machine) => machine.poll_action(),
            Self::Server(machine) => machine.poll_action(),
        } {
            assert!(!over, "{action:?} after the end");
            over = action == Action::Terminated;
        }
        over
    }
}
