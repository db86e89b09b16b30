//! ICE of an agent that has a public address and waits to be found: ICE-lite (RFC 8445 §2.5), the answering half of STUN (RFC 8489), whose
//! format is `rtc-stun`'s.
//!
//! ```text
//! a check comes    wrong name, password or checksum: nothing is said     right: it is answered, and its source is valid
//! with USE-CANDIDATE                                                     and it is selected: media goes there
//! ```
//! Attributes that come after the proof are not looked at (RFC 8489 §14.5), which the library leaves to its caller.

use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rtc_srtp::crypto::default_provider;
use rtc_stun::attributes::{
    ATTR_FINGERPRINT, ATTR_ICE_CONTROLLED, ATTR_MESSAGE_INTEGRITY, ATTR_PRIORITY, ATTR_USE_CANDIDATE, ATTR_USERNAME, AttrType,
};
use rtc_stun::error_code::{ErrorCode, ErrorCodeAttribute};
use rtc_stun::fingerprint::FINGERPRINT;
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{BINDING_ERROR, BINDING_REQUEST, BINDING_SUCCESS, Message, Setter};
use rtc_stun::uattrs::UnknownAttributes;
use rtc_stun::xoraddr::XorMappedAddress;

/// Name and password of one side. Its `Debug` hides the password.
#[derive(Clone, Eq, PartialEq)]
pub struct Credentials {
    /// `a=ice-ufrag`.
    pub name: String,
    /// `a=ice-pwd`.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Credentials({}, _)", self.name)
    }
}

/// Octets of a check: an Ethernet frame's are more than any has.
pub const CHECK_MAX: usize = 1_280;
/// Addresses of the peer that are valid at once: a telephone with two networks, two families and a relay has six. One more takes the
/// place of who was heard of longest ago.
pub const VALID_MAX: usize = 8;
/// A peer says every 5 s or so that it still listens (RFC 7675 §5.1). One that has not said so for this long may be replaced by a pair
/// of lower priority: it has changed networks.
pub const STALE: Duration = Duration::from_secs(6);

/// The agent of one leg.
#[derive(Debug)]
pub struct IceLite {
    local: Credentials,
    /// `None` until the peer's answer has told them.
    remote: Option<String>,
    /// Of before a restart, until the first check after it.
    before: Option<(Credentials, Option<String>)>,
    valid: Vec<Valid>,
    selected: Option<Valid>,
}

/// An address from which a right check came.
#[derive(Clone, Copy, Debug)]
struct Valid {
    address: SocketAddr,
    priority: u32,
    heard: Instant,
}

/// What to do about a datagram.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Outcome {
    /// To be sent to where it came from.
    pub reply: Option<Vec<u8>>,
    /// Media goes here from now on.
    pub selected: Option<SocketAddr>,
}

impl IceLite {
    /// Waits for checks to `local` of the peer whose name is this.
    pub fn new(local: Credentials, remote: Option<String>) -> Self {
        Self { local, remote, before: None, valid: Vec::new(), selected: None }
    }

    /// A later offer or answer: other credentials are a restart (RFC 8445 §9), during which media stays where it goes.
    pub fn renegotiate(&mut self, local: Credentials, remote: Option<String>) {
        if local == self.local {
            self.remote = remote;
            return;
        }
        let local = std::mem::replace(&mut self.local, local);
        self.before = Some((local, std::mem::replace(&mut self.remote, remote)));
    }

    /// Whether a right check came from there.
    pub fn is_valid(&self, address: SocketAddr) -> bool {
        self.valid.iter().any(|valid| valid.address == address)
    }

    /// Where media goes: `None` before the peer has decided.
    pub fn selected(&self) -> Option<SocketAddr> {
        self.selected.map(|selected| selected.address)
    }

    /// When the peer last showed that it listens; `None` before it has.
    pub fn heard(&self) -> Option<Instant> {
        self.valid.iter().chain(&self.selected).map(|valid| valid.heard).max()
    }

    /// A datagram that may be a check.
    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) -> Outcome {
        if datagram.len() > CHECK_MAX {
            return Outcome::default();
        }
        let mut message = Message::new();
        if message.unmarshal_binary(datagram).is_err() || message.typ != BINDING_REQUEST || FINGERPRINT.check(&message).is_err() {
            return Outcome::default();
        }
        let Some(password) = self.authenticate(&mut message) else { return Outcome::default() };
        let check = match Check::read(&message) {
            Ok(check) => check,
            Err(refusal) => return Outcome { reply: refusal.write(&message, &password), selected: None },
        };
        let reply = write(BINDING_SUCCESS, &message, &[&XorMappedAddress { ip: from.ip(), port: from.port() }], &password);
        let valid = Valid { address: from, priority: check.priority, heard: now };
        self.keep(valid);
        Outcome { reply, selected: if check.nominates { self.select(valid) } else { None } }
    }

    /// The password that proves the message, if one of ours does.
    fn authenticate(&mut self, message: &mut Message) -> Option<String> {
        let provider = default_provider().expect("ring is compiled in");
        let name = attribute(message, ATTR_USERNAME)?.to_vec();
        let mut proves = |(local, remote): &(Credentials, Option<String>)| {
            let (ours, theirs) = std::str::from_utf8(&name).ok()?.split_once(':')?;
            let known = ours == local.name && remote.as_ref().is_none_or(|remote| remote == theirs);
            let proven = known && MessageIntegrity::check(message, local.password.as_bytes(), provider.crypto()).is_ok();
            proven.then(|| local.password.clone())
        };
        if let Some(password) = proves(&(self.local.clone(), self.remote.clone())) {
            // The peer knows of the restart.
            if self.before.take().is_some() {
                self.valid.clear();
                if let Some(selected) = &mut self.selected {
                    selected.priority = 0;
                }
            }
            return Some(password);
        }
        proves(self.before.as_ref()?)
    }

    fn keep(&mut self, valid: Valid) {
        if let Some(selected) = self.selected.as_mut().filter(|selected| selected.address == valid.address) {
            selected.heard = valid.heard;
        }
        self.valid.retain(|known| known.address != valid.address);
        if self.valid.len() == VALID_MAX {
            self.valid.remove(0);
        }
        self.valid.push(valid);
    }

    /// Of pairs that the peer names, the one of highest priority counts (RFC 5245 §8.1.1.2), and the later of equal ones.
    fn select(&mut self, valid: Valid) -> Option<SocketAddr> {
        let better = self.selected.is_none_or(|selected| {
            valid.priority >= selected.priority || valid.heard.saturating_duration_since(selected.heard) >= STALE
        });
        if !better {
            return None;
        }
        let before = self.selected.replace(valid);
        (before.map(|before| before.address) != Some(valid.address)).then_some(valid.address)
    }
}

