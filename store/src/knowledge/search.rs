//! What is found: by words in the full-text index of the database, by vectors in pgvector or by whoever reads them from here.

use sqlx::any::AnyArguments;
use sqlx::query::Query;
use sqlx::{Any, AssertSqlSafe};

use crate::open::{QUERY_TIME_MAX, timed};
use crate::rows::Columns;
use crate::text::storable;
use crate::{DocumentId, StoreError};

use super::chunks::{literal, name};
use super::{ChunkName, INDEX_DIMENSIONS_MAX, KnowledgeChunk, KnowledgeStore, LiveDocument, Scope};

/// How far pgvector's index looks (`hnsw.ef_search`): it answers no more rows than that, before the scope narrows them.
const INDEX_REACH: i64 = 200;

/// A heading says more of what a chunk is about than a word within it.
const SQLITE_TEXT: &str = "SELECT c.id AS chunk_key FROM knowledge_fts f
     JOIN knowledge_chunks c ON c.id = f.rowid
     JOIN knowledge_documents d ON d.id = c.document_id AND d.generation = c.generation
     WHERE knowledge_fts MATCH $1 AND d.organization = $2 AND d.status <> 'deleting'
       AND ($3 = '[]' OR d.base IN (SELECT value FROM json_each($3)))
     ORDER BY bm25(knowledge_fts, 2.0, 1.0) LIMIT $4";

/// The lengths of chunks differ little, so that their ranks need no correction for it.
const POSTGRES_TEXT: &str = "SELECT c.id AS chunk_key FROM knowledge_chunks c
     JOIN knowledge_documents d ON d.id = c.document_id AND d.generation = c.generation
     WHERE c.words @@ to_tsquery('english', $1) AND d.organization = $2 AND d.status <> 'deleting'
       AND ($3 = '[]' OR d.base IN (SELECT jsonb_array_elements_text(CAST($3 AS JSONB))))
     ORDER BY ts_rank(c.words, to_tsquery('english', $1)) DESC, c.id LIMIT $4";

impl KnowledgeStore {
    /// The keys of the chunks that have any of `terms`, the best first. Terms are letters and digits only; others find nothing.
    ///
    /// # Errors
    /// As [`Store::call`](crate::Store::call).
    pub async fn match_text(&self, scope: Scope<'_>, terms: &[String], limit: u32) -> Result<Vec<i64>, StoreError> {
        let plain: Vec<&String> =
            terms.iter().filter(|term| !term.is_empty() && term.chars().all(char::is_alphanumeric)).collect();
        if plain.is_empty() {
            return Ok(Vec::new());
        }
        let (sql, expression) = match self.store.sqlite {
            true => (SQLITE_TEXT, plain.iter().map(|term| format!("\"{term}\"")).collect::<Vec<_>>().join(" OR ")),
            false => (POSTGRES_TEXT, plain.iter().map(|term| term.as_str()).collect::<Vec<_>>().join(" | ")),
        };
        let query = scoped(sqlx::query(sql).bind(expression), scope).bind(i64::from(limit));
        self.store.read("knowledge_match", query, |row| row.value("chunk_key")).await
    }

    /// The chunks nearest to `vector` by pgvector with how like it they are (-1 to 1), the best first. The index is asked first;
    /// when the scope leaves too few of what it found, every vector of the scope is compared.
    ///
    /// # Errors
    /// As [`Store::call`](crate::Store::call).
    pub async fn nearest(
        &self,
        scope: Scope<'_>,
        space: &str,
        vector: &[f32],
        limit: u32,
    ) -> Result<Vec<(i64, f32)>, StoreError> {
        const QUERY: &str = "knowledge_nearest";
        timed(QUERY, QUERY_TIME_MAX, async {
            let vector = Asked { literal: literal(vector), dimensions: vector.len(), space };
            if vector.dimensions <= INDEX_DIMENSIONS_MAX {
                let (found, all) = self.by_index(QUERY, scope, &vector, limit).await?;
                if found.len() >= limit as usize || all {
                    return Ok(found);
                }
            }
            let sql = format!(
                "SELECT v.chunk_id AS chunk_key, CAST(v.embedding <=> CAST($4 AS VECTOR) AS DOUBLE PRECISION) AS distance
                 FROM knowledge_pgvectors v JOIN knowledge_chunks c ON c.id = v.chunk_id
                 JOIN knowledge_documents d ON d.id = c.document_id AND d.generation = c.generation
                 WHERE {SCOPED} AND v.dimensions = {} AND d.space = $3 ORDER BY distance LIMIT $5",
                vector.dimensions
            );
            let query = scoped(sqlx::query(AssertSqlSafe(sql)), scope).bind(vector.space.to_owned());
            let rows = query.bind(vector.literal.clone()).bind(i64::from(limit)).fetch_all(&self.store.pool).await;
            Columns::decode_all(QUERY, rows, near)
        })
        .await
    }

