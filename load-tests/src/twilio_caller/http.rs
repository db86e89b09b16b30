//! Twilio's webhooks: a form POST over a fresh connection, signed.

use std::net::SocketAddr;

use anyhow::Context;
use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

use crate::http::{self, Answer};

/// Names and values of a form, in the order they are sent.
pub(super) type Form<'a> = [(&'a str, &'a str)];

/// Posts a form to `url`, over a connection to `target`.
pub(super) async fn post(target: SocketAddr, url: &str, form: &Form<'_>, token: Option<&str>) -> anyhow::Result<Answer> {
    http::exchange(target, &request(url, form, token)?).await
}

/// `X-Twilio-Signature`: HMAC-SHA1 over the URL and the sorted form.
pub(super) fn signature(token: &str, url: &str, form: &Form<'_>) -> String {
    let mut sorted = form.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let mut mac = Hmac::<Sha1>::new_from_slice(token.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(url.as_bytes());
    for (name, value) in sorted {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    BASE64_STANDARD.encode(mac.finalize().into_bytes())
}

/// Host and path of a URL.
pub(super) fn parts(url: &str) -> anyhow::Result<(&str, &str)> {
    let (_, rest) = url.split_once("://").with_context(|| format!("url {url} has no scheme"))?;
    Ok(rest.find('/').map_or((rest, "/"), |slash| rest.split_at(slash)))
}

fn request(url: &str, form: &Form<'_>, token: Option<&str>) -> anyhow::Result<String> {
    let (host, path) = parts(url)?;
    let pairs: Vec<_> = form.iter().map(|(name, value)| format!("{name}={}", escape(value))).collect();
    let body = pairs.join("&");
    let signed = token.map(|token| format!("X-Twilio-Signature: {}\r\n", signature(token, url, form)));
    Ok(format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: TwilioProxy/1.1\r\nConnection: close\r\n{}\
         Content-Type: application/x-www-form-urlencoded; charset=UTF-8\r\nContent-Length: {}\r\n\r\n{body}",
        signed.unwrap_or_default(),
        body.len()
    ))
}

fn escape(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'*');
    let mut escaped = String::new();
    for byte in value.bytes() {
        match byte {
            b' ' => escaped.push('+'),
            _ if plain(byte) => escaped.push(char::from(byte)),
            _ => escaped += &format!("%{byte:02X}"),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn signatures_are_those_of_twilios_own_tests() {
        let form = [
            ("Digits", "1234"),
            ("To", "+18005551212"),
            ("From", "+14158675309"),
            ("Caller", "+14158675309"),
            ("CallSid", "CA1234567890ABCDE"),
        ];
        let url = "https://mycompany.com/myapp.php?foo=1&bar=2";
        assert_eq!(signature("12345", url, &form), "RSOYDt4T1cUTdK1PDd93/VVr8B8=");
        let repeated = [("Sid", "CA123"), ("SidAccount", "AC123"), ("Digits", "5678"), ("Digits", "1234"), ("Digits", "1234")];
        assert_eq!(signature("12345", url, &repeated), "IK+Dwps556ElfBT0I3Rgjkr1wJU=");
        assert_eq!(signature("12345", "wss://example.com/media", &[]), "7PR3qMkpDyEJtMrVOY/LDyNq8J8=");
    }

    #[test]
    fn a_request_is_a_signed_form() {
        let request = request("http://h:1/a", &[("From", "+1 2")], Some("t")).unwrap();
        assert!(request.starts_with("POST /a HTTP/1.1\r\nHost: h:1\r\n"), "{request}");
        assert!(request.ends_with("Content-Length: 11\r\n\r\nFrom=%2B1+2"), "{request}");
        assert!(request.contains("\r\nX-Twilio-Signature: "), "{request}");
    }
}
