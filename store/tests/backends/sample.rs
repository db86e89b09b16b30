//! Records to write.

use serde_json::json;
use std::time::Duration;
use store::*;

pub const START: i64 = 1_700_000_000_000_000;

/// Microsecond `offset` of the sample day.
pub fn at(offset: i64) -> WallTime {
    WallTime::from_micros(START + offset)
}

pub fn new_call(node: &str) -> NewCall {
    NewCall {
        id: CallId::generate(),
        organization: OrganizationId::operator(),
        node: node.to_owned(),
        leg: LegKind::Sip,
        direction: Direction::Inbound,
        from: PhoneNumber::new("+14155550100"),
        to: PhoneNumber::new("demo"),
        assistant: "demo".to_owned(),
        engine: "offline".to_owned(),
        external_id: "a84b4c76e66710@pc33".to_owned(),
        created_at: at(0),
    }
}

pub fn turn(call: CallId, number: u32, text: &str) -> Turn {
    Turn {
        call,
        number,
        role: Role::Agent,
        text: Transcript::new(text),
        started_at: at(1_000_000),
        ended_at: at(2_000_000),
        interrupted: Some(Duration::from_millis(640)),
        timings: json!({"response_gap_ms": 412}),
    }
}

pub fn opened(call: CallId, path: &str) -> StoreWrite {
    StoreWrite::RecordingOpened { call, path: path.to_owned(), format: RecordingFormat::Wav, at: at(5) }
}

pub fn closed(call: CallId, path: &str, state: RecordingState) -> StoreWrite {
    StoreWrite::RecordingClosed {
        call,
        path: path.to_owned(),
        state,
        duration: Duration::from_millis(61_020),
        bytes: 1_952_684,
        note: Some("gap of 40 ms at 0:12".to_owned()),
    }
}

pub fn incident(call: CallId) -> Incident {
    Incident {
        call,
        at: at(7),
        kind: IncidentKind::ActorRestarted,
        source: "recorder".to_owned(),
        detail: "panicked: index out of bounds".to_owned(),
    }
}

pub fn ended(call: CallId, cause: HangupCause) -> StoreWrite {
    StoreWrite::CallEnded {
        call,
        at: at(9_000_000),
        cause,
        detail: Some("BYE".to_owned()),
        stats: json!({"rtp_received": 450, "mos": 4.3}),
    }
}

/// A whole call of `1 + turns` writes.
pub fn batch(node: &str, turns: u32) -> (CallId, Vec<StoreWrite>) {
    let call = new_call(node);
    let id = call.id;
    let turns = (0..turns).map(|number| StoreWrite::TurnAdded(turn(id, number, "hello")));
    let writes = std::iter::once(StoreWrite::CallCreated(call)).chain(turns);
    (id, writes.collect())
}
