//! An assistant's engine `stream`: an external bot that speaks Twilio Media Streams.

use std::net::IpAddr;
use std::time::Duration;

use super::reader::{Given, Section};
use super::secret::Secret;

/// Characters of a parameter, name and value together, as Twilio has it.
const PARAMETER_CHARS_MAX: usize = ai::stream::PARAMETER_CHARS_MAX;
/// Headers on the allow-list, and parameters of one's own: each is sent with every call.
const NAMES_MAX: usize = 32;
/// What every call is told; a parameter of these names would be overwritten.
const KNOWN: [&str; 5] = ["call_id", "direction", "from", "reconnect", "to"];
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The keys of `kind = "stream"`.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamConfig {
    /// Where the bot is; empty only when the engine is another.
    pub url: String,
    /// The URL that the bot computes signatures over, where that is another.
    pub signed_url: Option<String>,
    /// Signs the upgrade request as Twilio does; `None`: it is not signed.
    pub auth_token: Option<Secret>,
    /// The request's `Authorization`; `None`: it has none.
    pub authorization: Option<Secret>,
    /// Told as `accountSid` of SIP calls.
    pub account_sid: Option<String>,
    /// Headers of the INVITE that the bot is told, at most 32.
    pub sip_headers: Vec<String>,
    /// What the bot is told of every call, at most 32.
    pub parameters: Vec<(String, String)>,
    /// How long opening the connection may take, 100-60000 ms, default 5 s.
    pub connect_timeout: Duration,
}

/// Reads the keys from the section of the engine. `key` looks up a variable; `asked`: the bot is to be used, so what it needs must be
/// there.
pub(super) fn read_stream(section: &mut Section<'_>, asked: bool, key: &dyn Fn(&str) -> Option<Secret>) -> StreamConfig {
    let plain = section.flag("allow_plain", false);
    let given = section.has("url");
    let url = section.optional("url", |text| socket_url(text, plain));
    if asked && !given {
        section.refuse("url", "must be set for kind stream (wss://host/path)");
    }
    StreamConfig {
        url: url.unwrap_or_default(),
        signed_url: section.optional("signed_url", |text| socket_url(text, true)),
        auth_token: from_environment(section, "auth_token_env", asked, key),
        authorization: from_environment(section, "authorization_env", asked, key),
        account_sid: section.optional("account_sid", account_sid),
        sip_headers: read_headers(section),
        parameters: read_parameters(section.section("parameters")),
        connect_timeout: section.millis("connect_timeout_ms", CONNECT_TIMEOUT, 100..=60_000),
    }
}

/// A secret by the name of its variable, which must hold something if the bot is to be used.
pub(super) fn from_environment(
    section: &mut Section<'_>,
    name: &str,
    asked: bool,
    key: &dyn Fn(&str) -> Option<Secret>,
) -> Option<Secret> {
    let given = section.has(name);
    let variable = section.value(name, String::new(), Given::text);
    let secret = key(&variable);
    let shown = match (variable.as_str(), &secret) {
        ("", _) => "none".to_owned(),
        (_, Some(_)) => format!("{variable}, set"),
        (_, None) => format!("{variable}, unset"),
    };
    section.note(name, shown, given, None);
    if asked && !variable.is_empty() && secret.is_none() {
        section.refuse(name, format!("the environment variable {variable} is not set"));
    }
    secret
}

/// `wss://host/path`; `ws://` only where `plain` allows it, or to an address that is not of the internet.
fn socket_url(text: &str, plain: bool) -> Result<String, String> {
    let (secure, rest) = match (text.strip_prefix("wss://"), text.strip_prefix("ws://")) {
        (Some(rest), _) => (true, rest),
        (_, Some(rest)) => (false, rest),
        _ => return Err("is not a WebSocket URL (wss://host/path)".to_owned()),
    };
    // Such a text may hold a password, so it is not repeated.
    if rest.contains(|c: char| c.is_whitespace() || c.is_control() || c == '@' || c == '#') {
        return Err("must have no user, no fragment and no spaces".to_owned());
    }
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let host = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => authority.split(':').next().unwrap_or_default(),
    };
    if host.is_empty() {
        return Err("has no host (wss://host/path)".to_owned());
    }
    if !secure && !plain && !is_near(host) {
        return Err("is ws:// to another network, where calls can be listened to: use wss://, or allow_plain = true".to_owned());
    }
    Ok(text.to_owned())
}

