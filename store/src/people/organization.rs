//! Organizations.

use std::future::Future;

use serde_json::{Value, json};

use super::audit::Deed;
use super::id::last;
use super::within::Sees;
use super::{Act, Changed, OrganizationId, Page};
use crate::open::{QUERY_TIME_MAX, timed};
use crate::read::LIST_MAX;
use crate::rows::Columns;
use crate::write::text;
use crate::{Store, StoreError, WallTime};

/// A business whose data no other one sees.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Organization {
    /// Its id.
    pub id: OrganizationId,
    /// What it is called.
    pub name: String,
    /// Its domain; may be empty.
    pub domain: String,
    /// In words; may be empty.
    pub description: String,
    /// False: nobody of it may sign in, and its keys are refused.
    pub is_active: bool,
    /// The name of its plan.
    pub plan: String,
    /// Counts its changes, from 1.
    pub version: u64,
    /// When it was made.
    pub created_at: WallTime,
    /// When it was changed last.
    pub updated_at: WallTime,
}

/// An organization that is to be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewOrganization {
    /// What it is called.
    pub name: String,
    /// Its domain.
    pub domain: String,
    /// In words.
    pub description: String,
    /// The name of its plan.
    pub plan: String,
}

/// What of an organization is to be different.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct OrganizationChange {
    /// As in [`Organization`].
    pub name: Option<String>,
    /// As in [`Organization`].
    pub domain: Option<String>,
    /// As in [`Organization`].
    pub description: Option<String>,
    /// As in [`Organization`].
    pub is_active: Option<bool>,
    /// As in [`Organization`].
    pub plan: Option<String>,
}

