//! Sessions: conversations of browsers and programs. What is said in one is the call with the same id.

use serde_json::{Value, json};

use super::audit::Deed;
use super::id::last;
use super::within::Sees;
use super::{Act, Hidden, OrganizationId, Page};
use crate::read::LIST_MAX;
use crate::rows::Columns;
use crate::write::text;
use crate::{CallId, HangupCause, SessionStatus, Store, StoreError, WallTime};

/// A session.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    /// Its id, and that of its call.
    pub id: CallId,
    /// Whose it is.
    pub organization: OrganizationId,
    /// Who talks, by name.
    pub assistant: String,
    /// JSON, as it was given.
    pub metadata: Value,
    /// Of its token.
    pub token_hash: Hidden,
    /// Until when the token opens it.
    pub token_expires_at: WallTime,
    /// Who made it.
    pub created_by: String,
    /// When it was made.
    pub created_at: WallTime,
    /// When somebody connected.
    pub connected_at: Option<WallTime>,
    /// When it ended.
    pub ended_at: Option<WallTime>,
    /// Why its call ended.
    pub cause: Option<HangupCause>,
}

/// A session that is to be.
#[derive(Clone, Debug, PartialEq)]
pub struct NewSession {
    /// Who talks, by name.
    pub assistant: String,
    /// JSON.
    pub metadata: Value,
    /// Of its token.
    pub token_hash: Hidden,
    /// Until when the token opens it.
    pub token_expires_at: WallTime,
    /// Most sessions that the organization may have open, this one included.
    pub open_max: u32,
}

impl Session {
    /// Where it is in its life, at `now`.
    #[must_use]
    pub fn status(&self, now: WallTime) -> SessionStatus {
        match (self.ended_at, self.connected_at) {
            (Some(_), _) => SessionStatus::Ended,
            (None, Some(_)) => SessionStatus::Active,
            (None, None) if self.token_expires_at <= now => SessionStatus::Expired,
            (None, None) => SessionStatus::Created,
        }
    }
}

/// A session with what its call says of it.
const SELECT: &str = "SELECT sessions.*, COALESCE(sessions.ended_us, calls.ended_us) AS over_us, calls.cause AS call_cause
                      FROM sessions LEFT JOIN calls ON calls.id = sessions.id";

