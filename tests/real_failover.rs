//! Calls of ours by a trunk whose targets fail, redirect and challenge, with SIPp as each of them: what carriers do all day.
#![allow(clippy::unwrap_used)]

mod support;

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use serde_json::{Value, json};
use store::{HangupCause, RecordingState};
use support::callee::Callee;
use support::{EndedCall, Server, free_address, http, stereo, wait_for};

const KEY: &str = "a key for the tests of failover";

/// A trunk with these targets, one after the other.
fn server(rows: &str, targets: &[String]) -> Server {
    let mut trunk = format!(
        "[[trunks]]\nname = \"carrier\"\nusername = \"offhook\"\npassword_env = \"CARRIER_PASSWORD\"\nallowed_prefixes = [\"+49\"]\n\
         options_interval_s = 0\ntry_timeout_s = 2\ncaller_number = \"+4989123\"\ncodecs = [\"pcmu\"]\n{rows}"
    );
    for (index, target) in targets.iter().enumerate() {
        trunk += &format!("[[trunks.targets]]\nuri = \"{target}\"\npriority = {}\n", index + 1);
    }
    Server::start_with(&trunk, &[("OFFHOOK_API_KEY", KEY), ("CARRIER_PASSWORD", "secret")])
}

fn udp(address: SocketAddr) -> String {
    format!("sip:{address};transport=udp")
}

fn ask(server: &Server, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let head = format!("Host: {}\r\nX-API-Key: {KEY}\r\nContent-Type: application/json\r\nConnection: close", server.http);
    let request = format!("{method} {path} HTTP/1.1\r\n{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let (status, answer) = http(server.http, &request).unwrap();
    (status, serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer}")))
}

fn place(server: &Server) -> String {
    let wish = json!({ "to": "+4930123", "assistant_id": "demo" });
    let (status, call) = ask(server, "POST", "/api/v1/calls", &wish);
    assert_eq!(status, 201, "{call}\n{}", server.log());
    call["id"].as_str().unwrap().to_owned()
}

/// Where the INVITEs of a call went, as its record shows them once it is over.
fn invites(server: &Server, id: &str) -> Vec<String> {
    wait_for(Duration::from_secs(10), "the messages of the call", || {
        let (status, ladder) = ask(server, "GET", &format!("/api/v1/calls/{id}/sip"), &Value::Null);
        let messages = ladder["data"].as_array().filter(|_| status == 200)?;
        let invites = messages.iter().filter(|message| message["summary"].as_str().unwrap().starts_with("INVITE "));
        Some(invites.map(|message| message["to"].as_str().unwrap().to_owned()).collect())
    })
}

/// One record, of a call that was answered and in which both sides were heard.
fn talked(server: &Server) -> EndedCall {
    let ended = server.ended_calls(1).remove(0);
    assert_eq!(ended.call.cause, Some(HangupCause::CalleeHangup), "{:?}\n{}", ended.call.cause_detail, server.log());
    assert_eq!((ended.call.trunk.as_deref(), ended.recordings[0].state), (Some("carrier"), RecordingState::Complete));
    let [callee, agent] = stereo::read(&server.recording(&ended));
    assert!(agent.voiced_seconds() > 2.0, "{} s of greeting", agent.voiced_seconds());
    assert!(callee.voiced_seconds() > 0.5, "{} s of the callee", callee.voiced_seconds());
    ended
}

fn failed(server: &Server, reason: &str, times: f64) {
    server.wait_metric("offhook_trunk_attempts_failed_total", &format!("trunk=\"carrier\",reason=\"{reason}\""), times);
}

fn is_up(server: &Server, target: &str, up: f64) {
    server.wait_metric("offhook_trunk_target_up", &format!("trunk=\"carrier\",target=\"{target}\""), up);
}

#[test]
fn a_silent_target_costs_seconds_and_no_call() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let callee = Callee::start("callee_speaks");
    let targets = [udp(silent.local_addr().unwrap()), udp(callee.address)];
    let callee_address = callee.address.to_string();
    let server = server("", &targets);
    let id = place(&server);
    let messages = callee.went_well(&server.log());
    assert!(messages.contains(&format!("INVITE sip:+4930123@{callee_address}")), "{messages}");
    assert!(messages.contains("CSeq: 2 INVITE"), "{messages}");
    let ended = talked(&server);
    assert_eq!(ended.call.call.id.to_string(), id);
    failed(&server, "silent", 1.0);
    is_up(&server, &targets[0], 0.0);
    // At 0, 0.5 and 1.5 s, and one to whom it went on: all on one ladder.
    let (silent, callee) = (silent.local_addr().unwrap().to_string(), callee_address);
    assert_eq!(invites(&server, &id), [silent.clone(), silent.clone(), silent, callee]);
}

