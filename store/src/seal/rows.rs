//! The columns that are sealed, which keys they are sealed with, and sealing them anew.

use std::collections::BTreeMap;

use super::value::PREFIX;
use super::{KeyId, Place, SealError};
use crate::open::timed;
use crate::people::within::Sees;
use crate::rows::Columns;
use crate::{Store, StoreError};

/// Rows that are sealed anew in one transaction: calls that write meanwhile wait for milliseconds.
const BATCH: i64 = 100;
/// How long the words of a sealed value are that name its key.
const NAMED: i64 = PREFIX.len() as i64 + 17;

/// A column that is sealed.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct SealedTable {
    /// The table.
    pub table: &'static str,
    /// The column.
    pub column: &'static str,
    /// What names a row, with `version` where there are several.
    id: &'static str,
    version: &'static str,
}

const NO_VERSION: &str = "CAST(0 AS BIGINT)";

impl SealedTable {
    /// All there are.
    pub const ALL: [Self; 7] = [
        Self::of("webhooks", "url", "id"),
        Self::of("webhooks", "secret", "id"),
        Self::of("webhooks", "previous_secret", "id"),
        Self::of("users", "mfa_secret", "id"),
        Self::of("signing_keys", "secret", "kid"),
        Self::of("resources", "fields", "id"),
        Self { table: "resource_versions", column: "fields", id: "resource_id", version: "version" },
    ];

    const fn of(table: &'static str, column: &'static str, id: &'static str) -> Self {
        Self { table, column, id, version: NO_VERSION }
    }
}

/// What came of one step.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Resealed {
    /// Values that are sealed with the newest key now.
    pub resealed: u64,
    /// Values that could not be opened and stay as they are.
    pub failed: u64,
    /// Why, of the last of them.
    pub reason: Option<SealError>,
    /// Whether there may be more.
    pub more: bool,
}

/// One value that is not as it should be.
struct Found {
    id: String,
    version: i64,
    stored: String,
}

fn found(row: &Columns<'_>) -> Result<Found, StoreError> {
    Ok(Found { id: row.value("row_id")?, version: row.value("row_version")?, stored: row.value("stored")? })
}

/// How a row is named in what is authenticated.
fn named(id: &str, version: i64, of: &SealedTable) -> String {
    if of.version == NO_VERSION { id.to_owned() } else { format!("{id}/{version}") }
}

impl Store {
    /// How many values each key has sealed; under `None` those that are in the clear.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn sealed_with(&self) -> Result<BTreeMap<(SealedTable, Option<KeyId>), u64>, StoreError> {
        let mut counts = BTreeMap::new();
        for of in SealedTable::ALL {
            let SealedTable { table, column, .. } = of;
            let sql = format!(
                "SELECT CASE WHEN {column} LIKE '{PREFIX}%' THEN substr({column}, {}, 16) ELSE '' END AS key_id, COUNT(*) AS how_many
                 FROM {table} WHERE {column} IS NOT NULL GROUP BY key_id",
                PREFIX.len() + 1
            );
            let query = sqlx::query(sqlx::AssertSqlSafe(sql));
            let one = |row: &Columns<'_>| Ok((row.value::<String>("key_id")?.parse().ok(), row.count("how_many")?));
            for (key, count) in self.read_in("sealed_with", Sees::All, query, one).await? {
                *counts.entry((of, key)).or_default() += count;
            }
        }
        Ok(counts)
    }

    /// Seals up to a hundred values with the newest key that are in the clear or sealed with another one; `failed` of them could not be
    /// opened before and are passed over. A value that somebody changes meanwhile is left as they made it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`]: of this step nothing was written.
    pub async fn reseal(&self, of: &SealedTable, failed: u64) -> Result<Resealed, StoreError> {
        const QUERY: &str = "reseal";
        let keys = self.seals.keys();
        let Some(newest) = keys.newest() else { return Ok(Resealed::default()) };
        let SealedTable { table, column, id, version } = of;
        let select = format!(
            "SELECT {id} AS row_id, {version} AS row_version, {column} AS stored FROM {table}
             WHERE {column} IS NOT NULL AND substr({column}, 1, {NAMED}) <> $1 ORDER BY {id}, {version} LIMIT $2 OFFSET $3"
        );
        let update = format!("UPDATE {table} SET {column} = $1 WHERE {id} = $2 AND {version} = $3 AND {column} = $4");
        self.timed_write(QUERY, async {
            let mut writing = self.begin_in(QUERY, Sees::All).await?;
            let select = sqlx::query(sqlx::AssertSqlSafe(select))
                .bind(format!("{PREFIX}{}:", newest.id()))
                .bind(BATCH)
                .bind(failed as i64);
            let rows = writing.fetch(QUERY, select, found).await?;
            let mut step = Resealed { more: rows.len() as i64 == BATCH, ..Resealed::default() };
            for Found { id, version, stored } in rows {
                let row = named(&id, version, of);
                let place = Place { table, column, row: &row };
                match keys.open(place, stored.clone()) {
                    Ok(clear) => {
                        let update = sqlx::query(sqlx::AssertSqlSafe(update.clone()))
                            .bind(keys.seal(place, &clear))
                            .bind(id)
                            .bind(version)
                            .bind(stored);
                        step.resealed += writing.execute(QUERY, update).await?;
                    }
                    Err(reason) => {
                        step.failed += 1;
                        step.reason = Some(reason);
                    }
                }
            }
            writing.commit(QUERY).await?;
            Ok(step)
        })
        .await
    }

    /// On SQLite, folds its log into the file, where what was sealed may still be as it was before; what readers hold stays until later.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn fold_log(&self) -> Result<(), StoreError> {
        const QUERY: &str = "fold_log";
        if !self.sqlite {
            return Ok(());
        }
        timed(QUERY, crate::open::QUERY_TIME_MAX, async {
            let done = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&self.pool).await;
            done.map(drop).map_err(|source| StoreError::Unavailable { query: QUERY, source })
        })
        .await
    }
}
