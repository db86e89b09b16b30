//! `[identity]` as the node takes it.

use actors::identity::{Attestation, IdentityConfig, Policy, Rules, SigningConfig};
use ai::net::guard::Reach;

use crate::config::{self, AttestationName, IdentityPolicy};

/// The node's part of it.
pub(super) fn identity(config: &config::IdentityConfig) -> IdentityConfig {
    IdentityConfig {
        policy: match config.policy {
            IdentityPolicy::Off => Policy::Off,
            IdentityPolicy::Note => Policy::Note,
            IdentityPolicy::Require => Policy::Require(attestation(config.minimum_attestation)),
        },
        roots: config.roots.clone(),
        rules: Rules { freshness: config.freshness, country_code: config.country_code.clone().unwrap_or_default() },
        wait: config.wait,
        reach: if config.allow_private_urls { Reach::Private } else { Reach::Public },
        signing: config.signing.as_ref().map(|signing| SigningConfig {
            key: signing.key.clone(),
            certificate_url: signing.certificate_url.clone(),
            attestation: attestation(signing.attestation),
        }),
    }
}

fn attestation(name: AttestationName) -> Attestation {
    match name {
        AttestationName::A => Attestation::Full,
        AttestationName::B => Attestation::Partial,
        AttestationName::C => Attestation::Gateway,
    }
}