impl Store {
    /// Makes a session; `None` when the organization has as many open ones as it may.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn create_session(
        &self,
        organization: &OrganizationId,
        new: &NewSession,
        act: &Act<'_>,
    ) -> Result<Option<Session>, StoreError> {
        const QUERY: &str = "create_session";
        let id = CallId::generate();
        self.timed_write(QUERY, async {
            let mut writing = self.begin_in(QUERY, Sees::One(organization)).await?;
            // First, since who notes something waits for others of the organization: so no two count the same.
            let details = json!({ "assistant": new.assistant });
            let deed = Deed { action: "session.created", resource: format!("session:{id}"), details: &details };
            writing.note(organization, act, deed).await?;
            let open = sqlx::query(
                "SELECT COUNT(*) AS open FROM sessions LEFT JOIN calls ON calls.id = sessions.id
                 WHERE sessions.organization = $1 AND sessions.ended_us IS NULL AND calls.ended_us IS NULL
                   AND (calls.id IS NOT NULL OR sessions.token_expires_us > $2)",
            )
            .bind(organization.to_string())
            .bind(act.at.micros());
            let open = writing.fetch(QUERY, open, |row| row.count("open")).await?.pop().unwrap_or(0);
            if open >= u64::from(new.open_max) {
                return Ok(None);
            }
            let insert = sqlx::query(
                "INSERT INTO sessions (id, organization, assistant, metadata, token_hash, token_expires_us, created_by, created_us)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            )
            .bind(id.to_string())
            .bind(organization.to_string())
            .bind(text(&new.assistant))
            .bind(text(&new.metadata.to_string()))
            .bind(new.token_hash.expose().to_owned())
            .bind(new.token_expires_at.micros())
            .bind(text(act.actor))
            .bind(act.at.micros());
            writing.execute(QUERY, insert).await?;
            writing.commit(QUERY).await?;
            Ok(Some(Session {
                id,
                organization: organization.clone(),
                assistant: new.assistant.clone(),
                metadata: new.metadata.clone(),
                token_hash: new.token_hash.clone(),
                token_expires_at: new.token_expires_at,
                created_by: act.actor.to_owned(),
                created_at: act.at,
                connected_at: None,
                ended_at: None,
                cause: None,
            }))
        })
        .await
    }

    /// A session of an organization.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn session(&self, organization: &OrganizationId, id: CallId) -> Result<Option<Session>, StoreError> {
        let sql = format!("{SELECT} WHERE sessions.organization = $1 AND sessions.id = $2");
        let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(organization.to_string()).bind(id.to_string());
        Ok(self.read_in("session", Sees::One(organization), query, session).await?.pop())
    }

    /// The session with this id, of whatever organization that is active: for who shows its token.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn session_of_anybody(&self, id: CallId) -> Result<Option<Session>, StoreError> {
        let sql = format!(
            "{SELECT} JOIN organizations ON organizations.id = sessions.organization
             WHERE sessions.id = $1 AND organizations.is_active = 1"
        );
        let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(id.to_string());
        Ok(self.read_in("session_of_anybody", Sees::All, query, session).await?.pop())
    }

    /// The sessions of an organization, the newest first.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn sessions(&self, organization: &OrganizationId, page: &Page) -> Result<Vec<Session>, StoreError> {
        let sql = format!("{SELECT} WHERE sessions.organization = $1 AND sessions.id < $2 ORDER BY sessions.id DESC LIMIT $3");
        let query = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(organization.to_string())
            .bind(page.after.clone().unwrap_or_else(last))
            .bind(i64::from(page.limit.clamp(1, LIST_MAX)));
        self.read_in("sessions", Sees::One(organization), query, session).await
    }

    /// Somebody connects: true for the first of all who try while the token holds.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn connect_session(&self, organization: &OrganizationId, id: CallId, at: WallTime) -> Result<bool, StoreError> {
        let update = "UPDATE sessions SET connected_us = $3 WHERE organization = $1 AND id = $2 AND connected_us IS NULL
                        AND ended_us IS NULL AND token_expires_us > $3";
        self.touch_session("connect_session", organization, sqlx::query(update), id, at).await
    }

    /// Who had connected was not taken: the token may be used again.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn disconnect_session(&self, organization: &OrganizationId, id: CallId, at: WallTime) -> Result<bool, StoreError> {
        let update = "UPDATE sessions SET connected_us = NULL WHERE organization = $1 AND id = $2 AND connected_us <= $3";
        self.touch_session("disconnect_session", organization, sqlx::query(update), id, at).await
    }

    /// Somebody ends a session; what was ended before stays as it was. False when there is none.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn end_session(&self, organization: &OrganizationId, id: CallId, act: &Act<'_>) -> Result<bool, StoreError> {
        const QUERY: &str = "end_session";
        if self.session(organization, id).await?.is_none() {
            return Ok(false);
        }
        self.timed_write(QUERY, async {
            let mut writing = self.begin_in(QUERY, Sees::One(organization)).await?;
            let update =
                sqlx::query("UPDATE sessions SET ended_us = $3 WHERE organization = $1 AND id = $2 AND ended_us IS NULL")
                    .bind(organization.to_string())
                    .bind(id.to_string())
                    .bind(act.at.micros());
            if writing.execute(QUERY, update).await? > 0 {
                let details = json!({});
                let deed = Deed { action: "session.ended", resource: format!("session:{id}"), details: &details };
                writing.note(organization, act, deed).await?;
            }
            writing.commit(QUERY).await.map(|()| true)
        })
        .await
    }

    async fn touch_session(
        &self,
        name: &'static str,
        organization: &OrganizationId,
        update: crate::write::Bound<'static>,
        id: CallId,
        at: WallTime,
    ) -> Result<bool, StoreError> {
        self.timed_write(name, async {
            let mut writing = self.begin_in(name, Sees::One(organization)).await?;
            let update = update.bind(organization.to_string()).bind(id.to_string()).bind(at.micros());
            let touched = writing.execute(name, update).await?;
            writing.commit(name).await.map(|()| touched > 0)
        })
        .await
    }
}

fn session(row: &Columns<'_>) -> Result<Session, StoreError> {
    Ok(Session {
        id: row.parsed("id")?,
        organization: row.parsed("organization")?,
        assistant: row.value("assistant")?,
        metadata: row.json("metadata")?,
        token_hash: Hidden::new(row.value::<String>("token_hash")?),
        token_expires_at: row.time("token_expires_us")?,
        created_by: row.value("created_by")?,
        created_at: row.time("created_us")?,
        connected_at: row.time_option("connected_us")?,
        ended_at: row.time_option("over_us")?,
        cause: row.parsed_option("call_cause")?,
    })
}
