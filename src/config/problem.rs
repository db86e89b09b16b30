//! What is wrong with a configuration: one line a mistake, each naming its key.

use std::fmt;

/// One mistake: the key it is about and why the value cannot be used.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// The key as written in the file (`sip.listen`), or the environment variable.
    pub key: String,
    /// The reason, with the value and the limit: `5 is below 20`.
    pub reason: String,
}

impl Problem {
    /// A mistake at `key`.
    pub fn new(key: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { key: key.into(), reason: reason.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.reason)
    }
}

/// Every mistake of one configuration, in the order in which they were found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let newline = if index == 0 { "" } else { "\n" };
            write!(f, "{newline}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// `; did you mean listen?` when one of `known` is a likely misspelling of `name`, else nothing.
pub(super) fn suggestion<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    known
        .into_iter()
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len().div_ceil(3))
        .min()
        .map(|(_, nearest)| format!("; did you mean {nearest}?"))
        .unwrap_or_default()
}

/// The edit distance of Levenshtein, on bytes: keys are ASCII.
fn distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.bytes().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::suggestion;

    #[test]
    fn a_near_name_is_suggested_and_a_far_one_is_not() {
        let known = ["listen", "advertised_address"];
        assert_eq!(suggestion("listn", known), "; did you mean listen?");
        assert_eq!(suggestion("adress", known), "");
        assert_eq!(suggestion("advertised_adress", known), "; did you mean advertised_address?");
    }
}
