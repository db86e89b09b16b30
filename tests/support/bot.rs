//! An external bot of the tests' own: each socket that Offhook opens runs a script, on a thread.
#![allow(dead_code, clippy::unwrap_used, missing_docs)]

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::StatusCode;
use tokio_tungstenite::tungstenite::{Message, WebSocket, accept_hdr};

/// Longer than any answer takes that comes.
const PATIENCE: Duration = Duration::from_secs(30);

/// A bot that listens until the test ends.
pub struct Bot {
    pub address: SocketAddr,
    streams: Receiver<Stream>,
}

/// One socket after its handshake.
pub struct Stream {
    pub socket: WebSocket<TcpStream>,
    /// The request's headers, by lower-case name.
    pub headers: Vec<(String, String)>,
    pub sid: String,
    /// `media` messages that came.
    pub frames: u64,
}

impl Bot {
    /// Takes every socket.
    pub fn start() -> Self {
        Self::listen(None, Duration::ZERO)
    }

    /// Refuses every socket with this status.
    pub fn refusing(status: u16) -> Self {
        Self::listen(Some(status), Duration::ZERO)
    }

    /// Takes the first socket, and each further one after so long.
    pub fn hesitating(wait: Duration) -> Self {
        Self::listen(None, wait)
    }

    fn listen(status: Option<u16>, wait: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, streams) = channel();
        std::thread::spawn(move || {
            for number in 0.. {
                let Ok((stream, _)) = listener.accept() else { return };
                if number > 0 {
                    std::thread::sleep(wait);
                }
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                let mut headers = Vec::new();
                #[expect(clippy::result_large_err, reason = "the handshake callback's type is tungstenite's")]
                let look = |request: &Request, response: Response| {
                    let named = request.headers().iter();
                    headers = named.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
                    match status {
                        Some(status) => {
                            let mut refused = ErrorResponse::new(None);
                            *refused.status_mut() = StatusCode::from_u16(status).unwrap();
                            Err(refused)
                        }
                        None => Ok(response),
                    }
                };
                let Ok(socket) = accept_hdr(stream, look) else { continue };
                if sender.send(Stream { socket, headers, sid: String::new(), frames: 0 }).is_err() {
                    return;
                }
            }
        });
        Self { address, streams }
    }

    /// The next socket.
    pub fn stream(&self) -> Stream {
        self.streams.recv_timeout(PATIENCE).expect("Offhook opens a socket")
    }

    /// The next socket, and its `start`.
    pub fn started(&self) -> (Stream, Value) {
        let mut stream = self.stream();
        stream.wait("connected");
        let start = stream.wait("start");
        stream.sid = start["streamSid"].as_str().unwrap().to_owned();
        (stream, start)
    }

    pub fn url(&self) -> String {
        format!("ws://{}/media", self.address)
    }
}

impl Stream {
    pub fn send(&mut self, mut message: Value) {
        message["streamSid"] = json!(self.sid);
        self.socket.send(Message::text(message.to_string())).unwrap();
    }

    /// A tone of this many milliseconds in one message.
    pub fn say(&mut self, ms: usize) {
        let octets: Vec<u8> = (0..ms * 8).map(|at| if at / 8 % 2 == 0 { 0x90 } else { 0x10 }).collect();
        self.send(json!({"event": "media", "media": {"payload": STANDARD.encode(octets)}}));
    }

    pub fn mark(&mut self, name: &str) {
        self.send(json!({"event": "mark", "mark": {"name": name}}));
    }

    pub fn clear(&mut self) {
        self.send(json!({"event": "clear"}));
    }

    /// The next message with this event, audio counted and others passed over; `None` when the socket ends first.
    pub fn next(&mut self, event: &str) -> Option<Value> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let Ok(message) = self.socket.read() else { return None };
            let Message::Text(text) = message else { continue };
            let message: Value = serde_json::from_str(&text).unwrap();
            self.frames += u64::from(message["event"] == "media");
            if message["event"] == event {
                return Some(message);
            }
        }
        panic!("no {event} within {PATIENCE:?}");
    }

    pub fn wait(&mut self, event: &str) -> Value {
        self.next(event).unwrap_or_else(|| panic!("the socket ended before {event}"))
    }

    /// Waits for so many frames of the caller.
    pub fn hear(&mut self, frames: u64) {
        for _ in 0..frames {
            self.wait("media");
        }
    }

    /// As a process that was killed: no farewell.
    pub fn drop_dead(self) {
        drop(self);
    }

    /// In good order, with this code.
    pub fn close(mut self, code: u16) {
        use tokio_tungstenite::tungstenite::protocol::CloseFrame;
        self.socket.close(Some(CloseFrame { code: code.into(), reason: "bye".into() })).unwrap();
        while self.socket.read().is_ok() {}
    }
}
