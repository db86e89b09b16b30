//! What a verdict means for the call.

use crate::message::StatusCode;

use super::{Attestation, Outcome, Reason, Verdict};

/// What callers must show.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Policy {
    /// Nothing is looked at.
    #[default]
    Off,
    /// What is found is told, and every call is taken.
    Note,
    /// Calls without a signature that passes with at least this attestation are refused.
    Require(Attestation),
}

/// How a call is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// The status (RFC 8224 §6.2.2).
    pub status: StatusCode,
    /// Its words there.
    pub phrase: &'static str,
}

/// Whether a call with this verdict is taken.
///
/// # Errors
/// How it is refused.
pub fn decide(policy: Policy, verdict: &Verdict) -> Result<(), Refusal> {
    let Policy::Require(minimum) = policy else { return Ok(()) };
    let (status, phrase) = match (verdict.outcome, verdict.reason) {
        (Outcome::Passed, _) if verdict.attestation.is_some_and(|attestation| attestation >= minimum) => return Ok(()),
        (Outcome::Passed, _) => (StatusCode::FORBIDDEN, "Attestation Too Low"),
        (Outcome::None, _) => (StatusCode::USE_IDENTITY_HEADER, "Use Identity Header"),
        (_, Some(Reason::Stale)) => (StatusCode::FORBIDDEN, "Stale Date"),
        (_, Some(Reason::BadUrl | Reason::Late | Reason::NoRoots | Reason::NotFetched)) => {
            (StatusCode::BAD_IDENTITY_INFO, "Bad Identity Info")
        }
        (
            _,
            Some(
                Reason::BadCertificate
                | Reason::Expired
                | Reason::KeyUsage
                | Reason::NumberNotCovered
                | Reason::Untrusted
                | Reason::Unsupported,
            ),
        ) => (StatusCode::UNSUPPORTED_CREDENTIAL, "Unsupported Credential"),
        (_, None | Some(Reason::CalleeMismatch | Reason::CallerMismatch | Reason::Malformed | Reason::Signature)) => {
            (StatusCode::INVALID_IDENTITY_HEADER, "Invalid Identity Header")
        }
    };
    Err(Refusal { status, phrase })
}
