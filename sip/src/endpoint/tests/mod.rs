//! The endpoint, message by message, in virtual time: a script of steps in, a line of what came out of each step back.
//!
//! ```text
//! INVITE, BYE/cseq=1 ...  a request of the peer; in the dialog once a tag of ours is known
//! ACK/same, CANCEL        with the branch and number of the last INVITE
//! again                   the last request once more
//! 180, 200/tag=b/to=BYE   a response of the peer to our last INVITE, or to the method named
//! ring, answer, refuse:486, hangup, invite, closed, gone   commands and faults
//! +500                    so many milliseconds go by; what comes is stamped with the time since the step began
//! ```

#![allow(clippy::unwrap_used)]

mod challenge;
mod headers;
mod random;
mod uac;
mod uas;
mod ways;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::*;
use crate::message::{Response, name};
use crate::uri::NameAddr;

struct Bench {
    endpoint: Endpoint,
    now: Instant,
    flow: Flow,
    /// The dialog that commands are for.
    dialog: Option<DialogId>,
    /// Our tag, as the peer knows it.
    our_tag: Option<String>,
    peer_tag: String,
    call_id: String,
    cseq: u32,
    branches: u32,
    invite: (u32, String),
    last_request: String,
    /// What we sent last, by method.
    sent: HashMap<String, Request>,
    last_response: Option<Response>,
}

fn flow(transport: Transport) -> Flow {
    Flow { transport, local: "198.51.100.1:5060".parse().unwrap(), remote: "203.0.113.9:5060".parse().unwrap() }
}

#[allow(clippy::disallowed_methods)]
fn epoch() -> Instant {
    Instant::now()
}

impl Bench {
    fn new(config: EndpointConfig, transport: Transport) -> Self {
        Self {
            endpoint: Endpoint::new(config, 7),
            now: epoch(),
            flow: flow(transport),
            dialog: None,
            our_tag: None,
            peer_tag: "alice".into(),
            call_id: "call".into(),
            cseq: 0,
            branches: 0,
            invite: (0, String::new()),
            last_request: String::new(),
            sent: HashMap::new(),
            last_response: None,
        }
    }

    fn run(&mut self, script: &str) -> String {
        script.split_whitespace().map(|step| self.step(step)).collect::<Vec<_>>().join(" | ")
    }

    fn step(&mut self, step: &str) -> String {
        let dialog = self.dialog.clone();
        let dialog = dialog.as_ref();
        let (word, options) = step.split_once('/').unwrap_or((step, ""));
        if let Some(milliseconds) = step.strip_prefix('+') {
            return self.pass(Duration::from_millis(milliseconds.parse().unwrap()));
        }
        match word {
            "ring" => self.endpoint.ring(self.now, dialog.unwrap()),
            "answer" => self.endpoint.answer(self.now, dialog.unwrap(), "v=0\r\n".into()),
            "hangup" => self.endpoint.hang_up(self.now, dialog.unwrap(), Some("Q.850;cause=16")),
            "closed" => self.endpoint.set_accepting(false, Some(Duration::from_millis(2500))),
            "gone" => self.endpoint.handle_transport_error(self.now, &self.flow),
            "invite" => {
                let dialog = self.endpoint.invite(self.now, outbound(self.flow));
                self.call_id = dialog.call_id.to_string();
                self.our_tag = Some(dialog.local_tag.to_string());
                self.dialog = Some(dialog);
            }
            "again" => self.receive(&self.last_request.clone()),
            _ if word.starts_with("refuse:") => {
                let status = StatusCode::new(word[7..].parse().unwrap()).unwrap();
                self.endpoint.refuse(self.now, dialog.unwrap(), status, Some(Duration::from_secs(3)));
            }
            _ if word.starts_with(|first: char| first.is_ascii_digit()) => {
                let response = self.peer_response(word, options);
                self.receive(&response);
            }
            _ => {
                let request = self.peer_request(word, options);
                self.receive(&request);
                self.last_request = request;
            }
        }
        self.drain().join(" ")
    }

    fn pass(&mut self, time: Duration) -> String {
        let start = self.now;
        let mut log = Vec::new();
        while let Some(at) = self.endpoint.poll_timeout().filter(|at| *at <= start + time) {
            self.now = at;
            self.endpoint.handle_timeout(at);
            let stamp = (at - start).as_millis();
            log.extend(self.drain().into_iter().map(|word| format!("{stamp}:{word}")));
        }
        self.now = start + time;
        log.join(" ")
    }

    fn receive(&mut self, text: &str) {
        self.endpoint.handle_receive(self.now, self.flow, text.as_bytes());
    }

