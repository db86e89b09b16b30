//! What there is to tell of a write.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::{
    CallId, CallRecord, EventKind, Findings, OrganizationId, RecordingState, StoreWrite, ToolUse, Transcript, Turn, WallTime,
};

/// Most of a turn that is told, in bytes; all of it is on the call's record. Receivers should get less than 20 KB.
const WORDS_BYTES_MAX: usize = 8 * 1024;

/// Whose news it is.
pub(crate) enum Of {
    /// A call's; its record says of which organization, and what there is to say of it beside `data`.
    Call(CallId),
    /// An organization's.
    Organization(OrganizationId),
}

/// Something that is to be told.
pub(crate) struct News {
    pub(crate) kind: EventKind,
    pub(crate) of: Of,
    /// With the kind, what happened: told once.
    pub(crate) subject: String,
    pub(crate) at: WallTime,
    pub(crate) data: Value,
}

impl News {
    fn of_call(kind: EventKind, call: CallId, at: WallTime) -> Self {
        Self { kind, of: Of::Call(call), subject: call.to_string(), at, data: Value::Null }
    }

    pub(crate) fn of_node(kind: EventKind, node: &str, at: WallTime) -> Self {
        let (of, subject) = (Of::Organization(OrganizationId::operator()), Uuid::now_v7().to_string());
        Self { kind, of, subject, at, data: json!({ "node": node }) }
    }

    /// What there is to tell of the end of a call; what it used is told once it was charged.
    pub(crate) fn of_end(call: CallId, at: WallTime) -> Vec<Self> {
        [EventKind::CallEnded, EventKind::SessionEnded].map(|kind| Self::of_call(kind, call, at)).into()
    }

    /// What a call has used, and what that costs.
    pub(crate) fn of_usage(call: CallId, data: Value, at: WallTime) -> Self {
        Self { data, ..Self::of_call(EventKind::UsageRecorded, call, at) }
    }

    /// What an organization has used reached a limit; told once by the name of month and limit.
    pub(crate) fn of_threshold(organization: &OrganizationId, name: String, data: Value, at: WallTime) -> Self {
        let subject = format!("{organization} {name}");
        Self { kind: EventKind::UsageRecorded, of: Of::Organization(organization.clone()), subject, at, data }
    }

    /// What there is to tell of findings.
    pub(crate) fn of_findings(call: CallId, findings: &Findings, at: WallTime) -> Vec<Self> {
        let words = |words: &Option<Transcript>| words.as_ref().map(|words| words.reveal().to_owned());
        let fields = words(&findings.fields).and_then(|fields| serde_json::from_str::<Value>(&fields).ok());
        let success = findings.success.as_ref();
        let success = success.map(|verdict| json!({ "pass": verdict.passed, "reason": verdict.reason.reveal() }));
        let lead = findings.lead.as_ref().map(|lead| {
            let reasons: Vec<&str> = lead.reasons.iter().map(Transcript::reveal).collect();
            json!({ "score": lead.score, "reasons": reasons })
        });
        let sentiment = findings.sentiment.map(|one| json!({ "label": one.label.as_str(), "score": one.score }));
        let summary = words(&findings.summary);
        let data = json!({ "summary": summary, "sentiment": sentiment, "success": success, "fields": fields, "lead": lead });
        let mut news = vec![Self { data, ..Self::of_call(EventKind::CallAnalyzed, call, at) }];
        news.extend(lead.map(|data| Self { data, ..Self::of_call(EventKind::LeadScored, call, at) }));
        news
    }

    /// What there is to tell of a write.
    pub(crate) fn of_write(write: &StoreWrite) -> Vec<Self> {
        match write {
            StoreWrite::CallCreated(call) => [EventKind::CallStarted, EventKind::SessionStarted]
                .map(|kind| Self::of_call(kind, call.id, call.created_at))
                .into(),
            StoreWrite::CallAnswered { call, at } => vec![Self::of_call(EventKind::CallAnswered, *call, *at)],
            StoreWrite::CallEnded { call, at, .. } => Self::of_end(*call, *at),
            StoreWrite::TurnAdded(turn) => vec![of_turn(turn)],
            StoreWrite::ToolUsed(used) => of_tool(used).into_iter().collect(),
            StoreWrite::RecordingClosed { call, path, state, duration, bytes, .. }
                if matches!(state, RecordingState::Complete | RecordingState::Repaired) =>
            {
                let data = json!({ "state": state.as_str(), "duration_ms": duration.as_millis() as u64, "bytes": bytes });
                let news = Self::of_call(EventKind::RecordingReady, *call, WallTime::now());
                vec![Self { subject: format!("{call} {path}"), data, ..news }]
            }
            _ => Vec::new(),
        }
    }

