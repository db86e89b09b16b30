//! Memories as people see them: listed, put right, deleted.

use serde_json::json;

use super::{Caller, Memory, MemoryId, memory};
use crate::people::audit::Deed;
use crate::people::id::last;
use crate::people::within::Sees;
use crate::read::LIST_MAX;
use crate::write::text;
use crate::{Act, Changed, OrganizationId, Page, Store, StoreError, Transcript, WallTime};

impl Store {
    /// What an organization remembers at `now`, the newest first: of one caller, or of all.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn list_memories(
        &self,
        organization: &OrganizationId,
        caller: Option<&Caller>,
        now: WallTime,
        page: &Page,
    ) -> Result<Vec<Memory>, StoreError> {
        let query = sqlx::query(
            "SELECT * FROM memories WHERE organization = $1 AND id < $2 AND expires_us > $3 AND ($4 = '' OR caller = $4)
             ORDER BY id DESC LIMIT $5",
        )
        .bind(organization.to_string())
        .bind(page.after.clone().unwrap_or_else(last))
        .bind(now.micros())
        .bind(caller.map_or("", Caller::reveal).to_owned())
        .bind(i64::from(page.limit.clamp(1, LIST_MAX)));
        self.read_in("list_memories", Sees::One(organization), query, memory).await
    }

    /// A memory of an organization.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn memory(&self, organization: &OrganizationId, id: MemoryId) -> Result<Option<Memory>, StoreError> {
        let query = sqlx::query("SELECT * FROM memories WHERE organization = $1 AND id = $2");
        let query = query.bind(organization.to_string()).bind(id.to_string());
        Ok(self.read_in("memory", Sees::One(organization), query, memory).await?.pop())
    }

    /// Puts a memory right, if `version` is still its own.
    ///
    /// # Errors
    /// [`StoreError::Taken`]: the same is remembered already. [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn change_memory(
        &self,
        organization: &OrganizationId,
        id: MemoryId,
        version: Option<u64>,
        words: &Transcript,
        act: &Act<'_>,
    ) -> Result<Changed<Memory>, StoreError> {
        const QUERY: &str = "change_memory";
        let Some(is) = self.memory(organization, id).await? else { return Ok(Changed::Missing) };
        let changed = self.timed_write(QUERY, async {
            let mut writing = self.begin_in(QUERY, Sees::One(organization)).await?;
            let update = sqlx::query(
                "UPDATE memories SET text = $4, version = version + 1, confirmed_us = $5
                 WHERE organization = $1 AND id = $2 AND version = $3",
            )
            .bind(organization.to_string())
            .bind(id.to_string())
            .bind(version.unwrap_or(is.version) as i64)
            .bind(text(words.reveal()))
            .bind(act.at.micros());
            if writing.execute(QUERY, update).await? == 0 {
                return Ok(false);
            }
            let deed = Deed { action: "memory.changed", resource: format!("memory:{id}"), details: &json!({}) };
            writing.note(organization, act, deed).await?;
            writing.commit(QUERY).await.map(|()| true)
        });
        if !changed.await? {
            return Ok(Changed::Stale);
        }
        Ok(self.memory(organization, id).await?.map_or(Changed::Missing, Changed::Done))
    }

    /// Deletes a memory.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn delete_memory(
        &self,
        organization: &OrganizationId,
        id: MemoryId,
        version: Option<u64>,
        act: &Act<'_>,
    ) -> Result<Changed<()>, StoreError> {
        const QUERY: &str = "delete_memory";
        let Some(is) = self.memory(organization, id).await? else { return Ok(Changed::Missing) };
        self.timed_write(QUERY, async {
            let mut writing = self.begin_in(QUERY, Sees::One(organization)).await?;
            let delete = sqlx::query("DELETE FROM memories WHERE organization = $1 AND id = $2 AND version = $3")
                .bind(organization.to_string())
                .bind(id.to_string())
                .bind(version.unwrap_or(is.version) as i64);
            if writing.execute(QUERY, delete).await? == 0 {
                return Ok(Changed::Stale);
            }
            let deed = Deed { action: "memory.deleted", resource: format!("memory:{id}"), details: &json!({}) };
            writing.note(organization, act, deed).await?;
            writing.commit(QUERY).await.map(|()| Changed::Done(()))
        })
        .await
    }
}
