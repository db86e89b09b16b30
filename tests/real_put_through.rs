//! A caller is put through by a call of ours: after a refused REFER, and once somebody was told what it is about. SIPp is the caller and
//! the person; what they say and hear goes by sockets of the test.
#![allow(clippy::unwrap_used)]

#[path = "support/peer.rs"]
mod peer;
#[path = "support/sipp.rs"]
mod sipp;
mod support;
#[path = "support/talker.rs"]
mod talker;
#[path = "support/voice.rs"]
mod voice;

use std::time::Duration;

use media::wav::{WavFormat, header};
use sipp::Script;
use store::{Direction, HangupCause, Role};
use support::callee::Callee;
use support::{EndedCall, Folder, Server, Simulator, rtp_range, wait_for};
use voice::{LOUD, Voice};

/// Voices: none is a harmonic of another, nor a note of the music on hold.
const CALLER: u64 = 500;
const PERSON: u64 = 1_150;
const AGENT: u64 = 1_900;

/// An offer of PCMU at this port.
fn offer(port: u16) -> String {
    format!(
        "v=0\no=sipp 1 1 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio {port} RTP/AVP 0\na=rtpmap:0 PCMU/8000\na=ptime:20\n"
    )
}

/// The caller's call up to the first key, after which the model is asked.
fn caller(voice: &Voice) -> Script {
    Script::call(&offer(voice.port)).pause(1_500).key()
}

/// A tone of 1.5 s, as a model's answer.
fn tone(folder: &Folder) -> String {
    let samples = (0..12_000).map(|at| (LOUD * (std::f64::consts::TAU * AGENT as f64 / 8_000.0 * f64::from(at)).sin()) as i16);
    let data: Vec<u8> = samples.flat_map(i16::to_le_bytes).collect();
    let format = WavFormat { channels: 1, ..WavFormat::RECORDING };
    let path = folder.path().join("tone.wav");
    std::fs::write(&path, [&header(format, data.len() as u64)[..], &data].concat()).unwrap();
    path.display().to_string()
}

/// A server whose model does this turn by turn, one a key; what it says is a tone, but for its greeting.
struct Desk {
    server: Server,
    _simulator: Simulator,
    _folder: Folder,
}

impl Desk {
    /// With one destination.
    fn new(way: &str, person: &Callee, turns: &[&str]) -> Self {
        let row = format!(
            "[[assistants.transfer]]\nname = \"boss\"\ntarget = \"sip:boss@{}\"\ndescription = \"All else.\"\nway = \"{way}\"\n",
            person.address,
        );
        Self::start("duration_ms = 400", turns, &row)
    }

    /// With a trunk whose REFERs are followed, and which leads there. It greets with a tone too.
    fn of_trunk(target: &Callee, turns: &[&str]) -> Self {
        let row = format!(
            "[[trunks]]\nname = \"pbx\"\naddresses = [\"127.0.0.1\"]\naccept_refer = true\nallowed_prefixes = [\"+49\"]\n\
             options_interval_s = 0\n[[trunks.targets]]\nuri = \"sip:{};transport=udp\"\n",
            target.address,
        );
        Self::start("audio = \"wav:TONE\"", turns, &row)
    }

