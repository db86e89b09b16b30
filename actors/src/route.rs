//! The route of a call that Offhook places: whom the INVITE is for, who it is from, where its media is. One function decides it.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use ai::engine::Words;
use sip::endpoint::{CallTarget, Permitted, RedirectPolicy, Redirects};
use sip::uri::{Host, NameAddr, Scheme, SipUri, Uri};
use store::{CallId, PhoneNumber};

use crate::call::OnMachine;
use crate::calls::{PlaceRefusal, Refusal};
use crate::config::{MediaAddress, SipConfig, Speaks};
use crate::trunk::config::TrunkConfig;
use crate::trunk::route::{Asked, Hop, NoRoute as NoWay};
use crate::trunk::{self, Trunks};

/// A call that somebody asks for.
#[derive(Clone, Debug)]
pub struct PlaceCall {
    /// Whom to call: a `sip:` or `sips:` URI, or a number for a trunk.
    pub to: PhoneNumber,
    /// Who calls: a number, a SIP user or a SIP URI; `None`: nobody who says so.
    pub from: Option<PhoneNumber>,
    /// Name of the assistant that talks; `None`: the default one.
    pub assistant: Option<String>,
    /// Name of the trunk that carries it; `None`: as the route finds.
    pub trunk: Option<String>,
    /// How it is made and begun.
    pub terms: CallTerms,
}

/// How a call of ours is made and begun, where it is not as all are.
#[derive(Clone, Debug, Default)]
pub struct CallTerms {
    /// The id that it has, where somebody has it on record already; `None`: a new one.
    pub id: Option<CallId>,
    /// What is known of the person who is called, by name: for `{{name}}` in what the assistant is told and says first.
    pub variables: Vec<(String, Words)>,
    /// What is done when a machine answers; `None`: nobody listens for one, and the agent begins at once.
    pub on_machine: Option<OnMachine>,
}

/// Where a call goes. `Debug` hides users, as [`Uri`] does.
#[derive(Clone, Debug)]
pub struct Route {
    /// Whom to call.
    pub request_uri: Uri,
    /// Who calls.
    pub from: NameAddr,
    /// Who calls, for records and signatures.
    pub caller: String,
    /// Who is called, as shown.
    pub to: NameAddr,
    /// Who is called, for records and signatures.
    pub called: String,
    /// Where our media is.
    pub media: MediaAddress,
    /// Where the INVITE goes in place of the host that it names.
    pub next_hop: Option<Uri>,
    /// What the INVITE says beside.
    pub headers: Vec<(String, String)>,
    /// Whom to ask when the first one fails, in this order.
    pub others: Vec<CallTarget>,
    /// Which targets of the trunk they are, the first one before them.
    pub targets: Vec<usize>,
    /// What is done with redirections.
    pub redirects: Redirects,
    /// What carries it; `None`: nothing.
    pub trunk: Option<Arc<TrunkConfig>>,
}

/// Why a call cannot be placed as it was asked for: whose asks must mend it. Numbers are not repeated.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct NoRoute {
    /// The field that is at fault.
    pub field: &'static str,
    /// What is wrong with it.
    pub reason: String,
}

impl NoRoute {
    /// Names the field and what is wrong with it.
    pub fn new(field: &'static str, reason: impl Into<String>) -> Self {
        Self { field, reason: reason.into() }
    }
}

/// The only parameters of a URI that a caller may give: others, `maddr` above all, would lead past the list of hosts.
const PARAMETERS: [&str; 2] = ["transport", "user"];

/// The longest user of a `from`: a number with its country has 15 digits, an address 64 before its @.
const FROM_MAX: usize = 64;

/// Why a number cannot be called.
const NEEDS_TRUNK: &str = "a number needs a trunk, and there is none; a sip: URI of a host in sip.direct_calls does not";

/// Finds the route.
///
/// # Errors
/// What is at fault, and why.
pub fn route(sip: &SipConfig, trunks: &Trunks, asked: &PlaceCall) -> Result<Route, PlaceRefusal> {
    match asked.trunk.is_some() || !has_scheme(asked.to.reveal()) {
        true => by_trunk(sip, trunks, asked),
        false => direct(sip, asked).map_err(PlaceRefusal::Asked),
    }
}

