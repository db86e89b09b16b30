//! What is remembered of callers: bounded, with where it comes from, for a time, and until it is erased.

use std::fmt;
use std::str::FromStr;

use sqlx::{AnyConnection, Row as _};
use uuid::Uuid;

mod list;

use crate::open::{QUERY_TIME_MAX, timed};
use crate::people::within::Sees;
use crate::rows::{Columns, call_record};
use crate::write::{Bound, text};
use crate::{CallId, Direction, MemorySource, NewCall, OrganizationId, PhoneNumber, Store, StoreError, Transcript, WallTime};

/// Most memories kept of one caller: what a model can be told in a few thousand tokens. The next one takes the place of the one that
/// was confirmed longest ago.
pub const MEMORIES_MAX: u32 = 50;

/// Longest memory, in bytes: two or three sentences. The rest is cut at a character's edge.
pub const MEMORY_BYTES_MAX: usize = 500;

/// Longest number or SIP user that is remembered, in bytes.
const CALLER_BYTES_MAX: usize = 64;

/// What peers send in place of a number that is withheld: SIP users (RFC 3323 §4.1.1.3, and what carriers write), and the words that
/// Twilio spells on a telephone's keys: ANONYMOUS, RESTRICTED, BLOCKED, UNKNOWN, UNAVAILABLE.
const WITHHELD: &[&str] = &[
    "anonymous",
    "blocked",
    "private",
    "restricted",
    "unavailable",
    "unknown",
    "withheld",
    "266696687",
    "7378742833",
    "2562533",
    "8656696",
    "86282452253",
];

/// A caller who can be recognised: a number without `+`, or a SIP user. `Debug` shows its length only.
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct Caller(String);

impl Caller {
    /// The caller that a number stands for; `None` when it is withheld, or no number or user at all. `+49…` and `49…` are the same.
    #[must_use]
    pub fn of(number: &PhoneNumber) -> Option<Self> {
        let key = number.reveal().trim().to_lowercase();
        let user = key.strip_prefix("sip:").unwrap_or(&key);
        let user = user.split('@').next().unwrap_or_default();
        let key = user.strip_prefix('+').unwrap_or(user);
        let known = !key.is_empty() && key.len() <= CALLER_BYTES_MAX && !key.contains('\0') && !WITHHELD.contains(&key);
        known.then(|| Self(key.to_owned()))
    }

    /// As it was stored; `None`: nobody.
    pub(crate) fn stored(key: String) -> Option<Self> {
        (!key.is_empty()).then_some(Self(key))
    }

    /// What is stored: for the database and for the caller's own affairs, not for logs.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl NewCall {
    /// The person at the other end, if the number tells who.
    #[must_use]
    pub fn caller(&self) -> Option<Caller> {
        Caller::of(match self.direction {
            Direction::Inbound => &self.from,
            Direction::Outbound => &self.to,
        })
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Caller({} characters)", self.0.chars().count())
    }
}

/// Id of one memory: a UUIDv7, so ids sort by the time of creation.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct MemoryId(Uuid);

impl MemoryId {
    /// A new id, unique over all nodes.
    #[must_use]
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }
}

impl fmt::Debug for MemoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryId({})", self.0)
    }
}

impl fmt::Display for MemoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for MemoryId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::parse_str(text).map(Self)
    }
}

/// Something to remember of a caller. What is known already, to the letter, is confirmed.
#[derive(Clone, Debug, PartialEq)]
pub struct NewMemory {
    /// Whose it is, unless the record of the call says another.
    pub organization: OrganizationId,
    /// Whom it is about.
    pub caller: Caller,
    /// At most [`MEMORY_BYTES_MAX`]; the rest is cut off.
    pub text: Transcript,
    /// The call it comes from.
    pub call: CallId,
    /// The assistant of that call.
    pub assistant: String,
    /// How it was come by.
    pub source: MemorySource,
    /// When.
    pub at: WallTime,
    /// Until when it is kept, unless it is confirmed.
    pub expires_at: WallTime,
}

