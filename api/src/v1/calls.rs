//! `/api/v1/calls`: places calls, tells what became of them, ends them.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::json;
use store::{CallId, CallRecord, PhoneNumber, ResourceId, ResourceKind};
use utoipa::ToSchema;

use super::V1;
use super::access::Asked;
use super::body::Body;
use super::call::{Beside, CallShown, CallWhole, shown, whole};
use super::call_actions::CallActionWish;
use super::call_filter::{CallsAsked, CallsPart};
use super::lists::Listed;
use crate::problem::Problem;
use crate::{CallAction, CallWish, OnMachine, PlaceRefusal};

/// Time that the node has for an answer.
pub(super) const GATE_TIME_MAX: Duration = Duration::from_secs(5);
/// When to come again to a node that is full.
const AGAIN_WHEN_FULL: &str = "5";
/// When to come again to a node that drains: another one has taken over by then.
const AGAIN_WHEN_DRAINING: &str = "60";
/// Why an organization that has used what it may has no new call or session.
pub(super) const USAGE_LIMIT: &str = "the usage of this month is at its hard limit: see /api/v1/subscription";

/// A call to be placed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CallPlaceWish {
    /// Whom to call: a number, or a SIP URI that sip.direct_calls allows.
    #[schema(min_length = 1, max_length = 384, example = "+4930123456")]
    to: String,
    /// Who calls.
    #[schema(min_length = 1, max_length = 384)]
    from: Option<String>,
    /// The assistant that talks; none: the default one.
    #[schema(min_length = 1, max_length = 128, example = "demo")]
    assistant_id: Option<String>,
    /// The trunk that carries it; none: as the node finds.
    #[schema(min_length = 1, max_length = 128)]
    trunk_id: Option<String>,
    /// Listens to who or what picks up before the agent begins; none: the agent begins at once.
    machine_detection: Option<MachineDetection>,
}

/// What is done when a machine answers.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct MachineDetection {
    /// hang_up; leave_message: the message is said after its beep, and the call ends; report: it is noted, and the agent talks.
    action: MachineActionName,
    /// What is said, of leave_message.
    #[schema(min_length = 1, max_length = 1500)]
    message: Option<String>,
}

/// What is done when a machine answers.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum MachineActionName {
    /// The call ends.
    HangUp,
    /// A message is left.
    LeaveMessage,
    /// It is noted.
    Report,
}

impl MachineDetection {
    fn wanted(self) -> Result<OnMachine, Problem> {
        match (self.action, self.message) {
            (MachineActionName::HangUp, None) => Ok(OnMachine::HangUp),
            (MachineActionName::Report, None) => Ok(OnMachine::Tell),
            (MachineActionName::LeaveMessage, Some(message)) => Ok(OnMachine::Say(message)),
            (MachineActionName::LeaveMessage, None) => Err(Problem::field("machine_detection.message", "is missing")),
            (_, Some(_)) => Err(Problem::field("machine_detection.message", "is of the action leave_message alone")),
        }
    }
}

/// Places a call. It is being dialled then; where it is, is told in `Location`.
#[utoipa::path(post, path = "/api/v1/calls", tag = "calls", request_body = CallPlaceWish,
    responses((status = 201, body = CallShown), (status = 402), (status = 422), (status = 503)))]
pub(super) async fn place(
    State(api): State<Arc<V1>>,
    asked: Asked,
    Body(wish): Body<CallPlaceWish>,
) -> Result<Response, Response> {
    may_dial(&asked).map_err(Problem::into_response)?;
    let trunk = trunk_named(&api, &asked, wish.trunk_id).await.map_err(Problem::into_response)?;
    let on_machine = wish.machine_detection.map(MachineDetection::wanted).transpose().map_err(Problem::into_response)?;
    let (to, from) = (PhoneNumber::new(wish.to), wish.from.map(PhoneNumber::new));
    let wish = CallWish { to, from, assistant: wish.assistant_id, trunk, on_machine };
    let placed = tokio::time::timeout(GATE_TIME_MAX, api.gate.place_call(wish)).await;
    let id = placed.unwrap_or(Err(PlaceRefusal::Failed)).map_err(refused)?;
    let location = [(header::LOCATION, format!("/api/v1/calls/{id}"))];
    Ok(match find(&api, id).await {
        Ok(Some(record)) => (StatusCode::CREATED, location, Json(shown(&record))).into_response(),
        // It is being placed all the same.
        Ok(None) | Err(_) => {
            let body = json!({ "id": id.to_string(), "status": "dialing" });
            (StatusCode::CREATED, location, Json(body)).into_response()
        }
    })
}

fn refused(refusal: PlaceRefusal) -> Response {
    let (status, detail, again) = match refusal {
        PlaceRefusal::Field { field, reason } => {
            let mut problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "the call cannot be placed as it was asked for");
            problem.add(field, reason);
            return problem.into_response();
        }
        PlaceRefusal::Trunk { reason, retry_after } => {
            let mut response = Problem::new(StatusCode::SERVICE_UNAVAILABLE, reason).into_response();
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(retry_after.as_secs()));
            return response;
        }
        PlaceRefusal::AtCapacity => {
            let detail = "the node has as many calls as it takes, or no CPU time for more";
            (StatusCode::SERVICE_UNAVAILABLE, detail, Some(AGAIN_WHEN_FULL))
        }
        PlaceRefusal::Draining => {
            (StatusCode::SERVICE_UNAVAILABLE, "the node is being stopped and takes no new calls", Some(AGAIN_WHEN_DRAINING))
        }
        PlaceRefusal::UsageLimit => (StatusCode::PAYMENT_REQUIRED, USAGE_LIMIT, None),
        PlaceRefusal::Failed => (StatusCode::INTERNAL_SERVER_ERROR, "the call could not be started", None),
    };
    let mut response = Problem::new(status, detail).into_response();
    if let Some(again) = again {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(again));
    }
    response
}

