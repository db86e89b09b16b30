//! The queue of deliveries: filled with the events, worked at under claims with leases, in order for each call.

use std::time::Duration;

use serde_json::json;

use super::{Webhook, webhook};
use crate::open::Writing;
use crate::people::audit::Deed;
use crate::people::within::Sees;
use crate::rows::Columns;
use crate::write::{count, text};
use crate::{
    Act, CallId, DeliveryId, Event, EventFilter, EventKind, OrganizationId, Store, StoreError, WallTime, WebhookId, WebhookKind,
};

/// Most deliveries that one look claims.
pub const DELIVERY_CLAIMS_MAX: u32 = 64;

/// Deliveries of one webhook that wait: an hour of 3 events a second while the other side is away. Then the oldest are given up.
const PENDING_MAX: i64 = 10_000;

/// The right to work at one delivery.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct DeliveryClaim {
    /// The delivery.
    pub id: DeliveryId,
    /// The number of the claim; it is over when another one has begun.
    pub number: i64,
    /// Which try this is, from 1.
    pub attempt: u32,
}

/// A delivery that is to be tried now.
#[derive(Clone, Debug, PartialEq)]
pub struct DeliveryJob {
    /// The right to do it.
    pub claim: DeliveryClaim,
    /// Where it goes.
    pub webhook: Webhook,
    /// `webhook-id`: the same each time.
    pub message: String,
    /// The event's type.
    pub kind: String,
    /// The bytes that are sent.
    pub body: String,
    /// Since when it has been tried for.
    pub queued_at: WallTime,
}

/// What a try came to.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct DeliveryTry {
    /// The status of the answer.
    pub status: Option<u16>,
    /// What went wrong.
    pub error: Option<String>,
    /// The beginning of the answer.
    pub answer: Option<String>,
}

/// How a claim ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DeliveryEnd {
    /// The other side took it.
    Delivered,
    /// It is to be tried again.
    Retry {
        /// When.
        due: WallTime,
    },
    /// It is given up.
    Dead,
    /// The other side wants nothing any more: its webhook is switched off, and all that waits for it is given up.
    Gone,
}

/// A webhook as the queue is filled for it.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    id: WebhookId,
    kind: WebhookKind,
    events: EventFilter,
    lead_threshold: u64,
}

impl Told {
    /// Those of an organization that are on.
    pub(crate) async fn of(writing: &mut Writing, organization: &OrganizationId) -> Result<Vec<Self>, StoreError> {
        let query = sqlx::query("SELECT * FROM webhooks WHERE organization = $1 AND is_active = 1 ORDER BY id");
        writing
            .fetch("told_webhooks", query.bind(organization.to_string()), |row| {
                // One that a later version wrote, and this one cannot read, is for nodes of that version; records are written all the same.
                let told = || -> Result<Self, StoreError> {
                    Ok(Self {
                        id: row.parsed("id")?,
                        kind: row.parsed("kind")?,
                        events: row.parsed("events")?,
                        lead_threshold: row.count("lead_threshold")?,
                    })
                };
                Ok(told().ok())
            })
            .await
            .map(|told| told.into_iter().flatten().collect())
    }

    fn wants(&self, event: &Event) -> bool {
        match self.kind {
            WebhookKind::Standard => self.events.takes(event.kind),
            WebhookKind::Slack => {
                let score = event.data.get("score").and_then(serde_json::Value::as_u64);
                event.kind == EventKind::LeadScored && score.is_some_and(|score| score >= self.lead_threshold)
            }
        }
    }
}

/// A row that is to be.
pub(super) struct Row<'a> {
    pub(super) id: DeliveryId,
    pub(super) organization: &'a OrganizationId,
    pub(super) webhook: WebhookId,
    pub(super) call: Option<CallId>,
    pub(super) place: u64,
    pub(super) message: String,
    pub(super) kind: &'a str,
    pub(super) body: String,
    pub(super) at: WallTime,
}

/// Queues an event for a webhook that wants it. Those of a call are delivered in order, the others each by itself.
pub(crate) async fn queue(writing: &mut Writing, webhook: &Told, event: &Event) -> Result<(), StoreError> {
    if !webhook.wants(event) {
        return Ok(());
    }
    let row = Row {
        id: DeliveryId::generate(),
        organization: &event.organization,
        webhook: webhook.id,
        call: event.call,
        place: event.number,
        message: event.message.clone(),
        kind: event.kind.as_str(),
        body: event.body().to_string(),
        at: WallTime::now(),
    };
    insert(writing, row).await
}

pub(super) async fn insert(writing: &mut Writing, row: Row<'_>) -> Result<(), StoreError> {
    let lane = row.call.map_or(row.id.to_string(), |call| call.to_string());
    let insert = sqlx::query(
        "INSERT INTO webhook_deliveries (id, organization, webhook_id, call_id, lane, place, message, type, body, state, due_us,
           queued_us, created_us) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'pending', $10, $10, $10)",
    )
    .bind(row.id.to_string())
    .bind(row.organization.to_string())
    .bind(row.webhook.to_string())
    .bind(row.call.map(|call| call.to_string()))
    .bind(lane)
    .bind(count(row.place))
    .bind(row.message)
    .bind(row.kind.to_owned())
    .bind(row.body)
    .bind(row.at.micros());
    writing.execute("queue_delivery", insert).await.map(drop)
}

