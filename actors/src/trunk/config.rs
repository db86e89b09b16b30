//! What a trunk is told, as plain values.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use sip::guard::Network;

pub use sip::digest::{Algorithm, Credentials};
pub use sip::sdp::{Codec, SrtpPolicy};
pub use sip::uri::{Host, Uri};

/// A trunk: a carrier's side of an agreement with us.
#[derive(Clone, Debug, PartialEq)]
pub struct TrunkConfig {
    /// Its name, on records and metrics.
    pub name: Arc<str>,
    /// Where calls of ours go.
    pub targets: Vec<TrunkTarget>,
    /// The host that its URIs name; `None`: each target's own.
    pub domain: Option<Host>,
    /// TLS of connections to it; `None`: the node's.
    pub tls: Option<TlsIdentity>,
    /// How it is known when it calls.
    pub inbound: InboundAuth,
    /// What it knows us by when it challenges.
    pub credentials: Option<Credentials>,
    /// Our user: of a registration, and of From where that must not be a number.
    pub user: String,
    /// Where we tell it that we are; `None`: it knows.
    pub registration: Option<RegistrationConfig>,
    /// Between two OPTIONS to each target; zero sends none.
    pub keepalive: Duration,
    /// How long a target may say nothing at all to an INVITE before the next one is asked.
    pub try_timeout: Duration,
    /// Where it may redirect calls of ours to.
    pub redirects: RedirectsTo,
    /// How much of it is used at once.
    pub limits: TrunkLimits,
    /// Numbers as it writes them, into ours and back.
    pub rewriting: Rewriting,
    /// Who calls, in calls of ours and in its own.
    pub identity: IdentityPolicy,
    /// What its callers must show (STIR/SHAKEN); `None`: what the node wants of all.
    pub signatures: Option<sip::identity::Policy>,
    /// Headers of its INVITEs that bots may see, and that calls of ours may have; without regard to case.
    pub headers: Vec<String>,
    /// What is spoken with it, best first.
    pub codecs: Vec<Codec>,
    /// Whether media is encrypted.
    pub srtp: SrtpPolicy,
    /// Whether its REFERs are followed: calls of ours, on its word and at our cost, as far as calls of ours go.
    pub accept_refer: bool,
    /// What numbers of calls of ours begin with; without any there are no calls of ours.
    pub allowed_prefixes: Vec<String>,
    /// Numbers that are never called, in digits; empty: emergency calls are permitted.
    pub emergency_numbers: Vec<String>,
}

impl TrunkConfig {
    /// Whether a header may pass from the trunk to a bot, or from us to the trunk.
    pub fn passes(&self, header: &str) -> bool {
        self.headers.iter().any(|own| own.eq_ignore_ascii_case(header))
    }

    /// The hosts that connections to it lead to, in lower case: those of its targets and its registrar.
    pub fn hosts(&self) -> Vec<String> {
        let uris = self.targets.iter().map(|target| &target.uri);
        let uris = uris.chain(self.registration.as_ref().map(|registration| &registration.registrar));
        uris.filter_map(|uri| uri.host()).map(|host| host.to_string().to_ascii_lowercase()).collect()
    }

    /// Counts a call, either way, that does not pass.
    pub(crate) fn count_refused(&self, reason: &'static str) {
        metrics::counter!("offhook_trunk_rejected_total", "trunk" => self.name.to_string(), "reason" => reason).increment(1);
    }
}

/// What we show a trunk, and whom we believe to be it. PEM files; they are read again when they change.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TlsIdentity {
    /// Our chain and its private key; `None`: the node's.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// Who may have signed its certificate; `None`: as the node has it.
    pub roots: Option<PathBuf>,
}

/// One way to a carrier.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TrunkTarget {
    /// Where it is, as RFC 3263 finds it.
    pub uri: Uri,
    /// Lower ones first.
    pub priority: u32,
    /// Share among those of one priority, from 1.
    pub weight: u32,
}

