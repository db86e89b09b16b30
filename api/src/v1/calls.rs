//! `/api/v1/calls`: places calls, tells what became of them, ends them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use serde_json::json;
use store::{CallId, CallRecord, PhoneNumber};

use super::V1;
use super::call::shown;
use super::fields::Fields;
use super::repeats::Wish;
use crate::problem::Problem;
use crate::{CallAction, CallWish, JoinPart, PlaceRefusal};

/// The longest address: a SIP URI of 64 for the user and a host name of 255 with a port and a parameter.
const ADDRESS_MAX: usize = 384;
/// The longest name of an assistant or a trunk.
const NAME_MAX: usize = 128;
/// Time that the node has for an answer.
pub(super) const GATE_TIME_MAX: Duration = Duration::from_secs(5);
/// When to come again to a node that is full.
const AGAIN_WHEN_FULL: &str = "5";
/// When to come again to a node that drains: another one has taken over by then.
const AGAIN_WHEN_DRAINING: &str = "60";

/// `POST /api/v1/calls`: 201 with the call, which is being dialled; where it is, is told in `Location`.
pub(super) async fn place(
    State(api): State<Arc<V1>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Response> {
    let given = body.as_ref().map_or_else(|_| Bytes::new(), Bytes::clone);
    let mut fields = Fields::read(&headers, body).map_err(Problem::into_response)?;
    let asked = CallWish {
        to: PhoneNumber::new(fields.required("to", ADDRESS_MAX)),
        from: fields.text("from", ADDRESS_MAX).map(PhoneNumber::new),
        assistant: fields.text("assistant_id", NAME_MAX),
        trunk: fields.text("trunk_id", NAME_MAX),
    };
    fields.finish().map_err(Problem::into_response)?;
    let wish = api.repeats.of(&headers, &given, Instant::now()).map_err(Problem::into_response)?;
    let id = place_once(&api, wish, asked).await.map_err(refused)?;
    let body = match find(&api, id).await {
        Ok(Some(record)) => shown(&record),
        // It is being placed all the same.
        Ok(None) | Err(_) => json!({ "id": id.to_string(), "status": "dialing" }),
    };
    let location = format!("/api/v1/calls/{id}");
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(body)).into_response())
}

/// Places the call of a wish unless it is placed, in a task of its own: a client that leaves meanwhile, and comes again, must not make
/// a second call.
async fn place_once(api: &Arc<V1>, wish: Arc<Wish>, asked: CallWish) -> Result<CallId, PlaceRefusal> {
    let gate = Arc::clone(&api.gate);
    let placing = tokio::spawn(async move {
        let place = async {
            let placed = tokio::time::timeout(GATE_TIME_MAX, gate.place_call(asked)).await;
            placed.unwrap_or(Err(PlaceRefusal::Failed))
        };
        wish.cell.get_or_try_init(|| place).await.copied()
    });
    placing.await.unwrap_or(Err(PlaceRefusal::Failed))
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
        PlaceRefusal::Failed => (StatusCode::INTERNAL_SERVER_ERROR, "the call could not be started", None),
    };
    let mut response = Problem::new(status, detail).into_response();
    if let Some(again) = again {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(again));
    }
    response
}

/// `GET /api/v1/calls/{id}`.
pub(super) async fn show(State(api): State<Arc<V1>>, Path(id): Path<String>) -> Result<Response, Problem> {
    let record = find(&api, known(&id)?).await?.ok_or_else(nowhere)?;
    Ok(Json(shown(&record)).into_response())
}

/// `POST /api/v1/calls/{id}/actions`: 202 with the call when it was told; 409 when it is over.
pub(super) async fn act(
    State(api): State<Arc<V1>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let mut fields = Fields::read(&headers, body)?;
    let action = read_action(&mut fields);
    fields.finish()?;
    let id = known(&id)?;
    // Without a mistake there is one.
    let told = tokio::time::timeout(GATE_TIME_MAX, api.gate.act(id, action.unwrap_or(CallAction::HangUp))).await;
    let record = find(&api, id).await?.ok_or_else(nowhere)?;
    match told {
        Ok(true) => Ok((StatusCode::ACCEPTED, Json(shown(&record))).into_response()),
        Ok(false) => Err(Problem::new(StatusCode::CONFLICT, "the call is over, or is another node's")),
        Err(_) => Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the node did not answer in time")),
    }
}

/// What is to be done; `None` after a mistake, which is noted.
fn read_action(fields: &mut Fields) -> Option<CallAction> {
    let action = fields.required("action", NAME_MAX);
    Some(match action.as_str() {
        "" => return None,
        "hangup" => CallAction::HangUp,
        "hold" => CallAction::Hold,
        "mute" => CallAction::Mute,
        "resume" => CallAction::Resume,
        "leave" => CallAction::Leave,
        "transfer" => CallAction::Transfer(CallWish {
            to: PhoneNumber::new(fields.required("to", ADDRESS_MAX)),
            from: fields.text("from", ADDRESS_MAX).map(PhoneNumber::new),
            assistant: None,
            trunk: fields.text("trunk_id", NAME_MAX),
        }),
        "join" => {
            let (with, part) = (fields.required("call_id", NAME_MAX), fields.text("part", NAME_MAX));
            let with: Option<CallId> = with.parse().ok();
            if with.is_none() {
                fields.refuse("call_id", "is not the id of a call");
            }
            let part = match part.as_deref() {
                None | Some("talks") => Some(JoinPart::Talks),
                Some("listens_in") => Some(JoinPart::ListensIn),
                Some("whispers") => Some(JoinPart::Whispers),
                Some(other) => {
                    fields.refuse("part", format!("{other:?} is not known; there are talks, listens_in and whispers"));
                    None
                }
            };
            CallAction::Join(with?, part?)
        }
        other => {
            let known = "hangup, hold, join, leave, mute, resume and transfer";
            fields.refuse("action", format!("{other:?} is not known; there are {known}"));
            return None;
        }
    })
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

pub(super) fn nowhere() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "there is no such call")
}
