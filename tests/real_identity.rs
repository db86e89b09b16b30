//! Calls with signed numbers: signed by other libraries, called by SIPp, their certificates fetched by HTTPS; and ours, read by others.
#![allow(clippy::unwrap_used)]

mod support;

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use actors::identity::{Attestation, Identity, IdentityConfig, SigningConfig};
use store::{CallId, CallRecord, HangupCause};
use support::{Folder, Process, Server};

/// Longer than any answer takes that is not lost.
const PATIENCE: Duration = Duration::from_secs(30);

/// `identity_opinion.py`: providers, their certificates, and who reads our signatures.
struct Opinion {
    folder: Folder,
    process: Process,
    input: ChildStdin,
    lines: Receiver<String>,
}

impl Opinion {
    fn start() -> Option<Self> {
        let folder = Folder::new();
        let mut child = Command::new(support::python()?)
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/identity_opinion.py"))
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, lines) = (child.stdin.take().unwrap(), read(child.stdout.take().unwrap()));
        let opinion = Self { folder, process: Process(child), input, lines };
        assert!(opinion.line().starts_with("ready "));
        Some(opinion)
    }

    fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("process {} says nothing", self.process.id()))
    }

    fn ask(&mut self, command: &str) -> String {
        writeln!(self.input, "{command}").unwrap();
        self.line()
    }

    /// An Identity header of the caller and called that the scenario has.
    fn sign(&mut self, path: &str, attestation: &str, age: i32) -> String {
        self.ask(&format!("sign {path} {attestation} {age} 12155551212 15550142"))
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// A server that trusts these providers, and the HTTPS of their certificates.
    fn server(&self, toml: &str) -> Server {
        let toml = format!("[identity]\nallow_private_urls = true\nroots = \"{}\"\n{toml}", self.file("roots.pem"));
        Server::start_with(&toml, &[("SSL_CERT_FILE", &self.file("tls.pem"))])
    }
}

fn read(output: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let Ok(()) = sender.send(line) else { return };
        }
    });
    receiver
}

/// One SIPp call with this header, which ends with this status: 200 is answered and hung up.
fn call(server: &Server, header: &str, status: u16) {
    let folder = Folder::new();
    let script = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("load-tests/sipp/identity.xml")).unwrap();
    let mut script = script.replace("      y: [identity]\n", if header.is_empty() { "" } else { "      y: [identity]\n" });
    if status != 200 {
        let (before, rest) = script.split_once("  <recv response=\"200\" rrs=\"true\"/>").unwrap();
        let (_, ack) = rest.split_once("  <send>").unwrap();
        let (ack, _) = ack.split_once("  </send>").unwrap();
        // The ACK to a refusal belongs to the INVITE's transaction (RFC 3261 §17.1.1.3).
        let ack = ack.replace("[branch]", "[branch-4]").replace("ACK [next_url]", "ACK sip:+15550142@[remote_ip]:[remote_port]");
        script = format!("{before}  <recv response=\"{status}\"/>\n  <send>{ack}  </send>\n</scenario>\n");
    }
    std::fs::write(folder.path().join("identity.xml"), script).unwrap();
    let output = Command::new("sipp")
        .arg(server.sip.to_string())
        .args(["-sf", "identity.xml", "-key", "identity", header, "-t", "t1", "-m", "1", "-i", "127.0.0.1", "-mi", "127.0.0.1"])
        .args(["-timeout", "30", "-timeout_error", "-nostdin", "-trace_err", "-error_file", "errors"])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .expect("sipp is installed (Debian: sip-tester)");
    let errors = std::fs::read_to_string(folder.path().join("errors")).unwrap_or_default();
    assert_eq!(output.status.code(), Some(0), "{status}: {errors}\n{}", server.log());
}

/// What the latest record says of its caller's number.
fn found(record: &CallRecord) -> String {
    let Some(identity) = &record.identity else { return String::new() };
    let words = [&identity.attestation, &identity.reason, &identity.origid, &identity.provider, &identity.noted];
    let words = words.into_iter().flatten().map(String::as_str);
    [identity.verdict.as_str()].into_iter().chain(words).collect::<Vec<_>>().join(" ")
}

const PASSED: &str = "passed A 123e4567-e89b-12d3-a456-426655440000 709J";

