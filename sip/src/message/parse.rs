//! From bytes to a message.

use std::borrow::Cow;

use bytes::Bytes;

use super::error::{ParseError, ParseFault, Warning};
use super::lines::{Line, Lines, content_length, head_len, text};
use super::{
    Headers, MAX_HEADERS, MAX_LINE_BYTES, MAX_MESSAGE_BYTES, Message, Method, Request, Response, StatusCode, is_token, name,
};
use crate::uri::{Uri, split_outside_quotes};

/// A message that was taken, and what was odd about it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Parsed {
    /// The message.
    pub message: Message,
    /// What was odd, each thing once.
    pub warnings: Vec<Warning>,
}

/// Headers whose lines may hold several values with commas between, and whose values are handled one by one.
const SPLIT_AT_COMMAS: [&str; 4] = [name::VIA, name::CONTACT, name::ROUTE, name::RECORD_ROUTE];

/// Reads one message: a datagram, or what [`frame`](super::frame) cut from a stream.
///
/// After it, Via, From, To, Call-ID and CSeq are there and well formed; of a request also Contact, Route, Record-Route,
/// Max-Forwards and Content-Type where they are there.
///
/// # Errors
/// [`ParseError`] with the fault, and with the answer when it is a request that can have one.
pub fn parse(bytes: &[u8]) -> Result<Parsed, ParseError> {
    if bytes.len() > MAX_MESSAGE_BYTES {
        return Err(ParseError::dropped(ParseFault::TooLarge(bytes.len())));
    }
    // RFC 3261 §7.5: empty lines before the start line are keep-alives and are skipped.
    let start = bytes.iter().position(|b| !matches!(b, b'\r' | b'\n'));
    let bytes = &bytes[start.ok_or_else(|| ParseError::dropped(ParseFault::Empty))?..];

    let mut warnings = Vec::new();
    let head_len = head_len(bytes).unwrap_or_else(|| {
        warnings.push(Warning::NoBlankLine);
        bytes.len()
    });
    let (head, rest) = bytes.split_at(head_len);
    let head = text(head);
    if matches!(head, Cow::Owned(_)) {
        warnings.push(Warning::NotUtf8);
    }
    let mut lines = Lines::new(&head);
    let start_line = lines.raw();
    let mut reader = Reader { headers: Headers::default(), body: Bytes::new(), warnings };
    let mut read = reader.read(&mut lines, rest);
    if start_line.len() > MAX_LINE_BYTES {
        read = Err(ParseFault::LineTooLong(start_line.len()));
    }
    if starts_with_version(start_line) { reader.response(start_line, read) } else { reader.request(start_line, read) }
}

fn starts_with_version(line: &str) -> bool {
    line.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("SIP/"))
}

struct Reader {
    headers: Headers,
    body: Bytes,
    warnings: Vec<Warning>,
}

impl Reader {
    /// Reads headers and body. The headers are filled as far as they go even when there is a fault, to answer by.
    fn read(&mut self, lines: &mut Lines<'_>, rest: &[u8]) -> Result<(), ParseFault> {
        let mut lengths = Vec::new();
        let mut fault = None;
        for Line { name, value } in &mut *lines {
            let length = name.len() + value.len();
            if length > MAX_LINE_BYTES {
                fault.get_or_insert(ParseFault::LineTooLong(length));
            } else if !is_token(&name) {
                self.warn(Warning::LineSkipped);
            } else if name == name::CONTENT_LENGTH {
                lengths.push(value);
            } else {
                self.push(name, value);
            }
            if self.headers.len() + lengths.len() > MAX_HEADERS {
                return Err(ParseFault::TooManyHeaders);
            }
        }
        if lines.bare_line_feed {
            self.warn(Warning::BareLineFeed);
        }
        fault.map_or(Ok(()), Err)?;
        let length = content_length(lengths.iter().map(Cow::as_ref))?.unwrap_or(rest.len());
        let Some(body) = rest.get(..length) else {
            return Err(ParseFault::BodyTooShort { said: length, found: rest.len() });
        };
        if length < rest.len() {
            self.warn(Warning::BytesAfterBody(rest.len() - length));
        }
        self.body = Bytes::copy_from_slice(body);
        Ok(())
    }

