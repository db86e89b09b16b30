//! A provider as it is configured, and the connections to it.

use std::sync::Arc;
use std::time::Duration;

use super::{Auth, ProviderKind};
use crate::engine::EngineError;
use crate::json::line;
use crate::link::{Answer, Body, Protocol, Target, percent_encoded, request_url, socket_url};
use crate::secret::Secret;

/// Where a provider is, and as whom to speak to it.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its name in the configuration; a label of metrics and records. Default: its kind's.
    pub provider: Arc<str>,
    /// Which it is.
    pub kind: ProviderKind,
    /// An absolute http(s) or ws(s) URL. Default: its kind's; none of [`ProviderKind::Compatible`].
    pub base_url: String,
    /// Sent in a header. Default none, which only [`ProviderKind::Compatible`] may do without.
    pub api_key: Secret,
    /// The version of its API, sent in a header where it has one. Default: what the adapters are written for.
    pub api_version: String,
    /// For name, TCP, TLS and upgrade of a socket. Default 5 s.
    pub connect_timeout: Duration,
    /// From a request to the head of its answer: the model may be thinking by then. Default 10 s.
    pub answer_timeout: Duration,
    /// Time between pings of a socket, and the longest a write may take. Default 20 s.
    pub ping_every: Duration,
}

impl From<ProviderKind> for Account {
    fn from(kind: ProviderKind) -> Self {
        let row = kind.row();
        Self {
            provider: Arc::from(row.name),
            kind,
            base_url: row.base_url.to_owned(),
            api_key: Secret::default(),
            api_version: row.api_version.to_owned(),
            connect_timeout: Duration::from_secs(5),
            answer_timeout: Duration::from_secs(10),
            ping_every: Duration::from_secs(20),
        }
    }
}

impl Account {
    /// A WebSocket under the base URL.
    ///
    /// # Errors
    /// [`EngineError::Url`] when the base is not an absolute http(s) or ws(s) URL without query, [`EngineError::Key`] without a key.
    pub(crate) fn socket(&self, stage: &'static str, query: Query) -> Result<Target, EngineError> {
        let protocol = Protocol::WebSocket { ping_every: self.ping_every, reach: None };
        self.target(stage, format!("{}{}", socket_url(&self.base_url)?, query.0), protocol, self.connect_timeout)
    }

    /// A request under the base URL.
    ///
    /// # Errors
    /// As [`socket`](Self::socket).
    pub(crate) fn request(&self, stage: &'static str, query: Query, body: Body, answer: Answer) -> Result<Target, EngineError> {
        let protocol = Protocol::Http { body, answer };
        self.target(stage, format!("{}{}", request_url(&self.base_url)?, query.0), protocol, self.answer_timeout)
    }

    fn target(&self, stage: &'static str, url: String, protocol: Protocol, limit: Duration) -> Result<Target, EngineError> {
        let row = self.kind.row();
        let key = self.api_key.expose();
        let mut headers = Vec::with_capacity(2);
        match row.auth {
            _ if key.is_empty() && row.keyless => {}
            _ if key.is_empty() => return Err(EngineError::Key { code: "unset".to_owned() }),
            Auth::Bare(name) => headers.push((name, self.api_key.clone())),
            Auth::Scheme(scheme) => headers.push(("authorization", Secret::from(format!("{scheme} {key}")))),
        }
        if !row.version_header.is_empty() {
            headers.push((row.version_header, Secret::from(self.api_version.as_str())));
        }
        Ok(Target { provider: Arc::clone(&self.provider), stage, url, headers, connect_timeout: limit, protocol })
    }
}

/// The most key terms that are sent: what Deepgram and Cartesia take, and URLs have room for.
const MAX_KEYTERMS: usize = 100;

/// A path and its query, percent-encoded as it grows.
pub(crate) struct Query(String);

impl Query {
    /// Of a path that begins with a slash, its variable parts encoded.
    pub(crate) fn new(path: impl Into<String>) -> Self {
        Self(path.into())
    }

    pub(crate) fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.0.push(if self.0.contains('?') { '&' } else { '?' });
        self.0.push_str(name);
        self.0.push('=');
        self.0.push_str(&percent_encoded(&value.to_string()));
        self
    }

    pub(crate) fn with_some(self, name: &str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// The same name again for each key term.
    pub(crate) fn with_each(self, name: &str, values: &[String]) -> Self {
        values.iter().take(MAX_KEYTERMS).fold(self, |query, value| query.with(name, value))
    }
}

