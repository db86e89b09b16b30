//! A softphone that is not ours calls: baresip speaks, listens, and both sides of the call have both voices.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use store::{CallRecord, HangupCause, RecordingState};
use support::softphone::{LISTEN_SECONDS, Softphone};
use support::{Server, speech, stereo};

/// The record of the one call, when it has ended.
fn ended(server: &Server, phone: &Softphone) -> CallRecord {
    let (runtime, database) = server.database();
    support::wait_for(Duration::from_secs(45), "the end of the softphone's call", || {
        let mut records = runtime.block_on(database.list_calls(10, None)).unwrap();
        assert!(records.len() <= 1, "{}", phone.log());
        records.pop().filter(|record| record.cause.is_some())
    })
}

fn check(codec: &str, clock: u32, transport: &str) {
    talk(&Server::start(""), codec, clock, "", transport);
}

/// A call of a softphone with these parameters of its account.
fn talk(server: &Server, codec: &str, clock: u32, account: &str, transport: &str) {
    let phone = Softphone::call(&format!("sip:demo@{};transport={transport}", server.sip), codec, account, "");
    let record = ended(server, &phone);
    assert_eq!(record.cause, Some(HangupCause::CallerHangup), "{}", phone.log());
    let name = codec.split('/').next().unwrap();
    assert!(phone.log().contains(&format!("Set audio decoder: {name} {clock}Hz")), "{}", phone.log());

    let said = stereo::read_mono(&speech());
    let length = said.seconds() + 2.0 * LISTEN_SECONDS as f64;
    let heard = phone.heard();
    assert!((heard.seconds() - length).abs() < 1.0, "{} s heard of {length} s", heard.seconds());
    // The greeting alone is about three seconds.
    assert!(heard.voiced_seconds() > 3.0, "{} s of voice heard", heard.voiced_seconds());

    let (runtime, database) = server.database();
    let recordings = runtime.block_on(database.recordings(record.call.id)).unwrap();
    let [recording] = recordings.as_slice() else { panic!("{recordings:?}") };
    assert_eq!(recording.state, RecordingState::Complete, "{recording:?}");
    let [caller, agent] = stereo::read(&server.folder.path().join("data").join(&recording.path));
    for (side, wanted) in [(&caller, &said), (&agent, &heard)] {
        let (got, wanted) = (side.voiced_seconds(), wanted.voiced_seconds());
        assert!((got - wanted).abs() < 0.5, "{got} s of voice recorded of {wanted} s");
    }
    let (said_alike, heard_alike) = (caller.alike(&said), agent.alike(&heard));
    assert!(said_alike > 0.95 && heard_alike > 0.95, "recorded as {said_alike} and {heard_alike} of what was said and heard");
    // baresip begins with an empty packet, which opens the way through a NAT; it is not encrypted when the rest is.
    let pinholes = if account.is_empty() { 0.0 } else { 1.0 };
    assert_eq!(server.metric("offhook_rtp_rejected_total", "too_short"), pinholes);
    assert_eq!(server.metric("offhook_rtp_rejected_total", ""), pinholes);
    assert_eq!(server.metric("offhook_rtp_lost_total", ""), 0.0);
    // Scored both ways: what we heard, and what the softphone's reports say that it heard.
    for direction in ["received", "sent"] {
        let score = |part: &str| server.metric(&format!("offhook_call_mos_{part}"), &format!("direction=\"{direction}\""));
        assert_eq!(score("count"), 1.0, "{direction}");
        assert!(score("sum") > 4.2, "{direction}: {}", score("sum"));
    }
}

#[test]
fn a_softphone_talks_over_udp_in_pcmu() {
    check("PCMU", 8_000, "udp");
}

#[test]
fn a_softphone_talks_over_tcp_in_pcma() {
    check("PCMA", 8_000, "tcp");
}

#[test]
fn a_softphone_talks_in_opus() {
    check("opus/48000/2", 48_000, "udp");
}

#[test]
fn a_softphone_talks_in_g722() {
    check("G722/16000", 16_000, "udp");
}

#[test]
fn a_softphone_talks_encrypted() {
    // Who is not encrypted is refused here, so what is heard was.
    let server = Server::start("[rtp]\nsrtp = \"required\"\n");
    talk(&server, "PCMU", 8_000, ";mediaenc=srtp-mand", "udp");
}

#[test]
fn a_softphone_talks_encrypted_under_a_plain_profile() {
    let server = Server::start("[rtp]\nsrtp = \"required\"\n");
    talk(&server, "opus/48000/2", 48_000, ";mediaenc=srtp", "tcp");
}
