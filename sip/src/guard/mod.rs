//! The front door: which messages are worth reading, judged by their source and a glance at them.
//!
//! ```text
//! message ── of a call that is up ──────────────────────────────► passes, whatever comes with it
//!        └── stranger: scanner's name, or silenced ─────────────► nothing
//!                      probe (OPTIONS, REGISTER, nonsense ...) ─► passes; after N of them the source is silenced
//!                      new call ── within its source's rate ────► passes
//!                               └─ above it ────────────────────► 503 with Retry-After, and above that nothing
//! ```
//! Known sources (trunks, this machine) are no scanners, and have a rate of their own. A source is an IPv4 address, or the first 64 bits
//! of an IPv6 one.

mod bucket;
mod glance;
mod network;
mod sources;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

pub use network::{Network, NotANetwork};

use bucket::Bucket;
use glance::Glance;
use sources::Sources;

/// What a source may do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GuardConfig {
    /// Who is no stranger.
    pub known: Vec<Network>,
    /// New calls a second from a stranger; twice as many at once.
    pub calls_per_source: u32,
    /// New calls a second from a known source; twice as many at once.
    pub calls_per_known_source: u32,
    /// Requests of a stranger that lead to no call, before it is silenced; one is forgotten each [`PROBE_FORGOTTEN`].
    pub probes: u32,
    /// For how long a source gets no answer.
    pub silence: Duration,
}

impl Default for GuardConfig {
    /// As `config/offhook.toml` has it.
    fn default() -> Self {
        let loopback = [Network::new([127, 0, 0, 0].into(), 8), Network::new(std::net::Ipv6Addr::LOCALHOST.into(), 128)];
        Self {
            known: loopback.into(),
            calls_per_source: 50,
            calls_per_known_source: 1_000,
            probes: 20,
            silence: Duration::from_secs(300),
        }
    }
}

/// A carrier that asks by OPTIONS whether we are there does so each 20-60 s.
pub const PROBE_FORGOTTEN: Duration = Duration::from_secs(10);

/// Messages other than new calls that a source may send for each new call: ACK, BYE, CANCEL, and all of it twice.
pub const MESSAGES_PER_CALL: u32 = 10;

/// 503s a second in all: each costs the reading of a message. What is above is dropped, and comes again.
pub const SHED_PER_SECOND: u32 = 100;

/// Sources remembered: 8,192 of now and as many of before, some 100 bytes each.
pub const SOURCES_MAX: usize = 8_192;

/// What to do with a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// Read it.
    Pass,
    /// Answer its INVITE with 503 and Retry-After, and forget it.
    Shed,
    /// Neither read nor answer it.
    Drop(Unwanted),
}

/// Why a message was dropped.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Unwanted {
    /// New calls above what 503 could be said to.
    CallFlood,
    /// Other messages above ten times the rate of calls.
    MessageFlood,
    /// Its sender names a program that looks for open servers.
    Scanner,
    /// Its source asked too much before.
    Silenced,
}

/// The judge. Time is an argument; one verdict a message.
#[derive(Debug)]
pub struct Guard {
    config: GuardConfig,
    /// Call-IDs of calls that are up, with the number of their dialogs.
    calls: HashMap<String, u32>,
    sources: Sources,
    shed: Bucket,
}

impl Guard {
    /// Knows nobody yet.
    pub fn new(now: Instant, config: GuardConfig) -> Self {
        Self { config, calls: HashMap::new(), sources: Sources::new(SOURCES_MAX), shed: Bucket::full(now) }
    }

    /// A dialog with this Call-ID is up: what belongs to it passes from now on.
    pub fn learn_call(&mut self, call_id: &str) {
        *self.calls.entry(call_id.to_owned()).or_default() += 1;
    }

    /// It is over.
    pub fn forget_call(&mut self, call_id: &str) {
        if let Some(dialogs) = self.calls.get_mut(call_id) {
            *dialogs -= 1;
            if *dialogs == 0 {
                self.calls.remove(call_id);
            }
        }
    }

    /// A call that passed was for nobody here: for a stranger it counts as a probe.
    pub fn count_probe(&mut self, now: Instant, address: IpAddr) {
        if !self.is_known(address) {
            self.sources.find(now, source_of(address)).probe(now, &self.config);
        }
    }

    /// Judges one message: a datagram, or one that was cut from a stream.
    pub fn judge(&mut self, now: Instant, address: IpAddr, message: &[u8]) -> Verdict {
        let glance = Glance::at(message);
        if glance.call_id.is_some_and(|call_id| self.calls.contains_key(call_id)) {
            return Verdict::Pass;
        }
        let known = self.is_known(address);
        let source = self.sources.find(now, source_of(address));
        if !known {
            if source.is_silenced(now) {
                return Verdict::Drop(Unwanted::Silenced);
            }
            if glance.is_scanner() {
                source.silence(now, &self.config);
                return Verdict::Drop(Unwanted::Scanner);
            }
        }
        let rate = if known { self.config.calls_per_known_source } else { self.config.calls_per_source };
        if glance.method == b"INVITE" {
            return match source.calls.take(now, rate) {
                true => Verdict::Pass,
                false if source.refusals.take(now, rate) && self.shed.take(now, SHED_PER_SECOND) => Verdict::Shed,
                false => Verdict::Drop(Unwanted::CallFlood),
            };
        }
        if !source.messages.take(now, rate.saturating_mul(MESSAGES_PER_CALL)) {
            return Verdict::Drop(Unwanted::MessageFlood);
        }
        // The last one that is answered is the Nth.
        if !known && glance.is_probe() {
            source.probe(now, &self.config);
        }
        Verdict::Pass
    }

    fn is_known(&self, address: IpAddr) -> bool {
        self.config.known.iter().any(|network| network.contains(address))
    }
}

/// Whoever has one IPv6 address has its whole network of 64 bits.
pub fn source_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => std::net::Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        address @ IpAddr::V4(_) => address,
    }
}
