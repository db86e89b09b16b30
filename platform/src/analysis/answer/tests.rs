//! Answers of all kinds: what is taken, and what is said of the others.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use super::*;

fn all() -> Questions {
    Questions {
        summary: true,
        rubric: Some("A table is booked.".to_owned()),
        fields: Some(r#"{"type":"object","properties":{"guests":{"type":"integer"}},"required":["guests"]}"#.parse().unwrap()),
        lead_criteria: Some("Wants to buy.".to_owned()),
        retention: Some(Duration::from_secs(1)),
    }
}

const GOOD: &str = r#"{"summary": "They booked.", "sentiment": "positive", "sentiment_score": 0.5,
    "success": {"pass": true, "reason": "Booked."}, "lead": {"score": 80, "reasons": ["wants it"]},
    "fields": {"guests": 4}, "memories": ["is called Ada"], "outdated": [2]}"#;

/// What is said of `GOOD` with one part replaced; nothing when it is taken.
fn check(part: &str, replaced: &str, expected: &str) {
    assert!(GOOD.contains(part), "{part}");
    let reason = Answer::parse(&GOOD.replace(part, replaced), &all(), 2).err().unwrap_or_default();
    assert_eq!(reason, expected, "{replaced}");
}

#[test]
fn a_good_answer_is_taken_whatever_stands_around_it() {
    let taken = Answer::parse(GOOD, &all(), 2).unwrap();
    assert_eq!(taken.summary.as_ref().unwrap().reveal(), "They booked.");
    assert_eq!(taken.sentiment, Some(SentimentScore { label: Sentiment::Positive, score: 0.5 }));
    assert!(taken.success.as_ref().unwrap().passed);
    assert_eq!(taken.fields.as_ref().unwrap().reveal(), r#"{"guests":4}"#);
    assert_eq!(taken.lead.as_ref().unwrap().score, 80);
    assert_eq!((&taken.memories[..], &taken.outdated[..]), (&["is called Ada".to_owned()][..], &[2][..]));
    for around in [
        format!("```json\n{GOOD}\n```"),
        format!("Sure! Here it is:\n\n{GOOD}\n\nTell me if you need more {{}}."),
        format!("<think>The schema wants {{\"guests\": 4}}, and {{that}} is clear.</think>{GOOD}"),
        format!("\u{feff}{GOOD}{GOOD}"),
    ] {
        assert_eq!(Answer::parse(&around, &all(), 2).as_ref(), Ok(&taken), "{around}");
    }
}

#[test]
fn what_was_not_asked_for_is_not_looked_at() {
    let summary = Questions { summary: true, ..Questions::default() };
    let answer = r#"{"summary":"s","sentiment":"neutral","sentiment_score":0,"lead":"no","extra":[]}"#;
    let taken = Answer::parse(answer, &summary, 0).unwrap();
    assert_eq!((taken.lead, taken.fields, taken.success), (None, None, None));
}

#[test]
fn garbage_is_refused() {
    for garbage in ["", "I cannot help with that.", "[1, 2]", "{", "{\"summary\": ", "{{{{{{", "null", "\"{}\""] {
        let refused = Answer::parse(garbage, &all(), 0).unwrap_err();
        let expected = if garbage == "\"{}\"" { "summary is missing" } else { "there is no JSON object in it" };
        assert_eq!(refused, expected, "{garbage}");
    }
    // Braces without end cost no time without end.
    assert!(Answer::parse(&"{\"a\":".repeat(20_000), &all(), 0).is_err());
    let far = format!("{}{GOOD}", "{ ".repeat(BEGINNINGS_MAX));
    assert_eq!(Answer::parse(&far, &all(), 2).unwrap_err(), "there is no JSON object in it");
}

#[test]
fn each_part_must_be_as_the_schema_says() {
    check(r#""They booked.""#, "7", "summary is not a text");
    check(r#""They booked.""#, r#"" ""#, "summary is not a text");
    check(r#""positive""#, r#""glad""#, "sentiment is not one of positive, neutral, negative");
    check("0.5", "1.5", "sentiment_score is not a number from -1 to 1");
    check("0.5", r#""0.5""#, "sentiment_score is not a number from -1 to 1");
    check("true", r#""yes""#, "success.pass is neither true nor false");
    check(r#""Booked.""#, "null", "success.reason is not a text");
    check(r#"{"pass": true, "reason": "Booked."}"#, "true", "success is not an object");
    check("80", "101", "lead.score is not a whole number from 0 to 100");
    check("80", "-1", "lead.score is not a whole number from 0 to 100");
    check("80", "79.5", "lead.score is not a whole number from 0 to 100");
    check("80", "80.0", "");
    check(r#"["wants it"]"#, "[]", "lead.reasons has 0 texts, not 1 to 10");
    check(r#"["wants it"]"#, "[3]", "lead.reasons is not a list of texts");
    check(r#"["wants it"]"#, r#""wants it""#, "lead.reasons is not a list");
    check(r#""fields""#, r#""field""#, "fields is missing");
    check(r#"["is called Ada"]"#, "[]", "");
    check(r#"["is called Ada"]"#, r#"{"a": 1}"#, "memories is not a list");
    check(r#"["is called Ada"]"#, r#"["a","a","a","a","a","a","a","a","a","a","a"]"#, "memories has 11 texts, more than 10");
    check("[2]", "[3]", "outdated is not a list of numbers from 1 to 2");
    check("[2]", "[0]", "outdated is not a list of numbers from 1 to 2");
    check("[2]", "2", "outdated is not a list");
}

#[test]
fn fields_must_fit_their_schema_and_the_reason_repeats_nothing() {
    let refused = Answer::parse(&GOOD.replace("{\"guests\": 4}", "{\"guests\": \"4111 1111\"}"), &all(), 2).unwrap_err();
    assert!(refused.starts_with("fields/guests: ") && !refused.contains("4111"), "{refused}");
    let refused = Answer::parse(&GOOD.replace("{\"guests\": 4}", "[]"), &all(), 2).unwrap_err();
    assert!(refused.starts_with("fields: "), "{refused}");
}

#[test]
fn texts_are_cut_at_their_longest() {
    let long =
        GOOD.replace("They booked.", &"ü".repeat(TEXT_BYTES_MAX)).replace("is called Ada", &"x".repeat(MEMORY_BYTES_MAX + 1));
    let taken = Answer::parse(&long, &all(), 2).unwrap();
    assert_eq!(taken.summary.unwrap().reveal().len(), TEXT_BYTES_MAX);
    assert_eq!(taken.memories[0].len(), MEMORY_BYTES_MAX);
}
