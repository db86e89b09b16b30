//! Twilio's webhooks: a form POST over a fresh connection, signed.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, ensure};
use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Twilio gives a webhook this long.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Largest answer read: TwiML is at most 64 KiB.
const ANSWER_MAX: u64 = 80 << 10;

/// Names and values of a form, in the order they are sent.
pub(super) type Form<'a> = [(&'a str, &'a str)];

/// Posts a form to `url`, over a connection to `target`; gives the body of a 2xx answer.
pub(super) async fn post(target: SocketAddr, url: &str, form: &Form<'_>, token: Option<&str>) -> anyhow::Result<String> {
    let request = request(url, form, token)?;
    let exchange = async {
        let mut stream = TcpStream::connect(target).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(ANSWER_MAX).read_to_end(&mut answer).await?;
        anyhow::Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    let answer = tokio::time::timeout(TIMEOUT, exchange).await.context("no answer in 15 s")??;
    let (head, body) = answer.split_once("\r\n\r\n").context("the answer is not HTTP")?;
    let status = head.split(' ').nth(1).unwrap_or_default();
    ensure!(status.starts_with('2'), "status {status}");
    let chunked = head.to_ascii_lowercase().contains("\r\ntransfer-encoding: chunked");
    Ok(if chunked { unchunk(body) } else { body.to_owned() })
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

fn unchunk(body: &str) -> String {
    let mut rest = body;
    let mut whole = String::new();
    while let Some((size, data)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16).unwrap_or(0);
        match data.split_at_checked(size) {
            Some((chunk, after)) if size > 0 => {
                whole += chunk;
                rest = after.trim_start_matches("\r\n");
            }
            _ => break,
        }
    }
    whole
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

    #[test]
    fn chunks_are_put_together() {
        assert_eq!(unchunk("3\r\nabc\r\n2;x=1\r\nde\r\n0\r\n\r\n"), "abcde");
        assert_eq!(unchunk("nonsense"), "");
    }
}
