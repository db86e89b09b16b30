//! Digest authentication, header in, header out: the examples of the RFCs, then both sides against each other.

#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use super::server::Refusal;
use super::*;
use crate::message::{Method, Request, Response, StatusCode, name};

const REALM: &str = "carrier.example";

fn request(method: &str, uri: &str) -> Request {
    Request::new(method.parse().unwrap(), uri.parse().unwrap())
}

fn challenged(status: StatusCode, header: &str, values: &[&str]) -> Response {
    let mut response = Response::to_request(&request("INVITE", "sip:x"), status);
    for value in values {
        response.headers.push(header, *value);
    }
    response
}

fn unauthorized(values: &[&str]) -> Response {
    challenged(StatusCode::UNAUTHORIZED, name::WWW_AUTHENTICATE, values)
}

/// The `response` of an RFC's example, whose requests are HTTP's.
fn check(proof: Proof<'_>, (username, password): (&str, &str), expected: &str) {
    assert_eq!(proof.response(&Credentials::new(username, password)), expected);
}

#[test]
fn rfc_2617_section_3_5() {
    let proof = Proof {
        algorithm: Algorithm::Md5,
        realm: "testrealm@host.com",
        nonce: "dcd98b7102dd2f0e8b11d0f600bfb0c093",
        counted: Some(("00000001", "0a4f113b")),
        method: "GET",
        uri: "/dir/index.html",
    };
    check(proof, ("Mufasa", "Circle Of Life"), "6629fae49393a05397450978507c4ef1");
}

/// With the erratum to RFC 2069: the example there was wrong.
#[test]
fn rfc_2069_section_2_4() {
    let proof = Proof {
        algorithm: Algorithm::Md5,
        realm: "testrealm@host.com",
        nonce: "dcd98b7102dd2f0e8b11d0f600bfb0c093",
        counted: None,
        method: "GET",
        uri: "/dir/index.html",
    };
    check(proof, ("Mufasa", "CircleOfLife"), "1949323746fe6a43ef61f9606e7febea");
}

