//! The knowledge base's part of the file as its service takes it.

use std::collections::BTreeMap;

use ai::knowledge::chunk::ChunkConfig;
use ai::knowledge::embeddings::EmbeddingsConfig;
use ai::knowledge::extract::PdfProgram;
use ai::knowledge::pinecone::PineconeConfig;
use ai::net::guard::Reach;
use ai::secret::Secret;
use platform::knowledge::{KnowledgeConfig, Profile, Seed, SeedPlace, Service, VectorStore};
use store::Store;

use super::Clients;
use crate::config::{AssistantConfig, Config, DocumentPlace, KnowledgeStoreConfig};

pub(super) const MEGABYTE: usize = 1 << 20;

/// Opens the knowledge base; nothing is read yet.
pub async fn open(config: &Config, database: &Store, clients: &Clients) -> anyhow::Result<Service> {
    // Someone may have chosen it already; there is only ring.
    let _chosen_before = rustls::crypto::ring::default_provider().install_default();
    Ok(Service::open(database, knowledge_config(config, clients)).await?)
}

/// The documents that the file names.
pub fn seeds(config: &Config) -> Vec<Seed> {
    let rows = config.knowledge.documents.iter().map(|row| Seed {
        base: row.base.clone(),
        name: row.name.clone().unwrap_or_default(),
        place: match &row.place {
            DocumentPlace::Path(path) => SeedPlace::Path(path.clone()),
            DocumentPlace::Url(url) => SeedPlace::Url(url.clone()),
        },
    });
    rows.collect()
}

fn knowledge_config(config: &Config, clients: &Clients) -> KnowledgeConfig {
    let knowledge = &config.knowledge;
    let embeddings = knowledge.embeddings.as_ref().map(|embeddings| EmbeddingsConfig {
        base_url: embeddings.base_url.as_str().to_owned(),
        api_key: Secret::from(embeddings.api_key.as_ref().map_or("", |key| key.expose())),
        model: embeddings.model.clone(),
        dimensions: embeddings.dimensions.map(|dimensions| dimensions as usize),
        question_timeout: embeddings.question_timeout,
    });
    let question_timeout = embeddings.as_ref().map(|embeddings| embeddings.question_timeout).unwrap_or_default();
    let vectors = match &knowledge.store {
        KnowledgeStoreConfig::Database => VectorStore::Database,
        KnowledgeStoreConfig::Pinecone { host, api_key } => VectorStore::Pinecone(PineconeConfig {
            base_url: host.as_str().to_owned(),
            api_key: Secret::from(api_key.expose()),
            search_timeout: question_timeout,
        }),
    };
    KnowledgeConfig {
        node: config.node.name.clone(),
        vectors,
        embeddings,
        pdf: pdf_program(),
        http: clients.http.clone(),
        guard: clients.guard.clone(),
        reach: if knowledge.allow_private_urls { Reach::Private } else { Reach::Public },
        document_bytes_max: knowledge.document_mb as usize * MEGABYTE,
        documents_max: knowledge.documents_max.into(),
        organization_bytes_max: u64::from(knowledge.organization_mb) << 20,
        chunk: ChunkConfig {
            size: knowledge.chunk_size as usize,
            overlap: knowledge.chunk_overlap as usize,
            ..ChunkConfig::default()
        },
        cache_bytes_max: knowledge.vector_cache_mb as usize * MEGABYTE,
        profiles: profiles(config),
    }
}

/// What each assistant looks at, by its name.
pub(super) fn profiles(config: &Config) -> BTreeMap<String, Profile> {
    let profile = |assistant: &AssistantConfig| {
        let own = &assistant.knowledge;
        let profile = Profile { bases: own.bases.clone(), limit: own.limit as usize, min_score: own.min_score as f32 };
        (assistant.name.clone(), profile)
    };
    config.assistants.iter().map(profile).collect()
}

/// This program once more, as `read-pdf`: what a bad PDF brings down is not what answers calls.
fn pdf_program() -> Option<PdfProgram> {
    let program = std::env::current_exe().ok()?;
    Some(PdfProgram { program: program.into(), arguments: vec!["read-pdf".into()] })
}
