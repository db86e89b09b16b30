//! `offhook knowledge`: the knowledge base from the command line.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use ai::knowledge::extract::{Format, pdf_pages};
use anyhow::Context as _;
use clap::Subcommand;
use platform::knowledge::{DEFAULT_BASE, PASSAGES, Question, Service, Source, Upload};
use store::{DEFAULT_ORGANIZATION, DocumentId, DocumentStatus, KnowledgeDocument};

use crate::config::Config;
use crate::wire;

/// How long `add` waits for the document to be ready.
const WAIT: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(100);
/// Memory that reading a PDF may take: then it fails, and not the server beside it.
const PDF_MEMORY_MAX: u64 = 1 << 30;
/// CPU time of it, in seconds; the server's patience is as long.
const PDF_CPU_MAX: u64 = 60;
/// More than the largest document that can be configured.
const PDF_BYTES_MAX: u64 = 128 << 20;

/// What can be done with the knowledge base.
#[derive(Clone, Debug, Eq, PartialEq, Subcommand)]
pub enum KnowledgeCommand {
    /// Put a file or a web page into the knowledge base; one of the same name is replaced
    Add {
        /// A file of text, Markdown, HTML or PDF, or an http(s) URL
        #[arg(value_name = "FILE|URL")]
        place: String,
        /// The knowledge base it belongs to
        #[arg(long, default_value = DEFAULT_BASE)]
        base: String,
        /// What it is called [default: as the file or the URL]
        #[arg(long)]
        name: Option<String>,
    },
    /// Print the documents, newest first
    List,
    /// Print the passages that answer a question, best first
    Search {
        /// The question
        question: String,
        /// Only of these knowledge bases
        #[arg(long)]
        base: Vec<String>,
        /// At most so many, 1 to 20
        #[arg(long, default_value_t = PASSAGES)]
        limit: usize,
    },
    /// Remove a document
    Remove {
        /// Its id, as `list` prints it
        id: String,
    },
}

/// Carries it out.
pub async fn run(command: &KnowledgeCommand, config: &Config) -> anyhow::Result<ExitCode> {
    wire::make_data_dir(&config.node.data_dir)?;
    // A server that runs has it, and does the work too.
    let lock = wire::take_data_dir(&config.node.data_dir);
    let database = wire::open_database(config).await?;
    let service = wire::knowledge::open(config, &database, &wire::Clients::default()).await?;
    let worker = match lock {
        Ok(_) => Some(service.work().await?),
        Err(_) => None,
    };
    let done = match command {
        KnowledgeCommand::Add { place, base, name } => add(&service, place, base, name.as_deref()).await,
        KnowledgeCommand::List => list(&service).await,
        KnowledgeCommand::Search { question, base, limit } => search(&service, question, base, *limit).await,
        KnowledgeCommand::Remove { id } => remove(&service, id).await,
    };
    if let Some(worker) = worker {
        worker.abort();
        let _ = worker.await;
    }
    database.close().await;
    done
}

async fn add(service: &Service, place: &str, base: &str, name: Option<&str>) -> anyhow::Result<ExitCode> {
    let url = ["http://", "https://"].iter().any(|scheme| place.starts_with(scheme));
    let (own, source) = if url {
        (place.to_owned(), Source::Url(place.to_owned()))
    } else {
        let bytes = std::fs::read(place).with_context(|| format!("{place} cannot be read"))?;
        let own = Path::new(place).file_name().map_or_else(|| place.to_owned(), |name| name.to_string_lossy().into_owned());
        (own, Source::Content { format: Format::of_name(place), bytes })
    };
    let upload = Upload {
        organization: DEFAULT_ORGANIZATION.to_owned(),
        base: base.to_owned(),
        name: name.map_or(own, str::to_owned),
        source,
    };
    let document = service.add(upload).await?;
    let waited = tokio::time::timeout(WAIT, settled(service, document.id)).await;
    let document = waited.unwrap_or(Ok(document))?;
    println!("{}", line(&document));
    Ok(if document.status == DocumentStatus::Failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The document once it is ready, failed, or waits for another server.
async fn settled(service: &Service, id: DocumentId) -> anyhow::Result<KnowledgeDocument> {
    loop {
        let document = service.document(DEFAULT_ORGANIZATION, id).await?.context("the document was removed meanwhile")?;
        if document.status != DocumentStatus::Pending || document.reason.is_some() {
            return Ok(document);
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn list(service: &Service) -> anyhow::Result<ExitCode> {
    let mut before = None;
    loop {
        let documents = service.documents(DEFAULT_ORGANIZATION, 200, before).await?;
        for document in &documents {
            println!("{}", line(document));
        }
        match documents.last() {
            Some(last) => before = Some(last.id),
            None => return Ok(ExitCode::SUCCESS),
        }
    }
}

fn line(document: &KnowledgeDocument) -> String {
    let KnowledgeDocument { id, status, chunks, base, name, .. } = document;
    let vectors = if document.space.is_empty() { "" } else { " with vectors" };
    let reason = document.reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"));
    format!("{id}  {:<8} {chunks} chunks{vectors}  {base}/{name}{reason}", status.as_str())
}

async fn search(service: &Service, text: &str, bases: &[String], limit: usize) -> anyhow::Result<ExitCode> {
    let question = Question { organization: DEFAULT_ORGANIZATION, bases, text, limit, min_score: 0.0 };
    let found = service.search(&question).await?;
    for (number, passage) in found.passages.iter().enumerate() {
        let heading = if passage.heading.is_empty() { String::new() } else { format!(": {}", passage.heading) };
        println!("{}. {}{heading} ({:.2}, {})", number + 1, passage.name, passage.score, passage.chunk);
        for line in passage.text.lines() {
            println!("   {line}");
        }
    }
    if found.passages.is_empty() {
        println!("nothing found");
    }
    Ok(ExitCode::SUCCESS)
}

async fn remove(service: &Service, id: &str) -> anyhow::Result<ExitCode> {
    let Ok(id) = id.parse() else { anyhow::bail!("{id:?} is not an id, which `offhook knowledge list` prints") };
    if !service.delete(DEFAULT_ORGANIZATION, id).await? {
        anyhow::bail!("there is no document {id}");
    }
    // What is left of it is removed now, or by the server or the next start.
    let _ = service.settled(LOOK * 10).await?;
    println!("removed");
    Ok(ExitCode::SUCCESS)
}

/// Reads a PDF as [`Command::ReadPdf`](crate::cli::Command::ReadPdf) has it.
pub fn read_pdf() -> anyhow::Result<ExitCode> {
    rlimit::Resource::AS.set(PDF_MEMORY_MAX, PDF_MEMORY_MAX)?;
    rlimit::Resource::CPU.set(PDF_CPU_MAX, PDF_CPU_MAX)?;
    rlimit::Resource::CORE.set(0, 0)?;
    let mut bytes = Vec::new();
    std::io::stdin().lock().take(PDF_BYTES_MAX).read_to_end(&mut bytes)?;
    let pages = pdf_pages(&bytes)?;
    std::io::stdout().lock().write_all(pages.join("\u{c}").as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
