//! `/api/v1/knowledge`: the documents that an organization's assistants look things up in, and what is found in them.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use platform::knowledge::{DEFAULT_BASE, Format, KnowledgeError, Question, Service, Source, Upload};
use serde::{Deserialize, Serialize};
use store::{DocumentId, DocumentOrigin, DocumentStatus, KnowledgeDocument, StoredChunk};
use utoipa::ToSchema;

use super::V1;
use super::access::Asked;
use super::assistants::Assistant;
use super::body::Body;
use super::lists::{Listed, Paged, Part};
use super::resources::name_of;
use super::versions::{id, missing};
use crate::problem::Problem;

/// Where documents are put: the one path whose bodies may be long.
pub(crate) const DOCUMENTS: &str = "/api/v1/knowledge/documents";
/// Where one is put anew.
pub(crate) const DOCUMENT: &str = "/api/v1/knowledge/documents/{id}";
const FILES_OWN: &str = "the configuration file has this document: change it there";

/// What a document is written in.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = DocumentFormat)]
pub(super) enum FormatName {
    /// HTML, as browsers read it.
    Html,
    /// CommonMark with tables.
    Markdown,
    /// PDF with text in it.
    Pdf,
    /// Text; an empty line ends a paragraph.
    Text,
}

impl From<FormatName> for Format {
    fn from(name: FormatName) -> Self {
        match name {
            FormatName::Html => Self::Html,
            FormatName::Markdown => Self::Markdown,
            FormatName::Pdf => Self::Pdf,
            FormatName::Text => Self::Text,
        }
    }
}

/// A document to be put: one of text, content and url.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DocumentWish)]
pub(super) struct Wish {
    /// What it is called in lists and citations, at most 200 bytes. One of the same name and base is replaced. None: the URL.
    #[schema(min_length = 1, max_length = 200, example = "Opening hours.md")]
    name: Option<String>,
    /// The knowledge base it belongs to; none: default.
    #[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$", example = "faq")]
    base: Option<String>,
    /// What it is written in; none: as the name's ending says, else text; of a URL as its server says.
    format: Option<FormatName>,
    /// What it says.
    #[schema(min_length = 1, example = "# Opening hours\n\nMonday to Friday, nine to five.")]
    text: Option<String>,
    /// The same as bytes in base64: for PDF, and for other encodings than UTF-8.
    #[schema(min_length = 1)]
    content: Option<String>,
    /// Where it is fetched, once: http or https, to no private address.
    #[schema(min_length = 1, max_length = 2048, example = "https://example.com/faq.html")]
    url: Option<String>,
}

/// What a document is to say from now on: one of text, content and url.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DocumentPatch {
    /// What it is written in; none: as it was.
    format: Option<FormatName>,
    /// What it says.
    #[schema(min_length = 1)]
    text: Option<String>,
    /// The same as bytes in base64.
    #[schema(min_length = 1)]
    content: Option<String>,
    /// Where it is fetched, once; the same URL again: it is fetched again.
    #[schema(min_length = 1, max_length = 2048)]
    url: Option<String>,
}

/// Where a document is in its life.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = DocumentStatus)]
pub(super) enum StatusShown {
    /// It waits to be read, or is being read; with a reason, it is tried again.
    Queued,
    /// It is found.
    Ready,
    /// It cannot be read: see the reason.
    Failed,
}

/// A document.
#[derive(Serialize, ToSchema)]
#[schema(as = Document)]
pub(super) struct DocumentShown {
    /// The id; it stays when the document is replaced.
    id: String,
    /// What it is called.
    name: String,
    /// The knowledge base it belongs to.
    base: String,
    /// upload, or file: then it is changed in the file, and not here.
    source: &'static str,
    /// Where it was fetched; null: it was put.
    url: Option<String>,
    /// What it is written in; null: not known before it is fetched.
    format: Option<String>,
    /// Its size; of a URL 0 before it is fetched.
    bytes: u64,
    /// Where it is in its life.
    status: StatusShown,
    /// Why it failed, or why it is tried again.
    reason: Option<String>,
    /// Parts of it that are found.
    chunks: u64,
    /// Whether it is found by meaning too, and not by words alone.
    has_vectors: bool,
    /// When it was put first.
    created_at: String,
    /// When its content or status changed last.
    updated_at: String,
}

/// A part of a document.
#[derive(Serialize, ToSchema)]
#[schema(as = DocumentChunk)]
pub(super) struct ChunkShown {
    /// Its place in the document, from 0.
    position: u64,
    /// The headings above it, the outermost first.
    heading: String,
    /// What it says.
    text: String,
}

/// A question.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = KnowledgeQuestion)]
pub(super) struct Asking {
    /// What is asked, at most 2000 bytes.
    #[schema(min_length = 1, max_length = 2000, example = "When are you open on Sundays?")]
    query: String,
    /// Most passages of the answer; none: as the assistant has it, or 5.
    #[schema(minimum = 1, maximum = 20)]
    limit: Option<u8>,
    /// Asks as this assistant does: its knowledge bases and its least score. None: in all bases.
    #[schema(min_length = 1, max_length = 128)]
    assistant_id: Option<String>,
}

