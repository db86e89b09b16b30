//! Requests outside of dialogs, and challenges of these, of INVITE and of BYE.

use super::*;
use crate::digest::{Algorithm, Credentials, DigestServer, Refusal};
use crate::flow::Transport::Udp;
use crate::message::Headers;

const REALM: &str = "carrier.example";
const CALLER: Flow = Flow {
    transport: Udp,
    local: std::net::SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 1)), 5060),
    remote: std::net::SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 9)), 5060),
};

/// A carrier that wants to know who asks: what it says to each request of ours.
struct Carrier {
    bench: Bench,
    server: DigestServer,
    credentials: Credentials,
    realm: &'static str,
}

impl Carrier {
    fn new() -> Self {
        let listener = Listener { transport: Udp, local: CALLER.local, host: "192.0.2.50".parse().unwrap() };
        let bench = Bench::new(EndpointConfig { listeners: vec![listener], ..EndpointConfig::default() }, Udp);
        let server = DigestServer::new(bench.now, [3; 32]);
        Self { bench, server, credentials: Credentials::new("alice", "secret"), realm: REALM }
    }

    /// Answers our last request of this method: a challenge until it is authorized, then the status.
    fn serve(&mut self, method: &str, status: u16, tag: &str) -> String {
        let request = &self.bench.sent[method];
        let (now, realm, alice) = (self.bench.now, self.realm, &self.credentials);
        let known = self.server.check(now, realm, request, |name| (name == alice.username()).then_some(alice));
        let mut response = match known {
            Ok(_) => Response::to_request(request, StatusCode::new(status).unwrap()),
            Err(refusal) => {
                let mut response = Response::to_request(request, StatusCode::UNAUTHORIZED);
                for value in self.server.challenge(now, realm, &[Algorithm::Sha256, Algorithm::Md5], refusal) {
                    response.headers.push(name::WWW_AUTHENTICATE, value);
                }
                response
            }
        };
        response.headers.set_to_tag(tag);
        response.headers.push(name::CONTACT, "<sip:bob@203.0.113.9:5060>");
        let text = String::from_utf8(response.to_bytes().to_vec()).unwrap();
        self.bench.receive(&text);
        format!("{} {}", response.status, self.bench.drain().join(" "))
    }

    fn register(&mut self, series: Series) -> RequestId {
        let aor: NameAddr = "<sip:alice@203.0.113.9>".parse().unwrap();
        let request = OutboundRequest {
            method: Method::REGISTER,
            request_uri: "sip:203.0.113.9".parse().unwrap(),
            next_hop: None,
            from: aor.clone(),
            to: aor,
            contact: Some("+49 30".into()),
            headers: vec![(name::EXPIRES, "60".into())],
        };
        let id = self.bench.endpoint.request(self.bench.now, request, series);
        assert_eq!(self.bench.drain().join(" "), "REGISTER");
        id
    }

    /// What the last REGISTER is told from others by.
    fn line(&self, method: &str) -> String {
        let headers = &self.bench.sent[method].headers;
        let nonces = headers.get(name::AUTHORIZATION).map(|value| value.split("nc=").nth(1).unwrap().to_owned());
        format!("{} {}", headers.get(name::CSEQ).unwrap(), nonces.unwrap_or_default())
    }

    fn call(&mut self) {
        assert_eq!(self.bench.run("invite"), "INVITE");
        let dialog = self.bench.dialog.clone().unwrap();
        self.bench.endpoint.authorize(&dialog, self.credentials.clone());
    }
}

fn call_id(headers: &Headers) -> String {
    headers.call_id().unwrap().to_owned()
}

