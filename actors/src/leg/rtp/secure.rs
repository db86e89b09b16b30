//! The keys of a leg by handshake (DTLS-SRTP), and the way to a peer that is found by ICE: STUN and DTLS of the leg's port.
//!
//! ```text
//! check with the right password ──► its source is valid ──► the peer's choice ──► media goes there
//! first message of a handshake from there, or from the SDP's host ──► keys ──► media is taken and sent
//! ```

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use media::demux::Protocol;
use media::dtls::{Failure, Fingerprint, HANDSHAKE_TIMEOUT, Identity, Keys, Role, Session, State};
use media::ice::{Credentials, IceLite, Outcome};
use sip::sdp::{Dtls, DtlsRole, IceCredentials, Negotiated};

use super::inbox::Arrived;
use crate::call::LegClosed;

/// What happened, for the directions of the leg.
#[derive(Debug)]
pub(super) enum Change {
    /// Media goes there from now on.
    Selected(SocketAddr),
    /// Media is taken and sent with these from now on.
    Keyed(Keys),
    /// There will be no media.
    Failed(Failure),
}

/// Answers to checks that are sent in one tick: more come from nobody who behaves (RFC 8445 §14 has one each 50 ms).
const REPLIES_MAX: usize = 16;

/// One peer's handshakes and checks.
pub(super) struct Secure {
    identity: Identity,
    role: Role,
    fingerprints: Vec<Fingerprint>,
    tls_id: Option<String>,
    ice: Option<IceLite>,
    /// Where the SDP says that the peer is, without ICE.
    remote: SocketAddr,
    session: Option<Session>,
    /// Whose handshake it is.
    peer: Option<SocketAddr>,
    /// From the answer of the call on: until when there are keys, or there is no call.
    deadline: Option<Instant>,
    /// Since when it is known what comes; how long a handshake took is told.
    since: Instant,
    replies: Vec<(SocketAddr, Vec<u8>)>,
    changes: Vec<Change>,
    /// By the handshake of today.
    keyed: bool,
    failed: bool,
}

impl Secure {
    /// As was agreed: `None` when keys come from elsewhere, or there are none.
    pub(super) fn new(now: Instant, negotiated: &Negotiated, identity: &Identity) -> Option<Self> {
        let agreed = negotiated.dtls.as_ref()?;
        let ice = agreed.ice.as_ref().map(|ice| IceLite::new(credentials(&ice.local), Some(ice.remote.ufrag.clone())));
        let mut new = Self {
            identity: identity.clone(),
            role: role(agreed),
            fingerprints: fingerprints(agreed),
            tls_id: agreed.tls_id.clone(),
            ice,
            remote: negotiated.remote_rtp,
            session: None,
            peer: None,
            deadline: None,
            since: now,
            replies: Vec::new(),
            changes: Vec::new(),
            keyed: false,
            failed: false,
        };
        new.begin(now);
        Some(new)
    }

    /// A later offer or answer: another certificate means another handshake, other credentials a restart of ICE. What there is goes on
    /// until then.
    pub(super) fn renegotiate(&mut self, now: Instant, negotiated: &Negotiated) {
        let Some(agreed) = &negotiated.dtls else { return };
        match (&mut self.ice, &agreed.ice) {
            (Some(ice), Some(agreed)) => ice.renegotiate(credentials(&agreed.local), Some(agreed.remote.ufrag.clone())),
            (ice, agreed) => {
                *ice = agreed.as_ref().map(|ice| IceLite::new(credentials(&ice.local), Some(ice.remote.ufrag.clone())));
            }
        }
        self.remote = negotiated.remote_rtp;
        let (role, fingerprints) = (role(agreed), fingerprints(agreed));
        if (role, &fingerprints, &agreed.tls_id) != (self.role, &self.fingerprints, &self.tls_id) {
            (self.role, self.fingerprints, self.tls_id) = (role, fingerprints, agreed.tls_id.clone());
            (self.session, self.peer, self.since, self.keyed) = (None, None, now, false);
            self.deadline = self.deadline.map(|_| now + HANDSHAKE_TIMEOUT);
            self.begin(now);
        }
    }

    /// The call is answered: the peer knows all that it needs.
    pub(super) fn start(&mut self, now: Instant) {
        self.deadline.get_or_insert(now + HANDSHAKE_TIMEOUT);
    }

    /// Where media goes by ICE, if the peer has chosen.
    pub(super) fn selected(&self) -> Option<SocketAddr> {
        self.ice.as_ref().and_then(IceLite::selected)
    }

    /// Whether somebody there may be the peer: by ICE who has shown it; without it anybody, since the keys show it.
    pub(super) fn takes_from(&self, from: SocketAddr) -> bool {
        self.ice.as_ref().is_none_or(|ice| ice.is_valid(from))
    }

    /// Whether the peer is found by ICE.
    pub(super) fn has_ice(&self) -> bool {
        self.ice.is_some()
    }

