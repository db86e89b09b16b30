//! `/api/v1/analytics/summary`: what calls of a time came to.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{FromRequestParts, Query, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::Serialize;
use store::{Figures, Gaps, GroupBy, WallTime};
use tokio::sync::{Semaphore, SemaphorePermit};
use utoipa::{IntoParams, ToSchema};

use super::V1;
use super::access::Asked;
use super::call_filter::take;
use crate::problem::Problem;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// What nobody says how long it is.
const SPAN: Duration = Duration::from_secs(7 * 24 * 3600);
/// The longest time that is looked at: a year.
const SPAN_MAX: Duration = Duration::from_secs(366 * 24 * 3600);
/// The same by the hour.
const SPAN_OF_HOURS_MAX: Duration = Duration::from_secs(31 * 24 * 3600);

/// How long a request waits for its turn.
const TURN_TIME_MAX: Duration = Duration::from_secs(5);
/// Who had no turn may try again after so many seconds.
const AGAIN_S: u64 = 5;

/// Counting a year of calls may take seconds of a database connection, of which calls and people have 8 together: one request at a time,
/// in the order in which they came.
pub(super) struct Counting(Semaphore);

impl Default for Counting {
    fn default() -> Self {
        Self(Semaphore::new(1))
    }
}

impl Counting {
    /// Waits for a turn, which ends with what is given.
    pub(super) async fn turn(&self) -> Result<SemaphorePermit<'_>, Problem> {
        let turn = tokio::time::timeout(TURN_TIME_MAX, self.0.acquire()).await;
        turn.ok().and_then(Result::ok).ok_or_else(|| {
            let detail = format!("other summaries are being counted, and there was no turn within {TURN_TIME_MAX:?}");
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).again_after(AGAIN_S)
        })
    }
}

/// Which time is asked for, and how it is cut.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code)]
pub(super) struct SummaryPart {
    /// Calls that began then or later (RFC 3339); none: a week before `until`.
    since: Option<String>,
    /// Calls that began before; none: now.
    until: Option<String>,
    /// hour, day, assistant or direction; none: all together. A year at most, by the hour 31 days.
    group_by: Option<String>,
}

/// What calls of a time came to.
#[derive(Serialize, ToSchema)]
pub(super) struct SummaryShown {
    /// From when.
    since: String,
    /// Until when.
    until: String,
    /// How it is cut.
    group_by: Option<&'static str>,
    /// All together.
    total: FiguresShown,
    /// Group by group; empty without `group_by`.
    groups: Vec<FiguresShown>,
}

/// What the calls of one group came to.
#[derive(Serialize, ToSchema)]
pub(super) struct FiguresShown {
    /// The beginning of the hour or day, the assistant or the direction; null: all.
    group: Option<String>,
    /// Calls that began.
    calls: u64,
    /// Of them, answered.
    answered: u64,
    /// Of them, over.
    ended: u64,
    /// Of these, broken.
    failed: u64,
    /// From the answer to the end, all together.
    minutes: f64,
    /// Of the calls that were judged by their analysis, those that did what the assistant is for, 0 to 1; null: none was judged.
    success_rate: Option<f64>,
    /// How many were judged.
    judged: u64,
    /// Turns of both sides.
    turns: u64,
    /// Answers that the caller cut short.
    interruptions: u64,
    /// What calls of ours cost, in millionths of the operator's currency.
    cost_micros: u64,
    /// From the caller's last word to the agent's first; null: nobody was answered.
    response_gap: Option<GapsShown>,
}

/// Percentiles, in milliseconds.
#[derive(Serialize, ToSchema)]
pub(super) struct GapsShown {
    /// How many there were.
    count: u64,
    /// Half were no longer.
    p50_ms: u64,
    /// 95 % were no longer.
    p95_ms: u64,
    /// 99 % were no longer.
    p99_ms: u64,
    /// The longest.
    max_ms: u64,
}

impl From<Figures> for FiguresShown {
    fn from(figures: Figures) -> Self {
        let rate = figures.successful as f64 / figures.judged.max(1) as f64;
        Self {
            group: Some(figures.group).filter(|group| !group.is_empty()),
            calls: figures.calls,
            answered: figures.answered,
            ended: figures.ended,
            failed: figures.failed,
            minutes: (figures.talked.as_secs_f64() / 60.0 * 1_000.0).round() / 1_000.0,
            success_rate: (figures.judged > 0).then_some(rate),
            judged: figures.judged,
            turns: figures.turns,
            interruptions: figures.interruptions,
            cost_micros: figures.cost_micros,
            response_gap: figures.response_gap.map(GapsShown::from),
        }
    }
}

impl From<Gaps> for GapsShown {
    fn from(gaps: Gaps) -> Self {
        let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self { count: gaps.count, p50_ms: ms(gaps.p50), p95_ms: ms(gaps.p95), p99_ms: ms(gaps.p99), max_ms: ms(gaps.max) }
    }
}

/// What a request asks for.
#[derive(Debug)]
pub(super) struct SummaryAsked {
    span: (WallTime, WallTime),
    by: GroupBy,
}

