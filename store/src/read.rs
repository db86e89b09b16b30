//! Everything that is read back.

use std::collections::BTreeMap;

use sqlx::Any;
use sqlx::any::AnyArguments;
use sqlx::query::Query;

use crate::analysis::queue_lost;
use crate::billing;
use crate::events::News;
use crate::open::{QUERY_TIME_MAX, Writing, timed};
use crate::rows::{Columns, call_record, citation, incident, recording, tool_use, turn};
use crate::text::storable;
use crate::{
    CallId, CallRecord, Citation, HangupCause, Incident, LegKind, LostCall, OrganizationId, Recording, RecordingState, Store,
    StoreError, ToolUse, Turn, WallTime,
};

/// Most calls that one list answers.
pub const LIST_MAX: u32 = 200;

impl Store {
    /// The call with this id.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`], [`StoreError::Unreadable`], as of every read here.
    pub async fn call(&self, id: CallId) -> Result<Option<CallRecord>, StoreError> {
        let query = sqlx::query("SELECT * FROM calls WHERE id = $1").bind(id.to_string());
        Ok(self.read("call", query, call_record).await?.pop())
    }

    /// Whose call it is; the operator's, where there is no record of it.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn organization_of(&self, call: CallId) -> Result<OrganizationId, StoreError> {
        let query = sqlx::query("SELECT organization FROM calls WHERE id = $1").bind(call.to_string());
        let found = self.read("organization_of", query, |row| row.parsed("organization")).await?.pop();
        Ok(found.unwrap_or_else(OrganizationId::operator))
    }

    /// The latest call that the peer knows by `external_id` (SIP Call-ID, Twilio CallSid).
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn find_call(&self, leg: LegKind, external_id: &str) -> Result<Option<CallRecord>, StoreError> {
        let query = sqlx::query("SELECT * FROM calls WHERE external_id = $1 AND leg = $2 ORDER BY id DESC LIMIT 1")
            .bind(storable(external_id).into_owned())
            .bind(leg.as_str());
        Ok(self.read("find_call", query, call_record).await?.pop())
    }

    /// The latest calls, newest first: at most `limit` (1 to [`LIST_MAX`], clamped), created before the call `before`
    /// (the last of the previous list).
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn list_calls(&self, limit: u32, before: Option<CallId>) -> Result<Vec<CallRecord>, StoreError> {
        let query = sqlx::query("SELECT * FROM calls WHERE id < $1 ORDER BY id DESC LIMIT $2")
            .bind(before.unwrap_or(CallId::LAST).to_string())
            .bind(i64::from(limit.clamp(1, LIST_MAX)));
        self.read("list_calls", query, call_record).await
    }

    /// The turns of a call, in order.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn turns(&self, call: CallId) -> Result<Vec<Turn>, StoreError> {
        let query = sqlx::query("SELECT * FROM turns WHERE call_id = $1 ORDER BY number").bind(call.to_string());
        self.read("turns", query, turn).await
    }

    /// The recordings of a call, oldest first.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn recordings(&self, call: CallId) -> Result<Vec<Recording>, StoreError> {
        let query = sqlx::query("SELECT * FROM recordings WHERE call_id = $1 ORDER BY opened_us, path").bind(call.to_string());
        self.read("recordings", query, recording).await
    }

    /// What went wrong in a call, oldest first.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn incidents(&self, call: CallId) -> Result<Vec<Incident>, StoreError> {
        let query = sqlx::query("SELECT * FROM incidents WHERE call_id = $1 ORDER BY at_us, kind, source").bind(call.to_string());
        self.read("incidents", query, incident).await
    }

    /// The uses of tools in a call, in order.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn tool_uses(&self, call: CallId) -> Result<Vec<ToolUse>, StoreError> {
        let query = sqlx::query("SELECT * FROM tool_calls WHERE call_id = $1 ORDER BY number").bind(call.to_string());
        self.read("tool_uses", query, tool_use).await
    }

    /// What the turns of a call were based on, in order.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn citations(&self, call: CallId) -> Result<Vec<Citation>, StoreError> {
        let query = sqlx::query("SELECT * FROM turn_citations WHERE call_id = $1 ORDER BY turn, place").bind(call.to_string());
        self.read("citations", query, citation).await
    }

    /// Closes what `node` left open: when it stopped, with [`HangupCause::NodeLost`], at the next start and before the
    /// first call; or when all its calls crashed together. Answers these calls, and the earlier ones with a recording that was never closed.
    ///
    /// # Errors
    /// As [`Store::call`]; then nothing was changed.
    pub async fn close_lost(&self, node: &str, cause: HangupCause, now: WallTime) -> Result<Vec<LostCall>, StoreError> {
        const QUERY: &str = "close_lost";
        let lost = timed(QUERY, QUERY_TIME_MAX, async {
            let mut writing = self.begin(QUERY).await?;
            let (lost, open) = lost_calls(node, &mut writing).await?;
            for queue in [queue_lost(node, now), billing::queue_lost(node, now)] {
                let queued = queue.execute(&mut *writing.transaction).await;
                queued.map_err(|source| StoreError::Unavailable { query: QUERY, source })?;
            }
            sqlx::query("UPDATE calls SET ended_us = $2, cause = $3 WHERE node = $1 AND ended_us IS NULL")
                .bind(storable(node).into_owned())
                .bind(now.micros())
                .bind(cause.as_str())
                .execute(&mut *writing.transaction)
                .await
                .map_err(|source| StoreError::Unavailable { query: QUERY, source })?;
            self.tell(&mut writing, open.into_iter().flat_map(|call| News::of_end(call, now)).collect()).await?;
            writing.commit(QUERY).await?;
            Ok(lost)
        })
        .await?;
        self.wake();
        Ok(lost)
    }

    pub(crate) async fn read<T>(
        &self,
        name: &'static str,
        query: Query<'_, Any, AnyArguments>,
        decode: fn(&Columns<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        timed(name, QUERY_TIME_MAX, async {
            let rows = query.fetch_all(&self.pool).await;
            Columns::open_all(name, rows, &self.seals.keys(), decode)
        })
        .await
    }
}

/// The calls that `node` left open or with an open recording, and those of them that are open.
async fn lost_calls(node: &str, writing: &mut Writing) -> Result<(Vec<LostCall>, Vec<CallId>), StoreError> {
    const QUERY: &str = "close_lost";
    let node = storable(node).into_owned();
    let open = sqlx::query("SELECT id FROM calls WHERE node = $1 AND ended_us IS NULL")
        .bind(node.clone())
        .fetch_all(&mut *writing.transaction)
        .await;
    let open: Vec<CallId> = Columns::decode_all(QUERY, open, |row| row.parsed("id"))?;
    let files = sqlx::query(
        "SELECT recordings.* FROM recordings JOIN calls ON calls.id = recordings.call_id
         WHERE calls.node = $1 AND recordings.state = $2 ORDER BY opened_us, path",
    )
    .bind(node)
    .bind(RecordingState::Writing.as_str())
    .fetch_all(&mut *writing.transaction)
    .await;
    let files = Columns::decode_all(QUERY, files, recording)?;
    let mut lost: BTreeMap<CallId, Vec<Recording>> = open.iter().map(|id| (*id, Vec::new())).collect();
    for file in files {
        lost.entry(file.call).or_default().push(file);
    }
    let lost = lost.into_iter();
    Ok((lost.map(|(id, writing)| LostCall { id, writing }).collect(), open))
}
