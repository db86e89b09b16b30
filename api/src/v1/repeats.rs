//! `Idempotency-Key`: the same request, sent twice, is carried out once and answered twice. For every POST of somebody known.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use platform::campaigns::list::LIST_BYTES_MAX;
use platform::people::Principal;
use sha2::{Digest as _, Sha256};
use tokio::sync::OnceCell;

use super::V1;
use crate::problem::Problem;

/// Keys remembered at once, about 1 MB with small answers; then the oldest is forgotten.
pub const REPEATS_MAX: usize = 4096;
/// How long a key is remembered: who repeats a request later means a new one.
const KEPT: Duration = Duration::from_secs(24 * 3600);
/// Longest key: two UUIDs and a prefix fit well.
pub(super) const KEY_MAX: usize = 255;
/// What of an answer is kept beside its body.
const HEADERS_KEPT: [HeaderName; 3] = [header::CONTENT_TYPE, header::ETAG, header::LOCATION];

/// The requests of the last day, by their keys.
#[derive(Default)]
pub(super) struct Repeats(Mutex<Book>);

#[derive(Default)]
struct Book {
    by_key: HashMap<String, Arc<Wish>>,
    /// Oldest first, for forgetting.
    ages: VecDeque<(Instant, String)>,
}

/// A hash of the query and the body of a request.
type Asked = [u8; 32];

/// One request. It stays open when it was refused, so that it may be repeated.
struct Wish {
    asked: Asked,
    cell: OnceCell<Answer>,
}

/// The answer to a request that was carried out.
#[derive(Clone)]
struct Answer {
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
}

/// Answers a POST that was carried out before as it was answered then.
pub(super) async fn repeat(State(api): State<Arc<V1>>, request: Request, next: Next) -> Response {
    let who = request.extensions().get::<Principal>().map(|principal| format!("{}/{}", principal.organization, principal.name()));
    let (Some(who), &Method::POST, true) = (who, request.method(), request.headers().contains_key("idempotency-key")) else {
        return next.run(request).await;
    };
    let bytes_max = api.uploads.bytes_max_of(&request);
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    let is_list = path.ends_with("/contacts") || path.ends_with("/do-not-call/import");
    let Ok(body) = to_bytes(body, if is_list { LIST_BYTES_MAX } else { bytes_max }).await else {
        return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "the body is too long, or broke off").into_response();
    };
    // Another's key, or the same one for another route, is another wish.
    let scope = format!("{who} {}", parts.uri.path());
    let asked = digest(parts.uri.query(), &body);
    let wish = match api.repeats.of(&scope, &parts.headers, asked, Instant::now()) {
        Ok(wish) => wish,
        Err(problem) => return problem.into_response(),
    };
    // In a task of its own: a client that leaves meanwhile, and comes again, must not have it done twice.
    let done = tokio::spawn(async move {
        let mut refused = None;
        let run = async {
            let response = next.run(Request::from_parts(parts, Body::from(body))).await;
            let answer = keep(response).await;
            answer.map_err(|response| refused = Some(response))
        };
        let kept = wish.cell.get_or_try_init(|| run).await.cloned();
        kept.map_err(|()| refused)
    });
    match done.await {
        Ok(Ok(answer)) => answer.into_response(),
        Ok(Err(Some(response))) => *response,
        Ok(Err(None)) | Err(_) => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "it could not be carried out").into_response(),
    }
}

/// What is kept of an answer; one that is no success is given back.
async fn keep(response: Response) -> Result<Answer, Box<Response>> {
    if !response.status().is_success() {
        return Err(Box::new(response));
    }
    let (parts, body) = response.into_parts();
    let headers = HEADERS_KEPT.into_iter().filter_map(|name| Some((name.clone(), parts.headers.get(&name)?.clone()))).collect();
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    Ok(Answer { status: parts.status, headers, body })
}

impl Answer {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.body).into_response();
        *response.headers_mut() = self.headers.into_iter().collect();
        response
    }
}

