//! `offhook privacy`: whether a report of an erasure is true.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Subcommand;
use platform::privacy::Signer;
use store::Subject;

use crate::config::Config;
use crate::wire;

/// What `offhook privacy` can do.
#[derive(Clone, Debug, Eq, PartialEq, Subcommand)]
pub enum PrivacyCommand {
    /// Prove that this server has signed a report of an erasure, and that it was not changed; exit with 1 when not
    Verify {
        /// The report, as `GET /api/v1/privacy/jobs/ID/report` gave it
        report: PathBuf,
        /// And that it is about the person with this number
        #[arg(long, value_parser = Subject::phone)]
        phone: Option<Subject>,
        /// And that it is about the person with this e-mail address
        #[arg(long, value_parser = Subject::email, conflicts_with = "phone")]
        email: Option<Subject>,
    },
}

/// Does it.
pub async fn run(command: &PrivacyCommand, config: &Config) -> anyhow::Result<ExitCode> {
    let PrivacyCommand::Verify { report, phone, email } = command;
    let text = std::fs::read_to_string(report).with_context(|| format!("{} cannot be read", report.display()))?;
    let database = wire::open_database(config).await?;
    let signer = Signer::open(&database).await?;
    let verified = signer.verify(&text);
    database.close().await;
    let report = verified?;
    let said = |pointer: &str| report.pointer(pointer).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
    if let Some(subject) = phone.as_ref().or(email.as_ref()) {
        anyhow::ensure!(said("/subject/hash") == signer.hash(subject), "this is a true report, and about somebody else");
    }
    println!("true: job {} of organization {}, ended {}", said("/job"), said("/organization"), said("/finished_at"));
    println!("{:#}", report["erased"]);
    Ok(ExitCode::SUCCESS)
}
