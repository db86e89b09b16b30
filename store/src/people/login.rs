//! Logins: one a device or program, each with a family of refresh tokens of which only the last works.

use serde_json::{Value, json};

use super::audit::Deed;
use super::id::last;
use super::user::user;
use super::within::Sees;
use super::{Act, Changed, Hidden, LoginId, OrganizationId, Page, User, UserId};
use crate::open::Writing;
use crate::read::LIST_MAX;
use crate::rows::Columns;
use crate::write::text;
use crate::{Store, StoreError, WallTime};

/// A login, from the password to its end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Login {
    /// Its id.
    pub id: LoginId,
    /// Where its user works.
    pub organization: OrganizationId,
    /// Whose it is.
    pub user: UserId,
    /// Where it came from.
    pub address: String,
    /// What the program calls itself.
    pub agent: String,
    /// When it began.
    pub created_at: WallTime,
    /// When it was refreshed last.
    pub used_at: WallTime,
    /// Until when it can be refreshed.
    pub expires_at: WallTime,
    /// When it ended.
    pub ended_at: Option<WallTime>,
    /// Why: `logout`, `revoked`, `reused`, `password`.
    pub ended_why: Option<String>,
}

/// A login that is to be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewLogin {
    /// Where its user works.
    pub organization: OrganizationId,
    /// Whose it is.
    pub user: UserId,
    /// What the program calls itself.
    pub agent: String,
    /// The hash of its first refresh token.
    pub token: Hidden,
    /// Until when it can be refreshed.
    pub expires_at: WallTime,
}

/// What became of a refresh token.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Refresh {
    /// It was the last one; the next one took its place.
    Taken(Box<(Login, User)>),
    /// It had been used before: it was stolen, or its successor was. The whole login has ended.
    Reused(LoginId),
    /// It is none of ours, or of a login that is over.
    Unknown,
}

