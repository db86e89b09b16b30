//! An HTTP answer: its parts, and when each leaves after the request.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use hyper::Response;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use serde_json::Value;
use tokio::time::Instant;

use super::faults::Fault;
use super::speaker::{DRIP, DRIP_BYTES_MAX};

/// How long a stalled answer holds its connection.
const STALL: Duration = Duration::from_secs(3_600);

/// What an answer is made of, which decides how it is broken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Audio,
    Json,
    Events,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Part {
    Bytes(Bytes),
    /// The connection is reset.
    Reset,
    /// The connection ends in the middle of the body.
    End,
    Stall,
}

/// An answer.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub status: u16,
    pub kind: Kind,
    pub headers: Vec<(&'static str, String)>,
    /// The fault of the turn that answers.
    pub fault: Option<Fault>,
    pub parts: Vec<(Duration, Part)>,
}

impl Answer {
    /// A JSON body at once.
    pub(super) fn json(status: u16, body: &Value) -> Self {
        Self::whole(status, "application/json", Kind::Json, Duration::ZERO, body.to_string().into())
    }

    /// A body in one part.
    pub(super) fn whole(status: u16, media_type: &'static str, kind: Kind, after: Duration, body: Bytes) -> Self {
        let headers = vec![(CONTENT_TYPE_NAME, media_type.to_owned())];
        Self { status, kind, headers, fault: None, parts: vec![(after, Part::Bytes(body))] }
    }

    /// A body in many parts.
    pub(super) fn streamed(media_type: &'static str, kind: Kind) -> Self {
        Self { status: 200, kind, headers: vec![(CONTENT_TYPE_NAME, media_type.to_owned())], fault: None, parts: Vec::new() }
    }

    /// Adds a server-sent event; `name` where the protocol has event names.
    pub(super) fn event(&mut self, after: Duration, name: Option<&str>, data: &str) {
        let name = name.map(|name| format!("event: {name}\n")).unwrap_or_default();
        self.parts.push((after, Part::Bytes(format!("{name}data: {data}\n\n").into())));
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Breaks the answer. `last_words` is the protocol's error event. Refusals are not answered here, and neither is a
    /// drip of text, whose tokens are single characters already.
    pub(super) fn break_by(&mut self, fault: Fault, last_words: &str) {
        let middle = self.parts.len().div_ceil(2);
        let at = self.parts.get(middle).or(self.parts.last()).map_or(Duration::ZERO, |(after, _)| *after);
        match fault {
            Fault::RateLimited | Fault::ServerError => {}
            Fault::Reset | Fault::Stall | Fault::Close => {
                self.halve(middle);
                match fault {
                    Fault::Reset => self.parts.push((at, Part::Reset)),
                    Fault::Stall => self.parts.push((at, Part::Stall)),
                    _ if self.kind == Kind::Events => self.parts.push((at, Part::Bytes(last_words.to_owned().into()))),
                    _ => self.parts.push((at, Part::End)),
                }
            }
            Fault::Garbage => self.spoil(),
            Fault::Drip if self.kind == Kind::Events => {}
            Fault::Drip => self.drip(),
        }
    }

    /// Half of the parts, or half of the only one.
    fn halve(&mut self, middle: usize) {
        if let [(_, Part::Bytes(only))] = self.parts.as_mut_slice() {
            only.truncate(only.len() / 2);
        }
        self.parts.truncate(middle);
    }

    fn spoil(&mut self) {
        let after = self.parts.first().map_or(Duration::ZERO, |(after, _)| *after);
        match self.kind {
            Kind::Events => {
                let nonsense = "data: {\"type\":\"\n\nevent: surprise\ndata: {\"type\":\"surprise\"}\n\n: comment\n\ndata: [1,2]\n\nnonsense\n\n";
                self.parts.insert(0, (after, Part::Bytes(nonsense.into())));
            }
            Kind::Json => self.parts = vec![(after, Part::Bytes("{\"text\": \"unfini".into()))],
            Kind::Audio => {
                self.headers.retain(|(name, _)| *name != CONTENT_TYPE_NAME);
                self.headers.push((CONTENT_TYPE_NAME, "text/html".to_owned()));
                self.parts = vec![(after, Part::Bytes("<html><body>Please wait</body></html>".into()))];
            }
        }
    }

    fn drip(&mut self) {
        let first = self.parts.first().map_or(Duration::ZERO, |(after, _)| *after);
        let whole = self.parts.drain(..).filter_map(|(_, part)| match part {
            Part::Bytes(bytes) => Some(bytes),
            _ => None,
        });
        let bytes: Vec<u8> = whole.flatten().take(DRIP_BYTES_MAX).collect();
        let drop = |(index, byte)| (first + DRIP * index, Part::Bytes(Bytes::from(vec![byte])));
        self.parts = (0..).zip(bytes).map(drop).collect();
    }

    /// The answer as hyper sends it; its times count from now.
    pub(super) fn into_response(self, reset: Arc<AtomicBool>) -> Response<Body> {
        let begin = Instant::now();
        let at_once = matches!(self.parts.as_slice(), [(Duration::ZERO, Part::Bytes(_))] | []);
        let body = match self.parts.as_slice() {
            [(_, Part::Bytes(only))] if at_once => Body::from(only.clone()),
            _ => {
                let next = move |mut parts: std::vec::IntoIter<(Duration, Part)>| {
                    let reset = Arc::clone(&reset);
                    async move {
                        let (after, part) = parts.next()?;
                        tokio::time::sleep_until(begin + after).await;
                        Some((play(part, &reset).await, parts))
                    }
                };
                Body::from_stream(futures_util::stream::unfold(self.parts.into_iter(), next))
            }
        };
        let mut response = Response::new(body);
        *response.status_mut() = self.status.try_into().unwrap_or_default();
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(HeaderName::from_static(name), value);
            }
        }
        if self.status == 429 {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        debug_assert!(response.headers().contains_key(CONTENT_TYPE));
        response
    }
}