    /// What the index finds within the scope, and whether that is all there is.
    async fn by_index(
        &self,
        query: &'static str,
        scope: Scope<'_>,
        vector: &Asked<'_>,
        limit: u32,
    ) -> Result<(Vec<(i64, f32)>, bool), StoreError> {
        let unavailable = |source| StoreError::Unavailable { query, source };
        let mut reading = self.store.pool.begin().await.map_err(unavailable)?;
        let reach = format!("SET LOCAL hnsw.ef_search = {INDEX_REACH}");
        sqlx::query(AssertSqlSafe(reach)).execute(&mut *reading).await.map_err(unavailable)?;
        let dimensions = vector.dimensions;
        let sql = format!(
            "SELECT n.chunk_id AS chunk_key, n.distance, COUNT(*) OVER () AS seen,
               CASE WHEN {SCOPED} AND d.generation = c.generation AND d.space = $3 THEN 1 ELSE 0 END AS wanted
             FROM (SELECT chunk_id, CAST(embedding::vector({dimensions}) <=> CAST($4 AS VECTOR({dimensions})) AS DOUBLE PRECISION)
                     AS distance FROM knowledge_pgvectors WHERE dimensions = {dimensions}
                   ORDER BY embedding::vector({dimensions}) <=> CAST($4 AS VECTOR({dimensions})) LIMIT {INDEX_REACH}) n
             JOIN knowledge_chunks c ON c.id = n.chunk_id JOIN knowledge_documents d ON d.id = c.document_id
             ORDER BY n.distance"
        );
        let rows = scoped(sqlx::query(AssertSqlSafe(sql)), scope).bind(vector.space.to_owned()).bind(vector.literal.clone());
        let rows = rows.fetch_all(&mut *reading).await;
        let found = Columns::decode_all(query, rows, |row| Ok((near(row)?, row.value::<i32>("wanted")? == 1)))?;
        reading.commit().await.map_err(unavailable)?;
        let all = (found.len() as i64) < INDEX_REACH;
        let wanted = found.into_iter().filter(|(_, wanted)| *wanted).map(|(near, _)| near);
        Ok((wanted.take(limit as usize).collect(), all))
    }

    /// How often what is found has changed.
    ///
    /// # Errors
    /// As [`Store::call`](crate::Store::call).
    pub async fn revision(&self) -> Result<i64, StoreError> {
        let query = sqlx::query("SELECT revision FROM knowledge_revision WHERE id = 1");
        let revision = self.store.read("knowledge_revision", query, |row| row.value("revision")).await?;
        Ok(revision.first().copied().unwrap_or(0))
    }

