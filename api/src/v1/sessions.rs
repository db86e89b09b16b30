//! `/api/v1/sessions`: conversations of browsers and programs. What is said in one is the call with the same id.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use platform::sessions::{MadeSession, SessionWish, make};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{CallId, OrganizationId, ResourceId, ResourceKind, Role, Session, Store, Turn, WallTime};
use utoipa::ToSchema;

use super::V1;
use super::access::Asked;
use super::body::Body;
use super::call::time;
use super::calls::{GATE_TIME_MAX, USAGE_LIMIT};
use super::lists::{Listed, Paged, Part};
use super::versions::{id, missing};
use crate::problem::Problem;
use crate::twilio::{Door, PublicUrl};
use crate::{CallAction, NoAssistant};

/// Longest metadata, as JSON.
const METADATA_MAX: usize = 16 * 1024;
/// When to come again with as many sessions as may be: some will have ended.
const AGAIN_S: u64 = 10;

/// A session.
#[derive(Serialize, ToSchema)]
pub(super) struct SessionShown {
    /// Its id, and that of its call once somebody has connected.
    id: String,
    /// created, active, ended, or expired: nobody connected in time.
    status: &'static str,
    /// Who talks, by name.
    assistant_id: String,
    /// As it was given.
    #[schema(value_type = Object)]
    metadata: Value,
    /// Where to connect, with `?token=` and the token.
    #[schema(example = "wss://voice.example.com/api/v1/sessions/0198.../ws")]
    websocket_url: String,
    /// Where a browser sends its offer, with the token; null: this server has no WebRTC.
    #[schema(example = "https://voice.example.com/api/v1/sessions/0198.../webrtc")]
    webrtc_url: Option<String>,
    /// Until when the token opens it.
    expires_at: String,
    /// Who made it.
    created_by: String,
    /// When it was made.
    created_at: String,
    /// When somebody connected.
    connected_at: Option<String>,
    /// When it ended.
    ended_at: Option<String>,
    /// Why.
    reason: Option<&'static str>,
}

/// A session with the token that opens it.
#[derive(Serialize, ToSchema)]
pub(super) struct SessionMade {
    /// What is shown of it from now on.
    #[serde(flatten)]
    shown: SessionShown,
    /// Opens one socket, or one call of a browser, within 15 minutes. It is not shown again.
    #[schema(example = "ohs_x7Qa...")]
    token: String,
}

/// A session to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SessionCreateWish {
    /// Who talks: its id, or the name of one of the file; none: the default assistant.
    #[schema(min_length = 1, max_length = 128, example = "demo")]
    assistant_id: Option<String>,
    /// What is kept with it: an object, 16 KiB of JSON at most.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Value>,
}

/// One message of a session.
#[derive(Serialize, ToSchema)]
pub(super) struct MessageShown {
    /// user or assistant.
    role: &'static str,
    /// What was said or typed; of the assistant, what was heard.
    content: String,
    /// When it began.
    timestamp: String,
}

/// The messages of a session.
#[derive(Serialize, ToSchema)]
pub(super) struct MessagesShown {
    /// In the order in which they were said.
    data: Vec<MessageShown>,
    /// Always null: all are told at once.
    next_cursor: Option<String>,
}

/// A message to a session.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MessageWish {
    /// Who says it: user.
    role: Option<SpeakerName>,
    /// What is typed.
    #[schema(min_length = 1, max_length = 4096)]
    content: String,
}

/// Who can be made to say something.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum SpeakerName {
    /// The person.
    User,
}

/// The address under which who asks sees us.
fn address(api: &V1, headers: &HeaderMap) -> Option<PublicUrl> {
    api.public_url.clone().or_else(|| PublicUrl::of_request(headers))
}

