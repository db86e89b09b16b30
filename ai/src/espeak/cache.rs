//! The last prompts that were synthesized, within a number and a size.

use std::collections::VecDeque;
use std::sync::Arc;

/// Prompts kept: a few fixed ones for each of some dozen assistants.
const ENTRIES: usize = 64;

/// Samples kept: 8 MB, some 9 minutes.
const SAMPLES: usize = 4 << 20;

/// What a prompt depends on.
#[derive(Clone, Eq, PartialEq)]
pub(super) struct Key {
    pub rate: u16,
    pub text: String,
    pub voice: String,
}

/// Least recently used first. So few that looking through them costs less than a hash of the text.
#[derive(Default)]
pub(super) struct Cache {
    entries: VecDeque<(Key, Arc<[i16]>)>,
    samples: usize,
}

impl Cache {
    pub fn get(&mut self, key: &Key) -> Option<Arc<[i16]>> {
        let index = self.entries.iter().position(|(held, _)| held == key)?;
        let entry = self.entries.remove(index)?;
        let speech = Arc::clone(&entry.1);
        self.entries.push_back(entry);
        Some(speech)
    }

    /// Adds a prompt; the least recently used make room. One larger than the whole cache is not kept.
    pub fn insert(&mut self, key: Key, speech: Arc<[i16]>) {
        if speech.len() > SAMPLES || self.get(&key).is_some() {
            return;
        }
        self.samples += speech.len();
        self.entries.push_back((key, speech));
        while self.entries.len() > ENTRIES || self.samples > SAMPLES {
            let Some((_, oldest)) = self.entries.pop_front() else {
                return;
            };
            self.samples -= oldest.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Key {
        Key { rate: 175, text: text.to_owned(), voice: "en".to_owned() }
    }

    fn speech(samples: usize) -> Arc<[i16]> {
        vec![0; samples].into()
    }

    #[test]
    fn a_prompt_is_found_by_text_voice_and_rate() {
        let mut cache = Cache::default();
        cache.insert(key("a"), speech(3));
        assert_eq!(cache.get(&key("a")).map(|found| found.len()), Some(3));
        assert!(cache.get(&key("b")).is_none());
        assert!(cache.get(&Key { rate: 176, ..key("a") }).is_none());
        assert!(cache.get(&Key { voice: "de".to_owned(), ..key("a") }).is_none());
    }

    #[test]
    fn when_it_holds_too_many_the_least_used_goes() {
        let mut cache = Cache::default();
        for number in 0..ENTRIES {
            cache.insert(key(&number.to_string()), speech(1));
        }
        assert!(cache.get(&key("0")).is_some());
        cache.insert(key("one more"), speech(1));
        assert!(cache.get(&key("1")).is_none());
        assert!(cache.get(&key("0")).is_some());
        assert_eq!((cache.entries.len(), cache.samples), (ENTRIES, ENTRIES));
    }

    #[test]
    fn when_it_is_too_large_the_least_used_go() {
        let mut cache = Cache::default();
        for number in 0..3 {
            cache.insert(key(&number.to_string()), speech(SAMPLES / 3));
        }
        cache.insert(key("large"), speech(SAMPLES / 2));
        assert_eq!(cache.entries.len(), 2);
        cache.insert(key("too large"), speech(SAMPLES + 1));
        assert!(cache.get(&key("too large")).is_none());
        assert!(cache.get(&key("large")).is_some());
    }

    #[test]
    fn the_same_prompt_twice_is_kept_once() {
        let mut cache = Cache::default();
        cache.insert(key("a"), speech(3));
        cache.insert(key("a"), speech(3));
        assert_eq!((cache.entries.len(), cache.samples), (1, 3));
    }
}
