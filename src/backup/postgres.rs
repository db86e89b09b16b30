//! `pg_dump` and `pg_restore`, found in PATH. The password goes by the environment, which only we and the system see.

use std::path::Path;
use std::process::{Output, Stdio};

use anyhow::{Context as _, bail};
use store::{Hidden, PostgresPlace};
use tokio::process::Command;

/// What of a program's complaint is shown.
const SHOWN_MAX: usize = 2_000;

/// Dumps what the snapshot sees, in PostgreSQL's own format, compressed.
pub async fn dump(place: &PostgresPlace, snapshot: &str, to: &Path) -> anyhow::Result<()> {
    let mut command = program("pg_dump", place);
    // Row level security binds our role: it sees all organizations, since it says so, and the dump is not refused.
    command.env("PGOPTIONS", "-c offhook.organization=*").arg("--enable-row-security");
    command.args(["--format=custom", "--no-owner", "--no-privileges", "--snapshot", snapshot, "--file"]).arg(to);
    run("pg_dump", command).await
}

/// Restores it in one transaction: all of it, or nothing. Policies come behind the rows, so they are in nobody's way.
pub async fn restore(place: &PostgresPlace, from: &Path) -> anyhow::Result<()> {
    let mut command = program("pg_restore", place);
    command.args(["--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges", "--dbname", &place.database]);
    run("pg_restore", {
        command.arg(from);
        command
    })
    .await
}

fn program(name: &str, place: &PostgresPlace) -> Command {
    let mut command = Command::new(name);
    command
        .env("PGHOST", &place.host)
        .env("PGPORT", place.port.to_string())
        .env("PGUSER", &place.user)
        .env("PGDATABASE", &place.database)
        .env("PGSSLMODE", place.ssl_mode)
        // Asks nobody for a password.
        .arg("--no-password")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    if let Some(password) = &place.password {
        command.env("PGPASSWORD", Hidden::expose(password));
    }
    command
}

async fn run(name: &str, mut command: Command) -> anyhow::Result<()> {
    let found = command.output().await;
    let Output { status, stderr, .. } =
        found.with_context(|| format!("{name} cannot be run: install PostgreSQL's client programs, as new as the server"))?;
    if !status.success() {
        let said = String::from_utf8_lossy(&stderr);
        let said = said.trim().replace('\n', "; ");
        bail!("{name} failed: {}", &said[..said.floor_char_boundary(SHOWN_MAX)]);
    }
    Ok(())
}
