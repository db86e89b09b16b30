//! What signalling costs: messages, one transaction, a whole call.

use std::hint::black_box;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sip::endpoint::{DialogId, Endpoint, EndpointConfig, Event, Flow, OutboundInvite, Transport};
use sip::message::{Message, Request, Response, StatusCode, check, frame, parse};
use sip::transaction::{InviteServer, Times};
use sip::uri::NameAddr;

use crate::workload::{Step, Workload};

pub const WORKLOADS: &[Workload] = &[
    // At 50 calls/s and six messages a call 0.2 % of a core.
    Workload {
        name: "parse_invite",
        what: "one INVITE read",
        budget: Duration::from_micros(6),
        counted: 100,
        start: parse_invite,
    },
    // Beside its parsing.
    Workload {
        name: "frame_invite",
        what: "one message cut from a stream",
        budget: Duration::from_micros(2),
        counted: 100,
        start: frame_invite,
    },
    Workload {
        name: "check_invite",
        what: "its stateless check",
        budget: Duration::from_micros(2),
        counted: 100,
        start: check_invite,
    },
    Workload {
        name: "respond_to_invite",
        what: "one response made and written",
        budget: Duration::from_micros(3),
        counted: 100,
        start: respond_to_invite,
    },
    // The machine alone: what its messages cost is above.
    Workload {
        name: "invite_transaction",
        what: "a refused INVITE's server transaction, six steps",
        budget: Duration::from_nanos(500),
        counted: 1_000,
        start: invite_transaction,
    },
    // At 50 calls/s 0.75 % of a core for the server's half.
    Workload {
        name: "one_call_both_ends",
        what: "INVITE to BYE, seven messages, both ends",
        budget: Duration::from_micros(300),
        counted: 4 * CALLS_REMEMBERED,
        start: one_call_both_ends,
    },
];

/// An INVITE as carriers send them: 14 headers, two Vias, an offer of three codecs.
const INVITE: &[u8] = b"INVITE sip:+15550123@203.0.113.9:5060;user=phone SIP/2.0\r\n\
    Record-Route: <sip:198.51.100.2;lr;ftag=gK0c8a1f>\r\n\
    Via: SIP/2.0/UDP 198.51.100.2:5060;branch=z9hG4bK6d0e.5ba2f1f7.0;rport\r\n\
    Via: SIP/2.0/UDP 198.51.100.77:5060;received=198.51.100.77;branch=z9hG4bK0cB7c2f0a8d0\r\n\
    From: \"Alice Example\" <sip:+15550100@carrier.example;user=phone>;tag=gK0c8a1f\r\n\
    To: <sip:+15550123@203.0.113.9;user=phone>\r\n\
    Call-ID: 1476231_118261732@198.51.100.77\r\n\
    CSeq: 91371 INVITE\r\n\
    Max-Forwards: 69\r\n\
    Allow: INVITE, ACK, CANCEL, BYE, REGISTER, REFER, INFO, SUBSCRIBE, NOTIFY, PRACK, UPDATE, OPTIONS\r\n\
    Accept: application/sdp, application/isup, application/dtmf-relay\r\n\
    Contact: \"Alice Example\" <sip:+15550100@198.51.100.77:5060>\r\n\
    P-Asserted-Identity: \"Alice Example\" <sip:+15550100@carrier.example:5060>\r\n\
    Supported: timer, 100rel\r\n\
    Content-Type: application/sdp\r\n\
    Content-Length: 225\r\n\r\n\
    v=0\r\no=- 118261 16777216 IN IP4 198.51.100.80\r\ns=-\r\nc=IN IP4 198.51.100.80\r\nt=0 0\r\n\
    m=audio 31000 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
    a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n";

fn invite() -> Request {
    match parse(INVITE).expect("the INVITE is well formed").message {
        Message::Request(request) => request,
        Message::Response(_) => unreachable!("an INVITE is a request"),
    }
}

fn parse_invite() -> Step {
    Box::new(|| {
        let parsed = parse(black_box(INVITE));
        black_box(parsed.is_ok());
    })
}

fn frame_invite() -> Step {
    Box::new(|| {
        black_box(frame(black_box(INVITE)));
    })
}

fn check_invite() -> Step {
    let request = invite();
    Box::new(move || {
        let _ = black_box(check(black_box(&request)));
    })
}

fn respond_to_invite() -> Step {
    let request = invite();
    Box::new(move || {
        let mut response = Response::to_request(black_box(&request), StatusCode::RINGING);
        response.headers.set_to_tag("a1b2c3");
        black_box(response.to_bytes());
    })
}

/// 100, the INVITE again, 486, timer G, ACK, timer I. Time goes on, so that the carry of its nanoseconds evens out.
fn invite_transaction() -> Step {
    let times = Times::default();
    let mut now = Instant::now();
    Box::new(move || {
        let mut transaction = InviteServer::new(times, black_box(Transport::Udp));
        let mut actions = 0;
        now += Duration::from_micros(1_234_567);
        let mut drain = |transaction: &mut InviteServer| {
            while let Some(action) = transaction.poll_action() {
                black_box(action);
                actions += 1;
            }
        };
        transaction.send_response(now, 100);
        drain(&mut transaction);
        transaction.handle_request();
        drain(&mut transaction);
        transaction.send_response(now, 486);
        drain(&mut transaction);
        now = transaction.poll_timeout().unwrap_or(now);
        transaction.handle_timeout(now);
        drain(&mut transaction);
        transaction.handle_ack(now);
        drain(&mut transaction);
        now = transaction.poll_timeout().unwrap_or(now);
        transaction.handle_timeout(now);
        drain(&mut transaction);
        assert_eq!(actions, 5, "100, its repetition, 486, its repetition, the end");
    })
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
        let from = NameAddr::new("sip:caller@192.0.2.1".parse().expect("a URI"));
        let invite = OutboundInvite {
            flow: Some(flow(CALLER, CALLEE)),
            sdp: Some(SDP.to_owned()),
            ..OutboundInvite::new("sip:demo@192.0.2.2".parse().expect("a URI"), from)
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
/// Calls after which their transactions are let go.
const CALLS_REMEMBERED: u64 = 100;

fn flow(local: ([u8; 4], u16), remote: ([u8; 4], u16)) -> Flow {
    Flow { transport: Transport::Udp, local: SocketAddr::from(local), remote: SocketAddr::from(remote) }
}

fn one_call_both_ends() -> Step {
    let mut pair = Pair::new();
    pair.call();
    // INVITE, 100, 180, 200, ACK, BYE, 200.
    assert_eq!(pair.settle(), 7, "messages of a call");
    let mut calls = 0;
    Box::new(move || {
        calls += 1;
        if calls % CALLS_REMEMBERED == 0 {
            pair.forget();
        }
        pair.call();
        black_box(pair.settle());
    })
}
