//! `/api/v1/organizations`: everybody sees their own; the operator's owners see, make and delete all.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use platform::people::Permission;
use serde::{Deserialize, Serialize};
use store::{NewOrganization, Organization, OrganizationChange, OrganizationId};
use utoipa::ToSchema;

use super::V1;
use super::access::Asked;
use super::body::Body;
use super::lists::{Listed, Paged, Part};
use super::versions::{IfMatch, changed, id, made, missing, versioned};
use crate::problem::Problem;

/// An organization.
#[derive(Serialize, ToSchema)]
pub(super) struct OrganizationShown {
    /// The id: a UUID, or `default` for the operator's own.
    id: String,
    /// What it is called.
    #[schema(example = "Acme")]
    name: String,
    /// Its domain; may be empty.
    #[schema(example = "acme.example")]
    domain: String,
    /// In words; may be empty.
    description: String,
    /// Whether its people may sign in, and its keys work.
    is_active: bool,
    /// The name of its plan.
    plan: String,
    /// When it was made.
    created_at: String,
    /// When it was changed last.
    updated_at: String,
}

/// An organization to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OrganizationWish {
    /// What it is called.
    #[schema(min_length = 1, max_length = 200, example = "Acme")]
    name: String,
    /// Its domain.
    #[schema(max_length = 253, example = "acme.example")]
    domain: Option<String>,
    /// In words.
    #[schema(max_length = 2000)]
    description: Option<String>,
    /// The name of its plan.
    #[schema(min_length = 1, max_length = 64)]
    plan: Option<String>,
}

/// What of an organization is to be different.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OrganizationPatch {
    /// What it is called.
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    /// Its domain.
    #[schema(max_length = 253)]
    domain: Option<String>,
    /// In words.
    #[schema(max_length = 2000)]
    description: Option<String>,
    /// Whether its people may sign in; the operator's to say.
    is_active: Option<bool>,
    /// The name of its plan; the operator's to say.
    #[schema(min_length = 1, max_length = 64)]
    plan: Option<String>,
}

impl From<Organization> for OrganizationShown {
    fn from(row: Organization) -> Self {
        Self {
            id: row.id.to_string(),
            name: row.name,
            domain: row.domain,
            description: row.description,
            is_active: row.is_active,
            plan: row.plan,
            created_at: row.created_at.to_string(),
            updated_at: row.updated_at.to_string(),
        }
    }
}

/// Lists organizations: all for the operator, one's own for everybody else.
#[utoipa::path(get, path = "/api/v1/organizations", tag = "organizations", params(Part), responses((status = 200, body = Listed<OrganizationShown>)))]
pub(super) async fn list(
    State(api): State<Arc<V1>>,
    asked: Asked,
    Paged(page): Paged,
) -> Result<Json<Listed<OrganizationShown>>, Problem> {
    let store = api.people()?.store();
    let rows = match asked.principal.may(Permission::ManageOrganizations) {
        true => store.organizations(&page).await?,
        false => store.organization(&asked.principal.organization).await?.into_iter().filter(|_| page.after.is_none()).collect(),
    };
    Ok(Json(Listed::of(rows, &page, |row| row.id.to_string(), OrganizationShown::from)))
}

/// Makes an organization.
#[utoipa::path(post, path = "/api/v1/organizations", tag = "organizations", request_body = OrganizationWish,
    responses((status = 201, body = OrganizationShown), (status = 422)))]
pub(super) async fn create(
    State(api): State<Arc<V1>>,
    asked: Asked,
    Body(wish): Body<OrganizationWish>,
) -> Result<Response, Problem> {
    let new = NewOrganization {
        name: wish.name,
        domain: wish.domain.unwrap_or_default(),
        description: wish.description.unwrap_or_default(),
        plan: wish.plan.unwrap_or_else(|| "default".to_owned()),
    };
    let row = api.people()?.store().create_organization(&new, &asked.act()).await?;
    Ok(made(row.version, format!("/api/v1/organizations/{}", row.id), OrganizationShown::from(row)))
}

/// Tells of an organization.
#[utoipa::path(get, path = "/api/v1/organizations/{id}", tag = "organizations", params(("id" = String, Path)),
    responses((status = 200, body = OrganizationShown), (status = 404)))]
pub(super) async fn show(State(api): State<Arc<V1>>, asked: Asked, Path(row): Path<String>) -> Result<Response, Problem> {
    let row = api.people()?.store().organization(&visible(&asked, &row)?).await?.ok_or_else(missing)?;
    Ok(versioned(StatusCode::OK, row.version, OrganizationShown::from(row)))
}

/// Changes an organization.
#[utoipa::path(patch, path = "/api/v1/organizations/{id}", tag = "organizations",
    params(("id" = String, Path), ("If-Match" = Option<String>, Header)), request_body = OrganizationPatch,
    responses((status = 200, body = OrganizationShown), (status = 403), (status = 404), (status = 412), (status = 422)))]
pub(super) async fn change(
    State(api): State<Arc<V1>>,
    asked: Asked,
    IfMatch(version): IfMatch,
    Path(row): Path<String>,
    Body(patch): Body<OrganizationPatch>,
) -> Result<Response, Problem> {
    let (people, row) = (api.people()?, visible(&asked, &row)?);
    let operators = patch.is_active.is_some() || patch.plan.is_some();
    if operators && !asked.principal.may(Permission::ManageOrganizations) {
        return Err(Problem::new(StatusCode::FORBIDDEN, "is_active and plan are the operator's to change"));
    }
    if row.is_operator() && patch.is_active == Some(false) {
        return Err(Problem::field("is_active", "the operator's own organization stays active"));
    }
    let OrganizationPatch { name, domain, description, is_active, plan } = patch;
    let change = OrganizationChange { name, domain, description, is_active, plan };
    let row = changed(people.store().change_organization(&row, version, &change, &asked.act()).await?)?;
    people.forget();
    Ok(versioned(StatusCode::OK, row.version, OrganizationShown::from(row)))
}

/// Deletes an organization with all that is its own but its audit log. The operator's own stays.
#[utoipa::path(delete, path = "/api/v1/organizations/{id}", tag = "organizations",
    params(("id" = String, Path), ("If-Match" = Option<String>, Header)), responses((status = 204), (status = 404), (status = 412)))]
pub(super) async fn delete(
    State(api): State<Arc<V1>>,
    asked: Asked,
    IfMatch(version): IfMatch,
    Path(row): Path<String>,
) -> Result<StatusCode, Problem> {
    let people = api.people()?;
    changed(people.store().delete_organization(&visible(&asked, &row)?, version, &asked.act()).await?)?;
    people.forget();
    Ok(StatusCode::NO_CONTENT)
}

/// One's own, or any for the operator.
pub(super) fn visible(asked: &Asked, row: &str) -> Result<OrganizationId, Problem> {
    let row: OrganizationId = id(row)?;
    let mine = row == asked.principal.organization || asked.principal.may(Permission::ManageOrganizations);
    if mine { Ok(row) } else { Err(missing()) }
}
