//! One document from its bytes to what is searched.

use std::time::Duration;

use ai::knowledge::chunk::{Chunk, chunk};
use ai::knowledge::extract::{Format, kept};
use ai::knowledge::http::HttpError;
use store::{Claim, DocumentId, NewChunk, StoreError, WallTime};

use super::Shared;
use super::vectors::VectorError;

/// How long a claim holds without a sign of life: longer than any step takes.
pub(super) const LEASE: Duration = Duration::from_secs(600);
/// Chunks that are written, and texts that are embedded, at a time: a long transaction would keep calls from being written.
const BATCH: usize = 64;
/// Stale chunks that are looked up at a time.
const STALE_BATCH: u32 = 256;
/// Tries to fetch a URL before the document is given up: about an hour.
const FETCHES_MAX: u32 = 8;

/// Why a document is not ready.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It never will be: its author must mend it.
    Document(String),
    /// It will be, when another server works again.
    Later(String),
    /// Someone changed or deleted it meanwhile.
    Superseded,
    /// The database.
    Store(StoreError),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<HttpError> for Trouble {
    /// A wrong key too: the operator mends it, and the document has its words meanwhile.
    fn from(error: HttpError) -> Self {
        Self::Later(error.to_string())
    }
}

impl From<VectorError> for Trouble {
    fn from(error: VectorError) -> Self {
        match error {
            VectorError::Elsewhere(error) => error.into(),
            VectorError::Store(error) => error.into(),
        }
    }
}

/// Makes a claimed document ready.
pub(super) async fn ingest(shared: &Shared, claim: &Claim) -> Result<(), Trouble> {
    clear(shared, &claim.document.organization, claim.document.id).await?;
    let (format, content) = content(shared, claim).await?;
    let blocks = shared.reader.read(format, content).await.map_err(|error| Trouble::Document(error.to_string()))?;
    let chunks = chunk(&blocks, &shared.config.chunk).map_err(|error| Trouble::Document(error.to_string()))?;
    for batch in chunks.chunks(BATCH) {
        held(shared.store.renew(claim, lease_end()).await?)?;
        let batch: Vec<NewChunk> = batch.iter().map(new_chunk).collect();
        held(shared.store.add_chunks(claim, &batch).await?)?;
    }
    held(shared.store.set_found(claim, chunks.len()).await?)?;
    embed(shared, claim, &chunks).await?;
    held(shared.store.set_ready(claim, &shared.space, WallTime::now()).await?)?;
    clear(shared, &claim.document.organization, claim.document.id).await
}

/// Removes what is left of a deleted document.
pub(super) async fn remove(shared: &Shared, claim: &Claim) -> Result<(), Trouble> {
    clear(shared, &claim.document.organization, claim.document.id).await?;
    held(shared.store.remove(claim).await?)
}

/// Removes the chunks of a document that are not searched, their vectors first: as long as the chunk is there, it is known
/// that its vector may be.
pub(super) async fn clear(shared: &Shared, organization: &str, document: DocumentId) -> Result<(), Trouble> {
    loop {
        let stale = shared.store.stale_chunks(document, STALE_BATCH).await?;
        if stale.is_empty() {
            return Ok(());
        }
        shared.vectors.delete(organization, &stale).await?;
        shared.store.remove_chunks(&stale).await?;
    }
}

/// The document's format and bytes; fetched when they are not there yet.
async fn content(shared: &Shared, claim: &Claim) -> Result<(Format, Vec<u8>), Trouble> {
    let document = &claim.document;
    let known = document.format.as_deref().and_then(|format| format.parse().ok());
    if let (Some(content), Some(format)) = (shared.store.source(document.id).await?, known) {
        return Ok((format, content));
    }
    let Some(url) = &document.url else { return Err(Trouble::Document("its content is lost".to_owned())) };
    let fetched = shared.fetcher.fetch(url).await.map_err(|error| match error.is_transient() && claim.attempt < FETCHES_MAX {
        true => Trouble::Later(error.to_string()),
        false => Trouble::Document(error.to_string()),
    })?;
    let path = fetched.url.split(['?', '#']).next().unwrap_or_default();
    let of_type = Format::of_content_type(&fetched.content_type);
    let format = match (of_type, Format::of_name(path)) {
        // Markdown and text files are often served as plain text; anything may be served as bytes.
        (None | Some(Format::Text), Some(by_name)) => by_name,
        (Some(format), _) => format,
        (None, None) if fetched.bytes.starts_with(b"%PDF-") => Format::Pdf,
        (None, None) => {
            return Err(Trouble::Document(format!("{:?} is not a kind of document that is read", fetched.content_type)));
        }
    };
    if fetched.bytes.is_empty() {
        return Err(Trouble::Document("the document is empty".to_owned()));
    }
    let content = kept(format, fetched.bytes, &fetched.content_type);
    held(shared.store.keep_source(claim, &content, format.as_str()).await?)?;
    Ok((format, content))
}

async fn embed(shared: &Shared, claim: &Claim, chunks: &[Chunk]) -> Result<(), Trouble> {
    let Some(embeddings) = &shared.embeddings else { return Ok(()) };
    for batch in chunks.chunks(BATCH) {
        held(shared.store.renew(claim, lease_end()).await?)?;
        let texts: Vec<String> =
            batch.iter().map(|chunk| format!("{}\n{}", chunk.heading, chunk.text).trim().to_owned()).collect();
        let vectors = embeddings.of_documents(&texts).await?;
        let vectors = batch.iter().map(|chunk| chunk.position).zip(vectors).collect();
        held(shared.vectors.add(&shared.store, claim, vectors).await?)?;
    }
    Ok(())
}

fn new_chunk(chunk: &Chunk) -> NewChunk {
    NewChunk { position: chunk.position, heading: chunk.heading.clone(), text: chunk.text.clone() }
}

fn lease_end() -> WallTime {
    WallTime::from_micros(WallTime::now().micros().saturating_add(LEASE.as_micros() as i64))
}

fn held(held: bool) -> Result<(), Trouble> {
    if held { Ok(()) } else { Err(Trouble::Superseded) }
}
