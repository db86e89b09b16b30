//! Everything that is written, one by one or in a batch that is one transaction.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use sqlx::any::AnyArguments;
use sqlx::query::Query;
use sqlx::{Any, AnyConnection};

use crate::analysis::queue_ended;
use crate::billing::queue_used;
use crate::events::News;
use crate::open::{QUERY_TIME_MAX, timed};
use crate::text::storable;
use crate::{
    AnsweredBy, CallId, CallIdentity, Citation, HangupCause, Incident, NewCall, ProviderUsage, RecordingFormat, RecordingState,
    Refused, SipLadder, SpentMinute, Store, StoreError, ToolUse, Turn, Usage, WallTime,
};

/// Time a batch may take: a thousand writes take under a second, the rest is for a slow disk.
const BATCH_TIME_MAX: Duration = Duration::from_secs(30);

/// One write. Each may be repeated with no further effect, so a batch that ended in doubt is sent again whole.
#[derive(Clone, Debug, PartialEq)]
pub enum StoreWrite {
    /// A call began. An id that is already there is left as it is.
    CallCreated(NewCall),
    /// A call of ours goes out. The last id stays.
    CallPlaced {
        /// The call.
        call: CallId,
        /// As [`NewCall::external_id`].
        external_id: String,
    },
    /// The callee's telephone rings. The first time stays.
    CallRang {
        /// The call.
        call: CallId,
        /// When.
        at: WallTime,
    },
    /// The callee's side refused a call of ours. The last refusal stays.
    CallRefused {
        /// The call.
        call: CallId,
        /// How.
        refused: Refused,
    },
    /// A call was answered. The first answer stays.
    CallAnswered {
        /// The call.
        call: CallId,
        /// When.
        at: WallTime,
    },
    /// A call ended. The first end stays. If it had been answered, its analysis is queued with it, and what it
    /// used is to be charged.
    CallEnded {
        /// The call.
        call: CallId,
        /// When.
        at: WallTime,
        /// Why.
        cause: HangupCause,
        /// More on the cause, for the operator.
        detail: Option<String>,
        /// Media figures of the whole call; `Value::Null` for none.
        stats: Value,
    },
    /// A call of ours is paid for. The last sum stays.
    CallCharged {
        /// The call.
        call: CallId,
        /// Millionths of the operator's currency.
        micros: u64,
    },
    /// A turn was taken. The same call and number again replaces it.
    TurnAdded(Turn),
    /// A recording was begun. A path that is already there is left as it is.
    RecordingOpened {
        /// The call.
        call: CallId,
        /// Where the file is, relative to the node's data folder.
        path: String,
        /// File format.
        format: RecordingFormat,
        /// When.
        at: WallTime,
    },
    /// A recording was closed or repaired. The last one stays.
    RecordingClosed {
        /// The call.
        call: CallId,
        /// As in `RecordingOpened`.
        path: String,
        /// What became of it.
        state: RecordingState,
        /// Length of the audio, kept in whole milliseconds.
        duration: Duration,
        /// Size of the file.
        bytes: u64,
        /// What the listener should know.
        note: Option<String>,
    },
    /// Something went wrong in a call that went on.
    IncidentSeen(Incident),
    /// A tool was called, or has ended. The same call and number again replaces it.
    ToolUsed(ToolUse),
    /// A turn was based on a chunk of the knowledge base. The same call, turn and place again replaces it.
    ChunkCited(Citation),
    /// Provider tokens of the call so far, from its beginning. The last count stays.
    UsageCounted {
        /// The call.
        call: CallId,
        /// The totals.
        usage: Usage,
    },
    /// What a provider did for a call so far, from its beginning. The last count of a stage and provider stays.
    ProviderUsed {
        /// The call.
        call: CallId,
        /// When it was counted.
        at: WallTime,
        /// The totals.
        used: ProviderUsage,
    },
    /// A call is one of this trunk's.
    TrunkKnown {
        /// The call.
        call: CallId,
        /// The trunk's name.
        trunk: String,
    },
    /// The caller's language was found out. The last one stays.
    LanguageHeard {
        /// The call.
        call: CallId,
        /// ISO 639-1.
        language: String,
    },
    /// The SIP messages of a call that is over. The first of one id and beginning stays.
    SipSeen(Arc<SipLadder>),
    /// Who or what picked up was listened for. The last verdict stays.
    AnswererJudged {
        /// The call.
        call: CallId,
        /// Who or what.
        by: AnsweredBy,
        /// Why we think so.
        evidence: Value,
    },
    /// What calls of ours cost in one minute, so far. The last sum stays; older ones than two days are forgotten.
    MoneySpent {
        /// Of which node.
        node: String,
        /// When, and how much.
        spent: SpentMinute,
    },
    /// The caller's number was checked. The last check stays.
    IdentityJudged {
        /// The call.
        call: CallId,
        /// What was found.
        identity: CallIdentity,
    },
}

