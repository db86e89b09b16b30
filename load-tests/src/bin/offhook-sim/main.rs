//! `offhook-sim`: simulates a provider so that tests and load runs need no network and no key.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use load_tests::simulator::{Fault, FaultPlan, Provider, Script, SimOptions, Simulator, Stage};

/// Simulates AI providers: OpenAI, Groq, Anthropic, Deepgram, ElevenLabs and Cartesia, on one port.
#[derive(Parser)]
#[command(name = "offhook-sim", version)]
struct Arguments {
    /// Where to listen; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:9911")]
    listen: SocketAddr,
    /// What is heard and said: a TOML file (see load-tests/README.md)
    #[arg(long)]
    script: Option<PathBuf>,
    /// What goes wrong in the first answer of a session (429, 500: at its beginning)
    #[arg(long)]
    fault: Option<Fault>,
    /// Where the fault strikes; everywhere when not given
    #[arg(long, requires = "fault")]
    fault_stage: Option<Stage>,
    /// Whom the fault strikes; all when not given
    #[arg(long, requires = "fault")]
    fault_provider: Option<Provider>,
    /// In how many of those sessions, counted from the first, the fault strikes; all when not given
    #[arg(long, requires = "fault")]
    fault_sessions: Option<u64>,
    /// Realtime: time from response.created to the first audio where the script says nothing, ms
    #[arg(long, default_value_t = 300)]
    delay_ms: u64,
    /// How many times faster than real time audio is produced
    #[arg(long, default_value_t = 4.0)]
    speed: f64,
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
        fault,
        sessions: arguments.fault_sessions.unwrap_or(u64::MAX),
        stage: arguments.fault_stage,
        provider: arguments.fault_provider,
    });
    options.first_audio = Duration::from_millis(arguments.delay_ms);
    options.speed = arguments.speed;
    let simulator = Simulator::start(options).await?;
    let urls = Provider::ALL.map(|provider| format!("{provider} {}\n", simulator.url_for(provider)));
    let realtime = simulator.url_for(Provider::OpenAi).replacen("http", "ws", 1);
    // At once, since who started it may read no more than the first line.
    let _unread = std::io::stdout().write_all(format!("offhook-sim listening on {realtime}\n{}", urls.concat()).as_bytes());
    tokio::signal::ctrl_c().await?;
    Ok(())
}
