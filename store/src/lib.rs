//! Call records, turns and recordings, on SQLite or PostgreSQL.
