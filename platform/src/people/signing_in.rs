//! Signing in and staying so: a password and a code become a short access token and a refresh token that works once.

use std::time::Duration;

use serde_json::json;
use store::{Act, Changed, LoginId, NewLogin, OrganizationId, Refresh, User, UserChange, UserId, WallTime};

use super::keys::later;
use super::lockout::Subject;
use super::token::Named;
use super::{Actor, People, Principal, Refused, letters, password};

/// How long an access token works.
pub const ACCESS_LIFE: Duration = Duration::from_secs(15 * 60);
/// How long a login lives without being refreshed.
pub const REFRESH_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);
/// Logins that are over are kept for so long, for whoever looks into a theft.
const OVER_KEPT: Duration = Duration::from_secs(30 * 24 * 3600);
const REFRESH_PREFIX: &str = "ohr_";

/// Who wants to sign in.
#[derive(Clone, Copy, Debug)]
pub struct Visitor<'a> {
    /// The peer's address.
    pub address: &'a str,
    /// What the program calls itself.
    pub agent: &'a str,
    /// When.
    pub at: WallTime,
}

/// What they show. `Debug` shows none of it.
#[derive(Clone, Copy)]
pub struct Credentials<'a> {
    /// The login.
    pub email: &'a str,
    /// The password.
    pub password: &'a str,
    /// A code of the authenticator, or a recovery code.
    pub code: Option<&'a str>,
}

/// Ids of a login.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ids {
    /// Where the user works.
    pub organization: OrganizationId,
    /// Who.
    pub user: UserId,
    /// Which login.
    pub login: LoginId,
}

/// Somebody who is signed in.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// Who, in which login.
    pub ids: Ids,
    /// For requests, for [`ACCESS_LIFE`].
    pub access_token: store::Hidden,
    /// For the next pair of tokens, once.
    pub refresh_token: store::Hidden,
}

impl People {
    /// Signs somebody in.
    ///
    /// # Errors
    /// [`Refused::TooMany`], [`Refused::Wrong`], [`Refused::CodeNeeded`], or the store's.
    pub async fn sign_in(&self, shown: Credentials<'_>, from: Visitor<'_>) -> Result<SignedIn, Refused> {
        let store = self.store();
        let (account, address) = (Subject::Account(shown.email), Subject::Address(from.address));
        address.admit(store, from.at).await?;
        account.admit(store, from.at).await?;
        // Counted before it is known to be wrong: of many at the same time each counts.
        account.count(store, from.at).await?;
        let checked = self.check(shown, from).await;
        match &checked {
            Ok(_) => account.clear(store).await?,
            Err(Refused::Wrong) => address.count(store, from.at).await?,
            // The password was right, and the next request brings the code; that one counts.
            Err(Refused::CodeNeeded) => account.clear(store).await?,
            Err(_) => {}
        }
        let user = checked?;
        let token = letters::token(REFRESH_PREFIX);
        let new = NewLogin {
            organization: user.organization.clone(),
            user: user.id,
            agent: from.agent.chars().take(200).collect(),
            token: letters::hash(&token),
            expires_at: later(from.at, REFRESH_LIFE),
        };
        let actor = format!("user:{}", user.id);
        let login = store.create_login(&new, &Act { actor: &actor, address: from.address, at: from.at }).await?;
        self.signed_in(&user, login, token, from.at).await
    }

    /// The user of these credentials. A wrong one of a user that there is, is noted in the audit log.
    async fn check(&self, shown: Credentials<'_>, from: Visitor<'_>) -> Result<User, Refused> {
        let found = if shown.password.len() > password::PASSWORD_BYTES_MAX {
            None
        } else {
            self.store().user_by_email(shown.email).await?
        };
        let fits = self.passwords.fits(shown.password, found.as_ref().map(|user| &user.password_hash)).await;
        let Some(user) = found else { return Err(Refused::Wrong) };
        let actor = format!("user:{}", user.id);
        let act = Act { actor: &actor, address: from.address, at: from.at };
        let organization = self.store().organization(&user.organization).await?;
        let active = user.is_active && organization.is_some_and(|organization| organization.is_active);
        let code = match (fits && active, user.mfa_enabled, shown.code) {
            (true, false, _) => Ok(()),
            (true, true, Some(code)) => self.take_code(&user, code, &act).await,
            (true, true, None) => Err(Refused::CodeNeeded),
            (false, ..) => Err(Refused::Wrong),
        };
        if matches!(code, Err(Refused::Wrong)) {
            let why = if fits && active {
                "code"
            } else if fits {
                "inactive"
            } else {
                "password"
            };
            self.note_refusal(&user, from, why);
        }
        code.map(|()| user)
    }

