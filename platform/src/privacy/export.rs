//! Gives out what is known of a person: one archive with a file of JSON a table, and the recordings.

use std::collections::HashSet;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use store::{PersonCall, PrivacyCounts, PrivacyFile, PrivacyJob, PrivacyState, Store, Subject, WallTime};
use tokio::io::AsyncWriteExt as _;
use tokio::task::spawn_blocking;

use super::{Outcome, Privacy, Trouble, inside, remove};
use crate::archive::ArchiveWriter;

/// Where exports lie, in the data folder.
const FOLDER: &str = "exports";

/// The longest export: a day of recordings. A disk that is full harms calls.
const BYTES_MAX: u64 = 16 << 30;

/// Rows of one table that were written, so that none is written twice.
type Seen = HashSet<[u8; 32]>;

/// What was found so far.
struct Found {
    writer: ArchiveWriter,
    counts: PrivacyCounts,
    /// Files that could not be had, and why.
    missing: Vec<Value>,
}

impl Privacy {
    pub(super) async fn export(&self, job: &PrivacyJob) -> Result<Outcome, Trouble> {
        let Some(subject) = &job.subject else { return Err(Trouble::Hopeless("nobody is named".to_owned())) };
        let folder = self.config.data_dir.join(FOLDER);
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
        made.map_err(|error| Trouble::Disk(folder.clone(), error))?;
        let (part, rows) = (folder.join(format!("{}.part", job.id)), folder.join(format!("{}.rows", job.id)));
        let written = self.write(job, subject, (&part, &rows)).await;
        remove(&rows).await.map_err(|error| Trouble::Disk(rows, error))?;
        let (counts, (bytes, sha256)) = match written {
            Ok(written) => written,
            Err(trouble) => {
                remove(&part).await.map_err(|error| Trouble::Disk(part, error))?;
                return Err(trouble);
            }
        };
        let path = format!("{FOLDER}/{}.tar", job.id);
        let renamed = tokio::fs::rename(&part, self.config.data_dir.join(&path)).await;
        renamed.map_err(|error| Trouble::Disk(part, error))?;
        let now = WallTime::now();
        let kept = self.config.exports_kept.as_micros() as i64;
        Ok(Outcome::Done(Box::new(PrivacyJob {
            state: PrivacyState::Done,
            reason: None,
            counts,
            file: Some(PrivacyFile { node: self.config.node.clone(), path, bytes, sha256 }),
            finished_at: Some(now),
            expires_at: Some(WallTime::from_micros(now.micros().saturating_add(kept))),
            ..job.clone()
        })))
    }

