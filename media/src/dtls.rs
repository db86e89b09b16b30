//! DTLS 1.2 for the keys of SRTP (RFC 5763, RFC 5764) by `rtc-dtls`, whose cryptography is ring's, and what that leaves to its caller.
//!
//! ```text
//! Session::new(role, identity, fingerprints)
//!   handle_datagram, handle_timeout  -> poll_transmit until None, poll_timeout
//!   state(): Handshaking -> Connected(Keys) or Failed(Failure), both for good
//!   send, poll_data                                   what is said beside SRTP, once it is connected: data channels
//! ```
//! The library, as of 0.21.1, takes any number of fragments before anybody is authentic and joins them by recursion; forgets its timer
//! when the peer repeats a flight that it has had; and repeats its own without backing off. So datagrams are counted and looked through
//! here before it sees them (`records`), and when a flight is sent again is decided here.

mod fingerprint;
mod identity;
mod records;

use std::collections::VecDeque;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rtc_dtls::config::{ClientAuthType, ConfigBuilder, HandshakeConfig};
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_shared::TransportProtocol;
use rtc_shared::error::Error as LibraryError;
use rtc_srtp::crypto::default_provider;

pub use fingerprint::{Fingerprint, HashName};
pub use identity::Identity;

use crate::srtp::{MasterKey, Suite};
use records::{Gate, Verdict};

/// Who speaks first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role {
    /// We send the first message: `a=setup:active`, the client.
    Active,
    /// We wait for it: `a=setup:passive`, the server.
    Passive,
}

/// Why there are no keys.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Failure {
    /// The peer's certificate is none of those that its SDP names.
    #[error("the peer's certificate is not the one of its session description")]
    Fingerprint,
    /// No version, cipher or SRTP profile in common, a wrong signature, or the peer gave up.
    #[error("the handshake was refused, or was none")]
    Handshake,
    /// Not over within [`HANDSHAKE_TIMEOUT`].
    #[error("the handshake was not over within {} s", HANDSHAKE_TIMEOUT.as_secs())]
    Timeout,
}

impl Failure {
    /// Label for metrics.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Fingerprint => "fingerprint",
            Self::Handshake => "handshake",
            Self::Timeout => "timeout",
        }
    }
}

/// The keys of both directions.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Keys {
    /// Of what we send.
    pub local: MasterKey,
    /// Of what the peer sends.
    pub remote: MasterKey,
}

/// How far a handshake is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum State {
    /// No media yet.
    Handshaking,
    /// With a peer whose certificate is the one that its SDP names.
    Connected(Keys),
    /// There will be no media.
    Failed(Failure),
}

/// From the beginning until the keys are there: more than six flights of which each is lost four times, and as long as a caller listens
/// to silence.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// A flight is sent again after this, then after twice as long, and so on. RFC 6347 §4.2.4.1 says a second, and less where that is known
/// to fit: a caller waits, and the round trip of a call that can be talked on is shorter.
pub const RESEND_AFTER: Duration = Duration::from_millis(400);
/// Datagrams of data that wait to be read: as many as a leg reads at a time.
const DATA_WAITING_MAX: usize = 64;
/// Datagrams of ours have at most so many octets, as browsers' have.
const MTU: usize = 1_200;

/// One association with one peer. **One input, then drain** [`Self::poll_transmit`].
pub struct Session {
    endpoint: Endpoint,
    role: Role,
    fingerprints: Arc<[Fingerprint]>,
    state: State,
    gate: Gate,
    transmits: VecDeque<BytesMut>,
    /// What the peer sent besides the handshake.
    data: VecDeque<BytesMut>,
    /// The peer has said goodbye.
    closed: bool,
    deadline: Instant,
    resend: Option<Resend>,
}

/// When the flight that the peer has not answered is sent again.
#[derive(Clone, Copy, Debug)]
struct Resend {
    at: Instant,
    after: Duration,
}

/// The library keeps associations by address; ours has one, and who that is the leg knows.
const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

