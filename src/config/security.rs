//! The section `[security]`: who may use the API, and what is sealed with what.

use std::path::PathBuf;

use super::reader::Section;
use super::secret::Secret;

/// Where the key is looked for without a word about it.
const API_KEY_ENV: &str = "OFFHOOK_API_KEY";
/// Where the master key is looked for without a word about it.
const MASTER_KEY_ENV: &str = "OFFHOOK_MASTER_KEY";
/// Characters below which a key can be tried out: 16 of hexadecimal are 64 bits.
const API_KEY_MIN: usize = 16;
/// More in a second than one machine answers.
const REQUESTS_MAX: u32 = 1_000_000;

/// `[security]`: who may use the API.
#[derive(Clone, Debug, PartialEq)]
pub struct SecurityConfig {
    /// What the variable that `api_key_env` names holds; `None` when it is unset or empty: the API answers 401.
    pub api_key: Option<Secret>,
    /// Origins whose pages may use the API.
    pub cors_origins: Vec<String>,
    /// What secrets and recordings are sealed with.
    pub master_key: MasterKeySource,
    /// Requests of an address in a second; 0: any number.
    pub requests_per_address: u32,
    /// Requests of a user or key in a second; 0: any number.
    pub requests_per_actor: u32,
}

/// Where the master keys come from: one a line, the newest first.
#[derive(Clone, Debug, PartialEq)]
pub enum MasterKeySource {
    /// What a program prints, run without a shell: its path, then its arguments.
    Command(Vec<String>),
    /// What the variable of this name holds.
    Environment(String, Secret),
    /// A file.
    File(PathBuf),
    /// Nowhere: everything is in the clear.
    None,
}

/// Reads where the master key comes from: from one place at most.
fn read_master_key(section: &mut Section<'_>, variable: &dyn Fn(&str) -> Option<Secret>) -> MasterKeySource {
    let name = section.free_text("master_key_env", MASTER_KEY_ENV);
    // Whoever names another one means to seal; the usual one is looked at by itself, and the shipped file names it.
    let chosen = !name.is_empty() && name != MASTER_KEY_ENV;
    let file = section.free_text("master_key_file", "");
    let command: Vec<String> = section.texts("master_key_command", &[]).into_iter().filter(|word| !word.is_empty()).collect();
    let value = variable(&name);
    if chosen && value.is_none() {
        section.refuse("master_key_env", format!("{name} is not set"));
    }
    let mut sources = Vec::new();
    sources.extend(value.map(|value| ("master_key_env", MasterKeySource::Environment(name, value))));
    sources.extend((!file.is_empty()).then(|| ("master_key_file", MasterKeySource::File(file.into()))));
    sources.extend((!command.is_empty()).then_some(("master_key_command", MasterKeySource::Command(command))));
    if let [(first, _), (second, _), ..] = &sources[..] {
        section.refuse(second, format!("{first} gives a key too: one of them, with the newest key first"));
    }
    sources.into_iter().next().map_or(MasterKeySource::None, |(_, source)| source)
}

/// `variable` looks a name up in the environment.
pub(super) fn read_security(mut section: Section<'_>, variable: impl Fn(&str) -> Option<Secret>) -> SecurityConfig {
    let name = section.free_text("api_key_env", API_KEY_ENV);
    let api_key = variable(&name);
    if let Some(key) = &api_key {
        let length = key.expose().len();
        if length < API_KEY_MIN {
            section.refuse("api_key_env", format!("{name} holds {length} characters, fewer than {API_KEY_MIN}"));
        }
    }
    let cors_origins = section.texts("cors_origins", &[]);
    for origin in &cors_origins {
        let rest = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
        if !rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(['/', '*', ' '])) {
            section.refuse("cors_origins", format!("{origin:?} is no origin, such as https://app.example.com"));
        }
    }
    let master_key = read_master_key(&mut section, &variable);
    let requests_per_address = section.integer("requests_per_address", 200, 0..=REQUESTS_MAX);
    let requests_per_actor = section.integer("requests_per_actor", 100, 0..=REQUESTS_MAX);
    section.finish();
    SecurityConfig { api_key, cors_origins, master_key, requests_per_address, requests_per_actor }
}
