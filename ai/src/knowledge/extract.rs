//! Text out of documents: plain text, Markdown, HTML and PDF become blocks, which are headings and paragraphs.
//!
//! [`extract`] takes its time on the thread it is called on; a server reads documents with a [`Reader`], off its own threads and
//! with an end.

mod charset;
mod html;
mod markdown;
mod pdf;
mod reader;

use std::fmt;
use std::str::FromStr;

pub use charset::kept;
pub use pdf::{PAGES_MAX, pdf_pages};
pub use reader::{PdfProgram, Reader};

/// Most text that is taken out of one document, in bytes: a PDF of 20 MB can hold gigabytes, and a book has two.
pub const TEXT_BYTES_MAX: usize = 32 << 20;

/// What a document is written in.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Format {
    /// HTML, as browsers read it; scripts, styles and navigation are left out.
    Html,
    /// CommonMark with tables.
    Markdown,
    /// PDF with text in it; pictures of text are not read.
    Pdf,
    /// Text; an empty line ends a paragraph.
    Text,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 4] = [Self::Html, Self::Markdown, Self::Pdf, Self::Text];

    /// The word for it in the database and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Html => "html",
            Self::Markdown => "markdown",
            Self::Pdf => "pdf",
            Self::Text => "text",
        }
    }

    /// The format that the ending of a file's name or of a URL's path says; `None` for one that is not known.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        let (_, ending) = name.rsplit_once('.')?;
        match ending.to_ascii_lowercase().as_str() {
            "html" | "htm" | "xhtml" => Some(Self::Html),
            "md" | "markdown" => Some(Self::Markdown),
            "pdf" => Some(Self::Pdf),
            "txt" | "text" | "log" | "csv" => Some(Self::Text),
            _ => None,
        }
    }

    /// The format of a `Content-Type`; `None` for one that is not read.
    #[must_use]
    pub fn of_content_type(content_type: &str) -> Option<Self> {
        let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match essence.as_str() {
            "text/html" | "application/xhtml+xml" => Some(Self::Html),
            "text/markdown" | "text/x-markdown" => Some(Self::Markdown),
            "application/pdf" => Some(Self::Pdf),
            "text/plain" | "text/csv" => Some(Self::Text),
            _ => None,
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no [`Format`].
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0:?} is not one of html, markdown, pdf, text")]
pub struct UnknownFormat(pub String);

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(word: &str) -> Result<Self, UnknownFormat> {
        Self::ALL.into_iter().find(|format| format.as_str() == word).ok_or_else(|| UnknownFormat(word.to_owned()))
    }
}

/// What a block is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BlockKind {
    /// A heading of this level, 1 the highest.
    Heading(u8),
    /// Anything else: a paragraph, an item of a list, a row of a table, a page of a PDF.
    Paragraph,
}

/// A piece of a document that belongs together.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Block {
    /// What it is.
    pub kind: BlockKind,
    /// Its text, not empty, without white space at the ends.
    pub text: String,
}

impl Block {
    /// A heading.
    #[must_use]
    pub fn heading(level: u8, text: &str) -> Self {
        Self { kind: BlockKind::Heading(level), text: text.to_owned() }
    }

    /// A paragraph.
    #[must_use]
    pub fn paragraph(text: &str) -> Self {
        Self { kind: BlockKind::Paragraph, text: text.to_owned() }
    }
}

