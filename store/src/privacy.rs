//! What is known of a person, in every table: found, given out, erased.
//!
//! [`tables`] is the walk: one row a table. [`Subject`] is who it is about. A [`PrivacyJob`] is a wish in the queue, done in steps that
//! may each be repeated, so that it ends whenever it is cut off.

mod erase;
mod find;
mod jobs;
mod keys;
mod schema;
mod subject;
mod tables;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde_json::{Value, json};

use crate::UnknownText;
use crate::kind::vocabulary;

pub use find::PersonCall;
pub use jobs::{NewPrivacyJob, PRIVACY_JOBS_OPEN_MAX, PrivacyFile, PrivacyJob};
pub use schema::SchemaGap;
pub use subject::Subject;

vocabulary! {
    /// What is to be done with what is known of a person.
    PrivacyKind {
        /// It is given out, as a file.
        Export = "export",
        /// It is erased.
        Erase = "erase",
    }
}

vocabulary! {
    /// Where an export or an erasure is in its life.
    PrivacyState {
        /// To be done, or being done.
        Pending = "pending",
        /// It waits for the end of a call, or for another node; the reason says which.
        Waiting = "waiting",
        /// Done.
        Done = "done",
        /// Given up; the reason says why.
        Failed = "failed",
        /// The file of an export is gone.
        Expired = "expired",
    }
}

/// What an erasure, or an export, has come across so far.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PrivacyCounts {
    /// By table: rows that went (or were found), and rows that were changed.
    pub tables: BTreeMap<String, (u64, u64)>,
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl PrivacyCounts {
    /// Counts rows of a table.
    pub fn count(&mut self, table: &str, deleted: u64, changed: u64) {
        if deleted + changed > 0 {
            let row = self.tables.entry(table.to_owned()).or_default();
            *row = (row.0 + deleted, row.1 + changed);
        }
    }

    /// As it is stored and reported.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let tables: BTreeMap<&String, Value> = self
            .tables
            .iter()
            .map(|(table, (deleted, changed))| (table, json!({ "rows": deleted, "changed": changed })))
            .collect();
        json!({ "tables": tables, "files": self.files, "bytes": self.bytes })
    }

    fn of_json(value: &Value) -> Self {
        let number = |value: &Value| value.as_u64().unwrap_or(0);
        let tables = value["tables"].as_object().into_iter().flatten();
        Self {
            tables: tables.map(|(table, row)| (table.clone(), (number(&row["rows"]), number(&row["changed"])))).collect(),
            files: number(&value["files"]),
            bytes: number(&value["bytes"]),
        }
    }
}
