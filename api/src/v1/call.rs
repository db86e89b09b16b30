//! A call as the API shows it.

use serde::Serialize;
use serde_json::Value;
use store::{Analysis, CallRecord, Recording, WallTime};
use utoipa::ToSchema;

/// A call.
#[derive(Serialize, ToSchema)]
pub(super) struct CallShown {
    /// Its id.
    id: String,
    /// inbound or outbound.
    direction: &'static str,
    /// dialing, ringing, answered or ended.
    status: &'static str,
    /// What its leg speaks: sip, twilio or ws.
    leg: &'static str,
    /// Who called.
    from: String,
    /// Who was called.
    to: String,
    /// Who talks, by name.
    assistant_id: String,
    /// How it ended, in a word; null while it goes on.
    outcome: Option<&'static str>,
    /// Why it ended.
    cause: Option<&'static str>,
    /// The same in the peer's words.
    cause_detail: Option<String>,
    /// How the peer refused it.
    sip: Option<RefusalShown>,
    /// When it began.
    created_at: String,
    /// When the telephone rang.
    ringing_at: Option<String>,
    /// When it was answered.
    answered_at: Option<String>,
    /// When it ended.
    ended_at: Option<String>,
    /// Seconds from the answer to the end.
    duration_s: Option<f64>,
}

/// How a call of ours was refused.
#[derive(Serialize, ToSchema)]
pub(super) struct RefusalShown {
    /// The SIP status.
    #[schema(example = 486)]
    status: u16,
    /// In words.
    #[schema(example = "Busy Here")]
    reason: String,
}

/// A call, and what came of it.
#[derive(Serialize, ToSchema)]
pub(super) struct CallWhole {
    /// As in lists.
    #[serde(flatten)]
    call: CallShown,
    /// The node that has it.
    node: String,
    /// The peer's own id of it: SIP Call-ID or Twilio CallSid.
    external_id: String,
    /// What talks: realtime, cascade, offline or stream.
    engine: String,
    /// Name of its trunk.
    trunk_id: Option<String>,
    /// The caller's language (ISO 639-1), where it was found out.
    language: Option<String>,
    /// Whether the caller's number is the caller's, where it was looked at.
    identity: Option<IdentityShown>,
    /// Turns of both sides so far; null when nobody counted.
    turns: Option<u64>,
    /// Media figures, once it has ended: received, lost, late, concealed, mos.
    #[schema(value_type = Object)]
    quality: Value,
    /// Who or what picked up a call of ours, where it was listened for.
    answered_by: Option<AnswererShown>,
    /// Provider tokens so far.
    usage: UsageShown,
    /// What a call of ours cost, in millionths of the operator's currency; null where there are no prices.
    cost_micros: Option<u64>,
    /// Its recordings.
    recordings: Vec<RecordingShown>,
    /// What was found out about it after its end.
    analysis: Option<AnalysisShown>,
}

/// Who or what picked up.
#[derive(Serialize, ToSchema)]
pub(super) struct AnswererShown {
    /// human, machine or unknown.
    by: &'static str,
    /// Why: reason, took_ms, voice_ms, phrases, beep_hz.
    #[schema(value_type = Object)]
    evidence: Value,
}

/// What a check of the caller's number found.
#[derive(Serialize, ToSchema)]
pub(super) struct IdentityShown {
    /// passed, failed, none or unverifiable.
    verdict: &'static str,
    /// A, B or C.
    attestation: Option<String>,
    /// Why it did not pass.
    reason: Option<String>,
}

/// Provider tokens of a call.
#[derive(Serialize, ToSchema)]
pub(super) struct UsageShown {
    /// Text read, with the cached.
    input_text_tokens: u64,
    /// Audio read, with the cached.
    input_audio_tokens: u64,
    /// Read from the provider's cache.
    cached_tokens: u64,
    /// Text written.
    output_text_tokens: u64,
    /// Audio written.
    output_audio_tokens: u64,
}

/// A recording of a call.
#[derive(Serialize, ToSchema)]
pub(super) struct RecordingShown {
    /// writing, complete, repaired or failed.
    state: &'static str,
    /// wav.
    format: &'static str,
    /// When it was begun.
    opened_at: String,
    /// Its length in seconds.
    duration_s: Option<f64>,
    /// Its size.
    bytes: Option<u64>,
    /// What the listener should know.
    note: Option<String>,
}

