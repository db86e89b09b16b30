//! PDF, page by page.

use pdf_extract::{Document, OutputError, PlainTextOutput, output_doc_page};

use super::{ExtractError, TEXT_BYTES_MAX};

/// Most pages of a PDF: a book; each page takes milliseconds.
pub const PAGES_MAX: usize = 2000;

/// The text of each page of a PDF.
///
/// # Errors
/// [`ExtractError::Pdf`], [`Encrypted`](ExtractError::Encrypted), [`TooManyPages`](ExtractError::TooManyPages),
/// [`TooMuchText`](ExtractError::TooMuchText).
///
/// # Panics
/// When the PDF is more than its library can stand: it may then also overflow the stack, or take all memory and time. So it is
/// a program of its own that calls this, but in tests.
pub fn pdf_pages(bytes: &[u8]) -> Result<Vec<String>, ExtractError> {
    look(bytes)?;
    let mut document = Document::load_mem(bytes).map_err(|error| ExtractError::Pdf(error.to_string()))?;
    // Many are encrypted with no password, only to forbid printing.
    if document.is_encrypted() && document.decrypt("").is_err() {
        return Err(ExtractError::Encrypted);
    }
    let numbers: Vec<u32> = document.get_pages().into_keys().collect();
    if numbers.len() > PAGES_MAX {
        return Err(ExtractError::TooManyPages { pages: numbers.len(), limit: PAGES_MAX });
    }
    let (mut pages, mut length) = (Vec::new(), 0);
    for number in numbers {
        let mut text = String::new();
        let mut output = PlainTextOutput::<&mut String>::new(&mut text);
        output_doc_page(&document, &mut output, number).map_err(|error| unreadable(number, &error))?;
        length += text.len();
        if length > TEXT_BYTES_MAX {
            return Err(ExtractError::TooMuchText { limit: TEXT_BYTES_MAX });
        }
        pages.push(text);
    }
    Ok(pages)
}

/// Whether it says that it is a PDF.
pub(super) fn look(bytes: &[u8]) -> Result<(), ExtractError> {
    // The mark may stand after some bytes of a mail's, but not anywhere.
    match bytes[..bytes.len().min(1024)].windows(5).any(|mark| mark == b"%PDF-") {
        true => Ok(()),
        false => Err(ExtractError::Pdf("it does not begin with %PDF-".to_owned())),
    }
}

fn unreadable(page: u32, error: &OutputError) -> ExtractError {
    ExtractError::Pdf(format!("page {page}: {error}"))
}
