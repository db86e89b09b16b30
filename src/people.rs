//! `offhook user`, `offhook key` and `offhook audit`: people and programs, straight in the database; the server may run meanwhile.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Subcommand;
use platform::people::{KeyWish, People, Permission};
use store::{Act, AuditEnds, AuditVerdict, NewUser, OrganizationId, StoreError, UserRole, WallTime};

use crate::config::Config;
use crate::wire;

/// What `offhook user` can do.
#[derive(Clone, Debug, Eq, PartialEq, Subcommand)]
pub enum UserCommand {
    /// Add somebody who may sign in, and print the password, which is kept nowhere
    Add {
        /// The login
        email: String,
        /// What they are called
        #[arg(long, default_value = "")]
        name: String,
        /// owner, admin, agent or viewer
        #[arg(long, default_value = "owner")]
        role: UserRole,
        /// Id of the organization
        #[arg(long, default_value = "default")]
        organization: OrganizationId,
    },
}

/// What `offhook key` can do.
#[derive(Clone, Debug, Eq, PartialEq, Subcommand)]
pub enum KeyCommand {
    /// Make an API key, and print it this once
    Add {
        /// What it is for
        name: String,
        /// owner, admin, agent or viewer
        #[arg(long, default_value = "owner")]
        role: UserRole,
        /// A permission, such as calls:read; may be given again. None: all that the role has
        #[arg(long = "scope", value_parser = scope)]
        scopes: Vec<Permission>,
        /// Id of the organization
        #[arg(long, default_value = "default")]
        organization: OrganizationId,
    },
}

/// What `offhook audit` can do.
#[derive(Clone, Debug, Eq, PartialEq, Subcommand)]
pub enum AuditCommand {
    /// Prove that no row of the audit logs was changed or taken out; exit with 1 when one was
    Verify,
}

fn scope(word: &str) -> Result<Permission, String> {
    let known = || Permission::ALL.iter().map(|permission| permission.as_str()).collect::<Vec<_>>().join(", ");
    Permission::from_word(word).ok_or_else(|| format!("there are {}", known()))
}

/// Adds a user.
pub async fn user(command: &UserCommand, config: &Config) -> anyhow::Result<ExitCode> {
    let UserCommand::Add { email, name, role, organization } = command;
    anyhow::ensure!(
        email.split_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty()),
        "{email} is no e-mail address"
    );
    let people = open(config).await?;
    let (password, password_hash) = people.new_password().await;
    let new = NewUser { email: email.clone(), name: name.clone(), role: *role, password_hash };
    match people.store().create_user(organization, &new, &act()).await {
        Ok(user) => println!("{} is {role} of {organization}; password {password}", user.email),
        Err(StoreError::Taken { .. }) => anyhow::bail!("there is a user with the e-mail address {email}"),
        Err(error) => return Err(error).with_context(|| format!("organization {organization}")),
    }
    people.store().close().await;
    Ok(ExitCode::SUCCESS)
}

/// Makes a key.
pub async fn key(command: &KeyCommand, config: &Config) -> anyhow::Result<ExitCode> {
    let KeyCommand::Add { name, role, scopes, organization } = command;
    let people = open(config).await?;
    let wish = KeyWish { name: name.clone(), role: *role, scopes: scopes.clone(), expires_at: None };
    let made = people.make_key(organization, wish, &act()).await;
    println!("{}", made.with_context(|| format!("organization {organization}"))?.key.expose());
    people.store().close().await;
    Ok(ExitCode::SUCCESS)
}

/// Proves all logs.
pub async fn audit(command: &AuditCommand, config: &Config) -> anyhow::Result<ExitCode> {
    let AuditCommand::Verify = command;
    let database = wire::open_database(config).await?;
    let (mut whole, mut last) = (true, None);
    loop {
        // Of those that are gone too: their logs stay.
        let organizations = database.audited_organizations(last.as_ref()).await?;
        let Some(latest) = organizations.last() else { break };
        last = Some(latest.clone());
        for organization in &organizations {
            match database.verify_audit(organization).await? {
                AuditVerdict::Whole(rows) => {
                    let AuditEnds { pruned, number, hash } = database.audit_ends(organization).await?;
                    let before = if pruned > 0 { format!(", those up to {pruned} taken out before") } else { String::new() };
                    let end = if number > 0 { format!("; row {number} has the hash {hash}") } else { String::new() };
                    println!("{organization}: {rows} rows, whole{before}{end}");
                }
                AuditVerdict::Broken(row) => {
                    whole = false;
                    println!("{organization}: row {row} is missing, was changed, or does not fit to the one before");
                }
            }
        }
    }
    database.close().await;
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn open(config: &Config) -> anyhow::Result<People> {
    wire::make_data_dir(&config.node.data_dir)?;
    let database = wire::open_database(config).await?;
    Ok(People::open(database, WallTime::now()).await?)
}

fn act() -> Act<'static> {
    Act { actor: "command line", address: "", at: WallTime::now() }
}
