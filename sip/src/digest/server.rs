//! Who challenges.
//!
//! A nonce is `time, number, HMAC of both`: nothing is kept of it until somebody has shown a right password with it. Then its count is,
//! so that the same answer is not taken twice; who has no password cannot fill that table.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use super::fields::Fields;
use super::{Algorithm, Credentials, Proof, hexadecimal};
use crate::message::{Request, name};

/// Nonces in use whose counts are kept: 13 new ones a second for `LIFETIME`. Past it the oldest one is stale before its time.
pub const NONCES_MAX: usize = 4_096;

/// How long a nonce may be used: longer than a caller takes to answer, short enough that what was overheard is soon worthless.
const LIFETIME: Duration = Duration::from_secs(300);

/// Counts that may come late, behind the highest one: requests on UDP overtake each other.
const WINDOW: u32 = 64;

/// Why a request is not let in. It is challenged again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// It brings no answer to a challenge of ours, as every first request.
    Missing,
    /// Its answer has been used already.
    Replayed,
    /// Its answer is right, and the nonce is too old.
    Stale,
    /// Its answer is wrong: the name, the password, or what was hashed.
    Wrong,
}

/// Makes challenges and checks the answers. Pure: time is an argument, the key comes from outside.
pub struct DigestServer {
    key: [u8; 32],
    /// Times in nonces count from here.
    epoch: Instant,
    last_number: u64,
    /// The counts of nonces in use, the oldest first.
    counts: BTreeMap<Nonce, Counts>,
    /// Nonces up to this one are stale: the table was full.
    forgotten: Option<Nonce>,
}

/// What a nonce of ours says: milliseconds since the epoch, and a number.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Nonce {
    issued: u64,
    number: u64,
}

/// The counts that were used with one nonce.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    highest: u32,
    /// Bit `n`: `highest - n` was there.
    seen: u64,
}

impl DigestServer {
    /// One whose nonces nobody else can make: `key` is random.
    pub fn new(now: Instant, key: [u8; 32]) -> Self {
        Self { key, epoch: now, last_number: 0, counts: BTreeMap::new(), forgotten: None }
    }

    /// The values of WWW-Authenticate, in this order of algorithms, all with one nonce.
    pub fn challenge(&mut self, now: Instant, realm: &str, algorithms: &[Algorithm], refusal: Refusal) -> Vec<String> {
        self.last_number += 1;
        let nonce = self.write(Nonce { issued: self.millis(now), number: self.last_number });
        let stale = if refusal == Refusal::Stale { ", stale=true" } else { "" };
        let one = |algorithm: &Algorithm| {
            let name = algorithm.name();
            format!("Digest realm=\"{realm}\", nonce=\"{nonce}\", algorithm={name}, qop=\"auth\"{stale}")
        };
        algorithms.iter().map(one).collect()
    }

