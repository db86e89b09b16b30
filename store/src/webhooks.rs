//! Webhooks: who is told of events over HTTP, and the queue of what they are told.
//!
//! Secrets, and URLs, which are secrets to some receivers, are sealed as they are written and opened as they are read.

mod deliveries;
mod queue;

use serde_json::json;

use crate::people::audit::Deed;
use crate::people::id::last;
use crate::people::within::Sees;
use crate::read::LIST_MAX;
use crate::rows::Columns;
use crate::seal::Place;
use crate::write::text;
use crate::{Act, Changed, EventFilter, Hidden, OrganizationId, Page, Store, StoreError, WallTime, WebhookId, WebhookKind};

pub use deliveries::{Delivery, NewDelivery};
pub use queue::{DELIVERY_CLAIMS_MAX, DeliveryClaim, DeliveryEnd, DeliveryJob, DeliveryTry};

pub(crate) use queue::{Told, queue};

/// Most webhooks of one organization: each event is a row and a request for each.
pub const WEBHOOKS_MAX: u32 = 20;

/// Who is told of events over HTTP.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Webhook {
    /// Its id.
    pub id: WebhookId,
    /// Whose it is.
    pub organization: OrganizationId,
    /// How it is told.
    pub kind: WebhookKind,
    /// Where.
    pub url: Hidden,
    /// What it is for.
    pub description: String,
    /// Of what.
    pub events: EventFilter,
    /// Leads below this score are not told; of kind slack.
    pub lead_threshold: u8,
    /// What deliveries are signed with.
    pub secret: Hidden,
    /// The one before the last rotation, with which they are signed too, and until when.
    pub previous: Option<(Hidden, WallTime)>,
    /// Whether it is told anything.
    pub is_active: bool,
    /// Why it was switched off, when we did that.
    pub disabled_why: Option<String>,
    /// Counts its changes, from 1.
    pub version: u64,
    /// When it was made.
    pub created_at: WallTime,
    /// When it was changed last.
    pub updated_at: WallTime,
}

/// A webhook that is to be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewWebhook {
    /// How it is told.
    pub kind: WebhookKind,
    /// Where.
    pub url: Hidden,
    /// What it is for.
    pub description: String,
    /// Of what.
    pub events: EventFilter,
    /// Leads below this score are not told; of kind slack.
    pub lead_threshold: u8,
    /// What deliveries are signed with.
    pub secret: Hidden,
    /// Whether it is told anything.
    pub is_active: bool,
}

/// What is to be changed of a webhook; `None`: it stays.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct WebhookChange {
    /// Where.
    pub url: Option<Hidden>,
    /// What it is for.
    pub description: Option<String>,
    /// Of what.
    pub events: Option<EventFilter>,
    /// Leads below this score are not told.
    pub lead_threshold: Option<u8>,
    /// Whether it is told anything. What waits when it is switched off is given up.
    pub is_active: Option<bool>,
}

