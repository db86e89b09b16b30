//! `/api/v1/audit-log`: what was done in the organization.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::Value;
use store::AuditEntry;
use utoipa::ToSchema;

use super::V1;
use super::access::Asked;
use super::lists::{Listed, Paged, Part};
use crate::problem::Problem;

/// One thing that was done.
#[derive(Serialize, ToSchema)]
pub(super) struct AuditShown {
    /// Its place, from 1, without gaps.
    number: u64,
    /// When.
    at: String,
    /// Who: `user:ID`, `key:ID`, `node`.
    #[schema(example = "node")]
    actor: String,
    /// What.
    #[schema(example = "user.created")]
    action: String,
    /// To what.
    resource: String,
    /// More of it.
    #[schema(value_type = Object)]
    details: Value,
    /// From where; empty when it did not come over the network.
    address: String,
    /// Over all of this and the hash of the one before.
    hash: String,
}

impl From<AuditEntry> for AuditShown {
    fn from(entry: AuditEntry) -> Self {
        let AuditEntry { number, at, actor, action, resource, details, address, hash } = entry;
        let details = if details.is_object() { details } else { Value::Object(serde_json::Map::new()) };
        Self { number, at: at.to_string(), actor, action, resource, details, address, hash }
    }
}

/// Lists what was done, the latest first.
#[utoipa::path(get, path = "/api/v1/audit-log", tag = "audit-log", params(Part), responses((status = 200, body = Listed<AuditShown>)))]
pub(super) async fn list(
    State(api): State<Arc<V1>>,
    asked: Asked,
    Paged(page): Paged,
) -> Result<Json<Listed<AuditShown>>, Problem> {
    let rows = api.people()?.store().audit_log(&asked.principal.organization, &page).await?;
    Ok(Json(Listed::of(rows, &page, |row| row.number.to_string(), AuditShown::from)))
}
