//! `/api/v1/users`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use store::{NewUser, StoreError, User, UserChange, UserRole};
use utoipa::ToSchema;

use super::V1;
use super::access::Asked;
use super::body::Body;
use super::lists::{Listed, Paged, Part};
use super::versions::{IfMatch, changed, id, made, missing, versioned};
use crate::problem::Problem;

/// A role, as the API has it.
#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum RoleShown {
    /// Everything, the organization itself too.
    Owner,
    /// People, keys, and what calls are made of.
    Admin,
    /// Calls, and what comes of them.
    Agent,
    /// Looks only.
    Viewer,
}

/// A user.
#[derive(Serialize, ToSchema)]
pub(super) struct UserShown {
    /// The id.
    id: String,
    /// Where they work.
    organization_id: String,
    /// The login.
    #[schema(example = "ada@example.com")]
    email: String,
    /// What they are called.
    name: String,
    /// What they are.
    role: RoleShown,
    /// Whether they may sign in.
    is_active: bool,
    /// Whether a code is asked for at signing in.
    mfa_enabled: bool,
    /// When they were added.
    created_at: String,
    /// When they were changed last.
    updated_at: String,
    /// When they signed in last.
    last_login_at: Option<String>,
}

/// A user to be added.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UserWish {
    /// The login; nobody else may have it.
    #[schema(min_length = 3, max_length = 254, pattern = "^[^@\\s]+@[^@\\s]+$", example = "ada@example.com")]
    email: String,
    /// What they are called.
    #[schema(min_length = 1, max_length = 200, example = "Ada Lovelace")]
    name: String,
    /// What they are: one's own role or below.
    role: RoleShown,
    /// 12 characters at least, hard to guess.
    #[schema(min_length = 1, max_length = 256)]
    password: String,
}

/// What of a user is to be different.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UserPatch {
    /// What they are called.
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    /// What they are.
    role: Option<RoleShown>,
    /// Whether they may sign in; false ends their logins.
    is_active: Option<bool>,
    /// false: no code is asked for any more, for who has lost the authenticator and the recovery codes.
    mfa_enabled: Option<bool>,
    /// A new password, for who has forgotten it; it ends their logins.
    #[schema(min_length = 1, max_length = 256)]
    password: Option<String>,
}

impl From<RoleShown> for UserRole {
    fn from(role: RoleShown) -> Self {
        match role {
            RoleShown::Owner => Self::Owner,
            RoleShown::Admin => Self::Admin,
            RoleShown::Agent => Self::Agent,
            RoleShown::Viewer => Self::Viewer,
        }
    }
}

impl From<UserRole> for RoleShown {
    fn from(role: UserRole) -> Self {
        match role {
            UserRole::Owner => Self::Owner,
            UserRole::Admin => Self::Admin,
            UserRole::Agent => Self::Agent,
            UserRole::Viewer => Self::Viewer,
        }
    }
}

impl From<User> for UserShown {
    fn from(user: User) -> Self {
        Self {
            id: user.id.to_string(),
            organization_id: user.organization.to_string(),
            email: user.email,
            name: user.name,
            role: user.role.into(),
            is_active: user.is_active,
            mfa_enabled: user.mfa_enabled,
            created_at: user.created_at.to_string(),
            updated_at: user.updated_at.to_string(),
            last_login_at: user.last_login_at.map(|at| at.to_string()),
        }
    }
}

/// Lists the users of the organization.
#[utoipa::path(get, path = "/api/v1/users", tag = "users", params(Part), responses((status = 200, body = Listed<UserShown>)))]
pub(super) async fn list(
    State(api): State<Arc<V1>>,
    asked: Asked,
    Paged(page): Paged,
) -> Result<Json<Listed<UserShown>>, Problem> {
    let rows = api.people()?.store().users(&asked.principal.organization, &page).await?;
    Ok(Json(Listed::of(rows, &page, |row| row.id.to_string(), UserShown::from)))
}

/// Adds a user.
#[utoipa::path(post, path = "/api/v1/users", tag = "users", request_body = UserWish,
    responses((status = 201, body = UserShown), (status = 409), (status = 422)))]
