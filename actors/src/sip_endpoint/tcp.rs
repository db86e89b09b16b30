//! The TCP side of SIP: a listener, and one task for each connection that frames and keeps it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use sip::endpoint::{Flow, Transport};
use sip::message::{Framing, frame};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;

use super::SipMsg;
use crate::alarm::Owned;
use crate::mailbox::{Mailbox, Undelivered};
use crate::worker::Failure;

/// Messages waiting to be written to one connection; past it the peer does not read, and is cut off.
const OUTGOING_MAX: usize = 256;

/// A connection that has sent no message, not even a keepalive, is closed. RFC 5626 §4.4.1 has clients ping every 95-120 s.
const IDLE_MAX: Duration = Duration::from_secs(180);

/// A connection that has sent a message may carry a call, which is quiet until its BYE: it is kept for as long as calls last.
const QUIET_MAX: Duration = Duration::from_secs(2 * 3_600);

/// A peer that takes no octet of ours for so long does not read; its connection must not be held for ever.
const WRITE_MAX: Duration = Duration::from_secs(10);

/// Time for a message once its first byte is here: 64*T1, after which its sender has given it up itself. Without it a byte
/// a minute would hold a place for ever.
const MESSAGE_TIME_MAX: Duration = Duration::from_secs(32);

/// Wait before a busy endpoint is told again.
const BUSY_WAIT: Duration = Duration::from_millis(20);

/// The answer to the CRLF CRLF ping (RFC 5626 §4.4.1).
const PONG: &[u8] = b"\r\n";

/// The writing side of a connection.
#[derive(Debug)]
pub struct Connection {
    flow: Flow,
    outgoing: mpsc::Sender<Bytes>,
}

pub(super) struct Tcp {
    connections: HashMap<SocketAddr, mpsc::Sender<Bytes>>,
    _listener: Owned,
}

impl Tcp {
    pub(super) fn bind(listen: SocketAddr, connections_max: usize, me: &Mailbox<SipMsg>) -> Result<Self, Failure> {
        let listener = open(listen).map_err(|error| super::listen_error("sip.listen (TCP)", listen, &error))?;
        let task = Owned(tokio::spawn(accept(listener, connections_max, me.clone())));
        Ok(Self { connections: HashMap::new(), _listener: task })
    }

    pub(super) fn handle_opened(&mut self, connection: Connection) {
        self.connections.insert(connection.flow.remote, connection.outgoing);
    }

    pub(super) fn handle_closed(&mut self, flow: &Flow) {
        self.connections.remove(&flow.remote);
    }

    /// Queues a message; a peer that reads too slowly is cut off.
    pub(super) fn send(&mut self, flow: &Flow, bytes: Bytes) {
        let Some(outgoing) = self.connections.get(&flow.remote) else {
            tracing::debug!("a SIP message for a closed connection was dropped");
            return;
        };
        if outgoing.try_send(bytes).is_err() {
            self.connections.remove(&flow.remote);
        }
    }
}

fn open(listen: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(listen), socket2::Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    // A restart must not wait for the last connections' TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.bind(&listen.into())?;
    socket.listen(1024)?;
    TcpListener::from_std(socket.into())
}

