//! The lines of all calls that are up: found by the peer that a packet came from, and walked through in phases.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::line::Line;
use super::media::PHASES;

/// Packets kept that came before signalling had told of their call: 200 ms of a burst of 100 answers.
const EARLY_MAX: usize = 1_024;
/// A packet that nobody asked for by then belonged to a call that is over.
const EARLY_KEPT: Duration = Duration::from_millis(200);

/// Where a packet came to and from. On a socket of its own a call takes packets from anybody.
pub(super) type Peer = (usize, Option<SocketAddr>);

#[derive(Debug, Default)]
pub(super) struct Lines {
    slots: Vec<Option<Box<Line>>>,
    free: Vec<usize>,
    by_peer: HashMap<Peer, usize>,
    by_number: HashMap<u64, usize>,
    early: VecDeque<Early>,
}

#[derive(Debug)]
struct Early {
    peer: Peer,
    at: Instant,
    bytes: Vec<u8>,
}

impl Lines {
    /// Adds a line; gives it the packets that came before it.
    pub(super) fn add(&mut self, line: Box<Line>, mut early: impl FnMut(&mut Line, Instant, &[u8])) {
        let (number, peer) = (line.number, line.peer);
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        let line = self.slots[slot].insert(line);
        for packet in self.early.iter().filter(|packet| packet.peer == peer) {
            early(line, packet.at, &packet.bytes);
        }
        self.early.retain(|packet| packet.peer != peer);
        self.by_peer.insert(peer, slot);
        self.by_number.insert(number, slot);
    }

    pub(super) fn remove(&mut self, number: u64) -> Option<Box<Line>> {
        let slot = self.by_number.remove(&number)?;
        self.free.push(slot);
        let line = self.slots[slot].take()?;
        self.by_peer.remove(&line.peer);
        Some(line)
    }

    /// The line that a packet is for; a packet for none is kept for a while.
    pub(super) fn find(&mut self, peer: Peer, at: Instant, bytes: &[u8]) -> Option<&mut Line> {
        if let Some(slot) = self.by_peer.get(&peer) {
            return self.slots[*slot].as_deref_mut();
        }
        while self.early.front().is_some_and(|packet| packet.at + EARLY_KEPT < at) || self.early.len() == EARLY_MAX {
            self.early.pop_front();
        }
        self.early.push_back(Early { peer, at, bytes: bytes.to_vec() });
        None
    }

    /// The lines whose turn it is in this phase.
    pub(super) fn in_phase(&mut self, phase: usize) -> impl Iterator<Item = &mut Line> {
        self.slots.iter_mut().skip(phase).step_by(PHASES).filter_map(|slot| slot.as_deref_mut())
    }

    pub(super) fn all(&mut self) -> impl Iterator<Item = &mut Line> {
        self.slots.iter_mut().filter_map(|slot| slot.as_deref_mut())
    }
}