    fn start(greeting: &str, turns: &[&str], rows: &str) -> Self {
        let folder = Folder::new();
        let tone = tone(&folder);
        let script = folder.path().join("script.toml");
        let turn = |turn: &&str| match turn.split_once(' ') {
            Some((tool @ ("transfer_call" | "finish_transfer"), arguments)) => {
                format!("[[turns]]\ntool = {{ name = \"{tool}\", arguments = '{arguments}' }}\n")
            }
            _ => format!("[[turns]]\ntext = \"{turn}\"\naudio = \"wav:TONE\"\n"),
        };
        let turns: String = turns.iter().map(turn).collect();
        let head = format!("[greeting]\ntext = \"Hello.\"\n{greeting}\n[[turns]]\ntext = \"never\"\n");
        std::fs::write(&script, format!("{head}{turns}").replace("TONE", &tone)).unwrap();
        let simulator = Simulator::start(&["--script", script.to_str().unwrap()]);
        let toml = format!(
            "[rtp]\nport_range = \"{}\"\ntimeout_s = 120\n[node]\nmax_calls = 8\n[turn]\nidle_prompt_s = 0\n\
             [providers.acme]\nkind = \"openai\"\napi_key_env = \"ACME_KEY\"\nbase_url = \"{}\"\n\
             [[assistants]]\nname = \"demo\"\nfirst_message = \"Hello.\"\n\
             [assistants.engine]\nkind = \"realtime\"\nprovider = \"acme\"\n{rows}",
            rtp_range(8),
            simulator.base_url,
        );
        let server = Server::start_with(
            &toml,
            &[("ACME_KEY", "sk-test"), ("OFFHOOK__SIP__DIRECT_CALLS", "127.0.0.0/8"), ("OFFHOOK__LIMITS__CPU_PERCENT", "100")],
        );
        Self { server, _simulator: simulator, _folder: folder }
    }

    /// Runs the caller's script, and beside it this.
    fn run(&self, script: Script, meanwhile: impl FnOnce() + Send) {
        std::thread::scope(|scope| {
            let other = scope.spawn(meanwhile);
            script.run(&self.server, "demo");
            other.join().unwrap();
        });
    }

    /// Waits until so many are in a conference.
    fn wait_members(&self, members: f64) {
        let there = || (self.server.metric("offhook_conference_members", "") == members).then_some(());
        wait_for(Duration::from_secs(30), "a conference", there);
    }

    /// The calls of the caller and of the person.
    fn ended(&self) -> (EndedCall, EndedCall) {
        let calls = self.server.ended_calls(2);
        let (mut placed, mut came): (Vec<_>, Vec<_>) =
            calls.into_iter().partition(|ended| ended.call.call.direction == Direction::Outbound);
        (came.remove(0), placed.remove(0))
    }

    /// What became of the tools of a call.
    fn tools(&self, ended: &EndedCall) -> Vec<String> {
        let (runtime, database) = self.server.database();
        let uses = runtime.block_on(database.tool_uses(ended.call.call.id)).unwrap();
        uses.iter().map(|used| format!("{} {}", used.name, used.outcome.as_deref().unwrap_or("open"))).collect()
    }
}

/// What the agent said in a call.
fn agent_said(ended: &EndedCall) -> Vec<&str> {
    ended.turns.iter().filter(|turn| turn.role == Role::Agent).map(|turn| turn.text.reveal()).collect()
}

const TRANSFER: &str = "transfer_call {\"to\": \"boss\", \"summary\": \"Ann, about an order.\"}";

/// Both talk, and hear each other.
fn talk(caller: &Voice, person: &Voice) {
    caller.say(CALLER);
    person.say(PERSON);
    caller.wait_hears(PERSON);
    person.wait_hears(CALLER);
}

#[test]
fn a_caller_whose_network_does_not_put_through_is_put_through_by_us() {
    let (ada, bob) = (Voice::new(), Voice::new());
    let person = Callee::with_media("callee_answers", bob.port);
    let desk = Desk::new("auto", &person, &[TRANSFER, "never"]);
    let script = caller(&ada).answers("REFER", "Refer-To: .sip:boss@", "603 Decline");
    desk.run(script.answers("BYE", "the other party hung up", "200 OK"), || {
        desk.wait_members(2.0);
        talk(&ada, &bob);
    });
    person.went_well(&desk.server.log());
    let (came, placed) = desk.ended();
    assert_eq!((came.call.cause, placed.call.cause), (Some(HangupCause::BridgeEnded), Some(HangupCause::CalleeHangup)));
    assert_eq!(desk.tools(&came), ["transfer_call ok"]);
    assert_eq!(agent_said(&came), ["Hello."]);
    assert!(bob.loudest(AGENT, 0) < LOUD / 10.0, "the person did not hear the agent");
}