impl Store {
    /// Writes the record of a new call at once, for a caller who waits until it is there.
    ///
    /// # Errors
    /// As [`Store::write_batch`].
    pub async fn create_call(&self, call: &NewCall) -> Result<(), StoreError> {
        self.write_all("create_call", QUERY_TIME_MAX, &[StoreWrite::CallCreated(call.clone())]).await
    }

    /// Writes all of `writes`, in order, or nothing of them. The batch's length is the caller's to bound.
    ///
    /// # Errors
    /// [`StoreError::Refused`] names a write that can never succeed (its call or recording does not exist): drop it
    /// and send the rest. [`StoreError::Unavailable`] and [`StoreError::Late`]: send all again later.
    pub async fn write_batch(&self, writes: &[StoreWrite]) -> Result<(), StoreError> {
        self.write_all("write_batch", BATCH_TIME_MAX, writes).await
    }

    async fn write_all(&self, query: &'static str, limit: Duration, writes: &[StoreWrite]) -> Result<(), StoreError> {
        if writes.is_empty() {
            return Ok(());
        }
        let news: Vec<News> = writes.iter().flat_map(News::of_write).collect();
        let told = !news.is_empty();
        timed(query, limit, async {
            let mut writing = self.begin(query).await?;
            for (index, write) in writes.iter().enumerate() {
                write.apply(index, &mut writing.transaction).await?;
            }
            self.tell(&mut writing, news).await?;
            writing.commit(query).await
        })
        .await?;
        if told {
            self.wake();
        }
        Ok(())
    }
}

pub(crate) type Bound<'q> = Query<'q, Any, AnyArguments>;

