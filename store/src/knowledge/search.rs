//! What is found: by words in the full-text index of the database, by vectors in pgvector or by whoever reads them from here.

use sqlx::any::AnyArguments;
use sqlx::query::Query;
use sqlx::{Any, AssertSqlSafe};

use crate::open::{QUERY_TIME_MAX, timed};
use crate::people::within::Sees;
use crate::rows::Columns;
use crate::text::storable;
use crate::{DocumentId, StoreError};

use super::chunks::{literal, name};
use super::{ChunkName, INDEX_DIMENSIONS_MAX, KnowledgeChunk, KnowledgeStore, LiveDocument, Scope};

/// How far pgvector's index looks (`hnsw.ef_search`): it answers no more rows than that, before the scope narrows them.
const INDEX_REACH: i64 = 200;

/// A heading says more of what a chunk is about than a word within it. CROSS JOIN keeps SQLite from going through the documents
/// and asking the index once for each of their chunks.
const SQLITE_TEXT: &str = "SELECT c.id AS chunk_key FROM knowledge_fts f
     CROSS JOIN knowledge_chunks c ON c.id = f.rowid
     CROSS JOIN knowledge_documents d ON d.id = c.document_id AND d.generation = c.generation
     WHERE knowledge_fts MATCH $1 AND d.organization = $2 AND d.status <> 'deleting'
       AND ($3 = '[]' OR d.base IN (SELECT value FROM json_each($3)))
     ORDER BY bm25(knowledge_fts, 2.0, 1.0) LIMIT $4";

/// The same of the best 200 alone: to look up the documents of all that match, thousands, takes longer than to rank them. When the
/// scope leaves too few of them, all are asked for.
const SQLITE_BEST: &str = "SELECT c.id AS chunk_key FROM
       (SELECT rowid AS chunk, bm25(knowledge_fts, 2.0, 1.0) AS score FROM knowledge_fts WHERE knowledge_fts MATCH $1
        ORDER BY score LIMIT 200) f
     CROSS JOIN knowledge_chunks c ON c.id = f.chunk
     CROSS JOIN knowledge_documents d ON d.id = c.document_id AND d.generation = c.generation
     WHERE d.organization = $2 AND d.status <> 'deleting'
       AND ($3 = '[]' OR d.base IN (SELECT value FROM json_each($3)))
     ORDER BY f.score LIMIT $4";

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
        let (sqls, expression) = match self.store.sqlite {
            true => {
                let quoted: Vec<String> = plain.iter().map(|term| format!("\"{term}\"")).collect();
                (&[SQLITE_BEST, SQLITE_TEXT][..], quoted.join(" OR "))
            }
            false => (&[POSTGRES_TEXT][..], plain.iter().map(|term| term.as_str()).collect::<Vec<_>>().join(" | ")),
        };
        let mut found = Vec::new();
        for sql in sqls {
            let query = scoped(sqlx::query(*sql).bind(expression.clone()), scope).bind(i64::from(limit));
            found = self.store.read_in("knowledge_match", scope.sees(), query, |row| row.value("chunk_key")).await?;
            if found.len() >= limit as usize {
                break;
            }
        }
        Ok(found)
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
            let query = query.bind(vector.literal.clone()).bind(i64::from(limit));
            self.store.read_in(QUERY, scope.sees(), query, near).await
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
        self.store.limit(query, scope.sees(), &mut reading).await?;
        for setting in index_settings() {
            sqlx::query(AssertSqlSafe(setting)).execute(&mut *reading).await.map_err(unavailable)?;
        }
        let sql = by_index_sql(vector.dimensions);
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
        self.store.read_in("knowledge_live", Sees::All, query, decode).await
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
        self.store.read_in("knowledge_chunks", scope.sees(), scoped(sqlx::query(AssertSqlSafe(sql)), scope), chunk).await
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
        self.store.read_in("knowledge_keys", scope.sees(), query, |row| Ok((name(row)?, row.value("chunk_key")?))).await
    }

    fn scoped(&self) -> &'static str {
        if self.store.sqlite { SCOPED_SQLITE } else { SCOPED }
    }
}

/// How the transaction is set in which the index is asked. The planner takes vectors, which lie apart from their rows, for small, and
/// would read them all.
fn index_settings() -> [String; 2] {
    [format!("SET LOCAL hnsw.ef_search = {INDEX_REACH}"), "SET LOCAL enable_seqscan = off".to_owned()]
}

