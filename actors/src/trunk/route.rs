//! The way of a call of ours over a trunk, or why it has none.

use rand::{Rng, RngExt as _};
use sip::digest::Credentials;
use sip::keepalive::Health;
use sip::message::name;
use sip::sdp::{Codec, SrtpPolicy};
use sip::uri::{Host, NameAddr, Uri};

use super::caller::ANONYMOUS;
use super::config::{FromPolicy, PrivacyPolicy, TrunkConfig, TrunkTarget};
use super::number::{is_emergency, rewrite, tidy};

/// A call that is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked<'a> {
    /// Whom to call: a number or user, as written by hand.
    pub to: &'a str,
    /// The number to be shown; `None`: the trunk's own.
    pub from: Option<&'a str>,
    /// The name to be shown.
    pub display_name: Option<&'a str>,
    /// Whether who calls is to be hidden.
    pub anonymous: bool,
    /// Further headers; only those on the trunk's list are sent.
    pub headers: &'a [(String, String)],
}

/// How a call is to be placed.
#[derive(Clone, Debug)]
pub struct Route {
    /// Whom to ask, the best first; the next one is for when nobody answers there, or the answer is 408, 430 or 503 (RFC 3263 §4.3).
    pub hops: Vec<Hop>,
    /// Who calls.
    pub from: NameAddr,
    /// The same for records and signatures: the number as the carrier gets it, or [`ANONYMOUS`] when it is hidden.
    pub caller: String,
    /// Who is called.
    pub to: NameAddr,
    /// The same, as the carrier gets it.
    pub called: String,
    /// P-Asserted-Identity, Privacy, and what was asked for and is permitted.
    pub headers: Vec<(String, String)>,
    /// To be offered, best first.
    pub codecs: Vec<Codec>,
    /// Whether media is encrypted.
    pub srtp: SrtpPolicy,
    /// For challenges.
    pub credentials: Option<Credentials>,
}

/// One way.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Hop {
    /// Whom to call there.
    pub request_uri: Uri,
    /// Where that leads.
    pub next_hop: Uri,
}

/// Why there is no way.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NoRoute {
    /// An emergency number: a machine does not call these.
    #[error("emergency numbers are not called")]
    Emergency,
    /// The number shown is none.
    #[error("the number to call from is no number")]
    NotACaller,
    /// The number called is none.
    #[error("the number to call is no number")]
    NotANumber,
    /// The trunk may not be used for such numbers.
    #[error("the trunk's allowed_prefixes do not permit this number")]
    PrefixNotAllowed,
    /// No target of the trunk answers.
    #[error("all targets of the trunk are down")]
    TargetsDown,
    /// No trunk was named, and there is none that calls of ours may use.
    #[error("there is no trunk for calls of ours")]
    NoTrunk,
    /// There is no trunk of that name.
    #[error("there is no trunk of that name")]
    UnknownTrunk,
}

impl NoRoute {
    /// The `reason` label of metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Emergency => "emergency",
            Self::NotACaller => "not_a_caller",
            Self::NotANumber => "not_a_number",
            Self::NoTrunk => "no_trunk",
            Self::PrefixNotAllowed => "prefix",
            Self::TargetsDown => "targets_down",
            Self::UnknownTrunk => "unknown_trunk",
        }
    }
}

