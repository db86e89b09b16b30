//! `Idempotency-Key`: the same wish, sent twice, places one call.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, StatusCode};
use sha2::{Digest as _, Sha256};
use store::CallId;
use tokio::sync::OnceCell;

use crate::problem::Problem;

/// Keys remembered at once, about 1 MB; then the oldest is forgotten.
pub const REPEATS_MAX: usize = 4096;
/// How long a key is remembered: who repeats a request later means a new one.
const KEPT: Duration = Duration::from_secs(24 * 3600);
/// Longest key: two UUIDs and a prefix fit well.
const KEY_MAX: usize = 255;

/// The wishes of the last day, by their keys.
#[derive(Default)]
pub(super) struct Repeats(Mutex<Book>);

#[derive(Default)]
struct Book {
    by_key: HashMap<String, Arc<Wish>>,
    /// Oldest first, for forgetting.
    ages: VecDeque<(Instant, String)>,
}

/// One wish. It stays open when the call could not be placed, so that it may be repeated.
pub(super) struct Wish {
    body: [u8; 32],
    pub(super) cell: OnceCell<CallId>,
}

impl Repeats {
    /// The wish of a request's key: of now, or of before. Without a key each is one of its own.
    ///
    /// # Errors
    /// 400 for a key that is none, 422 for one that had another body.
    pub(super) fn of(&self, headers: &HeaderMap, body: &[u8], now: Instant) -> Result<Arc<Wish>, Problem> {
        let new = || Arc::new(Wish { body: Sha256::digest(body).into(), cell: OnceCell::new() });
        let Some(key) = headers.get("idempotency-key") else { return Ok(new()) };
        let key = key.to_str().ok().filter(|key| !key.is_empty() && key.len() <= KEY_MAX).ok_or_else(|| {
            Problem::new(StatusCode::BAD_REQUEST, format!("Idempotency-Key must be 1 to {KEY_MAX} characters of ASCII"))
        })?;
        let mut book = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        book.forget_old(now);
        let wish = match book.by_key.get(key) {
            Some(wish) => Arc::clone(wish),
            None => book.add(key, now, new()),
        };
        if wish.body != *Sha256::digest(body) {
            return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "this Idempotency-Key was used with another body"));
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
        repeats.of(&headers, body.as_bytes(), now).ok()
    }

    #[test]
    fn a_key_is_one_wish_for_a_day() {
        let (repeats, now) = (Repeats::default(), Instant::now());
        let first = of(&repeats, "a", "{}", now).unwrap();
        let again = of(&repeats, "a", "{}", now + KEPT - Duration::from_millis(1)).unwrap();
        assert!(Arc::ptr_eq(&first, &again));
        assert!(of(&repeats, "a", "{\"x\":1}", now).is_none(), "another body");
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
