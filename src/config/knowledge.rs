//! `[knowledge]`: what assistants can look things up in, and what each of them looks at.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::reader::Section;
use super::secret::Secret;
use super::services::{DEFAULT_PROVIDER, HttpUrl, ProviderConfig};

const MODEL: &str = "text-embedding-3-small";
const DIMENSIONS: u32 = 1536;
const QUESTION_TIMEOUT: Duration = Duration::from_millis(800);
const PINECONE_KEY: &str = "PINECONE_API_KEY";
const DOCUMENT_MB: u32 = 20;
const DOCUMENTS_MAX: u32 = 10_000;
const ORGANIZATION_MB: u32 = 2048;
const CHUNK_SIZE: u32 = 1200;
const CHUNK_OVERLAP: u32 = 150;
const VECTOR_CACHE_MB: u32 = 256;
const BASE: &str = "default";
const LIMIT: u32 = 5;
/// Most knowledge bases of an assistant, as the search has it.
const BASES_MAX: usize = 16;

/// `[knowledge]`.
#[derive(Clone, Debug, PartialEq)]
pub struct KnowledgeConfig {
    /// Where vectors lie; default beside the documents, in the database.
    pub store: KnowledgeStoreConfig,
    /// Where vectors come from; `None`: words alone.
    pub embeddings: Option<EmbeddingsConfig>,
    /// Whether URLs may lead to private addresses; default false.
    pub allow_private_urls: bool,
    /// Largest document, 1-100 MB, default 20.
    pub document_mb: u32,
    /// Most documents of an organization, 1-1,000,000, default 10,000.
    pub documents_max: u32,
    /// All documents of an organization together, for those that come over the API, 1-1,000,000 MB, default 2048.
    pub organization_mb: u32,
    /// Longest chunk, 200-8000 characters, default 1200.
    pub chunk_size: u32,
    /// How much of a chunk begins the next one, 0-2000 characters, below half of `chunk_size`, default 150.
    pub chunk_overlap: u32,
    /// Memory for vectors that this process ranks, 0-65536 MB, default 256.
    pub vector_cache_mb: u32,
    /// Documents of the file.
    pub documents: Vec<DocumentConfig>,
}

/// Where vectors lie.
#[derive(Clone, Debug, PartialEq)]
pub enum KnowledgeStoreConfig {
    /// In the database.
    Database,
    /// In an index of Pinecone's.
    Pinecone {
        /// The index's host.
        host: HttpUrl,
        /// The key.
        api_key: Secret,
    },
}

/// Where vectors come from.
#[derive(Clone, Debug, PartialEq)]
pub struct EmbeddingsConfig {
    /// The server's URL, the provider's.
    pub base_url: HttpUrl,
    /// The provider's key; `None`: it wants none.
    pub api_key: Option<Secret>,
    /// The model, default `text-embedding-3-small`.
    pub model: String,
    /// Dimensions, up to 16,000, default 1536; `None` (written 0): as many as the model has.
    pub dimensions: Option<u32>,
    /// Time a question may take to become a vector, 100-10000 ms, default 800 ms; then words alone answer.
    pub question_timeout: Duration,
}

/// `[[knowledge.documents]]`: a document, or a folder of them.
#[derive(Clone, Debug, PartialEq)]
pub struct DocumentConfig {
    /// The knowledge base it belongs to, default `default`.
    pub base: String,
    /// What it is called; `None`: as the file or the URL is.
    pub name: Option<String>,
    /// Where it is.
    pub place: DocumentPlace,
}

/// Where a document of the file is.
#[derive(Clone, Debug, PartialEq)]
pub enum DocumentPlace {
    /// A file or folder, relative to the working directory.
    Path(PathBuf),
    /// An http(s) URL.
    Url(String),
}

/// An assistant's `knowledge`.
#[derive(Clone, Debug, PartialEq)]
pub struct AssistantKnowledge {
    /// The knowledge bases it looks at, at most 16; empty: all.
    pub bases: Vec<String>,
    /// Passages of an answer, 1-20, default 5.
    pub limit: u32,
    /// The least score of a passage, 0-1, default 0.
    pub min_score: f64,
}

/// What `embeddings` may say.
#[derive(Clone, Copy, PartialEq)]
enum Wanted {
    Auto,
    On,
    Off,
}

/// Reads `[knowledge]`. `key` looks up a variable.
pub(super) fn read_knowledge(
    mut section: Section<'_>,
    providers: &BTreeMap<String, ProviderConfig>,
    key: impl Fn(&str) -> Option<Secret>,
) -> KnowledgeConfig {
    let embeddings = read_embeddings(&mut section, providers);
    let store = read_store(&mut section, embeddings.is_some(), key);
    let knowledge = KnowledgeConfig {
        store,
        embeddings,
        allow_private_urls: section.flag("allow_private_urls", false),
        document_mb: section.integer("document_mb", DOCUMENT_MB, 1..=100),
        documents_max: section.integer("documents_max", DOCUMENTS_MAX, 1..=1_000_000),
        organization_mb: section.integer("organization_mb", ORGANIZATION_MB, 1..=1_000_000),
        chunk_size: section.integer("chunk_size", CHUNK_SIZE, 200..=8000),
        chunk_overlap: section.integer("chunk_overlap", CHUNK_OVERLAP, 0..=2000),
        vector_cache_mb: section.integer("vector_cache_mb", VECTOR_CACHE_MB, 0..=65_536),
        documents: read_documents(&mut section),
    };
    if knowledge.chunk_overlap * 2 >= knowledge.chunk_size {
        let (overlap, size) = (knowledge.chunk_overlap, knowledge.chunk_size);
        section.refuse("chunk_overlap", format!("{overlap} is not below half of chunk_size, {size}"));
    }
    section.finish();
    knowledge
}

