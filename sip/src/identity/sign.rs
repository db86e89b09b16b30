//! Signing for our own calls (RFC 8224 §6.1, RFC 8588).

use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SecureRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;

use super::number::{canonical, without_parameters};
use super::passport::{encoded, head, quoted};
use super::{Attestation, seconds};

pub use ring::rand::SystemRandom as Random;

/// Why nothing can be signed; the fault is the operator's.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SignerError {
    /// No `BEGIN PRIVATE KEY`.
    #[error("holds no PKCS#8 key in PEM (`openssl pkcs8 -topk8 -nodes` makes one of an EC key)")]
    NoKey,
    /// A key of another curve or kind.
    #[error("is no key of P-256")]
    NotP256,
}

/// The operator's key, and where others find its certificate.
pub struct Signer {
    key: EcdsaKeyPair,
    url: String,
}

/// What is signed of a call.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    /// Who calls: a number, with or without `+`.
    pub caller: &'a str,
    /// Who is called, likewise.
    pub called: &'a str,
    /// How far we vouch for the caller.
    pub attestation: Attestation,
    /// Our name for where the call began: a UUID.
    pub origid: &'a str,
    /// When.
    pub at: SystemTime,
}

impl Signer {
    /// One with this key (PKCS#8, P-256), whose certificate is at `url`.
    ///
    /// # Errors
    /// [`SignerError`].
    pub fn new(pem: &[u8], url: &str, random: &dyn SecureRandom) -> Result<Self, SignerError> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem).map_err(|_| SignerError::NoKey)?;
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.secret_pkcs8_der(), random);
        Ok(Self { key: key.map_err(|_| SignerError::NotP256)?, url: url.to_owned() })
    }

    /// The value of the Identity header of an INVITE; `None` when caller or called is no telephone number, which SHAKEN cannot sign.
    pub fn sign(&self, call: &Signed<'_>, random: &dyn SecureRandom) -> Option<String> {
        let number = |user: &str| canonical(without_parameters(user)).map(|number| quoted(&number));
        let payload = format!(
            "{{\"attest\":\"{}\",\"dest\":{{\"tn\":[{}]}},\"iat\":{},\"orig\":{{\"tn\":{}}},\"origid\":{}}}",
            call.attestation.letter(),
            number(call.called)?,
            seconds(call.at),
            number(call.caller)?,
            quoted(call.origid),
        );
        let signed = format!("{}.{}", encoded(&head(Some("shaken"), &self.url)), encoded(&payload));
        let signature = self.key.sign(random, signed.as_bytes()).ok()?;
        let signature = URL_SAFE_NO_PAD.encode(signature);
        Some(format!("{signed}.{signature};info=<{}>;alg=ES256;ppt=shaken", self.url))
    }
}
