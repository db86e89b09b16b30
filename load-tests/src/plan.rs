//! How many calls, how fast, how long, and to whom one may do that.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, ensure};

/// Most calls of a run: enough for a day of short ones in a soak.
pub const CALLS_MAX: u64 = 100_000;
/// Most calls up at once: one socket each, below the usual limit of open files with room for the rest.
pub const CONCURRENCY_MAX: u64 = 2_000;
/// Most new calls a second.
pub const RATE_MAX: f64 = 500.0;
/// Longest call.
pub const HOLD_MAX: Duration = Duration::from_secs(3_600);

/// The bounds of a run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Calls to place, at most [`CALLS_MAX`].
    pub calls: u64,
    /// Calls up at once, at most [`CONCURRENCY_MAX`]; further ones wait.
    pub concurrency: u64,
    /// New calls a second, at most [`RATE_MAX`].
    pub rate: f64,
    /// How long a call lasts after its answer, at most [`HOLD_MAX`].
    pub hold: Duration,
    /// Seed of every random choice.
    pub seed: u64,
    /// Process of the server on this machine, whose cost is measured.
    pub server_pid: Option<u32>,
    /// Tell what happens as it happens; for one call.
    pub narrate: bool,
}

/// Whether a target that is not on this machine may be called.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reach {
    /// Only 127.0.0.0/8 and ::1.
    Loopback,
    /// Anywhere: the operator says that the target is his own.
    OwnedTarget,
}

impl Plan {
    /// Refuses a plan beyond the bounds.
    ///
    /// # Errors
    /// Names the value and its limit.
    pub fn check(&self) -> anyhow::Result<()> {
        let Self { calls, concurrency, rate, hold, .. } = *self;
        ensure!((1..=CALLS_MAX).contains(&calls), "calls {calls} is not within 1 to {CALLS_MAX}");
        let most = CONCURRENCY_MAX;
        ensure!((1..=most).contains(&concurrency), "concurrency {concurrency} is not within 1 to {most}");
        ensure!(rate > 0.0 && rate <= RATE_MAX, "rate {rate} is not above 0 and at most {RATE_MAX}");
        ensure!(hold <= HOLD_MAX, "hold {hold:?} is above {HOLD_MAX:?}");
        ensure!(!self.narrate || calls == 1, "narrate is for one call, not {calls}");
        Ok(())
    }

    /// When call `number` (from 0) is placed, from the start of the run.
    pub fn launch(&self, number: u64) -> Duration {
        Duration::from_secs_f64(number as f64 / self.rate)
    }
}

impl Reach {
    /// Resolves `host:port` and refuses what lies out of reach.
    ///
    /// # Errors
    /// When the name is unknown, or the address is not a loopback one and the target was not claimed.
    pub async fn resolve(self, target: &str) -> anyhow::Result<SocketAddr> {
        let lookup = tokio::net::lookup_host(target).await;
        let mut found = lookup.with_context(|| format!("target {target}: want HOST:PORT"))?;
        let address = found.next().with_context(|| format!("target {target} has no address"))?;
        ensure!(
            self == Self::OwnedTarget || address.ip().is_loopback(),
            "target {address} is not on this machine: load is for your own servers only, say --i-own-the-target if it is one"
        );
        Ok(address)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn check(change: impl Fn(&mut Plan), want: &str) {
        let hold = Duration::from_secs(1);
        let mut plan = Plan { calls: 1, concurrency: 1, rate: 1.0, hold, seed: 1, server_pid: None, narrate: false };
        change(&mut plan);
        let got = plan.check().map_or_else(|error| error.to_string(), |()| "fine".to_owned());
        assert_eq!(got, want);
    }

    #[test]
    fn a_run_is_bounded() {
        check(|_| {}, "fine");
        check(|plan| plan.calls = 100_001, "calls 100001 is not within 1 to 100000");
        check(|plan| plan.concurrency = 0, "concurrency 0 is not within 1 to 2000");
        check(|plan| plan.rate = 501.0, "rate 501 is not above 0 and at most 500");
        check(|plan| plan.hold = Duration::from_secs(3_601), "hold 3601s is above 3600s");
        check(|plan| (plan.narrate, plan.calls) = (true, 2), "narrate is for one call, not 2");
    }

    #[tokio::test]
    async fn only_loopback_is_in_reach_unless_the_target_is_owned() {
        assert!(Reach::Loopback.resolve("127.0.0.1:5060").await.is_ok());
        assert!(Reach::Loopback.resolve("[::1]:5060").await.is_ok());
        let refused = Reach::Loopback.resolve("192.0.2.1:5060").await.unwrap_err();
        assert!(refused.to_string().contains("--i-own-the-target"), "{refused}");
        assert!(Reach::OwnedTarget.resolve("192.0.2.1:5060").await.is_ok());
        assert!(Reach::Loopback.resolve("no port").await.is_err());
    }
}
