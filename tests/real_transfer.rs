//! What happens in a call: it is put through, held, taken back, moved and recoded, by a SIPp that keeps to the letter.
#![allow(clippy::unwrap_used)]

#[path = "support/sipp.rs"]
mod sipp;
mod support;

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use sipp::Script;
use store::{HangupCause, Role};
use support::{EndedCall, Folder, Server, Simulator, rtp_range};

/// An offer of one codec, by its payload type and name, to this port.
fn offer(version: u32, port: u16, codec: &str, more: &str) -> String {
    let (payload, name) = codec.split_once(' ').unwrap();
    format!(
        "v=0\no=sipp 1 {version} IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio {port} RTP/AVP {payload}\n\
         a=rtpmap:{payload} {name}\na=ptime:20\n{more}"
    )
}

fn plain() -> String {
    offer(1, 6_000, "0 PCMU/8000", "")
}

/// A server whose model puts the caller through to `sales` at the first key, and the simulator that it talks to.
fn put_through() -> (Server, Simulator, Folder) {
    let folder = Folder::new();
    let path = folder.path().join("script.toml");
    let script = "[greeting]\ntext = \"Hello.\"\nduration_ms = 400\n[[turns]]\ntext = \"never\"\n\
                  [[turns]]\ntool = { name = \"transfer_call\", arguments = '{\"to\": \"sales\"}' }\n\
                  [[turns]]\ntext = \"That did not work.\"\nduration_ms = 400\n";
    std::fs::write(&path, script).unwrap();
    let simulator = Simulator::start(&["--script", path.to_str().unwrap()]);
    let toml = format!(
        "[rtp]\nport_range = \"{}\"\ntimeout_s = 120\n[node]\nmax_calls = 8\n[turn]\nidle_prompt_s = 0\n\
         [providers.acme]\nkind = \"openai\"\napi_key_env = \"ACME_KEY\"\nbase_url = \"{}\"\n\
         [[assistants]]\nname = \"demo\"\nfirst_message = \"Hello.\"\n\
         [assistants.engine]\nkind = \"realtime\"\nprovider = \"acme\"\n\
         [[assistants.transfer]]\nname = \"sales\"\ntarget = \"tel:+15551230000\"\ndescription = \"New orders.\"\n",
        rtp_range(8),
        simulator.base_url
    );
    (Server::start_with(&toml, &[("ACME_KEY", "sk-test")]), simulator, folder)
}

/// The call up to the agent's REFER, which is answered so.
fn referred(status: &str) -> Script {
    let script = Script::call(&plain()).pause(1_500).key();
    script.answers("REFER", "Refer-To: .tel:.15551230000", status)
}

/// The record of the one call, and what became of the tool.
fn ended(server: &Server) -> (EndedCall, String) {
    let ended = server.ended_calls(1).remove(0);
    let (runtime, database) = server.database();
    let uses = runtime.block_on(database.tool_uses(ended.call.call.id)).unwrap();
    let [used] = uses.as_slice() else { panic!("{uses:?}") };
    (ended, format!("{} {}", used.name, used.outcome.as_deref().unwrap_or("open")))
}

/// The transfer came to nothing, and the agent said so to the caller, who then hung up.
fn check_back(server: &Server) {
    let (ended, tool) = ended(server);
    assert_eq!((ended.call.cause, tool.as_str()), (Some(HangupCause::CallerHangup), "transfer_call failed"));
    let agent = ended.turns.iter().filter(|turn| turn.role == Role::Agent).map(|turn| turn.text.reveal());
    assert_eq!(agent.collect::<Vec<_>>(), ["Hello.", "That did not work."]);
}

#[test]
fn a_caller_is_put_through_and_the_record_says_to_whom() {
    let (server, _simulator, _folder) = put_through();
    referred("202 Accepted")
        .notify("active;expires=60", "100 Trying")
        .notify("active;expires=60", "180 Ringing")
        .notify("terminated;reason=noresource", "200 OK")
        .answers("BYE", "Reason: Q.850;cause=16;text=.transferred.", "200 OK")
        .run(&server, "demo");
    let (ended, tool) = ended(&server);
    assert_eq!((ended.call.cause, tool.as_str()), (Some(HangupCause::Transferred), "transfer_call ok"));
    assert_eq!(ended.call.cause_detail.as_deref(), Some("sales"));
    assert_eq!(server.metric("offhook_calls_total", "outcome=\"completed\""), 1.0);
    assert!(!server.log().contains("15551230000"), "numbers are not logged");
}

#[test]
fn a_peer_that_hangs_up_once_it_agreed_has_put_the_caller_through() {
    let (server, _simulator, _folder) = put_through();
    referred("202 Accepted").notify("active", "100 Trying").bye().run(&server, "demo");
    let (ended, tool) = ended(&server);
    assert_eq!((ended.call.cause, tool.as_str()), (Some(HangupCause::Transferred), "transfer_call ok"));
}

#[test]
fn a_refused_transfer_goes_on_with_the_agent() {
    let (server, _simulator, _folder) = put_through();
    referred("603 Decline").pause(2_500).bye().run(&server, "demo");
    check_back(&server);
}

#[test]
fn a_transfer_to_somebody_who_is_not_reached_goes_on_with_the_agent() {
    let (server, _simulator, _folder) = put_through();
    referred("202 Accepted")
        .notify("active", "100 Trying")
        .notify("terminated;reason=noresource", "503 Service Unavailable")
        .pause(2_500)
        .bye()
        .run(&server, "demo");
    check_back(&server);
}

#[test]
fn a_transfer_that_nobody_tells_of_goes_on_with_the_agent_after_a_minute() {
    let (server, _simulator, _folder) = put_through();
    referred("202 Accepted").pause(63_000).bye().run(&server, "demo");
    check_back(&server);
}

