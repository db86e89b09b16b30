//! A trunk for the tests of the modules beside.

use sip::sdp::{Codec, SrtpPolicy};

use super::config::{FromPolicy, IdentityPolicy, InboundAuth, PrivacyPolicy, Rewriting, TrunkConfig, TrunkLimits};

/// One with nothing in it that matters.
pub fn trunk(name: &str) -> TrunkConfig {
    TrunkConfig {
        name: name.into(),
        targets: Vec::new(),
        domain: None,
        inbound: InboundAuth::default(),
        credentials: None,
        user: "offhook".into(),
        registration: None,
        keepalive: std::time::Duration::ZERO,
        limits: TrunkLimits::default(),
        rewriting: Rewriting::default(),
        identity: IdentityPolicy {
            trusted: false,
            from: FromPolicy::Number,
            asserted: false,
            privacy: PrivacyPolicy::Asked,
            number: None,
        },
        headers: Vec::new(),
        codecs: vec![Codec::Pcmu],
        srtp: SrtpPolicy::Off,
        allowed_prefixes: Vec::new(),
        emergency_numbers: ["911", "112"].map(str::to_owned).into(),
    }
}