#[test]
fn rfc_7616_section_3_9_1() {
    let proof = |algorithm| Proof {
        algorithm,
        realm: "http-auth@example.org",
        nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        counted: Some(("00000001", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ")),
        method: "GET",
        uri: "/dir/index.html",
    };
    let mufasa = ("Mufasa", "Circle of Life");
    check(proof(Algorithm::Md5), mufasa, "8ca523f5e9506fed4657c9700eebdbec");
    check(proof(Algorithm::Sha256), mufasa, "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1");
}

/// What an INVITE is authorized with after these challenges, response left out.
fn answered(values: &[&str]) -> String {
    let mut client = DigestClient::new(Credentials::new("alice", "secret"));
    if let Err(error) = client.handle_challenge(&unauthorized(values)) {
        return error.to_string();
    }
    let mut invite = request("INVITE", "sip:+4930@carrier.example");
    client.authorize(&mut invite, "c0ffee");
    let answer = invite.headers.get(name::AUTHORIZATION).unwrap().to_owned();
    let (before, after) = answer.split_once(", response=\"").unwrap();
    let (response, after) = after.split_once('"').unwrap();
    format!("{before}{after} ({})", response.len())
}

#[test]
fn answers_say_what_the_challenge_said() {
    assert_eq!(
        answered(&["Digest realm=\"r\", nonce=\"n\""]),
        "Digest username=\"alice\", realm=\"r\", nonce=\"n\", uri=\"sip:+4930@carrier.example\" (32)"
    );
    assert_eq!(
        answered(&["digest nonce=n,realm=\"r, s\",qop=\"auth-int, auth\",opaque=\"o\",algorithm=md5"]),
        "Digest username=\"alice\", realm=\"r, s\", nonce=\"n\", uri=\"sip:+4930@carrier.example\", algorithm=MD5, \
         cnonce=\"c0ffee\", qop=auth, nc=00000001, opaque=\"o\" (32)"
    );
}

/// RFC 8760 §2.4 has the server name the one it prefers first; we take the stronger one wherever it stands.
#[test]
fn sha_256_is_preferred() {
    let md5 = "Digest realm=\"r\", nonce=\"n\", algorithm=MD5";
    let sha = "Digest realm=\"r\", nonce=\"n\", algorithm=SHA-256";
    for both in [[md5, sha], [sha, md5]] {
        assert!(answered(&both).ends_with("algorithm=SHA-256 (64)"));
    }
}

#[test]
fn what_we_do_not_speak_is_not_answered() {
    let unknown = Unanswerable::Unknown.to_string();
    for value in [
        "Basic realm=\"r\"",
        "Digest realm=\"r\"",
        "Digest realm=\"r\", nonce=\"n\", algorithm=SHA-512-256",
        "Digest realm=\"r\", nonce=\"n\", algorithm=MD5-sess",
        "Digest realm=\"r\", nonce=\"n\", qop=\"auth-int\"",
        "Digest realm=\"r\", nonce=\"n\", nonce=\"m\"",
        "Digest realm=\"r\" nonce",
        "Digest",
        "",
    ] {
        assert_eq!(answered(&[value]), unknown, "{value}");
    }
    assert_eq!(answered(&[]), unknown);
    assert!(answered(&["Basic realm=\"r\"", "Digest realm=\"r\", nonce=\"n\""]).starts_with("Digest"));
}

#[test]
fn wrong_credentials_are_tried_twice() {
    let mut client = DigestClient::new(Credentials::new("alice", "secret"));
    let challenge = unauthorized(&["Digest realm=\"r\", nonce=\"n\""]);
    assert_eq!(client.handle_challenge(&challenge), Ok(()));
    assert_eq!(client.handle_challenge(&challenge), Ok(()), "the nonce may have been too old");
    assert_eq!(client.handle_challenge(&challenge), Err(Unanswerable::Refused));
    let mut next = request("REGISTER", "sip:r");
    client.authorize(&mut next, "c");
    assert_eq!(next.headers.get(name::AUTHORIZATION), None, "the next request begins anew");
}

#[test]
fn stale_nonces_are_no_failure_but_have_an_end() {
    let mut client = DigestClient::new(Credentials::new("alice", "secret"));
    let stale = unauthorized(&["Digest realm=\"r\", nonce=\"n\", stale=TRUE"]);
    let judged: Vec<bool> = (0..5).map(|_| client.handle_challenge(&stale).is_ok()).collect();
    assert_eq!(judged, [true, true, true, true, false]);
}

#[test]
fn a_proxy_and_its_server_are_both_answered() {
    let mut client = DigestClient::new(Credentials::new("alice", "secret"));
    let proxy = challenged(
        StatusCode::PROXY_AUTHENTICATION_REQUIRED,
        name::PROXY_AUTHENTICATE,
        &["Digest realm=\"p\", nonce=\"1\", qop=\"auth\""],
    );
    client.handle_challenge(&proxy).unwrap();
    client.handle_challenge(&unauthorized(&["Digest realm=\"s\", nonce=\"2\", qop=\"auth\""])).unwrap();
    let mut invite = request("INVITE", "sip:x");
    for count in ["nc=00000001", "nc=00000002"] {
        client.authorize(&mut invite, "c");
        for (header, realm) in [(name::PROXY_AUTHORIZATION, "\"p\""), (name::AUTHORIZATION, "\"s\"")] {
            let values: Vec<&str> = invite.headers.get_all(header).collect();
            assert!(matches!(values[..], [one] if one.contains(realm) && one.ends_with(count)), "{values:?}");
        }
    }
}

#[test]
fn credentials_do_not_print_themselves() {
    let credentials = Credentials::new("alice", "secret");
    let client = DigestClient::new(credentials.clone());
    let server = DigestServer::new(epoch(), [7; 32]);
    let text = format!("{credentials:?} {client:?} {server:?}");
    assert!(!text.contains("alice") && !text.contains("secret") && !text.contains("7, 7"), "{text}");
}

#[allow(clippy::disallowed_methods)]
fn epoch() -> Instant {
    Instant::now()
}

/// A server that knows alice, and what it says to requests.
struct Door {
    server: DigestServer,
    now: Instant,
    alice: Credentials,
    refusal: Refusal,
}

impl Door {
    fn new() -> Self {
        let now = epoch();
        Self {
            server: DigestServer::new(now, [9; 32]),
            now,
            alice: Credentials::new("alice", "secret"),
            refusal: Refusal::Missing,
        }
    }

    fn challenge(&mut self) -> Response {
        let values = self.server.challenge(self.now, REALM, &[Algorithm::Sha256, Algorithm::Md5], self.refusal);
        unauthorized(&values.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn judge(&mut self, request: &Request) -> String {
        let alice = &self.alice;
        let found = self.server.check(self.now, REALM, request, |name| Some(alice).filter(|alice| alice.username() == name));
        match found {
            Ok(credentials) => credentials.username().to_owned(),
            Err(refusal) => {
                self.refusal = refusal;
                format!("{refusal:?}")
            }
        }
    }

    /// An INVITE of somebody who answers a fresh challenge.
    fn knock(&mut self, username: &str, password: &str) -> Request {
        let mut client = DigestClient::new(Credentials::new(username, password));
        client.handle_challenge(&self.challenge()).unwrap();
        let mut invite = request("INVITE", "sip:+4930@offhook.example");
        client.authorize(&mut invite, "c");
        invite
    }
}

#[test]
fn who_shows_the_password_is_let_in() {
    let mut door = Door::new();
    assert_eq!(door.judge(&request("INVITE", "sip:+4930@offhook.example")), "Missing");
    for (username, password, expected) in
        [("alice", "secret", "alice"), ("alice", "Secret", "Wrong"), ("bob", "secret", "Wrong"), ("bob", "", "Wrong")]
    {
        let invite = door.knock(username, password);
        assert_eq!(door.judge(&invite), expected, "{username} {password}");
    }
}

#[test]
fn an_answer_counts_once() {
    let mut door = Door::new();
    let challenge = door.challenge();
    let mut client = DigestClient::new(Credentials::new("alice", "secret"));
    client.handle_challenge(&challenge).unwrap();
    let mut invites = Vec::new();
    for _ in 0..3 {
        let mut invite = request("INVITE", "sip:+4930@offhook.example");
        client.authorize(&mut invite, "c");
        invites.push(invite);
    }
    // They overtake each other.
    let judged = [1, 0, 1, 2, 0, 2].map(|index: usize| door.judge(&invites[index]));
    assert_eq!(judged, ["alice", "alice", "Replayed", "alice", "Replayed", "Replayed"]);
}

#[test]
fn old_nonces_are_stale_and_said_to_be() {
    let mut door = Door::new();
    let invite = door.knock("alice", "secret");
    let wrong = door.knock("alice", "wrong");
    door.now += Duration::from_secs(299);
    assert_eq!(door.judge(&invite), "alice");
    door.now += Duration::from_secs(1);
    assert_eq!(door.judge(&wrong), "Wrong", "who does not know the password learns nothing of nonces");
    assert_eq!(door.judge(&invite), "Stale");
    assert!(door.challenge().headers.get(name::WWW_AUTHENTICATE).unwrap().ends_with("stale=true"));
}

#[test]
fn nonces_of_another_run_are_stale() {
    let mut door = Door::new();
    let invite = door.knock("alice", "secret");
    door.server = DigestServer::new(door.now, [1; 32]);
    assert_eq!(door.judge(&invite), "Stale");
}

#[test]
fn an_answer_is_for_one_number_and_method() {
    let mut door = Door::new();
    let mut other = door.knock("alice", "secret");
    other.uri = "sip:+49900@offhook.example".parse().unwrap();
    assert_eq!(door.judge(&other), "Wrong");
    let mut other = door.knock("alice", "secret");
    other.method = Method::BYE;
    assert_eq!(door.judge(&other), "Wrong");
    // SIPp hashes the address alone.
    let mut client = DigestClient::new(Credentials::new("alice", "secret"));
    client.handle_challenge(&door.challenge()).unwrap();
    let mut bare = request("INVITE", "sip:127.0.0.1:5060");
    client.authorize(&mut bare, "c");
    bare.uri = "sip:+4930@127.0.0.1".parse().unwrap();
    assert_eq!(door.judge(&bare), "alice");
}

#[test]
fn uncounted_answers_are_refused() {
    let mut door = Door::new();
    let invite = door.knock("alice", "secret");
    let answer = invite.headers.get(name::AUTHORIZATION).unwrap().to_owned();
    for (from, to) in [(", qop=auth", ""), ("nc=00000001", "nc=1"), ("nc=00000001", "nc=+0000001"), ("nc=00000001, ", "")] {
        let mut old = invite.clone();
        old.headers.set(name::AUTHORIZATION, answer.replace(from, to).as_str());
        if answer.contains(from) {
            assert_eq!(door.judge(&old), "Wrong", "{from}");
        }
    }
}

#[test]
fn a_full_table_makes_the_oldest_stale() {
    let mut door = Door::new();
    let first = door.knock("alice", "secret");
    assert_eq!(door.judge(&first), "alice");
    let late = door.knock("alice", "secret");
    for _ in 0..NONCES_MAX + 1 {
        let invite = door.knock("alice", "secret");
        assert_eq!(door.judge(&invite), "alice");
    }
    // Forgotten, and not taken a second time for that.
    assert_eq!(door.judge(&first), "Stale");
    assert_eq!(door.judge(&late), "Stale");
    let invite = door.knock("alice", "secret");
    assert_eq!(door.judge(&invite), "alice");
}
