//! The tools that act on the call itself, and what an assistant can do without anybody's service.
//!
//! `transfer_call` is in [`transfer`](super::transfer): what it can do is the assistant's.

use std::time::Duration;

use serde_json::{Value, json};

use super::digits::{DigitsWanted, MAX_DIGITS, TIMEOUTS};
use super::{Tool, ToolError, ToolRules};
use crate::json::line;

/// A call of a built-in tool, its arguments checked. `Debug` shows what was said: keep it out of logs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum BuiltIn {
    /// Collect keys that the caller presses.
    CollectDigits(DigitsWanted),
    /// Check an e-mail address and have it spelled back.
    CollectEmail {
        /// As the model understood it.
        email: String,
        /// The caller has said that what was spelled back is right.
        confirmed: bool,
    },
    /// End the call once what was said has been heard.
    EndCall {
        /// Why, in the model's words.
        reason: Option<String>,
    },
    /// Tell the time.
    GetTime {
        /// IANA name; `None` is UTC.
        zone: Option<String>,
    },
    /// Press keys toward the caller's side.
    SendDtmf {
        /// 1 to [`MAX_DIGITS`] of `0-9 A-D * #`.
        digits: String,
    },
}

/// The built-in tools that an assistant has unless its configuration says otherwise.
pub const DEFAULT: [&str; 3] = ["end_call", "get_time", "send_dtmf"];

/// All built-in tools.
pub const NAMES: [&str; 5] = ["collect_digits", "collect_email", "end_call", "get_time", "send_dtmf"];

struct Row {
    name: &'static str,
    description: &'static str,
    parameters: fn() -> Value,
    parse: fn(&Value) -> Result<BuiltIn, ToolError>,
}

/// Every built-in tool, one row each, in the order of [`NAMES`].
static BUILT_IN: [Row; 5] = [
    Row {
        name: "collect_digits",
        description: "Collect digits that the caller types on the phone keypad, such as a PIN or an account or card number. First \
                      ask the caller to type them, and say which key ends them. The result comes when they are complete. With \
                      sensitive true you get a reference in place of the digits: hand it to a tool that takes them, and never \
                      ask the caller to say such digits aloud.",
        parameters: || {
            json!({
                "type": "object",
                "properties": {
                    "min": { "type": "integer", "minimum": 1, "maximum": MAX_DIGITS, "description": "The fewest digits that will do." },
                    "max": { "type": "integer", "minimum": 1, "maximum": MAX_DIGITS, "description": "As many are complete at once." },
                    "end_key": { "type": "string", "enum": ["#", "*", "none"], "description": "The key that ends them; # if absent." },
                    "sensitive": { "type": "boolean", "description": "True for card numbers, PINs and passwords." },
                    "timeout_s": { "type": "integer", "minimum": 5, "maximum": 120, "description": "How long to wait; 60 if absent." }
                },
                "required": ["min", "max"],
                "additionalProperties": false
            })
        },
        parse: collect_digits,
    },
    Row {
        name: "collect_email",
        description: "Take down the caller's e-mail address. Call it with what you understood; it checks the address and tells how \
                      to spell it back. After the caller has confirmed the spelling, call it again with confirmed true.",
        parameters: || {
            json!({
                "type": "object",
                "properties": {
                    "email": { "type": "string", "description": "The address, or the words in which it was said." },
                    "confirmed": { "type": "boolean", "description": "True once the caller has confirmed what you spelled back." }
                },
                "required": ["email"],
                "additionalProperties": false
            })
        },
        parse: collect_email,
    },
    Row {
        name: "end_call",
        description: "End the phone call. Say goodbye first; the call ends after your last words were heard.",
        parameters: || {
            json!({
                "type": "object",
                "properties": { "reason": { "type": "string", "description": "Why the call ends, in a few words." } },
                "additionalProperties": false
            })
        },
        parse: end_call,
    },
    Row {
        name: "get_time",
        description: "The date, weekday and time now.",
        parameters: || {
            json!({
                "type": "object",
                "properties": { "timezone": {
                    "type": "string",
                    "description": "IANA time zone, as Europe/Berlin; UTC if absent."
                } },
                "additionalProperties": false
            })
        },
        parse: get_time,
    },
    Row {
        name: "send_dtmf",
        description: "Press keys on the phone keypad, for example to use the menu of a machine on the other side.",
        parameters: || {
            json!({
                "type": "object",
                "properties": { "digits": {
                    "type": "string",
                    "description": "Keys in order: 0-9, *, #, A-D.",
                    "pattern": "^[0-9A-Da-d*#]{1,32}$"
                } },
                "required": ["digits"],
                "additionalProperties": false
            })
        },
        parse: send_dtmf,
    },
];

impl BuiltIn {
    /// The description of the built-in tool of this name.
    pub fn describe(name: &str) -> Option<Tool> {
        let row = BUILT_IN.iter().find(|row| row.name == name)?;
        Some(Tool { name: row.name.to_owned(), description: row.description.to_owned(), parameters: (row.parameters)() })
    }

