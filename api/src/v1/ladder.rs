//! `/api/v1/calls/{id}/sip` and `/pcap`: the SIP messages of a call that is over, without keys, passwords and digits.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use store::{SipLadder, SipMessage};

use super::V1;
use super::access::Asked;
use super::calls::{GATE_TIME_MAX, known, own};
use crate::problem::Problem;

/// The SIP messages of a call that is over, in order, each with its first line apart.
#[utoipa::path(get, path = "/api/v1/calls/{id}/sip", tag = "calls", params(("id" = String, Path)),
    responses((status = 200, body = Object), (status = 404)))]
pub(super) async fn show(State(api): State<Arc<V1>>, asked: Asked, Path(id): Path<String>) -> Result<Response, Problem> {
    let ladder = ladder(&api, &asked, &id).await?;
    let data: Vec<Value> = ladder.messages.iter().map(shown).collect();
    let body = json!({ "call_id": ladder.external_id, "data": data, "left_out": ladder.left_out, "next_cursor": null });
    Ok(Json(body).into_response())
}

/// The same for Wireshark.
#[utoipa::path(get, path = "/api/v1/calls/{id}/pcap", tag = "calls", params(("id" = String, Path)),
    responses((status = 200, content_type = "application/vnd.tcpdump.pcap"), (status = 404)))]
pub(super) async fn capture(State(api): State<Arc<V1>>, asked: Asked, Path(id): Path<String>) -> Result<Response, Problem> {
    let ladder = ladder(&api, &asked, &id).await?;
    let name = format!("attachment; filename=\"{}.pcap\"", known(&id)?);
    let headers = [(header::CONTENT_TYPE, "application/vnd.tcpdump.pcap".to_owned()), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, api.gate.capture_of(&ladder)).into_response())
}

async fn ladder(api: &V1, asked: &Asked, id: &str) -> Result<SipLadder, Problem> {
    let record = own(api, asked, known(id)?).await?;
    let found = tokio::time::timeout(GATE_TIME_MAX, api.gate.find_ladder(&record)).await;
    let away = || Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the records cannot be read now");
    let kept = found.map_err(|_| away())?.map_err(|_| away())?;
    kept.ok_or_else(|| {
        let why = "no SIP messages of this call are kept: it goes on, was not over SIP, or telemetry.sip_ladders is false";
        Problem::new(StatusCode::NOT_FOUND, why)
    })
}

fn shown(message: &SipMessage) -> Value {
    let SipMessage { at, sent, transport, local, remote, text } = message;
    let (from, to) = if *sent { (local, remote) } else { (remote, local) };
    json!({
        "at": at.to_string(),
        "direction": if *sent { "sent" } else { "received" },
        "transport": transport,
        "from": from,
        "to": to,
        "summary": text.lines().next().unwrap_or_default(),
        "text": text,
    })
}