    /// Whose request it is: the name whose password it shows. `find` gives the credentials of a name in that realm.
    ///
    /// # Errors
    /// When it is nobody's: challenge it with the refusal.
    pub fn check<'c>(
        &mut self,
        now: Instant,
        realm: &str,
        request: &Request,
        find: impl Fn(&str) -> Option<&'c Credentials>,
    ) -> Result<&'c Credentials, Refusal> {
        let answers = request.headers.get_all(name::AUTHORIZATION).filter_map(Fields::parse);
        let fields = answers.into_iter().find(|fields| fields.get("realm") == Some(realm)).ok_or(Refusal::Missing)?;
        let answer = Answer::read(&fields).ok_or(Refusal::Wrong)?;
        let known = find(answer.username);
        let nobody = Credentials::new(answer.username, "");
        // The same work for a name that nobody has.
        let response = answer.response(realm, request, known.unwrap_or(&nobody));
        let right = bool::from(response.as_bytes().ct_eq(answer.response.to_ascii_lowercase().as_bytes()));
        let known = known.filter(|_| right && answer.is_for(request)).ok_or(Refusal::Wrong)?;
        let nonce = self.read(answer.nonce).filter(|nonce| self.is_fresh(now, *nonce)).ok_or(Refusal::Stale)?;
        self.count(now, nonce, answer.count)?;
        Ok(known)
    }

    fn is_fresh(&self, now: Instant, nonce: Nonce) -> bool {
        let age = self.millis(now).saturating_sub(nonce.issued);
        u128::from(age) < LIFETIME.as_millis() && self.forgotten.is_none_or(|forgotten| nonce > forgotten)
    }

    fn count(&mut self, now: Instant, nonce: Nonce, count: u32) -> Result<(), Refusal> {
        if !self.counts.contains_key(&nonce) {
            while let Some((oldest, _)) = self.counts.first_key_value() {
                let oldest = *oldest;
                if self.is_fresh(now, oldest) && self.counts.len() < NONCES_MAX {
                    break;
                }
                if self.is_fresh(now, oldest) {
                    self.forgotten = Some(oldest);
                }
                self.counts.remove(&oldest);
            }
            // It may be what was just forgotten.
            if !self.is_fresh(now, nonce) {
                return Err(Refusal::Stale);
            }
        }
        let counts = self.counts.entry(nonce).or_default();
        if counts.take(count) { Ok(()) } else { Err(Refusal::Replayed) }
    }

    fn millis(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.epoch).as_millis()).unwrap_or(u64::MAX)
    }

    fn write(&self, nonce: Nonce) -> String {
        let Nonce { issued, number } = nonce;
        let text = format!("{issued:016x}{number:016x}");
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes a key of any length");
        mac.update(text.as_bytes());
        // 128 bits are beyond guessing.
        let seal = hexadecimal(&mac.finalize().into_bytes()[..16]);
        text + &seal
    }

    /// `None` for one that is not ours, of another run say.
    fn read(&self, text: &str) -> Option<Nonce> {
        let field = |range| u64::from_str_radix(text.get(range)?, 16).ok();
        let nonce = Nonce { issued: field(0..16)?, number: field(16..32)? };
        bool::from(self.write(nonce).as_bytes().ct_eq(text.as_bytes())).then_some(nonce)
    }
}

impl std::fmt::Debug for DigestServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DigestServer").field("nonces", &self.counts.len()).finish_non_exhaustive()
    }
}

impl Counts {
    /// Notes a count; false when it was there, or may have been.
    fn take(&mut self, count: u32) -> bool {
        if count > self.highest {
            let shift = count - self.highest;
            self.seen = if shift < WINDOW { self.seen << shift | 1 } else { 1 };
            self.highest = count;
            return count > 0;
        }
        let behind = self.highest - count;
        let fresh = count > 0 && behind < WINDOW && self.seen & (1 << behind) == 0;
        if fresh {
            self.seen |= 1 << behind;
        }
        fresh
    }
}

/// The answer to a challenge, as it came.
struct Answer<'a> {
    username: &'a str,
    nonce: &'a str,
    uri: &'a str,
    response: &'a str,
    algorithm: Algorithm,
    cnonce: &'a str,
    written_count: &'a str,
    count: u32,
}

impl<'a> Answer<'a> {
    /// `None` without `qop=auth`: what is not counted could be used again.
    fn read(fields: &Fields<'a>) -> Option<Self> {
        let written_count = fields.get("nc").filter(|count| count.len() == 8)?;
        fields.get("qop").filter(|qop| qop.eq_ignore_ascii_case("auth"))?;
        Some(Self {
            username: fields.get("username")?,
            nonce: fields.get("nonce")?,
            uri: fields.get("uri")?,
            response: fields.get("response")?,
            algorithm: fields.get("algorithm").map_or(Some(Algorithm::Md5), Algorithm::read)?,
            cnonce: fields.get("cnonce")?,
            written_count,
            count: u32::from_str_radix(written_count, 16).ok()?,
        })
    }

    fn response(&self, realm: &str, request: &Request, credentials: &Credentials) -> String {
        let Self { nonce, uri, algorithm, .. } = *self;
        let method = request.method.to_string();
        let counted = Some((self.written_count, self.cnonce));
        Proof { algorithm, realm, nonce, counted, method: &method, uri }.response(credentials)
    }

    /// Whether it was made for this request. Proxies rewrite hosts, and SIPp leaves the user out; another user is another number, which
    /// somebody else would pay for.
    fn is_for(&self, request: &Request) -> bool {
        let meant = self.uri.parse::<crate::uri::Uri>().ok();
        let meant = meant.as_ref().and_then(|uri| uri.user());
        meant.is_none() || meant == request.uri.user()
    }
}
