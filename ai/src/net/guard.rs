//! Keeps requests whose target others may choose away from this machine and its network (SSRF).
//!
//! The address is checked where it is connected to: our resolver hands on only the addresses that may be reached, and the
//! client connects to those and asks no second time. So a name that changes its address in between (DNS rebinding) gains
//! nothing. A redirect is checked as the first request was, and an address that is written in the URL is checked too.

use std::error::Error;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::{Attempt, Policy};
use reqwest::{ClientBuilder, Url};

/// Redirects that are followed: more is a loop.
pub const REDIRECTS_MAX: usize = 3;

/// Where a client may go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reach {
    /// The Internet, and this machine and private networks. Never link-local addresses, behind which clouds keep their keys.
    Private,
    /// The Internet only.
    Public,
}

/// Which redirects are followed, [`REDIRECTS_MAX`] at most; none from https to http.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Redirects {
    /// To any host that may be reached.
    AnyHost,
    /// Only to the same scheme, host and port: for requests whose headers no one else may see.
    SameOrigin,
}

/// Why a request was not sent.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// The host is, or resolves to, an address that may not be reached.
    #[error("its address is private, which is not allowed")]
    Address,
    /// The redirect leads to another host, or from https to http.
    #[error("it redirects to another host")]
    Elsewhere,
    /// Neither http nor https.
    #[error("it is neither http nor https")]
    Scheme,
    /// More than [`REDIRECTS_MAX`].
    #[error("it redirects more than {REDIRECTS_MAX} times")]
    TooMany,
}

impl Refused {
    /// The refusal among the causes of `error`, if that is why it failed.
    pub fn of<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e Self> {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if let Some(refused) = error.downcast_ref() {
                return Some(refused);
            }
            // What `io::Error::other` wraps is not its source.
            let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            if let Some(refused) = wrapped.and_then(|wrapped| wrapped.downcast_ref()) {
                return Some(refused);
            }
            cause = error.source();
        }
        None
    }
}

impl Reach {
    /// Whether `address` may be connected to.
    pub fn permits(self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => match place_v4(address) {
                Place::Internet => true,
                Place::Local => self == Self::Private,
                Place::Never => false,
            },
            IpAddr::V6(address) => match embedded_v4(address) {
                Some(embedded) => self.permits(embedded.into()),
                None => match place_v6(address) {
                    Place::Internet => true,
                    Place::Local => self == Self::Private,
                    Place::Never => false,
                },
            },
        }
    }

    /// Whether `url` may be asked, as far as it says so itself: a name's addresses are checked when they are looked up.
    ///
    /// # Errors
    /// [`Refused::Scheme`], [`Refused::Address`].
    pub fn check(self, url: &Url) -> Result<(), Refused> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Refused::Scheme);
        }
        let host = url.host_str().unwrap_or_default();
        // RFC 6761 §6.3: never anything else, so it need not be looked up.
        let local = host == "localhost" || host.ends_with(".localhost");
        if local && self == Self::Public {
            return Err(Refused::Address);
        }
        match host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
            Ok(address) if !self.permits(address) => Err(Refused::Address),
            _ => Ok(()),
        }
    }
}

enum Place {
    Internet,
    /// This machine, or a private network.
    Local,
    /// Link-local, multicast, or nobody's.
    Never,
}

/// IANA IPv4 special-purpose address registry (RFC 6890).
fn place_v4(address: Ipv4Addr) -> Place {
    match address.octets() {
        [10, ..] | [127, ..] | [192, 168, ..] => Place::Local,
        [172, second, ..] if second & 0xF0 == 16 => Place::Local,
        // Shared by carriers, RFC 6598.
        [100, second, ..] if second & 0xC0 == 64 => Place::Local,
        [0, ..] | [169, 254, ..] | [192, 0, 0, _] | [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Place::Never,
        // Benchmarks, RFC 2544.
        [198, second, ..] if second & 0xFE == 18 => Place::Never,
        // Multicast and above.
        [first, ..] if first >= 224 => Place::Never,
        _ => Place::Internet,
    }
}

/// IANA IPv6 special-purpose address registry (RFC 6890); addresses that hold an IPv4 one are not asked here.
fn place_v6(address: Ipv6Addr) -> Place {
    let segments = address.segments();
    match segments {
        [0, 0, 0, 0, 0, 0, 0, 1] => Place::Local,
        [first, ..] if first & 0xFE00 == 0xFC00 => Place::Local,
        // Teredo and documentation; the rest of 2000::/3 is the Internet.
        [0x2001, 0 | 0x0DB8, ..] => Place::Never,
        [first, ..] if first & 0xE000 == 0x2000 => Place::Internet,
        _ => Place::Never,
    }
}

/// The IPv4 address that this one leads to: mapped (RFC 4291), translated (RFC 6052), 6to4 (RFC 3056).
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Some(Ipv4Addr::new(a, b, c, d))
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0xFFFF, high, low] | [0x64, 0xFF9B, 0, 0, 0, 0, high, low] => v4(high, low),
        [0x2002, high, low, ..] => v4(high, low),
        _ => None,
    }
}

/// Finds the addresses of a name; tests have their own.
pub trait Lookup: Send + Sync {
    /// All addresses of `host`; their port is not looked at.
    fn lookup(&self, host: String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>>;
}

/// The system's resolver.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemLookup;

impl Lookup for SystemLookup {
    fn lookup(&self, host: String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, 0)).await?.collect()) })
    }
}

