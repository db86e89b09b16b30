//! Sealing: secrets of rows and recordings under the operator's master key, with AES-256-GCM.
//!
//! [`Seals`] is the handle that all clones of a [`Store`](crate::Store) share; the [`Keyring`] in it is swapped whole. Without a key
//! everything is kept as it is. What was sealed names its key, so that a ring of old and new ones opens all of it; new things are sealed
//! with the newest. A value is bound to its table, column and row, a piece of a recording to its file and place: moved ones do not open.

mod keyring;
mod recording;
mod rows;
mod stream;
mod value;

use std::sync::Arc;

use arc_swap::ArcSwap;

pub use keyring::{BadKey, KEYS_MAX, KeyId, Keyring, MasterKey};
pub use recording::RecordingReader;
pub use rows::{Resealed, SealedTable};
pub use stream::{
    CHUNK, FileKey, HEAD, PRELUDE, SEALED_CHUNK, SEALED_PRELUDE, TAIL_MIN, begin_file, body_start, is_sealed, key_of_file,
    open_file, rewrap,
};

pub(crate) use value::Place;

/// What has been sealed cannot be opened.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SealError {
    /// The operator's: its key is not there.
    #[error("it is sealed with the master key {0}, which is not configured")]
    Missing(KeyId),
    /// Somebody's who changed it, moved it from elsewhere or cut it; or the disk's.
    #[error("it was changed, moved or damaged since it was sealed with the master key {0}")]
    Broken(KeyId),
    /// It does not have the form of what was sealed.
    #[error("it has not the form of what was sealed")]
    Malformed,
}

/// The keys of a process. Cheap to clone: all clones see the same ring.
#[derive(Clone, Debug, Default)]
pub struct Seals(Arc<ArcSwap<Keyring>>);

impl Seals {
    /// The ring of now.
    #[must_use]
    pub fn keys(&self) -> Arc<Keyring> {
        self.0.load_full()
    }

    /// Takes another ring; what is under way ends with the one before.
    pub fn replace(&self, keys: Keyring) {
        self.put_back(Arc::new(keys));
    }

    /// Takes a ring that was there before.
    pub fn put_back(&self, keys: Arc<Keyring>) {
        self.0.store(keys);
    }
}

/// Fills a buffer with chance.
fn chance<const N: usize>() -> [u8; N] {
    use ring::rand::SecureRandom as _;
    let mut bytes = [0; N];
    ring::rand::SystemRandom::new().fill(&mut bytes).expect("the system gives random bytes once it has started");
    bytes
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