    /// A datagram that is not media; why it was not taken, if it was not.
    pub(super) fn handle(&mut self, protocol: Protocol, arrived: &Arrived) -> Result<(), &'static str> {
        let Arrived { at, from, datagram } = arrived;
        match (protocol, &mut self.ice) {
            (Protocol::Stun, Some(ice)) if self.replies.len() < REPLIES_MAX => {
                let Outcome { reply, selected } = ice.handle_datagram(*at, *from, datagram);
                if let Some(selected) = selected {
                    self.changes.push(Change::Selected(selected));
                    self.begin(*at);
                }
                self.replies.push((*from, reply.ok_or("stun")?));
                Ok(())
            }
            (Protocol::Dtls, _) => self.handle_dtls(arrived),
            (Protocol::Stun, _) => Err("stun"),
            (Protocol::Media | Protocol::Other, _) => Err("version"),
        }
    }

    fn handle_dtls(&mut self, arrived: &Arrived) -> Result<(), &'static str> {
        let Arrived { at, from, datagram } = arrived;
        if !self.takes_from(*from) || !self.is_peer(*from) {
            return Err("source");
        }
        if self.session.is_none() && self.role == Role::Passive {
            self.open(*at);
        }
        let session = self.session.as_mut().ok_or("dtls")?;
        self.peer = Some(*from);
        session.handle_datagram(*at, datagram);
        self.settle(*at);
        Ok(())
    }

    /// Without ICE one source has the handshake: who was first, and the SDP's own host before any other.
    fn is_peer(&mut self, from: SocketAddr) -> bool {
        let Some(peer) = self.peer.filter(|_| self.ice.is_none()) else { return true };
        if peer == from {
            return true;
        }
        let rightful = from.ip() == self.remote.ip() && peer.ip() != from.ip() && !self.keyed;
        if rightful {
            (self.session, self.peer) = (None, None);
        }
        rightful
    }

    /// The active side begins once it knows where the peer is.
    fn begin(&mut self, now: Instant) {
        let known = self.ice.is_none() || self.selected().is_some();
        if self.role == Role::Active && self.session.is_none() && known {
            self.open(now);
        }
    }

    fn open(&mut self, now: Instant) {
        self.session = Some(Session::new(now, self.role, &self.identity, &self.fingerprints));
    }

    /// What is due by now.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.failed {
            return;
        }
        if let Some(session) = &mut self.session
            && session.poll_timeout().is_some_and(|due| due <= now)
        {
            session.handle_timeout(now);
            self.settle(now);
        }
        if !self.keyed && self.deadline.is_some_and(|deadline| deadline <= now) {
            self.fail(Failure::Timeout);
        }
    }

    /// The handshake may be over.
    fn settle(&mut self, now: Instant) {
        let Some(session) = &self.session else { return };
        match session.state() {
            State::Connected(keys) if !self.keyed => {
                if let Some(peer) = self.peer.filter(|_| self.ice.is_none()) {
                    self.changes.push(Change::Selected(peer));
                }
                self.changes.push(Change::Keyed(keys.clone()));
                self.keyed = true;
            }
            // Before the answer of the call the peer may not know of us.
            State::Failed(Failure::Timeout) if self.deadline.is_none() => {
                self.session = None;
                self.begin(now);
            }
            State::Failed(failure) => self.fail(*failure),
            State::Handshaking | State::Connected(_) => {}
        }
    }

    fn fail(&mut self, failure: Failure) {
        if !std::mem::replace(&mut self.failed, true) {
            count(failure.reason());
            self.changes.push(Change::Failed(failure));
        }
    }

    /// What is to be sent, and to whom.
    pub(super) fn poll_transmit(&mut self) -> Option<(SocketAddr, Vec<u8>)> {
        if let Some(reply) = self.replies.pop() {
            return Some(reply);
        }
        let to = self.selected().or(self.peer).unwrap_or(self.remote);
        let datagram = self.session.as_mut()?.poll_transmit()?;
        Some((to, datagram.to_vec()))
    }

    /// Sends what is to be sent.
    pub(super) fn transmit(&mut self, socket: &UdpSocket) {
        while let Some((to, datagram)) = self.poll_transmit() {
            if let Err(error) = socket.send_to(&datagram, to) {
                tracing::trace!(%error, "a datagram of DTLS or STUN was not sent");
            }
        }
    }

    /// The association, once there are keys.
    pub(super) fn session(&mut self) -> Option<&mut Session> {
        self.session.as_mut().filter(|_| self.keyed)
    }

    /// Whether the peer has gone: it said goodbye, or nothing for so long.
    pub(super) fn left(&self, now: Instant, silent_max: Duration) -> Option<LegClosed> {
        if self.keyed && self.session.as_ref().is_some_and(Session::is_closed) {
            return Some(LegClosed::ByPeer);
        }
        let heard = self.ice.as_ref()?.heard()?;
        let silent = now.saturating_duration_since(heard) >= silent_max;
        silent.then(|| LegClosed::Lost(format!("the peer did not say for {} s that it listens", silent_max.as_secs())))
    }

    /// What happened since the last time.
    pub(super) fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// How long there was no key.
    pub(super) fn waited(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.since)
    }
}

/// Counts the end of a handshake.
pub(super) fn count(result: &'static str) {
    metrics::counter!("offhook_dtls_handshakes_total", "result" => result).increment(1);
}

fn role(agreed: &Dtls) -> Role {
    match agreed.role {
        DtlsRole::Active => Role::Active,
        DtlsRole::Passive => Role::Passive,
    }
}

/// Those that can be read; of none the handshake says that nobody is right.
fn fingerprints(agreed: &Dtls) -> Vec<Fingerprint> {
    agreed.fingerprints.iter().filter_map(|text| Fingerprint::parse(text)).collect()
}

fn credentials(credentials: &IceCredentials) -> Credentials {
    Credentials { name: credentials.ufrag.clone(), password: credentials.pwd.clone() }
}
