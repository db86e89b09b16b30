//! Keys, kept out of logs.

use std::fmt;

/// A key or password. `Debug` says only whether there is one, and there is no `Display`.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Secret(String);

impl Secret {
    /// The secret itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(secret: String) -> Self {
        Self(secret)
    }
}

impl From<&str> for Secret {
    fn from(secret: &str) -> Self {
        Self(secret.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "unset" } else { "set" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_says_only_whether_there_is_one() {
        assert_eq!(format!("{:?} {:?}", Secret::from("sk-1"), Secret::default()), "set unset");
    }
}