    /// Its name, as the model calls it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::CollectDigits(_) => "collect_digits",
            Self::CollectEmail { .. } => "collect_email",
            Self::EndCall { .. } => "end_call",
            Self::GetTime { .. } => "get_time",
            Self::SendDtmf { .. } => "send_dtmf",
        }
    }

    /// How the built-in tools may be used: nothing of them is undone by the caller's speech, and keys and addresses that people
    /// give are theirs.
    pub fn rules(name: &str) -> ToolRules {
        ToolRules { cancel_on_barge_in: false, sensitive: matches!(name, "collect_email" | "send_dtmf") }
    }

    /// Reads a call as the model wrote it.
    ///
    /// # Errors
    /// [`ToolError::Unknown`] when the name is not a built-in tool's; otherwise what is wrong with the arguments.
    pub fn parse(name: &str, arguments: &Value) -> Result<Self, ToolError> {
        let row = BUILT_IN.iter().find(|row| row.name == name);
        let row = row.ok_or_else(|| ToolError::Unknown { name: line(name) })?;
        (row.parse)(arguments)
    }
}

fn collect_digits(arguments: &Value) -> Result<BuiltIn, ToolError> {
    let count = |name: &'static str| {
        let count = arguments[name].as_u64().and_then(|count| usize::try_from(count).ok());
        let wrong = ToolError::Argument { name, reason: "must be a number of digits, 1 to 32" };
        count.filter(|count| (1..=MAX_DIGITS).contains(count)).ok_or(wrong)
    };
    let (min, max) = (count("min")?, count("max")?);
    if min > max {
        return Err(ToolError::Argument { name: "min", reason: "must not be above max" });
    }
    let end = match &arguments["end_key"] {
        Value::Null => Some('#'),
        Value::String(key) if key == "#" => Some('#'),
        Value::String(key) if key == "*" => Some('*'),
        Value::String(key) if key == "none" => None,
        _ => return Err(ToolError::Argument { name: "end_key", reason: "must be #, * or none" }),
    };
    let (shortest, longest, usual) = TIMEOUTS;
    let timeout = match &arguments["timeout_s"] {
        Value::Null => usual,
        value => {
            let wrong = ToolError::Argument { name: "timeout_s", reason: "must be a number of seconds, 5 to 120" };
            let timeout = value.as_u64().map(Duration::from_secs);
            timeout.filter(|timeout| (shortest..=longest).contains(timeout)).ok_or(wrong)?
        }
    };
    Ok(BuiltIn::CollectDigits(DigitsWanted { min, max, end, sensitive: flag(arguments, "sensitive")?, timeout }))
}

fn collect_email(arguments: &Value) -> Result<BuiltIn, ToolError> {
    match &arguments["email"] {
        Value::String(email) => Ok(BuiltIn::CollectEmail { email: email.clone(), confirmed: flag(arguments, "confirmed")? }),
        Value::Null => Err(ToolError::Argument { name: "email", reason: "is missing" }),
        _ => Err(ToolError::Argument { name: "email", reason: "must be a string" }),
    }
}

fn end_call(arguments: &Value) -> Result<BuiltIn, ToolError> {
    match &arguments["reason"] {
        Value::Null => Ok(BuiltIn::EndCall { reason: None }),
        Value::String(reason) => Ok(BuiltIn::EndCall { reason: Some(line(reason)) }),
        _ => Err(ToolError::Argument { name: "reason", reason: "must be a string" }),
    }
}

fn get_time(arguments: &Value) -> Result<BuiltIn, ToolError> {
    match &arguments["timezone"] {
        Value::Null => Ok(BuiltIn::GetTime { zone: None }),
        Value::String(zone) => Ok(BuiltIn::GetTime { zone: Some(zone.clone()).filter(|zone| !zone.is_empty()) }),
        _ => Err(ToolError::Argument { name: "timezone", reason: "must be a string" }),
    }
}

fn send_dtmf(arguments: &Value) -> Result<BuiltIn, ToolError> {
    let wrong = |reason| ToolError::Argument { name: "digits", reason };
    let digits = match &arguments["digits"] {
        Value::Null => return Err(wrong("is missing")),
        Value::Number(number) => number.to_string(),
        Value::String(digits) => digits.to_ascii_uppercase(),
        _ => return Err(wrong("must be a string")),
    };
    if digits.is_empty() || digits.len() > MAX_DIGITS {
        return Err(wrong("must have 1 to 32 keys"));
    }
    if !digits.bytes().all(|key| b"0123456789ABCD*#".contains(&key)) {
        return Err(wrong("may hold only 0-9, A-D, * and #"));
    }
    Ok(BuiltIn::SendDtmf { digits })
}

