//! Forgetting what is older than it may be.

use serde_json::json;

use super::RetentionClass;
use crate::open::Writing;
use crate::people::audit::Deed;
use crate::people::within::Sees;
use crate::{Act, OrganizationId, Store, StoreError, WallTime};

const QUERY: &str = "sweep";

/// A call that has no end may be one that goes on, so long; later it is one that nobody closed.
const OPEN_MICROS_MAX: i64 = 2 * 24 * 60 * 60 * 1_000_000;

/// The calls of a batch: those that began behind `$2`, up to `$3`.
const CALLS: &str = "call_id IN (SELECT id FROM calls WHERE organization = $1 AND created_us > $2 AND created_us <= $3)";

/// Events with what was said, and deliveries of them.
const SAID: &str = "type IN ('turn.completed', 'tool.called', 'call.analyzed', 'lead.scored')";

/// Calls that are to be swept together.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SweepBatch {
    from: i64,
    until: i64,
    /// Paths of files that must be gone before.
    pub files: Vec<String>,
    /// How long the files are, as the records have it.
    pub bytes: u64,
    /// Calls.
    pub calls: usize,
}

/// What a sweep has removed since it was noted last.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Swept {
    /// Rows that went or were blanked; of recordings, files.
    pub removed: u64,
    /// Bytes of files.
    pub bytes: u64,
}

impl Store {
    /// The next calls that began before `before` and are over: at most `most`, and some more when they began at once. Of recordings
    /// those on `node`. `None`: all is swept.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn sweep_batch(
        &self,
        (organization, class): (&OrganizationId, RetentionClass),
        node: &str,
        before: WallTime,
        most: u32,
    ) -> Result<Option<SweepBatch>, StoreError> {
        let (sees, node) = (Sees::One(organization), of_node(class, node));
        let swept = sqlx::query("SELECT swept_us FROM retention_sweeps WHERE organization = $1 AND class = $2 AND node = $3");
        let swept = swept.bind(organization.to_string()).bind(class.as_str()).bind(node.clone());
        let from = self.read_in(QUERY, sees, swept, |row| row.value::<i64>("swept_us")).await?.pop().unwrap_or(0);
        let calls = sqlx::query(
            "SELECT created_us, ended_us FROM calls WHERE organization = $1 AND created_us > $2 AND created_us <= $3
               AND $4 IN ('', node) ORDER BY created_us LIMIT $5",
        )
        .bind(organization.to_string())
        .bind(from)
        .bind(before.micros())
        .bind(node.clone())
        .bind(i64::from(most));
        let calls = self.read_in(QUERY, sees, calls, |row| Ok((row.value::<i64>("created_us")?, row.time_option("ended_us")?)));
        let open_since = before.micros() - OPEN_MICROS_MAX;
        let calls: Vec<i64> = calls
            .await?
            .into_iter()
            .take_while(|(began, ended)| ended.is_some() || *began < open_since)
            .map(|(began, _)| began)
            .collect();
        let Some(until) = calls.last().copied() else { return Ok(None) };
        let mut batch = SweepBatch { from, until, files: Vec::new(), bytes: 0, calls: calls.len() };
        if class == RetentionClass::Recordings {
            let files = sqlx::query(
                "SELECT path, bytes FROM recordings JOIN calls ON calls.id = recordings.call_id
                 WHERE calls.organization = $1 AND calls.created_us > $2 AND calls.created_us <= $3 AND calls.node = $4",
            );
            let files = files.bind(organization.to_string()).bind(from).bind(until).bind(node);
            let files = self.read_in(QUERY, sees, files, |row| Ok((row.value::<String>("path")?, row.count_option("bytes")?)));
            for (path, bytes) in files.await? {
                batch.bytes += bytes.unwrap_or(0);
                batch.files.push(path);
            }
        }
        Ok(Some(batch))
    }

    /// Sweeps a batch; answers how many rows went. `None`: another node has done it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`]: nothing was done.
    pub async fn sweep(
        &self,
        (organization, class): (&OrganizationId, RetentionClass),
        node: &str,
        batch: &SweepBatch,
    ) -> Result<Option<u64>, StoreError> {
        self.timed_write(QUERY, async {
            let mut writing = self.begin_in(QUERY, Sees::One(organization)).await?;
            let mut removed = 0;
            for sql in statements(class) {
                let statement =
                    sqlx::query(sqlx::AssertSqlSafe(sql)).bind(organization.to_string()).bind(batch.from).bind(batch.until);
                let statement = if class == RetentionClass::Recordings { statement.bind(node.to_owned()) } else { statement };
                removed += writing.execute(QUERY, statement).await?;
            }
            let sum = Swept { removed, bytes: batch.bytes };
            if !writing.advance((organization, class), &of_node(class, node), batch, sum).await? {
                return Ok(None);
            }
            writing.commit(QUERY).await.map(|()| Some(removed))
        })
        .await
    }

    /// The end of a sweep: what it has removed is noted in the audit log, and counted from nothing again.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn end_sweep(
        &self,
        (organization, class): (&OrganizationId, RetentionClass),
        node: &str,
        at: WallTime,
    ) -> Result<Swept, StoreError> {
        self.timed_write(QUERY, async {
            let mut writing = self.begin_in(QUERY, Sees::One(organization)).await?;
            let sums = sqlx::query(
                "SELECT removed, bytes FROM retention_sweeps WHERE organization = $1 AND class = $2 AND node = $3 AND removed > 0",
            );
            let sums = sums.bind(organization.to_string()).bind(class.as_str()).bind(of_node(class, node));
            let sums = writing.fetch(QUERY, sums, |row| Ok((row.count("removed")?, row.count("bytes")?))).await?.pop();
            let Some((removed, bytes)) = sums else { return Ok(Swept::default()) };
            let actor = format!("node:{node}");
            let details = json!({ "class": class.as_str(), "removed": removed, "bytes": bytes });
            let act = Act { actor: &actor, address: "", at };
            let deed = Deed { action: "retention.swept", resource: format!("organization:{organization}"), details: &details };
            writing.note(organization, &act, deed).await?;
            let zero = sqlx::query(
                "UPDATE retention_sweeps SET removed = removed - $4, bytes = bytes - $5
                 WHERE organization = $1 AND class = $2 AND node = $3 AND removed >= $4",
            );
            let zero = zero.bind(organization.to_string()).bind(class.as_str()).bind(of_node(class, node));
            if writing.execute(QUERY, zero.bind(removed as i64).bind(bytes as i64)).await? > 0 {
                writing.commit(QUERY).await?;
                return Ok(Swept { removed, bytes });
            }
            Ok(Swept::default())
        })
        .await
    }
}