#[test]
fn a_peers_requests_in_a_call_are_answered_as_they_should_be() {
    let server = Server::start("");
    let to = "Refer-To: <sip:carol@127.0.0.1>\n";
    Script::call(&plain())
        .request("REFER", to, "", "", 603)
        .request("REFER", "", "", "", 400)
        .request("SUBSCRIBE", "Event: presence\n", "", "", 489)
        .request("SUBSCRIBE", "Event: refer\n", "", "", 481)
        .notify_of_nothing()
        .request("MESSAGE", "", "text/plain", "hello", 405)
        .request("INFO", "", "text/plain", "hello", 415)
        .request("INFO", "Info-Package: x\n", "", "", 469)
        .request("OPTIONS", "", "", "", 200)
        .request("BYE", "Reason: Q.850;cause=38\n", "", "", 200)
        .run(&server, "demo");
    let ended = server.ended_calls(1).remove(0);
    assert_eq!(ended.call.cause, Some(HangupCause::PeerFailed), "{:?}", ended.call.cause_detail);
}

impl Script {
    fn notify_of_nothing(self) -> Self {
        self.request("NOTIFY", "Event: refer\nSubscription-State: active\n", "message/sipfrag", "SIP/2.0 200 OK", 481)
    }
}

#[test]
fn a_held_call_is_neither_asked_for_nor_given_up() {
    let rtp = rtp_range(8);
    let toml = format!(
        "[rtp]\nport_range = \"{rtp}\"\ntimeout_s = 5\n[node]\nmax_calls = 8\n[turn]\nidle_prompt_s = 1\n\
         [[assistants]]\nname = \"demo\"\nfirst_message = \"Hello.\"\n[assistants.engine]\nkind = \"offline\"\n"
    );
    for (hold, answer) in [("a=sendonly", "a=recvonly"), ("a=inactive", "a=inactive"), ("", "a=recvonly")] {
        let server = Server::start(&toml);
        let mut held = offer(2, 6_000, "0 PCMU/8000", hold);
        if hold.is_empty() {
            held = held.replace("c=IN IP4 127.0.0.1", "c=IN IP4 0.0.0.0");
        }
        // Nothing is sent for eight seconds: without the hold the call would be over after five, and asked for after one.
        Script::call(&plain())
            .pause(200)
            .reinvite(&held, answer)
            .pause(8_000)
            .reinvite(&offer(3, 6_000, "0 PCMU/8000", "a=sendrecv"), "a=sendrecv")
            .pause(100)
            .bye()
            .run(&server, "demo");
        let ended = server.ended_calls(1).remove(0);
        assert_eq!(ended.call.cause, Some(HangupCause::CallerHangup), "{hold}");
        assert_eq!(server.metric("offhook_remarks_total", ""), 0.0, "{hold}");
    }
}

/// A packet of ours: payload type, sequence, and when it came.
type Packet = (u8, u16, Instant);

/// Reads packets until the socket is told to stop by `done`.
fn listen(socket: UdpSocket, until: Instant) -> std::thread::JoinHandle<Vec<Packet>> {
    std::thread::spawn(move || {
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let (mut packets, mut room) = (Vec::new(), [0; 2_048]);
        while Instant::now() < until {
            if let Ok(length) = socket.recv(&mut room)
                && length >= 12
            {
                packets.push((room[1] & 0x7F, u16::from_be_bytes([room[2], room[3]]), Instant::now()));
            }
        }
        packets
    })
}

/// An RTP socket and the RTCP socket on the next port.
fn sockets() -> (UdpSocket, UdpSocket, u16) {
    loop {
        let rtp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = rtp.local_addr().unwrap().port();
        if let Ok(rtcp) = UdpSocket::bind(("127.0.0.1", port + 1)) {
            return (rtp, rtcp, port);
        }
    }
}

#[test]
fn a_call_changes_its_codec_and_its_address_and_goes_on() {
    let server = Server::start("");
    let ((first, _first_rtcp, old), (second, second_rtcp, new)) = (sockets(), sockets());
    let until = Instant::now() + Duration::from_secs(16);
    let heard = [first, second, second_rtcp].map(|socket| listen(socket, until));
    Script::call(&offer(1, old, "0 PCMU/8000", ""))
        .pause(1_000)
        .reinvite(&offer(2, old, "8 PCMA/8000", ""), "RTP/AVP 8")
        .pause(1_000)
        .reinvite(&offer(3, old, "9 G722/8000", ""), "RTP/AVP 9")
        .pause(1_000)
        .reinvite(&offer(4, new, "8 PCMA/8000", ""), "RTP/AVP 8")
        .reinvite(&offer(5, new, "111 opus/48000/2", ""), "RTP/AVP 111")
        .pause(8_000)
        .bye()
        .run(&server, "demo");
    let [first, second, reports] = heard.map(|heard| heard.join().unwrap());
    let mut types: Vec<u8> = first.iter().map(|packet| packet.0).collect();
    types.dedup();
    assert_eq!(types, [0, 8, 9], "in this order, and none comes back");
    assert_eq!(second.last().unwrap().0, 111);
    for pair in first.windows(2) {
        assert_eq!(pair[1].1, pair[0].1.wrapping_add(1), "no packet is missing where the codec changes");
    }
    // Fifty packets a second, and 8 s are longer than any wait for a report (RFC 3550 §6.2).
    assert!(first.len() >= 140 && second.len() > 380, "{} and {}", first.len(), second.len());
    assert!(!reports.is_empty(), "reports go to the new address");
    let ended = server.ended_calls(1).remove(0);
    assert_eq!(ended.call.cause, Some(HangupCause::CallerHangup));
}