/// The way of a call; `health` is of the targets in their order.
///
/// # Errors
/// What forbids it.
pub fn route(trunk: &TrunkConfig, health: &[Health], asked: &Asked<'_>, random: &mut impl Rng) -> Result<Route, NoRoute> {
    if is_emergency(&trunk.emergency_numbers, asked.to.trim_ascii()) {
        return Err(NoRoute::Emergency);
    }
    let written = tidy(asked.to).ok_or(NoRoute::NotANumber)?;
    let called = rewrite(&trunk.rewriting.outbound_called, &written);
    if [&written, &called].iter().any(|number| is_emergency(&trunk.emergency_numbers, number)) {
        return Err(NoRoute::Emergency);
    }
    if !trunk.allowed_prefixes.iter().any(|prefix| written.starts_with(prefix)) {
        return Err(NoRoute::PrefixNotAllowed);
    }
    let caller = match asked.from.or(trunk.identity.number.as_deref()) {
        Some(number) => Some(rewrite(&trunk.rewriting.outbound_caller, &tidy(number).ok_or(NoRoute::NotACaller)?)),
        None => None,
    };
    let hops = hops(trunk, health, &called, random);
    let domain = match (&trunk.domain, hops.first()) {
        (Some(domain), Some(_)) => domain.clone(),
        (None, Some(first)) => first.next_hop.host().cloned().ok_or(NoRoute::TargetsDown)?,
        (_, None) => return Err(NoRoute::TargetsDown),
    };
    let Identity { from, caller, mut headers } = identity(trunk, asked, caller.as_deref(), &domain);
    headers.extend(asked.headers.iter().filter(|(name, _)| trunk.passes(name)).cloned());
    Ok(Route {
        hops,
        from,
        caller,
        to: NameAddr::new(Uri::sip(Some(&called), domain, None)),
        called,
        headers,
        codecs: trunk.codecs.clone(),
        srtp: trunk.srtp,
        credentials: trunk.credentials.clone(),
    })
}

/// From, and what says who calls beside it.
struct Identity {
    from: NameAddr,
    caller: String,
    headers: Vec<(String, String)>,
}

fn identity(trunk: &TrunkConfig, asked: &Asked<'_>, caller: Option<&str>, domain: &Host) -> Identity {
    let policy = &trunk.identity;
    let hidden = match policy.privacy {
        PrivacyPolicy::Always => true,
        PrivacyPolicy::Asked => asked.anonymous,
        PrivacyPolicy::Never => false,
    };
    let named = |user: &str| NameAddr {
        display_name: asked.display_name.map(str::to_owned),
        ..NameAddr::new(Uri::sip(Some(user), domain.clone(), None))
    };
    let own = caller.unwrap_or(&trunk.user);
    let from = match (hidden, policy.from) {
        // RFC 3323 §4.1.1.3.
        (true, _) => NameAddr {
            display_name: Some("Anonymous".to_owned()),
            ..NameAddr::new(Uri::sip(Some("anonymous"), Host::Name("anonymous.invalid".to_owned()), None))
        },
        (false, FromPolicy::Number) => named(own),
        (false, FromPolicy::User) => named(&trunk.user),
    };
    let mut headers = Vec::new();
    if policy.asserted {
        headers.push((name::P_ASSERTED_IDENTITY.to_owned(), named(own).to_string()));
    }
    if hidden {
        headers.push((name::PRIVACY.to_owned(), "id".to_owned()));
    }
    Identity { from, caller: if hidden { ANONYMOUS } else { own }.to_owned(), headers }
}

/// Those that are not down, the lowest priority first, among equals by their weights.
fn hops(trunk: &TrunkConfig, health: &[Health], called: &str, random: &mut impl Rng) -> Vec<Hop> {
    let up = |index: usize| health.get(index).copied().unwrap_or_default() != Health::Down;
    let mut left: Vec<&TrunkTarget> =
        (0..).zip(&trunk.targets).filter(|(index, _)| up(*index)).map(|(_, target)| target).collect();
    left.sort_by_key(|target| target.priority);
    let mut hops = Vec::new();
    while let Some(first) = left.first() {
        let same = left.iter().take_while(|target| target.priority == first.priority).count();
        let total: u32 = left[..same].iter().map(|target| target.weight.max(1)).sum();
        let mut drawn = random.random_range(0..total);
        let chosen = left[..same].iter().position(|target| {
            let weight = target.weight.max(1);
            let here = drawn < weight;
            drawn = drawn.saturating_sub(weight);
            here
        });
        let target = left.remove(chosen.unwrap_or_default());
        let Some(uri) = target.uri.as_sip() else { continue };
        let mut request_uri = uri.clone();
        request_uri.user = sip::uri::SipUri::new(Some(called), uri.host.clone(), None).user;
        if let Some(domain) = &trunk.domain {
            (request_uri.host, request_uri.port) = (domain.clone(), None);
        }
        hops.push(Hop { request_uri: Uri::Sip(request_uri), next_hop: target.uri.clone() });
    }
    hops
}

#[cfg(test)]
mod tests;