/// Something that is remembered of a caller.
#[derive(Clone, Debug, PartialEq)]
pub struct Memory {
    /// Its id.
    pub id: MemoryId,
    /// Whom it is about.
    pub caller: Caller,
    /// What.
    pub text: Transcript,
    /// The call it was first learned in.
    pub call: CallId,
    /// The assistant of that call.
    pub assistant: String,
    /// How it was come by.
    pub source: MemorySource,
    /// Counts its changes by people, from 1.
    pub version: u64,
    /// When it was first learned.
    pub created_at: WallTime,
    /// When it was learned last.
    pub confirmed_at: WallTime,
    /// Until when it is kept.
    pub expires_at: WallTime,
}

impl Store {
    /// What an organization remembers of a caller at `now`, what was confirmed last first; at most [`MEMORIES_MAX`].
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn memories(
        &self,
        organization: &OrganizationId,
        caller: &Caller,
        now: WallTime,
    ) -> Result<Vec<Memory>, StoreError> {
        let query = sqlx::query(
            "SELECT * FROM memories WHERE organization = $1 AND caller = $2 AND expires_us > $3
             ORDER BY confirmed_us DESC, id DESC LIMIT $4",
        )
        .bind(organization.to_string())
        .bind(caller.reveal().to_owned())
        .bind(now.micros())
        .bind(i64::from(MEMORIES_MAX));
        self.read_in("memories", Sees::One(organization), query, memory).await
    }

    /// Remembers something; when there are [`MEMORIES_MAX`] already, what was confirmed longest ago is forgotten.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn remember(&self, memory: &NewMemory) -> Result<(), StoreError> {
        const QUERY: &str = "remember";
        timed(QUERY, QUERY_TIME_MAX, async {
            let mut writing = self.begin(QUERY).await?;
            let learned = learn(memory, &mut writing.transaction).await;
            learned.map_err(|source| StoreError::Unavailable { query: QUERY, source })?;
            writing.commit(QUERY).await
        })
        .await
    }

    /// Forgets all of a caller, and sees to it that analyses of past calls which are still to be done bring nothing back. Answers how
    /// many memories went.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`]: nothing was erased.
    pub async fn erase_memories(&self, caller: &Caller) -> Result<u64, StoreError> {
        const QUERY: &str = "erase_memories";
        const WAITING: &str = "SELECT calls.* FROM analyses
             JOIN calls ON calls.id = analyses.call_id WHERE analyses.state = 'pending'";
        let unavailable = |source| StoreError::Unavailable { query: QUERY, source };
        timed(QUERY, QUERY_TIME_MAX, async {
            let mut writing = self.begin(QUERY).await?;
            let waiting = sqlx::query(WAITING).fetch_all(&mut *writing.transaction).await;
            let waiting = Columns::decode_all(QUERY, waiting, call_record)?;
            // First the queue: an analysis that ends at this moment is waited for, and what it remembered goes too.
            for call in waiting.into_iter().filter(|record| record.call.caller().as_ref() == Some(caller)) {
                let silenced = sqlx::query("UPDATE analyses SET remembers = 0 WHERE call_id = $1").bind(call.call.id.to_string());
                silenced.execute(&mut *writing.transaction).await.map_err(unavailable)?;
            }
            let erased = sqlx::query("DELETE FROM memories WHERE caller = $1").bind(caller.reveal().to_owned());
            let erased = erased.execute(&mut *writing.transaction).await.map_err(unavailable)?.rows_affected();
            writing.commit(QUERY).await?;
            Ok(erased)
        })
        .await
    }

    /// Forgets what has expired at `now`. Answers how many memories went.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn expire_memories(&self, now: WallTime) -> Result<u64, StoreError> {
        const QUERY: &str = "expire_memories";
        timed(QUERY, QUERY_TIME_MAX, async {
            let mut writing = self.begin(QUERY).await?;
            let expired = sqlx::query("DELETE FROM memories WHERE expires_us <= $1").bind(now.micros());
            let expired = expired.execute(&mut *writing.transaction).await;
            let expired = expired.map_err(|source| StoreError::Unavailable { query: QUERY, source })?.rows_affected();
            writing.commit(QUERY).await?;
            Ok(expired)
        })
        .await
    }
}

