//! Cutting a TCP stream into messages by Content-Length (RFC 3261 §18.3) and keep-alives (RFC 5626 §3.5.1).

use super::lines::{Lines, content_length, head_len, text};
use super::{HeaderError, MAX_MESSAGE_BYTES, ParseFault, name};

/// What the front of a stream's buffer is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Framing {
    /// Not all there yet: read more and ask again.
    NeedMore,
    /// So many bytes of line breaks: 4 are a ping, to be answered with CRLF; 2 are a pong or padding.
    Keepalive(usize),
    /// So many bytes are one message for [`parse`](super::parse).
    Message(usize),
    /// The stream cannot be cut any more: close it. No answer would be understood to belong to anything.
    Invalid(ParseFault),
}

/// Looks at the front of a stream's buffer. The buffer never needs to hold more than
/// [`MAX_MESSAGE_BYTES`]: a longer message is `Invalid` as soon as that shows.
pub fn frame(buffer: &[u8]) -> Framing {
    match buffer {
        [] | [b'\r'] | [b'\r', b'\n'] | [b'\r', b'\n', b'\r'] => return Framing::NeedMore,
        [b'\r', b'\n', b'\r', b'\n', ..] => return Framing::Keepalive(4),
        [b'\r', b'\n', ..] => return Framing::Keepalive(2),
        _ => {}
    }
    let Some(head_len) = head_len(buffer) else {
        return if buffer.len() < MAX_MESSAGE_BYTES {
            Framing::NeedMore
        } else {
            Framing::Invalid(ParseFault::TooLarge(buffer.len()))
        };
    };
    match body_len(&buffer[..head_len]) {
        Ok(length) if length > MAX_MESSAGE_BYTES.saturating_sub(head_len) => {
            Framing::Invalid(ParseFault::TooLarge(head_len.saturating_add(length)))
        }
        Ok(length) if head_len + length > buffer.len() => Framing::NeedMore,
        Ok(length) => Framing::Message(head_len + length),
        Err(error) => Framing::Invalid(error.into()),
    }
}

/// On a stream Content-Length must be there (RFC 3261 §20.14).
fn body_len(head: &[u8]) -> Result<usize, HeaderError> {
    let head = text(head);
    let mut lines = Lines::new(&head);
    lines.raw();
    let lengths: Vec<_> = lines.filter(|line| line.name == name::CONTENT_LENGTH).collect();
    content_length(lengths.iter().map(|line| line.value.as_ref()))?.ok_or(HeaderError::Missing(name::CONTENT_LENGTH))
}