impl Store {
    /// Adds a webhook; `None`: there are [`WEBHOOKS_MAX`] already.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn create_webhook(
        &self,
        organization: &OrganizationId,
        new: &NewWebhook,
        act: &Act<'_>,
    ) -> Result<Option<Webhook>, StoreError> {
        const QUERY: &str = "create_webhook";
        let id = WebhookId::generate();
        let made = self.timed_write(QUERY, async {
            let mut writing = self.begin_in(QUERY, Sees::One(organization)).await?;
            // Noted first: of two at the same time the second waits here, and counts the first.
            let details = json!({ "kind": new.kind.as_str(), "events": new.events.words() });
            let deed = Deed { action: "webhook.created", resource: format!("webhook:{id}"), details: &details };
            writing.note(organization, act, deed).await?;
            let insert = sqlx::query(
                "INSERT INTO webhooks (id, organization, kind, url, description, events, lead_threshold, secret, is_active, version,
                   created_us, updated_us)
                 SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, 1, $10, $10
                 WHERE (SELECT COUNT(*) FROM webhooks WHERE organization = $2) < $11",
            )
            .bind(id.to_string())
            .bind(organization.to_string())
            .bind(new.kind.as_str())
            .bind(writing.keys.seal(place("url", &id.to_string()), &text(new.url.expose())))
            .bind(text(&new.description))
            .bind(text(&new.events.words().join(" ")))
            .bind(i64::from(new.lead_threshold))
            .bind(writing.keys.seal(place("secret", &id.to_string()), &text(new.secret.expose())))
            .bind(i64::from(new.is_active))
            .bind(act.at.micros())
            .bind(i64::from(WEBHOOKS_MAX));
            if writing.execute(QUERY, insert).await? == 0 {
                return Ok(false);
            }
            writing.commit(QUERY).await.map(|()| true)
        });
        if made.await? { self.webhook(organization, id).await } else { Ok(None) }
    }

    /// A webhook of an organization.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn webhook(&self, organization: &OrganizationId, id: WebhookId) -> Result<Option<Webhook>, StoreError> {
        let query = sqlx::query("SELECT * FROM webhooks WHERE organization = $1 AND id = $2");
        let query = query.bind(organization.to_string()).bind(id.to_string());
        Ok(self.read_in("webhook", Sees::One(organization), query, webhook).await?.pop())
    }

    /// The webhooks of an organization, the newest first.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn webhooks(&self, organization: &OrganizationId, page: &Page) -> Result<Vec<Webhook>, StoreError> {
        let query = sqlx::query("SELECT * FROM webhooks WHERE organization = $1 AND id < $2 ORDER BY id DESC LIMIT $3")
            .bind(organization.to_string())
            .bind(page.after.clone().unwrap_or_else(last))
            .bind(i64::from(page.limit.clamp(1, LIST_MAX)));
        self.read_in("webhooks", Sees::One(organization), query, webhook).await
    }

    /// Whether any organization has a webhook.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn has_webhooks(&self) -> Result<bool, StoreError> {
        let query = sqlx::query("SELECT id FROM webhooks LIMIT 1");
        Ok(!self.read_in("has_webhooks", Sees::All, query, |_| Ok(())).await?.is_empty())
    }

    /// Changes a webhook, if `version` is still its own.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn change_webhook(
        &self,
        organization: &OrganizationId,
        id: WebhookId,
        version: Option<u64>,
        change: &WebhookChange,
        act: &Act<'_>,
    ) -> Result<Changed<Webhook>, StoreError> {
        const QUERY: &str = "change_webhook";
        let Some(is) = self.webhook(organization, id).await? else { return Ok(Changed::Missing) };
        let is_active = change.is_active.unwrap_or(is.is_active);
        let changed = self.timed_write(QUERY, async {
            let mut writing = self.begin_in(QUERY, Sees::One(organization)).await?;
            let update = sqlx::query(
                "UPDATE webhooks SET url = $4, description = $5, events = $6, lead_threshold = $7, is_active = $8,
                   disabled_why = CASE WHEN $8 = 1 THEN NULL ELSE disabled_why END, version = version + 1, updated_us = $9
                 WHERE organization = $1 AND id = $2 AND version = $3",
            )
            .bind(organization.to_string())
            .bind(id.to_string())
            .bind(version.unwrap_or(is.version) as i64)
            .bind(writing.keys.seal(place("url", &id.to_string()), &text(change.url.as_ref().unwrap_or(&is.url).expose())))
            .bind(text(change.description.as_ref().unwrap_or(&is.description)))
            .bind(text(&change.events.as_ref().unwrap_or(&is.events).words().join(" ")))
            .bind(i64::from(change.lead_threshold.unwrap_or(is.lead_threshold)))
            .bind(i64::from(is_active))
            .bind(act.at.micros());
            if writing.execute(QUERY, update).await? == 0 {
                return Ok(false);
            }
            if !is_active {
                queue::give_up(&mut writing, id, "the webhook was switched off", act.at).await?;
            }
            let events = change.events.as_ref().map(EventFilter::words);
            let details = json!({ "url": change.url.is_some(), "events": events, "is_active": change.is_active });
            let deed = Deed { action: "webhook.changed", resource: format!("webhook:{id}"), details: &details };
            writing.note(organization, act, deed).await?;
            writing.commit(QUERY).await.map(|()| true)
        });
        if !changed.await? {
            return Ok(Changed::Stale);
        }
        Ok(self.webhook(organization, id).await?.map_or(Changed::Missing, Changed::Done))
    }

    /// Gives a webhook another secret; until `overlap_until` deliveries are signed with the one before too.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn rotate_webhook(
        &self,
        organization: &OrganizationId,
        id: WebhookId,
        secret: &Hidden,
        overlap_until: WallTime,
        act: &Act<'_>,
    ) -> Result<Changed<Webhook>, StoreError> {
        const QUERY: &str = "rotate_webhook";
        let rotated = self.timed_write(QUERY, async {
            let mut writing = self.begin_in(QUERY, Sees::One(organization)).await?;
            // Noted first: of two at the same time the second waits here, and sees the secret of the first.
            let details = json!({ "overlap_until": overlap_until.to_string() });
            let deed = Deed { action: "webhook.rotated", resource: format!("webhook:{id}"), details: &details };
            writing.note(organization, act, deed).await?;
            let is = sqlx::query("SELECT * FROM webhooks WHERE organization = $1 AND id = $2");
            let is = writing.fetch(QUERY, is.bind(organization.to_string()).bind(id.to_string()), webhook).await?.pop();
            let Some(is) = is else { return Ok(false) };
            let update = sqlx::query(
                "UPDATE webhooks SET previous_secret = $6, previous_until_us = $3, secret = $4, version = version + 1,
                   updated_us = $5 WHERE organization = $1 AND id = $2",
            )
            .bind(organization.to_string())
            .bind(id.to_string())
            .bind(overlap_until.micros())
            .bind(writing.keys.seal(place("secret", &id.to_string()), &text(secret.expose())))
            .bind(act.at.micros())
            .bind(writing.keys.seal(place("previous_secret", &id.to_string()), is.secret.expose()));
            if writing.execute(QUERY, update).await? == 0 {
                return Ok(false);
            }
            writing.commit(QUERY).await.map(|()| true)
        });
        let row = if rotated.await? { self.webhook(organization, id).await? } else { None };
        Ok(row.map_or(Changed::Missing, Changed::Done))
    }

    /// Deletes a webhook, and what it was and is to be told.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn delete_webhook(
        &self,
        organization: &OrganizationId,
        id: WebhookId,
        version: Option<u64>,
        act: &Act<'_>,
    ) -> Result<Changed<()>, StoreError> {
        const QUERY: &str = "delete_webhook";
        let Some(is) = self.webhook(organization, id).await? else { return Ok(Changed::Missing) };
        self.timed_write(QUERY, async {
            let mut writing = self.begin_in(QUERY, Sees::One(organization)).await?;
            let delete = sqlx::query("DELETE FROM webhooks WHERE organization = $1 AND id = $2 AND version = $3")
                .bind(organization.to_string())
                .bind(id.to_string())
                .bind(version.unwrap_or(is.version) as i64);
            if writing.execute(QUERY, delete).await? == 0 {
                return Ok(Changed::Stale);
            }
            let deed = Deed { action: "webhook.deleted", resource: format!("webhook:{id}"), details: &json!({}) };
            writing.note(organization, act, deed).await?;
            writing.commit(QUERY).await.map(|()| Changed::Done(()))
        })
        .await
    }
}

/// Where something of a webhook stands.
fn place<'a>(column: &'static str, row: &'a str) -> Place<'a> {
    Place { table: "webhooks", column, row }
}

pub(crate) fn webhook(row: &Columns<'_>) -> Result<Webhook, StoreError> {
    let id: String = row.value("id")?;
    let hidden = |column| row.opened(place(column, &id)).map(Hidden::new);
    let previous = row.opened_option(place("previous_secret", &id))?.map(Hidden::new);
    Ok(Webhook {
        id: row.parsed("id")?,
        organization: row.parsed("organization")?,
        kind: row.parsed("kind")?,
        url: hidden("url")?,
        description: row.value("description")?,
        events: row.parsed("events")?,
        lead_threshold: u8::try_from(row.count("lead_threshold")?).unwrap_or(u8::MAX),
        secret: hidden("secret")?,
        previous: previous.zip(row.time_option("previous_until_us")?),
        is_active: row.value::<i64>("is_active")? != 0,
        disabled_why: row.value("disabled_why")?,
        version: row.count("version")?,
        created_at: row.time("created_us")?,
        updated_at: row.time("updated_us")?,
    })
}
