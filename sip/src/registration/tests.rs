//! Registrations in virtual time: answers in, what is sent when out.

#![allow(clippy::unwrap_used)]

use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::*;
use crate::message::{Method, Request};

#[allow(clippy::disallowed_methods)]
fn epoch() -> Instant {
    Instant::now()
}

fn answer(text: &str) -> Response {
    let (status, headers) = text.split_once(' ').unwrap_or((text, ""));
    let request = Request::new(Method::REGISTER, "sip:r".parse().unwrap());
    let mut response = Response::to_request(&request, StatusCode::new(status.parse().unwrap()).unwrap());
    for header in headers.split('|').filter(|header| !header.is_empty()) {
        let (name, value) = header.split_once(':').unwrap();
        response.headers.push(name.trim(), value.trim());
    }
    response
}

/// Each REGISTER gets the next answer, `-` none: what was asked for, after how long, within which range of seconds.
fn check(wanted: u64, steps: &[(&str, u64, std::ops::RangeInclusive<f64>)]) -> Registration {
    let mut random = StdRng::seed_from_u64(1);
    let mut now = epoch();
    let mut registration = Registration::new(now, Duration::from_secs(wanted));
    let mut last = now;
    for (said, asked, after) in steps {
        if let Some(due) = registration.poll_timeout() {
            now = due;
            registration.handle_timeout(now);
        }
        assert_eq!(registration.poll_register(), Some(Duration::from_secs(*asked)), "before {said}");
        assert_eq!(registration.poll_register(), None);
        let waited = (now - last).as_secs_f64();
        assert!(after.contains(&waited), "{waited} s before {said}");
        last = now;
        match *said {
            "-" => registration.handle_unanswered(now, &mut random),
            said => registration.handle_answer(now, &answer(said), "alice", &mut random),
        }
    }
    registration
}

#[test]
fn a_registration_is_refreshed_before_its_end() {
    check(
        3600,
        &[("200 Expires: 3600", 3600, 0.0..=0.0), ("200 Expires: 60", 3600, 3182.0..=3536.0), ("200", 3600, 27.0..=30.0)],
    );
    // The registrar decides, beside our Contact or for all.
    let both = "200 Contact: <sip:bob@x>;expires=9|Contact: <sip:alice@y>;expires=120|Expires: 20";
    check(3600, &[(both, 3600, 0.0..=0.0), ("200", 3600, 54.0..=60.0)]);
}

#[test]
fn a_longer_interval_is_taken_at_once() {
    check(60, &[("423 Min-Expires: 300", 60, 0.0..=0.0), ("200", 300, 0.0..=0.0), ("200", 300, 212.0..=236.0)]);
    // A registrar that is never content is not asked in a circle.
    check(60, &[("423 Min-Expires: 60", 60, 0.0..=0.0), ("200", 60, 2.5..=5.0)]);
    check(60, &[("423", 60, 0.0..=0.0), ("200", 60, 2.5..=5.0)]);
    check(60, &[("423 Min-Expires: 99999999", 60, 0.0..=0.0), ("200", 60, 2.5..=5.0)]);
}

#[test]
fn failures_are_tried_again_later_and_later() {
    let steps = [
        ("-", 60, 0.0..=0.0),
        ("503", 60, 2.5..=5.0),
        ("-", 60, 5.0..=10.0),
        ("-", 60, 10.0..=20.0),
        ("200", 60, 20.0..=40.0),
        ("-", 60, 27.0..=30.0),
        ("-", 60, 2.5..=5.0),
    ];
    check(60, &steps);
    check(60, &[("503 Retry-After: 90", 60, 0.0..=0.0), ("200", 60, 90.0..=90.0)]);
    check(60, &[("403", 60, 0.0..=0.0), ("200", 60, 300.0..=300.0)]);
    check(60, &[("401", 60, 0.0..=0.0), ("200", 60, 300.0..=300.0)]);
    check(60, &[("503 Retry-After: 999999", 60, 0.0..=0.0), ("200", 60, 86400.0..=86400.0)]);
}

#[test]
fn a_failed_refresh_leaves_what_is_left_of_the_registration() {
    let mut random = StdRng::seed_from_u64(1);
    let start = epoch();
    let after = |seconds| start + Duration::from_secs(seconds);
    let mut registration = Registration::new(start, Duration::from_secs(100));
    assert!(!registration.is_registered(start));
    registration.handle_answer(start, &answer("200"), "alice", &mut random);
    registration.handle_answer(after(50), &answer("500"), "alice", &mut random);
    assert!(registration.is_registered(after(99)));
    assert_eq!(registration.failure(), Some(&Failure::Refused(StatusCode::SERVER_INTERNAL_ERROR)));
    assert!(!registration.is_registered(after(100)));
    // Nothing granted is no registration.
    registration.handle_answer(after(101), &answer("200 Expires: 0"), "alice", &mut random);
    assert!(!registration.is_registered(after(101)));
    assert!(registration.poll_timeout().unwrap() > after(101), "nor is it asked for without a pause");
}

#[test]
fn who_leaves_is_forgotten_and_asks_no_more() {
    let mut registration = check(60, &[("200", 60, 0.0..=0.0)]);
    registration.leave();
    assert_eq!(registration.poll_register(), Some(Duration::ZERO));
    let mut random = StdRng::seed_from_u64(1);
    assert!(registration.is_registered(epoch()), "until the registrar says so");
    registration.handle_answer(epoch(), &answer("503"), "alice", &mut random);
    assert!(!registration.is_registered(epoch()));
    registration.handle_unanswered(epoch(), &mut random);
    assert_eq!((registration.poll_timeout(), registration.poll_register()), (None, None));
    // Who was not there need not leave.
    let mut registration = check(60, &[("503", 60, 0.0..=0.0)]);
    registration.leave();
    assert_eq!((registration.poll_timeout(), registration.poll_register()), (None, None));
}
