//! The search of RFC 3263 §4 as a function: a place and what is known, to targets, or to what must be asked first.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;

use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::records::in_order;
use super::{Family, Question, Records};
use crate::flow::Transport;
use crate::uri::{Host, Scheme, SipUri, Uri};

/// Records of one kind that are taken, the best: no carrier has more servers in one answer.
const RECORDS_MAX: usize = 8;
/// SRV records that are put in order, those of the best priority.
const ORDERED_MAX: usize = 64;
/// Services of a domain that are asked for.
const SERVICES_MAX: usize = 4;
/// Hosts whose addresses are asked for: with all before, no search asks more than 23 questions.
const HOSTS_MAX: usize = 8;
/// Targets of one place; nobody waits for a seventeenth.
const TARGETS_MAX: usize = 16;

/// What a URI says of the way to it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Place {
    /// Host or domain; `maddr` when there is one.
    pub host: Host,
    /// The port, when one was written.
    pub port: Option<u16>,
    /// The transport, when one was written.
    pub transport: Option<Transport>,
    /// A `sips:` URI: TLS and nothing else.
    pub secure: bool,
}

impl Place {
    /// `None` for a URI that names no host, or a transport that nobody here speaks.
    pub fn of(uri: &Uri) -> Option<Self> {
        let uri: &SipUri = uri.as_sip()?;
        let secure = uri.scheme == Scheme::Sips;
        let transport = match uri.params.get("transport").map(str::to_ascii_lowercase).as_deref() {
            None => None,
            Some("udp" | "tcp" | "tls") if secure => Some(Transport::Tls),
            Some("udp") => Some(Transport::Udp),
            Some("tcp") => Some(Transport::Tcp),
            Some("tls") => Some(Transport::Tls),
            Some(_) => return None,
        };
        let host = match uri.params.get("maddr") {
            Some(maddr) => maddr.parse().ok()?,
            None => uri.host.clone(),
        };
        Some(Self { host, port: uri.port, transport, secure })
    }

    /// The same, by TLS and nothing else.
    #[must_use]
    pub fn secured(self) -> Self {
        Self { secure: true, transport: self.transport.map(|_| Transport::Tls), ..self }
    }

    fn default_transport(&self) -> Transport {
        if self.secure { Transport::Tls } else { Transport::Udp }
    }
}

/// A server to try.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Target {
    /// How it is spoken to.
    pub transport: Transport,
    /// Where it is.
    pub address: SocketAddr,
}

/// Targets of a place in the order to be tried, of what `reach` lists (the preferred first); an address in the place itself is the
/// target whatever `reach` says. Weights of SRV records draw from `seed`: the same one gives the same order however much is known.
///
/// # Errors
/// The questions whose answers `known` lacks; call again with more known.
pub fn plan<'a>(
    place: &Place,
    reach: &[(Transport, Family)],
    known: &dyn Fn(&Question) -> Option<&'a Records>,
    seed: u64,
) -> Result<Vec<Target>, Vec<Question>> {
    let name = match &place.host {
        Host::Address(address) => {
            let transport = place.transport.unwrap_or(place.default_transport());
            let port = place.port.unwrap_or(transport.default_port());
            return Ok(vec![Target { transport, address: SocketAddr::new(*address, port) }]);
        }
        Host::Name(_) if reach.is_empty() => return Ok(Vec::new()),
        Host::Name(name) => name.trim_end_matches('.').to_ascii_lowercase(),
    };
    let mut search = Search { reach, known, seed, missing: Vec::new(), hosts: Vec::new(), is_off: false };
    let mut targets = match (place.port, place.transport) {
        (Some(port), transport) => search.hosts(&name, port, transport.unwrap_or(place.default_transport())),
        (None, Some(transport)) => search.service(&service_name(transport, &name), transport),
        (None, None) => search.domain(&name, place.secure),
    };
    if targets.is_empty() && search.missing.is_empty() && place.port.is_none() && !search.is_off {
        let transport = place.transport.unwrap_or(place.default_transport());
        search.hosts.clear();
        targets = search.hosts(&name, transport.default_port(), transport);
    }
    targets.truncate(TARGETS_MAX);
    if search.missing.is_empty() { Ok(targets) } else { Err(search.missing) }
}

struct Search<'a, 'k> {
    reach: &'k [(Transport, Family)],
    known: &'k dyn Fn(&Question) -> Option<&'a Records>,
    seed: u64,
    missing: Vec<Question>,
    /// Those that were looked for.
    hosts: Vec<String>,
    /// A service says that it is not offered (RFC 2782).
    is_off: bool,
}

