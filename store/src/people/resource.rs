//! What an organization's calls are answered by, beside the file: assistants, numbers, tools, trunks, and the like.
//!
//! All kinds are rows of one table: a name that stands once, and fields that are JSON, checked by whoever writes them. Each change is
//! a version that can be read again. All changes are counted, so that a node sees by one number whether it is up to date.

use serde_json::{Value, json};

use super::audit::Deed;
use super::id::last;
use super::within::Sees;
use super::{Act, Changed, OrganizationId, Page, ResourceId};
use crate::open::Writing;
use crate::read::LIST_MAX;
use crate::rows::Columns;
use crate::seal::Place;
use crate::write::text;
use crate::{ResourceKind, Store, StoreError, WallTime};

/// Rows of one kind in one organization: all of them are read again after each change.
pub const RESOURCES_MAX: u64 = 2_000;
/// Versions kept of a row: some weeks of daily work on an assistant. The oldest go.
pub const VERSIONS_KEPT: u64 = 100;

/// One row.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    /// Its id.
    pub id: ResourceId,
    /// Whose it is.
    pub organization: OrganizationId,
    /// What it is.
    pub kind: ResourceKind,
    /// What stands once: of a number and a trunk everywhere, else in the organization and kind.
    pub name: String,
    /// All that it is, its name too, as JSON.
    pub fields: Value,
    /// Counts its changes, from 1.
    pub version: u64,
    /// When it was made.
    pub created_at: WallTime,
    /// When it was changed last.
    pub updated_at: WallTime,
}

/// What a row is to be.
#[derive(Clone, Copy, Debug)]
pub struct ResourceWish<'a> {
    /// As in [`Resource`].
    pub name: &'a str,
    /// As in [`Resource`].
    pub fields: &'a Value,
    /// Rows of the organization that it needs: they cannot be deleted.
    pub uses: &'a [ResourceId],
}

/// What a row was.
#[derive(Clone, Debug, PartialEq)]
pub struct ResourceVersion {
    /// Its number, from 1.
    pub version: u64,
    /// As in [`Resource`].
    pub fields: Value,
    /// Who made it so.
    pub changed_by: String,
    /// When.
    pub at: WallTime,
}

/// What is done to a row, in the audit log.
fn deeds(kind: ResourceKind) -> [&'static str; 3] {
    macro_rules! deeds {
        ($($kind:ident $word:literal,)+) => {
            match kind { $(ResourceKind::$kind => [concat!($word, ".created"), concat!($word, ".changed"), concat!($word, ".deleted")],)+ }
        };
    }
    deeds! {
        Assistant "assistant",
        Configuration "configuration",
        FeatureFlag "feature_flag",
        McpServer "mcp_server",
        PhoneNumber "phone_number",
        Tool "tool",
        Trunk "trunk",
    }
}

impl Store {
    /// Adds a row.
    ///
    /// # Errors
    /// [`StoreError::Taken`] for a name that is there, [`StoreError::InUse`] when a row that it uses is gone, [`StoreError::Full`];
    /// else as [`Store::call`].
    pub async fn create_resource(
        &self,
        organization: &OrganizationId,
        kind: ResourceKind,
        wish: ResourceWish<'_>,
        act: &Act<'_>,
    ) -> Result<Resource, StoreError> {
        const QUERY: &str = "create_resource";
        let id = ResourceId::generate();
        self.timed_write(QUERY, async {
            let mut writing = self.begin_in(QUERY, Sees::One(organization)).await?;
            let count = sqlx::query("SELECT count(*) AS rows_there FROM resources WHERE organization = $1 AND kind = $2")
                .bind(organization.to_string())
                .bind(kind.as_str());
            let there = writing.fetch(QUERY, count, |row| row.count("rows_there")).await?.pop().unwrap_or_default();
            if there >= RESOURCES_MAX {
                return Err(StoreError::Full { query: QUERY, limit: RESOURCES_MAX });
            }
            let insert = sqlx::query(
                "INSERT INTO resources (id, organization, kind, name, fields, version, created_us, updated_us)
                 VALUES ($1, $2, $3, $4, $5, 1, $6, $6)",
            )
            .bind(id.to_string())
            .bind(organization.to_string())
            .bind(kind.as_str())
            .bind(text(wish.name))
            .bind(writing.keys.seal(fields_of(&id.to_string()), &text(&wish.fields.to_string())))
            .bind(act.at.micros());
            writing.execute(QUERY, insert).await?;
            writing.keep_version(organization, id, 1, &wish, act).await?;
            let details = json!({ "name": wish.name });
            let deed = Deed { action: deeds(kind)[0], resource: format!("{kind}:{id}"), details: &details };
            writing.note(organization, act, deed).await?;
            writing.count_change(QUERY).await?;
            writing.commit(QUERY).await
        })
        .await?;
        let made = self.resource(organization, kind, id).await?;
        made.ok_or(StoreError::Refused { index: 0, query: QUERY, reason: "it is gone again".to_owned() })
    }

