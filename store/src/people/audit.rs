//! The audit log: rows that are only ever added, each with the hash of the one before it.
//!
//! The oldest may be taken out, up to a checkpoint: it keeps the hash of the last of them, from which the chain goes on, and a row of the
//! chain itself (`audit.pruned`) says the same. Whoever moves the beginning otherwise is found out.

use serde_json::{Value, json};
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
/// Rows that are taken out at a time: who writes meanwhile waits for milliseconds.
const PRUNED_AT_ONCE: i64 = 1_000;
/// What a checkpoint is called in the log.
const PRUNED: &str = "audit.pruned";

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

/// Both ends of a log.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct AuditEnds {
    /// The number of the last row that was taken out, oldest first; 0: none was.
    pub pruned: u64,
    /// The number of the latest row.
    pub number: u64,
    /// Its hash: kept elsewhere, it shows later that all before it is as it was.
    pub hash: String,
}

/// Where a log begins.
#[derive(Debug, Default, Eq, PartialEq)]
struct Checkpoint {
    number: u64,
    hash: String,
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
        let mut begins = self.audit_begins(organization).await?;
        loop {
            let verdict = self.prove(organization, &begins).await?;
            let now = self.audit_begins(organization).await?;
            // What was taken out meanwhile was missed.
            if now == begins || matches!(verdict, AuditVerdict::Whole(_)) {
                return Ok(verdict);
            }
            begins = now;
        }
    }

    async fn prove(&self, organization: &OrganizationId, begins: &Checkpoint) -> Result<AuditVerdict, StoreError> {
        const QUERY: &str = "verify_audit";
        let sees = Sees::One(organization);
        let (mut hash, mut proved) = (begins.hash.clone(), begins.number as i64);
        // That something was taken out must be told by a row that is there.
        let mut told = begins.number == 0;
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
                told |= row.action == PRUNED && row.details["through"] == begins.number && row.details["hash"] == begins.hash;
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
            _ if !told => Ok(AuditVerdict::Broken(begins.number)),
            _ => Ok(AuditVerdict::Whole(proved as u64 - begins.number)),
        }
    }

    /// Where a log begins and ends.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn audit_ends(&self, organization: &OrganizationId) -> Result<AuditEnds, StoreError> {
        let pruned = self.audit_begins(organization).await?;
        let latest = self.audit_log(organization, &Page { limit: 1, after: None }).await?.pop();
        let (number, hash) = latest.map_or((pruned.number, pruned.hash), |latest| (latest.number, latest.hash));
        Ok(AuditEnds { pruned: pruned.number, number, hash })
    }

    /// Organizations, and those that are gone and have a log; the first hundred behind `after`.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn audited_organizations(&self, after: Option<&OrganizationId>) -> Result<Vec<OrganizationId>, StoreError> {
        let query = sqlx::query(
            "SELECT organization FROM (SELECT organization FROM audit_log UNION SELECT id AS organization FROM organizations) AS logs
             WHERE organization > $1 ORDER BY organization LIMIT 100",
        );
        let query = query.bind(after.map(ToString::to_string).unwrap_or_default());
        self.read_in("audited_organizations", Sees::All, query, |row| row.parsed("organization")).await
    }

    /// Takes out rows from before a time, the oldest first, up to a thousand; the log says so. Answers how many: fewer than a thousand are
    /// the last. The latest row always stays.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`]: nothing was taken out.
    pub async fn prune_audit(&self, organization: &OrganizationId, before: WallTime, act: &Act<'_>) -> Result<u64, StoreError> {
        const QUERY: &str = "prune_audit";
        let begins = self.audit_begins(organization).await?;
        self.timed_write(QUERY, async {
            let mut writing = self.begin_in(QUERY, Sees::One(organization)).await?;
            // The chain is in order, and its times nearly: it ends at the first row that is young enough to stay.
            let oldest = sqlx::query(
                "SELECT * FROM audit_log WHERE organization = $1 AND number > $2 AND number <= $3 AND at_us < $4
                   AND number < (SELECT MAX(number) FROM audit_log WHERE organization = $1) ORDER BY number",
            )
            .bind(organization.to_string())
            .bind(begins.number as i64)
            .bind(begins.number as i64 + PRUNED_AT_ONCE)
            .bind(before.micros());
            let oldest = writing.fetch(QUERY, oldest, entry).await?;
            let fit = oldest.iter().zip(begins.number + 1..).take_while(|(row, number)| row.number == *number);
            let Some((last, _)) = fit.last() else { return Ok(0) };
            let details = json!({ "through": last.number, "hash": last.hash, "before": before.to_string() });
            writing.note(organization, act, Deed { action: PRUNED, resource: "audit_log".to_owned(), details: &details }).await?;
            let checkpoint = sqlx::query(
                "INSERT INTO audit_checkpoints (organization, number, hash, at_us) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (organization) DO UPDATE SET number = excluded.number, hash = excluded.hash, at_us = excluded.at_us",
            )
            .bind(organization.to_string())
            .bind(last.number as i64)
            .bind(last.hash.clone())
            .bind(act.at.micros());
            writing.execute(QUERY, checkpoint).await?;
            let delete = sqlx::query("DELETE FROM audit_log WHERE organization = $1 AND number <= $2")
                .bind(organization.to_string())
                .bind(last.number as i64);
            let gone = writing.execute(QUERY, delete).await?;
            writing.commit(QUERY).await?;
            Ok(gone)
        })
        .await
    }

    async fn audit_begins(&self, organization: &OrganizationId) -> Result<Checkpoint, StoreError> {
        let query = sqlx::query("SELECT * FROM audit_checkpoints WHERE organization = $1").bind(organization.to_string());
        let found = self.read_in("audit_begins", Sees::One(organization), query, |row| {
            Ok(Checkpoint { number: row.count("number")?, hash: row.value("hash")? })
        });
        Ok(found.await?.pop().unwrap_or_default())
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
