//! The words of a question, and one order out of several.

use std::collections::HashMap;
use std::hash::Hash;

/// What softens the difference between the first ranks; the value of the paper (Cormack, Clarke, Büttcher 2009).
const SOFTENING: f64 = 60.0;

/// Most words of a question that are looked for; longer questions repeat themselves.
const TERMS_MAX: usize = 32;

/// English words that say nothing of what a text is about. A question of such words alone keeps them.
const STOP_WORDS: &str = "a about an and any are as at be been but by can could did do does for from had has have how i if in \
     into is it its me may might my of on or our should so than that the their them then there these they this those to up us \
     was we were what when where which who whom whose why will with would you your";

/// The words of `question` that are worth looking for, in small letters, each once, in order, at most 32: letters and digits,
/// split as the full-text indices split them.
#[must_use]
pub fn terms(question: &str) -> Vec<String> {
    let lower = question.to_lowercase();
    let all: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let is_stop = |word: &&str| STOP_WORDS.split_whitespace().any(|stop| stop == *word);
    let telling: Vec<&str> = all.iter().copied().filter(|word| !is_stop(word)).collect();
    let mut terms: Vec<String> = Vec::new();
    for word in if telling.is_empty() { all } else { telling } {
        if terms.len() < TERMS_MAX && !terms.iter().any(|term| term == word) {
            terms.push(word.to_owned());
        }
    }
    terms
}

/// The share of `terms` that `text` has, 0 to 1: how much of a question a chunk speaks of, when no vector says so. Words count
/// as the same when their beginnings are, so that "transfers" finds "transferred".
#[must_use]
pub fn coverage(terms: &[String], text: &str) -> f32 {
    if terms.is_empty() {
        return 0.0;
    }
    let lower = text.to_lowercase();
    let words: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let found = terms.iter().filter(|term| words.iter().any(|word| word.starts_with(stem(term)))).count();
    found as f32 / terms.len() as f32
}

/// A word without the ending that English gives it; short words stay.
fn stem(word: &str) -> &str {
    let endings = ["ings", "ing", "ies", "es", "ed", "s", "y"];
    let cut = endings.iter().filter_map(|ending| word.strip_suffix(ending)).find(|rest| rest.chars().count() >= 3);
    cut.unwrap_or(word)
}

/// Joins orders, best first, by reciprocal rank fusion: what stands high in any of them stands high in the result, without
/// comparing their scores. What is in several comes before what is in one at the same ranks; ties keep the order of appearance.
#[must_use]
pub fn fuse<T: Clone + Eq + Hash>(orders: &[Vec<T>]) -> Vec<T> {
    let mut places: HashMap<&T, usize> = HashMap::new();
    let mut scored: Vec<(f64, &T)> = Vec::new();
    for order in orders {
        for (rank, item) in order.iter().enumerate() {
            let place = *places.entry(item).or_insert_with(|| {
                scored.push((0.0, item));
                scored.len() - 1
            });
            scored[place].0 += 1.0 / (SOFTENING + rank as f64 + 1.0);
        }
    }
    // Stable, so that ties stay as they were.
    scored.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    scored.into_iter().map(|(_, item)| item.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_becomes_its_telling_words() {
        let check = |question: &str, expected: &str| assert_eq!(terms(question).join(" "), expected);
        check("What is the UDP port of SIP, and of sip?", "udp port sip");
        check("Wie lange dauert die Öffnung?", "wie lange dauert die öffnung");
        check("who are you", "who are you");
        check("  ?! ", "");
        check("rtp.timeout_s", "rtp timeout s");
        assert_eq!(terms(&(0..100).map(|n| format!("w{n} ")).collect::<String>()).len(), TERMS_MAX);
    }

    #[test]
    fn coverage_is_the_share_of_words_found() {
        let check = |question: &str, text: &str, expected: f32| assert_eq!(coverage(&terms(question), text), expected);
        check("call transfers", "A call was transferred.", 1.0);
        check("call recordings", "A call is up.", 0.5);
        check("fax", "A call is up.", 0.0);
        check("", "A call is up.", 0.0);
    }

    fn check(orders: &[&str], expected: &str) {
        let orders: Vec<Vec<char>> = orders.iter().map(|order| order.chars().collect()).collect();
        assert_eq!(fuse(&orders).into_iter().collect::<String>(), expected);
    }

    #[test]
    fn orders_are_joined_by_rank() {
        check(&["abc"], "abc");
        check(&["abc", "abc"], "abc");
        // Second and first beat first alone.
        check(&["ab", "b"], "ba");
        check(&["abc", "dea"], "adbec");
        check(&[], "");
    }
}
