//! Calls that talk with each other: who hears whom, keys, packets passed on, faults, recordings, and somebody who is called for a caller.
#![allow(clippy::unwrap_used)]

#[path = "support/node.rs"]
mod node;
#[path = "support/peer.rs"]
mod peer;
mod support;
#[path = "support/talker.rs"]
mod talker;

use std::time::Duration;

use actors::bridge::{AgentPart, Attendance, Part, RoomId, RoomOrder, WhenAlone};
use actors::call::{CallOut, CallOutMode};
use actors::calls::{CallsMsg, Guest};
use actors::conference::Roster;
use actors::fault::Fault;
use actors::kind::ActorKind;
use actors::route::{CallTerms, PlaceCall};
use node::{Node, metric, talkback, wait};
use sip::sdp::Direction;
use store::{CallId, HangupCause, IncidentKind, PhoneNumber, Role};
use support::callee::Callee;
use support::softphone::Softphone;
use support::{speech, stereo, wait_for};
use talker::{Talker, amplitude};
use tokio::sync::oneshot;

/// Voices: none is a harmonic of another, nor a note of the music on hold.
const ADA: u64 = 500;
const BOB: u64 = 1_150;
const CAT: u64 = 1_900;
const SUE: u64 = 2_650;

const TALKS: Attendance = Attendance { party: Part::Talks, agent: AgentPart::Away, alone: WhenAlone::HangUp };

/// Asks Calls, and waits for the answer.
fn ask<T>(node: &Node, question: impl FnOnce(oneshot::Sender<T>) -> CallsMsg) -> T {
    let (reply, answer) = oneshot::channel();
    node.handle.shared.calls.send(question(reply)).unwrap();
    node.runtime.block_on(answer).unwrap()
}

fn bridge(node: &Node, guests: &[(&Talker, Attendance)], room: Option<RoomId>) -> RoomId {
    let guest =
        |(talker, attendance): &(&Talker, Attendance)| Guest { call: node.call_from(&talker.name), attendance: *attendance };
    ask(node, |reply| CallsMsg::Bridge(guests.iter().map(guest).collect(), room, reply)).unwrap()
}

fn order(node: &Node, talker: &Talker, order: RoomOrder) {
    assert!(ask(node, |reply| CallsMsg::Room(node.call_from(&talker.name), order, reply)));
}

fn roster(node: &Node) -> Roster {
    ask(node, CallsMsg::Rooms).pop().map(|(_, roster)| roster).unwrap_or_default()
}

fn wait_passing(node: &Node, passing: bool) {
    wait(if passing { "packets passed on" } else { "a mixer" }, || roster(node).passing == passing);
}

/// What a call's agent has said, all of it.
fn agent_said(node: &Node, call: CallId) -> String {
    let turns = node.turns(call).into_iter().filter(|turn| turn.role == Role::Agent);
    turns.map(|turn| turn.text.reveal().to_owned()).collect::<Vec<_>>().join(" | ")
}

/// Who came and went, as a call's record has it: `+ada:talks`, `-bob:left`.
fn came_and_went(node: &Node, call: CallId, names: &[(CallId, &str)]) -> String {
    let incidents = node.incidents(call).into_iter();
    let seen = incidents.filter_map(|incident| {
        let sign = match incident.kind {
            IncidentKind::BridgeJoined => '+',
            IncidentKind::BridgeLeft => '-',
            _ => return None,
        };
        let name = names.iter().find(|(id, _)| id.to_string() == incident.source).map_or("?", |(_, name)| name);
        Some(format!("{sign}{name}:{}", incident.detail))
    });
    seen.collect::<Vec<_>>().join(" ")
}

