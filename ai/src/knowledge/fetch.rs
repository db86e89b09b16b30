//! Gets a document by its URL, through the [`guard`](crate::net::guard): whoever gives the URL must not reach what only this machine can
//! reach.

use std::net::IpAddr;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::{ACCEPT, CONTENT_TYPE};

use super::http::{BodyError, body, describe};
use crate::net::address::Place;
use crate::net::guard::{Guard, REDIRECTS_MAX, Reach, Redirects, Refused};

/// Time for all of it.
const FETCH_TIME_MAX: Duration = Duration::from_secs(60);
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
    /// It leads to where clouds tell a machine its own keys, or to an address that no host has.
    #[error("{host} is a {kind} address ({address}), where no document is", kind = kind(*.place))]
    Never {
        /// The host of the URL.
        host: String,
        /// What it resolved to.
        address: IpAddr,
        /// Where that leads.
        place: Place,
    },
    /// Redirected again and again.
    #[error("more than {REDIRECTS_MAX} redirects")]
    Redirects,
    /// Redirected to where the document could be changed on its way.
    #[error("it redirects from https to http")]
    Downgraded,
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

fn kind(place: Place) -> &'static str {
    if place == Place::Metadata { "link-local or metadata" } else { "reserved" }
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

impl From<Refused> for FetchError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Address { host, address, place: Place::Local | Place::Internet } => Self::Private { host, address },
            Refused::Address { host, address, place } => Self::Never { host, address, place },
            Refused::Credentials => Self::Url("has a user or password, which would be stored"),
            Refused::Downgraded | Refused::Elsewhere => Self::Downgraded,
            Refused::Scheme => Self::Url("is neither http nor https"),
            Refused::TooMany => Self::Redirects,
        }
    }
}

/// Fetches documents.
#[derive(Clone, Debug)]
pub struct Fetcher {
    guard: Guard,
    reach: Reach,
    bytes_max: usize,
}

impl Fetcher {
    /// One that takes documents of at most `bytes_max` from where `reach` permits.
    #[must_use]
    pub fn new(guard: Guard, reach: Reach, bytes_max: usize) -> Self {
        Self { guard, reach, bytes_max }
    }

    /// The document at `url`, within a minute.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn fetch(&self, url: &str) -> Result<Fetched, FetchError> {
        let late = FetchError::Network(format!("no answer within {} s", FETCH_TIME_MAX.as_secs()));
        tokio::time::timeout(FETCH_TIME_MAX, self.fetch_now(url)).await.unwrap_or(Err(late))
    }

    /// Whether `url` could be fetched, as far as its text says.
    ///
    /// # Errors
    /// [`FetchError::Url`], [`FetchError::Private`], [`FetchError::Never`].
    pub fn check(&self, url: &str) -> Result<Url, FetchError> {
        if url.len() > URL_BYTES_MAX {
            return Err(FetchError::Url("has more than 2048 bytes"));
        }
        let url = Url::parse(url).map_err(|_| FetchError::Url("cannot be read (https://host/path)"))?;
        self.reach.check(&url)?;
        Ok(url)
    }

    async fn fetch_now(&self, url: &str) -> Result<Fetched, FetchError> {
        let url = self.check(url)?;
        let failed = |error: reqwest::Error| match Refused::of(&error) {
            Some(refused) => refused.clone().into(),
            None => FetchError::Network(describe(&error)),
        };
        let client = self.guard.client(self.reach, Redirects::AnyHost).map_err(failed)?;
        let response = client.get(url).header(ACCEPT, ACCEPTED).send().await.map_err(failed)?;
        let status = response.status();
        if !status.is_success() {
            return Err(FetchError::Status(status.as_u16()));
        }
        let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let (content_type, url) = (content_type.to_owned(), response.url().to_string());
        match body(response, self.bytes_max).await {
            Ok(bytes) => Ok(Fetched { bytes, content_type, url }),
            Err(BodyError::TooLong) => Err(FetchError::TooLong { limit: self.bytes_max }),
            Err(BodyError::Broken(error)) => Err(FetchError::Network(describe(&error))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, expected: &str) {
        let fetcher = Fetcher::new(Guard::default(), Reach::Public, 1000);
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
        check("example.com", "the URL cannot be read (https://host/path)");
        check("http://user:pw@example.com/", "the URL has a user or password, which would be stored");
        check(
            "http://169.254.169.254/latest/meta-data",
            "169.254.169.254 is a link-local or metadata address (169.254.169.254), where no document is",
        );
        check("http://0.0.0.0/", "0.0.0.0 is a reserved address (0.0.0.0), where no document is");
        check("http://[::ffff:10.0.0.1]/", &private("[::ffff:a00:1]", "::ffff:10.0.0.1"));
        // What the URL standard makes of another way to write 127.0.0.1.
        check("http://0x7f.1/", &private("127.0.0.1", "127.0.0.1"));
        check(&format!("http://example.com/{}", "x".repeat(2048)), "the URL has more than 2048 bytes");
    }
}
