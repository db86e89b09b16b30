//! SIGHUP: who answers changes for the next call, running calls go on, and a file with a mistake changes nothing.
#![allow(clippy::unwrap_used)]

#[path = "support/peer.rs"]
mod peer;
mod support;

use std::net::SocketAddr;

use peer::Peer;
use store::HangupCause;
use support::Server;

const DEMO: &str = "[routing]\ndefault_assistant = \"\"\n[[numbers]]\nnumber = \"100\"\nassistant = \"demo\"\n\
                    [[assistants]]\nname = \"demo\"\nfirst_message = \"Demo.\"\n";
const SALES: &str = "[[numbers]]\nnumber = \"200\"\nassistant = \"sales\"\n\
                     [[assistants]]\nname = \"sales\"\nfirst_message = \"Sales.\"\n";

fn calls(target: SocketAddr, number: &str) -> Peer {
    let mut peer = Peer::invite_user(target, "alice", number, true);
    peer.wait_answered();
    peer
}

fn is_unknown(target: SocketAddr, number: &str) {
    assert_eq!(Peer::invite_user(target, "alice", number, true).wait_refused(), 404, "{number}");
}

#[test]
fn the_next_call_finds_what_the_file_says_now() {
    let server = Server::start(DEMO);
    let mut before = calls(server.sip, "100");
    is_unknown(server.sip, "200");

    server.reload(&format!("{DEMO}{SALES}"));
    server.wait_metric("offhook_config_reloads_total", "outcome=\"taken\"", 1.0);
    calls(server.sip, "200").hang_up();
    calls(server.sip, "100").hang_up();

    // A number that is taken away again; its assistant's call would go on, as the first one's does.
    server.reload(&format!("[routing]\ndefault_assistant = \"\"\n{SALES}"));
    server.wait_metric("offhook_config_reloads_total", "outcome=\"taken\"", 2.0);
    is_unknown(server.sip, "100");
    server.wait_metric("offhook_calls_active", "", 1.0);
    before.hang_up();

    let answered: Vec<_> = server.ended_calls(5).into_iter().filter(|ended| ended.call.answered_at.is_some()).collect();
    let who: Vec<&str> = answered.iter().map(|ended| ended.call.call.assistant.as_str()).collect();
    assert_eq!(who, ["demo", "sales", "demo"], "newest first");
    assert!(answered.iter().all(|ended| ended.call.cause == Some(HangupCause::CallerHangup)));
}

#[test]
fn a_mistake_changes_nothing_and_is_told() {
    let server = Server::start(DEMO);
    server.reload(&format!("{SALES}[node]\nmax_cals = 5\n"));
    server.wait_metric("offhook_config_reloads_total", "outcome=\"refused\"", 1.0);
    let log = server.log();
    assert!(log.contains("node.max_cals: unknown key; did you mean max_calls?"), "{log}");
    assert!(log.contains("the configuration stays as it was"), "{log}");
    calls(server.sip, "100").hang_up();
    is_unknown(server.sip, "200");
}

#[test]
fn what_needs_a_restart_is_told() {
    let server = Server::start(DEMO);
    server.reload(&format!("{DEMO}{SALES}[node]\nmax_calls = 7\n"));
    server.wait_metric("offhook_config_reloads_total", "outcome=\"taken\"", 1.0);
    let log = server.log();
    let line = log.lines().find(|line| line.contains("take effect at the next start only"));
    assert!(line.is_some_and(|line| line.contains("sections=\"node\"")), "{log}");
    let line = log.lines().find(|line| line.contains("the configuration was read again")).unwrap();
    assert!(line.contains("assistants[1]") && line.contains("numbers[1]") && !line.contains("numbers[0]"), "{line}");
    calls(server.sip, "200").hang_up();
}