#[test]
fn all_hear_each_other_and_nobody_himself() {
    let node = Node::start(talkback());
    let (ada, bob, cat) =
        (Talker::call(node.sip, "ada", ADA), Talker::call(node.sip, "bob", BOB), Talker::call(node.sip, "cat", CAT));
    let room = bridge(&node, &[(&ada, TALKS), (&bob, TALKS)], None);
    ada.wait_hears(&[BOB], &[ADA, CAT]);
    bob.wait_hears(&[ADA], &[BOB, CAT]);
    // A key is for the other one.
    ada.press('7');
    ada.press('#');
    wait("the keys", || bob.pressed() == "7#");
    assert_eq!((ada.pressed().as_str(), cat.pressed().as_str()), ("", ""));
    bridge(&node, &[(&cat, TALKS)], Some(room));
    ada.wait_hears(&[BOB, CAT], &[ADA]);
    bob.wait_hears(&[ADA, CAT], &[BOB]);
    cat.wait_hears(&[ADA, BOB], &[CAT]);
    assert_eq!(metric("offhook_conference_members", ""), 3.0);
    order(&node, &cat, RoomOrder::Party(Part::OnHold));
    ada.wait_hears(&[BOB], &[ADA, CAT]);
    cat.wait_hears(&[], &[ADA, BOB, CAT]);
    order(&node, &cat, RoomOrder::Party(Part::Muted));
    cat.wait_hears(&[ADA, BOB], &[CAT]);
    ada.wait_hears(&[BOB], &[CAT]);
    let calls = ["ada", "bob", "cat"].map(|name| (node.call_from(name), name));
    let [(first, _), (second, _), (third, _)] = calls;
    cat.hang_up();
    ada.wait_hears(&[BOB], &[ADA, CAT]);
    bob.hang_up();
    wait("the end of the last one", || ada.is_over());
    assert_eq!(node.ended(first).cause, Some(HangupCause::BridgeEnded));
    // Who of the first two came first, and whether the last one's own leaving is in time for its record, is open.
    let seen = came_and_went(&node, first, &calls);
    let (met, rest) = seen.split_at("+ada:talks +bob:talks".len());
    assert!(met.contains("+ada:talks") && met.contains("+bob:talks"), "{seen}");
    assert!(rest.starts_with(" +cat:talks +cat:on_hold +cat:muted -cat:left -bob:left"), "{seen}");
    let seen = came_and_went(&node, third, &calls);
    assert!(
        seen.contains("+ada:talks") && seen.contains("+bob:talks") && seen.contains("+cat:talks +cat:on_hold +cat:muted"),
        "{seen}"
    );
    wait("an empty node", || metric("offhook_conferences_active", "") == 0.0);
    assert_eq!(metric("offhook_conference_members", ""), 0.0);
    // On the record each is left, and all whom he heard are right.
    let path = |call| node.folder.path().join(node.recording(call).path);
    let [caller, others] = support::stereo::read(&path(first)).map(|side| side.0);
    let loudest = |samples: &[i16], hertz| samples.chunks(1_600).map(|part| amplitude(part, hertz)).fold(0.0, f64::max);
    assert!(loudest(&caller, ADA) > 4_000.0 && loudest(&caller, BOB) < 500.0);
    assert!(loudest(&others, BOB) > 4_000.0 && loudest(&others, CAT) > 4_000.0 && loudest(&others, ADA) < 500.0);
    let [caller, others] = support::stereo::read(&path(second)).map(|side| side.0);
    assert!(loudest(&caller, BOB) > 4_000.0 && loudest(&others, ADA) > 4_000.0 && loudest(&others, BOB) < 500.0);
}

#[test]
fn a_supervisor_listens_in_and_whispers_to_one() {
    let node = Node::start(talkback());
    let (ada, bob, sue) =
        (Talker::call(node.sip, "ada", ADA), Talker::call(node.sip, "bob", BOB), Talker::call(node.sip, "sue", SUE));
    let listens = Attendance { party: Part::ListensIn, ..TALKS };
    bridge(&node, &[(&ada, TALKS), (&bob, TALKS), (&sue, listens)], None);
    sue.wait_hears(&[ADA, BOB], &[SUE]);
    ada.wait_hears(&[BOB], &[ADA, SUE]);
    bob.wait_hears(&[ADA], &[BOB, SUE]);
    order(&node, &sue, RoomOrder::Party(Part::Whispers(node.call_from("bob"))));
    bob.wait_hears(&[ADA, SUE], &[BOB]);
    ada.wait_hears(&[BOB], &[ADA, SUE]);
    sue.wait_hears(&[ADA, BOB], &[SUE]);
    // The last of those who talk ends it for the supervisor too.
    ada.hang_up();
    wait("the end of all", || bob.is_over() && sue.is_over());
}

