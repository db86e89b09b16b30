//! Exports, erasures and the archives they and backups are made of, over a database in a file with recordings beside it.
#![allow(clippy::unwrap_used)]

mod archives;
mod jobs;
