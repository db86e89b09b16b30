//! `offhook trunk`: whether a carrier can be used.

use std::process::ExitCode;

use actors::trunk::check;
use clap::Subcommand;

use crate::config::Config;
use crate::wire;

/// What `offhook trunk` can do.
#[derive(Clone, Debug, Eq, PartialEq, Subcommand)]
pub enum TrunkCommand {
    /// Say in plain words what of a trunk works and what does not; exit with 1 when something does not
    Test {
        /// Its name in `[[trunks]]`
        name: String,
    },
}

/// Carries out a command.
pub async fn run(command: &TrunkCommand, config: &Config) -> anyhow::Result<ExitCode> {
    let TrunkCommand::Test { name } = command;
    let Some(trunk) = config.trunks.iter().find(|trunk| *trunk.name == **name) else {
        let names: Vec<&str> = config.trunks.iter().map(|trunk| &*trunk.name).collect();
        anyhow::bail!(
            "there is no trunk {name:?}; there are: {}",
            if names.is_empty() { "none".into() } else { names.join(", ") }
        );
    };
    let findings = check::check(&wire::node::sip_config(config), trunk).await.map_err(anyhow::Error::msg)?;
    for finding in &findings {
        println!("{} {}", if finding.works { "ok  " } else { "FAIL" }, finding.text);
    }
    let works = findings.iter().all(|finding| finding.works);
    println!("{name} {}", if works { "works" } else { "does not work" });
    Ok(if works { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
