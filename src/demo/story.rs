//! The record of a call as a person reads it: who said what, and where each answer's time went.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::Value;
use store::{CallRecord, Role, Turn};

/// Columns of the longest response gap; all bars have its scale, so that they can be compared.
const BAR_COLUMNS: u64 = 46;

/// The stages of a response gap, as the record has them: they follow each other and sum to it.
const STAGES: [(&str, &str); 3] = [("endpointing_ms", "end of turn"), ("engine_ms", "provider"), ("sendout_ms", "sending out")];

/// The conversation with its waterfalls, and the whole in a few lines. `report` is what the caller measured.
pub(super) fn tell(call: &CallRecord, turns: &[Turn], report: &Value) -> String {
    let longest = turns.iter().filter_map(gap).max().unwrap_or_default();
    let mut text = format!("\nAs the server recorded it (engine {})\n", call.call.engine);
    for turn in turns {
        // Each exchange stands by itself: it begins where the caller speaks.
        if turn.role == Role::Caller || turn.number == 0 {
            text.push('\n');
        }
        let at = turn.started_at.since(call.call.created_at).as_secs_f64();
        let who = match turn.role {
            Role::Agent => "agent",
            Role::Caller => "caller",
        };
        let cut = turn.interrupted.map_or(String::new(), |heard| format!(" (cut off after {:.1} s)", heard.as_secs_f64()));
        let _ = writeln!(text, "{at:9.3} s  {who:<7} {}{cut}", turn.text.reveal());
        text.push_str(&waterfall(turn, longest));
    }
    text.push_str(&summary(call, turns, report));
    text
}

fn gap(turn: &Turn) -> Option<u64> {
    turn.timings["response_gap_ms"].as_u64()
}

/// Where the response gap of an answer went, a row a stage, each bar beginning where the last one ended.
fn waterfall(turn: &Turn, longest: u64) -> String {
    let Some(total) = gap(turn) else { return String::new() };
    let column = |ms: u64| (ms * BAR_COLUMNS / longest.max(1)) as usize;
    let mut text = String::new();
    let mut begin = 0;
    for (key, name) in STAGES {
        let took = turn.timings[key].as_u64().unwrap_or_default();
        let end = column(begin + took).max(column(begin) + 1);
        let bar = format!("{}{}", " ".repeat(column(begin)), "█".repeat(end - column(begin)));
        let _ = writeln!(text, "             {name:<12}{took:>5} ms  {bar}");
        begin += took;
    }
    let _ = writeln!(text, "             {:<12}{total:>5} ms", "= gap");
    text
}

/// What the whole call was like.
fn summary(call: &CallRecord, turns: &[Turn], report: &Value) -> String {
    let count = |key: &str| report["packets"][key].as_u64().unwrap_or_default();
    let length = call.ended_at.zip(call.answered_at).map_or(Duration::ZERO, |(end, answer)| end.since(answer));
    let cause = call.cause.map_or("still up", |cause| cause.as_str());
    let mut text = format!("\nAll in all\n\n  call       {:.1} s, ended: {cause}\n", length.as_secs_f64());
    let setup = report["setup_ms"]["max"].as_f64().unwrap_or_default();
    let _ = writeln!(text, "  set-up     {setup:.1} ms from INVITE to 200 OK");
    let answers: Vec<u64> = turns.iter().filter_map(gap).collect();
    if let (Some(longest), count @ 1..) = (answers.iter().max(), answers.len() as u64) {
        let mean = |key: &str| turns.iter().filter_map(|turn| turn.timings[key].as_u64()).sum::<u64>() / count;
        let [silence, provider, sending] = STAGES.map(|(key, _)| mean(key));
        let _ = writeln!(
            text,
            "  answers    {count}, response gap {} ms on average, {longest} ms at most:\n             \
             {silence} ms of silence show that the turn is over, {provider} ms are the provider's, {sending} ms ours",
            mean("response_gap_ms"),
        );
    }
    let mos = report["mos"]["min"].as_f64().unwrap_or_default();
    let (sent, received, lost, late) = (count("sent"), count("received"), count("lost"), count("late"));
    let _ =
        writeln!(text, "  audio      {sent} packets sent, {received} received, {lost} lost, {late} late; MOS {mos:.2} (E-model)");
    text
}

#[cfg(test)]
mod tests;
