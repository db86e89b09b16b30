//! Analyses of calls that are over: the queue, and what was found.
//!
//! A job is `pending` until someone claims it and writes its end under the number of the claim. A claim is a lease: whoever
//! dies with it loses it, and the job is done again. Its end, its findings and what was learned of the caller are one transaction.

use std::time::Duration;

use sqlx::AnyConnection;

use crate::events::News;
use crate::lead;
use crate::memory::{forget, learn};
use crate::open::{QUERY_TIME_MAX, timed};
use crate::rows::Columns;
use crate::write::{Bound, count, text};
use crate::{AnalysisState, CallId, MemoryId, NewMemory, Sentiment, Store, StoreError, Transcript, WallTime};

/// Most jobs that one claim takes: what is skipped without a look goes in large steps.
pub const ANALYSIS_CLAIMS_MAX: u32 = 64;

/// The analysis of one call.
#[derive(Clone, Debug, PartialEq)]
pub struct Analysis {
    /// The call.
    pub call: CallId,
    /// Where it is in its life.
    pub state: AnalysisState,
    /// Why it was skipped or failed, or why it is tried again.
    pub reason: Option<String>,
    /// How often it was begun.
    pub attempts: u32,
    /// When the call ended.
    pub queued_at: WallTime,
    /// When it came to its end.
    pub finished_at: Option<WallTime>,
    /// What was found; there when the state is `Done`.
    pub findings: Option<Findings>,
}

/// What was found out about a call. What was not asked for is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Findings {
    /// The provider that was asked, by its name in the configuration.
    pub provider: String,
    /// Its model.
    pub model: String,
    /// Tokens it read for this.
    pub input_tokens: u64,
    /// Tokens it wrote.
    pub output_tokens: u64,
    /// What the call was about.
    pub summary: Option<Transcript>,
    /// How the caller felt.
    pub sentiment: Option<SentimentScore>,
    /// Whether the call did what the assistant is for.
    pub success: Option<SuccessVerdict>,
    /// The fields that were asked for, a JSON object.
    pub fields: Option<Transcript>,
    /// How promising the caller is.
    pub lead: Option<LeadScore>,
}

/// How a caller felt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SentimentScore {
    /// In a word.
    pub label: Sentiment,
    /// -1 (angry) to 1 (delighted).
    pub score: f64,
}

/// Whether a call did what the assistant is for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SuccessVerdict {
    /// It did.
    pub passed: bool,
    /// Why, or why not.
    pub reason: Transcript,
}

/// How promising a caller is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LeadScore {
    /// 0 to 100.
    pub score: u8,
    /// Why.
    pub reasons: Vec<Transcript>,
}

/// The right to work at one analysis.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AnalysisClaim {
    /// The call.
    pub call: CallId,
    /// The number of the claim; it is over when another one has begun.
    pub number: i64,
    /// Which try this is, from 1.
    pub attempt: u32,
}

/// A call that waits for its analysis.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AnalysisJob {
    /// The right to work at it.
    pub claim: AnalysisClaim,
    /// Name of the assistant that answered.
    pub assistant: String,
    /// How often the caller spoke.
    pub caller_turns: u64,
}

/// How a claim ends.
#[derive(Clone, Debug, PartialEq)]
pub enum AnalysisEnd {
    /// It is done.
    Done {
        /// What was found.
        findings: Box<Findings>,
        /// What was learned of the caller.
        learned: Learned,
    },
    /// It is given up.
    Failed {
        /// Why.
        reason: String,
    },
    /// It is to be tried again.
    Retry {
        /// Why.
        reason: String,
        /// When.
        due: WallTime,
    },
    /// There is nothing to do.
    Skipped {
        /// Why.
        reason: String,
    },
}

/// What was learned of a caller in one call.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Learned {
    /// To be remembered.
    pub new: Vec<NewMemory>,
    /// Not true any more.
    pub outdated: Vec<MemoryId>,
}

