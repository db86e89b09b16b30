//! Text of people: types that never show it in logs, and what of a text can be stored.

use std::borrow::Cow;
use std::fmt;

/// Longest text kept in one column, in bytes; the rest is cut at a character's edge. Four hours of fast speech are
/// below this, so only a peer that fills memory on purpose meets it.
pub const TEXT_BYTES_MAX: usize = 256 * 1024;

/// A telephone number or SIP user as the peer gave it. `Debug` shows its length only.
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct PhoneNumber(String);

/// What was said. `Debug` shows its length only.
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct Transcript(String);

macro_rules! redacted {
    ($name:ident) => {
        impl $name {
            /// Wraps the text as it is.
            #[must_use]
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The text itself: for the database and for the party it belongs to, not for logs.
            #[must_use]
            pub fn reveal(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({} characters)"), self.0.chars().count())
            }
        }
    };
}

redacted!(PhoneNumber);
redacted!(Transcript);

/// What of `text` both databases can keep: PostgreSQL refuses NUL, so NUL becomes U+FFFD; cut at [`TEXT_BYTES_MAX`].
pub(crate) fn storable(text: &str) -> Cow<'_, str> {
    let text = &text[..text.floor_char_boundary(TEXT_BYTES_MAX)];
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_number_and_no_speech() {
        let number = format!("{:?}", PhoneNumber::new("+14155550100"));
        let speech = format!("{:?}", Transcript::new("mein Geheimnis"));
        assert_eq!(number, "PhoneNumber(12 characters)");
        assert_eq!(speech, "Transcript(14 characters)");
    }

    #[test]
    fn nul_is_replaced_and_other_text_is_kept() {
        assert_eq!(storable("a\0b"), "a\u{fffd}b");
        assert_eq!(storable("Grüße 👋"), "Grüße 👋");
    }

    #[test]
    fn a_text_too_long_is_cut_at_a_character() {
        let long = "ü".repeat(TEXT_BYTES_MAX);
        let cut = storable(&long);
        assert_eq!(cut.len(), TEXT_BYTES_MAX);
        let odd = format!("a{long}");
        assert_eq!(storable(&odd).len(), TEXT_BYTES_MAX - 1);
    }
}
