//! Certificates that strangers name by URL, as the signers of calls do: fetched through the [`guard`](super::guard), kept for as long as
//! their server says, and asked for once however many calls wait for one.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use reqwest::header::{ACCEPT, CACHE_CONTROL, LOCATION};
use reqwest::{Response, Url};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout};

use super::guard::{Guard, Reach, Redirects, Refused};

/// Time for one certificate, a redirect included: a call waits for less, but the next one has it then.
const FETCH_TIME_MAX: Duration = Duration::from_secs(5);
/// Bytes of one: a chain of four has about 4 kB.
const BYTES_MAX: usize = 32 * 1024;
/// Bytes of a URL, as browsers have it.
const URL_BYTES_MAX: usize = 2048;
/// Certificates that are kept: a country's providers have some hundreds in use.
const KEPT_MAX: usize = 1000;
/// Fetches at once: whoever sends forged calls chooses where we connect to.
const FETCHES_MAX: usize = 32;
/// A certificate is kept so long at least, whatever its server says: for the calls of one flood.
const KEPT_FOR_MIN: Duration = Duration::from_secs(60);
/// And so long when the server says nothing.
const KEPT_FOR: Duration = Duration::from_secs(3_600);
/// And no longer: one that was withdrawn must go.
const KEPT_FOR_MAX: Duration = Duration::from_secs(86_400);
/// After a failure the URL is left alone for so long.
const FAILED_FOR: Duration = Duration::from_secs(10);
/// The ports that ATIS-1000074 has certificates at.
const PORTS: [u16; 2] = [443, 8443];

/// Why there is no certificate. No variant shows the URL.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// As many as may be are fetched at once.
    #[error("too many are fetched at once")]
    Busy,
    /// The server could not be reached, or broke off.
    #[error("its server cannot be reached")]
    Network,
    /// The URL is not one that may be asked: no https, another port, a private address, a second redirect.
    #[error("its URL leads where none may be fetched from")]
    Refused,
    /// The server's refusal.
    #[error("its server does not give it")]
    Status,
    /// Not here in time.
    #[error("its server is too slow")]
    Timeout,
    /// More bytes than are taken.
    #[error("it is too long")]
    TooLong,
}

impl FetchError {
    /// The label of metrics.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Network => "network",
            Self::Refused => "refused",
            Self::Status => "status",
            Self::Timeout => "timeout",
            Self::TooLong => "too_long",
        }
    }
}

/// What a server gave.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fetched {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// How long they may be kept, if it said so.
    pub max_age: Option<Duration>,
}

/// Fetches one certificate; tests have their own.
pub trait Fetch: Send + Sync {
    /// What is at `url`.
    fn fetch(&self, url: String) -> BoxFuture<'static, Result<Fetched, FetchError>>;
}

type Answer = Result<Arc<[u8]>, FetchError>;

/// A certificate, or why there is none, and until when that is so; `None` while it is fetched.
type Told = Option<(Answer, Instant)>;

/// All certificates of a node. Cheap to clone.
#[derive(Clone)]
pub struct Certificates {
    source: Arc<dyn Fetch>,
    kept: Arc<Mutex<HashMap<String, watch::Receiver<Told>>>>,
    places: Arc<Semaphore>,
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").finish_non_exhaustive()
    }
}

impl Certificates {
    /// Those that may be reached so. [`Reach::Private`] takes any port too: it is for laboratories and tests.
    #[must_use]
    pub fn new(reach: Reach) -> Self {
        Self::from(Arc::new(Https { guard: Guard::default(), reach }))
    }

    /// Those that `source` fetches.
    #[must_use]
    pub fn from(source: Arc<dyn Fetch>) -> Self {
        Self { source, kept: Arc::default(), places: Arc::new(Semaphore::new(FETCHES_MAX)) }
    }

