//! The guard in virtual time: a script of messages in, a line of verdicts back.
//!
//! ```text
//! 9:INVITE, 9:OPTIONS/sipcli    a message from 203.0.113.9, with a User-Agent
//! 9:BYE=a                       one with the Call-ID `a`; calls that are up are told with `up:a` and `over:a`
//! 9:INVITEx100                  so many of them, each with a Call-ID of its own; the verdicts are counted
//! +500                          so many milliseconds go by
//! ```

#![allow(clippy::unwrap_used)]

use super::*;

#[allow(clippy::disallowed_methods)]
fn epoch() -> Instant {
    Instant::now()
}

struct Bench {
    guard: Guard,
    now: Instant,
    calls: u32,
}

fn bench() -> Bench {
    let config = GuardConfig {
        known: vec!["192.0.2.0/24".parse().unwrap()],
        calls_per_source: 10,
        calls_per_known_source: 100,
        probes: 3,
        silence: Duration::from_secs(60),
    };
    let now = epoch();
    Bench { guard: Guard::new(now, config), now, calls: 0 }
}

impl Bench {
    fn judge(&mut self, source: &str, message: &str) -> &'static str {
        let address: IpAddr = match source.parse::<u8>() {
            Ok(last) => [203, 0, 113, last].into(),
            Err(_) => source.parse().unwrap(),
        };
        let (message, user_agent) = message.split_once('/').unwrap_or((message, "a phone"));
        self.calls += 1;
        let own = format!("own{}", self.calls);
        let (method, call_id) = message.split_once('=').unwrap_or((message, &own));
        let first = if method == "200" { "SIP/2.0 200 OK".into() } else { format!("{method} sip:us@192.0.2.1 SIP/2.0") };
        let text = format!("{first}\r\nVia: SIP/2.0/UDP x\r\nCall-ID: {call_id}\r\nUser-Agent: {user_agent}\r\n\r\n");
        match self.guard.judge(self.now, address, text.as_bytes()) {
            Verdict::Pass => "pass",
            Verdict::Shed => "503",
            Verdict::Drop(Unwanted::CallFlood) => "calls",
            Verdict::Drop(Unwanted::MessageFlood) => "messages",
            Verdict::Drop(Unwanted::Scanner) => "scanner",
            Verdict::Drop(Unwanted::Silenced) => "silenced",
        }
    }

    fn step(&mut self, step: &str) -> String {
        if let Some(milliseconds) = step.strip_prefix('+') {
            self.now += Duration::from_millis(milliseconds.parse().unwrap());
            return String::new();
        }
        let (who, what) = step.rsplit_once('@').or_else(|| step.split_once(':')).unwrap();
        match who {
            "up" => self.guard.learn_call(what),
            "over" => self.guard.forget_call(what),
            "nobody" => self.guard.count_probe(self.now, [203, 0, 113, what.parse().unwrap()].into()),
            _ => {
                let (message, times) = match what.rsplit_once('x') {
                    Some((message, times)) if times.parse::<u32>().is_ok() => (message, times.parse().unwrap()),
                    _ => return self.judge(who, what).to_owned(),
                };
                let mut counts: Vec<(&str, u32)> = Vec::new();
                for _ in 0..times {
                    let verdict = self.judge(who, message);
                    match counts.iter_mut().find(|(name, _)| *name == verdict) {
                        Some((_, count)) => *count += 1,
                        None => counts.push((verdict, 1)),
                    }
                }
                return counts.iter().map(|(name, count)| format!("{count} {name}")).collect::<Vec<_>>().join(", ");
            }
        }
        String::new()
    }
}

#[track_caller]
fn check(script: &str, expected: &str) {
    let mut bench = bench();
    let verdicts: Vec<_> = script.split_whitespace().map(|step| bench.step(step)).filter(|text| !text.is_empty()).collect();
    assert_eq!(verdicts.join(" | "), expected, "script {script:?}");
}

#[test]
fn a_stranger_calls_within_its_rate_and_is_told_to_come_back_above_it() {
    check("9:INVITEx20 9:INVITEx20 9:INVITEx5 8:INVITE", "20 pass | 20 503 | 5 calls | pass");
    check("9:INVITEx50 +1000 9:INVITEx50", "20 pass, 20 503, 10 calls | 10 pass, 10 503, 30 calls");
    // Slowly: for ever.
    check("9:INVITEx20 +2000 9:INVITEx20 +2000 9:INVITEx20", "20 pass | 20 pass | 20 pass");
}

#[test]
fn known_sources_have_a_rate_of_their_own_and_are_no_scanners() {
    check("192.0.2.7@INVITEx250", "200 pass, 50 503");
    check("192.0.2.7@OPTIONSx500 192.0.2.7@OPTIONS/sipvicious 192.0.2.7@REGISTER", "500 pass | pass | pass");
    check("::ffff:192.0.2.7@INVITEx21", "21 pass");
}

#[test]
fn all_503_together_are_bounded() {
    // Of known sources at 100 a second each: their 200 at once, and of the rest what 503 there is for all.
    check(
        "192.0.2.1@INVITEx350 192.0.2.2@INVITEx350 +1000 192.0.2.3@INVITEx350",
        "200 pass, 150 503 | 200 pass, 50 503, 100 calls | 200 pass, 100 503, 50 calls",
    );
}

