//! The endpoint under any order of requests, responses, commands, faults and timers, some of the messages damaged.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use arbitrary::{Arbitrary, Unstructured};
use sip::endpoint::{DialogId, Endpoint, EndpointConfig, Event, Flow, OutboundInvite, Transport};
use sip::message::{Message, Request, Response, StatusCode, name, parse};
use sip::uri::NameAddr;

use crate::epoch;

/// Steps of one run at most.
const STEPS_MAX: usize = 100;

/// Requests of ours that the peer may still answer.
const SENT_MAX: usize = 8;

/// Timers that come in the five minutes after the last step; each transaction has at most eleven.
const TIMERS_MAX: usize = 10_000;

/// Five minutes: longer than any transaction, and than a call that was hung up.
const SETTLED: Duration = Duration::from_secs(300);

#[derive(Arbitrary, Debug)]
enum Step {
    Request(Ask),
    Response {
        to: u8,
        status: u16,
        tag: u8,
        sdp: bool,
        damage: Option<(u16, u8)>,
    },
    /// The last bytes once more, as UDP may.
    Again,
    Ring(u8),
    Answer(u8),
    Refuse(u8, u16),
    HangUp(u8),
    Invite,
    Restore(u8),
    Accepting(bool),
    Gone,
    Pass {
        ms: u16,
    },
}

/// A request of the peer.
#[derive(Arbitrary, Debug)]
struct Ask {
    method: Method,
    call: u8,
    /// Tag that the peer thinks is ours: none, ours, or a wrong one.
    to: u8,
    /// The branch and number of its last INVITE, as CANCEL and ACK have them.
    same: bool,
    cseq: Option<u32>,
    more: u8,
    damage: Option<(u16, u8)>,
}

#[derive(Arbitrary, Debug)]
enum Method {
    Ack,
    Bye,
    Cancel,
    Info,
    Invite,
    Known(u8),
}

/// Header fields that ask for something.
const MORE: &[&str] = &[
    "",
    "Content-Type: application/sdp\r\n",
    "Require: 100rel\r\n",
    "Supported: timer, 100rel, replaces\r\nSession-Expires: 90;refresher=uac\r\n",
    "Replaces: call0;to-tag=a;from-tag=b\r\n",
    "Record-Route: <sip:192.0.2.9;lr>, <sip:192.0.2.8>\r\n",
    "Refer-To: <sip:x@192.0.2.3>\r\n",
    "Route: <sip:192.0.2.9;lr>\r\nReason: Q.850;cause=16\r\n",
];

/// Methods beyond those that calls are made of.
const OTHERS: &[&str] =
    &["OPTIONS", "REGISTER", "MESSAGE", "NOTIFY", "PRACK", "REFER", "SUBSCRIBE", "UPDATE", "PUBLISH", "invite"];

struct Bench {
    endpoint: Endpoint,
    now: Instant,
    flow: Flow,
    /// Every dialog that was named to us or by us.
    dialogs: Vec<DialogId>,
    begun: usize,
    ended: usize,
    /// Our tags by Call-ID, as the peer learned them.
    tags: HashMap<String, String>,
    invites: HashMap<u8, (u32, u32)>,
    sent: VecDeque<Request>,
    last: Vec<u8>,
    number: u32,
}

/// Any steps: no panic, each dialog ends once, and nothing is left five minutes after all are hung up.
pub fn endpoint(bytes: &[u8]) {
    let mut data = Unstructured::new(bytes);
    let transport = [Transport::Udp, Transport::Tcp][usize::from(data.arbitrary().unwrap_or(false))];
    let small = data.arbitrary().unwrap_or(false);
    let config = if small {
        EndpointConfig { max_transactions: 8, max_dialogs: 3, ..EndpointConfig::default() }
    } else {
        EndpointConfig::default()
    };
    let flow = Flow { transport, local: ([198, 51, 100, 1], 5060).into(), remote: ([203, 0, 113, 9], 5060).into() };
    let mut bench = Bench {
        endpoint: Endpoint::new(config, 7),
        now: epoch(),
        flow,
        dialogs: Vec::new(),
        begun: 0,
        ended: 0,
        tags: HashMap::new(),
        invites: HashMap::new(),
        sent: VecDeque::new(),
        last: Vec::new(),
        number: 0,
    };
    for _ in 0..STEPS_MAX {
        let Ok(step) = data.arbitrary::<Step>() else { break };
        bench.step(step);
        bench.drain();
        if data.is_empty() {
            break;
        }
    }
    bench.settle();
}

