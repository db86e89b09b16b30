//! Finding what is known of a person.

use serde_json::{Map, Value};
use sqlx::any::{AnyRow, AnyTypeInfoKind};
use sqlx::{AssertSqlSafe, Column as _, Row as _, ValueRef as _};
use std::time::Duration;

use super::Subject;
use super::tables::{NAMED, TRACES, Trace};
use crate::open::timed;
use crate::people::within::Sees;
use crate::write::Bound;
use crate::{CallId, OrganizationId, Store, StoreError, WallTime};

/// Rows that are looked at in one step.
pub(super) const STEP: i64 = 100;

/// Time one search of a table may take: texts have no index, and nobody waits.
pub(super) const SCAN_TIME_MAX: Duration = Duration::from_secs(120);

/// Rows of a table that stays which are shown.
const NAMED_MAX: i64 = 1_000;

/// A call of a person.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PersonCall {
    /// Which.
    pub id: CallId,
    /// The node that has its files.
    pub node: String,
    /// When it ended; `None`: it goes on.
    pub ended_at: Option<WallTime>,
}

/// A candidate: its id, and the call if it is the person's.
type Looked = (String, Option<PersonCall>);

impl Store {
    /// The person's calls behind the one with the id `after`, in order: those in which the number is the other side's, and those whose
    /// session names the person. With them the `after` of the next step; `None`: there are no more.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn person_calls(
        &self,
        organization: &OrganizationId,
        subject: &Subject,
        after: &str,
    ) -> Result<(Vec<PersonCall>, Option<String>), StoreError> {
        const QUERY: &str = "person_calls";
        let spread = subject.spread(&["calls.from_number", "calls.to_number", "sessions.metadata"]);
        let sql = format!(
            "SELECT calls.id, calls.node, calls.direction, calls.from_number, calls.to_number, calls.ended_us, sessions.metadata
             FROM calls LEFT JOIN sessions ON sessions.id = calls.id AND sessions.organization = $1
             WHERE calls.organization = $1 AND calls.id > $2 AND {spread} LIKE $3 ORDER BY calls.id LIMIT $4"
        );
        let query = sqlx::query(AssertSqlSafe(sql))
            .bind(organization.to_string())
            .bind(after.to_owned())
            .bind(subject.pattern())
            .bind(STEP);
        let rows = self.scan(QUERY, organization, query).await?;
        let looked: Result<Vec<Looked>, StoreError> = rows.iter().map(|row| look(QUERY, row, subject)).collect();
        let looked = looked?;
        let next = looked.last().filter(|_| looked.len() as i64 == STEP).map(|(id, _)| id.clone());
        Ok((looked.into_iter().filter_map(|(_, call)| call).collect(), next))
    }

    /// The tables in which callers leave traces, in the order of a walk.
    #[must_use]
    pub fn privacy_tables() -> Vec<&'static str> {
        TRACES.iter().map(|trace| trace.table).collect()
    }

    /// What a table has of a call, as JSON objects.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn traces_of_call(
        &self,
        organization: &OrganizationId,
        table: &str,
        call: CallId,
    ) -> Result<Vec<Value>, StoreError> {
        let Some(trace) = TRACES.iter().find(|trace| trace.table == table) else { return Ok(Vec::new()) };
        let sql = format!("SELECT * FROM {table} WHERE {} AND {}", trace.within, trace.of_call);
        let query = sqlx::query(AssertSqlSafe(sql)).bind(organization.to_string()).bind(call.to_string());
        let rows = self.scan("traces_of_call", organization, query).await?;
        Ok(rows.iter().map(|row| shown(row, trace.hidden)).collect())
    }

    /// Rows of a table that name the person, whosever they are, behind the key `after`. With them the `after` of the next step.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn mentions(
        &self,
        organization: &OrganizationId,
        table: &str,
        subject: &Subject,
        after: &str,
    ) -> Result<(Vec<Value>, Option<String>), StoreError> {
        let Some(trace) = TRACES.iter().find(|trace| trace.table == table).filter(|trace| trace.names_people()) else {
            return Ok((Vec::new(), None));
        };
        let sql = format!(
            "SELECT {table}.*, {} AS row_key FROM {table} WHERE {}",
            trace.key,
            trace.mentioning(subject, "$2", "$3", "$4")
        );
        let query = bound(sql, organization, subject, after);
        let rows = self.scan("mentions", organization, query).await?;
        let next = rows.last().filter(|_| rows.len() as i64 == STEP).and_then(|row| row.try_get("row_key").ok());
        let hidden: Vec<&str> = trace.hidden.iter().copied().chain(["row_key"]).collect();
        let named = rows.iter().filter(|row| trace.searched().any(|column| subject.names(text_of(row, column))));
        Ok((named.map(|row| shown(row, &hidden)).collect(), next))
    }

    /// Rows of tables that stay as they are and name the person: the table, why it stays, and what is shown of the rows.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn named_elsewhere(
        &self,
        organization: &OrganizationId,
        subject: &Subject,
    ) -> Result<Vec<(&'static str, &'static str, Vec<Value>)>, StoreError> {
        let mut found = Vec::new();
        for named in NAMED {
            let columns: Vec<String> = named.texts.iter().map(|column| format!("{column} AS searched_{column}")).collect();
            let sql = format!(
                "SELECT {}, {} FROM {} WHERE {} AND {} LIKE $2 LIMIT $3",
                named.shown.join(", "),
                columns.join(", "),
                named.table,
                named.within,
                subject.spread(named.texts)
            );
            let query = sqlx::query(AssertSqlSafe(sql)).bind(organization.to_string()).bind(subject.pattern()).bind(NAMED_MAX);
            let rows = self.scan("named_elsewhere", organization, query).await?;
            let searched: Vec<String> = named.texts.iter().map(|column| format!("searched_{column}")).collect();
            let hidden: Vec<&str> = searched.iter().map(String::as_str).collect();
            let rows = rows.iter().filter(|row| searched.iter().any(|column| subject.names(text_of(row, column))));
            let rows: Vec<Value> = rows.map(|row| shown(row, &hidden)).collect();
            if !rows.is_empty() {
                found.push((named.table, named.why, rows));
            }
        }
        Ok(found)
    }

    /// What this organization's part of a database answers; a search that may take long.
    async fn scan(&self, name: &'static str, organization: &OrganizationId, query: Bound<'_>) -> Result<Vec<AnyRow>, StoreError> {
        timed(name, SCAN_TIME_MAX, async {
            let mut reading = self.begin_reading(name, Sees::One(organization)).await?;
            let rows = query.fetch_all(&mut *reading).await;
            rows.map_err(|source| StoreError::Unavailable { query: name, source })
        })
        .await
    }
}

