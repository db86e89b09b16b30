//! `offhook-load api`: requests to the API, reads and writes mixed.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use load_tests::api_load::ApiLoad;
use load_tests::plan::Reach;

use super::{EXIT_FAILED_CALLS, EXIT_MISSED};

#[derive(Args)]
pub struct Api {
    /// The server's HTTP address, HOST:PORT; this machine only
    #[arg(long, default_value = "127.0.0.1:8080")]
    target: String,
    /// Environment variable that holds an API key of an admin
    #[arg(long, default_value = "OFFHOOK_API_KEY")]
    api_key_env: String,
    /// Requests a second
    #[arg(long, default_value_t = 1_000.0)]
    rate: f64,
    /// Length of the run, seconds
    #[arg(long, default_value_t = 30.0)]
    seconds: f64,
    /// Connections that are kept open
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Of 100 requests, those that write
    #[arg(long, default_value_t = 20)]
    writes: u64,
    /// Exit with 3 when 95 of 100 requests took longer
    #[arg(long)]
    p95_ms: Option<f64>,
    /// Write the figures as JSON
    #[arg(long)]
    json: Option<PathBuf>,
}

impl Api {
    /// Runs it, and prints the figures.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let key = std::env::var(&self.api_key_env);
        let load = ApiLoad {
            target: Reach::Loopback.resolve(&self.target).await?,
            key: key.with_context(|| format!("api-key-env: {} is not in the environment", self.api_key_env))?,
            rate: self.rate,
            seconds: self.seconds,
            connections: self.connections,
            writes: self.writes,
        };
        let report = load.run().await?;
        println!("{report}");
        if let Some(path) = self.json {
            let text = serde_json::to_string_pretty(&report)?;
            std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        let failed = report.statuses.iter().any(|(status, _)| !(200..300).contains(status));
        let late = |most: f64| report.all.p95_ms.is_none_or(|p95| p95 > most);
        Ok(match (failed, self.p95_ms.is_some_and(late)) {
            (true, _) => ExitCode::from(EXIT_FAILED_CALLS),
            (false, true) => ExitCode::from(EXIT_MISSED),
            (false, false) => ExitCode::SUCCESS,
        })
    }
}