impl Session {
    /// Begins: as the active side with a first message to be sent. The peer is who has a certificate with one of these fingerprints.
    pub fn new(now: Instant, role: Role, identity: &Identity, fingerprints: &[Fingerprint]) -> Self {
        let fingerprints: Arc<[Fingerprint]> = fingerprints.into();
        let config = Arc::new(config(role, identity, &fingerprints));
        let server = (role == Role::Passive).then(|| Arc::clone(&config));
        let mut new = Self {
            endpoint: Endpoint::new(PEER, TransportProtocol::UDP, server),
            role,
            fingerprints,
            state: State::Handshaking,
            gate: Gate::default(),
            transmits: VecDeque::new(),
            data: VecDeque::new(),
            closed: false,
            deadline: now + HANDSHAKE_TIMEOUT,
            resend: None,
        };
        if role == Role::Active && new.endpoint.connect(now, PEER, config, None).is_err() {
            new.fail(Failure::Handshake);
        }
        new.collect(now);
        new
    }

    /// Who speaks first.
    pub fn role(&self) -> Role {
        self.role
    }

    /// How far it is.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// A datagram of the peer. What is no record, repeats what was had, or is too much is passed over.
    pub fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) {
        if matches!(self.state, State::Failed(_)) {
            return;
        }
        match self.gate.look(datagram) {
            Verdict::Drop => {}
            Verdict::Repeated => self.resend_soon(now),
            Verdict::Take => {
                let result = self.endpoint.read(now, PEER, None, BytesMut::from(datagram));
                // An alert, ours or the peer's, ends the handshake; later on the keys are there, and the call ends by signalling.
                match result {
                    Ok(events) => self.handle_events(events),
                    Err(_) if self.state != State::Handshaking => {}
                    Err(LibraryError::Other(text)) if text == MISMATCH => self.fail(Failure::Fingerprint),
                    Err(_) => self.fail(Failure::Handshake),
                }
                self.collect(now);
            }
        }
    }

    /// The time that [`Self::poll_timeout`] asked for has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.state != State::Handshaking {
            return;
        }
        if now >= self.deadline {
            return self.fail(Failure::Timeout);
        }
        let Some(resend) = self.resend.filter(|resend| now >= resend.at) else { return };
        let after = resend.after * 2;
        self.resend = Some(Resend { at: now + after, after });
        if self.endpoint.handle_timeout(PEER, now).is_err() {
            return self.fail(Failure::Timeout);
        }
        while let Some(transmit) = self.endpoint.poll_transmit() {
            self.transmits.push_back(transmit.message);
        }
    }

    /// Sends data beside the handshake, once that is over; false before, and after a goodbye.
    pub fn send(&mut self, now: Instant, data: &[u8]) -> bool {
        let ready = matches!(self.state, State::Connected(_)) && !self.closed;
        let sent = ready && self.endpoint.write(now, PEER, data).is_ok();
        self.collect(now);
        sent
    }

    /// What the peer sent beside the handshake, datagram by datagram.
    pub fn poll_data(&mut self) -> Option<BytesMut> {
        self.data.pop_front()
    }

    /// Whether the peer has said goodbye.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Says goodbye.
    pub fn close(&mut self, now: Instant) {
        let _nobody_is_there = self.endpoint.stop(now, PEER);
        self.closed = true;
        self.collect(now);
    }

    /// The next datagram to be sent to the peer.
    pub fn poll_transmit(&mut self) -> Option<BytesMut> {
        self.transmits.pop_front()
    }

    /// When [`Self::handle_timeout`] is to be called; `None` once the handshake is over.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let handshaking = self.state == State::Handshaking;
        handshaking.then(|| self.resend.map_or(self.deadline, |resend| resend.at.min(self.deadline)))
    }

    fn handle_events(&mut self, events: Vec<EndpointEvent>) {
        for event in events {
            match event {
                EndpointEvent::HandshakeComplete => match self.export() {
                    Ok(keys) => {
                        self.state = State::Connected(keys);
                        self.gate.connected();
                    }
                    Err(failure) => self.fail(failure),
                },
                EndpointEvent::ApplicationData(data) if self.data.len() < DATA_WAITING_MAX => self.data.push_back(data),
                EndpointEvent::PeerClosed if self.state == State::Handshaking => self.fail(Failure::Handshake),
                EndpointEvent::PeerClosed => self.closed = true,
                // It is lost, as on the way: who speaks over this says it again.
                _ => {}
            }
        }
    }

    /// The keys, once it is certain whose they are (RFC 5764 §4.2).
    fn export(&self) -> Result<Keys, Failure> {
        let state = self.endpoint.get_connection_state(PEER).ok_or(Failure::Handshake)?;
        let certificate = state.peer_certificates.first().ok_or(Failure::Fingerprint)?;
        if !is_one_of(&self.fingerprints, certificate) {
            return Err(Failure::Fingerprint);
        }
        let suite = match state.srtp_protection_profile() {
            SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80 => Suite::AesCm128Sha1_80,
            SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_32 => Suite::AesCm128Sha1_32,
            SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm => Suite::AeadAes128Gcm,
            SrtpProtectionProfile::Srtp_Aead_Aes_256_Gcm => Suite::AeadAes256Gcm,
            _ => return Err(Failure::Handshake),
        };
        let (key, salt) = suite.lengths();
        let material = state.export_keying_material(EXPORTER, &[], 2 * (key + salt)).map_err(|_| Failure::Handshake)?;
        let (keys, salts) = material.as_ref().split_at(2 * key);
        let side = |number: usize| {
            let octets = [&keys[number * key..][..key], &salts[number * salt..][..salt]].concat();
            MasterKey::new(suite, &octets).expect("cut as long as the suite's")
        };
        let (client, server) = (side(0), side(1));
        Ok(match self.role {
            Role::Active => Keys { local: client, remote: server },
            Role::Passive => Keys { local: server, remote: client },
        })
    }

    /// Takes what the library wants sent: a new flight, which the peer is to answer.
    fn collect(&mut self, now: Instant) {
        let before = self.transmits.len();
        while let Some(transmit) = self.endpoint.poll_transmit() {
            self.transmits.push_back(transmit.message);
        }
        if self.transmits.len() > before && self.state == State::Handshaking {
            self.resend = Some(Resend { at: now + RESEND_AFTER, after: RESEND_AFTER });
            self.gate.flight_sent(self.transmits.back().map_or(&[], |last| last));
        }
    }

    /// The peer repeats itself: it lacks our flight (RFC 6347 §4.2.4). Sent again at the next beat, however often it says so.
    fn resend_soon(&mut self, now: Instant) {
        if let Some(resend) = &mut self.resend {
            resend.at = resend.at.min(now + RESEND_AFTER / 8);
        }
    }

    fn fail(&mut self, failure: Failure) {
        self.state = State::Failed(failure);
        self.resend = None;
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Session({:?}, {:?})", self.role, self.state)
    }
}

