//! How often who may ask: by address before anything is looked up, and by user, key or node after.

use std::hash::Hash;
use std::num::NonZeroU32;

use axum::http::StatusCode;
use governor::clock::{Clock as _, MonotonicClock};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use platform::people::Principal;

use crate::problem::Problem;

/// Sign-ins and refreshes of an address in a second, and at once: an office in the morning, and no guessing.
const SIGN_INS: (u32, u32) = (2, 20);
/// What is asked at once is twice what may be asked in a second.
const BURST: u32 = 2;
/// Above so many keys those at rest are forgotten; then all are, so that a flood of addresses costs no memory.
const KEYS_MAX: usize = 65_536;

/// How many requests in a second; 0: any number.
#[derive(Clone, Copy, Debug)]
pub struct RequestLimits {
    /// Of one address.
    pub by_address: u32,
    /// Of one user or key.
    pub by_actor: u32,
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self { by_address: 200, by_actor: 100 }
    }
}

pub(super) struct Limits {
    sign_ins: Option<Buckets<String>>,
    addresses: Option<Buckets<String>>,
    actors: Option<Buckets<String>>,
}

struct Buckets<K: Clone + Eq + Hash>(RateLimiter<K, DashMapStateStore<K>, MonotonicClock, NoOpMiddleware>);

impl Limits {
    pub(super) fn new(limits: RequestLimits) -> Self {
        let of = |per_second: u32| Buckets::new(per_second, per_second.saturating_mul(BURST));
        Self { sign_ins: Buckets::new(SIGN_INS.0, SIGN_INS.1), addresses: of(limits.by_address), actors: of(limits.by_actor) }
    }

    /// One more sign-in of an address.
    pub(super) fn sign_in(&self, address: &str) -> Result<(), Problem> {
        take(self.sign_ins.as_ref(), address, "sign-ins from this address")
    }

    /// One more request of an address.
    pub(super) fn address(&self, address: &str) -> Result<(), Problem> {
        take(self.addresses.as_ref(), address, "requests from this address")
    }

    /// One more request of somebody known.
    pub(super) fn actor(&self, principal: &Principal) -> Result<(), Problem> {
        take(self.actors.as_ref(), &principal.name(), "requests of this user or key")
    }
}

fn take(buckets: Option<&Buckets<String>>, key: &str, what: &str) -> Result<(), Problem> {
    let Some(buckets) = buckets.filter(|_| !key.is_empty()) else { return Ok(()) };
    buckets.take(&key.to_owned()).map_err(|seconds| {
        metrics::counter!("offhook_http_rate_limited_total").increment(1);
        Problem::new(StatusCode::TOO_MANY_REQUESTS, format!("too many {what}")).again_after(seconds)
    })
}

impl<K: Clone + Eq + Hash> Buckets<K> {
    fn new(per_second: u32, at_once: u32) -> Option<Self> {
        let quota = Quota::per_second(NonZeroU32::new(per_second)?).allow_burst(NonZeroU32::new(at_once)?);
        Some(Self(RateLimiter::dashmap_with_clock(quota, MonotonicClock)))
    }

    /// Takes a place, or says in how many seconds there is one.
    fn take(&self, key: &K) -> Result<(), u64> {
        if self.0.len() > KEYS_MAX {
            self.0.retain_recent();
        }
        self.0.check_key(key).map(drop).map_err(|until| until.wait_time_from(self.0.clock().now()).as_secs() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn past_the_burst_one_waits_and_others_do_not() {
        let limits = Limits::new(RequestLimits { by_address: 1, by_actor: 0 });
        let taken = (0..3).map(|_| limits.address("192.0.2.1").is_ok()).collect::<Vec<_>>();
        assert_eq!(taken, [true, true, false]);
        assert!(limits.address("192.0.2.2").is_ok());
        assert!((0..1_000).all(|_| limits.actor(&Principal::node()).is_ok()), "0 is no limit");
        let sign_ins = (0..30).filter(|_| limits.sign_in("192.0.2.1").is_ok()).count();
        assert!((20..25).contains(&sign_ins), "{sign_ins}");
    }
}
