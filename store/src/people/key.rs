//! API keys: only their hashes.

use serde_json::json;

use super::audit::Deed;
use super::id::last;
use super::within::Sees;
use super::{Act, ApiKeyId, Changed, Hidden, OrganizationId, Page};
use crate::read::LIST_MAX;
use crate::rows::Columns;
use crate::write::text;
use crate::{Store, StoreError, UserRole, WallTime};

/// A key of a program.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ApiKeyRow {
    /// Its id.
    pub id: ApiKeyId,
    /// Whose it is.
    pub organization: OrganizationId,
    /// What it is for.
    pub name: String,
    /// How the key begins, for people to know it by.
    pub prefix: String,
    /// Until when the key before the last rotation works too.
    pub previous_until: Option<WallTime>,
    /// What its user is.
    pub role: UserRole,
    /// What of that it may, words of the API; empty: all.
    pub scopes: Vec<String>,
    /// Until when it works.
    pub expires_at: Option<WallTime>,
    /// When it was shown last, to the minute.
    pub last_used_at: Option<WallTime>,
    /// Who made it.
    pub created_by: String,
    /// Counts its changes, from 1.
    pub version: u64,
    /// When it was made.
    pub created_at: WallTime,
    /// When it was changed last.
    pub updated_at: WallTime,
}

/// A key that is to be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewApiKey {
    /// What it is for.
    pub name: String,
    /// How it begins.
    pub prefix: String,
    /// The hash of it.
    pub hash: Hidden,
    /// What its user is.
    pub role: UserRole,
    /// What of that it may.
    pub scopes: Vec<String>,
    /// Until when it works.
    pub expires_at: Option<WallTime>,
}

