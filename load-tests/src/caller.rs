//! What every virtual caller of a run does, whatever carries the call.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;

use crate::mouth::{Manner, Voice};

/// Most DTMF keys that a caller presses.
const KEYS_MAX: usize = 64;
/// Time between two keys: longer than any receiver needs to tell them apart.
const KEY_INTERVAL: Duration = Duration::from_millis(500);
/// Time from the answer to the first key.
const FIRST_KEY_AFTER: Duration = Duration::from_secs(1);

/// The callers of a run.
#[derive(Clone, Debug)]
pub struct Caller {
    /// What they say.
    pub voice: Arc<Voice>,
    /// When they speak.
    pub manner: Manner,
    /// Whether marks are put into their speech.
    pub marks: bool,
    /// DTMF keys that they press, half a second apart, from a second after the answer.
    pub keys: String,
}

/// The keys of one call.
#[derive(Debug)]
pub struct Keys {
    left: std::vec::IntoIter<char>,
    due: Instant,
}

impl Caller {
    /// Refuses keys that no telephone has.
    ///
    /// # Errors
    /// Names the keys, or their number and its limit.
    pub fn check(&self) -> anyhow::Result<()> {
        let known = |key| "0123456789*#ABCDabcd".contains(key);
        ensure!(self.keys.chars().all(known), "dtmf {:?} holds more than 0-9, *, #, A-D", self.keys);
        ensure!(self.keys.len() <= KEYS_MAX, "dtmf of {} keys is above {KEYS_MAX}", self.keys.len());
        Ok(())
    }

    /// The keys of a call that was answered at `answered`.
    pub fn keys(&self, answered: Instant) -> Keys {
        let left = self.keys.to_ascii_uppercase().chars().collect::<Vec<_>>().into_iter();
        Keys { left, due: answered + FIRST_KEY_AFTER }
    }
}

impl Keys {
    /// The key to press now; each is given once.
    pub fn poll_key(&mut self, now: Instant) -> Option<char> {
        if now < self.due {
            return None;
        }
        self.due += KEY_INTERVAL;
        self.left.next()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::speech::Recording;

    fn caller(keys: &str) -> Caller {
        let recording = Recording::new(vec![5_000; 800]).unwrap();
        Caller { voice: Arc::new(Voice::new(recording)), manner: Manner::Silent, marks: false, keys: keys.to_owned() }
    }

    #[test]
    fn keys_come_half_a_second_apart() {
        let start = Instant::now();
        let mut keys = caller("1#a").keys(start);
        let pressed: Vec<_> = (0..150_u64)
            .filter_map(|frame| Some((keys.poll_key(start + Duration::from_millis(frame * 20))?, frame * 20)))
            .collect();
        assert_eq!(pressed, [('1', 1_000), ('#', 1_500), ('A', 2_000)]);
    }

    #[test]
    fn what_no_telephone_has_is_refused() {
        let check = |keys: &str, want: &str| {
            assert_eq!(caller(keys).check().unwrap_err().to_string(), want);
        };
        check("1x", "dtmf \"1x\" holds more than 0-9, *, #, A-D");
        check(&"1".repeat(65), "dtmf of 65 keys is above 64");
    }
}
