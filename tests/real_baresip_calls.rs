//! A softphone that is not ours does in a call what people do: baresip holds and resumes, puts us through, and is put through by us.
#![allow(clippy::unwrap_used)]

mod support;

use std::thread::sleep;
use std::time::Duration;

use store::{HangupCause, RecordingState};
use support::callee::Callee;
use support::softphone::Softphone;
use support::{EndedCall, Folder, Server, Simulator, rtp_range, stereo, wait_for};

fn call(server: &Server, codec: &str) -> Softphone {
    let phone = Softphone::call(&format!("sip:demo@{};transport=udp", server.sip), codec, "", "");
    server.wait_metric("offhook_calls_active", "", 1.0);
    phone.wait_log("Call established");
    phone
}

/// The one call, when the softphone's file was at its end or the call was put through.
fn ended(server: &Server, phone: &Softphone) -> EndedCall {
    wait_for(Duration::from_secs(45), "the end of the softphone's call", || {
        (server.metric("offhook_calls_total", "") >= 1.0).then_some(())
    });
    let ended = server.ended_calls(1).remove(0);
    assert!(ended.call.cause.is_some(), "{}", phone.log());
    ended
}

/// Packets of ours so far.
fn sent(server: &Server) -> f64 {
    server.metric("offhook_rtp_packets_total", "sent")
}

/// Held after a while, for longer than a silent line may be, and taken back; both speak before and after.
fn hold_and_resume(codec: &str) {
    let server = Server::start_with("", &[("OFFHOOK__RTP__TIMEOUT_S", "2")]);
    let phone = call(&server, codec);
    sleep(Duration::from_secs(3));
    phone.command("hold", "");
    server.wait_metric("offhook_sip_requests_total", "method=\"INVITE\",direction=\"received\"", 2.0);
    // Counts are told once a second.
    sleep(Duration::from_millis(1_500));
    let held = sent(&server);
    assert!(held > 50.0, "{held} packets before the hold");
    sleep(Duration::from_millis(2_500));
    assert_eq!(sent(&server), held, "{codec}: who is held hears nothing of us");
    phone.command("resume", "");
    server.wait_metric("offhook_sip_requests_total", "method=\"INVITE\",direction=\"received\"", 3.0);
    let ended = ended(&server, &phone);
    assert_eq!(ended.call.cause, Some(HangupCause::CallerHangup), "{}\n{}", phone.log(), server.log());
    assert!(sent(&server) > held + 250.0, "{codec}: {} packets, {held} of them before the hold", sent(&server));
    assert_eq!(ended.recordings[0].state, RecordingState::Complete);
    let [caller, agent] = stereo::read(&server.recording(&ended));
    assert!(caller.voiced_seconds() > 5.0, "{codec}: {} s of the caller's voice", caller.voiced_seconds());
    assert!(agent.voiced_seconds() > 1.0, "{codec}: {} s of the agent's voice", agent.voiced_seconds());
    assert_eq!(server.metric("offhook_rtp_lost_total", ""), 0.0);
}

#[test]
fn a_softphone_holds_and_resumes() {
    for codec in ["PCMU", "G722/16000", "opus/48000/2"] {
        hold_and_resume(codec);
    }
}

#[test]
fn a_softphone_that_puts_the_agent_through_is_refused() {
    let server = Server::start("");
    let phone = call(&server, "PCMU");
    sleep(Duration::from_secs(2));
    phone.command("transfer", "sip:somebody@127.0.0.1:9");
    phone.wait_log("transfer failed: 603 Decline");
    server.wait_metric("offhook_sip_responses_total", "code=\"603\"", 1.0);
    // It takes that for the end of the call.
    let ended = ended(&server, &phone);
    assert_eq!(ended.call.cause, Some(HangupCause::CallerHangup), "{}", phone.log());
    assert_eq!(ended.recordings[0].state, RecordingState::Complete);
}

/// A server whose model puts the caller through to this address as soon as it is asked, and the simulator that it talks to.
fn put_through(target: &str) -> (Server, Simulator, Folder) {
    let folder = Folder::new();
    let path = folder.path().join("script.toml");
    let script = "[greeting]\ntext = \"Hello.\"\nduration_ms = 400\n\
                  [[turns]]\ntool = { name = \"transfer_call\", arguments = '{\"to\": \"sales\"}' }\n";
    std::fs::write(&path, script).unwrap();
    let simulator = Simulator::start(&["--script", path.to_str().unwrap()]);
    let toml = format!(
        "[rtp]\nport_range = \"{}\"\n[node]\nmax_calls = 8\n[turn]\nidle_prompt_s = 0\n\
         [providers.acme]\nkind = \"openai\"\napi_key_env = \"ACME_KEY\"\nbase_url = \"{}\"\n\
         [[assistants]]\nname = \"demo\"\nfirst_message = \"Hello.\"\n\
         [assistants.engine]\nkind = \"realtime\"\nprovider = \"acme\"\n\
         [[assistants.transfer]]\nname = \"sales\"\ntarget = \"{target}\"\ndescription = \"New orders.\"\n",
        rtp_range(8),
        simulator.base_url
    );
    (Server::start_with(&toml, &[("ACME_KEY", "sk-test")]), simulator, folder)
}

#[test]
fn a_softphone_is_put_through_to_another_telephone() {
    let callee = Callee::start("callee_answers");
    let (server, _simulator, _folder) = put_through(&format!("sip:sales@{}", callee.address));
    let phone = call(&server, "PCMU");
    let ended = ended(&server, &phone);
    assert_eq!(ended.call.cause, Some(HangupCause::Transferred), "{}\n{}", phone.log(), server.log());
    assert_eq!(ended.call.cause_detail.as_deref(), Some("sales"));
    // It called the other one by itself, and told us how that went.
    let messages = callee.went_well(&phone.log());
    assert!(messages.contains("INVITE sip:sales@"), "{messages}");
    server.wait_metric("offhook_sip_requests_total", "method=\"REFER\",direction=\"sent\"", 1.0);
    assert!(server.metric("offhook_sip_requests_total", "method=\"NOTIFY\",direction=\"received\"") >= 1.0);
}
