//! What a payment service is to be told: a queue, worked at under claims with leases.

use std::time::Duration;

use super::Meter;
use crate::people::within::Sees;
use crate::write::text;
use crate::{Store, StoreError, WallTime};

/// Most reports that one look claims.
pub const REPORT_CLAIMS_MAX: u32 = 64;

/// How long what is done with is kept, to be looked at.
const KEPT: Duration = Duration::from_secs(90 * 24 * 3600);

/// A report that is to be sent now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ReportJob {
    /// What the service knows a second one by: the same each time.
    pub id: String,
    /// The number of the claim; it is over when another one has begun.
    pub claim: i64,
    /// Which try this is, from 1.
    pub attempt: u32,
    /// Of whom.
    pub customer: String,
    /// What was counted.
    pub meter: Meter,
    /// How much.
    pub quantity: u64,
    /// When it was used.
    pub at: WallTime,
}

/// How a claim ends.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ReportEnd {
    /// The service has it.
    Taken,
    /// It is to be tried again.
    Retry {
        /// Why.
        reason: String,
        /// When.
        due: WallTime,
    },
    /// It is given up.
    Dead {
        /// Why.
        reason: String,
    },
}

impl Store {
    /// Claims up to `limit` reports that are due (1 to [`REPORT_CLAIMS_MAX`], clamped), for `lease`.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn claim_reports(
        &self,
        node: &str,
        now: WallTime,
        lease: Duration,
        limit: u32,
    ) -> Result<Vec<ReportJob>, StoreError> {
        const QUERY: &str = "claim_reports";
        // Most looks find nothing, and must not take the one right to write from calls.
        let due = sqlx::query("SELECT id FROM meter_events WHERE state = 'pending' AND due_us <= $1 LIMIT 1").bind(now.micros());
        if self.read_in("due_reports", Sees::All, due, |_| Ok(())).await?.is_empty() {
            return Ok(Vec::new());
        }
        // The inner look takes no lock, so that two nodes may see the same row; only one of them still finds it due.
        let claim = sqlx::query(
            "UPDATE meter_events SET claim = claim + 1, claimed_by = $1, attempts = attempts + 1, due_us = $2
             WHERE state = 'pending' AND due_us <= $3 AND id IN
               (SELECT id FROM meter_events WHERE state = 'pending' AND due_us <= $3 ORDER BY due_us, id LIMIT $4)
             RETURNING id, claim, attempts, customer, meter, quantity, at_us",
        )
        .bind(text(node))
        .bind(now.micros().saturating_add(i64::try_from(lease.as_micros()).unwrap_or(i64::MAX)))
        .bind(now.micros())
        .bind(i64::from(limit.clamp(1, REPORT_CLAIMS_MAX)));
        self.timed_write(QUERY, async {
            let mut writing = self.begin_in(QUERY, Sees::All).await?;
            let jobs = writing.fetch(QUERY, claim, |row| {
                Ok(ReportJob {
                    id: row.value("id")?,
                    claim: row.value("claim")?,
                    attempt: u32::try_from(row.count("attempts")?).unwrap_or(u32::MAX),
                    customer: row.value("customer")?,
                    meter: row.parsed("meter")?,
                    quantity: row.count("quantity")?,
                    at: row.time("at_us")?,
                })
            });
            let jobs = jobs.await?;
            writing.commit(QUERY).await?;
            Ok(jobs)
        })
        .await
    }

    /// Ends a claim; one that is over changes nothing. What was done with long ago is forgotten.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn end_report(&self, job: &ReportJob, end: &ReportEnd, now: WallTime) -> Result<(), StoreError> {
        const QUERY: &str = "end_report";
        let (state, reason, due, finished) = match end {
            ReportEnd::Taken => ("taken", None, now, Some(now.micros())),
            ReportEnd::Retry { reason, due } => ("pending", Some(text(reason)), *due, None),
            ReportEnd::Dead { reason } => ("dead", Some(text(reason)), now, Some(now.micros())),
        };
        let update = sqlx::query(
            "UPDATE meter_events SET claimed_by = '', state = $3, error = $4, due_us = $5, finished_us = $6
             WHERE id = $1 AND claim = $2 AND state = 'pending'",
        )
        .bind(text(&job.id))
        .bind(job.claim)
        .bind(state)
        .bind(reason)
        .bind(due.micros())
        .bind(finished);
        let long_ago = now.micros().saturating_sub(i64::try_from(KEPT.as_micros()).unwrap_or(i64::MAX));
        let forget = sqlx::query("DELETE FROM meter_events WHERE finished_us < $1").bind(long_ago);
        self.timed_write(QUERY, async {
            let mut writing = self.begin_in(QUERY, Sees::All).await?;
            writing.execute(QUERY, update).await?;
            writing.execute(QUERY, forget).await?;
            writing.commit(QUERY).await
        })
        .await
    }

    /// Opens the claims that `node` held when it stopped; at its start.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn release_reports(&self, node: &str, now: WallTime) -> Result<(), StoreError> {
        const QUERY: &str = "release_reports";
        let update = sqlx::query(
            "UPDATE meter_events SET claim = claim + 1, claimed_by = '', due_us = $2 WHERE claimed_by = $1 AND state = 'pending'",
        );
        let update = update.bind(text(node)).bind(now.micros());
        self.timed_write(QUERY, async {
            let mut writing = self.begin_in(QUERY, Sees::All).await?;
            writing.execute(QUERY, update).await?;
            writing.commit(QUERY).await
        })
        .await
    }

    /// How many reports wait, and since when the one that waits longest was used; for metrics.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn waiting_reports(&self) -> Result<(u64, Option<WallTime>), StoreError> {
        let query = sqlx::query("SELECT COUNT(*) AS waiting, MIN(at_us) AS oldest FROM meter_events WHERE state = 'pending'");
        let found =
            self.read_in("waiting_reports", Sees::All, query, |row| Ok((row.count("waiting")?, row.time_option("oldest")?)));
        Ok(found.await?.pop().unwrap_or_default())
    }
}
