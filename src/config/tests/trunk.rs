//! `[[trunks]]`: rows in, the mistakes or the values out.

use std::time::Duration;

use actors::config::TrunkConfig;
use actors::identity::{Attestation, Policy};
use actors::trunk::config::{Codec, FromPolicy, PrivacyPolicy, RedirectsTo, SrtpPolicy};

use super::{REFERENCE, environment, load, mistakes};
use crate::config::Config;

const VARIABLES: &[(&str, &str)] = &[("CARRIER_PASSWORD", "s3cret"), ("DOOR_PASSWORD", "0pen")];

fn trunk(rows: &str) -> TrunkConfig {
    load(&format!("[[trunks]]\nname = \"carrier\"\n{rows}"), VARIABLES).trunks.remove(0)
}

fn check(rows: &str, expected: &str) {
    let said = mistakes(&format!("[[trunks]]\nname = \"carrier\"\n{rows}"), VARIABLES);
    let bare: Vec<&str> = said.lines().map(|line| line.strip_prefix("trunks[0].").unwrap_or(line)).collect();
    assert_eq!(bare.join("\n"), expected, "in:\n{rows}");
}

#[test]
fn a_row_with_a_name_alone_is_a_trunk_that_nobody_is() {
    let trunk = trunk("");
    assert_eq!((trunk.user.as_str(), trunk.keepalive, trunk.targets.len()), ("offhook", Duration::from_secs(30), 0));
    assert!(trunk.inbound.networks.is_empty() && trunk.inbound.digest.is_none() && trunk.credentials.is_none());
    assert_eq!((trunk.try_timeout, trunk.redirects), (Duration::from_secs(4), RedirectsTo::Itself));
    assert_eq!((trunk.limits.channels, trunk.limits.outbound_per_minute), (None, Some(60)));
    assert_eq!((trunk.codecs.len(), trunk.srtp), (4, SrtpPolicy::Optional));
    assert!(!trunk.accept_refer && trunk.allowed_prefixes.is_empty() && trunk.emergency_numbers.contains(&"911".to_owned()));
}

#[test]
fn everything_can_be_said() {
    let rows = "transport = \"tls\"\nusername = \"alice\"\npassword_env = \"CARRIER_PASSWORD\"\nregister = true\n\
                addresses = [\"203.0.113.0/24\"]\ninbound_username = \"door\"\ninbound_password_env = \"DOOR_PASSWORD\"\n\
                inbound_digest = [\"md5\"]\nemergency = \"allow\"\nfrom = \"user\"\nprivacy = \"never\"\ncodecs = [\"pcma\"]\n\
                srtp = \"required\"\nidentity = \"off\"\naccept_refer = true\nheaders = [\"X-Account\"]\ncaller_number = \"+49 30 1\"\n\
                inbound_called = [{ starts_with = \"00\", strip = 2, prefix = \"+\" }]\n\
                [[trunks.targets]]\nuri = \"sip.carrier.example\"\n[[trunks.targets]]\nuri = \"sip:192.0.2.1:5070;transport=udp\"\npriority = 2\n";
    let trunk = trunk(rows);
    let targets: Vec<String> = trunk.targets.iter().map(|target| format!("{} {}", target.uri, target.priority)).collect();
    assert_eq!(targets, ["sip:sip.carrier.example;transport=tls 1", "sip:192.0.2.1:5070;transport=udp 2"]);
    let registration = trunk.registration.clone().unwrap();
    assert_eq!(registration.registrar.to_string(), "sip:sip.carrier.example;transport=tls");
    assert_eq!((trunk.user.as_str(), trunk.codecs.as_slice(), trunk.srtp), ("alice", &[Codec::Pcma][..], SrtpPolicy::Required));
    assert_eq!((trunk.identity.from, trunk.identity.privacy), (FromPolicy::User, PrivacyPolicy::Never));
    assert_eq!(trunk.identity.number.as_deref(), Some("+49301"));
    assert!(trunk.accept_refer && trunk.emergency_numbers.is_empty() && trunk.passes("x-account") && !trunk.passes("X-Other"));
    assert_eq!(trunk.signatures, Some(Policy::Off));
    assert_eq!(trunk.rewriting.inbound_called[0].strip, 2);
    let shown = format!("{trunk:?}");
    assert!(!shown.contains("s3cret") && !shown.contains("0pen"), "{shown}");
}