#[test]
fn packets_of_two_who_speak_alike_are_passed_on_as_they_are() {
    let node = Node::start_unrecorded(talkback());
    let (ada, bob) = (Talker::call(node.sip, "ada", ADA), Talker::call(node.sip, "bob", BOB));
    let passed = metric("offhook_rtp_passed_total", "");
    let room = bridge(&node, &[(&ada, TALKS), (&bob, TALKS)], None);
    wait_passing(&node, true);
    // A tone in which no two frames are alike shows what was passed, and in which order.
    ada.say(503);
    bob.wait_hears(&[503], &[BOB]);
    std::thread::sleep(Duration::from_secs(2));
    let said = ada.said();
    let heard = bob.heard();
    let last: Vec<_> = heard[heard.len() - 60..].iter().map(|packet| packet.payload.to_vec()).collect();
    let at = said.windows(60).position(|part| part == last);
    assert!(at.is_some(), "sixty packets in a row, octet for octet");
    let numbers: Vec<u16> = heard.iter().map(|packet| packet.sequence).collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1)), "one stream without a gap");
    assert!(heard.iter().all(|packet| packet.ssrc == heard[0].ssrc));
    bob.press('5');
    wait("the key", || ada.pressed() == "5");
    wait("the count", || metric("offhook_rtp_passed_total", "") - passed > 100.0);
    // A third comes: all is mixed, and the second hears no pause.
    let before = bob.heard().len();
    let cat = Talker::call(node.sip, "cat", 0);
    bridge(&node, &[(&cat, TALKS)], Some(room));
    wait_passing(&node, false);
    cat.wait_hears(&[503, BOB], &[]);
    std::thread::sleep(Duration::from_secs(1));
    let heard = bob.heard().split_off(before);
    let audio: Vec<_> = heard.iter().filter(|packet| packet.payload_type == 0).collect();
    let silent = |packet: &&&media::rtp::RtpPacket| {
        let mut samples = Vec::new();
        media::codec::Codec::Pcmu.decode(&packet.payload, &mut samples);
        amplitude(&samples, 503) < 1_500.0
    };
    let pattern: String = audio.iter().map(|packet| if silent(&packet) { '.' } else { 'x' }).collect();
    let silent = audio.iter().filter(silent).count();
    println!("{silent} silent frames of {}: {pattern}", audio.len());
    // None on a machine with time for it; one without starves the caller's own clock, but a switch that fails leaves silence only.
    assert!(silent < audio.len() / 2, "{silent} of {} frames were silent", audio.len());
    let numbers: Vec<u16> = heard.iter().map(|packet| packet.sequence).collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1)), "no number is missing and none comes twice");
    // And back.
    cat.hang_up();
    wait_passing(&node, true);
    bob.wait_hears(&[503], &[BOB]);
    ada.wait_hears(&[BOB], &[503]);
    // What was passed on is in the totals: nearly all, since a packet before the answer or after the BYE is nobody's.
    let (call, said) = (node.call_from("ada"), ada.said().len());
    ada.hang_up();
    let counted = node.ended(call).stats["received"].as_u64().unwrap() as usize;
    assert!(counted >= said - said / 10, "{counted} of {said}");
}

#[test]
fn who_loses_the_other_has_the_agent_back() {
    let node = Node::start(talkback());
    let (ada, bob) = (Talker::call(node.sip, "ada", ADA), Talker::call(node.sip, "bob", BOB));
    let calls = [(node.call_from("ada"), "ada"), (node.call_from("bob"), "bob")];
    bridge(&node, &[(&ada, TALKS), (&bob, TALKS)], None);
    ada.wait_hears(&[BOB], &[ADA]);
    // The agent waits until nobody speaks. Whom it had not greeted yet, it greets.
    ada.say(0);
    let before = agent_said(&node, calls[0].0);
    node.inject(calls[1].0, ActorKind::Call, Fault::Panic);
    wait("the agent", || agent_said(&node, calls[0].0).len() > before.len());
    assert_eq!(node.ended(calls[1].0).cause, Some(HangupCause::Crashed));
    let seen = came_and_went(&node, calls[0].0, &calls);
    assert!(seen.contains("+ada:talks") && seen.contains("+bob:talks") && seen.contains("-bob:lost"), "{seen}");
    assert!(!ada.is_over());
}

