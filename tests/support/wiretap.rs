//! A wire between the server and a provider: hands everything on, and keeps what the server said.
#![allow(dead_code, clippy::unwrap_used, missing_docs)]

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::Value;

/// What the server said on one connection, as bytes.
type Said = Arc<Mutex<Vec<u8>>>;

pub struct Wiretap {
    pub base_url: String,
    connections: Arc<Mutex<Vec<Said>>>,
}

impl Wiretap {
    /// Stands before the provider at `base_url`.
    pub fn start(base_url: &str) -> Self {
        let (_, rest) = base_url.split_once("://").unwrap();
        let (host, path) = rest.split_once('/').unwrap();
        let target: SocketAddr = host.parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base_url = format!("http://{}/{path}", listener.local_addr().unwrap());
        let connections = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&connections);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let said = Said::default();
                all.lock().unwrap().push(Arc::clone(&said));
                let (client, provider) = (client.unwrap(), TcpStream::connect(target).unwrap());
                let (from, to) = (provider.try_clone().unwrap(), client.try_clone().unwrap());
                std::thread::spawn(move || hand_on(client, provider, |bytes| said.lock().unwrap().extend_from_slice(bytes)));
                std::thread::spawn(move || hand_on(from, to, |_| {}));
            }
        });
        Self { base_url, connections }
    }

    /// The events that the server sent, a list for each of its connections.
    pub fn sent(&self) -> Vec<Vec<Value>> {
        self.connections.lock().unwrap().iter().map(|said| events(&said.lock().unwrap())).collect()
    }

    /// The events of one type on all connections.
    pub fn sent_of(&self, kind: &str) -> Vec<Value> {
        self.sent().into_iter().flatten().filter(|event| event["type"] == kind).collect()
    }
}

fn hand_on(mut from: TcpStream, mut to: TcpStream, mut keep: impl FnMut(&[u8])) {
    let mut buffer = [0; 16_384];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        keep(&buffer[..length]);
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _gone = (to.shutdown(Shutdown::Both), from.shutdown(Shutdown::Both));
}

/// The texts of a client's side of a WebSocket (RFC 6455 §5.2), whose frames are masked; ours sends each message in one.
fn events(said: &[u8]) -> Vec<Value> {
    let head = said.windows(4).position(|end| end == b"\r\n\r\n").map_or(said.len(), |at| at + 4);
    let (mut rest, mut events) = (&said[head..], Vec::new());
    while let Some((opcode, text, after)) = message(rest) {
        if opcode == 1 {
            events.push(serde_json::from_slice(&text).unwrap());
        }
        rest = after;
    }
    events
}

fn message(bytes: &[u8]) -> Option<(u8, Vec<u8>, &[u8])> {
    let (first, rest) = bytes.split_at_checked(2)?;
    let (length, rest) = match first[1] & 0x7f {
        126 => rest.split_at_checked(2).map(|(length, rest)| (u16::from_be_bytes(length.try_into().unwrap()).into(), rest))?,
        127 => rest.split_at_checked(8).map(|(length, rest)| (u64::from_be_bytes(length.try_into().unwrap()) as usize, rest))?,
        length => (usize::from(length), rest),
    };
    let (mask, rest) = rest.split_at_checked(4)?;
    let (masked, rest) = rest.split_at_checked(length)?;
    let text = masked.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
    Some((first[0] & 0x0f, text, rest))
}
