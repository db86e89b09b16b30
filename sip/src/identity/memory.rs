//! What was signed and seen: a copy of a signed call is not the call (RFC 8224 §12.1).
//!
//! Known by what was signed and by the signature's r: whoever has seen a signature can make another valid s of it, and nothing else.
//! Only what has passed is remembered, so nobody without a good certificate can fill the table.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};

use super::{Pending, Rules, seconds};
use crate::message::Request;

/// Signatures kept: 500 calls a second for the two minutes that the usual freshness of 60 s, ahead and behind, can be. The ones that
/// end first go, and could be used again then.
pub const SEEN_MAX: usize = 65_536;

/// Octets of r.
const R_BYTES: usize = 32;

/// A signature, and the call that it came with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Sighting {
    key: [u8; 32],
    /// When it is too old in any case, in seconds since 1970.
    until: u64,
    /// Who called, in which Call-ID.
    call: [u8; 32],
    cseq: u32,
}

/// Signatures that have passed. Pure: time is an argument.
#[derive(Debug, Default)]
pub struct Memory {
    seen: HashMap<[u8; 32], Sighting>,
    /// By their ends.
    ends: BTreeSet<(u64, [u8; 32])>,
}

impl Pending {
    /// What is to be remembered of it if it passes. `source` is where the INVITE came from.
    pub fn sighting(&self, invite: &Request, source: IpAddr, rules: &Rules) -> Sighting {
        let r = &self.passport.signature[..R_BYTES.min(self.passport.signature.len())];
        let from = invite.headers.from().ok();
        let tag = from.as_ref().and_then(|from| from.params.get("tag")).unwrap_or_default();
        let call_id = invite.headers.call_id().unwrap_or_default();
        let source = source.to_string();
        Sighting {
            key: hash(&[self.passport.signed.as_bytes(), r]),
            until: self.passport.claims.at.saturating_add(rules.freshness.as_secs()),
            call: hash(&[source.as_bytes(), call_id.as_bytes(), tag.as_bytes()]),
            cseq: invite.headers.cseq().map_or(0, |cseq| cseq.number),
        }
    }
}

impl Memory {
    /// Notes what has passed. False for what was there before, unless the same peer asks again in the same call (another offer, after a
    /// refusal), which has a higher CSeq.
    pub fn take(&mut self, now: SystemTime, sighting: Sighting) -> bool {
        let now = seconds(now);
        while let Some((until, key)) = self.ends.first().copied().filter(|(until, _)| *until < now || self.ends.len() >= SEEN_MAX)
        {
            self.ends.remove(&(until, key));
            self.seen.remove(&key);
        }
        match self.seen.get_mut(&sighting.key) {
            Some(before) if before.call == sighting.call && before.cseq < sighting.cseq => before.cseq = sighting.cseq,
            Some(_) => return false,
            None => {
                self.ends.insert((sighting.until, sighting.key));
                self.seen.insert(sighting.key, sighting);
            }
        }
        true
    }
}

/// Of parts that cannot run into each other.
fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn sighting(key: usize, until: u64, call: u8, cseq: u32) -> Sighting {
        Sighting { key: hash(&[&key.to_be_bytes()]), until, call: [call; 32], cseq }
    }

    fn take(memory: &mut Memory, now: u64, sighting: Sighting) -> bool {
        memory.take(UNIX_EPOCH + Duration::from_secs(now), sighting)
    }

    #[test]
    fn a_signature_counts_once() {
        let mut memory = Memory::default();
        assert!(take(&mut memory, 100, sighting(1, 160, 1, 7)));
        assert!(!take(&mut memory, 100, sighting(1, 160, 1, 7)), "the same again");
        assert!(!take(&mut memory, 160, sighting(1, 160, 2, 8)), "another call, or another peer");
        assert!(take(&mut memory, 160, sighting(1, 160, 1, 8)), "the same call, asked again");
        assert!(!take(&mut memory, 160, sighting(1, 160, 1, 8)), "and that counts once too");
        assert!(take(&mut memory, 160, sighting(2, 161, 1, 8)));
    }

    #[test]
    fn what_is_too_old_anyway_is_forgotten() {
        let mut memory = Memory::default();
        assert!(take(&mut memory, 100, sighting(1, 160, 1, 1)));
        assert!(take(&mut memory, 161, sighting(2, 200, 1, 1)));
        assert_eq!((memory.seen.len(), memory.ends.len()), (1, 1));
    }

    #[test]
    fn a_full_memory_forgets_what_ends_first() {
        let mut memory = Memory::default();
        for number in 0..SEEN_MAX + 2 {
            assert!(take(&mut memory, 0, sighting(number, 1 + number as u64, 1, 1)));
        }
        assert_eq!(memory.seen.len(), memory.ends.len());
        assert!(memory.seen.len() <= SEEN_MAX);
        assert!(!take(&mut memory, 0, sighting(SEEN_MAX + 1, 9_999_999, 1, 1)));
        assert!(take(&mut memory, 0, sighting(0, 9_999_999, 1, 1)), "forgotten");
    }
}