#[test]
fn a_conference_that_dies_goes_on_until_it_dies_too_often() {
    let node = Node::start(talkback());
    let (ada, bob) = (Talker::call(node.sip, "ada", ADA), Talker::call(node.sip, "bob", BOB));
    let (first, second) = (node.call_from("ada"), node.call_from("bob"));
    bridge(&node, &[(&ada, TALKS), (&bob, TALKS)], None);
    let restarts = metric("offhook_actor_restarts_total", "conference");
    for death in 1..=2 {
        ada.wait_hears(&[BOB], &[ADA]);
        node.inject(first, ActorKind::Conference, if death == 1 { Fault::Panic } else { Fault::Error });
        wait("the restart", || metric("offhook_actor_restarts_total", "conference") - restarts == f64::from(death));
        wait("both guests", || roster(&node).guests.len() == 2);
    }
    ada.wait_hears(&[BOB], &[ADA]);
    bob.wait_hears(&[ADA], &[BOB]);
    ada.say(0);
    bob.say(0);
    let before = [first, second].map(|call| (call, agent_said(&node, call)));
    node.inject(first, ActorKind::Conference, Fault::Panic);
    for (call, said) in before {
        wait("the agent", || agent_said(&node, call).len() > said.len());
    }
    assert!(!ada.is_over() && !bob.is_over() && roster(&node).guests.is_empty());
}

#[test]
fn packets_of_two_encrypted_legs_are_passed_on_each_under_its_own_keys() {
    let node = Node::start_secured(talkback());
    let call = || Softphone::call(&format!("sip:demo@{}", node.sip), "PCMU", ";mediaenc=srtp-mand", "");
    let phones = [call(), call()];
    node.wait_calls(2);
    let guests = ask(&node, CallsMsg::List).into_iter().map(|call| Guest { call, attendance: TALKS }).collect();
    let before = metric("offhook_rtp_passed_total", "");
    ask(&node, |reply| CallsMsg::Bridge(guests, None, reply)).unwrap();
    wait_passing(&node, true);
    // Each says the same some seconds later, and hangs up.
    let over = || (node.handle.shared.calls_up() == 0).then_some(());
    wait_for(Duration::from_secs(60), "the end of both", over);
    assert!(metric("offhook_rtp_passed_total", "") - before > 500.0);
    let said = stereo::read_mono(&speech());
    for phone in phones {
        let alike = phone.heard().alike(&said);
        assert!(alike > 0.9, "{alike}: {}", phone.log());
    }
}

#[test]
fn who_holds_the_call_is_heard_by_nobody_and_hears_nothing_of_before() {
    for start in [Node::start, Node::start_unrecorded] {
        let node = start(talkback());
        let (ada, bob) = (Talker::call(node.sip, "ada", ADA), Talker::call(node.sip, "bob", BOB));
        bridge(&node, &[(&ada, TALKS), (&bob, TALKS)], None);
        ada.wait_hears(&[BOB], &[ADA]);
        bob.wait_hears(&[ADA], &[BOB]);
        // Its music is nobody's voice, and nothing is sent to it.
        ada.offer(Direction::SendOnly);
        bob.wait_hears(&[], &[ADA, BOB]);
        let before = ada.heard().len();
        bob.say(CAT);
        std::thread::sleep(Duration::from_secs(2));
        assert!(ada.heard().len() - before < 5, "{} packets", ada.heard().len() - before);
        bob.say(SUE);
        std::thread::sleep(Duration::from_millis(500));
        let before = ada.heard().len();
        ada.offer(Direction::SendRecv);
        ada.wait_hears(&[SUE], &[ADA, CAT]);
        bob.wait_hears(&[ADA], &[BOB, CAT]);
        let stale = ada.heard().split_off(before).into_iter().filter(|packet| {
            let mut samples = Vec::new();
            media::codec::Codec::Pcmu.decode(&packet.payload, &mut samples);
            amplitude(&samples, CAT) > 2_000.0
        });
        assert_eq!(stale.count(), 0, "what was said before is not heard late");
        ada.hang_up();
        bob.hang_up();
        node.wait_calls(0);
    }
}

