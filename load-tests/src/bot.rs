//! An external bot for load: it gives every caller's audio back at once, and marks it.
//!
//! It speaks Media Streams as a bot does and understands of the messages only what it needs, so that it takes little of the machine
//! that the server is measured on. Load and smoke only: what the protocol means is checked by tests with bots of others.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use anyhow::Context;
use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_tungstenite::accept_async_with_config;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

/// Streams at once: as many as the load generator's calls.
const STREAMS_MAX: usize = 10_000;
/// A handshake that takes longer is dropped, so that silent connections hold nothing.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes read at once: a dozen messages.
const READ_BUFFER: usize = 4 << 10;

/// A bot that runs until it is dropped.
#[derive(Debug)]
pub struct EchoBot {
    address: SocketAddr,
    counts: Arc<Counts>,
    task: JoinHandle<()>,
}

/// What a bot has seen so far.
#[derive(Debug, Default)]
pub struct Counts {
    /// Streams begun.
    pub streams: AtomicU64,
    /// Messages of audio echoed.
    pub echoed: AtomicU64,
    /// Marks sent.
    pub marked: AtomicU64,
    /// Marks that came back.
    pub marks_back: AtomicU64,
}

impl EchoBot {
    /// Listens on the current tokio runtime; marks each `mark_every`th message, none for 0.
    ///
    /// # Errors
    /// When the address is taken.
    pub async fn start(listen: SocketAddr, mark_every: u64) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
        let (address, counts) = (listener.local_addr()?, Arc::new(Counts::default()));
        let task = tokio::spawn(accept(listener, mark_every, Arc::clone(&counts)));
        Ok(Self { address, counts, task })
    }

    /// Where it listens, as `ws://127.0.0.1:8765/`.
    pub fn url(&self) -> String {
        format!("ws://{}/", self.address)
    }

    /// What it has seen.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }
}

impl Drop for EchoBot {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, mark_every: u64, counts: Arc<Counts>) {
    let places = Arc::new(Semaphore::new(STREAMS_MAX));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors: wait for streams to end rather than spin.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let (places, counts) = (Arc::clone(&places), Arc::clone(&counts));
        tokio::spawn(async move {
            if let Ok(_place) = places.try_acquire() {
                serve(stream, mark_every, &counts).await;
            }
        });
    }
}

async fn serve(stream: TcpStream, mark_every: u64, counts: &Counts) {
    // A piece must leave when it is due, not with the next one.
    let _ = stream.set_nodelay(true);
    let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER).write_buffer_size(0);
    let handshake = accept_async_with_config(stream, Some(config));
    let Ok(Ok(mut socket)) = tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake).await else { return };
    let (mut echo, mut messages) = (Echo::default(), 0_u64);
    while let Some(Ok(message)) = socket.next().await {
        let Message::Text(text) = message else { continue };
        let Some(answer) = echo.answer(&text, counts) else { continue };
        messages += 1;
        let mut sent = socket.feed(Message::text(answer)).await;
        if mark_every > 0 && messages.is_multiple_of(mark_every) {
            counts.marked.fetch_add(1, Relaxed);
            sent = sent.and(socket.feed(Message::text(echo.mark(messages))).await);
        }
        if sent.and(socket.flush().await).is_err() {
            return;
        }
    }
}

/// One stream.
#[derive(Default)]
struct Echo {
    sid: String,
}

impl Echo {
    /// What a message is answered with: audio with itself, anything else with nothing.
    fn answer(&mut self, text: &str, counts: &Counts) -> Option<String> {
        match value(text, r#""event":""#)? {
            "media" => {
                counts.echoed.fetch_add(1, Relaxed);
                let payload = value(text, r#""payload":""#)?;
                Some(format!(r#"{{"event":"media","streamSid":"{}","media":{{"payload":"{payload}"}}}}"#, self.sid))
            }
            "start" => {
                counts.streams.fetch_add(1, Relaxed);
                self.sid = value(text, r#""streamSid":""#)?.to_owned();
                None
            }
            "mark" => {
                counts.marks_back.fetch_add(1, Relaxed);
                None
            }
            _ => None,
        }
    }

    fn mark(&self, number: u64) -> String {
        format!(r#"{{"event":"mark","streamSid":"{}","mark":{{"name":"{number}"}}}}"#, self.sid)
    }
}

/// The text behind a key, up to its closing quote: enough for values that have no quotes in them.
fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let from = text.find(key)? + key.len();
    let length = text[from..].find('"')?;
    Some(&text[from..from + length])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn audio_comes_back_with_the_streams_own_id() {
        let (mut echo, counts) = (Echo::default(), Counts::default());
        let start = r#"{"event":"start","sequenceNumber":"1","streamSid":"MZ7","start":{"streamSid":"MZ7"}}"#;
        assert_eq!(echo.answer(r#"{"event":"connected","protocol":"Call"}"#, &counts), None);
        assert_eq!(echo.answer(start, &counts), None);
        let media = r#"{"event":"media","streamSid":"MZ7","media":{"track":"inbound","payload":"//8="}}"#;
        let back = r#"{"event":"media","streamSid":"MZ7","media":{"payload":"//8="}}"#;
        assert_eq!(echo.answer(media, &counts).as_deref(), Some(back));
        assert_eq!(echo.mark(5), r#"{"event":"mark","streamSid":"MZ7","mark":{"name":"5"}}"#);
        assert_eq!(echo.answer(r#"{"event":"mark","mark":{"name":"5"}}"#, &counts), None);
        let Counts { streams, echoed, marks_back, .. } = counts;
        assert_eq!((streams.into_inner(), echoed.into_inner(), marks_back.into_inner()), (1, 1, 1));
    }
}