    async fn write(
        &self,
        job: &PrivacyJob,
        subject: &Subject,
        (part, rows): (&Path, &Path),
    ) -> Result<(PrivacyCounts, (u64, String)), Trouble> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |error| Trouble::Disk(path, error)
        };
        let calls = self.all_calls(job, subject).await?;
        let writer = ArchiveWriter::create(part).map_err(at(part))?;
        let mut found = Found { writer, counts: PrivacyCounts::default(), missing: Vec::new() };
        for table in Store::privacy_tables() {
            let count = self.write_table(job, subject, (table, &calls), rows).await?;
            found.counts.count(table, count, 0);
            found = found.add(format!("{table}.json"), rows.to_owned()).await.map_err(at(part))?.0;
        }
        let mut named = Vec::new();
        for (table, why, rows) in self.store.named_elsewhere(&job.organization, subject).await? {
            found.counts.count(table, rows.len() as u64, 0);
            named.push(json!({ "table": table, "rows": rows, "kept_because": why }));
        }
        let text = serde_json::to_vec_pretty(&Value::from(named)).expect("rows are JSON");
        found.writer.add("named_elsewhere.json", &text).map_err(at(part))?;
        for call in &calls {
            found = self.write_recordings(call, found).await?;
        }
        let manifest = json!({
            "format": "offhook-export",
            "version": 1,
            "job": job.id.to_string(),
            "organization": job.organization.to_string(),
            "subject": { "kind": subject.kind(), "value": subject.reveal() },
            "made_at": WallTime::now().to_string(),
            "node": self.config.node,
            "found": found.counts.to_json(),
            "missing": found.missing,
            "tables_without_callers": Store::privacy_apart().iter().map(|(table, why)| json!({ "table": table, "why": why })).collect::<Vec<_>>(),
        });
        let Found { writer, counts, .. } = found;
        let ended = spawn_blocking(move || writer.finish(manifest)).await.expect("writing a file does not panic");
        Ok((counts, ended.map_err(at(part))?))
    }

    async fn all_calls(&self, job: &PrivacyJob, subject: &Subject) -> Result<Vec<PersonCall>, Trouble> {
        let (mut all, mut after) = (Vec::new(), String::new());
        loop {
            let (calls, next) = self.store.person_calls(&job.organization, subject, &after).await?;
            all.extend(calls);
            let Some(next) = next else { return Ok(all) };
            after = next;
        }
    }

    /// Writes what a table has of the person's calls, and what else in it names the person; answers how many rows these are.
    async fn write_table(
        &self,
        job: &PrivacyJob,
        subject: &Subject,
        (table, calls): (&str, &[PersonCall]),
        path: &Path,
    ) -> Result<u64, Trouble> {
        let trouble = |error| Trouble::Disk(path.to_owned(), error);
        let mut file = tokio::io::BufWriter::new(tokio::fs::File::create(path).await.map_err(trouble)?);
        let mut seen = Seen::new();
        for call in calls {
            for row in self.store.traces_of_call(&job.organization, table, call.id).await? {
                write_row(&mut file, &row, &mut seen).await.map_err(trouble)?;
            }
        }
        let mut after = String::new();
        loop {
            let (rows, next) = self.store.mentions(&job.organization, table, subject, &after).await?;
            for row in rows {
                write_row(&mut file, &row, &mut seen).await.map_err(trouble)?;
            }
            let Some(next) = next else { break };
            after = next;
        }
        let end: &[u8] = if seen.is_empty() { b"[]\n" } else { b"\n]\n" };
        file.write_all(end).await.map_err(trouble)?;
        file.flush().await.map_err(trouble)?;
        Ok(seen.len() as u64)
    }

    async fn write_recordings(&self, call: &PersonCall, mut found: Found) -> Result<Found, Trouble> {
        for recording in self.store.recordings(call.id).await? {
            let path = inside(&self.config.data_dir, &recording.path).filter(|_| call.node == self.config.node);
            let missing = |why: String| json!({ "file": recording.path, "why": why });
            let Some(path) = path else {
                found.missing.push(missing(format!("it lies on node {}", call.node)));
                continue;
            };
            if found.counts.bytes.saturating_add(recording.bytes.unwrap_or(0)) > BYTES_MAX {
                return Err(Trouble::Hopeless(format!("the recordings are longer than {BYTES_MAX} bytes")));
            }
            let name = Path::new(&recording.path).file_name().unwrap_or_default().to_string_lossy().into_owned();
            let (more, there) =
                found.add(format!("recordings/{name}"), path.clone()).await.map_err(|error| Trouble::Disk(path, error))?;
            found = more;
            if there {
                found.counts.files += 1;
                found.counts.bytes += recording.bytes.unwrap_or(0);
            } else {
                found.missing.push(missing("there is no such file".to_owned()));
            }
        }
        Ok(found)
    }
}

impl Found {
    /// Adds a file as it is; false: there is none.
    async fn add(self, name: String, path: PathBuf) -> std::io::Result<(Self, bool)> {
        let add = move || {
            let mut found = self;
            let there = found.writer.add_file(&name, &path)?;
            Ok((found, there))
        };
        spawn_blocking(add).await.expect("writing a file does not panic")
    }
}

async fn write_row(file: &mut tokio::io::BufWriter<tokio::fs::File>, row: &Value, seen: &mut Seen) -> std::io::Result<()> {
    let text = row.to_string();
    if seen.insert(Sha256::digest(&text).into()) {
        file.write_all(if seen.len() == 1 { b"[\n" } else { b",\n" }).await?;
        file.write_all(text.as_bytes()).await?;
    }
    Ok(())
}