#[test]
fn what_cannot_work_is_refused_with_its_key() {
    assert!(mistakes("[[trunks]]", &[]).starts_with("trunks[0].name: must be set"));
    check("username = \"a\"", "password_env: must name a variable that is set, with username");
    check("username = \"a b\"", "username: must be 1-128 characters without spaces, quotes and backslashes");
    check("username = \"a\"\npassword_env = \"NONE\"", "password_env: the environment variable NONE is not set");
    check(
        "inbound_username = \"a\"\ninbound_password_env = \"NONE\"",
        "inbound_password_env: the environment variable NONE is not set",
    );
    check(
        "username = \"a b\"\npassword_env = \"CARRIER_PASSWORD\"",
        "username: must be 1-128 characters without spaces, quotes and backslashes",
    );
    check("inbound_password_env = \"DOOR_PASSWORD\"", "inbound_username: must be set with inbound_password_env");
    check("register = true", "registrar: must be set to register, or a target");
    check(
        "addresses = \"203.0.113.1/24\"",
        "addresses: \"203.0.113.1/24\" is no address (192.0.2.7) and no network (192.0.2.0/24)",
    );
    check("[[trunks.targets]]", "targets[0].uri: must be set");
    check(
        "[[trunks.targets]]\nuri = \"sip:user@host\"",
        "targets[0].uri: \"sip:user@host\" is not a host or a SIP URI without a user (sip:host:port;transport=udp)",
    );
    check("emergency_numbers = [\"sos\"]", "emergency_numbers: must be digits");
    check("channels = 0", "channels: 0 is below 1");
    check("channels = 100001", "channels: 100001 is above 100000");
    check("calls_per_second = 0\noutbound_per_minute = 0", "calls_per_second: 0 is below 1\noutbound_per_minute: 0 is below 1");
    check("options_interval_s = 1", "options_interval_s: 1 s is below 8 s; 0: never");
    check("options_interval_s = 0", "");
    check("allowed_prefixes = [\"+49 30\"]", "allowed_prefixes: \"+49 30\" begins no number (+49, 00)");
    check(
        "outbound_called = [{ prefix = \"0\" }, { starts_with = \"1\" }]",
        "outbound_called[1].starts_with: is behind a rule that fits every number, and is never reached",
    );
    check(
        "certificate_names = \"pbx.example\"",
        "certificate_names: need sip.tls_client_roots: without them no certificate is asked for",
    );
    check("try_timeout_s = 33", "try_timeout_s: 33 s is above 32 s");
    check("redirects = \"all\"", "redirects: \"all\" is not one of trunk, refuse, any");
    check("chanels = 1", "chanels: unknown key; did you mean channels?");
    check("inbound_called = [{ starts = \"0\" }]", "inbound_called[0].starts: unknown key");
    assert!(mistakes("[[trunks]]\nname = \"a\"\nheaders = \"Route\"", &[]).starts_with("trunks[0].headers: \"Route\" is not X-"));
    let twice = "[[trunks]]\nname = \"a\"\n[[trunks]]\nname = \"a\"";
    assert_eq!(mistakes(twice, &[]), "trunks[1].name: \"a\" is there twice");
    let doors = |name: &str| {
        format!("[[trunks]]\nname = \"{name}\"\ninbound_username = \"d\"\ninbound_password_env = \"DOOR_PASSWORD\"\n")
    };
    let said = mistakes(&(doors("a") + &doors("b")), VARIABLES);
    assert_eq!(said, "trunks[1].inbound_username: is another trunk's too, and neither has addresses to tell them apart");
}

#[test]
fn a_trunk_has_its_own_rule_for_signatures() {
    let of = |node: &str, rows: &str| {
        let text = format!("[identity]\nroots = \"roots.pem\"\n{node}\n[[trunks]]\nname = \"carrier\"\n{rows}");
        load(&text, &[]).trunks.remove(0).signatures
    };
    assert_eq!(of("", ""), None);
    assert_eq!(of("policy = \"require\"", "identity = \"note\""), Some(Policy::Note));
    assert_eq!(of("minimum_attestation = \"B\"", "identity = \"require\""), Some(Policy::Require(Attestation::Partial)));
    let minimum = "identity_minimum_attestation = \"A\"";
    assert_eq!(of("policy = \"require\"", minimum), Some(Policy::Require(Attestation::Full)));
    check(minimum, "identity_minimum_attestation: needs \"require\" in identity, here or as identity.policy");
    let no_roots = "identity: \"require\" needs identity.roots: without them no call would be taken";
    check("identity = \"require\"", no_roots);
}

