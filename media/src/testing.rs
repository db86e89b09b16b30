//! What the tests of several modules share.

use std::time::Instant;

/// Where virtual time starts.
#[allow(clippy::disallowed_methods)]
pub(crate) fn epoch() -> Instant {
    Instant::now()
}
