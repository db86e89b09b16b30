//! Header lines, unfolded, name and value apart. Parsing and framing both read through here, so that they cannot
//! disagree about where a message ends.

use std::borrow::Cow;

use super::header::canonical;
use super::{HeaderError, digits, name};

/// The length of start line, headers and the empty line after them, once they are all there.
pub(super) fn head_len(bytes: &[u8]) -> Option<usize> {
    let mut line = 0;
    while let Some(length) = bytes[line..].iter().position(|b| *b == b'\n') {
        let end = line + length;
        if matches!(bytes[line..end], [] | [b'\r']) {
            return Some(end + 1);
        }
        line = end + 1;
    }
    None
}

/// A message's head as text, borrowed when it is UTF-8 and else with U+FFFD for the bytes that are not.
pub(super) fn text(head: &[u8]) -> Cow<'_, str> {
    // `from_utf8_lossy` alone takes three times as long on text that is all right.
    str::from_utf8(head).map_or_else(|_| String::from_utf8_lossy(head), Cow::Borrowed)
}

/// One header line.
pub(super) struct Line<'a> {
    /// The name as we write it; as it was written, and no token, when the line is no header.
    pub name: Cow<'static, str>,
    /// The value without white space around it, each fold (RFC 3261 §7.3.1) become one space.
    pub value: Cow<'a, str>,
}

/// The lines of a message's head, one after another.
pub(super) struct Lines<'a> {
    rest: &'a str,
    /// Whether a line so far ended with LF alone.
    pub bare_line_feed: bool,
}

impl<'a> Lines<'a> {
    pub fn new(head: &'a str) -> Self {
        Self { rest: head, bare_line_feed: false }
    }

    /// The next line as it stands, without its line break. The first is the start line.
    pub fn raw(&mut self) -> &'a str {
        let Some((line, rest)) = self.rest.split_once('\n') else {
            return std::mem::take(&mut self.rest);
        };
        self.rest = rest;
        line.strip_suffix('\r').unwrap_or_else(|| {
            self.bare_line_feed = true;
            line
        })
    }
}

/// The header lines, once the start line is taken, up to the empty line.
impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        let line = self.raw();
        if line.is_empty() {
            return None;
        }
        let (name, value) = line.split_once(':').unwrap_or(("", line));
        let mut value = Cow::Borrowed(value.trim_ascii());
        while self.rest.starts_with([' ', '\t']) {
            let more = self.raw().trim_ascii();
            if value.is_empty() {
                value = Cow::Borrowed(more);
            } else if !more.is_empty() {
                let whole = value.to_mut();
                whole.push(' ');
                whole.push_str(more);
            }
        }
        Some(Line { name: canonical(name.trim_end_matches([' ', '\t'])), value })
    }
}

/// What the Content-Length headers say: nothing, one number, or something no length can be told from.
pub(super) fn content_length<'a>(values: impl Iterator<Item = &'a str>) -> Result<Option<usize>, HeaderError> {
    let mut said = None;
    for value in values {
        if said.is_some() {
            return Err(HeaderError::Repeated(name::CONTENT_LENGTH));
        }
        let length = digits(value).and_then(|length| usize::try_from(length).ok());
        said = Some(length.ok_or(HeaderError::Malformed(name::CONTENT_LENGTH))?);
    }
    Ok(said)
}
