//! Erases what is known of a person: calls with their files, then whatever else names the person.

use std::time::Duration;

use serde_json::{Value, json};
use store::{OrganizationId, PersonCall, PrivacyCounts, PrivacyJob, PrivacyState, Store, Subject, WallTime};

use super::{Outcome, Privacy, Trouble, inside, remove};

/// After the end of a call its last rows come: messages of SIP after 2 s, the recording within 5 s.
const SETTLED: Duration = Duration::from_secs(10);

/// Between two calls, so that those that go on write in between.
const PAUSE: Duration = Duration::from_millis(20);

impl Privacy {
    pub(super) async fn erase(&self, job: &PrivacyJob) -> Result<Outcome, Trouble> {
        let Some(subject) = &job.subject else { return Err(Trouble::Hopeless("nobody is named".to_owned())) };
        let mut counts = job.counts.clone();
        let mut waits = self.erase_exports(job, &mut counts).await?;
        let mut after = String::new();
        loop {
            let (calls, next) = self.store.person_calls(&job.organization, subject, &after).await?;
            for call in calls {
                match self.in_the_way(&call).await? {
                    Some(reason) => waits = waits.or(Some(reason)),
                    None if self.erase_call(job, &call, &mut counts).await? => tokio::time::sleep(PAUSE).await,
                    None => return Ok(Outcome::Lost),
                }
            }
            let Some(next) = next else { break };
            after = next;
        }
        if let Some((reason, node)) = waits {
            return Ok(Outcome::Waits(reason, node));
        }
        for table in Store::privacy_tables() {
            let mut after = String::new();
            while let Some(next) = match self.store.erase_mentions(job, (table, &after), subject, &mut counts).await? {
                Ok(next) => next,
                Err(()) => return Ok(Outcome::Lost),
            } {
                after = next;
                tokio::time::sleep(PAUSE).await;
            }
        }
        self.forget_speech(&mut counts).await?;
        let finished_at = WallTime::now();
        let report = self.report(job, (subject, &counts), finished_at).await?;
        Ok(Outcome::Done(Box::new(PrivacyJob {
            state: PrivacyState::Done,
            reason: None,
            counts,
            report: Some(self.signer.sign(&report)),
            finished_at: Some(finished_at),
            ..job.clone()
        })))
    }

    /// Why a call cannot be erased here and now, and the node that must go on; `""`: any.
    async fn in_the_way(&self, call: &PersonCall) -> Result<Option<(String, String)>, Trouble> {
        let settled = call.ended_at.is_some_and(|ended| WallTime::now().since(ended) >= SETTLED);
        if !settled {
            return Ok(Some(("a call of this person goes on, or has just ended".to_owned(), String::new())));
        }
        if call.node == self.config.node || self.store.recordings(call.id).await?.is_empty() {
            return Ok(None);
        }
        Ok(Some((format!("recordings of this person lie on node {}", call.node), call.node.clone())))
    }

    async fn erase_call(&self, job: &PrivacyJob, call: &PersonCall, counts: &mut PrivacyCounts) -> Result<bool, Trouble> {
        for recording in self.store.recordings(call.id).await? {
            if let Some(path) = inside(&self.config.data_dir, &recording.path) {
                remove(&path).await.map_err(|error| Trouble::Disk(path, error))?;
            }
        }
        Ok(self.store.erase_call(job, call.id, counts).await?)
    }

    /// Exports that were made of the person go too. Answers what is in the way.
    async fn erase_exports(&self, job: &PrivacyJob, counts: &mut PrivacyCounts) -> Result<Option<(String, String)>, Trouble> {
        let of = Some((&job.organization, job.subject_hash.as_str()));
        let mut waits = None;
        for export in self.store.exports_to_forget(&self.config.node, WallTime::now(), of).await? {
            let Some(file) = &export.file else { continue };
            if file.node == self.config.node {
                self.forget(&export).await?;
                counts.count("exports", 1, 0);
            } else {
                waits = Some((format!("an export of this person lies on node {}", file.node), file.node.clone()));
            }
        }
        Ok(waits)
    }

    /// Sentences that were spoken are kept by what they say, not by whom they were said to: all of them go, and are made again.
    async fn forget_speech(&self, counts: &mut PrivacyCounts) -> Result<(), Trouble> {
        let folder = self.config.data_dir.join("speech-cache");
        let trouble = |error| Trouble::Disk(folder.clone(), error);
        let mut files = match tokio::fs::read_dir(&folder).await {
            Ok(files) => files,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(trouble(error)),
        };
        while let Some(file) = files.next_entry().await.map_err(trouble)? {
            remove(&file.path()).await.map_err(trouble)?;
            counts.count("speech_cache", 1, 0);
        }
        Ok(())
    }

    /// What was done, without a word that names the person.
    async fn report(
        &self,
        job: &PrivacyJob,
        (subject, counts): (&Subject, &PrivacyCounts),
        finished_at: WallTime,
    ) -> Result<Value, Trouble> {
        Ok(json!({
            "format": "offhook-erasure-report",
            "version": 1,
            "job": job.id.to_string(),
            "organization": job.organization.to_string(),
            "subject": { "kind": subject.kind(), "hash": job.subject_hash },
            "requested_by": job.requested_by,
            "requested_at": job.created_at.to_string(),
            "finished_at": finished_at.to_string(),
            "node": self.config.node,
            "erased": counts.to_json(),
            "left": self.left(&job.organization, subject).await?,
        }))
    }

    /// Rows that still name the person, by table, and why they stay.
    async fn left(&self, organization: &OrganizationId, subject: &Subject) -> Result<Vec<Value>, Trouble> {
        let named = self.store.named_elsewhere(organization, subject).await?;
        let named = named.into_iter().map(|(table, why, rows)| json!({ "table": table, "rows": rows.len(), "why": why }));
        Ok(named.collect())
    }
}
