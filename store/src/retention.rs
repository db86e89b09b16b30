//! How long an organization keeps what, and forgetting what is older: in batches, each one transaction that goes on where the last ended.

mod sweep;

use serde_json::json;

use crate::kind::vocabulary;
use crate::people::audit::Deed;
use crate::people::within::Sees;
use crate::read::LIST_MAX;
use crate::rows::Columns;
use crate::{Act, Changed, OrganizationId, Page, Store, StoreError, UnknownText};
use std::fmt;
use std::str::FromStr;

pub use sweep::{SweepBatch, Swept};

/// The longest that can be asked for, in days: ten years. What is to be kept longer is kept for ever.
pub const RETENTION_DAYS_MAX: u32 = 3_650;

vocabulary! {
    /// What is kept for a time of its own.
    RetentionClass {
        /// The audio of calls.
        Recordings = "recordings",
        /// What was said and found out: turns, arguments of tools, citations, summaries.
        Transcripts = "transcripts",
        /// What calls log: SIP messages, figures of media and latency, incidents, events, deliveries of webhooks.
        Logs = "logs",
    }
}

/// How long something is kept, in days; 0: for ever.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct RetentionDays<D> {
    /// The audio.
    pub recordings: D,
    /// What was said.
    pub transcripts: D,
    /// What calls log.
    pub logs: D,
}

impl<D: Copy> RetentionDays<D> {
    /// Of one class.
    #[must_use]
    pub fn of(&self, class: RetentionClass) -> D {
        match class {
            RetentionClass::Recordings => self.recordings,
            RetentionClass::Transcripts => self.transcripts,
            RetentionClass::Logs => self.logs,
        }
    }
}

impl RetentionDays<Option<u32>> {
    /// With the node's own where the organization has said nothing.
    #[must_use]
    pub fn or(&self, node: &RetentionDays<u32>) -> RetentionDays<u32> {
        RetentionDays {
            recordings: self.recordings.unwrap_or(node.recordings),
            transcripts: self.transcripts.unwrap_or(node.transcripts),
            logs: self.logs.unwrap_or(node.logs),
        }
    }
}

/// What an organization has said of it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Retention {
    /// `None`: as the node has it.
    pub days: RetentionDays<Option<u32>>,
    /// Counts its changes; 0: nothing was ever said.
    pub version: u64,
}

impl Store {
    /// What an organization has said of it.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn retention(&self, organization: &OrganizationId) -> Result<Retention, StoreError> {
        let query = sqlx::query("SELECT * FROM retention WHERE organization = $1").bind(organization.to_string());
        let found = self.read_in("retention", Sees::One(organization), query, retention).await?.pop();
        Ok(found.unwrap_or_default())
    }

    /// An organization says it, if `version` is still its own; all three, noted in the audit log.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn set_retention(
        &self,
        organization: &OrganizationId,
        version: Option<u64>,
        days: RetentionDays<Option<u32>>,
        act: &Act<'_>,
    ) -> Result<Changed<Retention>, StoreError> {
        const QUERY: &str = "set_retention";
        self.timed_write(QUERY, async {
            let mut writing = self.begin_in(QUERY, Sees::One(organization)).await?;
            let details = json!({
                "recordings_days": days.recordings, "transcripts_days": days.transcripts, "logs_days": days.logs,
            });
            // First: who notes something waits for others of the organization.
            let resource = format!("organization:{organization}");
            writing.note(organization, act, Deed { action: "retention.changed", resource, details: &details }).await?;
            let is = sqlx::query("SELECT * FROM retention WHERE organization = $1").bind(organization.to_string());
            let is = writing.fetch(QUERY, is, retention).await?.pop().unwrap_or_default();
            if version.is_some_and(|version| version != is.version) {
                return Ok(Changed::Stale);
            }
            let set = sqlx::query(
                "INSERT INTO retention (organization, recordings_days, transcripts_days, logs_days, version, updated_us)
                 VALUES ($1, $2, $3, $4, $5, $6)
                 ON CONFLICT (organization) DO UPDATE SET recordings_days = excluded.recordings_days,
                   transcripts_days = excluded.transcripts_days, logs_days = excluded.logs_days, version = excluded.version,
                   updated_us = excluded.updated_us",
            )
            .bind(organization.to_string())
            .bind(days.recordings.map(i64::from))
            .bind(days.transcripts.map(i64::from))
            .bind(days.logs.map(i64::from))
            .bind(is.version as i64 + 1)
            .bind(act.at.micros());
            writing.execute(QUERY, set).await?;
            writing.commit(QUERY).await?;
            Ok(Changed::Done(Retention { days, version: is.version + 1 }))
        })
        .await
    }

    /// What all organizations have said, in the order of their ids; for the sweep.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn all_retention(&self, page: &Page) -> Result<Vec<(OrganizationId, Retention)>, StoreError> {
        let query = sqlx::query(
            "SELECT organizations.id, recordings_days, transcripts_days, logs_days, COALESCE(retention.version, 0) AS version
             FROM organizations LEFT JOIN retention ON retention.organization = organizations.id
             WHERE organizations.id > $1 ORDER BY organizations.id LIMIT $2",
        )
        .bind(page.after.clone().unwrap_or_default())
        .bind(i64::from(page.limit.clamp(1, LIST_MAX)));
        self.read_in("all_retention", Sees::All, query, |row| Ok((row.parsed("id")?, retention(row)?))).await
    }
}

fn retention(row: &Columns<'_>) -> Result<Retention, StoreError> {
    let days = |column| row.count_option(column).map(|days| days.map(|days| u32::try_from(days).unwrap_or(u32::MAX)));
    Ok(Retention {
        days: RetentionDays {
            recordings: days("recordings_days")?,
            transcripts: days("transcripts_days")?,
            logs: days("logs_days")?,
        },
        version: row.count("version")?,
    })
}
