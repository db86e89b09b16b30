//! The queue of exports and erasures.

use std::time::Duration;

use serde_json::{Value, json};

use super::{PrivacyCounts, PrivacyKind, PrivacyState, Subject};
use crate::people::audit::Deed;
use crate::people::id::last;
use crate::people::within::Sees;
use crate::read::LIST_MAX;
use crate::rows::Columns;
use crate::write::text;
use crate::{Act, OrganizationId, Page, PrivacyJobId, Store, StoreError, WallTime};

/// Exports and erasures of an organization that are to be done: a person asks for one, or for both.
pub const PRIVACY_JOBS_OPEN_MAX: u32 = 100;

/// An export or an erasure.
#[derive(Clone, Debug, PartialEq)]
pub struct PrivacyJob {
    /// Its id.
    pub id: PrivacyJobId,
    /// Whose data it is about.
    pub organization: OrganizationId,
    /// Which of the two.
    pub kind: PrivacyKind,
    /// The person, while it is to be done.
    pub subject: Option<Subject>,
    /// `phone` or `email`.
    pub subject_kind: String,
    /// The person, for who has the key.
    pub subject_hash: String,
    /// Where it is in its life.
    pub state: PrivacyState,
    /// Why it waits, or failed.
    pub reason: Option<String>,
    /// Who asked for it.
    pub requested_by: String,
    /// The number of the claim that works at it.
    pub claim: u64,
    /// Tries that came to no end.
    pub attempts: u64,
    /// What it has come across.
    pub counts: PrivacyCounts,
    /// Of an erasure that is done.
    pub report: Option<String>,
    /// Of an export that is done.
    pub file: Option<PrivacyFile>,
    /// When it was asked for.
    pub created_at: WallTime,
    /// When it was done, or given up.
    pub finished_at: Option<WallTime>,
    /// Until when the file is kept.
    pub expires_at: Option<WallTime>,
}

/// The file of an export.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PrivacyFile {
    /// The node that has it.
    pub node: String,
    /// Where, in its data folder.
    pub path: String,
    /// How long it is.
    pub bytes: u64,
    /// In hexadecimal.
    pub sha256: String,
}

/// An export or an erasure that is to be.
#[derive(Clone, Debug)]
pub struct NewPrivacyJob {
    /// Which of the two.
    pub kind: PrivacyKind,
    /// The person.
    pub subject: Subject,
    /// The same, keyed and hashed.
    pub subject_hash: String,
}