pub(super) async fn create(State(api): State<Arc<V1>>, asked: Asked, Body(wish): Body<UserWish>) -> Result<Response, Problem> {
    let people = api.people()?;
    let role = UserRole::from(wish.role);
    below(&asked, role)?;
    let password_hash = people.hash_password(&wish.password, &[&wish.name, &wish.email]).await?;
    let new = NewUser { email: wish.email, name: wish.name, role, password_hash };
    let user = people.store().create_user(&asked.principal.organization, &new, &asked.act()).await;
    let user = user.map_err(|error| match error {
        StoreError::Taken { .. } => {
            let mut problem = Problem::new(StatusCode::CONFLICT, "there is a user with this e-mail address");
            problem.add("email", "is taken");
            problem
        }
        other => other.into(),
    })?;
    Ok(made(user.version, format!("/api/v1/users/{}", user.id), UserShown::from(user)))
}

/// Tells of a user.
#[utoipa::path(get, path = "/api/v1/users/{id}", tag = "users", params(("id" = String, Path)),
    responses((status = 200, body = UserShown), (status = 404)))]
pub(super) async fn show(State(api): State<Arc<V1>>, asked: Asked, Path(user): Path<String>) -> Result<Response, Problem> {
    let user = api.people()?.store().user(&asked.principal.organization, id(&user)?).await?.ok_or_else(missing)?;
    Ok(versioned(StatusCode::OK, user.version, UserShown::from(user)))
}

/// Changes a user.
#[utoipa::path(patch, path = "/api/v1/users/{id}", tag = "users", params(("id" = String, Path), ("If-Match" = Option<String>, Header)),
    request_body = UserPatch, responses((status = 200, body = UserShown), (status = 404), (status = 409), (status = 412), (status = 422)))]
pub(super) async fn change(
    State(api): State<Arc<V1>>,
    asked: Asked,
    IfMatch(version): IfMatch,
    Path(user): Path<String>,
    Body(patch): Body<UserPatch>,
) -> Result<Response, Problem> {
    let (people, organization) = (api.people()?, &asked.principal.organization);
    let user = people.store().user(organization, id(&user)?).await?.ok_or_else(missing)?;
    let role = patch.role.map(UserRole::from);
    // Neither whoever is above oneself, nor to where one is not.
    below(&asked, user.role)?;
    below(&asked, role.unwrap_or(user.role))?;
    if patch.mfa_enabled == Some(true) {
        return Err(Problem::field("mfa_enabled", "is set up by its user alone, with /auth/mfa/enroll"));
    }
    let password_hash = match &patch.password {
        Some(password) => Some(people.hash_password(password, &[&user.name, &user.email]).await?),
        None => None,
    };
    let change = UserChange { name: patch.name, role, is_active: patch.is_active, password_hash };
    let mut user = changed(people.store().change_user(organization, user.id, version, &change, &asked.act()).await?)?;
    if patch.mfa_enabled == Some(false) && people.store().disable_mfa(organization, user.id, &asked.act()).await? {
        user.mfa_enabled = false;
    }
    people.forget();
    Ok(versioned(StatusCode::OK, user.version, UserShown::from(user)))
}

/// Removes a user, with logins and codes.
#[utoipa::path(delete, path = "/api/v1/users/{id}", tag = "users", params(("id" = String, Path), ("If-Match" = Option<String>, Header)),
    responses((status = 204), (status = 404), (status = 409), (status = 412)))]
pub(super) async fn delete(
    State(api): State<Arc<V1>>,
    asked: Asked,
    IfMatch(version): IfMatch,
    Path(user): Path<String>,
) -> Result<StatusCode, Problem> {
    let (people, organization) = (api.people()?, &asked.principal.organization);
    let user = people.store().user(organization, id(&user)?).await?.ok_or_else(missing)?;
    below(&asked, user.role)?;
    changed(people.store().delete_user(organization, user.id, version, &asked.act()).await?)?;
    people.forget();
    Ok(StatusCode::NO_CONTENT)
}

/// Nobody gives, takes or changes a role above their own.
pub(super) fn below(asked: &Asked, role: UserRole) -> Result<(), Problem> {
    if asked.principal.is_at_least(role) {
        return Ok(());
    }
    Err(Problem::new(StatusCode::FORBIDDEN, format!("only one who is {role} can do this to one who is, or will be, {role}")))
}
