//! RFC 3263 as tables: a zone and a URI in, targets out; and what the locator remembers, in virtual time.
#![allow(clippy::unwrap_used)]

use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::*;

/// A line a record; names without the last dot.
const ZONE: &str = "
    full.example NAPTR 50 50 s SIP+D2U _sip._udp.full.example
    full.example NAPTR 20 50 s SIP+D2T _sip._tcp.full.example
    full.example NAPTR 10 50 s SIPS+D2T _sips._tcp.full.example
    full.example NAPTR 5 50 s SIP+D2S _sip._sctp.full.example
    full.example NAPTR 5 50 u E2U+sip _sip._udp.wrong.example
    _sip._udp.full.example SRV 10 0 5070 a.full.example
    _sip._udp.full.example SRV 5 0 5060 b.full.example
    _sip._tcp.full.example SRV 1 0 5080 a.full.example
    _sips._tcp.full.example SRV 1 0 5061 b.full.example
    a.full.example A 192.0.2.1
    a.full.example A 192.0.2.2
    b.full.example A 192.0.2.3
    b.full.example AAAA 2001:db8::3
    _sip._udp.srv.example SRV 1 0 5060 a.full.example
    _sip._tcp.srv.example SRV 1 0 5060 b.full.example
    plain.example A 192.0.2.9
    _sip._udp.off.example SRV 0 0 0 .
    off.example A 192.0.2.8
    six.example AAAA 2001:db8::6
";

const EVERYTHING: [(Transport, Family); 6] = [
    (Transport::Udp, Family::V4),
    (Transport::Udp, Family::V6),
    (Transport::Tcp, Family::V4),
    (Transport::Tcp, Family::V6),
    (Transport::Tls, Family::V4),
    (Transport::Tls, Family::V6),
];

fn record(question: &Question, line: &str) -> Option<(Option<Naptr>, Option<Srv>, Option<IpAddr>)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let number = |at: usize| words[at].parse().unwrap();
    let (kind, name) = match question {
        Question::A(name) => ("A", name),
        Question::Aaaa(name) => ("AAAA", name),
        Question::Naptr(name) => ("NAPTR", name),
        Question::Srv(name) => ("SRV", name),
    };
    if words.first() != Some(&name.as_str()) || words[1] != kind {
        return None;
    }
    Some(match kind {
        "NAPTR" => {
            let [flags, service, replacement] = [words[4], words[5], words[6]].map(str::to_owned);
            (Some(Naptr { order: number(2), preference: number(3), flags, service, replacement }), None, None)
        }
        "SRV" => (None, Some(Srv { priority: number(2), weight: number(3), port: number(4), target: words[5].to_owned() }), None),
        _ => (None, None, Some(words[2].parse().unwrap())),
    })
}

pub(crate) fn answer(zone: &str, question: &Question) -> Records {
    let rows: Vec<_> = zone.lines().filter_map(|line| record(question, line)).collect();
    let of_kind = match question {
        Question::Naptr(_) => Records::Naptr(rows.iter().filter_map(|row| row.0.clone()).collect()),
        Question::Srv(_) => Records::Srv(rows.iter().filter_map(|row| row.1.clone()).collect()),
        Question::A(_) | Question::Aaaa(_) => Records::Addresses(rows.iter().filter_map(|row| row.2).collect()),
    };
    if rows.is_empty() { Records::Nothing } else { of_kind }
}

