//! A SIP peer of the tests' own: places one call over UDP, sends no audio, and keeps every message that it gets.
#![allow(dead_code, clippy::unwrap_used, missing_docs)]

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use sip::digest::Credentials;
use sip::endpoint::{DialogId, Endpoint, EndpointConfig, Event, Flow, OutboundInvite, Transport};
use sip::sdp::{self, LocalMedia, SessionDescription};
use sip::uri::{Host, NameAddr, Uri};

/// Longer than any answer takes that is not lost.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Peer {
    socket: UdpSocket,
    endpoint: Endpoint,
    flow: Flow,
    dialog: DialogId,
    /// Everything received, as text.
    pub received: Vec<String>,
}

impl Peer {
    /// Sends an INVITE from this user to anybody at `target`.
    pub fn invite(target: SocketAddr, from: &str) -> Self {
        Self::invite_with(target, from, true)
    }

    /// The same with an offer or without one.
    pub fn invite_with(target: SocketAddr, from: &str, offers: bool) -> Self {
        Self::invite_user(target, from, "demo", |local| offers.then(|| sdp::offer(&nowhere(local))))
    }

    /// The same to this user.
    pub fn invite_number(target: SocketAddr, from: &str, to: &str) -> Self {
        Self::invite_user(target, from, to, |local| Some(sdp::offer(&nowhere(local))))
    }

    /// `offer` makes the offer, if there is to be one, for the address that it calls from.
    fn invite_user(target: SocketAddr, from: &str, to: &str, offer: impl FnOnce(SocketAddr) -> Option<String>) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
        let local = socket.local_addr().unwrap();
        let flow = Flow { transport: Transport::Udp, local, remote: target };
        let mut endpoint = Endpoint::new(EndpointConfig::default(), u64::from(local.port()));
        let callee = Uri::sip(Some(to), Host::from(target.ip()), Some(target.port()));
        let from = NameAddr::new(Uri::sip(Some(from), Host::from(local.ip()), None));
        let invite = OutboundInvite { flow: Some(flow), sdp: offer(local), ..OutboundInvite::new(callee, from) };
        let dialog = endpoint.invite(Instant::now(), invite);
        Self { socket, endpoint, flow, dialog, received: Vec::new() }
    }

    /// Sends an INVITE to this user at `target`, and answers challenges of it, and of the BYE, with these credentials.
    pub fn invite_as(target: SocketAddr, from: &str, to: &str, credentials: Credentials) -> Self {
        let mut peer = Self::invite_number(target, from, to);
        peer.endpoint.authorize(&peer.dialog, credentials);
        peer
    }

    /// Where it calls from.
    pub fn address(&self) -> SocketAddr {
        self.flow.local
    }

    /// The call is answered.
    pub fn wait_answered(&mut self) {
        self.dialog = self.wait(|event| match event {
            Event::Answered { dialog, .. } => Some(dialog.clone()),
            Event::Refused { status, .. } => panic!("refused: {}", status.code()),
            _ => None,
        });
    }

    /// Calls, and waits for the answer.
    pub fn call(target: SocketAddr, from: &str) -> Self {
        let mut peer = Self::invite(target, from);
        peer.wait_answered();
        peer
    }

    /// Calls with this offer, and waits for the answer to it.
    pub fn call_with(target: SocketAddr, from: &str, offer: String) -> (Self, Vec<u8>) {
        let mut peer = Self::invite_user(target, from, "demo", |_| Some(offer));
        let (dialog, answer) = peer.wait(|event| match event {
            Event::Answered { dialog, sdp, .. } => {
                Some((dialog.clone(), sdp.as_ref().map(|sdp| sdp.to_vec()).unwrap_or_default()))
            }
            Event::Refused { status, .. } => panic!("refused: {}", status.code()),
            _ => None,
        });
        peer.dialog = dialog;
        (peer, answer)
    }

    /// Answers the callee's offer, in the ACK.
    pub fn answer(&mut self, offer: &[u8]) {
        let offer = SessionDescription::parse(offer).unwrap();
        let (answer, _) = sdp::answer(&offer, &nowhere(self.flow.local)).unwrap();
        self.endpoint.answer(Instant::now(), &self.dialog, answer);
    }

    /// Changes the call, without changing anything.
    pub fn reinvite(&mut self) {
        let offer = sdp::offer(&nowhere(self.flow.local));
        self.endpoint.reinvite(Instant::now(), &self.dialog, Some(offer));
    }

    /// Changes the call by this offer.
    pub fn offer(&mut self, offer: String) {
        self.endpoint.reinvite(Instant::now(), &self.dialog, Some(offer));
    }

    /// What to call the call from its answer on.
    pub fn answered(&mut self, dialog: DialogId) {
        self.dialog = dialog;
    }

    pub fn hang_up(&mut self) {
        let dialog = self.dialog.clone();
        self.endpoint.hang_up(Instant::now(), &dialog, None);
        self.wait(|event| matches!(event, Event::Terminated { .. }).then_some(()));
    }

    /// The Reason of the BYE that comes.
    pub fn wait_bye(&mut self) -> String {
        self.wait(|event| match event {
            Event::HungUp { reason, .. } => Some(reason.clone().unwrap_or_default()),
            _ => None,
        })
    }

    /// The status that the INVITE was refused with.
    pub fn wait_refused(&mut self) -> u16 {
        self.wait(|event| match event {
            Event::Refused { status, .. } => Some(status.code()),
            Event::Answered { .. } => panic!("answered"),
            _ => None,
        })
    }

    /// Goes on until something happens that `wanted` finds.
    pub fn wait<T>(&mut self, wanted: impl Fn(&Event) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = self.step().iter().find_map(&wanted) {
                return found;
            }
            assert!(Instant::now() < deadline, "it did not happen; received: {:#?}", self.received);
        }
    }

    /// What happens in the next 10 ms.
    pub fn step(&mut self) -> Vec<Event> {
        let mut buffer = [0; 65_535];
        if let Ok(length) = self.socket.recv(&mut buffer) {
            self.received.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
            self.endpoint.handle_receive(Instant::now(), self.flow, &buffer[..length]);
        }
        let events = self.drain();
        let now = Instant::now();
        if self.endpoint.poll_timeout().is_some_and(|due| due <= now) {
            self.endpoint.handle_timeout(now);
        }
        events.into_iter().chain(self.drain()).collect()
    }

    fn drain(&mut self) -> Vec<Event> {
        while let Some(transmit) = self.endpoint.poll_transmit() {
            // A server that is away for a moment refuses; retransmission mends it.
            let _refused = self.socket.send_to(&transmit.bytes, transmit.flow.remote);
        }
        std::iter::from_fn(|| self.endpoint.poll_event()).collect()
    }
}

/// Nobody sends or hears anything there: discard.
fn nowhere(local: SocketAddr) -> LocalMedia {
    LocalMedia::new(local.ip(), 9, 1)
}