/// A passage that answers a question.
#[derive(Serialize, ToSchema)]
#[schema(as = Passage)]
pub(super) struct PassageShown {
    /// The document.
    document_id: String,
    /// What that is called.
    name: String,
    /// The knowledge base.
    base: String,
    /// The headings above it.
    heading: String,
    /// What it says.
    text: String,
    /// How well it answers, 0 to 1. The order is not by it alone.
    score: f32,
}

/// What was found.
#[derive(Serialize, ToSchema)]
#[schema(as = KnowledgeAnswer)]
pub(super) struct Answer {
    /// The best first.
    data: Vec<PassageShown>,
    /// Whether it was looked for by meaning too, and not by words alone.
    by_vectors: bool,
}

impl V1 {
    fn knowledge(&self) -> Result<&Service, Problem> {
        self.knowledge.as_ref().ok_or_else(|| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "there is no knowledge base here"))
    }
}

impl From<KnowledgeError> for Problem {
    fn from(error: KnowledgeError) -> Self {
        match error {
            KnowledgeError::Refused { field, reason } => Self::field(field, reason),
            KnowledgeError::Full(reason) => Self::new(StatusCode::CONFLICT, reason),
            KnowledgeError::Store(error) => error.into(),
            other => Self::new(StatusCode::UNPROCESSABLE_ENTITY, other.to_string()),
        }
    }
}

impl From<KnowledgeDocument> for DocumentShown {
    fn from(row: KnowledgeDocument) -> Self {
        Self {
            id: row.id.to_string(),
            name: row.name,
            base: row.base,
            source: match row.origin {
                DocumentOrigin::File => "file",
                DocumentOrigin::Upload => "upload",
            },
            url: row.url,
            format: row.format,
            bytes: row.bytes,
            status: match row.status {
                DocumentStatus::Ready => StatusShown::Ready,
                DocumentStatus::Failed => StatusShown::Failed,
                DocumentStatus::Pending | DocumentStatus::Deleting => StatusShown::Queued,
            },
            reason: row.reason,
            chunks: row.chunks,
            has_vectors: !row.space.is_empty(),
            created_at: row.created_at.to_string(),
            updated_at: row.updated_at.to_string(),
        }
    }
}

/// The one of three that was given.
fn source(
    format: Option<FormatName>,
    text: Option<String>,
    content: Option<String>,
    url: Option<String>,
) -> Result<Source, Problem> {
    let format = format.map(Format::from);
    match (text, content, url) {
        (Some(text), None, None) => Ok(Source::Content { format, bytes: text.into_bytes() }),
        (None, Some(content), None) => {
            let bytes = STANDARD.decode(content).map_err(|_| Problem::field("content", "is not base64 (RFC 4648 §4)"))?;
            Ok(Source::Content { format, bytes })
        }
        (None, None, Some(url)) => match format {
            None => Ok(Source::Url(url)),
            Some(_) => Err(Problem::field("format", "is said by the server of the URL")),
        },
        _ => Err(Problem::field("text", "exactly one of text, content and url must be there")),
    }
}

/// Lists the documents of the organization.
#[utoipa::path(get, path = "/api/v1/knowledge/documents", tag = "knowledge", params(Part),
    responses((status = 200, body = Listed<DocumentShown>)))]
pub(super) async fn list(
    State(api): State<Arc<V1>>,
    asked: Asked,
    Paged(page): Paged,
) -> Result<Json<Listed<DocumentShown>>, Problem> {
    // A cursor that is no id is no place in this list.
    let before = page.after.as_deref().map(|after| after.parse::<DocumentId>()).transpose();
    let before = before.map_err(|_| Problem::field("cursor", "is no next_cursor of this list"))?;
    let rows = api.knowledge()?.documents(asked.principal.organization.as_str(), page.limit, before).await?;
    Ok(Json(Listed::of(rows, &page, |row| row.id.to_string(), DocumentShown::from)))
}

/// Puts a document, to be read in the background. One of the same name and base is replaced, and what it said is found until the new one is.
#[utoipa::path(post, path = "/api/v1/knowledge/documents", tag = "knowledge", request_body = Wish,
    responses((status = 201, body = DocumentShown), (status = 409), (status = 422)))]
pub(super) async fn create(State(api): State<Arc<V1>>, asked: Asked, Body(wish): Body<Wish>) -> Result<Response, Problem> {
    let name = wish.name.or_else(|| wish.url.clone()).ok_or_else(|| Problem::field("name", "is missing"))?;
    let upload = Upload {
        organization: asked.principal.organization.as_str().to_owned(),
        base: wish.base.unwrap_or_else(|| DEFAULT_BASE.to_owned()),
        name,
        source: source(wish.format, wish.text, wish.content, wish.url)?,
    };
    let row = api.knowledge()?.upload(upload, &asked.act()).await?;
    let location = format!("{DOCUMENTS}/{}", row.id);
    Ok(super::versions::placed(location, DocumentShown::from(row)))
}

