//! OpenAI's servers, or others that speak as they do.

pub mod socket;

use std::time::Duration;

use crate::engine::EngineError;
use crate::secret::Secret;

/// Where a Realtime session is to be had.
#[derive(Clone, Debug)]
pub struct RealtimeEndpoint {
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
            base_url: "https://api.openai.com/v1".to_owned(),
            model: "gpt-realtime".to_owned(),
            api_key: Secret::default(),
            connect_timeout: Duration::from_secs(5),
            ping_every: Duration::from_secs(20),
        }
    }
}

impl RealtimeEndpoint {
    /// URL of the WebSocket: `https://host/v1` gives `wss://host/v1/realtime?model=...`.
    ///
    /// # Errors
    /// [`EngineError::Url`] when the base is not an absolute http(s) or ws(s) URL without query.
    pub fn url(&self) -> Result<String, EngineError> {
        let wrong = |reason| EngineError::Url { url: crate::json::line(&self.base_url), reason };
        let (scheme, rest) = self.base_url.split_once("://").ok_or_else(|| wrong("has no scheme"))?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" | "ws" => "ws",
            "https" | "wss" => "wss",
            _ => return Err(wrong("is not http or https")),
        };
        let rest = rest.trim_end_matches('/');
        if rest.is_empty() || rest.starts_with([':', '/']) {
            return Err(wrong("has no host"));
        }
        if rest.contains(['?', '#', '@']) {
            return Err(wrong("must not have a query, a fragment or a user"));
        }
        Ok(format!("{scheme}://{rest}/realtime?model={}", percent_encoded(&self.model)))
    }
}

/// Everything but unreserved characters as `%XX` (RFC 3986 §2.1).
fn percent_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(byte.into()),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(base_url: &str, model: &str, expected: &str) {
        let endpoint = RealtimeEndpoint { base_url: base_url.into(), model: model.into(), ..RealtimeEndpoint::default() };
        assert_eq!(endpoint.url().unwrap_or_else(|error| error.to_string()), expected);
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
        assert!(!format!("{endpoint:?}").contains("sk-1"));
    }
}
