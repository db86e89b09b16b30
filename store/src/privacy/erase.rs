//! Erasing what is known of a person, in steps of one transaction each; a step that was done before finds nothing to do.

use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Connection as _, Row as _};

use super::find::{SCAN_TIME_MAX, bound, text_of};
use super::tables::{Own, TRACES, Trace};
use super::{PrivacyCounts, PrivacyJob, Subject};
use crate::open::{Writing, timed};
use crate::people::within::Sees;
use crate::write::{Bound, text};
use crate::{CallId, Store, StoreError};

const QUERY: &str = "erase";

/// A SQLite file up to this size is written anew at the end of an erasure: pages keep bytes of what was moved or deleted in them. It
/// takes seconds, in which the other writers wait.
const COMPACT_BYTES_MAX: u64 = 1 << 30;

/// How often the log of SQLite is tried to be folded into the file, while readers hold it.
const FOLDS_MAX: u32 = 20;

impl Store {
    /// Erases all of a call but its sums. Its files must be gone before: the rows that name them go here. False: another claim has the
    /// job now, and nothing was done.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`]: nothing was done.
    pub async fn erase_call(&self, job: &PrivacyJob, call: CallId, counts: &mut PrivacyCounts) -> Result<bool, StoreError> {
        let mut sum = counts.clone();
        let done = timed(QUERY, SCAN_TIME_MAX, async {
            let mut writing = self.begin_in(QUERY, Sees::One(&job.organization)).await?;
            let files = sqlx::query(
                "SELECT COUNT(*) AS files, CAST(COALESCE(SUM(bytes), 0) AS BIGINT) AS bytes FROM recordings WHERE call_id = $1",
            );
            let files = files.bind(call.to_string());
            let files = writing.fetch(QUERY, files, |row| Ok((row.count("files")?, row.count("bytes")?))).await?;
            for (files, bytes) in files {
                (sum.files, sum.bytes) = (sum.files + files, sum.bytes + bytes);
            }
            for trace in TRACES {
                let sql = trace.erasing(&format!("{} AND {}", trace.within, trace.of_call));
                let erase = sqlx::query(AssertSqlSafe(sql)).bind(job.organization.to_string()).bind(call.to_string());
                let rows = writing.execute(QUERY, erase).await?;
                trace.count(rows, &mut sum);
            }
            self.end_step(writing, job, &sum).await
        })
        .await?;
        if done {
            *counts = sum;
        }
        Ok(done)
    }

    /// Erases the person from the next rows of a table that name them, behind the key `after`: rows about the person go, texts of others
    /// are changed. The `after` of the next step; `None`: that was all of the table. `Err(None)`: another claim has the job now.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`]: nothing was done.
    pub async fn erase_mentions(
        &self,
        job: &PrivacyJob,
        (table, after): (&str, &str),
        subject: &Subject,
        counts: &mut PrivacyCounts,
    ) -> Result<Result<Option<String>, ()>, StoreError> {
        let trace = TRACES.iter().find(|trace| trace.table == table).filter(|trace| trace.names_people());
        let Some(trace) = trace else { return Ok(Ok(None)) };
        let mut sum = counts.clone();
        let done = timed(QUERY, SCAN_TIME_MAX, async {
            let mut writing = self.begin_in(QUERY, Sees::One(&job.organization)).await?;
            let columns: Vec<&str> = trace.searched().collect();
            let found = trace.mentioning(subject, "$2", "$3", "$4");
            let sql = format!("SELECT {}, {} AS row_key FROM {table} WHERE {found}", columns.join(", "), trace.key);
            let rows = bound(sql, &job.organization, subject, after).fetch_all(&mut *writing.transaction).await;
            let rows = rows.map_err(|source| StoreError::Unavailable { query: QUERY, source })?;
            let next = rows.last().filter(|_| rows.len() as i64 == super::find::STEP).and_then(|row| text_of(row, "row_key"));
            for row in &rows {
                if let Some(change) = trace.change_of(row, subject, job.organization.as_str()) {
                    let changed = writing.execute(QUERY, change).await?;
                    let deletes = trace.is_about(row, subject);
                    sum.count(table, if deletes { changed } else { 0 }, if deletes { 0 } else { changed });
                }
            }
            Ok((self.end_step(writing, job, &sum).await?, next))
        })
        .await?;
        let (ours, next) = done;
        if !ours {
            return Ok(Err(()));
        }
        *counts = sum;
        Ok(Ok(next))
    }

