//! The commands about what comes after a call: its analysis, and what is remembered of its caller.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use store::{Analysis, CallId, Caller, OrganizationId, PhoneNumber, Transcript, WallTime};

use crate::cli::MemoryAction;
use crate::config::Config;
use crate::wire;

/// Prints the analysis of a call as JSON.
///
/// # Errors
/// One line: no such call, or none that was looked at.
pub async fn analysis(config: &Config, call: &str) -> anyhow::Result<ExitCode> {
    let call: CallId = call.parse().with_context(|| format!("{call:?} is not the id of a call"))?;
    let database = wire::open_database(config).await?;
    let analysis = database.analysis(call).await;
    database.close().await;
    match analysis? {
        Some(analysis) => println!("{:#}", shown(&analysis)),
        None => bail!("call {call} has no analysis: it was not answered, is not over, or is not known"),
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints or erases what is remembered of a caller.
///
/// # Errors
/// One line: the number stands for nobody, or the database is away.
pub async fn memory(config: &Config, action: &MemoryAction) -> anyhow::Result<ExitCode> {
    let (MemoryAction::List { number } | MemoryAction::Erase { number }) = action;
    let caller = Caller::of(&PhoneNumber::new(number.as_str())).context("a withheld number has no memories")?;
    let database = wire::open_database(config).await?;
    match action {
        MemoryAction::List { .. } => {
            for memory in database.memories(&OrganizationId::operator(), &caller, WallTime::now()).await? {
                let (at, call, source) = (memory.confirmed_at, memory.call, memory.source);
                println!("{at} {call} {source} {}", memory.text.reveal());
            }
        }
        MemoryAction::Erase { .. } => println!("{} memories erased", database.erase_memories(&caller).await?),
    }
    database.close().await;
    Ok(ExitCode::SUCCESS)
}

/// An analysis as people read it; what was not asked for is left out.
fn shown(analysis: &Analysis) -> Value {
    let mut shown = json!({
        "call": analysis.call.to_string(),
        "state": analysis.state.as_str(),
        "attempts": analysis.attempts,
        "queued_at": analysis.queued_at.to_string(),
    });
    let mut add = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            shown[key] = value;
        }
    };
    add("finished_at", analysis.finished_at.map(|at| json!(at.to_string())));
    add("reason", analysis.reason.as_ref().map(|reason| json!(reason)));
    let Some(findings) = &analysis.findings else { return shown };
    add("model", Some(json!(format!("{} {}", findings.provider, findings.model))));
    add("tokens", Some(json!({"input": findings.input_tokens, "output": findings.output_tokens})));
    add("summary", findings.summary.as_ref().map(|summary| json!(summary.reveal())));
    let sentiment = |sentiment: store::SentimentScore| json!({"label": sentiment.label.as_str(), "score": sentiment.score});
    add("sentiment", findings.sentiment.map(sentiment));
    let success = |success: &store::SuccessVerdict| json!({"pass": success.passed, "reason": success.reason.reveal()});
    add("success", findings.success.as_ref().map(success));
    add("fields", findings.fields.as_ref().and_then(|fields| serde_json::from_str(fields.reveal()).ok()));
    let lead = |lead: &store::LeadScore| {
        let reasons: Vec<&str> = lead.reasons.iter().map(Transcript::reveal).collect();
        json!({"score": lead.score, "reasons": reasons})
    };
    add("lead", findings.lead.as_ref().map(lead));
    shown
}
