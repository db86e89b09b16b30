//! Requests to the public and the operator's HTTP port.

use std::io::Write;
use std::net::SocketAddr;

use super::support::{self, Server};
use super::{NUMBERS, Random, connect, read_to_close, under_fire, unharmed};

/// The whole answer to these bytes.
fn ask(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = connect(address);
    stream.write_all(request).unwrap();
    read_to_close(stream)
}

fn post(path: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nHost: voice.example\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n{body}")
        .into_bytes()
}

const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

fn check(address: SocketAddr, status: u16, request: &[u8]) {
    let answer = ask(address, request);
    let shown = String::from_utf8_lossy(&request[..request.len().min(200)]);
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "wanted {status}, got {answer} for {shown}");
    let ours = !matches!(status, 431) && answer.contains("x-request-id");
    if ours && status >= 400 {
        assert!(answer.contains("content-type: application/problem+json"), "{answer}");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let problem: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(problem["status"], status, "{answer}");
        assert!(problem["request_id"].as_str().is_some_and(|id| answer.contains(&format!("x-request-id: {id}"))), "{answer}");
    }
}

#[test]
fn every_refusal_says_why() {
    let server =
        Server::start("[twilio]\nauth_token = \"0123456789abcdef0123456789abcdef\"\npublic_url = \"https://voice.example\"");
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").into_bytes();
    for address in [server.http, server.metrics] {
        check(address, 404, &get("/nothing/here"));
        check(address, 404, &get("/../../etc/passwd"));
        check(address, 404, &get("/%00%ff"));
        check(address, 405, &post("/healthz", "", ""));
        check(address, 400, b"\x16\x03\x01\x02\x00\x01\r\n\r\n");
        check(address, 431, format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(200)).as_bytes());
    }
    check(server.http, 404, &get("/metrics"));
    check(server.http, 405, &get("/twilio/voice"));
    let body = "CallSid=CA1&From=%2B1&To=demo";
    check(server.http, 403, &post("/twilio/voice", FORM, body));
    check(server.http, 403, &post("/twilio/voice", &format!("{FORM}X-Twilio-Signature: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n"), body));
    check(server.http, 403, &post("/twilio/status", &format!("{FORM}X-Twilio-Signature: \u{fe0f}\r\n"), body));
    check(server.http, 403, &get("/twilio/stream"));
    check(server.http, 413, &post("/twilio/voice", FORM, &"a".repeat(64 * 1024 + 1)));
    server.wait_metric("offhook_calls_rejected_total", "reason=\"bad_signature\"", 4.0);
    unharmed(&server);
}

#[test]
fn unsigned_forms_are_read_with_care() {
    let server = Server::start("");
    check(server.http, 400, &post("/twilio/voice", FORM, ""));
    check(server.http, 400, &post("/twilio/voice", FORM, "CallSid=%ff%fe%00&From"));
    check(server.http, 400, &post("/twilio/status", FORM, "&&&==%%%CallSid"));
    check(server.http, 415, &post("/twilio/voice", "Content-Type: application/json\r\n", "{\"CallSid\": \"CA"));
    check(server.http, 400, &post("/twilio/voice", FORM, &format!("CallSid={}", "A".repeat(1_000))));
    // Half a body, and the peer's side is shut: there is nobody to answer to, and nothing to wait for.
    let mut stream = connect(server.http);
    stream
        .write_all(format!("POST /twilio/voice HTTP/1.1\r\nHost: a\r\n{FORM}Content-Length: 100\r\n\r\nCallSid=CA").as_bytes())
        .unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let answer = read_to_close(stream);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{answer}");
    unharmed(&server);
}

#[test]
fn requests_of_every_bad_kind_do_no_harm() {
    let server = Server::start(NUMBERS);
    // These never finish their heads; the server gives them ten seconds each.
    let slow: Vec<_> = (0..200)
        .map(|_| {
            let mut stream = connect(server.http);
            stream.write_all(b"GET /healthz HTTP/1.1\r\nX: ").unwrap();
            stream
        })
        .collect();
    under_fire(&server, |round| {
        let mut random = Random::new(round);
        for address in [server.http, server.metrics] {
            for length in [1, 10, 100, 1_000, 10_000, 100_000] {
                // Some of it may not be read before the answer.
                let _reset = connect(address).write_all(&random.bytes(length));
            }
            let mut endless = connect(address);
            let mut written = 0;
            while endless.write_all(&[b'A'; 8192]).is_ok() {
                written += 8192;
                assert!(written < 64 * 1024 * 1024, "{written} bytes of a request line were taken");
            }
            let (status, _) = support::get(address, "/healthz").unwrap();
            assert_eq!(status, 200);
        }
    });
    for stream in slow {
        assert_eq!(read_to_close(stream), "");
    }
}