    /// What is at `url`. Who stops waiting stops nothing: the next one finds it.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn get(&self, url: &str) -> Answer {
        let mut told = self.ask(url)?;
        match told.wait_for(Option::is_some).await.as_deref() {
            Ok(Some((answer, _))) => answer.clone(),
            // The runtime is going down.
            Ok(None) | Err(_) => Err(FetchError::Network),
        }
    }

    /// Where the answer will be, or is.
    fn ask(&self, url: &str) -> Result<watch::Receiver<Told>, FetchError> {
        let now = Instant::now();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(told) = kept.get(url).filter(|told| is_good(told, now)) {
            return Ok(told.clone());
        }
        if url.len() > URL_BYTES_MAX {
            return Err(FetchError::Refused);
        }
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| FetchError::Busy)?;
        make_room(&mut kept, now);
        let (tell, told) = watch::channel(None);
        kept.insert(url.to_owned(), told.clone());
        let fetch = self.source.fetch(url.to_owned());
        tokio::spawn(async move {
            let fetched = timeout(FETCH_TIME_MAX, fetch).await.unwrap_or(Err(FetchError::Timeout));
            let kept_for = match &fetched {
                Ok(fetched) => fetched.max_age.unwrap_or(KEPT_FOR).clamp(KEPT_FOR_MIN, KEPT_FOR_MAX),
                Err(_) => FAILED_FOR,
            };
            tell.send_replace(Some((fetched.map(|fetched| fetched.bytes.into()), Instant::now() + kept_for)));
            drop(place);
        });
        Ok(told)
    }
}

/// Whether an answer still holds, or will come.
fn is_good(told: &watch::Receiver<Told>, now: Instant) -> bool {
    match &*told.borrow() {
        Some((_, until)) => now < *until,
        None => told.has_changed().is_ok(),
    }
}

/// Lets go what no longer holds, or else what will be the first not to.
fn make_room(kept: &mut HashMap<String, watch::Receiver<Told>>, now: Instant) {
    if kept.len() < KEPT_MAX {
        return;
    }
    kept.retain(|_, told| is_good(told, now));
    if kept.len() >= KEPT_MAX {
        let until = |told: &watch::Receiver<Told>| told.borrow().as_ref().map(|(_, until)| *until);
        let first = kept.iter().filter_map(|(url, told)| Some((until(told)?, url.clone()))).min();
        if let Some((_, url)) = first {
            kept.remove(&url);
        }
    }
}

/// The real source.
struct Https {
    guard: Guard,
    reach: Reach,
}

impl Fetch for Https {
    fn fetch(&self, url: String) -> BoxFuture<'static, Result<Fetched, FetchError>> {
        let (guard, reach) = (self.guard.clone(), self.reach);
        Box::pin(async move {
            let url = allowed(reach, &url)?;
            let response = request(&guard, reach, url.clone()).await?;
            if !response.status().is_redirection() {
                return read(response).await;
            }
            let target =
                response.headers().get(LOCATION).and_then(|location| location.to_str().ok()).ok_or(FetchError::Status)?;
            let target = url.join(target).map_err(|_| FetchError::Refused)?;
            let response = request(&guard, reach, allowed(reach, target.as_str())?).await?;
            if response.status().is_redirection() { Err(FetchError::Refused) } else { read(response).await }
        })
    }
}

/// A URL that may be asked, as far as it says so itself.
fn allowed(reach: Reach, url: &str) -> Result<Url, FetchError> {
    let url = Url::parse(url).map_err(|_| FetchError::Refused)?;
    let port = url.port_or_known_default().is_some_and(|port| PORTS.contains(&port));
    let sound = url.scheme() == "https" && (port || reach == Reach::Private);
    if sound && reach.check(&url).is_ok() { Ok(url) } else { Err(FetchError::Refused) }
}

async fn request(guard: &Guard, reach: Reach, url: Url) -> Result<Response, FetchError> {
    let failed = |error: reqwest::Error| match Refused::of(&error) {
        Some(_) => FetchError::Refused,
        None => FetchError::Network,
    };
    let client = guard.client(reach, Redirects::Nowhere).map_err(failed)?;
    client.get(url).header(ACCEPT, "application/pem-certificate-chain, application/pkix-cert").send().await.map_err(failed)
}

async fn read(response: Response) -> Result<Fetched, FetchError> {
    if !response.status().is_success() {
        return Err(FetchError::Status);
    }
    let max_age = response.headers().get(CACHE_CONTROL).and_then(|value| value.to_str().ok()).and_then(max_age);
    let mut bytes = Vec::new();
    let mut pieces = response.bytes_stream();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|_| FetchError::Network)?;
        if bytes.len() + piece.len() > BYTES_MAX {
            return Err(FetchError::TooLong);
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(Fetched { bytes, max_age })
}

