//! UDP port pairs for RTP and RTCP.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::os::fd::AsRawFd as _;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use nix::sys::socket::{setsockopt, sockopt};

/// Pairs tried before a call is refused: in a range half taken, 64 misses in a row do not happen.
const ATTEMPTS_MAX: u32 = 64;

/// Kernel buffer of one RTP socket: 64 KiB holds over a second of packets while the reader is held up.
const SOCKET_BUFFER: usize = 1 << 16;

/// Hands out even RTP ports in turn, so that a port rests as long as possible before the next call gets it: packets of the last
/// call that are still under way do not reach a stranger. The kernel says which are free.
#[derive(Debug)]
pub struct RtpPorts {
    first: u16,
    pairs: u32,
    next: AtomicU32,
}

/// The sockets of one leg, which never block: RTP on an even port, RTCP on the next (RFC 3550 §11).
#[derive(Debug)]
pub struct RtpSockets {
    /// Media.
    pub rtp: UdpSocket,
    /// Reports.
    pub rtcp: UdpSocket,
    /// The RTP port.
    pub port: u16,
}

impl RtpPorts {
    /// Ports of a range, which all addresses share.
    pub fn new(range: RangeInclusive<u16>) -> Self {
        let first = range.start().next_multiple_of(2);
        let pairs = (u32::from(*range.end()) + 1).saturating_sub(u32::from(first)) / 2;
        // A start by chance keeps two runs of the server from using the same ports in the same order.
        Self { first, pairs, next: AtomicU32::new(rand::random::<u32>() >> 1) }
    }

    /// Opens the next free pair on a local address.
    ///
    /// # Errors
    /// The last bind error when none of the tried pairs is free.
    pub fn open(&self, address: IpAddr) -> std::io::Result<RtpSockets> {
        let mut last = std::io::ErrorKind::AddrNotAvailable.into();
        for _ in 0..ATTEMPTS_MAX.min(self.pairs) {
            let pair = self.next.fetch_add(1, Relaxed) % self.pairs;
            let port = self.first + u16::try_from(2 * pair).expect("a pair of the range fits a port");
            match open_pair(address, port) {
                Ok(sockets) => return Ok(sockets),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

fn open_pair(address: IpAddr, port: u16) -> std::io::Result<RtpSockets> {
    let rtp = bind(SocketAddr::new(address, port))?;
    let rtcp = bind(SocketAddr::new(address, port + 1))?;
    Ok(RtpSockets { rtp, rtcp, port })
}

fn bind(address: SocketAddr) -> std::io::Result<UdpSocket> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::DGRAM, None)?;
    socket.set_nonblocking(true)?;
    if address.is_ipv6() {
        // `[::]` would take the port of IPv4 too, whose calls have sockets of their own.
        socket.set_only_v6(true)?;
    }
    socket.set_recv_buffer_size(SOCKET_BUFFER)?;
    socket.bind(&address.into())?;
    // When a packet came, not when we looked: jitter is measured by it.
    setsockopt(socket.as_raw_fd(), sockopt::ReceiveTimestampns, &true)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_even_and_a_full_range_is_an_error() {
        let ports = RtpPorts::new(28_001..=28_005);
        let open = || ports.open([127, 0, 0, 1].into());
        let first = open().expect("a free pair");
        let second = open().expect("a free pair");
        let mut opened = [first.port, second.port];
        opened.sort_unstable();
        assert_eq!(opened, [28_002, 28_004]);
        assert_eq!(open().err().map(|error| error.kind()), Some(std::io::ErrorKind::AddrInUse));
        drop(first);
        assert!(open().is_ok());
    }
}