#[test]
fn a_trunk_has_its_own_tls() {
    let node = "[sip]\ntls_cert = \"n.pem\"\ntls_key = \"n.key\"\n";
    let row = |name: &str, keys: &str, host: &str| {
        format!("[[trunks]]\nname = \"{name}\"\n{keys}[[trunks.targets]]\nuri = \"sips:{host}\"\n")
    };
    let own = "tls_certificate = \"c.pem\"\ntls_key = \"c.key\"\ntls_roots = \"r.pem\"\n";
    let trunk = load(&format!("{node}{}", row("a", own, "A.example")), &[]).trunks.remove(0);
    assert_eq!(trunk.hosts(), ["a.example"]);
    let tls = trunk.tls.unwrap();
    assert_eq!((tls.certificate, tls.roots), (Some(("c.pem".into(), "c.key".into())), Some("r.pem".into())));
    check("tls_certificate = \"c.pem\"", "tls_key: must be set with tls_certificate");
    check("tls_key = \"c.pem\"", "tls_certificate: must be set with tls_key");
    check("tls_roots = \"r.pem\"", "tls_roots: needs sip.tls_cert and sip.tls_key: without them there is no TLS");
    let two = |first: &str, second: &str| mistakes(&format!("{node}{}{}", row("a", own, first), row("b", "", second)), &[]);
    assert_eq!(two("x.example", "y.example"), "");
    assert_eq!(
        two("x.example", "X.example"),
        "trunks[1].tls_certificate: is not that of trunk \"a\", which has a host in common: one host is shown one"
    );
}

/// The row in the reference file, without its comment signs, is one that can be used, and it has every key.
#[test]
fn the_reference_file_shows_every_key() {
    let (_, row) = REFERENCE.split_once("\n# [[trunks]]\n").unwrap();
    let shown: String = row.lines().filter_map(|line| line.strip_prefix('#')).filter(|line| line.contains(" = ")).fold(
        "[[trunks]]\n".to_owned(),
        |text, line| match line.contains(" uri = ") {
            true => text + "[[trunks.targets]]\n" + line + "\n",
            false => text + line + "\n",
        },
    );
    // The two that say "absent".
    let shown = shown.replace("codecs = []", "codecs = [\"pcmu\"]");
    let rules = ["inbound_caller", "outbound_called", "outbound_caller"]
        .iter()
        .fold(shown, |text, rule| text.replace(&format!("{rule} = []"), &format!("{rule} = [{{ starts_with = \"0\" }}]")));
    let config = Config::read(rules.parse().unwrap(), &environment(&[])).unwrap_or_else(|problems| panic!("{problems}"));
    for setting in config.settings.iter().filter(|setting| setting.key.starts_with("trunks[0]")) {
        let key = setting.key.rsplit('.').next().unwrap();
        assert!(setting.given || key == "strip" || key == "prefix", "config/offhook.toml has no {}", setting.key);
        if let Some(limits) = &setting.limits {
            let line = row.lines().find(|line| line.contains(&format!("{key} = "))).unwrap_or_default();
            let words = if key == "strip" { "0-64".to_owned() } else { limits.clone() };
            assert!(row.contains(&words), "{key} must say {limits}: {line}");
        }
    }
}

#[test]
fn what_the_guide_shows_can_be_used() {
    let guide = include_str!("../../../docs/trunks.md");
    let shown: Vec<&str> = guide.split("```toml\n").skip(1).map(|block| block.split("```").next().unwrap()).collect();
    assert!(shown.len() >= 3);
    let keys = ["TWILIO_SIP_PASSWORD", "TELNYX_PASSWORD", "ASTERISK_PASSWORD", "DOOR_PASSWORD"].map(|name| (name, "key"));
    for block in shown {
        Config::read(block.parse().unwrap(), &environment(&keys)).unwrap_or_else(|problems| panic!("{problems} in\n{block}"));
    }
}
