//! Opening the database, and the frame that every query runs in.

use std::future::Future;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::any::{AnyPoolOptions, install_default_drivers};
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Any, AnyConnection, AnyPool, Connection as _, Executor, Transaction};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::migrations::migrator;
use crate::seal::{Keyring, Seals};
use crate::{Hidden, StoreError};

/// Connections to the database. Writes come from one actor in batches; the rest are reads by people.
const CONNECTIONS_MAX: u32 = 8;
/// Time one query may take, with the wait for a connection. A healthy one takes milliseconds.
pub(crate) const QUERY_TIME_MAX: Duration = Duration::from_secs(10);
/// Time [`Store::ping`] may take: a readiness probe must not hang.
const PING_TIME_MAX: Duration = Duration::from_secs(2);
/// Time to reach the database at start. The operator watches.
const OPEN_TIME_MAX: Duration = Duration::from_secs(5);

/// WAL lets readers and the writer work together. NORMAL syncs at checkpoints: a power cut (not a crash) may lose the
/// last writes but never harms the file. 5 s are for another process that holds the file, such as a backup. 8 MB of pages are
/// the full-text index of 10,000 chunks: a search reads hundreds of them, and 2 MB, as it comes, has them read again each time.
/// What was deleted, or has been sealed since, is overwritten and not only forgotten.
const SQLITE_SETUP: &str = "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; \
     PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON; PRAGMA cache_size = -8000; PRAGMA secure_delete = ON;";

/// The database of calls. Cheap to clone: all clones share one pool.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) pool: AnyPool,
    /// Writers at a time. One on SQLite, whose single write lock would make the others wait by polling.
    writers: Arc<Semaphore>,
    begin: &'static str,
    /// Which of the two it is, for the queries of full text and vectors.
    pub(crate) sqlite: bool,
    /// Counts the times that something may have been told.
    pub(crate) news: watch::Sender<u64>,
    /// What secrets are sealed with.
    pub(crate) seals: Seals,
    /// Of PostgreSQL, for a connection that listens.
    pub(crate) url: Option<Hidden>,
}

/// What a database URL asks for.
struct Target {
    /// The URL that is handed to sqlx.
    url: String,
    /// The same for people, without secrets.
    shown: String,
    connections: u32,
    writers: usize,
    begin: &'static str,
    sqlite: bool,
}

/// One transaction and the right to write. Dropped without [`Writing::commit`] it leaves nothing behind.
pub(crate) struct Writing {
    pub(crate) transaction: Transaction<'static, Any>,
    /// What secrets are sealed with, throughout.
    pub(crate) keys: Arc<Keyring>,
    _permit: OwnedSemaphorePermit,
}

impl Store {
    /// Opens `sqlite://path`, `sqlite::memory:` or `postgres://...` and brings the tables to this version. The folder
    /// and the file of SQLite are made when missing. A relative path is relative to the working directory.
    ///
    /// # Errors
    /// [`StoreError::Scheme`], [`Url`](StoreError::Url), [`Folder`](StoreError::Folder),
    /// [`Open`](StoreError::Open), [`Migrate`](StoreError::Migrate).
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        install_default_drivers();
        let target = Target::parse(url)?;
        let mut options = AnyPoolOptions::new().max_connections(target.connections).acquire_timeout(OPEN_TIME_MAX);
        if target.sqlite {
            // An idle connection costs nothing here, and `:memory:` is gone with its last one.
            options = options
                .idle_timeout(None)
                .max_lifetime(None)
                .after_connect(|connection, _| Box::pin(async move { connection.execute(SQLITE_SETUP).await.map(drop) }));
        }
        let shown = target.shown;
        let pool = match options.connect(&target.url).await {
            Ok(pool) => pool,
            Err(source) => return Err(StoreError::Open { url: shown, source: reason(source, &target.url).await }),
        };
        if let Err(source) = migrator(target.sqlite).run(&pool).await {
            return Err(StoreError::Migrate { url: shown, source });
        }
        let url = (!target.sqlite).then(|| Hidden::new(target.url));
        let writers = Arc::new(Semaphore::new(target.writers));
        Ok(Self {
            pool,
            writers,
            begin: target.begin,
            sqlite: target.sqlite,
            news: watch::Sender::new(0),
            seals: Seals::default(),
            url,
        })
    }

    /// Asks the database for a sign of life, within two seconds; for readiness.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn ping(&self) -> Result<(), StoreError> {
        let query = "ping";
        timed(query, PING_TIME_MAX, async {
            let answer = sqlx::query("SELECT 1").execute(&self.pool).await;
            answer.map(drop).map_err(|source| StoreError::Unavailable { query, source })
        })
        .await
    }

    /// What secrets of rows, and recordings, are sealed with: nothing, until somebody puts keys there. All clones share it.
    #[must_use]
    pub fn seals(&self) -> &Seals {
        &self.seals
    }

    /// Closes all connections, of every clone; SQLite folds its log into the file. Later queries fail.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// The right to write, without a transaction: on SQLite nobody else of this process writes meanwhile.
    pub(crate) async fn write_alone(&self, query: &'static str) -> Result<OwnedSemaphorePermit, StoreError> {
        let permit = Arc::clone(&self.writers).acquire_owned().await;
        permit.map_err(|_| StoreError::Unavailable { query, source: sqlx::Error::PoolClosed })
    }

    pub(crate) async fn begin(&self, query: &'static str) -> Result<Writing, StoreError> {
        let unavailable = |source| StoreError::Unavailable { query, source };
        let permit = self.write_alone(query).await?;
        let transaction = self.pool.begin_with(self.begin).await;
        Ok(Writing { transaction: transaction.map_err(unavailable)?, keys: self.seals.keys(), _permit: permit })
    }
}

