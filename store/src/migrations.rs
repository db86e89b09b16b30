//! The schema's versions, in order. A version that was released never changes.

use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

/// What both databases run.
const VERSIONS: &[(i64, &str, &str)] = &[
    (1, "calls", include_str!("../migrations/0001_calls.sql")),
    (2, "knowledge", include_str!("../migrations/0002_knowledge.sql")),
    (3, "tool_calls", include_str!("../migrations/0003_tool_calls.sql")),
    (4, "memories_and_analyses", include_str!("../migrations/0004_memories_and_analyses.sql")),
    (5, "call_language", include_str!("../migrations/0005_call_language.sql")),
    (6, "call_identity", include_str!("../migrations/0006_call_identity.sql")),
    (7, "calls_out", include_str!("../migrations/0007_calls_out.sql")),
    (8, "call_trunk", include_str!("../migrations/0008_call_trunk.sql")),
    (10, "sip_ladders", include_str!("../migrations/0010_sip_ladders.sql")),
    (11, "spend", include_str!("../migrations/0011_spend.sql")),
    (12, "people", include_str!("../migrations/0012_people.sql")),
    (13, "directory", include_str!("../migrations/0013_directory.sql")),
    (14, "events", include_str!("../migrations/0014_events.sql")),
    (15, "calls_api", include_str!("../migrations/0015_calls_api.sql")),
    (16, "billing", include_str!("../migrations/0016_billing.sql")),
    (17, "sealing", include_str!("../migrations/0017_sealing.sql")),
    (18, "safekeeping", include_str!("../migrations/0018_safekeeping.sql")),
    (19, "campaigns", include_str!("../migrations/0019_campaigns.sql")),
    (21, "knowledge_of_organizations", include_str!("../migrations/0021_knowledge_of_organizations.sql")),
];

/// What SQLite runs after the text of the same version.
const SQLITE: &[(i64, &str)] = &[
    (2, include_str!("../migrations/0002_knowledge_sqlite.sql")),
    (12, include_str!("../migrations/0012_people_sqlite.sql")),
    (14, include_str!("../migrations/0014_events_sqlite.sql")),
    (15, include_str!("../migrations/0015_calls_api_sqlite.sql")),
    (16, include_str!("../migrations/0016_billing_sqlite.sql")),
    (17, include_str!("../migrations/0017_sealing_sqlite.sql")),
];

/// What PostgreSQL runs after the text of the same version.
const POSTGRES: &[(i64, &str)] = &[
    (2, include_str!("../migrations/0002_knowledge_postgres.sql")),
    (12, include_str!("../migrations/0012_people_postgres.sql")),
    (13, include_str!("../migrations/0013_directory_postgres.sql")),
    (14, include_str!("../migrations/0014_events_postgres.sql")),
    (15, include_str!("../migrations/0015_calls_api_postgres.sql")),
    (16, include_str!("../migrations/0016_billing_postgres.sql")),
    (17, include_str!("../migrations/0017_sealing_postgres.sql")),
    (18, include_str!("../migrations/0018_safekeeping_postgres.sql")),
    (19, include_str!("../migrations/0019_campaigns_postgres.sql")),
    (21, include_str!("../migrations/0021_knowledge_of_organizations_postgres.sql")),
];

/// All versions, ready to run.
pub(crate) fn migrator(sqlite: bool) -> Migrator {
    let own = if sqlite { SQLITE } else { POSTGRES };
    let migrations = VERSIONS.iter().map(|&(version, name, sql)| {
        let kind = MigrationType::Simple;
        let sql = match own.iter().find(|(other, _)| *other == version) {
            Some((_, more)) => sqlx::AssertSqlSafe(format!("{sql}\n{more}")).into_sql_str(),
            None => sql.into_sql_str(),
        };
        Migration::new(version, name.into(), kind, sql, false)
    });
    Migrator::with_migrations(migrations.collect())
}

/// The newest version that this program knows.
pub(crate) fn newest() -> i64 {
    VERSIONS.last().map_or(0, |(version, ..)| *version)
}
