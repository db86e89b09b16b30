//! `offhook-load`: places virtual calls and measures what comes back.

mod arguments;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use load_tests::report::Report;

use arguments::{Arguments, Command, Common};

/// Calls failed.
const EXIT_FAILED_CALLS: u8 = 1;
/// The run could not be made as asked.
const EXIT_ERROR: u8 = 2;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(EXIT_FAILED_CALLS),
        Err(error) => {
            eprintln!("offhook-load: {error:#}");
            ExitCode::from(EXIT_ERROR)
        }
    }
}

/// Whether all went as it should.
async fn run(arguments: Arguments) -> anyhow::Result<bool> {
    let (common, report) = match arguments.command {
        Command::Sip(sip) => (sip.common.clone(), sip.load().await?.run().await?),
        Command::Twilio(twilio) => (twilio.common.clone(), twilio.load().await?.run().await?),
    };
    let Common { json, allow_failures, .. } = common;
    if let Some(path) = json {
        write_json(&path, &report)?;
    }
    println!("\n{report}");
    Ok(report.failed == 0 || allow_failures)
}

fn write_json(path: &Path, report: &Report) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(report)?;
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