impl Store {
    /// Queues a wish, noted in the audit log; `None`: as many as may be are open.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn create_privacy_job(
        &self,
        organization: &OrganizationId,
        new: &NewPrivacyJob,
        act: &Act<'_>,
    ) -> Result<Option<PrivacyJob>, StoreError> {
        const QUERY: &str = "create_privacy_job";
        let id = PrivacyJobId::generate();
        let made = self.timed_write(QUERY, async {
            let mut writing = self.begin_in(QUERY, Sees::One(organization)).await?;
            // First: who notes something waits for others of the organization, so no two count the same.
            let details = json!({ "subject": new.subject_hash, "by": new.subject.kind() });
            let action = match new.kind {
                PrivacyKind::Export => "privacy.export_requested",
                PrivacyKind::Erase => "privacy.erase_requested",
            };
            writing.note(organization, act, Deed { action, resource: format!("privacy_job:{id}"), details: &details }).await?;
            let open = "SELECT COUNT(*) AS open FROM privacy_jobs WHERE organization = $1 AND state IN ('pending', 'waiting')";
            let open = sqlx::query(open).bind(organization.to_string());
            let open = writing.fetch(QUERY, open, |row| row.count("open")).await?.pop().unwrap_or(0);
            if open >= u64::from(PRIVACY_JOBS_OPEN_MAX) {
                return Ok(false);
            }
            let insert = sqlx::query(
                "INSERT INTO privacy_jobs (id, organization, kind, subject, subject_kind, subject_hash, state, requested_by, due_us,
                   counts, created_us)
                 VALUES ($1, $2, $3, $4, $5, $6, 'pending', $7, $8, '{}', $8)",
            )
            .bind(id.to_string())
            .bind(organization.to_string())
            .bind(new.kind.as_str())
            .bind(new.subject.reveal())
            .bind(new.subject.kind())
            .bind(new.subject_hash.clone())
            .bind(text(act.actor))
            .bind(act.at.micros());
            writing.execute(QUERY, insert).await?;
            writing.commit(QUERY).await.map(|()| true)
        });
        if made.await? { self.privacy_job(organization, id).await } else { Ok(None) }
    }

    /// A job of an organization.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn privacy_job(&self, organization: &OrganizationId, id: PrivacyJobId) -> Result<Option<PrivacyJob>, StoreError> {
        let query = sqlx::query("SELECT * FROM privacy_jobs WHERE organization = $1 AND id = $2");
        let query = query.bind(organization.to_string()).bind(id.to_string());
        Ok(self.read_in("privacy_job", Sees::One(organization), query, job).await?.pop())
    }

    /// The jobs of an organization, the latest first.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn privacy_jobs(&self, organization: &OrganizationId, page: &Page) -> Result<Vec<PrivacyJob>, StoreError> {
        let sql = "SELECT * FROM privacy_jobs WHERE organization = $1 AND id < $2 ORDER BY id DESC LIMIT $3";
        let query = sqlx::query(sql)
            .bind(organization.to_string())
            .bind(page.after.clone().unwrap_or_else(last))
            .bind(i64::from(page.limit.clamp(1, LIST_MAX)));
        self.read_in("privacy_jobs", Sees::One(organization), query, job).await
    }

    /// Claims what `node` can go on with, for as long as the lease; the claims that a process of this name had before are over with
    /// [`Store::release_privacy_jobs`].
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn claim_privacy_job(&self, node: &str, now: WallTime, lease: Duration) -> Result<Option<PrivacyJob>, StoreError> {
        const QUERY: &str = "claim_privacy_job";
        self.timed_write(QUERY, async {
            let mut writing = self.begin_in(QUERY, Sees::All).await?;
            // The time is asked for twice, since another node may have claimed it between the two.
            let claim = sqlx::query(
                "UPDATE privacy_jobs SET claim = claim + 1, claimed_by = $1, attempts = attempts + 1, due_us = $3
                 WHERE due_us <= $2 AND id = (SELECT id FROM privacy_jobs WHERE state IN ('pending', 'waiting') AND due_us <= $2
                   AND waits_for IN ('', $1) ORDER BY due_us, id LIMIT 1)
                 RETURNING *",
            )
            .bind(text(node))
            .bind(now.micros())
            .bind(later(now, lease));
            let claimed = writing.fetch(QUERY, claim, job).await?.pop();
            writing.commit(QUERY).await?;
            Ok(claimed)
        })
        .await
    }

    /// What a process of this name had begun may be begun again.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn release_privacy_jobs(&self, node: &str, now: WallTime) -> Result<(), StoreError> {
        const QUERY: &str = "release_privacy_jobs";
        self.timed_write(QUERY, async {
            let mut writing = self.begin_in(QUERY, Sees::All).await?;
            let release = "UPDATE privacy_jobs SET due_us = $2, claimed_by = ''
                           WHERE claimed_by = $1 AND state IN ('pending', 'waiting')";
            writing.execute(QUERY, sqlx::query(release).bind(text(node)).bind(now.micros())).await?;
            writing.commit(QUERY).await
        })
        .await
    }

    /// Leaves a job for later: because it `waits`, for a node or for any (`""`), or because this try came to nothing.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn postpone_privacy_job(
        &self,
        job: &PrivacyJob,
        due: WallTime,
        reason: &str,
        waits: Option<&str>,
    ) -> Result<(), StoreError> {
        const QUERY: &str = "postpone_privacy_job";
        self.timed_write(QUERY, async {
            let mut writing = self.begin_in(QUERY, Sees::One(&job.organization)).await?;
            let update = sqlx::query(
                "UPDATE privacy_jobs SET due_us = $3, reason = $4, state = $5, waits_for = $6, claimed_by = '',
                   attempts = CASE WHEN $5 = 'waiting' THEN 0 ELSE attempts END WHERE id = $1 AND claim = $2",
            )
            .bind(job.id.to_string())
            .bind(job.claim as i64)
            .bind(due.micros())
            .bind(text(reason))
            .bind(if waits.is_some() { PrivacyState::Waiting.as_str() } else { PrivacyState::Pending.as_str() })
            .bind(text(waits.unwrap_or_default()));
            writing.execute(QUERY, update).await?;
            writing.commit(QUERY).await
        })
        .await
    }

    /// The end of a job: who it was about is forgotten, and it is noted with its sums. An erasure stays claimed until
    /// [`Store::compact_erased`]. False: another claim has it now.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn end_privacy_job(&self, ended: &PrivacyJob, node: &str) -> Result<bool, StoreError> {
        const QUERY: &str = "end_privacy_job";
        let at = ended.finished_at.unwrap_or_else(WallTime::now);
        self.timed_write(QUERY, async {
            let mut writing = self.begin_in(QUERY, Sees::One(&ended.organization)).await?;
            let file = ended.file.as_ref();
            let update = sqlx::query(
                "UPDATE privacy_jobs SET subject = '', claimed_by = CASE WHEN kind = 'erase' THEN claimed_by ELSE '' END, state = $3, reason = $4, counts = $5, report = $6, node = $7,
                   file = $8, bytes = $9, sha256 = $10, finished_us = $11, expires_us = $12
                 WHERE id = $1 AND claim = $2 AND state IN ('pending', 'waiting')",
            )
            .bind(ended.id.to_string())
            .bind(ended.claim as i64)
            .bind(ended.state.as_str())
            .bind(ended.reason.as_deref().map(text))
            .bind(ended.counts.to_json().to_string())
            .bind(ended.report.clone())
            .bind(text(file.map_or("", |file| &file.node)))
            .bind(file.map(|file| text(&file.path)))
            .bind(file.map(|file| file.bytes as i64))
            .bind(file.map(|file| file.sha256.clone()))
            .bind(at.micros())
            .bind(ended.expires_at.map(WallTime::micros));
            if writing.execute(QUERY, update).await? == 0 {
                return Ok(false);
            }
            let action = match (ended.kind, ended.state) {
                (PrivacyKind::Export, PrivacyState::Done) => "privacy.exported",
                (PrivacyKind::Erase, PrivacyState::Done) => "privacy.erased",
                _ => "privacy.failed",
            };
            let details = json!({ "subject": ended.subject_hash, "counts": ended.counts.to_json(), "reason": ended.reason });
            let actor = format!("node:{node}");
            let act = Act { actor: &actor, address: "", at };
            let deed = Deed { action, resource: format!("privacy_job:{}", ended.id), details: &details };
            writing.note(&ended.organization, &act, deed).await?;
            writing.commit(QUERY).await.map(|()| true)
        })
        .await
    }

    /// Files of exports that are to go: those on this node that are too old at `now`, or all of a person (`of`), on all nodes.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn exports_to_forget(
        &self,
        node: &str,
        now: WallTime,
        of: Option<(&OrganizationId, &str)>,
    ) -> Result<Vec<PrivacyJob>, StoreError> {
        const QUERY: &str = "exports_to_forget";
        const FILES: &str = "SELECT * FROM privacy_jobs WHERE state = 'done' AND file IS NOT NULL";
        let (sees, query) = match of {
            Some((organization, hash)) => {
                let sql = sqlx::AssertSqlSafe(format!("{FILES} AND organization = $1 AND subject_hash = $2"));
                let query = sqlx::query(sql).bind(organization.to_string()).bind(hash.to_owned());
                (Sees::One(organization), query)
            }
            None => {
                let sql = sqlx::AssertSqlSafe(format!("{FILES} AND node = $1 AND expires_us <= $2 ORDER BY id LIMIT 100"));
                (Sees::All, sqlx::query(sql).bind(text(node)).bind(now.micros()))
            }
        };
        self.read_in(QUERY, sees, query, job).await
    }

    /// The file of an export is gone.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn forget_export(&self, gone: &PrivacyJob) -> Result<(), StoreError> {
        const QUERY: &str = "forget_export";
        self.timed_write(QUERY, async {
            let mut writing = self.begin_in(QUERY, Sees::One(&gone.organization)).await?;
            let update = "UPDATE privacy_jobs SET state = 'expired', file = NULL WHERE id = $1 AND organization = $2";
            let update = sqlx::query(update).bind(gone.id.to_string()).bind(gone.organization.to_string());
            writing.execute(QUERY, update).await?;
            writing.commit(QUERY).await
        })
        .await
    }
}