/// Gives up what waits for a webhook.
pub(super) async fn give_up(writing: &mut Writing, webhook: WebhookId, why: &str, at: WallTime) -> Result<(), StoreError> {
    let update = sqlx::query(
        "UPDATE webhook_deliveries SET state = 'dead', error = $2, finished_us = $3, claim = claim + 1, claimed_by = ''
         WHERE webhook_id = $1 AND state = 'pending'",
    )
    .bind(webhook.to_string())
    .bind(text(why))
    .bind(at.micros());
    writing.execute("give_up_deliveries", update).await.map(drop)
}

impl Store {
    /// Claims up to `limit` deliveries that are due (1 to [`DELIVERY_CLAIMS_MAX`], clamped), for `lease`, so that at most `together` of
    /// a webhook are under way: then others may claim them, and whoever held them changes nothing any more. Of a call, only the
    /// first that is pending is due.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn claim_deliveries(
        &self,
        node: &str,
        now: WallTime,
        lease: Duration,
        (limit, together): (u32, u32),
    ) -> Result<Vec<DeliveryJob>, StoreError> {
        const QUERY: &str = "claim_deliveries";
        // Most looks find nothing, and must not take the one right to write from calls.
        let due = sqlx::query("SELECT id FROM webhook_deliveries WHERE state = 'pending' AND due_us <= $1 LIMIT 1");
        if self.read_in("due_deliveries", Sees::All, due.bind(now.micros()), |_| Ok(())).await?.is_empty() {
            return Ok(Vec::new());
        }
        // The inner look takes no lock, so that two nodes may see the same row; only one of them still finds it due.
        let claim = sqlx::query(
            "UPDATE webhook_deliveries SET claim = claim + 1, claimed_by = $1, attempts = attempts + 1, due_us = $2
             WHERE state = 'pending' AND due_us <= $3 AND id IN (
               SELECT id FROM (
                 SELECT id, due_us, ROW_NUMBER() OVER (PARTITION BY webhook_id ORDER BY due_us, id) AS place_in_line,
                   (SELECT COUNT(*) FROM webhook_deliveries AS busy WHERE busy.webhook_id = due.webhook_id
                      AND busy.state = 'pending' AND busy.claimed_by <> '' AND busy.due_us > $3) AS under_way
                 FROM webhook_deliveries AS due
                 WHERE due.state = 'pending' AND due.due_us <= $3 AND NOT EXISTS (
                   SELECT 1 FROM webhook_deliveries AS earlier WHERE earlier.webhook_id = due.webhook_id
                     AND earlier.lane = due.lane AND earlier.place < due.place AND earlier.state = 'pending')
               ) AS ready WHERE place_in_line + under_way <= $4 ORDER BY due_us, id LIMIT $5)
             RETURNING id",
        )
        .bind(text(node))
        .bind(now.micros().saturating_add(i64::try_from(lease.as_micros()).unwrap_or(i64::MAX)))
        .bind(now.micros())
        .bind(i64::from(together))
        .bind(i64::from(limit.clamp(1, DELIVERY_CLAIMS_MAX)));
        self.timed_write(QUERY, async {
            let mut writing = self.begin_in(QUERY, Sees::All).await?;
            let mut jobs = Vec::new();
            for id in writing.fetch(QUERY, claim, |row| row.value::<String>("id")).await? {
                let found = sqlx::query(
                    "SELECT webhooks.*, delivery.id AS delivery_id, delivery.claim AS claim, delivery.attempts AS attempts,
                       delivery.message AS message, delivery.type AS type, delivery.body AS body, delivery.queued_us AS queued_us
                     FROM webhook_deliveries AS delivery JOIN webhooks ON webhooks.id = delivery.webhook_id
                     WHERE delivery.id = $1",
                );
                jobs.extend(writing.fetch(QUERY, found.bind(id), job).await?);
            }
            writing.commit(QUERY).await?;
            jobs.sort_by_key(|job| job.queued_at);
            Ok(jobs)
        })
        .await
    }

    /// Opens the claims that `node` held when it stopped; at its start.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn release_deliveries(&self, node: &str, now: WallTime) -> Result<(), StoreError> {
        const QUERY: &str = "release_deliveries";
        self.timed_write(QUERY, async {
            let mut writing = self.begin_in(QUERY, Sees::All).await?;
            let update = sqlx::query(
                "UPDATE webhook_deliveries SET claim = claim + 1, claimed_by = '', due_us = $2
                 WHERE claimed_by = $1 AND state = 'pending'",
            );
            writing.execute(QUERY, update.bind(text(node)).bind(now.micros())).await?;
            writing.commit(QUERY).await
        })
        .await
    }

    /// Ends a claim; false: it was over, and nothing is changed.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`]: nothing was written.
    pub async fn end_delivery(
        &self,
        job: &DeliveryJob,
        end: DeliveryEnd,
        tried: &DeliveryTry,
        now: WallTime,
    ) -> Result<bool, StoreError> {
        const QUERY: &str = "end_delivery";
        let (state, due) = match end {
            DeliveryEnd::Delivered => ("delivered", now),
            DeliveryEnd::Retry { due } => ("pending", due),
            DeliveryEnd::Dead | DeliveryEnd::Gone => ("dead", now),
        };
        let done = self.timed_write(QUERY, async {
            let mut writing = self.begin_in(QUERY, Sees::All).await?;
            let update = sqlx::query(
                "UPDATE webhook_deliveries SET claimed_by = '', state = $3, due_us = $4, finished_us = $5, status = $6, error = $7,
                   answer = $8 WHERE id = $1 AND claim = $2 AND state = 'pending'",
            )
            .bind(job.claim.id.to_string())
            .bind(job.claim.number)
            .bind(state)
            .bind(due.micros())
            .bind((state != "pending").then_some(now.micros()))
            .bind(tried.status.map(i64::from))
            .bind(tried.error.as_deref().map(text))
            .bind(tried.answer.as_deref().map(text));
            if writing.execute(QUERY, update).await? == 0 {
                return Ok(false);
            }
            if end == DeliveryEnd::Gone {
                disable(&mut writing, &job.webhook, now).await?;
            }
            writing.commit(QUERY).await.map(|()| true)
        });
        let done = done.await?;
        // What stands behind it is due.
        self.wake();
        Ok(done)
    }

    /// Gives up the oldest of what waits for webhooks for which too much does; answers how many.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn trim_deliveries(&self, now: WallTime) -> Result<u64, StoreError> {
        const QUERY: &str = "trim_deliveries";
        let many = "SELECT webhook_id FROM webhook_deliveries WHERE state = 'pending' GROUP BY webhook_id HAVING COUNT(*) > $1";
        let many = sqlx::query(many).bind(PENDING_MAX);
        let many = self.read_in(QUERY, Sees::All, many, |row| row.value::<String>("webhook_id")).await?;
        if many.is_empty() {
            return Ok(0);
        }
        self.timed_write(QUERY, async {
            let mut writing = self.begin_in(QUERY, Sees::All).await?;
            let mut gone = 0;
            for webhook in many {
                let update = sqlx::query(
                    "UPDATE webhook_deliveries SET state = 'dead', error = 'too many wait', finished_us = $2
                     WHERE webhook_id = $1 AND state = 'pending' AND claimed_by = '' AND id <=
                       (SELECT id FROM webhook_deliveries WHERE webhook_id = $1 AND state = 'pending'
                        ORDER BY id DESC LIMIT 1 OFFSET $3)",
                );
                gone += writing.execute(QUERY, update.bind(webhook).bind(now.micros()).bind(PENDING_MAX)).await?;
            }
            writing.commit(QUERY).await?;
            Ok(gone)
        })
        .await
    }

    /// Since when the delivery that has waited longest waits; `None`: none does.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn oldest_delivery(&self) -> Result<Option<WallTime>, StoreError> {
        let query = sqlx::query("SELECT queued_us FROM webhook_deliveries WHERE state = 'pending' ORDER BY queued_us LIMIT 1");
        Ok(self.read_in("oldest_delivery", Sees::All, query, |row| row.time("queued_us")).await?.pop())
    }
}