/// Asks the index of vectors of so many dimensions: its expression, its operator and its condition, word for word.
fn by_index_sql(dimensions: usize) -> String {
    format!(
        "SELECT n.chunk_id AS chunk_key, n.distance,
           CASE WHEN {SCOPED} AND d.generation = c.generation AND d.space = $3 THEN 1 ELSE 0 END AS wanted
         FROM (SELECT chunk_id, CAST(embedding::vector({dimensions}) <=> CAST($4 AS VECTOR({dimensions})) AS DOUBLE PRECISION)
                 AS distance FROM knowledge_pgvectors WHERE dimensions = {dimensions}
               ORDER BY embedding::vector({dimensions}) <=> CAST($4 AS VECTOR({dimensions})) LIMIT {INDEX_REACH}) n
         JOIN knowledge_chunks c ON c.id = n.chunk_id JOIN knowledge_documents d ON d.id = c.document_id
         ORDER BY n.distance"
    )
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

#[cfg(test)]
#[allow(clippy::unwrap_used, dead_code)]
#[path = "../../tests/backends/cluster.rs"]
mod cluster;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use sqlx::{Executor as _, Row as _};

    use super::*;
    use crate::Store;
    use cluster::Cluster;

    const EVERYWHERE: Scope<'_> = Scope { organization: "default", bases: &[] };

    /// The other way round, each of 2,000 chunks asked the index again: seconds a question.
    #[tokio::test]
    async fn sqlite_asks_its_index_first() {
        let store = Store::open("sqlite::memory:").await.unwrap();
        for sql in [SQLITE_TEXT, SQLITE_BEST] {
            let explained = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
            let plan = scoped(sqlx::query(explained).bind("\"port\"".to_owned()), EVERYWHERE).bind(10_i64);
            let plan = plan.fetch_all(&store.pool).await.unwrap();
            let steps: Vec<String> = plan.iter().map(|step| step.get("detail")).collect();
            let first = steps.iter().find(|step| step.starts_with("SCAN") || step.starts_with("SEARCH")).unwrap();
            assert!(first.contains("VIRTUAL TABLE"), "{steps:?}");
        }
    }

    /// A document of 1,000 chunks whose vectors point anywhere.
    const FILLED: [&str; 4] = [
        "INSERT INTO knowledge_documents (id, organization, base, name, origin, bytes, digest, status, generation, space, due_us,
           created_us, updated_us) VALUES ('d', 'default', 'faq', 'd', 'upload', 1, '', 'ready', 1, 'model', 0, 0, 0)",
        "INSERT INTO knowledge_chunks (document_id, generation, position, heading, text)
           SELECT 'd', 1, n, '', 'x' FROM generate_series(1, 1000) n",
        "INSERT INTO knowledge_pgvectors (chunk_id, dimensions, embedding)
           SELECT id, 1536, (SELECT array_agg(sin(id * n)) FROM generate_series(1, 1536) n)::real[]::vector FROM knowledge_chunks",
        "ANALYZE",
    ];

    #[tokio::test]
    async fn pgvector_asks_its_index() {
        let cluster = match Cluster::start_with_pgvector() {
            Ok(cluster) => cluster,
            Err(reason) => {
                assert!(std::env::var("CI").is_err(), "no pgvector to test on: {reason}");
                eprintln!("skipped: no pgvector to test on: {reason}");
                return;
            }
        };
        let store = Store::open(&cluster.url("postgres")).await.unwrap();
        let knowledge = KnowledgeStore::open(&store).await.unwrap();
        for sql in FILLED {
            store.pool.execute(sql).await.unwrap();
        }
        knowledge.index_vectors(1536).await.unwrap();
        let mut reading = store.pool.begin().await.unwrap();
        for setting in index_settings() {
            sqlx::query(AssertSqlSafe(setting)).execute(&mut *reading).await.unwrap();
        }
        let asked: Vec<f32> = (1..=1536).map(|n| (7.0 * n as f32).sin()).collect();
        let explained = AssertSqlSafe(format!("EXPLAIN {}", by_index_sql(1536)));
        let plan = scoped(sqlx::query(explained), EVERYWHERE).bind("model".to_owned()).bind(literal(&asked));
        let plan = plan.fetch_all(&mut *reading).await.unwrap();
        let steps: Vec<String> = plan.iter().map(|step| step.get(0)).collect();
        assert!(steps.iter().any(|step| step.contains("Index Scan using knowledge_pgvectors_1536")), "{steps:#?}");
        assert!(!steps.iter().any(|step| step.contains("Seq Scan")), "{steps:#?}");
        drop(reading);
        let near = knowledge.nearest(EVERYWHERE, "model", &asked, 5).await.unwrap();
        assert!(near.len() == 5 && near[0].1 > 0.999, "{near:?}");
    }
}
