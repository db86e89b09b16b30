//! What reports are signed with.

use crate::people::within::Sees;
use crate::{Hidden, Store, StoreError, WallTime};

impl Store {
    /// The key of this database: its id and its secret. The first who asks brings it about, with what is given.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn privacy_key(&self, (id, secret): (&str, &Hidden), at: WallTime) -> Result<(String, Hidden), StoreError> {
        const QUERY: &str = "privacy_key";
        self.timed_write(QUERY, async {
            let mut writing = self.begin_in(QUERY, Sees::All).await?;
            let first = "INSERT INTO privacy_keys (kid, secret, created_us)
                         SELECT $1, $2, $3 WHERE NOT EXISTS (SELECT 1 FROM privacy_keys)";
            let first = sqlx::query(first).bind(id.to_owned()).bind(secret.expose().to_owned()).bind(at.micros());
            writing.execute(QUERY, first).await?;
            writing.commit(QUERY).await
        })
        .await?;
        // Two nodes may have brought one each: the older is everybody's.
        let all = sqlx::query("SELECT kid, secret FROM privacy_keys ORDER BY created_us, kid LIMIT 1");
        let key = self.read(QUERY, all, |row| Ok((row.value("kid")?, Hidden::new(row.value::<String>("secret")?)))).await?.pop();
        key.ok_or(StoreError::Unavailable { query: QUERY, source: sqlx::Error::RowNotFound })
    }
}