/// Remembers within a transaction, and keeps the bound.
pub(crate) async fn learn(memory: &NewMemory, connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
    let words = memory.text.reveal();
    let words = words[..words.floor_char_boundary(MEMORY_BYTES_MAX)].trim();
    if words.is_empty() {
        return Ok(());
    }
    // A memory may be made before its call is written.
    let organization = sqlx::query("SELECT organization FROM calls WHERE id = $1").bind(memory.call.to_string());
    let organization = organization.fetch_optional(&mut *connection).await?;
    let organization = organization.map_or_else(|| Ok(memory.organization.to_string()), |row| row.try_get("organization"))?;
    sqlx::query(
        "INSERT INTO memories (id, organization, caller, text, call_id, assistant, source, version, created_us, confirmed_us,
           expires_us)
         VALUES ($1, $9, $2, $3, $4, $5, $6, 1, $7, $7, $8)
         ON CONFLICT (organization, caller, text) DO UPDATE SET confirmed_us = excluded.confirmed_us,
           expires_us = excluded.expires_us",
    )
    .bind(MemoryId::generate().to_string())
    .bind(memory.caller.reveal().to_owned())
    .bind(text(words))
    .bind(memory.call.to_string())
    .bind(text(&memory.assistant))
    .bind(memory.source.as_str())
    .bind(memory.at.micros())
    .bind(memory.expires_at.micros())
    .bind(organization.clone())
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "DELETE FROM memories WHERE organization = $3 AND caller = $1 AND id NOT IN
           (SELECT id FROM memories WHERE organization = $3 AND caller = $1 ORDER BY confirmed_us DESC, id DESC LIMIT $2)",
    )
    .bind(memory.caller.reveal().to_owned())
    .bind(i64::from(MEMORIES_MAX))
    .bind(organization)
    .execute(&mut *connection)
    .await?;
    Ok(())
}

/// Forgets one memory.
pub(crate) fn forget(memory: MemoryId) -> Bound<'static> {
    sqlx::query("DELETE FROM memories WHERE id = $1").bind(memory.to_string())
}

pub(crate) fn memory(row: &Columns<'_>) -> Result<Memory, StoreError> {
    Ok(Memory {
        id: row.parsed("id")?,
        caller: Caller(row.value("caller")?),
        text: Transcript::new(row.value::<String>("text")?),
        call: row.parsed("call_id")?,
        assistant: row.value("assistant")?,
        source: row.parsed("source")?,
        version: row.count("version")?,
        created_at: row.time("created_us")?,
        confirmed_at: row.time("confirmed_us")?,
        expires_at: row.time("expires_us")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(number: &str, expected: Option<&str>) {
        let caller = Caller::of(&PhoneNumber::new(number));
        assert_eq!(caller.as_ref().map(Caller::reveal), expected, "{number}");
    }

    #[test]
    fn a_number_is_the_same_caller_with_and_without_its_plus() {
        check("+4930123456", Some("4930123456"));
        check(" 4930123456", Some("4930123456"));
        check("Alice", Some("alice"));
        check("sip:alice@example.com", Some("alice"));
    }

    #[test]
    fn who_withholds_the_number_is_nobody() {
        for number in ["", "+", "anonymous", "Anonymous", "sip:anonymous@anonymous.invalid", "+266696687", "+7378742833", "a\0b"]
        {
            check(number, None);
        }
        check(&"1".repeat(CALLER_BYTES_MAX + 1), None);
    }

    #[test]
    fn debug_shows_no_number() {
        let caller = Caller::of(&PhoneNumber::new("+14155550100"));
        assert_eq!(format!("{caller:?}"), "Some(Caller(11 characters))");
    }
}
