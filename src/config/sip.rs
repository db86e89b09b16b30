//! The section `[sip]`: where SIP is spoken, what peers are told, TLS, DNS.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use actors::config::DirectPeer;

use super::reader::Section;

const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 5060);
const TLS_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 5061);
/// A telephone rings for less than a minute until somebody, or a mailbox, takes it.
const RING_TIMEOUT: Duration = Duration::from_secs(60);
/// DNS servers that are asked; more would never be reached within a search's time.
const DNS_SERVERS_MAX: usize = 3;
const SESSION_EXPIRES: Duration = Duration::from_secs(1_800);
/// Nobody may ask for less (RFC 4028 §4).
const SESSION_EXPIRES_MIN: Duration = Duration::from_secs(90);

/// `[sip]`: where SIP is spoken.
#[derive(Clone, Debug, PartialEq)]
pub struct SipConfig {
    /// Addresses for UDP and TCP, default 127.0.0.1:5060. A call's RTP is bound to the IP it came to.
    pub listen: Vec<SocketAddr>,
    /// Addresses for TLS, default 127.0.0.1:5061; used when there is a certificate.
    pub tls_listen: Vec<SocketAddr>,
    /// The certificate and its checks; default none, and no TLS.
    pub tls: Option<SipTls>,
    /// The IPs that peers are told in Contact, Via and SDP, at most one of each family; default the IP of the listener.
    pub advertised: Vec<IpAddr>,
    /// DNS servers that names of peers are looked up at; default those of the system.
    pub dns_servers: Vec<SocketAddr>,
    /// How long a session may go without a refresh, as we ask for it, 90-86400 s, default 1800; `None`: only peers ask.
    pub session_expires: Option<Duration>,
    /// How long a call rings before it is answered, 0-60000 ms, default 0.
    pub ring: Duration,
    /// Whether calls of nobody known are taken though there are trunks, default false.
    pub accept_unknown: bool,
    /// How long a call of ours may ring, 1-600 s, default 60 s; then it is given up.
    pub ring_timeout: Duration,
    /// Whom calls of ours may go to without a trunk, default nobody.
    pub direct_calls: Vec<DirectPeer>,
}

/// PEM files of TLS.
#[derive(Clone, Debug, PartialEq)]
pub struct SipTls {
    /// The chain, our own certificate first.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// Who signs the certificates of those who connect; default: they are not asked for one.
    pub client_roots: Option<PathBuf>,
    /// Whether they must show one; default true.
    pub client_required: bool,
    /// Who signs the certificates of those we connect to; default the public authorities.
    pub server_roots: Option<PathBuf>,
}

impl SipConfig {
    /// What peers are told of a listener.
    pub fn advertised_for(&self, listen: SocketAddr) -> IpAddr {
        let of_family = self.advertised.iter().find(|address| address.is_ipv4() == listen.is_ipv4());
        of_family.copied().unwrap_or(listen.ip())
    }

    /// The addresses that are taken, with their keys.
    pub fn sockets(&self) -> impl Iterator<Item = (&'static str, SocketAddr)> {
        let tls = self.tls.iter().flat_map(|_| &self.tls_listen).map(|address| ("tls_listen", *address));
        self.listen.iter().map(|address| ("listen", *address)).chain(tls)
    }
}

pub(super) fn read_sip(mut section: Section<'_>) -> SipConfig {
    let address = |text: &str| text.parse::<SocketAddr>().map_err(|_| format!("{text:?} is not an address (ip:port)"));
    let sip = SipConfig {
        listen: section.one_or_more("listen", &[LISTEN], address),
        tls_listen: section.one_or_more("tls_listen", &[TLS_LISTEN], address),
        tls: read_tls(&mut section),
        advertised: section
            .one_or_more("advertised_address", &[], |text| text.parse().map_err(|_| format!("{text:?} is not an IP address"))),
        dns_servers: section.one_or_more("dns_servers", &[], address),
        session_expires: Some(section.seconds("session_expires_s", SESSION_EXPIRES, 0..=86_400)).filter(|wait| !wait.is_zero()),
        ring: section.millis("ring_ms", Duration::ZERO, 0..=60_000),
        accept_unknown: section.flag("accept_unknown", false),
        ring_timeout: section.seconds("ring_timeout_s", RING_TIMEOUT, 1..=600),
        direct_calls: section
            .one_or_more("direct_calls", &[], |text| text.parse::<DirectPeer>().map_err(|error| error.to_string())),
    };
    check(&sip, &mut section);
    section.finish();
    sip
}

fn read_tls(section: &mut Section<'_>) -> Option<SipTls> {
    let path = |text: &str| Ok::<_, String>(text.to_owned());
    let auth = [("required", true), ("optional", false)];
    let certificate = section.optional("tls_cert", path);
    let key = section.optional("tls_key", path);
    let client_roots = section.optional("tls_client_roots", path);
    let asks = section.has("tls_client_auth");
    let client_required = section.choice("tls_client_auth", true, &auth);
    if asks && client_roots.is_none() {
        // Else who believes to be protected lets everybody in.
        section.refuse("tls_client_auth", "needs tls_client_roots, by which certificates are judged");
    }
    let server_roots = section.optional("tls_server_roots", path);
    match (certificate, key) {
        (Some(certificate), Some(key)) => Some(SipTls {
            certificate: certificate.into(),
            key: key.into(),
            client_roots: client_roots.map(PathBuf::from),
            client_required,
            server_roots: server_roots.map(PathBuf::from),
        }),
        (certificate, key) => {
            if certificate.is_some() || key.is_some() {
                let (key, other) = if key.is_some() { ("tls_cert", "tls_key") } else { ("tls_key", "tls_cert") };
                section.refuse(key, format!("must be set with {other}"));
            }
            for (key, value) in [("tls_client_roots", client_roots), ("tls_server_roots", server_roots)] {
                if value.is_some() {
                    section.refuse(key, "needs tls_cert and tls_key");
                }
            }
            None
        }
    }
}

fn check(sip: &SipConfig, section: &mut Section<'_>) {
    if sip.sockets().next().is_none() {
        section.refuse("listen", "needs an address, here or in tls_listen with a certificate");
    }
    let mut seen: Vec<SocketAddr> = Vec::new();
    for (key, address) in sip.sockets() {
        if seen.contains(&address) && address.port() != 0 {
            section.refuse(key, format!("{address} is there twice"));
        }
        seen.push(address);
        let told = sip.advertised_for(address);
        if told.is_unspecified() && !sip.advertised.contains(&told) {
            let reason = format!("must be set when sip.{key} is {address}: callers cannot send to {told}");
            section.refuse("advertised_address", reason);
        }
    }
    for (index, address) in sip.advertised.iter().enumerate() {
        if address.is_unspecified() {
            section.refuse("advertised_address", format!("callers cannot send to {address}"));
        }
        if sip.advertised[..index].iter().any(|other| other.is_ipv4() == address.is_ipv4()) {
            section.refuse("advertised_address", format!("{address} is the second of its family"));
        }
    }
    if let Some(wait) = sip.session_expires.filter(|wait| *wait < SESSION_EXPIRES_MIN) {
        let reason = format!("{} s is below {} s; 0 does not ask", wait.as_secs(), SESSION_EXPIRES_MIN.as_secs());
        section.refuse("session_expires_s", reason);
    }
    if sip.dns_servers.len() > DNS_SERVERS_MAX {
        section.refuse("dns_servers", format!("{} are above {DNS_SERVERS_MAX}", sip.dns_servers.len()));
    }
}