/// Why no text came out of a document: its author's to mend.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ExtractError {
    /// Bytes that are no text.
    #[error("the {format} is no text: byte {at} is of none; save it as UTF-8")]
    NotText {
        /// What it should be.
        format: Format,
        /// The first byte that is wrong.
        at: usize,
    },
    /// Nothing to read in it.
    #[error("the {0} has no text{hint}", hint = if *.0 == Format::Pdf { "; pictures of text are not read" } else { "" })]
    Empty(Format),
    /// A PDF that is none, or is broken.
    #[error("the PDF cannot be read: {0}")]
    Pdf(String),
    /// A PDF with a password.
    #[error("the PDF is encrypted; save it without a password")]
    Encrypted,
    /// More text than is taken.
    #[error("the document has more than {limit} bytes of text")]
    TooMuchText {
        /// The limit.
        limit: usize,
    },
    /// More pages than are read.
    #[error("the PDF has {pages} pages, more than {limit}")]
    TooManyPages {
        /// How many it has.
        pages: usize,
        /// The limit.
        limit: usize,
    },
    /// It took too long.
    #[error("the {format} was not read within {seconds} s")]
    Late {
        /// What it is.
        format: Format,
        /// The limit.
        seconds: u64,
    },
}

/// The blocks of a document.
///
/// # Errors
/// [`ExtractError`]; a document without a word is [`ExtractError::Empty`].
///
/// # Panics
/// On a PDF that its library cannot stand; and it can overflow the stack. See [`Reader`].
pub fn extract(format: Format, bytes: &[u8]) -> Result<Vec<Block>, ExtractError> {
    let blocks = match format {
        Format::Html => html::blocks(&charset::text(format, bytes)?),
        Format::Markdown => markdown::blocks(&charset::text(format, bytes)?),
        Format::Pdf => pdf_blocks(&pdf_pages(bytes)?),
        Format::Text => paragraphs(&charset::text(format, bytes)?),
    };
    checked(format, blocks)
}

/// Whether `bytes` can be a document of `format` at all, as far as a look tells that takes milliseconds.
///
/// # Errors
/// [`ExtractError::Pdf`], [`ExtractError::NotText`].
pub fn look(format: Format, bytes: &[u8]) -> Result<(), ExtractError> {
    match format {
        Format::Pdf => pdf::look(bytes),
        Format::Html | Format::Markdown | Format::Text => charset::text(format, bytes).map(drop),
    }
}

fn checked(format: Format, blocks: Vec<Block>) -> Result<Vec<Block>, ExtractError> {
    if !blocks.iter().any(|block| block.kind == BlockKind::Paragraph) {
        return Err(ExtractError::Empty(format));
    }
    if blocks.iter().map(|block| block.text.len()).sum::<usize>() > TEXT_BYTES_MAX {
        return Err(ExtractError::TooMuchText { limit: TEXT_BYTES_MAX });
    }
    Ok(blocks)
}

/// Text that an empty line parts.
fn paragraphs(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines: Vec<&str> = Vec::new();
    for line in text.lines().chain([""]) {
        if !line.trim().is_empty() {
            lines.push(line);
        } else if !lines.is_empty() {
            blocks.push(Block::paragraph(&squeezed(&lines.join(" "))));
            lines.clear();
        }
    }
    blocks
}

/// The pages of a PDF one after the other, so that a sentence may go on on the next; lines that begin a paragraph are not known.
fn pdf_blocks(pages: &[String]) -> Vec<Block> {
    pages.iter().flat_map(|page| paragraphs(page)).collect()
}

/// `text` with each run of white space as one space, and none at the ends.
fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Blocks as they come out of nested markup.
#[derive(Debug, Default)]
struct Builder {
    blocks: Vec<Block>,
    text: String,
    heading: Option<u8>,
}

impl Builder {
    fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Ends a block, if there is text of one.
    fn end(&mut self) {
        let text = squeezed(&std::mem::take(&mut self.text));
        if !text.is_empty() {
            let kind = self.heading.map_or(BlockKind::Paragraph, BlockKind::Heading);
            self.blocks.push(Block { kind, text });
        }
    }

    /// Ends a block and begins a heading, or with `None` anything else.
    fn begin(&mut self, heading: Option<u8>) {
        self.end();
        self.heading = heading;
    }

    fn finish(mut self) -> Vec<Block> {
        self.end();
        self.blocks
    }
}

#[cfg(test)]
mod tests;
