//! Fingerprints of certificates as SDP writes them (RFC 8122 §5).

use std::fmt;

use sha2::{Digest as _, Sha256, Sha384, Sha512};

/// A hash that is strong enough to say whose a certificate is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum HashName {
    /// `sha-256`, which everybody has.
    Sha256,
    /// `sha-384`.
    Sha384,
    /// `sha-512`.
    Sha512,
}

impl HashName {
    fn of(self, certificate: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(certificate).to_vec(),
            Self::Sha384 => Sha384::digest(certificate).to_vec(),
            Self::Sha512 => Sha512::digest(certificate).to_vec(),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha-256",
            Self::Sha384 => "sha-384",
            Self::Sha512 => "sha-512",
        }
    }
}

/// The hash of a certificate, which is the same to who has the certificate and to who has the SDP.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Fingerprint {
    hash: HashName,
    octets: Vec<u8>,
}

impl Fingerprint {
    /// Of a certificate in DER.
    pub fn new(hash: HashName, certificate: &[u8]) -> Self {
        Self { hash, octets: hash.of(certificate) }
    }

    /// `sha-256 4A:AD:B9:...`; `None` for a hash that we do not take (SHA-1 and MD5 may be forged), or another number of octets than it has.
    pub fn parse(text: &str) -> Option<Self> {
        let (name, octets) = text.trim().split_once(' ')?;
        let all = [HashName::Sha256, HashName::Sha384, HashName::Sha512];
        let hash = all.into_iter().find(|hash| hash.name().eq_ignore_ascii_case(name))?;
        let octet = |pair: &str| (pair.len() == 2).then(|| u8::from_str_radix(pair, 16).ok()).flatten();
        let octets: Vec<u8> = octets.trim().split(':').map(octet).collect::<Option<_>>()?;
        (octets.len() == hash.of(&[]).len()).then_some(Self { hash, octets })
    }

    /// Whether it is this certificate's.
    pub fn is_of(&self, certificate: &[u8]) -> bool {
        self.hash.of(certificate) == self.octets
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let octets: Vec<String> = self.octets.iter().map(|octet| format!("{octet:02X}")).collect();
        write!(formatter, "{} {}", self.hash.name(), octets.join(":"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for hash in [HashName::Sha256, HashName::Sha384, HashName::Sha512] {
            let fingerprint = Fingerprint::new(hash, b"certificate");
            let text = fingerprint.to_string();
            assert_eq!(Fingerprint::parse(&text.to_lowercase()), Some(fingerprint.clone()), "{text}");
            assert!(fingerprint.is_of(b"certificate") && !fingerprint.is_of(b"Certificate"));
        }
    }

    #[test]
    fn what_proves_nothing_is_not_read() {
        let good = Fingerprint::new(HashName::Sha256, b"").to_string();
        let sha1 = format!("sha-1 {}", &good[8..8 + 59]);
        for text in ["", "sha-256", "sha-256 ", "sha-256 0", "sha-256 zz:00", &good[..good.len() - 3], &sha1, "sha-256 +1:00"] {
            assert_eq!(Fingerprint::parse(text), None, "{text}");
        }
    }
}
