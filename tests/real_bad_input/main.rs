//! Bad input on every port: a clear refusal, or none where none is due, and the server goes on serving.
#![allow(clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

mod http;
mod rtp;
mod sip_tcp;
mod sip_udp;
mod websocket;

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use support::{Server, load, speech};

/// What the server may grow by while it is attacked: buffers, records and the calls that prove that it serves.
const GROWTH_MAX: u64 = 80 * 1024 * 1024;

/// Good calls go to 100; nobody answers the other numbers, so that an attack that happens to be an INVITE is no call. It comes from
/// the host of the good ones, so the front door must not turn it away.
const NUMBERS: &str = "[routing]\ndefault_assistant = \"\"\n[[numbers]]\nnumber = \"100\"\nassistant = \"demo\"\n\
                       [limits]\nsip_calls_per_known_source = 100000\n";

/// Attacks again and again while good calls are made, then once more makes sure that nothing was harmed.
fn under_fire(server: &Server, attack: impl Fn(u64) + Sync) {
    good_call(server, "udp");
    let before = server.rss();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let attacker = scope.spawn(|| {
            for round in 0.. {
                attack(round);
                if over.load(Relaxed) {
                    return;
                }
            }
        });
        let called = scope.spawn(|| {
            for transport in ["udp", "tcp"] {
                good_call(server, transport);
            }
        });
        let result = called.join();
        over.store(true, Relaxed);
        attacker.join().unwrap();
        result.unwrap();
    });
    good_call(server, "udp");
    unharmed(server);
    let growth = server.rss().saturating_sub(before);
    assert!(growth < GROWTH_MAX, "grew by {growth} bytes");
}

/// A call with audio both ways, as the load generator judges it.
fn good_call(server: &Server, transport: &str) {
    let (target, audio) = (server.sip.to_string(), speech());
    let arguments = ["sip", "--to", "100", "--target", &target, "--transport", transport, "--hold", "3", "--say", "once"];
    let (status, _, text) = load(&[&arguments[..], &["--audio", audio.to_str().unwrap()]].concat());
    assert!(status.success(), "{text}\n{}", server.log());
}

/// Nothing panicked and nothing had to be restarted.
fn unharmed(server: &Server) {
    let log = server.log();
    assert!(!log.contains("panicked"), "{log}");
    assert_eq!(server.metric("offhook_actor_restarts_total", ""), 0.0, "{log}");
    assert!(support::get(server.http, "/readyz").is_some_and(|(status, _)| status == 200));
}

/// A connection that does not wait for ever.
fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, Duration::from_secs(5)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

/// Whatever comes until the server closes.
fn read_to_close(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "not closed: {error}"),
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// Asks and asks, and reads nothing: the server must not wait for such a peer for ever.
fn cut_off(address: SocketAddr, question: &str) {
    let mut stream = connect(address);
    let error = loop {
        if let Err(error) = stream.write_all(&question.repeat(100).into_bytes()) {
            break error;
        }
    };
    assert!(matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset), "not cut off: {error}");
}

#[test]
fn a_peer_that_reads_nothing_is_cut_off() {
    let server = Server::start(NUMBERS);
    let options = invite("200", "TCP", "127.0.0.1:5099".parse().unwrap(), 1).replace("INVITE", "OPTIONS");
    std::thread::scope(|scope| {
        scope.spawn(|| cut_off(server.http, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
        scope.spawn(|| cut_off(server.sip, &options));
    });
    good_call(&server, "tcp");
    unharmed(&server);
}

/// Numbers from a seed (xorshift64*): the same attack each time.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(2).wrapping_add(0x9E37_79B9_7F4A_7C15))
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next() as u8).collect()
    }
}

/// An INVITE that is as it should be.
fn invite(user: &str, transport: &str, from: SocketAddr, number: u64) -> String {
    let body = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n";
    format!(
        "INVITE sip:{user}@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/{transport} {from};branch=z9hG4bK{number};rport\r\n\
         From: <sip:a@127.0.0.1>;tag={number}\r\nTo: <sip:{user}@127.0.0.1>\r\nCall-ID: {number}@bad\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:a@{from}>\r\nMax-Forwards: 70\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