    /// All that is told, given the call's record as it is now; `None`: after all there is nothing.
    pub(crate) fn told(&self, record: Option<&CallRecord>) -> Option<Value> {
        let Some(record) = record else { return Some(self.data.clone()) };
        let mut data = of_record(record);
        let more = match self.kind {
            EventKind::CallStarted => Value::Null,
            EventKind::CallAnswered => json!({ "answered_at": record.answered_at.map(|at| at.to_string()) }),
            EventKind::CallEnded => ending(record),
            EventKind::SessionStarted | EventKind::SessionEnded if !record.call.leg.is_session() => return None,
            EventKind::SessionStarted => of_session(record),
            EventKind::SessionEnded => merged(of_session(record), ending(record)),
            EventKind::UsageRecorded => usage(record, &self.data),
            _ => self.data.clone(),
        };
        if let Value::Object(more) = more {
            data.extend(more);
        }
        Some(Value::Object(data))
    }
}

fn of_turn(turn: &Turn) -> News {
    let all = turn.text.reveal();
    let text = &all[..all.floor_char_boundary(WORDS_BYTES_MAX)];
    let data = json!({
        "number": turn.number,
        "role": turn.role.as_str(),
        "text": text,
        "text_is_cut": text.len() < all.len(),
        "started_at": turn.started_at.to_string(),
        "ended_at": turn.ended_at.to_string(),
        "interrupted": turn.interrupted.is_some(),
        "heard_ms": turn.interrupted.map(|heard| heard.as_millis() as u64),
        "response_gap_ms": turn.timings.get("response_gap_ms"),
    });
    let news = News::of_call(EventKind::TurnCompleted, turn.call, turn.ended_at);
    News { subject: format!("{} {}", turn.call, turn.number), data, ..news }
}

/// A use is told when it is over. What it was given may be secret, and is on the call's record.
fn of_tool(used: &ToolUse) -> Option<News> {
    let outcome = used.outcome.as_ref()?;
    let took = used.duration.unwrap_or_default();
    let data = json!({
        "number": used.number,
        "name": used.name,
        "kind": used.kind,
        "outcome": outcome,
        "duration_ms": took.as_millis() as u64,
    });
    let at = WallTime::from_micros(used.started_at.micros() + took.as_micros() as i64);
    let news = News::of_call(EventKind::ToolCalled, used.call, at);
    Some(News { subject: format!("{} {}", used.call, used.number), data, ..news })
}

/// What each event of a call says of it.
fn of_record(record: &CallRecord) -> Map<String, Value> {
    let call = &record.call;
    let data = json!({
        "call_id": call.id.to_string(),
        "node": call.node,
        "leg": call.leg.as_str(),
        "direction": call.direction.as_str(),
        "from": call.from.reveal(),
        "to": call.to.reveal(),
        "assistant": call.assistant,
        "created_at": call.created_at.to_string(),
    });
    data.as_object().cloned().unwrap_or_default()
}

fn ending(record: &CallRecord) -> Value {
    let talked = record.answered_at.zip(record.ended_at).map(|(from, to)| to.since(from).as_millis() as u64);
    json!({
        "answered_at": record.answered_at.map(|at| at.to_string()),
        "ended_at": record.ended_at.map(|at| at.to_string()),
        "cause": record.cause.map(|cause| cause.as_str()),
        "outcome": record.cause.map(|cause| cause.outcome().as_str()),
        "duration_ms": talked.unwrap_or(0),
        "language": record.language,
        "trunk": record.trunk,
    })
}

/// A session is the call that began when somebody connected to it.
fn of_session(record: &CallRecord) -> Value {
    json!({ "session_id": record.call.id.to_string() })
}

fn merged(mut one: Value, other: Value) -> Value {
    if let (Value::Object(one), Value::Object(other)) = (&mut one, other) {
        one.extend(other);
    }
    one
}

/// With the tokens of all providers together.
fn usage(record: &CallRecord, charged: &Value) -> Value {
    let (used, mut data) = (record.usage, charged.clone());
    for (name, tokens) in [
        ("input_text_tokens", used.input_text_tokens),
        ("input_audio_tokens", used.input_audio_tokens),
        ("cached_tokens", used.cached_tokens),
        ("output_text_tokens", used.output_text_tokens),
        ("output_audio_tokens", used.output_audio_tokens),
    ] {
        data[name] = json!(tokens);
    }
    data
}
