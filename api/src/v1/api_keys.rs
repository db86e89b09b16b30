//! `/api/v1/api-keys`: keys of programs, shown once.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use platform::people::{KeyWish, MadeKey, Permission};
use serde::{Deserialize, Serialize};
use store::{ApiKeyRow, UserRole, WallTime};
use utoipa::ToSchema;

use super::V1;
use super::access::Asked;
use super::body::Body;
use super::lists::{Listed, Paged, Part};
use super::users::{RoleShown, below};
use super::versions::{IfMatch, changed, id, made, missing, versioned};
use crate::problem::Problem;

/// A key, without the letters that make it work.
#[derive(Serialize, ToSchema)]
pub(super) struct ApiKeyShown {
    /// The id; it stays when the key is rotated.
    id: String,
    /// What it is for.
    #[schema(example = "n8n")]
    name: String,
    /// How it begins.
    #[schema(example = "ohk_x7Qa")]
    prefix: String,
    /// What its user is.
    role: RoleShown,
    /// What of that it may; empty: all.
    scopes: Vec<String>,
    /// Until when it works.
    expires_at: Option<String>,
    /// Until when the key before the last rotation works too.
    previous_until: Option<String>,
    /// When it was shown last, to the minute.
    last_used_at: Option<String>,
    /// Who made it.
    created_by: String,
    /// When it was made.
    created_at: String,
    /// When it was changed last.
    updated_at: String,
}

/// A key with all its letters.
#[derive(Serialize, ToSchema)]
pub(super) struct ApiKeyMade {
    /// What is shown of it from now on.
    #[serde(flatten)]
    shown: ApiKeyShown,
    /// The key. It is not shown again.
    #[schema(example = "ohk_x7Qa...")]
    key: String,
}

/// A key to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ApiKeyWish {
    /// What it is for.
    #[schema(min_length = 1, max_length = 200, example = "n8n")]
    name: String,
    /// What its user is: one's own role or below.
    role: RoleShown,
    /// Permissions, such as calls:read; none or an empty list: all that the role has.
    #[schema(max_items = 64, example = json!(["calls:read"]))]
    scopes: Option<Vec<String>>,
    /// Days that it works; none: until it is deleted.
    #[schema(minimum = 1, maximum = 3650, example = 90)]
    expires_in_days: Option<u32>,
}

/// What of a key is to be different.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ApiKeyPatch {
    /// What it is for.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
}

/// How a key is rotated.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RotateWish {
    /// Seconds for which the letters of before work too, a week at most; none: an hour.
    #[schema(minimum = 0, maximum = 604800, example = 3600)]
    overlap_s: Option<u32>,
}

impl From<ApiKeyRow> for ApiKeyShown {
    fn from(row: ApiKeyRow) -> Self {
        let time = |at: Option<WallTime>| at.map(|at| at.to_string());
        Self {
            id: row.id.to_string(),
            name: row.name,
            prefix: row.prefix,
            role: row.role.into(),
            scopes: row.scopes,
            expires_at: time(row.expires_at),
            previous_until: time(row.previous_until),
            last_used_at: time(row.last_used_at),
            created_by: row.created_by,
            created_at: row.created_at.to_string(),
            updated_at: row.updated_at.to_string(),
        }
    }
}

impl From<MadeKey> for ApiKeyMade {
    fn from(made: MadeKey) -> Self {
        Self { key: made.key.expose().to_owned(), shown: made.row.into() }
    }
}

/// Lists the keys of the organization.
#[utoipa::path(get, path = "/api/v1/api-keys", tag = "api-keys", params(Part), responses((status = 200, body = Listed<ApiKeyShown>)))]
pub(super) async fn list(
    State(api): State<Arc<V1>>,
    asked: Asked,
    Paged(page): Paged,
) -> Result<Json<Listed<ApiKeyShown>>, Problem> {
    let rows = api.people()?.store().api_keys(&asked.principal.organization, &page).await?;
    Ok(Json(Listed::of(rows, &page, |row| row.id.to_string(), ApiKeyShown::from)))
}

/// Makes a key, and shows it this once.
#[utoipa::path(post, path = "/api/v1/api-keys", tag = "api-keys", request_body = ApiKeyWish,
    responses((status = 201, body = ApiKeyMade), (status = 403), (status = 422)))]
pub(super) async fn create(State(api): State<Arc<V1>>, asked: Asked, Body(wish): Body<ApiKeyWish>) -> Result<Response, Problem> {
    let role = UserRole::from(wish.role);
    below(&asked, role)?;
    let scopes = scopes(&asked, wish.scopes.unwrap_or_default())?;
    let day = 24 * 3600 * 1_000_000;
    let expires_at = wish.expires_in_days.map(|days| WallTime::from_micros(asked.at.micros() + i64::from(days) * day));
    let wish = KeyWish { name: wish.name, role, scopes, expires_at };
    let key = api.people()?.make_key(&asked.principal.organization, wish, &asked.act()).await?;
    Ok(made(key.row.version, format!("/api/v1/api-keys/{}", key.row.id), ApiKeyMade::from(key)))
}

