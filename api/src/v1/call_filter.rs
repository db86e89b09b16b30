//! Which calls of a list are asked for.

use std::collections::HashMap;
use std::str::FromStr;

use axum::extract::{FromRequestParts, Query};
use axum::http::StatusCode;
use axum::http::request::Parts;
use store::{CallFilter, CallStatus, Direction, Page, PhoneNumber};
use utoipa::IntoParams;

use super::lists::page;
use crate::problem::Problem;

/// Longest number or name that is looked for: what a call may have.
const TEXT_MAX: usize = 384;
const KNOWN: &str = "is not known; there are limit, cursor, status, direction, from, to, assistant, since, until";
const TIME: &str = "is no time such as 2026-01-31T08:00:00Z";

/// Which part of the calls is asked for, and which calls.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code)]
pub(super) struct CallsPart {
    /// Most rows of the answer.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// `next_cursor` of the part before.
    #[param(max_length = 64)]
    cursor: Option<String>,
    /// dialing, ringing, answered or ended.
    status: Option<String>,
    /// inbound or outbound.
    direction: Option<String>,
    /// Who called, to the letter.
    #[param(max_length = 384)]
    from: Option<String>,
    /// Who was called, to the letter.
    #[param(max_length = 384)]
    to: Option<String>,
    /// Who answered or talks, by name.
    #[param(max_length = 384)]
    assistant: Option<String>,
    /// They began then or later (RFC 3339).
    since: Option<String>,
    /// They began before.
    until: Option<String>,
}

/// What a request for calls asks for.
pub(super) struct CallsAsked {
    pub(super) page: Page,
    pub(super) filter: CallFilter,
}

impl<S: Send + Sync> FromRequestParts<S> for CallsAsked {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let given = Query::<HashMap<String, String>>::from_request_parts(parts, state).await;
        let Query(given) = given.map_err(|error| Problem::new(StatusCode::BAD_REQUEST, error.body_text()))?;
        read(given)
    }
}

fn read(mut given: HashMap<String, String>) -> Result<CallsAsked, Problem> {
    let mut wrong = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "the list cannot be asked for like this");
    let page = page(&mut given, &mut wrong);
    let statuses = words(CallStatus::ALL.iter().map(|status| status.as_str()));
    let directions = words(Direction::ALL.iter().map(|direction| direction.as_str()));
    let filter = CallFilter {
        status: take(&mut given, "status", &statuses, &mut wrong),
        direction: take(&mut given, "direction", &directions, &mut wrong),
        from: text(&mut given, "from", &mut wrong).map(PhoneNumber::new),
        to: text(&mut given, "to", &mut wrong).map(PhoneNumber::new),
        assistant: text(&mut given, "assistant", &mut wrong),
        since: take(&mut given, "since", TIME, &mut wrong),
        until: take(&mut given, "until", TIME, &mut wrong),
    };
    for name in given.keys() {
        wrong.add(name, KNOWN);
    }
    if wrong.has_fields() { Err(wrong) } else { Ok(CallsAsked { page, filter }) }
}

fn words(words: impl Iterator<Item = &'static str>) -> String {
    format!("is not one of {}", words.collect::<Vec<_>>().join(", "))
}

/// Takes a value out of what is given; what cannot be read is told with `reason`.
pub(super) fn take<T: FromStr>(given: &mut HashMap<String, String>, name: &str, reason: &str, wrong: &mut Problem) -> Option<T> {
    let value = given.remove(name)?.parse();
    if value.is_err() {
        wrong.add(name, reason);
    }
    value.ok()
}

fn text(given: &mut HashMap<String, String>, name: &str, wrong: &mut Problem) -> Option<String> {
    let value = given.remove(name)?;
    if value.chars().count() > TEXT_MAX {
        wrong.add(name, format!("has more than {TEXT_MAX} characters"));
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(query: &[(&str, &str)], expected: &str) {
        let given = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let said = match read(given) {
            Ok(CallsAsked { page, filter }) => format!("{} {:?} {:?}", page.limit, filter.status, filter.since),
            Err(problem) => problem.told(),
        };
        assert_eq!(said, expected, "{query:?}");
    }

    #[test]
    fn filters_are_read_and_each_mistake_is_named() {
        check(&[], "50 None None");
        check(&[("limit", "7"), ("status", "ended"), ("since", "1970-01-01T00:00:01Z")], "7 Some(Ended) Some(WallTime(1000000))");
        check(&[("status", "up")], "status: is not one of dialing, ringing, answered, ended");
        check(&[("direction", "up")], "direction: is not one of inbound, outbound");
        check(&[("until", "yesterday")], "until: is no time such as 2026-01-31T08:00:00Z");
        check(&[("to", &"1".repeat(385))], "to: has more than 384 characters");
        check(&[("number", "1")], &format!("number: {KNOWN}"));
    }
}