impl Bench {
    fn step(&mut self, step: Step) {
        let now = self.now;
        match step {
            Step::Request(ask) => {
                let bytes = damaged(self.request(&ask), ask.damage);
                self.receive(bytes);
            }
            Step::Response { to, status, tag, sdp, damage } => {
                if let Some(text) = self.response(to, status, tag, sdp) {
                    self.receive(damaged(text, damage));
                }
            }
            Step::Again => self.receive(self.last.clone()),
            Step::Ring(which) => self.with(which, |endpoint, dialog| endpoint.ring(now, dialog)),
            Step::Answer(which) => self.with(which, |endpoint, dialog| endpoint.answer(now, dialog, "v=0\r\n".into())),
            Step::Refuse(which, status) => {
                let Some(status) = StatusCode::new(100 + status % 600) else { return };
                self.with(which, |endpoint, dialog| endpoint.refuse(now, dialog, status, Some(Duration::from_secs(3))));
            }
            Step::HangUp(which) => self.with(which, |endpoint, dialog| endpoint.hang_up(now, dialog, Some("Q.850;cause=16"))),
            Step::Invite => {
                let dialog = self.endpoint.invite(now, outbound(self.flow));
                self.begun += 1;
                self.tags.insert(dialog.call_id.to_string(), dialog.local_tag.to_string());
                self.dialogs.push(dialog);
            }
            Step::Restore(which) => {
                let Some(dialog) = self.dialog(which) else { return };
                // What is here already stays as it is.
                if let Some(snapshot) = self.endpoint.snapshot(&dialog) {
                    self.endpoint.restore(snapshot);
                }
            }
            Step::Accepting(accepting) => self.endpoint.set_accepting(accepting, Some(Duration::from_secs(1))),
            Step::Gone => self.endpoint.handle_transport_error(now, &self.flow),
            Step::Pass { ms } => self.pass(Duration::from_millis(u64::from(ms))),
        }
    }

    fn receive(&mut self, bytes: Vec<u8>) {
        self.endpoint.handle_receive(self.now, self.flow, &bytes);
        self.last = bytes;
    }

    fn dialog(&self, which: u8) -> Option<DialogId> {
        self.dialogs.get(usize::from(which) % self.dialogs.len().max(1)).cloned()
    }

    fn with(&mut self, which: u8, command: impl FnOnce(&mut Endpoint, &DialogId)) {
        if let Some(dialog) = self.dialog(which) {
            command(&mut self.endpoint, &dialog);
        }
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        for _ in 0..TIMERS_MAX {
            let Some(due) = self.endpoint.poll_timeout().filter(|due| *due <= end) else {
                self.now = end;
                return;
            };
            self.now = self.now.max(due);
            self.endpoint.handle_timeout(self.now);
            self.drain();
        }
        panic!("timers without end");
    }

    /// Hangs up whatever there is; then all of it must end.
    fn settle(&mut self) {
        for dialog in self.dialogs.clone() {
            self.endpoint.hang_up(self.now, &dialog, None);
            self.drain();
        }
        self.pass(SETTLED);
        assert_eq!((self.begun, self.ended), (self.begun, self.begun), "each dialog ends once");
        assert!(self.endpoint.is_idle(), "left: {:?}", self.endpoint);
    }

