//! What calls used: written as it becomes known, and queued to be charged in the transaction that ends the call.

use std::time::Duration;

use super::BillingMonth;
use crate::people::within::Sees;
use crate::read::LIST_MAX;
use crate::rows::Columns;
use crate::write::{Bound, count, text};
use crate::{CallId, Direction, HangupCause, LegKind, OrganizationId, Store, StoreError, WallTime};

/// What one provider did for one stage of a call so far, from the call's beginning.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ProviderUsage {
    /// What for: `realtime`, `transcriber`, `model`, `voice`.
    pub stage: String,
    /// Its name in the configuration.
    pub provider: String,
    /// Tokens that it read, cached ones too.
    pub input_tokens: u64,
    /// Tokens that it wrote.
    pub output_tokens: u64,
    /// Characters that it was given to speak.
    pub characters: u64,
    /// Speech that it made words of, kept in whole milliseconds.
    pub transcribed: Duration,
}

/// A call that is over, as it is charged.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CallUsage {
    /// The call.
    pub call: CallId,
    /// Whose it is.
    pub organization: OrganizationId,
    /// What its leg speaks.
    pub leg: LegKind,
    /// Who called whom.
    pub direction: Direction,
    /// Who spoke.
    pub engine: String,
    /// When it was answered.
    pub answered_at: Option<WallTime>,
    /// When it ended.
    pub ended_at: WallTime,
    /// Of a call that was lost with its node: the last that was written of it.
    pub last_seen_at: Option<WallTime>,
    /// Turns of the agent.
    pub turns: u64,
    /// What providers did for it.
    pub used: Vec<ProviderUsage>,
}

impl ProviderUsage {
    /// The last count stays.
    pub(crate) fn bind(&self, call: CallId, at: WallTime) -> Bound<'_> {
        sqlx::query(
            "INSERT INTO call_usage (call_id, stage, provider, input_tokens, output_tokens, characters, transcribed_ms, updated_us)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             ON CONFLICT (call_id, stage, provider) DO UPDATE SET input_tokens = excluded.input_tokens,
               output_tokens = excluded.output_tokens, characters = excluded.characters,
               transcribed_ms = excluded.transcribed_ms, updated_us = excluded.updated_us",
        )
        .bind(call.to_string())
        .bind(text(&self.stage))
        .bind(text(&self.provider))
        .bind(count(self.input_tokens))
        .bind(count(self.output_tokens))
        .bind(count(self.characters))
        .bind(i64::try_from(self.transcribed.as_millis()).unwrap_or(i64::MAX))
        .bind(at.micros())
    }
}

/// A call that was answered, or that providers did something for, and that was not charged yet.
const UNCHARGED: &str = "charged_us IS NULL AND (answered_us IS NOT NULL OR EXISTS
       (SELECT 1 FROM call_usage WHERE call_usage.call_id = calls.id))";

/// Queues a call that ended, unless it was charged before: the same batch may come again.
pub(crate) fn queue_used(call: CallId, at: WallTime) -> Bound<'static> {
    sqlx::query(sqlx::AssertSqlSafe(format!(
        "INSERT INTO usage_queue (call_id, ended_us) SELECT id, $2 FROM calls WHERE id = $1 AND {UNCHARGED} ON CONFLICT DO NOTHING"
    )))
    .bind(call.to_string())
    .bind(at.micros())
}

/// Queues the calls that `node` left open.
pub(crate) fn queue_lost(node: &str, at: WallTime) -> Bound<'static> {
    sqlx::query(sqlx::AssertSqlSafe(format!(
        "INSERT INTO usage_queue (call_id, ended_us)
         SELECT id, $2 FROM calls WHERE node = $1 AND ended_us IS NULL AND {UNCHARGED} ON CONFLICT DO NOTHING"
    )))
    .bind(text(node))
    .bind(at.micros())
}

