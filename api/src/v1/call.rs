//! A call as the API shows it.

use serde_json::{Value, json};
use store::{CallRecord, WallTime};

/// The record, in the API's words.
pub(super) fn shown(record: &CallRecord) -> Value {
    let CallRecord { call, ringing_at, answered_at, ended_at, cause, cause_detail, refused, .. } = record;
    let time = |at: &Option<WallTime>| at.map(|at| at.to_string());
    let refused = refused.as_ref().map(|refused| json!({ "status": refused.code, "reason": refused.reason }));
    let duration = answered_at.zip(*ended_at).map(|(from, to)| to.since(from).as_secs_f64());
    json!({
        "id": call.id.to_string(),
        "direction": call.direction.as_str(),
        "status": record.status().as_str(),
        "from": call.from.reveal(),
        "to": call.to.reveal(),
        "assistant_id": call.assistant,
        "outcome": cause.map(|cause| cause.outcome().as_str()),
        "cause": cause.map(|cause| cause.as_str()),
        "cause_detail": cause_detail,
        "sip": refused,
        "created_at": call.created_at.to_string(),
        "ringing_at": time(ringing_at),
        "answered_at": time(answered_at),
        "ended_at": time(ended_at),
        "duration_s": duration,
    })
}
