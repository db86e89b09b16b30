//! SIPp's calls: its parser, its timers and its RTP are not ours, so it says whether others understand us.
#![allow(clippy::unwrap_used)]

#[path = "support/scenario.rs"]
mod scenario;
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use scenario::Sipp;
use store::{CallRecord, HangupCause, RecordingState};
use support::{Callers, Server, http, stereo};

/// The records, when as many calls as these have ended.
fn ended(server: &Server, calls: usize) -> Vec<CallRecord> {
    let (runtime, database) = server.database();
    support::wait_for(Duration::from_secs(10), "the records of all calls", || {
        let records = runtime.block_on(database.list_calls(200, None)).unwrap();
        (records.iter().filter(|record| record.cause.is_some()).count() == calls).then_some(records)
    })
}

fn check_causes(server: &Server, calls: usize, cause: HangupCause) {
    let records = ended(server, calls);
    let causes: Vec<_> = records.iter().filter_map(|record| record.cause).collect();
    assert_eq!(causes, vec![cause; calls]);
    let answered = records.iter().filter(|record| record.answered_at.is_some()).count();
    assert_eq!(answered, if cause == HangupCause::CallerHangup { calls } else { 0 });
}

#[test]
fn calls_with_speech_are_answered_and_recorded() {
    for transport in ["u1", "t1"] {
        let server = Server::start("");
        Sipp { server: &server, user: "demo", transport }.run("speech", 5);
        check_causes(&server, 5, HangupCause::CallerHangup);
        server.wait_metric("offhook_calls_total", "outcome=\"completed\"", 5.0);
        server.wait_metric("offhook_sip_requests_total", "method=\"BYE\"", 5.0);
        assert_eq!(server.metric("offhook_sip_requests_total", "method=\"INVITE\""), 5.0);
        assert_eq!(server.metric("offhook_calls_active", ""), 0.0);
        assert_eq!(server.metric("offhook_sip_retransmissions_total", ""), 0.0);
        // Eleven seconds a call, 50 packets each, both ways; SIPp's clock may begin late and end early.
        for direction in ["received", "sent"] {
            let packets = server.metric("offhook_rtp_packets_total", direction);
            assert!((2_500.0..=2_800.0).contains(&packets), "{packets} packets {direction}");
        }
        for name in ["offhook_rtp_lost_total", "offhook_rtp_rejected_total"] {
            assert_eq!(server.metric(name, ""), 0.0, "{name}");
        }
        check_recordings(&server);
    }
}

/// Each recording is whole, as long as the call, and has a voice on both sides.
fn check_recordings(server: &Server) {
    let (runtime, database) = server.database();
    for record in ended(server, 5) {
        let recordings = runtime.block_on(database.recordings(record.call.id)).unwrap();
        let [recording] = recordings.as_slice() else { panic!("{recordings:?}") };
        assert_eq!(recording.state, RecordingState::Complete, "{recording:?}");
        let [caller, agent] = stereo::read(&server.folder.path().join("data").join(&recording.path));
        assert!((10.0..12.0).contains(&caller.seconds()), "{} s", caller.seconds());
        // The speech has seven seconds of voice; how much of the agent's is heard between depends on who interrupts whom.
        assert!(caller.voiced_seconds() > 5.0, "{} s of the caller's voice", caller.voiced_seconds());
        assert!(agent.voiced_seconds() > 0.2, "{} s of the agent's voice", agent.voiced_seconds());
    }
}

#[test]
fn a_caller_who_gives_up_while_it_rings_is_cancelled() {
    for transport in ["u1", "t1"] {
        let server = Server::start_with("", &[("OFFHOOK__SIP__RING_MS", "20000")]);
        Sipp { server: &server, user: "demo", transport }.run("cancel", 10);
        check_causes(&server, 10, HangupCause::Cancelled);
        server.wait_metric("offhook_calls_total", "outcome=\"cancelled\"", 10.0);
        server.wait_metric("offhook_sip_responses_total", "code=\"487\"", 10.0);
    }
}

#[test]
fn options_are_answered_without_a_call() {
    for transport in ["u1", "t1"] {
        let server = Server::start("");
        Sipp { server: &server, user: "demo", transport }.run("options", 20);
        server.wait_metric("offhook_sip_requests_total", "method=\"OPTIONS\"", 20.0);
        assert!(ended(&server, 0).is_empty());
    }
}

#[test]
fn an_unknown_number_is_not_found() {
    let toml = "[routing]\ndefault_assistant = \"\"\n[[numbers]]\nnumber = \"100\"\nassistant = \"demo\"\n\
                [[numbers]]\nnumber = \"200\"\nassistant = \"demo\"\nactive = false";
    let server = Server::start(toml);
    for (user, transport) in [("demo", "u1"), ("200", "t1")] {
        Sipp { server: &server, user, transport }.run("not_found", 5);
    }
    check_causes(&server, 10, HangupCause::UnknownNumber);
    server.wait_metric("offhook_calls_rejected_total", "reason=\"unknown_number\"", 10.0);
    Sipp { server: &server, user: "100", transport: "u1" }.run("late_bye", 1);
    assert_eq!(ended(&server, 11).iter().filter(|record| record.cause == Some(HangupCause::CallerHangup)).count(), 1);
}

#[test]
fn an_offer_without_a_codec_of_ours_is_not_acceptable() {
    let server = Server::start("");
    Sipp { server: &server, user: "demo", transport: "u1" }.run("no_codec", 5);
    check_causes(&server, 5, HangupCause::NoCodec);
    server.wait_metric("offhook_calls_rejected_total", "reason=\"no_codec\"", 5.0);
}

