//! The deadlines of everything that an endpoint runs, in order of time.

use std::collections::BTreeSet;
use std::time::Instant;

/// Whose deadline it is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Owner {
    Client(u64),
    Server(u64),
    Dialog(u64),
    Transfers(u64),
}

/// Each owner has at most one deadline and remembers it, so that a change costs two tree operations and no scan.
#[derive(Debug, Default)]
pub(super) struct Deadlines(BTreeSet<(Instant, Owner)>);

impl Deadlines {
    /// Moves an owner's deadline from `armed` to `wanted`.
    pub fn rearm(&mut self, owner: Owner, armed: &mut Option<Instant>, wanted: Option<Instant>) {
        if *armed == wanted {
            return;
        }
        if let Some(at) = armed.take() {
            self.0.remove(&(at, owner));
        }
        if let Some(at) = wanted {
            self.0.insert((at, owner));
        }
        *armed = wanted;
    }

    /// Takes the earliest owner that is due. Its `armed` is stale until it is rearmed.
    pub fn pop_due(&mut self, now: Instant) -> Option<Owner> {
        let first = *self.0.first()?;
        (first.0 <= now).then(|| {
            self.0.remove(&first);
            first.1
        })
    }

    /// The earliest deadline.
    pub fn next(&self) -> Option<Instant> {
        self.0.first().map(|(at, _)| *at)
    }
}
