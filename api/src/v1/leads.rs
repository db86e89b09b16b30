//! `/api/v1/leads`: callers whom the analysis of a call has scored.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use store::{Caller, LEAD_NOTES_BYTES_MAX, Lead, LeadChange, LeadStatus, OrganizationId, Transcript, UserId};
use utoipa::ToSchema;

use super::V1;
use super::access::Asked;
use super::body::Body;
use super::lists::{Listed, Part, page};
use super::versions::{IfMatch, changed, id, missing, versioned};
use crate::problem::Problem;

/// How far somebody is with a lead.
#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = LeadStatus)]
pub(super) enum StatusShown {
    /// Nobody has looked at it.
    New,
    /// Somebody has been in touch.
    Contacted,
    /// It is what it seemed.
    Qualified,
    /// A customer.
    Won,
    /// Nothing came of it.
    Lost,
}

impl From<LeadStatus> for StatusShown {
    fn from(status: LeadStatus) -> Self {
        match status {
            LeadStatus::New => Self::New,
            LeadStatus::Contacted => Self::Contacted,
            LeadStatus::Qualified => Self::Qualified,
            LeadStatus::Won => Self::Won,
            LeadStatus::Lost => Self::Lost,
        }
    }
}

impl From<StatusShown> for LeadStatus {
    fn from(status: StatusShown) -> Self {
        match status {
            StatusShown::New => Self::New,
            StatusShown::Contacted => Self::Contacted,
            StatusShown::Qualified => Self::Qualified,
            StatusShown::Won => Self::Won,
            StatusShown::Lost => Self::Lost,
        }
    }
}

/// A caller whom an analysis has scored.
#[derive(Serialize, ToSchema)]
#[schema(as = Lead)]
pub(super) struct LeadShown {
    /// The id, which is the call's.
    id: String,
    /// Who called, or was called: the number without +, or the SIP user; null: it was withheld.
    #[schema(example = "4930555001")]
    caller: Option<String>,
    /// Who talked with them.
    assistant: String,
    /// 0 to 100.
    score: u8,
    /// Why.
    reasons: Vec<String>,
    /// How far somebody is with it.
    status: StatusShown,
    /// What people have noted.
    notes: String,
    /// The user who looks after it.
    owner: Option<String>,
    /// When it was scored.
    created_at: String,
    /// When it was changed last.
    updated_at: String,
}

/// What is to be changed of a lead.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LeadPatch {
    /// How far somebody is with it.
    status: Option<StatusShown>,
    /// What people have noted.
    #[schema(max_length = 8192)]
    notes: Option<String>,
    /// The id of the user who looks after it; "": nobody.
    #[schema(max_length = 36)]
    owner: Option<String>,
}

impl From<Lead> for LeadShown {
    fn from(lead: Lead) -> Self {
        Self {
            id: lead.call.to_string(),
            caller: lead.caller.as_ref().map(|caller| Caller::reveal(caller).to_owned()),
            assistant: lead.assistant,
            score: lead.score,
            reasons: lead.reasons.iter().map(|reason| reason.reveal().to_owned()).collect(),
            status: lead.status.into(),
            notes: lead.notes.reveal().to_owned(),
            owner: lead.owner.map(|owner| owner.to_string()),
            created_at: lead.created_at.to_string(),
            updated_at: lead.updated_at.to_string(),
        }
    }
}

/// Lists the leads of the organization.
#[utoipa::path(get, path = "/api/v1/leads", tag = "leads",
    params(Part, ("status" = Option<StatusShown>, Query, description = "Only those with it"),
        ("min_score" = Option<u8>, Query, description = "Only those with at least so much, 0 to 100")),
    responses((status = 200, body = Listed<LeadShown>), (status = 422)))]
pub(super) async fn list(
    State(api): State<Arc<V1>>,
    asked: Asked,
    Query(mut given): Query<HashMap<String, String>>,
) -> Result<Json<Listed<LeadShown>>, Problem> {
    let mut wrong = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "the list cannot be asked for like this");
    let page = page(&mut given, &mut wrong);
    let status = given.remove("status").map(|status| status.parse::<LeadStatus>());
    if let Some(Err(_)) = status {
        let known: Vec<_> = LeadStatus::ALL.iter().map(|status| status.as_str()).collect();
        wrong.add("status", format!("is not one of {}", known.join(", ")));
    }
    let score = given.remove("min_score").map_or(Some(0), |score| score.parse().ok().filter(|score| *score <= 100));
    if score.is_none() {
        wrong.add("min_score", "is not a number from 0 to 100");
    }
    for name in given.keys() {
        wrong.add(name, "is not known; there are limit, cursor, status, min_score");
    }
    if wrong.has_fields() {
        return Err(wrong);
    }
    let status = status.and_then(Result::ok);
    let rows = api.people()?.store().leads(&asked.principal.organization, status, score.unwrap_or(0), &page).await?;
    Ok(Json(Listed::of(rows, &page, |row| row.call.to_string(), LeadShown::from)))
}

/// Tells of a lead.
#[utoipa::path(get, path = "/api/v1/leads/{id}", tag = "leads", params(("id" = String, Path)),
    responses((status = 200, body = LeadShown), (status = 404)))]
pub(super) async fn show(State(api): State<Arc<V1>>, asked: Asked, Path(call): Path<String>) -> Result<Response, Problem> {
    let lead = api.people()?.store().lead(&asked.principal.organization, id(&call)?).await?.ok_or_else(missing)?;
    Ok(versioned(StatusCode::OK, lead.version, LeadShown::from(lead)))
}

/// Follows a lead up: who has it, how far they are, what they note.
#[utoipa::path(patch, path = "/api/v1/leads/{id}", tag = "leads",
    params(("id" = String, Path), ("If-Match" = Option<String>, Header)), request_body = LeadPatch,
    responses((status = 200, body = LeadShown), (status = 404), (status = 412), (status = 422)))]
pub(super) async fn change(
    State(api): State<Arc<V1>>,
    asked: Asked,
    IfMatch(version): IfMatch,
    Path(call): Path<String>,
    Body(patch): Body<LeadPatch>,
) -> Result<Response, Problem> {
    let organization = &asked.principal.organization;
    let call = id(&call)?;
    if patch.notes.as_ref().is_some_and(|notes| notes.len() > LEAD_NOTES_BYTES_MAX) {
        return Err(Problem::field("notes", format!("has more than {LEAD_NOTES_BYTES_MAX} bytes")));
    }
    let owner = match patch.owner {
        Some(owner) => Some(owner_of(&api, organization, &owner).await?),
        None => None,
    };
    let change = LeadChange { status: patch.status.map(LeadStatus::from), notes: patch.notes.map(Transcript::new), owner };
    let lead = api.people()?.store().change_lead(organization, call, version, &change, &asked.act()).await?;
    let lead = changed(lead)?;
    Ok(versioned(StatusCode::OK, lead.version, LeadShown::from(lead)))
}

/// A user of the organization, or nobody.
async fn owner_of(api: &V1, organization: &OrganizationId, owner: &str) -> Result<Option<UserId>, Problem> {
    if owner.is_empty() {
        return Ok(None);
    }
    let refused = || Problem::field("owner", "is no user of this organization");
    let owner = owner.parse().map_err(|_| refused())?;
    let user = api.people()?.store().user(organization, owner).await?;
    user.map(|user| Some(user.id)).ok_or_else(refused)
}
