//! Rows of the tables as records.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use serde_json::Value;
use sqlx::any::{Any, AnyRow};
use sqlx::{Decode, Row as _, Type};

use crate::seal::{Keyring, Place};
use crate::{
    CallIdentity, CallRecord, Citation, Incident, NewCall, PhoneNumber, Recording, Refused, StoreError, ToolUse, Transcript,
    Turn, Usage, WallTime,
};

/// One row and the query it came by, for the error.
pub(crate) struct Columns<'r> {
    query: &'static str,
    row: &'r AnyRow,
    /// What opens sealed columns; `None`: the query has none.
    keys: Option<&'r Keyring>,
}

impl Columns<'_> {
    pub(crate) fn decode_all<T>(
        query: &'static str,
        rows: Result<Vec<AnyRow>, sqlx::Error>,
        decode: fn(&Columns<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let rows = rows.map_err(|source| StoreError::Unavailable { query, source })?;
        rows.iter().map(|row| decode(&Columns { query, row, keys: None })).collect()
    }

    /// As [`Columns::decode_all`], of rows that may have sealed columns.
    pub(crate) fn open_all<T>(
        query: &'static str,
        rows: Result<Vec<AnyRow>, sqlx::Error>,
        keys: &Keyring,
        decode: fn(&Columns<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let rows = rows.map_err(|source| StoreError::Unavailable { query, source })?;
        rows.iter().map(|row| decode(&Columns { query, row, keys: Some(keys) })).collect()
    }

    /// What a column held before it was sealed.
    pub(crate) fn opened(&self, place: Place<'_>) -> Result<String, StoreError> {
        let stored = self.value(place.column)?;
        self.open(place, stored)
    }

    pub(crate) fn opened_option(&self, place: Place<'_>) -> Result<Option<String>, StoreError> {
        let stored: Option<String> = self.value(place.column)?;
        stored.map(|stored| self.open(place, stored)).transpose()
    }

    /// JSON that is sealed.
    pub(crate) fn opened_json(&self, place: Place<'_>) -> Result<Value, StoreError> {
        let text = self.opened(place)?;
        serde_json::from_str(&text).map_err(|error| self.unreadable(place.column, error))
    }

    fn open(&self, place: Place<'_>, stored: String) -> Result<String, StoreError> {
        let none = Keyring::default();
        self.keys.unwrap_or(&none).open(place, stored).map_err(|error| self.unreadable(place.column, error))
    }

    /// A word of a vocabulary or an id.
    pub(crate) fn parsed<T: FromStr<Err: Display>>(&self, column: &'static str) -> Result<T, StoreError> {
        let word: String = self.value(column)?;
        word.parse().map_err(|error| self.unreadable(column, error))
    }

    pub(crate) fn parsed_option<T: FromStr<Err: Display>>(&self, column: &'static str) -> Result<Option<T>, StoreError> {
        let word: Option<String> = self.value(column)?;
        let parsed = word.map(|word| word.parse()).transpose();
        parsed.map_err(|error| self.unreadable(column, error))
    }

    pub(crate) fn value<T>(&self, column: &'static str) -> Result<T, StoreError>
    where
        T: for<'v> Decode<'v, Any> + Type<Any>,
    {
        let value = self.row.try_get(column);
        value.map_err(|error| self.unreadable(column, error))
    }

    /// A count or a length: never below zero.
    pub(crate) fn count(&self, column: &'static str) -> Result<u64, StoreError> {
        let count: i64 = self.value(column)?;
        u64::try_from(count).map_err(|error| self.unreadable(column, error))
    }

    pub(crate) fn count_option(&self, column: &'static str) -> Result<Option<u64>, StoreError> {
        let count: Option<i64> = self.value(column)?;
        let count = count.map(u64::try_from).transpose();
        count.map_err(|error| self.unreadable(column, error))
    }

    pub(crate) fn time(&self, column: &'static str) -> Result<WallTime, StoreError> {
        self.value(column).map(WallTime::from_micros)
    }

    pub(crate) fn time_option(&self, column: &'static str) -> Result<Option<WallTime>, StoreError> {
        let micros: Option<i64> = self.value(column)?;
        Ok(micros.map(WallTime::from_micros))
    }

    pub(crate) fn json(&self, column: &'static str) -> Result<Value, StoreError> {
        let text: Option<String> = self.value(column)?;
        let value = text.map(|text| serde_json::from_str(&text)).transpose();
        let value = value.map_err(|error| self.unreadable(column, error))?;
        Ok(value.unwrap_or(Value::Null))
    }

    pub(crate) fn unreadable(&self, column: &'static str, error: impl Display) -> StoreError {
        StoreError::Unreadable { query: self.query, column, reason: error.to_string() }
    }
}

pub(crate) fn call_record(row: &Columns<'_>) -> Result<CallRecord, StoreError> {
    Ok(CallRecord {
        call: NewCall {
            id: row.parsed("id")?,
            organization: row.parsed("organization")?,
            node: row.value("node")?,
            leg: row.parsed("leg")?,
            direction: row.parsed("direction")?,
            from: PhoneNumber::new(row.value::<String>("from_number")?),
            to: PhoneNumber::new(row.value::<String>("to_number")?),
            assistant: row.value("assistant")?,
            engine: row.value("engine")?,
            external_id: row.value("external_id")?,
            created_at: row.time("created_us")?,
        },
        ringing_at: row.time_option("ringing_us")?,
        answered_at: row.time_option("answered_us")?,
        ended_at: row.time_option("ended_us")?,
        cause: row.parsed_option("cause")?,
        cause_detail: row.value("cause_detail")?,
        refused: refused(row)?,
        stats: row.json("stats")?,
        usage: Usage {
            input_text_tokens: row.count("input_text_tokens")?,
            input_audio_tokens: row.count("input_audio_tokens")?,
            cached_tokens: row.count("cached_tokens")?,
            output_text_tokens: row.count("output_text_tokens")?,
            output_audio_tokens: row.count("output_audio_tokens")?,
        },
        language: row.value("language")?,
        trunk: row.value("trunk")?,
        identity: call_identity(row)?,
        cost_micros: row.count_option("cost_micros")?,
        answered_by: row.parsed_option("answered_by")?.zip(Some(row.json("answered_by_evidence")?)),
    })
}

fn refused(row: &Columns<'_>) -> Result<Option<Refused>, StoreError> {
    let Some(code) = row.count_option("refused_code")? else { return Ok(None) };
    let code = u16::try_from(code).map_err(|error| row.unreadable("refused_code", error))?;
    let reason: Option<String> = row.value("refused_reason")?;
    Ok(Some(Refused { code, reason: reason.unwrap_or_default() }))
}

fn call_identity(row: &Columns<'_>) -> Result<Option<CallIdentity>, StoreError> {
    let Some(verdict) = row.parsed_option("identity")? else { return Ok(None) };
    Ok(Some(CallIdentity {
        verdict,
        attestation: row.value("identity_attestation")?,
        reason: row.value("identity_reason")?,
        origid: row.value("identity_origid")?,
        provider: row.value("identity_provider")?,
        noted: row.value("identity_noted")?,
        carrier: row.value("identity_carrier")?,
    }))
}

pub(crate) fn tool_use(row: &Columns<'_>) -> Result<ToolUse, StoreError> {
    Ok(ToolUse {
        call: row.parsed("call_id")?,
        number: row.count("number")?,
        name: row.value("name")?,
        kind: row.value("kind")?,
        arguments: row.value::<Option<String>>("arguments")?.map(Transcript::new),
        started_at: row.time("started_us")?,
        outcome: row.value("outcome")?,
        duration: row.count_option("length_ms")?.map(Duration::from_millis),
    })
}

pub(crate) fn turn(row: &Columns<'_>) -> Result<Turn, StoreError> {
    let number: i64 = row.value("number")?;
    let interrupted = row.value::<i64>("interrupted")? != 0;
    let heard = Duration::from_millis(row.count_option("heard_ms")?.unwrap_or(0));
    Ok(Turn {
        call: row.parsed("call_id")?,
        number: u32::try_from(number).map_err(|error| row.unreadable("number", error))?,
        role: row.parsed("role")?,
        text: Transcript::new(row.value::<String>("text")?),
        started_at: row.time("started_us")?,
        ended_at: row.time("ended_us")?,
        interrupted: interrupted.then_some(heard),
        timings: row.json("timings")?,
    })
}

pub(crate) fn recording(row: &Columns<'_>) -> Result<Recording, StoreError> {
    Ok(Recording {
        call: row.parsed("call_id")?,
        path: row.value("path")?,
        format: row.parsed("format")?,
        state: row.parsed("state")?,
        opened_at: row.time("opened_us")?,
        duration: row.count_option("length_ms")?.map(Duration::from_millis),
        bytes: row.count_option("bytes")?,
        note: row.value("note")?,
    })
}

pub(crate) fn incident(row: &Columns<'_>) -> Result<Incident, StoreError> {
    Ok(Incident {
        call: row.parsed("call_id")?,
        at: row.time("at_us")?,
        kind: row.parsed("kind")?,
        source: row.value("source")?,
        detail: row.value("detail")?,
    })
}

pub(crate) fn citation(row: &Columns<'_>) -> Result<Citation, StoreError> {
    let number = |column| row.value::<i64>(column).map(|number| u32::try_from(number).unwrap_or(u32::MAX));
    Ok(Citation {
        call: row.parsed("call_id")?,
        turn: number("turn")?,
        place: number("place")?,
        chunk: row.value("chunk")?,
        document: row.value("document")?,
        heading: row.value("heading")?,
        score: row.value("score")?,
        text: row.value("text")?,
    })
}