/// Hands on only the addresses that may be connected to.
struct Guarded {
    reach: Reach,
    lookup: Arc<dyn Lookup>,
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let (reach, found) = (self.reach, self.lookup.lookup(name.as_str().to_owned()));
        Box::pin(async move {
            let found = found.await?;
            let permitted: Vec<SocketAddr> = found.iter().copied().filter(|address| reach.permits(address.ip())).collect();
            if permitted.is_empty() && !found.is_empty() {
                return Err(Refused::Address.into());
            }
            Ok(Box::new(permitted.into_iter()) as Addrs)
        })
    }
}

/// A client that goes nowhere it may not. Its first URL is for [`Reach::check`] to check; proxies of the environment are not
/// used, since they would connect for it.
pub fn client(reach: Reach, redirects: Redirects, lookup: Arc<dyn Lookup>) -> ClientBuilder {
    let policy = Policy::custom(move |attempt| match follow(reach, redirects, &attempt) {
        Ok(()) => attempt.follow(),
        Err(refused) => attempt.error(refused),
    });
    reqwest::Client::builder().no_proxy().redirect(policy).dns_resolver(Arc::new(Guarded { reach, lookup }))
}

fn follow(reach: Reach, redirects: Redirects, attempt: &Attempt<'_>) -> Result<(), Refused> {
    if attempt.previous().len() > REDIRECTS_MAX {
        return Err(Refused::TooMany);
    }
    reach.check(attempt.url())?;
    let Some(from) = attempt.previous().last() else { return Ok(()) };
    let downgraded = from.scheme() == "https" && attempt.url().scheme() == "http";
    let elsewhere = redirects == Redirects::SameOrigin && from.origin() != attempt.url().origin();
    if downgraded || elsewhere { Err(Refused::Elsewhere) } else { Ok(()) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn check(address: &str, expected: &str) {
        let address: IpAddr = address.parse().unwrap();
        let found = match (Reach::Public.permits(address), Reach::Private.permits(address)) {
            (true, true) => "internet",
            (false, true) => "local",
            (false, false) => "never",
            (true, false) => "contradiction",
        };
        assert_eq!(found, expected, "{address}");
    }

    #[test]
    fn addresses_are_told_apart() {
        for internet in
            ["1.1.1.1", "100.63.0.1", "172.32.0.1", "198.20.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
        {
            check(internet, "internet");
        }
        for local in ["127.0.0.1", "127.9.9.9", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "::1"] {
            check(local, "local");
        }
        for local in ["fd00::1", "fc00::1", "::ffff:127.0.0.1", "::ffff:10.1.2.3", "64:ff9b::7f00:1", "2002:7f00:1::"] {
            check(local, "local");
        }
        for never in ["0.0.0.0", "169.254.169.254", "224.0.0.1", "255.255.255.255", "198.18.0.1", "192.0.2.1", "203.0.113.9"] {
            check(never, "never");
        }
        for never in ["::", "fe80::1", "fec0::1", "ff02::1", "2001:db8::1", "2001::1", "::ffff:169.254.169.254", "::7f00:1"] {
            check(never, "never");
        }
    }

    #[test]
    fn an_address_in_the_url_is_checked_however_it_is_written() {
        let said = |url: &str| Reach::Public.check(&Url::parse(url).unwrap()).map_err(|refused| refused.to_string());
        assert_eq!(said("https://example.com/"), Ok(()));
        for private in
            ["http://127.0.0.1/", "http://2130706433/", "http://0x7f.1/", "http://[::1]:80/", "http://[::ffff:7f00:1]/"]
        {
            assert_eq!(said(private).unwrap_err(), "its address is private, which is not allowed", "{private}");
        }
        assert_eq!(said("http://LOCALHOST:80/").unwrap_err(), "its address is private, which is not allowed");
        assert_eq!(said("ftp://example.com/").unwrap_err(), "it is neither http nor https");
    }

    /// Answers with the same addresses for every name.
    struct Fixed(Vec<&'static str>);

    impl Lookup for Fixed {
        fn lookup(&self, _: String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
            let found = self.0.iter().map(|address| SocketAddr::new(address.parse().unwrap(), 0)).collect();
            Box::pin(async { Ok(found) })
        }
    }

    async fn resolved(addresses: &[&'static str]) -> String {
        use std::str::FromStr as _;
        let guarded = Guarded { reach: Reach::Public, lookup: Arc::new(Fixed(addresses.to_vec())) };
        match guarded.resolve(Name::from_str("name.test").unwrap()).await {
            Ok(addresses) => addresses.map(|address| address.ip().to_string()).collect::<Vec<_>>().join(" "),
            Err(error) => Refused::of(&*error).unwrap().to_string(),
        }
    }

    #[tokio::test]
    async fn a_name_gives_only_addresses_that_may_be_reached() {
        assert_eq!(resolved(&["1.1.1.1"]).await, "1.1.1.1");
        assert_eq!(resolved(&["127.0.0.1", "1.1.1.1", "169.254.169.254"]).await, "1.1.1.1");
        assert_eq!(resolved(&["127.0.0.1", "::1"]).await, "its address is private, which is not allowed");
        assert_eq!(resolved(&[]).await, "");
    }
}
