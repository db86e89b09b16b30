//! Keeps requests whose target others may choose away from this machine and its network (SSRF): those of tools, of MCP servers, and
//! for documents.
//!
//! The address is checked where it is connected to: our resolver hands on only what may be reached, and the client connects to
//! that and asks no second time. So a name that changes its address in between (DNS rebinding) gains nothing. A redirect is
//! checked as the first request was, and an address that is written in the URL is checked too.

use std::collections::HashMap;
use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{fmt, io};

use futures_util::future::BoxFuture;
use reqwest::Client;
pub use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::{Attempt, Policy};

use super::address::Place;

/// Redirects that are followed: sites need two or three, more is a loop.
pub const REDIRECTS_MAX: usize = 5;

/// Time to open a connection; the whole of a request has a limit of its own.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);

/// Connections that wait for their next request, a host.
const IDLE_CONNECTIONS: usize = 8;

/// Where a client may go.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Reach {
    /// The Internet, and this machine and private networks. Never where clouds keep their keys, nor what is reserved.
    Private,
    /// The Internet only.
    Public,
}

/// Which redirects are followed, [`REDIRECTS_MAX`] at most; none from https to http.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Redirects {
    /// To any host that may be reached.
    AnyHost,
    /// None: who asks gets the redirect and decides itself.
    Nowhere,
    /// Only to the same scheme, host and port: for requests whose headers no one else may see.
    SameOrigin,
}

/// Why a request was not sent. Its text has no word of the URL, since that may hold a secret.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// The host is, or resolves to, an address that may not be reached.
    #[error("its address is {}", forbidden(*.place))]
    Address {
        /// The host, as the URL has it.
        host: String,
        /// It.
        address: IpAddr,
        /// Where it leads.
        place: Place,
    },
    /// The URL has a user or a password.
    #[error("it has a user or password")]
    Credentials,
    /// The redirect leads from https to http.
    #[error("it redirects from https to http")]
    Downgraded,
    /// The redirect leads to another host.
    #[error("it redirects to another host")]
    Elsewhere,
    /// Neither http nor https.
    #[error("it is neither http nor https")]
    Scheme,
    /// More than [`REDIRECTS_MAX`].
    #[error("it redirects more than {REDIRECTS_MAX} times")]
    TooMany,
}

/// What stands against an address.
fn forbidden(place: Place) -> &'static str {
    match place {
        Place::Internet | Place::Local => "private, which is not allowed",
        Place::Metadata => "link-local or of a cloud's metadata service, which is never allowed",
        Place::Reserved => "reserved, which is never allowed",
    }
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
    #[must_use]
    pub fn permits(self, address: IpAddr) -> bool {
        match Place::of(address) {
            Place::Internet => true,
            Place::Local => self == Self::Private,
            Place::Metadata | Place::Reserved => false,
        }
    }

    /// Whether `url` may be asked, as far as it says so itself: a name's addresses are checked when they are looked up.
    ///
    /// # Errors
    /// [`Refused::Scheme`], [`Refused::Credentials`], [`Refused::Address`].
    pub fn check(self, url: &Url) -> Result<(), Refused> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Refused::Scheme);
        }
        // They would be stored, or shown, with the URL.
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refused::Credentials);
        }
        let host = url.host_str().unwrap_or_default();
        // RFC 6761 §6.3: never anything else, so it need not be looked up.
        let local = host == "localhost" || host.ends_with(".localhost");
        let address = match host.trim_start_matches('[').trim_end_matches(']').parse() {
            Ok(address) => address,
            Err(_) if local => IpAddr::from([127, 0, 0, 1]),
            Err(_) => return Ok(()),
        };
        if self.permits(address) { Ok(()) } else { Err(refused(host, address)) }
    }

    /// All of `found` when each may be connected to. One private address among public ones refuses the name: a name that means
    /// well has none.
    fn check_all(self, name: &str, found: &[SocketAddr]) -> Result<(), Refused> {
        match found.iter().find(|address| !self.permits(address.ip())) {
            Some(address) => Err(refused(name, address.ip())),
            None => Ok(()),
        }
    }
}

fn refused(host: &str, address: IpAddr) -> Refused {
    Refused::Address { host: host.to_owned(), address, place: Place::of(address) }
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

/// Makes clients that go nowhere they may not, one for each way of going out, and keeps them. Cheap to clone; one a node.
#[derive(Clone)]
pub struct Guard {
    lookup: Arc<dyn Lookup>,
    clients: Arc<Mutex<HashMap<(Reach, Redirects), Client>>>,
}

impl Default for Guard {
    fn default() -> Self {
        Self::new(Arc::new(SystemLookup))
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").finish_non_exhaustive()
    }
}

impl Guard {
    /// One that finds addresses by `lookup`.
    #[must_use]
    pub fn new(lookup: Arc<dyn Lookup>) -> Self {
        Self { lookup, clients: Arc::default() }
    }

    /// The client for this way of going out; a TLS provider must be installed. Its first URL is for [`Reach::check`] to check. Made when it
    /// is first wanted, since it reads the system's certificates. Proxies of the environment are not used, since they would
    /// connect for it; no host is told by which URL another led to it.
    ///
    /// # Errors
    /// When the system has no certificates of authorities.
    pub fn client(&self, reach: Reach, redirects: Redirects) -> Result<Client, reqwest::Error> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&(reach, redirects)) {
            return Ok(client.clone());
        }
        let policy = Policy::custom(move |attempt| match follow(reach, redirects, &attempt) {
            Ok(()) if redirects == Redirects::Nowhere => attempt.stop(),
            Ok(()) => attempt.follow(),
            Err(refused) => attempt.error(refused),
        });
        let client = Client::builder()
            .no_proxy()
            .redirect(policy)
            .referer(false)
            .dns_resolver(Arc::new(Guarded { reach, lookup: Arc::clone(&self.lookup) }))
            .connect_timeout(CONNECT_TIME_MAX)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .user_agent(concat!("offhook/", env!("CARGO_PKG_VERSION")))
            .build()?;
        clients.insert((reach, redirects), client.clone());
        Ok(client)
    }
}