async fn accept(listener: TcpListener, connections_max: usize, me: Mailbox<SipMsg>) {
    let places = Arc::new(Semaphore::new(connections_max));
    // Connections end with the listener: both end with the actor.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, remote)) => match Arc::clone(&places).try_acquire_owned() {
                    Ok(place) => {
                        let me = me.clone();
                        connections.spawn(async move {
                            serve(stream, remote, me).await;
                            drop(place);
                        });
                    }
                    Err(_) => {
                        metrics::counter!("offhook_calls_rejected_total", "reason" => "tcp_connections").increment(1);
                    }
                },
                // Out of files, or the peer has gone already: others may still be served.
                Err(error) => {
                    tracing::warn!(%error, "a SIP connection was not accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, remote: SocketAddr, me: Mailbox<SipMsg>) {
    let Ok(local) = stream.local_addr() else { return };
    let flow = Flow { transport: Transport::Tcp, local, remote };
    let (outgoing, mut to_write) = mpsc::channel(OUTGOING_MAX);
    if stream.set_nodelay(true).is_err() || me.send(SipMsg::ConnectionOpened(Connection { flow, outgoing })).is_err() {
        return;
    }
    let (mut reader, mut writer) = stream.into_split();
    let mut buffer = BytesMut::with_capacity(4096);
    let mut idle_max = IDLE_MAX;
    let mut deadline = Instant::now() + idle_max;
    loop {
        tokio::select! {
            read = tokio::time::timeout_at(deadline, reader.read_buf(&mut buffer)) => match read {
                Ok(Ok(length)) if length > 0 => {
                    let before = buffer.len();
                    let Some(Taken { pings, messages }) = take_messages(&mut buffer, flow, &me) else { break };
                    let fresh = buffer.len() == length || buffer.len() < before;
                    idle_max = if messages > 0 { QUIET_MAX } else { idle_max };
                    deadline = next_deadline(deadline, Instant::now(), idle_max, fresh, &buffer);
                    if !write(&mut writer, &PONG.repeat(pings)).await {
                        break;
                    }
                }
                _ => break,
            },
            message = to_write.recv() => {
                let Some(message) = message else { break };
                if !write(&mut writer, &message).await {
                    break;
                }
            }
        }
    }
    // What waits for this connection must learn of its end, however busy the endpoint is.
    while let Err(Undelivered::Full(_)) = me.send(SipMsg::ConnectionClosed(flow)) {
        tokio::time::sleep(BUSY_WAIT).await;
    }
}

/// Writes all of it; false when the peer is gone or does not read.
async fn write(writer: &mut OwnedWriteHalf, bytes: &[u8]) -> bool {
    matches!(tokio::time::timeout(WRITE_MAX, writer.write_all(bytes)).await, Ok(Ok(())))
}

/// By when the peer must say more. `left` waits for its rest; it is `fresh` when no part of it was there before this read,
/// for later parts do not gain a message time. Line breaks alone are no message, they may be half a ping.
fn next_deadline(current: Instant, now: Instant, idle_max: Duration, fresh: bool, left: &[u8]) -> Instant {
    let begun = left.iter().any(|byte| !matches!(byte, b'\r' | b'\n'));
    match begun {
        false => now + idle_max,
        true if fresh => now + MESSAGE_TIME_MAX,
        true => current,
    }
}

/// What one read brought.
#[derive(Default)]
struct Taken {
    pings: usize,
    messages: usize,
}

/// Takes each whole message out of the buffer; `None` when the stream cannot be trusted any more.
fn take_messages(buffer: &mut BytesMut, flow: Flow, me: &Mailbox<SipMsg>) -> Option<Taken> {
    let mut taken = Taken::default();
    loop {
        match frame(buffer) {
            Framing::NeedMore => return Some(taken),
            Framing::Keepalive(length) => {
                buffer.advance(length);
                taken.pings += 1;
            }
            Framing::Message(length) => {
                let bytes = buffer.split_to(length).freeze();
                me.send(SipMsg::Received { flow, bytes }).ok()?;
                taken.messages += 1;
            }
            Framing::Invalid(reason) => {
                tracing::info!(%reason, "a SIP connection is closed: its bytes cannot be framed");
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_in_many_parts_gains_no_time() {
        let start = Instant::now();
        let later = start + Duration::from_secs(1);
        let idle = start + IDLE_MAX;
        let begun = next_deadline(idle, start, IDLE_MAX, true, b"INV");
        assert_eq!(begun, start + MESSAGE_TIME_MAX);
        assert_eq!(next_deadline(begun, later, IDLE_MAX, false, b"INVI"), begun);
        assert_eq!(next_deadline(begun, later, IDLE_MAX, true, b"A"), later + MESSAGE_TIME_MAX);
        assert_eq!(next_deadline(begun, later, IDLE_MAX, false, b""), later + IDLE_MAX);
        assert_eq!(next_deadline(idle, later, QUIET_MAX, true, b"\r\n"), later + QUIET_MAX);
    }
}
