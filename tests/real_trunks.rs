//! Trunks, with peers that nobody here wrote: Kamailio as a registrar and proxy that challenges us, SIPp as a caller that we challenge.
#![allow(clippy::unwrap_used)]

#[path = "support/peer.rs"]
mod peer;
mod support;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use peer::Peer;
use serde_json::{Value, json};
use sip::digest::Credentials;
use store::{Direction, HangupCause};
use support::callee::Callee;
use support::kamailio::{Kamailio, PASSWORD, USER};
use support::{Folder, Server, free_address, http, offhook, wait_for};

/// A trunk that registers at Kamailio and is called by it.
fn pbx(kamailio: &Kamailio, transport: &str) -> String {
    let address = kamailio.address;
    format!(
        "[[trunks]]\nname = \"pbx\"\ntransport = \"{transport}\"\ndomain = \"pbx.example\"\naddresses = [\"127.0.0.1\"]\n\
         username = \"{USER}\"\npassword_env = \"PBX_PASSWORD\"\nregister = true\nregister_expires_s = 30\n\
         [[trunks.targets]]\nuri = \"sip:{address}\"\n"
    )
}

fn owner() -> Credentials {
    Credentials::new(USER, PASSWORD)
}

/// Registered, refreshed, called by the registration, and gone with the end: by UDP and MD5, and by TCP and SHA-256.
#[test]
fn a_registrar_leads_calls_here_for_as_long_as_we_want() {
    let runs = [("udp", "MD5"), ("tcp", "SHA-256")]
        .map(|(transport, algorithm)| std::thread::spawn(move || registered(transport, algorithm)));
    for run in runs {
        run.join().unwrap();
    }
}

fn registered(transport: &str, algorithm: &str) {
    let kamailio = Kamailio::start(algorithm);
    let mut server = Server::start_with(&pbx(&kamailio, transport), &[("PBX_PASSWORD", PASSWORD)]);
    server.wait_metric("offhook_trunk_registered", "trunk=\"pbx\"", 1.0);
    // OPTIONS was challenged too, with 407.
    server.wait_metric("offhook_trunk_target_up", "trunk=\"pbx\"", 1.0);
    for code in ["401", "407", "423"] {
        server.wait_metric("offhook_sip_responses_total", &format!("code=\"{code}\",direction=\"received\""), 1.0);
    }
    // Challenged, too brief, taken: the third was authorized before it was asked.
    let registers = || server.metric("offhook_sip_requests_total", "method=\"REGISTER\",direction=\"sent\"");
    assert_eq!(registers(), 3.0, "{}", server.log());

    let mut peer = Peer::invite_as(kamailio.address, "caller", USER, owner());
    peer.wait_answered();
    peer.hang_up();
    let ended = server.ended_calls(1).remove(0);
    assert_eq!(ended.call.cause, Some(HangupCause::CallerHangup));
    assert_eq!(ended.call.trunk.as_deref(), Some("pbx"));
    assert_eq!(ended.call.call.to.reveal(), USER);
    assert!(peer.received.iter().any(|message| message.starts_with("SIP/2.0 407")), "our INVITE was challenged");

    // At half of 32 seconds; the nonce lived for ten.
    wait_for(Duration::from_secs(30), "the refresh", || (registers() == 5.0).then_some(()));
    server.wait_metric("offhook_trunk_registered", "trunk=\"pbx\"", 1.0);
    assert_eq!(server.metric("offhook_actor_restarts_total", "actor=\"trunk\""), 0.0);

    server.process.signal("-TERM");
    assert!(server.process.wait(Duration::from_secs(15)).success(), "{}", server.log());
    let refused = wait_for(Duration::from_secs(10), "the registration to be taken back", || {
        let status = Peer::invite_as(kamailio.address, "caller", USER, owner()).wait_refused();
        (status == 404).then_some(status)
    });
    assert_eq!(refused, 404, "{}", kamailio.log());
}

#[test]
fn wrong_credentials_are_not_tried_again_and_again() {
    let kamailio = Kamailio::start("MD5");
    let server = Server::start_with(&pbx(&kamailio, "udp"), &[("PBX_PASSWORD", "wrong")]);
    wait_for(Duration::from_secs(10), "the refusal", || server.log().contains("the registrar refused us").then_some(()));
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(server.metric("offhook_sip_requests_total", "method=\"REGISTER\",direction=\"sent\""), 3.0);
    assert_eq!(server.metric("offhook_trunk_registered", "trunk=\"pbx\""), 0.0);
}