/// Hands on the addresses of a name when all may be connected to.
struct Guarded {
    reach: Reach,
    lookup: Arc<dyn Lookup>,
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let (reach, found) = (self.reach, self.lookup.lookup(name.as_str().to_owned()));
        Box::pin(async move {
            let found = found.await?;
            reach.check_all(name.as_str(), &found)?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

fn follow(reach: Reach, redirects: Redirects, attempt: &Attempt<'_>) -> Result<(), Refused> {
    if attempt.previous().len() > REDIRECTS_MAX {
        return Err(Refused::TooMany);
    }
    reach.check(attempt.url())?;
    let Some(from) = attempt.previous().last() else { return Ok(()) };
    if from.scheme() == "https" && attempt.url().scheme() == "http" {
        return Err(Refused::Downgraded);
    }
    let elsewhere = redirects == Redirects::SameOrigin && from.origin() != attempt.url().origin();
    if elsewhere { Err(Refused::Elsewhere) } else { Ok(()) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const PRIVATE: &str = "its address is private, which is not allowed";
    const METADATA: &str = "its address is link-local or of a cloud's metadata service, which is never allowed";
    const RESERVED: &str = "its address is reserved, which is never allowed";

    fn check(reach: Reach, urls: &[&str], expected: &str) {
        for url in urls {
            let said = reach.check(&Url::parse(url).unwrap()).map_or_else(|refused| refused.to_string(), |()| String::new());
            assert_eq!(said, expected, "{url}");
        }
    }

    #[test]
    fn an_address_in_the_url_is_checked_however_it_is_written() {
        check(Reach::Public, &["https://example.com/", "http://8.8.8.8/", "http://[2606:4700::1111]/"], "");
        let private = [
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://0177.0.0.1/",
            "http://127.1/",
            "http://127.0.0.1./",
            "http://[::1]:80/",
            "http://[::ffff:7f00:1]/",
            "http://[64:ff9b::a00:1]/",
            "http://[2002:c0a8:101::1]/",
            "http://LOCALHOST:80/",
            "http://a.localhost/",
        ];
        check(Reach::Public, &private, PRIVATE);
        check(Reach::Private, &private, "");
        check(Reach::Public, &["ftp://example.com/", "file:///etc/passwd"], "it is neither http nor https");
        check(Reach::Private, &["http://user@example.com/", "http://:pw@10.0.0.1/"], "it has a user or password");
    }

    #[test]
    fn nothing_allows_metadata_services_and_what_is_reserved() {
        for reach in [Reach::Public, Reach::Private] {
            let metadata = ["http://169.254.169.254/", "http://100.100.100.200/", "http://[fd00:ec2::254]/", "http://[fe80::1]/"];
            check(reach, &metadata, METADATA);
            check(reach, &["http://[::ffff:169.254.169.254]/", "http://[64:ff9b::a9fe:a9fe]/", "http://2852039166/"], METADATA);
            check(reach, &["http://0.0.0.0/", "http://[::]/", "http://192.88.99.1/", "http://[2001::1]/"], RESERVED);
        }
    }

    /// Answers with the same addresses for every name.
    struct Fixed(Vec<&'static str>);

    impl Lookup for Fixed {
        fn lookup(&self, _: String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
            let found = self.0.iter().map(|address| SocketAddr::new(address.parse().unwrap(), 0)).collect();
            Box::pin(async { Ok(found) })
        }
    }

    async fn resolved(reach: Reach, addresses: &[&'static str]) -> String {
        use std::str::FromStr as _;
        let guarded = Guarded { reach, lookup: Arc::new(Fixed(addresses.to_vec())) };
        match guarded.resolve(Name::from_str("name.test").unwrap()).await {
            Ok(addresses) => addresses.map(|address| address.ip().to_string()).collect::<Vec<_>>().join(" "),
            Err(error) => Refused::of(&*error).unwrap().to_string(),
        }
    }

    #[tokio::test]
    async fn a_name_gives_its_addresses_only_when_all_may_be_reached() {
        assert_eq!(resolved(Reach::Public, &["1.1.1.1", "2606:4700::1111"]).await, "1.1.1.1 2606:4700::1111");
        assert_eq!(resolved(Reach::Public, &["1.1.1.1", "127.0.0.1"]).await, PRIVATE);
        assert_eq!(resolved(Reach::Private, &["1.1.1.1", "127.0.0.1"]).await, "1.1.1.1 127.0.0.1");
        assert_eq!(resolved(Reach::Private, &["10.0.0.1", "fd00:ec2::254"]).await, METADATA);
        assert_eq!(resolved(Reach::Private, &["10.0.0.1", "100.100.100.200"]).await, METADATA);
        assert_eq!(resolved(Reach::Public, &[]).await, "");
    }
}
