//! The master key: fetched from where the operator keeps it, and held against what is sealed already.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use store::{KeyId, Keyring, Store};

use crate::config::MasterKeySource;

/// Bytes of keys: thirty-two in base64, with a line of words for each.
const KEYS_BYTES_MAX: u64 = 8 * 1024;
/// How long a command may take: a request to a vault, tried again.
const COMMAND_MAX: Duration = Duration::from_secs(10);
/// How often it is looked whether it has ended.
const LOOK: Duration = Duration::from_millis(10);

/// Fetches the keys; each error is one line that names the key of the file and repeats nothing of what was fetched.
pub async fn load(source: MasterKeySource) -> anyhow::Result<Keyring> {
    tokio::task::spawn_blocking(move || fetch(&source)).await?
}

fn fetch(source: &MasterKeySource) -> anyhow::Result<Keyring> {
    let (key, what, text) = match source {
        MasterKeySource::None => return Ok(Keyring::default()),
        MasterKeySource::Environment(name, value) => ("master_key_env", name.clone(), value.expose().to_owned()),
        MasterKeySource::File(path) => ("master_key_file", path.display().to_string(), of_file(path)?),
        MasterKeySource::Command(words) => ("master_key_command", words[0].clone(), of_command(words)?),
    };
    text.parse().map_err(|error| anyhow::anyhow!("security.{key}: {what} {error}"))
}

fn of_file(path: &Path) -> anyhow::Result<String> {
    let told = || format!("security.master_key_file: {} cannot be read", path.display());
    let mut text = String::new();
    let file = std::fs::File::open(path).with_context(told)?;
    file.take(KEYS_BYTES_MAX + 1).read_to_string(&mut text).with_context(told)?;
    if text.len() as u64 > KEYS_BYTES_MAX {
        bail!("security.master_key_file: {} has more than {KEYS_BYTES_MAX} bytes", path.display());
    }
    Ok(text)
}

/// What a program prints. It gets nothing to read, and what it complains of is the operator's to see.
fn of_command(words: &[String]) -> anyhow::Result<String> {
    const KEY: &str = "security.master_key_command";
    let program = &words[0];
    let mut command = Command::new(program);
    command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let mut child = command.spawn().with_context(|| format!("{KEY}: {program} cannot be run"))?;
    let printed = child.stdout.take().context("its output is ours to read")?;
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let mut text = String::new();
        let read = printed.take(KEYS_BYTES_MAX + 1).read_to_string(&mut text).map(|_| text);
        // Nobody waits any more for one that is late.
        let _late = tell.send(read);
    });
    let deadline = Instant::now() + COMMAND_MAX;
    let text = told.recv_timeout(COMMAND_MAX);
    // Whoever prints more may have ended by itself meanwhile, since nobody reads on.
    let too_long = matches!(&text, Ok(Ok(text)) if text.len() as u64 > KEYS_BYTES_MAX);
    let status = loop {
        match child.try_wait()? {
            Some(_) if too_long => bail!("{KEY}: {program} printed more than {KEYS_BYTES_MAX} bytes"),
            Some(status) => break status,
            None if too_long || Instant::now() >= deadline => {
                child.kill()?;
                child.wait()?;
                match too_long {
                    true => bail!("{KEY}: {program} printed more than {KEYS_BYTES_MAX} bytes"),
                    false => bail!("{KEY}: {program} took longer than {} s", COMMAND_MAX.as_secs()),
                }
            }
            None => std::thread::sleep(LOOK),
        }
    };
    if !status.success() {
        bail!("{KEY}: {program} ended with {status}");
    }
    let Ok(text) = text else { bail!("{KEY}: {program} took longer than {} s", COMMAND_MAX.as_secs()) };
    text.with_context(|| format!("{KEY}: what {program} printed cannot be read"))
}

/// Whether these keys open what the database holds: a node without one of them would fail at the first webhook.
///
/// # Errors
/// One line that names each key that is missing, and how much is sealed with it.
pub async fn check(database: &Store, keys: &Keyring) -> anyhow::Result<()> {
    let known: BTreeSet<KeyId> = keys.ids().collect();
    let counts = database.sealed_with().await?;
    let missing: BTreeSet<KeyId> = counts.keys().filter_map(|(_, key)| *key).filter(|key| !known.contains(key)).collect();
    let told = missing.iter().map(|id| {
        let of_it = counts.iter().filter(|((_, key), _)| *key == Some(*id));
        let values: u64 = of_it.map(|(_, count)| count).sum();
        format!("{values} values of the database are sealed with the master key {id}, which is not configured")
    });
    let told: Vec<String> = told.collect();
    if told.is_empty() { Ok(()) } else { bail!("security.master_key: {}", told.join("; ")) }
}

/// Says what is sealed with what.
pub fn tell(keys: &Keyring) {
    let ids: Vec<String> = keys.ids().map(|id| id.to_string()).collect();
    match ids.split_first() {
        None => tracing::info!(
            "security.master_key: there is none, so these are stored in the clear: recordings, secrets and URLs of webhooks, secrets of \
             authenticators, keys of tokens, and the rows of assistants, tools, MCP servers, trunks and configurations"
        ),
        Some((newest, older)) => {
            tracing::info!(newest, older = older.join(" "), "secrets and recordings are sealed with the newest master key");
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    fn run(words: &[&str]) -> Result<usize, String> {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        fetch(&MasterKeySource::Command(words)).map(|keys| keys.ids().count()).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn a_command_prints_keys_and_no_shell_is_between() {
        assert_eq!(run(&["/bin/echo", KEY]), Ok(1));
        assert_eq!(run(&["/usr/bin/printf", "# newest first\\n%s\\n\\n%064x\\n", KEY, "77"]), Ok(2));
        let form = "security.master_key_command: /bin/echo is not 32 bytes in base64 or hexadecimal: openssl rand -base64 32 makes a good one";
        assert_eq!(run(&["/bin/echo", "$(echo secret)"]), Err(form.to_owned()));
        assert_eq!(run(&["/bin/echo"]), Err("security.master_key_command: /bin/echo holds no key".to_owned()));
    }

    #[test]
    fn a_command_that_fails_or_never_stops_is_named() {
        assert!(run(&["/nowhere/vault"]).unwrap_err().starts_with("security.master_key_command: /nowhere/vault cannot be run: "));
        assert!(
            run(&["/bin/false"]).unwrap_err().starts_with("security.master_key_command: /bin/false ended with exit status: 1")
        );
        assert_eq!(
            run(&["/usr/bin/yes"]),
            Err("security.master_key_command: /usr/bin/yes printed more than 8192 bytes".to_owned())
        );
    }

    #[test]
    fn a_file_that_is_missing_or_too_long_is_named() {
        let fetch =
            |path: &str| fetch(&MasterKeySource::File(path.into())).map(drop).map_err(|error| format!("{error:#}")).unwrap_err();
        assert!(fetch("/nowhere/key").starts_with("security.master_key_file: /nowhere/key cannot be read: "));
        assert!(fetch("/dev/zero").starts_with("security.master_key_file: /dev/zero has more than 8192 bytes"));
    }
}