    /// Notes a refusal, and does not wait for it: how long an answer takes must not tell whether there is such a user.
    fn note_refusal(&self, user: &User, from: Visitor<'_>, why: &'static str) {
        let (store, user, organization) = (self.store().clone(), user.id, user.organization.clone());
        let (address, at) = (from.address.to_owned(), from.at);
        tokio::spawn(async move {
            let actor = format!("user:{user}");
            let act = Act { actor: &actor, address: &address, at };
            let noted = store.audit(&organization, &act, "login.refused", actor.clone(), &json!({ "why": why })).await;
            if let Err(error) = noted {
                tracing::warn!(%error, "a refused login is not in the audit log");
            }
        });
    }

    /// The next pair of tokens.
    ///
    /// # Errors
    /// [`Refused::Invalid`], [`Refused::Reused`], or the store's.
    pub async fn refresh(&self, token: &str, now: WallTime) -> Result<SignedIn, Refused> {
        let next = letters::token(REFRESH_PREFIX);
        let refreshed =
            self.store().refresh_login(&letters::hash(token), &letters::hash(&next), later(now, REFRESH_LIFE), now).await?;
        match refreshed {
            Refresh::Taken(taken) => {
                let (login, user) = *taken;
                self.signed_in(&user, login.id, next, now).await
            }
            Refresh::Reused(_) => {
                self.forget();
                Err(Refused::Reused)
            }
            Refresh::Unknown => Err(Refused::Invalid),
        }
    }

    /// Ends a login of a user; false when it is not theirs, or over. Its access token works no more.
    ///
    /// # Errors
    /// The store's.
    pub async fn sign_out(&self, ids: &Ids, why: &'static str, act: &Act<'_>) -> Result<bool, Refused> {
        let ended = self.store().end_login(&ids.organization, ids.user, ids.login, why, act).await?;
        self.forget();
        let kept = i64::try_from(OVER_KEPT.as_micros()).unwrap_or(i64::MAX);
        self.store().forget_logins(WallTime::from_micros(act.at.micros().saturating_sub(kept))).await?;
        Ok(matches!(ended, Changed::Done(())))
    }

    /// Gives a user who knows the old password a new one. All logins end.
    ///
    /// # Errors
    /// [`Refused::TooMany`], [`Refused::Wrong`], [`Refused::Weak`], or the store's.
    pub async fn change_password(&self, user: &User, old: &str, new: &str, act: &Act<'_>) -> Result<(), Refused> {
        self.prove(user, old, act).await?;
        let hash = self.hash_password(new, &[&user.name, &user.email]).await?;
        let change = UserChange { password_hash: Some(hash), ..UserChange::default() };
        self.store().change_user(&user.organization, user.id, None, &change, act).await?;
        self.forget();
        Ok(())
    }

    /// Has a user who is signed in show the password again, before something that a thief of the token would want.
    ///
    /// # Errors
    /// [`Refused::TooMany`], [`Refused::Wrong`], or the store's.
    pub async fn prove(&self, user: &User, password: &str, act: &Act<'_>) -> Result<(), Refused> {
        let account = Subject::Account(&user.email);
        account.admit(self.store(), act.at).await?;
        account.count(self.store(), act.at).await?;
        if !self.passwords.fits(password, Some(&user.password_hash)).await {
            return Err(Refused::Wrong);
        }
        account.clear(self.store()).await.map_err(Refused::from)
    }

    pub(super) async fn user_of(&self, token: &str, now: WallTime) -> Result<Principal, Refused> {
        let Named { organization, user: named, login } = self.tokens.read_token(token, now).await?;
        let user = self.store().user_of_login(&organization, login, now).await?;
        let user = user.filter(|user| user.id == named).ok_or(Refused::Invalid)?;
        Ok(Principal { organization, actor: Actor::User { user: user.id, login }, role: user.role, scopes: None })
    }

    async fn signed_in(&self, user: &User, login: LoginId, refresh: String, now: WallTime) -> Result<SignedIn, Refused> {
        let named = Named { organization: user.organization.clone(), user: user.id, login };
        let access = self.tokens.make(&named, now).await?;
        Ok(SignedIn {
            ids: Ids { organization: named.organization, user: named.user, login },
            access_token: store::Hidden::new(access),
            refresh_token: store::Hidden::new(refresh),
        })
    }
}
