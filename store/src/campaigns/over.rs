//! The ends of attempts: those whose calls are over, and those that were lost with their node.

use std::time::Duration;

use super::{Attempt, AttemptEnd, AttemptOver, ContactNext, ContactOutcome, ContactState, attempt, campaign, micros};
use crate::people::within::Sees;
use crate::rows::call_record;
use crate::write::text;
use crate::{Store, StoreError, WallTime};

/// How long an attempt is its node's; renewed while the node lives. A node that is silent for longer is taken for dead.
pub const DIAL_LEASE: Duration = Duration::from_secs(120);

/// A call is on the record a moment after it was asked for: an attempt without one after this came to nothing that is known.
const RECORD_WAIT: Duration = Duration::from_secs(60);

/// Ends that one look takes.
const OVER_MAX: i64 = 64;

impl Store {
    /// Attempts that are over: their calls have ended, or nobody holds their lease any more, or their call never came to be.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn attempts_over(&self, now: WallTime) -> Result<Vec<AttemptOver>, StoreError> {
        const QUERY: &str = "attempts_over";
        let query = sqlx::query(
            "SELECT attempts.* FROM campaign_attempts AS attempts LEFT JOIN calls ON calls.id = attempts.call_id
             WHERE attempts.ended_us IS NULL
               AND (calls.ended_us IS NOT NULL OR attempts.lease_us < $1 OR (calls.id IS NULL AND attempts.claimed_us < $2))
             ORDER BY attempts.call_id LIMIT $3",
        )
        .bind(now.micros())
        .bind(now.micros().saturating_sub(micros(RECORD_WAIT)))
        .bind(OVER_MAX);
        let mut all = Vec::new();
        for attempt in self.read_in(QUERY, Sees::All, query, attempt).await? {
            all.extend(self.over(attempt).await?);
        }
        Ok(all)
    }

    async fn over(&self, attempt: Attempt) -> Result<Option<AttemptOver>, StoreError> {
        const QUERY: &str = "attempt_over";
        let of = sqlx::query("SELECT * FROM campaigns WHERE id = $1").bind(attempt.campaign.to_string());
        let Some(campaign) = self.read_in(QUERY, Sees::All, of, campaign).await?.pop() else { return Ok(None) };
        let call = sqlx::query("SELECT * FROM calls WHERE id = $1").bind(attempt.call.to_string());
        let call = self.read_in(QUERY, Sees::All, call, call_record).await?.pop();
        let before =
            sqlx::query("SELECT outcome FROM campaign_attempts WHERE contact_id = $1 AND ended_us IS NOT NULL ORDER BY number");
        let before = before.bind(attempt.contact.to_string());
        let before = self.read_in(QUERY, Sees::All, before, |row| row.parsed_option("outcome")).await?;
        Ok(Some(AttemptOver { attempt, campaign, call, before: before.into_iter().flatten().collect() }))
    }

    /// Writes the end of an attempt, once; false: it had ended before, and nothing is changed.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn end_attempt(&self, attempt: &Attempt, end: &AttemptEnd, now: WallTime) -> Result<bool, StoreError> {
        const QUERY: &str = "end_attempt";
        let (state, ready) = match end.next {
            ContactNext::Done => (ContactState::Done, now),
            ContactNext::Again(at) => (ContactState::Pending, at),
        };
        self.timed_write(QUERY, async {
            let mut writing = self.begin_in(QUERY, Sees::All).await?;
            let update = "UPDATE campaign_attempts SET ended_us = $2, outcome = $3, detail = $4 WHERE call_id = $1 AND ended_us IS NULL";
            let update = sqlx::query(update)
                .bind(attempt.call.to_string())
                .bind(now.micros())
                .bind(end.outcome.as_str())
                .bind(end.detail.as_deref().map(text));
            if writing.execute(QUERY, update).await? == 0 {
                return Ok(false);
            }
            let update = "UPDATE campaign_contacts SET state = $2, outcome = $3, ready_us = $4, due_us = $4, updated_us = $5 WHERE id = $1";
            let update = sqlx::query(update)
                .bind(attempt.contact.to_string())
                .bind(state.as_str())
                .bind(end.outcome.as_str())
                .bind(ready.micros())
                .bind(now.micros());
            writing.execute(QUERY, update).await?;
            writing.commit(QUERY).await.map(|()| true)
        })
        .await
    }

    /// Says that the node lives, and its calls with it.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn renew_attempts(&self, node: &str, now: WallTime) -> Result<(), StoreError> {
        self.lease_attempts(node, now.micros().saturating_add(micros(DIAL_LEASE))).await
    }

    /// Gives up what a process of this name held when it stopped; at its start, once the calls that it lost are closed.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn release_attempts(&self, node: &str) -> Result<(), StoreError> {
        self.lease_attempts(node, 0).await
    }

    async fn lease_attempts(&self, node: &str, until: i64) -> Result<(), StoreError> {
        const QUERY: &str = "lease_attempts";
        self.timed_write(QUERY, async {
            let mut writing = self.begin_in(QUERY, Sees::All).await?;
            let update = sqlx::query("UPDATE campaign_attempts SET lease_us = $2 WHERE node = $1 AND ended_us IS NULL");
            writing.execute(QUERY, update.bind(text(node)).bind(until)).await?;
            writing.commit(QUERY).await
        })
        .await
    }
}

/// What came of an attempt, by the record of its call; `None`: nobody knows.
impl AttemptOver {
    /// In one word.
    #[must_use]
    pub fn outcome(&self) -> ContactOutcome {
        use crate::{AnsweredBy, HangupCause};
        let Some(call) = self.call.as_ref().filter(|call| call.ended_at.is_some()) else { return ContactOutcome::Unknown };
        if call.answered_at.is_some() {
            return match call.answered_by {
                Some((AnsweredBy::Machine, _)) => ContactOutcome::Voicemail,
                Some((AnsweredBy::Human, _)) => ContactOutcome::Human,
                Some((AnsweredBy::Unknown, _)) | None => ContactOutcome::Answered,
            };
        }
        match call.cause {
            Some(HangupCause::Busy) => ContactOutcome::Busy,
            Some(HangupCause::NoAnswer) => ContactOutcome::NoAnswer,
            Some(HangupCause::Declined) => ContactOutcome::Declined,
            Some(HangupCause::InvalidNumber) => ContactOutcome::InvalidNumber,
            Some(HangupCause::Unwanted) => ContactOutcome::Unwanted,
            Some(HangupCause::Cancelled | HangupCause::OperatorHangup) => ContactOutcome::Cancelled,
            // The INVITE may have reached somebody.
            Some(HangupCause::NodeLost | HangupCause::Crashed) | None => ContactOutcome::Unknown,
            Some(_) => ContactOutcome::Failed,
        }
    }
}