/// The name of ours that a datagram is a check for, by its own word: legs that share a port are told apart by it, and the leg wants proof.
/// `None` of what is no check.
pub fn name_of(datagram: &[u8]) -> Option<&str> {
    let (header, mut attributes) = datagram.split_at_checked(HEADER)?;
    if header[..2] != REQUEST || header[4..8] != COOKIE || datagram.len() > CHECK_MAX {
        return None;
    }
    while let Some((head, rest)) = attributes.split_at_checked(4) {
        let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let value = rest.get(..length)?;
        if head[..2] == ATTR_USERNAME.value().to_be_bytes() {
            return Some(std::str::from_utf8(value).ok()?.split_once(':')?.0);
        }
        attributes = rest.get(length.next_multiple_of(4)..)?;
    }
    None
}

/// Octets before the attributes: type, length, cookie, transaction (RFC 8489 §5).
const HEADER: usize = 20;
/// The type of a binding request.
const REQUEST: [u8; 2] = [0, 1];
/// What tells STUN from all else.
const COOKIE: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];

/// What a check asks.
struct Check {
    priority: u32,
    nominates: bool,
}

/// What is wrong with a check whose sender is known.
enum Refusal {
    /// 400.
    NoPriority,
    /// 487: who has all its addresses tried is in control, and a lite agent tries none (RFC 8445 §6.1.1).
    RoleConflict,
    /// 420.
    Unknown(Vec<AttrType>),
}

impl Check {
    fn read(message: &Message) -> Result<Self, Refusal> {
        let understood = [ATTR_USERNAME, ATTR_PRIORITY, ATTR_USE_CANDIDATE];
        let required = proven(message).filter(|kind| !kind.optional() && !understood.contains(kind));
        let unknown: Vec<AttrType> = required.take(UNKNOWN_MAX).collect();
        if !unknown.is_empty() {
            return Err(Refusal::Unknown(unknown));
        }
        if proven(message).any(|kind| kind == ATTR_ICE_CONTROLLED) {
            return Err(Refusal::RoleConflict);
        }
        let priority = attribute(message, ATTR_PRIORITY).and_then(|octets| Some(u32::from_be_bytes(octets.try_into().ok()?)));
        let nominates = proven(message).any(|kind| kind == ATTR_USE_CANDIDATE);
        Ok(Self { priority: priority.ok_or(Refusal::NoPriority)?, nominates })
    }
}

impl Refusal {
    fn write(self, request: &Message, password: &str) -> Option<Vec<u8>> {
        let (code, reason) = match &self {
            Self::NoPriority => (400, "Bad Request"),
            Self::Unknown(_) => (420, "Unknown Attribute"),
            Self::RoleConflict => (487, "Role Conflict"),
        };
        let error = ErrorCodeAttribute { code: ErrorCode(code), reason: reason.into() };
        match self {
            Self::Unknown(kinds) => write(BINDING_ERROR, request, &[&error, &UnknownAttributes(kinds)], password),
            _ => write(BINDING_ERROR, request, &[&error], password),
        }
    }
}

/// Attributes that we say we do not know.
const UNKNOWN_MAX: usize = 8;

/// The attributes that the proof covers.
fn proven(message: &Message) -> impl Iterator<Item = AttrType> {
    message.attributes.0.iter().map(|attribute| attribute.typ).take_while(|kind| *kind != ATTR_MESSAGE_INTEGRITY)
}

fn attribute(message: &Message, kind: AttrType) -> Option<&[u8]> {
    debug_assert!(kind != ATTR_FINGERPRINT, "it comes after the proof");
    let mut covered = message.attributes.0.iter().take_while(|attribute| attribute.typ != ATTR_MESSAGE_INTEGRITY);
    covered.find(|attribute| attribute.typ == kind).map(|attribute| attribute.value.as_slice())
}

/// An answer, proven by the password that the request was.
fn write(kind: rtc_stun::message::MessageType, request: &Message, attributes: &[&dyn Setter], password: &str) -> Option<Vec<u8>> {
    let provider = default_provider().expect("ring is compiled in");
    let proof = MessageIntegrity::new_short_term_integrity_with_provider(password.to_owned(), provider.crypto());
    let mut message = Message::new();
    message.transaction_id = request.transaction_id;
    message.set_type(kind);
    message.write_header();
    let last: [&dyn Setter; 2] = [&proof, &FINGERPRINT];
    let done = attributes.iter().chain(&last).try_for_each(|attribute| attribute.add_to(&mut message));
    done.is_ok().then_some(message.raw)
}

#[cfg(test)]
mod tests;
