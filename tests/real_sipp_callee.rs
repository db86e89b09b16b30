//! SIPp as the callee of our own calls: what it sends and expects is its scenario's, so it says whether our caller's side is understood.
#![allow(clippy::unwrap_used)]

#[path = "support/peer.rs"]
mod peer;
mod support;

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use peer::Peer;
use sip::endpoint::Event;
use support::Folder;

/// One call as a scenario of `load-tests/sipp` takes it.
struct Callee {
    sipp: Child,
    folder: Folder,
    scenario: &'static str,
    address: SocketAddr,
}

impl Callee {
    fn start(scenario: &'static str) -> Self {
        let folder = Folder::new();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("load-tests/sipp/{scenario}.xml"));
        let address = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let sipp = Command::new("sipp")
            .arg("-sf")
            .arg(script)
            .args(["-i", "127.0.0.1", "-mi", "127.0.0.1", "-p", &address.port().to_string(), "-m", "1"])
            .args(["-timeout", "40", "-timeout_error", "-nostdin", "-trace_err", "-error_file", "errors"])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("sipp is installed (Debian: sip-tester)");
        Self { sipp, folder, scenario, address }
    }

    /// Its call went as scripted.
    fn finish(mut self) {
        let deadline = Instant::now() + Duration::from_secs(45);
        let status = loop {
            if let Some(status) = self.sipp.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "{}: SIPp does not end", self.scenario);
            std::thread::sleep(Duration::from_millis(20));
        };
        let errors = std::fs::read_to_string(self.folder.path().join("errors")).unwrap_or_default();
        assert_eq!(status.code(), Some(0), "{}: {errors}", self.scenario);
    }
}

impl Drop for Callee {
    fn drop(&mut self) {
        let _ended_already = self.sipp.kill();
        let _ = self.sipp.wait();
    }
}

fn rings(event: &Event) -> Option<()> {
    matches!(event, Event::Ringing { .. }).then_some(())
}

#[test]
fn reliable_early_media_is_acknowledged_and_stands() {
    let callee = Callee::start("callee_reliable");
    let mut peer = Peer::invite(callee.address, "caller");
    let sdp = peer.wait(|event| match event {
        Event::Answered { dialog, sdp, .. } => Some((dialog.clone(), sdp.clone())),
        _ => None,
    });
    peer.answered(sdp.0);
    assert!(String::from_utf8_lossy(&sdp.1.unwrap()).contains("m=audio"), "the 183's, since the 200 has none");
    peer.hang_up();
    callee.finish();
}

#[test]
fn a_call_is_called_back_while_it_rings() {
    for scenario in ["callee_cancel", "callee_crossing"] {
        let callee = Callee::start(scenario);
        let mut peer = Peer::invite(callee.address, "caller");
        peer.wait(rings);
        peer.hang_up();
        callee.finish();
    }
}

#[test]
fn an_offer_of_the_callee_is_answered() {
    let callee = Callee::start("callee_offer");
    let mut peer = Peer::invite_with(callee.address, "caller", false);
    let (dialog, offer) = peer.wait(|event| match event {
        Event::Answered { dialog, sdp, .. } => Some((dialog.clone(), sdp.clone().unwrap())),
        _ => None,
    });
    peer.answered(dialog);
    peer.answer(&offer);
    peer.hang_up();
    callee.finish();
}

#[test]
fn a_change_that_meets_anothers_comes_again() {
    let callee = Callee::start("callee_glare");
    let mut peer = Peer::call(callee.address, "caller");
    peer.reinvite();
    peer.wait(|event| match event {
        Event::ReinviteAnswered { sdp, .. } => sdp.clone(),
        Event::ReinviteRefused { status, .. } => panic!("refused: {}", status.code()),
        _ => None,
    });
    peer.hang_up();
    callee.finish();
}

#[test]
fn a_session_is_as_long_as_the_callee_wants_and_is_refreshed() {
    let callee = Callee::start("callee_session");
    let mut peer = Peer::call(callee.address, "caller");
    let up = Instant::now();
    // The UPDATE goes out and is answered without an event: SIPp's scenario knows.
    while up.elapsed() < Duration::from_secs(11) {
        let happened = peer.step();
        assert!(happened.is_empty(), "{happened:?}");
    }
    peer.hang_up();
    callee.finish();
}
