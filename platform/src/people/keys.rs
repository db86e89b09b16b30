//! API keys: made, shown once, rotated.

use std::time::Duration;

use store::{Act, ApiKeyId, ApiKeyRow, Changed, NewApiKey, OrganizationId, StoreError, UserRole, WallTime};

use super::{Actor, People, Permission, Principal, Refused, letters};

/// What keys begin with, so that people and scanners of code know them.
const PREFIX: &str = "ohk_";
/// Letters that are shown of a key later: enough to know it by, and 24 of its 240 bits.
const SHOWN: usize = PREFIX.len() + 4;
/// A use is noted once in so long.
const USE_NOTED: Duration = Duration::from_secs(60);
/// The longest time for which the key before a rotation works too: a week for a slow roll-out.
pub const OVERLAP_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// A key that somebody wants.
#[derive(Clone, Debug)]
pub struct KeyWish {
    /// What it is for.
    pub name: String,
    /// What its user is.
    pub role: UserRole,
    /// What of that it may; empty: all.
    pub scopes: Vec<Permission>,
    /// Until when it works.
    pub expires_at: Option<WallTime>,
}

/// A key, and its letters, which are nowhere else.
#[derive(Clone, Debug)]
pub struct MadeKey {
    /// The row.
    pub row: ApiKeyRow,
    /// The key itself, to be shown once.
    pub key: store::Hidden,
}

/// Whether this has the form of a key, and not that of a token.
pub(super) fn is_key(shown: &str) -> bool {
    shown.starts_with(PREFIX)
}

impl People {
    /// Makes a key.
    ///
    /// # Errors
    /// The store's.
    pub async fn make_key(&self, organization: &OrganizationId, wish: KeyWish, act: &Act<'_>) -> Result<MadeKey, StoreError> {
        let key = letters::token(PREFIX);
        let new = NewApiKey {
            name: wish.name,
            prefix: key[..SHOWN].to_owned(),
            hash: letters::hash(&key),
            role: wish.role,
            scopes: wish.scopes.iter().map(|scope| scope.as_str().to_owned()).collect(),
            expires_at: wish.expires_at,
        };
        let row = self.store.create_api_key(organization, &new, act).await?;
        Ok(MadeKey { row, key: store::Hidden::new(key) })
    }

    /// Gives a key new letters; the old ones work for `overlap` more, [`OVERLAP_MAX`] at most.
    ///
    /// # Errors
    /// The store's.
    pub async fn rotate_key(
        &self,
        organization: &OrganizationId,
        id: ApiKeyId,
        overlap: Duration,
        act: &Act<'_>,
    ) -> Result<Changed<MadeKey>, StoreError> {
        let key = letters::token(PREFIX);
        let until = later(act.at, overlap.min(OVERLAP_MAX));
        let new = (&key[..SHOWN], &letters::hash(&key));
        let rotated = self.store.rotate_api_key(organization, id, new, until, act).await?;
        self.forget();
        Ok(match rotated {
            Changed::Done(row) => Changed::Done(MadeKey { row, key: store::Hidden::new(key) }),
            Changed::Missing | Changed::Stale | Changed::LastOwner => Changed::Missing,
        })
    }

    pub(super) async fn key_of(&self, shown: &str, now: WallTime) -> Result<Principal, Refused> {
        let found = self.store.working_api_key(letters::hash(shown).expose(), now).await?;
        let row = found.ok_or(Refused::Invalid)?;
        if row.last_used_at.is_none_or(|used| now.since(used) >= USE_NOTED) {
            self.store.use_api_key(&row.organization, row.id, now).await?;
        }
        // A word of a later version gives nothing here, and takes nothing away from the others.
        let scopes: Vec<_> = row.scopes.iter().filter_map(|word| Permission::from_word(word)).collect();
        let scopes = (!row.scopes.is_empty()).then_some(scopes);
        Ok(Principal { organization: row.organization, actor: Actor::Key(row.id), role: row.role, scopes })
    }
}

pub(super) fn later(at: WallTime, by: Duration) -> WallTime {
    WallTime::from_micros(at.micros().saturating_add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)))
}
