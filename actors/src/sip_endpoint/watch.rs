//! What is kept of the messages of each call, for its record, and what a collector is sent of them. Off the way of audio; a message costs
//! a copy of it.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use sip::endpoint::Flow;
use sip::trace::{self, Step};
use store::{SipLadder, SipMessage, StoreWrite, WallTime};

use crate::config::{HepCollector, WatchConfig};
use crate::mailbox::Port;
use crate::store::StoreMsg;

/// Messages kept of a call: a long call with sixteen re-INVITEs. Later ones are counted and left out.
const STEPS_MAX: usize = 64;

/// Bytes kept of a message; the fattest of real ones has 4 KiB.
const MESSAGE_MAX: usize = 8 * 1024;

/// Bytes kept of all calls: 10,000 calls of seven messages.
const BYTES_MAX: usize = 64 << 20;

/// How long after its dialog a call is written: repeated messages and the last answer are part of it.
const LINGER: Duration = Duration::from_secs(2);

/// What never became a call is forgotten after this: longer than any transaction is repeated.
const UNCLAIMED: Duration = Duration::from_secs(40);

/// All calls whose messages are kept.
pub(super) struct Watch {
    keeps: bool,
    hep: Option<Hep>,
    calls: HashMap<Box<str>, Seen>,
    bytes: usize,
    store: Port<StoreMsg>,
    /// The node ends: nothing is waited for.
    hurry: bool,
}

/// The messages of one Call-ID.
struct Seen {
    began: SystemTime,
    latest: Instant,
    claimed: bool,
    ended: bool,
    steps: Vec<Step>,
    left_out: u32,
}

impl Seen {
    fn new(now: Instant, began: SystemTime) -> Self {
        Self { began, latest: now, claimed: false, ended: false, steps: Vec::with_capacity(8), left_out: 0 }
    }
}

struct Hep {
    socket: UdpSocket,
    collector: HepCollector,
}

impl Watch {
    /// # Errors
    /// When no socket can be had for the collector.
    pub(super) fn new(config: &WatchConfig, store: Port<StoreMsg>) -> std::io::Result<Self> {
        let hep = config.hep.clone().map(Hep::open).transpose()?;
        Ok(Self { keeps: config.ladders, hep, calls: HashMap::new(), bytes: 0, store, hurry: false })
    }

    /// A message came, or went.
    pub(super) fn saw(&mut self, now: Instant, sent: bool, flow: &Flow, message: &[u8]) {
        if !self.keeps && self.hep.is_none() {
            return;
        }
        let Some(id) = trace::call_id(message) else { return };
        let cut = &message[..message.len().min(MESSAGE_MAX)];
        let step = Step {
            at: SystemTime::now(),
            sent,
            transport: flow.transport,
            local: flow.local,
            remote: flow.remote,
            message: trace::masked(cut),
        };
        if let Some(hep) = &self.hep {
            hep.send(&step, id);
        }
        if self.keeps {
            self.keep(now, id, step);
        }
    }

    fn keep(&mut self, now: Instant, id: &str, step: Step) {
        let begins = step.message.starts_with(b"INVITE ");
        if !begins && !self.calls.contains_key(id) {
            return;
        }
        let full = self.bytes + step.message.len() > BYTES_MAX;
        if full && !self.calls.contains_key(id) {
            return left_out();
        }
        let seen = self.calls.entry(id.into()).or_insert_with(|| Seen::new(now, step.at));
        seen.latest = now;
        if full || seen.steps.len() >= STEPS_MAX {
            seen.left_out += 1;
            return left_out();
        }
        self.bytes += step.message.len();
        seen.steps.push(step);
    }

    /// A call of ours begins with this Call-ID: before its INVITE is out.
    pub(super) fn begin(&mut self, now: Instant, id: &str) {
        if self.keeps && self.bytes < BYTES_MAX {
            let seen = self.calls.entry(id.into()).or_insert_with(|| Seen::new(now, SystemTime::now()));
            seen.claimed = true;
        }
    }

    /// What came with this Call-ID is a call.
    pub(super) fn claim(&mut self, id: &str) {
        if let Some(seen) = self.calls.get_mut(id) {
            seen.claimed = true;
        }
    }

    /// Its dialog is over.
    pub(super) fn end(&mut self, now: Instant, id: &str) {
        if let Some(seen) = self.calls.get_mut(id) {
            (seen.ended, seen.latest) = (true, now);
            if self.hurry {
                self.flush(now);
            }
        }
    }

    /// The node is about to end: calls are written as they end.
    pub(super) fn hurry(&mut self) {
        self.hurry = true;
    }

