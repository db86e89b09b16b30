//! Who we are in a handshake: a certificate that nobody signed but itself, since its fingerprint in the SDP says whose it is.

use std::fmt;

use rtc_dtls::crypto::Certificate;
use rtc_srtp::crypto::default_provider;

use super::{Fingerprint, HashName};

/// A key on P-256 and its certificate: made once, and shared by all calls until the process ends. Its `Debug` hides both.
#[derive(Clone)]
pub struct Identity {
    certificate: Certificate,
    fingerprint: Fingerprint,
}

impl Identity {
    /// A new one, by the system's randomness.
    ///
    /// # Panics
    /// When the system has no randomness, as TLS would.
    pub fn generate() -> Self {
        let provider = default_provider().expect("ring is compiled in");
        let certificate =
            Certificate::generate_self_signed(vec![NAME.to_owned()], provider.crypto()).expect("randomness suffices");
        let der = certificate.certificate.first().expect("it was made");
        let fingerprint = Fingerprint::new(HashName::Sha256, der);
        Self { certificate, fingerprint }
    }

    /// SHA-256 of the certificate, for our SDP.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    pub(super) fn certificate(&self) -> Certificate {
        self.certificate.clone()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Identity({})", self.fingerprint)
    }
}

/// What the certificate calls us; nobody reads it.
const NAME: &str = "offhook";
