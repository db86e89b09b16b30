//! What a model answered: found leniently in whatever stands around it, checked strictly, and never taken at its word.

use serde_json::{Map, Value};
use store::{Findings, LeadScore, MEMORY_BYTES_MAX, Sentiment, SentimentScore, SuccessVerdict, Transcript};

use super::questions::Questions;

/// The longest text of a finding, in bytes: a page. The rest is cut off.
const TEXT_BYTES_MAX: usize = 4 * 1024;

/// The most reasons of a lead score.
pub(super) const LEAD_REASONS_MAX: usize = 10;

/// The most that is learned of a caller in one call: a model that remembers every sentence would push out what matters.
pub(super) const NEW_MEMORIES_MAX: usize = 10;

/// Where an object may begin in an answer; prose with more braces than this is not searched on.
const BEGINNINGS_MAX: usize = 64;

/// An answer that passed all checks.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Answer {
    summary: Option<Transcript>,
    sentiment: Option<SentimentScore>,
    success: Option<SuccessVerdict>,
    fields: Option<Transcript>,
    lead: Option<LeadScore>,
    /// To be remembered.
    pub(super) memories: Vec<String>,
    /// Numbers of known notes, from 1, each there.
    pub(super) outdated: Vec<usize>,
}

impl Answer {
    /// Reads what was asked for out of `text`; `known` notes were shown. Keys that nobody asked for are ignored.
    ///
    /// # Errors
    /// What is wrong, for the model and for the record: it names keys and rules, and repeats nothing that was said.
    pub(super) fn parse(text: &str, questions: &Questions, known: usize) -> Result<Self, String> {
        let object = object_in(text, wanted(questions))?;
        let mut answer = Self::default();
        if questions.summary {
            answer.summary = Some(words(&object, "summary")?);
            answer.sentiment = Some(sentiment(&object)?);
        }
        if questions.rubric.is_some() {
            answer.success = Some(success(&object)?);
        }
        if questions.lead_criteria.is_some() {
            answer.lead = Some(lead(&object)?);
        }
        if let Some(schema) = &questions.fields {
            let fields = value(&object, "fields")?;
            schema.check(fields)?;
            answer.fields = Some(Transcript::new(fields.to_string()));
        }
        if questions.retention.is_some() {
            answer.memories = memories(&object)?;
            answer.outdated = outdated(&object, known)?;
        }
        Ok(answer)
    }

    /// Adds what was found to who was asked.
    pub(super) fn into_findings(self, asked: Findings) -> Findings {
        let Self { summary, sentiment, success, fields, lead, .. } = self;
        Findings { summary, sentiment, success, fields, lead, ..asked }
    }
}

/// A key that the answer must have, by which it is told from other objects in the text.
fn wanted(questions: &Questions) -> &'static str {
    match questions {
        Questions { summary: true, .. } => "summary",
        Questions { rubric: Some(_), .. } => "success",
        Questions { lead_criteria: Some(_), .. } => "lead",
        Questions { fields: Some(_), .. } => "fields",
        _ => "memories",
    }
}

/// The object with the key `wanted`, wherever it stands: bare, in a code fence, after a model's thoughts.
fn object_in(text: &str, wanted: &str) -> Result<Map<String, Value>, String> {
    let mut other = None;
    let mut rest = text;
    for _ in 0..BEGINNINGS_MAX {
        let Some(at) = rest.find('{') else { break };
        let mut values = serde_json::Deserializer::from_str(&rest[at..]).into_iter::<Value>();
        match values.next() {
            Some(Ok(Value::Object(object))) if object.contains_key(wanted) => return Ok(object),
            Some(Ok(Value::Object(object))) => {
                rest = &rest[at + values.byte_offset()..];
                other.get_or_insert(object);
            }
            _ => rest = &rest[at + 1..],
        }
    }
    other.ok_or_else(|| "there is no JSON object in it".to_owned())
}