    /// A row of an organization.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn resource(
        &self,
        organization: &OrganizationId,
        kind: ResourceKind,
        id: ResourceId,
    ) -> Result<Option<Resource>, StoreError> {
        let query = sqlx::query("SELECT * FROM resources WHERE organization = $1 AND kind = $2 AND id = $3")
            .bind(organization.to_string())
            .bind(kind.as_str())
            .bind(id.to_string());
        Ok(self.read_in("resource", Sees::One(organization), query, resource).await?.pop())
    }

    /// The rows of a kind in an organization, the newest first.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn resources(
        &self,
        organization: &OrganizationId,
        kind: ResourceKind,
        page: &Page,
    ) -> Result<Vec<Resource>, StoreError> {
        let query =
            sqlx::query("SELECT * FROM resources WHERE organization = $1 AND kind = $2 AND id < $3 ORDER BY id DESC LIMIT $4")
                .bind(organization.to_string())
                .bind(kind.as_str())
                .bind(page.after.clone().unwrap_or_else(last))
                .bind(i64::from(page.limit.clamp(1, LIST_MAX)));
        self.read_in("resources", Sees::One(organization), query, resource).await
    }

    /// Makes a row what is wished, if `version` is still its own.
    ///
    /// # Errors
    /// As [`Store::create_resource`].
    pub async fn change_resource(
        &self,
        row: &Resource,
        version: u64,
        wish: ResourceWish<'_>,
        act: &Act<'_>,
    ) -> Result<Changed<Resource>, StoreError> {
        const QUERY: &str = "change_resource";
        let (organization, kind, id) = (&row.organization, row.kind, row.id);
        let changed = self
            .timed_write(QUERY, async {
                let mut writing = self.begin_in(QUERY, Sees::One(organization)).await?;
                let update = sqlx::query(
                    "UPDATE resources SET name = $4, fields = $5, version = version + 1, updated_us = $6
                     WHERE organization = $1 AND id = $2 AND version = $3",
                )
                .bind(organization.to_string())
                .bind(id.to_string())
                .bind(version as i64)
                .bind(text(wish.name))
                .bind(writing.keys.seal(fields_of(&id.to_string()), &text(&wish.fields.to_string())))
                .bind(act.at.micros());
                if writing.execute(QUERY, update).await? == 0 {
                    return Ok(false);
                }
                writing.keep_version(organization, id, version + 1, &wish, act).await?;
                let details = json!({ "name": wish.name, "fields": differ(&row.fields, wish.fields) });
                let deed = Deed { action: deeds(kind)[1], resource: format!("{kind}:{id}"), details: &details };
                writing.note(organization, act, deed).await?;
                writing.count_change(QUERY).await?;
                writing.commit(QUERY).await.map(|()| true)
            })
            .await?;
        let now = self.resource(organization, kind, id).await?;
        Ok(match now {
            None => Changed::Missing,
            Some(_) if !changed => Changed::Stale,
            Some(row) => Changed::Done(row),
        })
    }

    /// Deletes a row with its versions, if `version` is still its own; `None`: whatever it is.
    ///
    /// # Errors
    /// [`StoreError::InUse`] when others use it; else as [`Store::call`].
    pub async fn delete_resource(
        &self,
        organization: &OrganizationId,
        kind: ResourceKind,
        id: ResourceId,
        version: Option<u64>,
        act: &Act<'_>,
    ) -> Result<Changed<()>, StoreError> {
        const QUERY: &str = "delete_resource";
        let Some(is) = self.resource(organization, kind, id).await? else { return Ok(Changed::Missing) };
        self.timed_write(QUERY, async {
            let mut writing = self.begin_in(QUERY, Sees::One(organization)).await?;
            let delete = sqlx::query("DELETE FROM resources WHERE organization = $1 AND id = $2 AND version = $3")
                .bind(organization.to_string())
                .bind(id.to_string())
                .bind(version.unwrap_or(is.version) as i64);
            if writing.execute(QUERY, delete).await? == 0 {
                return Ok(Changed::Stale);
            }
            let details = json!({ "name": is.name });
            let deed = Deed { action: deeds(kind)[2], resource: format!("{kind}:{id}"), details: &details };
            writing.note(organization, act, deed).await?;
            writing.count_change(QUERY).await?;
            writing.commit(QUERY).await.map(|()| Changed::Done(()))
        })
        .await
    }

    /// What a row was, the latest first; `page.after` is a version.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn resource_versions(
        &self,
        organization: &OrganizationId,
        id: ResourceId,
        page: &Page,
    ) -> Result<Vec<ResourceVersion>, StoreError> {
        let before = page.after.as_ref().and_then(|version| version.parse().ok()).unwrap_or(i64::MAX);
        let query = sqlx::query(
            "SELECT * FROM resource_versions WHERE organization = $1 AND resource_id = $2 AND version < $3
             ORDER BY version DESC LIMIT $4",
        )
        .bind(organization.to_string())
        .bind(id.to_string())
        .bind(before)
        .bind(i64::from(page.limit.clamp(1, LIST_MAX)));
        self.read_in("resource_versions", Sees::One(organization), query, version).await
    }

    /// The rows of all organizations, the oldest first, that calls are answered by: for the node.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn directory(&self) -> Result<Vec<Resource>, StoreError> {
        let query = sqlx::query("SELECT * FROM resources WHERE kind <> 'configuration' ORDER BY id");
        self.read_in("directory", Sees::All, query, resource).await
    }

    /// Organizations whose numbers nobody answers.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn inactive_organizations(&self) -> Result<Vec<OrganizationId>, StoreError> {
        let query = sqlx::query("SELECT id FROM organizations WHERE is_active = 0");
        self.read_in("inactive_organizations", Sees::All, query, |row| row.parsed("id")).await
    }

    /// How many changes there were: read before the rows, these are at least as new.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn directory_revision(&self) -> Result<u64, StoreError> {
        let query = sqlx::query("SELECT number FROM directory_revision");
        let rows = self.read("directory_revision", query, |row| row.count("number")).await?;
        Ok(rows.into_iter().next().unwrap_or_default())
    }
}

