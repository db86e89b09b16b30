//! The schema's versions, in order. A version that was released never changes.

use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

const VERSIONS: &[(i64, &str, &str)] = &[
    (1, "calls", include_str!("../migrations/0001_calls.sql")),
    (4, "memories_and_analyses", include_str!("../migrations/0004_memories_and_analyses.sql")),
];

/// All versions, ready to run on either database.
pub(crate) fn migrator() -> Migrator {
    let migrations = VERSIONS.iter().map(|&(version, name, sql)| {
        let kind = MigrationType::Simple;
        Migration::new(version, name.into(), kind, sql.into_sql_str(), false)
    });
    Migrator::with_migrations(migrations.collect())
}
