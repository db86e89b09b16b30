//! Cuts the body of an answer into pieces: octets, lines, server-sent events, or all of it at once.

use bytes::Bytes;

use crate::engine::{EngineError, Words};
use crate::link::{Answer, LinkInput};

/// The longest line, event or whole answer in bytes. Deltas are a few kilobytes; the last event of an answer may tell all of it again.
pub const MAX_TEXT: usize = 1 << 20;

/// The longest answer in bytes, however it is cut: five minutes of speech at 24 kHz.
pub const MAX_ANSWER: usize = 16 << 20;

/// The most octets handed over at once: a second of 8 kHz samples.
pub const MAX_PIECE: usize = 16 << 10;

/// Cuts one answer, fed as it comes from the network.
#[derive(Debug)]
pub(super) struct Pieces {
    answer: Answer,
    /// Octets fed so far.
    length: usize,
    lines: Lines,
    /// Of an event that is not complete.
    data: Option<Vec<u8>>,
}

impl Pieces {
    pub(super) fn new(answer: Answer) -> Self {
        Self { answer, length: 0, lines: Lines::default(), data: None }
    }

    /// Takes the next octets, and gives what they complete.
    ///
    /// # Errors
    /// The answer, a line or an event is too long.
    pub(super) fn feed(&mut self, octets: Bytes, out: &mut Vec<LinkInput>) -> Result<(), EngineError> {
        self.length = self.length.saturating_add(octets.len());
        if self.length > MAX_ANSWER {
            return Err(too_long("answer", MAX_ANSWER));
        }
        match self.answer {
            Answer::Bytes => {
                let mut rest = octets;
                while !rest.is_empty() {
                    out.push(LinkInput::Binary(rest.split_to(rest.len().min(MAX_PIECE))));
                }
                Ok(())
            }
            Answer::Events => {
                let Self { lines, data, .. } = self;
                lines.feed(&octets, |line| event_line(line, data, out))
            }
            Answer::Lines => self.lines.feed(&octets, |line| {
                if !line.is_empty() {
                    out.push(text(line));
                }
                Ok(())
            }),
            Answer::Whole => self.lines.keep(&octets),
        }
    }

    /// The answer is complete: gives what was kept.
    pub(super) fn finish(mut self, out: &mut Vec<LinkInput>) {
        match self.answer {
            Answer::Bytes => {}
            // The specification forgets an event without an empty line behind it. Servers forget that line, not half an event.
            Answer::Events => out.extend(self.data.as_deref().map(text)),
            Answer::Lines | Answer::Whole => {
                let rest = std::mem::take(&mut self.lines.kept);
                if !rest.is_empty() || self.answer == Answer::Whole {
                    out.push(text(&rest));
                }
            }
        }
    }
}

/// One line of an event stream (WHATWG HTML §9.2.6). Of its fields only `data` is of use: the providers name the event in there too.
fn event_line(line: &[u8], data: &mut Option<Vec<u8>>, out: &mut Vec<LinkInput>) -> Result<(), EngineError> {
    if line.is_empty() {
        out.extend(data.take().as_deref().map(text));
        return Ok(());
    }
    let line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
    let value = match line.strip_prefix(b"data") {
        Some([]) => &[],
        Some([b':', b' ', value @ ..] | [b':', value @ ..]) => value,
        _ => return Ok(()),
    };
    match data {
        None => *data = Some(value.to_vec()),
        Some(data) if data.len() + value.len() < MAX_TEXT => {
            data.push(b'\n');
            data.extend_from_slice(value);
        }
        Some(_) => return Err(too_long("event", MAX_TEXT)),
    }
    Ok(())
}

/// Rubbish that is not UTF-8 becomes U+FFFD.
fn text(octets: &[u8]) -> LinkInput {
    LinkInput::Text(Words::from(String::from_utf8_lossy(octets).into_owned()))
}

fn too_long(what: &str, limit: usize) -> EngineError {
    EngineError::Protocol { reason: format!("{what} is over {limit} bytes") }
}

/// Lines that end in LF, CR or CR LF.
#[derive(Debug, Default)]
struct Lines {
    /// The beginning of a line whose end has not come.
    kept: Vec<u8>,
    /// The last octet was CR: an LF that follows belongs to it.
    after_cr: bool,
}

impl Lines {
    fn feed(&mut self, octets: &[u8], mut line: impl FnMut(&[u8]) -> Result<(), EngineError>) -> Result<(), EngineError> {
        let mut rest = octets;
        while let Some((&first, behind)) = rest.split_first() {
            if std::mem::take(&mut self.after_cr) && first == b'\n' {
                rest = behind;
                continue;
            }
            let Some(end) = rest.iter().position(|octet| matches!(octet, b'\n' | b'\r')) else {
                return self.keep(rest);
            };
            if self.kept.is_empty() {
                line(&rest[..end])?;
            } else {
                self.keep(&rest[..end])?;
                line(&self.kept)?;
                self.kept.clear();
            }
            self.after_cr = rest[end] == b'\r';
            rest = &rest[end + 1..];
        }
        Ok(())
    }

    fn keep(&mut self, octets: &[u8]) -> Result<(), EngineError> {
        if self.kept.len() + octets.len() > MAX_TEXT {
            return Err(too_long("line", MAX_TEXT));
        }
        self.kept.extend_from_slice(octets);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