    fn push(&mut self, name: Cow<'static, str>, value: Cow<'_, str>) {
        // Most lines hold one value: look before splitting.
        if value.contains(',') && SPLIT_AT_COMMAS.contains(&name.as_ref()) {
            let values = split_outside_quotes(&value, b',').map(str::trim_ascii);
            for value in values.filter(|value| !value.is_empty()) {
                self.headers.push_canonical(name.clone(), value.to_owned());
            }
        } else {
            self.headers.push_canonical(name, value.into_owned());
        }
    }

    fn warn(&mut self, warning: Warning) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    fn response(self, start_line: &str, read: Result<(), ParseFault>) -> Result<Parsed, ParseError> {
        let (status, reason) = read
            .and_then(|()| status_line(start_line))
            .and_then(|line| required(&self.headers, None).map(|()| line))
            .map_err(ParseError::dropped)?;
        let response = Response { status, reason: reason.replace('\r', " "), headers: self.headers, body: self.body };
        Ok(Parsed { message: response.into(), warnings: self.warnings })
    }

    fn request(mut self, start_line: &str, read: Result<(), ParseFault>) -> Result<Parsed, ParseError> {
        let (method, uri, line_fault) = request_line(start_line).map_err(ParseError::dropped)?;
        let checked = line_fault.map_or(Ok(()), Err).and(read).and_then(|()| {
            required(&self.headers, Some(&method))?;
            self.headers.contacts()?;
            self.headers.routes()?;
            self.headers.record_routes()?;
            self.headers.content_type()?;
            if self.headers.max_forwards()?.is_none() {
                self.warn(Warning::NoMaxForwards);
            }
            Ok(())
        });
        let request = Request { method, uri, headers: self.headers, body: self.body };
        match checked {
            Ok(()) => Ok(Parsed { message: request.into(), warnings: self.warnings }),
            Err(fault) => Err(ParseError::refused(fault, request)),
        }
    }
}

/// `SIP/2.0 200 OK`; the reason may be empty, and the space before it missing then.
fn status_line(line: &str) -> Result<(StatusCode, &str), ParseFault> {
    let (version, rest) = line.split_once(' ').ok_or(ParseFault::StartLine)?;
    if !version.eq_ignore_ascii_case("SIP/2.0") {
        return Err(ParseFault::Version);
    }
    let (code, reason) = rest.split_once(' ').unwrap_or((rest, ""));
    let code = Some(code).filter(|code| code.len() == 3).and_then(super::digits);
    let status = code.and_then(|code| StatusCode::new(u16::try_from(code).ok()?));
    status.map(|status| (status, reason)).ok_or(ParseFault::StatusCode)
}

/// `INVITE sip:user@host SIP/2.0`, one space each (RFC 3261 §7.1). A line with a method gives a request to answer by,
/// and the fault when something is wrong with the rest.
fn request_line(line: &str) -> Result<(Method, Uri, Option<ParseFault>), ParseFault> {
    let (method, rest) = line.split_once(' ').ok_or(ParseFault::StartLine)?;
    let method = method.parse().map_err(|_| ParseFault::StartLine)?;
    let (uri, version) = rest.rsplit_once(' ').ok_or(ParseFault::StartLine)?;
    let stand_in = || Uri::Other(String::new());
    if !version.eq_ignore_ascii_case("SIP/2.0") {
        let fault = if starts_with_version(version) { ParseFault::Version } else { ParseFault::StartLine };
        return Ok((method, stand_in(), Some(fault)));
    }
    Ok(match uri.parse() {
        Ok(uri) => (method, uri, None),
        Err(fault) => (method, stand_in(), Some(ParseFault::RequestUri(fault))),
    })
}

/// RFC 3261 §8.1.1: what every message must have, once and well formed.
fn required(headers: &Headers, method: Option<&Method>) -> Result<(), ParseFault> {
    headers.top_via()?;
    headers.from()?;
    headers.to()?;
    headers.call_id()?;
    let cseq = headers.cseq()?;
    match method {
        Some(method) if *method != cseq.method => Err(ParseFault::CSeqMethod),
        _ => Ok(()),
    }
}
