//! One SIP connection: frames what comes, writes what goes, answers keepalives and sends its own.

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use sip::endpoint::Flow;
use sip::message::{Framing, frame};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::SipMsg;
use super::front::Front;
use crate::mailbox::{Mailbox, Undelivered};

/// Messages waiting to be written to one connection; past it the peer does not read, and is cut off.
pub(super) const OUTGOING_MAX: usize = 256;

/// A connection that has sent no message, not even a keepalive, is closed. RFC 5626 §4.4.1 has clients ping every 95-120 s.
const IDLE_MAX: Duration = Duration::from_secs(180);

/// A peer that takes no octet of ours for so long does not read; its connection must not be held for ever.
const WRITE_MAX: Duration = Duration::from_secs(10);

/// Time for a message once its first byte is here: 64*T1, after which its sender has given it up itself. Without it a byte
/// a minute would hold a place for ever.
const MESSAGE_TIME_MAX: Duration = Duration::from_secs(32);

/// Wait before a busy endpoint is told again.
const BUSY_WAIT: Duration = Duration::from_millis(20);

/// Between our pings on a connection that we opened, in seconds, by chance (RFC 5626 §4.4.1).
const PING_SECONDS: std::ops::Range<u64> = 95..120;

/// A peer that has answered pings before must answer within this (RFC 5626 §4.4.1). One that never did may not know them.
const PONG_MAX: Duration = Duration::from_secs(10);

/// Asks whether the way still stands.
const PING: &[u8] = b"\r\n\r\n";

/// The answer to it (RFC 5626 §4.4.1).
const PONG: &[u8] = b"\r\n";

/// What a connection is to the endpoint.
#[derive(Debug)]
pub(super) struct Link {
    pub flow: Flow,
    /// Tells it from others of the same flow, before and after.
    pub serial: u64,
    /// Messages to be written; its end is the connection's.
    pub to_write: mpsc::Receiver<Bytes>,
    /// Who opened it sends the pings.
    pub opened_by_us: bool,
    /// A connection that has sent a message may carry a call, which is quiet until its BYE: it is kept longer than calls last.
    pub quiet_max: Duration,
}

/// Carries messages both ways until either side has enough.
pub(super) async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, mut link: Link, front: &Front, me: &Mailbox<SipMsg>) {
    let mut buffer = BytesMut::with_capacity(4096);
    let mut patience = Patience::new(Instant::now(), &link);
    let mut pings = Pings::new(Instant::now(), link.opened_by_us);
    loop {
        tokio::select! {
            read = tokio::time::timeout_at(patience.deadline, stream.read_buf(&mut buffer)) => match read {
                Ok(Ok(length)) if length > 0 => {
                    let before = buffer.len();
                    let Some(taken) = take_messages(&mut buffer, link.flow, front, me) else { break };
                    let fresh = buffer.len() == length || buffer.len() < before;
                    if taken.pongs + usize::from(pings.take_pong(&mut buffer)) > 0 {
                        pings.answered(Instant::now());
                    } else if taken.pings + taken.messages > 0 {
                        pings.heard(Instant::now());
                    }
                    patience.advance(Instant::now(), taken.messages, fresh, &buffer);
                    if taken.pings > 0 && !write(&mut stream, &PONG.repeat(taken.pings)).await {
                        break;
                    }
                }
                _ => break,
            },
            message = link.to_write.recv() => {
                let Some(message) = message else { break };
                if !write(&mut stream, &message).await {
                    break;
                }
            }
            () = tokio::time::sleep_until(pings.at), if link.opened_by_us => {
                if !pings.is_next_due(Instant::now()) || !write(&mut stream, PING).await {
                    break;
                }
            }
        }
    }
    // A TLS peer must know that nothing was cut off; one that is gone does not matter.
    let _gone_already = tokio::time::timeout(WRITE_MAX, stream.shutdown()).await;
}