impl Store {
    /// Adds a key.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn create_api_key(
        &self,
        organization: &OrganizationId,
        new: &NewApiKey,
        act: &Act<'_>,
    ) -> Result<ApiKeyRow, StoreError> {
        const QUERY: &str = "create_api_key";
        let id = ApiKeyId::generate();
        self.timed_write(QUERY, async {
            let mut writing = self.begin_in(QUERY, Sees::One(organization)).await?;
            let insert = sqlx::query(
                "INSERT INTO api_keys (id, organization, name, prefix, hash, role, scopes, expires_us, created_by, version, created_us,
                   updated_us) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 1, $10, $10)",
            )
            .bind(id.to_string())
            .bind(organization.to_string())
            .bind(text(&new.name))
            .bind(text(&new.prefix))
            .bind(new.hash.expose().to_owned())
            .bind(new.role.as_str())
            .bind(text(&new.scopes.join(" ")))
            .bind(new.expires_at.map(WallTime::micros))
            .bind(text(act.actor))
            .bind(act.at.micros());
            writing.execute(QUERY, insert).await?;
            let details = json!({ "name": new.name, "role": new.role.as_str(), "scopes": new.scopes });
            let deed = Deed { action: "api_key.created", resource: format!("api_key:{id}"), details: &details };
            writing.note(organization, act, deed).await?;
            writing.commit(QUERY).await
        })
        .await?;
        let made = self.api_key(organization, id).await?;
        made.ok_or(StoreError::Refused { index: 0, query: QUERY, reason: "it is gone again".to_owned() })
    }

    /// A key of an organization.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn api_key(&self, organization: &OrganizationId, id: ApiKeyId) -> Result<Option<ApiKeyRow>, StoreError> {
        let query = sqlx::query("SELECT * FROM api_keys WHERE organization = $1 AND id = $2");
        let query = query.bind(organization.to_string()).bind(id.to_string());
        Ok(self.read_in("api_key", Sees::One(organization), query, key).await?.pop())
    }

    /// The keys of an organization, the newest first.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn api_keys(&self, organization: &OrganizationId, page: &Page) -> Result<Vec<ApiKeyRow>, StoreError> {
        let query = sqlx::query("SELECT * FROM api_keys WHERE organization = $1 AND id < $2 ORDER BY id DESC LIMIT $3")
            .bind(organization.to_string())
            .bind(page.after.clone().unwrap_or_else(last))
            .bind(i64::from(page.limit.clamp(1, LIST_MAX)));
        self.read_in("api_keys", Sees::One(organization), query, key).await
    }

    /// The key with this hash that works at `now`, in whatever organization that is active.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn working_api_key(&self, hash: &str, now: WallTime) -> Result<Option<ApiKeyRow>, StoreError> {
        let query = sqlx::query(
            "SELECT api_keys.* FROM api_keys JOIN organizations ON organizations.id = api_keys.organization
             WHERE (hash = $1 OR (previous_hash = $1 AND previous_until_us > $2))
               AND (expires_us IS NULL OR expires_us > $2) AND organizations.is_active = 1",
        )
        .bind(hash.to_owned())
        .bind(now.micros());
        Ok(self.read_in("working_api_key", Sees::All, query, key).await?.pop())
    }

    /// Notes that a key was shown.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn use_api_key(&self, organization: &OrganizationId, id: ApiKeyId, at: WallTime) -> Result<(), StoreError> {
        const QUERY: &str = "use_api_key";
        self.timed_write(QUERY, async {
            let mut writing = self.begin_in(QUERY, Sees::One(organization)).await?;
            let update = sqlx::query("UPDATE api_keys SET last_used_us = $3 WHERE organization = $1 AND id = $2")
                .bind(organization.to_string())
                .bind(id.to_string())
                .bind(at.micros());
            writing.execute(QUERY, update).await?;
            writing.commit(QUERY).await
        })
        .await
    }

    /// Gives a key new letters; those of before work until `overlap_until`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn rotate_api_key(
        &self,
        organization: &OrganizationId,
        id: ApiKeyId,
        (prefix, hash): (&str, &Hidden),
        overlap_until: WallTime,
        act: &Act<'_>,
    ) -> Result<Changed<ApiKeyRow>, StoreError> {
        const QUERY: &str = "rotate_api_key";
        let rotated = self
            .timed_write(QUERY, async {
                let mut writing = self.begin_in(QUERY, Sees::One(organization)).await?;
                let update = sqlx::query(
                    "UPDATE api_keys SET previous_hash = hash, previous_until_us = $3, hash = $4, prefix = $5, version = version + 1,
                       updated_us = $6 WHERE organization = $1 AND id = $2",
                )
                .bind(organization.to_string())
                .bind(id.to_string())
                .bind(overlap_until.micros())
                .bind(hash.expose().to_owned())
                .bind(text(prefix))
                .bind(act.at.micros());
                if writing.execute(QUERY, update).await? == 0 {
                    return Ok(false);
                }
                let details = json!({ "overlap_until": overlap_until.to_string() });
                let deed = Deed { action: "api_key.rotated", resource: format!("api_key:{id}"), details: &details };
                writing.note(organization, act, deed).await?;
                writing.commit(QUERY).await.map(|()| true)
            })
            .await?;
        let row = if rotated { self.api_key(organization, id).await? } else { None };
        Ok(row.map_or(Changed::Missing, Changed::Done))
    }

    /// Renames a key, if `version` is still its own.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn rename_api_key(
        &self,
        organization: &OrganizationId,
        id: ApiKeyId,
        version: Option<u64>,
        name: &str,
        act: &Act<'_>,
    ) -> Result<Changed<ApiKeyRow>, StoreError> {
        const QUERY: &str = "rename_api_key";
        let Some(is) = self.api_key(organization, id).await? else { return Ok(Changed::Missing) };
        let renamed = self
            .timed_write(QUERY, async {
                let mut writing = self.begin_in(QUERY, Sees::One(organization)).await?;
                let update = sqlx::query(
                    "UPDATE api_keys SET name = $4, version = version + 1, updated_us = $5
                     WHERE organization = $1 AND id = $2 AND version = $3",
                )
                .bind(organization.to_string())
                .bind(id.to_string())
                .bind(version.unwrap_or(is.version) as i64)
                .bind(text(name))
                .bind(act.at.micros());
                if writing.execute(QUERY, update).await? == 0 {
                    return Ok(false);
                }
                let details = json!({ "name": name });
                let deed = Deed { action: "api_key.changed", resource: format!("api_key:{id}"), details: &details };
                writing.note(organization, act, deed).await?;
                writing.commit(QUERY).await.map(|()| true)
            })
            .await?;
        Ok(if renamed { self.api_key(organization, id).await?.map_or(Changed::Missing, Changed::Done) } else { Changed::Stale })
    }

    /// Deletes a key: it works no more.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn delete_api_key(
        &self,
        organization: &OrganizationId,
        id: ApiKeyId,
        version: Option<u64>,
        act: &Act<'_>,
    ) -> Result<Changed<()>, StoreError> {
        const QUERY: &str = "delete_api_key";
        let Some(is) = self.api_key(organization, id).await? else { return Ok(Changed::Missing) };
        self.timed_write(QUERY, async {
            let mut writing = self.begin_in(QUERY, Sees::One(organization)).await?;
            let delete = sqlx::query("DELETE FROM api_keys WHERE organization = $1 AND id = $2 AND version = $3")
                .bind(organization.to_string())
                .bind(id.to_string())
                .bind(version.unwrap_or(is.version) as i64);
            if writing.execute(QUERY, delete).await? == 0 {
                return Ok(Changed::Stale);
            }
            let details = json!({ "name": is.name });
            let deed = Deed { action: "api_key.deleted", resource: format!("api_key:{id}"), details: &details };
            writing.note(organization, act, deed).await?;
            writing.commit(QUERY).await.map(|()| Changed::Done(()))
        })
        .await
    }
}

fn key(row: &Columns<'_>) -> Result<ApiKeyRow, StoreError> {
    let scopes: String = row.value("scopes")?;
    Ok(ApiKeyRow {
        id: row.parsed("id")?,
        organization: row.parsed("organization")?,
        name: row.value("name")?,
        prefix: row.value("prefix")?,
        previous_until: row.time_option("previous_until_us")?,
        role: row.parsed("role")?,
        scopes: scopes.split_whitespace().map(str::to_owned).collect(),
        expires_at: row.time_option("expires_us")?,
        last_used_at: row.time_option("last_used_us")?,
        created_by: row.value("created_by")?,
        version: row.count("version")?,
        created_at: row.time("created_us")?,
        updated_at: row.time("updated_us")?,
    })
}
