//! Gets a document by its URL. Whoever gives the URL must not reach what only this machine can reach, so that each address is
//! looked at after the name was resolved, and it is that address which is connected to; redirects start again from there.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{ACCEPT, CONTENT_TYPE, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};

use super::address::{is_metadata, is_public};
use super::http::{BodyError, body, describe};

/// Redirects that are followed: sites need two or three.
const REDIRECTS_MAX: usize = 5;
/// Time for all of it.
const FETCH_TIME_MAX: Duration = Duration::from_secs(60);
/// Time to open a connection.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);
/// What is asked for; what comes is checked all the same.
const ACCEPTED: &str = "text/html, text/markdown, text/plain, application/pdf, */*;q=0.1";
/// Longest URL, as browsers have it.
const URL_BYTES_MAX: usize = 2048;

/// A document as a server gave it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fetched {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its `Content-Type`, empty when there was none.
    pub content_type: String,
    /// Where it came from in the end.
    pub url: String,
}

/// Why it did not come.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// No URL that can be fetched.
    #[error("the URL {0}")]
    Url(&'static str),
    /// It leads into a private network.
    #[error("{host} is a private address ({address}); knowledge.allow_private_urls permits it")]
    Private {
        /// The host of the URL.
        host: String,
        /// What it resolved to.
        address: IpAddr,
    },
    /// It leads to where clouds tell a machine its own keys.
    #[error("{host} is a link-local address ({address}), where no document is")]
    Metadata {
        /// The host of the URL.
        host: String,
        /// What it resolved to.
        address: IpAddr,
    },
    /// Redirected again and again.
    #[error("more than {REDIRECTS_MAX} redirects")]
    Redirects,
    /// The server's refusal.
    #[error("the server answered {0}")]
    Status(u16),
    /// More bytes than are taken.
    #[error("the document has more than {limit} bytes")]
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// The server cannot be reached, or not in time.
    #[error("{0}")]
    Network(String),
}

impl FetchError {
    /// Whether the same URL may work later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Network(_) => true,
            Self::Status(status) => *status >= 500 || *status == 429 || *status == 408,
            _ => false,
        }
    }
}

/// Fetches documents.
#[derive(Clone, Debug)]
pub struct Fetcher {
    /// Made when it is first needed: it reads the system's certificates, for which a start should not wait.
    client: Arc<OnceLock<Client>>,
    allow_private: bool,
    bytes_max: usize,
}

impl Fetcher {
    /// One that takes documents of at most `bytes_max`, and goes to private addresses only when allowed; never to a cloud's
    /// metadata service.
    #[must_use]
    pub fn new(allow_private: bool, bytes_max: usize) -> Self {
        Self { client: Arc::default(), allow_private, bytes_max }
    }

    fn client(&self) -> Result<&Client, FetchError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let builder = Client::builder()
            .redirect(Policy::none())
            .connect_timeout(CONNECT_TIME_MAX)
            // A proxy would resolve the name once more, out of our sight.
            .no_proxy()
            .user_agent(concat!("offhook/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(Guard { allow_private: self.allow_private });
        let client = builder.build().map_err(|error| FetchError::Network(describe(&error)))?;
        Ok(self.client.get_or_init(|| client))
    }

    /// The document at `url`, within a minute.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn fetch(&self, url: &str) -> Result<Fetched, FetchError> {
        let late = FetchError::Network(format!("no answer within {} s", FETCH_TIME_MAX.as_secs()));
        tokio::time::timeout(FETCH_TIME_MAX, self.follow(url)).await.unwrap_or(Err(late))
    }

