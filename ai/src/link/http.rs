//! Requests whose answers stream: a client for many, a task for each answer.
//!
//! ```text
//! open(Target) -> pool -> TLS -> provider
//! LinkInput <- pieces (64) <- [task] <-
//! ```

mod pieces;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::multipart::{Form, Part};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response};
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use self::pieces::Pieces;
use super::refusal::refusal;
use super::{Answer, Body, LinkInput, Protocol, Target};
use crate::engine::{EngineError, Stage};
use crate::json::line;

pub use self::pieces::{MAX_ANSWER, MAX_PIECE, MAX_TEXT};

/// Pieces waiting for the engine: 1 MiB of octets. When full, the answer is not read and TCP slows the provider.
pub const PIECE_QUEUE: usize = 64;

/// The most of a refusal that is read, in bytes; the first line of its message is all that is told.
const MAX_REFUSAL: usize = 16 << 10;

/// How long a refusal may take to say why: the status has said the most of it.
const REFUSAL_WAIT: Duration = Duration::from_secs(2);

/// How long a connection waits for its next request: providers close theirs after minutes. A silent one is found dead by HTTP/2's pings
/// and TCP's probes.
const IDLE_KEPT: Duration = Duration::from_secs(300);

/// Between pings and probes, and the longest an answer to a ping may take.
const PROBE_EVERY: Duration = Duration::from_secs(20);

/// Connections over HTTP/1.1 that wait, a provider.
const IDLE_CONNECTIONS: usize = 32;

/// A provider is not warmed again within this; calls that ring at once share a connection (HTTP/2), or open their own.
const WARM_EVERY: Duration = Duration::from_secs(10);

/// How long warming may take; then the first request connects anew.
const WARM_WAIT: Duration = Duration::from_secs(5);

/// Providers remembered as warm: more than anyone configures. Past it all are forgotten.
const WARM_KEPT: usize = 64;

/// Makes requests, over connections that it keeps. Cheap to clone. Two a node, since a connection is worked at by the thread that opened
/// it: one for calls, on their media threads, and one for all else.
#[derive(Clone, Debug)]
pub struct HttpClient {
    client: Client,
    /// When each was last warmed.
    warm: Arc<Mutex<HashMap<String, Instant>>>,
}

impl Default for HttpClient {
    fn default() -> Self {
        let client = Client::builder()
            .tls_backend_preconfigured(tls())
            .redirect(Policy::none())
            .no_proxy()
            .tcp_nodelay(true)
            .tcp_keepalive(PROBE_EVERY)
            .pool_idle_timeout(IDLE_KEPT)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .http2_keep_alive_interval(PROBE_EVERY)
            .http2_keep_alive_timeout(PROBE_EVERY)
            .http2_keep_alive_while_idle(true)
            .build()
            .expect("only TLS and proxies can be wrong, and these are ours");
        Self { client, warm: Arc::default() }
    }
}

/// As the sockets' TLS: ring, and Mozilla's roots, which need no file of the system.
fn tls() -> ClientConfig {
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has every version")
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    tls
}

impl HttpClient {
    /// Makes a request. When its answer's head says success, gives what follows [`LinkInput::Opened`]: pieces, and `Ended` or `Closed` as
    /// the last. How long to wait between them is the owner's to decide. Dropping the receiver, or this future, cancels the request.
    ///
    /// # Errors
    /// As [`connect`](super::socket::connect): what only the operator can mend, being late with the head, or that the network, the
    /// provider or its rate limit is in the way. Text in place of octets is none.
    pub async fn open(&self, target: Target) -> Result<mpsc::Receiver<LinkInput>, EngineError> {
        let limit = target.connect_timeout;
        let (request, answer) = self.request(target)?;
        let response = timeout(limit, request.send())
            .await
            .map_err(|_| EngineError::Late { stage: Stage::Connect, limit })?
            .map_err(engine_error)?;
        if !response.status().is_success() {
            return Err(refused(response).await);
        }
        if let Some(kind) = text_kind(response.headers()).filter(|_| answer == Answer::Bytes) {
            // Speech was asked for; a page of a proxy would be noise in the caller's ear.
            return Err(EngineError::Protocol { reason: format!("{kind} in place of audio") });
        }
        let (incoming, pieces) = mpsc::channel(PIECE_QUEUE);
        tokio::spawn(run(response, answer, incoming));
        Ok(pieces)
    }

    /// Opens a connection to where `url` is, so that a request soon finds it open. Without effect when that was done within the last
    /// 10 s; failing is left to the request.
    pub async fn warm(&self, url: &str) {
        let Some(origin) = origin(url) else { return };
        {
            let now = Instant::now();
            let mut warm = self.warm.lock().unwrap_or_else(PoisonError::into_inner);
            if warm.get(&origin).is_some_and(|last| now - *last < WARM_EVERY) {
                return;
            }
            if warm.len() >= WARM_KEPT {
                warm.clear();
            }
            warm.insert(origin.clone(), now);
        }
        // Without a key: the connection is what matters, and any answer leaves it open.
        let _ = self.client.head(&origin).timeout(WARM_WAIT).send().await;
    }