#[test]
fn somebody_is_told_of_the_caller_who_hears_nothing_of_it_and_takes_the_call() {
    let (ada, bob) = (Voice::new(), Voice::new());
    let person = Callee::with_media("callee_briefed", bob.port);
    let turns = [TRANSFER, "Ann is on the line, about an order.", "finish_transfer {\"outcome\": \"join\"}", "never"];
    let desk = Desk::new("warm", &person, &turns);
    desk.run(caller(&ada).answers("BYE", "the other party hung up", "200 OK"), || {
        bob.wait_hears(AGENT);
        wait_for(Duration::from_secs(30), "the key", || {
            (desk.server.metric("offhook_tool_calls_total", "outcome=\"ok\"") == 2.0).then_some(())
        });
        talk(&ada, &bob);
    });
    person.went_well(&desk.server.log());
    assert!(ada.loudest(AGENT, 0) < LOUD / 10.0, "the caller heard nothing of it");
    let (came, placed) = desk.ended();
    assert_eq!((came.call.cause, placed.call.cause), (Some(HangupCause::BridgeEnded), Some(HangupCause::CalleeHangup)));
    assert_eq!(desk.tools(&came), ["transfer_call ok", "finish_transfer ok"]);
    assert_eq!(agent_said(&came), ["Hello.", "Ann is on the line, about an order."]);
}

#[test]
fn who_does_not_take_the_call_is_hung_up_and_the_caller_has_the_agent_back() {
    let (ada, bob) = (Voice::new(), Voice::new());
    let person = Callee::with_media("callee_declines", bob.port);
    let turns = [TRANSFER, "Ann, about an order.", "finish_transfer {\"outcome\": \"back\"}", "They have no time."];
    let desk = Desk::new("warm", &person, &turns);
    desk.run(caller(&ada).pause(12_000).bye(), || {
        bob.wait_hears(AGENT);
        assert!(!ada.hears(AGENT));
        ada.wait_hears(AGENT);
    });
    person.went_well(&desk.server.log());
    let (came, placed) = desk.ended();
    assert_eq!((came.call.cause, placed.call.cause), (Some(HangupCause::CallerHangup), Some(HangupCause::BridgeEnded)));
    assert_eq!(desk.tools(&came), ["transfer_call ok", "finish_transfer ok"]);
    assert_eq!(agent_said(&came), ["Hello.", "Ann, about an order.", "They have no time."]);
}

#[test]
fn somebody_who_is_busy_is_told_of_nobody_and_the_agent_says_so() {
    let ada = Voice::new();
    let person = Callee::refuse("486 Busy Here");
    let desk = Desk::new("warm", &person, &[TRANSFER, "They are busy."]);
    desk.run(caller(&ada).pause(6_000).bye(), || ada.wait_hears(AGENT));
    person.went_well(&desk.server.log());
    let (came, placed) = desk.ended();
    assert_eq!((came.call.cause, placed.call.cause), (Some(HangupCause::CallerHangup), Some(HangupCause::Busy)));
    assert_eq!(desk.tools(&came), ["transfer_call failed"]);
    assert_eq!(agent_said(&came), ["Hello.", "They are busy."]);
}

#[test]
fn who_hangs_up_while_being_told_leaves_the_caller_to_the_agent() {
    let (ada, bob) = (Voice::new(), Voice::new());
    let person = Callee::with_media("callee_answers", bob.port);
    let desk = Desk::new("warm", &person, &[TRANSFER, "Ann, about an order.", "It did not work."]);
    desk.run(caller(&ada).pause(12_000).bye(), || {
        bob.wait_hears(AGENT);
        ada.wait_hears(AGENT);
    });
    person.went_well(&desk.server.log());
    let (came, placed) = desk.ended();
    assert_eq!((came.call.cause, placed.call.cause), (Some(HangupCause::CallerHangup), Some(HangupCause::CalleeHangup)));
    assert_eq!(agent_said(&came), ["Hello.", "Ann, about an order.", "It did not work."]);
    assert_eq!(desk.server.metric("offhook_remarks_total", "occasion=\"not_taken\""), 1.0);
}

