//! `offhook-sim`: simulates a provider so that tests and load runs need no network and no key.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use load_tests::openai::{Fault, FaultPlan, Script, SimOptions, Simulator};

/// Simulates the OpenAI Realtime API (GA) over WebSocket.
#[derive(Parser)]
#[command(name = "offhook-sim", version)]
struct Arguments {
    /// Where to listen; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:9911")]
    listen: SocketAddr,
    /// What the agent says: a TOML file (see load-tests/README.md)
    #[arg(long)]
    script: Option<PathBuf>,
    /// What goes wrong in the first response of a session (429: in its handshake)
    #[arg(long)]
    fault: Option<FaultName>,
    /// In how many sessions, counted from the first, the fault strikes; all when not given
    #[arg(long, requires = "fault")]
    fault_sessions: Option<u64>,
    /// Time from response.created to the first audio where the script says nothing, ms
    #[arg(long, default_value_t = 300)]
    delay_ms: u64,
    /// How many times faster than real time audio is produced
    #[arg(long, default_value_t = 4.0)]
    speed: f64,
}

#[derive(Clone, Copy, ValueEnum)]
enum FaultName {
    Reset,
    Stall,
    #[value(name = "429")]
    RateLimited,
    Garbage,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    // A session is an open file.
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("offhook-sim: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let mut options = SimOptions::new(arguments.listen);
    options.script = arguments.script.map_or_else(|| Ok(Script::default()), |file| Script::read(&file))?;
    options.fault = arguments.fault.map(|fault| FaultPlan {
        fault: match fault {
            FaultName::Reset => Fault::Reset,
            FaultName::Stall => Fault::Stall,
            FaultName::RateLimited => Fault::RateLimited,
            FaultName::Garbage => Fault::Garbage,
        },
        sessions: arguments.fault_sessions.unwrap_or(u64::MAX),
    });
    options.first_audio = Duration::from_millis(arguments.delay_ms);
    options.speed = arguments.speed;
    let simulator = Simulator::start(options).await?;
    println!("offhook-sim listening on {}", simulator.url());
    tokio::signal::ctrl_c().await?;
    Ok(())
}
