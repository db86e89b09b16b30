//! `offhook-bot`: an external bot that echoes, for load runs of engine `stream`.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::atomic::Ordering::Relaxed;

use clap::Parser;
use load_tests::bot::EchoBot;

/// Speaks Media Streams as a bot does: gives all audio back at once, and marks it.
#[derive(Parser)]
#[command(name = "offhook-bot", version)]
struct Arguments {
    /// Where to listen; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:8765")]
    listen: SocketAddr,
    /// A mark behind each so many messages; 0: none
    #[arg(long, default_value_t = 50)]
    mark_every: u64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    // A stream is an open file.
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("offhook-bot: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Serves until Ctrl-C, and tells then what it has seen.
async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let bot = EchoBot::start(arguments.listen, arguments.mark_every).await?;
    println!("offhook-bot listening on {}", bot.url());
    tokio::signal::ctrl_c().await?;
    let counts = bot.counts();
    let [streams, echoed, marked, back] =
        [&counts.streams, &counts.echoed, &counts.marked, &counts.marks_back].map(|count| count.load(Relaxed));
    println!("{streams} streams, {echoed} messages echoed, {back} of {marked} marks came back");
    Ok(())
}
