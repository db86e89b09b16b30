//! `offhook backup` and `offhook restore`: a copy of what a node has, made while it runs, and a node made of it.

mod postgres;

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use platform::archive::{Archive, ArchiveWriter};
use serde_json::{Value, json};
use store::{DatabasePlace, Holdings, WallTime};

use crate::config::Config;
use crate::wire;

/// What a backup calls itself.
const FORMAT: &str = "offhook-backup";

/// The parts that a database is in.
const SQLITE: &str = "database.sqlite";
const POSTGRES: &str = "database.pgdump";

/// Where recordings lie, in the data folder and in the archive.
const RECORDINGS: &str = "recordings";

/// `offhook backup`.
#[derive(Args, Clone, Debug, Eq, PartialEq)]
pub struct BackupArguments {
    /// Where it is written; a file that is there is replaced once the new one is whole
    file: PathBuf,
    /// With the files of the recordings; else the database alone, which knows them by name
    #[arg(long)]
    recordings: bool,
}

/// `offhook restore`.
#[derive(Args, Clone, Debug, Eq, PartialEq)]
pub struct RestoreArguments {
    /// What `offhook backup` has written
    file: PathBuf,
}

/// Copies the database, and the recordings if that is wished, into one file. The server may run.
pub async fn backup(config: &Config, asked: &BackupArguments) -> anyhow::Result<ExitCode> {
    let part = beside(&asked.file, "part");
    let made = write(config, asked, &part).await;
    if made.is_err() {
        let _not_there = std::fs::remove_file(&part);
    }
    let (holdings, recordings, bytes) = made?;
    std::fs::rename(&part, &asked.file).with_context(|| format!("{} cannot be written", asked.file.display()))?;
    sync_folder(&asked.file)?;
    let rows: u64 = holdings.rows.values().sum();
    let (tables, schema) = (holdings.rows.len(), holdings.schema);
    println!("{}: {bytes} bytes, {rows} rows of {tables} tables, schema {schema}, {recordings} recordings", asked.file.display());
    Ok(ExitCode::SUCCESS)
}

async fn write(config: &Config, asked: &BackupArguments, part: &Path) -> anyhow::Result<(Holdings, usize, u64)> {
    let written = || format!("{} cannot be written", part.display());
    let mut archive = ArchiveWriter::create(part).with_context(written)?;
    let url = config.database.url.expose();
    let dump = beside(part, "database");
    let _goes_at_the_end = Temporary(dump.clone());
    // Empty, and its owner's: what is left of a crash is not written over, and nobody else reads what comes.
    let _left_by_a_crash = std::fs::remove_file(&dump);
    let made = File::options().create_new(true).write(true).mode(0o600).open(&dump);
    made.with_context(|| format!("{} cannot be written", dump.display()))?;
    let (name, holdings) = match DatabasePlace::of(url)? {
        DatabasePlace::Sqlite(file) => {
            ensure!(file.exists(), "database.url: there is no {} to back up", file.display());
            (SQLITE, store::copy_sqlite(&file, &dump).await?)
        }
        DatabasePlace::Postgres(place) => {
            let moment = store::postgres_moment(url).await?;
            postgres::dump(&place, &moment.snapshot, &dump).await?;
            (POSTGRES, moment.holdings)
        }
    };
    ensure!(holdings.schema > 0, "database.url: there is no database of offhook to back up");
    let more_than_ours = holdings.schema > store::newest_schema();
    ensure!(!more_than_ours, "database.url: a newer offhook has made schema {}: back it up with that one", holdings.schema);
    archive.add_file(name, &dump).with_context(written)?;
    let (mut recordings, mut missing) = (0, Vec::new());
    for path in holdings.recordings.iter().filter(|_| asked.recordings) {
        // The path is the database's, and ours if it is one in the data folder.
        let file = own_recording(path).map(|path| config.node.data_dir.join(path));
        match file.map(|file| archive.add_file(path, &file)).transpose().with_context(written)? {
            Some(true) => recordings += 1,
            // Swept meanwhile, or on another node.
            Some(false) | None => missing.push(path),
        }
    }
    let manifest = json!({
        "format": FORMAT,
        "version": 1,
        "offhook": env!("CARGO_PKG_VERSION"),
        "made_at": WallTime::now().to_string(),
        "node": config.node.name,
        "database": name,
        "schema": holdings.schema,
        "rows": holdings.rows,
        "with_recordings": asked.recordings,
        "recordings_missing": missing,
    });
    let (bytes, _) = archive.finish(manifest).with_context(written)?;
    Ok((holdings, recordings, bytes))
}

