//! DTLS-SRTP and ICE with peers that nobody here wrote: aiortc as a browser would call, baresip both ways, and openssl's handshake.
#![allow(clippy::unwrap_used)]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use store::{CallRecord, HangupCause};
use support::softphone::{LISTEN_SECONDS, Softphone};
use support::{Server, speech, stereo, wait_for};

/// The record of the one call, when it has ended.
fn ended(server: &Server) -> CallRecord {
    let (runtime, database) = server.database();
    wait_for(Duration::from_secs(45), "the end of the call", || {
        runtime.block_on(database.list_calls(10, None)).unwrap().pop().filter(|record| record.cause.is_some())
    })
}

/// Both sides of the recording of a call.
fn recorded(server: &Server, record: &CallRecord) -> [stereo::Side; 2] {
    let (runtime, database) = server.database();
    let recordings = runtime.block_on(database.recordings(record.call.id)).unwrap();
    stereo::read(&server.folder.path().join("data").join(&recordings[0].path))
}

fn handshakes(server: &Server, result: &str) -> f64 {
    server.metric("offhook_dtls_handshakes_total", &format!("result=\"{result}\""))
}

/// A call of `webrtc_opinion.py`.
fn opinion(python: &Path, mode: &str, server: &Server) -> Value {
    let script: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests/webrtc_opinion.py"].iter().collect();
    let output = Command::new(python).arg(script).arg(mode).arg(server.sip.to_string()).arg(speech()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(text.trim()).unwrap()
}

#[test]
fn a_browser_s_library_talks_over_ice_and_dtls() {
    let Some(python) = support::python() else { return };
    let server = Server::start("[rtp]\nsrtp = \"dtls\"\n");
    let seen = opinion(&python, "aiortc", &server);
    let answer = seen["answer"].as_str().unwrap();
    assert!(answer.contains("a=ice-lite\r\n") && answer.contains("a=setup:passive\r\n"), "{answer}");
    assert_eq!((&seen["connection"], &seen["ended_by"]), (&"connected".into(), &"caller".into()), "{seen}");
    // Nine seconds of packets of 20 ms, less the handshake; two seconds of the greeting are voice, and its beginning may go by before there
    // are keys.
    assert!(seen["received"].as_u64() > Some(350) && seen["loud"].as_u64() > Some(50), "{seen}");
    let record = ended(&server);
    assert_eq!(record.cause, Some(HangupCause::CallerHangup));
    let [caller, agent] = recorded(&server, &record);
    let said = stereo::read_mono(&speech());
    assert!(
        caller.voiced_seconds() > 4.0 && agent.voiced_seconds() > 1.0,
        "{} {}",
        caller.voiced_seconds(),
        agent.voiced_seconds()
    );
    assert!(caller.alike(&said) > 0.5, "what was said is what was heard: {}", caller.alike(&said));
    assert_eq!(handshakes(&server, "connected"), 1.0);
    assert_eq!(server.metric("offhook_rtp_lost_total", ""), 0.0);
}

#[test]
fn a_certificate_that_the_sdp_does_not_name_ends_the_call() {
    let Some(python) = support::python() else { return };
    let server = Server::start("");
    let seen = opinion(&python, "forged", &server);
    assert_eq!(seen["ended_by"], "server", "{seen}");
    assert_eq!(seen["received"], 0, "nothing is sent to who is not known: {seen}");
    let record = ended(&server);
    assert_eq!(record.cause, Some(HangupCause::Failed));
    assert!(record.cause_detail.as_deref().is_some_and(|detail| detail.contains("certificate")), "{record:?}");
    assert_eq!((handshakes(&server, "fingerprint"), handshakes(&server, "connected")), (1.0, 0.0));
}

#[test]
fn openssl_shakes_hands_with_an_rsa_certificate_and_without_ice() {
    let Some(python) = support::python() else { return };
    let server = Server::start("");
    let seen = opinion(&python, "openssl", &server);
    let log = seen["log"].as_str().unwrap();
    assert!(log.contains("SRTP Extension negotiated, profile=SRTP_AES128_CM_SHA1_32"), "{log}");
    assert!(log.contains("DTLSv1.2"), "{log}");
    assert_eq!(seen["certificate_as_in_answer"], true, "{log}");
    server.wait_metric("offhook_dtls_handshakes_total", "result=\"connected\"", 1.0);
    assert_eq!(ended(&server).cause, Some(HangupCause::CallerHangup));
}

/// A softphone calls us with keys by handshake, and both hear each other.
fn softphone(server: &Server, account: &str) {
    let modules = "module dtls_srtp.so\nmodule ice.so\nrtcp_mux yes\n";
    let phone = Softphone::call(&format!("sip:demo@{}", server.sip), "PCMU", account, modules);
    let record = ended(server);
    assert_eq!(record.cause, Some(HangupCause::CallerHangup), "{record:?}\n{}", phone.log());
    let (said, heard) = (stereo::read_mono(&speech()), phone.heard());
    let length = said.seconds() + 2.0 * LISTEN_SECONDS as f64;
    assert!((heard.seconds() - length).abs() < 1.5, "{} s heard of {length} s\n{}", heard.seconds(), phone.log());
    let [caller, agent] = recorded(server, &record);
    let (said_alike, heard_alike) = (caller.alike(&said), agent.alike(&heard));
    assert!(said_alike > 0.95 && heard_alike > 0.95, "recorded as {said_alike} and {heard_alike} of what was said and heard");
    assert_eq!(handshakes(server, "connected"), 1.0, "{}", phone.log());
    assert_eq!(server.metric("offhook_rtp_lost_total", ""), 0.0);
}

#[test]
fn a_softphone_talks_over_dtls() {
    softphone(&Server::start("[rtp]\nsrtp = \"dtls\"\n"), ";mediaenc=dtls_srtp");
}

#[test]
fn a_softphone_talks_over_ice_and_dtls() {
    softphone(&Server::start("[rtp]\nsrtp = \"dtls\"\n"), ";mediaenc=dtls_srtp;medianat=ice");
}