/// The pool only says that it tried for a while; one more connection says why it cannot be.
async fn reason(given: sqlx::Error, url: &str) -> sqlx::Error {
    if !matches!(given, sqlx::Error::PoolTimedOut) {
        return given;
    }
    match tokio::time::timeout(PING_TIME_MAX, AnyConnection::connect(url)).await {
        Ok(Err(reason)) => reason,
        Ok(Ok(_)) | Err(_) => given,
    }
}

impl Writing {
    pub(crate) async fn commit(self, query: &'static str) -> Result<(), StoreError> {
        let done = self.transaction.commit().await;
        done.map_err(|source| StoreError::Unavailable { query, source })
    }
}

impl Target {
    fn parse(url: &str) -> Result<Self, StoreError> {
        let (scheme, rest) = url.split_once(':').unwrap_or(("", url));
        match scheme {
            "sqlite" => Self::sqlite(url, rest),
            "postgres" | "postgresql" => Self::postgres(url),
            _ => Err(StoreError::Scheme { scheme: scheme.to_owned() }),
        }
    }

    fn sqlite(url: &str, rest: &str) -> Result<Self, StoreError> {
        let file = SqliteConnectOptions::from_str(url).map_err(bad_url)?;
        let memory = rest.trim_start_matches('/').starts_with(":memory:");
        let folder = file.get_filename().parent().unwrap_or(Path::new(""));
        if !memory && !folder.as_os_str().is_empty() {
            std::fs::create_dir_all(folder).map_err(|source| StoreError::Folder { path: folder.to_owned(), source })?;
        }
        let create = match url.contains('?') {
            _ if memory => "",
            true => "&mode=rwc",
            false => "?mode=rwc",
        };
        Ok(Self {
            url: format!("{url}{create}"),
            shown: format!("sqlite {}", file.get_filename().display()),
            // Every connection to `:memory:` would be a database of its own.
            connections: if memory { 1 } else { CONNECTIONS_MAX },
            writers: 1,
            // Takes the write lock at once: an upgrade in mid-batch could fail as busy.
            begin: "BEGIN IMMEDIATE",
            sqlite: true,
        })
    }

    fn postgres(url: &str) -> Result<Self, StoreError> {
        let server = PgConnectOptions::from_str(url).map_err(bad_url)?;
        let (host, port) = (server.get_host(), server.get_port());
        let database = server.get_database().unwrap_or_default();
        Ok(Self {
            url: url.to_owned(),
            shown: format!("postgres {host}:{port}/{database}"),
            connections: CONNECTIONS_MAX,
            writers: CONNECTIONS_MAX as usize,
            begin: "BEGIN",
            sqlite: false,
        })
    }
}

fn bad_url(error: sqlx::Error) -> StoreError {
    let reason = match error {
        sqlx::Error::Configuration(reason) => reason.to_string(),
        other => other.to_string(),
    };
    StoreError::Url { reason }
}

/// Runs `work` within `limit` and measures it as `db_query_seconds{query}`.
pub(crate) async fn timed<T>(
    query: &'static str,
    limit: Duration,
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let started = Instant::now();
    let result = match tokio::time::timeout(limit, work).await {
        Ok(result) => result,
        Err(_) => Err(StoreError::Late { query, limit }),
    };
    let seconds = started.elapsed().as_secs_f64();
    metrics::histogram!("offhook_db_query_seconds", "query" => query).record(seconds);
    result
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    async fn check(url: &str, expected: &str) {
        let error = Store::open(url).await.unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
        assert!(!error.contains("s3cret"), "{error}");
    }

    #[tokio::test]
    async fn a_url_we_cannot_use_is_named_without_its_password() {
        check("mysql://offhook:s3cret@db/calls", "database.url: scheme `mysql` is neither sqlite nor postgres").await;
        check("offhook.db", "database.url: scheme `` is neither").await;
        check("postgres://offhook:s3cret@db:x/calls", "database.url: invalid port").await;
        check("sqlite://data/a.db?mode=odd", "database.url: unknown value").await;
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_named_without_its_password() {
        // Port 1 on loopback: refused at once.
        check(
            "postgres://offhook:s3cret@127.0.0.1:1/calls?application_name=s3cret",
            "database.url: cannot open postgres 127.0.0.1:1/calls: error communicating with database: Connection refused",
        )
        .await;
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_made_is_named() {
        check("sqlite:///dev/null/offhook/calls.db", "database.url: cannot make folder /dev/null/offhook:").await;
    }

    #[tokio::test]
    async fn a_query_without_an_answer_ends_late() {
        let never = std::future::pending::<Result<(), StoreError>>();
        let error = timed("ping", Duration::ZERO, never).await.unwrap_err();
        assert_eq!(error.to_string(), "ping gave no answer within 0ns");
        assert!(error.is_transient());
    }

    #[tokio::test]
    async fn a_closed_store_is_unavailable() {
        let store = Store::open("sqlite::memory:").await.unwrap();
        store.ping().await.unwrap();
        store.close().await;
        let error = store.ping().await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
    }
}
