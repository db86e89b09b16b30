//! The UDP port that all WebRTC peers share, and what offer and answer of one agree on.
//!
//! ```text
//! a datagram comes ──► the socket connected to its source, if there is one: its leg reads that itself, as on any RTP leg
//!                 └──► the listener: by the name in a check, or by an address that has shown itself ──► Inlet ──► the leg
//! the peer chooses an address: the leg connects a socket of the same port to it
//! ```
//! The kernel gives a datagram to the socket that is connected to its source before all others of the port (`compute_score` in
//! net/ipv4/udp.c). So the listener sees first checks, peers that change networks, and strangers, and no media of a call that is up.

mod offer;

use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use bytes::Bytes;
use crossbeam_queue::ArrayQueue;
use dashmap::DashMap;
use media::demux::Protocol;
use media::ice::name_of;
use media::rtp::MAX_DATAGRAM;
use nix::sys::socket::{setsockopt, sockopt};
use tokio::runtime::Handle;

pub(crate) use self::offer::answer_to;
pub use self::offer::{Agreed, BadOffer, agree};
use crate::alarm::Owned;

/// Kernel buffer of the listener: checks and first handshakes of hundreds of peers at once.
const LISTENER_BUFFER: usize = 1 << 20;
/// Kernel buffer of a peer's own socket, as of any RTP leg.
const PEER_BUFFER: usize = 1 << 16;
/// Datagrams that wait for a leg: a handshake in pieces, and checks of all the peer's addresses, in one tick.
const INLET_MAX: usize = 64;
/// Datagrams that are read at a time, before others of the runtime have their turn.
const READS_MAX: usize = 64;

/// Where the port is, and how peers find it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WebRtcConfig {
    /// The socket's address.
    pub listen: SocketAddr,
    /// What peers are told: at least one.
    pub advertised: Vec<SocketAddr>,
}

/// The port, for as long as the node lives.
#[derive(Debug)]
pub struct WebRtcPort {
    socket: UdpSocket,
    local: SocketAddr,
    advertised: Vec<SocketAddr>,
    names: DashMap<String, Arc<Inlet>>,
    addresses: DashMap<SocketAddr, Arc<Inlet>>,
    listener: OnceLock<Owned>,
}

/// What comes for one leg, until the leg reads its own socket.
#[derive(Debug)]
struct Inlet(ArrayQueue<Knock>);

/// A datagram that came to the listener.
#[derive(Debug)]
pub(crate) struct Knock {
    pub(crate) at: Instant,
    pub(crate) from: SocketAddr,
    pub(crate) datagram: Bytes,
}

impl WebRtcPort {
    /// Opens it, and reads it on the runtime of now.
    ///
    /// # Errors
    /// When the address cannot be had: also when another process has it.
    pub fn open(config: &WebRtcConfig) -> std::io::Result<Arc<Self>> {
        let socket = socket2::Socket::new(socket2::Domain::for_address(config.listen), socket2::Type::DGRAM, None)?;
        socket.set_nonblocking(true)?;
        if config.listen.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.set_recv_buffer_size(LISTENER_BUFFER)?;
        socket.bind(&config.listen.into())?;
        // Only now: nobody else has the port, and the peers' sockets may have it too.
        socket.set_reuse_address(true)?;
        let socket = UdpSocket::from(socket);
        let local = socket.local_addr()?;
        let listening = tokio::net::UdpSocket::from_std(socket.try_clone()?)?;
        // A port that the system chose is told as it is.
        let told =
            |address: &SocketAddr| SocketAddr::new(address.ip(), if address.port() == 0 { local.port() } else { address.port() });
        let port = Arc::new(Self {
            socket,
            local,
            advertised: config.advertised.iter().map(told).collect(),
            names: DashMap::new(),
            addresses: DashMap::new(),
            listener: OnceLock::new(),
        });
        let listener = Owned(Handle::current().spawn(listen(Arc::downgrade(&port), listening)));
        port.listener.set(listener).expect("it is new");
        Ok(port)
    }

    /// Where peers are told that we are.
    pub fn advertised(&self) -> &[SocketAddr] {
        &self.advertised
    }

