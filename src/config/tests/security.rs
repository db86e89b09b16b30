//! `[security]`: the key of the API.

use super::{load, mistakes};

#[test]
fn the_key_comes_from_the_environment() {
    assert_eq!(load("", &[]).security.api_key, None);
    let key = |toml: &str, pairs: &[(&str, &str)]| load(toml, pairs).security.api_key.map(|key| key.expose().to_owned());
    let long = "0123456789abcdef";
    assert_eq!(key("", &[("OFFHOOK_API_KEY", long)]).as_deref(), Some(long));
    assert_eq!(key("[security]\napi_key_env = \"OTHER\"", &[("OFFHOOK_API_KEY", long)]), None);
    assert_eq!(key("[security]\napi_key_env = \"OTHER\"", &[("OTHER", long)]).as_deref(), Some(long));
    assert_eq!(key("[security]\napi_key_env = \"\"", &[("OFFHOOK_API_KEY", long)]), None);
    assert_eq!(key("", &[("OFFHOOK_API_KEY", "")]), None);
}

#[test]
fn a_key_that_can_be_guessed_is_refused_and_not_repeated() {
    let expected = "security.api_key_env: OFFHOOK_API_KEY holds 7 characters, fewer than 16";
    assert_eq!(mistakes("", &[("OFFHOOK_API_KEY", "hunter2")]), expected);
}

#[test]
fn calls_without_a_trunk_go_to_listed_peers() {
    assert!(load("", &[]).sip.direct_calls.is_empty());
    let listed = load("[sip]\ndirect_calls = [\"pbx.example\", \"127.0.0.0/8\"]", &[]).sip.direct_calls;
    assert_eq!(listed.iter().map(ToString::to_string).collect::<Vec<_>>(), ["pbx.example", "127.0.0.0/8"]);
    let wrong = "sip.direct_calls: \"10.0.0.0/40\" is not a host name, an address or a network (192.0.2.0/24)";
    assert_eq!(mistakes("[sip]\ndirect_calls = \"10.0.0.0/40\"", &[]), wrong);
}

#[test]
fn the_master_key_comes_from_one_place() {
    use super::super::MasterKeySource;
    let source = |toml: &str, pairs: &[(&str, &str)]| load(&format!("[security]\n{toml}"), pairs).security.master_key;
    let set = [("OFFHOOK_MASTER_KEY", "k")];
    assert_eq!(source("", &[]), MasterKeySource::None);
    assert!(matches!(source("", &set), MasterKeySource::Environment(name, _) if name == "OFFHOOK_MASTER_KEY"));
    assert_eq!(source("master_key_env = \"\"", &set), MasterKeySource::None);
    assert_eq!(source("master_key_file = \"/run/key\"", &[]), MasterKeySource::File("/run/key".into()));
    let words = ["/bin/vault".to_owned(), "read".to_owned()];
    assert_eq!(source("master_key_command = [\"/bin/vault\", \"read\"]", &[]), MasterKeySource::Command(words.to_vec()));
    let both = "security.master_key_file: master_key_env gives a key too: one of them, with the newest key first";
    assert_eq!(mistakes("[security]\nmaster_key_file = \"/run/key\"", &set), both);
    let unset = "security.master_key_env: ELSEWHERE is not set";
    assert_eq!(mistakes("[security]\nmaster_key_env = \"ELSEWHERE\"", &[]), unset);
    assert!(!format!("{:?}", source("", &[("OFFHOOK_MASTER_KEY", "hunter2")])).contains("hunter2"));
}

#[test]
fn what_is_redacted_is_listed() {
    let redaction = |list: &str| load(&format!("[[assistants]]\nname = \"demo\"\nredact = {list}"), &[]).assistants[0].redaction;
    assert!(redaction("[]").is_none());
    let some = redaction("[\"card_numbers\", \"ibans\"]");
    assert!(some.card_numbers && some.ibans && !some.emails);
    let wrong = "assistants[0].redact: \"names\" is not one of card_numbers, emails, ibans";
    assert_eq!(mistakes("[[assistants]]\nname = \"demo\"\nredact = [\"names\"]", &[]), wrong);
}
