//! Who calls: a trunk by its certificate, its address or its password, or a stranger.
//!
//! ```text
//! certificate name -> address, the narrowest network first -> password, where one is asked for
//! ```
//! A trunk that has both networks and a password must show both. Without any trunk on the node everybody is let in.

use std::net::IpAddr;
use std::time::Instant;

use sip::digest::{Algorithm, DigestServer, Refusal};
use sip::message::Request;

use super::config::TrunkConfig;

/// What callers are asked for a password of.
pub const REALM: &str = "offhook";

/// What is decided of an INVITE.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Entry {
    /// It must show a password: these are the values of WWW-Authenticate.
    Challenged(Vec<String>),
    /// It is a trunk's, by its place in the list, or a stranger's who is let in.
    Open(Option<usize>),
    /// It is refused, for the reason that is counted.
    Shut(&'static str),
}

/// Who is at the door.
#[derive(Clone, Copy, Debug)]
pub struct Visitor<'a> {
    /// Where the INVITE came from.
    pub source: IpAddr,
    /// Names in the certificate that the connection showed.
    pub certificate_names: &'a [String],
    /// The INVITE.
    pub invite: &'a Request,
}

/// Decides who is let in. Pure: time is an argument.
#[derive(Debug)]
pub struct Door {
    digest: DigestServer,
    /// Whether strangers are let in though there are trunks.
    accept_unknown: bool,
}

impl Door {
    /// `key` is random: whoever knows it can make challenges of ours.
    pub fn new(now: Instant, key: [u8; 32], accept_unknown: bool) -> Self {
        Self { digest: DigestServer::new(now, key), accept_unknown }
    }

    /// Judges one INVITE.
    pub fn judge<'t>(
        &mut self,
        now: Instant,
        trunks: impl Iterator<Item = &'t TrunkConfig> + Clone,
        visitor: Visitor<'_>,
    ) -> Entry {
        let trunks: Vec<&TrunkConfig> = trunks.collect();
        let known = by_connection(&trunks, visitor);
        let asked: Vec<usize> = match known {
            Some(trunk) if trunks[trunk].inbound.digest.is_none() => return Entry::Open(Some(trunk)),
            Some(trunk) => vec![trunk],
            None => (0..trunks.len()).filter(|trunk| by_password_alone(trunks[*trunk])).collect(),
        };
        if asked.is_empty() {
            return match self.accept_unknown || trunks.is_empty() {
                true => Entry::Open(None),
                false => Entry::Shut("unknown_peer"),
            };
        }
        let digests = || asked.iter().filter_map(|trunk| trunks[*trunk].inbound.digest.as_ref().map(|digest| (*trunk, digest)));
        let find = |name: &str| digests().map(|(_, digest)| &digest.credentials).find(|known| known.username() == name);
        match self.digest.check(now, REALM, visitor.invite, find) {
            Ok(shown) => Entry::Open(digests().find(|(_, digest)| digest.credentials == *shown).map(|(trunk, _)| trunk)),
            // A node that takes strangers cannot tell one from a trunk that has not been challenged yet; who tried a password is one.
            Err(Refusal::Missing) if self.accept_unknown && known.is_none() => Entry::Open(None),
            Err(refusal) => {
                let mut algorithms: Vec<Algorithm> = Vec::new();
                for algorithm in digests().flat_map(|(_, digest)| &digest.algorithms) {
                    if !algorithms.contains(algorithm) {
                        algorithms.push(*algorithm);
                    }
                }
                Entry::Challenged(self.digest.challenge(now, REALM, &algorithms, refusal))
            }
        }
    }
}

fn by_password_alone(trunk: &TrunkConfig) -> bool {
    let inbound = &trunk.inbound;
    inbound.digest.is_some() && inbound.networks.is_empty() && inbound.certificate_names.is_empty()
}

fn by_connection(trunks: &[&TrunkConfig], visitor: Visitor<'_>) -> Option<usize> {
    let by_certificate = |trunk: &&TrunkConfig| {
        let names = &trunk.inbound.certificate_names;
        names.iter().any(|name| visitor.certificate_names.iter().any(|shown| shown.eq_ignore_ascii_case(name)))
    };
    let narrowest = |trunk: &TrunkConfig| {
        let holding = trunk.inbound.networks.iter().filter(|network| network.contains(visitor.source));
        holding.map(|network| network.bits()).max()
    };
    let placed = |trunk: &&TrunkConfig| trunk.inbound.networks.is_empty() || narrowest(trunk).is_some();
    let certified = trunks.iter().position(|trunk| by_certificate(trunk) && placed(trunk));
    certified.or_else(|| {
        let uncertified = trunks.iter().enumerate().filter(|(_, trunk)| trunk.inbound.certificate_names.is_empty());
        let found = uncertified.filter_map(|(index, trunk)| Some((narrowest(trunk)?, index)));
        // Of two with the same network the first.
        found.max_by_key(|(bits, index)| (*bits, std::cmp::Reverse(*index))).map(|(_, index)| index)
    })
}

#[cfg(test)]
mod tests;