/// Makes a node of a backup: database and recordings, where there is neither.
pub async fn restore(config: &Config, asked: &RestoreArguments) -> anyhow::Result<ExitCode> {
    // All of it is read before anything is changed.
    let archive = Archive::open(&asked.file)?;
    let manifest = archive.manifest();
    let said = |name: &str| manifest[name].as_str().unwrap_or_default();
    ensure!(said("format") == FORMAT, "{}: is an archive of another kind, {:?}", asked.file.display(), said("format"));
    let schema = manifest["schema"].as_i64().unwrap_or(0);
    let newest = store::newest_schema();
    ensure!(
        (1..=newest).contains(&schema),
        "{}: has schema {schema}, made by offhook {}; this one knows schemas up to {newest}",
        asked.file.display(),
        said("offhook")
    );
    let place = DatabasePlace::of(config.database.url.expose())?;
    let fits = matches!((&place, said("database")), (DatabasePlace::Sqlite(_), SQLITE) | (DatabasePlace::Postgres(_), POSTGRES));
    ensure!(fits, "{}: has {}, which is not what database.url is", asked.file.display(), said("database"));
    let _lock = wire::take_data_dir(&config.node.data_dir)?;
    refuse_data(config, &place).await?;
    let staging = config.node.data_dir.join(format!("restore-{}", std::process::id()));
    std::fs::create_dir_all(staging.join(RECORDINGS)).with_context(|| format!("{} cannot be made", staging.display()))?;
    let restored = put(config, &archive, &place, &staging).await;
    let _empty_or_unwanted = std::fs::remove_dir_all(&staging);
    let recordings = restored?;
    let rows: u64 = rows_of(manifest).rows.values().sum();
    println!(
        "restored {rows} rows of schema {schema}, made {} by node {}, {recordings} recordings",
        said("made_at"),
        said("node")
    );
    if said("node") != config.node.name {
        println!("node.name was {:?} and is {:?}: what that node left open stays open", said("node"), config.node.name);
    }
    Ok(ExitCode::SUCCESS)
}

/// Unpacks beside, proves it, and moves it into its place: recordings first, for without the database nobody asks for them.
async fn put(config: &Config, archive: &Archive, place: &DatabasePlace, staging: &Path) -> anyhow::Result<usize> {
    let mut recordings = 0;
    let dump = staging.join("database");
    archive.extract(|name| match name {
        SQLITE | POSTGRES => Some(dump.clone()),
        name => own_recording(name).map(|path| {
            recordings += 1;
            staging.join(path)
        }),
    })?;
    let expected = rows_of(archive.manifest());
    if let DatabasePlace::Sqlite(_) = place {
        let found = store::holdings_of_sqlite(&dump).await?;
        check_rows(&expected, &found)?;
    }
    if recordings > 0 {
        let (from, to) = (staging.join(RECORDINGS), config.node.data_dir.join(RECORDINGS));
        let _empty = std::fs::remove_dir(&to);
        std::fs::rename(from, &to).with_context(|| format!("{} cannot be moved to", to.display()))?;
    }
    let placed = put_database(config, place, &dump, &expected).await;
    if placed.is_err() && recordings > 0 {
        let _nothing_is_left = std::fs::remove_dir_all(config.node.data_dir.join(RECORDINGS));
    }
    placed.map(|()| recordings)
}

async fn put_database(config: &Config, place: &DatabasePlace, dump: &Path, expected: &Holdings) -> anyhow::Result<()> {
    match place {
        DatabasePlace::Sqlite(file) => {
            if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
                std::fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
            }
            // In the folder of the file first: that may be another disk.
            let near = beside(file, "restored");
            let near = Temporary(near);
            let near = &near.0;
            std::fs::copy(dump, near).with_context(|| format!("{} cannot be written", near.display()))?;
            File::open(near).and_then(|near| near.sync_all()).context("the database cannot be put to disk")?;
            std::fs::rename(near, file).with_context(|| format!("{} cannot be written", file.display()))?;
            sync_folder(file)?;
        }
        DatabasePlace::Postgres(server) => {
            postgres::restore(server, dump).await?;
            let found = store::postgres_moment(config.database.url.expose()).await?.holdings;
            check_rows(expected, &found)?;
        }
    }
    Ok(())
}

