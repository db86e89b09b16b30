//! The RTP sockets of a run: each serves many calls, which are told apart by the address that their peer sends from.

use std::collections::HashSet;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;

use crate::datagrams;

/// A call's place on a socket.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// Which socket of the run.
    pub index: usize,
    pub socket: Arc<UdpSocket>,
}

#[derive(Debug)]
pub(super) struct Ports {
    address: IpAddr,
    calls_per_socket: usize,
    sockets: Vec<(Arc<UdpSocket>, usize)>,
    /// First socket that may have a free place.
    first_free: usize,
    peers: HashSet<(usize, SocketAddr)>,
}

impl Ports {
    pub(super) fn new(address: IpAddr, calls_per_socket: usize) -> Self {
        Self { address, calls_per_socket, sockets: Vec::new(), first_free: 0, peers: HashSet::new() }
    }

    /// A place for one more call.
    pub(super) fn take(&mut self) -> io::Result<Place> {
        while self.sockets.get(self.first_free).is_some_and(|(_, calls)| *calls >= self.calls_per_socket) {
            self.first_free += 1;
        }
        let index = self.first_free;
        if index == self.sockets.len() {
            self.sockets.push((Arc::new(datagrams::open(self.address)?), 0));
        }
        let (socket, calls) = &mut self.sockets[index];
        *calls += 1;
        Ok(Place { index, socket: Arc::clone(socket) })
    }

    /// The peer of a call that was answered. False when another call on its socket has the same: their packets could
    /// not be told apart.
    pub(super) fn connect(&mut self, place: &Place, peer: SocketAddr) -> bool {
        self.peers.insert((place.index, peer))
    }

    /// The call is over.
    pub(super) fn give_back(&mut self, place: &Place, peer: Option<SocketAddr>) {
        if let Some((_, calls)) = self.sockets.get_mut(place.index) {
            *calls -= 1;
            self.first_free = self.first_free.min(place.index);
        }
        if let Some(peer) = peer {
            self.peers.remove(&(place.index, peer));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn places_are_filled_in_order_and_used_again() {
        let mut ports = Ports::new(IpAddr::from([127, 0, 0, 1]), 2);
        let places: Vec<_> = (0..5).map(|_| ports.take().unwrap()).collect();
        let index = |places: &[Place]| places.iter().map(|place| place.index).collect::<Vec<_>>();
        assert_eq!(index(&places), [0, 0, 1, 1, 2]);
        let peer = SocketAddr::from(([127, 0, 0, 1], 20_000));
        assert!(ports.connect(&places[0], peer) && !ports.connect(&places[1], peer) && ports.connect(&places[2], peer));
        ports.give_back(&places[0], Some(peer));
        assert!(ports.connect(&places[1], peer), "the peer is free again");
        assert_eq!(index(&[ports.take().unwrap(), ports.take().unwrap()]), [0, 2]);
    }
}
