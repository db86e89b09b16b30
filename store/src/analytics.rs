//! What calls of a time came to: counted by the database, in groups.

use std::time::Duration;

use sqlx::AssertSqlSafe;

use crate::people::within::Sees;
use crate::rows::Columns;
use crate::{OrganizationId, Store, StoreError, WallTime};

/// Most groups of one answer: a month by the hour is 744.
pub const GROUPS_MAX: u32 = 1_000;

/// By what calls are counted together.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum GroupBy {
    /// Who answered or talks.
    Assistant,
    /// The day, UTC.
    Day,
    /// Who called whom.
    Direction,
    /// The hour.
    Hour,
    /// All together.
    Nothing,
}

impl GroupBy {
    /// What has the same value for all calls of a group, as text.
    fn sql(self) -> &'static str {
        match self {
            Self::Assistant => "calls.assistant",
            Self::Day => "CAST(calls.created_us / 86400000000 AS TEXT)",
            Self::Direction => "calls.direction",
            Self::Hour => "CAST(calls.created_us / 3600000000 AS TEXT)",
            // PostgreSQL takes no constant here.
            Self::Nothing => "SUBSTR(calls.direction, 1, 0)",
        }
    }

    /// The group's name: of a time its beginning.
    fn name(self, value: String) -> String {
        let of = |hours: i64| value.parse().map(|number: i64| WallTime::from_micros(number * hours * 3_600_000_000).to_string());
        match self {
            Self::Day => of(24).unwrap_or_default(),
            Self::Hour => of(1).unwrap_or_default(),
            Self::Assistant | Self::Direction | Self::Nothing => value,
        }
    }
}

/// What the calls of one group came to.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Figures {
    /// The group: an assistant, a direction, or the beginning of its time; empty: all calls.
    pub group: String,
    /// Calls that began.
    pub calls: u64,
    /// Of them, answered.
    pub answered: u64,
    /// Of them, those that are over.
    pub ended: u64,
    /// Of these, broken.
    pub failed: u64,
    /// From the answer to the end, of all together.
    pub talked: Duration,
    /// Calls whose analysis says whether they did what the assistant is for.
    pub judged: u64,
    /// Of them, those that did.
    pub successful: u64,
    /// Turns of both sides.
    pub turns: u64,
    /// Answers of the agent that the caller cut short.
    pub interruptions: u64,
    /// What calls of ours cost, in millionths of the operator's currency.
    pub cost_micros: u64,
    /// From the caller's last word to the agent's first; `None`: nobody was answered.
    pub response_gap: Option<Gaps>,
}

/// Percentiles, by the nearest rank.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Gaps {
    /// How many there were.
    pub count: u64,
    /// Half of them were no longer.
    pub p50: Duration,
    /// 95 % were no longer.
    pub p95: Duration,
    /// 99 % were no longer.
    pub p99: Duration,
    /// The longest.
    pub max: Duration,
}

/// The causes of what broke, as `HangupCause::outcome` has them.
fn failures() -> String {
    let failed = crate::HangupCause::ALL.iter().filter(|cause| cause.outcome() == crate::Outcome::Failed);
    failed.map(|cause| format!("'{cause}'")).collect::<Vec<_>>().join(", ")
}

impl Store {
    /// What the calls of an organization that began from `since` on and before `until` came to, group by group in the order of their
    /// names, [`GROUPS_MAX`] at most. Whoever asks bounds the time.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn figures(
        &self,
        organization: &OrganizationId,
        (since, until): (WallTime, WallTime),
        by: GroupBy,
    ) -> Result<Vec<Figures>, StoreError> {
        let asked = |sql: String| {
            let query = sqlx::query(AssertSqlSafe(sql)).bind(organization.to_string());
            query.bind(since.micros()).bind(until.micros()).bind(i64::from(GROUPS_MAX))
        };
        let mut groups = self.read_in("figures", Sees::One(organization), asked(counts(by)), of_counts).await?;
        for (group, turns, interruptions) in
            self.read_in("figures_turns", Sees::One(organization), asked(turns(by)), of_turns).await?
        {
            if let Some(known) = groups.iter_mut().find(|known| known.group == group) {
                (known.turns, known.interruptions) = (turns, interruptions);
            }
        }
        for (group, gaps) in self.read_in("figures_gaps", Sees::One(organization), asked(gaps(by)), of_gaps).await? {
            if let Some(known) = groups.iter_mut().find(|known| known.group == group) {
                known.response_gap = Some(gaps);
            }
        }
        for group in &mut groups {
            group.group = by.name(std::mem::take(&mut group.group));
        }
        Ok(groups)
    }
}

