//! Tells others of events over HTTP: signed by Standard Webhooks, from a queue in the database, until they have taken it.
//!
//! [`Webhooks`] makes and changes them, [`Runner`] works at the queue. A delivery is tried for a day, each time with the same id, so
//! that a receiver can tell a second one; those of a call come in order. URLs are chosen by customers: `ai::net::guard` keeps them out of
//! private networks, no redirect is followed, and what they answer is read only as far as it is worth showing.

mod runner;
mod send;
mod sign;
mod slack;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use ai::net::guard::{Guard, Reach};
use reqwest::Url;
use serde_json::json;
use store::{
    Act, Changed, Delivery, EventFilter, Hidden, NewDelivery, NewWebhook, OrganizationId, Store, StoreError, WallTime, Webhook,
    WebhookId, WebhookKind,
};

pub use runner::{CONCURRENT_MAX, Runner, TOGETHER_MAX};
pub use send::{ANSWER_TIME_MAX, TRIED_FOR};

/// The longest URL.
const URL_BYTES_MAX: usize = 2_048;

/// The type of what [`Webhooks::test`] sends.
pub const TEST: &str = "webhook.test";

/// A webhook that somebody wants.
#[derive(Clone, Debug)]
pub struct WebhookWish {
    /// How it is told.
    pub kind: WebhookKind,
    /// Where.
    pub url: String,
    /// What it is for.
    pub description: String,
    /// Of what.
    pub events: EventFilter,
    /// Leads below this score are not told.
    pub lead_threshold: u8,
    /// What deliveries are signed with; `None`: we make one.
    pub secret: Option<String>,
    /// Whether it is told anything.
    pub is_active: bool,
}

/// Why a webhook cannot be as it is wanted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// A field, and what is wrong with it.
    #[error("{0}: {1}")]
    Field(&'static str, String),
    /// There are as many as there may be.
    #[error("there are {} webhooks already, and no more may be", store::WEBHOOKS_MAX)]
    TooMany,
    /// The database's, or ours.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes webhooks and changes them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Webhooks {
    store: Store,
    guard: Guard,
    reach: Reach,
}

impl Webhooks {
    /// Over the records; requests of the operator's organization go where `reach` lets them, others to public addresses.
    #[must_use]
    pub fn new(store: Store, guard: Guard, reach: Reach) -> Self {
        Self { store, guard, reach }
    }

    /// The records.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Works at the queue, as a node of this name, until it is stopped.
    #[must_use]
    pub fn start(&self, node: String) -> Runner {
        Runner::start(Arc::new(self.clone()), node)
    }

    /// Whether a webhook may have this URL, as far as it says so itself: its addresses are checked at each delivery.
    ///
    /// # Errors
    /// [`Refused::Field`].
    pub fn check_url(&self, organization: &OrganizationId, url: &str) -> Result<(), Refused> {
        let refuse = |reason: String| Err(Refused::Field("url", reason));
        if url.len() > URL_BYTES_MAX {
            return refuse(format!("has more than {URL_BYTES_MAX} bytes"));
        }
        let Ok(parsed) = Url::parse(url) else { return refuse("is no URL".to_owned()) };
        match self.reach_of(organization).check(&parsed) {
            Ok(()) => Ok(()),
            Err(refused) => refuse(format!("cannot be used: {refused}")),
        }
    }

    /// Where requests of an organization go: the server's own network is the operator's.
    fn reach_of(&self, organization: &OrganizationId) -> Reach {
        if organization.is_operator() { self.reach } else { Reach::Public }
    }

    /// Makes a webhook; its secret is to be shown once.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn make(
        &self,
        organization: &OrganizationId,
        wish: WebhookWish,
        act: &Act<'_>,
    ) -> Result<(Webhook, Hidden), Refused> {
        self.check_url(organization, &wish.url)?;
        let secret = secret(wish.secret)?;
        let new = NewWebhook {
            kind: wish.kind,
            url: Hidden::new(wish.url),
            description: wish.description,
            events: wish.events,
            lead_threshold: wish.lead_threshold,
            secret: secret.clone(),
            is_active: wish.is_active,
        };
        let made = self.store.create_webhook(organization, &new, act).await?;
        Ok((made.ok_or(Refused::TooMany)?, secret))
    }

    /// Gives a webhook another secret, this one or one of ours; deliveries are signed with that of before too for `overlap`.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn rotate(
        &self,
        organization: &OrganizationId,
        id: WebhookId,
        given: Option<String>,
        overlap: Duration,
        act: &Act<'_>,
    ) -> Result<Changed<(Webhook, Hidden)>, Refused> {
        let secret = secret(given)?;
        let until = WallTime::from_micros(act.at.micros().saturating_add(overlap.as_micros() as i64));
        Ok(match self.store.rotate_webhook(organization, id, &secret, until, act).await? {
            Changed::Done(row) => Changed::Done((row, secret)),
            Changed::Missing => Changed::Missing,
            Changed::Stale => Changed::Stale,
            Changed::LastOwner => Changed::LastOwner,
        })
    }

    /// Queues something for a webhook that no event was the reason for; `None`: there is no such webhook.
    ///
    /// # Errors
    /// The store's.
    pub async fn test(
        &self,
        organization: &OrganizationId,
        id: WebhookId,
        act: &Act<'_>,
    ) -> Result<Option<Delivery>, StoreError> {
        if self.store.webhook(organization, id).await?.is_none() {
            return Ok(None);
        }
        let data = json!({ "webhook_id": id.to_string() });
        let body = json!({ "type": TEST, "timestamp": act.at.to_string(), "data": data });
        let new = NewDelivery { webhook: id, kind: TEST.to_owned(), body };
        self.store.queue_delivery(organization, &new, act).await
    }
}

/// The secret that was given, or a new one.
fn secret(given: Option<String>) -> Result<Hidden, Refused> {
    match given {
        None => Ok(sign::new_secret()),
        Some(given) if sign::key(&given).is_some() => Ok(Hidden::new(given)),
        Some(_) => Err(Refused::Field("secret", sign::WANTED.to_owned())),
    }
}
