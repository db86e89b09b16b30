//! The section `[security]`: who may use the API.

use super::reader::Section;
use super::secret::Secret;

/// Where the key is looked for without a word about it.
const API_KEY_ENV: &str = "OFFHOOK_API_KEY";
/// Characters below which a key can be tried out: 16 of hexadecimal are 64 bits.
const API_KEY_MIN: usize = 16;

/// `[security]`: who may use the API.
#[derive(Clone, Debug, PartialEq)]
pub struct SecurityConfig {
    /// What the variable that `api_key_env` names holds; `None` when it is unset or empty: the API answers 401.
    pub api_key: Option<Secret>,
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
    section.finish();
    SecurityConfig { api_key }
}
