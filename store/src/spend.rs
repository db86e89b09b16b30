//! What calls of ours cost, by the minute: enough to go on counting after a restart.

use sqlx::Any;
use sqlx::any::AnyArguments;
use sqlx::query::Query;

use crate::text::storable;
use crate::write::{Bound, count};
use crate::{Store, StoreError};

/// Minutes that are kept: two days, while the longest cap is on one.
const MINUTES_KEPT: u64 = 2 * 24 * 60;

/// What was spent in one minute.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SpentMinute {
    /// Minutes since 1970.
    pub minute: u64,
    /// Millionths of the operator's currency.
    pub micros: u64,
}

impl SpentMinute {
    pub(crate) fn bind(self, node: &str) -> Bound<'static> {
        sqlx::query(
            "INSERT INTO spend (node, minute, micros) VALUES ($1, $2, $3)
             ON CONFLICT (node, minute) DO UPDATE SET micros = excluded.micros",
        )
        .bind(storable(node).into_owned())
        .bind(count(self.minute))
        .bind(count(self.micros))
    }

    /// Forgets what no cap asks for any more.
    pub(crate) fn forget_before(self, node: &str) -> Query<'static, Any, AnyArguments> {
        let query = sqlx::query("DELETE FROM spend WHERE node = $1 AND minute < $2");
        query.bind(storable(node).into_owned()).bind(count(self.minute.saturating_sub(MINUTES_KEPT)))
    }
}

impl Store {
    /// What this node has spent from `minute` (since 1970) on.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn spent_since(&self, node: &str, minute: u64) -> Result<Vec<SpentMinute>, StoreError> {
        let query = sqlx::query("SELECT minute, micros FROM spend WHERE node = $1 AND minute >= $2 ORDER BY minute");
        let query = query.bind(storable(node).into_owned()).bind(count(minute));
        self.read("spent_since", query, |row| Ok(SpentMinute { minute: row.count("minute")?, micros: row.count("micros")? }))
            .await
    }
}
