//! When somebody may be called: windows of the week, by the clock on their wall.

use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use store::WallTime;

/// A span of some days of the week. One that ends no later than it begins goes over midnight, and belongs to the day on which it begins.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Window {
    /// On which days it begins.
    pub days: Vec<Weekday>,
    /// The first minute.
    pub from: Time,
    /// The minute at which it is over.
    pub until: Time,
}

/// Whether somebody may be called.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Opening {
    /// Now.
    Now,
    /// Not before this.
    At(WallTime),
    /// At no time: there is no window, or none that a clock of that zone shows within two weeks.
    Never,
}

/// Days ahead that are looked at: a window that falls into the hour that a change of clocks leaves out comes again a week later.
const DAYS_AHEAD: i64 = 14;

impl Window {
    fn holds(&self, day: Weekday, at: Time) -> bool {
        let overnight = self.until <= self.from;
        let begun = self.days.contains(&day) && at >= self.from && (overnight || at < self.until);
        let of_yesterday = overnight && self.days.contains(&day.previous()) && at < self.until;
        begun || of_yesterday
    }
}

/// Whether somebody whose clock is in `zone` may be called at `now`.
///
/// Only what that clock shows counts: in the hour that comes twice in autumn a window is open twice, and one that lies in the hour that
/// is left out in spring stays shut on that day.
#[must_use]
pub fn opening(windows: &[Window], zone: &TimeZone, now: WallTime) -> Opening {
    let Ok(at) = Timestamp::from_microsecond(now.micros()) else { return Opening::Never };
    if is_open(windows, zone, at) {
        return Opening::Now;
    }
    let today = zone.to_datetime(at).date();
    let mut next: Option<Timestamp> = None;
    for ahead in 0..=DAYS_AHEAD {
        let Ok(date) = today.checked_add(Span::new().days(ahead)) else { break };
        let begin = windows.iter().filter(|window| window.days.contains(&date.weekday()));
        let begins = begin.filter_map(|window| zone.to_ambiguous_timestamp(date.to_datetime(window.from)).compatible().ok());
        let first = begins.filter(|begin| *begin > at && is_open(windows, zone, *begin)).min();
        next = first;
        if next.is_some() {
            break;
        }
    }
    next.map_or(Opening::Never, |next| Opening::At(WallTime::from_micros(next.as_microsecond())))
}

fn is_open(windows: &[Window], zone: &TimeZone, at: Timestamp) -> bool {
    let local = zone.to_datetime(at);
    windows.iter().any(|window| window.holds(local.date().weekday(), local.time()))
}

/// `09:00`, to the minute; `24:00` is midnight at the end of a day.
///
/// # Errors
/// What is wrong with it.
pub fn time(text: &str) -> Result<Time, &'static str> {
    const WRONG: &str = "is not a time such as 09:30";
    let (hour, minute) = text.split_once(':').filter(|_| text.len() == 5).ok_or(WRONG)?;
    let number = |part: &str| part.parse::<i8>().ok().filter(|_| part.bytes().all(|byte| byte.is_ascii_digit()));
    match (number(hour), number(minute)) {
        (Some(24), Some(0)) => Ok(Time::midnight()),
        (Some(hour), Some(minute)) => Time::new(hour, minute, 0, 0).map_err(|_| WRONG),
        _ => Err(WRONG),
    }
}

/// `mon` to `sun`.
#[must_use]
pub fn day(word: &str) -> Option<Weekday> {
    let place = DAYS.iter().position(|day| *day == word)?;
    Weekday::from_monday_zero_offset(i8::try_from(place).ok()?).ok()
}

