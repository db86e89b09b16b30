//! Messages on the media stream's WebSocket.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::support::Server;
use super::{NUMBERS, Random, connect, under_fire, unharmed};

const CONNECTED: &str = r#"{"event":"connected","protocol":"Call","version":"1.0.0"}"#;
const START: &str = r#"{"event":"start","streamSid":"MZ1","start":{"streamSid":"MZ1","callSid":"CA1","accountSid":"AC1","tracks":["inbound"],"customParameters":{"token":"wrong"},"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1}}}"#;

const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;

/// An open WebSocket.
fn open(server: &Server) -> TcpStream {
    let mut stream = connect(server.http);
    let host = server.http;
    write!(
        stream,
        "GET /twilio/stream HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    .unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    stream
}

/// One whole frame, masked with zeros as a client must mask (RFC 6455 §5.3).
fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let length = match payload.len() {
        short @ 0..126 => vec![0x80 | short as u8],
        long => [&[0x80 | 126], &(long as u16).to_be_bytes()[..]].concat(),
    };
    [&[opcode], length.as_slice(), &[0; 4], payload].concat()
}

/// Why the server closes: the text of its close frame, or nothing when it only closes.
fn closed(mut stream: TcpStream) -> String {
    loop {
        let mut head = [0; 2];
        if stream.read_exact(&mut head).is_err() {
            return String::new();
        }
        let mut payload = vec![0; usize::from(head[1])];
        stream.read_exact(&mut payload).unwrap();
        if head[0] == 0x88 {
            let code = u16::from_be_bytes([payload[0], payload[1]]);
            return format!("{code} {}", String::from_utf8_lossy(&payload[2..]));
        }
    }
}

fn check(server: &Server, frames: &[Vec<u8>], reason: &str) {
    let mut stream = open(server);
    for frame in frames {
        // It may have enough before the last.
        let _closed_already = stream.write_all(frame);
    }
    assert_eq!(closed(stream), reason);
}

#[test]
fn a_stream_that_says_nonsense_is_told_so() {
    let server = Server::start("");
    let text = |text: &str| frame(TEXT, text.as_bytes());
    let no_connected = "1008 expected the event `connected`";
    let no_start = "1008 expected the event `start`";
    check(&server, &[text("garbage")], no_connected);
    check(&server, &[text(&CONNECTED[..20])], no_connected);
    check(&server, &[text("{\"event\":7}")], no_connected);
    check(&server, &[text(START)], no_connected);
    check(&server, &[frame(BINARY, &[0, 1, 2, 3])], no_connected);
    check(&server, &[text(CONNECTED), text(&START[..60])], no_start);
    check(&server, &[text(CONNECTED), text("{\"event\":\"start\",\"start\":{}}")], no_start);
    check(&server, &[text(CONNECTED), text(START)], "1008 the token is wrong, used or too old");
    server.wait_metric("offhook_calls_rejected_total", "reason=\"bad_stream\"", 7.0);
    server.wait_metric("offhook_calls_rejected_total", "reason=\"bad_token\"", 1.0);
    unharmed(&server);
}

#[test]
fn frames_of_every_bad_kind_do_no_harm() {
    let server = Server::start(NUMBERS);
    under_fire(&server, |round| {
        let mut random = Random::new(round);
        // Not masked; text that is no UTF-8; a frame of 2^62 bytes; a reserved opcode; a fragment of nothing.
        let wrong: [&[u8]; 5] = [
            &[0x81, 2, b'h', b'i'],
            &[0x81, 0x82, 0, 0, 0, 0, 0xff, 0xfe],
            &[0x81, 0xff, 0x40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            &[0x8f, 0x80, 0, 0, 0, 0],
            &[0x80, 0x80, 0, 0, 0, 0],
        ];
        for frame in wrong {
            let mut stream = open(&server);
            stream.write_all(frame).unwrap();
            closed(stream);
        }
        for _ in 0..20 {
            let length = random.below(2_000);
            let bytes = random.bytes(length);
            let mut stream = open(&server);
            let _closed_already = stream.write_all(&bytes);
            let mut stream = open(&server);
            let _closed_already = stream.write_all(&frame(TEXT, &bytes));
        }
    });
}
