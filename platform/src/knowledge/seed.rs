//! Documents that the configuration file names.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use store::{DEFAULT_ORGANIZATION, DocumentOrigin, KnowledgeDocument};

use super::{KnowledgeError, LIST, Service, Source, Upload, digest};
use ai::knowledge::extract::Format;

/// Most files of one folder and those below it: a folder of documents, not a disk.
const FILES_MAX: usize = 1000;
/// How deep folders are looked into.
const DEPTH_MAX: usize = 8;

/// A row of `[[knowledge.documents]]`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Seed {
    /// The knowledge base it belongs to.
    pub base: String,
    /// What it is called; of a folder, what its files' names begin with. Empty: as the file or the URL is.
    pub name: String,
    /// Where it is.
    pub place: SeedPlace,
}

/// Where a document of the file is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SeedPlace {
    /// A file, or a folder whose files of a known ending are all taken.
    Path(PathBuf),
    /// An http(s) URL, fetched once.
    Url(String),
}

pub(super) async fn seed(service: &Service, seeds: &[Seed]) -> Result<(), KnowledgeError> {
    let limit = service.shared.config.document_bytes_max;
    let rows = seeds.to_vec();
    let read = tokio::task::spawn_blocking(move || rows.iter().map(|seed| uploads(seed, limit)).collect::<Result<Vec<_>, _>>());
    let read = read.await.map_err(|error| KnowledgeError::Seed { name: "documents".to_owned(), reason: error.to_string() })?;
    let uploads: Vec<Upload> = read?.into_iter().flatten().collect();
    let named: BTreeSet<(String, String)> = uploads.iter().map(|upload| (upload.base.clone(), upload.name.clone())).collect();
    for upload in uploads {
        let name = upload.name.clone();
        let known = service.shared.store.find(DEFAULT_ORGANIZATION, &upload.base, &name).await?;
        if known.is_some_and(|known| known.origin == DocumentOrigin::File && known.digest == digest_of(&upload.source)) {
            continue;
        }
        let put = service.put(upload, DocumentOrigin::File, None).await;
        put.map_err(|error| KnowledgeError::Seed { name, reason: error.to_string() })?;
    }
    for document in all(service).await? {
        let key = (document.base.clone(), document.name.clone());
        if document.origin == DocumentOrigin::File && !named.contains(&key) {
            service.delete(DEFAULT_ORGANIZATION, document.id).await?;
        }
    }
    Ok(())
}

async fn all(service: &Service) -> Result<Vec<KnowledgeDocument>, KnowledgeError> {
    let mut all: Vec<KnowledgeDocument> = Vec::new();
    loop {
        let before = all.last().map(|document| document.id);
        let more = service.documents(DEFAULT_ORGANIZATION, LIST, before).await?;
        if more.is_empty() {
            return Ok(all);
        }
        all.extend(more);
    }
}

fn digest_of(source: &Source) -> String {
    match source {
        Source::Content { bytes, .. } => digest(bytes),
        Source::Url(url) => digest(url.as_bytes()),
    }
}

/// The documents of one row, with the content of files.
fn uploads(seed: &Seed, limit: usize) -> Result<Vec<Upload>, KnowledgeError> {
    let upload =
        |name: String, source| Upload { organization: DEFAULT_ORGANIZATION.to_owned(), base: seed.base.clone(), name, source };
    let named = |own: String| if seed.name.is_empty() { own } else { seed.name.clone() };
    let path = match &seed.place {
        SeedPlace::Url(url) => return Ok(vec![upload(named(url.clone()), Source::Url(url.clone()))]),
        SeedPlace::Path(path) => path,
    };
    if !path.is_dir() {
        let own = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        return Ok(vec![upload(named(own), content(path, limit)?)]);
    }
    let mut files = Vec::new();
    collect(path, 0, &mut files)?;
    files.sort();
    let prefix = if seed.name.is_empty() { String::new() } else { format!("{}/", seed.name) };
    let documents = files.iter().map(|file| {
        let own = file.strip_prefix(path).unwrap_or(file).to_string_lossy();
        Ok(upload(format!("{prefix}{own}"), content(file, limit)?))
    });
    documents.collect()
}

fn collect(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), KnowledgeError> {
    for entry in std::fs::read_dir(folder).map_err(|error| unreadable(folder, &error))? {
        let entry = entry.map_err(|error| unreadable(folder, &error))?;
        let (path, kind) = (entry.path(), entry.file_type().map_err(|error| unreadable(folder, &error))?);
        // A link may lead in circles.
        if kind.is_dir() && depth < DEPTH_MAX {
            collect(&path, depth + 1, files)?;
        } else if kind.is_file() && Format::of_name(&path.to_string_lossy()).is_some() {
            files.push(path);
        }
        if files.len() > FILES_MAX {
            let reason = format!("more than {FILES_MAX} files");
            return Err(KnowledgeError::Seed { name: folder.display().to_string(), reason });
        }
    }
    Ok(())
}

fn content(path: &Path, limit: usize) -> Result<Source, KnowledgeError> {
    let length = std::fs::metadata(path).map_err(|error| unreadable(path, &error))?.len();
    if length > limit as u64 {
        let reason = format!("{length} bytes are above {limit}");
        return Err(KnowledgeError::Seed { name: path.display().to_string(), reason });
    }
    let bytes = std::fs::read(path).map_err(|error| unreadable(path, &error))?;
    Ok(Source::Content { format: Format::of_name(&path.to_string_lossy()), bytes })
}

fn unreadable(path: &Path, error: &std::io::Error) -> KnowledgeError {
    KnowledgeError::Seed { name: path.display().to_string(), reason: error.to_string() }
}