fn shown(api: &V1, session: Session, address: Option<&PublicUrl>, now: WallTime) -> SessionShown {
    let url = |door, end| {
        let path = format!("/api/v1/sessions/{}/{end}", session.id);
        address.map_or(path.clone(), |address| address.url(door, &path))
    };
    let (websocket_url, webrtc_url) = (url(Door::Stream, "ws"), url(Door::Webhook, "webrtc"));
    SessionShown {
        id: session.id.to_string(),
        status: session.status(now).as_str(),
        assistant_id: session.assistant,
        metadata: session.metadata,
        websocket_url,
        webrtc_url: api.gate.has_webrtc().then_some(webrtc_url),
        expires_at: session.token_expires_at.to_string(),
        created_by: session.created_by,
        created_at: session.created_at.to_string(),
        connected_at: time(session.connected_at),
        ended_at: time(session.ended_at),
        reason: session.cause.map(|cause| cause.as_str()),
    }
}

/// Makes a session, and shows its token this once.
#[utoipa::path(post, path = "/api/v1/sessions", tag = "sessions", request_body = SessionCreateWish,
    responses((status = 201, body = SessionMade), (status = 402), (status = 422), (status = 429)))]
pub(super) async fn create(
    State(api): State<Arc<V1>>,
    asked: Asked,
    headers: HeaderMap,
    Body(wish): Body<SessionCreateWish>,
) -> Result<Response, Problem> {
    let metadata = wish.metadata.unwrap_or_else(|| Value::Object(serde_json::Map::new()));
    if metadata.to_string().len() > METADATA_MAX {
        return Err(Problem::field("metadata", format!("has more than {METADATA_MAX} bytes of JSON")));
    }
    let organization = &asked.principal.organization;
    if api.billing.as_ref().is_some_and(|billing| billing.is_over_limit(organization)) {
        return Err(Problem::new(StatusCode::PAYMENT_REQUIRED, USAGE_LIMIT));
    }
    let wanted = match wish.assistant_id {
        Some(wanted) => Some(assistant_named(api.people()?.store(), organization, wanted).await?),
        None => None,
    };
    let assistant = api.gate.assistant(organization, wanted.as_deref());
    let assistant = assistant.map_err(|NoAssistant(reason)| Problem::field("assistant_id", reason))?;
    let wish = SessionWish { assistant, metadata, open_max: api.sessions_per_organization };
    let Some(MadeSession { session, token }) = make(api.people()?.store(), organization, wish, &asked.act()).await? else {
        let detail = "the organization has as many sessions open as it may";
        return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, detail).again_after(AGAIN_S));
    };
    let location = [(header::LOCATION, format!("/api/v1/sessions/{}", session.id))];
    let shown = shown(&api, session, address(&api, &headers).as_ref(), asked.at);
    let made = SessionMade { shown, token: token.expose().to_owned() };
    Ok((StatusCode::CREATED, location, Json(made)).into_response())
}

/// What the node calls an assistant: the id of a row of the database, whose name others may have too; the file's by their names.
async fn assistant_named(store: &Store, organization: &OrganizationId, wanted: String) -> Result<String, Problem> {
    let Ok(row) = wanted.parse::<ResourceId>() else { return Ok(wanted) };
    let row = store.resource(organization, ResourceKind::Assistant, row).await?;
    row.map(|row| row.id.to_string()).ok_or_else(|| Problem::field("assistant_id", "there is no such assistant"))
}

/// Lists the sessions of the organization.
#[utoipa::path(get, path = "/api/v1/sessions", tag = "sessions", params(Part),
    responses((status = 200, body = Listed<SessionShown>), (status = 422)))]
pub(super) async fn list(
    State(api): State<Arc<V1>>,
    asked: Asked,
    headers: HeaderMap,
    Paged(page): Paged,
) -> Result<Json<Listed<SessionShown>>, Problem> {
    let rows = api.people()?.store().sessions(&asked.principal.organization, &page).await?;
    let address = address(&api, &headers);
    Ok(Json(Listed::of(rows, &page, |row| row.id.to_string(), |row| shown(&api, row, address.as_ref(), asked.at))))
}

