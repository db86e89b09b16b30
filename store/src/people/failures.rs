//! What belongs to no organization: failures to sign in, and the keys that tokens are signed with.

use std::time::Duration;

use super::Hidden;
use crate::open::QUERY_TIME_MAX;
use crate::rows::Columns;
use crate::seal::Place;
use crate::{Store, StoreError, WallTime};

/// Failures of one subject: an account or an address, named by a hash.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SignInFailures {
    /// How many in a row.
    pub failures: u64,
    /// Until when it may not try.
    pub blocked_until: WallTime,
}

/// A key that tokens are signed with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SigningKey {
    /// Its name, which tokens carry.
    pub kid: String,
    /// The key, in base64.
    pub secret: Hidden,
    /// When it was made.
    pub created_at: WallTime,
}

impl Store {
    /// What is known of a subject.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn sign_in_failures(&self, subject: &str) -> Result<Option<SignInFailures>, StoreError> {
        let query = sqlx::query("SELECT * FROM sign_in_failures WHERE subject = $1").bind(subject.to_owned());
        Ok(self.read("sign_in_failures", query, failures).await?.pop())
    }

    /// Counts a failure; `delay` says for how long the subject may not try after so many. After `forgotten` without one it begins
    /// anew.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn add_sign_in_failure(
        &self,
        subject: &str,
        now: WallTime,
        forgotten: Duration,
        delay: fn(u64) -> Duration,
    ) -> Result<SignInFailures, StoreError> {
        const QUERY: &str = "add_sign_in_failure";
        let old = now.micros().saturating_sub(i64::try_from(forgotten.as_micros()).unwrap_or(i64::MAX));
        self.timed_write(QUERY, async {
            let mut writing = self.begin(QUERY).await?;
            let forget = sqlx::query("DELETE FROM sign_in_failures WHERE last_us < $1").bind(old);
            writing.execute(QUERY, forget).await?;
            // Counted by the database: of two at the same time each counts.
            let count = sqlx::query(
                "INSERT INTO sign_in_failures (subject, failures, last_us, blocked_us) VALUES ($1, 1, $2, 0)
                 ON CONFLICT (subject) DO UPDATE SET failures = sign_in_failures.failures + 1, last_us = excluded.last_us
                 RETURNING *",
            );
            let counted = writing.fetch(QUERY, count.bind(subject.to_owned()).bind(now.micros()), failures).await?.pop();
            let failures = counted.ok_or(StoreError::Late { query: QUERY, limit: QUERY_TIME_MAX })?.failures;
            let until = now.micros().saturating_add(i64::try_from(delay(failures).as_micros()).unwrap_or(i64::MAX));
            let block = sqlx::query("UPDATE sign_in_failures SET blocked_us = $2 WHERE subject = $1");
            writing.execute(QUERY, block.bind(subject.to_owned()).bind(until)).await?;
            writing.commit(QUERY).await?;
            Ok(SignInFailures { failures, blocked_until: WallTime::from_micros(until) })
        })
        .await
    }

    /// Forgets the failures of a subject that has signed in.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn clear_sign_in_failures(&self, subject: &str) -> Result<(), StoreError> {
        const QUERY: &str = "clear_sign_in_failures";
        self.timed_write(QUERY, async {
            let mut writing = self.begin(QUERY).await?;
            let delete = sqlx::query("DELETE FROM sign_in_failures WHERE subject = $1").bind(subject.to_owned());
            writing.execute(QUERY, delete).await?;
            writing.commit(QUERY).await
        })
        .await
    }

    /// The keys that tokens may be signed with, the newest first.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn signing_keys(&self) -> Result<Vec<SigningKey>, StoreError> {
        let query = sqlx::query("SELECT * FROM signing_keys ORDER BY created_us DESC, kid DESC");
        self.read("signing_keys", query, signing_key).await
    }

    /// Adds a key, and forgets those made before `forgotten`: no token of theirs is valid any more.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn add_signing_key(&self, key: &SigningKey, forgotten: WallTime) -> Result<(), StoreError> {
        const QUERY: &str = "add_signing_key";
        self.timed_write(QUERY, async {
            let mut writing = self.begin(QUERY).await?;
            let insert = sqlx::query("INSERT INTO signing_keys (kid, secret, created_us) VALUES ($1, $2, $3)")
                .bind(key.kid.clone())
                .bind(writing.keys.seal(secret_of(&key.kid), key.secret.expose()))
                .bind(key.created_at.micros());
            writing.execute(QUERY, insert).await?;
            let forget = sqlx::query("DELETE FROM signing_keys WHERE created_us < $1").bind(forgotten.micros());
            writing.execute(QUERY, forget).await?;
            writing.commit(QUERY).await
        })
        .await
    }
}

fn failures(row: &Columns<'_>) -> Result<SignInFailures, StoreError> {
    Ok(SignInFailures { failures: row.count("failures")?, blocked_until: row.time("blocked_us")? })
}

/// Where a key stands.
fn secret_of(row: &str) -> Place<'_> {
    Place { table: "signing_keys", column: "secret", row }
}

fn signing_key(row: &Columns<'_>) -> Result<SigningKey, StoreError> {
    let kid: String = row.value("kid")?;
    let secret = Hidden::new(row.opened(secret_of(&kid))?);
    Ok(SigningKey { kid, secret, created_at: row.time("created_us")? })
}
