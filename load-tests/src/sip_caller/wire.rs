//! The one socket that carries all SIP messages of a run.

use std::io;
use std::net::{IpAddr, SocketAddr};

use anyhow::Context;
use sip::endpoint::{Flow, Transmit, Transport};
use sip::message::{Framing, frame};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

use super::SipTransport;

/// Receive buffer asked of the kernel: the answers to a burst of 500 INVITEs and more.
const RECEIVE_BUFFER: usize = 4 << 20;
/// Largest datagram, and how much is read from a connection at a time.
const READ_MAX: usize = 65_535;

#[derive(Debug)]
pub(super) struct Wire {
    socket: Socket,
    flow: Flow,
    buffer: Vec<u8>,
}

#[derive(Debug)]
enum Socket {
    Tcp { stream: TcpStream, received: Vec<u8> },
    Udp(UdpSocket),
}

impl Wire {
    pub(super) async fn open(target: SocketAddr, transport: SipTransport) -> anyhow::Result<Self> {
        let buffer = vec![0; READ_MAX];
        match transport {
            SipTransport::Udp => {
                let unspecified: SocketAddr = if target.is_ipv4() { ([0; 4], 0).into() } else { ([0_u16; 8], 0).into() };
                // Connecting finds the address that the target sees us under.
                let probe = std::net::UdpSocket::bind(unspecified)?;
                probe.connect(target).with_context(|| format!("no way to {target}"))?;
                let socket = UdpSocket::bind((probe.local_addr()?.ip(), 0)).await?;
                let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BUFFER);
                let flow = Flow { transport: Transport::Udp, local: socket.local_addr()?, remote: target };
                Ok(Self { socket: Socket::Udp(socket), flow, buffer })
            }
            SipTransport::Tcp => {
                let stream = TcpStream::connect(target).await.with_context(|| format!("cannot connect to {target}"))?;
                stream.set_nodelay(true)?;
                let flow = Flow { transport: Transport::Tcp, local: stream.local_addr()?, remote: target };
                Ok(Self { socket: Socket::Tcp { stream, received: Vec::new() }, flow, buffer })
            }
        }
    }

    pub(super) fn flow(&self) -> Flow {
        self.flow
    }

    pub(super) fn address(&self) -> IpAddr {
        self.flow.local.ip()
    }

    /// One whole message. Cancelling loses nothing.
    pub(super) async fn receive(&mut self) -> io::Result<Vec<u8>> {
        loop {
            match &mut self.socket {
                Socket::Udp(socket) => match socket.recv_from(&mut self.buffer).await {
                    Ok((length, _)) => return Ok(self.buffer[..length].to_vec()),
                    // A port unreachable of an earlier send; the transaction times out by itself.
                    Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                    Err(error) => return Err(error),
                },
                Socket::Tcp { stream, received } => {
                    match frame(received) {
                        Framing::Message(length) => return Ok(received.drain(..length).collect()),
                        Framing::Keepalive(length) => {
                            received.drain(..length);
                            continue;
                        }
                        Framing::Invalid(fault) => return Err(io::Error::other(fault.to_string())),
                        Framing::NeedMore => {}
                    }
                    match stream.read(&mut self.buffer).await? {
                        0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                        length => received.extend_from_slice(&self.buffer[..length]),
                    }
                }
            }
        }
    }

    pub(super) async fn send(&mut self, transmit: &Transmit) -> io::Result<()> {
        match &mut self.socket {
            Socket::Udp(socket) => match socket.send_to(&transmit.bytes, transmit.flow.remote).await {
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
                sent => sent.map(|_| ()),
            },
            Socket::Tcp { stream, .. } => stream.write_all(&transmit.bytes).await,
        }
    }
}
