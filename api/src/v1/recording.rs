//! `/api/v1/calls/{id}/recording`: the stereo file of a call, whole or in part.

use std::fs::File;
use std::io::{Read as _, Result as IoResult, Seek as _, SeekFrom};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream;
use store::{CallId, Keyring, Recording, RecordingReader, RecordingState};
use tokio::task::spawn_blocking;

use super::V1;
use super::access::Asked;
use super::calls::{known, own};
use crate::problem::Problem;

/// Bytes read at a time: two seconds of both sides.
const PIECE: usize = 64 * 1024;

/// The recording of a call: WAV, the caller on the left and the agent on the right. One range of bytes may be asked for.
#[utoipa::path(get, path = "/api/v1/calls/{id}/recording", tag = "calls",
    params(("id" = String, Path), ("Range" = Option<String>, Header), ("If-None-Match" = Option<String>, Header)),
    responses((status = 200, content_type = "audio/wav"), (status = 206, content_type = "audio/wav"), (status = 304),
        (status = 404), (status = 409, description = "it is being written"), (status = 416)))]
pub(super) async fn show(
    State(api): State<Arc<V1>>,
    asked: Asked,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let record = own(&api, &asked, known(&id)?).await?;
    let recordings = api.people()?.store().recordings(record.call.id).await?;
    let chosen = choose(&recordings)?;
    let tag = tag_of(chosen);
    if given(&headers, header::IF_NONE_MATCH).is_some_and(|known| names(known, &tag)) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
    }
    let missing = || Problem::new(StatusCode::NOT_FOUND, "the file of the recording is not on this node");
    let path = api.gate.recording_file(&chosen.path).ok_or_else(missing)?;
    let keys = api.people()?.store().seals().keys();
    let (call, whole) = (record.call.id, chosen.state != RecordingState::Failed);
    match spawn_blocking(move || open(path, &keys, call, whole)).await {
        Ok(Ok(Ok(file))) => answer(file, "audio/wav", tag, &headers).await,
        Ok(Ok(Err(reason))) => {
            tracing::error!(%call, reason, "a recording cannot be opened");
            Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, format!("the recording cannot be opened: {reason}")))
        }
        Ok(Err(_)) | Err(_) => Err(missing()),
    }
}

/// A recording, sealed or not.
pub(super) type Opened = RecordingReader<File>;

