//! `offhook demo`: one call over real SIP and RTP between a virtual caller and a simulated provider, and what was said when.
//!
//! The server runs in this process, with the user's configuration but for what a demonstration must not touch: its addresses are
//! free loopback ports, its data goes to a folder that is removed. Caller and provider are programs that lie beside this one.

mod story;

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use store::{CallRecord, Store};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::signal::unix::{SignalKind, signal};

use crate::config::{Config, Environment};
use crate::wire;

/// What the provider says and hears.
const SCRIPT: &str = include_str!("demo/script.toml");

/// How long the caller stays: four utterances and their answers.
const HOLD_SECONDS: &str = "26";

/// The longest that everything may take: the call, and time for a slow machine to begin and end it.
const DEMO_MAX: Duration = Duration::from_secs(90);

/// A record is complete this soon after its call, or never.
const RECORD_MAX: Duration = Duration::from_secs(5);

/// How often the record is looked at.
const RECORD_POLL: Duration = Duration::from_millis(50);

/// RTP ports for one call, with neighbours in case some are taken.
const RTP_PORTS: u16 = 16;

/// Serves one call of `offhook-load` with `offhook-sim` as its provider, and prints the conversation from its record.
///
/// # Errors
/// One line: a wrong configuration, a missing program, a call that did not come.
pub async fn run(file: Option<&Path>, environment: Environment) -> anyhow::Result<ExitCode> {
    let folder = Folder::new()?;
    // Dropping what runs ends the programs and the folder; only then may the process go.
    tokio::select! {
        done = tokio::time::timeout(DEMO_MAX, demonstrate(file, environment, folder.path())) => {
            done.context("the call took too long")?
        }
        stopped = stopped() => {
            stopped?;
            bail!("stopped")
        }
    }
}

async fn demonstrate(file: Option<&Path>, mut environment: Environment, folder: &Path) -> anyhow::Result<ExitCode> {
    let (_provider, provider_url) = provider(folder).await?;
    environment.extend(overrides(folder, &provider_url)?);
    environment.entry("OFFHOOK__TELEMETRY__LOG_LEVEL".to_owned()).or_insert_with(|| "warn".to_owned());
    let config = match Config::load(file, &environment) {
        Ok(config) => config,
        Err(problems) => return Ok(crate::refused(&problems)),
    };
    let server = wire::start(&config, None).await?;
    println!("One call on this machine: a virtual caller, this server, a simulated provider.\n\nAs the caller hears it\n");
    let report = folder.join("report.json");
    let target = config.sip.listen.first().context("sip.listen is empty")?.to_string();
    let mut caller = program("offhook-load")?
        .args(["sip", "--to", "demo", "--narrate", "--hold", HOLD_SECONDS, "--target", &target, "--json"])
        .arg(&report)
        .spawn()
        .context("offhook-load")?;
    let mut lines = lines_of(&mut caller)?;
    // The story ends at an empty line; the report after it is read from its file.
    while let Some(line) = lines.next_line().await?.filter(|line| !line.is_empty()) {
        println!("{line}");
    }
    while lines.next_line().await?.is_some() {}
    let status = caller.wait().await?;
    let call = finished_call(&server.database).await?;
    let turns = server.database.turns(call.call.id).await?;
    let report = std::fs::read_to_string(report).context("offhook-load left no report")?;
    print!("{}", story::tell(&call, &turns, &serde_json::from_str(&report)?));
    server.node.drain();
    server.ended().await;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Starts the simulator; it ends when the child is dropped. The URL is what `base_url` takes.
async fn provider(folder: &Path) -> anyhow::Result<(Child, String)> {
    let script = folder.join("script.toml");
    std::fs::write(&script, SCRIPT).with_context(|| script.display().to_string())?;
    let mut command = program("offhook-sim")?;
    let mut child = command.args(["--listen", "127.0.0.1:0", "--script"]).arg(script).spawn().context("offhook-sim")?;
    let line = lines_of(&mut child)?.next_line().await?.context("offhook-sim did not start")?;
    let url = line.split("ws://").nth(1).with_context(|| format!("offhook-sim said {line:?} and no address"))?;
    Ok((child, format!("http://{url}")))
}

/// What a demonstration must have otherwise than the user's configuration.
fn overrides(folder: &Path, provider_url: &str) -> anyhow::Result<Vec<(String, String)>> {
    let rtp = UdpSocket::bind("127.0.0.1:0")?.local_addr()?.port() & !1;
    let rows = [
        ("OPENAI_API_KEY", "no key is needed here"),
        ("OFFHOOK__PROVIDERS__OPENAI__API_KEY_ENV", "OPENAI_API_KEY"),
        ("OFFHOOK__PROVIDERS__OPENAI__BASE_URL", provider_url),
        ("OFFHOOK__NODE__DATA_DIR", &folder.join("data").display().to_string()),
        ("OFFHOOK__NODE__MAX_CALLS", "1"),
        ("OFFHOOK__DATABASE__URL", "sqlite://offhook.db"),
        ("OFFHOOK__SIP__LISTEN", &free_address()?.to_string()),
        ("OFFHOOK__SIP__ADVERTISED_ADDRESS", ""),
        ("OFFHOOK__HTTP__LISTEN", "127.0.0.1:0"),
        ("OFFHOOK__METRICS__LISTEN", "127.0.0.1:0"),
        ("OFFHOOK__WEBRTC__LISTEN", ""),
        ("OFFHOOK__RTP__PORT_RANGE", &format!("{rtp}-{}", rtp.saturating_add(RTP_PORTS - 1))),
        ("OFFHOOK__ROUTING__DEFAULT_ASSISTANT", "demo"),
    ];
    Ok(rows.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec())
}

/// A port that is free for UDP and TCP both.
fn free_address() -> anyhow::Result<SocketAddr> {
    loop {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        if UdpSocket::bind(address).is_ok() {
            return Ok(address);
        }
    }
}

/// The record of the one call, once it is closed.
async fn finished_call(database: &Store) -> anyhow::Result<CallRecord> {
    let closed = async {
        loop {
            let call = database.list_calls(1, None).await?.pop().context("no call came")?;
            if call.cause.is_some() {
                return Ok(call);
            }
            tokio::time::sleep(RECORD_POLL).await;
        }
    };
    tokio::time::timeout(RECORD_MAX, closed).await.context("the call's record was not closed")?
}

/// A program that lies beside this one, ready to start; its output is ours to read, and it ends when we let it go.
fn program(name: &str) -> anyhow::Result<Command> {
    let path = std::env::current_exe()?.with_file_name(name);
    if !path.exists() {
        bail!("{} is missing: build it with `cargo build --release --workspace --bins`", path.display());
    }
    let mut command = Command::new(path);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    Ok(command)
}

fn lines_of(child: &mut Child) -> anyhow::Result<Lines<BufReader<ChildStdout>>> {
    Ok(BufReader::new(child.stdout.take().context("a program without output")?).lines())
}

/// Ends at Ctrl-C or SIGTERM.
async fn stopped() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminate.recv() => {}
    }
    Ok(())
}

/// A folder for the data of one demonstration; it goes with it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("offhook-demo-{}", std::process::id()));
        std::fs::create_dir(&path).with_context(|| format!("{} cannot be made", path.display()))?;
        Ok(Self(path))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _left_behind = std::fs::remove_dir_all(&self.0);
    }
}