/// Tells of a document.
#[utoipa::path(get, path = "/api/v1/knowledge/documents/{id}", tag = "knowledge", params(("id" = String, Path)),
    responses((status = 200, body = DocumentShown), (status = 404)))]
pub(super) async fn show(
    State(api): State<Arc<V1>>,
    asked: Asked,
    Path(document): Path<String>,
) -> Result<Json<DocumentShown>, Problem> {
    Ok(Json(own(&api, &asked, &document).await?.into()))
}

/// Gives a document another content, to be read in the background; its name and base stay.
#[utoipa::path(patch, path = "/api/v1/knowledge/documents/{id}", tag = "knowledge", params(("id" = String, Path)),
    request_body = DocumentPatch, responses((status = 200, body = DocumentShown), (status = 404), (status = 409), (status = 422)))]
pub(super) async fn change(
    State(api): State<Arc<V1>>,
    asked: Asked,
    Path(document): Path<String>,
    Body(patch): Body<DocumentPatch>,
) -> Result<Json<DocumentShown>, Problem> {
    let row = own(&api, &asked, &document).await?;
    if row.origin == DocumentOrigin::File {
        return Err(Problem::new(StatusCode::CONFLICT, FILES_OWN));
    }
    let source = match source(patch.format, patch.text, patch.content, patch.url)? {
        // As it was before.
        Source::Content { format: None, bytes } => {
            Source::Content { format: row.format.and_then(|format| format.parse().ok()), bytes }
        }
        other => other,
    };
    let upload = Upload { organization: row.organization, base: row.base, name: row.name, source };
    Ok(Json(api.knowledge()?.upload(upload, &asked.act()).await?.into()))
}

/// Deletes a document: nothing of it is found any more.
#[utoipa::path(delete, path = "/api/v1/knowledge/documents/{id}", tag = "knowledge", params(("id" = String, Path)),
    responses((status = 204), (status = 404), (status = 409)))]
pub(super) async fn delete(
    State(api): State<Arc<V1>>,
    asked: Asked,
    Path(document): Path<String>,
) -> Result<StatusCode, Problem> {
    let row = own(&api, &asked, &document).await?;
    if row.origin == DocumentOrigin::File {
        return Err(Problem::new(StatusCode::CONFLICT, FILES_OWN));
    }
    match api.knowledge()?.delete_as(asked.principal.organization.as_str(), row.id, &asked.act()).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(missing()),
    }
}

/// Lists the parts of a document that are found, in their order.
#[utoipa::path(get, path = "/api/v1/knowledge/documents/{id}/chunks", tag = "knowledge", params(("id" = String, Path), Part),
    responses((status = 200, body = Listed<ChunkShown>), (status = 404)))]
pub(super) async fn chunks(
    State(api): State<Arc<V1>>,
    asked: Asked,
    Path(document): Path<String>,
    Paged(page): Paged,
) -> Result<Json<Listed<ChunkShown>>, Problem> {
    let row = own(&api, &asked, &document).await?;
    let after = page.after.as_deref().map(|after| after.parse::<u32>()).transpose();
    let after = after.map_err(|_| Problem::field("cursor", "is no next_cursor of this list"))?;
    let rows = api.knowledge()?.chunks(asked.principal.organization.as_str(), row.id, page.limit, after).await?;
    let shown = |StoredChunk { position, heading, text }| ChunkShown { position, heading, text };
    Ok(Json(Listed::of(rows, &page, |row| row.position.to_string(), shown)))
}

/// Finds the passages that answer a question.
#[utoipa::path(post, path = "/api/v1/knowledge/search", tag = "knowledge", request_body = Asking,
    responses((status = 200, body = Answer), (status = 422)))]
pub(super) async fn search(
    State(api): State<Arc<V1>>,
    asked: Asked,
    Body(asking): Body<Asking>,
) -> Result<Json<Answer>, Problem> {
    let knowledge = api.knowledge()?;
    let profile = match &asking.assistant_id {
        None => platform::knowledge::Profile::default(),
        Some(assistant) => {
            let known = name_of::<Assistant>(&api, &asked, assistant).await;
            known.map_err(|problem| match problem.status() {
                StatusCode::NOT_FOUND => Problem::field("assistant_id", "there is no such assistant"),
                _ => problem,
            })?;
            knowledge.profile(assistant)
        }
    };
    let question = Question {
        organization: asked.principal.organization.as_str(),
        bases: &profile.bases,
        text: &asking.query,
        limit: asking.limit.map_or(profile.limit, usize::from),
        min_score: profile.min_score,
    };
    let found = knowledge.search(&question).await?;
    let shown = |passage: platform::knowledge::Passage| PassageShown {
        document_id: passage.document.to_string(),
        name: passage.name,
        base: passage.base,
        heading: passage.heading,
        text: passage.text,
        score: passage.score,
    };
    Ok(Json(Answer { data: found.passages.into_iter().map(shown).collect(), by_vectors: found.by_vectors }))
}

async fn own(api: &V1, asked: &Asked, document: &str) -> Result<KnowledgeDocument, Problem> {
    let row = api.knowledge()?.document(asked.principal.organization.as_str(), id(document)?).await?;
    row.ok_or_else(missing)
}