impl StoreWrite {
    /// What this write is called in errors.
    fn name(&self) -> &'static str {
        match self {
            Self::AnswererJudged { .. } => "answerer_judged",
            Self::CallCreated(_) => "call_created",
            Self::CallPlaced { .. } => "call_placed",
            Self::CallRang { .. } => "call_rang",
            Self::CallRefused { .. } => "call_refused",
            Self::CallAnswered { .. } => "call_answered",
            Self::CallCharged { .. } => "call_charged",
            Self::CallEnded { .. } => "call_ended",
            Self::TurnAdded(_) => "turn_added",
            Self::RecordingOpened { .. } => "recording_opened",
            Self::RecordingClosed { .. } => "recording_closed",
            Self::IncidentSeen(_) => "incident_seen",
            Self::ToolUsed(_) => "tool_used",
            Self::ChunkCited(_) => "chunk_cited",
            Self::UsageCounted { .. } => "usage_counted",
            Self::ProviderUsed { .. } => "provider_used",
            Self::LanguageHeard { .. } => "language_heard",
            Self::TrunkKnown { .. } => "trunk_known",
            Self::SipSeen(_) => "sip_seen",
            Self::IdentityJudged { .. } => "identity_judged",
            Self::MoneySpent { .. } => "money_spent",
        }
    }

    async fn apply(&self, index: usize, connection: &mut AnyConnection) -> Result<(), StoreError> {
        let refused = |source| StoreError::from_write(index, self.name(), source);
        let done = self.bind().execute(&mut *connection).await.map_err(refused)?;
        // An insert may find its row there already; an update without its row has lost its call.
        if done.rows_affected() == 0 && self.updates() {
            return Err(refused(sqlx::Error::RowNotFound));
        }
        if let Self::CallEnded { call, at, .. } = self {
            queue_ended(*call, *at).execute(&mut *connection).await.map_err(refused)?;
            queue_used(*call, *at).execute(connection).await.map_err(refused)?;
        } else if let Self::MoneySpent { node, spent } = self {
            spent.forget_before(node).execute(connection).await.map_err(refused)?;
        }
        Ok(())
    }

    fn updates(&self) -> bool {
        matches!(
            self,
            Self::AnswererJudged { .. }
                | Self::CallAnswered { .. }
                | Self::CallCharged { .. }
                | Self::CallEnded { .. }
                | Self::CallPlaced { .. }
                | Self::CallRang { .. }
                | Self::CallRefused { .. }
                | Self::IdentityJudged { .. }
                | Self::LanguageHeard { .. }
                | Self::TrunkKnown { .. }
                | Self::RecordingClosed { .. }
                | Self::UsageCounted { .. }
        )
    }

    fn bind(&self) -> Bound<'_> {
        match self {
            Self::CallCreated(call) => bind_call(call),
            Self::AnswererJudged { call, by, evidence } => {
                sqlx::query("UPDATE calls SET answered_by = $2, answered_by_evidence = $3 WHERE id = $1")
                    .bind(call.to_string())
                    .bind(by.as_str())
                    .bind(text(&evidence.to_string()))
            }
            Self::CallPlaced { call, external_id } => {
                sqlx::query("UPDATE calls SET external_id = $2 WHERE id = $1").bind(call.to_string()).bind(text(external_id))
            }
            Self::CallRang { call, at } => sqlx::query("UPDATE calls SET ringing_us = COALESCE(ringing_us, $2) WHERE id = $1")
                .bind(call.to_string())
                .bind(at.micros()),
            Self::CallRefused { call, refused } => {
                sqlx::query("UPDATE calls SET refused_code = $2, refused_reason = $3 WHERE id = $1")
                    .bind(call.to_string())
                    .bind(i64::from(refused.code))
                    .bind(text(&refused.reason))
            }
            Self::CallAnswered { call, at } => {
                sqlx::query("UPDATE calls SET answered_us = COALESCE(answered_us, $2) WHERE id = $1")
                    .bind(call.to_string())
                    .bind(at.micros())
            }
            Self::CallCharged { call, micros } => {
                sqlx::query("UPDATE calls SET cost_micros = $2 WHERE id = $1").bind(call.to_string()).bind(count(*micros))
            }
            Self::CallEnded { call, at, cause, detail, stats } => sqlx::query(
                "UPDATE calls SET
                   cause_detail = CASE WHEN ended_us IS NULL THEN $4 ELSE cause_detail END,
                   stats = CASE WHEN ended_us IS NULL THEN $5 ELSE stats END,
                   ended_us = COALESCE(ended_us, $2), cause = COALESCE(cause, $3) WHERE id = $1",
            )
            .bind(call.to_string())
            .bind(at.micros())
            .bind(cause.as_str())
            .bind(detail.as_deref().map(text))
            .bind((!stats.is_null()).then(|| stats.to_string())),
            Self::TurnAdded(turn) => bind_turn(turn),
            Self::RecordingOpened { call, path, format, at } => sqlx::query(
                "INSERT INTO recordings (call_id, path, format, state, opened_us)
                 VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
            )
            .bind(call.to_string())
            .bind(text(path))
            .bind(format.as_str())
            .bind(RecordingState::Writing.as_str())
            .bind(at.micros()),
            Self::RecordingClosed { call, path, state, duration, bytes, note } => sqlx::query(
                "UPDATE recordings SET state = $3, length_ms = $4, bytes = $5, note = $6
                 WHERE call_id = $1 AND path = $2",
            )
            .bind(call.to_string())
            .bind(text(path))
            .bind(state.as_str())
            .bind(millis(*duration))
            .bind(count(*bytes))
            .bind(note.as_deref().map(text)),
            Self::IncidentSeen(incident) => bind_incident(incident),
            Self::ToolUsed(used) => bind_tool_use(used),
            Self::ChunkCited(citation) => bind_citation(citation),
            Self::UsageCounted { call, usage } => bind_usage(*call, usage),
            Self::ProviderUsed { call, at, used } => used.bind(*call, *at),
            Self::TrunkKnown { call, trunk } => {
                sqlx::query("UPDATE calls SET trunk = $2 WHERE id = $1").bind(call.to_string()).bind(text(trunk))
            }
            Self::SipSeen(ladder) => ladder.bind(),
            Self::LanguageHeard { call, language } => {
                sqlx::query("UPDATE calls SET language = $2 WHERE id = $1").bind(call.to_string()).bind(text(language))
            }
            Self::MoneySpent { node, spent } => spent.bind(node),
            Self::IdentityJudged { call, identity } => bind_identity(*call, identity),
        }
    }
}

fn bind_incident(incident: &Incident) -> Bound<'_> {
    sqlx::query(
        "INSERT INTO incidents (call_id, at_us, kind, source, detail)
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
    )
    .bind(incident.call.to_string())
    .bind(incident.at.micros())
    .bind(incident.kind.as_str())
    .bind(text(&incident.source))
    .bind(text(&incident.detail))
}