impl<S: Send + Sync> FromRequestParts<S> for SummaryAsked {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let given = Query::<HashMap<String, String>>::from_request_parts(parts, state).await;
        let Query(given) = given.map_err(|error| Problem::new(StatusCode::BAD_REQUEST, error.body_text()))?;
        read(given, WallTime::now())
    }
}

fn read(mut given: HashMap<String, String>, now: WallTime) -> Result<SummaryAsked, Problem> {
    const TIME: &str = "is no time such as 2026-01-31T08:00:00Z";
    let mut wrong = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "the summary cannot be asked for like this");
    let by = match given.remove("group_by").as_deref() {
        None => GroupBy::Nothing,
        Some("assistant") => GroupBy::Assistant,
        Some("day") => GroupBy::Day,
        Some("direction") => GroupBy::Direction,
        Some("hour") => GroupBy::Hour,
        Some(_) => {
            wrong.add("group_by", "is not one of hour, day, assistant, direction");
            GroupBy::Nothing
        }
    };
    let until: WallTime = take(&mut given, "until", TIME, &mut wrong).unwrap_or(now);
    let week_before = WallTime::from_micros(until.micros().saturating_sub(SPAN.as_micros() as i64));
    let since: WallTime = take(&mut given, "since", TIME, &mut wrong).unwrap_or(week_before);
    let longest = if by == GroupBy::Hour { SPAN_OF_HOURS_MAX } else { SPAN_MAX };
    if since >= until {
        wrong.add("since", "is not before until");
    } else if until.since(since) > longest {
        wrong.add("since", format!("is more than {} days before until", longest.as_secs() / DAY.as_secs()));
    }
    for name in given.keys() {
        wrong.add(name, "is not known; there are since, until, group_by");
    }
    if wrong.has_fields() { Err(wrong) } else { Ok(SummaryAsked { span: (since, until), by }) }
}

/// Counts the calls of the organization, their minutes, their success, how quickly they were answered, and what they cost.
#[utoipa::path(get, path = "/api/v1/analytics/summary", tag = "analytics", params(SummaryPart),
    responses((status = 200, body = SummaryShown), (status = 422)))]
pub(super) async fn summary(
    State(api): State<Arc<V1>>,
    asked: Asked,
    SummaryAsked { span, by }: SummaryAsked,
) -> Result<Json<SummaryShown>, Problem> {
    let (store, organization) = (api.people()?.store(), &asked.principal.organization);
    let _alone = api.counting.turn().await?;
    let total = store.figures(organization, span, GroupBy::Nothing).await?.pop().unwrap_or_default();
    let groups = match by {
        GroupBy::Nothing => Vec::new(),
        by => store.figures(organization, span, by).await?,
    };
    let group_by = match by {
        GroupBy::Assistant => Some("assistant"),
        GroupBy::Day => Some("day"),
        GroupBy::Direction => Some("direction"),
        GroupBy::Hour => Some("hour"),
        GroupBy::Nothing => None,
    };
    let (since, until) = (span.0.to_string(), span.1.to_string());
    let groups = groups.into_iter().map(FiguresShown::from).collect();
    Ok(Json(SummaryShown { since, until, group_by, total: total.into(), groups }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(query: &[(&str, &str)], expected: &str) {
        let given = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let now = WallTime::from_micros(1_700_000_000_000_000);
        let said = match read(given, now) {
            Ok(SummaryAsked { span: (since, until), by }) => format!("{since} {until} {by:?}"),
            Err(problem) => problem.told(),
        };
        assert_eq!(said, expected, "{query:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn one_is_counted_at_a_time_and_who_waits_too_long_is_told() {
        let counting = Counting::default();
        let first = counting.turn().await;
        let Err(refused) = counting.turn().await else { panic!("there is one turn") };
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        drop(first);
        assert!(counting.turn().await.is_ok());
    }

    #[test]
    fn the_time_has_a_default_and_an_end() {
        check(&[], "2023-11-07T22:13:20Z 2023-11-14T22:13:20Z Nothing");
        let day = ("since", "2023-11-14T00:00:00Z");
        check(&[day, ("group_by", "hour")], "2023-11-14T00:00:00Z 2023-11-14T22:13:20Z Hour");
        check(&[("since", "2023-10-01T00:00:00Z"), ("group_by", "hour")], "since: is more than 31 days before until");
        check(&[("since", "2023-10-01T00:00:00Z"), ("group_by", "day")], "2023-10-01T00:00:00Z 2023-11-14T22:13:20Z Day");
        check(&[("since", "2020-01-01T00:00:00Z")], "since: is more than 366 days before until");
        check(&[("since", "2024-01-01T00:00:00Z")], "since: is not before until");
        check(&[("group_by", "node")], "group_by: is not one of hour, day, assistant, direction");
        check(
            &[("x", "1"), ("until", "now")],
            "until: is no time such as 2026-01-31T08:00:00Z; x: is not known; there are since, until, group_by",
        );
    }
}