    /// What is for whom, of what the listener gets: the label under which it is counted.
    fn route(&self, from: SocketAddr, datagram: &[u8]) -> &'static str {
        let known = self.addresses.get(&from).map(|inlet| Arc::clone(&inlet));
        let inlet = known.or_else(|| match Protocol::of(datagram) {
            Protocol::Stun => name_of(datagram).and_then(|name| self.names.get(name)).map(|inlet| Arc::clone(&inlet)),
            Protocol::Dtls | Protocol::Media | Protocol::Other => None,
        });
        let Some(inlet) = inlet else { return "stranger" };
        let knock = Knock { at: Instant::now(), from, datagram: Bytes::copy_from_slice(datagram) };
        if inlet.0.push(knock).is_ok() { "taken" } else { "full" }
    }

    /// A socket of this port that only this peer reaches.
    fn connect(&self, peer: SocketAddr) -> std::io::Result<UdpSocket> {
        let socket = socket2::Socket::new(socket2::Domain::for_address(self.local), socket2::Type::DGRAM, None)?;
        socket.set_nonblocking(true)?;
        if self.local.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.set_recv_buffer_size(PEER_BUFFER)?;
        socket.set_reuse_address(true)?;
        // Until it is connected it gets what is for the listener: checks, which their senders repeat.
        socket.bind(&self.local.into())?;
        setsockopt(socket.as_raw_fd(), sockopt::ReceiveTimestampns, &true)?;
        socket.connect(&peer.into())?;
        Ok(socket.into())
    }
}

/// Reads what comes to no other socket of the port, for as long as there is a port.
async fn listen(port: std::sync::Weak<WebRtcPort>, socket: tokio::net::UdpSocket) {
    let mut room = [0; MAX_DATAGRAM + 1];
    let count = |result| metrics::counter!("offhook_webrtc_datagrams_total", "result" => result);
    let (taken, full, stranger) = (count("taken"), count("full"), count("stranger"));
    loop {
        if socket.readable().await.is_err() {
            return;
        }
        let Some(port) = port.upgrade() else { return };
        for _ in 0..READS_MAX {
            match socket.try_recv_from(&mut room) {
                Ok((length, from)) => match port.route(from, &room[..length]) {
                    "taken" => taken.increment(1),
                    "full" => full.increment(1),
                    _ => stranger.increment(1),
                },
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                // An ICMP error of an answer of ours; the next datagram waits behind it.
                Err(_) => {}
            }
        }
        drop(port);
        tokio::task::yield_now().await;
    }
}

/// A leg's place at the port: what is for it comes to it, until this is dropped.
#[derive(Debug)]
pub struct Membership {
    port: Arc<WebRtcPort>,
    inlet: Arc<Inlet>,
    /// Of ours, the one of today last; the one before a restart of ICE goes on until the peer knows of it.
    names: Vec<String>,
    addresses: Vec<SocketAddr>,
}

/// Names of a leg: of before a restart, and of today.
const NAMES_MAX: usize = 2;

impl Membership {
    /// Under a name of ours.
    pub(crate) fn new(port: &Arc<WebRtcPort>, name: &str) -> Self {
        let inlet = Arc::new(Inlet(ArrayQueue::new(INLET_MAX)));
        let mut new = Self { port: Arc::clone(port), inlet, names: Vec::new(), addresses: Vec::new() };
        new.answer_to(name);
        new
    }

    /// Checks to this name are for this leg from now on.
    pub(crate) fn answer_to(&mut self, name: &str) {
        if self.names.iter().any(|known| known == name) {
            return;
        }
        if self.names.len() == NAMES_MAX {
            self.port.names.remove(&self.names.remove(0));
        }
        self.port.names.insert(name.to_owned(), Arc::clone(&self.inlet));
        self.names.push(name.to_owned());
    }

    /// All that comes from there is for this leg: the peer has shown that it is there. As many as ICE keeps.
    pub(crate) fn admit(&mut self, address: SocketAddr) {
        if self.addresses.contains(&address) {
            return;
        }
        if self.addresses.len() == media::ice::VALID_MAX {
            self.leave(0);
        }
        self.port.addresses.insert(address, Arc::clone(&self.inlet));
        self.addresses.push(address);
    }

    /// The next datagram that came to the listener.
    pub(crate) fn poll_knock(&self) -> Option<Knock> {
        self.inlet.0.pop()
    }

    /// A socket that only this peer reaches.
    pub(crate) fn connect(&self, peer: SocketAddr) -> std::io::Result<UdpSocket> {
        self.port.connect(peer)
    }

    /// What answers go out by before there is a socket of one's own. Nobody but the listener reads it.
    pub(crate) fn socket(&self) -> &UdpSocket {
        &self.port.socket
    }

    fn leave(&mut self, index: usize) {
        let address = self.addresses.remove(index);
        // Another leg may have it by now: a browser that called again from the same port.
        self.port.addresses.remove_if(&address, |_, inlet| Arc::ptr_eq(inlet, &self.inlet));
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        for name in &self.names {
            self.port.names.remove(name);
        }
        while !self.addresses.is_empty() {
            self.leave(0);
        }
    }
}

#[cfg(test)]
mod tests;