/// What is asked beside the path.
fn digest(query: Option<&str>, body: &[u8]) -> Asked {
    // No query has a line break, so none can be taken for the beginning of a body.
    Sha256::new().chain_update(query.unwrap_or_default()).chain_update("\n").chain_update(body).finalize().into()
}

impl Repeats {
    /// The wish of a request's key: of now, or of before.
    ///
    /// # Errors
    /// 400 for a key that is none, 422 for one that had another query or body.
    fn of(&self, scope: &str, headers: &HeaderMap, asked: Asked, now: Instant) -> Result<Arc<Wish>, Problem> {
        let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok());
        let key = key.filter(|key| !key.is_empty() && key.len() <= KEY_MAX).ok_or_else(|| {
            Problem::new(StatusCode::BAD_REQUEST, format!("Idempotency-Key must be 1 to {KEY_MAX} characters of ASCII"))
        })?;
        let key = format!("{scope} {key}");
        let mut book = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        book.forget_old(now);
        let wish = match book.by_key.get(&key) {
            Some(wish) => Arc::clone(wish),
            None => book.add(&key, now, Arc::new(Wish { asked, cell: OnceCell::new() })),
        };
        if wish.asked != asked {
            return Err(Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "this Idempotency-Key was used with another query or body",
            ));
        }
        Ok(wish)
    }
}

impl Book {
    fn add(&mut self, key: &str, now: Instant, wish: Arc<Wish>) -> Arc<Wish> {
        if self.ages.len() >= REPEATS_MAX
            && let Some((_, oldest)) = self.ages.pop_front()
        {
            self.by_key.remove(&oldest);
        }
        self.ages.push_back((now, key.to_owned()));
        self.by_key.insert(key.to_owned(), Arc::clone(&wish));
        wish
    }

    fn forget_old(&mut self, now: Instant) {
        while let Some((_, key)) = self.ages.pop_front_if(|(since, _)| now.saturating_duration_since(*since) >= KEPT) {
            self.by_key.remove(&key);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn of(repeats: &Repeats, key: &str, body: &str, now: Instant) -> Option<Arc<Wish>> {
        let headers = HeaderMap::from_iter([("idempotency-key".parse().unwrap(), key.parse().unwrap())]);
        repeats.of("node /calls", &headers, digest(None, body.as_bytes()), now).ok()
    }

    #[test]
    fn a_key_is_one_wish_for_a_day() {
        let (repeats, now) = (Repeats::default(), Instant::now());
        let first = of(&repeats, "a", "{}", now).unwrap();
        let again = of(&repeats, "a", "{}", now + KEPT - Duration::from_millis(1)).unwrap();
        assert!(Arc::ptr_eq(&first, &again));
        assert!(of(&repeats, "a", "{\"x\":1}", now).is_none(), "another body");
        assert_ne!(digest(Some("x=1"), b"{}"), digest(None, b"{}"), "another query");
        assert!(!Arc::ptr_eq(&first, &of(&repeats, "b", "{}", now).unwrap()));
        assert!(!Arc::ptr_eq(&first, &of(&repeats, "a", "{}", now + KEPT).unwrap()));
    }

    #[test]
    fn keys_have_a_form() {
        let (repeats, now) = (Repeats::default(), Instant::now());
        assert!(of(&repeats, "", "{}", now).is_none());
        assert!(of(&repeats, &"k".repeat(KEY_MAX + 1), "{}", now).is_none());
        assert!(of(&repeats, &"k".repeat(KEY_MAX), "{}", now).is_some());
    }

    #[test]
    fn the_oldest_key_gives_way() {
        let (repeats, now) = (Repeats::default(), Instant::now());
        let first = of(&repeats, "0", "{}", now).unwrap();
        for key in 1..REPEATS_MAX {
            of(&repeats, &key.to_string(), "{}", now).unwrap();
        }
        assert!(Arc::ptr_eq(&first, &of(&repeats, "0", "{}", now).unwrap()));
        of(&repeats, "one more", "{}", now).unwrap();
        assert!(!Arc::ptr_eq(&first, &of(&repeats, "0", "{}", now).unwrap()));
    }
}