/// How a caller is known to be a trunk. What is given must all be right; nothing given is nobody.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InboundAuth {
    /// Where it calls from.
    pub networks: Vec<Network>,
    /// Names in the certificates that it shows.
    pub certificate_names: Vec<String>,
    /// What it must know when it is challenged.
    pub digest: Option<InboundDigest>,
}

/// A password that callers are asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct InboundDigest {
    /// Theirs.
    pub credentials: Credentials,
    /// What they may hash with, the preferred first.
    pub algorithms: Vec<Algorithm>,
}

/// A registration.
#[derive(Clone, Debug, PartialEq)]
pub struct RegistrationConfig {
    /// Where.
    pub registrar: Uri,
    /// For how long.
    pub expires: Duration,
}

/// Where a trunk may redirect calls of ours to, by 300, 301, 302 and 305. The numbers must be permitted in any case.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RedirectsTo {
    /// Nowhere: such a call has failed.
    Nowhere,
    /// To its own targets, domain and addresses.
    Itself,
    /// Anywhere. Who is not itself sees no credentials.
    Anybody,
}

/// How much of a trunk is used; `None` is without limit of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TrunkLimits {
    /// Calls at once, both ways.
    pub channels: Option<u32>,
    /// New calls a second, both ways.
    pub calls_per_second: Option<u32>,
    /// New calls of ours a minute: who has found a way to make us call does not get rich by it.
    pub outbound_per_minute: Option<u32>,
}

/// Rules for numbers; the first that fits is applied, once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rewriting {
    /// Of numbers that it calls, before anybody looks who answers.
    pub inbound_called: Vec<Rule>,
    /// Of numbers that it calls from.
    pub inbound_caller: Vec<Rule>,
    /// Of numbers that we call, once they were found to be permitted.
    pub outbound_called: Vec<Rule>,
    /// Of numbers that we call from.
    pub outbound_caller: Vec<Rule>,
}

/// One rule: what begins so loses so many characters in front and gets others.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rule {
    /// What a number begins with for the rule to fit; empty fits all.
    pub starts_with: String,
    /// Characters taken away in front.
    pub strip: usize,
    /// What is put in front then.
    pub prefix: String,
}

/// What is told of callers, and believed.
#[derive(Clone, Debug, PartialEq)]
pub struct IdentityPolicy {
    /// Whether its P-Asserted-Identity is believed before its From (RFC 3325 §4: it is of our trust domain).
    pub trusted: bool,
    /// What From of calls of ours names.
    pub from: FromPolicy,
    /// Whether calls of ours have a P-Asserted-Identity with the number.
    pub asserted: bool,
    /// Whether calls of ours hide who calls.
    pub privacy: PrivacyPolicy,
    /// The number that calls of ours show when nobody said another.
    pub number: Option<String>,
}

/// What From names.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FromPolicy {
    /// The number that calls.
    Number,
    /// The user that is registered.
    User,
}

/// Whether who calls is hidden (RFC 3323).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PrivacyPolicy {
    /// Always.
    Always,
    /// When who asked for the call wants it.
    Asked,
    /// Never, since the trunk refuses such calls.
    Never,
}

/// Numbers that nobody may have a machine call unless somebody answers for it: of the USA, Europe, Great Britain, Australia and others.
pub const EMERGENCY_NUMBERS: [&str; 8] = ["000", "110", "111", "112", "119", "911", "933", "999"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_what_begins_alike() {
        for (network, address, expected) in [
            ("203.0.113.0/24", "203.0.113.255", true),
            ("203.0.113.0/24", "203.0.114.0", false),
            ("203.0.113.7", "203.0.113.7", true),
            ("203.0.113.7", "203.0.113.8", false),
            ("203.0.113.4/30", "::ffff:203.0.113.6", true),
            ("0.0.0.0/0", "8.8.8.8", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("::/0", "2001:db8::1", true),
        ] {
            let parsed = network.parse::<Network>().expect(network);
            assert_eq!(parsed.contains(address.parse().expect(address)), expected, "{address} in {network}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["", "x", "203.0.113.0/33", "203.0.113.1/24", "2001:db8::/129", "2001:db8::1/64", "203.0.113.0/-1"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }
}