/// How long a server lets its answer be kept (RFC 9111 §5.2.2).
fn max_age(cache_control: &str) -> Option<Duration> {
    let mut directives = cache_control.split(',').map(str::trim_ascii);
    directives.find_map(|directive| match directive.split_once('=') {
        Some((name, seconds)) if name.eq_ignore_ascii_case("max-age") => {
            Some(Duration::from_secs(seconds.trim_matches('"').parse().ok()?))
        }
        None if directive.eq_ignore_ascii_case("no-store") || directive.eq_ignore_ascii_case("no-cache") => Some(Duration::ZERO),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    use tokio::sync::Notify;

    use super::*;

    /// Answers when it is let, and counts what it was asked.
    #[derive(Default)]
    struct Counting {
        asked: AtomicU64,
        go: Arc<Notify>,
    }

    impl Fetch for Counting {
        fn fetch(&self, url: String) -> BoxFuture<'static, Result<Fetched, FetchError>> {
            self.asked.fetch_add(1, Relaxed);
            let go = Arc::clone(&self.go);
            Box::pin(async move {
                go.notified().await;
                if url.contains("gone") {
                    return Err(FetchError::Status);
                }
                Ok(Fetched { bytes: url.into_bytes(), max_age: None })
            })
        }
    }

    #[tokio::test]
    async fn who_asks_at_once_shares_one_fetch_and_who_asks_later_needs_none() {
        let source = Arc::new(Counting::default());
        let certificates = Certificates::from(source.clone());
        let asked = futures_util::future::join_all((0..20).map(|_| certificates.get("https://a.test/x")));
        let (answers, ()) = tokio::join!(asked, async { source.go.notify_one() });
        assert!(answers.iter().all(|answer| answer.as_deref() == Ok(b"https://a.test/x")));
        assert_eq!(certificates.get("https://a.test/x").await.as_deref(), Ok(&b"https://a.test/x"[..]));
        assert_eq!(source.asked.load(Relaxed), 1);
        source.go.notify_one();
        assert_eq!(certificates.get("https://a.test/gone").await, Err(FetchError::Status));
        assert_eq!(certificates.get("https://a.test/gone").await, Err(FetchError::Status));
        assert_eq!(source.asked.load(Relaxed), 2, "a failure is kept for a while too");
    }

    #[tokio::test]
    async fn only_so_many_are_fetched_at_once() {
        let source = Arc::new(Counting::default());
        let certificates = Certificates::from(source.clone());
        let waiting: Vec<_> = (0..FETCHES_MAX).map(|n| certificates.ask(&format!("https://a.test/{n}"))).collect();
        assert!(waiting.iter().all(Result::is_ok));
        assert_eq!(certificates.get("https://a.test/more").await, Err(FetchError::Busy));
        let one = certificates.ask("https://a.test/0");
        assert!(one.is_ok(), "whoever asks for what is fetched already needs no place");
    }

    #[tokio::test]
    async fn the_first_to_end_makes_room() {
        let (tell, told) = watch::channel(None);
        let now = Instant::now();
        let mut kept = HashMap::new();
        for n in 0..KEPT_MAX as u64 {
            let until = now + Duration::from_secs(1 + (n + 500) % KEPT_MAX as u64);
            kept.insert(n.to_string(), watch::channel(Some((Ok(Arc::from(&b""[..])), until))).1);
        }
        kept.insert("under way".to_owned(), told);
        make_room(&mut kept, now);
        assert!(kept.len() == KEPT_MAX && !kept.contains_key("500") && kept.contains_key("under way"));
        make_room(&mut kept, now + Duration::from_secs(501));
        assert_eq!(kept.len(), 500);
        drop(tell);
    }

    #[test]
    fn only_https_at_the_usual_ports_is_asked() {
        let check = |reach, url: &str, expected: bool| assert_eq!(allowed(reach, url).is_ok(), expected, "{url}");
        for good in ["https://certs.example.com/a.pem", "https://certs.example.com:8443/a.pem"] {
            check(Reach::Public, good, true);
        }
        let bad = ["http://certs.example.com/", "https://certs.example.com:22/", "https://127.0.0.1/", "https://u:p@e.com/", "x"];
        for bad in bad {
            check(Reach::Public, bad, false);
        }
        check(Reach::Private, "https://127.0.0.1:4443/", true);
        check(Reach::Private, "https://169.254.169.254/", false);
    }

    #[test]
    fn the_servers_word_on_keeping_is_read() {
        let check =
            |header: &str, expected: Option<u64>| assert_eq!(max_age(header), expected.map(Duration::from_secs), "{header}");
        check("public, max-age=86400", Some(86_400));
        check("Max-Age=\"7\"", Some(7));
        check("no-store", Some(0));
        check("private", None);
        check("max-age=soon", None);
    }
}
