//! What can go wrong, by whose fault it is.

use std::path::PathBuf;
use std::time::Duration;

/// A failure of the store. No variant shows a password, a number or a transcript.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The operator's: a database we do not speak.
    #[error("database.url: scheme `{scheme}` is neither sqlite nor postgres")]
    Scheme {
        /// What stands before the first colon.
        scheme: String,
    },
    /// The operator's: a URL that cannot be read.
    #[error("database.url: {reason}")]
    Url {
        /// What is wrong with it, without the URL.
        reason: String,
    },
    /// The operator's: the folder of the SQLite file cannot be made.
    #[error("database.url: cannot make folder {}: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The operator's: nothing answers there, or it refuses us.
    #[error("database.url: cannot open {url}: {source}")]
    Open {
        /// The URL without user, password and options.
        url: String,
        /// Why.
        source: sqlx::Error,
    },
    /// The operator's: the tables are of another version.
    #[error("database.url: cannot migrate {url}: {source}")]
    Migrate {
        /// The URL without user, password and options.
        url: String,
        /// Why.
        source: sqlx::migrate::MigrateError,
    },
    /// The writer's: this write can never succeed, and nothing of its batch was written. Drop it and write the rest.
    #[error("write {index} ({query}) refused: {reason}")]
    Refused {
        /// Its place in the batch, from 0.
        index: usize,
        /// What it tried.
        query: &'static str,
        /// Why.
        reason: String,
    },
    /// The writer's: another row has a value that only one may have. Nothing was written.
    #[error("{query}: the value is taken")]
    Taken {
        /// What it tried.
        query: &'static str,
    },
    /// The writer's: other rows use this one, or it would use one that is gone. Nothing was written.
    #[error("{query}: the row is in use, or uses one that is gone")]
    InUse {
        /// What it tried.
        query: &'static str,
    },
    /// The writer's: the organization has as many of the kind as it may. Nothing was written.
    #[error("{query}: there are {limit} already")]
    Full {
        /// What it tried.
        query: &'static str,
        /// As many.
        limit: u64,
    },
    /// The writer's: all that the organization has would be more than it may have. Nothing was written.
    #[error("{query}: it would be more than {limit} bytes")]
    TooLong {
        /// What it tried.
        query: &'static str,
        /// As many bytes.
        limit: u64,
    },
    /// The network's or the disk's: try again later.
    #[error("{query} failed: {source}")]
    Unavailable {
        /// What was tried.
        query: &'static str,
        /// Why.
        source: sqlx::Error,
    },
    /// The network's or the disk's: no answer in time, and it is not known whether it was done. Try again later.
    #[error("{query} gave no answer within {limit:?}")]
    Late {
        /// What was tried.
        query: &'static str,
        /// How long was waited.
        limit: Duration,
    },
    /// Another writer's: a stored value that we cannot read.
    #[error("{query}: column `{column}` is unreadable: {reason}")]
    Unreadable {
        /// What was read.
        query: &'static str,
        /// The column.
        column: &'static str,
        /// Why, without the value of a column that holds people's text.
        reason: String,
    },
}

impl StoreError {
    /// Whether the same call may succeed later without a change.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Late { .. })
    }

    /// Sorts a database's refusal of write `index`: data that it will never take, or trouble that may pass.
    pub(crate) fn from_write(index: usize, query: &'static str, source: sqlx::Error) -> Self {
        let permanent = match &source {
            sqlx::Error::Database(error) => {
                // SQLSTATE classes 22 (data) and 23 (constraint); SQLite has no codes like these.
                error.is_foreign_key_violation()
                    || error.is_check_violation()
                    || error.is_unique_violation()
                    || error.code().is_some_and(|code| code.len() == 5 && (code.starts_with("22") || code.starts_with("23")))
            }
            sqlx::Error::RowNotFound => true,
            _ => false,
        };
        if permanent {
            let reason = match source {
                sqlx::Error::RowNotFound => "no such record".to_owned(),
                other => other.to_string(),
            };
            Self::Refused { index, query, reason }
        } else {
            Self::Unavailable { query, source }
        }
    }
}
