//! `/api/v1/memories`: what is remembered of callers.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use store::{Caller, MEMORY_BYTES_MAX, Memory, PhoneNumber, Transcript};
use utoipa::ToSchema;

use super::V1;
use super::access::Asked;
use super::body::Body;
use super::lists::{Listed, Part, page};
use super::versions::{IfMatch, changed, id, missing, versioned};
use crate::problem::Problem;

/// Something that is remembered of a caller.
#[derive(Serialize, ToSchema)]
#[schema(as = Memory)]
pub(super) struct MemoryShown {
    /// The id.
    id: String,
    /// Whom it is about: the number without +, or the SIP user.
    #[schema(example = "4930555001")]
    caller: String,
    /// What.
    text: String,
    /// The call it was first learned in.
    call_id: String,
    /// The assistant of that call.
    assistant: String,
    /// How it was come by: analysis, or tool.
    source: String,
    /// When it was first learned.
    created_at: String,
    /// When it was learned, or put right, last.
    confirmed_at: String,
    /// Until when it is kept.
    expires_at: String,
}

/// What is to be changed of a memory.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MemoryPatch {
    /// What is true.
    #[schema(min_length = 1, max_length = 500)]
    text: String,
}

impl From<Memory> for MemoryShown {
    fn from(memory: Memory) -> Self {
        Self {
            id: memory.id.to_string(),
            caller: memory.caller.reveal().to_owned(),
            text: memory.text.reveal().to_owned(),
            call_id: memory.call.to_string(),
            assistant: memory.assistant,
            source: memory.source.to_string(),
            created_at: memory.created_at.to_string(),
            confirmed_at: memory.confirmed_at.to_string(),
            expires_at: memory.expires_at.to_string(),
        }
    }
}

/// Lists what the organization remembers, of one caller or of all.
#[utoipa::path(get, path = "/api/v1/memories", tag = "memories",
    params(Part, ("caller" = Option<String>, Query, description = "Only of this number or SIP user")),
    responses((status = 200, body = Listed<MemoryShown>), (status = 422)))]
pub(super) async fn list(
    State(api): State<Arc<V1>>,
    asked: Asked,
    Query(mut given): Query<HashMap<String, String>>,
) -> Result<Json<Listed<MemoryShown>>, Problem> {
    let mut wrong = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "the list cannot be asked for like this");
    let page = page(&mut given, &mut wrong);
    let caller = given.remove("caller").map(|number| Caller::of(&PhoneNumber::new(number)));
    if caller == Some(None) {
        wrong.add("caller", "is no number and no SIP user");
    }
    for name in given.keys() {
        wrong.add(name, "is not known; there are limit, cursor, caller");
    }
    if wrong.has_fields() {
        return Err(wrong);
    }
    let caller = caller.flatten();
    let store = api.people()?.store();
    let rows = store.list_memories(&asked.principal.organization, caller.as_ref(), asked.at, &page).await?;
    Ok(Json(Listed::of(rows, &page, |row| row.id.to_string(), MemoryShown::from)))
}

/// Tells of a memory.
#[utoipa::path(get, path = "/api/v1/memories/{id}", tag = "memories", params(("id" = String, Path)),
    responses((status = 200, body = MemoryShown), (status = 404)))]
pub(super) async fn show(State(api): State<Arc<V1>>, asked: Asked, Path(memory): Path<String>) -> Result<Response, Problem> {
    let memory = api.people()?.store().memory(&asked.principal.organization, id(&memory)?).await?.ok_or_else(missing)?;
    Ok(versioned(StatusCode::OK, memory.version, MemoryShown::from(memory)))
}

/// Puts a memory right.
#[utoipa::path(patch, path = "/api/v1/memories/{id}", tag = "memories",
    params(("id" = String, Path), ("If-Match" = Option<String>, Header)), request_body = MemoryPatch,
    responses((status = 200, body = MemoryShown), (status = 404), (status = 409), (status = 412), (status = 422)))]
pub(super) async fn change(
    State(api): State<Arc<V1>>,
    asked: Asked,
    IfMatch(version): IfMatch,
    Path(memory): Path<String>,
    Body(patch): Body<MemoryPatch>,
) -> Result<Response, Problem> {
    let words = patch.text.trim();
    if words.is_empty() || words.len() > MEMORY_BYTES_MAX {
        return Err(Problem::field("text", format!("must have 1 to {MEMORY_BYTES_MAX} bytes")));
    }
    let (store, words) = (api.people()?.store(), Transcript::new(words));
    let memory = store.change_memory(&asked.principal.organization, id(&memory)?, version, &words, &asked.act()).await?;
    let memory = changed(memory)?;
    Ok(versioned(StatusCode::OK, memory.version, MemoryShown::from(memory)))
}

/// Deletes a memory. A later call may teach it again.
#[utoipa::path(delete, path = "/api/v1/memories/{id}", tag = "memories",
    params(("id" = String, Path), ("If-Match" = Option<String>, Header)), responses((status = 204), (status = 404), (status = 412)))]
pub(super) async fn delete(
    State(api): State<Arc<V1>>,
    asked: Asked,
    IfMatch(version): IfMatch,
    Path(memory): Path<String>,
) -> Result<StatusCode, Problem> {
    let store = api.people()?.store();
    changed(store.delete_memory(&asked.principal.organization, id(&memory)?, version, &asked.act()).await?)?;
    Ok(StatusCode::NO_CONTENT)
}
