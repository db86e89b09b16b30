//! Wrong passwords make the next attempt wait, for an account and for an address.

use std::time::Duration;

use store::{Store, StoreError, WallTime};

use super::{Refused, letters};

/// Without a wrong password for so long all is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(24 * 3600);
/// Wrong passwords of an account that cost nothing: people mistype.
const ACCOUNT_FREE: u64 = 4;
/// The same of an address, behind which an office may sit.
const ADDRESS_FREE: u64 = 19;
/// The longest wait: longer ones would let anybody lock others out for a day.
const WAIT_MAX: Duration = Duration::from_secs(15 * 60);

/// What is counted, by a name that tells neither account nor address.
pub(super) enum Subject<'a> {
    Account(&'a str),
    Address(&'a str),
}

impl Subject<'_> {
    fn name(&self) -> String {
        let (kind, name) = match self {
            Self::Account(email) => ("account", email.to_lowercase()),
            Self::Address(address) => ("address", (*address).to_owned()),
        };
        letters::hex(&letters::digest(&format!("{kind}:{name}")))
    }

    /// Lets it try, or says when.
    pub(super) async fn admit(&self, store: &Store, now: WallTime) -> Result<(), Refused> {
        let until = store.sign_in_failures(&self.name()).await?.map_or(now, |failures| failures.blocked_until);
        let wait = until.since(now);
        if wait.is_zero() { Ok(()) } else { Err(Refused::TooMany { seconds: wait.as_secs() + 1 }) }
    }

    /// Counts an attempt that failed, or one that may.
    pub(super) async fn count(&self, store: &Store, now: WallTime) -> Result<(), StoreError> {
        let delay = match self {
            Self::Account(_) => |failures| wait(failures, ACCOUNT_FREE),
            Self::Address(_) => |failures| wait(failures, ADDRESS_FREE),
        };
        store.add_sign_in_failure(&self.name(), now, FORGOTTEN, delay).await.map(drop)
    }

    pub(super) async fn clear(&self, store: &Store) -> Result<(), StoreError> {
        store.clear_sign_in_failures(&self.name()).await
    }
}

/// A second for the first that is not free, and twice as long for each more.
fn wait(failures: u64, free: u64) -> Duration {
    match failures.saturating_sub(free) {
        0 => Duration::ZERO,
        over => Duration::from_secs(1 << (over - 1).min(20)).min(WAIT_MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wrong_password_doubles_the_wait() {
        let waits: Vec<u64> = (1..=9).map(|failures| wait(failures, ACCOUNT_FREE).as_secs()).collect();
        assert_eq!(waits, [0, 0, 0, 0, 1, 2, 4, 8, 16]);
        assert_eq!(wait(u64::MAX, ACCOUNT_FREE), WAIT_MAX);
    }
}