/// The days as they are written.
pub const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// The word of a day.
#[must_use]
pub fn word(day: Weekday) -> &'static str {
    DAYS[usize::try_from(day.to_monday_zero_offset()).unwrap_or(0) % DAYS.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(days: &str, from: &str, until: &str) -> Window {
        let days = days.split(' ').map(|word| day(word).expect("a day")).collect();
        Window { days, from: time(from).expect("a time"), until: time(until).expect("a time") }
    }

    /// What is open at a time of UTC.
    fn check(windows: &[Window], zone: &str, now: &str, expected: &str) {
        let zone = TimeZone::get(zone).expect("a zone");
        let shown = match opening(windows, &zone, now.parse().expect("a time")) {
            Opening::Now => "now".to_owned(),
            Opening::At(at) => at.to_string(),
            Opening::Never => "never".to_owned(),
        };
        assert_eq!(shown, expected, "{now}");
    }

    const WORK: &str = "mon tue wed thu fri";

    #[test]
    fn it_is_the_callees_clock_that_counts() {
        let work = [window(WORK, "09:00", "18:00")];
        check(&work, "Europe/Berlin", "2026-11-23T08:00:00Z", "now");
        check(&work, "Europe/Berlin", "2026-11-23T07:59:59Z", "2026-11-23T08:00:00Z");
        check(&work, "America/New_York", "2026-11-23T08:00:00Z", "2026-11-23T14:00:00Z");
        check(&work, "Europe/Berlin", "2026-11-23T17:00:00Z", "2026-11-24T08:00:00Z");
        check(&work, "Europe/Berlin", "2026-11-27T17:00:00Z", "2026-11-30T08:00:00Z");
        check(&[], "Europe/Berlin", "2026-11-27T17:00:00Z", "never");
    }

    #[test]
    fn a_window_over_midnight_belongs_to_the_day_it_begins_on() {
        let late = [window("fri", "22:00", "02:00")];
        check(&late, "UTC", "2026-11-27T22:00:00Z", "now");
        check(&late, "UTC", "2026-11-28T01:59:00Z", "now");
        check(&late, "UTC", "2026-11-28T02:00:00Z", "2026-12-04T22:00:00Z");
        check(&late, "UTC", "2026-11-27T01:00:00Z", "2026-11-27T22:00:00Z");
        let always = [window("mon tue wed thu fri sat sun", "00:00", "24:00")];
        check(&always, "UTC", "2026-11-28T02:00:00Z", "now");
    }

    #[test]
    fn clocks_that_change_open_what_they_show() {
        // In Berlin, 29 March 2026: 02:00 is 03:00. Within the gap nothing opens, after it the clock counts.
        let gap = [window("sun", "02:15", "02:45")];
        check(&gap, "Europe/Berlin", "2026-03-28T23:30:00Z", "2026-04-05T00:15:00Z");
        let over = [window("sun", "02:30", "04:00")];
        check(&over, "Europe/Berlin", "2026-03-29T00:59:00Z", "2026-03-29T01:30:00Z");
        check(&over, "Europe/Berlin", "2026-03-29T01:30:00Z", "now");
        check(&over, "Europe/Berlin", "2026-03-29T02:00:00Z", "2026-04-05T00:30:00Z");
        // 25 October 2026: 02:00 to 03:00 comes twice.
        let twice = [window("sun", "02:00", "02:30")];
        check(&twice, "Europe/Berlin", "2026-10-25T00:10:00Z", "now");
        check(&twice, "Europe/Berlin", "2026-10-25T01:10:00Z", "now");
        check(&twice, "Europe/Berlin", "2026-10-25T01:40:00Z", "2026-11-01T01:00:00Z");
        // Nine in the morning is another hour of UTC from that day on.
        let work = [window(WORK, "09:00", "18:00")];
        check(&work, "Europe/Berlin", "2026-10-23T20:00:00Z", "2026-10-26T08:00:00Z");
        check(&work, "Europe/Berlin", "2026-10-22T20:00:00Z", "2026-10-23T07:00:00Z");
    }

    #[test]
    fn times_are_to_the_minute() {
        for wrong in ["9:00", "09:60", "25:00", "24:01", "0900", "-1:00", "+9:00", "09:00:00", ""] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
        assert_eq!(time("24:00"), Ok(Time::midnight()));
    }
}