/// What an error means that a provider tells of within a stream, by any of its names for it; `kind` may be empty.
pub(crate) fn fault(kind: &str, code: &str, message: &str) -> EngineError {
    let named = if code.is_empty() { kind } else { code };
    let code = || line(named);
    let any = |names: &[&str]| names.iter().any(|name| *name == kind || *name == named);
    if any(&[
        "insufficient_quota",
        "billing_error",
        "billing_hard_limit_reached",
        "account_deactivated",
        "quota_exceeded",
        "quota_exceeded_error",
    ]) {
        return EngineError::Quota { code: code() };
    }
    if any(&["authentication_error", "permission_error", "invalid_api_key", "auth_error"]) {
        return EngineError::Key { code: code() };
    }
    if any(&["rate_limit_error", "rate_limit_exceeded", "rate_limited", "too_many_concurrent_requests"]) {
        return EngineError::RateLimited { retry_after: None };
    }
    if any(&["overloaded_error", "resource_exhausted", "queue_overflow", "system_busy"]) {
        return EngineError::Overloaded { status: 529 };
    }
    if any(&["invalid_request_error", "not_found_error", "model_not_found", "input_error", "unaccepted_terms_error"])
        && named != "tool_use_failed"
    {
        return EngineError::Configuration { code: code(), message: line(message) };
    }
    if any(&["session_time_limit_exceeded", "session_expired"]) {
        return EngineError::SessionExpired;
    }
    EngineError::Reported { code: code(), message: line(message) }
}

/// What an error means that is told over a socket with the status that a request would have had.
pub(crate) fn by_status(status: Option<u64>, code: &str, message: &str) -> EngineError {
    let named = || line(code);
    match status {
        Some(401 | 403) => EngineError::Key { code: named() },
        Some(402) => EngineError::Quota { code: named() },
        Some(429) => EngineError::RateLimited { retry_after: None },
        Some(400 | 404 | 413 | 422) => EngineError::Configuration { code: named(), message: line(message) },
        Some(status @ 500..=599) => EngineError::Overloaded { status: status as u16 },
        _ => fault("", code, message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vendor::PROVIDERS;

    fn keyed(kind: ProviderKind) -> Account {
        Account { api_key: "k-1".into(), ..Account::from(kind) }
    }

    #[test]
    fn each_provider_gets_its_key_as_it_wants_it() {
        let told = |kind| {
            let target = keyed(kind).socket("transcribe", Query::new("/x")).map_err(|error| error.to_string());
            let target = target.map(|target| {
                let headers = target.headers.iter().map(|(name, value)| format!(" {name}: {}", value.expose()));
                format!("{}{}", target.url, headers.collect::<String>())
            });
            target.unwrap_or_else(|error| error)
        };
        assert_eq!(told(ProviderKind::Anthropic), "wss://api.anthropic.com/x x-api-key: k-1 anthropic-version: 2023-06-01");
        assert_eq!(told(ProviderKind::Cartesia), "wss://api.cartesia.ai/x x-api-key: k-1 cartesia-version: 2026-03-01");
        assert_eq!(told(ProviderKind::Deepgram), "wss://api.deepgram.com/x authorization: Token k-1");
        assert_eq!(told(ProviderKind::ElevenLabs), "wss://api.elevenlabs.io/x xi-api-key: k-1");
        assert_eq!(told(ProviderKind::Groq), "wss://api.groq.com/openai/v1/x authorization: Bearer k-1");
        assert_eq!(told(ProviderKind::OpenAi), "wss://api.openai.com/v1/x authorization: Bearer k-1");
        assert_eq!(told(ProviderKind::Compatible), "base url : has no scheme");
    }

    #[test]
    fn only_a_compatible_server_may_do_without_a_key() {
        for row in &PROVIDERS {
            let account = Account { base_url: "http://h/v1/".into(), ..Account::from(row.kind) };
            let body = Body::Json("{}".into());
            let told = account.request("respond", Query::new("/y"), body, Answer::Events);
            let told = told.map_or_else(|error| error.to_string(), |target| format!("{} {}", target.url, target.headers.len()));
            let expected = if row.keyless { "http://h/v1/y 0" } else { "provider refuses the key (unset)" };
            assert_eq!(told, expected, "{}", row.name);
        }
    }

    #[test]
    fn the_key_stays_out_of_logs() {
        let account = keyed(ProviderKind::Deepgram);
        assert!(!format!("{account:?} {:?}", account.socket("transcribe", Query::new("/x"))).contains("k-1"));
    }

    #[test]
    fn queries_are_encoded() {
        let query = Query::new("/x").with("a", "b c&d").with_some("e", None::<u8>).with_some("f", Some(1.5));
        assert_eq!(query.with_each("g", &["h".into(), "ö".into()]).0, "/x?a=b%20c%26d&f=1.5&g=h&g=%C3%B6");
    }

    #[test]
    fn names_find_their_kinds() {
        for row in &PROVIDERS {
            assert_eq!(ProviderKind::named(row.name), Some(row.kind));
        }
        assert_eq!(ProviderKind::named("acme"), None);
    }

    #[test]
    fn errors_within_a_stream_say_whose_fault_it_is() {
        let kind = |kind, code| fault(kind, code, "m").kind();
        assert_eq!(kind("overloaded_error", ""), "overloaded");
        assert_eq!(kind("insufficient_quota", "insufficient_quota"), "quota");
        assert_eq!(kind("invalid_request_error", "invalid_api_key"), "key");
        assert_eq!(kind("invalid_request_error", "tool_use_failed"), "reported");
        assert_eq!(kind("invalid_request_error", ""), "configuration");
        assert_eq!(kind("tokens", "rate_limit_exceeded"), "rate_limited");
        assert_eq!(kind("server_error", ""), "reported");
        assert_eq!(kind("session_time_limit_exceeded", ""), "session_expired");
    }
}