/// Over the trunk that was named, or the first that permits it.
fn by_trunk(sip: &SipConfig, trunks: &Trunks, asked: &PlaceCall) -> Result<Route, PlaceRefusal> {
    let call = Asked { to: asked.to.reveal(), from: asked.from.as_ref().map(PhoneNumber::reveal), ..Asked::default() };
    let found = match &asked.trunk {
        Some(name) => trunks.route(name, &call).and_then(|route| Ok((trunks.find(name).ok_or(NoWay::UnknownTrunk)?, route))),
        None => trunks.find_route(&call),
    };
    let (entry, way) = found.map_err(|reason| refusal(reason, asked))?;
    let trunk::route::Route { hops, caller, called, .. } = way;
    let literal = |hop: &Hop| hop.next_hop.host().and_then(Host::address);
    let Some(first) = hops.first() else { return Err(PlaceRefusal::Node(Refusal::TrunkDown)) };
    let media = media(sip, literal(first)).map_err(|reason| PlaceRefusal::Asked(NoRoute::new("trunk_id", reason)))?;
    // One offer for all: a target of another family could not be heard.
    let same = |hop: &Hop| literal(hop).is_none_or(|address| address.is_ipv4() == media.local.is_ipv4());
    let (targets, mut ways): (Vec<usize>, VecDeque<CallTarget>) = hops.into_iter().filter(same).map(call_target).unzip();
    let Some(CallTarget { request_uri, next_hop, from, to, headers }) = ways.pop_front() else {
        return Err(PlaceRefusal::Node(Refusal::TrunkDown));
    };
    let redirects = trunk::redirect::redirects(&entry.config, &called);
    let (others, trunk) = (ways.into(), Some(Arc::clone(&entry.config)));
    Ok(Route { request_uri, from, caller, to, called, media, next_hop, headers, others, targets, redirects, trunk })
}

fn call_target(hop: Hop) -> (usize, CallTarget) {
    let Hop { target, request_uri, next_hop, from, to, headers } = hop;
    (target, CallTarget { request_uri, next_hop: Some(next_hop), from, to, headers })
}

/// Which field is at fault, if whoever asks can mend it.
fn refusal(reason: NoWay, asked: &PlaceCall) -> PlaceRefusal {
    let (field, text) = match reason {
        NoWay::TargetsDown => return PlaceRefusal::Node(Refusal::TrunkDown),
        NoWay::NotACaller => ("from", reason.to_string()),
        NoWay::UnknownTrunk => ("trunk_id", format!("there is no trunk {:?}", asked.trunk.as_deref().unwrap_or_default())),
        NoWay::NoTrunk => ("to", NEEDS_TRUNK.to_owned()),
        NoWay::Emergency | NoWay::NotANumber | NoWay::PrefixNotAllowed => ("to", reason.to_string()),
    };
    PlaceRefusal::Asked(NoRoute::new(field, text))
}

/// To a URI, without a trunk.
fn direct(sip: &SipConfig, asked: &PlaceCall) -> Result<Route, NoRoute> {
    let text = asked.to.reveal();
    let uri: Uri = text.parse().map_err(|error| NoRoute::new("to", format!("is not a SIP URI: {error}")))?;
    let Uri::Sip(target) = &uri else {
        return Err(NoRoute::new("to", "is neither a sip: nor a sips: URI"));
    };
    check_target(sip, target)?;
    let literal = target.host.address();
    let media = media(sip, literal).map_err(|reason| NoRoute::new("to", reason))?;
    let from = from(asked.from.as_ref().map(PhoneNumber::reveal), media.advertised)?;
    let (caller, called) = (name_of(&from.uri), name_of(&uri));
    let to = NameAddr::new(uri.clone());
    let redirects = Redirects::Follow(Arc::new(DirectRedirects(sip.direct_calls.clone())));
    Ok(Route {
        request_uri: uri,
        from,
        caller,
        to,
        called,
        media,
        next_hop: None,
        headers: Vec::new(),
        others: Vec::new(),
        targets: Vec::new(),
        redirects,
        trunk: None,
    })
}

/// Where our media is for a peer, which may be at this address.
fn media(sip: &SipConfig, literal: Option<IpAddr>) -> Result<MediaAddress, &'static str> {
    let near = sip.listeners.first().map(|listener| listener.listen.ip());
    let media = sip.media(near.ok_or("no SIP is spoken here: sip.listen is empty")?, literal);
    match literal.is_some_and(|address| address.is_ipv4() != media.local.is_ipv4()) {
        true => Err("is of an address family that no listener of sip.listen has"),
        false => Ok(media),
    }
}

/// The user of a URI, or the host of one without.
fn name_of(uri: &Uri) -> String {
    let host = || uri.host().map_or_else(String::new, |host| host.to_string());
    uri.user().map_or_else(host, Cow::into_owned)
}

fn has_scheme(text: &str) -> bool {
    let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
    ["sip", "sips"].iter().any(|known| known.eq_ignore_ascii_case(scheme))
}

