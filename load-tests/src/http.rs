//! One HTTP request over a fresh connection, as a caller needs it.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Twilio gives a webhook this long; other callers wait no longer.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Largest answer read: TwiML is at most 64 KiB.
const ANSWER_MAX: u64 = 80 << 10;
/// How a server says that it has no room for another call.
const FULL: u16 = 503;

/// An answer.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Answer {
    pub status: u16,
    pub retry_after: bool,
    pub body: String,
}

/// Sends a whole request with `Connection: close` and reads the answer.
pub(crate) async fn exchange(target: SocketAddr, request: &str) -> anyhow::Result<Answer> {
    let exchange = async {
        let mut stream = TcpStream::connect(target).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(ANSWER_MAX).read_to_end(&mut answer).await?;
        anyhow::Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    let answer = tokio::time::timeout(TIMEOUT, exchange).await.context("no answer in 15 s")??;
    Answer::read(&answer)
}

impl Answer {
    /// Whether the server had no room.
    pub(crate) fn is_full(&self) -> bool {
        self.status == FULL
    }

    /// The body of a 2xx answer.
    pub(crate) fn accepted(self) -> anyhow::Result<String> {
        ensure!((200..300).contains(&self.status), "status {}", self.status);
        Ok(self.body)
    }

    fn read(text: &str) -> anyhow::Result<Self> {
        let (head, body) = text.split_once("\r\n\r\n").context("the answer is not HTTP")?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).context("the answer has no status")?;
        let head = head.to_ascii_lowercase();
        let chunked = head.contains("\r\ntransfer-encoding: chunked");
        let body = if chunked { unchunk(body) } else { body.to_owned() };
        Ok(Self { status, retry_after: head.contains("\r\nretry-after:"), body })
    }
}

fn unchunk(mut rest: &str) -> String {
    let mut whole = String::new();
    while let Some((size, chunks)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16).unwrap_or(0);
        let (Some(chunk), true) = (chunks.get(..size), size > 0) else {
            break;
        };
        whole += chunk;
        rest = chunks.get(size + 2..).unwrap_or_default();
    }
    whole
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_answer_is_read() {
        let check = |text: &str, want: &str| {
            let got = Answer::read(text).map(|answer| format!("{} {} {:?}", answer.status, answer.retry_after, answer.body));
            assert_eq!(got.unwrap_or_else(|error| error.to_string()), want);
        };
        check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "200 false \"hi\"");
        check("HTTP/1.1 503 Full\r\nRetry-After: 5\r\n\r\n", "503 true \"\"");
        check("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", "200 false \"hi\"");
        check("SSH-2.0", "the answer is not HTTP");
        let refused = Answer { status: 404, retry_after: false, body: String::new() };
        assert_eq!((refused.is_full(), refused.accepted().unwrap_err().to_string()), (false, "status 404".to_owned()));
    }

    #[test]
    fn chunks_are_put_together() {
        assert_eq!(unchunk("3\r\nabc\r\n2;x=1\r\nde\r\n0\r\n\r\n"), "abcde");
        assert_eq!(unchunk("nonsense"), "");
    }
}