fn later(now: WallTime, after: Duration) -> i64 {
    now.micros().saturating_add(i64::try_from(after.as_micros()).unwrap_or(i64::MAX))
}

fn job(row: &Columns<'_>) -> Result<PrivacyJob, StoreError> {
    let subject: String = row.value("subject")?;
    let subject = (!subject.is_empty()).then(|| Subject::stored(&subject)).transpose();
    let file: Option<String> = row.value("file")?;
    let node: String = row.value("node")?;
    let (bytes, sha256) = (row.count_option("bytes")?.unwrap_or(0), row.value::<Option<String>>("sha256")?.unwrap_or_default());
    let counts: Value = row.json("counts")?;
    Ok(PrivacyJob {
        id: row.parsed("id")?,
        organization: row.parsed("organization")?,
        kind: row.parsed("kind")?,
        subject: subject.map_err(|error| row.unreadable("subject", error))?,
        subject_kind: row.value("subject_kind")?,
        subject_hash: row.value("subject_hash")?,
        state: row.parsed("state")?,
        reason: row.value("reason")?,
        requested_by: row.value("requested_by")?,
        claim: row.count("claim")?,
        attempts: row.count("attempts")?,
        counts: PrivacyCounts::of_json(&counts),
        report: row.value("report")?,
        file: file.map(|path| PrivacyFile { node, path, bytes, sha256 }),
        created_at: row.time("created_us")?,
        finished_at: row.time_option("finished_us")?,
        expires_at: row.time_option("expires_us")?,
    })
}