impl Store {
    /// The analysis of a call; `None`: there is none, since the call was not answered or is not over.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn analysis(&self, call: CallId) -> Result<Option<Analysis>, StoreError> {
        let query = sqlx::query("SELECT * FROM analyses WHERE call_id = $1").bind(call.to_string());
        Ok(self.read("analysis", query, analysis).await?.pop())
    }

    /// Claims up to `limit` jobs that are due (1 to [`ANALYSIS_CLAIMS_MAX`], clamped), those that waited longest first, for `lease`:
    /// then others may claim them, and whoever held them changes nothing any more.
    ///
    /// # Errors
    /// As [`Store::call`].
    pub async fn claim_analyses(
        &self,
        node: &str,
        now: WallTime,
        lease: Duration,
        limit: u32,
    ) -> Result<Vec<AnalysisJob>, StoreError> {
        const QUERY: &str = "claim_analyses";
        // Most looks find nothing, and must not take the one right to write from calls.
        let due = sqlx::query("SELECT call_id FROM analyses WHERE state = 'pending' AND due_us <= $1 LIMIT 1").bind(now.micros());
        if self.read("due_analyses", due, |row| row.value::<String>("call_id")).await?.is_empty() {
            return Ok(Vec::new());
        }
        // The inner look takes no lock, so that two nodes may see the same row; only one of them still finds it due.
        let query = sqlx::query(
            "UPDATE analyses SET claim = claim + 1, claimed_by = $1, attempts = attempts + 1, due_us = $2
             WHERE state = 'pending' AND due_us <= $3 AND call_id IN
               (SELECT call_id FROM analyses WHERE state = 'pending' AND due_us <= $3 ORDER BY due_us, call_id LIMIT $4)
             RETURNING call_id, claim, attempts,
               (SELECT assistant FROM calls WHERE calls.id = analyses.call_id) AS assistant,
               (SELECT COUNT(*) FROM turns WHERE turns.call_id = analyses.call_id AND role = 'caller') AS caller_turns",
        )
        .bind(text(node))
        .bind(now.micros().saturating_add(i64::try_from(lease.as_micros()).unwrap_or(i64::MAX)))
        .bind(now.micros())
        .bind(i64::from(limit.clamp(1, ANALYSIS_CLAIMS_MAX)));
        timed(QUERY, QUERY_TIME_MAX, async {
            let mut writing = self.begin(QUERY).await?;
            let rows = query.fetch_all(&mut *writing.transaction).await;
            let jobs = Columns::decode_all(QUERY, rows, |row| {
                let attempt = u32::try_from(row.count("attempts")?).unwrap_or(u32::MAX);
                let claim = AnalysisClaim { call: row.parsed("call_id")?, number: row.value("claim")?, attempt };
                Ok(AnalysisJob { claim, assistant: row.value("assistant")?, caller_turns: row.count("caller_turns")? })
            })?;
            writing.commit(QUERY).await?;
            Ok(jobs)
        })
        .await
    }

    /// Opens the claims that `node` held when it stopped; at its start.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`].
    pub async fn release_analyses(&self, node: &str, now: WallTime) -> Result<(), StoreError> {
        const QUERY: &str = "release_analyses";
        let query = sqlx::query(
            "UPDATE analyses SET claim = claim + 1, claimed_by = '', due_us = $2 WHERE claimed_by = $1 AND state = 'pending'",
        )
        .bind(text(node))
        .bind(now.micros());
        timed(QUERY, QUERY_TIME_MAX, async {
            let mut writing = self.begin(QUERY).await?;
            let done = query.execute(&mut *writing.transaction).await;
            done.map_err(|source| StoreError::Unavailable { query: QUERY, source })?;
            writing.commit(QUERY).await
        })
        .await
    }

    /// Ends claims, all in one transaction. A claim that is over changes nothing; answers how many were not.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Late`]: nothing was written.
    pub async fn end_analyses(&self, ends: &[(AnalysisClaim, AnalysisEnd)], now: WallTime) -> Result<usize, StoreError> {
        const QUERY: &str = "end_analyses";
        let ended = timed(QUERY, QUERY_TIME_MAX, async {
            let mut writing = self.begin(QUERY).await?;
            let (mut ended, mut news, mut leads) = (0, Vec::new(), Vec::new());
            for (claim, end) in ends {
                let done = end.apply(*claim, now, &mut writing.transaction).await;
                let done = done.map_err(|source| StoreError::Unavailable { query: QUERY, source })?;
                ended += usize::from(done);
                if let (true, AnalysisEnd::Done { findings, .. }) = (done, end) {
                    news.extend(News::of_findings(claim.call, findings, now));
                    leads.extend(findings.lead.as_ref().map(|lead| (claim.call, lead)));
                }
            }
            self.tell(&mut writing, news).await?;
            for (call, lead) in leads {
                lead::score(&mut writing, call, lead, now).await?;
            }
            writing.commit(QUERY).await?;
            Ok(ended)
        })
        .await?;
        self.wake();
        Ok(ended)
    }
}

impl AnalysisEnd {
    /// False: the claim was over.
    async fn apply(&self, claim: AnalysisClaim, now: WallTime, connection: &mut AnyConnection) -> Result<bool, sqlx::Error> {
        if self.bind(claim, now).execute(&mut *connection).await?.rows_affected() == 0 {
            return Ok(false);
        }
        if let Self::Done { learned, .. } = self {
            let remembers = sqlx::query("SELECT call_id FROM analyses WHERE call_id = $1 AND remembers = 1");
            if remembers.bind(claim.call.to_string()).fetch_optional(&mut *connection).await?.is_some() {
                for memory in &learned.new {
                    learn(memory, &mut *connection).await?;
                }
                for memory in &learned.outdated {
                    forget(*memory).execute(&mut *connection).await?;
                }
            }
        }
        Ok(true)
    }

