//! Transactions that see one organization.

use sqlx::{Any, AnyConnection, Transaction};

use super::OrganizationId;
use crate::open::{QUERY_TIME_MAX, Writing, timed};
use crate::rows::Columns;
use crate::write::Bound;
use crate::{Store, StoreError};

/// Whose rows a transaction sees on PostgreSQL. On SQLite the queries alone say it.
#[derive(Clone, Copy)]
pub(crate) enum Sees<'a> {
    /// One organization's.
    One(&'a OrganizationId),
    /// The same, by its text.
    Named(&'a str),
    /// All: for signing in, which begins without an organization, and for the operator's list of them.
    All,
}

impl Store {
    /// Whether it is PostgreSQL with a role that row level security does not bind (a superuser, or one with BYPASSRLS), so that the
    /// queries alone keep organizations apart.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn bypasses_row_security(&self) -> Result<bool, StoreError> {
        if self.sqlite {
            return Ok(false);
        }
        let free = "SELECT 1 AS free FROM pg_roles WHERE rolname = current_user AND (rolsuper OR rolbypassrls)";
        let rows = self.read("bypasses_row_security", sqlx::query(free), |_| Ok(())).await?;
        Ok(!rows.is_empty())
    }

    pub(crate) async fn begin_in(&self, query: &'static str, sees: Sees<'_>) -> Result<Writing, StoreError> {
        let mut writing = self.begin(query).await?;
        self.limit(query, sees, &mut writing.transaction).await?;
        Ok(writing)
    }

    pub(crate) async fn read_in<T>(
        &self,
        name: &'static str,
        sees: Sees<'_>,
        query: Bound<'_>,
        decode: fn(&Columns<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        if self.sqlite {
            return self.read(name, query, decode).await;
        }
        let unavailable = |source| StoreError::Unavailable { query: name, source };
        timed(name, QUERY_TIME_MAX, async {
            let mut reading: Transaction<'static, Any> = self.pool.begin_with("BEGIN").await.map_err(unavailable)?;
            self.limit(name, sees, &mut reading).await?;
            let rows = query.fetch_all(&mut *reading).await;
            reading.commit().await.map_err(unavailable)?;
            Columns::open_all(name, rows, &self.seals.keys(), decode)
        })
        .await
    }

    /// A transaction that reads, and may be dropped.
    pub(crate) async fn begin_reading(
        &self,
        name: &'static str,
        sees: Sees<'_>,
    ) -> Result<Transaction<'static, Any>, StoreError> {
        let begun = self.pool.begin_with("BEGIN").await;
        let mut reading = begun.map_err(|source| StoreError::Unavailable { query: name, source })?;
        self.limit(name, sees, &mut reading).await?;
        Ok(reading)
    }

    pub(crate) async fn limit(
        &self,
        query: &'static str,
        sees: Sees<'_>,
        connection: &mut AnyConnection,
    ) -> Result<(), StoreError> {
        if self.sqlite {
            return Ok(());
        }
        let name = match sees {
            Sees::One(organization) => organization.as_str(),
            Sees::Named(organization) => organization,
            Sees::All => "*",
        };
        // For this transaction only: the connection goes back to the pool without it.
        let set = sqlx::query("SELECT set_config('offhook.organization', $1, true)").bind(name.to_owned());
        set.execute(connection).await.map(drop).map_err(|source| StoreError::Unavailable { query, source })
    }
}

impl Writing {
    /// Carries out one statement; answers how many rows it touched.
    pub(crate) async fn execute(&mut self, name: &'static str, statement: Bound<'_>) -> Result<u64, StoreError> {
        let done = statement.execute(&mut *self.transaction).await;
        done.map(|done| done.rows_affected()).map_err(|source| taken(name, source))
    }

    /// The rows of one query.
    pub(crate) async fn fetch<T>(
        &mut self,
        name: &'static str,
        query: Bound<'_>,
        decode: fn(&Columns<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let rows = query.fetch_all(&mut *self.transaction).await.map_err(|source| taken(name, source))?;
        Columns::open_all(name, Ok(rows), &self.keys, decode)
    }
}

/// A value that only one row may have, and another has; or a row that others need.
fn taken(query: &'static str, source: sqlx::Error) -> StoreError {
    let error = source.as_database_error();
    if error.is_some_and(|error| error.is_unique_violation()) {
        return StoreError::Taken { query };
    }
    if error.is_some_and(|error| error.is_foreign_key_violation()) {
        return StoreError::InUse { query };
    }
    StoreError::Unavailable { query, source }
}
