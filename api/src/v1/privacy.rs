//! `/api/v1/privacy`: what is known of a person, given out or erased; and how long what is kept.

use std::fs::File;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use platform::privacy::{Privacy, Refused};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{PrivacyJob, PrivacyKind, PrivacyState, RETENTION_DAYS_MAX, RecordingReader, Retention, RetentionDays, Subject};
use tokio::task::spawn_blocking;
use utoipa::ToSchema;

use super::V1;
use super::access::Asked;
use super::body::Body;
use super::lists::{Listed, Paged, Part};
use super::recording::answer;
use super::versions::{IfMatch, changed, id, missing, versioned};
use crate::problem::Problem;

/// The version of what nobody has said yet: an `If-Match` that is none of ours is read as 0, which fits nothing.
const UNSAID: u64 = 1;

/// A person: one of the two.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Person {
    /// The number in international form; separators do not matter.
    #[schema(example = "+4930555001", max_length = 64)]
    phone: Option<String>,
    /// The address; upper case does not matter.
    #[schema(max_length = 254)]
    email: Option<String>,
}

/// What was found or erased so far.
#[derive(Serialize, ToSchema)]
pub(super) struct PrivacyCounts {
    /// By table: rows that were found or went, and rows in which texts or numbers were changed.
    #[schema(value_type = std::collections::HashMap<String, PrivacyRows>)]
    tables: Value,
    /// Recordings.
    files: u64,
    /// Their bytes.
    bytes: u64,
}

/// Rows of a table.
#[derive(Serialize, ToSchema)]
#[allow(dead_code)]
pub(super) struct PrivacyRows {
    /// Found, or gone.
    rows: u64,
    /// Changed, and still there.
    changed: u64,
}

/// An export or an erasure.
#[derive(Serialize, ToSchema)]
#[schema(as = PrivacyJob)]
pub(super) struct JobShown {
    /// The id.
    id: String,
    /// export or erase.
    kind: String,
    /// pending, waiting (for the end of a call of the person, or for another node), done, failed, or expired: the file of an export is gone.
    #[schema(example = "pending")]
    state: String,
    /// Why it waits, or failed.
    reason: Option<String>,
    /// phone or email.
    subject_kind: String,
    /// The person, keyed and hashed: whom it was about is not kept.
    #[schema(example = "hmac-sha256:6d1f")]
    subject_hash: String,
    /// Who asked for it.
    requested_by: String,
    /// What was found or erased so far.
    counts: PrivacyCounts,
    /// Bytes of the file of an export.
    bytes: Option<u64>,
    /// SHA-256 of that file.
    sha256: Option<String>,
    /// When it was asked for.
    created_at: String,
    /// When it ended.
    finished_at: Option<String>,
    /// Until when the file is kept.
    expires_at: Option<String>,
}

/// How long what is kept, in days; 0: for ever.
#[derive(Serialize, ToSchema)]
#[schema(as = Retention)]
pub(super) struct RetentionShown {
    /// Recordings; null: as the node has it.
    recordings_days: Option<u32>,
    /// Transcripts, arguments of tools, citations, summaries; null: as the node has it.
    transcripts_days: Option<u32>,
    /// SIP messages, figures, incidents, events, deliveries of webhooks; null: as the node has it.
    logs_days: Option<u32>,
}

/// How long what is to be kept, in days; 0: for ever. What is null or missing is as the node has it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RetentionWish)]
pub(super) struct RetentionWish {
    /// Recordings.
    #[schema(minimum = 0, maximum = 3650, example = 30)]
    recordings_days: Option<u32>,
    /// Transcripts, arguments of tools, citations, summaries.
    #[schema(minimum = 0, maximum = 3650, example = 90)]
    transcripts_days: Option<u32>,
    /// SIP messages, figures, incidents, events, deliveries of webhooks. Events go earlier where `events.keep_days` says so.
    #[schema(minimum = 0, maximum = 3650, example = 30)]
    logs_days: Option<u32>,
}

impl From<PrivacyJob> for JobShown {
    fn from(job: PrivacyJob) -> Self {
        let counts = job.counts.to_json();
        Self {
            id: job.id.to_string(),
            kind: job.kind.to_string(),
            state: job.state.to_string(),
            reason: job.reason,
            subject_kind: job.subject_kind,
            subject_hash: job.subject_hash,
            requested_by: job.requested_by,
            counts: PrivacyCounts { tables: counts["tables"].clone(), files: job.counts.files, bytes: job.counts.bytes },
            bytes: job.file.as_ref().map(|file| file.bytes),
            sha256: job.file.map(|file| file.sha256),
            created_at: job.created_at.to_string(),
            finished_at: job.finished_at.map(|at| at.to_string()),
            expires_at: job.expires_at.map(|at| at.to_string()),
        }
    }
}

