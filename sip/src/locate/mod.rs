//! Where a URI's server is (RFC 3263): questions to the DNS out, records and time in, targets in the order to be tried out.
//!
//! ```text
//! locate(place) -> all known? -> found
//!               -> poll_question ... handle_answer, again and again -> found
//! ```
//! The search itself ([`plan`]) is a function of the place and of what is known; this is its memory.

mod plan;
mod records;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use rand::Rng;

use crate::flow::Transport;
pub use plan::{Place, Target, plan};
pub use records::{Naptr, Question, Records, Srv};

/// Answers are kept at least so long, whatever their TTL: the questions of one search meet one picture of the world, and a TTL of 0 does
/// not cost a question a request.
pub const TTL_MIN: Duration = Duration::from_secs(5);
/// Answers are kept no longer: a server that moved is found within the hour.
pub const TTL_MAX: Duration = Duration::from_secs(3_600);
/// That there is nothing is kept no longer (RFC 2308 allows more): who mends a zone should not have to wait.
pub const NEGATIVE_TTL_MAX: Duration = Duration::from_secs(60);
/// Answers kept; past it the one that would be forgotten first goes.
pub const CACHE_MAX: usize = 1_024;
/// Searches at once; past it a search finds nothing. Each is of a call that begins or ends just then.
pub const SEARCHES_MAX: usize = 256;
/// A search that takes longer finds nothing: two tries of two seconds, and a little.
pub const SEARCH_TIME_MAX: Duration = Duration::from_secs(5);
/// A target that failed is tried after all others for so long.
pub const FAILED_FOR: Duration = Duration::from_secs(60);
/// Failed targets remembered; past it a new one is not.
pub const FAILED_MAX: usize = 256;

/// IPv4 or IPv6.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of an address.
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }
}

/// What is known of the DNS and of targets, and the searches under way. One input, then drain: `poll_found` and `poll_question`.
#[derive(Debug)]
pub struct Locator {
    reach: Vec<(Transport, Family)>,
    cache: HashMap<Question, Entry>,
    asked: HashSet<Question>,
    searches: BTreeMap<u64, Search>,
    failed: HashMap<Target, Instant>,
    questions: VecDeque<Question>,
    found: VecDeque<(u64, Vec<Target>)>,
}

#[derive(Debug)]
struct Entry {
    records: Records,
    until: Instant,
}

#[derive(Debug)]
struct Search {
    place: Place,
    give_up: Instant,
    /// Of its dice: each question asked must still matter when its answer is there.
    seed: u64,
}

impl Locator {
    /// One that knows nothing. `reach` is what we speak, the preferred first: nothing else is asked for or found.
    pub fn new(reach: Vec<(Transport, Family)>) -> Self {
        Self {
            reach,
            cache: HashMap::new(),
            asked: HashSet::new(),
            searches: BTreeMap::new(),
            failed: HashMap::new(),
            questions: VecDeque::new(),
            found: VecDeque::new(),
        }
    }

    /// Looks for a place; `poll_found` tells under this id, at once when all is known already.
    pub fn locate(&mut self, now: Instant, id: u64, place: Place, random: &mut impl Rng) {
        if self.searches.len() >= SEARCHES_MAX {
            self.found.push_back((id, Vec::new()));
            return;
        }
        self.searches.insert(id, Search { place, give_up: now + SEARCH_TIME_MAX, seed: random.next_u64() });
        self.advance(now, id);
    }

    /// The answer to a question; `ttl` as the zone has it, zero when nobody answered.
    pub fn handle_answer(&mut self, now: Instant, question: Question, records: Records, ttl: Duration) {
        let longest = if records.is_empty() { NEGATIVE_TTL_MAX } else { TTL_MAX };
        self.asked.remove(&question);
        self.make_room(now);
        self.cache.insert(question, Entry { records, until: now + ttl.clamp(TTL_MIN, longest) });
        let waiting: Vec<u64> = self.searches.keys().copied().collect();
        for id in waiting {
            self.advance(now, id);
        }
    }

    /// The deadline of [`poll_timeout`](Self::poll_timeout) has come: searches that are late find nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        let late = self.searches.extract_if(.., |_, search| search.give_up <= now);
        self.found.extend(late.map(|(id, _)| (id, Vec::new())));
        // Whoever was asked may have forgotten: the next search asks again.
        self.asked.clear();
    }

    /// A target did not answer, or said 503: for a while it is tried last.
    pub fn handle_failure(&mut self, now: Instant, target: Target) {
        self.failed.retain(|_, until| *until > now);
        if self.failed.len() < FAILED_MAX {
            self.failed.insert(target, now + FAILED_FOR);
        }
    }

    /// The next question to the DNS, each once until it is answered or given up.
    pub fn poll_question(&mut self) -> Option<Question> {
        self.questions.pop_front()
    }

    /// A search that has ended, and its targets in the order to be tried; none when there are none, or nobody answered in time.
    pub fn poll_found(&mut self) -> Option<(u64, Vec<Target>)> {
        self.found.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.searches.values().map(|search| search.give_up).min()
    }

    /// No search is under way and no output is left.
    pub fn is_idle(&self) -> bool {
        self.searches.is_empty() && self.found.is_empty() && self.questions.is_empty()
    }

    fn advance(&mut self, now: Instant, id: u64) {
        let Some(search) = self.searches.get(&id) else {
            return;
        };
        let cache = &self.cache;
        let known = &|question: &_| cache.get(question).filter(|entry| entry.until > now).map(|entry| &entry.records);
        match plan(&search.place, &self.reach, known, search.seed) {
            Ok(targets) => {
                let failed = |target: &Target| self.failed.get(target).is_some_and(|until| *until > now);
                let (worse, mut targets): (Vec<_>, Vec<_>) = targets.into_iter().partition(failed);
                targets.extend(worse);
                self.searches.remove(&id);
                self.found.push_back((id, targets));
            }
            Err(questions) => {
                let new = questions.into_iter().filter(|question| self.asked.insert(question.clone()));
                self.questions.extend(new);
            }
        }
    }

    fn make_room(&mut self, now: Instant) {
        if self.cache.len() < CACHE_MAX {
            return;
        }
        self.cache.retain(|_, entry| entry.until > now);
        if self.cache.len() >= CACHE_MAX
            && let Some(first) = self.cache.iter().min_by_key(|(_, entry)| entry.until).map(|(question, _)| question.clone())
        {
            self.cache.remove(&first);
        }
    }
}
