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
