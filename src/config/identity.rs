//! The section `[identity]`: whether callers' numbers are theirs (STIR/SHAKEN), and how ours are signed.

use std::path::PathBuf;
use std::time::Duration;

use super::reader::Section;

/// The most digits of a country's code (ITU-T E.164).
const COUNTRY_CODE_MAX: usize = 3;

/// `[identity]`.
#[derive(Clone, Debug, PartialEq)]
pub struct IdentityConfig {
    /// What callers must show, default note.
    pub policy: IdentityPolicy,
    /// What a required signature must attest at least, default C: anything.
    pub minimum_attestation: AttestationName,
    /// PEM file of those who may certify signers; default none, and nothing is verified.
    pub roots: Option<PathBuf>,
    /// How old a signature may be, 1-3600 s, default 60.
    pub freshness: Duration,
    /// How long a call waits for its signer's certificate, 0-5000 ms, default 1000.
    pub wait: Duration,
    /// What numbers without + lack, default nothing.
    pub country_code: Option<String>,
    /// Whether certificates may come from this machine and private networks, and from any port; default false.
    pub allow_private_urls: bool,
    /// Our key; default none, and calls of ours are not signed.
    pub signing: Option<IdentitySigning>,
}

/// How calls of ours are signed.
#[derive(Clone, Debug, PartialEq)]
pub struct IdentitySigning {
    /// PEM file of the key.
    pub key: PathBuf,
    /// Where others find its certificate.
    pub certificate_url: String,
    /// How far we vouch, default B.
    pub attestation: AttestationName,
}

/// What callers must show.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum IdentityPolicy {
    /// Nothing is looked at.
    Off,
    /// It is noted.
    Note,
    /// A signature that passes.
    Require,
}

/// An attestation by its letter.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AttestationName {
    /// Customer and number.
    A,
    /// Customer.
    B,
    /// Neither.
    C,
}

const POLICIES: [(&str, IdentityPolicy); 3] =
    [("off", IdentityPolicy::Off), ("note", IdentityPolicy::Note), ("require", IdentityPolicy::Require)];

const LETTERS: [(&str, AttestationName); 3] = [("A", AttestationName::A), ("B", AttestationName::B), ("C", AttestationName::C)];

pub(super) fn read_identity(mut section: Section<'_>) -> IdentityConfig {
    let path = |text: &str| Ok::<_, String>(text.to_owned());
    let identity = IdentityConfig {
        policy: section.choice("policy", IdentityPolicy::Note, &POLICIES),
        minimum_attestation: section.choice("minimum_attestation", AttestationName::C, &LETTERS),
        roots: section.optional("roots", path).map(PathBuf::from),
        freshness: section.seconds("freshness_s", Duration::from_secs(60), 1..=3600),
        wait: section.millis("wait_ms", Duration::from_secs(1), 0..=5_000),
        country_code: section.optional("country_code", country_code),
        allow_private_urls: section.flag("allow_private_urls", false),
        signing: read_signing(&mut section),
    };
    if identity.policy == IdentityPolicy::Require && identity.roots.is_none() {
        section.refuse("policy", "\"require\" needs identity.roots: without them no call would be taken");
    }
    section.finish();
    identity
}

fn country_code(text: &str) -> Result<String, String> {
    let sound = text.len() <= COUNTRY_CODE_MAX && text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    if sound { Ok(text.to_owned()) } else { Err(format!("{text:?} is not a country's code (1, 44, 49)")) }
}

fn https(text: &str) -> Result<String, String> {
    let plain = text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'<' | b'>' | b'"'));
    if text.starts_with("https://") && plain { Ok(text.to_owned()) } else { Err(format!("{text:?} is not an https URL")) }
}

fn read_signing(section: &mut Section<'_>) -> Option<IdentitySigning> {
    let key = section.optional("sign_key", |text| Ok(text.to_owned()));
    let certificate_url = section.optional("sign_certificate_url", https);
    let attestation = section.choice("sign_attestation", AttestationName::B, &LETTERS);
    match (key, certificate_url) {
        (Some(key), Some(certificate_url)) => Some(IdentitySigning { key: key.into(), certificate_url, attestation }),
        (Some(_), None) => {
            section.refuse("sign_certificate_url", "must be set with sign_key");
            None
        }
        (None, Some(_)) => {
            section.refuse("sign_key", "must be set with sign_certificate_url");
            None
        }
        (None, None) => None,
    }
}