    /// Writes the calls that are over, and forgets what became none. By the second.
    pub(super) fn flush(&mut self, now: Instant) {
        let linger = if self.hurry { Duration::ZERO } else { LINGER };
        let over = |seen: &Seen| {
            let since = now.saturating_duration_since(seen.latest);
            if seen.claimed { seen.ended && since >= linger } else { since >= UNCLAIMED }
        };
        for (id, seen) in self.calls.extract_if(|_, seen| over(seen)) {
            self.bytes -= seen.steps.iter().map(|step| step.message.len()).sum::<usize>();
            if seen.claimed && !seen.steps.is_empty() {
                self.store.tell(StoreMsg::Write(StoreWrite::SipSeen(Arc::new(ladder(&id, seen)))));
            }
        }
    }
}

fn ladder(external_id: &str, seen: Seen) -> SipLadder {
    let messages = seen.steps.into_iter().map(|step| SipMessage {
        at: WallTime::from(step.at),
        sent: step.sent,
        transport: step.transport.via_name().to_owned(),
        local: step.local,
        remote: step.remote,
        text: String::from_utf8_lossy(&step.message).into_owned(),
    });
    SipLadder {
        external_id: external_id.to_owned(),
        began_at: WallTime::from(seen.began),
        messages: messages.collect(),
        left_out: seen.left_out,
    }
}

fn left_out() {
    metrics::counter!("offhook_sip_ladder_left_out_total").increment(1);
}

impl Hep {
    fn open(collector: HepCollector) -> std::io::Result<Self> {
        let any: SocketAddr = if collector.address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" }.parse().expect("an address");
        let socket = UdpSocket::bind(any)?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, collector })
    }

    /// What cannot go at once is lost: a collector that is away holds up no call.
    fn send(&self, step: &Step, id: &str) {
        let HepCollector { address, agent, key } = &self.collector;
        let packet = trace::hep::packet(step, *agent, key, id);
        let outcome = if self.socket.send_to(&packet, address).is_ok() { "sent" } else { "failed" };
        metrics::counter!("offhook_hep_packets_total", "outcome" => outcome).increment(1);
    }
}

#[cfg(test)]
mod tests {
    use sip::endpoint::Transport;

    use super::*;

    fn flow() -> Flow {
        let [local, remote] = [5060, 5070].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        Flow { transport: Transport::Udp, local, remote }
    }

    /// Messages of `id method`, and `begin id`, `claim id`, `end id`, `after seconds`, one a line; then which calls are kept, with their messages.
    fn check(script: &str, expected: &str) {
        let config = WatchConfig { ladders: true, hep: None };
        let mut watch = Watch::new(&config, Port::default()).expect("as written above");
        let mut now = Instant::now();
        for line in script.lines().map(str::trim) {
            let (word, rest) = line.split_once(' ').expect("as written above");
            match word {
                "begin" => watch.begin(now, rest),
                "claim" => watch.claim(rest),
                "end" => watch.end(now, rest),
                "after" => {
                    now += Duration::from_secs(rest.parse().expect("as written above"));
                    watch.flush(now);
                }
                id => watch.saw(now, false, &flow(), format!("{rest} sip:a SIP/2.0\r\nCall-ID: {id}\r\n\r\n").as_bytes()),
            }
        }
        let mut kept: Vec<String> =
            watch.calls.iter().map(|(id, seen)| format!("{id} {}+{}", seen.steps.len(), seen.left_out)).collect();
        kept.sort();
        assert_eq!(kept.join(", "), expected, "{script}");
        let bytes: usize = watch.calls.values().flat_map(|seen| &seen.steps).map(|step| step.message.len()).sum();
        assert_eq!(watch.bytes, bytes);
    }

    #[test]
    fn a_call_is_kept_until_a_moment_after_its_end() {
        check("a INVITE\nclaim a\na ACK\nafter 100", "a 2+0");
        check("a INVITE\nclaim a\na BYE\nend a\na BYE\nafter 1", "a 3+0");
        check("a INVITE\nclaim a\na BYE\nend a\nafter 2", "");
    }

    #[test]
    fn a_call_of_ours_is_one_before_its_invite_is_out() {
        check("begin a\na INVITE\nafter 100", "a 1+0");
        check("begin a\na INVITE\na BYE\nend a\nafter 2", "");
        check("begin a\nend a\nafter 2", "");
    }

    #[test]
    fn what_is_no_call_is_not_kept() {
        check("a OPTIONS\nb BYE", "");
        check("a INVITE\nafter 39", "a 1+0");
        check("a INVITE\nafter 40", "");
        check("claim a\nend a", "");
    }

    #[test]
    fn messages_beyond_the_bound_are_counted() {
        let many = "a INFO\n".repeat(70);
        check(&format!("a INVITE\nclaim a\n{}", many.trim_end()), "a 64+7");
    }
}