/// A switch that is off when it is absent.
fn flag(arguments: &Value, name: &'static str) -> Result<bool, ToolError> {
    match &arguments[name] {
        Value::Null => Ok(false),
        Value::Bool(flag) => Ok(*flag),
        _ => Err(ToolError::Argument { name, reason: "must be true or false" }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::super::{MAX_ARGUMENTS, failure, parse_arguments};
    use super::*;

    fn check(name: &str, arguments: &str, expected: &str) {
        let call = parse_arguments(arguments).and_then(|arguments| BuiltIn::parse(name, &arguments));
        let outcome = match call {
            Ok(call) => format!("{call:?}"),
            Err(error) => error.output(),
        };
        assert_eq!(outcome, expected, "{name} {arguments}");
    }

    #[test]
    fn calls_are_read_as_models_write_them() {
        check("end_call", "", "EndCall { reason: None }");
        check("end_call", "{}", "EndCall { reason: None }");
        check("end_call", r#"{"reason":"done\nand more"}"#, r#"EndCall { reason: Some("done") }"#);
        check("send_dtmf", r#"{"digits":"12#ab","more":1}"#, r##"SendDtmf { digits: "12#AB" }"##);
        check("send_dtmf", r#"{"digits":42}"#, r#"SendDtmf { digits: "42" }"#);
        check("get_time", "", "GetTime { zone: None }");
        check("get_time", r#"{"timezone":"Asia/Tokyo"}"#, r#"GetTime { zone: Some("Asia/Tokyo") }"#);
        check("collect_email", r#"{"email":"a@b.cd"}"#, r#"CollectEmail { email: "a@b.cd", confirmed: false }"#);
        let digits = "CollectDigits(DigitsWanted { min: 4, max: 6, end: Some('#'), sensitive: false, timeout: 60s })";
        check("collect_digits", r#"{"min":4,"max":6}"#, digits);
        let digits = "CollectDigits(DigitsWanted { min: 1, max: 1, end: None, sensitive: true, timeout: 5s })";
        check("collect_digits", r#"{"min":1,"max":1,"end_key":"none","sensitive":true,"timeout_s":5}"#, digits);
    }

    #[test]
    fn errors_go_back_to_the_model() {
        check("fly", "{}", &failure("there is no tool named fly"));
        check("end_call", "[]", &failure("arguments are not a json object: it is another kind of value"));
        let broken = "arguments are not a json object: EOF while parsing a value at line 1 column 10";
        check("end_call", r#"{"reason":"#, &failure(broken));
        check("end_call", r#"{"reason":1}"#, &failure("argument reason: must be a string"));
        check("end_call", &" ".repeat(MAX_ARGUMENTS + 1), &failure("arguments of 16385 bytes are over 16384"));
        check("send_dtmf", "{}", &failure("argument digits: is missing"));
        check("send_dtmf", r#"{"digits":[1]}"#, &failure("argument digits: must be a string"));
        check("send_dtmf", r#"{"digits":""}"#, &failure("argument digits: must have 1 to 32 keys"));
        check("send_dtmf", r#"{"digits":"1 2"}"#, &failure("argument digits: may hold only 0-9, A-D, * and #"));
        let many = format!(r#"{{"digits":"{}"}}"#, "1".repeat(MAX_DIGITS + 1));
        check("send_dtmf", &many, &failure("argument digits: must have 1 to 32 keys"));
        check("get_time", r#"{"timezone":5}"#, &failure("argument timezone: must be a string"));
        check("collect_email", "{}", &failure("argument email: is missing"));
        check("collect_email", r#"{"email":"a@b.cd","confirmed":1}"#, &failure("argument confirmed: must be true or false"));
        check("collect_digits", r#"{"min":0,"max":4}"#, &failure("argument min: must be a number of digits, 1 to 32"));
        check("collect_digits", r#"{"min":4,"max":33}"#, &failure("argument max: must be a number of digits, 1 to 32"));
        check("collect_digits", r#"{"min":4,"max":3}"#, &failure("argument min: must not be above max"));
        check("collect_digits", r#"{"min":4,"max":4,"end_key":"5"}"#, &failure("argument end_key: must be #, * or none"));
        let long = failure("argument timeout_s: must be a number of seconds, 5 to 120");
        check("collect_digits", r#"{"min":4,"max":4,"timeout_s":121}"#, &long);
    }

    #[test]
    fn descriptions_fit_what_is_parsed() {
        assert_eq!(NAMES, BUILT_IN.each_ref().map(|row| row.name));
        for name in NAMES {
            let tool = BuiltIn::describe(name).unwrap();
            assert_eq!(tool.parameters["type"], "object");
            assert!(!matches!(BuiltIn::parse(name, &json!({})), Err(ToolError::Unknown { .. })));
            jsonschema::validator_for(&tool.parameters).unwrap();
        }
        assert!(DEFAULT.iter().all(|name| NAMES.contains(name)));
    }

    proptest! {
        #[test]
        fn any_arguments_are_a_call_or_an_error(arguments in "\\PC*|\\{\"(min|email|digits)\":\\PC*\\}") {
            for name in NAMES {
                let _ = parse_arguments(&arguments).and_then(|arguments| BuiltIn::parse(name, &arguments));
            }
        }
    }
}