/// Has somebody called for a caller who is up; what came of it.
fn call_out(node: &Node, talker: &Talker, callee: &Callee, mode: CallOutMode) -> Result<CallId, String> {
    node.runtime.block_on(consult(node, talker, callee, mode)).unwrap()
}

/// The same, and does not wait for it.
fn consult(node: &Node, talker: &Talker, callee: &Callee, mode: CallOutMode) -> oneshot::Receiver<Result<CallId, String>> {
    let to = PhoneNumber::new(format!("sip:person@{}", callee.address));
    let asked = PlaceCall { to, from: None, assistant: None, trunk: None, terms: CallTerms::default() };
    let call = node.call_from(&talker.name);
    let (reply, outcome) = oneshot::channel();
    assert!(ask(node, |told| CallsMsg::Consult(call, Box::new(CallOut { asked, mode, reply }), told)));
    outcome
}

#[test]
fn a_caller_is_put_through_to_a_person_who_is_called() {
    let node = Node::start(talkback());
    let ada = Talker::call(node.sip, "ada", ADA);
    let callee = Callee::echo("callee_answers");
    let person = call_out(&node, &ada, &callee, CallOutMode::Blind).unwrap();
    // SIPp sends back what it hears: her own voice, by way of the person.
    ada.wait_hears(&[ADA], &[]);
    callee.went_well("");
    wait("the end", || ada.is_over());
    assert_eq!(node.ended(node.call_from("ada")).cause, Some(HangupCause::BridgeEnded));
    assert_eq!(node.ended(person).cause, Some(HangupCause::CalleeHangup));
    assert!(agent_said(&node, person).is_empty(), "no agent of ours talks to the person");
}

#[test]
fn a_key_told_by_info_reaches_the_other_leg() {
    for start in [Node::start, Node::start_unrecorded] {
        let node = start(talkback());
        let ada = Talker::call(node.sip, "ada", ADA);
        let callee = Callee::start("callee_briefed");
        call_out(&node, &ada, &callee, CallOutMode::Blind).unwrap();
        wait("the key", || ada.pressed() == "#");
        callee.went_well("");
        wait("the end", || ada.is_over());
    }
}

#[test]
fn a_caller_whose_person_is_busy_has_the_agent_back() {
    let node = Node::start(talkback());
    let ada = Talker::call(node.sip, "ada", 0);
    let callee = Callee::start("callee_refuses");
    let refused = call_out(&node, &ada, &callee, CallOutMode::Blind).unwrap_err();
    assert_eq!(refused, "busy");
    wait("an empty conference", || roster(&node).guests.is_empty());
    assert!(!ada.is_over());
    ada.say(ADA);
    std::thread::sleep(Duration::from_secs(2));
    ada.say(0);
    // It plays back what it hears, as before.
    ada.wait_hears(&[ADA], &[]);
}

#[test]
fn who_is_brought_elsewhere_needs_nobody_who_is_still_being_called() {
    let node = Node::start(talkback());
    let (ada, bob, cat) =
        (Talker::call(node.sip, "ada", ADA), Talker::call(node.sip, "bob", BOB), Talker::call(node.sip, "cat", CAT));
    bridge(&node, &[(&ada, TALKS), (&bob, TALKS)], None);
    ada.wait_hears(&[BOB], &[]);
    let callee = Callee::start("callee_rings");
    let outcome = consult(&node, &ada, &callee, CallOutMode::Blind);
    callee.wait_rings();
    bridge(&node, &[(&ada, TALKS), (&cat, TALKS)], None);
    assert_eq!(node.runtime.block_on(outcome).unwrap(), Err("the caller was brought into another conference".to_owned()));
    ada.wait_hears(&[CAT], &[BOB]);
    // It is cancelled, as the scenario wants it.
    callee.went_well("");
    wait("the end of the one who was left alone", || bob.is_over());
}
