//! Datagrams in batches: one system call sends to many peers, one reads what many sent, each with its receive time.
//!
//! ```text
//! calls --push--> Outgoing --sendmmsg--> socket --recvmmsg--> Incoming --Datagram--> the call whose peer sent it
//! ```
//! GSO and `quinn-udp` do not fit: they send many datagrams to one peer, and a call sends one packet in 20 ms.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant, SystemTime};

use nix::sys::socket::{ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, setsockopt, sockopt};
use nix::sys::time::TimeSpec;
use rustix::net::addr::SocketAddrArg;
use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, sendmmsg};

/// Most datagrams of one system call: past this the call itself is below 2 % of the cost of its datagrams.
const BATCH: usize = 64;
/// Longest datagram read; RTP stays below an Ethernet frame of 1,500 octets.
const DATAGRAM_MAX: usize = 1_536;
/// Receive buffer asked of the kernel; it grants `net.core.rmem_max`, usually 208 KiB: 250 packets.
const RECEIVE_BUFFER: usize = 1 << 20;

/// A datagram that came.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// Who sent it.
    pub from: SocketAddr,
    /// When the kernel received it.
    pub at: Instant,
    /// What it holds.
    pub bytes: &'a [u8],
}

/// Both clocks at one moment: kernel times are of the wall clock.
#[derive(Clone, Copy, Debug)]
pub struct Anchor {
    /// The clock that only goes forward.
    pub instant: Instant,
    wall: SystemTime,
}

/// Datagrams that wait to be sent from one socket.
#[derive(Debug, Default)]
pub struct Outgoing {
    bytes: Vec<u8>,
    /// Peer and end of each datagram in `bytes`.
    ends: Vec<(SocketAddr, usize)>,
}

/// Buffers to read into.
#[derive(Debug)]
pub struct Incoming(Vec<u8>);

/// An RTP socket on an even port, with kernel receive times and a count of what its buffer could not hold.
///
/// # Errors
/// When the system has no port or no file left.
pub fn open(address: IpAddr) -> io::Result<UdpSocket> {
    let mut socket = UdpSocket::bind((address, 0))?;
    // The kernel gives odd and even ports alike; a second odd one in a row is as rare as it is harmless.
    for _ in 0..16 {
        if socket.local_addr()?.port() % 2 == 0 {
            break;
        }
        socket = UdpSocket::bind((address, 0))?;
    }
    socket.set_nonblocking(true)?;
    let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BUFFER);
    setsockopt(socket.as_raw_fd(), sockopt::ReceiveTimestampns, &true)?;
    setsockopt(socket.as_raw_fd(), sockopt::RxqOvfl, &1)?;
    Ok(socket)
}

impl Outgoing {
    /// Adds a datagram.
    pub fn push(&mut self, to: SocketAddr, datagram: &[u8]) {
        self.bytes.extend_from_slice(datagram);
        self.ends.push((to, self.bytes.len()));
    }

    /// Sends all that wait. A full buffer or a closed port is loss, as on any network; gives how many were lost so.
    pub fn send(&mut self, socket: &UdpSocket) -> u64 {
        let mut lost = 0;
        let mut start = 0;
        let starts = self.ends.iter().map(|&(_, end)| std::mem::replace(&mut start, end));
        let parts: Vec<_> = starts.zip(&self.ends).map(|(start, &(_, end))| [IoSlice::new(&self.bytes[start..end])]).collect();
        let peers: Vec<_> = self.ends.iter().map(|(to, _)| to.as_any()).collect();
        for (parts, peers) in parts.chunks(BATCH).zip(peers.chunks(BATCH)) {
            let mut controls: Vec<_> = parts.iter().map(|_| SendAncillaryBuffer::default()).collect();
            let with_peer = parts.iter().zip(peers).zip(&mut controls);
            let mut messages: Vec<_> =
                with_peer.map(|((part, peer), control)| MMsgHdr::new_with_addr(peer, part, control)).collect();
            let mut rest = messages.as_mut_slice();
            while !rest.is_empty() {
                // The first that cannot be sent ends a call: it is given up and the others go on.
                let sent = sendmmsg(socket, rest, SendFlags::DONTWAIT).unwrap_or(0);
                lost += u64::from(sent == 0);
                rest = &mut rest[sent.max(1)..];
            }
        }
        self.bytes.clear();
        self.ends.clear();
        lost
    }
}

impl Default for Incoming {
    fn default() -> Self {
        Self(vec![0; BATCH * DATAGRAM_MAX])
    }
}

