//! Text that holds what a person said, kept out of logs.

use std::fmt;

/// Text that may hold what a person said or typed: transcripts, tool arguments, and the provider's frames with both.
/// `Debug` shows its length only, and there is no `Display`.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Words(String);

impl Words {
    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text itself, owned.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl From<String> for Words {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Words {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Words({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_word() {
        let words = Words::from("my card is 4111");
        assert_eq!(format!("{words:?}"), "Words(15 bytes)");
        assert_eq!(words.into_string(), "my card is 4111");
    }
}