/// Lists the calls of the organization.
#[utoipa::path(get, path = "/api/v1/calls", tag = "calls", params(CallsPart),
    responses((status = 200, body = Listed<CallShown>), (status = 422)))]
pub(super) async fn list(
    State(api): State<Arc<V1>>,
    asked: Asked,
    CallsAsked { page, filter }: CallsAsked,
) -> Result<Json<Listed<CallShown>>, Problem> {
    let rows = api.people()?.store().calls_of(&asked.principal.organization, &filter, &page).await?;
    Ok(Json(Listed::of(rows, &page, |record| record.call.id.to_string(), |record| shown(&record))))
}

/// Tells all of a call.
#[utoipa::path(get, path = "/api/v1/calls/{id}", tag = "calls", params(("id" = String, Path)),
    responses((status = 200, body = CallWhole), (status = 404)))]
pub(super) async fn show(State(api): State<Arc<V1>>, asked: Asked, Path(id): Path<String>) -> Result<Json<CallWhole>, Problem> {
    let record = own(&api, &asked, known(&id)?).await?;
    let id = record.call.id;
    let beside = match &api.people {
        Some(people) => {
            let store = people.store();
            let turns = Some(store.count_turns(id).await?);
            Beside { turns, recordings: store.recordings(id).await?, analysis: store.analysis(id).await? }
        }
        None => Beside::default(),
    };
    Ok(Json(whole(&record, beside)))
}

/// Tells a call what to do: 202 when it was told, 409 when it is over.
#[utoipa::path(post, path = "/api/v1/calls/{id}/actions", tag = "calls", params(("id" = String, Path)), request_body = CallActionWish,
    responses((status = 202, body = CallShown), (status = 404), (status = 409), (status = 422)))]
pub(super) async fn act(
    State(api): State<Arc<V1>>,
    asked: Asked,
    Path(id): Path<String>,
    Body(wish): Body<CallActionWish>,
) -> Result<Response, Problem> {
    let mut action = wish.read()?;
    let id = own(&api, &asked, known(&id)?).await?.call.id;
    match &mut action {
        CallAction::Join(other, _) => {
            let other = own(&api, &asked, *other).await;
            other.map_err(|_| Problem::field("call_id", "is not the id of a call of this organization"))?;
        }
        CallAction::Transfer(wish) => {
            may_dial(&asked)?;
            wish.trunk = trunk_named(&api, &asked, wish.trunk.take()).await?;
        }
        _ => {}
    }
    let told = tokio::time::timeout(GATE_TIME_MAX, api.gate.act(id, action)).await;
    let record = find(&api, id).await?.ok_or_else(nowhere)?;
    match told {
        Ok(true) => Ok((StatusCode::ACCEPTED, Json(shown(&record))).into_response()),
        Ok(false) => Err(Problem::new(StatusCode::CONFLICT, "the call is over, or is another node's")),
        Err(_) => Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the node did not answer in time")),
    }
}

pub(super) async fn find(api: &V1, id: CallId) -> Result<Option<CallRecord>, Problem> {
    let found = tokio::time::timeout(GATE_TIME_MAX, api.gate.find_call(id)).await;
    let away = |_| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the records cannot be read now");
    found.map_err(|_| ()).and_then(|found| found.map_err(|_| ())).map_err(away)
}

/// The id in a path; what is none names nothing.
pub(super) fn known(id: &str) -> Result<CallId, Problem> {
    id.parse().map_err(|_| nowhere())
}

/// The record of a call of whoever asks: those of others are not there.
pub(super) async fn own(api: &V1, asked: &Asked, id: CallId) -> Result<CallRecord, Problem> {
    let record = find(api, id).await?;
    record.filter(|record| record.call.organization == asked.principal.organization).ok_or_else(nowhere)
}

/// What the node calls a trunk: the name of a row of the database; the file calls its own by their names already.
pub(super) async fn trunk_named(api: &V1, asked: &Asked, id: Option<String>) -> Result<Option<String>, Problem> {
    let (Some(id), Some(people)) = (&id, &api.people) else { return Ok(id) };
    let Ok(row) = id.parse::<ResourceId>() else { return Ok(Some(id.clone())) };
    let row = people.store().resource(&asked.principal.organization, ResourceKind::Trunk, row).await?;
    row.map(|row| Some(row.name)).ok_or_else(|| Problem::field("trunk_id", "there is no such trunk"))
}

/// Calls of ours go over trunks, which are the operator's, and cost the operator's money.
pub(super) fn may_dial(asked: &Asked) -> Result<(), Problem> {
    match asked.principal.organization.is_operator() {
        true => Ok(()),
        false => {
            Err(Problem::new(StatusCode::FORBIDDEN, "calls are placed by the operator's organization, whose the trunks are"))
        }
    }
}

pub(super) fn nowhere() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "there is no such call")
}
