//! `/api/v1/events`: what happens, as server-sent events (HTML Standard, 9.2).

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream;
use platform::events::{Reader, TooManyReaders};
use platform::people::Permission;
use store::{Event, EventFilter, OrganizationId};
use tokio::time::{Instant, sleep_until};

use super::V1;
use super::access::{Asked, who};
use crate::problem::Problem;

/// How often something is sent when nothing happens: proxies close what is silent for a minute. The token is looked at as often.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// What a reader that was cut off waits before it comes back, in milliseconds.
const RETRY: &str = "retry: 2000\n\n";
/// A reader that is turned away may try again after so many seconds.
const AGAIN_S: u64 = 30;

/// One who listens, and what it shows.
struct Listener {
    api: Arc<V1>,
    headers: HeaderMap,
    organization: OrganizationId,
    reader: Reader,
    heartbeat: Instant,
    greeted: bool,
    over: bool,
}

/// Tells what happens, from now on or from behind `Last-Event-ID`, as `text/event-stream`.
#[utoipa::path(get, path = "/api/v1/events", tag = "events",
    params(("types" = Option<String>, Query, description = "Types with commas between, `call.*` for all of a group; none: all"),
        ("Last-Event-ID" = Option<u64>, Header, description = "The `id` of the last event that was seen: those behind it follow")),
    responses((status = 200, content_type = "text/event-stream", body = String), (status = 422), (status = 429)))]
pub(super) async fn stream(
    State(api): State<Arc<V1>>,
    asked: Asked,
    headers: HeaderMap,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Response, Problem> {
    let (filter, after) = wanted(&headers, query)?;
    let organization = asked.principal.organization;
    let nobody = || Problem::new(StatusCode::SERVICE_UNAVAILABLE, "nobody can listen here");
    let reader = api.events.as_ref().ok_or_else(nobody)?.reader(&organization, filter, after);
    let reader = reader.map_err(|error| match error {
        TooManyReaders::OfOrganization => Problem::new(StatusCode::TOO_MANY_REQUESTS, error.to_string()).again_after(AGAIN_S),
        TooManyReaders::InAll => Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()).again_after(AGAIN_S),
    })?;
    let heartbeat = Instant::now() + HEARTBEAT;
    let listener = Listener { api, headers, organization, reader, heartbeat, greeted: false, over: false };
    let pieces = stream::unfold(listener, async |mut listener| {
        let piece = listener.next().await?;
        Some((Ok::<_, Infallible>(Bytes::from(piece)), listener))
    });
    let mut response = Body::from_stream(pieces).into_response();
    let kind = HeaderValue::from_static("text/event-stream");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    // For nginx, which would keep events back until it has a page of them.
    response.headers_mut().insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    Ok(response)
}

/// Which events, and behind which.
fn wanted(headers: &HeaderMap, mut query: HashMap<String, String>) -> Result<(EventFilter, Option<u64>), Problem> {
    let mut wrong = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "events cannot be asked for like this");
    let types = query.remove("types").unwrap_or_default();
    let words = types.split(',').map(str::trim).filter(|word| !word.is_empty());
    let filter = EventFilter::new(words).unwrap_or_else(|unknown| {
        wrong.add("types", format!("{:?} is no type of event, and no group such as call.*", unknown.word));
        EventFilter::default()
    });
    for name in query.keys() {
        wrong.add(name, "is not known; there is types");
    }
    let after = headers.get("last-event-id").map(|id| id.to_str().ok()?.trim().parse().ok());
    if after == Some(None) {
        wrong.add("Last-Event-ID", "is no id of an event");
    }
    if wrong.has_fields() { Err(wrong) } else { Ok((filter, after.flatten())) }
}

impl Listener {
    /// What is sent next; `None`: nothing more.
    async fn next(&mut self) -> Option<String> {
        if self.over {
            return None;
        }
        if !std::mem::replace(&mut self.greeted, true) {
            return Some(RETRY.to_owned());
        }
        tokio::select! {
            event = self.reader.next() => match event {
                Ok(event) => Some(shown(&event)),
                Err(_) => Some(self.end("slow")),
            },
            () = sleep_until(self.heartbeat) => {
                self.heartbeat = Instant::now() + HEARTBEAT;
                Some(if self.may_stay().await { ": heartbeat\n\n".to_owned() } else { self.end("login_ended") })
            }
        }
    }

    /// Says why nothing more comes.
    fn end(&mut self, reason: &str) -> String {
        self.over = true;
        format!("event: close\ndata: {{\"reason\":\"{reason}\"}}\n\n")
    }

    /// Whether the token or key is still good for this. One that cannot be looked at is, until it can.
    async fn may_stay(&self) -> bool {
        match who(&self.api, &self.headers).await {
            Ok(now) => now.organization == self.organization && now.may(Permission::ReadEvents),
            Err(problem) => problem.status() != StatusCode::UNAUTHORIZED,
        }
    }
}

fn shown(event: &Event) -> String {
    // JSON of one line, since serde escapes what breaks lines.
    format!("id: {}\nevent: {}\ndata: {}\n\n", event.number, event.kind, event.body())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(types: &str, last: Option<&'static str>, expected: &str) {
        let mut headers = HeaderMap::new();
        if let Some(last) = last {
            headers.insert("last-event-id", HeaderValue::from_static(last));
        }
        let said = match wanted(&headers, HashMap::from([("types".to_owned(), types.to_owned())])) {
            Ok((filter, after)) => format!("{} {after:?}", filter.words().join(" ")),
            Err(problem) => problem.told(),
        };
        assert_eq!(said, expected, "{types} {last:?}");
    }

    #[test]
    fn types_and_the_last_event_are_read_or_refused() {
        check("", None, " None");
        check("call.*, lead.scored", Some("17"), "call.* lead.scored Some(17)");
        check(
            "calls",
            Some("x"),
            "types: \"calls\" is no type of event, and no group such as call.*; Last-Event-ID: is no id of an event",
        );
    }
}
