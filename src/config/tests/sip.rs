//! `[sip]`: forms of its addresses, and what fits together.

use super::{check, load, mistakes};

fn sockets(toml: &str, environment: &[(&str, &str)]) -> String {
    let config = load(toml, environment);
    let one = |(key, socket)| format!("{key} {socket} as {}", config.sip.advertised_for(socket));
    config.sip.sockets().map(one).collect::<Vec<_>>().join(", ")
}

const TLS: &str = "tls_cert = \"c.pem\"\ntls_key = \"k.pem\"\n";

#[test]
fn one_address_or_a_list_of_them() {
    assert_eq!(sockets("", &[]), "listen 127.0.0.1:5060 as 127.0.0.1");
    assert_eq!(sockets("[sip]\nlisten = \"[::1]:5070\"", &[]), "listen [::1]:5070 as ::1");
    let both = "listen 127.0.0.1:5060 as 127.0.0.1, listen [::1]:5060 as ::1";
    assert_eq!(sockets("[sip]\nlisten = [\"127.0.0.1:5060\", \"[::1]:5060\"]", &[]), both);
    assert_eq!(sockets("", &[("OFFHOOK__SIP__LISTEN", "127.0.0.1:5060, [::1]:5060")]), both);
    check("[sip]\nlisten = 5060", "sip.listen: 5060 is not a list of texts ([\"...\"])");
    check("[sip]\nlisten = \"\"", "sip.listen: needs an address, here or in tls_listen with a certificate");
    check("[sip]\nlisten = [\"127.0.0.1:1\", \"127.0.0.1:1\"]", "sip.listen: 127.0.0.1:1 is there twice");
}

#[test]
fn each_family_is_told_its_own_address() {
    let all = "listen = [\"0.0.0.0:5060\", \"[::]:5060\"]";
    assert_eq!(
        sockets(&format!("[sip]\n{all}\nadvertised_address = [\"203.0.113.1\", \"2001:db8::1\"]"), &[]),
        "listen 0.0.0.0:5060 as 203.0.113.1, listen [::]:5060 as 2001:db8::1"
    );
    check(
        &format!("[sip]\n{all}\nadvertised_address = \"203.0.113.1\""),
        "sip.advertised_address: must be set when sip.listen is [::]:5060: callers cannot send to ::",
    );
    check(
        "[sip]\nadvertised_address = [\"203.0.113.1\", \"203.0.113.2\"]",
        "sip.advertised_address: 203.0.113.2 is the second of its family",
    );
}

#[test]
fn tls_listens_when_there_is_a_certificate() {
    let tls = format!("[sip]\n{TLS}");
    assert_eq!(sockets(&tls, &[]), "listen 127.0.0.1:5060 as 127.0.0.1, tls_listen 127.0.0.1:5061 as 127.0.0.1");
    assert_eq!(sockets(&format!("{tls}listen = \"\""), &[]), "tls_listen 127.0.0.1:5061 as 127.0.0.1");
    assert!(load(&tls, &[]).sip.tls.unwrap().client_required);
    let optional = format!("{tls}tls_client_roots = \"r.pem\"\ntls_client_auth = \"optional\"");
    assert!(!load(&optional, &[]).sip.tls.unwrap().client_required);
    check(
        &format!("{tls}tls_client_auth = \"required\""),
        "sip.tls_client_auth: needs tls_client_roots, by which certificates are judged",
    );
    check("[sip]\ntls_cert = \"c.pem\"", "sip.tls_key: must be set with tls_cert");
    check("[sip]\ntls_key = \"k.pem\"", "sip.tls_cert: must be set with tls_key");
    check("[sip]\ntls_client_roots = \"r.pem\"", "sip.tls_client_roots: needs tls_cert and tls_key");
    check(
        &format!("{tls}[http]\nlisten = \"127.0.0.1:5061\""),
        "http.listen: 127.0.0.1:5061 is also sip.tls_listen, which takes TCP too",
    );
    assert!(mistakes("[sip]\ntls_client_auth = \"x\"", &[]).contains("sip.tls_client_auth: \"x\" is not one of"));
}

#[test]
fn known_sources_are_addresses_and_networks() {
    let limits = load("[limits]\nsip_known_sources = [\"192.0.2.0/24\", \"2001:db8::7\"]\nsip_probes = 5", &[]).limits.front_door;
    let known: Vec<_> = limits.known.iter().map(ToString::to_string).collect();
    assert_eq!((known.join(" "), limits.probes), ("192.0.2.0/24 2001:db8::7/128".to_owned(), 5));
    assert_eq!(load("[limits]\nsip_known_sources = \"\"", &[]).limits.front_door.known, []);
    check(
        "[limits]\nsip_known_sources = \"carrier.example\"\nsip_calls_per_source = 0",
        "limits.sip_known_sources: \"carrier.example\" is no address (192.0.2.7) and no network (192.0.2.0/24)\n\
         limits.sip_calls_per_source: 0 is below 1",
    );
}

#[test]
fn sessions_are_asked_for_unless_told_not_to() {
    let expires = |toml: &str| load(toml, &[]).sip.session_expires.map(|wait| wait.as_secs());
    assert_eq!(expires(""), Some(1_800));
    assert_eq!(expires("[sip]\nsession_expires_s = 90"), Some(90));
    assert_eq!(expires("[sip]\nsession_expires_s = 0"), None);
    check("[sip]\nsession_expires_s = 89", "sip.session_expires_s: 89 s is below 90 s; 0 does not ask");
}

#[test]
fn dns_servers_are_few() {
    assert_eq!(load("[sip]\ndns_servers = \"192.0.2.53:53\"", &[]).sip.dns_servers.len(), 1);
    let four = "[\"192.0.2.1:53\", \"192.0.2.2:53\", \"192.0.2.3:53\", \"192.0.2.4:53\"]";
    check(&format!("[sip]\ndns_servers = {four}"), "sip.dns_servers: 4 are above 3");
}
