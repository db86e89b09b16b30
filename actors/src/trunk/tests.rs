//! A trunk for the tests of the modules beside.

use sip::sdp::{Codec, SrtpPolicy};

use super::config::{FromPolicy, IdentityPolicy, InboundAuth, PrivacyPolicy, RedirectsTo, Rewriting, TrunkConfig, TrunkLimits};

/// One with nothing in it that matters.
pub fn trunk(name: &str) -> TrunkConfig {
    TrunkConfig {
        name: name.into(),
        targets: Vec::new(),
        domain: None,
        tls: None,
        inbound: InboundAuth::default(),
        credentials: None,
        user: "offhook".into(),
        registration: None,
        keepalive: std::time::Duration::ZERO,
        try_timeout: std::time::Duration::from_secs(4),
        redirects: RedirectsTo::Itself,
        limits: TrunkLimits::default(),
        rewriting: Rewriting::default(),
        identity: IdentityPolicy {
            trusted: false,
            from: FromPolicy::Number,
            asserted: false,
            privacy: PrivacyPolicy::Asked,
            number: None,
        },
        signatures: None,
        headers: Vec::new(),
        codecs: vec![Codec::Pcmu],
        srtp: SrtpPolicy::Off,
        accept_refer: false,
        allowed_prefixes: Vec::new(),
        emergency_numbers: ["911", "112"].map(str::to_owned).into(),
    }
}