fn shown(targets: &[Target]) -> String {
    let one = |target: &Target| format!("{} {}", target.transport.uri_name(), target.address);
    targets.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// The targets of a URI, and how many questions they took.
fn search(zone: &str, uri: &str, reach: &[(Transport, Family)], seed: u64) -> (String, usize) {
    let place = Place::of(&uri.parse().unwrap()).unwrap();
    let mut cache: HashMap<Question, Records> = HashMap::new();
    loop {
        match plan(&place, reach, &|question: &_| cache.get(question), seed) {
            Ok(targets) => return (shown(&targets), cache.len()),
            Err(questions) => {
                let answered = questions.into_iter().map(|question| (question.clone(), answer(zone, &question)));
                let answered: Vec<_> = answered.collect();
                cache.extend(answered);
            }
        }
    }
}

fn check(uri: &str, expected: &str) {
    assert_eq!(search(ZONE, uri, &EVERYTHING, 1).0, expected, "{uri}");
}

#[test]
fn an_address_needs_no_questions() {
    for (uri, expected) in [
        ("sip:192.0.2.1", "udp 192.0.2.1:5060"),
        ("sip:192.0.2.1:5070;transport=tcp", "tcp 192.0.2.1:5070"),
        ("sip:192.0.2.1;transport=TLS", "tls 192.0.2.1:5061"),
        ("sips:[2001:db8::1]", "tls [2001:db8::1]:5061"),
        ("sips:192.0.2.1;transport=tcp", "tls 192.0.2.1:5061"),
        ("sip:plain.example;maddr=192.0.2.7", "udp 192.0.2.7:5060"),
    ] {
        assert_eq!(search(ZONE, uri, &EVERYTHING, 1), (expected.to_owned(), 0), "{uri}");
    }
}

#[test]
fn a_transport_that_nobody_speaks_is_no_place() {
    for uri in ["sip:192.0.2.1;transport=sctp", "tel:+15550100", "urn:service:sos"] {
        assert_eq!(Place::of(&uri.parse().unwrap()), None, "{uri}");
    }
}

#[test]
fn naptr_says_which_transport_and_srv_which_host() {
    let tls = "tls 192.0.2.3:5061, tls [2001:db8::3]:5061";
    let rest = "tcp 192.0.2.1:5080, tcp 192.0.2.2:5080, udp 192.0.2.3:5060, udp [2001:db8::3]:5060, udp 192.0.2.1:5070, udp 192.0.2.2:5070";
    check("sip:a@Full.Example.", &format!("{tls}, {rest}"));
    check("sips:a@full.example", tls);
    // A port means addresses, a transport means SRV.
    check("sip:b.full.example:5090", "udp 192.0.2.3:5090, udp [2001:db8::3]:5090");
    check("sip:full.example;transport=tcp", "tcp 192.0.2.1:5080, tcp 192.0.2.2:5080");
}

#[test]
fn what_we_do_not_speak_is_neither_asked_for_nor_found() {
    let udp = [(Transport::Udp, Family::V4)];
    let (targets, questions) = search(ZONE, "sip:full.example", &udp, 1);
    assert_eq!(targets, "udp 192.0.2.3:5060, udp 192.0.2.1:5070, udp 192.0.2.2:5070");
    assert_eq!(questions, 4, "NAPTR, SRV and two hosts");
    assert_eq!(search(ZONE, "sips:full.example", &udp, 1).0, "");
    assert_eq!(search(ZONE, "sip:six.example", &udp, 1).0, "");
}

#[test]
fn without_naptr_the_srv_records_of_each_transport_count() {
    check("sip:srv.example", "udp 192.0.2.1:5060, udp 192.0.2.2:5060, tcp 192.0.2.3:5060, tcp [2001:db8::3]:5060");
}

#[test]
fn without_srv_the_host_itself_is_it() {
    check("sip:plain.example", "udp 192.0.2.9:5060");
    check("sips:plain.example", "tls 192.0.2.9:5061");
    check("sip:plain.example;transport=tcp", "tcp 192.0.2.9:5060");
    check("sip:six.example", "udp [2001:db8::6]:5060");
    check("sip:nowhere.example", "");
}

#[test]
fn a_service_that_is_off_has_no_hosts() {
    check("sip:off.example;transport=udp", "");
    check("sip:off.example", "");
    check("sip:off.example:5060", "udp 192.0.2.8:5060");
    // What is not off is there as ever.
    check("sip:off.example;transport=tcp", "tcp 192.0.2.8:5060");
    let other = "x.example A 192.0.2.7\n_sip._udp.y.example SRV 0 0 0 .\n_sip._udp.y.example SRV 1 0 5060 x.example";
    assert_eq!(search(other, "sip:y.example", &EVERYTHING, 1).0, "udp 192.0.2.7:5060");
}

#[test]
fn the_best_of_many_records_are_taken() {
    let many = |line: &dyn Fn(usize) -> String| (0..100).map(line).collect::<Vec<_>>().join("\n");
    // The best come last.
    let srv = many(&|row| format!("_sip._udp.d.example SRV {} 0 {} h.example", 100 - row, 5000 + row));
    let (targets, _) = search(&format!("{srv}\nh.example A 192.0.2.1"), "sip:d.example;transport=udp", &EVERYTHING, 1);
    let ports: Vec<String> = (5092..5100).rev().map(|port| format!("udp 192.0.2.1:{port}")).collect();
    assert_eq!(targets, ports.join(", "));
    let naptr = many(&|row| format!("d.example NAPTR {} 0 s SIP+D2U s{row}.example", 100 - row));
    let zone = format!("{naptr}\ns99.example SRV 0 0 5062 h.example\nh.example A 192.0.2.1");
    assert_eq!(search(&zone, "sip:d.example", &EVERYTHING, 1).0, "udp 192.0.2.1:5062");
}

#[test]
fn a_zone_cannot_make_us_ask_without_end() {
    let mut zone = String::new();
    for service in 0..20 {
        zone += &format!("d.example NAPTR 1 {service} s SIP+D2U s{service}.example\n");
        for host in 0..100 {
            zone += &format!("s{service}.example SRV 1 10 5060 h{service}-{host}.example\n");
        }
    }
    for seed in 0..20 {
        let (targets, questions) = search(&zone, "sip:d.example", &EVERYTHING, seed);
        assert_eq!((targets.as_str(), questions), ("", 1 + 4 + 2 * 8 + 2));
    }
}

#[test]
fn weights_are_shares() {
    let row = |weight, port| Srv { priority: 1, weight, port, target: "h".to_owned() };
    let rows = [row(0, 1), row(30, 2), row(70, 3)];
    let mut first = [0; 4];
    let mut random = StdRng::seed_from_u64(3);
    for _ in 0..10_000 {
        let ordered = records::in_order(rows.iter().collect(), &mut random);
        assert_eq!(ordered.len(), 3);
        first[usize::from(ordered[0].port)] += 1;
    }
    assert!((1..300).contains(&first[1]), "{first:?}");
    assert!((2_800..3_200).contains(&first[2]), "{first:?}");
    assert!((6_700..7_200).contains(&first[3]), "{first:?}");
}

/// A locator, its clock and its dice.
struct Bench {
    locator: Locator,
    now: Instant,
    random: StdRng,
}

impl Bench {
    #[allow(clippy::disallowed_methods)]
    fn new() -> Self {
        Self { locator: Locator::new(EVERYTHING.to_vec()), now: Instant::now(), random: StdRng::seed_from_u64(1) }
    }

    /// Searches, answers everything after `ttl`'s zone, and gives the targets and the questions that it took.
    fn locate(&mut self, zone: &str, uri: &str, ttl: u64) -> (String, usize) {
        let place = Place::of(&uri.parse().unwrap()).unwrap();
        self.locator.locate(self.now, 1, place, &mut self.random);
        let mut asked = 0;
        loop {
            if let Some((id, targets)) = self.locator.poll_found() {
                assert_eq!(id, 1);
                assert!(self.locator.is_idle() && self.locator.poll_timeout().is_none());
                return (shown(&targets), asked);
            }
            let question = self.locator.poll_question().expect("a question or an end");
            asked += 1;
            let records = answer(zone, &question);
            self.locator.handle_answer(self.now, question, records, Duration::from_secs(ttl));
        }
    }
}

#[test]
fn answers_are_kept_for_their_time_and_no_longer() {
    const OLD: &str = "h.example A 192.0.2.1";
    const NEW: &str = "h.example A 192.0.2.2";
    let mut bench = Bench::new();
    let uri = "sip:h.example:5060";
    assert_eq!(bench.locate(OLD, uri, 30), ("udp 192.0.2.1:5060".into(), 2));
    bench.now += Duration::from_secs(4);
    assert_eq!(bench.locate(NEW, uri, 30), ("udp 192.0.2.1:5060".into(), 0));
    bench.now += Duration::from_secs(26);
    assert_eq!(bench.locate(NEW, uri, 0), ("udp 192.0.2.2:5060".into(), 2));
    // A TTL of 0 is kept a moment, one of a week an hour.
    bench.now += Duration::from_secs(4);
    assert_eq!(bench.locate(OLD, uri, 0).1, 0);
    bench.now += Duration::from_secs(1);
    assert_eq!(bench.locate(OLD, uri, 604_800), ("udp 192.0.2.1:5060".into(), 2));
    bench.now += Duration::from_secs(3_599);
    assert_eq!(bench.locate(NEW, uri, 30), ("udp 192.0.2.1:5060".into(), 1), "that there is no AAAA was kept for a minute only");
    bench.now += Duration::from_secs(1);
    assert_eq!(bench.locate(NEW, uri, 30).0, "udp 192.0.2.2:5060");
}

#[test]
fn that_there_is_nothing_is_kept_too() {
    let mut bench = Bench::new();
    let uri = "sip:nowhere.example:5060";
    assert_eq!(bench.locate("", uri, 3_600), (String::new(), 2));
    bench.now += Duration::from_secs(59);
    assert_eq!(bench.locate("", uri, 3_600), (String::new(), 0));
    bench.now += Duration::from_secs(1);
    assert_eq!(bench.locate("", uri, 3_600), (String::new(), 2));
}

#[test]
fn a_target_that_failed_is_tried_last_for_a_minute() {
    const TWO: &str = "h.example A 192.0.2.1\nh.example A 192.0.2.2";
    let mut bench = Bench::new();
    let uri = "sip:h.example:5060";
    let failed = Target { transport: Transport::Udp, address: "192.0.2.1:5060".parse().unwrap() };
    bench.locator.handle_failure(bench.now, failed);
    assert_eq!(bench.locate(TWO, uri, 600).0, "udp 192.0.2.2:5060, udp 192.0.2.1:5060");
    bench.now += FAILED_FOR;
    assert_eq!(bench.locate(TWO, uri, 600).0, "udp 192.0.2.1:5060, udp 192.0.2.2:5060");
}

#[test]
fn nobody_waits_for_a_dns_that_does_not_answer() {
    let mut bench = Bench::new();
    let place = Place::of(&"sip:slow.example".parse().unwrap()).unwrap();
    bench.locator.locate(bench.now, 1, place.clone(), &mut bench.random);
    assert_eq!(bench.locator.poll_question(), Some(Question::Naptr("slow.example".into())));
    // Another search for the same asks nothing twice.
    bench.locator.locate(bench.now, 2, place.clone(), &mut bench.random);
    assert_eq!((bench.locator.poll_question(), bench.locator.poll_found()), (None, None));
    let late = bench.locator.poll_timeout().unwrap();
    assert_eq!(late, bench.now + SEARCH_TIME_MAX);
    bench.locator.handle_timeout(late);
    assert_eq!([bench.locator.poll_found(), bench.locator.poll_found()], [Some((1, vec![])), Some((2, vec![]))]);
    bench.locator.locate(late, 3, place, &mut bench.random);
    assert_eq!(bench.locator.poll_question(), Some(Question::Naptr("slow.example".into())));
}

#[test]
fn searches_and_answers_have_a_limit() {
    let mut bench = Bench::new();
    let place = |name: usize| Place::of(&format!("sip:h{name}.example:1").parse().unwrap()).unwrap();
    for id in 0..=SEARCHES_MAX {
        bench.locator.locate(bench.now, id as u64, place(id), &mut bench.random);
    }
    assert_eq!(bench.locator.poll_found(), Some((SEARCHES_MAX as u64, vec![])));
    for name in 0..2 * CACHE_MAX {
        let question = Question::A(format!("x{name}.example"));
        bench.locator.handle_answer(bench.now, question, Records::Nothing, Duration::ZERO);
    }
    assert_eq!(bench.locator.cache.len(), CACHE_MAX);
}
