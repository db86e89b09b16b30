//! The URL under which Twilio sees us.

use axum::http::{HeaderMap, Uri, header};

/// Address under which Twilio reaches this server, for example `https://voice.example` or `https://example/offhook`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PublicUrl {
    secure: bool,
    authority: String,
    /// Begins with `/` when not empty, and does not end with one.
    path: String,
}

/// Why a text is no [`PublicUrl`].
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PublicUrlError {
    /// Neither http nor https, or no URL at all.
    #[error("must begin with https:// (or http:// for a simulator)")]
    Scheme,
    /// No host, or a user before it.
    #[error("must have a host and no user")]
    Host,
    /// A query: Twilio drops it from a stream's URL.
    #[error("must not have a query")]
    Query,
}

/// How the client speaks to us: it decides the scheme of the URL.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Door {
    /// A webhook: `https`.
    Webhook,
    /// A WebSocket upgrade: `wss`.
    Stream,
}

impl PublicUrl {
    /// Reads `http(s)://host[:port][/path]`; a slash at the end does not matter.
    ///
    /// # Errors
    /// [`PublicUrlError`] says what is not as it must be.
    pub fn parse(text: &str) -> Result<Self, PublicUrlError> {
        let uri: Uri = text.parse().map_err(|_| PublicUrlError::Scheme)?;
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(PublicUrlError::Scheme),
        };
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        if uri.host().unwrap_or_default().is_empty() || authority.contains('@') {
            return Err(PublicUrlError::Host);
        }
        if uri.query().is_some() {
            return Err(PublicUrlError::Query);
        }
        Ok(Self { secure, authority: authority.to_owned(), path: uri.path().trim_end_matches('/').to_owned() })
    }

    /// What the request itself says of where it was sent; the first proxy's word comes first.
    pub(crate) fn of_request(headers: &HeaderMap) -> Option<Self> {
        let first = |name: &str| {
            let value = headers.get(name)?.to_str().ok()?;
            let item = value.split(',').next().unwrap_or_default().trim();
            (!item.is_empty()).then(|| item.to_owned())
        };
        let host = first("x-forwarded-host").or_else(|| first(header::HOST.as_str()))?;
        let scheme = first("x-forwarded-proto").unwrap_or_else(|| "http".to_owned());
        Self::parse(&format!("{scheme}://{host}")).ok()
    }

    /// The absolute URL of `path_and_query` at this door.
    pub(crate) fn url(&self, door: Door, path_and_query: &str) -> String {
        let scheme = match (door, self.secure) {
            (Door::Webhook, true) => "https",
            (Door::Webhook, false) => "http",
            (Door::Stream, true) => "wss",
            (Door::Stream, false) => "ws",
        };
        format!("{scheme}://{}{}{path_and_query}", self.authority, self.path)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn check(text: &str, expected: &str) {
        let shown = match PublicUrl::parse(text) {
            Ok(url) => url.url(Door::Stream, "/twilio/stream"),
            Err(error) => error.to_string(),
        };
        assert_eq!(shown, expected, "{text}");
    }

    #[test]
    fn public_urls_are_read_or_refused_with_the_reason() {
        check("https://voice.example", "wss://voice.example/twilio/stream");
        check("https://voice.example/", "wss://voice.example/twilio/stream");
        check("http://127.0.0.1:8080/a/", "ws://127.0.0.1:8080/a/twilio/stream");
        check("https://[::1]:8443", "wss://[::1]:8443/twilio/stream");
        let scheme = "must begin with https:// (or http:// for a simulator)";
        check("voice.example", scheme);
        check("wss://voice.example", scheme);
        check("https://", scheme);
        check("https://me:secret@voice.example", "must have a host and no user");
        check("https://voice.example/?a=1", "must not have a query");
    }

    #[test]
    fn without_a_public_url_the_request_says_where_it_went() {
        let check = |headers: &[(&'static str, &'static str)], expected: Option<&str>| {
            let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            let url = PublicUrl::of_request(&headers.collect::<HeaderMap>());
            assert_eq!(url.map(|url| url.url(Door::Webhook, "/x?y")).as_deref(), expected);
        };
        check(&[("host", "a:8080")], Some("http://a:8080/x?y"));
        check(&[("host", "a"), ("x-forwarded-proto", "https, http"), ("x-forwarded-host", "b, c")], Some("https://b/x?y"));
        check(&[("host", "a"), ("x-forwarded-proto", "gopher")], None);
        check(&[("host", "a/b?c")], None);
        check(&[], None);
    }
}