/// Whether a URI may be called without a trunk.
fn check_target(sip: &SipConfig, target: &SipUri) -> Result<(), NoRoute> {
    if target.password.is_some() || target.headers.is_some() {
        return Err(NoRoute::new("to", "a password or headers in a URI are not taken"));
    }
    if let Some((name, _)) =
        target.params.iter().find(|(name, _)| !PARAMETERS.iter().any(|known| known.eq_ignore_ascii_case(name)))
    {
        return Err(NoRoute::new("to", format!("parameter {name:?} of a URI is not taken")));
    }
    if !sip.direct_calls.iter().any(|allowed| allowed.covers(&target.host)) {
        return Err(NoRoute::new("to", format!("{} is not in sip.direct_calls", target.host)));
    }
    let transport = target.params.get("transport").map(str::to_ascii_lowercase);
    let tls = match (target.scheme, transport.as_deref()) {
        (Scheme::Sips, None | Some("tcp" | "tls")) | (Scheme::Sip, Some("tls")) => true,
        (Scheme::Sip, None | Some("tcp" | "udp")) => false,
        (_, Some(other)) => return Err(NoRoute::new("to", format!("transport {other:?} is not spoken here"))),
    };
    let wanted = if tls { Speaks::Tls } else { Speaks::UdpAndTcp };
    match sip.listeners.iter().any(|listener| listener.speaks == wanted) {
        true => Ok(()),
        false if tls => Err(NoRoute::new("to", "needs TLS, and there is no certificate: sip.tls_cert")),
        false => Err(NoRoute::new("to", "needs UDP or TCP, and sip.listen has no address")),
    }
}

/// A call without a trunk is redirected to whom it could have been placed to.
#[derive(Debug)]
struct DirectRedirects(Vec<DirectPeer>);

impl RedirectPolicy for DirectRedirects {
    fn judge(&self, contact: &SipUri, _: bool) -> Option<Permitted> {
        let plain = contact.password.is_none() && !contact.params.has("maddr");
        let covered = self.0.iter().any(|allowed| allowed.covers(&contact.host));
        (plain && covered).then(|| Permitted { uri: contact.clone(), is_trusted: true })
    }
}

/// The From header: who calls, at our address; of a URI, as it is. Without one it is nobody's (RFC 3261 §8.1.1.3).
fn from(asked: Option<&str>, own: IpAddr) -> Result<NameAddr, NoRoute> {
    let Some(text) = asked else {
        let nobody = Uri::sip(Some("anonymous"), Host::Name("anonymous.invalid".to_owned()), None);
        return Ok(NameAddr { display_name: Some("Anonymous".to_owned()), ..NameAddr::new(nobody) });
    };
    if has_scheme(text) {
        let uri: Uri = text.parse().map_err(|error| NoRoute::new("from", format!("is not a SIP URI: {error}")))?;
        let plain = |uri: &SipUri| uri.password.is_none() && uri.headers.is_none() && uri.params.iter().next().is_none();
        return match &uri {
            Uri::Sip(sip) if plain(sip) => Ok(NameAddr::new(uri)),
            _ => Err(NoRoute::new("from", "a password, headers or parameters in a URI are not taken")),
        };
    }
    let user = |c: char| c.is_ascii_alphanumeric() || "+-_.!~*'()#".contains(c);
    if text.is_empty() || text.len() > FROM_MAX || !text.chars().all(user) {
        return Err(NoRoute::new("from", format!("is no number and no SIP user (1 to {FROM_MAX} characters)")));
    }
    Ok(NameAddr::new(Uri::sip(Some(text), Host::from(own), None)))
}

/// Whom calls may go to without a trunk: a host by its name, or a network of addresses.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum DirectPeer {
    /// This name, whatever it leads to.
    Name(String),
    /// Addresses whose first bits are those of this one.
    Network(IpAddr, u8),
}

impl DirectPeer {
    fn covers(&self, host: &Host) -> bool {
        match (self, host) {
            (Self::Name(allowed), Host::Name(name)) => allowed.eq_ignore_ascii_case(name),
            (Self::Network(network, bits), Host::Address(address)) => {
                let differ = match (network, address.to_canonical()) {
                    (IpAddr::V4(network), IpAddr::V4(address)) => u128::from(network.to_bits() ^ address.to_bits()) << 96,
                    (IpAddr::V6(network), IpAddr::V6(address)) => network.to_bits() ^ address.to_bits(),
                    _ => return false,
                };
                differ.leading_zeros() >= u32::from(*bits)
            }
            _ => false,
        }
    }
}

/// What is neither a host nor a network.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0:?} is not a host name, an address or a network (192.0.2.0/24)")]
pub struct NoPeer(String);

impl FromStr for DirectPeer {
    type Err = NoPeer;

    fn from_str(text: &str) -> Result<Self, NoPeer> {
        let wrong = || NoPeer(text.to_owned());
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u8>().map_err(|_| wrong())?)),
            None => (text, None),
        };
        match (address.parse::<IpAddr>(), bits) {
            (Ok(address), bits) => {
                let all = if address.is_ipv4() { 32 } else { 128 };
                let bits = bits.unwrap_or(all);
                if bits <= all { Ok(Self::Network(address, bits)) } else { Err(wrong()) }
            }
            (Err(_), None) => match text.parse() {
                Ok(Host::Name(name)) => Ok(Self::Name(name)),
                _ => Err(wrong()),
            },
            (Err(_), Some(_)) => Err(wrong()),
        }
    }
}

impl fmt::Display for DirectPeer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Network(address, bits) => write!(f, "{address}/{bits}"),
        }
    }
}

#[cfg(test)]
mod tests;
