//! What time it is somewhere: the tool `get_time`.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;

use super::ToolError;

/// [`time_in`] of now.
///
/// # Errors
/// As [`time_in`].
pub fn time_now(zone: Option<&str>) -> Result<String, ToolError> {
    time_in(Timestamp::now(), zone)
}

/// The time in an IANA time zone, as the model reads it; UTC when none is named.
///
/// # Errors
/// [`ToolError::Argument`]: there is no such zone.
pub fn time_in(now: Timestamp, zone: Option<&str>) -> Result<String, ToolError> {
    let name = zone.unwrap_or("UTC");
    let unknown = ToolError::Argument { name: "timezone", reason: "is not an IANA time zone, as Europe/Berlin" };
    let zone = TimeZone::get(name).map_err(|_| unknown)?;
    let name = zone.iana_name().unwrap_or(name).to_owned();
    let local = now.to_zoned(zone);
    Ok(json!({
        "ok": true,
        "timezone": name,
        "time": local.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
        "weekday": local.strftime("%A").to_string(),
    })
    .to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn check(at: &str, zone: Option<&str>, expected: &str) {
        let told = time_in(at.parse().unwrap(), zone).unwrap_or_else(|error| error.output());
        assert!(told.contains(expected), "{told} lacks {expected}");
    }

    #[test]
    fn the_time_is_told_as_clocks_there_show_it() {
        check("2026-07-01T12:00:00Z", None, r#""time":"2026-07-01T12:00:00+00:00","timezone":"UTC","weekday":"Wednesday""#);
        check("2026-07-01T23:30:00Z", Some("Europe/Berlin"), r#""time":"2026-07-02T01:30:00+02:00""#);
        check("2026-12-01T23:30:00Z", Some("europe/berlin"), r#""timezone":"Europe/Berlin","weekday":"Wednesday""#);
        check("2026-07-01T12:00:00Z", Some("Asia/Kathmandu"), "T17:45:00+05:45");
        check("2026-07-01T12:00:00Z", Some("Mars/Olympus"), "is not an IANA time zone");
        check("2026-07-01T12:00:00Z", Some("../../etc/passwd"), "is not an IANA time zone");
    }
}
