//! `offhook-load`: places virtual calls and measures what comes back.

mod api;
mod arguments;

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

use arguments::{Arguments, Command, Common};

/// Calls failed.
const EXIT_FAILED_CALLS: u8 = 1;
/// The run could not be made as asked.
const EXIT_ERROR: u8 = 2;
/// An objective was missed, whatever became of the calls.
const EXIT_MISSED: u8 = 3;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    // A call over a WebSocket is an open file; so are the sockets that SIP calls share.
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    match Box::pin(run(Arguments::parse())).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("offhook-load: {error:#}");
            ExitCode::from(EXIT_ERROR)
        }
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let (common, report) = match arguments.command {
        Command::Api(api) => return api.run().await,
        Command::Sip(sip) => (sip.common.clone(), sip.load().await?.run().await?),
        Command::Twilio(twilio) => (twilio.common.clone(), twilio.load().await?.run().await?),
        Command::Ws(ws) => (ws.common.clone(), ws.load().await?.run().await?),
    };
    let Common { json, report: markdown, allow_failures, allow_rejected, .. } = common;
    if let Some(path) = json {
        let text = serde_json::to_string_pretty(&report)?;
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    if let Some(path) = markdown {
        report.write_markdown(&path)?;
    }
    println!("\n{report}");
    let missed = report.objectives.iter().any(|verdict| !verdict.met);
    let failed = report.failed > 0 && !allow_failures || report.rejected.calls > 0 && !allow_rejected;
    Ok(match (missed, failed) {
        (true, _) => ExitCode::from(EXIT_MISSED),
        (false, true) => ExitCode::from(EXIT_FAILED_CALLS),
        (false, false) => ExitCode::SUCCESS,
    })
}