impl From<Retention> for RetentionShown {
    fn from(Retention { days, .. }: Retention) -> Self {
        Self { recordings_days: days.recordings, transcripts_days: days.transcripts, logs_days: days.logs }
    }
}

impl Person {
    fn subject(self) -> Result<Subject, Problem> {
        match (self.phone, self.email) {
            (Some(phone), None) => Subject::phone(&phone).map_err(|reason| Problem::field("phone", reason)),
            (None, Some(email)) => Subject::email(&email).map_err(|reason| Problem::field("email", reason)),
            _ => Err(Problem::field("phone", "must be given, or email, and not both")),
        }
    }
}

/// Gives out all that is known of a person, in every table and file of the organization, as one archive. It is made after the answer:
/// ask for the job, and then for its file.
#[utoipa::path(post, path = "/api/v1/privacy/export", tag = "privacy", request_body = Person,
    responses((status = 202, body = JobShown), (status = 409, description = "too many are to be done"), (status = 422)))]
pub(super) async fn export(State(api): State<Arc<V1>>, asked: Asked, Body(person): Body<Person>) -> Result<Response, Problem> {
    take(&api, &asked, PrivacyKind::Export, person).await
}

/// Erases all that is known of a person, in every table and file of the organization; sums that bills are made of stay. It is done after
/// the answer; calls of the person that go on are waited for. It cannot be undone.
#[utoipa::path(post, path = "/api/v1/privacy/erase", tag = "privacy", request_body = Person,
    responses((status = 202, body = JobShown), (status = 409, description = "too many are to be done"), (status = 422)))]
pub(super) async fn erase(State(api): State<Arc<V1>>, asked: Asked, Body(person): Body<Person>) -> Result<Response, Problem> {
    take(&api, &asked, PrivacyKind::Erase, person).await
}

async fn take(api: &V1, asked: &Asked, kind: PrivacyKind, person: Person) -> Result<Response, Problem> {
    let wish = (kind, person.subject()?);
    let job =
        api.privacy()?.request(&asked.principal.organization, wish, &asked.act()).await.map_err(|refused| match refused {
            Refused::OwnNumber => Problem::field("phone", Refused::OwnNumber.to_string()),
            Refused::TooMany => Problem::new(StatusCode::CONFLICT, Refused::TooMany.to_string()),
            Refused::Store(error) => error.into(),
            other => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, other.to_string()),
        })?;
    let location = HeaderValue::from_str(&format!("/api/v1/privacy/jobs/{}", job.id));
    let mut response = (StatusCode::ACCEPTED, Json(JobShown::from(job))).into_response();
    response.headers_mut().extend(location.ok().map(|location| (header::LOCATION, location)));
    Ok(response)
}

/// Lists exports and erasures.
#[utoipa::path(get, path = "/api/v1/privacy/jobs", tag = "privacy", params(Part), responses((status = 200, body = Listed<JobShown>)))]
pub(super) async fn list(
    State(api): State<Arc<V1>>,
    asked: Asked,
    Paged(page): Paged,
) -> Result<Json<Listed<JobShown>>, Problem> {
    let rows = api.privacy()?.store().privacy_jobs(&asked.principal.organization, &page).await?;
    Ok(Json(Listed::of(rows, &page, |row| row.id.to_string(), JobShown::from)))
}

/// Tells how far an export or an erasure is.
#[utoipa::path(get, path = "/api/v1/privacy/jobs/{id}", tag = "privacy", params(("id" = String, Path)),
    responses((status = 200, body = JobShown), (status = 404)))]
pub(super) async fn show(State(api): State<Arc<V1>>, asked: Asked, Path(job): Path<String>) -> Result<Json<JobShown>, Problem> {
    Ok(Json(own(api.privacy()?, &asked, &job).await?.into()))
}

/// The file of an export: a tar with a file of JSON a table, the recordings, and a manifest. One range of bytes may be asked for.
#[utoipa::path(get, path = "/api/v1/privacy/jobs/{id}/file", tag = "privacy",
    params(("id" = String, Path), ("Range" = Option<String>, Header)),
    responses((status = 200, content_type = "application/x-tar"), (status = 206, content_type = "application/x-tar"),
        (status = 404), (status = 409, description = "it is not done, or another node has it"), (status = 410), (status = 416)))]