impl Store {
    /// Makes an organization, and notes it in its log.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn create_organization(&self, new: &NewOrganization, act: &Act<'_>) -> Result<Organization, StoreError> {
        const QUERY: &str = "create_organization";
        let id = OrganizationId::generate();
        self.timed_write(QUERY, async {
            let mut writing = self.begin_in(QUERY, Sees::One(&id)).await?;
            let insert = sqlx::query(
                "INSERT INTO organizations (id, name, domain, description, is_active, plan, version, created_us, updated_us)
                 VALUES ($1, $2, $3, $4, 1, $5, 1, $6, $6)",
            )
            .bind(id.to_string())
            .bind(text(&new.name))
            .bind(text(&new.domain))
            .bind(text(&new.description))
            .bind(text(&new.plan))
            .bind(act.at.micros());
            writing.execute(QUERY, insert).await?;
            let details = json!({ "name": new.name });
            let deed = Deed { action: "organization.created", resource: format!("organization:{id}"), details: &details };
            writing.note(&id, act, deed).await?;
            writing.commit(QUERY).await
        })
        .await?;
        let made = self.organization(&id).await?;
        made.ok_or(StoreError::Refused { index: 0, query: QUERY, reason: "it is gone again".to_owned() })
    }

    /// The organization with this id.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn organization(&self, id: &OrganizationId) -> Result<Option<Organization>, StoreError> {
        let query = sqlx::query("SELECT * FROM organizations WHERE id = $1").bind(id.to_string());
        Ok(self.read_in("organization", Sees::One(id), query, organization).await?.pop())
    }

    /// All organizations, the newest first: for the operator.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn organizations(&self, page: &Page) -> Result<Vec<Organization>, StoreError> {
        let query = sqlx::query("SELECT * FROM organizations WHERE id < $1 ORDER BY id DESC LIMIT $2")
            .bind(page.after.clone().unwrap_or_else(last))
            .bind(i64::from(page.limit.clamp(1, LIST_MAX)));
        self.read_in("organizations", Sees::All, query, organization).await
    }

    /// Changes an organization, if `version` is still its own; `None`: whatever it is.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn change_organization(
        &self,
        id: &OrganizationId,
        version: Option<u64>,
        change: &OrganizationChange,
        act: &Act<'_>,
    ) -> Result<Changed<Organization>, StoreError> {
        const QUERY: &str = "change_organization";
        let Some(is) = self.organization(id).await? else { return Ok(Changed::Missing) };
        let OrganizationChange { name, domain, description, is_active, plan } = change.clone();
        let update = sqlx::query(
            "UPDATE organizations SET name = $3, domain = $4, description = $5, is_active = $6, plan = $7, version = version + 1,
               updated_us = $8 WHERE id = $1 AND version = $2",
        )
        .bind(id.to_string())
        .bind(version.unwrap_or(is.version) as i64)
        .bind(text(&name.unwrap_or(is.name)))
        .bind(text(&domain.unwrap_or(is.domain)))
        .bind(text(&description.unwrap_or(is.description)))
        .bind(i64::from(is_active.unwrap_or(is.is_active)))
        .bind(text(&plan.unwrap_or(is.plan)))
        .bind(act.at.micros());
        let changed = self
            .timed_write(QUERY, async {
                let mut writing = self.begin_in(QUERY, Sees::One(id)).await?;
                if writing.execute(QUERY, update).await? == 0 {
                    return Ok(false);
                }
                let details = details(change);
                let deed = Deed { action: "organization.changed", resource: format!("organization:{id}"), details: &details };
                writing.note(id, act, deed).await?;
                writing.count_change(QUERY).await?;
                writing.commit(QUERY).await.map(|()| true)
            })
            .await?;
        Ok(if changed { self.organization(id).await?.map_or(Changed::Missing, Changed::Done) } else { Changed::Stale })
    }

    /// Deletes an organization with all that is its own but its audit log; noted in the operator's log. The operator's own stays.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn delete_organization(
        &self,
        id: &OrganizationId,
        version: Option<u64>,
        act: &Act<'_>,
    ) -> Result<Changed<()>, StoreError> {
        const QUERY: &str = "delete_organization";
        let Some(is) = self.organization(id).await?.filter(|_| !id.is_operator()) else { return Ok(Changed::Missing) };
        let deleted = self
            .timed_write(QUERY, async {
                let mut writing = self.begin_in(QUERY, Sees::All).await?;
                let delete = sqlx::query("DELETE FROM organizations WHERE id = $1 AND version = $2");
                let delete = delete.bind(id.to_string()).bind(version.unwrap_or(is.version) as i64);
                if writing.execute(QUERY, delete).await? == 0 {
                    return Ok(false);
                }
                // What is left of its documents is removed by whoever reads documents, from other servers too.
                let documents = sqlx::query(
                    "UPDATE knowledge_documents SET status = 'deleting', claim = claim + 1, claimed_by = '', attempts = 0, due_us = 0
                     WHERE organization = $1",
                );
                writing.execute(QUERY, documents.bind(id.to_string())).await?;
                writing.execute(QUERY, sqlx::query("UPDATE knowledge_revision SET revision = revision + 1")).await?;
                let details = json!({ "name": is.name });
                let deed = Deed { action: "organization.deleted", resource: format!("organization:{id}"), details: &details };
                writing.note(&OrganizationId::operator(), act, deed).await?;
                writing.count_change(QUERY).await?;
                writing.commit(QUERY).await.map(|()| true)
            })
            .await?;
        Ok(if deleted { Changed::Done(()) } else { Changed::Stale })
    }

    /// A write within the time that queries have.
    pub(crate) async fn timed_write<T>(
        &self,
        query: &'static str,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        timed(query, QUERY_TIME_MAX, work).await
    }
}

fn details(change: &OrganizationChange) -> Value {
    let OrganizationChange { name, domain, description, is_active, plan } = change;
    set(json!({ "name": name, "domain": domain, "description": description, "is_active": is_active, "plan": plan }))
}

/// What of a change is said at all.
pub(super) fn set(mut details: Value) -> Value {
    if let Some(fields) = details.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    details
}

fn organization(row: &Columns<'_>) -> Result<Organization, StoreError> {
    Ok(Organization {
        id: row.parsed("id")?,
        name: row.value("name")?,
        domain: row.value("domain")?,
        description: row.value("description")?,
        is_active: row.count("is_active")? != 0,
        plan: row.value("plan")?,
        version: row.count("version")?,
        created_at: row.time("created_us")?,
        updated_at: row.time("updated_us")?,
    })
}
