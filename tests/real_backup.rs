//! `offhook backup` of a server that answers calls, and `offhook restore` after it was killed in mid-call: every committed row is there.
//! On SQLite and on PostgreSQL.
#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
#[path = "../store/tests/backends/cluster.rs"]
mod cluster;
mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::JoinHandle;
use std::time::Duration;

use cluster::Cluster;
use platform::archive::Archive;
use serde_json::Value;
use store::{HangupCause, RecordingState};
use support::{Folder, Server, load, offhook, rtp_range, speech};

/// Every row of a SQLite file, a line each, as SQLite itself writes it.
const ROWS: &str = "import sqlite3, sys
base = sqlite3.connect(sys.argv[1], timeout=10)
base.text_factory = lambda text: text.decode('utf-8', 'replace')
tables = [name for (name,) in base.execute(\"SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'\")]
for table in sorted(tables):
    for row in base.execute(f'SELECT * FROM \"{table}\"'):
        print(table, repr(row))";

fn toml() -> String {
    format!("[rtp]\nport_range = \"{}\"\n[node]\nname = \"safe\"\nmax_calls = 8\n", rtp_range(8))
}

fn callers(server: &Server, calls: u64, seconds: u64) -> JoinHandle<Value> {
    let (target, calls, hold) = (server.sip.to_string(), calls.to_string(), seconds.to_string());
    let speech = speech().display().to_string();
    std::thread::spawn(move || {
        let arguments = ["sip", "--target", &target, "--calls", &calls, "--hold", &hold, "--audio", &speech];
        load(&[&arguments[..], &["--rate", "50", "--allow-failures"]].concat()).1
    })
}

/// Runs a command on the server's files; its exit code and what it printed.
fn run(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> (Option<i32>, String) {
    let output = offhook(folder, &[arguments, &["--config", "offhook.toml"]].concat(), environment);
    let text = String::from_utf8(output.stdout).unwrap();
    (output.status.code(), text + &String::from_utf8(output.stderr).unwrap())
}

fn done(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let (code, said) = run(folder, arguments, environment);
    assert_eq!(code, Some(0), "{arguments:?}: {said}");
    said
}

fn refused(folder: &Path, arguments: &[&str], environment: &[(&str, &str)], why: &str) {
    let (code, said) = run(folder, arguments, environment);
    assert!(code == Some(1) && said.contains(why), "{arguments:?}: {code:?} {said}");
}

fn rows(database: &Path) -> BTreeSet<String> {
    let python = Command::new("python3").args(["-c", ROWS]).arg(database).output().unwrap();
    assert!(python.status.success(), "{}", String::from_utf8_lossy(&python.stderr));
    String::from_utf8(python.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// Files of a folder, by name, with what is in them.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        entries.map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(path).unwrap())).collect();
    files.sort();
    files
}

/// Four calls that end, then four that are cut off by a kill; a backup is made in the middle of each.
fn killed_in_mid_call(server: &mut Server, environment: &[(&str, &str)]) -> PathBuf {
    let folder = server.folder.path().to_owned();
    let first = callers(server, 4, 4);
    server.wait_metric("offhook_calls_active", "", 4.0);
    done(&folder, &["backup", "early.tar"], environment);
    let report = first.join().unwrap();
    assert_eq!(report["answered"], 4, "calls go on while a backup is made: {report}");
    server.wait_metric("offhook_calls_active", "", 0.0);
    let cut_off = callers(server, 4, 30);
    server.wait_metric("offhook_calls_active", "", 4.0);
    std::thread::sleep(Duration::from_secs(3));
    let said = done(&folder, &["backup", "running.tar", "--recordings"], environment);
    assert!(said.contains(", schema ") && said.contains("8 recordings"), "{said}");
    server.process.signal("-KILL");
    server.process.wait(Duration::from_secs(5));
    // What was committed until then, by the program alone.
    done(&folder, &["backup", "all.tar", "--recordings"], environment);
    let _broken_off = cut_off.join().unwrap();
    folder
}

/// The server that was made of the backup goes on where the other was killed.
fn goes_on(server: &mut Server) {
    server.restart();
    server.wait_metric("offhook_calls_active", "", 0.0);
    let report = callers(server, 1, 2).join().unwrap();
    assert_eq!(report["answered"], 1, "{report}");
}

#[test]
fn a_killed_node_is_restored_with_every_committed_row() {
    let mut server = Server::start(&toml());
    let folder = killed_in_mid_call(&mut server, &[]);
    let data = folder.join("data");
    let (committed, recordings) = (rows(&data.join("offhook.db")), files(&data.join("recordings")));
    assert!(committed.iter().filter(|row| row.starts_with("calls ")).count() == 8 && recordings.len() == 8);

    // Over data nothing is restored, and it is said what is there.
    refused(&folder, &["restore", "all.tar"], &[], "and 8 calls, and 8 files in");
    assert_eq!(rows(&data.join("offhook.db")), committed);
    std::fs::rename(&data, folder.join("lost")).unwrap();

    // A file that was cut off or changed is refused before anything is made of it.
    let whole = std::fs::read(folder.join("all.tar")).unwrap();
    let mut changed = whole.clone();
    changed[whole.len() / 2] ^= 1;
    for (broken, why) in
        [(&whole[..whole.len() - 2_048], "was cut off"), (&changed[..], "was changed"), (&b"tar?"[..], "was cut off")]
    {
        std::fs::write(folder.join("broken.tar"), broken).unwrap();
        refused(&folder, &["restore", "broken.tar"], &[], why);
    }
    assert!(!data.exists());

    let said = done(&folder, &["restore", "all.tar"], &[]);
    assert!(said.contains("8 recordings"), "{said}");
    assert_eq!(rows(&data.join("offhook.db")), committed);
    assert_eq!(files(&data.join("recordings")), recordings);
    let left: Vec<String> = files_and_folders(&data);
    assert_eq!(left, ["offhook.db", "offhook.lock", "recordings"], "nothing is left of the work");

    goes_on(&mut server);
    let calls = server.ended_calls(9);
    let lost: Vec<_> = calls.iter().filter(|ended| ended.call.cause == Some(HangupCause::NodeLost)).collect();
    assert_eq!(lost.len(), 4);
    for ended in lost {
        assert_eq!(ended.recordings[0].state, RecordingState::Repaired);
    }
    server.process.signal("-KILL");
    server.process.wait(Duration::from_secs(5));

    // The backup of the running server: whole too, of a moment before.
    std::fs::rename(&data, folder.join("restored")).unwrap();
    done(&folder, &["restore", "running.tar"], &[]);
    let running = rows(&data.join("offhook.db"));
    let of_calls =
        |rows: &BTreeSet<String>| rows.iter().filter(|row| row.starts_with("turns ")).cloned().collect::<BTreeSet<_>>();
    assert!(!of_calls(&running).is_empty() && of_calls(&running).is_subset(&of_calls(&committed)));
    assert_eq!(running.iter().filter(|row| row.starts_with("calls ")).count(), 8);
    assert_eq!(files(&data.join("recordings")).len(), 8);
}

fn files_and_folders(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Runs SQL as the superuser, or programs as anybody.
fn psql(url: &str, sql: &str) {
    let output = Command::new("psql").args(["-v", "ON_ERROR_STOP=1", "-qc", sql, url]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Every row of a PostgreSQL, a line each, as PostgreSQL itself writes it.
fn rows_of_server(url: &str) -> BTreeSet<String> {
    let output = Command::new("pg_dump").args(["--data-only", "--inserts", url]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.split(";\n").map(str::trim).filter_map(|row| Some(row.split_once("INSERT INTO ")?.1.to_owned())).collect()
}

#[test]
fn a_killed_node_on_postgres_is_restored_with_every_committed_row() {
    let cluster = match Cluster::start() {
        Ok(cluster) => cluster,
        Err(reason) => {
            assert!(std::env::var("CI").is_err(), "no PostgreSQL to test on: {reason}");
            return eprintln!("skipped: no PostgreSQL to test on: {reason}");
        }
    };
    // As in production: a role that row level security binds, with a password.
    let admin = cluster.url("postgres");
    psql(&admin, "CREATE ROLE plain LOGIN PASSWORD 's3cret'");
    psql(&admin, "CREATE DATABASE offhook OWNER plain");
    let url = cluster.url("offhook").replace("postgres@", "plain:s3cret@");
    // Programs that note their arguments, for the password must not be among them.
    let tools = Folder::new();
    for tool in ["pg_dump", "pg_restore"] {
        let path = tools.path().join(tool);
        let log = tools.path().join("arguments");
        std::fs::write(&path, format!("#!/bin/sh\necho {tool} \"$@\" >> {}\nexec /usr/bin/{tool} \"$@\"\n", log.display()))
            .unwrap();
        assert!(Command::new("chmod").arg("+x").arg(&path).status().unwrap().success());
    }
    let path = format!("{}:{}", tools.path().display(), std::env::var("PATH").unwrap());
    let environment = [("OFFHOOK__DATABASE__URL", url.as_str()), ("PATH", path.as_str())];
    let mut server = Server::start_with(&toml(), &environment);
    let folder = killed_in_mid_call(&mut server, &environment);
    let committed = rows_of_server(&cluster.url("offhook"));
    assert_eq!(committed.iter().filter(|row| row.starts_with("public.calls ")).count(), 8);

    refused(&folder, &["restore", "all.tar"], &environment, "and 8 calls");
    std::fs::rename(folder.join("data"), folder.join("lost")).unwrap();
    refused(&folder, &["restore", "all.tar"], &environment, "the database offhook with");
    refused(&folder, &["restore", "all.tar"], &[], "which is not what database.url is");
    psql(&admin, "DROP DATABASE offhook");
    psql(&admin, "CREATE DATABASE offhook OWNER plain");
    done(&folder, &["restore", "all.tar"], &environment);
    assert_eq!(rows_of_server(&cluster.url("offhook")), committed);
    assert_eq!(files(&folder.join("data/recordings")).len(), 8);
    let arguments = std::fs::read_to_string(tools.path().join("arguments")).unwrap();
    assert!(arguments.contains("pg_dump") && arguments.contains("pg_restore") && !arguments.contains("s3cret"), "{arguments}");
    goes_on(&mut server);
    assert_eq!(Archive::open(&folder.join("running.tar")).unwrap().manifest()["database"], "database.pgdump");
    // The server goes before its database.
    drop(server);
}
