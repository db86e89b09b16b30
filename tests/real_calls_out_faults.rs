//! Calls of ours while actors fail: the callee's telephone is never left ringing, nor the callee on a dead line.
#![allow(clippy::unwrap_used)]

#[path = "support/node.rs"]
mod node;
mod support;

use std::net::SocketAddr;

use actors::calls::CallsMsg;
use actors::fault::Fault;
use actors::kind::ActorKind;
use actors::route::{CallTerms, PlaceCall};
use node::{Node, metric, talkback, wait};
use store::{CallId, CallStatus, HangupCause, PhoneNumber, RecordingState};
use support::callee::Callee;

fn place(node: &Node, callee: SocketAddr) -> CallId {
    let (reply, answer) = tokio::sync::oneshot::channel();
    let to = PhoneNumber::new(format!("sip:ada@{callee}"));
    let asked = PlaceCall { to, from: None, assistant: None, trunk: None, terms: CallTerms::default() };
    node.handle.shared.calls.send(CallsMsg::Place(Box::new(asked), reply)).unwrap();
    node.runtime.block_on(answer).unwrap().unwrap()
}

fn wait_status(node: &Node, call: CallId, status: CallStatus) {
    wait(status.as_str(), || node.record(call).status() == status);
}

#[test]
fn a_call_that_crashes_leaves_no_telephone_ringing() {
    let node = Node::start(talkback());
    let crashed = metric("offhook_calls_total", "direction=\"outbound\",outcome=\"failed\"");
    let callee = Callee::start("callee_rings");
    let call = place(&node, callee.address);
    wait_status(&node, call, CallStatus::Ringing);
    node.inject(call, ActorKind::Call, Fault::Panic);
    callee.went_well("");
    assert_eq!(node.ended(call).cause, Some(HangupCause::Crashed));
    assert_eq!(metric("offhook_calls_total", "direction=\"outbound\",outcome=\"failed\"") - crashed, 1.0);
    node.wait_calls(0);
}

#[test]
fn a_call_that_crashes_leaves_no_callee_on_a_dead_line() {
    let node = Node::start(talkback());
    let callee = Callee::start("callee_talks");
    let call = place(&node, callee.address);
    wait_status(&node, call, CallStatus::Answered);
    node.inject(call, ActorKind::Call, Fault::Panic);
    let messages = callee.went_well("");
    assert!(messages.contains("Reason: Q.850;cause=41"), "{messages}");
    assert_eq!(node.ended(call).cause, Some(HangupCause::Crashed));
    node.wait_calls(0);
}

#[test]
fn calls_that_die_together_are_called_back() {
    let node = Node::start(talkback());
    let callee = Callee::start("callee_rings");
    let call = place(&node, callee.address);
    wait_status(&node, call, CallStatus::Ringing);
    node.handle.inject(ActorKind::Calls, Fault::Panic);
    callee.went_well("");
    assert_eq!(node.ended(call).cause, Some(HangupCause::Crashed));
    node.wait_calls(0);
}

#[test]
fn what_a_call_is_made_of_is_started_again() {
    let node = Node::start(talkback());
    for actor in [ActorKind::AiSession, ActorKind::JitterBuffer, ActorKind::Vad, ActorKind::Recorder] {
        let callee = Callee::start("callee_answers");
        let call = place(&node, callee.address);
        wait_status(&node, call, CallStatus::Answered);
        node.inject(call, actor, Fault::Panic);
        callee.went_well("");
        assert_eq!(node.ended(call).cause, Some(HangupCause::CalleeHangup), "{}", actor.name());
        assert_eq!(node.wrongs(call), [format!("actor_restarted {}", actor.name())]);
        assert_eq!(node.recording(call).state, RecordingState::Complete, "{}", actor.name());
    }
}

#[test]
fn a_jitter_buffer_that_fails_before_the_answer_is_started_again() {
    let node = Node::start(talkback());
    let callee = Callee::start("callee_early");
    let call = place(&node, callee.address);
    wait_status(&node, call, CallStatus::Ringing);
    node.inject(call, ActorKind::JitterBuffer, Fault::Panic);
    callee.went_well("");
    assert_eq!(node.ended(call).cause, Some(HangupCause::CalleeHangup));
    assert_eq!(node.wrongs(call), ["actor_restarted jitter_buffer"]);
}

#[test]
fn an_answered_call_outlives_the_sip_endpoint() {
    let node = Node::start(talkback());
    let callee = Callee::start("callee_answers");
    let call = place(&node, callee.address);
    wait_status(&node, call, CallStatus::Answered);
    node.handle.inject(ActorKind::SipEndpoint, Fault::Panic);
    // Its BYE is taken by the next one.
    callee.went_well("");
    assert_eq!(node.ended(call).cause, Some(HangupCause::CalleeHangup));
    assert_eq!(node.wrongs(call), ["actor_restarted sip_endpoint"]);
}

#[test]
fn an_invite_that_dies_with_the_sip_endpoint_ends_its_call() {
    let node = Node::start(talkback());
    let callee = Callee::start("callee_rings");
    let call = place(&node, callee.address);
    wait_status(&node, call, CallStatus::Ringing);
    node.handle.inject(ActorKind::SipEndpoint, Fault::Panic);
    let record = node.ended(call);
    assert_eq!((record.cause, record.cause_detail.as_deref()), (Some(HangupCause::Failed), Some("lost before it was answered")));
    node.wait_calls(0);
}