const CALLS: &str = "calls.organization = $1 AND calls.created_us >= $2 AND calls.created_us < $3";

fn counts(by: GroupBy) -> String {
    let (group, failures) = (by.sql(), failures());
    // Sums are of another type in PostgreSQL, which the driver does not know.
    let sum = |what: &str| format!("CAST(COALESCE(SUM({what}), 0) AS BIGINT)");
    format!(
        "SELECT {group} AS bucket, COUNT(*) AS calls, COUNT(calls.answered_us) AS answered, COUNT(calls.ended_us) AS ended,
           {} AS failed, {} AS talked_us, COUNT(analyses.passed) AS judged, {} AS successful, {} AS cost
         FROM calls LEFT JOIN analyses ON analyses.call_id = calls.id
         WHERE {CALLS} GROUP BY {group} ORDER BY MIN(calls.created_us), {group} LIMIT $4",
        sum(&format!("CASE WHEN calls.cause IN ({failures}) THEN 1 ELSE 0 END")),
        sum("calls.ended_us - calls.answered_us"),
        sum("analyses.passed"),
        sum("calls.cost_micros"),
    )
}

fn of_counts(row: &Columns<'_>) -> Result<Figures, StoreError> {
    Ok(Figures {
        group: row.value("bucket")?,
        calls: row.count("calls")?,
        answered: row.count("answered")?,
        ended: row.count("ended")?,
        failed: row.count("failed")?,
        // A clock that was set back makes no debts.
        talked: Duration::from_micros(u64::try_from(row.value::<i64>("talked_us")?).unwrap_or(0)),
        judged: row.count("judged")?,
        successful: row.count("successful")?,
        cost_micros: row.count("cost")?,
        ..Figures::default()
    })
}

fn turns(by: GroupBy) -> String {
    let group = by.sql();
    format!(
        "SELECT {group} AS bucket, COUNT(*) AS turns, COUNT(CASE WHEN turns.interrupted = 1 THEN 1 END) AS interruptions
         FROM turns JOIN calls ON calls.id = turns.call_id
         WHERE {CALLS} GROUP BY {group} ORDER BY MIN(calls.created_us), {group} LIMIT $4"
    )
}

fn of_turns(row: &Columns<'_>) -> Result<(String, u64, u64), StoreError> {
    Ok((row.value("bucket")?, row.count("turns")?, row.count("interruptions")?))
}

fn gaps(by: GroupBy) -> String {
    let group = by.sql();
    let percentile = |percent: u32| format!("MIN(CASE WHEN place * 100 >= gaps * {percent} THEN gap END) AS p{percent}");
    format!(
        "SELECT bucket, MAX(gaps) AS gaps, {}, {}, {}, MAX(gap) AS longest FROM (
           SELECT bucket, gap, ROW_NUMBER() OVER (PARTITION BY bucket ORDER BY gap) AS place,
             COUNT(*) OVER (PARTITION BY bucket) AS gaps
           FROM (SELECT {group} AS bucket, turns.response_gap_ms AS gap FROM turns JOIN calls ON calls.id = turns.call_id
                 WHERE {CALLS} AND turns.response_gap_ms IS NOT NULL) AS of_turns) AS ranked
         GROUP BY bucket ORDER BY bucket LIMIT $4",
        percentile(50),
        percentile(95),
        percentile(99),
    )
}

fn of_gaps(row: &Columns<'_>) -> Result<(String, Gaps), StoreError> {
    let ms = |column| row.count(column).map(Duration::from_millis);
    let gaps = Gaps { count: row.count("gaps")?, p50: ms("p50")?, p95: ms("p95")?, p99: ms("p99")?, max: ms("longest")? };
    Ok((row.value("bucket")?, gaps))
}
