//! Sessions: made by those who may, opened once by whoever shows the token.

use std::time::Duration;

use serde_json::Value;
use store::{Act, CallId, Hidden, NewSession, OrganizationId, Session, SessionStatus, Store, StoreError, WallTime};
use subtle::ConstantTimeEq as _;

use crate::people::letters;

/// How long a token opens its session: a page that is loaded, and a person who then thinks about it.
pub const TOKEN_LIFE: Duration = Duration::from_secs(15 * 60);

/// What tokens begin with, so that people and scanners of code know them.
const PREFIX: &str = "ohs_";

/// A session that somebody wants.
#[derive(Clone, Debug)]
pub struct SessionWish {
    /// Who talks, by name.
    pub assistant: String,
    /// JSON.
    pub metadata: Value,
    /// Most sessions that the organization may have open.
    pub open_max: u32,
}

/// A session, and the token that opens it, which is nowhere else.
#[derive(Clone, Debug)]
pub struct MadeSession {
    /// The row.
    pub session: Session,
    /// The token, to be shown once.
    pub token: Hidden,
}

/// Makes a session; `None` when the organization has as many open as it may.
///
/// # Errors
/// The store's.
pub async fn make(
    store: &Store,
    organization: &OrganizationId,
    wish: SessionWish,
    act: &Act<'_>,
) -> Result<Option<MadeSession>, StoreError> {
    let token = letters::token(PREFIX);
    let until = act.at.micros().saturating_add(i64::try_from(TOKEN_LIFE.as_micros()).unwrap_or(i64::MAX));
    let new = NewSession {
        assistant: wish.assistant,
        metadata: wish.metadata,
        token_hash: letters::hash(&token),
        token_expires_at: WallTime::from_micros(until),
        open_max: wish.open_max,
    };
    let made = store.create_session(organization, &new, act).await?;
    Ok(made.map(|session| MadeSession { session, token: Hidden::new(token) }))
}

/// The session whose token this is, wherever it is in its life.
///
/// # Errors
/// The store's.
pub async fn shown_by(store: &Store, id: CallId, token: &str) -> Result<Option<Session>, StoreError> {
    let shown = letters::hash(token);
    let fits = |session: &Session| bool::from(shown.expose().as_bytes().ct_eq(session.token_hash.expose().as_bytes()));
    Ok(store.session_of_anybody(id).await?.filter(fits))
}

/// Takes the session that this token opens; `None` when it is wrong, used, or too old: which of them is not said.
///
/// # Errors
/// The store's.
pub async fn open(store: &Store, id: CallId, token: &str, now: WallTime) -> Result<Option<Session>, StoreError> {
    let Some(session) = shown_by(store, id, token).await? else { return Ok(None) };
    if session.status(now) != SessionStatus::Created {
        return Ok(None);
    }
    let first = store.connect_session(&session.organization, id, now).await?;
    Ok(first.then_some(session))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> WallTime {
        WallTime::from_micros(seconds * 1_000_000)
    }

    fn act() -> Act<'static> {
        Act { actor: "node", address: "", at: at(0) }
    }

    async fn session(store: &Store) -> MadeSession {
        let wish = SessionWish { assistant: "demo".to_owned(), metadata: Value::Null, open_max: 10 };
        make(store, &OrganizationId::operator(), wish, &act()).await.unwrap().unwrap()
    }

    #[tokio::test]
    async fn a_token_opens_its_own_session_once_and_in_time() {
        let store = Store::open("sqlite::memory:").await.unwrap();
        let (one, two) = (session(&store).await, session(&store).await);
        let opens = async |id, token: &str, seconds| open(&store, id, token, at(seconds)).await.unwrap().is_some();
        assert!(one.token.expose().starts_with("ohs_") && one.token.expose().len() == 44);
        assert!(!one.session.token_hash.expose().contains(&one.token.expose()[4..]));
        assert!(!opens(one.session.id, two.token.expose(), 1).await, "another's");
        assert!(!opens(one.session.id, one.session.token_hash.expose(), 1).await, "the hash itself");
        assert!(!opens(CallId::generate(), one.token.expose(), 1).await);
        assert!(!opens(one.session.id, one.token.expose(), 900).await, "too late");
        assert!(opens(one.session.id, one.token.expose(), 899).await);
        assert!(!opens(one.session.id, one.token.expose(), 899).await, "again");
        store.end_session(&OrganizationId::operator(), two.session.id, &act()).await.unwrap();
        assert!(!opens(two.session.id, two.token.expose(), 1).await, "it has ended");
    }
}