#[test]
fn a_target_without_room_is_left_alone_for_as_long_as_it_says() {
    let full = Callee::refuse("503 Service Unavailable\n      Retry-After: 300");
    let callee = Callee::start("callee_speaks");
    let targets = [udp(full.address), udp(callee.address)];
    let server = server("", &targets);
    place(&server);
    full.went_well(&server.log());
    callee.went_well(&server.log());
    talked(&server);
    failed(&server, "503", 1.0);
    is_up(&server, &targets[0], 0.0);
    // Nobody is there now, and the next call does not ask the first one at all.
    let second = place(&server);
    let ended = server.ended_calls(2).into_iter().find(|ended| ended.call.call.id.to_string() == second).unwrap();
    assert_eq!(ended.call.cause, Some(HangupCause::Unavailable));
    let places: f64 = ["silent", "unreachable"]
        .iter()
        .map(|reason| server.metric("offhook_trunk_attempts_failed_total", &format!("trunk=\"carrier\",reason=\"{reason}\"")))
        .sum();
    assert_eq!(places, 1.0, "{}", server.log());
}

#[test]
fn a_closed_port_leads_to_the_next_target_at_once() {
    let callee = Callee::start("callee_speaks");
    let closed = format!("sip:{};transport=tcp", free_address());
    let server = server("", &[closed.clone(), udp(callee.address)]);
    place(&server);
    callee.went_well(&server.log());
    talked(&server);
    failed(&server, "unreachable", 1.0);
    is_up(&server, &closed, 0.0);
}

#[test]
fn a_call_that_nobody_takes_says_what_was_tried() {
    let [first, second] = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
    let targets = [&first, &second].map(|socket| udp(socket.local_addr().unwrap()));
    let server = server("", &targets);
    let id = place(&server);
    let ended = server.ended_calls(1).remove(0);
    assert_eq!(ended.call.cause, Some(HangupCause::Unavailable));
    let expected = format!(
        "the callee's side did not answer at all; tried: {} said nothing for 2 s, {} said nothing for 2 s",
        targets[0], targets[1]
    );
    assert_eq!(ended.call.cause_detail, Some(expected));
    assert!(invites(&server, &id).len() >= 6);
}

/// Who was given up and comes back gets ACK and BYE, or CANCEL, while the call is with somebody else.
#[test]
fn who_answers_late_is_hung_up_on() {
    for late in ["callee_late_answer", "callee_late_ringing"] {
        let (late, callee) = (Callee::start(late), Callee::start("callee_speaks"));
        let server = server("", &[udp(late.address), udp(callee.address)]);
        place(&server);
        late.went_well(&server.log());
        callee.went_well(&server.log());
        talked(&server);
    }
}

#[test]
fn a_redirection_within_the_trunk_is_followed() {
    let callee = Callee::start("callee_speaks");
    let moved = Callee::refuse(&format!("302 Moved Temporarily\n      Contact: <sip:+4930999@{}>", callee.address));
    let server = server("", &[udp(moved.address)]);
    place(&server);
    moved.went_well(&server.log());
    let address = callee.address;
    let messages = callee.went_well(&server.log());
    assert!(messages.contains(&format!("INVITE sip:+4930999@{address}")), "{messages}");
    talked(&server);
    server.wait_metric("offhook_trunk_redirects_total", "trunk=\"carrier\"", 1.0);
}

#[test]
fn a_redirection_elsewhere_or_to_an_expensive_number_is_not() {
    let stranger = UdpSocket::bind("127.0.0.2:0").unwrap();
    stranger.set_nonblocking(true).unwrap();
    let elsewhere = stranger.local_addr().unwrap();
    let strangers = [
        ("", format!("sip:+4930123@{elsewhere}")),
        ("", format!("sip:+4930123@127.0.0.1;maddr=127.0.0.2:{}", elsewhere.port())),
        ("redirects = \"any\"\n", format!("sip:+881835123@{elsewhere}")),
        ("redirects = \"refuse\"\n", "sip:+4930123@127.0.0.1".to_owned()),
    ];
    for (rows, contact) in strangers {
        let moved = Callee::refuse(&format!("302 Moved Temporarily\n      Contact: <{contact}>"));
        let server = server(rows, &[udp(moved.address)]);
        place(&server);
        moved.went_well(&server.log());
        let ended = server.ended_calls(1).remove(0);
        let expected = "302 Moved Temporarily; redirected to where calls of ours may not go, or too often";
        assert_eq!(
            (ended.call.cause, ended.call.cause_detail.as_deref()),
            (Some(HangupCause::Failed), Some(expected)),
            "{contact}"
        );
    }
    let heard = stranger.recv(&mut [0; 2048]);
    assert!(heard.is_err(), "a stranger heard of it: {heard:?}");
}

#[test]
fn a_password_is_asked_for_of_an_invite_and_of_its_prack() {
    let callee = Callee::start("callee_challenges");
    let server = server("", &[udp(callee.address)]);
    let id = place(&server);
    wait_for(Duration::from_secs(20), "the answer", || {
        (ask(&server, "GET", &format!("/api/v1/calls/{id}"), &Value::Null).1["status"] == "answered").then_some(())
    });
    let (status, _) = ask(&server, "POST", &format!("/api/v1/calls/{id}/actions"), &json!({ "action": "hangup" }));
    assert_eq!(status, 202);
    callee.went_well(&server.log());
    assert_eq!(server.ended_calls(1)[0].call.cause, Some(HangupCause::OperatorHangup));
    server.wait_metric("offhook_sip_requests_total", "method=\"PRACK\",direction=\"sent\"", 2.0);
}