/// Tells the endpoint that a connection is no more, however busy it is: what waits for it must learn of its end.
pub(super) async fn tell_closed(flow: Flow, serial: u64, me: &Mailbox<SipMsg>) {
    while let Err(Undelivered::Full(_)) = me.send(SipMsg::ConnectionClosed { flow, serial }) {
        tokio::time::sleep(BUSY_WAIT).await;
    }
}

/// Writes all of it; false when the peer is gone or does not read.
async fn write(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> bool {
    let written = async {
        stream.write_all(bytes).await?;
        stream.flush().await
    };
    matches!(tokio::time::timeout(WRITE_MAX, written).await, Ok(Ok(())))
}

/// How long the peer may be silent.
#[derive(Debug)]
struct Patience {
    deadline: Instant,
    idle_max: Duration,
    quiet_max: Duration,
    opened_by_us: bool,
}

impl Patience {
    fn new(now: Instant, link: &Link) -> Self {
        let Link { opened_by_us, quiet_max, .. } = *link;
        let idle_max = if opened_by_us { quiet_max } else { IDLE_MAX };
        Self { deadline: now + idle_max, idle_max, quiet_max, opened_by_us }
    }

    /// After a read. `left` waits for its rest; it is `fresh` when no part of it was there before this read, for later parts do not
    /// gain a message time. Line breaks alone are no message, they may be half a ping; and answers to our pings keep nothing open.
    fn advance(&mut self, now: Instant, messages: usize, fresh: bool, left: &[u8]) {
        if messages > 0 {
            self.idle_max = self.quiet_max;
        }
        let begun = left.iter().any(|byte| !matches!(byte, b'\r' | b'\n'));
        match begun {
            false if messages == 0 && self.opened_by_us => {}
            false => self.deadline = now + self.idle_max,
            true if fresh => self.deadline = now + MESSAGE_TIME_MAX,
            true => {}
        }
    }
}

/// The keepalives of a connection that we opened.
#[derive(Debug)]
struct Pings {
    /// When to look again.
    at: Instant,
    /// A ping is under way.
    awaited: bool,
    /// The peer has answered one: it will answer the next.
    understood: bool,
    opened_by_us: bool,
}

impl Pings {
    fn new(now: Instant, opened_by_us: bool) -> Self {
        Self { at: now + ping_interval(), awaited: false, understood: false, opened_by_us }
    }

    /// The time is here: whether to ping. If not, the peer owes an answer and is gone.
    fn is_next_due(&mut self, now: Instant) -> bool {
        let gone = self.awaited && self.understood;
        self.at = now + if self.understood { PONG_MAX } else { ping_interval() };
        self.awaited = true;
        !gone
    }

    /// Something else came while an answer was awaited: the way stands, whatever became of the answer. It may be in there too: a line
    /// break that came before our ping makes a ping of theirs of it.
    fn heard(&mut self, now: Instant) {
        if self.awaited {
            self.awaited = false;
            self.at = now + ping_interval();
        }
    }

    fn answered(&mut self, now: Instant) {
        if self.awaited {
            (self.awaited, self.understood) = (false, true);
            self.at = now + ping_interval();
        }
    }

    /// Takes an answer that stands alone: from a peer that pings it might be half a ping, from one that we ping it is an answer.
    fn take_pong(&self, buffer: &mut BytesMut) -> bool {
        let alone = self.opened_by_us && self.awaited && buffer[..] == *PONG;
        if alone {
            buffer.clear();
        }
        alone
    }
}

fn ping_interval() -> Duration {
    Duration::from_secs(rand::random_range(PING_SECONDS))
}

/// What one read brought.
#[derive(Default)]
struct Taken {
    pings: usize,
    pongs: usize,
    messages: usize,
}

/// Takes each whole message out of the buffer; `None` when the stream cannot be trusted any more.
fn take_messages(buffer: &mut BytesMut, flow: Flow, front: &Front, me: &Mailbox<SipMsg>) -> Option<Taken> {
    let mut taken = Taken::default();
    loop {
        match frame(buffer) {
            Framing::NeedMore => return Some(taken),
            Framing::Keepalive(length) => {
                buffer.advance(length);
                let kind = if length == PING.len() { &mut taken.pings } else { &mut taken.pongs };
                *kind += 1;
            }
            Framing::Message(length) => {
                let bytes = buffer.split_to(length).freeze();
                if let Some(letter) = front.letter(flow, &bytes, || bytes.clone()) {
                    me.send(letter).ok()?;
                }
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

    const QUIET_MAX: Duration = Duration::from_secs(7_500);

    fn link(opened_by_us: bool) -> Link {
        let address = std::net::SocketAddr::from(([192, 0, 2, 1], 5060));
        let flow = Flow { transport: sip::endpoint::Transport::Tcp, local: address, remote: address };
        Link { flow, serial: 0, to_write: mpsc::channel(1).1, opened_by_us, quiet_max: QUIET_MAX }
    }

    #[test]
    fn a_message_in_many_parts_gains_no_time() {
        let start = Instant::now();
        let later = start + Duration::from_secs(1);
        let mut patience = Patience::new(start, &link(false));
        let mut after = |now, messages, fresh, left: &[u8]| {
            patience.advance(now, messages, fresh, left);
            patience.deadline
        };
        assert_eq!(after(start, 0, true, b"INV"), start + MESSAGE_TIME_MAX);
        assert_eq!(after(later, 0, false, b"INVI"), start + MESSAGE_TIME_MAX);
        assert_eq!(after(later, 0, true, b"A"), later + MESSAGE_TIME_MAX);
        assert_eq!(after(later, 0, false, b""), later + IDLE_MAX);
        assert_eq!(after(later, 1, true, b"\r\n"), later + QUIET_MAX);
    }

    #[test]
    fn answers_to_our_pings_keep_nothing_open() {
        let start = Instant::now();
        let later = start + Duration::from_secs(100);
        let mut patience = Patience::new(start, &link(true));
        patience.advance(later, 0, true, b"");
        assert_eq!(patience.deadline, start + QUIET_MAX);
        patience.advance(later, 1, true, b"");
        assert_eq!(patience.deadline, later + QUIET_MAX);
    }

    #[test]
    fn only_who_answered_a_ping_owes_an_answer() {
        let start = Instant::now();
        let mut pings = Pings::new(start, true);
        assert!((95..120).contains(&(pings.at - start).as_secs()));
        // Never answered: pinged again and again.
        for _ in 0..3 {
            let now = pings.at;
            assert!(pings.is_next_due(now));
            assert!((95..120).contains(&(pings.at - now).as_secs()));
        }
        assert!(pings.take_pong(&mut BytesMut::from(PONG)));
        pings.answered(start);
        assert!(!pings.take_pong(&mut BytesMut::from(PONG)), "nothing was asked");
        assert!(pings.is_next_due(start));
        assert_eq!(pings.at, start + PONG_MAX);
        assert!(!pings.is_next_due(start + PONG_MAX));
    }

    #[test]
    fn a_line_break_before_our_ping_does_not_cost_the_connection() {
        let start = Instant::now();
        let mut pings = Pings::new(start, true);
        assert!(pings.is_next_due(start));
        assert!(pings.take_pong(&mut BytesMut::from(PONG)));
        pings.answered(start);
        // Half a ping of theirs, or an answer to nothing: it waits for the rest, and our ping's answer comes behind it.
        let mut buffer = BytesMut::from(PONG);
        assert!(!pings.take_pong(&mut buffer));
        assert!(pings.is_next_due(start));
        buffer.extend_from_slice(PONG);
        assert_eq!(frame(&buffer), Framing::Keepalive(PING.len()));
        pings.heard(start);
        assert!(pings.at > start + PONG_MAX);
        assert!(pings.is_next_due(start), "the next one is asked as ever");
        assert!(!pings.is_next_due(start + PONG_MAX), "and must be answered");
    }
}
