//! A call as the API shows it.

use serde::Serialize;
use store::{CallRecord, WallTime};
use utoipa::ToSchema;

/// A call.
#[derive(Serialize, ToSchema)]
pub(super) struct CallShown {
    /// Its id.
    id: String,
    /// inbound or outbound.
    direction: &'static str,
    /// dialing, ringing, answered or ended.
    status: &'static str,
    /// Who called.
    from: String,
    /// Who was called.
    to: String,
    /// Who talks, by name.
    assistant_id: String,
    /// How it ended, in a word; null while it goes on.
    outcome: Option<&'static str>,
    /// Why it ended.
    cause: Option<&'static str>,
    /// The same in the peer's words.
    cause_detail: Option<String>,
    /// How the peer refused it.
    sip: Option<RefusalShown>,
    /// When it began.
    created_at: String,
    /// When the telephone rang.
    ringing_at: Option<String>,
    /// When it was answered.
    answered_at: Option<String>,
    /// When it ended.
    ended_at: Option<String>,
    /// Seconds from the answer to the end.
    duration_s: Option<f64>,
}

/// How a call of ours was refused.
#[derive(Serialize, ToSchema)]
pub(super) struct RefusalShown {
    /// The SIP status.
    #[schema(example = 486)]
    status: u16,
    /// In words.
    #[schema(example = "Busy Here")]
    reason: String,
}

/// The record, in the API's words.
pub(super) fn shown(record: &CallRecord) -> CallShown {
    let CallRecord { call, ringing_at, answered_at, ended_at, cause, cause_detail, refused, .. } = record;
    let time = |at: &Option<WallTime>| at.map(|at| at.to_string());
    CallShown {
        id: call.id.to_string(),
        direction: call.direction.as_str(),
        status: record.status().as_str(),
        from: call.from.reveal().to_owned(),
        to: call.to.reveal().to_owned(),
        assistant_id: call.assistant.clone(),
        outcome: cause.map(|cause| cause.outcome().as_str()),
        cause: cause.map(|cause| cause.as_str()),
        cause_detail: cause_detail.clone(),
        sip: refused.as_ref().map(|refused| RefusalShown { status: refused.code, reason: refused.reason.clone() }),
        created_at: call.created_at.to_string(),
        ringing_at: time(ringing_at),
        answered_at: time(answered_at),
        ended_at: time(ended_at),
        duration_s: answered_at.zip(*ended_at).map(|(from, to)| to.since(from).as_secs_f64()),
    }
}
