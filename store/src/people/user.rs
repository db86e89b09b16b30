//! Users.

use serde_json::json;

use super::audit::Deed;
use super::id::last;
use super::organization::set;
use super::within::Sees;
use super::{Act, Changed, Hidden, OrganizationId, Page, UserId};
use crate::open::Writing;
use crate::read::LIST_MAX;
use crate::rows::Columns;
use crate::seal::Place;
use crate::write::text;
use crate::{Store, StoreError, UserRole, WallTime};

/// Somebody who may sign in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct User {
    /// The id.
    pub id: UserId,
    /// Where they work.
    pub organization: OrganizationId,
    /// The login, in lower case; no other user of any organization has it.
    pub email: String,
    /// What they are called.
    pub name: String,
    /// What they are.
    pub role: UserRole,
    /// False: they may not sign in.
    pub is_active: bool,
    /// The hash of the password, a PHC string.
    pub password_hash: Hidden,
    /// The secret of the authenticator, in base32; asked for only when `mfa_enabled`.
    pub mfa_secret: Option<Hidden>,
    /// Whether a code is asked for at signing in.
    pub mfa_enabled: bool,
    /// Counts the changes, from 1.
    pub version: u64,
    /// When they were added.
    pub created_at: WallTime,
    /// When they were changed last.
    pub updated_at: WallTime,
    /// When they signed in last.
    pub last_login_at: Option<WallTime>,
}

/// A user that is to be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewUser {
    /// The login; kept in lower case.
    pub email: String,
    /// What they are called.
    pub name: String,
    /// What they are.
    pub role: UserRole,
    /// The hash of the password.
    pub password_hash: Hidden,
}

/// What of a user is to be different.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct UserChange {
    /// As in [`User`].
    pub name: Option<String>,
    /// As in [`User`].
    pub role: Option<UserRole>,
    /// As in [`User`]; false ends the logins.
    pub is_active: Option<bool>,
    /// As in [`User`]; it ends the logins.
    pub password_hash: Option<Hidden>,
}

