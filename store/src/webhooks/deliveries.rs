//! Deliveries as people see them: what came of each, and sending one again.

use serde_json::{Value, json};
use uuid::Uuid;

use super::queue::{Row, insert};
use crate::people::audit::Deed;
use crate::people::id::last;
use crate::people::within::Sees;
use crate::read::LIST_MAX;
use crate::rows::Columns;
use crate::{Act, Changed, DeliveryId, DeliveryState, OrganizationId, Page, Store, StoreError, WallTime, WebhookId};

/// One event on its way to one webhook.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// Its id.
    pub id: DeliveryId,
    /// Where it goes.
    pub webhook: WebhookId,
    /// `webhook-id`: the same each time it is sent.
    pub message: String,
    /// The event's type.
    pub kind: String,
    /// What is sent. It has numbers and words of people: not for logs.
    pub body: Value,
    /// Where it is in its life.
    pub state: DeliveryState,
    /// How often it was begun.
    pub attempts: u32,
    /// When it is tried next; only of pending ones.
    pub due_at: Option<WallTime>,
    /// What the other side answered last.
    pub status: Option<u16>,
    /// Why the last try failed.
    pub error: Option<String>,
    /// The beginning of the last answer.
    pub answer: Option<String>,
    /// When it was made.
    pub created_at: WallTime,
    /// When it came to its end.
    pub finished_at: Option<WallTime>,
}

/// One that no event makes: for a test.
#[derive(Clone, Debug, PartialEq)]
pub struct NewDelivery {
    /// Where it goes.
    pub webhook: WebhookId,
    /// The type.
    pub kind: String,
    /// What is sent.
    pub body: Value,
}

impl Store {
    /// What a webhook was told and is to be told, the newest first.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn deliveries(
        &self,
        organization: &OrganizationId,
        webhook: WebhookId,
        page: &Page,
    ) -> Result<Vec<Delivery>, StoreError> {
        let query = sqlx::query(
            "SELECT * FROM webhook_deliveries WHERE organization = $1 AND webhook_id = $2 AND id < $3 ORDER BY id DESC LIMIT $4",
        )
        .bind(organization.to_string())
        .bind(webhook.to_string())
        .bind(page.after.clone().unwrap_or_else(last))
        .bind(i64::from(page.limit.clamp(1, LIST_MAX)));
        self.read_in("deliveries", Sees::One(organization), query, delivery).await
    }

    /// A delivery of an organization.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn delivery(&self, organization: &OrganizationId, id: DeliveryId) -> Result<Option<Delivery>, StoreError> {
        let query = sqlx::query("SELECT * FROM webhook_deliveries WHERE organization = $1 AND id = $2");
        let query = query.bind(organization.to_string()).bind(id.to_string());
        Ok(self.read_in("delivery", Sees::One(organization), query, delivery).await?.pop())
    }

    /// Queues one that no event makes.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn queue_delivery(
        &self,
        organization: &OrganizationId,
        new: &NewDelivery,
        act: &Act<'_>,
    ) -> Result<Option<Delivery>, StoreError> {
        const QUERY: &str = "queue_delivery";
        let id = DeliveryId::generate();
        let row = Row {
            id,
            organization,
            webhook: new.webhook,
            call: None,
            place: 0,
            message: format!("msg_{}", Uuid::now_v7().simple()),
            kind: &new.kind,
            body: new.body.to_string(),
            at: act.at,
        };
        self.timed_write(QUERY, async {
            let mut writing = self.begin_in(QUERY, Sees::One(organization)).await?;
            insert(&mut writing, row).await?;
            let resource = format!("webhook:{}", new.webhook);
            writing.note(organization, act, Deed { action: "webhook.tested", resource, details: &json!({}) }).await?;
            writing.commit(QUERY).await
        })
        .await?;
        self.wake();
        self.delivery(organization, id).await
    }

    /// Has a delivery that is over sent again, by itself, with its id and for another day; one that is pending is tried at once.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn redeliver(
        &self,
        organization: &OrganizationId,
        id: DeliveryId,
        act: &Act<'_>,
    ) -> Result<Changed<Delivery>, StoreError> {
        const QUERY: &str = "redeliver";
        let Some(is) = self.delivery(organization, id).await? else { return Ok(Changed::Missing) };
        self.timed_write(QUERY, async {
            let mut writing = self.begin_in(QUERY, Sees::One(organization)).await?;
            // In a lane of its own: what came after it was delivered long ago. A claim that runs is over.
            let over = sqlx::query(
                "UPDATE webhook_deliveries SET state = 'pending', lane = id, attempts = 0, claim = claim + 1, claimed_by = '',
                   due_us = $3, queued_us = $3, finished_us = NULL
                 WHERE organization = $1 AND id = $2 AND state <> 'pending'",
            );
            let pending = sqlx::query(
                "UPDATE webhook_deliveries SET due_us = $3
                 WHERE organization = $1 AND id = $2 AND state = 'pending' AND claimed_by = ''",
            );
            for update in [over, pending] {
                let update = update.bind(organization.to_string()).bind(id.to_string()).bind(act.at.micros());
                writing.execute(QUERY, update).await?;
            }
            let details = json!({ "delivery": id.to_string(), "type": is.kind });
            let resource = format!("webhook:{}", is.webhook);
            writing.note(organization, act, Deed { action: "webhook.redelivered", resource, details: &details }).await?;
            writing.commit(QUERY).await
        })
        .await?;
        self.wake();
        Ok(self.delivery(organization, id).await?.map_or(Changed::Missing, Changed::Done))
    }
}

fn delivery(row: &Columns<'_>) -> Result<Delivery, StoreError> {
    let state = row.parsed("state")?;
    let due_at = if state == DeliveryState::Pending { row.time_option("due_us")? } else { None };
    Ok(Delivery {
        id: row.parsed("id")?,
        webhook: row.parsed("webhook_id")?,
        message: row.value("message")?,
        kind: row.value("type")?,
        body: row.json("body")?,
        state,
        attempts: u32::try_from(row.count("attempts")?).unwrap_or(u32::MAX),
        due_at,
        status: row.count_option("status")?.and_then(|status| u16::try_from(status).ok()),
        error: row.value("error")?,
        answer: row.value("answer")?,
        created_at: row.time("created_us")?,
        finished_at: row.time_option("finished_us")?,
    })
}
