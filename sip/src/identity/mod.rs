//! Whether the caller's number is the caller's: the Identity header of an INVITE (STIR/SHAKEN; RFC 8224, 8225, 8226, 8588), checked and
//! made.
//!
//! It is pure: [`examine`] says what can be said without the signer's certificate, and names the URL it is at; whoever has a network
//! fetches it, and [`Pending::judge`] says the rest. Time, randomness and the operator's roots are arguments. [`decide`] tells by a
//! [`Policy`] what a [`Verdict`] means for the call.
//!
//! ```text
//! INVITE --examine--> Judged(verdict)
//!                 \-> Pending --certificate, or why there is none--> verdict --decide--> taken or refused
//! ```

mod carrier;
mod certificate;
mod number;
mod party;
mod passport;
mod policy;
mod sign;
mod verdict;

#[cfg(test)]
mod tests;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::message::{Request, name};
use party::Parties;
use passport::{Passport, Read};

pub use carrier::CarrierWord;
pub use certificate::{Roots, RootsError};
pub use number::without_parameters;
pub use policy::{Policy, Refusal, decide};
pub use sign::{Random, Signed, Signer, SignerError};
pub use verdict::{Attestation, Outcome, Reason, Subject, Verdict};

/// Identity headers that are looked at: a call that was diverted a few times has one for each, and a name's beside them.
const HEADERS_MAX: usize = 8;

/// The longest Identity header that is looked at, in bytes: one of SHAKEN has about 700.
const HEADER_BYTES_MAX: usize = 4096;

/// What an operator may set.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rules {
    /// How far a signature's time may be from ours, both ways; default 60 s (RFC 8224 §6.2).
    pub freshness: Duration,
    /// Digits that a number without `+` may lack at its beginning; default none.
    pub country_code: String,
}

impl Default for Rules {
    fn default() -> Self {
        Self { freshness: Duration::from_secs(60), country_code: String::new() }
    }
}

/// What the INVITE alone tells.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Examined {
    /// All there is to say.
    Judged(Verdict),
    /// The rest depends on the signer's certificate.
    Pending(Box<Pending>),
}

/// A signature whose claims hold, if it is one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pending {
    passport: Passport,
    passed: Verdict,
}

/// Looks at an INVITE. Of several Identity headers the first of SHAKEN whose claims hold is judged, or else the first of the base form
/// (RFC 8225); others, such as `div` and `rcd`, are only noted.
pub fn examine(invite: &Request, now: SystemTime, rules: &Rules) -> Examined {
    let carrier = CarrierWord::of(&invite.headers);
    let none = Verdict { carrier, ..Verdict::default() };
    let values: Vec<&str> = invite.headers.list(name::IDENTITY).take(HEADERS_MAX).collect();
    if values.is_empty() {
        return Examined::Judged(none);
    }
    let parties = Parties::of(invite, &rules.country_code);
    let mut noted = Vec::new();
    let mut found: Vec<(bool, Result<Passport, Reason>)> = Vec::new();
    for value in values {
        match passport::read(value, &parties) {
            Read::Other(kind) => noted.push(kind),
            Read::Base(passport) => found.push((false, passport)),
            Read::Shaken(passport) => found.push((true, passport)),
        }
    }
    // The sort is stable: of each kind the first comes first.
    found.sort_by_key(|(shaken, _)| !shaken);
    let none = Verdict { noted, ..none };
    let mut failed = None;
    for (_, passport) in found {
        let held = passport.and_then(|passport| {
            let subject = check(&passport, &parties, now, rules)?;
            Ok((passport, subject))
        });
        match held {
            Ok((passport, subject)) => {
                let passed = Verdict {
                    outcome: Outcome::Passed,
                    attestation: passport.claims.attestation,
                    origid: passport.claims.origid.clone(),
                    subject,
                    ..none
                };
                return Examined::Pending(Box::new(Pending { passport, passed }));
            }
            Err(reason) => _ = failed.get_or_insert(reason),
        }
    }
    Examined::Judged(match failed {
        Some(reason) => none.because(reason),
        None => none,
    })
}

/// Whether the claims are about this call, now.
fn check(passport: &Passport, parties: &Parties, now: SystemTime, rules: &Rules) -> Result<Subject, Reason> {
    let claims = &passport.claims;
    if seconds(now).abs_diff(claims.at) > rules.freshness.as_secs() {
        return Err(Reason::Stale);
    }
    let subject = parties.caller_in(&claims.caller).ok_or(Reason::CallerMismatch)?;
    if !parties.called_in(&claims.called) {
        return Err(Reason::CalleeMismatch);
    }
    Ok(subject)
}

impl Pending {
    /// Where the signer's certificate is: an https URL.
    pub fn url(&self) -> &str {
        &self.passport.url
    }

    /// The verdict, by what is at the URL: a chain in PEM, or one certificate in DER; or by why nothing came.
    pub fn judge(self, certificate: Result<&[u8], Reason>, roots: &Roots, now: SystemTime) -> Verdict {
        match self.check(certificate, roots, now) {
            Ok(provider) => Verdict { provider, ..self.passed },
            Err(reason) => self.passed.because(reason),
        }
    }

    /// The verdict when it is too late for any other, or when there are no roots to judge by.
    pub fn unverifiable(&self, reason: Reason) -> Verdict {
        self.passed.clone().because(reason)
    }

    /// The provider that the certificate names.
    fn check(&self, certificate: Result<&[u8], Reason>, roots: &Roots, now: SystemTime) -> Result<Option<String>, Reason> {
        let credential = certificate::trusted(certificate?, roots, now)?;
        if !credential.signed(&self.passport.signed, &self.passport.signature) {
            return Err(Reason::Signature);
        }
        if !self.passport.claims.caller.numbers.iter().all(|number| credential.scope.covers(number)) {
            return Err(Reason::NumberNotCovered);
        }
        Ok(credential.scope.provider)
    }
}

/// Seconds since 1970; 0 before.
fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