/// This machine, or an address that is not routed on the internet (RFC 1918, RFC 4193).
fn is_near(host: &str) -> bool {
    match host.parse() {
        Ok(IpAddr::V4(address)) => address.is_loopback() || address.is_private(),
        Ok(IpAddr::V6(address)) => address.is_loopback() || address.is_unique_local(),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    }
}

fn account_sid(text: &str) -> Result<String, String> {
    let digits = text.strip_prefix("AC").filter(|digits| digits.len() == 32 && digits.bytes().all(|c| c.is_ascii_hexdigit()));
    digits.map(|_| text.to_owned()).ok_or_else(|| format!("{text:?} is not AC and 32 hexadecimal digits"))
}

fn read_headers(section: &mut Section<'_>) -> Vec<String> {
    let given = section.has("sip_headers");
    let names = section.value("sip_headers", Vec::new(), |given| {
        let names: Vec<String> = given.list()?.into_iter().filter(|name| !name.is_empty()).collect();
        for name in &names {
            header_name(name)?;
            if names.iter().filter(|other| other.eq_ignore_ascii_case(name)).count() > 1 {
                return Err(format!("{name:?} is there twice"));
            }
        }
        let count = names.len();
        if count > NAMES_MAX { Err(format!("{count} headers are above {NAMES_MAX}")) } else { Ok(names) }
    });
    section.note("sip_headers", names.join(","), given, None);
    names
}

fn header_name(name: &str) -> Result<(), String> {
    // A token of RFC 3261 §25.1.
    let token = name.chars().all(|c| c.is_ascii_alphanumeric() || "-.!%*_+`'~".contains(c));
    if !token || name.len() > 64 {
        return Err(format!("{name:?} is not the name of a header (X-Account)"));
    }
    if ["authorization", "proxy-authorization"].contains(&name.to_ascii_lowercase().as_str()) {
        return Err(format!("{name:?} holds a password's proof, which is nobody else's"));
    }
    known(name)
}

fn known(name: &str) -> Result<(), String> {
    if KNOWN.contains(&name) { Err(format!("{name:?} is told of every call already")) } else { Ok(()) }
}

/// Any names, each with a text. Values are not shown in the log: they may tell more of a customer than an operator should read.
fn read_parameters(mut section: Section<'_>) -> Vec<(String, String)> {
    let names = section.names();
    if names.len() > NAMES_MAX {
        section.refuse(&names[NAMES_MAX], format!("{} parameters are above {NAMES_MAX}", names.len()));
    }
    let mut parameters = Vec::new();
    for name in names {
        let value = section.value(&name, String::new(), |given| {
            let value = given.text()?;
            known(&name)?;
            let chars = name.chars().count() + value.chars().count();
            let fits = chars <= PARAMETER_CHARS_MAX;
            if fits { Ok(value) } else { Err(format!("name and value have {chars} characters, above {PARAMETER_CHARS_MAX}")) }
        });
        parameters.push((name, value));
    }
    section.finish();
    parameters
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, plain: bool, expected: &str) {
        assert_eq!(socket_url(url, plain).err().unwrap_or_default(), expected, "{url}");
    }

    #[test]
    fn plain_websockets_go_no_further_than_the_own_network() {
        let near = [
            "ws://127.0.0.1:8765/media",
            "ws://localhost",
            "ws://[::1]:1/",
            "ws://10.1.2.3/",
            "ws://[fd00::1]/",
            "ws://172.31.0.1/a?b",
        ];
        near.iter().for_each(|url| check(url, false, ""));
        let far = "is ws:// to another network, where calls can be listened to: use wss://, or allow_plain = true";
        for url in ["ws://bot/media", "ws://8.8.8.8/", "ws://localhost.example.com/", "ws://172.32.0.1/", "ws://[2001:db8::1]/"] {
            check(url, false, far);
            check(url, true, "");
        }
        check("wss://bot.example.com/media", false, "");
    }

    #[test]
    fn other_urls_are_refused_without_being_repeated() {
        check("https://bot/media", false, "is not a WebSocket URL (wss://host/path)");
        check("wss:///media", false, "has no host (wss://host/path)");
        check("wss://user:secret@bot/media", false, "must have no user, no fragment and no spaces");
        check("wss://bot/a b", false, "must have no user, no fragment and no spaces");
    }
}
