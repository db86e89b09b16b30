//! What a backup and a restore need of a database: a copy that is whole while others write, what is in it, and whether one is empty.
//!
//! SQLite copies itself by `VACUUM INTO`, one reading transaction that no writer waits for, other processes included (its online backup
//! would begin anew with each write of another process). PostgreSQL's `pg_dump` is told the snapshot that the rows were counted in.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use sqlx::any::install_default_drivers;
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AnyConnection, AssertSqlSafe, Connection as _, Row as _};

use crate::{Hidden, StoreError, migrations};

/// Where a database is.
#[derive(Clone, Debug)]
pub enum DatabasePlace {
    /// A file of SQLite.
    Sqlite(PathBuf),
    /// A server.
    Postgres(PostgresPlace),
}

/// Where a PostgreSQL is, for its own programs.
#[derive(Clone, Debug)]
pub struct PostgresPlace {
    /// Name, address, or the folder of its socket.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Who we are.
    pub user: String,
    /// The password; `None`: none is needed, or it is in the user's own file.
    pub password: Option<Hidden>,
    /// The database.
    pub database: String,
    /// How TLS is used, in libpq's words.
    pub ssl_mode: &'static str,
}

/// What a copy holds.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Holdings {
    /// The schema's version; 0: there is none.
    pub schema: i64,
    /// Rows of each table.
    pub rows: BTreeMap<String, u64>,
    /// Paths of recordings, relative to the data folder.
    pub recordings: Vec<String>,
}

/// A moment of a PostgreSQL, for as long as this lives.
pub struct PostgresMoment {
    /// Its name, for `pg_dump --snapshot`.
    pub snapshot: String,
    /// What is in it.
    pub holdings: Holdings,
    _connection: AnyConnection,
}

impl DatabasePlace {
    /// Reads `database.url`.
    ///
    /// # Errors
    /// [`StoreError::Scheme`], [`StoreError::Url`].
    pub fn of(url: &str) -> Result<Self, StoreError> {
        let bad = |error: sqlx::Error| StoreError::Url { reason: error.to_string() };
        let (scheme, rest) = url.split_once(':').unwrap_or(("", url));
        match scheme {
            "sqlite" if rest.trim_start_matches('/').starts_with(":memory:") => {
                Err(StoreError::Url { reason: "a database in memory cannot be kept".to_owned() })
            }
            "sqlite" => Ok(Self::Sqlite(SqliteConnectOptions::from_str(url).map_err(bad)?.get_filename().to_owned())),
            "postgres" | "postgresql" => {
                let options = PgConnectOptions::from_str(url).map_err(bad)?;
                let socket = options.get_socket().map(|folder| folder.display().to_string());
                Ok(Self::Postgres(PostgresPlace {
                    host: socket.unwrap_or_else(|| options.get_host().to_owned()),
                    port: options.get_port(),
                    user: options.get_username().to_owned(),
                    password: password(url),
                    database: options.get_database().unwrap_or(options.get_username()).to_owned(),
                    ssl_mode: ssl_mode(options.get_ssl_mode()),
                }))
            }
            _ => Err(StoreError::Scheme { scheme: scheme.to_owned() }),
        }
    }
}

/// The newest schema that this program can read.
#[must_use]
pub fn newest_schema() -> i64 {
    migrations::newest()
}

/// Copies the SQLite file at `from` to `to`, which must not be there or be empty, while others write to it.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn copy_sqlite(from: &Path, to: &Path) -> Result<Holdings, StoreError> {
    const QUERY: &str = "copy_sqlite";
    let mut connection = connect(&sqlite_url(from, "rw"), QUERY).await?;
    let path = to.display().to_string().replace('\'', "''");
    let copy = format!("PRAGMA busy_timeout = 5000; VACUUM INTO '{path}'");
    sqlx::raw_sql(AssertSqlSafe(copy)).execute(&mut connection).await.map_err(unavailable(QUERY))?;
    connection.close().await.map_err(unavailable(QUERY))?;
    holdings_of_sqlite(to).await
}

/// What is in a SQLite file, which nobody else has open; proves that it is whole.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Unreadable`].
pub async fn holdings_of_sqlite(file: &Path) -> Result<Holdings, StoreError> {
    const QUERY: &str = "holdings";
    let mut connection = connect(&sqlite_url(file, "ro"), QUERY).await?;
    let checked = sqlx::query("PRAGMA quick_check").fetch_one(&mut connection).await.map_err(unavailable(QUERY))?;
    let checked: String = checked.try_get(0).map_err(unavailable(QUERY))?;
    if checked != "ok" {
        return Err(StoreError::Unreadable { query: QUERY, column: "quick_check", reason: checked });
    }
    let tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name";
    let holdings = holdings(&mut connection, tables).await?;
    connection.close().await.map_err(unavailable(QUERY))?;
    Ok(holdings)
}