impl Writing {
    /// Counts a change of what calls are answered by; whoever changes something meanwhile waits for the end of this transaction.
    pub(super) async fn count_change(&mut self, query: &'static str) -> Result<(), StoreError> {
        self.execute(query, sqlx::query("UPDATE directory_revision SET number = number + 1")).await.map(drop)
    }

    /// Keeps what a row is from now on, and notes what it uses.
    async fn keep_version(
        &mut self,
        organization: &OrganizationId,
        id: ResourceId,
        version: u64,
        wish: &ResourceWish<'_>,
        act: &Act<'_>,
    ) -> Result<(), StoreError> {
        const QUERY: &str = "keep_version";
        let insert = sqlx::query(
            "INSERT INTO resource_versions (organization, resource_id, version, fields, changed_by, at_us)
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(organization.to_string())
        .bind(id.to_string())
        .bind(version as i64)
        .bind(self.keys.seal(version_of(&format!("{id}/{version}")), &text(&wish.fields.to_string())))
        .bind(text(act.actor))
        .bind(act.at.micros());
        self.execute(QUERY, insert).await?;
        let forget = sqlx::query("DELETE FROM resource_versions WHERE organization = $1 AND resource_id = $2 AND version <= $3")
            .bind(organization.to_string())
            .bind(id.to_string())
            .bind(version.saturating_sub(VERSIONS_KEPT) as i64);
        self.execute(QUERY, forget).await?;
        let no_more = sqlx::query("DELETE FROM resource_uses WHERE organization = $1 AND resource_id = $2")
            .bind(organization.to_string())
            .bind(id.to_string());
        self.execute(QUERY, no_more).await?;
        for used in wish.uses {
            let uses = sqlx::query(
                "INSERT INTO resource_uses (organization, resource_id, used_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            )
            .bind(organization.to_string())
            .bind(id.to_string())
            .bind(used.to_string());
            self.execute(QUERY, uses).await?;
        }
        Ok(())
    }
}

/// The fields that are not the same, by name: their values may be secret.
fn differ(before: &Value, now: &Value) -> Vec<String> {
    let names = |fields: &Value| fields.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    let mut all = [names(before), names(now)].concat();
    all.sort();
    all.dedup();
    all.retain(|name| before.get(name) != now.get(name));
    all
}

/// Where the fields of a row stand.
fn fields_of(row: &str) -> Place<'_> {
    Place { table: "resources", column: "fields", row }
}

/// Where those of a version stand.
fn version_of(row: &str) -> Place<'_> {
    Place { table: "resource_versions", column: "fields", row }
}

fn resource(row: &Columns<'_>) -> Result<Resource, StoreError> {
    let id: String = row.value("id")?;
    Ok(Resource {
        id: row.parsed("id")?,
        organization: row.parsed("organization")?,
        kind: row.parsed("kind")?,
        name: row.value("name")?,
        fields: row.opened_json(fields_of(&id))?,
        version: row.count("version")?,
        created_at: row.time("created_us")?,
        updated_at: row.time("updated_us")?,
    })
}

fn version(row: &Columns<'_>) -> Result<ResourceVersion, StoreError> {
    let (id, version): (String, u64) = (row.value("resource_id")?, row.count("version")?);
    Ok(ResourceVersion {
        version,
        fields: row.opened_json(version_of(&format!("{id}/{version}")))?,
        changed_by: row.value("changed_by")?,
        at: row.time("at_us")?,
    })
}