fn value<'a>(object: &'a Map<String, Value>, key: &str) -> Result<&'a Value, String> {
    object.get(key).ok_or_else(|| format!("{key} is missing"))
}

/// A text that is not empty, cut where it is too long.
fn words(object: &Map<String, Value>, key: &str) -> Result<Transcript, String> {
    text(value(object, key)?, TEXT_BYTES_MAX).map(Transcript::new).ok_or_else(|| format!("{key} is not a text"))
}

fn text(value: &Value, longest: usize) -> Option<String> {
    let text = value.as_str()?.trim();
    (!text.is_empty()).then(|| text[..text.floor_char_boundary(longest)].to_owned())
}

fn sentiment(object: &Map<String, Value>) -> Result<SentimentScore, String> {
    let label = value(object, "sentiment")?.as_str().and_then(|word| word.parse::<Sentiment>().ok());
    let label = label.ok_or("sentiment is not one of positive, neutral, negative")?;
    let score = value(object, "sentiment_score")?.as_f64().filter(|score| (-1.0..=1.0).contains(score));
    Ok(SentimentScore { label, score: score.ok_or("sentiment_score is not a number from -1 to 1")? })
}

fn nested<'a>(object: &'a Map<String, Value>, key: &str) -> Result<&'a Map<String, Value>, String> {
    value(object, key)?.as_object().ok_or_else(|| format!("{key} is not an object"))
}

fn success(object: &Map<String, Value>) -> Result<SuccessVerdict, String> {
    let success = nested(object, "success")?;
    let passed = success.get("pass").and_then(Value::as_bool).ok_or("success.pass is neither true nor false")?;
    let reason = success.get("reason").and_then(|reason| text(reason, TEXT_BYTES_MAX));
    Ok(SuccessVerdict { passed, reason: Transcript::new(reason.ok_or("success.reason is not a text")?) })
}

fn lead(object: &Map<String, Value>) -> Result<LeadScore, String> {
    let lead = nested(object, "lead")?;
    // 80.0 is 80 to JSON Schema, and so to models.
    let score = lead.get("score").and_then(Value::as_f64).filter(|score| score.fract() == 0.0 && (0.0..=100.0).contains(score));
    let score = score.ok_or("lead.score is not a whole number from 0 to 100")? as u8;
    let reasons = lead.get("reasons").and_then(Value::as_array).ok_or("lead.reasons is not a list")?;
    if reasons.is_empty() || reasons.len() > LEAD_REASONS_MAX {
        return Err(format!("lead.reasons has {} texts, not 1 to {LEAD_REASONS_MAX}", reasons.len()));
    }
    let reasons: Option<Vec<String>> = reasons.iter().map(|reason| text(reason, TEXT_BYTES_MAX)).collect();
    let reasons = reasons.ok_or("lead.reasons is not a list of texts")?;
    Ok(LeadScore { score, reasons: reasons.into_iter().map(Transcript::new).collect() })
}

fn memories(object: &Map<String, Value>) -> Result<Vec<String>, String> {
    let list = value(object, "memories")?.as_array().ok_or("memories is not a list")?;
    if list.len() > NEW_MEMORIES_MAX {
        return Err(format!("memories has {} texts, more than {NEW_MEMORIES_MAX}", list.len()));
    }
    let texts: Option<Vec<String>> = list.iter().map(|memory| text(memory, MEMORY_BYTES_MAX)).collect();
    texts.ok_or_else(|| "memories is not a list of texts".to_owned())
}

fn outdated(object: &Map<String, Value>, known: usize) -> Result<Vec<usize>, String> {
    let list = value(object, "outdated")?.as_array().ok_or("outdated is not a list")?;
    let numbers: Option<Vec<usize>> = list
        .iter()
        .map(|number| {
            number.as_u64().and_then(|number| usize::try_from(number).ok()).filter(|number| (1..=known).contains(number))
        })
        .collect();
    numbers.ok_or_else(|| format!("outdated is not a list of numbers from 1 to {known}"))
}

#[cfg(test)]
mod tests;
