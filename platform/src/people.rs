//! Who may do what: signing in, tokens, API keys, roles.
//!
//! [`People`] is the service. Everything that depends on the time is told it, so the tests need not wait.

mod keys;
pub(crate) mod letters;
mod lockout;
mod password;
mod permission;
mod second_factor;
mod signing_in;
mod token;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use store::{NewUser, OrganizationId, Page, Store, StoreError, UserRole, WallTime};

pub use keys::{KeyWish, MadeKey, OVERLAP_MAX};
pub use password::{PASSWORD_BYTES_MAX, PASSWORD_LENGTH_MIN, WeakPassword};
pub use permission::{Actor, Permission, Principal};
pub use second_factor::{Enrolment, RECOVERY_CODES};
pub use signing_in::{ACCESS_LIFE, Credentials, Ids, REFRESH_LIFE, SignedIn, Visitor};

use password::Passwords;
use token::Tokens;

/// Shown tokens and keys that are remembered, so that not each request asks the database.
const REMEMBERED_MAX: usize = 4_096;
/// For how long: what another node revoked may work here for as long.
const REMEMBERED_FOR_US: i64 = 5_000_000;

/// The login that a server without users makes at its first start.
pub const FIRST_OWNER: &str = "owner@offhook.local";

/// Why somebody is not let in, or is not given what they ask for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// No user has this e-mail address and password, or no code fits: which of them is not said.
    #[error("the e-mail address, the password or the code is wrong")]
    Wrong,
    /// The password is right, and a code of the authenticator is needed too.
    #[error("a code of the authenticator is needed: send it as totp")]
    CodeNeeded,
    /// Too many wrong passwords.
    #[error("too many attempts; come again in {seconds} s")]
    TooMany {
        /// When to come again.
        seconds: u64,
    },
    /// What was shown is no token or key of ours, or works no more.
    #[error("this token or key is not valid, or not any more")]
    Invalid,
    /// A refresh token was shown twice: the login has ended.
    #[error("this refresh token was used before: the login has ended for safety; sign in again")]
    Reused,
    /// A new password can be guessed.
    #[error(transparent)]
    Weak(#[from] WeakPassword),
    /// A second factor is there already, or none was begun.
    #[error("{0}")]
    SecondFactor(&'static str),
    /// The database's, or ours.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Who was let in, and when, by the hash of what was shown.
type Remembered = HashMap<[u8; 32], (Principal, WallTime)>;

/// Signing in, and who shows what.
#[derive(Clone, Debug)]
pub struct People {
    store: Store,
    passwords: Passwords,
    tokens: Tokens,
    remembered: Arc<Mutex<Remembered>>,
}

impl People {
    /// Over the records; makes the first key for tokens when there is none.
    ///
    /// # Errors
    /// The store's.
    pub async fn open(store: Store, now: WallTime) -> Result<Self, StoreError> {
        let tokens = Tokens::open(store.clone(), now).await?;
        Ok(Self { store, passwords: Passwords::default(), tokens, remembered: Arc::default() })
    }

    /// The records.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The hash of a new password that nobody guesses; `known` is what others know of its user.
    ///
    /// # Errors
    /// [`Refused::Weak`].
    pub async fn hash_password(&self, password: &str, known: &[&str]) -> Result<store::Hidden, Refused> {
        password::check(password, known)?;
        Ok(self.passwords.hash(password).await)
    }

    /// A password of chance that nobody knows yet, and its hash.
    pub async fn new_password(&self) -> (String, store::Hidden) {
        let password = letters::password();
        let hash = self.passwords.hash(&password).await;
        (password, hash)
    }

    /// Makes an owner of the operator's organization if it has no user at all; answers the password, which is nowhere else.
    ///
    /// # Errors
    /// The store's.
    pub async fn first_owner(&self, now: WallTime) -> Result<Option<String>, StoreError> {
        let operator = OrganizationId::operator();
        if !self.store.users(&operator, &Page { limit: 1, after: None }).await?.is_empty() {
            return Ok(None);
        }
        let (password, password_hash) = self.new_password().await;
        let new = NewUser { email: FIRST_OWNER.to_owned(), name: "Owner".to_owned(), role: UserRole::Owner, password_hash };
        let act = store::Act { actor: "node", address: "", at: now };
        match self.store.create_user(&operator, &new, &act).await {
            Ok(_) => Ok(Some(password)),
            // Another node was faster, and printed it.
            Err(StoreError::Taken { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Forgets who was let in: the next request asks the database. For after a change of people or keys.
    pub fn forget(&self) {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Who shows this token or key.
    ///
    /// # Errors
    /// [`Refused::Invalid`], or the store's.
    pub async fn principal(&self, shown: &str, now: WallTime) -> Result<Principal, Refused> {
        let hash = letters::digest(shown);
        {
            let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((principal, since)) = remembered.get(&hash)
                && now.micros().abs_diff(since.micros()) < REMEMBERED_FOR_US.unsigned_abs()
            {
                return Ok(principal.clone());
            }
        }
        let principal = match keys::is_key(shown) {
            true => self.key_of(shown, now).await?,
            false => self.user_of(shown, now).await?,
        };
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= REMEMBERED_MAX {
            remembered.clear();
        }
        remembered.insert(hash, (principal.clone(), now));
        Ok(principal)
    }
}