#[test]
fn a_call_that_is_signed_as_required_is_answered_and_others_are_refused() {
    let Some(mut opinion) = Opinion::start() else { return };
    // A busy machine needs its time, for certificates and from the signature to the call.
    let patient = "wait_ms = 5000\nfreshness_s = 600\n";
    let server = opinion.server(&format!("policy = \"require\"\nminimum_attestation = \"B\"\n{patient}"));
    let good = opinion.sign("/good.pem", "A", 0);
    let (token, rest) = good.split_once(';').unwrap();
    let mut parts: Vec<&str> = token.split('.').collect();
    let other = opinion.sign("/good.pem", "B", 0);
    parts[1] = other.split('.').nth(1).unwrap();
    let forged = format!("{};{rest}", parts.join("."));
    let cases = [
        (good.clone(), 200, PASSED, ""),
        (opinion.sign("/moved.pem", "A", 0), 200, PASSED, ""),
        (forged, 438, "failed bad_signature", "438 Invalid Identity Header: identity failed (bad_signature)"),
        (String::new(), 428, "none", "428 Use Identity Header: identity none"),
        (opinion.sign("/good.pem", "A", 1200), 403, "failed stale", "403 Stale Date: identity failed (stale)"),
        (
            opinion.sign("/good.pem", "C", 0),
            403,
            "passed C 123e4567-e89b-12d3-a456-426655440000 709J",
            "403 Attestation Too Low: identity passed",
        ),
        (opinion.sign("/other.pem", "A", 0), 437, "failed untrusted", "437 Unsupported Credential: identity failed (untrusted)"),
        (opinion.sign("/twice.pem", "A", 0), 436, "failed bad_url", "436 Bad Identity Info: identity failed (bad_url)"),
        (
            opinion.sign("https://127.0.0.1:1/x", "A", 0),
            436,
            "unverifiable not_fetched",
            "436 Bad Identity Info: identity unverifiable (not_fetched)",
        ),
    ];
    for (place, (header, status, verdict, detail)) in (1..).zip(&cases) {
        call(&server, header, *status);
        let record = &server.ended_calls(place)[0].call;
        assert_eq!(found(record), *verdict, "{}", server.log());
        if *status != 200 {
            assert_eq!((record.cause, record.cause_detail.as_deref()), (Some(HangupCause::IdentityRefused), Some(*detail)));
        }
    }
    assert_eq!(opinion.ask("asked /good.pem"), "2", "once for itself, once behind /moved.pem");
    server.wait_metric("offhook_identity_total", "verdict=\"passed\"", 3.0);
    server.wait_metric("offhook_identity_total", "verdict=\"unverifiable\"", 1.0);
    server.wait_metric("offhook_identity_fetch_errors_total", "reason=\"network\"", 1.0);
    server.wait_metric("offhook_identity_fetch_errors_total", "reason=\"refused\"", 1.0);
    server.wait_metric("offhook_calls_rejected_total", "reason=\"identity_refused\"", 7.0);
    let log = server.log();
    assert!(log.contains("the caller's number was checked") && !log.contains("2155551212"), "{log}");
}

#[test]
fn a_call_waits_for_a_slow_certificate_no_longer_than_it_may() {
    let Some(mut opinion) = Opinion::start() else { return };
    let server = opinion.server("policy = \"require\"\nwait_ms = 100\n");
    call(&server, &opinion.sign("/slow.pem", "A", 0), 436);
    let record = &server.ended_calls(1)[0].call;
    assert_eq!(found(record), "unverifiable late");
    assert_eq!(record.cause_detail.as_deref(), Some("436 Bad Identity Info: identity unverifiable (late)"));
}

#[test]
fn without_roots_a_signature_is_noted_and_every_call_is_taken() {
    let Some(mut opinion) = Opinion::start() else { return };
    let server = Server::start("");
    call(&server, &opinion.sign("/good.pem", "A", 0), 200);
    assert_eq!(found(&server.ended_calls(1)[0].call), "unverifiable no_roots");
    call(&server, "", 200);
    assert_eq!(server.ended_calls(2)[0].call.identity, None);
    assert_eq!(opinion.ask("asked /good.pem"), "0");
    assert_eq!(server.log().matches("identity.roots is not set").count(), 1);
}

#[test]
fn others_read_what_we_sign() {
    let Some(mut opinion) = Opinion::start() else { return };
    let signing = SigningConfig {
        key: opinion.file("sign.key").into(),
        certificate_url: "https://certs.example.com/us.pem".to_owned(),
        attestation: Attestation::Partial,
    };
    let identity = Identity::load(&IdentityConfig { signing: Some(signing), ..IdentityConfig::default() }).unwrap();
    let call = CallId::generate();
    let (name, value) = identity.header(call, "+1 215 555 1212", "+15550142").unwrap();
    assert_eq!(name, "Identity");
    let read = opinion.ask(&format!("verify {value}"));
    for part in [
        r#""header": {"alg": "ES256", "ppt": "shaken", "typ": "passport", "x5u": "https://certs.example.com/us.pem"}"#,
        r#""claims": {"attest": "B", "dest": {"tn": ["15550142"]}, "iat": "#,
        &format!(r#""orig": {{"tn": "12155551212"}}, "origid": "{call}""#),
    ] {
        assert!(read.contains(part), "{read}");
    }
    assert_eq!(identity.header(call, "anonymous", "+15550142"), None);
}