impl<'a> Search<'a, '_> {
    fn ask(&mut self, question: Question) -> Option<&'a Records> {
        let records = (self.known)(&question);
        if records.is_none() {
            self.missing.push(question);
        }
        records
    }

    fn speaks(&self, transport: Transport) -> bool {
        self.reach.iter().any(|(own, _)| *own == transport)
    }

    /// Neither port nor transport: NAPTR says which transports there are, else SRV records of each do (§4.1).
    fn domain(&mut self, name: &str, secure: bool) -> Vec<Target> {
        let Some(records) = self.ask(Question::Naptr(name.to_owned())) else {
            return Vec::new();
        };
        let mut rows: Vec<_> = match records {
            Records::Naptr(rows) => rows.iter().collect(),
            _ => Vec::new(),
        };
        rows.sort_by_key(|row| (row.order, row.preference));
        let usable = rows.into_iter().filter(|row| row.flags.eq_ignore_ascii_case("s")).filter_map(|row| {
            let transport = transport_of(&row.service)?;
            (!secure || transport == Transport::Tls).then(|| (row.replacement.to_ascii_lowercase(), transport))
        });
        let mut services: Vec<(String, Transport)> = usable.collect();
        if services.is_empty() {
            let all = [Transport::Udp, Transport::Tcp, Transport::Tls];
            let allowed = all.into_iter().filter(|transport| !secure || *transport == Transport::Tls);
            services = allowed.map(|transport| (service_name(transport, name), transport)).collect();
        }
        services.retain(|(_, transport)| self.speaks(*transport));
        services.truncate(SERVICES_MAX);
        services.into_iter().flat_map(|(service, transport)| self.service(&service, transport)).collect()
    }

    /// The hosts of a service, in the order of its SRV records (§4.2).
    fn service(&mut self, service: &str, transport: Transport) -> Vec<Target> {
        let Some(Records::Srv(rows)) = self.ask(Question::Srv(service.trim_end_matches('.').to_owned())) else {
            return Vec::new();
        };
        let mut offered: Vec<_> = rows.iter().filter(|row| !row.target.trim_end_matches('.').is_empty()).collect();
        self.is_off |= offered.is_empty() && !rows.is_empty();
        offered.sort_by_key(|row| row.priority);
        offered.truncate(ORDERED_MAX);
        let mut hasher = DefaultHasher::new();
        service.hash(&mut hasher);
        let mut random = StdRng::seed_from_u64(self.seed ^ hasher.finish());
        let best = in_order(offered, &mut random).into_iter().take(RECORDS_MAX);
        best.flat_map(|row| self.hosts(&row.target.trim_end_matches('.').to_ascii_lowercase(), row.port, transport)).collect()
    }

    /// The addresses of a host, IPv4 first: a way that is there for certain before one that often leads nowhere.
    fn hosts(&mut self, host: &str, port: u16, transport: Transport) -> Vec<Target> {
        let mut targets = Vec::new();
        if !self.hosts.iter().any(|known| known == host) {
            if self.hosts.len() >= HOSTS_MAX {
                return targets;
            }
            self.hosts.push(host.to_owned());
        }
        for family in [Family::V4, Family::V6] {
            if !self.reach.contains(&(transport, family)) {
                continue;
            }
            let question = match family {
                Family::V4 => Question::A(host.to_owned()),
                Family::V6 => Question::Aaaa(host.to_owned()),
            };
            if let Some(Records::Addresses(addresses)) = self.ask(question) {
                let of_family = addresses.iter().filter(|address| Family::of(**address) == family).take(RECORDS_MAX);
                targets.extend(of_family.map(|address| Target { transport, address: SocketAddr::new(*address, port) }));
            }
        }
        targets
    }
}

/// Where the SRV records of a transport are (RFC 3263 §4.1).
fn service_name(transport: Transport, domain: &str) -> String {
    let service = match transport {
        Transport::Tcp => "_sip._tcp",
        Transport::Tls => "_sips._tcp",
        Transport::Udp => "_sip._udp",
    };
    format!("{service}.{domain}")
}

fn transport_of(service: &str) -> Option<Transport> {
    match service.to_ascii_uppercase().as_str() {
        "SIP+D2T" => Some(Transport::Tcp),
        "SIP+D2U" => Some(Transport::Udp),
        "SIPS+D2T" => Some(Transport::Tls),
        _ => None,
    }
}