    fn drain(&mut self) {
        while let Some(transmit) = self.endpoint.poll_transmit() {
            // The refusal of a damaged message repeats its damaged headers.
            let Ok(parsed) = parse(&transmit.bytes) else { continue };
            match parsed.message {
                Message::Request(request) => {
                    self.sent.truncate(SENT_MAX - 1);
                    self.sent.push_front(request);
                }
                Message::Response(response) => {
                    let (Ok(call), Ok(to)) = (response.headers.call_id(), response.headers.to()) else { continue };
                    if let Some(tag) = to.tag() {
                        self.tags.insert(call.to_owned(), tag.to_owned());
                    }
                }
            }
        }
        while let Some(event) = self.endpoint.poll_event() {
            match event {
                Event::Invited { dialog, .. } => {
                    self.begun += 1;
                    self.dialogs.push(dialog);
                }
                Event::Answered { dialog, .. } => self.dialogs.push(dialog),
                Event::Terminated { .. } => self.ended += 1,
                _ => {}
            }
        }
        while self.endpoint.poll_question().is_some() {}
    }

    fn request(&mut self, ask: &Ask) -> String {
        let method = match ask.method {
            Method::Ack => "ACK",
            Method::Bye => "BYE",
            Method::Cancel => "CANCEL",
            Method::Info => "INFO",
            Method::Invite => "INVITE",
            Method::Known(which) => OTHERS[usize::from(which) % OTHERS.len()],
        };
        self.number += 1;
        let call = ask.call % 3;
        let fresh = (self.number, self.number);
        let (branch, number) = if ask.same { *self.invites.get(&call).unwrap_or(&fresh) } else { fresh };
        let number = ask.cseq.unwrap_or(number) & 0x7FFF_FFFF;
        if method == "INVITE" {
            self.invites.insert(call, (branch, number));
        }
        let placed: Vec<_> = self.dialogs.iter().filter(|dialog| !dialog.call_id.starts_with("call")).collect();
        let call_id = match placed.get(usize::from(ask.call >> 4)) {
            Some(dialog) => dialog.call_id.to_string(),
            None => format!("call{call}"),
        };
        let tag = match (ask.to % 4, self.tags.get(&call_id)) {
            (0, _) => String::new(),
            (1, _) => ";tag=wrong".to_owned(),
            (_, Some(tag)) => format!(";tag={tag}"),
            (_, None) => String::new(),
        };
        let more = MORE[usize::from(ask.more) % MORE.len()];
        let body = if more.starts_with("Content-Type") { "v=0\r\n" } else { "" };
        format!(
            "{method} sip:us@198.51.100.1 SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.9:5060;branch=z9hG4bK{branch};rport\r\n\
             From: <sip:them@203.0.113.9>;tag=peer\r\nTo: <sip:us@198.51.100.1>{tag}\r\nCall-ID: {call_id}\r\n\
             CSeq: {number} {method}\r\nContact: <sip:them@203.0.113.9:5060>\r\nMax-Forwards: 70\r\n{more}\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    fn response(&self, to: u8, status: u16, tag: u8, sdp: bool) -> Option<String> {
        let request = self.sent.get(usize::from(to) % self.sent.len().max(1))?;
        let mut response = Response::to_request(request, StatusCode::new(100 + status % 600)?);
        response.headers.set_to_tag(["peer", "a", "b"][usize::from(tag % 3)]);
        response.headers.push(name::CONTACT, "<sip:them@203.0.113.9:5060>");
        if sdp {
            response.body = "v=0\r\n".into();
        }
        Some(String::from_utf8_lossy(&response.to_bytes()).into_owned())
    }
}

/// One octet is another on the way.
fn damaged(text: String, damage: Option<(u16, u8)>) -> Vec<u8> {
    let mut bytes = text.into_bytes();
    if let Some((at, octet)) = damage {
        let at = usize::from(at) % bytes.len();
        bytes[at] = octet;
    }
    bytes
}

fn outbound(flow: Flow) -> OutboundInvite {
    let from = NameAddr::new("sip:us@198.51.100.1".parse().expect("an address"));
    let to = "sip:them@203.0.113.9".parse().expect("an address");
    OutboundInvite { flow: Some(flow), sdp: Some("v=0\r\n".into()), ..OutboundInvite::new(to, from) }
}
