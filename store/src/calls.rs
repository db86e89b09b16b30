//! Calls as an organization sees them: one, and lists with filters.

use sqlx::AssertSqlSafe;

use crate::people::within::Sees;
use crate::read::LIST_MAX;
use crate::rows::call_record;
use crate::text::storable;
use crate::{CallId, CallRecord, CallStatus, Direction, OrganizationId, Page, PhoneNumber, Store, StoreError, WallTime};

/// Which calls of a list are wanted; what is `None` or empty is not looked at.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct CallFilter {
    /// Where they are in their life.
    pub status: Option<CallStatus>,
    /// Who called whom.
    pub direction: Option<Direction>,
    /// Who called, to the letter.
    pub from: Option<PhoneNumber>,
    /// Who was called, to the letter.
    pub to: Option<PhoneNumber>,
    /// Who answered or talks, by name.
    pub assistant: Option<String>,
    /// They began then or later.
    pub since: Option<WallTime>,
    /// They began before.
    pub until: Option<WallTime>,
}

/// A value that a condition compares with.
enum Bind {
    Number(i64),
    Text(String),
}

impl CallFilter {
    /// The conditions, behind `places` that are taken already, and their values.
    fn conditions(&self, places: usize) -> (String, Vec<Bind>) {
        let Self { status, direction, from, to, assistant, since, until } = self;
        let text = |text: &str| Bind::Text(storable(text).into_owned());
        let given = [
            ("direction =", direction.map(|direction| text(direction.as_str()))),
            ("from_number =", from.as_ref().map(|number| text(number.reveal()))),
            ("to_number =", to.as_ref().map(|number| text(number.reveal()))),
            ("assistant =", assistant.as_deref().map(text)),
            ("created_us >=", since.map(|at| Bind::Number(at.micros()))),
            ("created_us <", until.map(|at| Bind::Number(at.micros()))),
        ];
        let (mut sql, mut values) = (String::new(), Vec::new());
        for (condition, value) in given {
            if let Some(value) = value {
                values.push(value);
                sql += &format!(" AND {condition} ${}", places + values.len());
            }
        }
        // As `CallRecord::status` has it.
        sql += match status {
            None => "",
            Some(CallStatus::Ended) => " AND ended_us IS NOT NULL",
            Some(CallStatus::Answered) => " AND ended_us IS NULL AND answered_us IS NOT NULL",
            Some(CallStatus::Dialing) => {
                " AND ended_us IS NULL AND answered_us IS NULL AND direction = 'outbound' AND ringing_us IS NULL"
            }
            Some(CallStatus::Ringing) => {
                " AND ended_us IS NULL AND answered_us IS NULL AND (direction = 'inbound' OR ringing_us IS NOT NULL)"
            }
        };
        (sql, values)
    }
}

impl Store {
    /// The call with this id, if it is the organization's.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn call_of(&self, organization: &OrganizationId, id: CallId) -> Result<Option<CallRecord>, StoreError> {
        let query = sqlx::query("SELECT * FROM calls WHERE organization = $1 AND id = $2");
        let query = query.bind(organization.to_string()).bind(id.to_string());
        Ok(self.read_in("call_of", Sees::One(organization), query, call_record).await?.pop())
    }

    /// The calls of an organization that pass the filter, the newest first; `page.after` is the id of a call.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn calls_of(
        &self,
        organization: &OrganizationId,
        filter: &CallFilter,
        page: &Page,
    ) -> Result<Vec<CallRecord>, StoreError> {
        let (conditions, values) = filter.conditions(3);
        let sql = format!("SELECT * FROM calls WHERE organization = $1 AND id < $2{conditions} ORDER BY id DESC LIMIT $3");
        let mut query = sqlx::query(AssertSqlSafe(sql))
            .bind(organization.to_string())
            .bind(page.after.clone().unwrap_or_else(|| CallId::LAST.to_string()))
            .bind(i64::from(page.limit.clamp(1, LIST_MAX)));
        for value in values {
            query = match value {
                Bind::Number(number) => query.bind(number),
                Bind::Text(text) => query.bind(text),
            };
        }
        self.read_in("calls_of", Sees::One(organization), query, call_record).await
    }

    /// How many turns a call has so far.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn count_turns(&self, call: CallId) -> Result<u64, StoreError> {
        let query = sqlx::query("SELECT COUNT(*) AS turns FROM turns WHERE call_id = $1").bind(call.to_string());
        Ok(self.read("count_turns", query, |row| row.count("turns")).await?.pop().unwrap_or(0))
    }
}