/// What is in a PostgreSQL now.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn postgres_moment(url: &str) -> Result<PostgresMoment, StoreError> {
    const QUERY: &str = "postgres_moment";
    let mut connection = connect(url, QUERY).await?;
    let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET LOCAL offhook.organization = '*'";
    sqlx::raw_sql(begin).execute(&mut connection).await.map_err(unavailable(QUERY))?;
    let snapshot = sqlx::query("SELECT pg_export_snapshot() AS name").fetch_one(&mut connection).await;
    let snapshot = snapshot.and_then(|row| row.try_get("name")).map_err(unavailable(QUERY))?;
    let tables = "SELECT CAST(table_name AS TEXT) AS name FROM information_schema.tables
                  WHERE table_schema = current_schema() AND table_type = 'BASE TABLE' ORDER BY table_name";
    let holdings = holdings(&mut connection, tables).await?;
    Ok(PostgresMoment { snapshot, holdings, _connection: connection })
}

/// Tables, their rows, the schema's version and the recordings.
async fn holdings(connection: &mut AnyConnection, tables: &'static str) -> Result<Holdings, StoreError> {
    const QUERY: &str = "holdings";
    let unavailable = unavailable(QUERY);
    let names = sqlx::query(tables).fetch_all(&mut *connection).await.map_err(unavailable)?;
    let mut holdings = Holdings::default();
    for name in names {
        let name: String = name.try_get("name").map_err(unavailable)?;
        let count = format!("SELECT COUNT(*) AS rows_there FROM \"{name}\"");
        let count = sqlx::query(AssertSqlSafe(count)).fetch_one(&mut *connection).await.map_err(unavailable)?;
        let count: i64 = count.try_get("rows_there").map_err(unavailable)?;
        holdings.rows.insert(name, count as u64);
    }
    if holdings.rows.contains_key("_sqlx_migrations") {
        let newest = "SELECT COALESCE(MAX(version), 0) AS version FROM _sqlx_migrations";
        let newest = sqlx::query(newest).fetch_one(&mut *connection).await.map_err(unavailable)?;
        holdings.schema = newest.try_get("version").map_err(unavailable)?;
    }
    if holdings.rows.contains_key("recordings") {
        let paths = sqlx::query("SELECT path FROM recordings ORDER BY path").fetch_all(&mut *connection).await;
        let paths = paths.map_err(unavailable)?;
        let paths = paths.iter().map(|row| row.try_get("path"));
        holdings.recordings = paths.collect::<Result<_, _>>().map_err(unavailable)?;
    }
    Ok(holdings)
}

async fn connect(url: &str, query: &'static str) -> Result<AnyConnection, StoreError> {
    install_default_drivers();
    AnyConnection::connect(url).await.map_err(unavailable(query))
}

fn unavailable(query: &'static str) -> impl Fn(sqlx::Error) -> StoreError + Copy {
    move |source| StoreError::Unavailable { query, source }
}

fn sqlite_url(file: &Path, mode: &str) -> String {
    let path: String = file.display().to_string().chars().fold(String::new(), |url, one| match one {
        '%' | '?' | '#' => url + &format!("%{:02X}", one as u32),
        _ => url + one.encode_utf8(&mut [0; 4]),
    });
    format!("sqlite://{path}?mode={mode}")
}

/// The password of a URL, without its escapes: sqlx does not show it.
fn password(url: &str) -> Option<Hidden> {
    let authority = url.split_once("://")?.1.split(['/', '?', '#']).next()?;
    let (_, escaped) = authority.rsplit_once('@')?.0.split_once(':')?;
    let (mut bytes, mut rest) = (Vec::new(), escaped.as_bytes());
    while let Some((first, more)) = rest.split_first() {
        let code = more.get(..2).and_then(|code| u8::from_str_radix(str::from_utf8(code).ok()?, 16).ok());
        (rest, _) = match (first, code) {
            (b'%', Some(byte)) => (&more[2..], bytes.push(byte)),
            _ => (more, bytes.push(*first)),
        };
    }
    Some(Hidden::new(String::from_utf8(bytes).ok()?))
}

fn ssl_mode(mode: sqlx::postgres::PgSslMode) -> &'static str {
    use sqlx::postgres::PgSslMode;
    match mode {
        PgSslMode::Disable => "disable",
        PgSslMode::Allow => "allow",
        PgSslMode::Prefer => "prefer",
        PgSslMode::Require => "require",
        PgSslMode::VerifyCa => "verify-ca",
        PgSslMode::VerifyFull => "verify-full",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_place_is_read_from_a_url_and_its_password_is_not_shown() {
        let DatabasePlace::Postgres(place) = DatabasePlace::of("postgres://ada:s%40cret@db:5433/calls?sslmode=require").unwrap()
        else {
            panic!("a server");
        };
        assert_eq!((place.host.as_str(), place.port, place.user.as_str()), ("db", 5433, "ada"));
        assert_eq!((place.database.as_str(), place.ssl_mode), ("calls", "require"));
        assert_eq!(place.password.as_ref().unwrap().expose(), "s@cret");
        assert!(!format!("{place:?}").contains("cret"));
        let file = DatabasePlace::of("sqlite://data/with space/offhook.db").unwrap();
        assert!(matches!(file, DatabasePlace::Sqlite(path) if path.ends_with("with space/offhook.db")));
        assert!(DatabasePlace::of("sqlite::memory:").is_err() && DatabasePlace::of("mysql://x").is_err());
    }

    #[test]
    fn odd_characters_of_a_path_are_escaped() {
        assert_eq!(sqlite_url(Path::new("/a b/50%?.db"), "ro"), "sqlite:///a b/50%25%3F.db?mode=ro");
    }
}