fn read_embeddings(section: &mut Section<'_>, providers: &BTreeMap<String, ProviderConfig>) -> Option<EmbeddingsConfig> {
    let wanted = section.choice("embeddings", Wanted::Auto, &[("auto", Wanted::Auto), ("on", Wanted::On), ("off", Wanted::Off)]);
    let name = section.text("embeddings_provider", DEFAULT_PROVIDER);
    let model = section.text("embeddings_model", MODEL);
    let dimensions = section.integer("embeddings_dimensions", DIMENSIONS, 0..=16_000);
    let question_timeout = section.millis("question_timeout_ms", QUESTION_TIMEOUT, 100..=10_000);
    let Some(provider) = providers.get(&name) else {
        section.refuse("embeddings_provider", format!("there is no [providers.{name}]"));
        return None;
    };
    let take = match wanted {
        Wanted::Off => false,
        Wanted::Auto | Wanted::On if provider.has_key() => true,
        Wanted::Auto => false,
        Wanted::On => {
            let variable = provider.api_key_env.as_deref().unwrap_or_default();
            let reason = format!("on needs the environment variable {variable} (providers.{name}.api_key_env)");
            section.refuse("embeddings", reason);
            false
        }
    };
    take.then(|| EmbeddingsConfig {
        base_url: provider.base_url.clone(),
        api_key: provider.api_key.clone(),
        model,
        dimensions: Some(dimensions).filter(|dimensions| *dimensions > 0),
        question_timeout,
    })
}

fn read_store(section: &mut Section<'_>, embeddings: bool, key: impl Fn(&str) -> Option<Secret>) -> KnowledgeStoreConfig {
    let pinecone = section.choice("store", false, &[("database", false), ("pinecone", true)]);
    let host = section.optional("pinecone_host", |text| match text.contains("://") {
        true => HttpUrl::parse(text),
        // As Pinecone's console and control plane show it.
        false => HttpUrl::parse(&format!("https://{text}")),
    });
    let variable = section.text("pinecone_api_key_env", PINECONE_KEY);
    if !pinecone {
        return KnowledgeStoreConfig::Database;
    }
    if !embeddings {
        section.refuse("store", "pinecone needs embeddings");
    }
    match (host, key(&variable)) {
        (Some(host), Some(api_key)) => return KnowledgeStoreConfig::Pinecone { host, api_key },
        (None, _) => section.refuse("pinecone_host", "must be set with store pinecone"),
        (_, None) => {
            section.refuse("store", format!("pinecone needs the environment variable {variable} (pinecone_api_key_env)"));
        }
    }
    KnowledgeStoreConfig::Database
}

fn read_documents(section: &mut Section<'_>) -> Vec<DocumentConfig> {
    let mut documents: Vec<DocumentConfig> = Vec::new();
    for (index, table) in section.tables("documents").unwrap_or_default().into_iter().enumerate() {
        let mut row = section.row("documents", index, table);
        let base = row.parsed("base", BASE.to_owned(), base);
        let name = row.optional("name", |text| Ok(text.to_owned()));
        let (path, url) = (row.optional("path", |text| Ok(text.to_owned())), row.optional("url", |text| Ok(text.to_owned())));
        match (path, url) {
            (Some(path), None) => documents.push(DocumentConfig { base, name, place: DocumentPlace::Path(path.into()) }),
            (None, Some(url)) => documents.push(DocumentConfig { base, name, place: DocumentPlace::Url(url) }),
            _ => row.refuse("path", "either path or url must be set"),
        }
        row.finish();
    }
    documents
}

/// Reads an assistant's `knowledge`.
pub(super) fn read_assistant_knowledge(mut section: Section<'_>) -> AssistantKnowledge {
    let given = section.has("bases");
    let bases = section.value("bases", Vec::new(), |given| {
        let bases: Vec<String> = given.list()?.into_iter().filter(|name| !name.is_empty()).collect();
        match bases.len() {
            0..=BASES_MAX => bases.iter().map(|name| base(name)).collect(),
            count => Err(format!("{count} are more than {BASES_MAX}")),
        }
    });
    section.note("bases", if bases.is_empty() { "all".to_owned() } else { bases.join(",") }, given, None);
    let knowledge = AssistantKnowledge {
        bases,
        limit: section.integer("limit", LIMIT, 1..=20),
        min_score: section.number("min_score", 0.0, 0.0..=1.0),
    };
    section.finish();
    knowledge
}

/// A knowledge base's name.
fn base(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if (1..=64).contains(&text.len()) && text.chars().all(plain) {
        Ok(text.to_owned())
    } else {
        Err(format!("{text:?} is not 1-64 of a-z, A-Z, 0-9, - and _"))
    }
}
