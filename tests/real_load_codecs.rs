//! The load generator in every codec, in the open and encrypted: what it measures is the server, so both must understand each other first.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::{Value, json};
use support::{Server, load, rtp_range, speech};

/// Two calls of six seconds with these arguments more; the report, and all of it as text.
fn call(server: &Server, arguments: &[&str]) -> (Value, String) {
    let (target, audio) = (server.sip.to_string(), speech());
    let common = ["sip", "--target", &target, "--audio", audio.to_str().unwrap(), "--calls", "2", "--hold", "6", "--say", "once"];
    let (_, report, text) = load(&[&common, arguments].concat());
    (report, text)
}

fn server(srtp: &str) -> Server {
    Server::start(&format!("[node]\nmax_calls = 20\n[rtp]\nport_range = \"{}\"\nsrtp = \"{srtp}\"\n", rtp_range(20)))
}

#[test]
fn callers_in_every_codec_are_heard_and_hear() {
    let server = server("optional");
    let mut calls = 0.0;
    for codec in ["pcmu", "pcma", "g722", "opus"] {
        for keys in [&[][..], &["--srtp"]] {
            let (report, text) = call(&server, &[&["--codec", codec], keys].concat());
            assert_eq!((&report["answered"], &report["failed"]), (&json!(2), &json!(0)), "{codec} {keys:?}: {text}");
            // 300 packets a call each way, of which the first and the last may fall away.
            let packets = report["packets"]["received"].as_u64().unwrap();
            assert!((2 * 280..=2 * 310).contains(&packets), "{codec} {keys:?}: {packets} packets: {text}");
            assert_eq!(report["first_audio_ms"]["count"], json!(2), "{codec} {keys:?}: the greeting is heard: {text}");
            calls += 2.0;
            server.wait_metric("offhook_calls_total", "outcome=\"completed\"", calls);
        }
    }
    for name in ["offhook_rtp_rejected_total", "offhook_rtp_lost_total"] {
        assert_eq!(server.metric(name, ""), 0.0, "{name}: {}", server.log());
    }
}

#[test]
fn a_server_that_wants_keys_takes_only_callers_who_bring_them() {
    let server = server("required");
    let (report, text) = call(&server, &[]);
    assert_eq!((&report["answered"], &report["failed"]), (&json!(0), &json!(2)), "{text}");
    let (report, text) = call(&server, &["--srtp"]);
    assert_eq!((&report["answered"], &report["failed"]), (&json!(2), &json!(0)), "{text}");
}
