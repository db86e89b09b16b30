//! A point of calendar time, as the records keep it.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ::time::OffsetDateTime;
use ::time::format_description::well_known::Rfc3339;

/// Calendar time in microseconds since 1970 UTC. For records only: durations are measured with `Instant`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct WallTime(i64);

impl WallTime {
    /// The time now, by the system's clock.
    #[must_use]
    pub fn now() -> Self {
        SystemTime::now().into()
    }

    /// From microseconds since 1970 UTC.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970 UTC.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Time from `earlier` to this; zero when the clock was set back between the two.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl From<SystemTime> for WallTime {
    /// Times outside ±292,000 years of 1970 become 1970.
    fn from(at: SystemTime) -> Self {
        let micros = match at.duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_micros()),
            Err(before) => i64::try_from(before.duration().as_micros()).map(i64::wrapping_neg),
        };
        Self(micros.unwrap_or(0))
    }
}

/// No time by RFC 3339.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("is no time such as 2026-01-31T08:00:00Z")]
pub struct BadTime;

impl FromStr for WallTime {
    type Err = BadTime;

    fn from_str(text: &str) -> Result<Self, BadTime> {
        let at = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| BadTime)?;
        i64::try_from(at.unix_timestamp_nanos() / 1000).map(Self).map_err(|_| BadTime)
    }
}

impl fmt::Display for WallTime {
    /// RFC 3339 in UTC with microseconds; a time beyond the year 9999 shows as its number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown =
            OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1000).ok().and_then(|at| at.format(&Rfc3339).ok());
        match shown {
            Some(text) => f.write_str(&text),
            None => write!(f, "{} us", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(micros: i64, expected: &str) {
        assert_eq!(WallTime::from_micros(micros).to_string(), expected);
    }

    #[test]
    fn times_show_as_rfc_3339() {
        check(0, "1970-01-01T00:00:00Z");
        check(1_700_000_000_123_456, "2023-11-14T22:13:20.123456Z");
        check(-1_000_000, "1969-12-31T23:59:59Z");
        check(i64::MAX, "9223372036854775807 us");
    }

    #[test]
    fn times_are_read_in_every_zone() {
        for (text, micros) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2023-11-14T23:13:20.123456+01:00", Some(1_700_000_000_123_456)),
            ("2023-11-14", None),
            ("", None),
        ] {
            assert_eq!(text.parse().ok().map(WallTime::micros), micros, "{text}");
        }
    }

    #[test]
    fn a_clock_set_back_gives_zero() {
        let (early, late) = (WallTime::from_micros(5), WallTime::from_micros(1_000_005));
        assert_eq!(late.since(early), Duration::from_secs(1));
        assert_eq!(early.since(late), Duration::ZERO);
    }

    #[test]
    fn system_times_before_and_after_1970_convert() {
        let second = Duration::from_secs(1);
        assert_eq!(WallTime::from(UNIX_EPOCH + second).micros(), 1_000_000);
        assert_eq!(WallTime::from(UNIX_EPOCH - second).micros(), -1_000_000);
    }
}
