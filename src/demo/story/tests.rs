//! A call of three turns as it is told.

use std::time::Duration;

use serde_json::{Value, json};
use store::{
    CallId, CallRecord, Direction, HangupCause, LegKind, NewCall, OrganizationId, PhoneNumber, Role, Transcript, Turn, Usage,
    WallTime,
};

use super::tell;

fn at(ms: i64) -> WallTime {
    WallTime::from_micros(ms * 1_000)
}

fn call() -> CallRecord {
    let call = NewCall {
        id: CallId::generate(),
        organization: OrganizationId::operator(),
        node: "offhook".to_owned(),
        leg: LegKind::Sip,
        direction: Direction::Inbound,
        from: PhoneNumber::new("caller"),
        to: PhoneNumber::new("demo"),
        assistant: "demo".to_owned(),
        engine: "realtime".to_owned(),
        external_id: "a84b4c76e66710@pc33".to_owned(),
        created_at: at(0),
    };
    CallRecord {
        call,
        ringing_at: None,
        answered_at: Some(at(3)),
        ended_at: Some(at(9_503)),
        cause: Some(HangupCause::CallerHangup),
        cause_detail: None,
        refused: None,
        stats: Value::Null,
        usage: Usage::default(),
        language: None,
        trunk: None,
        identity: None,
        cost_micros: None,
        answered_by: None,
    }
}

fn turn(number: u32, role: Role, started: i64, text: &str) -> Turn {
    Turn {
        call: CallId::generate(),
        number,
        role,
        text: Transcript::new(text),
        started_at: at(started),
        ended_at: at(started + 1_000),
        interrupted: None,
        timings: Value::Null,
    }
}

#[test]
fn a_call_is_told_with_its_waterfalls() {
    let timings = json!({"endpointing_ms": 600, "engine_ms": 300, "sendout_ms": 20, "response_gap_ms": 920});
    let answer = Turn { timings, interrupted: Some(Duration::from_millis(800)), ..turn(2, Role::Agent, 4_920, "Yes, and") };
    let turns = [turn(0, Role::Agent, 300, "Hello."), turn(1, Role::Caller, 2_000, "Are you there?"), answer];
    let packets = json!({"sent": 475, "received": 474, "lost": 1, "late": 2});
    let report = json!({"setup_ms": {"max": 2.74}, "mos": {"min": 4.381}, "packets": packets});
    let want = "
As the server recorded it (engine realtime)

    0.300 s  agent   Hello.

    2.000 s  caller  Are you there?
    4.920 s  agent   Yes, and (cut off after 0.8 s)
             end of turn   600 ms  ██████████████████████████████
             provider      300 ms                                ███████████████
             sending out    20 ms                                               █
             = gap         920 ms

All in all

  call       9.5 s, ended: caller_hangup
  set-up     2.7 ms from INVITE to 200 OK
  answers    1, response gap 920 ms on average, 920 ms at most:
             600 ms of silence show that the turn is over, 300 ms are the provider's, 20 ms ours
  audio      475 packets sent, 474 received, 1 lost, 2 late; MOS 4.38 (E-model)
";
    assert_eq!(tell(&call(), &turns, &report), want);
}

#[test]
fn a_call_without_answers_has_no_waterfall() {
    let told = tell(&call(), &[turn(0, Role::Agent, 300, "Hello.")], &Value::Null);
    assert!(told.contains("agent   Hello.") && !told.contains("gap"), "{told}");
}
