//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::backup::{BackupArguments, RestoreArguments};
use crate::call::CallArguments;
use crate::knowledge::KnowledgeCommand;
use crate::people::{AuditCommand, KeyCommand, UserCommand};
use crate::privacy::PrivacyCommand;
use crate::sealed::{RecordingCommand, SealArguments};
use crate::trunk::TrunkCommand;

/// An actor-based telephony media server for voice AI.
#[derive(Debug, Parser)]
#[command(name = "offhook", version, propagate_version = true)]
pub struct Cli {
    /// The configuration [default: config/offhook.toml, or the built-in defaults when there is none]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What `offhook` can do.
#[derive(Clone, Debug, Eq, PartialEq, Subcommand)]
pub enum Command {
    /// Answer calls until SIGTERM or Ctrl-C, then drain
    Serve,
    /// Print every mistake in the configuration and exit with 2, or its effective values
    Check,
    /// Bring the database up to date and exit
    Migrate,
    /// Answer one demonstration call, print the conversation and exit
    Demo,
    /// Have the server that runs place a call, and follow it; Ctrl-C hangs up, the exit code says the outcome
    Call(CallArguments),
    /// Print what was found out about a call after its end
    Analysis {
        /// Id of the call, as records and logs have it
        call: String,
    },
    /// Print or erase what is remembered of a caller
    Memory {
        /// What to do.
        #[command(subcommand)]
        action: MemoryAction,
    },
    /// Copy the database, and the recordings if that is wished, into one file; the server may run
    Backup(BackupArguments),
    /// Make this node of a backup; only where there is nothing yet
    Restore(RestoreArguments),
    /// Prove reports of erasures
    #[command(subcommand)]
    Privacy(PrivacyCommand),
    /// Prove that the audit logs are whole
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Make API keys
    #[command(subcommand)]
    Key(KeyCommand),
    /// Add people who may sign in
    #[command(subcommand)]
    User(UserCommand),
    /// Open recordings that are sealed
    #[command(subcommand)]
    Recording(RecordingCommand),
    /// Seal secrets and recordings with the newest master key: those in the clear, and those of older keys; the server may run meanwhile
    Seal(SealArguments),
    /// Put documents into the knowledge base, and ask it
    #[command(subcommand)]
    Knowledge(KnowledgeCommand),
    /// What to do with AI providers
    #[command(subcommand)]
    Providers(ProvidersCommand),
    /// What to do with a trunk
    #[command(subcommand)]
    Trunk(TrunkCommand),
    /// Read a PDF from standard input and write its pages: what the server runs, so that a bad one harms nothing else
    #[command(hide = true)]
    ReadPdf,
}

/// What can be done with what is remembered of a caller.
#[derive(Clone, Debug, Eq, PartialEq, Subcommand)]
pub enum MemoryAction {
    /// Print it, a line each
    List {
        /// The caller's number or SIP user
        number: String,
    },
    /// Forget all of it, for good
    Erase {
        /// The caller's number or SIP user
        number: String,
    },
}

/// What `offhook providers` can do.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Subcommand)]
pub enum ProvidersCommand {
    /// Have one short turn with each provider whose key is in the environment; exit with 1 when one fails
    Check,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::{Cli, Command, MemoryAction, ProvidersCommand};

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_caller_is_named_by_the_number() {
        let cli = Cli::try_parse_from(["offhook", "memory", "erase", "+4930123"]).unwrap();
        assert_eq!(cli.command, Command::Memory { action: MemoryAction::Erase { number: "+4930123".to_owned() } });
        assert!(Cli::try_parse_from(["offhook", "memory", "erase"]).is_err());
    }

    #[test]
    fn every_command_takes_a_config_file_on_either_side() {
        for (name, command) in
            [("serve", Command::Serve), ("check", Command::Check), ("migrate", Command::Migrate), ("demo", Command::Demo)]
        {
            for line in [["offhook", name, "--config", "a.toml"], ["offhook", "--config", "a.toml", name]] {
                let cli = Cli::try_parse_from(line).unwrap();
                assert_eq!(cli.command, command);
                assert_eq!(cli.config.as_deref(), Some("a.toml".as_ref()));
            }
        }
    }

    #[test]
    fn providers_are_checked() {
        let cli = Cli::try_parse_from(["offhook", "providers", "check"]).unwrap();
        assert_eq!(cli.command, Command::Providers(ProvidersCommand::Check));
        assert!(Cli::try_parse_from(["offhook", "providers"]).is_err());
    }
}