    fn peer_request(&mut self, method: &str, options: &str) -> String {
        let option = |name: &str| options.split('/').find_map(|option| option.strip_prefix(name));
        let same = matches!(method, "CANCEL") || option("same").is_some();
        if !same && method != "ACK" {
            self.cseq += 1;
        }
        self.branches += 1;
        let mut branch = format!("z9hG4bKpeer{}", self.branches);
        let mut cseq = self.cseq;
        if same || method == "ACK" {
            cseq = self.invite.0;
        }
        if same {
            branch.clone_from(&self.invite.1);
        }
        if let Some(given) = option("cseq=") {
            cseq = given.parse().unwrap();
        }
        if let Some(given) = option("branch=") {
            branch = given.to_owned();
        }
        if method == "INVITE" {
            self.invite = (cseq, branch.clone());
        }
        let tag = match option("tag=") {
            Some(tag) => Some(tag.to_owned()),
            None if option("new").is_some() || method == "CANCEL" => None,
            None => self.our_tag.clone(),
        };
        let to_tag = tag.map(|tag| format!(";tag={tag}")).unwrap_or_default();
        let uri = option("uri=").unwrap_or("sip:bob@198.51.100.1");
        let more = option("header=").map(|header| header.replace('_', " ") + "\r\n").unwrap_or_default();
        let body = if option("sdp").is_some() { "v=0\r\n" } else { "" };
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.9:5060;branch={branch};rport\r\n\
             From: <sip:alice@203.0.113.9>;tag={}\r\nTo: <sip:bob@198.51.100.1>{to_tag}\r\nCall-ID: {}\r\n\
             CSeq: {cseq} {method}\r\nContact: <sip:alice@203.0.113.9:5060>\r\nMax-Forwards: 70\r\n{more}{kind}\
             Content-Length: {}\r\n\r\n{body}",
            self.peer_tag,
            self.call_id,
            body.len()
        )
    }

    fn peer_response(&self, status: &str, options: &str) -> String {
        let option = |name: &str| options.split('/').find_map(|option| option.strip_prefix(name));
        let request = &self.sent[option("to=").unwrap_or("INVITE")];
        let status = StatusCode::new(status.parse().unwrap()).unwrap();
        let mut response = Response::to_request(request, status);
        if status != StatusCode::TRYING {
            response.headers.set_to_tag(option("tag=").unwrap_or("bob"));
            response.headers.push(name::CONTACT, "<sip:bob@203.0.113.9:5060>");
        }
        if option("sdp").is_some() {
            response.body = "v=0\r\n".into();
        }
        String::from_utf8(response.to_bytes().to_vec()).unwrap()
    }

    fn drain(&mut self) -> Vec<String> {
        let mut log = Vec::new();
        while let Some(transmit) = self.endpoint.poll_transmit() {
            // The refusal of a damaged message repeats its damaged headers.
            let Ok(parsed) = message::parse(&transmit.bytes) else {
                log.push("unreadable".into());
                continue;
            };
            match parsed.message {
                Message::Request(request) => {
                    log.push(request.method.to_string());
                    self.sent.insert(request.method.to_string(), request);
                }
                Message::Response(response) => {
                    log.push(response.status.to_string());
                    let tag = response.headers.to().unwrap().tag().map(str::to_owned);
                    if response.status.code() < 300 && response.headers.get(name::CONTACT).is_some() {
                        self.our_tag = tag;
                    }
                    self.last_response = Some(response);
                }
            }
        }
        while let Some(event) = self.endpoint.poll_event() {
            log.push(self.event(&event));
        }
        log
    }

    fn event(&mut self, event: &Event) -> String {
        match event {
            Event::Invited { dialog, .. } => self.dialog = Some(dialog.clone()),
            Event::Answered { dialog, .. } => {
                self.dialog = Some(dialog.clone());
                self.peer_tag = dialog.remote_tag.to_string();
            }
            Event::Refused { status, .. } => return format!("Refused:{status}"),
            _ => {}
        }
        let text = format!("{event:?}");
        let mut name = text.split(' ').next().unwrap().to_owned();
        if let Event::Confirmed { sdp: Some(_), .. } | Event::Ringing { sdp: Some(_), .. } = event {
            write!(name, "+sdp").unwrap();
        }
        name
    }
}

fn outbound(flow: Flow) -> OutboundInvite {
    OutboundInvite {
        flow,
        request_uri: "sip:bob@203.0.113.9".parse().unwrap(),
        from: NameAddr::new("sip:alice@198.51.100.1".parse().unwrap()),
        to: NameAddr::new("sip:bob@203.0.113.9".parse().unwrap()),
        sdp: "v=0\r\n".into(),
    }
}

/// Over UDP. Afterwards five minutes go by: whatever was not told to stay must be gone.
fn check(script: &str, expected: &str) -> Bench {
    check_on(Transport::Udp, script, expected)
}

fn check_on(transport: Transport, script: &str, expected: &str) -> Bench {
    let mut bench = Bench::new(EndpointConfig::default(), transport);
    assert_eq!(bench.run(script), expected, "script {script:?}");
    bench
}

/// The same, and nothing may be left behind.
fn check_ends(script: &str, expected: &str) {
    let mut bench = check(script, expected);
    bench.pass(Duration::from_secs(300));
    assert!(bench.endpoint.is_idle(), "left after {script:?}: {:?}", bench.endpoint);
}