#[test]
fn a_registration_is_challenged_once() {
    let mut carrier = Carrier::new();
    carrier.register(Series::new(Some(carrier.credentials.clone())));
    let first = carrier.bench.sent["REGISTER"].clone();
    assert_eq!(first.headers.get(name::CONTACT), Some("<sip:+49%2030@192.0.2.50:5060;transport=udp>"));
    assert_eq!(first.headers.get(name::EXPIRES), Some("60"));
    assert_eq!(carrier.line("REGISTER"), "1 REGISTER ");
    assert_eq!(carrier.serve("REGISTER", 200, "r"), "401 REGISTER");
    assert_eq!(carrier.line("REGISTER"), "2 REGISTER 00000001");
    let second = carrier.bench.sent["REGISTER"].headers.clone();
    for header in [name::CALL_ID, name::FROM, name::TO] {
        assert_eq!(second.get(header), first.headers.get(header), "{header}");
    }
    assert_ne!(second.top_via(), first.headers.top_via());
    assert_eq!(carrier.serve("REGISTER", 200, "r"), "200 Responded");
}

/// The events of a request, whole.
fn ended(bench: &mut Bench) -> (RequestId, Option<StatusCode>, Series) {
    match bench.endpoint.poll_event().unwrap() {
        Event::Responded { request, response, series } => (request, Some(response.status), *series),
        Event::Unanswered { request, series } => (request, None, *series),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_next_one_of_its_series_is_authorized_at_once() {
    let mut carrier = Carrier::new();
    let mut series = Series::new(Some(carrier.credentials.clone()));
    let mut told = Vec::new();
    for _ in 0..3 {
        let id = carrier.register(series);
        let (now, alice) = (carrier.bench.now, carrier.credentials.clone());
        let request = carrier.bench.sent["REGISTER"].clone();
        if let Err(refusal) = carrier.server.check(now, REALM, &request, |_| Some(&alice)) {
            assert_eq!(refusal, Refusal::Missing);
            assert_eq!(carrier.serve("REGISTER", 200, "r"), "401 REGISTER");
        }
        let ok = Response::to_request(&carrier.bench.sent["REGISTER"], StatusCode::OK);
        carrier.bench.receive(std::str::from_utf8(&ok.to_bytes()).unwrap());
        told.push(carrier.line("REGISTER"));
        let (request, status, next) = ended(&mut carrier.bench);
        assert_eq!((request, status), (id, Some(StatusCode::OK)));
        series = next;
    }
    assert_eq!(told, ["2 REGISTER 00000001", "3 REGISTER 00000002", "4 REGISTER 00000003"]);
}

#[test]
fn wrong_credentials_are_told_after_two_tries() {
    let mut carrier = Carrier::new();
    carrier.register(Series::new(Some(Credentials::new("alice", "wrong"))));
    let said: Vec<String> = (0..3).map(|_| carrier.serve("REGISTER", 200, "r")).collect();
    assert_eq!(said, ["401 REGISTER", "401 REGISTER", "401 Responded"]);
    carrier.bench.pass(Duration::from_secs(60));
    assert!(carrier.bench.endpoint.is_idle());
}

#[test]
fn without_credentials_a_challenge_is_the_answer() {
    let mut carrier = Carrier::new();
    carrier.register(Series::new(None));
    assert_eq!(carrier.serve("REGISTER", 200, "r"), "401 Responded");
}

#[test]
fn silence_and_what_cannot_be_sent_are_told() {
    let mut carrier = Carrier::new();
    carrier.register(Series::new(None));
    let log = carrier.bench.run("+32000");
    assert!(log.ends_with("32000:Unanswered"), "{log}");
    let id = carrier.register(Series::new(None));
    carrier.bench.endpoint.abandon(id);
    let log = carrier.bench.run("+32000");
    assert!(log.ends_with("28000:REGISTER") || log.ends_with("31500:REGISTER"), "nothing is told: {log}");
    assert!(carrier.bench.endpoint.is_idle());
    carrier.register(Series::new(None));
    assert_eq!(carrier.bench.run("gone"), "Unanswered");
    // Nobody here speaks that.
    let aor: NameAddr = "<sip:alice@203.0.113.9>".parse().unwrap();
    let request = OutboundRequest {
        method: Method::OPTIONS,
        request_uri: "sip:203.0.113.9;transport=sctp".parse().unwrap(),
        next_hop: None,
        from: aor.clone(),
        to: aor,
        contact: None,
        headers: Vec::new(),
    };
    carrier.bench.endpoint.request(carrier.bench.now, request, Series::new(None));
    assert_eq!(carrier.bench.drain().join(" "), "Unanswered");
}

#[test]
fn a_call_of_ours_is_challenged_and_so_is_its_end() {
    let mut carrier = Carrier::new();
    carrier.call();
    let first = call_id(&carrier.bench.sent["INVITE"].headers);
    assert_eq!(carrier.serve("INVITE", 200, "a"), "401 ACK INVITE");
    assert_eq!(carrier.line("INVITE"), "2 INVITE 00000001");
    assert_eq!(call_id(&carrier.bench.sent["INVITE"].headers), first);
    assert_eq!(carrier.bench.sent["INVITE"].headers.to().unwrap().tag(), None, "the refusal made no dialog");
    assert_eq!(carrier.serve("INVITE", 200, "b"), "200 ACK Answered");
    let (ack, invite) = (&carrier.bench.sent["ACK"].headers, &carrier.bench.sent["INVITE"].headers);
    assert_eq!(ack.get(name::AUTHORIZATION), invite.get(name::AUTHORIZATION), "an ACK cannot be challenged");
    assert_eq!(ack.get(name::CSEQ), Some("2 ACK"));
    // The nonce may have grown old in a long call.
    carrier.bench.now += Duration::from_secs(600);
    assert_eq!(carrier.bench.run("hangup"), "BYE");
    assert_eq!(carrier.line("BYE"), "3 BYE 00000002");
    assert_eq!(carrier.serve("BYE", 200, "b"), "401 BYE");
    assert_eq!(carrier.line("BYE"), "4 BYE 00000001");
    assert_eq!(carrier.serve("BYE", 200, "b"), "200 Terminated");
    carrier.bench.pass(Duration::from_secs(300));
    assert!(carrier.bench.endpoint.is_idle());
}

#[test]
fn a_call_that_is_given_up_is_not_sent_again() {
    let mut carrier = Carrier::new();
    carrier.call();
    assert_eq!(carrier.bench.run("hangup"), "");
    assert_eq!(carrier.serve("INVITE", 200, "a"), "401 ACK Terminated");
}

#[test]
fn a_call_with_wrong_credentials_is_refused() {
    let mut carrier = Carrier::new();
    carrier.credentials = Credentials::new("alice", "other");
    carrier.call();
    carrier.credentials = Credentials::new("alice", "secret");
    let said: Vec<String> = (0..3).map(|_| carrier.serve("INVITE", 200, "a")).collect();
    assert_eq!(said, ["401 ACK INVITE", "401 ACK INVITE", "401 ACK Refused:401 Terminated"]);
    carrier.bench.pass(Duration::from_secs(300));
    assert!(carrier.bench.endpoint.is_idle());
}

#[test]
fn a_call_that_came_can_be_ended_by_who_is_asked_for_a_password() {
    let mut carrier = Carrier::new();
    assert_eq!(carrier.bench.run("INVITE answer ACK"), "100 Invited | 200 | Confirmed");
    let dialog = carrier.bench.dialog.clone().unwrap();
    carrier.bench.endpoint.authorize(&dialog, carrier.credentials.clone());
    let snapshot = carrier.bench.endpoint.snapshot(&dialog).unwrap();
    // It outlives its endpoint with what it may show.
    let mut fresh = Carrier::new();
    fresh.bench.dialog = Some(fresh.bench.endpoint.restore(snapshot));
    assert_eq!(fresh.bench.run("hangup"), "BYE");
    assert_eq!(fresh.serve("BYE", 200, "alice"), "401 BYE");
    assert_eq!(fresh.serve("BYE", 200, "alice"), "200 Terminated");
}