/// Opens the file of a call's recording: the file's own error, or what is wrong with its seal. Of one that is `whole` the end is there.
fn open(path: PathBuf, keys: &Keyring, call: CallId, whole: bool) -> IoResult<Result<Opened, String>> {
    let file = File::open(path)?;
    let reader = match RecordingReader::open(file, keys) {
        Ok(reader) => reader,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let own = call.to_bits().to_be_bytes();
    Ok(match reader.call() {
        Some(other) if other != own => Err("it is sealed as the recording of another call".to_owned()),
        _ if whole && !reader.is_whole() => Err("its end is missing".to_owned()),
        _ => Ok(reader),
    })
}

/// The recording that is to be heard: the latest that is closed.
fn choose(recordings: &[Recording]) -> Result<&Recording, Problem> {
    let usable = |recording: &&Recording| match recording.state {
        RecordingState::Complete | RecordingState::Repaired => true,
        RecordingState::Failed => recording.bytes.is_some_and(|bytes| bytes > 0),
        RecordingState::Writing => false,
    };
    recordings.iter().rev().find(usable).ok_or_else(|| {
        let being_written = recordings.iter().any(|recording| recording.state == RecordingState::Writing);
        match being_written {
            true => Problem::new(StatusCode::CONFLICT, "the recording is still being written").again_after(5),
            false => Problem::new(StatusCode::NOT_FOUND, "this call has no recording"),
        }
    })
}

/// Of one file there is one content once it is closed.
fn tag_of(recording: &Recording) -> String {
    let Recording { call, state, opened_at, bytes, .. } = recording;
    format!("\"{call}-{}-{}-{state}\"", opened_at.micros(), bytes.unwrap_or(0))
}

fn given(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// Whether a list of tags names this one (RFC 9110 §13.1.2).
fn names(list: &str, tag: &str) -> bool {
    list.trim() == "*" || list.split(',').any(|one| one.trim().trim_start_matches("W/") == tag)
}

/// What part of a file is asked for.
#[derive(Debug, Eq, PartialEq)]
enum Wanted {
    Part(Range<u64>),
    Whole,
    /// None of it is there.
    Nothing,
}

/// One range of bytes (RFC 9110 §14.1.2); more than one, and other units, are answered with the whole, as is allowed.
fn wanted(range: Option<&str>, length: u64) -> Wanted {
    let one = range.and_then(|range| range.trim().strip_prefix("bytes=")).filter(|list| !list.contains(','));
    let Some((first, last)) = one.and_then(|one| one.trim().split_once('-')) else { return Wanted::Whole };
    let part = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => first..last.saturating_add(1).min(length),
        (Ok(first), Err(_)) if last.is_empty() => first..length,
        (Err(_), Ok(last)) if first.is_empty() => length.saturating_sub(last)..length,
        _ => return Wanted::Whole,
    };
    if part.start < part.end { Wanted::Part(part) } else { Wanted::Nothing }
}

/// A file of this kind, or the part of it that is asked for.
pub(super) async fn answer(mut file: Opened, kind: &'static str, tag: String, headers: &HeaderMap) -> Result<Response, Problem> {
    let length = file.length();
    // A part of what has changed since is of no use.
    let unchanged = given(headers, header::IF_RANGE).is_none_or(|known| known == tag);
    let range = given(headers, header::RANGE).filter(|_| unchanged);
    let (status, part) = match wanted(range, length) {
        Wanted::Whole => (StatusCode::OK, 0..length),
        Wanted::Part(part) => (StatusCode::PARTIAL_CONTENT, part),
        Wanted::Nothing => {
            let detail = format!("the file has {length} bytes");
            let mut response = Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, detail).into_response();
            response.headers_mut().extend(value(header::CONTENT_RANGE, format!("bytes */{length}")));
            return Ok(response);
        }
    };
    let broken = |_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the file cannot be read");
    file.seek(SeekFrom::Start(part.start)).map_err(broken)?;
    let size = part.end - part.start;
    let mut response = (status, Body::from_stream(pieces(file, size))).into_response();
    let more = [
        value(header::CONTENT_TYPE, kind.to_owned()),
        value(header::ACCEPT_RANGES, "bytes".to_owned()),
        value(header::CONTENT_LENGTH, size.to_string()),
        value(header::ETAG, tag),
        // What people said is not for caches on the way.
        value(header::CACHE_CONTROL, "private".to_owned()),
        value(header::CONTENT_RANGE, format!("bytes {}-{}/{length}", part.start, part.end.saturating_sub(1)))
            .filter(|_| status == StatusCode::PARTIAL_CONTENT),
    ];
    response.headers_mut().extend(more.into_iter().flatten());
    Ok(response)
}

fn value(name: HeaderName, value: String) -> Option<(HeaderName, axum::http::HeaderValue)> {
    Some((name, value.parse().ok()?))
}

/// The next `left` bytes of a file, piece by piece.
fn pieces(file: Opened, left: u64) -> impl stream::Stream<Item = IoResult<Bytes>> {
    stream::try_unfold((file, left), async |(mut file, left)| {
        let size = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        let (file, piece) = spawn_blocking(move || {
            let mut piece = vec![0; size];
            let read = file.read(&mut piece)?;
            piece.truncate(read);
            IoResult::Ok((file, piece))
        })
        .await??;
        // The end of the file before the end of the answer breaks the connection off: its length was promised.
        let read = piece.len() as u64;
        Ok((read > 0).then(|| (Bytes::from(piece), (file, left - read))))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(range: &str, expected: Wanted) {
        assert_eq!(wanted(Some(range), 1_000), expected, "{range}");
    }

    #[test]
    fn a_range_is_read_as_the_rfc_has_it() {
        check("bytes=0-499", Wanted::Part(0..500));
        check("bytes=500-", Wanted::Part(500..1_000));
        check("bytes=-200", Wanted::Part(800..1_000));
        check("bytes=-5000", Wanted::Part(0..1_000));
        check("bytes=900-18446744073709551615", Wanted::Part(900..1_000));
        check("bytes=1000-", Wanted::Nothing);
        check("bytes=-0", Wanted::Nothing);
        for whole in ["bytes=5-4", "bytes=a-b", "bytes=-", "bytes=0-1,5-6", "lines=1-2", ""] {
            check(whole, Wanted::Whole);
        }
        assert_eq!(wanted(None, 1_000), Wanted::Whole);
        assert_eq!(wanted(Some("bytes=0-"), 0), Wanted::Nothing);
    }

    #[test]
    fn a_tag_is_found_in_a_list() {
        assert!(names("*", "\"a\"") && names("\"b\", W/\"a\"", "\"a\""));
        assert!(!names("\"ab\"", "\"a\"") && !names("", "\"a\""));
    }
}
