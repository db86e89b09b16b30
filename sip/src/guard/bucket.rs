//! Token buckets: so many a second, twice as many at once.

use std::time::{Duration, Instant};

/// How many seconds' worth a bucket holds.
const DEPTH: u32 = 2;

/// Tokens left, as the time at which it would be full again: one value, and no drift.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    full_at: Instant,
}

impl Bucket {
    pub fn full(now: Instant) -> Self {
        Self { full_at: now }
    }

    /// Takes one token, if there is one at this rate a second.
    pub fn take(&mut self, now: Instant, rate: u32) -> bool {
        let token = Duration::from_secs(1) / rate.max(1);
        let after = self.full_at.max(now) + token;
        let fits = after - now <= Duration::from_secs(1) * DEPTH && rate > 0;
        if fits {
            self.full_at = after;
        }
        fits
    }
}
