//! The id of a call.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// Id of one call: a UUIDv7, so ids sort by the time of creation. It outlives the process.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct CallId(Uuid);

impl CallId {
    /// A new id, unique over all nodes.
    #[must_use]
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }

    /// The id as a number; its 32 hexadecimal digits are also the id of the call's trace.
    #[must_use]
    pub const fn to_bits(self) -> u128 {
        self.0.as_u128()
    }

    /// The id that sorts after every other: where a list that has no cursor begins.
    pub(crate) const LAST: Self = Self(Uuid::max());
}

impl fmt::Debug for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CallId({})", self.0)
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for CallId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::parse_str(text).map(Self)
    }
}

/// Id of a document of the knowledge base: a UUIDv7, so ids sort by the time of creation.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct DocumentId(Uuid);

impl DocumentId {
    /// A new id, unique over all nodes.
    #[must_use]
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }

    /// The id that sorts after every other.
    pub(crate) const LAST: Self = Self(Uuid::max());
}

impl fmt::Debug for DocumentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DocumentId({})", self.0)
    }
}

impl fmt::Display for DocumentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for DocumentId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::parse_str(text).map(Self)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn ids_sort_by_creation_as_values_and_as_text() {
        let ids: Vec<CallId> = (0..100).map(|_| CallId::generate()).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(ids.windows(2).all(|pair| pair[0].to_string() < pair[1].to_string()));
        assert!(ids[99] < CallId::LAST);
    }

    #[test]
    fn text_goes_both_ways_and_other_text_is_refused() {
        let id = CallId::generate();
        assert_eq!(id.to_string().parse::<CallId>().unwrap(), id);
        assert!("CA1234".parse::<CallId>().is_err());
    }
}