/// SIPp's scenario of a caller who is challenged: its exit code.
fn sipp(server: &Server, password: &str, calls: u32) -> Option<i32> {
    let folder = Folder::new();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("load-tests/sipp/challenged.xml");
    let calls = calls.to_string();
    let output = Command::new("sipp")
        .arg(server.sip.to_string())
        .arg("-sf")
        .arg(script)
        .args(["-s", "demo", "-t", "u1", "-m", &calls, "-l", &calls, "-r", "20", "-i", "127.0.0.1", "-mi", "127.0.0.1"])
        .args(["-au", "branch", "-ap", password, "-timeout", "30", "-timeout_error", "-nostdin"])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .expect("sipp is installed (Debian: sip-tester)");
    output.status.code()
}

const BRANCH: &str = "[[trunks]]\nname = \"branch\"\ninbound_username = \"branch\"\ninbound_password_env = \"BRANCH_PASSWORD\"\n\
                      inbound_digest = [\"md5\"]\n";

#[test]
fn callers_are_asked_for_a_password() {
    let server = Server::start_with(BRANCH, &[("BRANCH_PASSWORD", "open")]);
    assert_eq!(sipp(&server, "open", 3), Some(0), "{}", server.log());
    let ended = server.ended_calls(3);
    assert!(ended.iter().all(|ended| ended.call.trunk.as_deref() == Some("branch")));
    assert_eq!(server.metric("offhook_sip_challenges_total", ""), 3.0);
    server.wait_metric("offhook_trunk_calls_total", "trunk=\"branch\",direction=\"inbound\"", 3.0);
    server.wait_metric("offhook_trunk_calls_active", "trunk=\"branch\"", 0.0);

    assert_ne!(sipp(&server, "wrong", 1), Some(0));
    assert_eq!(Peer::invite(server.sip, "stranger").wait_refused(), 401);
    server.ended_calls(3);
}

#[test]
fn strangers_and_too_many_calls_are_refused_and_counted() {
    let server = Server::start("[[trunks]]\nname = \"far\"\naddresses = [\"192.0.2.0/24\"]\n");
    assert_eq!(Peer::invite(server.sip, "stranger").wait_refused(), 403);
    server.wait_metric("offhook_calls_rejected_total", "reason=\"unknown_peer\"", 1.0);
    drop(server);

    let rules = "inbound_caller = [{ starts_with = \"0\", strip = 1, prefix = \"+49\" }]\n";
    let server = Server::start(&format!(
        "[[trunks]]\nname = \"near\"\naddresses = [\"127.0.0.0/8\"]\nchannels = 1\ncodecs = [\"pcma\", \"pcmu\"]\n{rules}"
    ));
    let mut first = Peer::call(server.sip, "030123");
    assert_eq!(Peer::invite(server.sip, "second").wait_refused(), 503);
    server.wait_metric("offhook_trunk_rejected_total", "reason=\"trunk_channels\"", 1.0);
    first.hang_up();
    server.wait_metric("offhook_trunk_calls_active", "trunk=\"near\"", 0.0);
    let mut third = Peer::call(server.sip, "anonymous");
    third.hang_up();
    let ended = server.ended_calls(2);
    assert_eq!(ended[1].call.call.from.reveal(), "+4930123");
}