/// Refuses to restore over what is there, and says what that is.
async fn refuse_data(config: &Config, place: &DatabasePlace) -> anyhow::Result<()> {
    let mut there = Vec::new();
    if let DatabasePlace::Sqlite(file) = place {
        // SQLite would write what waits there into the file that is put beside it.
        let left = ["-wal", "-journal"].map(|end| PathBuf::from(format!("{}{end}", file.display())));
        there.extend(left.iter().filter(|left| left.exists()).map(|left| format!("the file {}", left.display())));
    }
    match place {
        DatabasePlace::Sqlite(file) if file.exists() => match store::holdings_of_sqlite(file).await {
            Ok(found) => there.push(format!("the database {} with {}", file.display(), told(&found))),
            Err(_) => there.push(format!("the file {}", file.display())),
        },
        DatabasePlace::Sqlite(_) => {}
        DatabasePlace::Postgres(server) => {
            let found = store::postgres_moment(config.database.url.expose()).await?.holdings;
            if !found.rows.is_empty() {
                there.push(format!("the database {} with {}", server.database, told(&found)));
            }
        }
    }
    let folder = config.node.data_dir.join(RECORDINGS);
    let files = std::fs::read_dir(&folder).map_or(0, Iterator::count);
    if files > 0 {
        there.push(format!("{files} files in {}", folder.display()));
    }
    if !there.is_empty() {
        bail!("only an empty node can be restored to, and here is {}; nothing was changed", there.join(", and "));
    }
    Ok(())
}

fn told(found: &Holdings) -> String {
    let calls = found.rows.get("calls").copied().unwrap_or(0);
    format!("{} tables and {calls} calls", found.rows.len())
}

fn rows_of(manifest: &Value) -> Holdings {
    let rows = manifest["rows"].as_object().into_iter().flatten();
    let rows = rows.map(|(table, rows)| (table.clone(), rows.as_u64().unwrap_or(0))).collect();
    Holdings { schema: manifest["schema"].as_i64().unwrap_or(0), rows, recordings: Vec::new() }
}

fn check_rows(expected: &Holdings, found: &Holdings) -> anyhow::Result<()> {
    let tables = expected.rows.keys().chain(found.rows.keys());
    if let Some(table) = tables.into_iter().find(|table| expected.rows.get(*table) != found.rows.get(*table)) {
        let count = |holdings: &Holdings| holdings.rows.get(table).map_or_else(|| "no".to_owned(), u64::to_string);
        bail!("table {table} should have {} rows and has {}", count(expected), count(found));
    }
    ensure!(expected.schema == found.schema, "the schema should be {} and is {}", expected.schema, found.schema);
    Ok(())
}

/// A path of a recording, if it is `recordings/NAME`.
fn own_recording(path: &str) -> Option<PathBuf> {
    let name = path.strip_prefix("recordings/")?;
    (!name.is_empty() && !name.contains('/') && name != "." && name != "..").then(|| Path::new(RECORDINGS).join(name))
}

/// A file beside another.
fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(format!(".{ending}"));
    name.into()
}

/// A name in a folder is only safe when the folder is.
fn sync_folder(file: &Path) -> anyhow::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).with_context(|| format!("{} cannot be put to disk", folder.display()))
}

/// A file that goes, whatever happens.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        let _not_made = std::fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_in_the_folder_of_recordings_are_taken() {
        assert_eq!(own_recording("recordings/a.wav"), Some(PathBuf::from("recordings/a.wav")));
        for other in ["recordings/", "recordings/../x", "recordings/..", "/etc/passwd", "a.wav", "recordings/a/b"] {
            assert_eq!(own_recording(other), None, "{other}");
        }
    }

    #[test]
    fn rows_that_are_missing_are_named() {
        let holdings = |calls| Holdings { rows: [("calls".to_owned(), calls)].into(), ..Holdings::default() };
        assert!(check_rows(&holdings(3), &holdings(3)).is_ok());
        let error = check_rows(&holdings(3), &holdings(2)).map_err(|error| error.to_string());
        assert_eq!(error, Err("table calls should have 3 rows and has 2".to_owned()));
    }
}