impl Incoming {
    /// Reads all that has come, in order. Gives the kernel's count of datagrams that this socket's buffer could not hold
    /// since it was opened, when there were any.
    pub fn receive(&mut self, socket: &UdpSocket, anchor: Anchor, mut take: impl FnMut(Datagram<'_>)) -> Option<u32> {
        let mut overflow = None;
        loop {
            let parts: Vec<_> = self.0.chunks_mut(DATAGRAM_MAX).map(|part| [IoSliceMut::new(part)]).collect();
            // Made anew for each call: the kernel leaves its lengths in them, and nix does not put them back.
            let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(BATCH, Some(nix::cmsg_space!(TimeSpec, u32)));
            let flags = MsgFlags::MSG_DONTWAIT;
            // Nothing there, or an ICMP error of an earlier send: what was received waits behind it, for the next round.
            let Ok(messages) = recvmmsg(socket.as_raw_fd(), &mut headers, parts.iter(), flags, None) else {
                return overflow;
            };
            let mut count = 0;
            for message in messages {
                count += 1;
                let mut wall = anchor.wall;
                for control in message.cmsgs() {
                    match control {
                        ControlMessageOwned::ScmTimestampns(time) => wall = SystemTime::UNIX_EPOCH + Duration::from(time),
                        ControlMessageOwned::RxqOvfl(lost) => overflow = Some(lost),
                        _ => {}
                    }
                }
                if let (Some(from), Some(bytes)) = (message.address.and_then(peer), message.iovs().next()) {
                    take(Datagram { from, at: anchor.instant_of(wall), bytes });
                }
            }
            if count < BATCH {
                return overflow;
            }
        }
    }
}

fn peer(address: SockaddrStorage) -> Option<SocketAddr> {
    let v4 = address.as_sockaddr_in().map(|v4| SocketAddr::new(std::net::Ipv4Addr::from(v4.ip()).into(), v4.port()));
    v4.or_else(|| address.as_sockaddr_in6().map(|v6| SocketAddr::new(v6.ip().into(), v6.port())))
}

impl Anchor {
    /// This moment.
    pub fn now() -> Self {
        Self { instant: Instant::now(), wall: SystemTime::now() }
    }

    fn instant_of(self, wall: SystemTime) -> Instant {
        match self.wall.duration_since(wall) {
            Ok(ago) => self.instant.checked_sub(ago).unwrap_or(self.instant),
            Err(error) => self.instant + error.duration(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn kernel_times_become_instants() {
        let anchor = Anchor::now();
        let ago = Duration::from_millis(15);
        assert_eq!(anchor.instant.duration_since(anchor.instant_of(anchor.wall - ago)), ago);
        assert_eq!(anchor.instant_of(anchor.wall + ago).duration_since(anchor.instant), ago);
    }

    #[test]
    fn a_batch_reaches_each_peer_in_order_with_its_time() {
        let (from, one, other) = (open(LOOPBACK).unwrap(), open(LOOPBACK).unwrap(), open(LOOPBACK).unwrap());
        let mut outgoing = Outgoing::default();
        // More than two system calls hold, to two peers in turn.
        for number in 0..150_u8 {
            let to = if number % 2 == 0 { &one } else { &other };
            outgoing.push(to.local_addr().unwrap(), &[number]);
        }
        let before = Instant::now();
        assert_eq!(outgoing.send(&from), 0);
        let mut incoming = Incoming::default();
        for (first, socket) in [(0, &one), (1, &other)] {
            let (mut got, mut times) = (Vec::new(), Vec::new());
            let overflow = incoming.receive(socket, Anchor::now(), |datagram| {
                assert_eq!(datagram.from, from.local_addr().unwrap());
                got.push(datagram.bytes[0]);
                times.push(datagram.at);
            });
            assert_eq!((overflow, got), (None, (first..150).step_by(2).collect()));
            // The kernel's times and no others: in order, and of about now. A machine that stops for a while, or sets its
            // clock, moves them by more than milliseconds; a time misread, by years.
            let slack = Duration::from_secs(60);
            assert!(times.is_sorted());
            assert!(times.iter().all(|at| *at + slack >= before && *at <= Instant::now() + slack));
        }
        incoming.receive(&one, Anchor::now(), |_| panic!("each datagram is read once"));
    }

    #[test]
    fn a_datagram_that_cannot_be_sent_does_not_hold_up_the_others() {
        let (from, to) = (open(LOOPBACK).unwrap(), open(LOOPBACK).unwrap());
        let mut outgoing = Outgoing::default();
        let unreachable = SocketAddr::from(([0_u16, 0, 0, 0, 0, 0, 0, 1], 9));
        outgoing.push(unreachable, b"x");
        outgoing.push(to.local_addr().unwrap(), b"y");
        assert_eq!(outgoing.send(&from), 1, "no IPv6 from an IPv4 socket");
        let mut got = Vec::new();
        Incoming::default().receive(&to, Anchor::now(), |datagram| got.extend_from_slice(datagram.bytes));
        assert_eq!(got, b"y");
    }

    #[test]
    fn what_a_full_buffer_dropped_is_told() {
        let (from, to) = (open(LOOPBACK).unwrap(), open(LOOPBACK).unwrap());
        socket2::SockRef::from(&to).set_recv_buffer_size(4_096).unwrap();
        let mut outgoing = Outgoing::default();
        (0..100).for_each(|_| outgoing.push(to.local_addr().unwrap(), &[0; 172]));
        outgoing.send(&from);
        let mut incoming = Incoming::default();
        let mut received = 0;
        incoming.receive(&to, Anchor::now(), |_| received += 1);
        outgoing.push(to.local_addr().unwrap(), &[0; 172]);
        outgoing.send(&from);
        let dropped = incoming.receive(&to, Anchor::now(), |_| {});
        assert_eq!(dropped, Some(100 - received));
    }
}
