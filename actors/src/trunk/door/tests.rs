//! Who is let in: visitors in, decisions out.

use sip::digest::{Credentials, DigestClient};
use sip::message::{Method, Response, StatusCode, name};

use super::super::config::{InboundAuth, InboundDigest};
use super::super::tests::trunk;
use super::*;

/// `name networks certificates password`, `-` for none.
fn trunks(rows: &[&str]) -> Vec<TrunkConfig> {
    let one = |row: &&str| {
        let words: Vec<&str> = row.split(' ').collect();
        let list = |text: &str| text.split(',').filter(|item| *item != "-").map(str::to_owned).collect::<Vec<_>>();
        let mut trunk = trunk(words[0]);
        trunk.inbound = InboundAuth {
            networks: list(words[1]).iter().map(|text| text.parse().expect("a network")).collect(),
            certificate_names: list(words[2]),
            digest: list(words[3]).first().map(|password| InboundDigest {
                credentials: Credentials::new(words[0], password.as_str()),
                algorithms: vec![Algorithm::Sha256, Algorithm::Md5],
            }),
        };
        trunk
    };
    rows.iter().map(one).collect()
}

fn invite() -> Request {
    Request::new(Method::INVITE, "sip:100@offhook.example".parse().expect("a URI"))
}

struct Bench {
    trunks: Vec<TrunkConfig>,
    door: Door,
    now: Instant,
}

impl Bench {
    fn new(rows: &[&str], accept_unknown: bool) -> Self {
        let now = Instant::now();
        Self { trunks: trunks(rows), door: Door::new(now, [1; 32], accept_unknown), now }
    }

    fn entry(&mut self, source: &str, names: &[String], invite: &Request) -> Entry {
        let visitor = Visitor { source: source.parse().expect("an address"), certificate_names: names, invite };
        self.door.judge(self.now, self.trunks.iter(), visitor)
    }

    /// One line for an INVITE from there, showing these names and, once challenged, this `user:password`.
    fn check(&mut self, source: &str, certificate: &str, password: &str, expected: &str) {
        let names: Vec<String> = certificate.split(',').map(str::to_owned).collect();
        let mut invite = invite();
        let mut said = Vec::new();
        let mut client = password.split_once(':').map(|(user, password)| DigestClient::new(Credentials::new(user, password)));
        for _ in 0..3 {
            match self.entry(source, &names, &invite) {
                Entry::Open(trunk) => {
                    said.push(trunk.map_or("stranger".to_owned(), |trunk| self.trunks[trunk].name.to_string()));
                    break;
                }
                Entry::Shut(reason) => {
                    said.push(reason.to_owned());
                    break;
                }
                Entry::Challenged(values) => {
                    said.push(format!("{}?", values.len()));
                    let mut response = Response::to_request(&invite, StatusCode::UNAUTHORIZED);
                    for value in values {
                        response.headers.push(name::WWW_AUTHENTICATE, value);
                    }
                    let Some(client) = client.as_mut() else { break };
                    if client.handle_challenge(&response).is_err() {
                        break;
                    }
                    client.authorize(&mut invite, "c");
                }
            }
        }
        assert_eq!(said.join(" "), expected, "{source} {certificate} {password}");
    }
}

#[test]
fn a_node_without_trunks_takes_everybody() {
    Bench::new(&[], false).check("8.8.8.8", "", "", "stranger");
}

#[test]
fn with_a_trunk_strangers_are_refused_unless_they_are_wanted() {
    for (accept, expected) in [(false, "unknown_peer"), (true, "stranger")] {
        let mut bench = Bench::new(&["a 203.0.113.0/24 - -"], accept);
        bench.check("203.0.113.9", "", "", "a");
        bench.check("203.0.114.9", "", "", expected);
    }
}

#[test]
fn the_narrowest_network_wins() {
    let mut bench = Bench::new(&["wide 203.0.113.0/24 - -", "host 203.0.113.7 - -", "same 203.0.113.7 - -"], false);
    bench.check("203.0.113.7", "", "", "host");
    bench.check("203.0.113.8", "", "", "wide");
}

#[test]
fn a_certificate_comes_before_an_address() {
    let mut bench = Bench::new(&["net 203.0.113.0/24 - -", "tls - sbc.example -", "both 203.0.113.9 sbd.example -"], false);
    bench.check("203.0.113.9", "SBC.example,x", "", "tls");
    bench.check("8.8.8.8", "sbc.example", "", "tls");
    bench.check("203.0.113.9", "sbd.example", "", "both");
    bench.check("203.0.113.8", "sbd.example", "", "net");
    bench.check("8.8.8.8", "sbd.example", "", "unknown_peer");
    // Without its certificate it is not that trunk, wherever it calls from.
    bench.check("203.0.113.9", "", "", "net");
}

#[test]
fn a_password_tells_who_calls() {
    let mut bench = Bench::new(&["a - - secret", "b - - other", "c 203.0.113.0/24 - third"], false);
    bench.check("8.8.8.8", "", "a:secret", "2? a");
    bench.check("8.8.8.8", "", "b:other", "2? b");
    bench.check("8.8.8.8", "", "b:secret", "2? 2? 2?");
    bench.check("8.8.8.8", "", "", "2?");
    // What has both must show both.
    bench.check("8.8.8.8", "", "c:third", "2? 2? 2?");
    bench.check("203.0.113.1", "", "c:third", "2? c");
    bench.check("203.0.113.1", "", "a:secret", "2? 2? 2?");
}

#[test]
fn where_strangers_are_wanted_they_are_not_asked() {
    let mut bench = Bench::new(&["a - - secret"], true);
    bench.check("8.8.8.8", "", "", "stranger");
}
