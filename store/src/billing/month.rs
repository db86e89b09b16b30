//! Months as they are billed: of the calendar, UTC.

use std::fmt;
use std::str::FromStr;

use ::time::{Date, Month, OffsetDateTime};

use crate::WallTime;

/// A month, UTC, counted from January 1970.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct BillingMonth(i64);

/// No month such as 2026-01.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("is no month such as 2026-01")]
pub struct BadMonth;

impl BillingMonth {
    /// The month that `at` lies in; outside of the years that the calendar knows, January 1970.
    #[must_use]
    pub fn of(at: WallTime) -> Self {
        let day = OffsetDateTime::from_unix_timestamp(at.micros().div_euclid(1_000_000)).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        Self((i64::from(day.year()) - 1970) * 12 + i64::from(u8::from(day.month())) - 1)
    }

    /// The one after it.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The one before it.
    #[must_use]
    pub fn previous(self) -> Self {
        Self(self.0 - 1)
    }

    /// Its first moment.
    #[must_use]
    pub fn begins(self) -> WallTime {
        let month = u8::try_from(self.0.rem_euclid(12) + 1).ok().and_then(|month| Month::try_from(month).ok());
        let year = i32::try_from(1970 + self.0.div_euclid(12)).ok();
        let first = year.zip(month).and_then(|(year, month)| Date::from_calendar_date(year, month, 1).ok());
        let seconds = first.map_or(0, |first| first.midnight().assume_utc().unix_timestamp());
        WallTime::from_micros(seconds * 1_000_000)
    }

    pub(crate) fn number(self) -> i64 {
        self.0
    }

    pub(crate) fn from_number(number: i64) -> Self {
        Self(number)
    }
}

impl fmt::Display for BillingMonth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", 1970 + self.0.div_euclid(12), self.0.rem_euclid(12) + 1)
    }
}

impl FromStr for BillingMonth {
    type Err = BadMonth;

    fn from_str(text: &str) -> Result<Self, BadMonth> {
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let (year, month) = text.split_once('-').filter(|(year, month)| digits(year) && digits(month)).ok_or(BadMonth)?;
        if year.len() != 4 || month.len() != 2 {
            return Err(BadMonth);
        }
        let (year, month): (i64, i64) = year.parse().ok().zip(month.parse().ok()).ok_or(BadMonth)?;
        if year < 1970 || !(1..=12).contains(&month) { Err(BadMonth) } else { Ok(Self((year - 1970) * 12 + month - 1)) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_month_begins_and_ends_at_midnight_utc() {
        for (inside, month) in [
            ("1970-01-01T00:00:00Z", "1970-01"),
            ("2026-11-30T23:59:59.999999Z", "2026-11"),
            ("2026-12-01T00:30:00+01:00", "2026-11"),
            ("2026-12-01T00:00:00Z", "2026-12"),
            ("2028-02-29T12:00:00Z", "2028-02"),
        ] {
            let at: WallTime = inside.parse().unwrap();
            let found = BillingMonth::of(at);
            assert_eq!(found.to_string(), month, "{inside}");
            assert_eq!(month.parse(), Ok(found));
            assert!(found.begins() <= at && at < found.next().begins(), "{inside}");
            assert_eq!(found.next().previous(), found);
        }
        assert_eq!("2026-12".parse::<BillingMonth>().unwrap().next().to_string(), "2027-01");
    }

    #[test]
    fn what_is_no_month_is_refused() {
        for text in ["", "2026", "2026-13", "2026-00", "2026-1", "26-01", "1969-12", "2026-01-01", "+026-01"] {
            assert_eq!(text.parse::<BillingMonth>(), Err(BadMonth), "{text}");
        }
    }
}