impl Store {
    /// Adds a user.
    ///
    /// # Errors
    /// [`StoreError::Taken`]: somebody has this e-mail address, perhaps elsewhere. [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn create_user(&self, organization: &OrganizationId, new: &NewUser, act: &Act<'_>) -> Result<User, StoreError> {
        const QUERY: &str = "create_user";
        let id = UserId::generate();
        self.timed_write(QUERY, async {
            let mut writing = self.begin_in(QUERY, Sees::One(organization)).await?;
            let insert = sqlx::query(
                "INSERT INTO users (id, organization, email, name, role, is_active, password_hash, version, created_us, updated_us)
                 VALUES ($1, $2, $3, $4, $5, 1, $6, 1, $7, $7)",
            )
            .bind(id.to_string())
            .bind(organization.to_string())
            .bind(text(&new.email.to_lowercase()))
            .bind(text(&new.name))
            .bind(new.role.as_str())
            .bind(new.password_hash.expose().to_owned())
            .bind(act.at.micros());
            writing.execute(QUERY, insert).await?;
            let details = json!({ "role": new.role.as_str() });
            let deed = Deed { action: "user.created", resource: format!("user:{id}"), details: &details };
            writing.note(organization, act, deed).await?;
            writing.commit(QUERY).await
        })
        .await?;
        let made = self.user(organization, id).await?;
        made.ok_or(StoreError::Refused { index: 0, query: QUERY, reason: "it is gone again".to_owned() })
    }

    /// A user of an organization.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn user(&self, organization: &OrganizationId, id: UserId) -> Result<Option<User>, StoreError> {
        let query = sqlx::query("SELECT * FROM users WHERE organization = $1 AND id = $2");
        let query = query.bind(organization.to_string()).bind(id.to_string());
        Ok(self.read_in("user", Sees::One(organization), query, user).await?.pop())
    }

    /// The users of an organization, the newest first.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn users(&self, organization: &OrganizationId, page: &Page) -> Result<Vec<User>, StoreError> {
        let query = sqlx::query("SELECT * FROM users WHERE organization = $1 AND id < $2 ORDER BY id DESC LIMIT $3")
            .bind(organization.to_string())
            .bind(page.after.clone().unwrap_or_else(last))
            .bind(i64::from(page.limit.clamp(1, LIST_MAX)));
        self.read_in("users", Sees::One(organization), query, user).await
    }

    /// Who signs in with this address, in whatever organization.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn user_by_email(&self, email: &str) -> Result<Option<User>, StoreError> {
        let query = sqlx::query("SELECT * FROM users WHERE email = $1").bind(text(&email.to_lowercase()));
        Ok(self.read_in("user_by_email", Sees::All, query, user).await?.pop())
    }

    /// Changes a user, if `version` is still theirs; `None`: whatever it is. A new password, or an end of being active, ends the logins.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn change_user(
        &self,
        organization: &OrganizationId,
        id: UserId,
        version: Option<u64>,
        change: &UserChange,
        act: &Act<'_>,
    ) -> Result<Changed<User>, StoreError> {
        const QUERY: &str = "change_user";
        let Some(is) = self.user(organization, id).await? else { return Ok(Changed::Missing) };
        let ends_logins = change.password_hash.is_some() || change.is_active == Some(false);
        let (role, is_active) = (change.role.unwrap_or(is.role), change.is_active.unwrap_or(is.is_active));
        let password = change.password_hash.as_ref().unwrap_or(&is.password_hash);
        let update = sqlx::query(
            "UPDATE users SET name = $4, role = $5, is_active = $6, password_hash = $7, version = version + 1, updated_us = $8
             WHERE organization = $1 AND id = $2 AND version = $3",
        )
        .bind(organization.to_string())
        .bind(id.to_string())
        .bind(version.unwrap_or(is.version) as i64)
        .bind(text(change.name.as_ref().unwrap_or(&is.name)))
        .bind(role.as_str())
        .bind(i64::from(is_active))
        .bind(password.expose().to_owned())
        .bind(act.at.micros());
        let done = self
            .timed_write(QUERY, async {
                let mut writing = self.begin_in(QUERY, Sees::One(organization)).await?;
                if writing.execute(QUERY, update).await? == 0 {
                    return Ok(Changed::Stale);
                }
                if is.is_owner() && !writing.has_owner(QUERY, organization).await? {
                    return Ok(Changed::LastOwner);
                }
                if ends_logins {
                    let why = if change.password_hash.is_some() { "password" } else { "revoked" };
                    writing.end_logins(QUERY, organization, id, why, act.at).await?;
                }
                let (role, password) = (change.role.map(UserRole::as_str), change.password_hash.as_ref().map(|_| "changed"));
                let details =
                    set(json!({ "name": change.name, "role": role, "is_active": change.is_active, "password": password }));
                let deed = Deed { action: "user.changed", resource: format!("user:{id}"), details: &details };
                writing.note(organization, act, deed).await?;
                writing.commit(QUERY).await.map(|()| Changed::Done(()))
            })
            .await?;
        Ok(match done {
            Changed::Done(()) => self.user(organization, id).await?.map_or(Changed::Missing, Changed::Done),
            Changed::Missing => Changed::Missing,
            Changed::Stale => Changed::Stale,
            Changed::LastOwner => Changed::LastOwner,
        })
    }

    /// Deletes a user with logins and codes.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn delete_user(
        &self,
        organization: &OrganizationId,
        id: UserId,
        version: Option<u64>,
        act: &Act<'_>,
    ) -> Result<Changed<()>, StoreError> {
        const QUERY: &str = "delete_user";
        let Some(is) = self.user(organization, id).await? else { return Ok(Changed::Missing) };
        self.timed_write(QUERY, async {
            let mut writing = self.begin_in(QUERY, Sees::One(organization)).await?;
            let delete = sqlx::query("DELETE FROM users WHERE organization = $1 AND id = $2 AND version = $3")
                .bind(organization.to_string())
                .bind(id.to_string())
                .bind(version.unwrap_or(is.version) as i64);
            if writing.execute(QUERY, delete).await? == 0 {
                return Ok(Changed::Stale);
            }
            if is.is_owner() && !writing.has_owner(QUERY, organization).await? {
                return Ok(Changed::LastOwner);
            }
            let details = json!({ "role": is.role.as_str() });
            let deed = Deed { action: "user.deleted", resource: format!("user:{id}"), details: &details };
            writing.note(organization, act, deed).await?;
            writing.commit(QUERY).await.map(|()| Changed::Done(()))
        })
        .await
    }
}

impl User {
    fn is_owner(&self) -> bool {
        self.role == UserRole::Owner && self.is_active
    }
}

impl Writing {
    async fn has_owner(&mut self, query: &'static str, organization: &OrganizationId) -> Result<bool, StoreError> {
        // All owners are held until the end: of two that go at the same time, one waits and sees that it is the last.
        let owners = sqlx::query("UPDATE users SET role = role WHERE organization = $1 AND role = 'owner' AND is_active = 1");
        Ok(self.execute(query, owners.bind(organization.to_string())).await? > 0)
    }
}

/// Where the secret of an authenticator stands.
pub(super) fn mfa_secret(row: &str) -> Place<'_> {
    Place { table: "users", column: "mfa_secret", row }
}

pub(super) fn user(row: &Columns<'_>) -> Result<User, StoreError> {
    Ok(User {
        id: row.parsed("id")?,
        organization: row.parsed("organization")?,
        email: row.value("email")?,
        name: row.value("name")?,
        role: row.parsed("role")?,
        is_active: row.count("is_active")? != 0,
        password_hash: Hidden::new(row.value::<String>("password_hash")?),
        mfa_secret: row.opened_option(mfa_secret(&row.value::<String>("id")?))?.map(Hidden::new),
        mfa_enabled: row.count("mfa_enabled")? != 0,
        version: row.count("version")?,
        created_at: row.time("created_us")?,
        updated_at: row.time("updated_us")?,
        last_login_at: row.time_option("last_login_us")?,
    })
}
