//! A lead as a line of text, as Slack's incoming webhooks and those like them take it.

use serde_json::{Value, json};

/// Longest line, in characters: Slack shows 4,000.
const LINE_MAX: usize = 2_000;

/// Digits of a number that are shown at its beginning and end.
const SHOWN: (usize, usize) = (3, 2);

/// What is sent for the body of an event.
pub(super) fn text(body: &Value) -> String {
    let data = &body["data"];
    let word = |name: &str| data[name].as_str().unwrap_or_default();
    let line = match data["score"].as_u64() {
        Some(score) => {
            let reasons: Vec<&str> = data["reasons"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let other = if word("direction") == "outbound" { word("to") } else { word("from") };
            let (number, assistant, call) = (masked(other), word("assistant"), word("call_id"));
            format!("Lead {score}/100: {number}, {assistant}. {}. Call {call}", reasons.join("; "))
        }
        None => format!("Offhook: {}", body["type"].as_str().unwrap_or_default()),
    };
    let line: String = line.chars().take(LINE_MAX).collect();
    // What Slack takes for markup (its manual, "Escaping text").
    let line = line.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    json!({ "text": line }).to_string()
}

/// A number of which most is hidden.
fn masked(number: &str) -> String {
    let all: Vec<char> = number.chars().collect();
    let (head, tail) = SHOWN;
    if all.len() < 2 * (head + tail) - 2 {
        return "•".repeat(all.len().max(1));
    }
    let hidden = "•".repeat(all.len() - head - tail);
    let (first, last): (String, String) = (all[..head].iter().collect(), all[all.len() - tail..].iter().collect());
    format!("{first}{hidden}{last}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lead_is_a_line_without_its_number_and_without_markup() {
        let data = json!({ "score": 85, "reasons": ["wants <two>", "has a budget & a date"], "from": "+4930555001",
            "direction": "inbound", "assistant": "demo", "call_id": "019a" });
        assert_eq!(
            text(&json!({ "type": "lead.scored", "data": data })),
            r#"{"text":"Lead 85/100: +49••••••01, demo. wants &lt;two&gt;; has a budget &amp; a date. Call 019a"}"#
        );
        assert_eq!(text(&json!({ "type": "webhook.test", "data": {} })), r#"{"text":"Offhook: webhook.test"}"#);
    }

    #[test]
    fn short_numbers_are_hidden_whole() {
        assert_eq!((masked("110"), masked(""), masked("+4930555001")), ("•••".into(), "•".into(), "+49••••••01".into()));
    }
}