    /// Whether `url` could be fetched, as far as its text says.
    ///
    /// # Errors
    /// [`FetchError::Url`], [`FetchError::Private`], [`FetchError::Metadata`].
    pub fn check(&self, url: &str) -> Result<Url, FetchError> {
        if url.len() > URL_BYTES_MAX {
            return Err(FetchError::Url("has more than 2048 bytes"));
        }
        let parsed = Url::parse(url).map_err(|_| FetchError::Url("cannot be read (https://host/path)"))?;
        if !matches!(parsed.scheme(), "http" | "https") {
            return Err(FetchError::Url("is neither http nor https"));
        }
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(FetchError::Url("has a user or password, which would be stored"));
        }
        // A number as a host is connected to without a resolver.
        let host = parsed.host_str().unwrap_or_default();
        match host.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(address) if !permitted(address, self.allow_private) => Err(not_permitted(host, address)),
            _ => Ok(parsed),
        }
    }

    async fn follow(&self, url: &str) -> Result<Fetched, FetchError> {
        let mut url = self.check(url)?;
        for _ in 0..=REDIRECTS_MAX {
            let request = self.client()?.get(url.clone()).header(ACCEPT, ACCEPTED);
            let response = request.send().await.map_err(|error| refusal(&url, &error))?;
            let status = response.status();
            if status.is_redirection() {
                let target = response.headers().get(LOCATION).and_then(|target| target.to_str().ok());
                let next = target.and_then(|target| url.join(target).ok()).ok_or(FetchError::Status(status.as_u16()))?;
                url = self.check(next.as_str())?;
                continue;
            }
            if !status.is_success() {
                return Err(FetchError::Status(status.as_u16()));
            }
            let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
            let content_type = content_type.to_owned();
            return match body(response, self.bytes_max).await {
                Ok(bytes) => Ok(Fetched { bytes, content_type, url: url.into() }),
                Err(BodyError::TooLong) => Err(FetchError::TooLong { limit: self.bytes_max }),
                Err(BodyError::Broken(error)) => Err(FetchError::Network(describe(&error))),
            };
        }
        Err(FetchError::Redirects)
    }
}

fn permitted(address: IpAddr, allow_private: bool) -> bool {
    is_public(address) || (allow_private && !is_metadata(address))
}

fn not_permitted(host: &str, address: IpAddr) -> FetchError {
    let host = host.to_owned();
    match is_metadata(address) {
        true => FetchError::Metadata { host, address },
        false => FetchError::Private { host, address },
    }
}

/// A request that failed: by our own guard, or by the network.
fn refusal(url: &Url, error: &reqwest::Error) -> FetchError {
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        if let Some(Refused(address)) = inner.downcast_ref::<Refused>() {
            return not_permitted(url.host_str().unwrap_or_default(), *address);
        }
        cause = inner.source();
    }
    FetchError::Network(describe(error))
}

/// A name that resolved to an address that must not be connected to.
#[derive(Debug, thiserror::Error)]
#[error("{0} is not permitted")]
struct Refused(IpAddr);

/// Resolves names, and gives no address that must not be connected to. One private address among public ones refuses the name:
/// a name that means well has none.
#[derive(Clone, Copy, Debug)]
struct Guard {
    allow_private: bool,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let allow_private = self.allow_private;
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            if let Some(private) = found.iter().find(|address| !permitted(address.ip(), allow_private)) {
                return Err(Refused(private.ip()).into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, expected: &str) {
        let fetcher = Fetcher::new(false, 1000);
        let found = fetcher.check(url);
        assert_eq!(found.map_or_else(|error| error.to_string(), |url| url.to_string()), expected, "{url}");
    }

    #[test]
    fn only_public_http_urls_pass() {
        let private = |host: &str, address: &str| {
            format!("{host} is a private address ({address}); knowledge.allow_private_urls permits it")
        };
        check("https://example.com/a?b", "https://example.com/a?b");
        check("file:///etc/passwd", "the URL is neither http nor https");
        check("gopher://example.com", "the URL is neither http nor https");
        check("example.com", "the URL cannot be read (https://host/path)");
        check("http://user:pw@example.com/", "the URL has a user or password, which would be stored");
        check(
            "http://169.254.169.254/latest/meta-data",
            "169.254.169.254 is a link-local address (169.254.169.254), where no document is",
        );
        check("http://[::1]:8080/", &private("[::1]", "::1"));
        check("http://[::ffff:10.0.0.1]/", &private("[::ffff:a00:1]", "::ffff:10.0.0.1"));
        // What the URL standard makes of other ways to write 127.0.0.1.
        for odd in ["http://2130706433/", "http://0x7f.1/", "http://0177.0.0.1/", "http://127.1/"] {
            check(odd, &private("127.0.0.1", "127.0.0.1"));
        }
        check(&format!("http://example.com/{}", "x".repeat(2048)), "the URL has more than 2048 bytes");
    }
}