    fn bind(&self, claim: AnalysisClaim, now: WallTime) -> Bound<'_> {
        let (state, reason) = match self {
            Self::Done { findings, .. } => return bind_findings(claim, findings, now),
            Self::Retry { reason, due } => {
                return sqlx::query(
                    "UPDATE analyses SET claimed_by = '', reason = $3, due_us = $4
                     WHERE call_id = $1 AND claim = $2 AND state = 'pending'",
                )
                .bind(claim.call.to_string())
                .bind(claim.number)
                .bind(text(reason))
                .bind(due.micros());
            }
            Self::Failed { reason } => (AnalysisState::Failed, reason),
            Self::Skipped { reason } => (AnalysisState::Skipped, reason),
        };
        sqlx::query(
            "UPDATE analyses SET claimed_by = '', reason = $3, state = $4, finished_us = $5
             WHERE call_id = $1 AND claim = $2 AND state = 'pending'",
        )
        .bind(claim.call.to_string())
        .bind(claim.number)
        .bind(text(reason))
        .bind(state.as_str())
        .bind(now.micros())
    }
}

fn bind_findings(claim: AnalysisClaim, findings: &Findings, now: WallTime) -> Bound<'_> {
    let revealed = |words: &Transcript| text(words.reveal());
    let reasons = findings.lead.as_ref().map(|lead| {
        let reasons: Vec<&str> = lead.reasons.iter().map(Transcript::reveal).collect();
        text(&serde_json::json!(reasons).to_string())
    });
    sqlx::query(
        "UPDATE analyses SET claimed_by = '', reason = NULL, state = 'done', finished_us = $3, provider = $4, model = $5,
           input_tokens = $6, output_tokens = $7, summary = $8, sentiment = $9, sentiment_score = $10, passed = $11,
           passed_reason = $12, fields = $13, lead_score = $14, lead_reasons = $15
         WHERE call_id = $1 AND claim = $2 AND state = 'pending'",
    )
    .bind(claim.call.to_string())
    .bind(claim.number)
    .bind(now.micros())
    .bind(text(&findings.provider))
    .bind(text(&findings.model))
    .bind(count(findings.input_tokens))
    .bind(count(findings.output_tokens))
    .bind(findings.summary.as_ref().map(revealed))
    .bind(findings.sentiment.map(|sentiment| sentiment.label.as_str()))
    .bind(findings.sentiment.map(|sentiment| sentiment.score))
    .bind(findings.success.as_ref().map(|success| i64::from(success.passed)))
    .bind(findings.success.as_ref().map(|success| revealed(&success.reason)))
    .bind(findings.fields.as_ref().map(revealed))
    .bind(findings.lead.as_ref().map(|lead| i64::from(lead.score)))
    .bind(reasons)
}

/// Queues the analysis of a call that has ended, if it had been answered; once.
pub(crate) fn queue_ended(call: CallId, at: WallTime) -> Bound<'static> {
    sqlx::query(
        "INSERT INTO analyses (call_id, state, due_us, queued_us)
         SELECT id, 'pending', $2, $2 FROM calls WHERE id = $1 AND answered_us IS NOT NULL ON CONFLICT DO NOTHING",
    )
    .bind(call.to_string())
    .bind(at.micros())
}

/// Queues the analyses of the calls that `node` left open.
pub(crate) fn queue_lost(node: &str, at: WallTime) -> Bound<'static> {
    sqlx::query(
        "INSERT INTO analyses (call_id, state, due_us, queued_us)
         SELECT id, 'pending', $2, $2 FROM calls WHERE node = $1 AND ended_us IS NULL AND answered_us IS NOT NULL
         ON CONFLICT DO NOTHING",
    )
    .bind(text(node))
    .bind(at.micros())
}

fn analysis(row: &Columns<'_>) -> Result<Analysis, StoreError> {
    let state = row.parsed("state")?;
    Ok(Analysis {
        call: row.parsed("call_id")?,
        state,
        reason: row.value("reason")?,
        attempts: u32::try_from(row.count("attempts")?).unwrap_or(u32::MAX),
        queued_at: row.time("queued_us")?,
        finished_at: row.time_option("finished_us")?,
        findings: if state == AnalysisState::Done { Some(findings(row)?) } else { None },
    })
}

fn findings(row: &Columns<'_>) -> Result<Findings, StoreError> {
    let words = |column| Ok::<_, StoreError>(row.value::<Option<String>>(column)?.map(Transcript::new));
    let sentiment = match (row.parsed_option("sentiment")?, row.value("sentiment_score")?) {
        (Some(label), Some(score)) => Some(SentimentScore { label, score }),
        _ => None,
    };
    let success = match (row.value::<Option<i64>>("passed")?, words("passed_reason")?) {
        (Some(passed), Some(reason)) => Some(SuccessVerdict { passed: passed != 0, reason }),
        _ => None,
    };
    let lead = match row.count_option("lead_score")? {
        None => None,
        Some(score) => {
            let reasons = row.json("lead_reasons")?;
            let reasons = reasons.as_array().into_iter().flatten().filter_map(serde_json::Value::as_str);
            Some(LeadScore {
                score: u8::try_from(score).map_err(|error| row.unreadable("lead_score", error))?,
                reasons: reasons.map(Transcript::new).collect(),
            })
        }
    };
    Ok(Findings {
        provider: row.value("provider")?,
        model: row.value("model")?,
        input_tokens: row.count("input_tokens")?,
        output_tokens: row.count("output_tokens")?,
        summary: words("summary")?,
        sentiment,
        success,
        fields: words("fields")?,
        lead,
    })
}
