//! `/api/v1/calls/{id}/transcript` and `/timeline`: what was said in a call, and when what happened.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use serde_json::Value;
use store::{CallRecord, Incident, IncidentKind, Role, ToolUse, Turn, WallTime};
use utoipa::ToSchema;

use super::V1;
use super::access::Asked;
use super::call::time;
use super::calls::{known, own};
use crate::problem::Problem;

/// What was said in a call.
#[derive(Serialize, ToSchema)]
pub(super) struct TranscriptShown {
    /// The call.
    call_id: String,
    /// dialing, ringing, answered or ended: whether more may come.
    status: &'static str,
    /// What was said, in order.
    turns: Vec<TurnShown>,
    /// What the model called, in order.
    tool_calls: Vec<ToolCallShown>,
}

/// One turn.
#[derive(Serialize, ToSchema)]
pub(super) struct TurnShown {
    /// Its place in the call, from 0.
    number: u32,
    /// user or assistant.
    role: &'static str,
    /// What was said; of the assistant, what was heard.
    content: String,
    /// When the speech began.
    started_at: String,
    /// When it ended.
    ended_at: String,
    /// Of an answer that was cut short: how much of it was heard, in milliseconds.
    heard_ms: Option<u64>,
}

/// A tool that the model called.
#[derive(Serialize, ToSchema)]
pub(super) struct ToolCallShown {
    /// Which.
    name: String,
    /// built_in, http or mcp.
    kind: String,
    /// JSON as the model wrote it; null: they are not to be shown.
    arguments: Option<String>,
    /// When.
    started_at: String,
    /// How it ended; null: it has not.
    outcome: Option<String>,
    /// How long it took, in milliseconds.
    duration_ms: Option<u64>,
}

/// When what happened in a call.
#[derive(Serialize, ToSchema)]
pub(super) struct TimelineShown {
    /// The call.
    call_id: String,
    /// When it began: what `at_ms` counts from.
    created_at: String,
    /// Where the time went before each answer.
    turns: Vec<WaterfallShown>,
    /// All that happened, in order.
    events: Vec<MomentShown>,
}

/// One turn on the timeline.
#[derive(Serialize, ToSchema)]
pub(super) struct WaterfallShown {
    /// Its place in the call, from 0.
    number: u32,
    /// user or assistant.
    role: &'static str,
    /// When the speech began.
    at_ms: i64,
    /// How long it lasted.
    duration_ms: u64,
    /// Of an answer that was cut short: how much of it was heard.
    heard_ms: Option<u64>,
    /// Of an answer, in milliseconds: endpointing_ms, engine_ms and sendout_ms are response_gap_ms; with a cascade transcript_ms,
    /// first_token_ms and first_audio_ms are engine_ms.
    #[schema(value_type = Option<Object>)]
    timings: Value,
}

/// Something that happened.
#[derive(Serialize, ToSchema)]
pub(super) struct MomentShown {
    /// When.
    at_ms: i64,
    /// created, ringing, answered, interrupted, tool_called, transferred, ended, or the kind of what went wrong.
    kind: &'static str,
    /// How long it lasted.
    duration_ms: Option<u64>,
    /// Which turn it belongs to.
    turn: Option<u32>,
    /// More of it: a tool, a cause, an actor.
    detail: Option<String>,
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Agent => "assistant",
        Role::Caller => "user",
    }
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl From<Turn> for TurnShown {
    fn from(turn: Turn) -> Self {
        Self {
            number: turn.number,
            role: role(turn.role),
            content: turn.text.reveal().to_owned(),
            started_at: turn.started_at.to_string(),
            ended_at: turn.ended_at.to_string(),
            heard_ms: turn.interrupted.map(millis),
        }
    }
}

impl From<ToolUse> for ToolCallShown {
    fn from(used: ToolUse) -> Self {
        Self {
            name: used.name,
            kind: used.kind,
            arguments: used.arguments.map(|arguments| arguments.reveal().to_owned()),
            started_at: used.started_at.to_string(),
            outcome: used.outcome,
            duration_ms: used.duration.map(millis),
        }
    }
}