async fn play(part: Part, reset: &AtomicBool) -> Result<Bytes, &'static str> {
    match part {
        Part::Bytes(bytes) => Ok(bytes),
        Part::Reset => {
            reset.store(true, Ordering::Relaxed);
            Err("reset")
        }
        Part::End => Err("ended"),
        Part::Stall => {
            tokio::time::sleep(STALL).await;
            Err("stalled")
        }
    }
}

const CONTENT_TYPE_NAME: &str = "content-type";

#[cfg(test)]
impl Answer {
    /// Times and texts of all parts, for tests.
    pub(super) fn story(&self) -> String {
        let part = |(after, part): &(Duration, Part)| match part {
            Part::Bytes(bytes) => format!("{}:{}", after.as_millis(), String::from_utf8_lossy(bytes).trim_end()),
            other => format!("{}:{other:?}", after.as_millis()),
        };
        self.parts.iter().map(part).collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: Kind, fault: Fault, want: &str) {
        let mut answer = Answer::streamed("text/plain", kind);
        for part in ["ab", "cd", "ef"] {
            let after = Duration::from_millis(answer.parts.len() as u64 * 10);
            answer.parts.push((after, Part::Bytes(part.into())));
        }
        answer.break_by(fault, "error");
        assert_eq!(answer.story().replace('\n', " "), want, "{kind:?} {fault:?}");
    }

    #[test]
    fn an_answer_is_broken_as_its_kind_allows() {
        check(Kind::Events, Fault::Reset, "0:ab 10:cd 20:Reset");
        check(Kind::Audio, Fault::Stall, "0:ab 10:cd 20:Stall");
        check(Kind::Events, Fault::Close, "0:ab 10:cd 20:error");
        check(Kind::Audio, Fault::Close, "0:ab 10:cd 20:End");
        check(Kind::Json, Fault::Garbage, "0:{\"text\": \"unfini");
        check(Kind::Audio, Fault::Garbage, "0:<html><body>Please wait</body></html>");
        check(Kind::Audio, Fault::Drip, "0:a 200:b 400:c 600:d 800:e 1000:f");
        check(Kind::Events, Fault::Drip, "0:ab 10:cd 20:ef");
        check(Kind::Events, Fault::RateLimited, "0:ab 10:cd 20:ef");
    }
}
