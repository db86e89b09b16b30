//! Who works at which document, and what became of it.

use std::time::Duration;

use sqlx::Any;
use sqlx::any::AnyArguments;
use sqlx::query::Query;

use crate::open::{QUERY_TIME_MAX, timed};
use crate::people::within::Sees;
use crate::rows::Columns;
use crate::text::storable;
use crate::write::Bound;
use crate::{DocumentId, StoreError, WallTime};

use super::documents::document;
use super::{Claim, KnowledgeStore};

impl KnowledgeStore {
    /// Claims the document that has waited longest, for `lease`: then another may claim it, and whoever held it changes nothing
    /// any more. `None`: nothing is due.
    ///
    /// # Errors
    /// As [`Store::call`](crate::Store::call).
    pub async fn claim(&self, node: &str, now: WallTime, lease: Duration) -> Result<Option<Claim>, StoreError> {
        const QUERY: &str = "knowledge_claim";
        // The inner look takes no lock, so that two nodes may see the same row; only one of them still finds it due.
        let query = sqlx::query(
            "UPDATE knowledge_documents SET claim = claim + 1, claimed_by = $1, attempts = attempts + 1, due_us = $2
             WHERE due_us <= $3 AND status IN ('pending', 'deleting') AND id =
               (SELECT id FROM knowledge_documents WHERE due_us <= $3 AND status IN ('pending', 'deleting')
                ORDER BY due_us, id LIMIT 1)
             RETURNING *",
        )
        .bind(storable(node).into_owned())
        .bind(now.micros().saturating_add(i64::try_from(lease.as_micros()).unwrap_or(i64::MAX)))
        .bind(now.micros());
        timed(QUERY, QUERY_TIME_MAX, async {
            let mut writing = self.store.begin_in(QUERY, Sees::All).await?;
            let rows = query.fetch_all(&mut *writing.transaction).await;
            let claim = Columns::decode_all(QUERY, rows, |row| {
                let attempt = u32::try_from(row.count("attempts")?).unwrap_or(u32::MAX);
                Ok(Claim { document: document(row)?, number: row.value("claim")?, attempt })
            })?;
            writing.commit(QUERY).await?;
            Ok(claim.into_iter().next())
        })
        .await
    }

    /// Whether anything waits, also for its time.
    ///
    /// # Errors
    /// As [`Store::call`](crate::Store::call).
    pub async fn is_idle(&self) -> Result<bool, StoreError> {
        let query = sqlx::query("SELECT id FROM knowledge_documents WHERE status IN ('pending', 'deleting') LIMIT 1");
        let waiting = self.store.read_in("knowledge_waiting", Sees::All, query, |row| row.value::<String>("id")).await?;
        Ok(waiting.is_empty())
    }

