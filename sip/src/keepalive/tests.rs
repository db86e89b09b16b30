//! The watch over a target in virtual time.

#![allow(clippy::unwrap_used)]

use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::*;
use crate::message::{Method, Request, name};

#[allow(clippy::disallowed_methods)]
fn epoch() -> Instant {
    Instant::now()
}

/// Answers to one OPTIONS after the other (`-` cannot be sent, `late` comes never) -> the health after each.
fn check(answers: &str, expected: &str) {
    let mut random = StdRng::seed_from_u64(1);
    let start = epoch();
    let mut keepalive = Keepalive::new(start, Duration::from_secs(30));
    let mut said = Vec::new();
    let mut last = None;
    for word in answers.split_whitespace() {
        let now = keepalive.poll_timeout().unwrap();
        let gap = last.map_or(0.0, |last: Instant| (now - last).as_secs_f64());
        keepalive.handle_timeout(now, &mut random);
        assert_eq!(keepalive.poll_action(), Some(Action::Ask));
        let mut end = now;
        match word {
            "-" => keepalive.handle_unanswered(now, &mut random),
            "late" => {
                end = keepalive.poll_timeout().unwrap();
                assert_eq!(end - now, ANSWER_MAX);
                keepalive.handle_timeout(end, &mut random);
                assert_eq!(keepalive.poll_action(), Some(Action::Abandon));
            }
            status => {
                let (status, wait) = status.split_once('/').unwrap_or((status, ""));
                let request = Request::new(Method::OPTIONS, "sip:r".parse().unwrap());
                let mut response = Response::to_request(&request, StatusCode::new(status.parse().unwrap()).unwrap());
                if !wait.is_empty() {
                    response.headers.push(name::RETRY_AFTER, wait);
                }
                keepalive.handle_answer(now, &response, &mut random);
            }
        }
        said.push(format!("{:?}{}", keepalive.health(), if gap > 31.0 { "+" } else { "" }));
        last = Some(end);
    }
    assert_eq!(said.join(" "), expected, "{answers}");
}

#[test]
fn any_answer_shows_that_somebody_is_there() {
    check("200 404 405 403 483 401", "Up Up Up Up Up Up");
}

#[test]
fn a_target_is_down_after_two_failures_and_up_with_one_answer() {
    check("- 200 late 200 late - 200", "Unknown Up Up Up Up Down Up");
    check("503 408 503", "Unknown Down Down");
}

#[test]
fn a_busy_target_is_left_alone_as_long_as_it_wants() {
    check("503/120 503 200", "Unknown Down+ Up");
}

#[test]
fn a_target_without_interval_is_never_asked() {
    let keepalive = Keepalive::new(epoch(), Duration::ZERO);
    assert_eq!((keepalive.poll_timeout(), keepalive.health()), (None, Health::Unknown));
}

fn quiet(random: &mut StdRng, interval: u64) -> (Instant, Keepalive) {
    let (start, request) = (epoch(), Request::new(Method::OPTIONS, "sip:r".parse().unwrap()));
    let mut keepalive = Keepalive::new(start, Duration::from_secs(interval));
    if interval > 0 {
        keepalive.handle_timeout(start, random);
        keepalive.poll_action();
        keepalive.handle_answer(start, &Response::to_request(&request, StatusCode::OK), random);
        assert_eq!(keepalive.health(), Health::Up);
    }
    (start, keepalive)
}

#[test]
fn a_target_that_failed_a_call_is_asked_at_once_and_avoided_for_a_while() {
    let mut random = StdRng::seed_from_u64(1);
    let (start, mut keepalive) = quiet(&mut random, 300);
    keepalive.handle_call_failed(start, None);
    assert_eq!((keepalive.health(), keepalive.poll_timeout()), (Health::Failing, Some(start)));
    keepalive.handle_timeout(start, &mut random);
    assert_eq!(keepalive.poll_action(), Some(Action::Ask));
    let ok = Response::to_request(&Request::new(Method::OPTIONS, "sip:r".parse().unwrap()), StatusCode::OK);
    keepalive.handle_answer(start, &ok, &mut random);
    assert_eq!(keepalive.health(), Health::Failing, "who answers OPTIONS may take no calls");
    assert_eq!(keepalive.poll_timeout(), Some(start + AVOIDED_FOR));
    keepalive.handle_timeout(start + AVOIDED_FOR, &mut random);
    assert_eq!((keepalive.health(), keepalive.poll_action()), (Health::Up, None));
}

#[test]
fn two_failures_are_two_whoever_met_them() {
    let mut random = StdRng::seed_from_u64(1);
    let (start, mut keepalive) = quiet(&mut random, 300);
    keepalive.handle_call_failed(start, None);
    keepalive.handle_timeout(start, &mut random);
    keepalive.handle_unanswered(start, &mut random);
    assert_eq!(keepalive.health(), Health::Down);
    keepalive.handle_timeout(start + AVOIDED_FOR, &mut random);
    assert_eq!(keepalive.health(), Health::Down, "until it answers");
}

#[test]
fn who_wants_to_be_left_alone_is() {
    let mut random = StdRng::seed_from_u64(1);
    for interval in [0, 30] {
        let (start, mut keepalive) = quiet(&mut random, interval);
        keepalive.handle_call_failed(start, Some(Duration::from_secs(120)));
        keepalive.handle_call_failed(start + Duration::from_secs(1), None);
        assert_eq!(keepalive.health(), Health::Down);
        let end = start + Duration::from_secs(120);
        if interval == 0 {
            assert_eq!(keepalive.poll_timeout(), Some(end));
        }
        keepalive.handle_timeout(end - Duration::from_millis(1), &mut random);
        assert_eq!(keepalive.health(), Health::Down);
        keepalive.handle_timeout(end, &mut random);
        assert_eq!(keepalive.health(), if interval == 0 { Health::Unknown } else { Health::Up });
        // No word is believed for ever.
        keepalive.handle_call_failed(end, Some(Duration::from_secs(86_400)));
        keepalive.handle_timeout(end + Duration::from_secs(600), &mut random);
        assert_ne!(keepalive.health(), Health::Down);
        assert_eq!(keepalive.poll_timeout().is_none(), interval == 0);
    }
}