#[test]
fn whoever_probes_gets_no_answer_after_some() {
    check("9:OPTIONS 9:REGISTER 9:SUBSCRIBE 9:OPTIONS 9:INVITE 8:OPTIONS", "pass | pass | pass | silenced | silenced | pass");
    check("9:OPTIONSx4 +59999 9:INVITE +1 9:INVITE", "3 pass, 1 silenced | silenced | pass");
    // A keepalive each 20 s is no probing.
    check("9:OPTIONS +20000 9:OPTIONS +20000 9:OPTIONS +20000 9:OPTIONS +20000 9:OPTIONS", "pass | pass | pass | pass | pass");
    // Nor are answers, and what ends a call that we do not know.
    check("9:200x50 9:BYEx30 9:ACKx20 9:INVITE", "50 pass | 30 pass | 20 pass | pass");
    // Calls to nobody here are.
    check("9:INVITE nobody:9 9:INVITE nobody:9 9:INVITE nobody:9 9:INVITE", "pass | pass | pass | silenced");
    check("nobody:9 +10000 nobody:9 +10000 nobody:9 9:INVITE", "pass");
}

#[test]
fn a_scanner_that_says_so_gets_no_answer_at_all() {
    check("9:OPTIONS/friendly-scanner 9:INVITE +60000 9:INVITE", "scanner | silenced | pass");
    check("9:INVITE/SIPVicious_0.3 8:REGISTER/sipcli_v1.8 7:INVITE/Linphone", "scanner | scanner | pass");
}

#[test]
fn no_sip_at_all_is_a_probe() {
    check("9:GET 9:\u{1}\u{2} 9:x 9:INVITE", "pass | pass | pass | silenced");
}

#[test]
fn what_belongs_to_a_call_always_passes() {
    check("up:a 9:INVITEx100 9:BYE=a 9:INVITE=a", "20 pass, 20 503, 60 calls | pass | pass");
    check("up:a 9:OPTIONSx5 9:BYE=a over:a 9:BYE=a", "3 pass, 2 silenced | pass | silenced");
    // Two dialogs of one Call-ID, as a fork makes them.
    check("up:a up:a over:a 9:OPTIONSx3 9:BYE=a over:a 9:BYE=a", "3 pass | pass | silenced");
    check("up:a 9:BYE/sipcli 9:INFO=a/sipcli", "scanner | pass");
}

#[test]
fn other_messages_have_a_rate_too() {
    check("9:BYEx250 +1000 9:BYEx150", "200 pass, 50 messages | 100 pass, 50 messages");
}

#[test]
fn an_ipv6_source_is_its_network() {
    check("2001:db8::1@INVITEx20 2001:db8::ffff@INVITE 2001:db8:0:1::1@INVITE", "20 pass | 503 | pass");
}

#[test]
fn sources_are_bounded_and_the_latest_are_kept() {
    let mut bench = bench();
    assert_eq!(bench.judge("9", "OPTIONS/sipvicious"), "scanner");
    for number in 0..3 * SOURCES_MAX as u32 {
        let address = IpAddr::from((0x0A00_0000 + number).to_be_bytes());
        assert_eq!(bench.guard.judge(bench.now, address, b"INVITE sip:x SIP/2.0\r\n\r\n"), Verdict::Pass);
        if number % 4_000 == 0 {
            assert_eq!(bench.judge("9", "INVITE"), "silenced", "after {number} others");
        }
        assert!(bench.guard.sources.len() <= 2 * SOURCES_MAX);
    }
    // Heard of no more, it is forgotten before long.
    for number in 0..2 * SOURCES_MAX as u32 {
        let address = IpAddr::from((0x0B00_0000 + number).to_be_bytes());
        bench.guard.judge(bench.now, address, b"INVITE sip:x SIP/2.0\r\n\r\n");
    }
    assert_eq!(bench.judge("9", "INVITE"), "pass");
}

#[test]
fn networks_are_read_and_compared_by_their_bits() {
    let contains = |network: &str, address: &str| network.parse::<Network>().unwrap().contains(address.parse().unwrap());
    assert!(contains("192.0.2.0/24", "192.0.2.255") && !contains("192.0.2.0/24", "192.0.3.0"));
    assert!(contains("192.0.2.7", "192.0.2.7") && !contains("192.0.2.7", "192.0.2.6"));
    assert!(contains("0.0.0.0/0", "203.0.113.9") && !contains("0.0.0.0/0", "2001:db8::1"));
    assert!(contains("2001:db8::/33", "2001:db8:7fff::1") && !contains("2001:db8::/33", "2001:db8:8000::1"));
    assert!(contains("192.0.2.0/25", "::ffff:192.0.2.1"));
    for wrong in ["", "192.0.2.0/33", "192.0.2.0/", "192.0.2/24", "2001:db8::/129", "example.com", "192.0.2.0/-1"] {
        assert_eq!(wrong.parse::<Network>(), Err(NotANetwork), "{wrong}");
    }
    assert_eq!("192.0.2.0/24".parse::<Network>().unwrap().to_string(), "192.0.2.0/24");
}