/// The permissions of these words. A key that has scopes itself gives none away that it has not.
fn scopes(asked: &Asked, words: Vec<String>) -> Result<Vec<Permission>, Problem> {
    let mut wrong = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "the request cannot be taken as it is");
    let mut scopes = Vec::new();
    for (place, word) in words.iter().enumerate() {
        match Permission::from_word(word) {
            Some(permission) if asked.principal.may(permission) => scopes.push(permission),
            Some(_) => wrong.add(&format!("scopes.{place}"), "is not yours to give"),
            None => {
                let known: Vec<_> = Permission::ALL.iter().map(|permission| permission.as_str()).collect();
                wrong.add(&format!("scopes.{place}"), format!("is not known; there are {}", known.join(", ")));
            }
        }
    }
    if words.is_empty() && asked.principal.scopes.is_some() {
        wrong.add("scopes", "is needed: a key with scopes cannot make one without");
    }
    if wrong.has_fields() { Err(wrong) } else { Ok(scopes) }
}

/// Tells of a key.
#[utoipa::path(get, path = "/api/v1/api-keys/{id}", tag = "api-keys", params(("id" = String, Path)),
    responses((status = 200, body = ApiKeyShown), (status = 404)))]
pub(super) async fn show(State(api): State<Arc<V1>>, asked: Asked, Path(key): Path<String>) -> Result<Response, Problem> {
    let row = find(&api, &asked, &key).await?;
    Ok(versioned(StatusCode::OK, row.version, ApiKeyShown::from(row)))
}

/// Renames a key.
#[utoipa::path(patch, path = "/api/v1/api-keys/{id}", tag = "api-keys",
    params(("id" = String, Path), ("If-Match" = Option<String>, Header)), request_body = ApiKeyPatch,
    responses((status = 200, body = ApiKeyShown), (status = 404), (status = 412), (status = 422)))]
pub(super) async fn change(
    State(api): State<Arc<V1>>,
    asked: Asked,
    IfMatch(version): IfMatch,
    Path(key): Path<String>,
    Body(patch): Body<ApiKeyPatch>,
) -> Result<Response, Problem> {
    let row = find(&api, &asked, &key).await?;
    below(&asked, row.role)?;
    let store = api.people()?.store();
    let row = store.rename_api_key(&asked.principal.organization, row.id, version, &patch.name, &asked.act()).await?;
    let row = changed(row)?;
    Ok(versioned(StatusCode::OK, row.version, ApiKeyShown::from(row)))
}

/// Deletes a key: it works no more.
#[utoipa::path(delete, path = "/api/v1/api-keys/{id}", tag = "api-keys",
    params(("id" = String, Path), ("If-Match" = Option<String>, Header)), responses((status = 204), (status = 404), (status = 412)))]
pub(super) async fn delete(
    State(api): State<Arc<V1>>,
    asked: Asked,
    IfMatch(version): IfMatch,
    Path(key): Path<String>,
) -> Result<StatusCode, Problem> {
    let row = find(&api, &asked, &key).await?;
    below(&asked, row.role)?;
    let people = api.people()?;
    changed(people.store().delete_api_key(&asked.principal.organization, row.id, version, &asked.act()).await?)?;
    people.forget();
    Ok(StatusCode::NO_CONTENT)
}

/// Gives a key new letters, and shows them this once; those of before work for a while.
#[utoipa::path(post, path = "/api/v1/api-keys/{id}/rotate", tag = "api-keys", params(("id" = String, Path)), request_body = RotateWish,
    responses((status = 200, body = ApiKeyMade), (status = 404), (status = 422)))]
pub(super) async fn rotate(
    State(api): State<Arc<V1>>,
    asked: Asked,
    Path(key): Path<String>,
    Body(wish): Body<RotateWish>,
) -> Result<Response, Problem> {
    let row = find(&api, &asked, &key).await?;
    below(&asked, row.role)?;
    let overlap = Duration::from_secs(u64::from(wish.overlap_s.unwrap_or(3600)));
    let key = changed(api.people()?.rotate_key(&asked.principal.organization, row.id, overlap, &asked.act()).await?)?;
    Ok(versioned(StatusCode::OK, key.row.version, ApiKeyMade::from(key)))
}

async fn find(api: &V1, asked: &Asked, key: &str) -> Result<ApiKeyRow, Problem> {
    api.people()?.store().api_key(&asked.principal.organization, id(key)?).await?.ok_or_else(missing)
}
