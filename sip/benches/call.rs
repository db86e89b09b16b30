//! What signalling costs: a whole call through transactions and dialogs, both ends.

#![allow(missing_docs, clippy::disallowed_methods)]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use divan::Bencher;
use sip::endpoint::{DialogId, Endpoint, EndpointConfig, Event, Flow, OutboundInvite, Transport};
use sip::uri::NameAddr;

fn main() {
    divan::main();
}

/// Two endpoints with nothing between them.
struct Pair {
    caller: Endpoint,
    callee: Endpoint,
    now: Instant,
}

impl Pair {
    fn new() -> Self {
        let endpoint = |seed| Endpoint::new(EndpointConfig::default(), seed);
        Self { caller: endpoint(1), callee: endpoint(2), now: Instant::now() }
    }

    /// Hands messages over until both are silent; the callee rings and answers, and hangs up once it is confirmed.
    fn settle(&mut self) -> usize {
        let mut messages = 0;
        loop {
            while let Some(transmit) = self.caller.poll_transmit() {
                self.callee.handle_receive(self.now, flow(CALLEE, CALLER), &transmit.bytes);
                messages += 1;
            }
            while let Some(event) = self.callee.poll_event() {
                self.react(&event);
            }
            while self.caller.poll_event().is_some() {}
            let Some(transmit) = self.callee.poll_transmit() else { return messages };
            self.caller.handle_receive(self.now, flow(CALLER, CALLEE), &transmit.bytes);
            messages += 1;
        }
    }

    fn react(&mut self, event: &Event) {
        match event {
            Event::Invited { dialog, .. } => {
                self.callee.ring(self.now, dialog);
                self.callee.answer(self.now, dialog, SDP.to_owned());
            }
            Event::Confirmed { dialog, .. } => self.callee.hang_up(self.now, dialog, None),
            _ => {}
        }
    }

    fn call(&mut self) -> DialogId {
        let invite = OutboundInvite {
            flow: flow(CALLER, CALLEE),
            request_uri: "sip:demo@192.0.2.2".parse().expect("a URI"),
            from: NameAddr::new("sip:caller@192.0.2.1".parse().expect("a URI")),
            to: NameAddr::new("sip:demo@192.0.2.2".parse().expect("a URI")),
            sdp: SDP.to_owned(),
        };
        self.caller.invite(self.now, invite)
    }

    /// Lets the transactions of the calls before run out, so that the tables stay as they are in use.
    fn forget(&mut self) {
        self.now += Duration::from_secs(40);
        for _ in 0..8 {
            self.caller.handle_timeout(self.now);
            self.callee.handle_timeout(self.now);
            self.settle();
        }
    }
}

const CALLER: ([u8; 4], u16) = ([192, 0, 2, 1], 5060);
const CALLEE: ([u8; 4], u16) = ([192, 0, 2, 2], 5060);
const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 20000 RTP/AVP 0 101\r\n\
    a=rtpmap:101 telephone-event/8000\r\n";

fn flow(local: ([u8; 4], u16), remote: ([u8; 4], u16)) -> Flow {
    Flow { transport: Transport::Udp, local: SocketAddr::from(local), remote: SocketAddr::from(remote) }
}

// Budget: one call, INVITE to BYE, seven messages made, read and handled, both ends, one core: 300 us. At 50 calls/s that is
// 0.75 % of a core for the server's half.
#[divan::bench]
fn one_call_both_ends(bencher: Bencher) {
    let mut pair = Pair::new();
    pair.call();
    // INVITE, 100, 180, 200, ACK, BYE, 200.
    assert_eq!(pair.settle(), 7, "messages of a call");
    let mut calls = 0;
    bencher.bench_local(|| {
        calls += 1;
        if calls % 100 == 0 {
            pair.forget();
        }
        pair.call();
        pair.settle()
    });
}