#[test]
fn a_full_node_says_when_to_come_back() {
    let server = Server::start("[node]\nmax_calls = 2");
    let callers = Callers::place(&server, 2);
    Sipp { server: &server, user: "demo", transport: "u1" }.run("busy", 5);
    server.wait_metric("offhook_calls_rejected_total", "reason=\"at_capacity\"", 5.0);
    callers.hang_up(&server);
    Sipp { server: &server, user: "demo", transport: "u1" }.run("late_bye", 2);
}

fn work_and_rest() {
    let (span, begin) = (Duration::from_millis(5), Instant::now());
    while begin.elapsed() < span {}
    std::thread::sleep(span);
}

#[test]
fn a_busy_machine_takes_no_new_calls() {
    let server = Server::start_with("", &[("OFFHOOK__LIMITS__CPU_PERCENT", "10")]);
    let busy = Arc::new(AtomicBool::new(true));
    let cores = std::thread::available_parallelism().unwrap().get();
    // A sixth of the cores at least, whatever else runs: half the time of every third.
    let workers: Vec<_> = (0..cores.div_ceil(3))
        .map(|_| Arc::clone(&busy))
        .map(|busy| {
            std::thread::spawn(move || {
                while busy.load(Relaxed) {
                    work_and_rest();
                }
            })
        })
        .collect();
    let deadline = Instant::now() + Duration::from_secs(20);
    while server.metric("offhook_cpu_busy_ratio", "") <= 0.1 {
        assert!(Instant::now() < deadline, "a core is busy and the server does not know");
        std::thread::sleep(Duration::from_millis(100));
    }
    Sipp { server: &server, user: "demo", transport: "u1" }.run("busy", 5);
    server.wait_metric("offhook_calls_rejected_total", "reason=\"cpu_busy\"", 5.0);
    let form = "CallSid=CA0&AccountSid=AC0&From=%2B15550100&To=%2B15550101&CallStatus=ringing";
    let head = format!("Host: {}\r\nContent-Type: application/x-www-form-urlencoded\r\nConnection: close", server.http);
    let request = format!("POST /twilio/voice HTTP/1.1\r\n{head}\r\nContent-Length: {}\r\n\r\n{form}", form.len());
    let (status, twiml) = http(server.http, &request).unwrap();
    busy.store(false, Relaxed);
    workers.into_iter().for_each(|worker| worker.join().unwrap());
    assert!(status == 200 && twiml.contains("all our lines are busy"), "{status} {twiml}");
}

#[test]
fn a_call_is_held_and_taken_back() {
    for transport in ["u1", "t1"] {
        let server = Server::start("");
        Sipp { server: &server, user: "demo", transport }.run("hold", 3);
        check_causes(&server, 3, HangupCause::CallerHangup);
        server.wait_metric("offhook_calls_total", "outcome=\"completed\"", 3.0);
    }
}

#[test]
fn an_invite_without_an_offer_gets_ours() {
    let server = Server::start("");
    Sipp { server: &server, user: "demo", transport: "u1" }.run("delayed_offer", 2);
    check_causes(&server, 2, HangupCause::CallerHangup);
    let (runtime, database) = server.database();
    for record in ended(&server, 2) {
        let turns = runtime.block_on(database.turns(record.call.id)).unwrap();
        assert_eq!(turns.len(), 1, "the greeting was spoken to the address of the ACK");
    }
}

#[test]
fn a_bye_for_a_call_that_is_over_belongs_to_nothing() {
    for transport in ["u1", "t1"] {
        let server = Server::start("");
        Sipp { server: &server, user: "demo", transport }.run("late_bye", 10);
        check_causes(&server, 10, HangupCause::CallerHangup);
        server.wait_metric("offhook_sip_responses_total", "code=\"481\"", 10.0);
    }
}

#[test]
fn a_caller_who_requires_it_acknowledges_the_ringing() {
    for transport in ["u1", "t1"] {
        let server = Server::start_with("", &[("OFFHOOK__SIP__RING_MS", "1000")]);
        Sipp { server: &server, user: "demo", transport }.run("reliable", 3);
        check_causes(&server, 3, HangupCause::CallerHangup);
        server.wait_metric("offhook_sip_requests_total", "method=\"PRACK\"", 3.0);
    }
}

#[test]
fn a_call_is_changed_and_refreshed_without_an_invite() {
    for transport in ["u1", "t1"] {
        let server = Server::start("");
        Sipp { server: &server, user: "demo", transport }.run("update", 3);
        check_causes(&server, 3, HangupCause::CallerHangup);
        server.wait_metric("offhook_sip_requests_total", "method=\"UPDATE\"", 9.0);
    }
}

#[test]
fn sessions_are_agreed_on_and_refreshed() {
    for transport in ["u1", "t1"] {
        let server = Server::start("");
        Sipp { server: &server, user: "demo", transport }.run("session", 3);
        check_causes(&server, 3, HangupCause::CallerHangup);
        server.wait_metric("offhook_sip_responses_total", "code=\"422\"", 3.0);
    }
}

#[test]
fn a_reinvite_without_an_offer_gets_ours() {
    for transport in ["u1", "t1"] {
        let server = Server::start("");
        Sipp { server: &server, user: "demo", transport }.run("offerless_reinvite", 3);
        check_causes(&server, 3, HangupCause::CallerHangup);
    }
}