impl Trace {
    /// The columns that may name somebody.
    pub(super) fn searched(&self) -> impl Iterator<Item = &'static str> {
        self.texts.iter().copied().chain(self.party)
    }

    /// Whether any may.
    pub(super) fn names_people(&self) -> bool {
        self.searched().next().is_some()
    }

    /// The condition of a step of a search; `$1` is the organization, the others as they are named.
    pub(super) fn mentioning(&self, subject: &Subject, pattern: &str, after: &str, limit: &str) -> String {
        let columns: Vec<&str> = self.searched().collect();
        let (within, spread, key) = (self.within, subject.spread(&columns), self.key);
        format!("{within} AND {spread} LIKE {pattern} AND {key} > {after} ORDER BY {key} LIMIT {limit}")
    }
}

impl Subject {
    /// Whether a column names the person, as a party or in a text.
    pub(super) fn names(&self, text: Option<String>) -> bool {
        text.is_some_and(|text| self.is_in(&text) || self.is_party(&text))
    }
}

/// A search of a table with its four places.
pub(super) fn bound(sql: String, organization: &OrganizationId, subject: &Subject, after: &str) -> Bound<'static> {
    sqlx::query(AssertSqlSafe(sql)).bind(organization.to_string()).bind(subject.pattern()).bind(after.to_owned()).bind(STEP)
}

pub(super) fn text_of(row: &AnyRow, column: &str) -> Option<String> {
    row.try_get::<Option<String>, _>(column).ok().flatten()
}

fn look(query: &'static str, row: &AnyRow, subject: &Subject) -> Result<Looked, StoreError> {
    let unreadable = |column, reason: String| StoreError::Unreadable { query, column, reason };
    let id = text_of(row, "id").unwrap_or_default();
    let call: CallId = id.parse().map_err(|error| unreadable("id", format!("{error}")))?;
    let side = match text_of(row, "direction").as_deref() {
        Some("outbound") => "to_number",
        _ => "from_number",
    };
    let own = text_of(row, side).is_some_and(|party| subject.is_party(&party))
        || text_of(row, "metadata").is_some_and(|metadata| subject.is_in(&metadata));
    let ended: Option<i64> = row.try_get("ended_us").map_err(|error| unreadable("ended_us", error.to_string()))?;
    let node = text_of(row, "node").unwrap_or_default();
    Ok((id, own.then(|| PersonCall { id: call, node, ended_at: ended.map(WallTime::from_micros) })))
}

/// A row as people read it: times in words, and no secrets.
fn shown(row: &AnyRow, hidden: &[&str]) -> Value {
    let columns = row.columns().iter().filter(|column| !hidden.contains(&column.name()));
    let fields = columns.map(|column| {
        let value = value_of(row, column.ordinal());
        match (column.name().strip_suffix("_us"), value.as_i64()) {
            (Some(name), Some(micros)) => (format!("{name}_at"), Value::from(WallTime::from_micros(micros).to_string())),
            (Some(name), None) => (format!("{name}_at"), value),
            (None, _) => (column.name().to_owned(), value),
        }
    });
    Value::Object(fields.collect::<Map<_, _>>())
}

fn value_of(row: &AnyRow, column: usize) -> Value {
    let kind = row.try_get_raw(column).map(|raw| if raw.is_null() { AnyTypeInfoKind::Null } else { raw.type_info().kind() });
    let value = match kind {
        Ok(AnyTypeInfoKind::SmallInt | AnyTypeInfoKind::Integer | AnyTypeInfoKind::BigInt) => {
            row.try_get::<i64, _>(column).map(Value::from)
        }
        Ok(AnyTypeInfoKind::Real | AnyTypeInfoKind::Double) => row.try_get::<f64, _>(column).map(Value::from),
        Ok(AnyTypeInfoKind::Text) => row.try_get::<String, _>(column).map(Value::from),
        Ok(AnyTypeInfoKind::Bool) => row.try_get::<bool, _>(column).map(Value::from),
        Ok(AnyTypeInfoKind::Null | AnyTypeInfoKind::Blob) | Err(_) => Ok(Value::Null),
    };
    value.unwrap_or(Value::Null)
}