    /// Does [`Store::compact`], if an erasure has ended on `node` since it was done last. True: there is nothing left to do.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn compact_erased(&self, node: &str) -> Result<bool, StoreError> {
        const QUERY: &str = "compact_erased";
        const ENDED: &str = "kind = 'erase' AND state IN ('done', 'failed') AND claimed_by = $1";
        let ended = AssertSqlSafe(format!("SELECT id FROM privacy_jobs WHERE {ENDED}"));
        let ended = sqlx::query(ended).bind(text(node));
        if self.read_in(QUERY, Sees::All, ended, |row| row.value::<String>("id")).await?.is_empty() {
            return Ok(true);
        }
        let done = self.compact().await?;
        let mut writing = self.begin_in(QUERY, Sees::All).await?;
        let noted = AssertSqlSafe(format!("UPDATE privacy_jobs SET claimed_by = '' WHERE {ENDED}"));
        writing.execute(QUERY, sqlx::query(noted).bind(text(node))).await?;
        writing.commit(QUERY).await?;
        Ok(done)
    }

    /// Writes a SQLite file anew and folds its log into it, so that nothing of what was erased is left in either. False: the file is too
    /// big for that while calls run, or somebody reads it all the time. PostgreSQL does so by itself, in time.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn compact(&self) -> Result<bool, StoreError> {
        const QUERY: &str = "compact";
        if !self.sqlite {
            return Ok(true);
        }
        let unavailable = |source| StoreError::Unavailable { query: QUERY, source };
        timed(QUERY, SCAN_TIME_MAX, async {
            let _alone = self.write_alone(QUERY).await?;
            let mut connection = self.pool.acquire().await.map_err(unavailable)?;
            let size = "SELECT page_count * page_size AS size FROM pragma_page_count(), pragma_page_size()";
            let size: i64 =
                sqlx::query(size).fetch_one(&mut *connection).await.and_then(|row| row.try_get("size")).map_err(unavailable)?;
            let small = u64::try_from(size).unwrap_or(u64::MAX) <= COMPACT_BYTES_MAX;
            if small {
                sqlx::raw_sql("VACUUM").execute(&mut *connection).await.map_err(unavailable)?;
            }
            for _ in 0..FOLDS_MAX {
                let folded =
                    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut *connection).await.map_err(unavailable)?;
                if folded.try_get::<i64, _>(0).is_ok_and(|busy| busy == 0) {
                    return Ok(small);
                }
                connection.ping().await.map_err(unavailable)?;
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
            Ok(false)
        })
        .await
    }

    /// Writes how far the job is, and commits, if it is still ours.
    async fn end_step(&self, mut writing: Writing, job: &PrivacyJob, counts: &PrivacyCounts) -> Result<bool, StoreError> {
        let update =
            sqlx::query("UPDATE privacy_jobs SET counts = $3 WHERE id = $1 AND claim = $2 AND state IN ('pending', 'waiting')")
                .bind(job.id.to_string())
                .bind(job.claim as i64)
                .bind(counts.to_json().to_string());
        if writing.execute(QUERY, update).await? == 0 {
            return Ok(false);
        }
        writing.commit(QUERY).await.map(|()| true)
    }
}

impl Trace {
    fn erasing(&self, condition: &str) -> String {
        match self.own {
            Own::Delete => format!("DELETE FROM {} WHERE {condition}", self.table),
            Own::Blank(columns) => format!("UPDATE {} SET {columns} WHERE {condition}", self.table),
        }
    }

    fn count(&self, rows: u64, counts: &mut PrivacyCounts) {
        match self.own {
            Own::Delete => counts.count(self.table, rows, 0),
            Own::Blank(_) => counts.count(self.table, 0, rows),
        }
    }

    /// Whether a row that names the person goes.
    fn is_about(&self, row: &AnyRow, subject: &Subject) -> bool {
        let party = self.party.and_then(|column| text_of(row, column));
        !self.scrubbed || party.is_some_and(|party| subject.is_party(&party))
    }

    /// The condition of one row, with the key as `$2`. Keys that begin with the call are found by it: keys have no index.
    fn row_is(&self, key: &str) -> String {
        let call = key.split('/').next().and_then(|call| call.parse::<CallId>().ok());
        let of_call = call.filter(|_| self.key.starts_with("call_id ||"));
        let of_call = of_call.map_or_else(String::new, |call| format!(" AND call_id = '{call}'"));
        format!("{}{of_call} AND {} = $2", self.within, self.key)
    }

    /// What is to be done with a row; `None`: after all it does not name the person.
    fn change_of(&self, row: &AnyRow, subject: &Subject, organization: &str) -> Option<Bound<'static>> {
        let key = text_of(row, "row_key")?;
        if self.is_about(row, subject) {
            let named = self.searched().any(|column| subject.names(text_of(row, column)));
            let sql = self.erasing(&self.row_is(&key));
            return named.then(|| sqlx::query(AssertSqlSafe(sql)).bind(organization.to_owned()).bind(key));
        }
        let scrubbed = |column: &'static str| {
            let text = text_of(row, column)?;
            let clean = subject.scrubbed(&text).or_else(|| subject.is_party(&text).then(String::new))?;
            Some((column, clean))
        };
        let changes: Vec<(&str, String)> = self.texts.iter().filter_map(|column| scrubbed(column)).collect();
        if changes.is_empty() {
            return None;
        }
        let set: Vec<String> =
            changes.iter().enumerate().map(|(index, (column, _))| format!("{column} = ${}", index + 3)).collect();
        let sql = format!("UPDATE {} SET {} WHERE {}", self.table, set.join(", "), self.row_is(&key));
        let query = sqlx::query(AssertSqlSafe(sql)).bind(organization.to_owned()).bind(key);
        Some(changes.into_iter().fold(query, |query, (_, clean)| query.bind(clean)))
    }
}
