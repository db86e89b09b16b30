//! OpenAI's servers, or others that speak as they do.

pub mod chat;
pub mod responses;
pub mod speech;
pub mod transcription;

use std::sync::Arc;
use std::time::Duration;

use crate::engine::EngineError;
use crate::link::{Protocol, Target, percent_encoded, socket_url};
use crate::secret::Secret;

/// Where a Realtime session is to be had.
#[derive(Clone, Debug)]
pub struct RealtimeEndpoint {
    /// The provider's name in the configuration; a label of metrics and records. Default `openai`.
    pub provider: Arc<str>,
    /// `https://api.openai.com/v1`, or `http://` for a simulator: the key would cross the network in the clear.
    pub base_url: String,
    /// As `gpt-realtime`.
    pub model: String,
    /// Sent as a bearer token.
    pub api_key: Secret,
    /// For name, TCP, TLS and upgrade together. Default 5 s.
    pub connect_timeout: Duration,
    /// Time between pings, and the longest a write may take. A dead connection is found within two. Default 20 s.
    pub ping_every: Duration,
}

impl Default for RealtimeEndpoint {
    fn default() -> Self {
        Self {
            provider: Arc::from("openai"),
            base_url: "https://api.openai.com/v1".to_owned(),
            model: "gpt-realtime".to_owned(),
            api_key: Secret::default(),
            connect_timeout: Duration::from_secs(5),
            ping_every: Duration::from_secs(20),
        }
    }
}

impl RealtimeEndpoint {
    /// The socket of a session: `https://host/v1` gives `wss://host/v1/realtime?model=...`.
    ///
    /// # Errors
    /// [`EngineError::Url`] when the base is not an absolute http(s) or ws(s) URL without query, [`EngineError::Key`] without a key.
    pub fn target(&self) -> Result<Target, EngineError> {
        let root = socket_url(&self.base_url)?;
        let key = self.api_key.expose();
        if key.is_empty() {
            return Err(EngineError::Key { code: "unset".to_owned() });
        }
        Ok(Target {
            provider: Arc::clone(&self.provider),
            stage: "realtime",
            url: format!("{root}/realtime?model={}", percent_encoded(&self.model)),
            headers: vec![("authorization", Secret::from(format!("Bearer {key}")))],
            connect_timeout: self.connect_timeout,
            protocol: Protocol::WebSocket { ping_every: self.ping_every, reach: None },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(base_url: &str, model: &str, expected: &str) {
        let api_key = "sk-1".into();
        let endpoint =
            RealtimeEndpoint { base_url: base_url.into(), model: model.into(), api_key, ..RealtimeEndpoint::default() };
        assert_eq!(endpoint.target().map_or_else(|error| error.to_string(), |target| target.url), expected);
    }

    #[test]
    fn the_websocket_lies_under_the_base_url() {
        check("https://api.openai.com/v1", "gpt-realtime", "wss://api.openai.com/v1/realtime?model=gpt-realtime");
        check("http://127.0.0.1:9911/v1/", "a b&c", "ws://127.0.0.1:9911/v1/realtime?model=a%20b%26c");
        check("WSS://host", "m", "wss://host/realtime?model=m");
    }

    #[test]
    fn bad_base_urls_are_refused_with_the_reason() {
        check("api.openai.com", "m", "base url api.openai.com: has no scheme");
        check("ftp://host", "m", "base url ftp://host: is not http or https");
        check("https://", "m", "base url https://: has no host");
        check("https:///v1", "m", "base url https:///v1: has no host");
        check("https://h/v1?a=b", "m", "base url https://h/v1?a=b: must not have a query, a fragment or a user");
    }

    #[test]
    fn the_key_stays_out_of_logs() {
        let endpoint = RealtimeEndpoint { api_key: "sk-1".into(), ..RealtimeEndpoint::default() };
        assert!(!format!("{endpoint:?} {:?}", endpoint.target()).contains("sk-1"));
        let keyless = RealtimeEndpoint::default().target().map_err(|error| error.to_string());
        assert_eq!(keyless.err().as_deref(), Some("provider refuses the key (unset)"));
    }
}
