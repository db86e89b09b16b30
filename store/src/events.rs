//! The log of events: what happened to calls and nodes, by organization, in the order in which it was committed.
//!
//! A row is written in the transaction of what it tells, and with it a delivery for each webhook that wants it. Nobody who speaks on a
//! telephone waits for that: the Store actor's batches do it, and what works at calls that are over.

mod filter;
mod news;
mod prune;
mod tell;

use serde_json::Value;
use sqlx::postgres::PgListener;
use tokio::sync::watch;

use crate::people::within::Sees;
use crate::read::LIST_MAX;
use crate::rows::Columns;
use crate::{CallId, EventKind, OrganizationId, Store, StoreError, WallTime};

pub use filter::EventFilter;
pub use prune::EventsKept;

pub(crate) use news::{News, Of};

/// Where PostgreSQL tells all nodes that there is something new.
const CHANNEL: &str = "events_of_offhook";

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Its place among all events: later ones have higher numbers, not all of which are used.
    pub number: u64,
    /// Whose it is.
    pub organization: OrganizationId,
    /// What.
    pub kind: EventKind,
    /// Its name for webhooks, `msg_...`.
    pub message: String,
    /// When.
    pub at: WallTime,
    /// The call it is of.
    pub call: Option<CallId>,
    /// What there is to say, a JSON object. It has numbers and words of people: not for logs.
    pub data: Value,
}

impl Event {
    /// As webhooks and readers get it.
    #[must_use]
    pub fn body(&self) -> Value {
        body(self.kind.as_str(), self.at, &self.data)
    }
}

/// `{"type", "timestamp", "data"}`.
pub(crate) fn body(kind: &str, at: WallTime, data: &Value) -> Value {
    serde_json::json!({ "type": kind, "timestamp": at.to_string(), "data": data })
}

impl Store {
    /// The events of one organization behind a number, in order; at most `limit` (1 to [`LIST_MAX`], clamped).
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn events(&self, organization: &OrganizationId, after: u64, limit: u32) -> Result<Vec<Event>, StoreError> {
        let query = sqlx::query("SELECT * FROM events WHERE organization = $1 AND number > $2 ORDER BY number LIMIT $3")
            .bind(organization.to_string())
            .bind(crate::write::count(after))
            .bind(i64::from(limit.clamp(1, LIST_MAX)));
        self.read_in("events", Sees::One(organization), query, event).await
    }

    /// The same of all organizations: for whoever hands them on.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn all_events(&self, after: u64, limit: u32) -> Result<Vec<Event>, StoreError> {
        let query = sqlx::query("SELECT * FROM events WHERE number > $1 ORDER BY number LIMIT $2")
            .bind(crate::write::count(after))
            .bind(i64::from(limit.clamp(1, LIST_MAX)));
        self.read_in("all_events", Sees::All, query, event).await
    }

    /// The number of the latest event; 0: there is none.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn latest_event(&self) -> Result<u64, StoreError> {
        let query = sqlx::query("SELECT COALESCE(MAX(number), 0) AS latest FROM events");
        let latest = self.read_in("latest_event", Sees::All, query, |row| row.count("latest")).await?;
        Ok(latest.first().copied().unwrap_or(0))
    }

    /// Tells of this node, to the operator's organization.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn tell_of_node(&self, kind: EventKind, node: &str, at: WallTime) -> Result<(), StoreError> {
        const QUERY: &str = "tell_of_node";
        self.timed_write(QUERY, async {
            let mut writing = self.begin(QUERY).await?;
            self.tell(&mut writing, vec![News::of_node(kind, node, at)]).await?;
            writing.commit(QUERY).await
        })
        .await?;
        self.wake();
        Ok(())
    }

    /// Changes whenever there may be new events or deliveries, of this process, or of others while [`Store::follow_others`] runs.
    #[must_use]
    pub fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    pub(crate) fn wake(&self) {
        self.news.send_modify(|times| *times = times.wrapping_add(1));
    }

    /// Listens to what other nodes write, for as long as the connection lasts; at once over on SQLite, where there are none.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: listen again after a while, and look meanwhile.
    pub async fn follow_others(&self) -> Result<(), StoreError> {
        let unavailable = |source| StoreError::Unavailable { query: "follow_others", source };
        let Some(url) = &self.url else { return Ok(()) };
        let mut listener = PgListener::connect(url.expose()).await.map_err(unavailable)?;
        listener.listen(CHANNEL).await.map_err(unavailable)?;
        loop {
            // What was told before it listened, or while it was cut off, is found by a look.
            self.wake();
            listener.recv().await.map_err(unavailable)?;
        }
    }
}

fn event(row: &Columns<'_>) -> Result<Event, StoreError> {
    Ok(Event {
        number: row.count("number")?,
        organization: row.parsed("organization")?,
        kind: row.parsed("type")?,
        message: row.value("message")?,
        at: row.time("at_us")?,
        call: row.parsed_option("call_id")?,
        data: row.json("data")?,
    })
}
