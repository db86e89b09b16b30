//! Digits that the caller types, collected until they are complete: the tool `collect_digits`.
//!
//! ```text
//! collect_digits      1      2      3      #            complete: 123
//!                     1      2      3   5 s            complete, if there are enough: 123
//!                  (nothing for the whole time)         late
//! ```

use std::time::{Duration, Instant};

use crate::secret::Secret;

/// The most digits of one collection: two card numbers.
pub const MAX_DIGITS: usize = 32;

/// Silence of the keypad after which what is there is taken as all.
const PAUSE: Duration = Duration::from_secs(5);

/// The shortest and the longest time a collection may take, and the time when none is given.
pub const TIMEOUTS: (Duration, Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(120), Duration::from_secs(60));

/// What is to be collected.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DigitsWanted {
    /// The fewest that will do, 1 to `max`.
    pub min: usize,
    /// As many are complete at once, up to [`MAX_DIGITS`].
    pub max: usize,
    /// The key that ends it, `#` or `*`; it is no part of the digits. `None`: both are digits.
    pub end: Option<char>,
    /// Whether nobody is to know them: not the model, the record, the recording or the log.
    pub sensitive: bool,
    /// How long it may take in all, within [`TIMEOUTS`].
    pub timeout: Duration,
}

/// How a collection ended. `Debug` shows no digit.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Collected {
    /// All digits are here.
    Digits(Secret),
    /// The caller ended it, or paused, with this many, which are too few.
    TooFew(usize),
    /// The time was over with this many.
    Late(usize),
}

/// A collection that goes on. Pure: time is an argument.
#[derive(Debug)]
pub struct Collector {
    wanted: DigitsWanted,
    typed: Secret,
    count: usize,
    deadline: Instant,
    pause: Option<Instant>,
}

impl Collector {
    /// Begins to collect.
    pub fn new(now: Instant, wanted: DigitsWanted) -> Self {
        let deadline = now + wanted.timeout;
        Self { wanted, typed: Secret::default(), count: 0, deadline, pause: None }
    }

    /// Whether nobody is to know the digits.
    pub fn is_sensitive(&self) -> bool {
        self.wanted.sensitive
    }

    /// The caller pressed a key; letters are ignored.
    pub fn press(&mut self, now: Instant, key: char) -> Option<Collected> {
        if self.wanted.end == Some(key) {
            return Some(self.end());
        }
        if !matches!(key, '0'..='9' | '*' | '#') {
            return None;
        }
        self.typed = Secret::from(format!("{}{key}", self.typed.expose()));
        self.count += 1;
        self.pause = Some(now + PAUSE);
        (self.count == self.wanted.max).then(|| self.end())
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub fn poll_timeout(&self) -> Instant {
        self.pause.map_or(self.deadline, |pause| pause.min(self.deadline))
    }

    /// The time of [`poll_timeout`](Self::poll_timeout) may have come.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Collected> {
        if self.pause.is_some_and(|pause| now >= pause) {
            return Some(self.end());
        }
        (now >= self.deadline).then_some(Collected::Late(self.count))
    }

    fn end(&mut self) -> Collected {
        if self.count < self.wanted.min {
            return Collected::TooFew(self.count);
        }
        Collected::Digits(std::mem::take(&mut self.typed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Presses the keys of `typed`, a second apart; a dot is a second without a key.
    fn check(min: usize, max: usize, end: Option<char>, typed: &str, expected: &str) {
        let begin = Instant::now();
        let wanted = DigitsWanted { min, max, end, sensitive: true, timeout: Duration::from_secs(20) };
        let mut collector = Collector::new(begin, wanted);
        let mut told = "open".to_owned();
        for (second, key) in typed.chars().enumerate() {
            let now = begin + Duration::from_secs(second as u64);
            let due = (now >= collector.poll_timeout()).then(|| collector.handle_timeout(now)).flatten();
            let collected = due.or_else(|| if key == '.' { None } else { collector.press(now, key) });
            if let Some(collected) = collected {
                let printed = format!("{collected:?} {:?}", collector.typed);
                assert!(!printed.contains("77") && !printed.contains("78"), "digits are not printed: {printed}");
                told = match collected {
                    Collected::Digits(digits) => format!("{} at {second}", digits.expose()),
                    Collected::TooFew(count) => format!("{count} are too few at {second}"),
                    Collected::Late(count) => format!("late with {count} at {second}"),
                };
                break;
            }
        }
        assert_eq!(told, expected, "{typed}");
    }

    #[test]
    fn digits_are_complete_by_number_by_key_or_by_pause() {
        check(1, 4, Some('#'), "7889", "7889 at 3");
        check(1, 9, Some('#'), "78#", "78 at 2");
        check(1, 9, Some('#'), "78*.....", "78* at 7");
        check(1, 9, None, "78#.....", "78# at 7");
        check(1, 9, Some('#'), "7A8B#", "78 at 4");
    }

    #[test]
    fn too_few_or_too_late_is_said() {
        check(4, 4, Some('#'), "78#", "2 are too few at 2");
        check(4, 4, Some('#'), "78.....", "2 are too few at 6");
        check(4, 4, Some('#'), "......................", "late with 0 at 20");
        check(9, 20, Some('#'), "7..7..7..7..7..7..7..7", "late with 7 at 20");
        check(4, 4, Some('#'), "78", "open");
    }
}
