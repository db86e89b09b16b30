//! How a document is taken: what it must be, and for how much there is room.

use ai::knowledge::extract::{Format, look};
use ai::knowledge::fetch::FetchError;
use store::{Act, DocumentOrigin, KnowledgeDocument, NewDocument, WallTime};

use super::{BASE_BYTES_MAX, KnowledgeError, NAME_BYTES_MAX, QUEUED_MAX, Service, Source, Upload, digest, refused};

impl Service {
    /// Takes a document, if it can be one and there is room for it. `act`: it comes over the API.
    pub(super) async fn put(
        &self,
        upload: Upload,
        origin: DocumentOrigin,
        act: Option<&Act<'_>>,
    ) -> Result<KnowledgeDocument, KnowledgeError> {
        check_name("name", &upload.name)?;
        check_base(&upload.base)?;
        let Upload { organization, base, name, source } = upload;
        let (url, format, content, digest) = match source {
            Source::Url(url) => {
                self.shared.fetcher.check(&url).map_err(refused_url)?;
                let digest = digest(url.as_bytes());
                (Some(url), None, None, digest)
            }
            Source::Content { format, bytes } => {
                self.check_content(&bytes)?;
                let format = format.or_else(|| Format::of_name(&name)).unwrap_or(Format::Text);
                // Who hands it over hears at once that it is none; of a folder's files one bad one must not stop the rest.
                let bytes = if origin == DocumentOrigin::Upload { looked_at(format, bytes).await? } else { bytes };
                let digest = digest(&bytes);
                (None, Some(format.as_str().to_owned()), Some(bytes), digest)
            }
        };
        let store = &self.shared.store;
        let before = store.find(&organization, &base, &name).await?;
        // What the file names is the file's: the next start would put it back.
        if act.is_some() && before.as_ref().is_some_and(|before| before.origin == DocumentOrigin::File) {
            return Err(KnowledgeError::Full("the configuration file has this document: change it there".to_owned()));
        }
        self.check_room(&organization, before.as_ref(), content.as_ref().map_or(0, Vec::len), act.is_some()).await?;
        let new = NewDocument { organization, base, name, origin, url, format, content, digest };
        let id = store.put(&new, WallTime::now(), act).await?;
        self.shared.work.notify_one();
        let document = store.document(&new.organization, id).await?;
        document.ok_or_else(|| refused("name", "the document was deleted meanwhile"))
    }

    fn check_content(&self, bytes: &[u8]) -> Result<(), KnowledgeError> {
        let limit = self.shared.config.document_bytes_max;
        match bytes.len() {
            0 => Err(refused("content", "the document is empty")),
            length if length > limit => Err(refused("content", format!("{length} bytes are above {limit}"))),
            _ => Ok(()),
        }
    }

    /// Whether the organization may have one more, or another content of one that was there `before`.
    async fn check_room(
        &self,
        organization: &str,
        before: Option<&KnowledgeDocument>,
        length: usize,
        over_api: bool,
    ) -> Result<(), KnowledgeError> {
        let (documents, bytes) = (self.shared.config.documents_max, self.shared.config.organization_bytes_max);
        let held = self.shared.store.held_by(organization).await?;
        if before.is_none() && held.documents >= documents {
            return Err(refused("document", format!("there are {documents} documents, which is the limit")));
        }
        if !over_api {
            return Ok(());
        }
        if held.queued >= QUEUED_MAX {
            return Err(KnowledgeError::Full(format!(
                "{QUEUED_MAX} documents wait to be read: put this one when some are ready"
            )));
        }
        let sum = held.bytes.saturating_sub(before.map_or(0, |before| before.bytes)).saturating_add(length as u64);
        match sum > bytes {
            true => Err(KnowledgeError::Full(format!("all documents together would have {sum} bytes, more than {bytes}"))),
            false => Ok(()),
        }
    }
}

/// `bytes`, when they can be a document of `format`.
async fn looked_at(format: Format, bytes: Vec<u8>) -> Result<Vec<u8>, KnowledgeError> {
    // Milliseconds of pure computing for the largest ones.
    let looked = tokio::task::spawn_blocking(move || look(format, &bytes).map(|()| bytes)).await;
    let looked = looked.map_err(|error| refused("content", error.to_string()))?;
    looked.map_err(|error| refused("content", error.to_string()))
}

fn refused_url(error: FetchError) -> KnowledgeError {
    refused("url", error.to_string())
}

fn check_name(field: &'static str, name: &str) -> Result<(), KnowledgeError> {
    match name.len() {
        0 => Err(refused(field, "must not be empty")),
        NAME_BYTES_MAX.. if name.len() > NAME_BYTES_MAX => {
            Err(refused(field, format!("{} bytes are above {NAME_BYTES_MAX}", name.len())))
        }
        _ if name.chars().any(char::is_control) => Err(refused(field, "has control characters")),
        _ => Ok(()),
    }
}

/// A knowledge base's name: letters, digits, `-`, `_`, so that it can stand in URLs and filters.
fn check_base(base: &str) -> Result<(), KnowledgeError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    match base.len() {
        1..=BASE_BYTES_MAX if base.chars().all(plain) => Ok(()),
        _ => Err(refused("base", format!("must be 1-{BASE_BYTES_MAX} of a-z, A-Z, 0-9, - and _"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_bases_are_checked() {
        let shown = |result: Result<(), KnowledgeError>| result.map_or_else(|error| error.to_string(), |()| String::new());
        assert_eq!(shown(check_name("name", "Opening hours (2026).md")), "");
        assert_eq!(shown(check_name("name", "")), "name: must not be empty");
        assert_eq!(shown(check_name("name", "a\nb")), "name: has control characters");
        assert_eq!(shown(check_name("name", &"x".repeat(201))), "name: 201 bytes are above 200");
        assert_eq!(shown(check_base("faq_2-A")), "");
        for wrong in ["", "a b", "ü", &"x".repeat(65)] {
            assert_eq!(shown(check_base(wrong)), "base: must be 1-64 of a-z, A-Z, 0-9, - and _");
        }
    }
}
