//! The offhook server.

mod after;
mod backup;
mod call;
mod cli;
mod config;
mod demo;
mod gate;
mod knowledge;
mod people;
mod privacy;
mod providers;
mod rows;
mod sealed;
mod telemetry;
mod trunk;
mod wire;

use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;

use cli::{Cli, Command, ProvidersCommand};
use config::{Config, Environment, Problems};

/// The exit code for a mistake of the user's, as clap has it for a wrong command line.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let file = cli.config.as_deref();
    let done = match cli.command {
        Command::Analysis { call } => configured(file, |config| run(after::analysis(config, &call))),
        Command::Audit(command) => configured(file, |config| run(people::audit(&command, config))),
        Command::Backup(asked) => configured(file, |config| run(backup::backup(config, &asked))),
        Command::Call(asked) => configured(file, |config| run(call::run(config, &asked))),
        Command::Check => configured(file, check),
        Command::Demo => run(demo::run(file, environment())),
        Command::Key(command) => configured(file, |config| run(people::key(&command, config))),
        Command::Knowledge(command) => configured(file, |config| run(knowledge::run(&command, config))),
        Command::Memory { action } => configured(file, |config| run(after::memory(config, &action))),
        Command::Migrate => configured(file, |config| run(migrate(config))),
        Command::Privacy(command) => configured(file, |config| run(privacy::run(&command, config))),
        Command::Providers(ProvidersCommand::Check) => run(providers::check(&environment())),
        // Without the configuration: it does one thing, for the server that started it.
        Command::ReadPdf => knowledge::read_pdf(),
        Command::Recording(command) => configured(file, |config| run(sealed::recording(&command, config))),
        Command::Seal(asked) => configured(file, |config| run(sealed::seal(&asked, config))),
        Command::Restore(asked) => configured(file, |config| run(backup::restore(config, &asked))),
        Command::Trunk(command) => configured(file, |config| run(trunk::run(&command, config))),
        Command::User(command) => configured(file, |config| run(people::user(&command, config))),
        Command::Serve => configured(file, |config| {
            run(async {
                let signals = wire::Signals::listen()?;
                wire::start(config, file).await?.run(config, signals).await
            })
        }),
    };
    done.unwrap_or_else(|error| {
        eprintln!("{error:#}");
        ExitCode::FAILURE
    })
}

/// Carries out `command` with the configuration, or prints every mistake in it.
fn configured(file: Option<&Path>, command: impl FnOnce(&Config) -> anyhow::Result<ExitCode>) -> anyhow::Result<ExitCode> {
    Config::load(file, &environment()).map_or_else(|problems| Ok(refused(&problems)), |config| command(&config))
}

/// Prints the mistakes.
fn refused(problems: &Problems) -> ExitCode {
    eprintln!("{problems}");
    ExitCode::from(USAGE)
}

/// Runs one command on as many threads as there are cores.
fn run<T>(command: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(command)
}

/// Prints what is in effect, and the names of the master keys, which are fetched for that.
fn check(config: &Config) -> anyhow::Result<ExitCode> {
    let keys = match run(wire::sealing::load(config.security.master_key.clone())) {
        Ok(keys) => keys,
        Err(error) => {
            eprintln!("{error:#}");
            return Ok(ExitCode::from(USAGE));
        }
    };
    for line in config.effective() {
        println!("{line}");
    }
    for id in keys.ids() {
        println!("[security] master key {id}");
    }
    Ok(ExitCode::SUCCESS)
}

async fn migrate(config: &Config) -> anyhow::Result<ExitCode> {
    wire::make_data_dir(&config.node.data_dir)?;
    wire::open_database(config).await?.close().await;
    println!("the database is up to date");
    Ok(ExitCode::SUCCESS)
}

/// The variables of the process whose names and values are text.
fn environment() -> Environment {
    let text =
        |(name, value): (std::ffi::OsString, std::ffi::OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
    std::env::vars_os().filter_map(text).collect()
}