pub(super) async fn file(
    State(api): State<Arc<V1>>,
    asked: Asked,
    Path(job): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let privacy = api.privacy()?;
    let job = own(privacy, &asked, &job).await?;
    let gone = || Problem::new(StatusCode::GONE, "the file was kept for a time, and is gone");
    let file = match (&job.file, job.state) {
        (Some(file), _) => file,
        (None, PrivacyState::Expired) => return Err(gone()),
        (None, _) if job.kind == PrivacyKind::Erase => return Err(missing()),
        (None, state) => return Err(Problem::new(StatusCode::CONFLICT, format!("there is no file: the export is {state}"))),
    };
    let elsewhere = || Problem::new(StatusCode::CONFLICT, format!("the file is on node {}: ask there", file.node));
    let path = privacy.file(file).ok_or_else(elsewhere)?;
    let keys = privacy.store().seals().keys();
    // What is not sealed is read as it is.
    let open = spawn_blocking(move || RecordingReader::open(File::open(path).ok()?, &keys).ok()).await;
    let open = open.ok().flatten().ok_or_else(gone)?;
    let details = json!({ "subject": job.subject_hash });
    let resource = format!("privacy_job:{}", job.id);
    privacy.store().audit(&job.organization, &asked.act(), "privacy.downloaded", resource, &details).await?;
    answer(open, "application/x-tar", format!("\"{}\"", file.sha256), &headers).await
}

/// The signed report of an erasure, to the letter: keep it as a file for `offhook privacy verify`.
#[utoipa::path(get, path = "/api/v1/privacy/jobs/{id}/report", tag = "privacy", params(("id" = String, Path)),
    responses((status = 200, content_type = "application/json"), (status = 404), (status = 409, description = "it is not done")))]
pub(super) async fn report(State(api): State<Arc<V1>>, asked: Asked, Path(job): Path<String>) -> Result<Response, Problem> {
    let job = own(api.privacy()?, &asked, &job).await?;
    if job.kind == PrivacyKind::Export {
        return Err(missing());
    }
    let unfinished = || Problem::new(StatusCode::CONFLICT, format!("there is no report: the erasure is {}", job.state));
    let report = job.report.clone().ok_or_else(unfinished)?;
    Ok(([(header::CONTENT_TYPE, "application/json")], report).into_response())
}

/// Tells how long the organization keeps what.
#[utoipa::path(get, path = "/api/v1/privacy/retention", tag = "privacy", responses((status = 200, body = RetentionShown)))]
pub(super) async fn retention(State(api): State<Arc<V1>>, asked: Asked) -> Result<Response, Problem> {
    let retention = api.privacy()?.store().retention(&asked.principal.organization).await?;
    Ok(versioned(StatusCode::OK, retention.version + UNSAID, RetentionShown::from(retention)))
}

/// Says how long the organization keeps what. What is older goes within hours, for good.
#[utoipa::path(put, path = "/api/v1/privacy/retention", tag = "privacy", params(("If-Match" = Option<String>, Header)),
    request_body = RetentionWish, responses((status = 200, body = RetentionShown), (status = 412), (status = 422)))]
pub(super) async fn set_retention(
    State(api): State<Arc<V1>>,
    asked: Asked,
    IfMatch(version): IfMatch,
    Body(wish): Body<RetentionWish>,
) -> Result<Response, Problem> {
    let RetentionWish { recordings_days, transcripts_days, logs_days } = wish;
    let given = [("recordings_days", recordings_days), ("transcripts_days", transcripts_days), ("logs_days", logs_days)];
    if let Some((field, _)) = given.iter().find(|(_, days)| days.is_some_and(|days| days > RETENTION_DAYS_MAX)) {
        return Err(Problem::field(field, format!("is above {RETENTION_DAYS_MAX}; 0 is for ever")));
    }
    let days = RetentionDays { recordings: recordings_days, transcripts: transcripts_days, logs: logs_days };
    let (store, version) = (api.privacy()?.store(), version.map(|version| version.wrapping_sub(UNSAID)));
    let retention = changed(store.set_retention(&asked.principal.organization, version, days, &asked.act()).await?)?;
    Ok(versioned(StatusCode::OK, retention.version + UNSAID, RetentionShown::from(retention)))
}

async fn own(privacy: &Privacy, asked: &Asked, job: &str) -> Result<PrivacyJob, Problem> {
    privacy.store().privacy_job(&asked.principal.organization, id(job)?).await?.ok_or_else(missing)
}