/// Tells what was said in a call so far.
#[utoipa::path(get, path = "/api/v1/calls/{id}/transcript", tag = "calls", params(("id" = String, Path)),
    responses((status = 200, body = TranscriptShown), (status = 404)))]
pub(super) async fn transcript(
    State(api): State<Arc<V1>>,
    asked: Asked,
    Path(id): Path<String>,
) -> Result<Json<TranscriptShown>, Problem> {
    let record = own(&api, &asked, known(&id)?).await?;
    let (store, id) = (api.people()?.store(), record.call.id);
    let turns = store.turns(id).await?.into_iter().map(TurnShown::from).collect();
    let tool_calls = store.tool_uses(id).await?.into_iter().map(ToolCallShown::from).collect();
    Ok(Json(TranscriptShown { call_id: id.to_string(), status: record.status().as_str(), turns, tool_calls }))
}

/// Tells when what happened in a call so far, and where the time went before each answer.
#[utoipa::path(get, path = "/api/v1/calls/{id}/timeline", tag = "calls", params(("id" = String, Path)),
    responses((status = 200, body = TimelineShown), (status = 404)))]
pub(super) async fn timeline(
    State(api): State<Arc<V1>>,
    asked: Asked,
    Path(id): Path<String>,
) -> Result<Json<TimelineShown>, Problem> {
    let record = own(&api, &asked, known(&id)?).await?;
    let (store, id) = (api.people()?.store(), record.call.id);
    let (turns, tools, incidents) = (store.turns(id).await?, store.tool_uses(id).await?, store.incidents(id).await?);
    Ok(Json(laid_out(&record, &turns, &tools, &incidents)))
}

fn laid_out(record: &CallRecord, turns: &[Turn], tools: &[ToolUse], incidents: &[Incident]) -> TimelineShown {
    let began = record.call.created_at;
    let at = |time: WallTime| (time.micros() - began.micros()).div_euclid(1_000);
    let moment = |time: WallTime, kind, detail| MomentShown { at_ms: at(time), kind, duration_ms: None, turn: None, detail };
    let mut events = vec![moment(began, "created", None)];
    events.extend(record.ringing_at.map(|time| moment(time, "ringing", None)));
    events.extend(record.answered_at.map(|time| moment(time, "answered", None)));
    for turn in turns.iter().filter(|turn| turn.interrupted.is_some()) {
        events.push(MomentShown { turn: Some(turn.number), ..moment(turn.ended_at, "interrupted", None) });
    }
    for used in tools {
        let detail = Some(format!("{} ({})", used.name, used.outcome.as_deref().unwrap_or("not ended")));
        let duration_ms = used.duration.map(millis);
        events.push(MomentShown { duration_ms, ..moment(used.started_at, "tool_called", detail) });
    }
    for incident in incidents {
        // Who came into the conference and left it are ids; what went wrong names its actor or provider.
        let detail = match incident.kind {
            IncidentKind::BridgeJoined | IncidentKind::BridgeLeft => format!("{}: {}", incident.source, incident.detail),
            _ => incident.source.clone(),
        };
        events.push(moment(incident.at, incident.kind.as_str(), Some(detail)));
    }
    if let (Some(time), Some(cause)) = (record.ended_at, record.cause) {
        if cause == store::HangupCause::Transferred {
            events.push(moment(time, "transferred", record.cause_detail.clone()));
        }
        events.push(moment(time, "ended", Some(cause.to_string())));
    }
    // In the order of the list where the times are the same.
    events.sort_by_key(|event| event.at_ms);
    let turns = turns.iter().map(|turn| WaterfallShown {
        number: turn.number,
        role: role(turn.role),
        at_ms: at(turn.started_at),
        duration_ms: millis(turn.ended_at.since(turn.started_at)),
        heard_ms: turn.interrupted.map(millis),
        timings: turn.timings.clone(),
    });
    let created_at = time(Some(began)).unwrap_or_default();
    TimelineShown { call_id: record.call.id.to_string(), created_at, turns: turns.collect(), events }
}
