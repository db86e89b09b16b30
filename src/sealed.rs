//! `offhook seal` and `offhook recording decrypt`: what is sealed, sealed anew or opened, beside a server that may run.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use actors::recorder::{Reseal, reseal_file};
use anyhow::{Context as _, bail, ensure};
use clap::{Args, Subcommand};
use store::seal::{HEAD, SealedTable, is_sealed, key_of_file};
use store::{CallId, Keyring, RecordingReader, RecordingState, Store};

use crate::config::Config;
use crate::wire::{self, sealing};

/// What `offhook recording` can do.
#[derive(Clone, Debug, Eq, PartialEq, Subcommand)]
pub enum RecordingCommand {
    /// Write the WAV file that a sealed recording is; one that is not sealed is copied
    Decrypt {
        /// The recording, of `recordings` in the data folder
        file: PathBuf,
        /// Where to [default: standard output]; a file that is there is not overwritten
        #[arg(long)]
        out: Option<PathBuf>,
    },
}

/// How `offhook seal` is asked.
#[derive(Args, Clone, Debug, Eq, PartialEq)]
pub struct SealArguments {
    /// Change nothing, and print how much is sealed with which key
    #[arg(long)]
    status: bool,
}

/// Opens a recording.
pub async fn recording(command: &RecordingCommand, config: &Config) -> anyhow::Result<ExitCode> {
    let RecordingCommand::Decrypt { file, out } = command;
    let keys = sealing::load(config.security.master_key.clone()).await?;
    let told = || file.display().to_string();
    let mut reader = RecordingReader::open(File::open(file).with_context(told)?, &keys).with_context(told)?;
    match out {
        Some(path) => {
            let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
            let mut made = made.with_context(|| path.display().to_string())?;
            io::copy(&mut reader, &mut made).with_context(told)?;
            made.sync_all()?;
        }
        None => {
            let mut to = io::stdout().lock();
            ensure!(!to.is_terminal(), "a WAV file is nothing for a terminal: name a file with --out");
            io::copy(&mut reader, &mut to).with_context(told)?;
            to.flush()?;
        }
    }
    if !reader.is_whole() {
        eprintln!("{}: its end is missing: it is being written, or was cut", file.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Seals everything with the newest key, or says what is sealed with what.
pub async fn seal(asked: &SealArguments, config: &Config) -> anyhow::Result<ExitCode> {
    let database = wire::open_database(config).await?;
    let folder = config.node.data_dir.join("recordings");
    let failed = if asked.status {
        0
    } else {
        ensure!(
            database.seals().keys().newest().is_some(),
            "there is no master key: set security.master_key_file, or another of them"
        );
        seal_rows(&database).await? + seal_recordings(&database, &folder).await?
    };
    status(&database, &folder).await?;
    database.close().await;
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Answers how many values could not be opened.
async fn seal_rows(database: &Store) -> anyhow::Result<u64> {
    let mut all_failed = 0;
    for of in SealedTable::ALL {
        let (mut done, mut failed) = (0, 0);
        loop {
            let step = database.reseal(&of, failed).await?;
            done += step.resealed;
            failed += step.failed;
            if let Some(reason) = step.reason {
                eprintln!("{}.{}: {reason}", of.table, of.column);
            }
            if !step.more {
                break;
            }
            println!("{}.{}: {done} sealed anew so far", of.table, of.column);
        }
        if done + failed > 0 {
            println!("{}.{}: {done} sealed anew, {failed} could not be opened", of.table, of.column);
        }
        all_failed += failed;
    }
    database.fold_log().await?;
    Ok(all_failed)
}

/// The recordings of a folder, with the calls that they are of.
fn recordings(folder: &Path) -> anyhow::Result<Vec<(CallId, PathBuf)>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.with_context(|| folder.display().to_string())?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let wav = path.extension().is_some_and(|extension| extension == "wav");
        let call = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
        found.extend(call.filter(|_| wav).map(|call| (call, path)));
    }
    found.sort();
    Ok(found)
}

/// Answers how many files could not be sealed.
async fn seal_recordings(database: &Store, folder: &Path) -> anyhow::Result<u64> {
    /// Files after which it says how far it is.
    const TOLD_EACH: usize = 100;
    let (mut done, mut failed, mut busy) = (0, 0, 0);
    let files = recordings(folder)?;
    let all = files.len();
    for (number, (call, path)) in (1..).zip(files) {
        let rows = database.recordings(call).await?;
        // One in the clear that is being written is sealed the next time.
        let closed = !rows.is_empty() && rows.iter().all(|row| row.state != RecordingState::Writing);
        let keys = database.seals().keys();
        let file = path.clone();
        match tokio::task::spawn_blocking(move || reseal_file(&file, call, &keys, closed)).await? {
            Ok(Reseal::Done) => done += 1,
            Ok(Reseal::Newest) => {}
            Ok(Reseal::Busy) => busy += 1,
            Err(error) => {
                failed += 1;
                eprintln!("{}: {error}", path.display());
            }
        }
        if number % TOLD_EACH == 0 {
            println!("recordings: {number} of {all} looked at, {done} sealed anew so far");
        }
    }
    println!(
        "recordings: {done} of {all} sealed anew, {busy} in the clear are being written or of no call, {failed} could not be sealed"
    );
    Ok(failed)
}

/// Prints how much is sealed with which key.
async fn status(database: &Store, folder: &Path) -> anyhow::Result<()> {
    let keys = database.seals().keys();
    let named = |key: Option<store::KeyId>| match key {
        None => "in the clear".to_owned(),
        Some(key) => format!("master key {key}{}", note(&keys, key)),
    };
    for ((of, key), count) in database.sealed_with().await? {
        println!("{}.{}: {count} {}", of.table, of.column, named(key));
    }
    let mut files = std::collections::BTreeMap::<_, u64>::new();
    for (_, path) in recordings(folder)? {
        *files.entry(key_of(&path)?).or_default() += 1;
    }
    for (key, count) in files {
        println!("recordings: {count} {}", named(key));
    }
    Ok(())
}

/// What is to be known of a key besides its name.
fn note(keys: &Keyring, key: store::KeyId) -> &'static str {
    match keys.ids().position(|id| id == key) {
        Some(0) => ", the newest",
        Some(_) => "",
        None => ", which is not configured",
    }
}

/// The key that a file is sealed with.
fn key_of(path: &Path) -> anyhow::Result<Option<store::KeyId>> {
    let mut head = Vec::with_capacity(HEAD);
    io::Read::take(File::open(path)?, HEAD as u64).read_to_end(&mut head)?;
    if !is_sealed(&head) {
        return Ok(None);
    }
    match <[u8; HEAD]>::try_from(head).ok().and_then(|head| key_of_file(&head).ok()) {
        Some((key, _)) => Ok(Some(key)),
        None => bail!("{} ends before its key", path.display()),
    }
}
