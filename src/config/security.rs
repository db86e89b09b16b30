//! The section `[security]`: who may use the API.

use super::reader::Section;
use super::secret::Secret;

/// Where the key is looked for without a word about it.
const API_KEY_ENV: &str = "OFFHOOK_API_KEY";
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
    /// Requests of an address in a second; 0: any number.
    pub requests_per_address: u32,
    /// Requests of a user or key in a second; 0: any number.
    pub requests_per_actor: u32,
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
    let requests_per_address = section.integer("requests_per_address", 200, 0..=REQUESTS_MAX);
    let requests_per_actor = section.integer("requests_per_actor", 100, 0..=REQUESTS_MAX);
    section.finish();
    SecurityConfig { api_key, cors_origins, requests_per_address, requests_per_actor }
}
