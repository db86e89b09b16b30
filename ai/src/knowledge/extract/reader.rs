//! Reads documents away from the threads that calls and requests need, and not longer than allowed.

use std::ffi::OsString;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

use super::{Block, ExtractError, Format, TEXT_BYTES_MAX, checked, extract, pdf_blocks};

/// Time that reading one document may take: a book of 2,000 pages takes ten seconds.
const READING_TIME_MAX: Duration = Duration::from_secs(60);

/// A program that reads a PDF from its standard input and writes its pages to its standard output, each ended by a form feed.
/// A PDF that makes it crash, or fills its memory, harms nothing else.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PdfProgram {
    /// The program.
    pub program: OsString,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

/// Reads documents.
#[derive(Clone, Debug, Default)]
pub struct Reader {
    pdf: Option<PdfProgram>,
}

impl Reader {
    /// One that reads PDF by this program; by `None` within the process, which a bad PDF can then bring down.
    #[must_use]
    pub fn new(pdf: Option<PdfProgram>) -> Self {
        Self { pdf }
    }

    /// The blocks of a document, within 60 s.
    ///
    /// # Errors
    /// [`ExtractError`].
    pub async fn read(&self, format: Format, bytes: Vec<u8>) -> Result<Vec<Block>, ExtractError> {
        let late = ExtractError::Late { format, seconds: READING_TIME_MAX.as_secs() };
        let reading = async {
            match (&self.pdf, format) {
                (Some(program), Format::Pdf) => {
                    let pages = program.pages(bytes).await?;
                    checked(format, pdf_blocks(&pages))
                }
                _ => on_a_thread(format, bytes).await,
            }
        };
        tokio::time::timeout(READING_TIME_MAX, reading).await.unwrap_or(Err(late))
    }
}

async fn on_a_thread(format: Format, bytes: Vec<u8>) -> Result<Vec<Block>, ExtractError> {
    let read = tokio::task::spawn_blocking(move || extract(format, &bytes)).await;
    // A panic of the PDF library ends its task only.
    read.unwrap_or_else(|_| Err(ExtractError::Pdf("it is broken".to_owned())))
}

impl PdfProgram {
    async fn pages(&self, bytes: Vec<u8>) -> Result<Vec<String>, ExtractError> {
        let failed = |error: std::io::Error| ExtractError::Pdf(format!("the reader cannot be run: {error}"));
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().map_err(failed)?;
        let (input, output, errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let write = async {
            if let Some(mut input) = input {
                // A reader that ended early says why on its standard error.
                let _ = input.write_all(&bytes).await;
            }
        };
        let text = bounded(output, TEXT_BYTES_MAX as u64 + 1);
        let reason = bounded(errors, 4096);
        let ((), text, reason) = tokio::join!(write, text, reason);
        if text.len() > TEXT_BYTES_MAX {
            return Err(ExtractError::TooMuchText { limit: TEXT_BYTES_MAX });
        }
        let status = child.wait().await.map_err(failed)?;
        if !status.success() {
            return Err(refusal(status, &String::from_utf8_lossy(&reason)));
        }
        let text = String::from_utf8_lossy(&text);
        Ok(text.split('\u{c}').map(str::to_owned).collect())
    }
}

/// What a reader that failed had to say: its last line, when it ended by itself.
fn refusal(status: ExitStatus, errors: &str) -> ExtractError {
    let last = errors.lines().rev().find(|line| !line.trim().is_empty());
    match (status.code(), last) {
        (Some(1), Some(line)) => ExtractError::Pdf(line.trim_start_matches("the PDF cannot be read: ").to_owned()),
        _ => ExtractError::Pdf("it is broken".to_owned()),
    }
}

async fn bounded(pipe: Option<impl tokio::io::AsyncRead + Unpin>, max: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        let _ = pipe.take(max).read_to_end(&mut bytes).await;
    }
    bytes
}