impl Store {
    /// Calls that are to be charged, those that ended first.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn uncharged_calls(&self, limit: u32) -> Result<Vec<CallId>, StoreError> {
        let query = sqlx::query("SELECT call_id FROM usage_queue ORDER BY ended_us, call_id LIMIT $1");
        self.read("uncharged_calls", query.bind(i64::from(limit.clamp(1, LIST_MAX))), |row| row.parsed("call_id")).await
    }

    /// Since when the one waits that waits longest; `None`: none does.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn oldest_uncharged(&self) -> Result<Option<WallTime>, StoreError> {
        let query = sqlx::query("SELECT ended_us FROM usage_queue ORDER BY ended_us LIMIT 1");
        Ok(self.read("oldest_uncharged", query, |row| row.time("ended_us")).await?.pop())
    }

    /// Whether a call that ended before `month` was over is still to be charged.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn awaits_charges(&self, organization: &OrganizationId, month: BillingMonth) -> Result<bool, StoreError> {
        let query = sqlx::query(
            "SELECT usage_queue.call_id FROM usage_queue JOIN calls ON calls.id = usage_queue.call_id
             WHERE calls.organization = $1 AND usage_queue.ended_us < $2 LIMIT 1",
        )
        .bind(organization.to_string())
        .bind(month.next().begins().micros());
        Ok(!self.read("awaits_charges", query, |_| Ok(())).await?.is_empty())
    }

    /// What a call that is over used; `None`: there is no such call, it goes on, or it was charged.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn call_usage(&self, call: CallId) -> Result<Option<CallUsage>, StoreError> {
        let query = sqlx::query(
            "SELECT calls.*,
               (SELECT COUNT(*) FROM turns WHERE turns.call_id = calls.id AND turns.role = 'agent') AS agent_turns,
               (SELECT MAX(turns.ended_us) FROM turns WHERE turns.call_id = calls.id) AS turned_us,
               (SELECT MAX(call_usage.updated_us) FROM call_usage WHERE call_usage.call_id = calls.id) AS used_us
             FROM calls WHERE calls.id = $1 AND calls.ended_us IS NOT NULL AND calls.charged_us IS NULL",
        );
        let found = self.read("call_usage", query.bind(call.to_string()), call_usage).await?.pop();
        let Some(mut usage) = found else { return Ok(None) };
        let query = sqlx::query("SELECT * FROM call_usage WHERE call_id = $1 ORDER BY stage, provider").bind(call.to_string());
        usage.used = self.read("provider_usage", query, provider_usage).await?;
        Ok(Some(usage))
    }

    /// When a call was charged; `None`: it was not yet.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn charged_at(&self, organization: &OrganizationId, call: CallId) -> Result<Option<WallTime>, StoreError> {
        let query = sqlx::query("SELECT charged_us FROM calls WHERE organization = $1 AND id = $2");
        let query = query.bind(organization.to_string()).bind(call.to_string());
        let found = self.read_in("charged_at", Sees::One(organization), query, |row| row.time_option("charged_us"));
        Ok(found.await?.pop().flatten())
    }

    /// What providers did for a call so far.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn provider_usage(&self, organization: &OrganizationId, call: CallId) -> Result<Vec<ProviderUsage>, StoreError> {
        let query = sqlx::query(
            "SELECT call_usage.* FROM call_usage JOIN calls ON calls.id = call_usage.call_id
             WHERE calls.organization = $1 AND calls.id = $2 ORDER BY stage, provider",
        );
        let query = query.bind(organization.to_string()).bind(call.to_string());
        self.read_in("provider_usage", Sees::One(organization), query, provider_usage).await
    }
}

fn call_usage(row: &Columns<'_>) -> Result<CallUsage, StoreError> {
    let lost = row.parsed_option::<HangupCause>("cause")? == Some(HangupCause::NodeLost);
    let last_seen = row.time_option("turned_us")?.max(row.time_option("used_us")?);
    let answered_at = row.time_option("answered_us")?;
    Ok(CallUsage {
        call: row.parsed("id")?,
        organization: row.parsed("organization")?,
        leg: row.parsed("leg")?,
        direction: row.parsed("direction")?,
        engine: row.value("engine")?,
        answered_at,
        ended_at: row.time("ended_us")?,
        last_seen_at: if lost { last_seen.or(answered_at) } else { None },
        turns: row.count("agent_turns")?,
        used: Vec::new(),
    })
}

fn provider_usage(row: &Columns<'_>) -> Result<ProviderUsage, StoreError> {
    Ok(ProviderUsage {
        stage: row.value("stage")?,
        provider: row.value("provider")?,
        input_tokens: row.count("input_tokens")?,
        output_tokens: row.count("output_tokens")?,
        characters: row.count("characters")?,
        transcribed: Duration::from_millis(row.count("transcribed_ms")?),
    })
}
