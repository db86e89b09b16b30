//! Connections to the SIP port.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::support::{Server, wait_for};
use super::{NUMBERS, Random, connect, good_call, invite, read_to_close, under_fire, unharmed};

/// Writes until the server has enough, but not for ever.
fn write_endlessly(mut stream: TcpStream, bytes: &[u8]) {
    const MOST: usize = 64 * 1024 * 1024;
    let mut written = 0;
    while stream.write_all(bytes).is_ok() {
        written += bytes.len();
        assert!(written < MOST, "{written} bytes were taken");
    }
}

#[test]
fn streams_of_every_bad_kind_are_closed() {
    let server = Server::start(NUMBERS);
    under_fire(&server, |round| {
        let from: SocketAddr = "127.0.0.1:5099".parse().unwrap();
        let good = invite("200", "TCP", from, round);
        write_endlessly(connect(server.sip), &[b'A'; 8192]);
        write_endlessly(connect(server.sip), &b"Subject: endless\r\n".repeat(500));

        let mut random = Random::new(round);
        let unframed = [
            good.replace("Content-Length", "X-Length"),
            good.replace("Content-Length: ", "Content-Length: -"),
            good.replace("Content-Length: ", "Content-Length: 9999999999999999999999"),
            good.replace("Content-Length: ", "Content-Length: 7\r\nContent-Length: "),
            String::from_utf8_lossy(&[random.bytes(1_000), b"\r\n\r\n".to_vec()].concat()).into_owned(),
        ];
        for text in unframed {
            let mut stream = connect(server.sip);
            stream.write_all(text.as_bytes()).unwrap();
            assert_eq!(read_to_close(stream), "", "{text}");
        }

        // In the middle of a message, the peer goes.
        for end in (1..good.len()).step_by(50) {
            connect(server.sip).write_all(&good.as_bytes()[..end]).unwrap();
        }
    });
}

#[test]
fn a_stream_that_can_be_cut_is_answered_and_goes_on() {
    let server = Server::start(NUMBERS);
    let mut stream = connect(server.sip);
    let bad = invite("200", "TCP", stream.local_addr().unwrap(), 1).replace("Max-Forwards: 70", "Max-Forwards: many");
    let options = invite("200", "TCP", stream.local_addr().unwrap(), 2).replace("INVITE", "OPTIONS");
    // In drops, as a slow peer writes.
    for byte in [bad, options].concat().as_bytes() {
        stream.write_all(&[*byte]).unwrap();
    }
    let mut answers = String::new();
    while answers.matches("\r\n\r\n").count() < 2 {
        let mut buffer = [0; 4096];
        let length = stream.read(&mut buffer).unwrap();
        assert!(length > 0, "closed after {answers}");
        answers.push_str(&String::from_utf8_lossy(&buffer[..length]));
    }
    let lines: Vec<&str> = answers.lines().filter(|line| line.starts_with("SIP/2.0 ")).map(|line| &line[8..11]).collect();
    assert_eq!(lines, ["400", "200"], "{answers}");
}

#[test]
fn connections_have_a_limit_and_udp_does_not_care() {
    let server = Server::start(&format!("{NUMBERS}sip_tcp_connections = 20"));
    let before = server.files();
    let streams: Vec<TcpStream> = (0..100).map(|_| connect(server.sip)).collect();
    server.wait_metric("offhook_calls_rejected_total", "reason=\"tcp_connections\"", 80.0);
    assert!(server.files() <= before + 25, "{} open files, {before} before", server.files());
    good_call(&server, "udp");
    drop(streams);
    wait_for(Duration::from_secs(10), "the connections to be closed", || (server.files() <= before + 5).then_some(()));
    good_call(&server, "tcp");
    unharmed(&server);
}
