//! The UDP side of SIP: a socket a listener, each with one reading task.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use nix::errno::Errno;
use sip::endpoint::{Flow, Transport};
use tokio::net::UdpSocket;

use super::SipMsg;
use super::front::Front;
use crate::alarm::Owned;
use crate::mailbox::{Mailbox, Undelivered};

/// The largest UDP payload there is.
const DATAGRAM_MAX: usize = 65_535;

/// Kernel buffer for bursts: 1 MiB holds about 1,000 INVITEs while the actor is held up.
const SOCKET_BUFFER: usize = 1 << 20;

pub(super) struct Udp {
    socket: Arc<UdpSocket>,
    _reader: Owned,
}

impl Udp {
    /// Begins to read; and the address as it is bound.
    pub fn bind(listen: SocketAddr, front: Arc<Front>, me: &Mailbox<SipMsg>) -> std::io::Result<(Self, SocketAddr)> {
        let socket = Arc::new(open(listen)?);
        let local = socket.local_addr()?;
        let reader = Owned(tokio::spawn(read(Arc::clone(&socket), local, front, me.clone())));
        Ok((Self { socket, _reader: reader }, local))
    }

    /// Sends at once. False when there is no way there; what the kernel has no room for is lost like any datagram, and retransmission
    /// mends it.
    pub fn send(&self, remote: SocketAddr, bytes: &[u8]) -> bool {
        match self.socket.try_send_to(bytes, remote) {
            Ok(_) => true,
            Err(error) => {
                tracing::debug!(%error, "a SIP datagram was not sent");
                // All others pass: a full buffer, a filter, an ICMP error of an earlier datagram.
                let no_way = [
                    ErrorKind::AddrNotAvailable,
                    ErrorKind::HostUnreachable,
                    ErrorKind::InvalidInput,
                    ErrorKind::NetworkUnreachable,
                ];
                // Longer than the way lets through.
                !no_way.contains(&error.kind()) && error.raw_os_error() != Some(Errno::EMSGSIZE as i32)
            }
        }
    }
}

fn open(listen: SocketAddr) -> std::io::Result<UdpSocket> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(listen), socket2::Type::DGRAM, None)?;
    socket.set_nonblocking(true)?;
    socket.set_recv_buffer_size(SOCKET_BUFFER)?;
    socket.set_send_buffer_size(SOCKET_BUFFER)?;
    super::separate_families(&socket, listen)?;
    socket.bind(&listen.into())?;
    UdpSocket::from_std(socket.into())
}

async fn read(socket: Arc<UdpSocket>, local: SocketAddr, front: Arc<Front>, me: Mailbox<SipMsg>) {
    let mut buffer = vec![0; DATAGRAM_MAX];
    loop {
        match socket.recv_from(&mut buffer).await {
            Ok((length, remote)) => {
                let octets = &buffer[..length];
                if is_keepalive(octets) {
                    continue;
                }
                let flow = Flow { transport: Transport::Udp, local, remote };
                // What peers send may fill half of the mailbox; the rest is for the calls' own commands.
                if let Some(letter) = front.letter(flow, octets, || Bytes::copy_from_slice(octets))
                    && me.has_room()
                    && let Err(Undelivered::Gone(_)) = me.send(letter)
                {
                    return;
                }
            }
            // An ICMP error for an earlier datagram shows up here; the socket itself is fine.
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
            Err(error) => {
                let _ended = me.send(SipMsg::TransportFailed(format!("the SIP socket cannot be read: {error}")));
                return;
            }
        }
    }
}

/// Line breaks and zeros, with which peers keep their NAT's mapping open: not answered, as RFC 5626 §4.4 has no answer for UDP.
/// A STUN request is no such thing: it is malformed SIP, and gets no answer either (we are no edge proxy, RFC 5626 §8).
fn is_keepalive(octets: &[u8]) -> bool {
    octets.iter().all(|octet| matches!(octet, b'\r' | b'\n' | 0))
}