impl Store {
    /// Begins a login.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn create_login(&self, new: &NewLogin, act: &Act<'_>) -> Result<LoginId, StoreError> {
        const QUERY: &str = "create_login";
        let (id, organization) = (LoginId::generate(), &new.organization);
        self.timed_write(QUERY, async {
            let mut writing = self.begin_in(QUERY, Sees::One(organization)).await?;
            let insert = sqlx::query(
                "INSERT INTO logins (id, organization, user_id, address, agent, created_us, used_us, expires_us)
                 VALUES ($1, $2, $3, $4, $5, $6, $6, $7)",
            )
            .bind(id.to_string())
            .bind(organization.to_string())
            .bind(new.user.to_string())
            .bind(text(act.address))
            .bind(text(&new.agent))
            .bind(act.at.micros())
            .bind(new.expires_at.micros());
            writing.execute(QUERY, insert).await?;
            writing.add_token(QUERY, organization, id, &new.token).await?;
            let seen = sqlx::query("UPDATE users SET last_login_us = $3 WHERE organization = $1 AND id = $2")
                .bind(organization.to_string())
                .bind(new.user.to_string())
                .bind(act.at.micros());
            writing.execute(QUERY, seen).await?;
            let deed = Deed { action: "login.created", resource: format!("login:{id}"), details: &Value::Null };
            writing.note(organization, act, deed).await?;
            writing.commit(QUERY).await.map(|()| id)
        })
        .await
    }

    /// Takes a refresh token, and has `next` be the one that works from now on, until `expires_at`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn refresh_login(
        &self,
        token: &Hidden,
        next: &Hidden,
        expires_at: WallTime,
        now: WallTime,
    ) -> Result<Refresh, StoreError> {
        const QUERY: &str = "refresh_login";
        self.timed_write(QUERY, async {
            // Without an organization yet: the token tells which.
            let mut writing = self.begin_in(QUERY, Sees::All).await?;
            let Some(login) = writing.login_of(QUERY, token).await? else { return Ok(Refresh::Unknown) };
            if login.ended_at.is_some() || login.expires_at <= now {
                return Ok(Refresh::Unknown);
            }
            let (id, organization) = (login.id, &login.organization);
            let take = sqlx::query("UPDATE refresh_tokens SET used_us = $2 WHERE hash = $1 AND used_us IS NULL");
            if writing.execute(QUERY, take.bind(token.expose().to_owned()).bind(now.micros())).await? == 0 {
                writing.end_login(QUERY, organization, id, "reused", now).await?;
                let act = Act { actor: &format!("user:{}", login.user), address: "", at: now };
                let details = json!({ "why": "reused" });
                let deed = Deed { action: "login.ended", resource: format!("login:{id}"), details: &details };
                writing.note(organization, &act, deed).await?;
                writing.commit(QUERY).await?;
                return Ok(Refresh::Reused(id));
            }
            let of = sqlx::query(
                "SELECT users.* FROM users JOIN organizations ON organizations.id = users.organization
                 WHERE users.id = $1 AND users.is_active = 1 AND organizations.is_active = 1",
            );
            let Some(user) = writing.fetch(QUERY, of.bind(login.user.to_string()), user).await?.pop() else {
                return Ok(Refresh::Unknown);
            };
            writing.add_token(QUERY, organization, id, next).await?;
            let used = sqlx::query("UPDATE logins SET used_us = $2, expires_us = $3 WHERE id = $1")
                .bind(id.to_string())
                .bind(now.micros())
                .bind(expires_at.micros());
            writing.execute(QUERY, used).await?;
            // As long as a login may rest is long enough to tell a theft; else one that is never signed out would grow for ever.
            let old = now.micros().saturating_sub(expires_at.micros().saturating_sub(now.micros()));
            let forget = sqlx::query("DELETE FROM refresh_tokens WHERE login_id = $1 AND used_us < $2");
            writing.execute(QUERY, forget.bind(id.to_string()).bind(old)).await?;
            writing.commit(QUERY).await?;
            Ok(Refresh::Taken(Box::new((Login { used_at: now, expires_at, ..login }, user))))
        })
        .await
    }

    /// The user of a login that goes on at `now`, of an organization that is active.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn user_of_login(
        &self,
        organization: &OrganizationId,
        id: LoginId,
        now: WallTime,
    ) -> Result<Option<User>, StoreError> {
        let query = sqlx::query(
            "SELECT users.* FROM logins JOIN users ON users.id = logins.user_id
             JOIN organizations ON organizations.id = users.organization
             WHERE logins.organization = $1 AND logins.id = $2 AND logins.ended_us IS NULL AND logins.expires_us > $3
               AND users.is_active = 1 AND organizations.is_active = 1",
        )
        .bind(organization.to_string())
        .bind(id.to_string())
        .bind(now.micros());
        Ok(self.read_in("user_of_login", Sees::One(organization), query, user).await?.pop())
    }

    /// The logins of a user that go on at `now`, the newest first.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn logins(
        &self,
        organization: &OrganizationId,
        user: UserId,
        now: WallTime,
        page: &Page,
    ) -> Result<Vec<Login>, StoreError> {
        let query = sqlx::query(
            "SELECT * FROM logins WHERE organization = $1 AND user_id = $2 AND ended_us IS NULL AND expires_us > $3 AND id < $4
             ORDER BY id DESC LIMIT $5",
        )
        .bind(organization.to_string())
        .bind(user.to_string())
        .bind(now.micros())
        .bind(page.after.clone().unwrap_or_else(last))
        .bind(i64::from(page.limit.clamp(1, LIST_MAX)));
        self.read_in("logins", Sees::One(organization), query, login).await
    }

    /// Ends a login of a user.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn end_login(
        &self,
        organization: &OrganizationId,
        user: UserId,
        id: LoginId,
        why: &'static str,
        act: &Act<'_>,
    ) -> Result<Changed<()>, StoreError> {
        const QUERY: &str = "end_login";
        self.timed_write(QUERY, async {
            let mut writing = self.begin_in(QUERY, Sees::One(organization)).await?;
            let mine = sqlx::query("SELECT id FROM logins WHERE organization = $1 AND id = $2 AND user_id = $3")
                .bind(organization.to_string())
                .bind(id.to_string())
                .bind(user.to_string());
            let mine = writing.fetch(QUERY, mine, |row| row.value::<String>("id")).await?;
            if mine.is_empty() || writing.end_login(QUERY, organization, id, why, act.at).await? == 0 {
                return Ok(Changed::Missing);
            }
            let details = json!({ "why": why });
            let deed = Deed { action: "login.ended", resource: format!("login:{id}"), details: &details };
            writing.note(organization, act, deed).await?;
            writing.commit(QUERY).await.map(|()| Changed::Done(()))
        })
        .await
    }

    /// Forgets logins that are over since `before`, with their tokens. Answers how many.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn forget_logins(&self, before: WallTime) -> Result<u64, StoreError> {
        const QUERY: &str = "forget_logins";
        self.timed_write(QUERY, async {
            let mut writing = self.begin_in(QUERY, Sees::All).await?;
            let delete = sqlx::query("DELETE FROM logins WHERE expires_us < $1 OR ended_us < $1").bind(before.micros());
            let gone = writing.execute(QUERY, delete).await?;
            writing.commit(QUERY).await.map(|()| gone)
        })
        .await
    }
}

