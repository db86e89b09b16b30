//! Calls in, what is told of them out.

use super::*;

fn config(hour_max: Option<u64>, day_max: Option<u64>, at_cap: AtCap) -> SpendConfig {
    let prices = [("+49", 10), ("+4915", 100), ("+1", 20), ("0800", 0)].map(|(prefix, price)| (prefix.to_owned(), price));
    SpendConfig { prices: prices.into(), hour_max, day_max, at_cap }
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(10_000 * 60 + seconds)
}

/// `30:call +49301` after so many seconds, `60:a 61` the first call (a) has lasted 61 s, `90:end a`, `90:sums` -> what each is told.
fn check(config: SpendConfig, steps: &str, expected: &str) {
    let mut purse = Purse::new(config, []);
    let mut fares: Vec<Option<Fare>> = Vec::new();
    let mut said = Vec::new();
    for step in steps.split(", ") {
        let (seconds, what) = step.split_once(':').expect("seconds:what");
        let now = at(seconds.parse().expect("seconds"));
        let (verb, rest) = what.split_once(' ').unwrap_or((what, ""));
        let place = |name: &str| usize::from(name.as_bytes()[0] - b'a');
        match verb {
            "call" => match purse.admit(now, rest) {
                Ok(fare) => {
                    said.push("ok".to_owned());
                    fares.push(fare);
                }
                Err(reason) => said.push(reason.label().to_owned()),
            },
            "end" => {
                purse.release(fares[place(rest)].as_mut().expect("it has a fare"));
            }
            "sums" => {
                let (hour, day) = purse.totals(now);
                said.push(format!("{hour}/{day}+{}", purse.held));
            }
            name => {
                let lasted = Duration::from_secs(rest.parse().expect("seconds"));
                let ends = purse.charge(now, fares[place(name)].as_mut().expect("it has a fare"), lasted);
                said.push(if ends { "end" } else { "on" }.to_owned());
            }
        }
    }
    assert_eq!(said.join(" "), expected, "{steps}");
}

#[test]
fn the_longest_prefix_has_the_price() {
    let capped = config(None, Some(1_000), AtCap::End);
    check(capped.clone(), "0:call +49301, 0:a 0, 0:sums", "ok on 10/10+0");
    check(capped.clone(), "0:call +491512, 0:a 0, 0:sums", "ok on 100/100+0");
    check(capped.clone(), "0:call +8821, 0:call 110", "spend_no_price spend_no_price");
    check(capped, "0:call 0800123, 0:a 7200, 0:sums", "ok on 0/0+0");
    assert!(Purse::new(SpendConfig::default(), []).admit(at(0), "+8821").is_ok_and(|fare| fare.is_none()));
}

#[test]
fn started_minutes_are_owed_and_unanswered_calls_owe_nothing() {
    let capped = config(None, Some(1_000), AtCap::End);
    check(capped.clone(), "0:call +49301, 9:sums, 9:end a, 9:sums", "ok 0/0+10 0/0+0");
    check(capped.clone(), "0:call +49301, 59:a 59, 60:a 60, 61:end a, 61:sums", "ok on on 20/20+0");
    // What was missed is owed all the same.
    check(capped, "0:call +49301, 300:a 299, 300:end a, 300:sums", "ok on 50/50+0");
}

#[test]
fn calls_that_ring_share_what_is_left() {
    let capped = config(Some(30), None, AtCap::End);
    check(
        capped.clone(),
        "0:call +49301, 0:call +49302, 0:call +49303, 0:call +49304, 1:end a, 1:call +49305",
        "ok ok ok spend_hour ok",
    );
    check(capped, "0:call +1555, 0:call +1555, 0:call +49301", "ok spend_hour ok");
}

#[test]
fn a_call_that_reaches_the_cap_is_ended_once_before_its_minute_is_over() {
    let capped = config(None, Some(20), AtCap::End);
    check(
        capped.clone(),
        "0:call +49301, 29:a 29, 30:a 30, 60:a 60, 89:a 89, 90:a 90, 91:a 91, 99:sums",
        "ok on on on on end on 20/20+0",
    );
    let lenient = SpendConfig { at_cap: AtCap::GoOn, ..capped.clone() };
    check(lenient, "0:call +49301, 90:a 90, 600:a 600, 600:sums, 600:call +49302", "ok on on 110/110+0 spend_day");
    // Nothing to be saved by ending a call that costs nothing.
    check(
        capped,
        "0:call +49301, 0:call +49302, 0:call 0800, 0:a 1, 0:b 1, 0:call +49303, 40:c 50",
        "ok ok ok on on spend_day on",
    );
}

#[test]
fn an_hour_and_a_day_slide() {
    let capped = config(Some(20), Some(40), AtCap::End);
    let steps = "0:call +1555, 0:a 1, 0:end a, 3599:call +49301, 3600:call +1555, 3600:b 1, 7100:sums, 7200:call +49302, 86399:call +49302, \
                 86400:call +49302";
    check(capped, steps, "ok on spend_hour ok on 20/40+0 spend_day spend_day ok");
}

#[test]
fn a_restart_goes_on_where_it_was() {
    let capped = config(None, Some(20), AtCap::End);
    let mut before = Purse::new(capped.clone(), []);
    let mut fare = before.admit(at(0), "+1555").expect("there is money").expect("it is capped");
    before.charge(at(0), &mut fare, Duration::ZERO);
    let kept = before.take_changed();
    assert_eq!(kept, [SpentMinute { minute: 10_000, micros: 20 }]);
    assert_eq!(before.take_changed(), []);
    let mut after = Purse::new(capped, kept);
    assert_eq!(after.admit(at(60), "+49301").err(), Some(Unaffordable::Day));
    assert_eq!(first_minute(at(0)), 10_000 - 1_439);
}

#[test]
fn a_call_talks_from_its_answer_to_its_end() {
    let (talk, start) = (Talk::default(), Instant::now());
    assert_eq!(talk.lasted(start), None);
    talk.answer(start);
    assert_eq!(talk.lasted(start + UNIT), Some(UNIT));
    talk.end(start + AHEAD);
    assert_eq!(talk.lasted(start + UNIT), Some(AHEAD));
}
