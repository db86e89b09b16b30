//! The endpoint, message by message, in virtual time: a script of steps in, a line of what came out of each step back.
//!
//! ```text
//! INVITE, BYE/cseq=1 ...  a request of the peer; in the dialog once a tag of ours is known
//! ACK/same, CANCEL        with the branch and number of the last INVITE
//! again                   the last request once more
//! 180, 200/tag=b/to=BYE   a response of the peer to our last INVITE, or to the method named
//! refer, refer/quiet, accept, decline, report:200   commands of a transfer, of ours or of the peer
//! PRACK/rack, PRACK/rack=7  with a RAck for our last reliable response, or for another one
//! ring, progress, answer, refuse:486, hangup, reinvite, answer:update ... closed, gone   commands and faults
//! invite, invite:empty    our call on the one flow, with an offer or without; invite:follow finds its way and follows Contacts
//! invite:trunk            our call by three targets, with a patience of 4 s; what fails on the way is told as `Failed:`
//! +500                    so many milliseconds go by; what comes is stamped with the time since the step began
//! ```

#![allow(clippy::unwrap_used)]

mod again;
mod challenge;
mod elsewhere;
mod headers;
mod random;
mod reinvite;
mod reliable;
mod replace;
mod session;
mod transfer;
mod uac;
mod uas;
mod update;
mod ways;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;
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
    /// Number of our last reliable one.
    rseq: String,
    /// Whether what failed on the way is in the log.
    tells_attempts: bool,
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
            rseq: "1".into(),
            tells_attempts: false,
        }
    }

    fn run(&mut self, script: &str) -> String {
        script.split_whitespace().map(|step| self.step(step)).collect::<Vec<_>>().join(" | ")
    }

    fn step(&mut self, step: &str) -> String {
        let (word, options) = step.split_once('/').unwrap_or((step, ""));
        if let Some(milliseconds) = step.strip_prefix('+') {
            return self.pass(Duration::from_millis(milliseconds.parse().unwrap()));
        }
        if self.place(word) || self.transfer(word, options) || self.command(word) {
        } else if word == "again" {
            self.receive(&self.last_request.clone());
        } else if word.starts_with(|first: char| first.is_ascii_digit()) {
            let response = self.peer_response(word, options);
            self.receive(&response);
        } else {
            let request = self.peer_request(word, options);
            self.receive(&request);
            self.last_request = request;
        }
        self.drain().join(" ")
    }

    /// Our own calls.
    fn place(&mut self, word: &str) -> bool {
        let mut invite = outbound(self.flow);
        match word {
            "invite" => {}
            "invite:empty" => invite.sdp = None,
            "invite:follow" => (invite.flow, invite.redirects) = (None, Redirects::Follow(Arc::new(elsewhere::Anybody))),
            "invite:trunk" => invite = elsewhere::by_trunk(),
            _ => return false,
        }
        let dialog = self.endpoint.invite(self.now, invite);
        self.call_id = dialog.call_id.to_string();
        self.our_tag = Some(dialog.local_tag.to_string());
        self.dialog = Some(dialog);
        true
    }

    /// A command of a transfer.
    fn transfer(&mut self, word: &str, options: &str) -> bool {
        let (now, endpoint) = (self.now, &mut self.endpoint);
        let Some(dialog) = &self.dialog else {
            return false;
        };
        match word {
            "refer" => {
                let notices = if options == "quiet" { Notices::Unwanted } else { Notices::Wanted };
                endpoint.refer(now, dialog, refer(notices));
            }
            "accept" => endpoint.accept_refer(now, dialog),
            "decline" => endpoint.refuse_refer(now, dialog, StatusCode::DECLINE),
            _ => {
                let Some(status) = word.strip_prefix("report:") else {
                    return false;
                };
                endpoint.report_refer(now, dialog, StatusCode::new(status.parse().unwrap()).unwrap());
            }
        }
        true
    }

    /// What our user may say, and faults.
    fn command(&mut self, word: &str) -> bool {
        let (now, endpoint, sdp) = (self.now, &mut self.endpoint, || "v=0\r\n".to_owned());
        match word {
            "closed" => endpoint.set_accepting(false, Some(Duration::from_millis(2500))),
            "gone" => endpoint.handle_transport_error(now, &self.flow),
            _ => {
                let Some(dialog) = &self.dialog else {
                    return false;
                };
                match word {
                    "ring" => endpoint.ring(now, dialog),
                    "progress" => endpoint.progress(now, dialog, sdp()),
                    "answer" => endpoint.answer(now, dialog, sdp()),
                    "answer:update" => endpoint.answer_update(now, dialog, sdp()),
                    "refuse:update" => endpoint.refuse_update(now, dialog, StatusCode::NOT_ACCEPTABLE_HERE),
                    "reinvite" => endpoint.reinvite(now, dialog, Some("v=1\r\n".into())),
                    "reinvite:empty" => endpoint.reinvite(now, dialog, None),
                    "hangup" => endpoint.hang_up(now, dialog, Some("Q.850;cause=16")),
                    _ => {
                        let Some(status) = word.strip_prefix("refuse:") else {
                            return false;
                        };
                        let status = StatusCode::new(status.parse().unwrap()).unwrap();
                        endpoint.refuse(now, dialog, status, Some(Duration::from_secs(3)));
                    }
                }
            }
        }
        true
    }

    /// Five minutes after `script` nothing is left of it.
    fn leaves_nothing(mut self, script: &str) {
        self.pass(Duration::from_secs(300));
        assert!(self.endpoint.is_idle(), "left after {script:?}: {:?}", self.endpoint);
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
        let more: String = headers(options).map(|header| header.replace('|', "/") + "\r\n").collect();
        let rack = option("rack").map(|given| self.rack(given)).unwrap_or_default();
        let sdp = option("sdp").map(|_| ("Content-Type: application/sdp\r\n", "v=0\r\n".to_owned()));
        let frag = option("frag=").map(|status| ("Content-Type: message/sipfrag\r\n", format!("SIP/2.0 {status} X\r\n")));
        let text = option("body=").map(|body| ("", body.to_owned()));
        let (kind, body) = sdp.or(frag).or(text).unwrap_or_default();
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.9:5060;branch={branch};rport\r\n\
             From: <sip:alice@203.0.113.9>;tag={}\r\nTo: <sip:bob@198.51.100.1>{to_tag}\r\nCall-ID: {}\r\n\
             CSeq: {cseq} {method}\r\nContact: <sip:alice@203.0.113.9:5060>\r\nMax-Forwards: 70\r\n{more}{rack}{kind}\
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
            for contact in option("contact=").unwrap_or("<sip:bob@203.0.113.9:5060>").split(',') {
                response.headers.push(name::CONTACT, contact);
            }
        }
        if let Some(rseq) = option("rseq=") {
            response.headers.push(name::REQUIRE, "100rel");
            response.headers.push(name::RSEQ, rseq);
        }
        for header in headers(options) {
            let (name, value) = header.split_once(": ").unwrap();
            response.headers.push(name, value);
        }
        if option("sdp").is_some() {
            response.body = "v=0\r\n".into();
        }
        String::from_utf8(response.to_bytes().to_vec()).unwrap()
    }

    /// The RAck for our last reliable response, if there was one, or for another number.
    fn rack(&self, given: &str) -> String {
        let rseq = given.strip_prefix('=').unwrap_or(&self.rseq);
        format!("RAck: {rseq} {} INVITE\r\n", self.invite.0)
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
                    if let Some(rseq) = response.headers.get(name::RSEQ) {
                        self.rseq = rseq.to_owned();
                    }
                    self.last_response = Some(response);
                }
            }
        }
        while let Some(event) = self.endpoint.poll_event() {
            match event {
                Event::AttemptFailed { attempt, .. } => log.extend(self.tells_attempts.then(|| elsewhere::shown(&attempt))),
                event => log.push(self.event(&event)),
            }
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
            Event::ReferProgress { status, .. } => return format!("ReferProgress:{status}"),
            Event::ReferEnded { outcome, .. } => return format!("ReferEnded:{outcome:?}"),
            Event::ReinviteRefused { status, .. } => return format!("ReinviteRefused:{status}"),
            _ => {}
        }
        let mut name = event.name().to_owned();
        if let Event::Confirmed { sdp: Some(_), .. }
        | Event::Ringing { sdp: Some(_), .. }
        | Event::Answered { sdp: Some(_), .. }
        | Event::ReinviteAnswered { sdp: Some(_), .. } = event
        {
            write!(name, "+sdp").unwrap();
        }
        name
    }
}

fn refer(notices: Notices) -> Refer {
    Refer { to: "sip:carol@203.0.113.20".parse().unwrap(), referred_by: None, replaces: None, notices }
}

/// The headers among a step's options, `_` for each space.
fn headers(options: &str) -> impl Iterator<Item = String> {
    options.split('/').filter_map(|option| option.strip_prefix("header=")).map(|header| header.replace('_', " "))
}

fn outbound(flow: Flow) -> OutboundInvite {
    let from = NameAddr::new("sip:alice@198.51.100.1".parse().unwrap());
    let to = "sip:bob@203.0.113.9".parse().unwrap();
    OutboundInvite { flow: Some(flow), sdp: Some("v=0\r\n".into()), ..OutboundInvite::new(to, from) }
}

/// With a UDP socket, so that other places can be called.
fn with_a_socket() -> EndpointConfig {
    let local = flow(Transport::Udp).local;
    let listener = Listener { transport: Transport::Udp, local, host: local.ip().into() };
    EndpointConfig { listeners: vec![listener], ..EndpointConfig::default() }
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
    check(script, expected).leaves_nothing(script);
}