#[test]
fn two_of_one_network_that_knows_how_are_brought_together_by_it() {
    let (ada, bob) = (Voice::new(), Voice::new());
    let person = Callee::with_replaces("callee_declines", bob.port);
    let turns = [TRANSFER, "Ann, about an order.", "finish_transfer {\"outcome\": \"join\"}", "never"];
    let desk = Desk::new("warm", &person, &turns);
    let able = "Allow: INVITE, ACK, BYE, CANCEL, INFO, REFER, NOTIFY\nSupported: replaces\n";
    let script = Script::call_with(&offer(ada.port), able).pause(1_500).key();
    let replaces = "Refer-To: .sip:callee@.*Replaces=.*to-tag%3D.*callee_declines.*from-tag%3D";
    let script = script.answers("REFER", replaces, "202 Accepted").notify("terminated;reason=noresource", "200 OK");
    desk.run(script.answers("BYE", "transferred", "200 OK"), || bob.wait_hears(AGENT));
    person.went_well(&desk.server.log());
    let (came, placed) = desk.ended();
    assert_eq!((came.call.cause, placed.call.cause), (Some(HangupCause::Transferred), Some(HangupCause::BridgeEnded)));
    assert_eq!(came.call.cause_detail.as_deref(), Some("boss"));
    assert_eq!(desk.tools(&came), ["transfer_call ok", "finish_transfer ok"]);
}

#[test]
fn two_whose_network_fails_to_bring_them_together_talk_here() {
    let (ada, bob) = (Voice::new(), Voice::new());
    let person = Callee::with_replaces("callee_briefed", bob.port);
    let turns = [TRANSFER, "Ann, about an order.", "finish_transfer {\"outcome\": \"join\"}", "never"];
    let desk = Desk::new("warm", &person, &turns);
    let able = "Allow: INVITE, ACK, BYE, CANCEL, INFO, REFER, NOTIFY\nSupported: replaces\n";
    let script = Script::call_with(&offer(ada.port), able).pause(1_500).key().answers("REFER", "Replaces=", "202 Accepted");
    let script = script.notify("terminated;reason=noresource", "481 Call/Transaction Does Not Exist");
    desk.run(script.answers("BYE", "the other party hung up", "200 OK"), || {
        bob.wait_hears(AGENT);
        let joined = || (desk.server.metric("offhook_tool_calls_total", "outcome=\"ok\"") == 2.0).then_some(());
        wait_for(Duration::from_secs(30), "both tools", joined);
        talk(&ada, &bob);
    });
    person.went_well(&desk.server.log());
    let (came, placed) = desk.ended();
    assert_eq!((came.call.cause, placed.call.cause), (Some(HangupCause::BridgeEnded), Some(HangupCause::CalleeHangup)));
}

/// A call that asks for another one in its place.
fn refer(voice: &Voice, refer_to: &str, answer: u16) -> Script {
    let headers = format!("Refer-To: <{refer_to}>\nReferred-By: <sip:ann@127.0.0.1>\n");
    Script::call(&offer(voice.port)).pause(2_500).request("REFER", &headers, "", "", answer)
}