/// Asks the API for a call; the status, and the call or what is wrong.
fn place(server: &Server, wish: &Value) -> (u16, Value) {
    let body = wish.to_string();
    let head = format!(
        "Host: {}\r\nX-API-Key: a key for the tests of trunks\r\nContent-Type: application/json\r\nConnection: close",
        server.http
    );
    let request = format!("POST /api/v1/calls HTTP/1.1\r\n{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let (status, answer) = http(server.http, &request).unwrap();
    (status, serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer}")))
}

/// Kamailio challenges our INVITE, and leads it to SIPp. What the trunk does not permit, or has no room for, goes nowhere.
#[test]
fn a_call_of_ours_goes_by_its_trunk() {
    let callee = Callee::behind_proxy("callee_answers");
    let kamailio = Kamailio::leading("SHA-256", callee.address);
    let trunk = format!(
        "[[trunks]]\nname = \"pbx\"\ndomain = \"pbx.example\"\nusername = \"{USER}\"\npassword_env = \"PBX_PASSWORD\"\n\
         allowed_prefixes = [\"0030\"]\noutbound_called = [{{ starts_with = \"00\", strip = 2, prefix = \"+49\" }}]\n\
         caller_number = \"+4989123\"\np_asserted_identity = true\nchannels = 1\ncodecs = [\"pcmu\"]\n\
         [[trunks.targets]]\nuri = \"sip:{}\"\n",
        kamailio.address
    );
    let server = Server::start_with(&trunk, &[("PBX_PASSWORD", PASSWORD), ("OFFHOOK_API_KEY", "a key for the tests of trunks")]);
    let asked = |to: &str, trunk: Value| place(&server, &json!({ "to": to, "assistant_id": "demo", "trunk_id": trunk }));
    for (to, trunk, reason) in [
        ("+331234", json!("pbx"), "the trunk's allowed_prefixes do not permit this number"),
        ("+331234", Value::Null, "the trunk's allowed_prefixes do not permit this number"),
        ("112", json!("pbx"), "emergency numbers are not called"),
        ("0030123", json!("pbs"), "there is no trunk \"pbs\""),
    ] {
        let (status, problem) = asked(to, trunk);
        assert_eq!((status, &problem["errors"][0]["reason"]), (422, &json!(reason)), "{problem}");
    }

    let (status, call) = asked("00 30 (123)", json!("pbx"));
    assert_eq!((status, &call["from"], &call["to"]), (201, &json!("+4989123"), &json!("+4930123")), "{call}");
    server.wait_metric("offhook_calls_active", "", 1.0);
    let (status, problem) = asked("0030124", Value::Null);
    assert_eq!((status, &problem["detail"]), (503, &json!("all channels of the trunk are in use")), "{problem}");
    let messages = callee.went_well(&format!("{}\n{}", server.log(), kamailio.log()));
    assert!(messages.contains("INVITE sip:+4930123@pbx.example"), "{messages}");
    assert!(messages.contains("P-Asserted-Identity: <sip:+4989123@pbx.example>"), "{messages}");
    let ended = server.ended_calls(1).remove(0);
    assert_eq!((ended.call.call.direction, ended.call.cause), (Direction::Outbound, Some(HangupCause::CalleeHangup)));
    assert_eq!(ended.call.trunk.as_deref(), Some("pbx"));
    server.wait_metric("offhook_trunk_calls_total", "trunk=\"pbx\",direction=\"outbound\"", 1.0);
    server.wait_metric("offhook_trunk_calls_active", "trunk=\"pbx\"", 0.0);
    server.wait_metric("offhook_trunk_rejected_total", "trunk=\"pbx\",reason=\"trunk_channels\"", 1.0);
    assert!(server.metric("offhook_sip_responses_total", "code=\"407\",direction=\"received\"") >= 1.0);
}

/// What `offhook trunk test` prints, and its exit code.
fn tested(toml: &str, name: &str, password: &str) -> (Option<i32>, String) {
    let folder = Folder::new();
    let file = folder.path().join("offhook.toml");
    std::fs::write(&file, toml).unwrap();
    let arguments = ["trunk", "test", name, "--config", file.to_str().unwrap()];
    let output = offhook(folder.path(), &arguments, &[("PBX_PASSWORD", password)]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code(), text)
}

#[test]
fn a_test_says_in_plain_words_what_works() {
    let kamailio = Kamailio::start("MD5");
    for transport in ["udp", "tcp"] {
        let (code, said) = tested(&pbx(&kamailio, transport), "pbx", PASSWORD);
        assert_eq!(code, Some(0), "{said}");
        assert!(
            said.contains("answers OPTIONS with 200 OK") && said.contains("knows 6001, who is registered at 0 addresses"),
            "{said}"
        );
        assert!(said.ends_with("pbx works\n"), "{said}");
    }
    let (code, said) = tested(&pbx(&kamailio, "udp"), "pbx", "wrong");
    assert_eq!(code, Some(1));
    assert!(said.contains("FAIL the registrar") && said.contains("refuses our username or password"), "{said}");
    let (code, said) = tested(&pbx(&kamailio, "udp"), "pbx", "");
    assert_eq!(code, Some(2));
    assert!(said.contains("password_env: the environment variable PBX_PASSWORD is not set"), "{said}");
    let (code, said) = tested(&pbx(&kamailio, "udp"), "pbs", PASSWORD);
    assert_eq!((code, said.trim()), (Some(1), "there is no trunk \"pbs\"; there are: pbx"));
    let dead = format!("[[trunks]]\nname = \"dead\"\ntransport = \"tcp\"\n[[trunks.targets]]\nuri = \"{}\"\n", free_address());
    let (code, said) = tested(&dead, "dead", "");
    assert_eq!(code, Some(1));
    assert!(said.contains("takes no connection") && said.ends_with("dead does not work\n"), "{said}");
}