    /// The documents with vectors of `space` that are searched, of every organization.
    ///
    /// # Errors
    /// As [`Store::call`](crate::Store::call).
    pub async fn live(&self, space: &str) -> Result<Vec<LiveDocument>, StoreError> {
        let query = sqlx::query(
            "SELECT id, organization, base, generation FROM knowledge_documents
             WHERE generation > 0 AND status <> 'deleting' AND space = $1 ORDER BY id",
        )
        .bind(space.to_owned());
        let decode = |row: &Columns<'_>| {
            Ok(LiveDocument {
                id: row.parsed("id")?,
                organization: row.value("organization")?,
                base: row.value("base")?,
                generation: row.value("generation")?,
            })
        };
        self.store.read("knowledge_live", query, decode).await
    }

    /// The vectors of a document as bytes, each with the key of its chunk, in order.
    ///
    /// # Errors
    /// As [`Store::call`](crate::Store::call).
    pub async fn vectors(&self, document: DocumentId, generation: i64) -> Result<Vec<(i64, Vec<u8>)>, StoreError> {
        let query = sqlx::query(
            "SELECT v.chunk_id, v.vector FROM knowledge_vectors v JOIN knowledge_chunks c ON c.id = v.chunk_id
             WHERE c.document_id = $1 AND c.generation = $2 ORDER BY c.position",
        )
        .bind(document.to_string())
        .bind(generation);
        self.store.read("knowledge_vectors", query, |row| Ok((row.value("chunk_id")?, row.value("vector")?))).await
    }

    /// The chunks of these keys that are searched within the scope, in no order.
    ///
    /// # Errors
    /// As [`Store::call`](crate::Store::call).
    pub async fn chunks(&self, scope: Scope<'_>, keys: &[i64]) -> Result<Vec<KnowledgeChunk>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let keys: Vec<String> = keys.iter().map(i64::to_string).collect();
        let sql = format!("{CHUNKS} WHERE {} AND c.id IN ({})", self.scoped(), keys.join(","));
        self.store.read("knowledge_chunks", scoped(sqlx::query(AssertSqlSafe(sql)), scope), chunk).await
    }

    /// The keys of chunks by name, those that are searched within the scope, in no order.
    ///
    /// # Errors
    /// As [`Store::call`](crate::Store::call).
    pub async fn keys(&self, scope: Scope<'_>, names: &[ChunkName]) -> Result<Vec<(ChunkName, i64)>, StoreError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        // The names are an id and two numbers: nothing of it is anybody's text.
        let rows: Vec<String> = names
            .iter()
            .map(|name| {
                let ChunkName { document, generation, position } = name;
                format!("(c.document_id = '{document}' AND c.generation = {generation} AND c.position = {position})")
            })
            .collect();
        let sql = format!("{CHUNKS} WHERE {} AND ({})", self.scoped(), rows.join(" OR "));
        let query = scoped(sqlx::query(AssertSqlSafe(sql)), scope);
        self.store.read("knowledge_keys", query, |row| Ok((name(row)?, row.value("chunk_key")?))).await
    }

    fn scoped(&self) -> &'static str {
        if self.store.sqlite { SCOPED_SQLITE } else { SCOPED }
    }
}

const CHUNKS: &str = "SELECT c.id AS chunk_key, c.document_id, c.generation, c.position, c.heading, c.text, d.name, d.base
     FROM knowledge_chunks c JOIN knowledge_documents d ON d.id = c.document_id AND d.generation = c.generation";

/// Parameters 1 and 2 of a query.
const SCOPED: &str = "d.organization = $1 AND d.status <> 'deleting'
     AND ($2 = '[]' OR d.base IN (SELECT jsonb_array_elements_text(CAST($2 AS JSONB))))";
const SCOPED_SQLITE: &str =
    "d.organization = $1 AND d.status <> 'deleting' AND ($2 = '[]' OR d.base IN (SELECT value FROM json_each($2)))";

/// A vector to compare with.
struct Asked<'a> {
    literal: String,
    dimensions: usize,
    space: &'a str,
}

/// Binds a scope's two parameters, as the next ones.
fn scoped<'q>(query: Query<'q, Any, AnyArguments>, scope: Scope<'_>) -> Query<'q, Any, AnyArguments> {
    let bases = serde_json::Value::from(scope.bases.to_vec());
    query.bind(storable(scope.organization).into_owned()).bind(bases.to_string())
}

fn near(row: &Columns<'_>) -> Result<(i64, f32), StoreError> {
    let distance: f64 = row.value("distance")?;
    Ok((row.value("chunk_key")?, (1.0 - distance) as f32))
}

fn chunk(row: &Columns<'_>) -> Result<KnowledgeChunk, StoreError> {
    Ok(KnowledgeChunk {
        key: row.value("chunk_key")?,
        chunk: name(row)?,
        document: row.value("name")?,
        base: row.value("base")?,
        heading: row.value("heading")?,
        text: row.value("text")?,
    })
}