#[test]
fn a_caller_puts_the_agent_through_and_it_goes_on_there() {
    let (ada, bob) = (Voice::new(), Voice::new());
    let person = Callee::with_media("callee_answers", bob.port);
    let desk = Desk::of_trunk(&person, &["never"]);
    let script = refer(&ada, "sip:+4930123@127.0.0.1?Replaces=abc%40x%3Bto-tag%3D1%3Bfrom-tag%3D2", 202)
        .answers("NOTIFY", "SIP/2.0 100 Trying", "200 OK")
        .answers("NOTIFY", "SIP/2.0 180 Ringing", "200 OK")
        .answers("NOTIFY", "SIP/2.0 200 OK", "200 OK")
        .answers("BYE", "transferred", "200 OK");
    desk.run(script, || bob.wait_hears(AGENT));
    let seen = person.went_well(&desk.server.log());
    let told =
        ["INVITE sip:+4930123@", "Replaces: abc@x;to-tag=1;from-tag=2", "Require: replaces", "Referred-By: <sip:ann@127.0.0.1>"];
    assert!(told.iter().all(|line| seen.contains(line)), "{seen}");
    let (came, placed) = desk.ended();
    assert_eq!((came.call.cause, placed.call.cause), (Some(HangupCause::Transferred), Some(HangupCause::CalleeHangup)));
    assert_eq!((agent_said(&came), agent_said(&placed)), (vec!["Hello."], vec!["Hello."]));
}

#[test]
fn a_caller_who_leaves_once_his_refer_was_accepted_has_put_the_agent_through() {
    let (ada, bob) = (Voice::new(), Voice::new());
    let person = Callee::with_media("callee_answers", bob.port);
    let desk = Desk::of_trunk(&person, &["never"]);
    let script = refer(&ada, "tel:+4930123", 202).answers("NOTIFY", "SIP/2.0 100 Trying", "200 OK").leave();
    desk.run(script, || bob.wait_hears(AGENT));
    person.went_well(&desk.server.log());
    let (came, placed) = desk.ended();
    assert_eq!((came.call.cause, placed.call.cause), (Some(HangupCause::Transferred), Some(HangupCause::CalleeHangup)));
}

#[test]
fn a_caller_who_puts_the_agent_through_to_nobody_keeps_it() {
    let ada = Voice::new();
    let person = Callee::refuse("486 Busy Here");
    let desk = Desk::of_trunk(&person, &["Still here."]);
    let script = refer(&ada, "sip:+4930123@127.0.0.1", 202)
        .answers("NOTIFY", "SIP/2.0 100 Trying", "200 OK")
        .answers("NOTIFY", "SIP/2.0 486 Busy Here", "200 OK")
        .key()
        .pause(3_000)
        .bye();
    desk.run(script, || ada.wait_hears(AGENT));
    person.went_well(&desk.server.log());
    let (came, placed) = desk.ended();
    assert_eq!((came.call.cause, placed.call.cause), (Some(HangupCause::CallerHangup), Some(HangupCause::Busy)));
    assert_eq!(agent_said(&came), ["Hello.", "Still here."]);
}

#[test]
fn a_caller_puts_the_agent_through_to_permitted_numbers_only() {
    let ada = Voice::new();
    let person = Callee::start("callee_answers");
    let desk = Desk::of_trunk(&person, &["never"]);
    for (to, status) in [("sip:+19005550000@127.0.0.1", 403), ("sip:112@127.0.0.1", 403), ("sip:127.0.0.1", 403)] {
        refer(&ada, to, status).bye().run(&desk.server, "demo");
    }
    let ended = desk.server.ended_calls(3);
    assert!(ended.iter().all(|ended| ended.call.cause == Some(HangupCause::CallerHangup)));
}

#[test]
fn the_agent_speaks_the_codec_of_the_answer_also_after_early_media_in_another() {
    let (ada, bob) = (Voice::new(), Voice::new());
    let person = Callee::with_two_codecs(bob.port);
    let desk = Desk::of_trunk(&person, &["never"]);
    let script = refer(&ada, "sip:+4930123@127.0.0.1", 202).answers("NOTIFY", "SIP/2.0 100 Trying", "200 OK").leave();
    desk.run(script, || bob.wait_hears(AGENT));
    person.went_well(&desk.server.log());
    // One law taken for the other is loud and no tone.
    let level = bob.loudest(AGENT, 0);
    assert!((LOUD * 0.8..LOUD * 1.2).contains(&level), "{level}");
}
