//! Keys the caller presses, gathered into one message.

use std::time::{Duration, Instant};

/// Silence of the keypad that ends a number: people type faster, and an answer to a single key is not late.
const PAUSE: Duration = Duration::from_millis(1_500);

/// The most keys in one message: two card numbers typed ahead. When full, the message goes out.
const MAX_KEYS: usize = 32;

/// Gathers keys until `#`, a pause, or [`MAX_KEYS`].
#[derive(Default)]
pub(crate) struct Keypad {
    keys: String,
    deadline: Option<Instant>,
}

impl Keypad {
    /// One key; what is no key is ignored. Gives the keys when they are complete.
    pub(crate) fn press(&mut self, now: Instant, key: char) -> Option<String> {
        if !matches!(key, '0'..='9' | 'A'..='D' | '*' | '#') {
            return None;
        }
        self.keys.push(key);
        self.deadline = Some(now + PAUSE);
        if key == '#' || self.keys.len() == MAX_KEYS { Some(self.take()) } else { None }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Option<String> {
        self.deadline.is_some_and(|deadline| now >= deadline).then(|| self.take())
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.deadline
    }

    fn take(&mut self) -> String {
        self.deadline = None;
        std::mem::take(&mut self.keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_full_the_keys_go_out() {
        let now = Instant::now();
        let mut keypad = Keypad::default();
        assert_eq!(keypad.press(now, 'x'), None);
        assert_eq!(keypad.poll_timeout(), None);
        let full = (0..MAX_KEYS).find_map(|_| keypad.press(now, '1'));
        assert_eq!(full, Some("1".repeat(MAX_KEYS)));
        assert_eq!(keypad.poll_timeout(), None);
    }
}