/// What was found out about a call.
#[derive(Serialize, ToSchema)]
pub(super) struct AnalysisShown {
    /// pending, done, skipped or failed.
    state: &'static str,
    /// Why it was skipped or failed, or why it is tried again.
    reason: Option<String>,
    /// What the call was about.
    summary: Option<String>,
    /// positive, neutral or negative.
    sentiment: Option<&'static str>,
    /// -1 to 1.
    sentiment_score: Option<f64>,
    /// Whether it did what the assistant is for.
    success: Option<bool>,
    /// Why, or why not.
    success_reason: Option<String>,
    /// The fields that the assistant asks for.
    #[schema(value_type = Object)]
    fields: Value,
    /// How promising the caller is, 0 to 100.
    lead_score: Option<u8>,
    /// Why.
    lead_reasons: Vec<String>,
}

/// A time as all answers have it.
pub(super) fn time(at: Option<WallTime>) -> Option<String> {
    at.map(|at| at.to_string())
}

/// The record, in the API's words.
pub(super) fn shown(record: &CallRecord) -> CallShown {
    let CallRecord { call, ringing_at, answered_at, ended_at, cause, cause_detail, refused, .. } = record;
    CallShown {
        id: call.id.to_string(),
        direction: call.direction.as_str(),
        status: record.status().as_str(),
        leg: call.leg.as_str(),
        from: call.from.reveal().to_owned(),
        to: call.to.reveal().to_owned(),
        assistant_id: call.assistant.clone(),
        outcome: cause.map(|cause| cause.outcome().as_str()),
        cause: cause.map(|cause| cause.as_str()),
        cause_detail: cause_detail.clone(),
        sip: refused.as_ref().map(|refused| RefusalShown { status: refused.code, reason: refused.reason.clone() }),
        created_at: call.created_at.to_string(),
        ringing_at: time(*ringing_at),
        answered_at: time(*answered_at),
        ended_at: time(*ended_at),
        duration_s: answered_at.zip(*ended_at).map(|(from, to)| to.since(from).as_secs_f64()),
    }
}

/// What belongs to a call beside its record.
#[derive(Default)]
pub(super) struct Beside {
    pub(super) turns: Option<u64>,
    pub(super) recordings: Vec<Recording>,
    pub(super) analysis: Option<Analysis>,
}

/// All of it.
pub(super) fn whole(record: &CallRecord, beside: Beside) -> CallWhole {
    let CallRecord { call, stats, usage, language, trunk, identity, cost_micros, answered_by, .. } = record;
    CallWhole {
        call: shown(record),
        node: call.node.clone(),
        external_id: call.external_id.clone(),
        engine: call.engine.clone(),
        trunk_id: trunk.clone(),
        language: language.clone(),
        identity: identity.as_ref().map(|found| IdentityShown {
            verdict: found.verdict.as_str(),
            attestation: found.attestation.clone(),
            reason: found.reason.clone(),
        }),
        answered_by: answered_by.as_ref().map(|(by, evidence)| AnswererShown { by: by.as_str(), evidence: evidence.clone() }),
        turns: beside.turns,
        quality: stats.clone(),
        usage: UsageShown {
            input_text_tokens: usage.input_text_tokens,
            input_audio_tokens: usage.input_audio_tokens,
            cached_tokens: usage.cached_tokens,
            output_text_tokens: usage.output_text_tokens,
            output_audio_tokens: usage.output_audio_tokens,
        },
        cost_micros: *cost_micros,
        recordings: beside.recordings.into_iter().map(recording).collect(),
        analysis: beside.analysis.map(analysis),
    }
}

fn recording(recording: Recording) -> RecordingShown {
    RecordingShown {
        state: recording.state.as_str(),
        format: recording.format.as_str(),
        opened_at: recording.opened_at.to_string(),
        duration_s: recording.duration.map(|duration| duration.as_secs_f64()),
        bytes: recording.bytes,
        note: recording.note,
    }
}

fn analysis(analysis: Analysis) -> AnalysisShown {
    let found = analysis.findings.unwrap_or_default();
    let fields = found.fields.as_ref().and_then(|fields| serde_json::from_str(fields.reveal()).ok());
    AnalysisShown {
        state: analysis.state.as_str(),
        reason: analysis.reason,
        summary: found.summary.map(|summary| summary.reveal().to_owned()),
        sentiment: found.sentiment.map(|sentiment| sentiment.label.as_str()),
        sentiment_score: found.sentiment.map(|sentiment| sentiment.score),
        success: found.success.as_ref().map(|success| success.passed),
        success_reason: found.success.map(|success| success.reason.reveal().to_owned()),
        fields: fields.unwrap_or_default(),
        lead_score: found.lead.as_ref().map(|lead| lead.score),
        lead_reasons: found.lead.iter().flat_map(|lead| &lead.reasons).map(|reason| reason.reveal().to_owned()).collect(),
    }
}
