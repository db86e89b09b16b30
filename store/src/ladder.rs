//! The SIP messages of a call, kept when it is over.

use std::fmt;
use std::net::SocketAddr;

use serde_json::{Value, json};
use sqlx::Any;
use sqlx::any::AnyArguments;
use sqlx::query::Query;

use crate::rows::Columns;
use crate::text::storable;
use crate::{Store, StoreError, WallTime};

/// Ladders of one id that are looked through: a peer that uses an id again does so a few times.
const SAME_ID_MAX: i64 = 16;

/// The messages of one Call-ID, in the order in which they came and went.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SipLadder {
    /// Call-ID.
    pub external_id: String,
    /// When the first came.
    pub began_at: WallTime,
    /// All that were kept.
    pub messages: Vec<SipMessage>,
    /// Messages that there was no room for.
    pub left_out: u32,
}

/// One message, without keys, passwords and digits.
#[derive(Clone, Eq, PartialEq)]
pub struct SipMessage {
    /// When it came or went.
    pub at: WallTime,
    /// Whether we sent it.
    pub sent: bool,
    /// UDP, TCP or TLS.
    pub transport: String,
    /// Our address.
    pub local: SocketAddr,
    /// The peer's.
    pub remote: SocketAddr,
    /// The message. Bytes that are no UTF-8 are replaced.
    pub text: String,
}

/// Without the text, which has telephone numbers.
impl fmt::Debug for SipMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = if self.sent { "to" } else { "from" };
        write!(f, "{} bytes {way} {} by {}", self.text.len(), self.remote, self.transport)
    }
}

impl SipMessage {
    fn to_json(&self) -> Value {
        let Self { at, sent, transport, local, remote, text } = self;
        json!({ "at_us": at.micros(), "sent": sent, "transport": transport, "local": local, "remote": remote, "text": text })
    }

    fn from_json(value: &Value) -> Option<Self> {
        let text = |name: &str| value[name].as_str();
        Some(Self {
            at: WallTime::from_micros(value["at_us"].as_i64()?),
            sent: value["sent"].as_bool()?,
            transport: text("transport")?.to_owned(),
            local: text("local")?.parse().ok()?,
            remote: text("remote")?.parse().ok()?,
            text: text("text")?.to_owned(),
        })
    }
}

impl SipLadder {
    pub(crate) fn bind(&self) -> Query<'static, Any, AnyArguments> {
        let messages = Value::from(self.messages.iter().map(SipMessage::to_json).collect::<Vec<_>>());
        sqlx::query(
            "INSERT INTO sip_ladders (external_id, began_us, messages, left_out) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        )
        .bind(storable(&self.external_id).into_owned())
        .bind(self.began_at.micros())
        .bind(messages.to_string())
        .bind(i64::from(self.left_out))
    }

    fn of(row: &Columns<'_>) -> Result<Self, StoreError> {
        let text: String = row.value("messages")?;
        let wrong = |error: &dyn fmt::Display| row.unreadable("messages", error);
        let list: Vec<Value> = serde_json::from_str(&text).map_err(|error| wrong(&error))?;
        let messages = list.iter().map(|value| SipMessage::from_json(value).ok_or_else(|| wrong(&"is no message")));
        Ok(Self {
            external_id: row.value("external_id")?,
            began_at: WallTime::from_micros(row.value("began_us")?),
            messages: messages.collect::<Result<_, _>>()?,
            left_out: u32::try_from(row.count("left_out")?).unwrap_or(u32::MAX),
        })
    }
}

impl Store {
    /// The messages of the call with this Call-ID that began nearest to `near`: peers may use an id again.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn sip_ladder(&self, external_id: &str, near: WallTime) -> Result<Option<SipLadder>, StoreError> {
        let query = sqlx::query("SELECT * FROM sip_ladders WHERE external_id = $1 ORDER BY began_us DESC LIMIT $2")
            .bind(storable(external_id).into_owned())
            .bind(SAME_ID_MAX);
        let ladders = self.read("sip_ladder", query, SipLadder::of).await?;
        Ok(ladders.into_iter().min_by_key(|ladder| ladder.began_at.micros().abs_diff(near.micros())))
    }
}
