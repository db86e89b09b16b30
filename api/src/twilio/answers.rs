//! What each incoming call was answered, and the one-time token of its stream.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use store::CallId;
use subtle::ConstantTimeEq as _;
use tokio::sync::OnceCell;
use uuid::Uuid;

use crate::{TwilioAnswer, TwilioRefusal};

/// Calls whose answer is remembered at a time: 68 new calls a second for all of [`ANSWER_TIME_MAX`].
pub(crate) const ANSWERS_MAX: usize = 4096;
/// How long an answer and its token hold. Twilio repeats a webhook within 15 s and opens the stream within seconds.
pub(crate) const ANSWER_TIME_MAX: Duration = Duration::from_secs(60);

/// The answers of the last minute, by CallSid.
#[derive(Default)]
pub(crate) struct Answers(Mutex<Book>);

#[derive(Default)]
struct Book {
    by_call_sid: HashMap<String, Arc<Answer>>,
    /// Oldest first, for forgetting.
    ages: VecDeque<(Instant, String)>,
}

/// The answer to one call; requests of the same CallSid wait for the first one's.
pub(crate) struct Answer {
    pub(crate) cell: OnceCell<Result<TwilioAnswer, TwilioRefusal>>,
    /// 244 random bits from the system: not to be guessed within a minute.
    pub(crate) token: String,
    used: AtomicBool,
}

impl Answers {
    /// The answer of this call, to be filled by whoever comes first; `None` when there are too many.
    pub(crate) fn of_call(&self, call_sid: &str, now: Instant) -> Option<Arc<Answer>> {
        let mut book = self.book();
        book.forget_old(now);
        if let Some(answer) = book.by_call_sid.get(call_sid) {
            return Some(Arc::clone(answer));
        }
        if book.ages.len() >= ANSWERS_MAX {
            return None;
        }
        let answer = Arc::new(Answer {
            cell: OnceCell::new(),
            token: format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple()),
            used: AtomicBool::new(false),
        });
        book.ages.push_back((now, call_sid.to_owned()));
        book.by_call_sid.insert(call_sid.to_owned(), Arc::clone(&answer));
        Some(answer)
    }

    /// Uses up the token of this call; `None` when it is wrong, used or too old. A stream that was lost does not come
    /// back with it: Twilio never reconnects, so a second one is a stranger's.
    pub(crate) fn redeem(&self, call_sid: &str, token: &str, now: Instant) -> Option<CallId> {
        let answer = {
            let mut book = self.book();
            book.forget_old(now);
            Arc::clone(book.by_call_sid.get(call_sid)?)
        };
        let taken = (*answer.cell.get()?).ok()?;
        let fits = bool::from(answer.token.as_bytes().ct_eq(token.as_bytes()));
        (fits && !answer.used.swap(true, Ordering::Relaxed)).then_some(taken.call)
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn forget_old(&mut self, now: Instant) {
        while let Some((since, call_sid)) = self.ages.front() {
            if now.saturating_duration_since(*since) < ANSWER_TIME_MAX {
                break;
            }
            self.by_call_sid.remove(call_sid);
            self.ages.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn taken(answers: &Answers, call_sid: &str, now: Instant) -> (String, CallId) {
        let answer = answers.of_call(call_sid, now).unwrap();
        let call = CallId::generate();
        answer.cell.set(Ok(TwilioAnswer { call })).unwrap();
        (answer.token.clone(), call)
    }

    #[test]
    fn a_token_opens_its_own_call_once() {
        let (answers, now) = (Answers::default(), Instant::now());
        let (token, call) = taken(&answers, "CA1", now);
        let (other, _) = taken(&answers, "CA2", now);
        assert_eq!(answers.redeem("CA1", &other, now), None);
        assert_eq!(answers.redeem("CA1", "", now), None);
        assert_eq!(answers.redeem("CA3", &token, now), None);
        assert_eq!(answers.redeem("CA1", &token, now), Some(call));
        assert_eq!(answers.redeem("CA1", &token, now), None);
    }

    #[test]
    fn a_token_is_too_old_after_a_minute() {
        let (answers, now) = (Answers::default(), Instant::now());
        let (token, call) = taken(&answers, "CA1", now);
        let (late, _) = taken(&answers, "CA2", now);
        let before = now + ANSWER_TIME_MAX - Duration::from_millis(1);
        assert_eq!(answers.redeem("CA1", &token, before), Some(call));
        assert_eq!(answers.redeem("CA2", &late, now + ANSWER_TIME_MAX), None);
    }

    #[test]
    fn a_refused_or_unanswered_call_has_no_stream() {
        let (answers, now) = (Answers::default(), Instant::now());
        let refused = answers.of_call("CA1", now).unwrap();
        assert_eq!(answers.redeem("CA1", &refused.token, now), None);
        refused.cell.set(Err(TwilioRefusal::Draining)).unwrap();
        assert_eq!(answers.redeem("CA1", &refused.token, now), None);
    }

    #[test]
    fn the_same_call_has_the_same_answer_for_a_minute() {
        let (answers, now) = (Answers::default(), Instant::now());
        let first = answers.of_call("CA1", now).unwrap();
        let again = answers.of_call("CA1", now + Duration::from_secs(59)).unwrap();
        let later = answers.of_call("CA1", now + ANSWER_TIME_MAX).unwrap();
        assert!(Arc::ptr_eq(&first, &again));
        assert_ne!(first.token, later.token);
    }

    #[test]
    fn a_full_book_takes_no_new_call_until_old_ones_are_forgotten() {
        let (answers, now) = (Answers::default(), Instant::now());
        for call in 0..ANSWERS_MAX {
            assert!(answers.of_call(&call.to_string(), now).is_some());
        }
        assert!(answers.of_call("one more", now).is_none());
        assert!(answers.of_call("0", now).is_some());
        assert!(answers.of_call("one more", now + ANSWER_TIME_MAX).is_some());
        assert_eq!(answers.book().ages.len(), 1);
    }
}
