//! What came of a check.

use super::CarrierWord;

/// How far the signer vouches for the caller (RFC 8588 §4).
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Attestation {
    /// C: only where the call came in is known.
    Gateway,
    /// B: the customer is known, the right to the number is not.
    Partial,
    /// A: the customer is known, and may use the number.
    Full,
}

impl Attestation {
    /// Its letter: A, B or C.
    pub fn letter(self) -> &'static str {
        match self {
            Self::Full => "A",
            Self::Partial => "B",
            Self::Gateway => "C",
        }
    }

    /// The one of this letter.
    pub fn of_letter(letter: &str) -> Option<Self> {
        [Self::Full, Self::Partial, Self::Gateway].into_iter().find(|attestation| attestation.letter() == letter)
    }
}

/// What came of the check, in one word.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Outcome {
    /// Signed by whom the operator trusts, and about this call.
    Passed,
    /// There is a signature, and it does not hold.
    Failed,
    /// There is no signature.
    #[default]
    None,
    /// There is a signature, and we could not check it.
    Unverifiable,
}

impl Outcome {
    /// The word in records and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::None => "none",
            Self::Unverifiable => "unverifiable",
        }
    }
}

/// Whose number was signed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Subject {
    /// That of the From, which is the number that we show.
    #[default]
    From,
    /// That of the P-Asserted-Identity; the From has another, or none.
    Asserted,
}

/// Why a check did not pass.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reason {
    /// What is at the URL is no certificate.
    BadCertificate,
    /// `info` is no https URL, is not the one that was signed, or leads where none may.
    BadUrl,
    /// The called number is not the one that was signed.
    CalleeMismatch,
    /// The calling number is not the one that was signed.
    CallerMismatch,
    /// The certificate, or one above it, is not valid now.
    Expired,
    /// The certificate is not for signing.
    KeyUsage,
    /// The certificate did not come in time.
    Late,
    /// The header does not read as RFC 8224 and RFC 8588 have it.
    Malformed,
    /// The certificate is only for other numbers (RFC 8226).
    NumberNotCovered,
    /// The operator gave no roots.
    NoRoots,
    /// The certificate could not be fetched.
    NotFetched,
    /// The signature is not of the certificate's key.
    Signature,
    /// It was signed too long ago, or will be.
    Stale,
    /// No chain leads from the certificate to the operator's roots.
    Untrusted,
    /// An algorithm that is not ES256, or a key that is not of P-256.
    Unsupported,
}

impl Reason {
    /// The word in records and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BadCertificate => "bad_certificate",
            Self::BadUrl => "bad_url",
            Self::CalleeMismatch => "callee_mismatch",
            Self::CallerMismatch => "caller_mismatch",
            Self::Expired => "expired",
            Self::KeyUsage => "key_usage",
            Self::Late => "late",
            Self::Malformed => "malformed",
            Self::NumberNotCovered => "number_not_covered",
            Self::NoRoots => "no_roots",
            Self::NotFetched => "not_fetched",
            Self::Signature => "bad_signature",
            Self::Stale => "stale",
            Self::Untrusted => "untrusted",
            Self::Unsupported => "unsupported",
        }
    }

    fn outcome(self) -> Outcome {
        match self {
            Self::Late | Self::NoRoots | Self::NotFetched => Outcome::Unverifiable,
            _ => Outcome::Failed,
        }
    }
}

/// What is known of the caller's number.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Verdict {
    /// In one word.
    pub outcome: Outcome,
    /// How far the signer vouches; only with [`Outcome::Passed`], and not of the base form.
    pub attestation: Option<Attestation>,
    /// Why it did not pass.
    pub reason: Option<Reason>,
    /// The signer's name for where the call came in, a UUID; only with [`Outcome::Passed`].
    pub origid: Option<String>,
    /// The signer's service provider code (RFC 8226), where its certificate has one.
    pub provider: Option<String>,
    /// Whose number was signed.
    pub subject: Subject,
    /// Kinds of other Identity headers, `div` and `rcd` say, which are not judged.
    pub noted: Vec<String>,
    /// What the peer says that it found (`verstat`).
    pub carrier: Option<CarrierWord>,
}

impl Verdict {
    /// The same when it did not pass: nothing that was claimed is kept.
    pub(super) fn because(self, reason: Reason) -> Self {
        let Self { noted, carrier, .. } = self;
        Self { outcome: reason.outcome(), reason: Some(reason), noted, carrier, ..Self::default() }
    }

    /// Whether there is nothing at all to tell.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
