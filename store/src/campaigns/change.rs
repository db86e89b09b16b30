//! Making, changing, starting and ending campaigns: each change is noted in the audit log, and each that others wait for is told.

use serde_json::{Value, json};

use super::contacts::counts_of;
use super::{Campaign, CampaignCounts, CampaignStatus, CampaignWish, campaign, micros};
use crate::events::{News, Of};
use crate::open::Writing;
use crate::people::audit::Deed;
use crate::people::id::last;
use crate::people::within::Sees;
use crate::read::LIST_MAX;
use crate::write::text;
use crate::{Act, CampaignId, Changed, EventKind, OrganizationId, Page, Store, StoreError};

impl Store {
    /// Makes a campaign, a draft without contacts.
    ///
    /// # Errors
    /// [`StoreError::Taken`] for a name that is there; else as [`Store::call`].
    pub async fn create_campaign(
        &self,
        organization: &OrganizationId,
        wish: &CampaignWish,
        act: &Act<'_>,
    ) -> Result<Campaign, StoreError> {
        const QUERY: &str = "create_campaign";
        let id = CampaignId::generate();
        self.timed_write(QUERY, async {
            let mut writing = self.begin_in(QUERY, Sees::One(organization)).await?;
            let insert = sqlx::query(
                "INSERT INTO campaigns (id, organization, name, settings, status, concurrency, gap_us, version, created_us, updated_us)
                 VALUES ($1, $2, $3, $4, 'draft', $5, $6, 1, $7, $7) RETURNING *",
            )
            .bind(id.to_string())
            .bind(organization.to_string())
            .bind(text(&wish.name))
            .bind(wish.settings.to_string())
            .bind(i64::from(wish.concurrency))
            .bind(micros(wish.gap))
            .bind(act.at.micros());
            let made = writing.fetch_one(QUERY, insert, campaign).await?;
            let details = json!({ "name": wish.name });
            let deed = Deed { action: "campaign.created", resource: format!("campaign:{id}"), details: &details };
            writing.note(organization, act, deed).await?;
            writing.commit(QUERY).await.map(|()| made)
        })
        .await
    }

