//! The audit log: rows that are only ever added, each with the hash of the one before it.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::within::Sees;
use super::{Act, OrganizationId, Page};
use crate::open::Writing;
use crate::read::LIST_MAX;
use crate::rows::Columns;
use crate::write::text;
use crate::{Store, StoreError, WallTime};

/// Rows that are read at a time to prove the chain.
const PROVED_AT_ONCE: i64 = 1_000;

/// One thing that was done in an organization.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AuditEntry {
    /// Its place, from 1, without gaps.
    pub number: u64,
    /// When.
    pub at: WallTime,
    /// Who: `user:ID`, `key:ID`, `node`.
    pub actor: String,
    /// What: `user.created`.
    pub action: String,
    /// To what: `user:ID`.
    pub resource: String,
    /// More of it, as JSON: never a secret.
    pub details: Value,
    /// From where; empty when it did not come over the network.
    pub address: String,
    /// Over all of this and the hash of the row before.
    pub hash: String,
}

/// What came of proving a log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AuditVerdict {
    /// All of so many rows fit.
    Whole(u64),
    /// The row with this number is missing, was changed or does not fit to the one before.
    Broken(u64),
}

/// What is done, to what.
pub(crate) struct Deed<'a> {
    pub(crate) action: &'static str,
    pub(crate) resource: String,
    pub(crate) details: &'a Value,
}

impl Store {
    /// Notes what changed no row of ours: a login, a refusal.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn audit(
        &self,
        organization: &OrganizationId,
        act: &Act<'_>,
        action: &'static str,
        resource: String,
        details: &Value,
    ) -> Result<(), StoreError> {
        const QUERY: &str = "audit";
        self.timed_write(QUERY, async {
            let mut writing = self.begin_in(QUERY, Sees::One(organization)).await?;
            writing.note(organization, act, Deed { action, resource, details }).await?;
            writing.commit(QUERY).await
        })
        .await
    }

    /// The log, the latest first; `page.after` is a number.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn audit_log(&self, organization: &OrganizationId, page: &Page) -> Result<Vec<AuditEntry>, StoreError> {
        let before = page.after.as_ref().and_then(|number| number.parse().ok()).unwrap_or(i64::MAX);
        let query = sqlx::query("SELECT * FROM audit_log WHERE organization = $1 AND number < $2 ORDER BY number DESC LIMIT $3")
            .bind(organization.to_string())
            .bind(before)
            .bind(i64::from(page.limit.clamp(1, LIST_MAX)));
        self.read_in("audit_log", Sees::One(organization), query, entry).await
    }

    /// Proves that nothing of the log was changed or taken out, its end included.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn verify_audit(&self, organization: &OrganizationId) -> Result<AuditVerdict, StoreError> {
        const QUERY: &str = "verify_audit";
        let sees = Sees::One(organization);
        let (mut hash, mut proved) = (String::new(), 0);
        loop {
            let query = sqlx::query("SELECT * FROM audit_log WHERE organization = $1 AND number > $2 ORDER BY number LIMIT $3")
                .bind(organization.to_string())
                .bind(proved)
                .bind(PROVED_AT_ONCE);
            let rows = self.read_in(QUERY, sees, query, entry).await?;
            if rows.is_empty() {
                break;
            }
            for row in rows {
                proved += 1;
                hash = row.chained(organization, &hash);
                if row.number != proved as u64 || row.hash != hash {
                    return Ok(AuditVerdict::Broken(proved as u64));
                }
            }
        }
        let query = sqlx::query("SELECT audited FROM organizations WHERE id = $1").bind(organization.to_string());
        let audited = self.read_in(QUERY, sees, query, |row| row.count("audited")).await?.pop();
        // Rows may have been added since the last read; none may be missing.
        match audited {
            Some(audited) if audited > proved as u64 && !self.has_audit(organization, proved + 1).await? => {
                Ok(AuditVerdict::Broken(proved as u64 + 1))
            }
            _ => Ok(AuditVerdict::Whole(proved as u64)),
        }
    }

    async fn has_audit(&self, organization: &OrganizationId, number: i64) -> Result<bool, StoreError> {
        let query = sqlx::query("SELECT * FROM audit_log WHERE organization = $1 AND number = $2");
        let query = query.bind(organization.to_string()).bind(number);
        Ok(!self.read_in("verify_audit", Sees::One(organization), query, entry).await?.is_empty())
    }
}

impl Writing {
    /// Adds a row to the log of an organization; others that want to wait for the end of this transaction.
    pub(crate) async fn note(&mut self, organization: &OrganizationId, act: &Act<'_>, deed: Deed<'_>) -> Result<(), StoreError> {
        const QUERY: &str = "audit";
        let next = sqlx::query("UPDATE organizations SET audited = audited + 1 WHERE id = $1 RETURNING audited");
        let next = self.fetch(QUERY, next.bind(organization.to_string()), |row| row.count("audited")).await?.pop();
        let number = next.ok_or(StoreError::Refused { index: 0, query: QUERY, reason: "no such organization".to_owned() })?;
        let before = sqlx::query("SELECT hash FROM audit_log WHERE organization = $1 AND number = $2")
            .bind(organization.to_string())
            .bind(number as i64 - 1);
        let before = self.fetch(QUERY, before, |row| row.value::<String>("hash")).await?.pop().unwrap_or_default();
        let mut entry = AuditEntry {
            number,
            at: act.at,
            actor: text(act.actor),
            action: deed.action.to_owned(),
            resource: text(&deed.resource),
            details: deed.details.clone(),
            address: text(act.address),
            hash: String::new(),
        };
        entry.hash = entry.chained(organization, &before);
        let insert = sqlx::query(
            "INSERT INTO audit_log (organization, number, at_us, actor, action, resource, details, address, hash)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(organization.to_string())
        .bind(number as i64)
        .bind(entry.at.micros())
        .bind(entry.actor)
        .bind(entry.action)
        .bind(entry.resource)
        .bind(text(&entry.details.to_string()))
        .bind(entry.address)
        .bind(entry.hash);
        self.execute(QUERY, insert).await.map(drop)
    }
}

impl AuditEntry {
    /// What its hash must be behind one with the hash `before`.
    fn chained(&self, organization: &OrganizationId, before: &str) -> String {
        let Self { number, at, actor, action, resource, details, address, .. } = self;
        let fields = (before, organization.as_str(), number, at.micros(), actor, action, resource, details, address);
        let fields = serde_json::to_vec(&fields).expect("texts and numbers are JSON");
        Sha256::digest(fields).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

fn entry(row: &Columns<'_>) -> Result<AuditEntry, StoreError> {
    Ok(AuditEntry {
        number: row.count("number")?,
        at: row.time("at_us")?,
        actor: row.value("actor")?,
        action: row.value("action")?,
        resource: row.value("resource")?,
        details: row.json("details")?,
        address: row.value("address")?,
        hash: row.value("hash")?,
    })
}