/// The label of RFC 5764 §4.2.
const EXPORTER: &str = "EXTRACTOR-dtls_srtp";
/// How our check of the certificate says so to itself, through the library.
const MISMATCH: &str = "fingerprint";
/// The library's own timer, to which ours leads: always due when ours is.
const LIBRARY_INTERVAL: Duration = Duration::from_millis(1);

/// Best first: as browsers take, what everybody has before the tag of 32 bits.
const PROFILES: [SrtpProtectionProfile; 4] = [
    SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm,
    SrtpProtectionProfile::Srtp_Aead_Aes_256_Gcm,
    SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80,
    SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_32,
];

fn config(role: Role, identity: &Identity, fingerprints: &Arc<[Fingerprint]>) -> HandshakeConfig {
    let fingerprints = Arc::clone(fingerprints);
    let check = move |certificates: &[Vec<u8>], _: &[_]| match certificates.first() {
        Some(certificate) if is_one_of(&fingerprints, certificate) => Ok(()),
        _ => Err(LibraryError::Other(MISMATCH.to_owned())),
    };
    ConfigBuilder::default()
        .with_crypto_provider(default_provider().expect("ring is compiled in"))
        .with_certificates(vec![identity.certificate()])
        .with_srtp_protection_profiles(PROFILES.to_vec())
        .with_client_auth(ClientAuthType::RequireAnyClientCert)
        // Whose the certificate is, its fingerprint says, and no authority.
        .with_insecure_skip_verify(true)
        .with_verify_peer_certificate(Some(Arc::new(check)))
        .with_flight_interval(LIBRARY_INTERVAL)
        .with_mtu(MTU)
        .build(role == Role::Active, Some(PEER))
        .expect("it has a certificate, ciphers and curves")
}

/// RFC 8122 §5: one that fits is enough.
fn is_one_of(fingerprints: &[Fingerprint], certificate: &[u8]) -> bool {
    fingerprints.iter().any(|fingerprint| fingerprint.is_of(certificate))
}

#[cfg(test)]
mod tests;
