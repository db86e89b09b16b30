//! The UDP side of SIP: one socket, one reading task.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use sip::endpoint::{Flow, Transport};
use tokio::net::UdpSocket;

use super::SipMsg;
use crate::alarm::Owned;
use crate::mailbox::{Mailbox, Undelivered};
use crate::worker::Failure;

/// The largest UDP payload there is.
const DATAGRAM_MAX: usize = 65_535;

/// Kernel buffer for bursts: 1 MiB holds about 1,000 INVITEs while the actor is held up.
const SOCKET_BUFFER: usize = 1 << 20;

pub(super) struct Udp {
    socket: Arc<UdpSocket>,
    _reader: Owned,
}

impl Udp {
    pub(super) fn bind(listen: SocketAddr, me: &Mailbox<SipMsg>) -> Result<Self, Failure> {
        let socket = Arc::new(open(listen).map_err(|error| super::listen_error("sip.listen (UDP)", listen, &error))?);
        let reader = Owned(tokio::spawn(read(Arc::clone(&socket), me.clone())));
        Ok(Self { socket, _reader: reader })
    }

    /// Sends at once; what the kernel cannot take is lost like any datagram, and retransmission mends it.
    pub(super) fn send(&self, remote: SocketAddr, bytes: &[u8]) {
        if let Err(error) = self.socket.try_send_to(bytes, remote) {
            tracing::debug!(%error, "a SIP datagram was not sent");
        }
    }
}

fn open(listen: SocketAddr) -> std::io::Result<UdpSocket> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(listen), socket2::Type::DGRAM, None)?;
    socket.set_nonblocking(true)?;
    socket.set_recv_buffer_size(SOCKET_BUFFER)?;
    socket.set_send_buffer_size(SOCKET_BUFFER)?;
    socket.bind(&listen.into())?;
    UdpSocket::from_std(socket.into())
}

async fn read(socket: Arc<UdpSocket>, me: Mailbox<SipMsg>) {
    let local = match socket.local_addr() {
        Ok(local) => local,
        Err(error) => {
            let _ended = me.send(SipMsg::TransportFailed(format!("the SIP socket has no address: {error}")));
            return;
        }
    };
    let mut buffer = vec![0; DATAGRAM_MAX];
    loop {
        match socket.recv_from(&mut buffer).await {
            Ok((length, remote)) => {
                let flow = Flow { transport: Transport::Udp, local, remote };
                let bytes = Bytes::copy_from_slice(&buffer[..length]);
                // What peers send may fill half of the mailbox; the rest is for the calls' own commands.
                if me.has_room()
                    && let Err(Undelivered::Gone(_)) = me.send(SipMsg::Received { flow, bytes })
                {
                    return;
                }
            }
            // An ICMP error for an earlier datagram shows up here; the socket itself is fine.
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {}
            Err(error) => {
                let _ended = me.send(SipMsg::TransportFailed(format!("the SIP socket cannot be read: {error}")));
                return;
            }
        }
    }
}
