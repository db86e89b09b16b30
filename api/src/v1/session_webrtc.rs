//! `/api/v1/sessions/{id}/webrtc`: a browser's offer, and our answer. Whose the session is, is checked here; what is agreed on, by the node.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use platform::people::Permission;
use platform::sessions::shown_by;
use serde::Deserialize;
use store::{CallId, Session, SessionStatus, WallTime};
use tokio::time::timeout;
use utoipa::IntoParams;

use super::V1;
use super::access::{bearer, who};
use super::calls::GATE_TIME_MAX;
use super::session_socket::{refused, start_of};
use super::versions::missing;
use crate::problem::Problem;
use crate::session_io::{SessionRefusal, WebRtcRefusal};

/// Bytes of an offer: ten times that of a browser with all its addresses.
pub(super) const OFFER_BYTES_MAX: usize = 16 * 1024;
/// What offers and answers are.
const SDP: &str = "application/sdp";

/// How a page shows the session's token, where it has no header for it.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code)]
pub(super) struct TokenPart {
    /// The session's; or `Authorization: Bearer ohs_...`, or a key that may write sessions.
    token: Option<String>,
}

/// The offer of a request whose sender is known.
async fn offer_of(request: Request) -> Result<Vec<u8>, Problem> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let is_sdp = kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(SDP);
    let bytes = Bytes::from_request(request, &()).await;
    let bytes = bytes.map_err(|error| Problem::new(error.status(), error.body_text()))?;
    if !is_sdp {
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("the body must be {SDP}")));
    }
    if bytes.len() > OFFER_BYTES_MAX {
        let detail = format!("sdp: {} bytes are more than {OFFER_BYTES_MAX}", bytes.len());
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail));
    }
    Ok(bytes.to_vec())
}

/// Begins the session's call with a browser's offer (docs/webrtc.md).
#[utoipa::path(post, path = "/api/v1/sessions/{id}/webrtc", tag = "sessions", params(("id" = String, Path), TokenPart),
    request_body(content = String, content_type = "application/sdp", example = "v=0\r\n..."),
    responses((status = 201, body = String, content_type = "application/sdp", headers(("Location" = String))), (status = 401),
        (status = 404), (status = 409), (status = 413), (status = 415), (status = 422), (status = 503)))]
pub(super) async fn offer(
    State(api): State<Arc<V1>>,
    Path(id): Path<String>,
    Query(given): Query<HashMap<String, String>>,
    request: Request,
) -> Result<Response, Problem> {
    let session = find(&api, &id, &given, request.headers()).await?;
    let offer = offer_of(request).await?;
    let conflict = |detail: &str| Err(Problem::new(StatusCode::CONFLICT, detail));
    let now = WallTime::now();
    match session.status(now) {
        SessionStatus::Created => {}
        SessionStatus::Active => return conflict("the session has a leg already: an offer for that is a PATCH"),
        SessionStatus::Ended => return conflict("the session is over"),
        SessionStatus::Expired => return conflict("nobody connected to the session in time"),
    }
    let store = api.people()?.store();
    if !store.connect_session(&session.organization, session.id, now).await? {
        return conflict("the session has a leg already: an offer for that is a PATCH");
    }
    let opened = timeout(GATE_TIME_MAX, api.gate.open_webrtc(start_of(&session), offer)).await;
    let answer = match opened.unwrap_or(Err(WebRtcRefusal::Session(SessionRefusal::Failed))) {
        Ok(answer) => answer,
        Err(refusal) => {
            if let Err(error) = store.disconnect_session(&session.organization, session.id, WallTime::now()).await {
                tracing::warn!(session = %session.id, %error, "a session that was refused cannot be opened again");
            }
            return Err(problem(refusal));
        }
    };
    let location = format!("/api/v1/sessions/{}/webrtc", session.id);
    let told = [(header::CONTENT_TYPE, SDP.to_owned()), (header::LOCATION, location)];
    Ok((StatusCode::CREATED, told, answer).into_response())
}

/// Takes another offer of the browser: after a change of networks (a restart of ICE), to hold, or to take back.
#[utoipa::path(patch, path = "/api/v1/sessions/{id}/webrtc", tag = "sessions", params(("id" = String, Path), TokenPart),
    request_body(content = String, content_type = "application/sdp", example = "v=0\r\n..."),
    responses((status = 200, body = String, content_type = "application/sdp"), (status = 401), (status = 404), (status = 409),
        (status = 413), (status = 415), (status = 422)))]
pub(super) async fn offer_again(
    State(api): State<Arc<V1>>,
    Path(id): Path<String>,
    Query(given): Query<HashMap<String, String>>,
    request: Request,
) -> Result<Response, Problem> {
    let session = find(&api, &id, &given, request.headers()).await?;
    let offer = offer_of(request).await?;
    let answered = timeout(GATE_TIME_MAX, api.gate.offer_again(session.id, offer)).await;
    match answered.unwrap_or(None) {
        Some(Ok(answer)) => Ok(([(header::CONTENT_TYPE, SDP)], answer).into_response()),
        Some(Err(reason)) => Err(Problem::field("sdp", reason)),
        None => Err(Problem::new(StatusCode::CONFLICT, "no browser is connected to this session here")),
    }
}

/// Ends the session's call, as hanging up does.
#[utoipa::path(delete, path = "/api/v1/sessions/{id}/webrtc", tag = "sessions", params(("id" = String, Path), TokenPart),
    responses((status = 204), (status = 401), (status = 404), (status = 409)))]
pub(super) async fn leave(
    State(api): State<Arc<V1>>,
    Path(id): Path<String>,
    Query(given): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let session = find(&api, &id, &given, &headers).await?;
    let left = timeout(GATE_TIME_MAX, api.gate.leave(session.id)).await;
    if !left.unwrap_or(false) {
        return Err(Problem::new(StatusCode::CONFLICT, "nobody is connected to this session here"));
    }
    Ok(StatusCode::NO_CONTENT)
}

/// The session, for who shows its token, or a token or key of a user who may write sessions.
async fn find(api: &V1, id: &str, given: &HashMap<String, String>, headers: &HeaderMap) -> Result<Session, Problem> {
    let id = id.parse::<CallId>();
    let token = given.get("token").map(String::as_str).or_else(|| bearer(headers).filter(|token| token.starts_with("ohs_")));
    if let Some(token) = token {
        let session = match id {
            Ok(id) => shown_by(api.people()?.store(), id, token).await?,
            Err(_) => None,
        };
        return session.ok_or_else(|| {
            metrics::counter!("offhook_calls_rejected_total", "reason" => "bad_token").increment(1);
            Problem::new(StatusCode::UNAUTHORIZED, "the token is not this session's")
        });
    }
    let principal = who(api, headers).await?;
    api.limits.actor(&principal)?;
    if !principal.may(Permission::WriteSessions) {
        let detail = format!("without the session's token {} must be allowed", Permission::WriteSessions.as_str());
        return Err(Problem::new(StatusCode::FORBIDDEN, detail));
    }
    let id = id.map_err(|_| missing())?;
    api.people()?.store().session(&principal.organization, id).await?.ok_or_else(missing)
}

fn problem(refusal: WebRtcRefusal) -> Problem {
    match refusal {
        WebRtcRefusal::Offer(reason) => Problem::field("sdp", reason),
        WebRtcRefusal::Off => Problem::new(StatusCode::CONFLICT, "this server has no WebRTC: webrtc.listen is empty"),
        WebRtcRefusal::Session(refusal) => refused(refusal),
    }
}
