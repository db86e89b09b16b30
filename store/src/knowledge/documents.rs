//! Documents: put, list, delete.

use serde_json::json;

use crate::open::{QUERY_TIME_MAX, timed};
use crate::people::audit::Deed;
use crate::people::within::Sees;
use crate::rows::Columns;
use crate::text::storable;
use crate::{Act, DocumentId, DocumentStatus, OrganizationId, StoreError, WallTime};

use super::queue::revised;
use super::{DOCUMENT_LIST_MAX, DocumentsHeld, KnowledgeDocument, KnowledgeStore, NewDocument, StoredChunk};

impl KnowledgeStore {
    /// Puts a document, to be read as soon as someone claims it. One of the same name is replaced and keeps its id; what it said
    /// is found until the new content is. `by` is noted in the audit log.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn put(&self, document: &NewDocument, now: WallTime, by: Option<&Act<'_>>) -> Result<DocumentId, StoreError> {
        const QUERY: &str = "knowledge_put";
        let unavailable = |source| StoreError::Unavailable { query: QUERY, source };
        timed(QUERY, QUERY_TIME_MAX, async {
            let mut writing = self.store.begin_in(QUERY, Sees::Named(&document.organization)).await?;
            let row = sqlx::query(
                "INSERT INTO knowledge_documents (id, organization, base, name, origin, url, format, bytes, digest, status,
                   due_us, created_us, updated_us)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'pending', 0, $10, $10)
                 ON CONFLICT (organization, base, name) DO UPDATE SET origin = excluded.origin, url = excluded.url,
                   format = excluded.format, bytes = excluded.bytes, digest = excluded.digest, status = 'pending', reason = NULL,
                   claim = knowledge_documents.claim + 1, claimed_by = '', attempts = 0, due_us = 0,
                   updated_us = excluded.updated_us
                 RETURNING id",
            )
            .bind(DocumentId::generate().to_string())
            .bind(storable(&document.organization).into_owned())
            .bind(storable(&document.base).into_owned())
            .bind(storable(&document.name).into_owned())
            .bind(document.origin.as_str())
            .bind(document.url.clone())
            .bind(document.format.clone())
            .bind(document.content.as_ref().map_or(0, |content| content.len() as i64))
            .bind(document.digest.clone())
            .bind(now.micros())
            .fetch_all(&mut *writing.transaction)
            .await;
            let id: DocumentId = Columns::decode_all(QUERY, row, |row| row.parsed("id"))?
                .pop()
                .ok_or_else(|| unavailable(sqlx::Error::RowNotFound))?;
            // A source of before must not be read in the place of a URL.
            sqlx::query("DELETE FROM knowledge_sources WHERE document_id = $1")
                .bind(id.to_string())
                .execute(&mut *writing.transaction)
                .await
                .map_err(unavailable)?;
            if let Some(content) = &document.content {
                sqlx::query("INSERT INTO knowledge_sources (document_id, content) VALUES ($1, $2)")
                    .bind(id.to_string())
                    .bind(content.clone())
                    .execute(&mut *writing.transaction)
                    .await
                    .map_err(unavailable)?;
            }
            if let (Some(act), Ok(organization)) = (by, document.organization.parse::<OrganizationId>()) {
                let details = json!({ "name": document.name, "base": document.base });
                let deed = Deed { action: "document.put", resource: format!("document:{id}"), details: &details };
                writing.note(&organization, act, deed).await?;
            }
            writing.commit(QUERY).await?;
            Ok(id)
        })
        .await
    }

    /// The document with this id; one that is being deleted is none.
    ///
    /// # Errors
    /// As [`Store::call`](crate::Store::call).
    pub async fn document(&self, organization: &str, id: DocumentId) -> Result<Option<KnowledgeDocument>, StoreError> {
        let query = sqlx::query("SELECT * FROM knowledge_documents WHERE id = $1 AND organization = $2 AND status <> 'deleting'")
            .bind(id.to_string())
            .bind(storable(organization).into_owned());
        Ok(self.store.read_in("knowledge_document", Sees::Named(organization), query, document).await?.pop())
    }

    /// The document of this name; one that is being deleted is none.
    ///
    /// # Errors
    /// As [`Store::call`](crate::Store::call).
    pub async fn find(&self, organization: &str, base: &str, name: &str) -> Result<Option<KnowledgeDocument>, StoreError> {
        let query = sqlx::query(
            "SELECT * FROM knowledge_documents WHERE organization = $1 AND base = $2 AND name = $3 AND status <> 'deleting'",
        )
        .bind(storable(organization).into_owned())
        .bind(storable(base).into_owned())
        .bind(storable(name).into_owned());
        Ok(self.store.read_in("knowledge_find", Sees::Named(organization), query, document).await?.pop())
    }

    /// The latest documents, newest first: at most `limit` (1 to [`DOCUMENT_LIST_MAX`], clamped), put before `before`.
    ///
    /// # Errors
    /// As [`Store::call`](crate::Store::call).
    pub async fn documents(
        &self,
        organization: &str,
        limit: u32,
        before: Option<DocumentId>,
    ) -> Result<Vec<KnowledgeDocument>, StoreError> {
        let query = sqlx::query(
            "SELECT * FROM knowledge_documents WHERE organization = $1 AND id < $2 AND status <> 'deleting'
             ORDER BY id DESC LIMIT $3",
        )
        .bind(storable(organization).into_owned())
        .bind(before.unwrap_or(DocumentId::LAST).to_string())
        .bind(i64::from(limit.clamp(1, DOCUMENT_LIST_MAX)));
        self.store.read_in("knowledge_documents", Sees::Named(organization), query, document).await
    }

    /// How many documents there are in each status that has any, over all organizations.
    ///
    /// # Errors
    /// As [`Store::call`](crate::Store::call).
    pub async fn count_documents(&self) -> Result<Vec<(DocumentStatus, u64)>, StoreError> {
        let query = sqlx::query("SELECT status, COUNT(*) AS documents FROM knowledge_documents GROUP BY status");
        let decode = |row: &Columns<'_>| Ok((row.parsed("status")?, row.count("documents")?));
        self.store.read_in("knowledge_counts", Sees::All, query, decode).await
    }

    /// How many documents an organization has, how many of them wait to be read, and their bytes together.
    ///
    /// # Errors
    /// As [`Store::call`](crate::Store::call).
    pub async fn held_by(&self, organization: &str) -> Result<DocumentsHeld, StoreError> {
        let query = sqlx::query(
            "SELECT COUNT(*) AS documents, COUNT(CASE WHEN status = 'pending' THEN 1 END) AS queued,
               CAST(COALESCE(SUM(bytes), 0) AS BIGINT) AS bytes FROM knowledge_documents WHERE organization = $1",
        )
        .bind(storable(organization).into_owned());
        let decode = |row: &Columns<'_>| {
            Ok(DocumentsHeld { documents: row.count("documents")?, queued: row.count("queued")?, bytes: row.count("bytes")? })
        };
        let held = self.store.read_in("knowledge_held_by", Sees::Named(organization), query, decode).await?;
        Ok(held.into_iter().next().unwrap_or_default())
    }

    /// The chunks of a document that are found, in their order: at most `limit` (1 to [`DOCUMENT_LIST_MAX`], clamped), behind the one
    /// at `after`.
    ///
    /// # Errors
    /// As [`Store::call`](crate::Store::call).
    pub async fn chunks_of(
        &self,
        organization: &str,
        id: DocumentId,
        limit: u32,
        after: Option<u32>,
    ) -> Result<Vec<StoredChunk>, StoreError> {
        let query = sqlx::query(
            "SELECT c.position, c.heading, c.text FROM knowledge_chunks c
             JOIN knowledge_documents d ON d.id = c.document_id AND d.generation = c.generation
             WHERE d.id = $1 AND d.organization = $2 AND d.status <> 'deleting' AND c.position > $3
             ORDER BY c.position LIMIT $4",
        )
        .bind(id.to_string())
        .bind(storable(organization).into_owned())
        .bind(after.map_or(-1, i64::from))
        .bind(i64::from(limit.clamp(1, DOCUMENT_LIST_MAX)));
        let decode = |row: &Columns<'_>| {
            Ok(StoredChunk { position: row.count("position")?, heading: row.value("heading")?, text: row.value("text")? })
        };
        self.store.read_in("knowledge_chunks_of", Sees::Named(organization), query, decode).await
    }

    /// Takes a document out of every search at once, to be removed by whoever claims it. `by` is noted in the audit log. False: there is
    /// none.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn delete(
        &self,
        organization: &str,
        id: DocumentId,
        now: WallTime,
        by: Option<&Act<'_>>,
    ) -> Result<bool, StoreError> {
        const QUERY: &str = "knowledge_delete";
        let query = sqlx::query(
            "UPDATE knowledge_documents SET status = 'deleting', reason = NULL, claim = claim + 1, claimed_by = '', attempts = 0,
               due_us = 0, updated_us = $3 WHERE id = $1 AND organization = $2 AND status <> 'deleting'",
        )
        .bind(id.to_string())
        .bind(storable(organization).into_owned())
        .bind(now.micros());
        timed(QUERY, QUERY_TIME_MAX, async {
            let mut writing = self.store.begin_in(QUERY, Sees::Named(organization)).await?;
            if writing.execute(QUERY, query).await? == 0 {
                return Ok(false);
            }
            writing.execute(QUERY, revised()).await?;
            if let (Some(act), Ok(organization)) = (by, organization.parse::<OrganizationId>()) {
                let deed = Deed { action: "document.deleted", resource: format!("document:{id}"), details: &json!({}) };
                writing.note(&organization, act, deed).await?;
            }
            writing.commit(QUERY).await.map(|()| true)
        })
        .await
    }

    /// The content of a document; `None` when it was not fetched yet.
    ///
    /// # Errors
    /// As [`Store::call`](crate::Store::call).
    pub async fn source(&self, id: DocumentId) -> Result<Option<Vec<u8>>, StoreError> {
        let query = sqlx::query("SELECT content FROM knowledge_sources WHERE document_id = $1").bind(id.to_string());
        Ok(self.store.read("knowledge_source", query, |row| row.value::<Vec<u8>>("content")).await?.pop())
    }
}

pub(super) fn document(row: &Columns<'_>) -> Result<KnowledgeDocument, StoreError> {
    Ok(KnowledgeDocument {
        id: row.parsed("id")?,
        organization: row.value("organization")?,
        base: row.value("base")?,
        name: row.value("name")?,
        origin: row.parsed("origin")?,
        url: row.value("url")?,
        format: row.value("format")?,
        bytes: row.count("bytes")?,
        digest: row.value("digest")?,
        status: row.parsed("status")?,
        reason: row.value("reason")?,
        chunks: row.count("chunks")?,
        space: row.value("space")?,
        created_at: row.time("created_us")?,
        updated_at: row.time("updated_us")?,
    })
}
