//! Routes: a trunk and a wish in, the lines of the INVITE that it decides out.

use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::super::config::Rule;
use super::super::tests::trunk;
use super::*;

fn carrier() -> TrunkConfig {
    let target = |uri: &str, priority, weight| TrunkTarget { uri: uri.parse().expect("a URI"), priority, weight };
    let mut trunk = trunk("carrier");
    trunk.targets =
        vec![target("sip:b.example;transport=tls", 2, 1), target("sip:192.0.2.1:5070", 1, 3), target("sip:192.0.2.2", 1, 1)];
    trunk.allowed_prefixes = vec!["+49".into(), "+1".into()];
    trunk
}

fn find(trunk: &TrunkConfig, health: &[Health], asked: &Asked<'_>) -> Result<Route, NoRoute> {
    route(trunk, health, asked, &mut StdRng::seed_from_u64(5))
}

/// `From | To | headers`, or why not.
fn check(trunk: &TrunkConfig, asked: Asked<'_>, expected: &str) {
    let said = match find(trunk, &[], &asked) {
        Ok(route) => {
            let headers: Vec<String> = route.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
            format!("{} | {} | {}", route.from, route.to, headers.join(", "))
        }
        Err(reason) => reason.label().to_owned(),
    };
    assert_eq!(said, expected, "{asked:?}");
}

fn to(to: &str) -> Asked<'_> {
    Asked { to, from: Some("+493012"), ..Asked::default() }
}

#[test]
fn only_permitted_numbers_are_called() {
    let trunk = carrier();
    for (number, expected) in [
        ("+44 20 1", "prefix"),
        ("49 30 1", "prefix"),
        ("", "not_a_number"),
        ("1@evil.example", "not_a_number"),
        ("911", "emergency"),
        ("+911", "emergency"),
        ("urn:service:sos", "emergency"),
    ] {
        check(&trunk, to(number), expected);
    }
    check(&TrunkConfig { allowed_prefixes: Vec::new(), ..carrier() }, to("+49301"), "prefix");
    check(&trunk, Asked { from: Some("a b"), ..to("+49301") }, "not_a_caller");
}

#[test]
fn what_rewriting_makes_is_no_emergency_number() {
    let mut trunk = carrier();
    trunk.rewriting.outbound_called = vec![Rule { starts_with: "+49".into(), strip: 3, prefix: String::new() }];
    check(&trunk, to("+49112"), "emergency");
    trunk.emergency_numbers.clear();
    trunk.domain = Some("c.example".parse().expect("a host"));
    check(&trunk, to("+49112"), "<sip:+493012@c.example> | <sip:112@c.example> | ");
}

#[test]
fn who_calls_is_shown_as_the_trunk_wants_it() {
    let mut trunk = carrier();
    trunk.domain = Some("c.example".parse().expect("a host"));
    let named = Asked { display_name: Some("Dr. B"), ..to("+49301") };
    check(&trunk, named, "\"Dr. B\" <sip:+493012@c.example> | <sip:+49301@c.example> | ");
    trunk.identity.asserted = true;
    trunk.identity.from = FromPolicy::User;
    let asserted = "<sip:offhook@c.example> | <sip:+49301@c.example> | P-Asserted-Identity: <sip:+493012@c.example>";
    check(&trunk, to("+49301"), asserted);
    let hidden = Asked { anonymous: true, ..to("+49301") };
    let anonymous = "\"Anonymous\" <sip:anonymous@anonymous.invalid> | <sip:+49301@c.example> | \
                     P-Asserted-Identity: <sip:+493012@c.example>, Privacy: id";
    check(&trunk, hidden, anonymous);
    trunk.identity.privacy = PrivacyPolicy::Never;
    check(&trunk, hidden, asserted);
    trunk.identity.privacy = PrivacyPolicy::Always;
    check(&trunk, to("+49301"), anonymous);
    // Nobody said a number: the trunk's own, else the user.
    trunk.identity = carrier().identity;
    check(&trunk, Asked { from: None, ..to("+49301") }, "<sip:offhook@c.example> | <sip:+49301@c.example> | ");
    trunk.identity.number = Some("+49 30 99".into());
    check(&trunk, Asked { from: None, ..to("+49301") }, "<sip:+493099@c.example> | <sip:+49301@c.example> | ");
}

#[test]
fn only_listed_headers_are_sent() {
    let mut trunk = carrier();
    trunk.domain = Some("c.example".parse().expect("a host"));
    trunk.headers = vec!["X-Account".into()];
    let headers = [("x-account", "7"), ("Route", "<sip:evil.example>")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    check(&trunk, Asked { headers: &headers, ..to("+49301") }, "<sip:+493012@c.example> | <sip:+49301@c.example> | x-account: 7");
}

/// The hops with this health of the targets (`u`p, `d`own, `?`), in most cases first drawn.
fn hops_of(trunk: &TrunkConfig, health: &str) -> String {
    let health: Vec<Health> = health
        .chars()
        .map(|letter| match letter {
            'u' => Health::Up,
            'd' => Health::Down,
            _ => Health::Unknown,
        })
        .collect();
    match find(trunk, &health, &to("+49301")) {
        Ok(route) => route.hops.iter().map(|hop| hop.next_hop.to_string()).collect::<Vec<_>>().join(" "),
        Err(reason) => reason.to_string(),
    }
}

#[test]
fn targets_that_are_down_are_left_out() {
    let trunk = carrier();
    assert_eq!(hops_of(&trunk, "udu"), "sip:192.0.2.2 sip:b.example;transport=tls");
    assert_eq!(hops_of(&trunk, "ud?"), "sip:192.0.2.2 sip:b.example;transport=tls");
    assert_eq!(hops_of(&trunk, "udd"), "sip:b.example;transport=tls");
    assert_eq!(hops_of(&trunk, "ddd"), "all targets of the trunk are down");
    assert_eq!(hops_of(&TrunkConfig { targets: Vec::new(), ..carrier() }, ""), "all targets of the trunk are down");
}

#[test]
fn weights_share_the_calls() {
    let trunk = carrier();
    let mut random = StdRng::seed_from_u64(1);
    let mut first = [0; 2];
    for _ in 0..1_000 {
        let route = route(&trunk, &[], &to("+49301"), &mut random).expect("a route");
        assert_eq!(route.hops.len(), 3);
        assert_eq!(route.hops[2].next_hop.to_string(), "sip:b.example;transport=tls", "a lower priority is last");
        first[usize::from(route.hops[0].next_hop.to_string() == "sip:192.0.2.2")] += 1;
    }
    // 3 to 1; five standard deviations are 70.
    assert!((680..=820).contains(&first[0]), "{first:?}");
}

#[test]
fn the_request_uri_names_the_target_or_the_domain() {
    let mut trunk = carrier();
    let uris = |trunk: &TrunkConfig| {
        let route = find(trunk, &[Health::Up, Health::Up, Health::Down], &to("+49 (30) 1")).expect("a route");
        route.hops.iter().map(|hop| hop.request_uri.to_string()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(uris(&trunk), "sip:+49301@192.0.2.1:5070 sip:+49301@b.example;transport=tls");
    trunk.domain = Some("c.example".parse().expect("a host"));
    assert_eq!(uris(&trunk), "sip:+49301@c.example sip:+49301@c.example;transport=tls");
}