impl Writing {
    /// Notes how far the sweep is; false: somebody else has.
    async fn advance(
        &mut self,
        (organization, class): (&OrganizationId, RetentionClass),
        node: &str,
        batch: &SweepBatch,
        sum: Swept,
    ) -> Result<bool, StoreError> {
        let sql = if batch.from == 0 {
            "INSERT INTO retention_sweeps (organization, class, node, swept_us, removed, bytes) VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT DO NOTHING"
        } else {
            "UPDATE retention_sweeps SET swept_us = $4, removed = removed + $5, bytes = bytes + $6
             WHERE organization = $1 AND class = $2 AND node = $3 AND swept_us = $7"
        };
        let advance = sqlx::query(sql)
            .bind(organization.to_string())
            .bind(class.as_str())
            .bind(node.to_owned())
            .bind(batch.until)
            .bind(sum.removed as i64)
            .bind(sum.bytes as i64);
        let advance = if batch.from == 0 { advance } else { advance.bind(batch.from) };
        Ok(self.execute(QUERY, advance).await? > 0)
    }
}

/// Files lie on one node, rows are everybody's.
fn of_node(class: RetentionClass, node: &str) -> String {
    if class == RetentionClass::Recordings { node.to_owned() } else { String::new() }
}

/// What goes, of the calls between `$2` and `$3`. What is counted and paid for stays: calls, lengths, tokens, response gaps, scores.
fn statements(class: RetentionClass) -> Vec<String> {
    match class {
        RetentionClass::Recordings => {
            vec![format!("DELETE FROM recordings WHERE {}", CALLS.replace("created_us <= $3", "created_us <= $3 AND node = $4"))]
        }
        RetentionClass::Transcripts => vec![
            format!("UPDATE turns SET text = '' WHERE {CALLS} AND text <> ''"),
            format!("UPDATE tool_calls SET arguments = NULL WHERE {CALLS} AND arguments IS NOT NULL"),
            format!("DELETE FROM turn_citations WHERE {CALLS}"),
            format!(
                "UPDATE analyses SET summary = NULL, passed_reason = NULL, fields = NULL, lead_reasons = NULL
                 WHERE {CALLS} AND state = 'done' AND (summary IS NOT NULL OR passed_reason IS NOT NULL OR fields IS NOT NULL
                      OR lead_reasons IS NOT NULL)"
            ),
            format!("DELETE FROM events WHERE {CALLS} AND {SAID}"),
            format!("DELETE FROM webhook_deliveries WHERE {CALLS} AND {SAID} AND state <> 'pending'"),
        ],
        RetentionClass::Logs => vec![
            "DELETE FROM sip_ladders WHERE external_id IN (SELECT external_id FROM calls
               WHERE organization = $1 AND created_us > $2 AND created_us <= $3) AND began_us <= $3 + 600000000"
                .to_owned(),
            format!("DELETE FROM incidents WHERE {CALLS}"),
            format!("UPDATE turns SET timings = '{{}}' WHERE {CALLS} AND timings <> '{{}}'"),
            "UPDATE calls SET stats = NULL, cause_detail = NULL, refused_reason = NULL
             WHERE organization = $1 AND created_us > $2 AND created_us <= $3
               AND (stats IS NOT NULL OR cause_detail IS NOT NULL OR refused_reason IS NOT NULL)"
                .to_owned(),
            format!("DELETE FROM events WHERE {CALLS}"),
            format!("DELETE FROM webhook_deliveries WHERE {CALLS} AND state <> 'pending'"),
        ],
    }
}