/// Switches a webhook off whose other side is gone.
async fn disable(writing: &mut Writing, webhook: &Webhook, now: WallTime) -> Result<(), StoreError> {
    const WHY: &str = "the endpoint answered 410 Gone";
    let off =
        sqlx::query("UPDATE webhooks SET is_active = 0, disabled_why = $2, version = version + 1, updated_us = $3 WHERE id = $1")
            .bind(webhook.id.to_string())
            .bind(WHY)
            .bind(now.micros());
    writing.execute("disable_webhook", off).await?;
    give_up(writing, webhook.id, WHY, now).await?;
    let act = Act { actor: "node", address: "", at: now };
    let details = json!({ "why": WHY });
    let deed = Deed { action: "webhook.disabled", resource: format!("webhook:{}", webhook.id), details: &details };
    writing.note(&webhook.organization, &act, deed).await
}

fn job(row: &Columns<'_>) -> Result<DeliveryJob, StoreError> {
    let attempt = u32::try_from(row.count("attempts")?).unwrap_or(u32::MAX);
    Ok(DeliveryJob {
        claim: DeliveryClaim { id: row.parsed("delivery_id")?, number: row.value("claim")?, attempt },
        webhook: webhook(row)?,
        message: row.value("message")?,
        kind: row.value("type")?,
        body: row.value("body")?,
        queued_at: row.time("queued_us")?,
    })
}