impl Writing {
    async fn login_of(&mut self, query: &'static str, token: &Hidden) -> Result<Option<Login>, StoreError> {
        let of = sqlx::query(
            "SELECT logins.* FROM refresh_tokens JOIN logins ON logins.id = refresh_tokens.login_id WHERE refresh_tokens.hash = $1",
        );
        Ok(self.fetch(query, of.bind(token.expose().to_owned()), login).await?.pop())
    }

    async fn add_token(
        &mut self,
        query: &'static str,
        organization: &OrganizationId,
        login: LoginId,
        token: &Hidden,
    ) -> Result<(), StoreError> {
        let insert = sqlx::query("INSERT INTO refresh_tokens (hash, organization, login_id) VALUES ($1, $2, $3)")
            .bind(token.expose().to_owned())
            .bind(organization.to_string())
            .bind(login.to_string());
        self.execute(query, insert).await.map(drop)
    }

    async fn end_login(
        &mut self,
        query: &'static str,
        organization: &OrganizationId,
        id: LoginId,
        why: &'static str,
        at: WallTime,
    ) -> Result<u64, StoreError> {
        let end = sqlx::query(
            "UPDATE logins SET ended_us = $3, ended_why = $4 WHERE organization = $1 AND id = $2 AND ended_us IS NULL",
        )
        .bind(organization.to_string())
        .bind(id.to_string())
        .bind(at.micros())
        .bind(why);
        self.execute(query, end).await
    }

    /// Ends all logins of a user.
    pub(super) async fn end_logins(
        &mut self,
        query: &'static str,
        organization: &OrganizationId,
        user: UserId,
        why: &'static str,
        at: WallTime,
    ) -> Result<(), StoreError> {
        let end = sqlx::query(
            "UPDATE logins SET ended_us = $3, ended_why = $4 WHERE organization = $1 AND user_id = $2 AND ended_us IS NULL",
        )
        .bind(organization.to_string())
        .bind(user.to_string())
        .bind(at.micros())
        .bind(why);
        self.execute(query, end).await.map(drop)
    }
}

fn login(row: &Columns<'_>) -> Result<Login, StoreError> {
    Ok(Login {
        id: row.parsed("id")?,
        organization: row.parsed("organization")?,
        user: row.parsed("user_id")?,
        address: row.value("address")?,
        agent: row.value("agent")?,
        created_at: row.time("created_us")?,
        used_at: row.time("used_us")?,
        expires_at: row.time("expires_us")?,
        ended_at: row.time_option("ended_us")?,
        ended_why: row.value("ended_why")?,
    })
}
