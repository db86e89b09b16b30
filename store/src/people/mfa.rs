//! The second factor: the secret of an authenticator, the codes that were used, and those for a lost telephone.

use serde_json::Value;

use super::audit::Deed;
use super::user::mfa_secret;
use super::within::Sees;
use super::{Act, Hidden, OrganizationId, UserId};
use crate::{Store, StoreError};

impl Store {
    /// Keeps the secret of an authenticator that is being set up; nothing asks for its codes yet. False when one is in use already.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn begin_mfa(&self, organization: &OrganizationId, user: UserId, secret: &Hidden) -> Result<bool, StoreError> {
        const QUERY: &str = "begin_mfa";
        self.timed_write(QUERY, async {
            let mut writing = self.begin_in(QUERY, Sees::One(organization)).await?;
            let update = sqlx::query(
                "UPDATE users SET mfa_secret = $3, mfa_step = 0 WHERE organization = $1 AND id = $2 AND mfa_enabled = 0",
            )
            .bind(organization.to_string())
            .bind(user.to_string())
            .bind(writing.keys.seal(mfa_secret(&user.to_string()), secret.expose()));
            let done = writing.execute(QUERY, update).await?;
            writing.commit(QUERY).await.map(|()| done > 0)
        })
        .await
    }

    /// Asks for codes from now on: the one of `step` was shown. `recovery` are the hashes of the codes for a lost telephone.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn enable_mfa(
        &self,
        organization: &OrganizationId,
        user: UserId,
        step: u64,
        recovery: &[Hidden],
        act: &Act<'_>,
    ) -> Result<bool, StoreError> {
        const QUERY: &str = "enable_mfa";
        self.timed_write(QUERY, async {
            let mut writing = self.begin_in(QUERY, Sees::One(organization)).await?;
            let update = sqlx::query(
                "UPDATE users SET mfa_enabled = 1, mfa_step = $3 WHERE organization = $1 AND id = $2 AND mfa_enabled = 0
                   AND mfa_secret IS NOT NULL",
            )
            .bind(organization.to_string())
            .bind(user.to_string())
            .bind(step as i64);
            if writing.execute(QUERY, update).await? == 0 {
                return Ok(false);
            }
            for code in recovery {
                let insert = sqlx::query("INSERT INTO recovery_codes (organization, user_id, hash) VALUES ($1, $2, $3)")
                    .bind(organization.to_string())
                    .bind(user.to_string())
                    .bind(code.expose().to_owned());
                writing.execute(QUERY, insert).await?;
            }
            let deed = Deed { action: "mfa.enabled", resource: format!("user:{user}"), details: &Value::Null };
            writing.note(organization, act, deed).await?;
            writing.commit(QUERY).await.map(|()| true)
        })
        .await
    }

    /// Asks for no codes any more, and forgets the secret.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn disable_mfa(&self, organization: &OrganizationId, user: UserId, act: &Act<'_>) -> Result<bool, StoreError> {
        const QUERY: &str = "disable_mfa";
        self.timed_write(QUERY, async {
            let mut writing = self.begin_in(QUERY, Sees::One(organization)).await?;
            let update = sqlx::query(
                "UPDATE users SET mfa_enabled = 0, mfa_secret = NULL WHERE organization = $1 AND id = $2 AND mfa_secret IS NOT NULL",
            );
            let update = update.bind(organization.to_string()).bind(user.to_string());
            if writing.execute(QUERY, update).await? == 0 {
                return Ok(false);
            }
            let codes = sqlx::query("DELETE FROM recovery_codes WHERE organization = $1 AND user_id = $2");
            writing.execute(QUERY, codes.bind(organization.to_string()).bind(user.to_string())).await?;
            let deed = Deed { action: "mfa.disabled", resource: format!("user:{user}"), details: &Value::Null };
            writing.note(organization, act, deed).await?;
            writing.commit(QUERY).await.map(|()| true)
        })
        .await
    }

    /// Takes the code of a step, once: false when it, or a later one, was taken before.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn use_mfa_step(&self, organization: &OrganizationId, user: UserId, step: u64) -> Result<bool, StoreError> {
        const QUERY: &str = "use_mfa_step";
        self.timed_write(QUERY, async {
            let mut writing = self.begin_in(QUERY, Sees::One(organization)).await?;
            let update = sqlx::query("UPDATE users SET mfa_step = $3 WHERE organization = $1 AND id = $2 AND mfa_step < $3")
                .bind(organization.to_string())
                .bind(user.to_string())
                .bind(step as i64);
            let done = writing.execute(QUERY, update).await?;
            writing.commit(QUERY).await.map(|()| done > 0)
        })
        .await
    }

    /// Takes a recovery code, once.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn use_recovery_code(
        &self,
        organization: &OrganizationId,
        user: UserId,
        code: &Hidden,
        act: &Act<'_>,
    ) -> Result<bool, StoreError> {
        const QUERY: &str = "use_recovery_code";
        self.timed_write(QUERY, async {
            let mut writing = self.begin_in(QUERY, Sees::One(organization)).await?;
            let delete = sqlx::query("DELETE FROM recovery_codes WHERE organization = $1 AND user_id = $2 AND hash = $3")
                .bind(organization.to_string())
                .bind(user.to_string())
                .bind(code.expose().to_owned());
            if writing.execute(QUERY, delete).await? == 0 {
                return Ok(false);
            }
            let deed = Deed { action: "mfa.recovered", resource: format!("user:{user}"), details: &Value::Null };
            writing.note(organization, act, deed).await?;
            writing.commit(QUERY).await.map(|()| true)
        })
        .await
    }
}
