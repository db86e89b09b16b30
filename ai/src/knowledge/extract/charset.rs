//! Bytes as text: in the encoding of their mark, else in the one that the page itself names, else UTF-8, else windows-1252, as browsers
//! read them (HTML §13.2.3, the Encoding standard).

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252, X_USER_DEFINED};

use super::{ExtractError, Format, html};

/// What marks a text as UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// Bytes of a page that are looked at for what it says of its encoding, as browsers do.
const HEAD_BYTES: usize = 1024;

/// The bytes of a document as they are kept when a server has named their encoding: what it said is not kept with them, so they become
/// UTF-8 with its mark. Others stay as they are.
#[must_use]
pub fn kept(format: Format, bytes: Vec<u8>, content_type: &str) -> Vec<u8> {
    let named = parameter(content_type).and_then(|label| Encoding::for_label(label.as_bytes()));
    match named {
        Some(named) if format != Format::Pdf && Encoding::for_bom(&bytes).is_none() => {
            let (text, _) = named.decode_without_bom_handling(&bytes);
            [MARK, text.as_bytes()].concat()
        }
        _ => bytes,
    }
}

/// A document that is written in text, as text.
pub(super) fn text(format: Format, bytes: &[u8]) -> Result<String, ExtractError> {
    let wrong = |at| ExtractError::NotText { format, at };
    let text = if let Some((marked, mark)) = Encoding::for_bom(bytes) {
        let rest = &bytes[mark..];
        let decoded = marked.decode_without_bom_handling_and_without_replacement(rest);
        decoded.ok_or_else(|| wrong(first_wrong(marked, rest)))?
    } else if let Some(named) = named_within(format, bytes) {
        named.decode_without_bom_handling(bytes).0
    } else {
        match std::str::from_utf8(bytes) {
            Ok(text) => text.into(),
            Err(error) => {
                let (text, _) = WINDOWS_1252.decode_without_bom_handling(bytes);
                // A picture or a program has bytes that no text has.
                let control = |c: char| c.is_control() && !c.is_whitespace();
                if text.contains(control) {
                    return Err(wrong(error.valid_up_to()));
                }
                text
            }
        }
    };
    match text.find('\0') {
        Some(at) => Err(wrong(at)),
        None => Ok(text.into_owned()),
    }
}

/// The first byte that is none of a marked text; 0 where that cannot be told.
fn first_wrong(encoding: &'static Encoding, bytes: &[u8]) -> usize {
    if encoding == UTF_8 { std::str::from_utf8(bytes).map_or_else(|error| error.valid_up_to(), str::len) } else { 0 }
}

/// The encoding that a page of HTML names at its beginning.
fn named_within(format: Format, bytes: &[u8]) -> Option<&'static Encoding> {
    if format != Format::Html {
        return None;
    }
    // Every encoding that a page can name within itself has ASCII where this has it.
    let (head, _) = WINDOWS_1252.decode_without_bom_handling(&bytes[..bytes.len().min(HEAD_BYTES)]);
    let label = html::charset(&head).or_else(|| of_xml(&head))?;
    match Encoding::for_label(label.as_bytes())? {
        utf16 if utf16 == UTF_16BE || utf16 == UTF_16LE => Some(UTF_8),
        own if own == X_USER_DEFINED => Some(WINDOWS_1252),
        named => Some(named),
    }
}

/// The encoding of an XML declaration, where there is one.
fn of_xml(head: &str) -> Option<String> {
    let (declaration, _) = head.strip_prefix("<?xml")?.split_once('>')?;
    let (_, value) = declaration.split_once("encoding")?;
    let value = value.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    value[1..].split(quote).next().map(str::to_owned)
}

/// The `charset` of a content type (RFC 9110 §8.3.2).
pub(super) fn parameter(content_type: &str) -> Option<String> {
    let parameters = content_type.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    let value = parameters.filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset")).map(|(_, value)| value);
    value.map(|value| value.trim().trim_matches(['"', '\'']).to_owned()).find(|value| !value.is_empty())
}
