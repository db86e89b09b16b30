//! The sections about services outside: AI providers and Twilio.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use ai::breaker::BreakerConfig;
use ai::vendor::PROVIDERS;
pub use ai::vendor::ProviderKind;

use super::reader::{Given, Section};
use super::secret::Secret;

/// The provider that is there without being written down.
pub(super) const DEFAULT_PROVIDER: &str = "openai";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const FIRST_AUDIO_TIMEOUT: Duration = Duration::from_secs(8);

/// Failures that open a breaker: a call that retries makes two.
const BREAKER_FAILURES: u32 = 5;

/// `[providers.NAME]`: one AI service.
#[derive(Clone, Debug, PartialEq)]
pub struct ProviderConfig {
    /// Who it is, or as who it speaks; default the one of its name, else `openai`.
    pub kind: ProviderKind,
    /// The environment variable with its key; `None` (written "") for a service that wants none. Default that of its kind where it has the
    /// kind's name, as `OPENAI_API_KEY` of `openai`; none for others.
    pub api_key_env: Option<String>,
    /// What that variable holds; `None` when it is unset or empty.
    pub api_key: Option<Secret>,
    /// Without a slash at the end; default its kind's, as `https://api.openai.com/v1`.
    pub base_url: HttpUrl,
    /// How long opening the connection may take, 100-60000 ms, default 5 s; then it counts as failed.
    pub connect_timeout: Duration,
    /// How long after a request the first audio may take, and each further piece after the one before, 500-60000 ms, default 8 s;
    /// then it counts as failed.
    pub first_audio_timeout: Duration,
    /// When it is left alone by all calls for a while, and for how long.
    pub breaker: BreakerConfig,
}

impl ProviderConfig {
    /// Whether it can be used now: it wants no key, or its key is there.
    pub fn has_key(&self) -> bool {
        self.api_key_env.is_none() || self.api_key.is_some()
    }
}

/// `[twilio]`: the account whose Media Streams are answered.
#[derive(Clone, Debug, PartialEq)]
pub struct TwilioConfig {
    /// The account whose calls are taken; unset: any.
    pub account_sid: Option<String>,
    /// Signs the requests; unset: signatures cannot be checked.
    pub auth_token: Option<Secret>,
    /// Where Twilio reaches `http.listen`, needed for signatures and the stream's address behind a proxy; unset: what
    /// the request's Host header says.
    pub public_url: Option<HttpUrl>,
    /// Whether unsigned requests are refused; default true as soon as an auth token is set.
    pub validate_signature: bool,
}

/// An http(s) URL without a slash at the end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HttpUrl(String);

impl HttpUrl {
    /// The URL as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let rest = text.strip_prefix("https://").or(text.strip_prefix("http://"));
        let host = rest.and_then(|rest| rest.split(['/', '?', '#']).next());
        let plain = !text.contains(|c: char| c.is_whitespace() || c == '@' || c == '?' || c == '#');
        match host {
            Some(host) if !host.is_empty() && plain => Ok(Self(text.trim_end_matches('/').to_owned())),
            // Such a text may hold a password, so it is not repeated.
            _ if text.contains(['@', '?']) => Err("is not a plain http(s) URL (https://host/path): no user, no query".to_owned()),
            _ => Err(format!("{text:?} is not an http(s) URL (https://host/path)")),
        }
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Reads `[providers]`: those of the file and the environment, `openai` in any case, and of the others known those that have their own
/// section in no file: with a key in the environment they are there. `key` looks up a variable.
pub(super) fn read_providers(mut section: Section<'_>, key: impl Fn(&str) -> Option<Secret>) -> BTreeMap<String, ProviderConfig> {
    let mut names = section.names();
    if !names.iter().any(|name| name == DEFAULT_PROVIDER) {
        names.push(DEFAULT_PROVIDER.to_owned());
    }
    let mut providers = BTreeMap::new();
    for name in names {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if !name.chars().all(plain) || name.contains("__") {
            section.refuse(&name, "a provider's name has a-z, 0-9 and single _ only");
        }
        let provider = read_provider(section.section(&name), &name, &key);
        providers.insert(name, provider);
    }
    section.finish();
    for row in PROVIDERS.iter().filter(|row| !row.base_url.is_empty()) {
        let Ok(base_url) = HttpUrl::parse(row.base_url) else { continue };
        let (api_key_env, api_key) = (Some(row.key_variable.to_owned()), key(row.key_variable));
        providers.entry(row.name.to_owned()).or_insert(ProviderConfig {
            kind: row.kind,
            api_key_env,
            api_key,
            base_url,
            connect_timeout: CONNECT_TIMEOUT,
            first_audio_timeout: FIRST_AUDIO_TIMEOUT,
            breaker: BreakerConfig::default(),
        });
    }
    providers
}

fn read_provider(mut section: Section<'_>, name: &str, key: impl Fn(&str) -> Option<Secret>) -> ProviderConfig {
    let kinds = PROVIDERS.each_ref().map(|row| (row.name, row.kind));
    let kind = section.choice("kind", ProviderKind::named(name).unwrap_or(ProviderKind::OpenAi), &kinds);
    let row = kind.row();
    let default_key = if name == row.name { row.key_variable } else { "" };
    let default_url = HttpUrl(row.base_url.to_owned());
    if row.base_url.is_empty() && !section.has("base_url") {
        section.refuse("base_url", "must be set");
    }
    let given = section.has("api_key_env");
    let api_key_env = section.value("api_key_env", default_key.to_owned(), Given::text);
    let api_key_env = Some(api_key_env).filter(|name| !name.is_empty());
    let api_key = api_key_env.as_deref().and_then(key);
    let state = if api_key.is_some() { "set" } else { "unset" };
    let shown = api_key_env.as_deref().map_or("none".to_owned(), |name| format!("{name}, {state}"));
    section.note("api_key_env", shown, given, None);
    let provider = ProviderConfig {
        kind,
        api_key_env,
        api_key,
        base_url: section.parsed("base_url", default_url, HttpUrl::parse),
        connect_timeout: section.millis("connect_timeout_ms", CONNECT_TIMEOUT, 100..=60_000),
        first_audio_timeout: section.millis("first_audio_timeout_ms", FIRST_AUDIO_TIMEOUT, 500..=60_000),
        breaker: BreakerConfig {
            failures: section.integer("breaker_failures", BREAKER_FAILURES, 1..=1_000) as usize,
            window: section.seconds("breaker_window_s", Duration::from_secs(30), 1..=3_600),
            cool_down: section.seconds("breaker_cool_down_s", Duration::from_secs(15), 1..=3_600),
        },
    };
    section.finish();
    provider
}

pub(super) fn read_twilio(mut section: Section<'_>) -> TwilioConfig {
    let auth_token = section.secret("auth_token");
    let twilio = TwilioConfig {
        account_sid: section.optional("account_sid", |text| Ok(text.to_owned())),
        public_url: section.optional("public_url", HttpUrl::parse),
        validate_signature: section.flag("validate_signature", auth_token.is_some()),
        auth_token,
    };
    if twilio.validate_signature && twilio.auth_token.is_none() {
        section.refuse("validate_signature", "true needs twilio.auth_token (OFFHOOK__TWILIO__AUTH_TOKEN)");
    }
    section.finish();
    twilio
}