fn bind_call(call: &NewCall) -> Bound<'_> {
    sqlx::query(
        "INSERT INTO calls (id, node, leg, direction, from_number, to_number, assistant, engine,
           external_id, created_us, organization)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING",
    )
    .bind(call.id.to_string())
    .bind(text(&call.node))
    .bind(call.leg.as_str())
    .bind(call.direction.as_str())
    .bind(text(call.from.reveal()))
    .bind(text(call.to.reveal()))
    .bind(text(&call.assistant))
    .bind(text(&call.engine))
    .bind(text(&call.external_id))
    .bind(call.created_at.micros())
    .bind(call.organization.to_string())
}

fn bind_turn(turn: &Turn) -> Bound<'_> {
    sqlx::query(
        "INSERT INTO turns (call_id, number, role, text, started_us, ended_us, interrupted,
           heard_ms, timings, response_gap_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         ON CONFLICT (call_id, number) DO UPDATE SET role = excluded.role, text = excluded.text,
           started_us = excluded.started_us, ended_us = excluded.ended_us,
           interrupted = excluded.interrupted, heard_ms = excluded.heard_ms,
           timings = excluded.timings, response_gap_ms = excluded.response_gap_ms",
    )
    .bind(turn.call.to_string())
    .bind(i64::from(turn.number))
    .bind(turn.role.as_str())
    .bind(text(turn.text.reveal()))
    .bind(turn.started_at.micros())
    .bind(turn.ended_at.micros())
    .bind(i64::from(turn.interrupted.is_some()))
    .bind(turn.interrupted.map(millis))
    .bind(turn.timings.to_string())
    .bind(turn.timings["response_gap_ms"].as_i64())
}

fn bind_tool_use(used: &ToolUse) -> Bound<'_> {
    sqlx::query(
        "INSERT INTO tool_calls (call_id, number, name, kind, arguments, started_us, outcome, length_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (call_id, number) DO UPDATE SET name = excluded.name, kind = excluded.kind,
           arguments = excluded.arguments, started_us = excluded.started_us, outcome = excluded.outcome,
           length_ms = excluded.length_ms",
    )
    .bind(used.call.to_string())
    .bind(count(used.number))
    .bind(text(&used.name))
    .bind(text(&used.kind))
    .bind(used.arguments.as_ref().map(|arguments| text(arguments.reveal())))
    .bind(used.started_at.micros())
    .bind(used.outcome.as_deref().map(text))
    .bind(used.duration.map(millis))
}

fn bind_citation(citation: &Citation) -> Bound<'_> {
    sqlx::query(
        "INSERT INTO turn_citations (call_id, turn, place, chunk, document, heading, score, text)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (call_id, turn, place) DO UPDATE SET chunk = excluded.chunk, document = excluded.document,
           heading = excluded.heading, score = excluded.score, text = excluded.text",
    )
    .bind(citation.call.to_string())
    .bind(i64::from(citation.turn))
    .bind(i64::from(citation.place))
    .bind(text(&citation.chunk))
    .bind(text(&citation.document))
    .bind(text(&citation.heading))
    .bind(citation.score)
    .bind(text(&citation.text))
}

fn bind_usage(call: CallId, usage: &Usage) -> Bound<'_> {
    sqlx::query(
        "UPDATE calls SET input_text_tokens = $2, input_audio_tokens = $3, cached_tokens = $4,
           output_text_tokens = $5, output_audio_tokens = $6 WHERE id = $1",
    )
    .bind(call.to_string())
    .bind(count(usage.input_text_tokens))
    .bind(count(usage.input_audio_tokens))
    .bind(count(usage.cached_tokens))
    .bind(count(usage.output_text_tokens))
    .bind(count(usage.output_audio_tokens))
}

fn bind_identity(call: CallId, identity: &CallIdentity) -> Bound<'_> {
    sqlx::query(
        "UPDATE calls SET identity = $2, identity_attestation = $3, identity_reason = $4, identity_origid = $5,
           identity_provider = $6, identity_noted = $7, identity_carrier = $8 WHERE id = $1",
    )
    .bind(call.to_string())
    .bind(identity.verdict.as_str())
    .bind(identity.attestation.as_deref().map(text))
    .bind(identity.reason.as_deref().map(text))
    .bind(identity.origid.as_deref().map(text))
    .bind(identity.provider.as_deref().map(text))
    .bind(identity.noted.as_deref().map(text))
    .bind(identity.carrier.as_deref().map(text))
}

pub(crate) fn text(text: &str) -> String {
    storable(text).into_owned()
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

pub(crate) fn count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