/// Tells of a session.
#[utoipa::path(get, path = "/api/v1/sessions/{id}", tag = "sessions", params(("id" = String, Path)),
    responses((status = 200, body = SessionShown), (status = 404)))]
pub(super) async fn show(
    State(api): State<Arc<V1>>,
    asked: Asked,
    headers: HeaderMap,
    Path(session): Path<String>,
) -> Result<Json<SessionShown>, Problem> {
    let session = find(&api, &asked, &session).await?;
    Ok(Json(shown(&api, session, address(&api, &headers).as_ref(), asked.at)))
}

/// Ends a session, and hangs up whoever is connected.
#[utoipa::path(delete, path = "/api/v1/sessions/{id}", tag = "sessions", params(("id" = String, Path)),
    responses((status = 204), (status = 404)))]
pub(super) async fn delete(State(api): State<Arc<V1>>, asked: Asked, Path(session): Path<String>) -> Result<StatusCode, Problem> {
    let session = find(&api, &asked, &session).await?;
    let ended = api.people()?.store().end_session(&asked.principal.organization, session.id, &asked.act()).await?;
    if !ended {
        return Err(missing());
    }
    // Whoever connected meanwhile too; one that ends by itself meanwhile is over as well.
    let _ended_already = tokio::time::timeout(GATE_TIME_MAX, api.gate.act(session.id, CallAction::HangUp)).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Tells what was said and typed in a session so far.
#[utoipa::path(get, path = "/api/v1/sessions/{id}/messages", tag = "sessions", params(("id" = String, Path)),
    responses((status = 200, body = MessagesShown), (status = 404)))]
pub(super) async fn messages(
    State(api): State<Arc<V1>>,
    asked: Asked,
    Path(session): Path<String>,
) -> Result<Json<MessagesShown>, Problem> {
    let session = find(&api, &asked, &session).await?;
    let turns = api.people()?.store().turns(session.id).await?;
    Ok(Json(MessagesShown { data: turns.into_iter().map(message).collect(), next_cursor: None }))
}

fn message(turn: Turn) -> MessageShown {
    let role = match turn.role {
        Role::Agent => "assistant",
        Role::Caller => "user",
    };
    MessageShown { role, content: turn.text.reveal().to_owned(), timestamp: turn.started_at.to_string() }
}

/// Types into a session that somebody is connected to. The answer comes over its socket, and is told among the messages once it was heard.
#[utoipa::path(post, path = "/api/v1/sessions/{id}/messages", tag = "sessions", params(("id" = String, Path)),
    request_body = MessageWish, responses((status = 202, body = MessageShown), (status = 404), (status = 409), (status = 422)))]
pub(super) async fn say(
    State(api): State<Arc<V1>>,
    asked: Asked,
    Path(session): Path<String>,
    Body(MessageWish { role, content }): Body<MessageWish>,
) -> Result<Response, Problem> {
    let SpeakerName::User = role.unwrap_or(SpeakerName::User);
    let session = find(&api, &asked, &session).await?;
    if content.trim().is_empty() {
        return Err(Problem::field("content", "must not be empty"));
    }
    let typed = tokio::time::timeout(GATE_TIME_MAX, api.gate.type_into(session.id, content.clone())).await;
    if !typed.map_err(|_| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the node did not answer in time"))? {
        return Err(Problem::new(StatusCode::CONFLICT, "nobody is connected to this session here"));
    }
    let said = MessageShown { role: "user", content, timestamp: asked.at.to_string() };
    Ok((StatusCode::ACCEPTED, Json(said)).into_response())
}

async fn find(api: &V1, asked: &Asked, session: &str) -> Result<Session, Problem> {
    let session: CallId = id(session)?;
    api.people()?.store().session(&asked.principal.organization, session).await?.ok_or_else(missing)
}