    /// Opens the claims that `node` held when it stopped; at its start.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn release_claims(&self, node: &str) -> Result<u64, StoreError> {
        let query = sqlx::query(
            "UPDATE knowledge_documents SET claim = claim + 1, claimed_by = '', due_us = 0
             WHERE claimed_by = $1 AND status IN ('pending', 'deleting')",
        )
        .bind(storable(node).into_owned());
        self.change("knowledge_release", vec![query], false).await
    }

    /// Holds the claim until `due`. False: it is over.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn renew(&self, claim: &Claim, due: WallTime) -> Result<bool, StoreError> {
        let query = sqlx::query("UPDATE knowledge_documents SET due_us = $3 WHERE id = $1 AND claim = $2")
            .bind(claim.document.id.to_string())
            .bind(claim.number)
            .bind(due.micros());
        Ok(self.change("knowledge_renew", vec![query], false).await? > 0)
    }

    /// Keeps what was fetched for a claim. False: the claim is over.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn keep_source(&self, claim: &Claim, content: &[u8], format: &str) -> Result<bool, StoreError> {
        let id = claim.document.id.to_string();
        let changed = sqlx::query("UPDATE knowledge_documents SET bytes = $3, format = $4 WHERE id = $1 AND claim = $2")
            .bind(id.clone())
            .bind(claim.number)
            .bind(content.len() as i64)
            .bind(format.to_owned());
        let kept = sqlx::query(
            "INSERT INTO knowledge_sources (document_id, content) VALUES ($1, $2)
             ON CONFLICT (document_id) DO UPDATE SET content = excluded.content",
        )
        .bind(id)
        .bind(content.to_vec());
        Ok(self.change("knowledge_keep_source", vec![changed, kept], false).await? > 0)
    }

    /// Makes the chunks that were written under the claim the document's: they are found by their words from now on. False: the
    /// claim is over, and nothing was done.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn set_found(&self, claim: &Claim, chunks: usize) -> Result<bool, StoreError> {
        let query = sqlx::query(
            "UPDATE knowledge_documents SET generation = $2, chunks = $3, space = '' WHERE id = $1 AND claim = $2
               AND status = 'pending'",
        )
        .bind(claim.document.id.to_string())
        .bind(claim.number)
        .bind(chunks as i64);
        Ok(self.change("knowledge_found", vec![query], true).await? > 0)
    }

    /// Ends the claim: the document is ready, and its vectors are compared with those of `space` (`""`: it has none).
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn set_ready(&self, claim: &Claim, space: &str, now: WallTime) -> Result<bool, StoreError> {
        let query = sqlx::query(
            "UPDATE knowledge_documents SET status = 'ready', reason = NULL, space = $3, claimed_by = '', updated_us = $4
             WHERE id = $1 AND claim = $2 AND status = 'pending'",
        )
        .bind(claim.document.id.to_string())
        .bind(claim.number)
        .bind(space.to_owned())
        .bind(now.micros());
        Ok(self.change("knowledge_ready", vec![query], true).await? > 0)
    }

    /// Gives the document up; what it said before is still found.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn set_failed(&self, claim: &Claim, reason: &str, now: WallTime) -> Result<bool, StoreError> {
        let query = sqlx::query(
            "UPDATE knowledge_documents SET status = 'failed', reason = $3, claimed_by = '', updated_us = $4
             WHERE id = $1 AND claim = $2 AND status = 'pending'",
        )
        .bind(claim.document.id.to_string())
        .bind(claim.number)
        .bind(storable(reason).into_owned())
        .bind(now.micros());
        Ok(self.change("knowledge_failed", vec![query], false).await? > 0)
    }

    /// Leaves the document for another try at `due`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn retry(&self, claim: &Claim, reason: &str, due: WallTime) -> Result<bool, StoreError> {
        let query =
            sqlx::query("UPDATE knowledge_documents SET reason = $3, claimed_by = '', due_us = $4 WHERE id = $1 AND claim = $2")
                .bind(claim.document.id.to_string())
                .bind(claim.number)
                .bind(storable(reason).into_owned())
                .bind(due.micros());
        Ok(self.change("knowledge_retry", vec![query], false).await? > 0)
    }

    /// Removes a document that was claimed for deletion, and all that is left of it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn remove(&self, claim: &Claim) -> Result<bool, StoreError> {
        let query = sqlx::query("DELETE FROM knowledge_documents WHERE id = $1 AND claim = $2 AND status = 'deleting'")
            .bind(claim.document.id.to_string())
            .bind(claim.number);
        Ok(self.change("knowledge_remove", vec![query], true).await? > 0)
    }

    /// Has the documents read again whose vectors cannot be compared with those of `space` (`""`: full text alone, which every
    /// document has). Answers how many.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn requeue_other_spaces(&self, space: &str, now: WallTime) -> Result<u64, StoreError> {
        if space.is_empty() {
            return Ok(0);
        }
        let query = sqlx::query(
            "UPDATE knowledge_documents SET status = 'pending', reason = NULL, claim = claim + 1, claimed_by = '', attempts = 0,
               due_us = 0, updated_us = $2 WHERE status = 'ready' AND space <> $1",
        )
        .bind(space.to_owned())
        .bind(now.micros());
        self.change("knowledge_requeue", vec![query], false).await
    }

    /// Documents with chunks that are not searched, and that nobody works at: what a crash left between two steps.
    ///
    /// # Errors
    /// As [`Store::call`](crate::Store::call).
    pub async fn with_stale_chunks(&self) -> Result<Vec<(DocumentId, String)>, StoreError> {
        let query = sqlx::query(
            "SELECT DISTINCT d.id, d.organization FROM knowledge_documents d JOIN knowledge_chunks c ON c.document_id = d.id
             WHERE d.status IN ('ready', 'failed') AND c.generation <> d.generation",
        );
        let decode = |row: &Columns<'_>| Ok((row.parsed("id")?, row.value("organization")?));
        self.store.read_in("knowledge_stale", Sees::All, query, decode).await
    }

    /// Runs `queries` in one transaction, as long as the first changes something, and counts a change of what is found when
    /// `found` says so. Answers how many rows the first changed.
    pub(super) async fn change(
        &self,
        query: &'static str,
        queries: Vec<Query<'_, Any, AnyArguments>>,
        found: bool,
    ) -> Result<u64, StoreError> {
        let unavailable = |source| StoreError::Unavailable { query, source };
        timed(query, QUERY_TIME_MAX, async {
            let mut writing = self.store.begin_in(query, Sees::All).await?;
            let mut changed = 0;
            for (index, one) in queries.into_iter().enumerate() {
                let done = one.execute(&mut *writing.transaction).await.map_err(unavailable)?;
                if index == 0 {
                    changed = done.rows_affected();
                    if changed == 0 {
                        return Ok(0);
                    }
                }
            }
            if found {
                revised().execute(&mut *writing.transaction).await.map_err(unavailable)?;
            }
            writing.commit(query).await?;
            Ok(changed)
        })
        .await
    }
}

/// Counts a change of what is found.
pub(super) fn revised() -> Bound<'static> {
    sqlx::query("UPDATE knowledge_revision SET revision = revision + 1 WHERE id = 1")
}