    /// A campaign of an organization.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn campaign(&self, organization: &OrganizationId, id: CampaignId) -> Result<Option<Campaign>, StoreError> {
        let query = sqlx::query("SELECT * FROM campaigns WHERE organization = $1 AND id = $2");
        let query = query.bind(organization.to_string()).bind(id.to_string());
        Ok(self.read_in("campaign", Sees::One(organization), query, campaign).await?.pop())
    }

    /// The campaigns of an organization, the newest first: with this status, when one is given.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn campaigns(
        &self,
        organization: &OrganizationId,
        status: Option<CampaignStatus>,
        page: &Page,
    ) -> Result<Vec<Campaign>, StoreError> {
        let query = sqlx::query(
            "SELECT * FROM campaigns WHERE organization = $1 AND id < $2 AND ($3 = '' OR status = $3) ORDER BY id DESC LIMIT $4",
        )
        .bind(organization.to_string())
        .bind(page.after.clone().unwrap_or_else(last))
        .bind(status.map_or("", CampaignStatus::as_str))
        .bind(i64::from(page.limit.clamp(1, LIST_MAX)));
        self.read_in("campaigns", Sees::One(organization), query, campaign).await
    }

    /// Makes a campaign what is wished, if `version` is still its own. Whoever waits for a window is looked at again.
    ///
    /// # Errors
    /// As [`Store::create_campaign`].
    pub async fn change_campaign(
        &self,
        before: &Campaign,
        version: u64,
        wish: &CampaignWish,
        act: &Act<'_>,
    ) -> Result<Changed<Campaign>, StoreError> {
        const QUERY: &str = "change_campaign";
        let (organization, id) = (&before.organization, before.id);
        let changed = self.timed_write(QUERY, async {
            let mut writing = self.begin_in(QUERY, Sees::One(organization)).await?;
            let update = sqlx::query(
                "UPDATE campaigns SET name = $4, settings = $5, concurrency = $6, gap_us = $7, version = version + 1, updated_us = $8
                 WHERE organization = $1 AND id = $2 AND version = $3 RETURNING *",
            )
            .bind(organization.to_string())
            .bind(id.to_string())
            .bind(version as i64)
            .bind(text(&wish.name))
            .bind(wish.settings.to_string())
            .bind(i64::from(wish.concurrency))
            .bind(micros(wish.gap))
            .bind(act.at.micros());
            let Some(row) = writing.fetch(QUERY, update, campaign).await?.pop() else { return Ok(None) };
            let again = "UPDATE campaign_contacts SET due_us = ready_us WHERE organization = $1 AND campaign_id = $2 AND state = 'pending'";
            let again = sqlx::query(again).bind(organization.to_string()).bind(id.to_string());
            writing.execute(QUERY, again).await?;
            let details = json!({ "name": wish.name });
            let deed = Deed { action: "campaign.changed", resource: format!("campaign:{id}"), details: &details };
            writing.note(organization, act, deed).await?;
            writing.commit(QUERY).await.map(|()| Some(row))
        });
        match changed.await? {
            Some(row) => {
                self.wake();
                Ok(Changed::Done(row))
            }
            None if self.campaign(organization, id).await?.is_none() => Ok(Changed::Missing),
            None => Ok(Changed::Stale),
        }
    }

    /// Deletes a campaign with its contacts and attempts, if `version` is still its own; its calls stay on the record.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn delete_campaign(
        &self,
        before: &Campaign,
        version: Option<u64>,
        act: &Act<'_>,
    ) -> Result<Changed<()>, StoreError> {
        const QUERY: &str = "delete_campaign";
        let (organization, id) = (&before.organization, before.id);
        self.timed_write(QUERY, async {
            let mut writing = self.begin_in(QUERY, Sees::One(organization)).await?;
            let delete = "DELETE FROM campaigns WHERE organization = $1 AND id = $2 AND version = $3 AND status <> 'running'";
            let delete = sqlx::query(delete)
                .bind(organization.to_string())
                .bind(id.to_string())
                .bind(version.unwrap_or(before.version) as i64);
            if writing.execute(QUERY, delete).await? == 0 {
                return Ok(Changed::Stale);
            }
            let details = json!({ "name": before.name });
            let deed = Deed { action: "campaign.deleted", resource: format!("campaign:{id}"), details: &details };
            writing.note(organization, act, deed).await?;
            writing.commit(QUERY).await.map(|()| Changed::Done(()))
        })
        .await
    }

    /// Has a campaign go on, rest or end, if it is in one of the states `from`; `None`: it is not. It is told as `campaign.updated`.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn move_campaign(
        &self,
        (organization, id): (&OrganizationId, CampaignId),
        from: &[CampaignStatus],
        to: CampaignStatus,
        why: Option<&str>,
        act: &Act<'_>,
    ) -> Result<Option<Campaign>, StoreError> {
        const QUERY: &str = "move_campaign";
        let Some(before) = self.campaign(organization, id).await? else { return Ok(None) };
        if !from.contains(&before.status) {
            return Ok(None);
        }
        let moved = self.timed_write(QUERY, async {
            let mut writing = self.begin_in(QUERY, Sees::One(organization)).await?;
            let update = sqlx::query(
                "UPDATE campaigns SET status = $4, status_why = $5, version = version + 1, updated_us = $6,
                   started_us = CASE WHEN $4 = 'running' THEN COALESCE(started_us, $6) ELSE started_us END,
                   finished_us = CASE WHEN $4 = 'finished' THEN $6 ELSE NULL END
                 WHERE organization = $1 AND id = $2 AND status = $3 RETURNING *",
            )
            .bind(organization.to_string())
            .bind(id.to_string())
            .bind(before.status.as_str())
            .bind(to.as_str())
            .bind(why.map(text))
            .bind(act.at.micros());
            let Some(row) = writing.fetch(QUERY, update, campaign).await?.pop() else { return Ok(None) };
            let action = match to {
                CampaignStatus::Running => "campaign.started",
                CampaignStatus::Paused | CampaignStatus::Draft => "campaign.paused",
                CampaignStatus::Finished => "campaign.finished",
            };
            let details = json!({ "from": before.status.as_str(), "why": why });
            let deed = Deed { action, resource: format!("campaign:{id}"), details: &details };
            writing.note(organization, act, deed).await?;
            let counts = counts_of(&mut writing, organization, id).await?;
            self.tell(&mut writing, vec![updated(&row, &counts, act)]).await?;
            writing.commit(QUERY).await.map(|()| Some(row))
        });
        let moved = moved.await?;
        self.wake();
        Ok(moved)
    }
}

/// What is told of a campaign.
fn updated(row: &Campaign, counts: &CampaignCounts, act: &Act<'_>) -> News {
    let outcomes: Value = counts.outcomes.iter().map(|(outcome, count)| (outcome.as_str().to_owned(), json!(count))).collect();
    let data = json!({
        "campaign_id": row.id.to_string(),
        "name": row.name,
        "status": row.status.as_str(),
        "status_reason": row.status_why,
        "counts": {
            "pending": counts.pending,
            "dialing": counts.dialing,
            "done": counts.done,
            "attempts": counts.attempts,
            "outcomes": outcomes,
        },
    });
    News {
        kind: EventKind::CampaignUpdated,
        of: Of::Organization(row.organization.clone()),
        subject: format!("{} {}", row.id, row.version),
        at: act.at,
        data,
    }
}

impl Writing {
    /// The one row of a query that has one.
    pub(super) async fn fetch_one<T>(
        &mut self,
        name: &'static str,
        query: crate::write::Bound<'_>,
        decode: fn(&crate::rows::Columns<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let row = self.fetch(name, query, decode).await?.pop();
        row.ok_or(StoreError::Unavailable { query: name, source: sqlx::Error::RowNotFound })
    }
}
