//! How long events are kept, and deliveries that are over.

use std::time::Duration;

use crate::people::within::Sees;
use crate::{Store, StoreError, WallTime};

/// How long events are kept, and how many.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct EventsKept {
    /// How long; deliveries that are over too.
    pub age: Duration,
    /// How many of one organization: the oldest go.
    pub count: u64,
}

impl Store {
    /// Forgets what is older than it may be, or too much; answers how many events went.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn prune_events(&self, kept: EventsKept, now: WallTime) -> Result<u64, StoreError> {
        const QUERY: &str = "prune_events";
        let oldest = now.micros().saturating_sub(i64::try_from(kept.age.as_micros()).unwrap_or(i64::MAX));
        let count = i64::try_from(kept.count).unwrap_or(i64::MAX);
        let many = sqlx::query("SELECT organization FROM events GROUP BY organization HAVING COUNT(*) > $1").bind(count);
        let many = self.read_in(QUERY, Sees::All, many, |row| row.value::<String>("organization")).await?;
        self.timed_write(QUERY, async {
            let mut writing = self.begin_in(QUERY, Sees::All).await?;
            let old = sqlx::query("DELETE FROM events WHERE at_us < $1").bind(oldest);
            let mut gone = writing.execute(QUERY, old).await?;
            for organization in many {
                let more = sqlx::query(
                    "DELETE FROM events WHERE organization = $1 AND number <=
                       (SELECT number FROM events WHERE organization = $1 ORDER BY number DESC LIMIT 1 OFFSET $2)",
                );
                gone += writing.execute(QUERY, more.bind(organization).bind(count)).await?;
            }
            let over = sqlx::query("DELETE FROM webhook_deliveries WHERE state <> 'pending' AND finished_us < $1").bind(oldest);
            writing.execute(QUERY, over).await?;
            writing.commit(QUERY).await?;
            Ok(gone)
        })
        .await
    }
}