    /// What it makes requests with, for services that are no providers of a call: without redirects and proxies, since an address is what the
    /// operator wrote.
    pub(crate) fn plain(&self) -> &Client {
        &self.client
    }

    fn request(&self, target: Target) -> Result<(RequestBuilder, Answer), EngineError> {
        let Protocol::Http { body, answer } = target.protocol else {
            return Err(EngineError::Url { url: line(&target.url), reason: "is not of a request" });
        };
        let mut headers = HeaderMap::with_capacity(target.headers.len());
        for (name, value) in &target.headers {
            let value = HeaderValue::try_from(value.expose());
            let mut value = value.map_err(|_| EngineError::Key { code: "not a header value".to_owned() })?;
            value.set_sensitive(true);
            headers.insert(HeaderName::from_static(name), value);
        }
        let request = self.client.post(&target.url).headers(headers);
        let request = match body {
            Body::Json(json) => request.header(CONTENT_TYPE, "application/json").body(json.into_string()),
            Body::Form { fields, file: (name, kind, octets) } => {
                let length = octets.len() as u64;
                let part = Part::stream_with_length(octets, length).file_name(name);
                let part = part.mime_str(kind).map_err(engine_error)?;
                let form = fields.into_iter().fold(Form::new(), |form, (name, value)| form.text(name, value));
                request.multipart(form.part("file", part))
            }
        };
        Ok((request, answer))
    }
}

/// The content type of an answer that is certainly text.
fn text_kind(headers: &HeaderMap) -> Option<String> {
    let kind = headers.get(CONTENT_TYPE)?.to_str().ok()?.to_ascii_lowercase();
    (kind.starts_with("text/") || kind.starts_with("application/json")).then(|| line(&kind))
}

/// `https://host:port/` of a URL.
fn origin(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let scheme = match scheme {
        "http" | "ws" => "http",
        "https" | "wss" => "https",
        _ => return None,
    };
    let host = rest.split(['/', '?', '#']).next().filter(|host| !host.is_empty())?;
    Some(format!("{scheme}://{host}/"))
}

/// Hands an answer over until it ends or nobody wants it.
async fn run(mut response: Response, answer: Answer, incoming: mpsc::Sender<LinkInput>) {
    // A server that does not stream answers with one document, an error mostly.
    let json = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    let answer = if json && answer == Answer::Events { Answer::Whole } else { answer };
    let mut pieces = Pieces::new(answer);
    let mut out = Vec::new();
    let last = loop {
        let chunk = tokio::select! {
            chunk = response.chunk() => chunk,
            () = incoming.closed() => return,
        };
        let fed = match chunk {
            Ok(Some(octets)) => pieces.feed(octets, &mut out),
            Ok(None) => {
                pieces.finish(&mut out);
                break LinkInput::Ended;
            }
            Err(error) => Err(engine_error(error)),
        };
        if let Err(error) = fed {
            break LinkInput::Closed { error };
        }
        for input in out.drain(..) {
            if incoming.send(input).await.is_err() {
                return;
            }
        }
    };
    for input in out.drain(..).chain([last]) {
        // Without a receiver nobody wants to know.
        if incoming.send(input).await.is_err() {
            return;
        }
    }
}

async fn refused(mut response: Response) -> EngineError {
    let mut body = Vec::new();
    let read = async {
        while let Ok(Some(octets)) = response.chunk().await {
            let room = MAX_REFUSAL - body.len();
            body.extend_from_slice(&octets[..octets.len().min(room)]);
            if body.len() == MAX_REFUSAL {
                break;
            }
        }
    };
    // What came until then will do.
    let _ = timeout(REFUSAL_WAIT, read).await;
    refusal(response.status(), response.headers(), &String::from_utf8_lossy(&body))
}

fn engine_error(error: reqwest::Error) -> EngineError {
    let url = error.url().map(|url| line(url.as_str()));
    let error = error.without_url();
    let mut root: &dyn std::error::Error = &error;
    let mut of_system = false;
    while let Some(source) = root.source() {
        root = source;
        of_system |= root.is::<std::io::Error>();
    }
    let reason = line(&root.to_string());
    if error.is_builder() {
        return EngineError::Url { url: url.unwrap_or_default(), reason: "cannot be connected to" };
    }
    if error.is_connect() || of_system {
        return EngineError::Network { reason };
    }
    // The HTTP library's own words; it does not let us tell them apart otherwise.
    let lost = ["closed", "canceled", "end of file", "incomplete", "reset"].iter().any(|word| reason.contains(word));
    if lost { EngineError::Closed { code: None, reason } } else { EngineError::Protocol { reason } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_warmed_is_where_a_url_is() {
        let told = |url| origin(url).unwrap_or_default();
        assert_eq!(told("https://api.openai.com/v1/chat"), "https://api.openai.com/");
        assert_eq!(told("wss://h:8443?a=b"), "https://h:8443/");
        assert_eq!(told("http://h"), "http://h/");
        assert_eq!((told("h/v1"), told("ftp://h"), told("https:///x")), (String::new(), String::new(), String::new()));
    }
}
