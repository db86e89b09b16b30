//! What arrived, kept for tests to look at.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use serde::Serialize;

use super::faults::Stage;
use super::provider::Provider;

/// Most requests kept; the oldest goes first. A long test call makes about ten a turn.
const REQUESTS_MAX: usize = 2_000;
/// Most of one request kept, bytes: a conversation of fifty turns with its tools.
const WHAT_BYTES_MAX: usize = 64 << 10;
/// Messages of audio say so within this many bytes. They are not kept, since fifty a second would drive out all else.
const KIND_WITHIN: usize = 120;

/// Something that a client asked: an HTTP request, the opening of a WebSocket, or a text message on one.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Request {
    /// Milliseconds since the simulator started.
    pub at_ms: u64,
    /// Whose protocol it was.
    pub provider: Provider,
    /// What it was for.
    pub stage: Stage,
    /// Path and query; no headers, since those have keys.
    pub path: String,
    /// The body, the message, or nothing for the opening of a WebSocket. Cut at 64 KiB; a file is `N bytes`.
    pub what: String,
}

/// A bounded log of requests.
#[derive(Debug)]
pub(super) struct Log {
    started: Instant,
    requests: Mutex<VecDeque<Request>>,
}

impl Log {
    pub(super) fn new() -> Self {
        Self { started: Instant::now(), requests: Mutex::default() }
    }

    pub(super) fn note(&self, provider: Provider, stage: Stage, path: &str, what: &str) {
        let head = &what.as_bytes()[..what.len().min(KIND_WITHIN)];
        let audio = |kind: &[u8]| head.windows(kind.len()).any(|part| part == kind);
        if audio(b"input_audio_buffer.append") || audio(b"input_audio_chunk") {
            return;
        }
        let what = what[..what.floor_char_boundary(WHAT_BYTES_MAX)].to_owned();
        let at_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        if requests.len() == REQUESTS_MAX {
            requests.pop_front();
        }
        requests.push_back(Request { at_ms, provider, stage, path: path.to_owned(), what });
    }

    pub(super) fn all(&self) -> Vec<Request> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_first_and_audio_is_not_kept() {
        let log = Log::new();
        for number in 0..=REQUESTS_MAX {
            log.note(Provider::OpenAi, Stage::Llm, "/v1/models", &number.to_string());
        }
        log.note(Provider::OpenAi, Stage::Realtime, "/v1/realtime", r#"{"type":"input_audio_buffer.append","audio":""}"#);
        log.note(Provider::OpenAi, Stage::Llm, "/", &"é".repeat(WHAT_BYTES_MAX));
        let all = log.all();
        assert_eq!((all.len(), all[0].what.as_str()), (REQUESTS_MAX, "2"));
        assert_eq!(all.last().map(|request| request.what.len()), Some(WHAT_BYTES_MAX));
    }
}
